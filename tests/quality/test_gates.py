"""Verdicts: which measured clips a corpus takes, and the words for those it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.errors import RecipeError
from corpusforge.items import Utterance
from corpusforge.quality.gates import SPEEDS, Gates, judge

GOOD = {
    "rms_dbfs": -19.4,
    "clipping": 0.0,
    "silence": 0.08,
    "syllables": 40,
    "unreadable": 1,
    "unreadable_share": 0.025,
    "seconds_per_syllable": 0.27,
}


def clip(lang="zho_Hans", engine="espeak", seconds=10.8, **metrics) -> Utterance:
    fields = {
        "engine": engine,
        "sample_rate": 16000,
        "num_samples": round(seconds * 16000),
        "metrics": {**GOOD, **metrics},
    }
    return Utterance("one", "g", "d", lang, "text", None, "s", "l", fields)


def test_a_good_clip_passes():
    for lang in ("zho_Hans", "bod_Tibt", "mya_Mymr"):
        assert judge(clip(lang), Gates()) == []


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (clip(rms_dbfs=-71.2), "near-silent: rms -71.2 dBFS is under -50.0"),
        (clip(clipping=0.0123), "clipped: 1.2300% of the samples is over 0.1000%"),
        (clip(silence=0.75), "mostly silence: 75.0% of the frames is over 60.0%"),
        (clip(unreadable=12, unreadable_share=0.3), "unreadable: 12 of 40 syllables (30.0%) is over 20.0%"),
        (clip(seconds=0.1), "too short: 0.10 s is under 0.20"),
        (clip(seconds=500), "too long: 500.00 s is over 120.00"),
        (clip(seconds_per_syllable=0.05), "too fast: 0.050 s per syllable is under 0.140"),
        (clip(seconds_per_syllable=0.9), "too slow: 0.900 s per syllable is over 0.440, 0.50 s of edges allowed"),
    ],
)
def test_a_bad_clip_has_a_reason_with_value_and_bound(item, reason):
    assert judge(item, Gates()) == [reason]


def test_every_reason_is_given():
    assert [reason.partition(":")[0] for reason in judge(clip(rms_dbfs=-80, silence=1.0, seconds=0.0), Gates())] == [
        "too short",
        "near-silent",
        "mostly silence",
    ]


def test_a_bound_itself_passes():
    gates = Gates(
        rms_dbfs={"min": -19.4}, clipping={"max": 0.0}, silence={"max": 0.08}, duration={"min": 10.8, "max": 10.8}
    )
    assert judge(clip(), gates) == []


def test_any_gate_can_be_switched_off():
    off = dict.fromkeys(Gates.model_fields)
    worst = clip(
        seconds=0, rms_dbfs=-120, clipping=1, silence=1, unreadable_share=1, unreadable=40, seconds_per_syllable=9
    )
    assert len(judge(worst, Gates())) == 6
    assert judge(worst, Gates(**off)) == []
    assert (
        judge(Utterance("one", "g", "d", "x", "t", None, "s", "l", {"num_samples": 1, "sample_rate": 1}), Gates(**off))
        == []
    )
    for name in off:
        assert len(judge(worst, Gates(**{name: None}))) == 5, name


def test_what_is_not_known_is_not_judged():
    unknown = clip(syllables=None, unreadable=None, unreadable_share=None, seconds_per_syllable=None)
    assert judge(unknown, Gates()) == []


def test_an_utterance_without_speech_is_a_mistake_of_the_recipe():
    with pytest.raises(RecipeError, match=r"one has no speech: add a stage that speaks"):
        judge(Utterance("one", "g", "d", "zho_Hans", "text", None, "s", "l"), Gates())


def test_gates_without_measurements_are_a_mistake_of_the_recipe():
    item = clip().having({"metrics": None})
    with pytest.raises(RecipeError, match=r"one was not measured.*rms_dbfs.*`measure`"):
        judge(item, Gates())


def test_a_sentence_of_two_syllables_may_be_slow():
    gates = Gates()
    assert judge(clip(seconds=1.36, syllables=2, seconds_per_syllable=0.68), gates) == []
    assert judge(clip(seconds=1.6, syllables=2, seconds_per_syllable=0.8), gates) != []
    assert judge(clip(seconds=14.0, syllables=20, seconds_per_syllable=0.7), gates) != []


def test_a_recipe_s_bands_go_over_the_defaults():
    gates = Gates(
        seconds_per_syllable={
            "espeak": {"bod_Tibt": {"min": 0.3, "max": 0.4}, "mya_Mymr": None},
            "festival": {"x": {"max": 1}},
        }
    )
    assert judge(clip("bod_Tibt"), gates) == ["too fast: 0.270 s per syllable is under 0.300"]
    assert judge(clip("mya_Mymr", seconds_per_syllable=5), gates) == []
    assert judge(clip("zho_Hans", seconds_per_syllable=5), gates) != []
    assert judge(clip("x", engine="festival", seconds_per_syllable=5), gates) != []
    assert judge(clip("x", engine="another", seconds_per_syllable=5), gates) == []
    without = Gates(seconds_per_syllable={"espeak": None})
    assert judge(clip("zho_Hans", seconds_per_syllable=5), without) == []
    assert judge(clip("zho_Hans", engine="gtts", seconds_per_syllable=5), without) != []


def test_the_resolved_section_says_everything_and_reads_back():
    shown = Gates().model_dump(mode="json")
    assert shown["seconds_per_syllable"]["espeak"]["bod_Tibt"]["max"] == SPEEDS["espeak"]["bod_Tibt"].max
    assert Gates(**shown) == Gates()
    assert Gates(**shown).model_dump(mode="json") == shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"loudness": {"min": -30}},
        {"rms_dbfs": {"max": -30}},
        {"rms_dbfs": -30},
        {"duration": {"min": 3, "max": 1}},
        {"seconds_per_syllable": {"espeak": {"bod_Tibt": {"low": 1}}}},
    ],
)
def test_a_section_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Gates(**wrong)


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2))
def test_a_wider_band_never_rejects_more(value, low, high):
    item = clip(seconds_per_syllable=value)
    bands = {"espeak": {"zho_Hans": {"min": min(low, high), "max": max(low, high)}}}
    wider = {"espeak": {"zho_Hans": {"min": min(low, high) / 2, "max": max(low, high) * 2}}}
    if not judge(item, Gates(seconds_per_syllable=bands)):
        assert not judge(item, Gates(seconds_per_syllable=wider))


def test_judging_imports_no_numpy():
    code = (
        "import sys, corpusforge.quality.gates, corpusforge.quality.measure\n"
        "print({'numpy', 'soundfile'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_bands_follow_the_rate_of_speech() -> None:
    fast = clip(seconds=3.0, syllables=25, seconds_per_syllable=0.12)
    assert judge(fast, Gates()) != []
    assert judge(fast.having({"rate": 50.0}), Gates()) == []
    assert judge(clip(seconds=10.0, syllables=25, seconds_per_syllable=0.4).having({"rate": 50.0}), Gates()) != []

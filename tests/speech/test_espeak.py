"""The embedded engine: the same bytes in any order and process; voices, rate and pitch; versions."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.speech import g2p
from corpusforge.speech.engine import CannotSpeak, Engine, Prosody, Segment, Speech, Spoken
from corpusforge.speech.engines import espeak
from corpusforge.speech.engines.espeak import (
    EspeakConfig,
    EspeakEngine,
    installed,
    pitch_values,
    voices,
    words_per_minute,
)
from corpusforge.speech.engines.espeak_pieces import pieces
from corpusforge.speech.engines.espeak_process import EspeakError, VoiceProcess
from tests.speech.espeak_tools import (
    LANGUAGES,
    PLAIN,
    digest,
    fundamental,
    say,
    sentences,
)

pytest.importorskip("espeakng_loader", reason="pip install 'corpusforge[espeak]'")


# ---- The same bytes


@pytest.mark.parametrize("lang", LANGUAGES)
def test_any_order_gives_the_same_bytes(engine: EspeakEngine, lang: str) -> None:
    texts = sentences(lang, 12)
    first = {text: digest(engine.synthesize(text, lang, None, PLAIN)) for text in texts}

    again = texts * 2
    random.Random(1).shuffle(again)

    assert [digest(engine.synthesize(text, lang, None, PLAIN)) for text in again] == [first[text] for text in again]
    assert len(set(first.values())) == len(set(texts))


def test_another_process_gives_the_same_bytes(engine: EspeakEngine) -> None:
    code = (
        "import sys, json, hashlib\n"
        "from corpusforge.speech.engine import Prosody\n"
        "from corpusforge.speech.engines.espeak import EspeakEngine, EspeakConfig\n"
        "engine = EspeakEngine(EspeakConfig())\n"
        "for lang, voice, text in json.load(sys.stdin):\n"
        "    speech = engine.synthesize(text, lang, voice, Prosody())\n"
        "    print(hashlib.sha256(speech.samples.tobytes()).hexdigest())\n"
        "engine.close()\n"
    )
    # cmn+f3 is a voice with breath, whose noise espeak-ng seeds with the time of day
    work = [(lang, voice, text) for lang in LANGUAGES for voice in (None, "cmn+f3") for text in sentences(lang, 3)]
    time.sleep(1.1)

    run = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(work[::-1]), capture_output=True, text=True, check=True
    )

    here = [digest(engine.synthesize(text, lang, voice, PLAIN)) for lang, voice, text in work]
    assert run.stdout.split()[::-1] == here


def test_every_flores_sentence_comes_out_the_same_backwards(shared_data: Path) -> None:
    count = 40
    texts = [(lang, text) for lang in LANGUAGES for text in sentences(lang, count, shared_data / "flores200")]
    engines = EspeakEngine(EspeakConfig()), EspeakEngine(EspeakConfig())
    try:
        forwards = [digest(engines[0].synthesize(text, lang, None, PLAIN)) for lang, text in texts]
        backwards = [digest(engines[1].synthesize(text, lang, None, PLAIN)) for lang, text in texts[::-1]]
    finally:
        for one in engines:
            one.close()

    assert forwards == backwards[::-1]


# ---- What is spoken


@pytest.mark.parametrize("lang", LANGUAGES)
def test_speech_is_mono_and_of_a_plausible_length(engine: EspeakEngine, lang: str) -> None:
    for text in sentences(lang, 5):
        speech = engine.synthesize(text, lang, None, PLAIN)

        assert speech.sample_rate == 22050
        assert speech.samples.dtype == np.float32 and speech.samples.ndim == 1
        assert 0.1 < np.abs(speech.samples).max() <= 1
        assert speech.syllables and speech.voice == engine.languages()[lang]
        assert 0.1 < len(speech.samples) / speech.sample_rate / speech.syllables < 0.6, text


@pytest.mark.parametrize("text", ["。", "！？……", "—— ()", "«»", "   ", ""])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_punctuation_alone_cannot_be_spoken(engine: EspeakEngine, lang: str, text: str) -> None:
    with pytest.raises(CannotSpeak):
        engine.synthesize(text, lang, None, PLAIN)


def test_twenty_thousand_characters(engine: EspeakEngine) -> None:
    sentence = sentences("zho_Hans", 1)[0]
    text = (sentence * (20_000 // len(sentence) + 1))[:20_000]

    speech = engine.synthesize(text, "zho_Hans", None, PLAIN)

    once = engine.synthesize(sentence, "zho_Hans", None, PLAIN)
    expected = len(once.samples) * len(text) / len(sentence)
    assert len(speech.samples) == pytest.approx(expected, rel=0.1)


def test_twenty_thousand_characters_without_a_border(voice: Callable[[str], VoiceProcess]) -> None:
    process = voice("cmn")
    spoken = [process.speak(say("cmn", piece), 30)[0] for piece in pieces("好" * 20_000, False)]

    assert sum(map(len, spoken)) / 2 / 22050 > 20_000 * 0.1


def test_a_foreign_voice_is_joined_with_a_pause_at_the_same_level(
    engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(*segments: Segment) -> np.ndarray:
        monkeypatch.setattr(g2p, "speak", lambda text, lang, voice: Spoken(segments, 1))
        return engine.synthesize("…", "zho_Hans", None, PLAIN).samples

    own, foreign = Segment("cmn", "今天的新闻"), Segment("en-us", "New York")
    pause = round(espeak.PAUSE * 22050)

    alone, other = parts(own), parts(foreign)
    joined = parts(own, foreign)

    assert len(joined) == len(alone) + pause + len(other)
    assert joined[: len(alone)].tobytes() == alone.tobytes()
    assert not joined[len(alone) : len(alone) + pause].any()
    levelled = joined[len(alone) + pause :]
    gain = np.abs(levelled).max() / np.abs(other).max()
    assert np.allclose(levelled, other * gain, atol=1e-6)
    assert 1 / 2 <= gain <= 2 and np.abs(levelled).max() <= 1
    own_level, before, after = (10 * np.log10(espeak._active_power(clip, 22050)) for clip in (alone, other, levelled))
    assert after == pytest.approx(own_level, abs=0.1)
    assert abs(before - own_level) > 0.2  # else this test would show nothing


def test_more_voices_than_are_held_speak_in_reading_order(engine: EspeakEngine) -> None:
    names = ("cmn", "en-us", "de", "cmn", "fr", "ru", "en-us", "hi", "el", "ar", "es", "cmn", "it")
    assert len(set(names)) > espeak.VOICES_HELD
    segments = [Segment(name, "12345"[: 1 + place % 5]) for place, name in enumerate(names)]
    parts, _ = engine._speak(segments, "cmn", None, None, time.monotonic() + 30)

    assert [is_own for is_own, _ in parts] == [name == "cmn" for name in names]
    assert len(engine._processes) <= espeak.VOICES_HELD
    # the first thing a voice says in the sentence is what it says alone
    for name in set(names):
        place = names.index(name)
        alone, _ = engine._speak(segments[place : place + 1], "cmn", None, None, time.monotonic() + 30)
        assert alone[0][1] == parts[place][1]


def test_a_zero_byte_does_not_cut_the_text(voice: Callable[[str], VoiceProcess]) -> None:
    process = voice("cmn")

    assert process.speak(say("cmn", "你好\0世界"), 10) == process.speak(say("cmn", "你好 世界"), 10)


# ---- Rate, pitch, gaps


def speak_with(engine: EspeakEngine, **changes: float) -> Speech:
    return engine.synthesize(sentences("zho_Hans", 1)[0], "zho_Hans", None, Prosody(**changes))


def test_rate_changes_the_length(engine: EspeakEngine) -> None:
    slow, plain, fast = (len(speak_with(engine, rate=rate).samples) for rate in (-30, 0, 50))

    assert slow > 1.2 * plain
    assert fast < 0.8 * plain


def test_pitch_changes_the_fundamental_and_not_the_length(engine: EspeakEngine) -> None:
    low, plain, high = (speak_with(engine, pitch=pitch) for pitch in (-35, 0, 50))
    found = [fundamental(speech.samples, speech.sample_rate) for speech in (low, plain, high)]

    assert found[0] / found[1] == pytest.approx(0.65, abs=0.07)
    assert found[2] / found[1] == pytest.approx(1.5, abs=0.08)
    assert len(low.samples) == pytest.approx(len(plain.samples), rel=0.02)
    assert len(high.samples) == pytest.approx(len(plain.samples), rel=0.02)


def test_nothing_changed_is_exactly_espeaks_own(voice: Callable[[str], VoiceProcess]) -> None:
    text = sentences("zho_Hans", 1)[0]
    own = voice("cmn").speak(say("cmn", text), 10)

    assert voice("cmn").speak(say("cmn", text, False, espeak.WPM, espeak.PITCH, espeak.PITCH, 0), 10) == own
    assert words_per_minute(0) is None and pitch_values(0) is None


def test_a_word_gap_makes_it_longer() -> None:
    text = sentences("bod_Tibt", 1)[0]
    lengths = []
    for gap in (0, 5):
        engine = EspeakEngine(EspeakConfig(word_gap=gap))
        lengths.append(len(engine.synthesize(text, "bod_Tibt", None, PLAIN).samples))
        engine.close()

    assert lengths[1] > 1.05 * lengths[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": -60}, "rate -60 %: espeak speaks 80 to 450 words a minute, which is -54 to 157 %"),
        ({"rate": 200}, "rate 200 %"),
        ({"rate": float("nan")}, "rate nan %"),
        ({"pitch": -60}, "pitch -60 %: espeak can shift it by -40 to 58 %"),
        ({"pitch": 100}, "pitch 100 %"),
        ({"pitch": float("inf")}, "pitch inf %"),
    ],
)
def test_what_espeak_cannot_do_is_refused(engine: EspeakEngine, changes: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        engine.check("zho_Hans", None, Prosody(**changes))
    with pytest.raises(RecipeError, match=re.escape(message)):
        engine.synthesize("你好", "zho_Hans", None, Prosody(**changes))


@pytest.mark.parametrize("limit", [-54, 157])
def test_the_limits_of_rate_that_the_message_names_work(limit: float) -> None:
    assert words_per_minute(limit) is not None


@pytest.mark.parametrize("limit", [-40, 58])
def test_the_limits_of_pitch_that_the_message_names_work(limit: float) -> None:
    assert pitch_values(limit) is not None


# ---- Voices, languages, versions


def test_it_is_an_engine(engine: EspeakEngine) -> None:
    assert isinstance(engine, Engine)


def test_every_default_voice_exists(engine: EspeakEngine) -> None:
    languages = engine.languages()

    assert set(LANGUAGES) <= set(languages)
    for lang, name in languages.items():
        engine.check(lang, name, PLAIN)


def test_espeak_itself_loads_the_voice_of_every_language(
    engine: EspeakEngine, voice: Callable[[str], VoiceProcess]
) -> None:
    library = installed()
    code = (
        "import ctypes, json, sys\n"
        "library, data, names = json.load(sys.stdin)\n"
        "espeak = ctypes.CDLL(library)\n"
        "assert espeak.espeak_Initialize(2, 0, data.encode(), 0x8000) > 0\n"
        "print(json.dumps([name for name in names if espeak.espeak_SetVoiceByName(name.encode())]))\n"
    )
    names = sorted({espeak.voice_file(name) for name in engine.languages().values()})
    given = json.dumps([library.library, library.data, names])

    run = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, text=True, check=True)

    assert len(names) > 50
    assert json.loads(run.stdout) == []


def test_a_language_tag_names_a_voice_as_on_espeaks_own_command_line(engine: EspeakEngine) -> None:
    assert espeak.voice_file("en-GB") == "en"
    assert espeak.voice_file("fr-fr+f3") == "fr+f3"
    assert espeak.voice_file("en-us") == "en-US"
    engine.check("eng_Latn", "en-gb", PLAIN)
    assert engine.synthesize("Good morning", "eng_Latn", "en-gb", PLAIN).samples.size > 5000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fr-fx", "espeak has no voice 'fr-fx' (wanted for fra_Latn): did you mean 'fr"),
        ("fr-fr+f33", "espeak has no voice variant 'f33' (in 'fr-fr+f33'): did you mean 'f3'"),
    ],
)
def test_an_unknown_voice_is_refused_with_the_nearest(engine: EspeakEngine, name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        engine.check("fra_Latn", name, PLAIN)


def test_a_voice_that_espeak_itself_does_not_know_is_named() -> None:
    with pytest.raises(EspeakError, match="does not know the voice 'cnm'"):
        VoiceProcess(installed(), "cnm")


def test_phonemes_of_one_voice_are_not_given_to_another(engine: EspeakEngine) -> None:
    with pytest.raises(RecipeError, match="reads bod_Tibt with 'cmn' or a variant"):
        engine.check("bod_Tibt", "hi", PLAIN)
    engine.check("bod_Tibt", "cmn+f3", PLAIN)


def test_a_variant_of_the_voice_is_heard(engine: EspeakEngine) -> None:
    for lang in LANGUAGES:
        text = sentences(lang, 1)[0]
        own, variant = (engine.synthesize(text, lang, voice, PLAIN) for voice in (None, "cmn+f3"))
        assert variant.voice == "cmn+f3"
        assert fundamental(variant.samples, 22050) > 1.4 * fundamental(own.samples, 22050)


def test_a_language_that_it_does_not_speak_is_refused(engine: EspeakEngine) -> None:
    with pytest.raises(RecipeError, match="espeak does not speak lao_Laoo"):
        engine.synthesize("ສະບາຍດີ", "lao_Laoo", None, PLAIN)


def test_variants_are_found() -> None:
    bases, variants = voices()

    assert {"cmn", "en-us", "my", "yue"} <= set(bases)
    assert {"f3", "whisper"} <= variants


def test_revision_is_of_what_the_language_needs(engine: EspeakEngine) -> None:
    assert engine.revision("zho_Hans")["espeak-ng"] == "1.52.0"
    assert engine.revision("bod_Tibt")["bophono"] == "0.2.0"
    assert "bophono" not in engine.revision("zho_Hans")
    assert "bophono" not in engine.revision("mya_Mymr")
    assert engine.revision("mya_Mymr")["rules"] == g2p.rules_revision("mya_Mymr")


def test_espeak_ngs_version_is_that_of_the_library(engine: EspeakEngine) -> None:
    shipped = [path.name for path in Path(installed().library).parent.glob("libespeak-ng*")]

    assert any(str(engine.revision("zho_Hans")["espeak-ng"]) in name for name in shipped), shipped


def test_pinned_versions_are_those_of_the_extra() -> None:
    from importlib.metadata import requires

    wanted = {line.partition(";")[0].strip() for line in requires("corpusforge") or [] if 'extra == "espeak"' in line}

    assert {f"{name}=={pin}" for name, pin in espeak.PINNED.items()} == wanted


def test_asking_for_versions_loads_nothing() -> None:
    code = (
        "import sys\n"
        "from corpusforge.speech.engines.espeak import EspeakConfig, EspeakEngine\n"
        "engine = EspeakEngine(EspeakConfig())\n"
        "for lang in ('zho_Hans', 'bod_Tibt', 'mya_Mymr'): engine.revision(lang)\n"
        "engine.languages()\n"
        "print(*{'numpy', 'ctypes', 'bophono', 'espeakng_loader', 'epitran', 'subprocess'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == ""


def test_a_machine_without_espeak_is_told_what_to_install(
    engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(espeak, "find_spec", lambda name: None)

    missing = engine.available()
    assert missing and "pip install 'corpusforge[espeak]'" in missing
    bare = EspeakEngine(EspeakConfig())
    with pytest.raises(MissingDependency, match=re.escape("corpusforge[espeak]")):
        bare.synthesize("你好", "zho_Hans", None, PLAIN)
    assert bare.revision("zho_Hans")["espeak-ng"] == "1.52.0"


def test_a_damaged_library_is_told_from_a_wrong_voice(tmp_path: Path) -> None:
    from corpusforge.speech.engines.espeak_process import Installed

    (tmp_path / "libespeak-ng.so").write_bytes(b"not a library")
    (tmp_path / "data").mkdir()
    for broken in (
        Installed(str(tmp_path / "libespeak-ng.so"), installed().data),
        Installed(installed().library, str(tmp_path / "data")),
    ):
        with pytest.raises(MissingDependency, match="cannot be used"):
            VoiceProcess(broken, "cmn")

"""The stage: what is in a key, what is refused before the first sentence, and what comes out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from corpusforge import registry
from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.items import Done, Json, Rejected, Utterance
from corpusforge.speech import g2p
from corpusforge.speech.audio import decode
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, EngineConfig, LocalEngine, Prosody, Segment, Speech, Spoken
from corpusforge.speech.engines import espeak
from corpusforge.speech.engines.espeak_process import EspeakError
from corpusforge.speech.stage import Synthesize
from corpusforge.store.keys import StageKeys
from corpusforge.text.syllables import count_syllables

LANGUAGES = frozenset({"zho_Hans", "bod_Tibt", "mya_Mymr"})


class BeepConfig(EngineConfig):
    hertz: float = 440.0


class Beep(LocalEngine):
    """A second engine, as another package would bring one: a beep a character, and it does not count syllables."""

    name: ClassVar[str] = "beep"
    license: ClassVar[str] = "CC0-1.0"
    network: ClassVar[bool] = False
    Config: ClassVar[type[EngineConfig]] = BeepConfig

    def __init__(self, config: BeepConfig) -> None:
        self.config = config

    def languages(self) -> Mapping[str, str]:
        return {"bod_Tibt": "beeper"}

    def revision(self, lang: str) -> Mapping[str, Json]:
        return {"beep": 3}

    def available(self) -> str | None:
        return None

    def synthesize(self, text: str, lang: str, voice: str | None, prosody: Prosody) -> Speech:
        if "?" in text:
            raise CannotSpeak("it does not answer questions")
        if "!" in text:
            return Speech(np.zeros(0, np.float32), 8000, "beeper")
        phase = 2 * np.pi * self.config.hertz / 8000 * np.arange(800 * len(text))
        return Speech(np.asarray(0.5 * np.sin(phase), np.float32), 8000, voice or "beeper")

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def beep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SHIPPED["engines"], "beep", f"{__name__}:Beep")


@pytest.fixture
def made() -> Iterator[Any]:
    stages: list[Synthesize] = []

    def make(**config: Any) -> Synthesize:
        stages.append(Synthesize(SynthesizeConfig.model_validate(config)))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


def item(text: str, lang: str = "zho_Hans") -> Utterance:
    return Utterance("a", "g", "d", lang, text, None, "test", "CC0-1.0")


def no_blob(sha: str) -> bytes:
    raise AssertionError("the stage reads no blob")


# ---- What is made


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_an_utterance_becomes_a_clip(made: Any, lang: str) -> None:
    folder = Path(__file__).resolve().parents[2] / "corpusforge" / "sample"
    text = (folder / "dev" / f"{lang}.dev").read_text("utf-8").splitlines()[0]

    outcome = made().run(item(text, lang), no_blob)

    assert isinstance(outcome, Done)
    assert set(outcome.fields) | set(outcome.blobs) == set(Synthesize.writes)
    samples, rate = decode(outcome.blobs["audio"])
    assert outcome.blobs["audio"][:4] == b"fLaC"
    assert (
        (rate, len(samples)) == (outcome.fields["sample_rate"], outcome.fields["num_samples"]) == (16000, len(samples))
    )
    assert outcome.fields["engine"] == "espeak"
    assert outcome.fields["voice"] == "cmn"
    assert outcome.fields["voice_license"] == "GPL-3.0-or-later"
    assert 0.1 < len(samples) / rate / outcome.fields["syllables"] < 0.6
    assert 0 <= outcome.fields["unreadable"] <= outcome.fields["syllables"]
    assert json.loads(json.dumps(outcome.fields)) == outcome.fields


def test_two_stages_make_the_same_bytes(made: Any) -> None:
    one, two = made(), made()
    texts = ["你好，世界。", "今天天气很好。", "我们去北京。"]

    forwards = [one.run(item(text), no_blob) for text in texts]
    backwards = [two.run(item(text), no_blob) for text in texts[::-1]]

    assert forwards == backwards[::-1]


def test_audio_settings_are_obeyed(made: Any) -> None:
    outcome = made(audio={"format": "wav", "sample_rate": 8000, "loudness": {"peak_dbfs": -6}}).run(
        item("你好，世界。"), no_blob
    )

    assert outcome.blobs["audio"][:4] == b"RIFF"
    samples, rate = decode(outcome.blobs["audio"])
    assert rate == 8000
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-6, abs=0.01)


def test_rate_may_differ_between_languages(made: Any) -> None:
    plain, fast = made(), made(rate={"zho_Hans": 50, "default": 0})
    text = "今天天气很好，我们去北京。"

    assert (
        fast.run(item(text), no_blob).fields["num_samples"] < 0.8 * plain.run(item(text), no_blob).fields["num_samples"]
    )
    assert fast.settings("bod_Tibt") == plain.settings("bod_Tibt")


def test_engine_and_voice_may_differ_between_languages(made: Any) -> None:
    stage = made(engine={"bod_Tibt": "beep", "default": "espeak"}, voice={"bod_Tibt": "low", "zho_Hans": "cmn+f3"})

    tibetan, chinese = (
        stage.run(item(text, lang), no_blob) for text, lang in (("ཀ་ཁ", "bod_Tibt"), ("你好", "zho_Hans"))
    )

    assert (tibetan.fields["engine"], tibetan.fields["voice"]) == ("beep", "low")
    assert tibetan.fields["voice_license"] == "CC0-1.0"
    assert (chinese.fields["engine"], chinese.fields["voice"]) == ("espeak", "cmn+f3")


def test_syllables_are_counted_where_the_engine_does_not(made: Any) -> None:
    outcome = made(engine="beep").run(item("བཀྲ་ཤིས་བདེ་ལེགས།", "bod_Tibt"), no_blob)

    assert outcome.fields["syllables"] == count_syllables("བཀྲ་ཤིས་བདེ་ལེགས།", "bod_Tibt") == 4
    assert outcome.fields["unreadable"] is None


# ---- What is not


@pytest.mark.parametrize("text", ["。", "……！", ""])
def test_punctuation_alone_is_rejected_with_a_reason(made: Any, text: str) -> None:
    outcome = made().run(item(text), no_blob)

    assert isinstance(outcome, Rejected)
    assert "read" in outcome.reason or "says nothing" in outcome.reason


def test_what_an_engine_cannot_speak_is_rejected_with_its_reason(made: Any) -> None:
    stage = made(engine="beep")

    assert stage.run(item("ཀ?", "bod_Tibt"), no_blob) == Rejected("it does not answer questions")
    assert stage.run(item("ཀ!", "bod_Tibt"), no_blob) == Rejected("'beep' made no sound of it")


def test_other_errors_are_the_executors(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.speech.espeak_tools import OVERRUNS

    monkeypatch.setattr(g2p, "speak", lambda text, lang, voice: Spoken((Segment("my", text),), 1))

    with pytest.raises(EspeakError, match="SIGABRT"):
        made().run(item(OVERRUNS, "mya_Mymr"), no_blob)


# ---- Keys


def key(stage: Synthesize, lang: str) -> bytes:
    return StageKeys(stage).key(item("x", lang))


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"time_limit": 9}, set()),
        ({"engines": {"espeak": {"time_limit": 9}}}, set()),
        ({"engines": {"beep": {"hertz": 220}}}, set()),
        ({"audio": {"trim": False, "format": "flac"}}, set()),
        ({"voice": {"bod_Tibt": "cmn", "default": None}}, set()),
        ({"rate": {"bod_Tibt": 10}}, {"bod_Tibt"}),
        ({"pitch": {"default": 5, "zho_Hans": 0}}, {"bod_Tibt", "mya_Mymr"}),
        ({"voice": {"zho_Hans": "cmn+f3"}}, {"zho_Hans"}),
        ({"engine": {"bod_Tibt": "beep", "default": "espeak"}}, {"bod_Tibt"}),
        ({"engines": {"espeak": {"word_gap": 1}}}, LANGUAGES),
        ({"audio": {"sample_rate": 8000}}, LANGUAGES),
        ({"audio": {"trim": True}}, LANGUAGES),
        ({"audio": {"loudness": {"lufs": -23}}}, LANGUAGES),
    ],
)
def test_a_setting_changes_the_keys_of_the_languages_it_concerns(
    made: Any, change: dict[str, Any], changed: set[str]
) -> None:
    plain, other = made(), made(**change)

    assert {lang for lang in LANGUAGES if key(plain, lang) != key(other, lang)} == changed


def test_new_burmese_rules_remake_burmese_only(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {lang: key(made(), lang) for lang in LANGUAGES}
    revision = g2p.rules_revision
    monkeypatch.setattr(g2p, "rules_revision", lambda lang: revision(lang) + (lang == "mya_Mymr"))

    assert {lang for lang in LANGUAGES if key(made(), lang) != before[lang]} == {"mya_Mymr"}


def test_a_new_bophono_remakes_tibetan_only(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {lang: key(made(), lang) for lang in LANGUAGES}
    version = espeak._version
    monkeypatch.setattr(espeak, "_version", lambda package: "0.3.0" if package == "bophono" else version(package))

    assert {lang for lang in LANGUAGES if key(made(), lang) != before[lang]} == {"bod_Tibt"}


def test_reasons_are_in_words(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from corpusforge.pipeline.reasons import explain
    from corpusforge.store.index import DONE, Result

    def reason(before: Synthesize, after: Synthesize) -> str:
        keys = [StageKeys(stage) for stage in (before, after)]
        inputs = keys[0].inputs(item("你好"))
        old = Result(DONE, "{}", keys[0].settings(item("x")), inputs, 0.1)
        return explain(old, json.loads(keys[1].settings(item("x"))), json.loads(inputs))

    assert reason(made(), made(rate=10)) == "config changed: rate 0 → 10"
    assert reason(made(), made(audio={"sample_rate": 8000})) == "config changed: audio.sample_rate 16000 → 8000"
    assert reason(made(), made(engines={"espeak": {"word_gap": 2}})) == "config changed: espeak.word_gap 0 → 2"
    with monkeypatch.context() as patch:
        patch.setitem(espeak.ESPEAK_NG, espeak._version("espeakng-loader"), "1.53")
        newer = StageKeys(made()).settings(item("x"))
    found = explain(Result(DONE, "{}", StageKeys(made()).settings(item("x")), "{}", 0.1), json.loads(newer), {})
    assert found == "engine espeak-ng 1.52.0 → 1.53"


def test_settings_are_asked_for_without_loading_anything() -> None:
    code = (
        "import sys\n"
        "from corpusforge.speech.config import SynthesizeConfig\n"
        "from corpusforge.speech.stage import Synthesize\n"
        "stage = Synthesize(SynthesizeConfig(audio={'loudness': {'lufs': -23}}))\n"
        "for lang in ('zho_Hans', 'bod_Tibt', 'mya_Mymr'): stage.settings(lang)\n"
        "heavy = {'numpy', 'soundfile', 'soxr', 'scipy', 'pyloudnorm', 'pydub', 'bophono', 'ctypes', 'subprocess'}\n"
        "print(*heavy & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == ""


# ---- Preflight


def test_what_works_passes(made: Any) -> None:
    made(engine={"bod_Tibt": "beep", "default": "espeak"}, rate=10, audio={"loudness": {"lufs": -23}}).preflight(
        LANGUAGES
    )


@pytest.mark.parametrize(
    ("config", "languages", "message"),
    [
        ({"engine": "espaek"}, LANGUAGES, "unknown engine 'espaek': did you mean 'espeak'?"),
        ({"engine": {"zho_Hans": "espeak"}}, LANGUAGES, "synthesize.engine: none given for bod_Tibt"),
        ({"engine": "beep"}, LANGUAGES - {"bod_Tibt"}, "'beep' does not speak mya_Mymr (known: 'bod_Tibt')"),
        ({}, {"zho_Hanz"}, "'espeak' does not speak zho_Hanz (did you mean 'zho_Han"),
        ({"voice": {"bod_Tibt": "hi"}}, LANGUAGES, "espeak reads bod_Tibt with 'cmn' or a variant of it"),
        ({"voice": "cmn+f33"}, LANGUAGES, "espeak has no voice variant 'f33'"),
        ({"voice": "en-uss"}, {"eng_Latn"}, "espeak has no voice 'en-uss' (wanted for eng_Latn): did you mean 'en-us'"),
        ({"rate": {"mya_Mymr": 400}}, LANGUAGES, "rate 400 %: espeak speaks 80 to 450 words a minute"),
        ({"pitch": -90}, LANGUAGES, "pitch -90 %"),
        (
            {"engines": {"espeak": {"word_gapp": 1}}},
            LANGUAGES,
            "synthesize.engines.espeak.word_gapp: unknown setting, did you mean 'word_gap'?",
        ),
        ({"engines": {"espeak": {"word_gap": -1}}}, LANGUAGES, "synthesize.engines.espeak.word_gap: "),
        ({"engines": {"festival": {}}}, LANGUAGES, "unknown engine 'festival'"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_sentence(
    made: Any, config: dict[str, Any], languages: frozenset[str], message: str
) -> None:
    with pytest.raises((RecipeError, ValidationError), match=re.escape(message)):
        made(**config).preflight(frozenset(languages))


def test_a_missing_engine_is_named_with_its_cure(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "find_spec", lambda name: None)

    with pytest.raises(MissingDependency, match=re.escape("pip install 'corpusforge[espeak]'")):
        made().preflight(LANGUAGES)


def test_a_missing_loudness_meter_is_named_with_its_cure(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(MissingDependency, match=re.escape("pip install 'corpusforge[loudness]'")):
        made(audio={"loudness": {"lufs": -23}}).preflight(LANGUAGES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 3},
        {"rate": {"zh": 3}},
        {"voice": {"tibetan": "x"}},
        {"audio": {"bitrate": 64}},
        {"engine": 3},
        {"time_limit": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SynthesizeConfig.model_validate(wrong)


def test_the_limit_of_time_is_the_recipes(made: Any) -> None:
    assert made(time_limit=7).time_limit() == 7

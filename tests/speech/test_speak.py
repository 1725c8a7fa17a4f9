"""Services that speak: clips are kept as they come, chains go on where one fails, what is said draws the speaker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from corpusforge import registry
from corpusforge.errors import BuildStopped, MissingDependency, RecipeError
from corpusforge.items import Done, Json, Rejected, Utterance
from corpusforge.net.policy import Policy
from corpusforge.speech.audio import decode
from corpusforge.speech.casting import Casting
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, EngineConfig, LocalEngine, Prosody, RemoteEngine, Speech
from corpusforge.speech.stage import Synthesize
from corpusforge.store.keys import StageKeys

LANGUAGES = ("bod_Tibt", "mya_Mymr", "zho_Hans")


class CallerConfig(EngineConfig):
    hertz: float = 300.0
    here: bool = True
    network: Policy = Field(Policy(), json_schema_extra={"semantic": False})


class Caller(RemoteEngine):
    """As another package would bring a service: it hums at 22,050 Hz, and a mark in the text makes it misbehave."""

    name: ClassVar[str] = "caller"
    license: ClassVar[str] = "LicenseRef-caller"
    network: ClassVar[bool] = True
    Config: ClassVar[type[EngineConfig]] = CallerConfig
    asked: ClassVar[list[tuple[str, str | None, int]]] = []

    def __init__(self, config: CallerConfig) -> None:
        self.config: CallerConfig = config

    @property
    def concurrency(self) -> int:
        return 3

    def languages(self) -> Mapping[str, str]:
        return dict.fromkeys(LANGUAGES, "hum")

    def revision(self, lang: str) -> Mapping[str, Json]:
        return {"caller": 1}

    def available(self) -> str | None:
        return None if self.config.here else "nobody answers the phone"

    async def speak(self, text: str, lang: str, voice: str | None, prosody: Prosody, seed: int) -> Speech:
        self.asked.append((text, voice, seed))
        await asyncio.sleep(0)
        if "?" in text:
            raise CannotSpeak("it does not answer questions")
        if "%" in text:
            raise ConnectionError("the line is dead")
        if "#" in text:
            raise BuildStopped("caller: down for today")
        if "!" in text:
            return Speech(np.zeros(0, np.float32), 22050, "hum")
        loud = 1.5 if "*" in text else 0.5
        tone = loud * np.sin(2 * np.pi * self.config.hertz / 22050 * np.arange(2205 * len(text)))
        return Speech(tone.astype(np.float32), 22050, voice or "hum", license="CC-BY-4.0" if voice else None)


class Hum(LocalEngine):
    """The engine of this machine in a chain."""

    name: ClassVar[str] = "hummer"
    license: ClassVar[str] = "CC0-1.0"
    network: ClassVar[bool] = False
    Config: ClassVar[type[EngineConfig]] = EngineConfig

    def languages(self) -> Mapping[str, str]:
        return dict.fromkeys(LANGUAGES, "low")

    def revision(self, lang: str) -> Mapping[str, Json]:
        return {"hummer": 1}

    def available(self) -> str | None:
        return None

    def synthesize(self, text: str, lang: str, voice: str | None, prosody: Prosody) -> Speech:
        return Speech(np.full(8000, 0.25, np.float32), 8000, voice or "low")


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, kind in (("caller", Caller), ("hummer", Hum)):
        monkeypatch.setitem(registry.SHIPPED["engines"], name, f"{__name__}:{kind.__name__}")
    Caller.asked.clear()
    yield


def stages(**config: Any) -> tuple[Any, ...]:
    return Synthesize.parts(SynthesizeConfig.model_validate(config))


def item(text: str, lang: str = "bod_Tibt", **fields: Json) -> Utterance:
    return Utterance("a", "g", "d", lang, text, None, "test", "CC0-1.0", fields)


def walk(text: str, **config: Any) -> tuple[Any, Any]:
    """What both stages make of a sentence."""
    speak, synthesize = stages(**config)
    first = asyncio.run(speak.run(item(text), lambda sha: b""))
    if not isinstance(first, Done):
        return first, None
    clip = first.blobs.get("raw")
    fields = {**first.fields, **({"raw": "sha"} if clip else {})}
    return first, synthesize.run(item(text, **fields), lambda sha: clip)


# ---- Two stages


def test_a_service_makes_two_stages_and_an_engine_of_this_machine_one() -> None:
    assert [stage.name for stage in stages(engine="caller")] == ["speak", "synthesize"]
    assert [stage.name for stage in stages(engine={"bod_Tibt": ["caller", "hummer"], "default": "hummer"})] == [
        *("speak", "synthesize")
    ]
    assert [stage.name for stage in stages(engine="hummer")] == ["synthesize"]
    assert [stage.name for stage in stages(engine="hummer", speakers={"bod_Tibt": [{"engine": "caller"}]})] == [
        *("speak", "synthesize")
    ]


def test_the_clip_is_kept_as_it_came_and_finished_afterwards() -> None:
    first, second = walk("abc", engine="caller", audio={"sample_rate": 8000, "format": "wav"})
    samples, rate = decode(first.blobs["raw"])
    assert (rate, len(samples)) == (22050, 6615)
    assert first.fields["spoken"] == {
        **{"engine": "caller", "voice": "hum", "license": "LicenseRef-caller", "rate": 0.0},
        **{"syllables": None, "unreadable": None},
    }
    samples, rate = decode(second.blobs["audio"])
    assert (rate, len(samples)) == (8000, second.fields["num_samples"]) == (8000, 2400)
    assert (second.fields["engine"], second.fields["voice_license"]) == ("caller", "LicenseRef-caller")


def test_a_voice_may_have_a_licence_of_its_own_and_nothing_is_clipped() -> None:
    first, _ = walk("a*c", engine="caller", voice="solo")
    assert first.fields["spoken"]["license"] == "CC-BY-4.0"
    samples, _ = decode(first.blobs["raw"])
    assert 0.99 < np.abs(samples).max() <= 1.0
    assert np.mean(np.abs(samples) > 0.999) < 0.05  # turned down as a whole


def test_the_concurrency_is_that_of_the_services() -> None:
    speak, _ = stages(engine={"bod_Tibt": ["caller", "hummer"], "default": "hummer"})
    assert speak.concurrency == 3


# ---- Keys


def key(stage: Any, text: str = "abc", lang: str = "bod_Tibt") -> bytes:
    return StageKeys(stage).key(item(text, lang))


def test_what_is_finished_otherwise_is_not_asked_for_again() -> None:
    plain = stages(engine="caller")
    for config in (
        {"audio": {"sample_rate": 8000, "format": "wav", "trim": True}},
        {"engines": {"caller": {"network": {"concurrency": 1, "retries": 0}}}},
        {"engine": {"bod_Tibt": "caller", "default": "hummer"}},
        {"rate": {"zho_Hans": 20, "default": 0}},
        {"time_limit": 9},
    ):
        assert key(stages(**{"engine": "caller", **config})[0]) == key(plain[0]), config
    assert key(stages(engine="caller", audio={"sample_rate": 8000})[1]) != key(plain[1])


@pytest.mark.parametrize(
    "config",
    [{"voice": "solo"}, {"rate": 10}, {"pitch": -5}, {"engines": {"caller": {"hertz": 200}}}],
    ids=str,
)
def test_what_sounds_otherwise_is_asked_for_again(config: dict[str, Any]) -> None:
    assert key(stages(engine="caller", **config)[0]) != key(stages(engine="caller")[0])


def test_seeds_are_the_same_for_the_same_and_differ_otherwise() -> None:
    for config in ({}, {}, {"audio": {"sample_rate": 8000}}, {"rate": 10}):
        walk("abc", engine="caller", **config)
    walk("abd", engine="caller")
    first, again, finished, faster, other = (seed for _, _, seed in Caller.asked)
    assert first == again == finished
    assert len({first, faster, other}) == 3
    assert all(0 <= seed < 2**63 for seed in (first, faster, other))


# ---- Chains

CHAIN = {"engine": {"bod_Tibt": ["caller", "hummer"], "default": "hummer"}}


@pytest.mark.parametrize("text", ["why?", "100%", "#", "hey!"])
def test_the_next_engine_speaks_what_the_one_before_could_not(text: str) -> None:
    first, second = walk(text, **CHAIN)
    assert (first.fields["raw"], first.fields["instead_of"]) == (None, ["caller"])
    assert (second.fields["engine"], second.fields["voice"], second.fields["voice_license"]) == (
        *("hummer", "low", "CC0-1.0"),
    )


def test_who_can_speak_does() -> None:
    first, second = walk("abc", **CHAIN)
    assert second.fields["engine"] == "caller" and first.fields["instead_of"] == []


def test_the_last_of_a_chain_fails_as_one_alone_does() -> None:
    refused, _ = walk("why?", engine="caller")
    assert refused == Rejected("it does not answer questions")
    with pytest.raises(ConnectionError):
        walk("100%", engine="caller")
    with pytest.raises(BuildStopped):
        walk("#", engine="caller")


def test_the_voice_belongs_to_the_first_of_a_chain() -> None:
    _, second = walk("why?", **CHAIN, voice={"bod_Tibt": "solo", "default": None})
    assert second.fields["voice"] == "low"
    assert Caller.asked[0][1] == "solo"


def test_a_fallback_is_told_and_named_and_its_reason_is_in_no_key() -> None:
    asked, finished = walk("why?", **CHAIN)
    assert asked.told == {"a later engine spoke instead of 'caller'": "it does not answer questions"}
    assert asked.fields["instead_of"] == ["caller"]
    assert stages(**CHAIN)[0].remark(asked.fields) == "instead of 'caller', which could not speak it"
    assert finished.told == {}
    plain, finished = walk("abc", **CHAIN)
    assert (plain.told, finished.told, stages(**CHAIN)[0].remark(plain.fields)) == ({}, {}, None)
    assert "instead_of" not in Synthesize.reads


def test_an_engine_that_is_not_here_is_an_error_unless_another_of_its_chain_is() -> None:
    gone = {"engines": {"caller": {"here": False}}}
    stages(**CHAIN, **gone)[0].preflight(frozenset(LANGUAGES))
    with pytest.raises(MissingDependency, match="'caller' cannot speak bod_Tibt: nobody answers the phone"):
        stages(engine="caller", **gone)[0].preflight(frozenset(LANGUAGES))


def test_what_a_service_has_spoken_is_finished_without_it() -> None:
    for config in (CHAIN, {"engine": "caller"}):
        stages(**config, engines={"caller": {"here": False}})[1].preflight(frozenset(LANGUAGES))
    with pytest.raises(RecipeError, match="'caller' does not speak eng_Latn"):
        stages(engine="caller")[1].preflight(frozenset(["eng_Latn"]))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engine": []}, "expected at least one engine"),
        ({"engine": ["caller", "calle"]}, "unknown engine 'calle'"),
        ({"engine": ["caller", "caller"]}, r"'caller' is in \[caller, caller\] twice"),
        ({"engine": ["hummer", "caller"]}, r"'caller' is a service and cannot follow .* \[hummer, caller\]: name the"),
        ({"engine": {"bod_Tibt": ["hummer", "caller"]}}, "'caller' is a service and cannot follow"),
        ({"speakers": {"bod_Tibt": [{"engine": ["hummer", "caller"]}]}}, "'caller' is a service and cannot follow"),
        ({"speakers": {"bod_Tibt": [{"pitch": 1}, {"pitch": 1}]}}, "each of them once"),
        ({"speakers": {"bod_Tibt": []}}, "expected at least one"),
        ({"speakers": {"tibetan": [{"pitch": 1}]}}, "'tibetan' is not a language"),
        ({"speakers": {"bod_Tibt": [{"engine": "calle"}]}}, "unknown engine 'calle'"),
    ],
)
def test_settings_that_do_not_fit(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SynthesizeConfig.model_validate(wrong)


# ---- Speakers


def casting(*pitches: float) -> Casting:
    speakers = {"bod_Tibt": [{"pitch": pitch} for pitch in pitches]}
    return Casting(SynthesizeConfig.model_validate({"engine": "caller", "speakers": speakers}))


def pitch_of(cast: Casting, text: str, **fields: Json) -> float:
    return cast.part(cast.variant(item(text, **fields))).prosody.pitch


def test_speakers_have_about_even_shares() -> None:
    cast = casting(0, 10, 20, 30)
    shares = Counter(pitch_of(cast, f"sentence {number}") for number in range(4000))
    assert set(shares) == {0, 10, 20, 30}
    assert all(850 < count < 1150 for count in shares.values())


@given(st.text(max_size=20))
def test_one_more_speaker_takes_its_share_and_moves_nobody_else(text: str) -> None:
    before, after = pitch_of(casting(0, 10, 20), text), pitch_of(casting(0, 10, 20, 30), text)
    assert after in {before, 30}


@given(st.permutations([0.0, 10.0, 20.0]), st.text(max_size=20))
def test_the_order_of_speakers_does_not_matter(order: list[float], text: str) -> None:
    assert pitch_of(casting(*order), text) == pitch_of(casting(0, 10, 20), text)


def test_of_a_translation_what_was_translated_decides() -> None:
    cast = casting(0, 10, 20, 30)
    for number in range(50):
        source = f"原文 {number}"
        drawn = {pitch_of(cast, text, source_text=source) for text in ("", "one", "two")}
        assert len(drawn) == 1


def test_one_more_speaker_changes_only_the_keys_of_its_share() -> None:
    def keys(*pitches: float) -> list[bytes]:
        speakers = {"bod_Tibt": [{"pitch": pitch} for pitch in pitches]}
        speak, _ = stages(engine="caller", speakers=speakers)
        return [key(speak, f"sentence {number}") for number in range(300)]

    changed = sum(one != other for one, other in zip(keys(0, 10, 20), keys(0, 10, 20, 30), strict=True))
    assert 45 < changed < 110


def test_speakers_may_have_engines_of_their_own() -> None:
    speakers = {"bod_Tibt": [{"engine": "caller"}, {"engine": "hummer"}]}
    speak, synthesize = stages(engine="hummer", speakers=speakers)
    asked = {speak.applies(item(f"sentence {number}")) for number in range(50)}
    assert asked == {True, False}
    assert not speak.applies(item("sentence", "zho_Hans"))
    synthesize.preflight(frozenset(LANGUAGES))
    assert len(synthesize.variants("bod_Tibt")) == 2 and synthesize.variants("zho_Hans") == ("zho_Hans",)

"""Chains of engines of this machine, what a failure leaves behind, and what a speaker's draw depends on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from corpusforge import registry
from corpusforge.errors import BuildStopped, MissingDependency, RecipeError
from corpusforge.items import Done, Failed, Json, Rejected, Utterance
from corpusforge.speech.casting import Casting
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, EngineConfig, LocalEngine, Prosody, RemoteEngine, Speech
from corpusforge.speech.stage import Synthesize
from corpusforge.store.keys import StageKeys

TIBETAN = frozenset({"bod_Tibt"})


class MoodConfig(EngineConfig):
    cannot: str = "?"
    fails: str = "%"
    down: str = "#"
    here: bool = True

    def mood(self, text: str) -> Speech:
        if self.cannot in text:
            raise CannotSpeak(f"it does not say {self.cannot}")
        if self.fails in text:
            raise ConnectionError("the line\nis dead")
        if self.down in text:
            raise BuildStopped("down for today")
        return Speech(np.full(8000, 0.25, np.float32), 8000, "hum")


class Here(LocalEngine):
    name: ClassVar[str] = "here"
    license: ClassVar[str] = "CC0-1.0"
    network: ClassVar[bool] = False
    Config: ClassVar[type[EngineConfig]] = MoodConfig

    def __init__(self, config: MoodConfig) -> None:
        self.config: MoodConfig = config

    def languages(self) -> Mapping[str, str]:
        return {"bod_Tibt": "hum"}

    def revision(self, lang: str) -> Mapping[str, Json]:
        return {"hum": 1}

    def available(self) -> str | None:
        return None if self.config.here else f"'{self.name}' is not here"

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        if voice not in (None, "hum", "alto"):
            raise RecipeError(f"no voice '{voice}'")

    def synthesize(self, text: str, lang: str, voice: str | None, prosody: Prosody) -> Speech:
        return self.config.mood(text)


class There(Here):
    name: ClassVar[str] = "there"


class Far(RemoteEngine):
    name: ClassVar[str] = "far"
    license: ClassVar[str] = "CC0-1.0"
    network: ClassVar[bool] = True
    Config: ClassVar[type[EngineConfig]] = MoodConfig
    __init__ = Here.__init__  # type: ignore[assignment]
    languages = Here.languages
    revision = Here.revision
    available = Here.available
    check = Here.check

    @property
    def concurrency(self) -> int:
        return 2

    async def speak(self, text: str, lang: str, voice: str | None, prosody: Prosody, seed: int) -> Speech:
        await asyncio.sleep(0)
        config = self.config
        assert isinstance(config, MoodConfig)
        return config.mood(text)


class Farther(Far):
    name: ClassVar[str] = "farther"


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in (Here, There, Far, Farther):
        monkeypatch.setitem(registry.SHIPPED["engines"], kind.name, f"{__name__}:{kind.__name__}")
    yield


def stages(**config: Any) -> tuple[Any, ...]:
    return Synthesize.parts(SynthesizeConfig.model_validate(config))


def item(text: str, **fields: Json) -> Utterance:
    return Utterance("a", "g", "d", "bod_Tibt", text, None, "test", "CC0-1.0", fields)


def said(text: str, **config: Any) -> Any:
    """What the first stage makes of a text."""
    first = stages(**config)[0]
    outcome = first.run(item(text), lambda sha: b"")
    return outcome if isinstance(outcome, Done | Rejected | Failed) else asyncio.run(outcome)


# ---- What a failure leaves behind


@pytest.mark.parametrize("chain", [["here", "there"], ["far", "farther"]])
def test_a_verdict_is_for_good_only_if_it_will_never_be_otherwise(chain: list[str]) -> None:
    second = {chain[1]: {"cannot": "a", "fails": "b"}}
    assert said("a?", engine=chain, engines=second) == Rejected("it does not say ?; it does not say a")
    assert said("a%", engine=chain, engines=second) == Failed("the line is dead; it does not say a")
    assert said("a#", engine=chain, engines=second) == Failed("down for today; it does not say a")
    for text in ("b?", "b%"):
        with pytest.raises(ConnectionError):
            said(text, engine=chain, engines=second)


@pytest.mark.parametrize("chain", [["here", "there"], ["far", "farther"], ["far", "farther", "here"]])
@pytest.mark.parametrize(("text", "why"), [("?", "it does not say ?"), ("%", "the line is dead")])
def test_whom_others_spoke_for_is_told_and_kept(chain: list[str], text: str, why: str) -> None:
    done = said(text, engine=chain, engines={name: {"cannot": "x", "fails": "y"} for name in chain[1:]})
    assert isinstance(done, Done)
    assert done.fields["instead_of"] == chain[:1]
    assert done.told == {f"a later engine spoke instead of '{chain[0]}'": why}
    assert stages(engine=chain)[0].remark(done.fields) == f"instead of '{chain[0]}', which could not speak it"


def test_a_stop_is_no_reason_to_go_on_with_the_next() -> None:
    class Stopped(Far):
        async def speak(self, *arguments: Any) -> Speech:
            raise asyncio.CancelledError

    speak, _ = stages(engine=["far", "here"])
    speak._casting._engines["far"] = Stopped(MoodConfig())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(speak.run(item("x"), lambda sha: b""))


# ---- What must be there


@pytest.mark.parametrize(("away", "works"), [("", True), ("here", True), ("there", True), ("here there", False)])
def test_of_a_chain_one_must_be_here(away: str, works: bool) -> None:
    casting = Casting(
        SynthesizeConfig.model_validate(
            {"engine": ["here", "there"], "engines": {name: {"here": False} for name in away.split()}}
        )
    )
    if works:
        return casting.preflight(TIBETAN)
    with pytest.raises(MissingDependency, match=r"'here' is not here.*'there' is not here"):
        casting.preflight(TIBETAN)
    return None


def test_every_speaker_is_checked() -> None:
    speakers = {"bod_Tibt": [{"pitch": 1}, {"voice": "bass"}]}
    with pytest.raises(RecipeError, match="no voice 'bass'"):
        Casting(SynthesizeConfig.model_validate({"engine": "here", "speakers": speakers})).preflight(TIBETAN)


# ---- Speakers


def test_the_stages_voice_is_that_of_the_stages_engine() -> None:
    speakers = {"bod_Tibt": [{"pitch": 1}, {"engine": "there"}, {"engine": "there", "voice": "hum"}]}
    config = {"engine": "here", "voice": "alto", "speakers": speakers}
    casting = Casting(SynthesizeConfig.model_validate(config))
    parts = [casting.part(variant) for variant in casting.variants("bod_Tibt")]
    assert [(part.chain, part.voice) for part in parts] == [
        (("here",), "alto"),
        (("there",), None),
        (("there",), "hum"),
    ]


def test_draws_are_the_same_for_ever() -> None:
    """What is in the keys of corpora that exist: a change here makes their speech again."""
    speakers = {"bod_Tibt": [{}, {"pitch": 10}, {"rate": 5.0, "voice": "alto"}]}
    casting = Casting(SynthesizeConfig.model_validate({"engine": "here", "speakers": speakers}))
    drawn = [casting.variant(item(f"sentence {number}"))[-1] for number in range(16)]
    assert "".join(drawn) == "0111220102220101"


def test_the_first_speaker_of_a_language_is_all_of_it_and_the_second_takes_a_half() -> None:
    def keys(*speakers: dict[str, Any]) -> list[bytes]:
        (stage,) = stages(engine="here", speakers={"bod_Tibt": list(speakers)} if speakers else {})
        return [StageKeys(stage).key(item(f"sentence {number}")) for number in range(200)]

    assert keys() == keys({}) == keys({"pitch": 0}) == keys({"voice": "hum"})
    changed = sum(one != other for one, other in zip(keys({}), keys({}, {"pitch": 9}), strict=True))
    assert 70 < changed < 130

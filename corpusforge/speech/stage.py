"""The stages that make speech of text: a service's answer as it comes, then finishing and encoding.

Importing them, and asking for the settings that go into keys, loads no engine, no numpy and no audio library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from corpusforge.errors import MissingDependency
from corpusforge.items import Done, Failed, Json, Outcome, Rejected, Utterance
from corpusforge.net.secrets import redact
from corpusforge.speech.audio import decode, encode, finish, missing
from corpusforge.speech.casting import Casting
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, RemoteEngine
from corpusforge.stage import ReadBlob, Stage, StageConfig, Where, seed_of

if TYPE_CHECKING:
    from corpusforge.speech.engine import Speech


class Speak(Stage):
    """Asks the services that speak an utterance and stores the clip as it came, in 16-bit FLAC at its own rate.

    It stands in front of `Synthesize` where a recipe's `synthesize` names a service. Where the services of a chain
    cannot speak an utterance and an engine of this machine follows, the utterance goes on without a clip.
    """

    name: ClassVar[str] = "speak"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("raw", "spoken", "instead_of")
    where: Where = "io"
    Config: ClassVar[type[StageConfig]] = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        super().__init__(config)
        self._casting = Casting(config)
        # What only computes may do so anywhere; as soon as one service is asked, all of it stays in the driver.
        services = [self._casting.engine(name) for name in self._casting.services()]
        if not any(engine.network for engine in services):
            self.where = "gpu"

    def applies(self, item: Utterance) -> bool:
        """Whether a service speaks the item's language."""
        return bool(self._casting.remote(self._casting.part(self._casting.variant(item))))

    def variant(self, item: Utterance) -> str:
        """Language and speaker."""
        return self._casting.variant(item)

    def variants(self, lang: str) -> tuple[str, ...]:
        """Language and every speaker."""
        return self._casting.variants(lang)

    def settings(self, variant: str) -> Mapping[str, Json]:
        """What decides how the services speak: neither audio settings nor engines of this machine are in it."""
        part = self._casting.part(variant)
        engines = self._casting.remote(part)
        settings = self._casting.settings(part, engines) if engines else {}
        last = not self._casting.local(part)
        return settings if last else {**settings, "else": "local"}

    @property
    def concurrency(self) -> int:
        """As many as all services together take."""
        engines = [self._casting.engine(name) for name in self._casting.services()]
        return sum(engine.concurrency for engine in engines if isinstance(engine, RemoteEngine)) or 1

    def time_limit(self) -> float:
        """None of its own: an engine knows its services' limits, and how often it may ask again."""
        return 24 * 3600.0

    def preflight(self, languages: frozenset[str]) -> None:
        """See `Stage.preflight`. Settings of engines that no language uses are checked too."""
        self._casting.preflight(languages, services=True)

    def remark(self, fields: Mapping[str, Json]) -> str | None:
        """Who could not speak."""
        return _remark(fields)

    def estimate(self, item: Utterance) -> Mapping[str, float]:
        """Characters to be spoken, by requests."""
        return {"characters": len(item.text), "requests": 1}

    async def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        """Ask one service after the other until one speaks."""
        variant = self.variant(item)
        part = self._casting.part(variant)
        seed = seed_of(self.name, self.version, dict(self.settings(variant)), item.lang, item.text)
        services = self._casting.remote(part)
        more = bool(self._casting.local(part))
        could_not = _CouldNot()
        for number, (name, engine, voice) in enumerate(services):
            last = number == len(services) - 1 and not more
            try:
                speech = await engine.speak(item.text, item.lang, voice, part.prosody, seed)
            except Exception as error:  # a service that is down, too: the next engine of the chain is there for that
                could_not.because(name, error, last)
            else:
                if speech.samples.size:
                    return _stored(name, speech, engine.license, part.prosody.rate, could_not)
                could_not.because(name, CannotSpeak(f"'{name}' made no sound of it"), last)
        if not more:
            return could_not.verdict()
        return Done({"raw": None, "spoken": None, "instead_of": could_not.names}, told=could_not.told)

    async def finish(self) -> None:
        """End the services' sessions."""
        await self._casting.aclose()

    def close(self) -> None:
        """End what the engines have started."""
        self._casting.close()


class _CouldNot:
    """Those engines of a chain that could not speak an utterance, and why."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._for_good = True

    def because(self, name: str, error: Exception, last: bool) -> None:
        """Note it; what fails at the end of a chain is raised, as it would be of an engine alone."""
        if not isinstance(error, CannotSpeak):
            if last:
                raise error
            self._for_good = False
        self._why[name] = redact(" ".join(str(error).split())) or (
            f"'{name}' cannot speak it" if isinstance(error, CannotSpeak) else type(error).__name__
        )

    @property
    def names(self) -> list[Json]:
        """In the chain's order."""
        return list(self._why)

    @property
    def told(self) -> dict[str, str]:
        """See `Done.told`."""
        return {f"a later engine spoke instead of '{name}'": why for name, why in self._why.items()}

    def verdict(self) -> Rejected | Failed:
        """Of an utterance that nobody spoke. It is rejected for good only if nobody ever can."""
        words = "; ".join(self._why.values())
        return Rejected(words) if self._for_good else Failed(words)


def _remark(fields: Mapping[str, Json]) -> str | None:
    names = fields.get("instead_of")
    return f"instead of {', '.join(map(repr, names))}, which could not speak it" if names else None


def _stored(name: str, speech: Speech, license: str, rate: float, could_not: _CouldNot) -> Done:
    import numpy as np

    samples = np.asarray(speech.samples, np.float32)
    peak = float(np.abs(samples).max())
    spoken: dict[str, Json] = {
        "engine": name,
        "voice": speech.voice,
        "license": speech.license or license,
        "rate": rate,
        "syllables": speech.syllables,
        "unreadable": speech.unreadable,
    }
    clip = encode(samples / np.float32(peak) if peak > 1 else samples, speech.sample_rate, "flac")
    return Done({"spoken": spoken, "instead_of": could_not.names}, {"raw": clip}, could_not.told)


class Synthesize(Stage):
    """Speaks an utterance, or takes what a service has spoken, finishes the clip and stores it."""

    name: ClassVar[str] = "synthesize"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("text", "lang", "raw", "spoken")
    writes: ClassVar[tuple[str, ...]] = (
        *("audio", "sample_rate", "num_samples", "engine", "voice", "voice_license", "rate", "syllables", "unreadable"),
        "instead_of",
    )
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        super().__init__(config)
        self._config = config
        self._casting = Casting(config)

    @classmethod
    def parts(cls, config: StageConfig) -> tuple[Stage, ...]:
        """`Speak` goes before it where a service is to speak."""
        assert isinstance(config, SynthesizeConfig)
        return (Speak(config), cls(config)) if Casting(config).services() else (cls(config),)

    def variant(self, item: Utterance) -> str:
        """Language and speaker."""
        return self._casting.variant(item)

    def variants(self, lang: str) -> tuple[str, ...]:
        """Language and every speaker."""
        return self._casting.variants(lang)

    def settings(self, variant: str) -> Mapping[str, Json]:
        """What decides how one language sounds: other languages' settings and engines are not in it.

        Raises:
            RecipeError: No engine is given for the language, or one that does not exist, or settings it does not have.
        """
        part = self._casting.part(variant)
        engines = self._casting.local(part)
        audio = self._config.audio.model_dump(mode="json")
        return {**(self._casting.settings(part, engines) if engines else {}), "audio": audio}

    def preflight(self, languages: frozenset[str]) -> None:
        """See `Stage.preflight`. Services are `Speak`'s: another sample rate needs none of them."""
        lacking = missing(self._config.audio)
        if lacking:
            raise MissingDependency(lacking)
        self._casting.preflight(languages, services=False)

    def remark(self, fields: Mapping[str, Json]) -> str | None:
        """Who could not speak."""
        return _remark(fields)

    def time_limit(self) -> float:
        """Seconds after which an item is given up."""
        return self._config.time_limit

    def estimate(self, item: Utterance) -> Mapping[str, float]:
        """Characters to be spoken."""
        return {} if self._casting.remote(self._casting.part(self.variant(item))) else {"characters": len(item.text)}

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        """Speak, finish and encode one utterance. Rejects what the engine cannot read; failures propagate."""
        raw = item.value("raw")
        if raw is not None:
            return self._finished(item, *decode(read_blob(raw)), dict(item.value("spoken")), _CouldNot())
        part = self._casting.part(self.variant(item))
        could_not = _CouldNot()
        engines = self._casting.local(part)
        for number, (name, engine, voice) in enumerate(engines):
            last = number == len(engines) - 1
            try:
                speech = engine.synthesize(item.text, item.lang, voice, part.prosody)
            except Exception as error:
                could_not.because(name, error, last)
                continue
            if speech.samples.size:
                spoken = {
                    "engine": name,
                    "voice": speech.voice,
                    "license": speech.license or engine.license,
                    "rate": part.prosody.rate,
                    "syllables": speech.syllables,
                    "unreadable": speech.unreadable,
                }
                return self._finished(item, speech.samples, speech.sample_rate, spoken, could_not)
            could_not.because(name, CannotSpeak(f"'{name}' made no sound of it"), last)
        return could_not.verdict()

    def _finished(  # type: ignore[no-untyped-def]
        self, item: Utterance, samples, rate: int, spoken: dict[str, Json], could_not: _CouldNot
    ) -> Done:
        samples, rate = finish(samples, rate, self._config.audio)
        syllables = spoken["syllables"]
        if syllables is None:
            from corpusforge.text.syllables import count_syllables

            syllables = count_syllables(item.text, item.lang)
        return Done(
            {
                "sample_rate": rate,
                "num_samples": len(samples),
                "engine": spoken["engine"],
                "voice": spoken["voice"],
                "voice_license": spoken["license"],
                "rate": spoken["rate"],
                "syllables": syllables,
                "unreadable": spoken["unreadable"],
                "instead_of": could_not.names,
            },
            {"audio": encode(samples, rate, self._config.audio.format)},
            could_not.told,
        )

    def close(self) -> None:
        """End what the engines have started."""
        self._casting.close()

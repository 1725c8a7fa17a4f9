"""The stages that make speech of text: a service's answer as it comes, then finishing and encoding.

Importing them, and asking for the settings that go into keys, loads no engine, no numpy and no audio library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from corpusforge.errors import MissingDependency
from corpusforge.items import Done, Json, Outcome, Rejected, Utterance
from corpusforge.net.secrets import redact
from corpusforge.speech.audio import decode, encode, finish, missing
from corpusforge.speech.casting import Casting
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, RemoteEngine
from corpusforge.stage import Place, ReadBlob, Stage, StageConfig, seed_of

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
    where: ClassVar[Literal["cpu", "io"]] = "io"
    Config: ClassVar[type[StageConfig]] = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        super().__init__(config)
        self._casting = Casting(config)
        self._note: Callable[[str], None] = lambda words: None
        self._passed_over: dict[str, list[str]] = {}

    def open(self, place: Place) -> None:
        """See `Stage.open`."""
        self._note = place.note

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
        why: dict[str, str] = {}
        for number, (name, engine, voice) in enumerate(services):
            last = number == len(services) - 1 and not more
            try:
                speech = await engine.speak(item.text, item.lang, voice, part.prosody, seed)
            except CannotSpeak as reason:
                why[name] = str(reason) or f"'{name}' cannot speak it"
            except Exception as error:  # a service that is down, too: the next engine of the chain is there for that
                if last:
                    raise
                why[name] = redact(str(error)) or type(error).__name__
            else:
                if speech.samples.size:
                    self._count(why)
                    return _stored(name, speech, engine.license, part.prosody.rate, list(why))
                why[name] = f"'{name}' made no sound of it"
        if not more:
            return Rejected("; ".join(why.values()))
        self._count(why)
        return Done({"raw": None, "spoken": None, "instead_of": list(why)})

    def _count(self, why: Mapping[str, str]) -> None:
        for name, words in why.items():
            self._passed_over.setdefault(name, []).append(words)

    async def finish(self) -> None:
        """End the services' sessions; say for whom others have spoken."""
        await self._casting.aclose()
        for name, words in self._passed_over.items():
            self._note(f"{len(words):,} × a later engine spoke instead of '{name}', the first time because: {words[0]}")
        self._passed_over.clear()

    def close(self) -> None:
        """End what the engines have started."""
        self._casting.close()


def _stored(name: str, speech: Speech, license: str, rate: float, instead_of: list[str]) -> Done:
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
    return Done({"spoken": spoken, "instead_of": instead_of}, {"raw": clip})


class Synthesize(Stage):
    """Speaks an utterance, or takes what a service has spoken, finishes the clip and stores it."""

    name: ClassVar[str] = "synthesize"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("text", "lang", "raw", "spoken")
    writes: ClassVar[tuple[str, ...]] = (
        *("audio", "sample_rate", "num_samples", "engine", "voice", "voice_license", "rate", "syllables", "unreadable"),
    )
    where: ClassVar[Literal["cpu", "io"]] = "cpu"
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
        """See `Stage.preflight`. Settings of engines that no language uses are checked too."""
        lacking = missing(self._config.audio)
        if lacking:
            raise MissingDependency(lacking)
        self._casting.preflight(languages)

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
            return self._finished(item, *decode(read_blob(raw)), dict(item.value("spoken")))
        part = self._casting.part(self.variant(item))
        why: list[str] = []
        engines = self._casting.local(part)
        for number, (name, engine, voice) in enumerate(engines):
            try:
                speech = engine.synthesize(item.text, item.lang, voice, part.prosody)
            except CannotSpeak as reason:
                why.append(str(reason) or f"'{name}' cannot speak it")
                continue
            except Exception as error:
                if number == len(engines) - 1:
                    raise
                why.append(str(error) or type(error).__name__)
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
                return self._finished(item, speech.samples, speech.sample_rate, spoken)
            why.append(f"'{name}' made no sound of it")
        return Rejected("; ".join(why))

    def _finished(self, item: Utterance, samples, rate: int, spoken: dict[str, Json]) -> Done:  # type: ignore[no-untyped-def]
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
            },
            {"audio": encode(samples, rate, self._config.audio.format)},
        )

    def close(self) -> None:
        """End what the engines have started."""
        self._casting.close()

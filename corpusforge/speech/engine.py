"""The contract of a speech engine, and the shapes that text takes on its way to sound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from corpusforge.items import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a sentence that one espeak voice reads in one go.

    Attributes:
        voice: espeak-ng voice name: `cmn`, `en-us`.
        content: Passed to espeak-ng as it is: plain text, or, with `phonemes`, clauses of espeak phoneme mnemonics
            in brackets, separated by commas: `[[ni2xA214 u]], [[S;i21]]`.
        phonemes: Whether `content` holds bracketed phoneme mnemonics.
    """

    voice: str
    content: str
    phonemes: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence made ready to be read aloud.

    Attributes:
        segments: In reading order. Empty if nothing of the sentence can be read.
        syllables: Syllables of the sentence as read aloud, numbers and foreign words included, read or not.
        unreadable: How many of those no rule could read.
        unread: The pieces of text that were not read, for the log and for better rules.
    """

    segments: tuple[Segment, ...]
    syllables: int
    unreadable: int = 0
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """A word's place in the audio, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Speech:
    """What an engine made of a sentence.

    Attributes:
        samples: Mono float32 in [-1, 1].
        sample_rate: Hz.
        voice: The voice that spoke, as the manifest names it: `cmn`.
        syllables, unreadable: As in `Spoken`; None where the engine does not know.
        words: Word timings, or None where the engine has none.
        license: SPDX id, or words, of this voice's licence; None is the engine's.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    voice: str
    syllables: int | None = None
    unreadable: int | None = None
    words: tuple[Word, ...] | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Prosody:
    """How to speak, relative to the voice's own way: `rate` and `pitch` in percent, 0 is unchanged."""

    rate: float = 0.0
    pitch: float = 0.0


class EngineConfig(BaseModel):
    """Base of an engine's own settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CannotSpeak(Exception):
    """This sentence cannot be spoken by this engine, now or later; the item is rejected with the reason."""


class Engine(ABC):
    """What every engine says of itself. Built with its settings: `Engine(Config(...))`.

    Class attributes:
        name: As written in a recipe.
        license: SPDX id, or words, of its voices' licence; `Speech.license` says it where voices differ.
        network: Whether speaking needs the network.
        Config: Its settings: `synthesize.engines.<name>` in a recipe. A field that does not change the sound is
            declared with `json_schema_extra={"semantic": False}` and stays out of keys. Secrets are no settings: they
            come from the environment, through `net.secrets`.
    """

    name: ClassVar[str]
    license: ClassVar[str]
    network: ClassVar[bool]
    Config: ClassVar[type[EngineConfig]]

    def __init__(self, config: EngineConfig) -> None:
        self.config = config

    @abstractmethod
    def languages(self) -> Mapping[str, str]:
        """FLORES codes it speaks, each with its default voice. Asks no server."""

    @abstractmethod
    def revision(self, lang: str) -> Mapping[str, Json]:
        """Versions that decide how `lang` sounds, for the key. Cheap: imports no engine, asks no server."""

    @abstractmethod
    def available(self) -> str | None:
        """None if it works here, else one sentence that says what is missing and the command that mends it."""

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        """Raise `RecipeError` for what it cannot do. Called before the first item, after `available`."""
        return None

    def detail(self) -> str | None:
        """More about itself for `corpusforge doctor`, such as the server's version; None if there is nothing to say."""
        return None

    def close(self) -> None:
        """End worker processes and sessions."""
        return None


class LocalEngine(Engine):
    """Speaks in worker processes, a sentence at a time."""

    @abstractmethod
    def synthesize(self, text: str, lang: str, voice: str | None, prosody: Prosody) -> Speech:
        """Speak one sentence. The same arguments give the same samples, in any order, in any process.

        Raises:
            CannotSpeak: The sentence has nothing that the voice can read.
            Exception: Anything else is a failure that a later build tries again.
        """


class RemoteEngine(Engine):
    """Is awaited in the driver, many sentences at once: a service, or a model that takes sentences in batches.

    What it answers is stored as it comes, before it is resampled and levelled, so that another sample rate asks nobody.
    """

    @property
    @abstractmethod
    def concurrency(self) -> int:
        """Sentences that may wait inside at once, those that are put off included."""

    @abstractmethod
    async def speak(self, text: str, lang: str, voice: str | None, prosody: Prosody, seed: int) -> Speech:
        """Speak one sentence.

        Args:
            text: The sentence.
            lang: FLORES code.
            voice: Name of a voice; None is the language's default.
            prosody: Rate and pitch.
            seed: For whatever is drawn while it is made; the same for the same sentence and settings.

        Raises:
            CannotSpeak: The sentence has nothing that the voice can read.
            BuildStopped: The service is down: no other sentence will fare better.
            Exception: Anything else is a failure that a later build tries again.
        """

    async def aclose(self) -> None:
        """End sessions and threads that belong to the event loop."""
        return None

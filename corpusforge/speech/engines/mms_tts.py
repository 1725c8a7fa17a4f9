"""MMS-TTS: Meta's VITS voices for a thousand languages, on this machine, through transformers.

The open voices that really speak Tibetan and Burmese. Sentences wait here until one thread is free, which takes a batch
of them of like length; what a sentence sounds like depends on its text, seed and settings, not on the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from corpusforge.errors import MissingDependency, RecipeError, nearest
from corpusforge.items import Json
from corpusforge.speech.engine import CannotSpeak, EngineConfig, Prosody, RemoteEngine, Speech
from corpusforge.speech.engines import mms_tts_checkpoints as checkpoints
from corpusforge.speech.engines.mms_tts_checkpoints import Checkpoint
from corpusforge.speech.engines.mms_tts_text import (
    TEXT,
    Alphabet,
    Written,
    has_letters,
    read_alphabet,
    uroman_missing,
    uroman_version,
    write,
)
from corpusforge.speech.engines.mms_tts_vits import VITS, Job, Manner, Vits, choose_device
from corpusforge.text.languages import check as check_language

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE_LIMITS = (-75.0, 300.0)
"""Percent."""
_BATCHES = 4
"""How many batches' worth of sentences may wait, so that each batch finds enough of like length."""
_HELD = 4
"""Voices in memory at once; each takes about 120 MB."""
_GATHER = 0.02
"""Seconds for which a batch that is not full waits for more; a sentence takes about thirty times as long."""
_ROMANIZED = ("bod_Tibt", "dzo_Tibt", "mya_Mymr")
"""Not in Latin script, and known to be read as they are written."""

ByLanguage = dict[str, str]


def _languages(value: ByLanguage) -> ByLanguage:
    for code in value:
        try:
            check_language(code, "a key")
        except Exception as error:
            raise ValueError(str(error)) from None
    return value


def _sources(value: ByLanguage) -> ByLanguage:
    return {code: checkpoints.check_source(source) for code, source in value.items()}


def _commits(value: ByLanguage) -> ByLanguage:
    return {code: checkpoints.check_commit(commit) for code, commit in value.items()}


_OFF_KEY: dict[str, Any] = {"semantic": False}
"""In the key of a language is only what is its own: see `MmsTtsEngine.revision`."""


class MmsTtsConfig(EngineConfig):
    """Settings of the MMS-TTS engine.

    Attributes:
        checkpoints: Checkpoint by FLORES code, an id of the Hub or a folder (`/…`, `./…`, `~/…`); added to the
            table of facebook/mms-tts-*.
        revisions: Commit of the Hub by FLORES code, 40 hex digits, for checkpoints that are not pinned or to be
            used in another version.
        licenses: Licence by FLORES code, for checkpoints that are not facebook/mms-tts-*.
        device: Where it computes: `cpu`, `cuda`, or whichever there is.
        batch: Sentences that are spoken in one go.
        noise_scale: How much the voice varies; null is the checkpoint's own, 0.667.
        noise_scale_duration: How much the rhythm varies; null is the checkpoint's own, 0.8.
        speaking_rate: Speed, which `rate` multiplies; null is the checkpoint's own, 1.0.
        half: Whether flow and vocoder compute in 16 bits. Takes a GPU.
    """

    checkpoints: Annotated[ByLanguage, AfterValidator(_languages), AfterValidator(_sources)] = Field(
        default_factory=dict, json_schema_extra=_OFF_KEY
    )
    revisions: Annotated[ByLanguage, AfterValidator(_languages), AfterValidator(_commits)] = Field(
        default_factory=dict, json_schema_extra=_OFF_KEY
    )
    licenses: Annotated[ByLanguage, AfterValidator(_languages)] = Field(
        default_factory=dict, json_schema_extra=_OFF_KEY
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", json_schema_extra=_OFF_KEY)
    batch: int = Field(16, ge=1, le=512, json_schema_extra=_OFF_KEY)
    noise_scale: float | None = Field(None, ge=0, le=2)
    noise_scale_duration: float | None = Field(None, ge=0, le=2)
    speaking_rate: float | None = Field(None, ge=0.25, le=4)
    half: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sentence that waits for its batch."""

    checkpoint: Checkpoint
    job: Job
    answer: asyncio.Future[tuple[NDArray[np.float32], int]]


class MmsTtsEngine(RemoteEngine):
    """Speaks with MMS-TTS checkpoints. Nothing is loaded before the first sentence.

    It is awaited like a service because it gathers sentences; `network` is false because speaking needs none: a
    checkpoint is downloaded once, before the first sentence of the first build that uses it.
    """

    name: ClassVar[str] = "mms_tts"
    license: ClassVar[str] = checkpoints.LICENSE
    network: ClassVar[bool] = False
    Config: ClassVar[type[EngineConfig]] = MmsTtsConfig

    def __init__(self, config: MmsTtsConfig) -> None:
        super().__init__(config)
        self._config = config
        self._sources = {**checkpoints.CHECKPOINTS, **config.checkpoints}
        self._resolved: dict[str, Checkpoint] = {}
        self._alphabets: dict[str, Alphabet] = {}
        self._voices: dict[str, Vits] = {}
        self._waiting: list[_Waiting] = []
        self._runner: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def concurrency(self) -> int:
        """Sentences that may wait inside at once."""
        return _BATCHES * self._config.batch

    def languages(self) -> Mapping[str, str]:
        """FLORES codes it speaks, each with its default voice: its checkpoint."""
        return {code: checkpoints.identify(source) for code, source in self._sources.items()}

    def revision(self, lang: str) -> Mapping[str, Json]:
        """What decides how `lang` sounds: the checkpoint's content, rules for text, this engine's own version.

        torch's version and the device are not in it: they change the last bits of a sample, not what is heard.

        Raises:
            RecipeError, MissingDependency: See `checkpoints.resolve`.
        """
        checkpoint = self._checkpoint(lang)
        found: dict[str, Json] = {
            "checkpoint": checkpoint.identity,
            "revision": checkpoint.revision,
            "license": self._license(lang),
            "text": TEXT,
            "vits": VITS,
        }
        if lang not in _ROMANIZED and not lang.endswith("_Latn"):
            found["uroman"] = uroman_version()
        return found

    def available(self) -> str | None:
        """None if it works here, else what is missing and the command that mends it."""
        lacking = [name for name in ("torch", "transformers", "safetensors") if find_spec(name) is None]
        if lacking:
            return f"{' and '.join(lacking)} not installed: pip install 'corpusforge[neural]'"
        return None

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        """Raise for what it cannot do, and download the checkpoint if it is not on this machine.

        Raises:
            RecipeError: Another voice than the checkpoint's, a pitch, a rate out of range, `half` without a GPU, a
                damaged checkpoint.
            MissingDependency: The checkpoint cannot be downloaded, or reads romanized text and uroman is missing.
        """
        self._check_voice(lang, voice)
        if prosody.pitch:
            raise RecipeError(f"synthesize.pitch: mms_tts has no pitch, found {prosody.pitch:g} % for {lang}: use 0")
        low, high = RATE_LIMITS
        if not low <= prosody.rate <= high:
            raise RecipeError(
                f"synthesize.rate: mms_tts speaks at {low:g} to {high:g} % for {lang}, found {prosody.rate:g} %"
            )
        if choose_device(self._config.device) == "cpu" and self._config.half:
            raise RecipeError(
                "synthesize.engines.mms_tts.half: 16 bits take a CUDA device, and this would run on the CPU"
            )
        checkpoints.fetch(self._checkpoint(lang))
        if self._alphabet(lang).uroman and (missing := uroman_missing()):
            raise MissingDependency(f"{self._checkpoint(lang).identity} reads romanized text, and {missing}")

    def detail(self) -> str | None:
        """Which of the two voices that this project is about are on this machine."""
        here = []
        for lang in ("bod_Tibt", "mya_Mymr"):
            try:
                there = self._checkpoint(lang).found() is not None
            except (MissingDependency, RecipeError):
                there = False
            here.append(f"{self._sources[lang]} {'downloaded' if there else 'not downloaded'}")
        return ", ".join(here)

    async def speak(self, text: str, lang: str, voice: str | None, prosody: Prosody, seed: int) -> Speech:
        """Speak one sentence, in a batch with others that wait."""
        self._check_voice(lang, voice)
        if prosody.pitch:
            raise RecipeError(f"synthesize.pitch: mms_tts has no pitch, found {prosody.pitch:g} %: use 0")
        checkpoint = self._checkpoint(lang)
        written = await asyncio.to_thread(self._write, text, lang)
        if not has_letters(written.text):
            raise CannotSpeak(f"nothing of it is in the alphabet of {checkpoint.identity}")
        answer: asyncio.Future[tuple[NDArray[np.float32], int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(checkpoint, Job(written.ids, seed, self._manner(prosody)), answer))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run_batches())
        samples, sample_rate = await answer
        return Speech(
            samples,
            sample_rate,
            checkpoint.identity,
            written.syllables,
            written.unreadable,
            license=self._license(lang),
        )

    async def aclose(self) -> None:
        """End the threads; sentences that still wait are given up."""
        runner, self._runner = self._runner, None
        if runner is not None and not runner.done():
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """End the threads and drop the voices."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        for voice in self._voices.values():
            voice.close()
        self._voices.clear()

    async def _run_batches(self) -> None:
        """Speak what waits, a batch at a time, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._waiting) < self._config.batch:
                await asyncio.sleep(_GATHER)
            batch = self._next_batch()
            if not batch:
                continue
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "mms_tts")
            checkpoint = batch[0].checkpoint
            spoken = self._thread.submit(self._speak_batch, checkpoint, [one.job for one in batch])
            try:
                results = await asyncio.wrap_future(spoken, loop=loop)
            except BaseException as error:
                for one in batch:
                    if not one.answer.done():
                        one.answer.cancel() if isinstance(error, asyncio.CancelledError) else one.answer.set_exception(
                            error
                        )
                if not isinstance(error, Exception):
                    raise
                continue
            for one, result in zip(batch, results, strict=True):
                if one.answer.done():
                    continue
                if isinstance(result, Exception):
                    one.answer.set_exception(result)
                else:
                    one.answer.set_result(result)

    def _next_batch(self) -> list[_Waiting]:
        """Take the sentence that has waited longest, and those of its voice that are most like it in length."""
        self._waiting = [one for one in self._waiting if not one.answer.done()]
        if not self._waiting:
            return []
        oldest = self._waiting[0]
        same = sorted(
            (one for one in self._waiting if one.checkpoint == oldest.checkpoint), key=lambda one: len(one.job.ids)
        )
        place = next(place for place, one in enumerate(same) if one is oldest)
        chosen = same[alike([len(one.job.ids) for one in same], place, self._config.batch)]
        taken = {id(one) for one in chosen}
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        return chosen

    def _speak_batch(
        self, checkpoint: Checkpoint, jobs: Sequence[Job]
    ) -> list[tuple[NDArray[np.float32], int] | Exception]:
        """Runs in the one thread. A sentence that fails does not take the others with it."""
        voice = self._voice(checkpoint)
        try:
            return [(samples, voice.sample_rate) for samples in voice.speak(jobs)]
        except Exception as error:
            if len(jobs) == 1:
                return [error]
        return [result for job in jobs for result in self._speak_batch(checkpoint, [job])]

    def _voice(self, checkpoint: Checkpoint) -> Vits:
        voice = self._voices.pop(checkpoint.identity, None)
        if voice is None:
            folder = checkpoints.fetch(checkpoint)
            voice = Vits(folder, choose_device(self._config.device), self._config.half, checkpoint.identity)
            while len(self._voices) >= _HELD:
                self._voices.pop(next(iter(self._voices))).close()
        self._voices[checkpoint.identity] = voice
        return voice

    def _write(self, text: str, lang: str) -> Written:
        return write(text, lang, self._alphabet(lang))

    def _alphabet(self, lang: str) -> Alphabet:
        alphabet = self._alphabets.get(lang)
        if alphabet is None:
            alphabet = self._alphabets[lang] = read_alphabet(checkpoints.fetch(self._checkpoint(lang)))
        return alphabet

    def _checkpoint(self, lang: str) -> Checkpoint:
        found = self._resolved.get(lang)
        if found is None:
            source = self._sources.get(lang)
            if source is None:
                raise RecipeError(
                    f"mms_tts has no checkpoint for {lang} ({nearest(lang, self._sources)}): give one in "
                    f"synthesize.engines.mms_tts.checkpoints: {{{lang}: owner/name or a folder}}"
                )
            found = self._resolved[lang] = checkpoints.resolve(source, self._config.revisions.get(lang))
        return found

    def _check_voice(self, lang: str, voice: str | None) -> None:
        own = self._checkpoint(lang).identity
        if voice not in (None, own):
            raise RecipeError(
                f"synthesize.voice: mms_tts has one voice for {lang}, {own}; found '{voice}': leave it out, or give "
                f"another checkpoint in synthesize.engines.mms_tts.checkpoints"
            )

    def _license(self, lang: str) -> str:
        own = self._config.licenses.get(lang)
        if own is not None:
            return own
        return checkpoints.LICENSE if self._sources[lang].startswith(checkpoints.OWNER) else checkpoints.UNKNOWN_LICENSE

    def _manner(self, prosody: Prosody) -> Manner:
        own = self._config
        return Manner(own.noise_scale, own.noise_scale_duration, own.speaking_rate, 1 + prosody.rate / 100)


def alike(lengths: Sequence[int], place: int, count: int) -> slice:
    """Of sorted lengths, the `count` beside each other around `place` that differ least."""
    count = min(count, len(lengths))
    first, last = max(0, place - count + 1), min(place, len(lengths) - count)
    start = min(range(first, last + 1), key=lambda start: lengths[start + count - 1] - lengths[start])
    return slice(start, start + count)

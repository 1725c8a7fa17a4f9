"""espeak-ng: speaks on this machine, without network or model weights, the same bytes every time.

The library itself is never loaded here. Each voice has a small program of its own (`espeak_worker`) that forks one
child an utterance; this module turns a sentence into segments (`g2p`), has them spoken, and joins them.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from corpusforge.errors import MissingDependency, RecipeError, nearest
from corpusforge.items import Json
from corpusforge.speech.engine import CannotSpeak, EngineConfig, LocalEngine, Prosody, Segment, Speech
from corpusforge.speech.engines.espeak_pieces import batches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from corpusforge.speech.engines.espeak_process import Installed, Request, VoiceProcess

ASSEMBLY = 1
"""Raised when the same segments of a sentence are cut, levelled or joined in another way."""

PINNED = {"espeakng-loader": "0.2.4", "bophono": "0.2.0"}
"""What `corpusforge[espeak]` installs: the versions in the key where the packages are absent, so that a machine
without espeak-ng still finds what another one made."""

ESPEAK_NG = {"0.2.4": "1.52.0"}
"""Version of espeak-ng by that of espeakng-loader, which ships it."""

WPM = 175
WPM_RANGE = (80, 450)
PITCH = 50
"""On espeak's scales of pitch and of its range, the voice's own."""
PITCH_LIMITS = (-40, 58)
"""Percent."""
RANGE_SHARE = 0.25
"""How much of a voice's base pitch espeak takes away for each doubling of its range (18 * range / base in espeak-ng's
SetPitch2): 0.254 for cmn, 0.234 for voices that set no pitch of their own."""

PAUSE = 0.1
"""Seconds between two segments. espeak leaves 0.01 s of silence at either end of what it says."""

LEVEL_RANGE_DB = 6.0
"""How far a segment may be turned up or down to the level of the sentence's own voice."""

VOICES_HELD = 6


class EspeakConfig(EngineConfig):
    """Settings of the espeak engine."""

    word_gap: int = Field(0, ge=0, le=100, description="Pause between words, in units of 10 ms at normal rate")
    time_limit: float = Field(
        60.0, gt=0, description="Seconds for one utterance", json_schema_extra={"semantic": False}
    )


class EspeakEngine(LocalEngine):
    """Speaks with espeak-ng. Nothing is started before the first sentence."""

    name: ClassVar[str] = "espeak"
    license: ClassVar[str] = "GPL-3.0-or-later"
    network: ClassVar[bool] = False
    Config: ClassVar[type[EngineConfig]] = EspeakConfig

    def __init__(self, config: EspeakConfig) -> None:
        self.config: EspeakConfig = config
        self._processes: OrderedDict[str, VoiceProcess] = OrderedDict()
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def languages(self) -> Mapping[str, str]:
        """FLORES codes it speaks, each with its default voice."""
        from corpusforge.speech import g2p

        return {lang: voice for lang in g2p.languages() if (voice := g2p.default_voice(lang)) is not None}

    def revision(self, lang: str) -> Mapping[str, Json]:
        """Versions that decide how `lang` sounds. Loads neither espeak-ng nor a language's rules."""
        from corpusforge.speech.g2p import rules_revision

        loader = _version("espeakng-loader")
        found: dict[str, Json] = {
            "espeak-ng": ESPEAK_NG.get(loader, f"of espeakng-loader {loader}"),
            "rules": rules_revision(lang),
            "assembly": ASSEMBLY,
        }
        if lang == "bod_Tibt":
            found["bophono"] = _version("bophono")
        return found

    def available(self) -> str | None:
        """None if it works here, else what is missing and the command that mends it."""
        if not hasattr(os, "fork"):
            return "espeak needs a POSIX system: use Linux, macOS or WSL"
        missing = [name for name in ("espeakng_loader", "bophono") if find_spec(name) is None]
        if missing:
            return f"{' and '.join(missing)} not installed: pip install 'corpusforge[espeak]'"
        library = installed().library
        if not Path(library).is_file():
            return f"{library} is not there: pip install --force-reinstall 'corpusforge[espeak]'"
        return None

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        """Raise `RecipeError` for a voice that espeak-ng does not have, or a rate or pitch out of its range.

        Where rules of this project make phonemes of the text, these are the phonemes of one voice: others will not do,
        but its variants (`cmn+f3`) will.
        """
        from corpusforge.speech import g2p

        words_per_minute(prosody.rate)
        pitch_values(prosody.pitch)
        if voice is None or self.available() is not None:
            return
        base, _, variant = voice.partition("+")
        own = g2p.default_voice(lang)
        if lang in g2p.RULES and base != own:
            raise RecipeError(f"espeak reads {lang} with '{own}' or a variant of it ('{own}+f3'), not with '{voice}'")
        bases, variants = voices()
        if base.casefold() not in bases:
            raise RecipeError(f"espeak has no voice '{base}' (wanted for {lang}): {nearest(base, bases)}")
        if variant and variant not in variants:
            raise RecipeError(f"espeak has no voice variant '{variant}' (in '{voice}'): {nearest(variant, variants)}")

    def synthesize(self, text: str, lang: str, voice: str | None, prosody: Prosody) -> Speech:
        """Speak one sentence; see `Engine.synthesize`.

        Stretches in another script are spoken by a voice of that language, after a pause of `PAUSE` seconds and at
        the level of the sentence's own voice (turned up or down by at most `LEVEL_RANGE_DB`, and never into clipping).

        Returns:
            Samples at 22,050 Hz, as espeak-ng makes them: no silence before or after.

        Raises:
            CannotSpeak: Nothing of the text can be read.
            EspeakError: espeak-ng crashed, hung or refused.
            RecipeError: A rate or pitch out of range.
        """
        from corpusforge.speech import g2p

        wpm, pitch = words_per_minute(prosody.rate), pitch_values(prosody.pitch)
        own = g2p.default_voice(lang)
        if own is None:
            raise RecipeError(f"espeak does not speak {lang}: {nearest(lang, g2p.languages())}")
        main = voice or own
        spoken = g2p.speak(text, lang, main)
        if not spoken.segments:
            raise CannotSpeak(f"nothing in it can be read aloud: {_start(text)}")
        segments = [replace(segment, voice=main) if segment.voice == own else segment for segment in spoken.segments]
        with self._lock:
            until = time.monotonic() + self.config.time_limit
            parts, rate = self._speak(segments, main, wpm, pitch, until)
        samples = _joined(parts, rate)
        if not samples.any():
            raise CannotSpeak(f"the voice '{main}' says nothing for: {_start(text)}")
        return Speech(samples, rate, main, spoken.syllables, spoken.unreadable)

    def close(self) -> None:
        """End the voices' programs."""
        with self._lock:
            for process in self._processes.values():
                process.close()
            self._processes.clear()

    def _speak(
        self, segments: Sequence[Segment], main: str, wpm: int | None, pitch: tuple[int, int] | None, until: float
    ) -> tuple[list[tuple[bool, bytes]], int]:
        """Each piece's samples in reading order, with whether it is in the sentence's own voice; and the sample rate.

        One child speaks all that a voice has to say, up to `LONGEST_PIECE` characters; voices speak at the same time.
        """
        from corpusforge.speech.engines.espeak_process import EspeakError, Request

        base, width = pitch or (None, None)
        said = batches(segments)
        requests = [
            Request(voice, tuple(texts.values()), wpm, base, width, self.config.word_gap or None)
            for voice, texts in said
        ]
        found: dict[int, tuple[bool, bytes]] = {}
        rates: dict[int, str] = {}
        for (voice, texts), (clips, rate) in zip(said, self._spoken(requests, until), strict=True):
            rates[rate] = voice
            found |= {place: (voice == main, clip) for place, clip in zip(texts, clips, strict=True)}
        if len(rates) > 1:
            shown = ", ".join(f"{voice} {rate} Hz" for rate, voice in sorted(rates.items()))
            raise EspeakError(f"the voices of one sentence have different sample rates: {shown}")
        return [found[place] for place in sorted(found)], next(iter(rates))

    def _spoken(self, requests: Sequence[Request], until: float) -> list[tuple[list[bytes], int]]:
        """The clips of each request, and their sample rate. Requests to different voices overlap."""
        answers: dict[int, tuple[list[bytes], int]] = {}
        waiting: dict[str, int] = {}

        def collect() -> None:
            while waiting:
                _, number = waiting.popitem()
                answers[number] = self._answer(requests[number], until)

        try:
            for number, request in enumerate(requests):
                if request.voice in waiting or len(waiting) == VOICES_HELD - 1:
                    collect()
                self._ask(request, until)
                waiting[request.voice] = number
            collect()
        except BaseException:
            for voice in waiting:  # nobody will take their answers
                self._processes[voice].close()
            raise
        return [answers[number] for number in range(len(requests))]

    def _ask(self, request: Request, until: float) -> None:
        from corpusforge.speech.engines.espeak_process import Killed

        try:
            self._process(request.voice).send(request, self._seconds(request, until))
        except Killed:  # while it was idle
            self._process(request.voice).send(request, self._seconds(request, until))

    def _answer(self, request: Request, until: float) -> tuple[list[bytes], int]:
        from corpusforge.speech.engines.espeak_process import Killed

        process = self._processes[request.voice]
        try:
            return process.receive(), process.sample_rate
        except Killed:  # by something outside: not the request's fault, so once more
            self._ask(request, until)
            process = self._processes[request.voice]
            return process.receive(), process.sample_rate

    def _seconds(self, request: Request, until: float) -> float:
        from corpusforge.speech.engines.espeak_process import EspeakError

        seconds = until - time.monotonic()
        if seconds <= 0:
            raise EspeakError(f"no end after {self.config.time_limit:g} s, before: {_start(request.texts[0][0])}")
        return seconds

    def _process(self, voice: str) -> VoiceProcess:
        from corpusforge.speech.engines.espeak_process import VoiceProcess

        if self._owner != os.getpid():  # forked: the programs are those of the process that started them
            for inherited in self._processes.values():
                inherited.disown()
            self._processes.clear()
            self._owner = os.getpid()
        process = self._processes.pop(voice, None)
        if process is None or process.closed:
            missing = self.available()
            if missing:
                raise MissingDependency(missing)
            process = VoiceProcess(installed(), voice_file(voice))
        self._processes[voice] = process
        if len(self._processes) > VOICES_HELD:
            self._processes.popitem(last=False)[1].close()
        return process


def words_per_minute(rate: float) -> int | None:
    """Words a minute, as espeak counts them, for a rate in percent; None, the voice's own, at 0.

    Raises:
        RecipeError: Out of espeak-ng's range.
    """
    if rate == 0:
        return None
    wpm = round(WPM * (1 + rate / 100)) if math.isfinite(rate) else -1
    low, high = WPM_RANGE
    if not low <= wpm <= high:
        limits = f"{math.ceil(100 * (low / WPM - 1))} to {math.floor(100 * (high / WPM - 1))}"
        raise RecipeError(f"rate {rate:g} %: espeak speaks {low} to {high} words a minute, which is {limits} %")
    return wpm


def pitch_values(pitch: float) -> tuple[int, int] | None:
    """Pitch and range as espeak counts them, for an F0 that is `pitch` percent higher; None, the voice's own, at 0.

    espeak's pitch moves only the base of F0: by itself, 40 % would be 26 %, and tones would become flatter. So the
    range is scaled with it, and what espeak takes from the base for a wider range is given back. Its scale is
    logarithmic: 50 is the voice's own, 0 half of it, 100 twice. Measured, F0 is then right to 5 points of percent.

    Raises:
        RecipeError: Out of espeak-ng's range.
    """
    if pitch == 0:
        return None
    low, high = PITCH_LIMITS
    if not low <= pitch <= high:
        raise RecipeError(f"pitch {pitch:g} %: espeak can shift it by {low} to {high} %")
    factor = 1 + pitch / 100
    return round(PITCH * (1 + math.log2(factor + RANGE_SHARE * (factor - 1)))), round(PITCH * factor)


def _joined(parts: list[tuple[bool, bytes]], rate: int) -> NDArray[np.float32]:
    """One clip of all pieces, with pauses between them and foreign ones at the level of the sentence's own voice."""
    import numpy as np

    clips = [np.frombuffer(samples, np.int16) * np.float32(1 / 32768) for _, samples in parts]
    if len(clips) <= 1:
        return clips[0] if clips else np.zeros(0, np.float32)
    own = [clip for (is_own, _), clip in zip(parts, clips, strict=True) if is_own]
    level = _active_power(np.concatenate(own), rate) if own else 0.0
    pause = np.zeros(round(PAUSE * rate), np.float32)
    joined: list[NDArray[np.float32]] = []
    for (is_own, _), clip in zip(parts, clips, strict=True):
        power = 0.0 if is_own else _active_power(clip, rate)
        if level > 0 and power > 0:
            limit = 10 ** (LEVEL_RANGE_DB / 20)
            gain = min(max(math.sqrt(level / power), 1 / limit), limit, 1 / float(np.abs(clip).max()))
            clip = clip * np.float32(gain)
        joined += [pause, clip] if joined else [clip]
    return np.concatenate(joined)


def _active_power(clip: NDArray[np.float32], rate: int) -> float:
    """Mean square of the frames of 20 ms that are within 40 dB of the loudest: the level without the pauses."""
    import numpy as np

    length = max(1, rate // 50)
    frames = clip[: len(clip) // length * length].reshape(-1, length).astype(np.float64)
    powers = np.einsum("ij,ij->i", frames, frames) / length
    loudest = powers.max(initial=0.0)
    return float(powers[powers >= loudest * 1e-4].mean()) if loudest > 0 else 0.0


@lru_cache(maxsize=1)
def installed() -> Installed:
    """Where the package `espeakng-loader` has put libespeak-ng and its data."""
    import espeakng_loader

    from corpusforge.speech.engines.espeak_process import Installed

    return Installed(espeakng_loader.get_library_path(), espeakng_loader.get_data_path())


@lru_cache(maxsize=1)
def voices() -> tuple[Mapping[str, str], frozenset[str]]:
    """The voices of espeak-ng, and the variants that may follow one after a `+`.

    Returns:
        Names (folded) to what the library loads, the voice's file: a file's own name, and each language tag in it
        (`fr-fr` to `fr`), which `espeak-ng -v` takes too but the library does not. And the names of variants.
    """
    data = Path(installed().data)
    files: dict[str, str] = {}
    tags: dict[str, tuple[int, str]] = {}
    for path in sorted((data / "lang").rglob("*")):
        if not path.is_file():
            continue
        files[path.name.casefold()] = path.name
        for line in path.read_text("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "language":
                priority = int(words[2]) if len(words) > 2 and words[2].isdecimal() else 5
                found = (priority, path.name)
                tags[words[1].casefold()] = min(found, tags.get(words[1].casefold(), found))
    by_tag = {tag: name for tag, (_, name) in tags.items()}
    return {**by_tag, **files}, frozenset(path.name for path in (data / "voices" / "!v").iterdir())


def voice_file(voice: str) -> str:
    """The name by which the library loads a voice; an unknown one as it is."""
    base, plus, variant = voice.partition("+")
    return voices()[0].get(base.casefold(), base) + plus + variant


@lru_cache(maxsize=8)
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return PINNED[package]


def _start(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"

"""What an importer finds: an utterance with its values as the folder names them, and a way to its audio."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Sound: TypeAlias = "bytes | tuple[NDArray[np.float32], int]"
"""The content of an audio file, or samples `[num_samples]` or `[num_samples, channels]` and their rate in Hz."""

SLACK = 0.01
"""Seconds by which a list's duration may differ from a file's, and still mean all of it: lists round."""


class Unreadable(CorpusforgeError):
    """One utterance cannot be had; `str()` is the reason, `class: details`."""


@dataclass(frozen=True, slots=True)
class Found:
    """One utterance.

    Attributes:
        place: Where it stands, in words: `train_manifest.json:12`.
        values: By the folder's own names.
        recording: Name of what it is, or is a part of.
        split: Of the list that it stands in; None if that is not named after one.
        read: Its audio; raises `Unreadable`.
        problem: Why nothing can be made of it, `class: details`.
    """

    place: str
    values: Mapping[str, Json]
    recording: str
    split: str | None
    read: Callable[[], Sound]
    problem: str | None = None


_SPLITS = {
    **dict.fromkeys(("train", "training", "tr"), "train"),
    **dict.fromkeys(("dev", "valid", "validation", "val", "cv", "development"), "dev"),
    **dict.fromkeys(("test", "eval", "tt", "devtest"), "test"),
}


def split_named(name: str) -> str | None:
    """The split that a list or folder is named after: `corpus_cuts_valid.jsonl.gz` is `dev`; None if there is none."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    found = {_SPLITS[word] for word in words if word in _SPLITS}
    return found.pop() if len(found) == 1 else None


def unreadable(place: str, reason: str) -> Found:
    """An utterance of which nothing but its place is known."""

    def read() -> Sound:
        raise Unreadable(reason)

    return Found(place, {}, place, None, read, reason)


def content_of(path: Path) -> bytes:
    """Content of an audio file.

    Raises:
        Unreadable: It is missing, or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"no audio: {path}: {error.strerror}") from error


def part_of(path: Path, start: float, seconds: float | None) -> Sound:
    """A part of an audio file; its content if that is all of it.

    Args:
        path: The file.
        start: Seconds.
        seconds: How long; None is to its end.

    Raises:
        Unreadable: It is missing, is no audio, or ends before the part does.
    """
    import soundfile

    if start == 0 and seconds is None:
        return content_of(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, total = file.samplerate, file.frames
            first = round(start * rate)
            count = total - first if seconds is None else round(seconds * rate)
            slack = SLACK * rate
            if first == 0 and abs(count - total) <= slack:
                return content_of(path)
            if first < 0 or count <= 0 or first + count > total + slack:
                raise Unreadable(
                    f"bad segment: {start:.3f} s to {(first + count) / rate:.3f} s of {path}, which has "
                    f"{total / rate:.3f} s"
                )
            file.seek(first)
            return file.read(min(count, total - first), dtype="float32", always_2d=True), rate
    except soundfile.LibsndfileError as error:
        content_of(path)  # missing, or not to be read, is said as that
        raise Unreadable(f"not audio: {path}: {error}") from error


def is_corpus_audio(content: bytes) -> bool:
    """Whether it is what a corpus holds: FLAC, 16 bit, 16 kHz, mono."""
    import soundfile

    if content[:4] != b"fLaC":
        return False
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            return (file.format, file.subtype, file.samplerate, file.channels) == ("FLAC", "PCM_16", 16000, 1)
    except soundfile.LibsndfileError:
        return False

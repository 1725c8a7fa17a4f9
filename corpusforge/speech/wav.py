"""WAV as servers and programs write it: with lengths that were not known yet, or cut off on the way.

Importing it imports neither numpy nor soundfile.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from corpusforge.errors import CorpusforgeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNKNOWN = 0x7FFF0000
"""Lengths from here on stand for "as long as it lasts": ffmpeg writes 0xFFFFFFFF, espeak-ng 0x7FFFF000. So does 0."""


class NotAudio(CorpusforgeError):
    """What came is no clip: `str()` says what it is instead, in words that follow a name."""


class CutOff(NotAudio):
    """A clip that ends before its end; it may be whole the next time."""


def read_clip(content: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples (mono, float32) and rate in Hz of a clip: WAV of any width, rate and channel count, or FLAC, MP3, Ogg.

    Raises:
        CutOff: A WAV with less audio than its header promises.
        NotAudio: Nothing, a web page, text, or audio without a sample.
    """
    from corpusforge.speech.audio import decode

    if not content:
        raise NotAudio("nothing at all, expected a WAV")
    if content[:4] == b"RIFF":
        content = _mended(content)
    try:
        return decode(content)
    except CorpusforgeError as error:
        raise NotAudio(_instead(content) or str(error)) from error


def _mended(content: bytes) -> bytes:
    """A WAV whose header says how long it is.

    Chunks are walked as in Microsoft's "Multimedia Programming Interface and Data Specifications 1.0": a name of four
    letters, the length in four bytes, the content, padded to an even length.
    """
    if len(content) < 12 or content[8:12] != b"WAVE":
        raise CutOff(f"a WAV cut off after {len(content)} bytes, inside its header")
    at, frame = 12, 1
    length: int
    while at + 8 <= len(content):
        name, (length,) = content[at : at + 4], struct.unpack_from("<I", content, at + 4)
        begin, there = at + 8, len(content) - at - 8
        if name == b"fmt " and there >= 16:
            frame = max(1, struct.unpack_from("<H", content, begin + 12)[0])
        if name == b"data":
            if length == 0 and _another_chunk(content, begin):
                raise NotAudio("a WAV without a sample")
            if length == 0 or length >= UNKNOWN:
                length = there // frame * frame
            elif length > there:
                raise CutOff(f"a WAV cut off: {there:,} of {length:,} bytes of audio")
            if length < frame:
                raise NotAudio("a WAV without a sample")
            body = content[12:at] + b"data" + struct.pack("<I", length) + content[begin : begin + length]
            body += b"\0" * (length % 2)
            return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
        at = begin + length + length % 2
    raise CutOff(f"a WAV cut off after {len(content)} bytes, before its audio")


def _another_chunk(content: bytes, at: int) -> bool:
    """Whether what follows an empty data chunk are chunks to the very end, and no audio of unknown length."""
    while at + 8 <= len(content):
        name, length = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        if not name.isascii() or not name.decode("ascii").isprintable():
            return False
        at += 8 + length + length % 2
    return at == len(content)


def _instead(content: bytes) -> str | None:
    """What a content that is no audio is, where it can be read."""
    from corpusforge.net.faults import readable
    from corpusforge.net.secrets import redact

    if b"\0" in content[:1000]:
        return None
    try:
        text = content[:20_000].decode("utf-8", "strict" if len(content) <= 20_000 else "ignore")
    except UnicodeDecodeError:
        return None
    kind = "a web page" if "<html" in text[:1000].lower() else "text"
    return f"{kind} and no audio: {redact(readable(text))}"

"""Whether what Google Translate sent is the whole speech of a part: an MP3 is looked through before it is believed."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SILENT = 3e-4
"""A clip whose highest sample is below this, -70 dBFS, has no speech in it."""

FASTEST, SLOWEST = 0.04, 2.5
"""Seconds a syllable that no speech is outside of. Genuine clips have about 0.3; the bounds are wide because some
syllables are only estimated."""

ONCE = 8.0
"""Seconds that may come on top, for the silence around a part and for words that are longer than they look."""

# ISO/IEC 11172-3 and 13818-3, layer III: kbit/s by index, for MPEG 1 and for MPEG 2 and 2.5; Hz by index for MPEG 1.
_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_HERTZ = (44100, 48000, 32000)


class BadAudio(Exception):
    """What is wrong with a clip, in one line."""


def decode(mp3: bytes, syllables: int) -> tuple[NDArray[np.float32], int]:
    """The samples of one part's MP3, if it is whole and can be the speech of that part.

    Args:
        mp3: As it came.
        syllables: Of the part's text, about.

    Returns:
        Mono samples in [-1, 1] and their rate in Hz.

    Raises:
        BadAudio: It is empty, no MP3, cut short, silent, or much shorter or longer than the text.
    """
    import numpy as np
    import soundfile

    whole(mp3)
    try:
        samples, rate = soundfile.read(io.BytesIO(mp3), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise BadAudio(f"an MP3 that cannot be decoded: {error.error_string}") from error
    mono: NDArray[np.float32] = np.ascontiguousarray(samples.mean(axis=1), dtype=np.float32)
    if mono.size == 0:
        raise BadAudio("an MP3 without a sample")
    if float(np.abs(mono).max()) < SILENT:
        raise BadAudio(f"{mono.size / rate:.1f} s of silence instead of speech")
    seconds = mono.size / rate
    if not FASTEST * syllables <= seconds <= ONCE + SLOWEST * syllables:
        raise BadAudio(f"{seconds:.2f} s of audio, which cannot be the speech of {syllables} syllables")
    return mono, int(rate)


def whole(mp3: bytes) -> int:
    """The number of frames of an MP3 (layer III) that consists of whole frames only, but for ID3 tags.

    Raises:
        BadAudio: It does not; the message says what was found.
    """
    if not mp3:
        raise BadAudio("0 bytes instead of an MP3")
    if re.match(rb"\s*(?:<|\{)", mp3):
        start = " ".join(mp3[:60].decode("utf-8", "replace").split())
        raise BadAudio(f"text instead of an MP3: {start}")
    at = _after_id3(mp3)
    end = len(mp3) - 128 if mp3[-128:-125] == b"TAG" else len(mp3)
    frames = 0
    while at < end:
        length = _frame_length(mp3[at : at + 4])
        if length is None:
            what = "no MP3" if frames == 0 else "a damaged MP3"
            raise BadAudio(f"{what}: byte {at:,} of {len(mp3):,} should begin a frame, and does not")
        if at + length > end:
            raise BadAudio(f"an MP3 that is cut short: {end - at} of {length} bytes of frame {frames + 1}")
        at += length
        frames += 1
    if frames == 0:
        raise BadAudio(f"no MP3: {len(mp3):,} bytes without a frame")
    return frames


def _after_id3(mp3: bytes) -> int:
    """Where the frames begin: behind an ID3v2 tag, whose length is in four bytes of seven bits."""
    if mp3[:3] != b"ID3" or len(mp3) < 10:
        return 0
    size = 0
    for byte in mp3[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if mp3[5] & 0x10 else 0)


def _frame_length(header: bytes) -> int | None:
    """Bytes of the frame of layer III that begins with `header`; None if none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, bits, hertz = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or hertz == 3:
        return None
    first = version == 3
    rate = _HERTZ[hertz] if first else _HERTZ[hertz] // (2 if version == 2 else 4)
    return (144 if first else 72) * _KBITS[not first][bits] * 1000 // rate + (header[2] >> 1 & 1)

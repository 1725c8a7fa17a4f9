"""Waveform and spectrogram of a clip, small enough that a page can carry those of every clip.

A page that was opened from the file system may play a file beside it, but not read it: browsers treat every such file
as of another origin. So the pictures are made here, and not in the page.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BUCKETS = 160
"""Bars of a waveform."""

BANDS = 64
"""Rows of a spectrogram, of equal width, from 0 Hz to half the sample rate."""

RANGE_DB = 64.0
"""What is drawn below the loudest cell, in 16 steps."""

_WINDOW = 0.032  # seconds
_STEP = 0.03  # seconds between two columns, where that makes no more than _COLUMNS
_COLUMNS = 512
VERSION = 1
"""Of what is drawn; raised when it changes, so that pictures of an older one are made anew."""


def waveform(samples: NDArray[np.float32]) -> str:
    """Peaks of `BUCKETS` equal parts of a clip, a byte each (255 is full scale), in base64.

    Args:
        samples: [n] in [-1, 1].
    """
    import numpy as np

    if not len(samples):
        return base64.b64encode(bytes(BUCKETS)).decode()
    starts = np.arange(BUCKETS) * len(samples) // BUCKETS
    peaks = np.maximum.reduceat(np.abs(samples), starts)
    return base64.b64encode(np.round(np.minimum(peaks, 1.0) * 255).astype(np.uint8).tobytes()).decode()


def spectrogram(samples: NDArray[np.float32], rate: int) -> str:
    """Levels of a clip by time and frequency, 4 bits each: base64 of zlib of columns one after the other.

    A column holds `BANDS` levels from low to high frequency, two a byte, the lower one first; 15 is the loudest cell of
    the clip, 0 is `RANGE_DB` below it or less.

    Args:
        samples: [n].
        rate: In Hz.
    """
    import numpy as np

    width = max(2 * BANDS, 1 << round(np.log2(_WINDOW * rate)))
    columns = min(_COLUMNS, max(1, round(len(samples) / rate / _STEP)))
    padded = np.pad(samples, (width // 2, width // 2 + 1))
    starts = (np.arange(columns) + 0.5) * len(samples) / columns
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[starts.astype(np.int64)]
    spectrum = np.fft.rfft(frames * np.hanning(width).astype(np.float32))[:, :-1]
    power = (spectrum.real**2 + spectrum.imag**2).reshape(columns, BANDS, -1).mean(axis=2)
    loudest = power.max()
    if not loudest > 0:
        levels = np.zeros((columns, BANDS), np.uint8)
    else:
        decibels = 10 * np.log10(np.maximum(power / loudest, 1e-12))
        levels = np.clip(np.round(15 * (1 + decibels / RANGE_DB)), 0, 15).astype(np.uint8)
    packed = levels[:, 0::2] | levels[:, 1::2] << 4
    return base64.b64encode(zlib.compress(packed.tobytes(), 9)).decode()

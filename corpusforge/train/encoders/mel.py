"""Mel bands as librosa's `feature.melspectrogram` makes them with its defaults: power, Slaney's scale and norm."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LINEAR_HZ = 200 / 3
"""Hz of a mel below 1 kHz; above it, a mel is a constant ratio of frequencies (Slaney, Auditory Toolbox, 1998)."""
_BREAK_MEL = 1000 / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27


def filterbank(rate: int, size: int, bands: int) -> NDArray[np.float32]:
    """Weights [bands, size // 2 + 1] of triangular filters from 0 Hz to half the rate, each of area 1 in Hz.

    Args:
        rate: Samples per second.
        size: Points of the Fourier transform.
        bands: Number of filters.
    """
    top = _mel(rate / 2)
    corners = _hertz(np.linspace(0.0, top, bands + 2))
    bins = np.linspace(0.0, rate / 2, size // 2 + 1)
    rising = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    weights: NDArray[np.float32] = (triangles * (2 / (corners[2:] - corners[:-2]))[:, None]).astype(np.float32)
    return weights


def mel_bands(samples: Tensor, filters: Tensor, hop: int) -> Tensor:
    """Energies [1 + T // hop, bands] of the samples [T], in windows that are centred on every `hop`-th sample.

    Args:
        samples: [T]; silence is put before and after them.
        filters: [bands, size // 2 + 1] from `filterbank`.
        hop: Samples between two windows.
    """
    size = 2 * (filters.shape[1] - 1)
    window = torch.hann_window(size, device=samples.device)
    spectrum = torch.stft(
        samples, size, hop, window=window, center=True, pad_mode="constant", onesided=True, return_complex=True
    )
    return (filters @ spectrum.abs().square()).T


def _mel(hertz: float) -> float:
    if hertz < 1000:
        return hertz / _LINEAR_HZ
    return float(_BREAK_MEL + np.log(hertz / 1000) / _LOG_STEP)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = 1000 * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    found: NDArray[np.float64] = np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)
    return found

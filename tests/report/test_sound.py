"""Waveforms and spectrograms say what is in the samples."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.report.sound import BANDS, BUCKETS, spectrogram, waveform


def levels(samples: np.ndarray, rate: int) -> np.ndarray:
    packed = np.frombuffer(zlib.decompress(base64.b64decode(spectrogram(samples, rate))), np.uint8)
    return np.stack([packed & 15, packed >> 4], axis=1).reshape(-1, BANDS)


def test_a_waveform_is_the_peak_of_each_part() -> None:
    samples = np.zeros(BUCKETS * 100, np.float32)
    samples[250], samples[-1] = -0.5, 1.0
    peaks = np.frombuffer(base64.b64decode(waveform(samples)), np.uint8)
    assert {int(place): int(peaks[place]) for place in np.flatnonzero(peaks)} == {2: 128, BUCKETS - 1: 255}


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_a_tone_is_a_line_at_its_frequency(rate: int) -> None:
    hertz = 0.305 * rate / 2
    found = levels(np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate).astype(np.float32), rate)
    assert set(found.argmax(axis=1)) == {int(hertz / (rate / 2 / BANDS))}
    assert (found[1:-1, 50:] < 5).all()


def test_a_second_of_silence_before_a_tone_is_dark() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    found = levels(np.concatenate([np.zeros(16000), tone]).astype(np.float32), 16000)
    assert (found[: len(found) // 2 - 1] == 0).all() and (found[len(found) // 2 + 1 :].max(axis=1) >= 14).all()


@given(st.integers(0, 5000), st.sampled_from([8000, 16000, 24000, 44100]), st.floats(0, 1, width=32))
def test_any_length_and_level_has_pictures(length: int, rate: int, level: float) -> None:
    samples = np.full(length, level, np.float32)
    assert len(base64.b64decode(waveform(samples))) == BUCKETS
    assert levels(samples, rate).shape[1] == BANDS

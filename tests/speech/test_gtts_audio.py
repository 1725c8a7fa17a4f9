"""Whether an MP3 is whole, and can be the speech that was asked for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.speech.engines.gtts_audio import BadAudio, decode, whole
from tests.servers.google_tts import Clip, read_clips


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> list[Clip]:
    return read_clips(shared_data / "gtts_zh")


def made(rate: int, seconds: float = 1.0, channels: int = 1) -> bytes:
    """An MP3 of noise: MPEG 1 at 32 kHz and above, MPEG 2 from 16 to 24 kHz, MPEG 2.5 below."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, (int(rate * seconds), channels)).astype(np.float32)
    soundfile.write(file, noise, rate, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


def test_genuine_clips_are_whole(clips: list[Clip]) -> None:
    for clip in clips:
        frames = whole(clip.mp3)
        assert frames * 576 / 22050 == pytest.approx(clip.seconds, abs=0.08)


@pytest.mark.parametrize("rate", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
def test_frames_of_every_rate(rate: int) -> None:
    mp3 = made(rate)
    assert whole(mp3) * (1152 if rate >= 32000 else 576) / rate == pytest.approx(1.0, abs=0.35)
    samples, found = decode(mp3, 4)
    assert found == rate
    assert samples.ndim == 1


def test_stereo_becomes_mono() -> None:
    samples, _ = decode(made(24000, channels=2), 4)
    assert samples.ndim == 1


def test_tags_are_no_frames(clips: list[Clip]) -> None:
    mp3 = clips[0].mp3
    frames = whole(mp3)
    assert whole(b"ID3\x04\x00\x00\x00\x00\x01\x05" + bytes(133) + mp3) == frames
    assert whole(mp3 + b"TAG" + bytes(125)) == frames


def test_every_cut_inside_a_frame_is_seen(clips: list[Clip]) -> None:
    """All cuts of a clip: those between frames leave a whole, shorter MP3, and no others do."""
    mp3 = clips[13].mp3[:3000]
    left = 0
    for end in range(1, len(mp3)):
        try:
            whole(mp3[:end])
            left += 1
        except BadAudio as error:
            assert "\n" not in str(error)
    assert left == len(mp3) // 104


def test_a_clip_of_other_words_is_seen(clips: list[Clip]) -> None:
    mp3 = clips[0].mp3
    with pytest.raises(BadAudio, match="cannot be the speech of 400 syllables"):
        decode(mp3, 400)
    with pytest.raises(BadAudio, match="cannot be the speech of 0 syllables"):
        decode(mp3, 0)


@given(st.binary(max_size=400))
def test_any_bytes_are_judged(data: bytes) -> None:
    try:
        assert whole(data) > 0
    except BadAudio as error:
        assert str(error)

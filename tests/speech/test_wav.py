"""Clips as servers and programs write them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import CorpusforgeError
from corpusforge.speech.wav import CutOff, NotAudio, read_clip
from tests.servers.marytts import tone, wav

CLIP = tone(0.25, 16000)


def with_length(content: bytes, data: int, riff: int | None = None) -> bytes:
    """A WAV whose header promises another length."""
    at = content.index(b"data") + 4
    content = content[:at] + struct.pack("<I", data) + content[at + 4 :]
    return content if riff is None else content[:4] + struct.pack("<I", riff) + content[8:]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_any_rate_and_width(rate: int, subtype: str) -> None:
    sent = tone(0.1, rate)
    samples, found = read_clip(wav(sent, rate, subtype))
    assert (found, samples.dtype, samples.shape) == (rate, np.float32, sent.shape)
    assert np.abs(samples - sent).max() < {"PCM_U8": 0.01, "ULAW": 0.02}.get(subtype, 1e-4)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("format", ["WAV", "WAVEX"])
def test_channels_are_averaged(channels: int, format: str) -> None:
    each = np.stack([CLIP * (number + 1) / channels for number in range(channels)], axis=1)
    samples, _ = read_clip(wav(each, 16000, "PCM_16", format))
    assert np.abs(samples - each.mean(axis=1)).max() < 1e-4


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 44])
@pytest.mark.parametrize("riff", [0, 36, 0xFFFFFFFF])
def test_a_length_that_was_not_known_yet(length: int, riff: int) -> None:
    samples, rate = read_clip(with_length(wav(CLIP), length, riff))
    assert rate == 16000
    assert np.abs(samples - CLIP).max() < 1e-4


def test_a_last_half_sample_of_a_stream_is_left_out() -> None:
    samples, _ = read_clip(with_length(wav(CLIP), 0xFFFFFFFF)[:-1])
    assert len(samples) == len(CLIP) - 1


@pytest.mark.parametrize("cut", [1, 2, 1001, 7999])
def test_a_clip_that_is_cut_off_is_no_clip(cut: int) -> None:
    with pytest.raises(CutOff, match=r"cut off: [\d,]+ of 8,000 bytes"):
        read_clip(wav(CLIP)[:-cut])


@pytest.mark.parametrize("kept", [5, 11, 20, 40, 43])
def test_a_header_that_is_cut_off(kept: int) -> None:
    with pytest.raises(CutOff, match=f"cut off after {kept} bytes"):
        read_clip(wav(CLIP)[:kept])


def test_chunks_before_and_after_the_audio() -> None:
    content = wav(CLIP)
    extra = b"LIST" + struct.pack("<I", 5) + b"INFO!\0"
    samples, _ = read_clip(content[:12] + extra + content[12:] + extra)
    assert np.abs(samples - CLIP).max() < 1e-4


def test_no_sample() -> None:
    for content in (wav(CLIP[:0]), wav(CLIP[:0]) + b"LIST" + struct.pack("<I", 4) + b"INFO"):
        with pytest.raises(NotAudio, match="without a sample"):
            read_clip(content)


def test_other_formats() -> None:
    for format, subtype in (("FLAC", "PCM_16"), ("AIFF", "PCM_16"), ("MP3", "MPEG_LAYER_III")):
        samples, rate = read_clip(wav(tone(1.0), 16000, subtype, format))
        assert rate == 16000
        assert abs(len(samples) - 16000) < 2500


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "nothing at all"),
        (b"<html><body><h1>Busy</h1><p>Come &amp; see</body></html>", "a web page and no audio: Busy Come & see"),
        (b'{"error": {"message": "no such voice"}}', "text and no audio: no such voice"),
        ("ང་ཚོ".encode(), "text and no audio: ང་ཚོ"),
        (b"\0\1\2\3" * 100, "are not audio"),
    ],
)
def test_what_it_is_instead(content: bytes, words: str) -> None:
    with pytest.raises(NotAudio) as caught:
        read_clip(content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_in_a_page_is_not_repeated() -> None:
    with pytest.raises(NotAudio) as caught:
        read_clip(b"<html>try http://ann:sesame-street@host/?api_key=0123456789</html>")
    assert "sesame" not in str(caught.value)
    assert "0123456789" not in str(caught.value)


@given(st.binary(max_size=200), st.integers(0, 300), st.booleans())
def test_whatever_comes_is_a_clip_or_an_error_of_ours(noise: bytes, at: int, insert: bool) -> None:
    content = wav(CLIP[:64])
    content = content[:at] + noise + content[at if insert else at + len(noise) :]
    try:
        samples, rate = read_clip(content)
    except CorpusforgeError:
        return
    assert samples.ndim == 1
    assert len(samples) > 0
    assert rate > 0

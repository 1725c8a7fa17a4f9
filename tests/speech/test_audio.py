"""Finishing and encoding: what a clip must be after it, whatever it was before."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from corpusforge.errors import CorpusforgeError
from corpusforge.speech.audio import (
    CEILING_DBFS,
    AudioConfig,
    Loudness,
    Trim,
    decode,
    encode,
    finish,
    integrated_loudness,
)

AS_IS = AudioConfig(sample_rate=None)
CEILING = 10 ** (CEILING_DBFS / 20)
STEP = 1 / 32768


def dbfs(samples: NDArray[np.float32]) -> float:
    return 20 * float(np.log10(np.abs(samples).max()))


def tone(seconds: float, rate: int, hertz: float = 440.0, amplitude: float = 0.5) -> NDArray[np.float32]:
    phase = 2 * np.pi * hertz / rate * np.arange(round(seconds * rate))
    return np.asarray(amplitude * np.sin(phase), np.float32)


def speechlike(seed: int, seconds: float, rate: int, peak: float) -> NDArray[np.float32]:
    """Noise in bursts, some loud and some faint, with the given peak."""
    random = np.random.default_rng(seed)
    count = max(1, round(seconds * rate))
    envelope = np.repeat(random.uniform(0, 1, count // 800 + 1) ** 3, 800)[:count]
    noise = random.standard_normal(count) * envelope
    return np.asarray(noise * peak / max(1e-9, np.abs(noise).max()), np.float32)


clips = st.builds(
    speechlike,
    seed=st.integers(0, 2**32 - 1),
    seconds=st.floats(0.002, 2.0),
    rate=st.just(16000),
    peak=st.floats(0.001, 1.0),
)


def test_resampling_keeps_a_tone_and_its_length() -> None:
    finished, rate = finish(tone(2.0, 22050), 22050, AudioConfig(sample_rate=16000))

    assert rate == 16000
    assert abs(len(finished) - 32000) <= 1
    middle = slice(4000, 28000)
    assert np.abs(finished[middle] - tone(2.0, 16000)[: len(finished)][middle]).max() < 1e-3


def test_what_lies_above_half_the_new_rate_does_not_fold_back() -> None:
    finished, _ = finish(tone(1.0, 22050, hertz=9500), 22050, AudioConfig(sample_rate=16000))

    assert dbfs(finished[2000:-2000]) < -80


def test_nothing_is_done_to_a_clip_when_nothing_is_asked_for() -> None:
    samples = speechlike(1, 1.0, 22050, 1.0)

    finished, rate = finish(samples, 22050, AS_IS)

    assert rate == 22050
    assert finished.tobytes() == samples.tobytes()


def test_a_clip_that_overshoots_when_resampled_is_turned_down_and_not_clipped() -> None:
    square = np.sign(tone(1.0, 22050, hertz=331)).astype(np.float32)  # full scale, and steep: soxr rings

    finished, _ = finish(square, 22050, AudioConfig(sample_rate=16000))

    assert dbfs(finished) == pytest.approx(CEILING_DBFS, abs=0.001)
    assert np.count_nonzero(np.abs(finished) > 0.999 * CEILING) < len(finished) // 100


@settings(max_examples=40)
@given(samples=clips, wanted=st.floats(-60, CEILING_DBFS))
def test_peak_is_reached(samples: NDArray[np.float32], wanted: float) -> None:
    finished, _ = finish(samples, 16000, AudioConfig(loudness=Loudness(peak_dbfs=wanted)))

    assert dbfs(finished) == pytest.approx(wanted, abs=0.001)


@settings(max_examples=40)
@given(samples=clips, wanted=st.floats(-60, -5))
def test_loudness_is_reached_unless_the_clip_would_clip(samples: NDArray[np.float32], wanted: float) -> None:
    finished, _ = finish(samples, 16000, AudioConfig(loudness=Loudness(lufs=wanted)))

    assert np.abs(finished).max() <= CEILING * 1.0001
    before = integrated_loudness(samples, 16000)
    if not np.isfinite(before):
        assert finished.tobytes() == samples.tobytes() or np.abs(samples).max() > CEILING
    elif np.abs(finished).max() < CEILING * 0.9999:
        # The gates are relative to what is measured but for one at -70 LUFS, which a low target may fall below.
        after = integrated_loudness(finished, 16000)
        assert after == pytest.approx(wanted, abs=0.05) or min(wanted, before) < -55
    else:
        assert integrated_loudness(finished, 16000) <= wanted + 0.05


def test_a_clip_of_any_length_has_a_loudness() -> None:
    samples = tone(0.5, 22050)[9:]
    for count in range(1, len(samples), 7):
        assert np.isfinite(integrated_loudness(samples[:count], 22050))


def test_loudness_is_measured_as_the_standard_says() -> None:
    # EBU Tech 3341, case 1: a 1 kHz sine of -23 dBFS in both channels is -23 LUFS, so in one channel -26.
    assert integrated_loudness(tone(20.0, 48000, 1000, 10 ** (-23 / 20)), 48000) == pytest.approx(-26.0, abs=0.1)


def test_loudness_of_a_clip_shorter_than_a_block() -> None:
    short, long = (tone(seconds, 16000, 1000, 0.1) for seconds in (0.1, 5.0))

    assert integrated_loudness(short, 16000) == pytest.approx(integrated_loudness(long, 16000), abs=0.5)


@settings(max_examples=60)
@given(
    samples=clips,
    before=st.integers(0, 8000),
    after=st.integers(0, 8000),
    margin=st.floats(0, 400),
    level=st.floats(-90, -20),
)
def test_trim_cuts_silence_and_only_silence(
    samples: NDArray[np.float32], before: int, after: int, margin: float, level: float
) -> None:
    padded = np.concatenate([np.zeros(before, np.float32), samples, np.zeros(after, np.float32)])
    config = AudioConfig(trim=Trim(silence_dbfs=level, margin_ms=margin))

    finished, _ = finish(padded, 16000, config)

    loud = np.flatnonzero(np.abs(padded) >= 10 ** (level / 20))
    if len(loud) == 0:
        assert finished.tobytes() == padded.tobytes()
        return
    left = round(margin * 16)
    start, end = max(0, loud[0] - left), min(len(padded), loud[-1] + 1 + left)
    assert finished.tobytes() == padded[start:end].tobytes()


def test_trim_judges_the_level_after_loudness() -> None:
    quiet = np.concatenate([np.zeros(8000, np.float32), tone(1.0, 16000, amplitude=0.001), np.zeros(8000, np.float32)])

    finished, _ = finish(quiet, 16000, AudioConfig(trim=Trim(), loudness=Loudness(peak_dbfs=-3)))

    assert len(finished) == pytest.approx(16000 + 2 * 800, abs=40)


def test_digital_silence_stays_as_it_is() -> None:
    silence = np.zeros(4000, np.float32)

    for loudness in (None, Loudness(lufs=-23), Loudness(peak_dbfs=-3)):
        finished, _ = finish(silence, 16000, AudioConfig(trim=Trim(), loudness=loudness))
        assert finished.tobytes() == silence.tobytes()


@pytest.mark.parametrize("samples", [np.zeros((2, 10), np.float32), np.zeros(0, np.float32)])
def test_what_is_not_a_mono_clip_is_refused(samples: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="mono"):
        finish(samples, 16000, AS_IS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    samples = tone(0.1, 16000)
    samples[7] = bad

    with pytest.raises(ValueError, match="finite"):
        finish(samples, 16000, AS_IS)
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        encode(samples, 16000, "flac")


@settings(max_examples=40)
@given(samples=clips, format=st.sampled_from(["flac", "wav"]))
def test_encoding_loses_half_a_step_at_most(samples: NDArray[np.float32], format: str) -> None:
    content = encode(samples, 16000, format)  # type: ignore[arg-type]
    decoded, rate = decode(content)

    assert rate == 16000
    assert decoded.dtype == np.float32
    assert len(decoded) == len(samples)
    assert np.abs(decoded - np.minimum(samples, 1 - STEP)).max() <= STEP / 2 * 1.001
    assert encode(samples, 16000, format) == content  # type: ignore[arg-type]
    assert encode(decoded, 16000, format) == content  # type: ignore[arg-type]


def test_full_scale_is_encoded_without_wrapping_round() -> None:
    decoded, _ = decode(encode(np.array([1.0, -1.0, 0.0], np.float32), 16000, "wav"))

    assert decoded.tolist() == [1 - STEP, -1.0, 0.0]


def test_more_than_full_scale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"peak of 1\.5"):
        encode(np.array([0.0, 1.5], np.float32), 16000, "flac")


def test_real_mp3_is_decoded(shared_data: object) -> None:
    from pathlib import Path

    folder = Path(str(shared_data)) / "gtts_zh"
    header, *rows = (line.split("\t") for line in (folder / "index.tsv").read_text("utf-8").splitlines())
    assert len(rows) == 20
    for name, seconds, *_ in rows:
        samples, rate = decode((folder / name).read_bytes())
        assert rate == 22050
        assert len(samples) / rate == pytest.approx(float(seconds), abs=0.1), (header, name)
        assert 0.05 < np.abs(samples).max() <= 1.2


def test_stereo_is_averaged() -> None:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.array([[0.5, -0.25]] * 100), 8000, format="WAV", subtype="PCM_16")

    samples, _ = decode(file.getvalue())

    assert samples.shape == (100,)
    assert np.allclose(samples, 0.125)


def test_bytes_that_are_not_audio_are_named() -> None:
    with pytest.raises(CorpusforgeError, match=r"9 bytes starting b'<html>"):
        decode(b"<html>404")


@pytest.mark.parametrize("value", [True, {}])
def test_both_spellings_of_the_same_trim_have_the_same_key(value: object) -> None:
    assert AudioConfig.model_validate({"trim": value}) == AudioConfig(trim=Trim())
    assert AudioConfig.model_validate({"trim": False}) == AudioConfig()


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "mp3"},
        {"sample_rate": 0},
        {"bitrate": 64},
        {"loudness": {}},
        {"loudness": {"lufs": -23, "peak_dbfs": -3}},
        {"loudness": {"lufs": 3}},
        {"loudness": {"peak_dbfs": 0.5}},
        {"trim": {"silence": -50}},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AudioConfig.model_validate(wrong)


def test_settings_alone_load_no_audio_library() -> None:
    code = (
        "import sys; from corpusforge.speech.audio import AudioConfig; AudioConfig(trim=True).model_dump()\n"
        "print(*{'numpy', 'soundfile', 'soxr', 'scipy', 'pyloudnorm', 'pydub'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""

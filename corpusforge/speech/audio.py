"""What happens to a clip between the engine and the store: resample, level, trim, encode. And back: decode.

This module imports neither numpy nor soundfile until a clip is worked on, because a rebuild that has nothing to do
needs `AudioConfig` for its keys and nothing else.

Editing is done on float arrays, not with pydub: a pydub segment is 16-bit, so each step would round (and clip) the
samples again, and trimming takes it two to three times as long (`benchmarks/engine.py --stages`).
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from corpusforge.errors import CorpusforgeError, MissingDependency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CEILING_DBFS = -0.1
"""No step leaves a peak above this, other than the engine's own samples where nothing is done to them."""

LUFS_BLOCK = 0.4
"""Seconds of a gating block in ITU-R BS.1770-4."""

FLAC_LEVEL = 0.625
"""libsndfile's scale, 0 to 1: FLAC's own level 5. Level 8 saves 5 % of the bytes and takes 1.8 times as long."""


class Trim(BaseModel):
    """How silence before and after the speech is cut.

    Attributes:
        silence_dbfs: Samples below this are silent. Levels are those of the finished clip: loudness comes first.
        margin_ms: Silence that is left on either side, as far as there is any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    silence_dbfs: float = Field(-50.0, ge=-120, lt=0)
    margin_ms: float = Field(50.0, ge=0, le=5000)


class Loudness(BaseModel):
    """The level that a clip is brought to; one of the two.

    Attributes:
        lufs: Integrated loudness by ITU-R BS.1770-4 in LUFS: -23 is EBU R 128's. Needs `corpusforge[loudness]`.
        peak_dbfs: Highest sample in dBFS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lufs: float | None = Field(None, ge=-70, le=-5)
    peak_dbfs: float | None = Field(None, ge=-60, le=CEILING_DBFS)

    @model_validator(mode="after")
    def _one(self) -> Loudness:
        if (self.lufs is None) == (self.peak_dbfs is None):
            raise ValueError("give either lufs or peak_dbfs: {lufs: -23} or {peak_dbfs: -3}")
        return self


def _trim(value: object) -> object:
    """`true` is the default trim and `false` none, so that both spellings of the same setting have the same key."""
    if value is True:
        return Trim()
    return None if value is False else value


class AudioConfig(BaseModel):
    """Settings of the audio in the corpus: `audio:` of the stage `synthesize`.

    Attributes:
        format: `flac` (about 60 % of the size) or `wav`; both hold 16-bit mono.
        sample_rate: Hz; null keeps the engine's own.
        trim: `true`, `false`, or `{silence_dbfs, margin_ms}`.
        loudness: null keeps the engine's own level; `{lufs: -23}`; `{peak_dbfs: -3}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["flac", "wav"] = "flac"
    sample_rate: int | None = Field(16000, ge=4000, le=192000)
    trim: Annotated[Trim | None, BeforeValidator(_trim, json_schema_input_type=Trim | bool | None)] = None
    loudness: Loudness | None = None


def missing(config: AudioConfig) -> str | None:
    """None if this machine can do what `config` asks, else what it lacks and the command that mends it."""
    from importlib.util import find_spec

    if config.loudness is not None and config.loudness.lufs is not None and find_spec("pyloudnorm") is None:
        return "audio.loudness.lufs needs pyloudnorm: pip install 'corpusforge[loudness]'"
    return None


def finish(samples: NDArray[np.float32], rate: int, config: AudioConfig) -> tuple[NDArray[np.float32], int]:
    """Make an engine's samples what the corpus holds: resample, then level, then trim.

    Never clips. Resampling can overshoot full scale; such a clip is turned down to `CEILING_DBFS` as a whole. A
    loudness target that would take the peak above `CEILING_DBFS` is not reached: the clip gets the highest gain that
    keeps it there. Digital silence stays as it is.

    Args:
        samples: Mono, `[num_samples]`.
        rate: Hz.
        config: What to do.

    Returns:
        Mono samples in [-1, 1] and their rate in Hz.

    Raises:
        ValueError: Not mono, empty, or not finite.
        MissingDependency: `lufs` without pyloudnorm.
    """
    import numpy as np

    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(f"expected mono samples [num_samples], found an array of shape {list(samples.shape)}")
    finished = np.asarray(samples, np.float32)
    if config.sample_rate is not None and config.sample_rate != rate:
        import soxr

        finished = soxr.resample(finished, rate, config.sample_rate, quality="HQ")
        rate = config.sample_rate
    peak = _peak(finished)
    if not math.isfinite(peak):
        raise ValueError("the samples hold values that are not finite")
    if peak > 0:
        gain = _gain(finished, rate, peak, config.loudness)
        if gain != 1:
            finished = finished * np.float32(gain)
        if config.trim is not None:
            finished = _trimmed(finished, rate, config.trim)
    return finished, rate


def encode(samples: NDArray[np.float32], rate: int, format: Literal["flac", "wav"]) -> bytes:
    """Content of an audio file: 16-bit PCM, mono. The same samples give the same bytes.

    Values are rounded to the nearest of 65,536 steps, without dither, which would need noise.

    Raises:
        ValueError: A sample is outside [-1, 1].
    """
    import numpy as np
    import soundfile

    steps = samples * np.float32(32768)
    np.rint(steps, out=steps)
    if not _peak(steps) <= 32768:
        raise ValueError(f"samples must be in [-1, 1], found a peak of {_peak(samples):.3f}")
    np.minimum(steps, np.float32(32767), out=steps)
    file = io.BytesIO()
    level = FLAC_LEVEL if format == "flac" else None
    pcm = steps.astype(np.int16)
    soundfile.write(file, pcm, rate, format=format.upper(), subtype="PCM_16", compression_level=level)
    content = file.getvalue()
    _Latest.made = content, pcm, rate
    return content


class _Latest:
    made: tuple[bytes, NDArray[np.int16], int] | None = None


def just_encoded(content: bytes) -> tuple[NDArray[np.int16], int] | None:
    """Samples and rate of what this process encoded last, None if that is not `content`.

    A stage that measures runs right after the one that encodes; decoding would cost it ten times what measuring does.
    """
    latest = _Latest.made
    return latest[1:] if latest is not None and latest[0] == content else None


def decode(content: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples and rate (Hz) of an audio file's content: FLAC, WAV, MP3, Ogg. Channels are averaged.

    Raises:
        CorpusforgeError: Not audio that libsndfile can read, or none in it.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise CorpusforgeError(f"{len(content)} bytes starting {content[:8]!r} are not audio: {error}") from error
    if len(samples) == 0:
        raise CorpusforgeError(f"{len(content)} bytes of audio without a sample")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return mono, int(rate)


def _peak(samples: NDArray[np.float32]) -> float:
    """The largest absolute value; NaN if there is one."""
    return max(float(samples.max()), -float(samples.min()))


def _gain(samples: NDArray[np.float32], rate: int, peak: float, loudness: Loudness | None) -> float:
    ceiling = 10 ** (CEILING_DBFS / 20)
    if loudness is None:
        return ceiling / peak if peak > 1 else 1.0
    if loudness.peak_dbfs is not None:
        return 10 ** (loudness.peak_dbfs / 20) / peak
    assert loudness.lufs is not None
    found = integrated_loudness(samples, rate)
    highest = ceiling / peak
    return min(10 ** ((loudness.lufs - found) / 20), highest) if math.isfinite(found) else min(1.0, highest)


def integrated_loudness(samples: NDArray[np.float32], rate: int) -> float:
    """Integrated loudness in LUFS by ITU-R BS.1770-4; minus infinity if all of the clip is below its gate (-70 LUFS).

    A clip shorter than the standard's block of 0.4 s is measured as one block of its own length.

    Raises:
        MissingDependency: pyloudnorm is not installed.
    """
    import warnings

    try:
        import pyloudnorm
    except ImportError as error:
        raise MissingDependency("loudness in LUFS needs pyloudnorm: pip install 'corpusforge[loudness]'") from error
    length = len(samples) / rate
    if length * rate > len(samples):  # by rounding, as of 4,062 at 16 kHz: no block may be longer than the clip
        length = math.nextafter(length, 0)
    meter = pyloudnorm.Meter(rate, block_size=min(LUFS_BLOCK, length))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an empty gate, which the result says too
        return float(meter.integrated_loudness(samples.astype("float64")))


def _trimmed(samples: NDArray[np.float32], rate: int, trim: Trim) -> NDArray[np.float32]:
    """Without the silence at either end; all of it if there is nothing else."""
    import numpy as np

    threshold = 10 ** (trim.silence_dbfs / 20)
    loud = np.flatnonzero(np.abs(samples) >= threshold)
    if len(loud) == 0:
        return samples
    margin = round(trim.margin_ms / 1000 * rate)
    return samples[max(0, int(loud[0]) - margin) : int(loud[-1]) + 1 + margin]

"""What can be measured on a clip: levels, clipping, silence and speed. Measuring only; `gates` judges.

All sums are of integers that float64 holds exactly (a 16-bit sample squared is at most 2^30), so a result depends on
neither the order of summation nor the processor, and rounding takes care of the last digit of a logarithm.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from corpusforge.items import Done, Failed, Json, Outcome, Utterance
from corpusforge.speech.audio import just_encoded
from corpusforge.stage import ReadBlob, Stage, StageConfig, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FULL_SCALE = 32768
FLOOR_DBFS = -120.0
"""The level of digital silence, whose logarithm there is not."""


class MeasureConfig(StageConfig):
    """What counts as silence.

    A frame is silent if its level is more than `silence_below_loud` dB under the clip's own loud level (the level that
    5 % of the frames exceed), or under `silence_dbfs`, whichever is higher.
    """

    frame: float = Field(0.02, gt=0, le=1, description="Length of a frame in seconds")
    silence_below_loud: float = Field(40.0, gt=0, le=120, description="dB under the loud level of the clip")
    silence_dbfs: float = Field(-60.0, ge=-120, le=0, description="dBFS under which a frame is silent in any clip")


class Measure(Stage):
    """Measures the audio that `synthesize` made, and sets it beside the syllables it should hold."""

    name: ClassVar[str] = "measure"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("audio", "syllables", "unreadable")
    writes: ClassVar[tuple[str, ...]] = ("metrics",)
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = MeasureConfig

    def __init__(self, config: MeasureConfig) -> None:
        super().__init__(config)
        self._config = config

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        """`metrics` of one clip. Audio that cannot be decoded is a failure, since its blob must be damaged."""
        import soundfile

        try:
            content = read_blob(item.value("audio"))
            samples, rate = just_encoded(content) or decode(content)
        except soundfile.LibsndfileError as error:
            return Failed(
                f"the audio of {item.id} cannot be decoded ({error}): run `corpusforge verify`, then build again"
            )
        metrics = audio_metrics(samples, rate, self._config)
        metrics |= speed_metrics(len(samples) / rate, item.value("syllables"), item.value("unreadable"))
        return Done({"metrics": metrics})


def decode(encoded: bytes) -> tuple[NDArray[np.int16], int]:
    """Audio file content as int16 samples and their rate in Hz.

    Returns:
        Samples `[num_samples]`, or `[num_samples, channels]` where there is more than one channel.

    Raises:
        soundfile.LibsndfileError: Not audio, or damaged.
    """
    import numpy as np
    import soundfile

    with soundfile.SoundFile(io.BytesIO(encoded)) as file:
        if file.subtype == "PCM_16":
            return file.read(dtype="int16"), file.samplerate
        # libsndfile casts float data (MP3, float WAV) to integers without scaling, so scale it here.
        scaled = file.read(dtype="float64") * FULL_SCALE
        return np.clip(np.rint(scaled), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16), file.samplerate


def audio_metrics(samples: NDArray[np.int16], rate: int, config: MeasureConfig) -> dict[str, Json]:
    """Levels, clipping and silence of one clip.

    Args:
        samples: `[num_samples]` or `[num_samples, channels]`; channels are measured together.
        rate: Hz.
        config: What counts as silence.

    Returns:
        `rms_dbfs`, `peak_dbfs` (4 digits, -120.0 at digital silence), `dc_offset` (share of full scale, 6 digits),
        `clipping` (share of samples at full scale, 6 digits), `silence` (share of frames that are silent, 4 digits),
        `leading_silence`, `trailing_silence` and `longest_pause` between them (seconds, 4 digits). Without samples
        the clip counts as silence of no length.
    """
    import numpy as np

    count = samples.size
    if count == 0:
        return {
            "rms_dbfs": FLOOR_DBFS,
            "peak_dbfs": FLOOR_DBFS,
            "dc_offset": 0.0,
            "clipping": 0.0,
            "silence": 1.0,
            "leading_silence": 0.0,
            "trailing_silence": 0.0,
            "longest_pause": 0.0,
        }
    channels = samples.shape[1] if samples.ndim > 1 else 1
    exact = samples.reshape(-1).astype(np.float64)
    length = max(1, round(config.frame * rate)) * channels
    energies, energy = _frame_energies(exact, length)
    peak = max(int(samples.max()), -int(samples.min()))
    clipped = 0
    if peak >= FULL_SCALE - 1:
        clipped = int(np.count_nonzero(samples == FULL_SCALE - 1) + np.count_nonzero(samples == -FULL_SCALE))
    frames = len(energies)
    position = math.ceil(0.95 * frames) - 1
    loud = float(np.partition(energies, position)[position])
    threshold = max(
        loud * 10 ** (-config.silence_below_loud / 10),
        10 ** (config.silence_dbfs / 10) * FULL_SCALE**2 * length,
    )
    sounding = np.flatnonzero(energies >= threshold)
    if len(sounding) == 0:
        leading, trailing, pause = count, count, 0
    else:
        leading = int(sounding[0]) * length
        trailing = max(0, count - (int(sounding[-1]) + 1) * length)
        pause = (int(np.diff(sounding).max(initial=1)) - 1) * length
    per_second = channels * rate
    return {
        "rms_dbfs": _decibels(energy / count / FULL_SCALE**2),
        "peak_dbfs": _decibels((peak / FULL_SCALE) ** 2),
        "dc_offset": _rounded(float(exact.sum()) / count / FULL_SCALE, 6),
        "clipping": round(clipped / count, 6),
        "silence": round(1 - len(sounding) / frames, 4),
        "leading_silence": round(leading / per_second, 4),
        "trailing_silence": round(trailing / per_second, 4),
        "longest_pause": round(pause / per_second, 4),
    }


def speed_metrics(duration: float, syllables: int | None, unreadable: int | None) -> dict[str, Json]:
    """Speed of speech, and what of the sentence was not read.

    Args:
        duration: Seconds.
        syllables: Syllables of the sentence, read or not; None where the engine does not know.
        unreadable: How many of those were not read.

    Returns:
        `syllables`, `unreadable` as given, `seconds_per_syllable` and `unreadable_share` (4 digits; null where there
        are no syllables or their number is not known).
    """
    return {
        "seconds_per_syllable": round(duration / syllables, 4) if syllables else None,
        "syllables": syllables,
        "unreadable": unreadable,
        "unreadable_share": round(unreadable / syllables, 4) if syllables and unreadable is not None else None,
    }


def _frame_energies(exact: NDArray[np.float64], length: int) -> tuple[NDArray[np.float64], float]:
    """Sum of squares of each frame, that of a shorter last frame scaled to the full length; and that of the clip.

    By einsum, and not by dot: a BLAS would wake its threads for a clip in every one of the worker processes.
    """
    import numpy as np

    whole = len(exact) // length
    body = exact[: whole * length].reshape(whole, length)
    energies: NDArray[np.float64] = np.einsum("ij,ij->i", body, body)
    energy = float(energies.sum())
    rest = exact[whole * length :]
    if len(rest) == 0:
        return energies, energy
    last = float(np.square(rest).sum())
    return np.append(energies, last * length / len(rest)), energy + last


def _decibels(power: float) -> float:
    return max(FLOOR_DBFS, _rounded(10 * math.log10(power), 4)) if power > 0 else FLOOR_DBFS


def _rounded(value: float, digits: int) -> float:
    """`round` that never gives -0.0, which JSON would write as such."""
    return round(value, digits) + 0.0

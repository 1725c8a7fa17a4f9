"""What the tests of the embedded engine share."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from corpusforge.speech.engine import Prosody, Speech
from corpusforge.speech.engines.espeak_process import Request, VoiceProcess
from tests.patience import until

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
PLAIN = Prosody()
SAMPLE = Path(__file__).resolve().parents[2] / "corpusforge" / "sample"
# espeak-ng's own Burmese voice overruns a buffer on it.
OVERRUNS = "မီးအသစ်သည် မီးအဟောင်းထက် လျှပ်စစ်ဓာတ်အား ၇၀ ရာခိုင်နှုန်း ပို၍ချွေတာနိုင်ပြီး သင်္ဘောသားများက ၂၅ ကီလိုမီတာအကွာမှ မြင်နိုင်သည်။"


def say(name: str, text: str, phonemes: bool = False, *prosody: int) -> Request:
    return Request(name, ((text, phonemes),), *prosody)


def sentences(lang: str, count: int, folder: Path = SAMPLE) -> list[str]:
    return (folder / "dev" / f"{lang}.dev").read_text("utf-8").splitlines()[:count]


def digest(speech: Speech) -> str:
    return hashlib.sha256(speech.samples.tobytes()).hexdigest()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def waiting_child(process: VoiceProcess) -> int:
    """The child that will speak the next request."""
    return until(lambda: children(process.pid))[0]


def fundamental(samples: np.ndarray, rate: int) -> float:
    """Median F0 in Hz of the voiced frames, by autocorrelation."""
    length, low, high = rate // 20, rate // 400, rate // 60
    found = []
    for start in range(0, len(samples) - 2 * length, length):
        frame = samples[start : start + 2 * length].astype(np.float64)
        frame -= frame.mean()
        if np.abs(frame).max() < 0.05:
            continue
        correlation = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        lag = low + int(correlation[low:high].argmax())
        if correlation[lag] > 0.6 * correlation[0]:
            found.append(rate / lag)
    return float(np.median(found))

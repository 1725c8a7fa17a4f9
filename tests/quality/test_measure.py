"""What is measured on a clip, against signals whose answer is known and against real speech."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.items import Done, Failed, Utterance
from corpusforge.quality.measure import Measure, MeasureConfig, audio_metrics, decode, speed_metrics
from corpusforge.store.keys import StageKeys

RATE = 16000
CONFIG = MeasureConfig()


def encoded(samples, rate=RATE, format="FLAC", subtype="PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


def sine(seconds, level=0.5, hertz=200.0, rate=RATE):
    return np.rint(level * 32768 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def utterance(**fields) -> Utterance:
    return Utterance("one", "g", "d", "zho_Hans", "text", None, "s", "l", fields)


def measured(content: bytes, **fields) -> dict:
    outcome = Measure(CONFIG).run(utterance(audio="sha", **fields), {"sha": content}.__getitem__)
    assert isinstance(outcome, Done) and not outcome.blobs
    return outcome.fields["metrics"]


def test_a_sine_has_its_textbook_levels():
    found = audio_metrics(sine(2, level=0.5), RATE, CONFIG)
    assert found["rms_dbfs"] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-3)
    assert found["peak_dbfs"] == pytest.approx(20 * math.log10(0.5), abs=1e-3)
    assert (found["clipping"], found["silence"], found["leading_silence"], found["trailing_silence"]) == (0, 0, 0, 0)
    assert found["dc_offset"] == pytest.approx(0, abs=1e-5)


def test_full_scale_of_both_signs_is_clipping():
    samples = np.zeros(1000, np.int16)
    samples[:3], samples[3:8], samples[8] = 32767, -32768, 32766
    found = audio_metrics(samples, RATE, CONFIG)
    assert (found["clipping"], found["peak_dbfs"]) == (0.008, 0.0)


def test_dc_offset_is_the_mean():
    assert audio_metrics(np.full(5000, 3277, np.int16), RATE, CONFIG)["dc_offset"] == pytest.approx(0.1, abs=1e-4)
    assert audio_metrics(np.full(5000, -3277, np.int16), RATE, CONFIG)["dc_offset"] == pytest.approx(-0.1, abs=1e-4)


def test_silences_are_found_where_they_are():
    quiet = lambda seconds: np.zeros(round(seconds * RATE), np.int16)  # noqa: E731
    clip = np.concatenate([quiet(0.3), sine(1), quiet(0.4), sine(1), quiet(0.1), sine(1), quiet(0.5)])
    found = audio_metrics(clip, RATE, CONFIG)
    assert found["leading_silence"] == pytest.approx(0.3, abs=0.021)
    assert found["longest_pause"] == pytest.approx(0.4, abs=0.021)
    assert found["trailing_silence"] == pytest.approx(0.5, abs=0.021)
    assert found["silence"] == pytest.approx(1.3 / 4.3, abs=0.02)


def test_silence_is_relative_to_the_clip_and_absolute():
    loud, hiss = sine(1, level=0.8), sine(1, level=0.8 / 150)  # 43.5 dB under
    assert audio_metrics(np.concatenate([loud, hiss]), RATE, CONFIG)["silence"] == 0.5
    assert audio_metrics(hiss, RATE, CONFIG)["silence"] == 0.0
    assert audio_metrics(sine(1, level=0.0005), RATE, CONFIG)["silence"] == 1.0  # -69 dBFS
    lenient = MeasureConfig(silence_below_loud=50)
    assert audio_metrics(np.concatenate([loud, hiss]), RATE, lenient)["silence"] == 0.0


def test_a_shorter_last_frame_counts_by_its_own_level():
    clip = np.concatenate([sine(0.1), np.zeros(100, np.int16)])  # 5 frames, and a silent rest of 6 ms
    found = audio_metrics(clip, RATE, CONFIG)
    assert (found["silence"], found["trailing_silence"]) == (round(1 / 6, 4), round(100 / RATE, 4))
    assert audio_metrics(sine(0.105), RATE, CONFIG)["silence"] == 0.0


def test_digital_silence_and_no_audio_have_finite_values():
    for count in (0, 1, 319, 320, 321, 16000):
        found = audio_metrics(np.zeros(count, np.int16), RATE, CONFIG)
        assert (found["rms_dbfs"], found["peak_dbfs"], found["silence"]) == (-120.0, -120.0, 1.0)
        assert found["leading_silence"] == found["trailing_silence"] == round(count / RATE, 4)
        assert found["longest_pause"] == 0.0


@given(
    st.lists(st.integers(-32768, 32767), max_size=2000),
    st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000]),
    st.sampled_from([0.005, 0.02, 0.1, 1.0]),
)
def test_any_samples_give_values_in_their_range(values, rate, frame):
    found = audio_metrics(np.array(values, np.int16), rate, MeasureConfig(frame=frame))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert -120 <= found["rms_dbfs"] <= max(found["peak_dbfs"], -120) + 1e-4 <= 1e-4 + 0
    assert 0 <= found["clipping"] <= 1 and 0 <= found["silence"] <= 1 and -1 <= found["dc_offset"] <= 1
    parts = found["leading_silence"], found["trailing_silence"], found["longest_pause"]
    assert all(0 <= part <= len(values) / rate + 1e-4 for part in parts)


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=1500))
def test_values_agree_with_plain_arithmetic(values):
    found = audio_metrics(np.array(values, np.int16), RATE, CONFIG)
    power = sum(value * value for value in values) / len(values) / 32768**2
    assert found["rms_dbfs"] == (max(-120, round(10 * math.log10(power), 4)) if power else -120)
    assert found["clipping"] == round(sum(value in (32767, -32768) for value in values) / len(values), 6)
    assert found["dc_offset"] == round(sum(values) / len(values) / 32768, 6)
    frames = [values[start : start + 320] for start in range(0, len(values), 320)]
    powers = sorted(sum(v * v for v in frame) / len(frame) for frame in frames)
    loud = powers[math.ceil(0.95 * len(powers)) - 1]
    threshold = max(loud * 1e-4, 1e-6 * 32768**2)
    silent = sum(sum(v * v for v in frame) / len(frame) < threshold * (1 - 1e-12) for frame in frames)
    assert found["silence"] == round(silent / len(frames), 4)


def test_no_sum_depends_on_the_order_of_the_samples():
    samples = np.random.default_rng(1).integers(-32768, 32767, 320_000).astype(np.int16)
    first = audio_metrics(samples, RATE, CONFIG)
    second = audio_metrics(np.sort(samples), RATE, CONFIG)
    for name in ("rms_dbfs", "peak_dbfs", "clipping", "dc_offset"):
        assert first[name] == second[name]


def test_channels_are_measured_together():
    both = np.stack([sine(1, level=0.5), np.zeros(RATE, np.int16)], axis=1)
    found = measured(encoded(both), syllables=4, unreadable=0)
    assert found["rms_dbfs"] == pytest.approx(20 * math.log10(0.5 / 2), abs=1e-3)
    assert found["seconds_per_syllable"] == 0.25


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("FLAC", "PCM_16"), ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "PCM_24"), ("FLAC", "PCM_24")],
)
def test_every_format_gives_the_same_metrics(format, subtype):
    clip = np.concatenate([np.zeros(3000, np.int16), sine(1.2, level=0.9)])
    content = encoded(clip / 32768, format=format, subtype=subtype)
    assert measured(content) == measured(encoded(clip))


def test_float_audio_over_full_scale_is_clipped_not_wrapped():
    samples, _ = decode(encoded(np.array([1.5, -1.5, 0.5]), format="WAV", subtype="FLOAT"))
    assert samples.tolist() == [32767, -32768, 16384]


def test_real_mp3_speech(shared_data):
    folder = shared_data / "gtts_zh"
    with open(folder / "index.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) == 20
    for row in rows:
        syllables = len(re.findall("[\u4e00-\u9fff]", row["text"]))
        content = (folder / row["file"]).read_bytes()
        found = measured(content, syllables=syllables, unreadable=0)
        samples, rate = soundfile.read(io.BytesIO(content))
        assert rate == 22050 and len(samples) / rate == pytest.approx(float(row["duration_s"]), abs=0.001)
        assert found["rms_dbfs"] == pytest.approx(20 * math.log10(math.sqrt(np.mean(samples**2))), abs=0.001)
        assert found["peak_dbfs"] == pytest.approx(20 * math.log10(abs(samples).max()), abs=0.001)
        # gTTS pads a sentence with a silence at its start and a longer one at its end.
        assert 0.05 < found["leading_silence"] < 0.2 and 0.3 < found["trailing_silence"] < 1.0
        assert 0.02 <= found["longest_pause"] < 0.3 and found["clipping"] == 0
        assert 0.27 < found["seconds_per_syllable"] < 0.37


def test_speed_and_unreadable_share():
    assert speed_metrics(3.0, 12, 3) == {
        "seconds_per_syllable": 0.25,
        "syllables": 12,
        "unreadable": 3,
        "unreadable_share": 0.25,
    }
    assert speed_metrics(3.0, 0, 0) == {
        "seconds_per_syllable": None,
        "syllables": 0,
        "unreadable": 0,
        "unreadable_share": None,
    }
    assert set(speed_metrics(3.0, None, None).values()) == {None}


def test_audio_that_cannot_be_decoded_is_a_failure_that_says_so():
    for content in (b"", b"not audio", encoded(sine(1))[:20]):
        outcome = Measure(CONFIG).run(utterance(audio="sha"), {"sha": content}.__getitem__)
        assert isinstance(outcome, Failed) and "one cannot be decoded" in outcome.error and "verify" in outcome.error


def test_what_is_in_the_key():
    item = utterance(audio="a" * 64, syllables=4, unreadable=0, voice="cmn")
    key = StageKeys(Measure(CONFIG)).key(item)
    assert StageKeys(Measure(CONFIG)).key(item.having({"voice": "other", "text": "changed"})) == key
    for changed in ({"audio": "b" * 64}, {"syllables": 5}, {"unreadable": 1}):
        assert StageKeys(Measure(CONFIG)).key(item.having(changed)) != key
    for config in (MeasureConfig(frame=0.025), MeasureConfig(silence_below_loud=30), MeasureConfig(silence_dbfs=-50)):
        assert StageKeys(Measure(config)).key(item) != key

"""What protection costs: sentences a second of the espeak engine beside the same work without its safety.

    python benchmarks/engine.py                        # the sample that comes with the project
    python benchmarks/engine.py --data …/flores200_dataset --count 100
    python benchmarks/engine.py --jobs 2               # two workers at once, as a build on two cores has
    python benchmarks/engine.py --stages               # where the time of a sentence goes

Three ways to make the samples of a segment, everything before (rules) and after (joining, 16 kHz, FLAC) being the same
code, in one run, taking turns:

    bare    libespeak-ng in this process: fast, and neither reproducible nor safe
    simple  a worker that forks one child a segment, which loads the voice and sends its samples through a pipe
    ours    `EspeakEngine`
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import multiprocessing
import resource
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from corpusforge.items import Done, Utterance
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import Prosody
from corpusforge.speech.engines.espeak import EspeakConfig, EspeakEngine, installed, voice_file
from corpusforge.speech.engines.espeak_process import Request
from corpusforge.speech.stage import Synthesize

RATE = 22050
LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
SAMPLE = Path(__file__).resolve().parents[1] / "corpusforge" / "sample"


class Library:
    """libespeak-ng by ctypes, as anyone would bind it first."""

    def __init__(self) -> None:
        self.lib = ctypes.CDLL(installed().library)
        self.lib.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int]
        self.lib.espeak_Synth.argtypes += [ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
        assert self.lib.espeak_Initialize(2, 0, installed().data.encode(), 0x8000) == RATE
        self.parts: list[bytes] = []

        def take(wave: int | None, count: int, events: int | None) -> int:
            if wave and count > 0:
                self.parts.append(ctypes.string_at(wave, 2 * count))
            return 0

        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self.take = kind(take)
        self.lib.espeak_SetSynthCallback(self.take)
        self.voice = ""

    def speak(self, voice: str, text: bytes, phonemes: bool) -> bytes:
        if voice != self.voice:
            assert self.lib.espeak_SetVoiceByName(voice.encode()) == 0, voice
            self.voice = voice
        self.parts = []
        assert self.lib.espeak_Synth(text, len(text) + 1, 0, 1, 0, 0x101 if phonemes else 1, None, None) == 0
        return b"".join(self.parts)


class Bare(EspeakEngine):
    def __init__(self, config: EspeakConfig) -> None:
        super().__init__(config)
        self.library = Library()

    def _spoken(self, requests: Sequence[Request], until: float) -> list[tuple[list[bytes], int]]:
        return [
            ([self.library.speak(voice_file(one.voice), text.encode(), kind) for text, kind in one.texts], RATE)
            for one in requests
        ]


SIMPLE_WORKER = """
import os, struct, sys
sys.path.insert(0, sys.argv[1])
from engine import Library
library, read, write = Library(), sys.stdin.buffer, sys.stdout.buffer
while head := read.read(5):
    size, phonemes = struct.unpack("<IB", head)
    voice, _, text = read.read(size).partition(b"\\t")
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        samples = memoryview(library.speak(voice.decode(), text, bool(phonemes)))
        while samples:
            samples = samples[os.write(theirs, samples):]
        os._exit(0)
    os.close(theirs)
    parts = []
    while part := os.read(ours, 1 << 20):
        parts.append(part)
    os.close(ours)
    status, samples = os.waitpid(child, 0)[1], b"".join(parts)
    write.write(struct.pack("<iI", status, len(samples)) + samples)
    write.flush()
"""


class Simple(EspeakEngine):
    def __init__(self, config: EspeakConfig) -> None:
        super().__init__(config)
        folder = str(Path(__file__).resolve().parent)
        self.worker = subprocess.Popen(
            [sys.executable, "-c", SIMPLE_WORKER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def _spoken(self, requests: Sequence[Request], until: float) -> list[tuple[list[bytes], int]]:
        return [([self._segment(one.voice, *text) for text in one.texts], RATE) for one in requests]

    def _segment(self, voice: str, text: str, phonemes: bool) -> bytes:
        assert self.worker.stdin and self.worker.stdout
        message = f"{voice_file(voice)}\t{text}".encode()
        self.worker.stdin.write(struct.pack("<IB", len(message), phonemes) + message)
        self.worker.stdin.flush()
        status, size = struct.unpack("<iI", self.worker.stdout.read(8))
        assert status == 0
        return self.worker.stdout.read(size)

    def close(self) -> None:
        assert self.worker.stdin
        self.worker.stdin.close()
        self.worker.wait()


DESIGNS: dict[str, type[EspeakEngine]] = {"bare": Bare, "simple": Simple, "ours": EspeakEngine}


def stage_with(design: str) -> Synthesize:
    stage = Synthesize(SynthesizeConfig())
    stage._engines["espeak"] = DESIGNS[design](EspeakConfig())
    return stage


def utterances(data: Path, lang: str, count: int) -> list[Utterance]:
    lines = []
    for split in ("dev", "devtest"):
        path = data / split / f"{lang}.{split}"
        if path.exists():
            lines += path.read_text("utf-8").splitlines()
    return [Utterance(str(number), "g", "d", lang, line, None, "", "") for number, line in enumerate(lines[:count])]


def pass_over(stage: Synthesize, items: list[Utterance]) -> tuple[float, list[str]]:
    """Seconds, and the hash of each clip."""
    hashes = []
    start = time.perf_counter()
    for item in items:
        outcome = stage.run(item, _no_blob)
        hashes.append(hashlib.sha256(outcome.blobs["audio"]).hexdigest() if isinstance(outcome, Done) else "")
    return time.perf_counter() - start, hashes


def _no_blob(sha: str) -> bytes:
    raise AssertionError


@dataclass
class Measured:
    """Sentences a second of each pass by design and language; CPU milliseconds a sentence by design, children's too."""

    rates: dict[tuple[str, str], list[float]]
    cpu: dict[str, float]


def measure(data: Path, count: int, repeats: int, start: object = None) -> Measured:
    """All designs in turn; `start`, a barrier, makes several processes begin each pass together."""
    stages = {design: stage_with(design) for design in DESIGNS}
    rates: dict[tuple[str, str], list[float]] = {}
    used, spoken = dict.fromkeys(DESIGNS, 0.0), dict.fromkeys(DESIGNS, 0)
    versions: dict[tuple[str, str], set[tuple[str, ...]]] = {}

    def run(design: str, items: list[Utterance]) -> tuple[float, list[str]]:
        before = time.process_time()
        seconds, hashes = pass_over(stages[design], items)
        used[design] += time.process_time() - before
        spoken[design] += len(items)
        return seconds, hashes

    for lang in LANGUAGES:
        items = utterances(data, lang, count)
        for design in DESIGNS:
            run(design, items[:5])  # voices, rules and libraries are loaded now
            rates[design, lang] = []
        for repeat in range(repeats):
            for design in DESIGNS:
                if start is not None:
                    start.wait()  # type: ignore[attr-defined]
                seconds, hashes = run(design, items[:: -1 if repeat % 2 else 1])
                rates[design, lang].append(len(items) / seconds)
                versions.setdefault((design, lang), set()).add(tuple(sorted(hashes)))
    cpu = {}
    for design, stage in stages.items():
        before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        stage.close()
        children = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before
        cpu[design] = (used[design] + children) / spoken[design] * 1e3
    unequal = [f"{design} {lang}" for (design, lang), found in versions.items() if design != "bare" and len(found) > 1]
    if unequal:
        raise SystemExit(f"not the same bytes forwards and backwards: {', '.join(unequal)}")
    return Measured(rates, cpu)


def _measure_into(queue: object, *arguments: object) -> None:
    queue.put(measure(*arguments))  # type: ignore[attr-defined, arg-type]


def measure_together(data: Path, count: int, repeats: int, jobs: int) -> Measured:
    """Sentences a second of `jobs` processes together."""
    context = multiprocessing.get_context("spawn")
    start, queue = context.Barrier(jobs), context.Queue()
    workers = [context.Process(target=_measure_into, args=(queue, data, count, repeats, start)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    found = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    rates = {
        key: [sum(turn) for turn in zip(*(one.rates[key] for one in found), strict=True)] for key in found[0].rates
    }
    return Measured(rates, {design: statistics.mean(one.cpu[design] for one in found) for design in DESIGNS})


def show(found: Measured, data: Path, count: int, repeats: int, jobs: int) -> None:
    print(f"{data}: first {count} sentences a language, {jobs} process(es), medians of {repeats} runs, sentences/s")
    print(f"{'':10}" + "".join(f"{design:>10}" for design in DESIGNS) + f"{'ours/bare':>11}{'ours/simple':>13}")
    for lang in LANGUAGES:
        row = "".join(f"{statistics.median(found.rates[design, lang]):10.1f}" for design in DESIGNS)
        ours = found.rates["ours", lang]
        ratios = {  # within each turn, so that a busy moment of the machine weighs on both
            design: statistics.median(one / other for one, other in zip(ours, found.rates[design, lang], strict=True))
            for design in ("bare", "simple")
        }
        print(f"{lang:10}{row}{ratios['bare']:11.2f}{ratios['simple']:13.2f}")
    cpu = found.cpu
    row = "".join(f"{milliseconds:10.1f}" for milliseconds in cpu.values())
    print(f"{'CPU ms':10}{row}{cpu['ours'] / cpu['bare']:11.2f}{cpu['ours'] / cpu['simple']:13.2f}  a sentence")


def show_stages(data: Path, count: int) -> None:
    """Milliseconds a sentence of each step, and of what pydub would take for one of them."""
    import io

    import numpy as np
    import soundfile
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

    from corpusforge.speech import g2p
    from corpusforge.speech.audio import AudioConfig, Loudness, Trim, encode, finish

    engine = EspeakEngine(EspeakConfig())
    items = [item for lang in LANGUAGES for item in utterances(data, lang, count)]
    speeches = [engine.synthesize(item.text, item.lang, None, Prosody()) for item in items]
    clips = [finish(speech.samples, speech.sample_rate, AudioConfig())[0] for speech in speeches]
    as_is = AudioConfig(sample_rate=None)
    seconds = sum(len(clip) for clip in clips) / 16000 / len(clips)

    def pydub_trim(clip: np.ndarray) -> None:
        whole = (clip * 32767).astype(np.int16)
        segment = AudioSegment(whole.tobytes(), frame_rate=16000, sample_width=2, channels=1)
        first, last = (detect_leading_silence(one, -50) for one in (segment, segment.reverse()))
        np.frombuffer(segment[first : len(segment) - last].raw_data, np.int16)

    def flac(level: float) -> int:
        size = 0
        for clip in clips:
            file = io.BytesIO()
            soundfile.write(file, clip, 16000, format="FLAC", subtype="PCM_16", compression_level=level)
            size += len(file.getvalue())
        return size

    padded = [np.concatenate([np.zeros(3200, np.float32), clip, np.zeros(3200, np.float32)]) for clip in clips]
    steps = {
        "rules": lambda: [g2p.speak(item.text, item.lang, "cmn") for item in items],
        "rules and speech": lambda: [engine.synthesize(item.text, item.lang, None, Prosody()) for item in items],
        "finish: 16 kHz": lambda: [finish(one.samples, one.sample_rate, AudioConfig()) for one in speeches],
        "  trim": lambda: [finish(one, 16000, as_is.model_copy(update={"trim": Trim()})) for one in padded],
        "  trim by pydub": lambda: [pydub_trim(one) for one in padded],
        "  peak": lambda: [
            finish(one, 16000, as_is.model_copy(update={"loudness": Loudness(peak_dbfs=-3)})) for one in clips
        ],
        "  LUFS": lambda: [
            finish(one, 16000, as_is.model_copy(update={"loudness": Loudness(lufs=-23)})) for one in clips
        ],
        "encode: wav": lambda: [encode(one, 16000, "wav") for one in clips],
        "encode: flac": lambda: [encode(one, 16000, "flac") for one in clips],
        **{f"  FLAC level {level}": partial(flac, level / 8) for level in (0, 5, 6, 8)},
    }
    print(f"{data}: {len(items)} sentences of {seconds:.1f} s on average, best of 3, ms a sentence")
    for name, step in steps.items():
        best = min(_seconds(step) for _ in range(3))
        print(f"{name:20}{best / len(items) * 1e3:8.2f}")
    wav = sum(2 * len(clip) for clip in clips)
    sizes = ", ".join(f"level {level} {flac(level / 8) / wav:.1%}" for level in (0, 5, 6, 8))
    print(f"FLAC of the size of WAV: {sizes}")
    engine.close()


def _seconds(step: object) -> float:
    start = time.perf_counter()
    step()  # type: ignore[operator]
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SAMPLE, help="a folder laid out as FLORES-200")
    parser.add_argument("--count", type=int, default=60, help="sentences a language")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--stages", action="store_true")
    options = parser.parse_args()
    count = min(len(utterances(options.data, lang, options.count)) for lang in LANGUAGES)
    if options.stages:
        show_stages(options.data, count)
    elif options.jobs == 1:
        show(measure(options.data, count, options.repeats), options.data, count, options.repeats, 1)
    else:
        found = measure_together(options.data, count, options.repeats, options.jobs)
        show(found, options.data, count, options.repeats, options.jobs)


if __name__ == "__main__":
    main()

"""Wall time of a whole build beside a bare loop over the same engine, on the same processors, in one run.

Usage: python benchmarks/build.py [--data FLORES_FOLDER] [--limit GROUPS] [--runs 3] [--jobs 2]

The bare loop speaks the same sentences with the same crash-contained engine, resamples, encodes FLAC and writes a file
each, in as many processes as the build has workers: what anybody would write who needs neither cache, gates, manifest
nor an answer to a crash. A third figure is the unprotected engine: libespeak-ng in process, as fast and as unsafe as
it comes.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from texts import utterances

from corpusforge.items import Utterance
from corpusforge.sample import sample_folder
from corpusforge.speech.audio import AudioConfig, encode, finish
from corpusforge.speech.engine import Prosody
from corpusforge.speech.engines.espeak import EspeakEngine
from corpusforge.speech.g2p import default_voice, speak

TARGET = 1.15
PROGRAM = Path(sys.executable).parent / "corpusforge"


def bare(share: list[Utterance], folder: Path) -> None:
    engine, audio = EspeakEngine(EspeakEngine.Config()), AudioConfig()
    for item in share:
        speech = engine.synthesize(item.text, item.lang, None, Prosody())
        samples, rate = finish(speech.samples, speech.sample_rate, audio)
        (folder / f"{item.id}.flac").write_bytes(encode(samples, rate, "flac"))
    engine.close()


def unprotected(share: list[Utterance], folder: Path) -> None:
    engine, audio = Unprotected(), AudioConfig()
    for item in share:
        spoken = speak(item.text, item.lang, default_voice(item.lang) or "cmn")
        pieces = [engine.speak(s.voice, s.content, s.phonemes) for s in spoken.segments]
        samples, rate = finish(np.concatenate(pieces), engine.rate, audio)
        (folder / f"{item.id}.flac").write_bytes(encode(samples, rate, "flac"))


class Unprotected:
    """libespeak-ng by ctypes: one crash ends the program, and what it says depends on what it said before."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate = self._library.espeak_Initialize(2, 0, str(espeakng_loader.get_data_path()).encode(), 0x8000)
        self._pieces: list[bytes] = []
        self._voice = ""
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(self, voice: str, content: str, phonemes: bool) -> np.ndarray:
        if voice != self._voice:
            self._library.espeak_SetVoiceByName(voice.encode())
            self._voice = voice
        self._pieces.clear()
        text = content.encode()
        self._library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, 0x101 if phonemes else 1, None, None)
        return np.frombuffer(b"".join(self._pieces), dtype=np.int16).astype(np.float32) / 32768


def in_processes(work: object, items: list[Utterance], jobs: int) -> float:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        workers = [context.Process(target=work, args=(items[n::jobs], Path(folder))) for n in range(jobs)]  # type: ignore[arg-type]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = time.perf_counter() - start
        if any(worker.exitcode for worker in workers):
            return float("nan")
        assert len(list(Path(folder).iterdir())) == len(items)
        return seconds


def whole_build(data: Path, limit: int | None, jobs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            PROGRAM,
            "build",
            "flores200",
            "--source",
            data,
            "--workspace",
            folder,
            "--jobs",
            str(jobs),
            "--quiet",
        ]
        start = time.perf_counter()
        subprocess.run([str(part) for part in [*command, *(["--limit", limit] if limit else [])]], check=True)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=sample_folder(), help="FLORES-200 (default: the sample)")
    parser.add_argument("--limit", type=int, help="parallel groups (default: all)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    items = utterances(options.data, options.limit)
    print(f"{len(items):,} utterances, {options.jobs} processes, {options.runs} runs")
    ratios = []
    for run in range(1, options.runs + 1):
        loop = in_processes(bare, items, options.jobs)
        build = whole_build(options.data, options.limit, options.jobs)
        unsafe = in_processes(unprotected, items, options.jobs)
        ratios.append(build / loop)
        print(
            f"run {run}: bare loop {loop:.1f} s ({len(items) / loop:.0f}/s), build {build:.1f} s "
            f"({len(items) / build:.0f}/s), ratio {build / loop:.2f}; unprotected "
            + (f"{unsafe:.1f} s ({len(items) / unsafe:.0f}/s)" if unsafe == unsafe else "crashed")
        )
    print(f"median ratio build / bare loop: {statistics.median(ratios):.2f} (target at most {TARGET})")


if __name__ == "__main__":
    main()

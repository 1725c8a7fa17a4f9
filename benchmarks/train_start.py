"""Start of a training run to the end of its first optimizer step: with nothing cached, and with the audio packed.

Usage: python benchmarks/train_start.py [manifests/flores200] [--preset tiny] [--times 3]

Each run is a fresh process of `corpusforge train` on the CPU, timed from before it is started. It ends itself after its
first step, where the trainer would write down its losses: on a CPU a step is over when its call returns. Preset tiny
begins with the adapters, so the first step is one of MetaAdapter, an update in each language. Target: a second run on
all of FLORES-200 takes its first step within 15 s.

Without a corpus, the bundled sample is built. Files may still be in the system's cache, for both kinds of run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pack import sample

from corpusforge import Corpus

TARGET = 15.0

CHILD = """
import os, sys, time
from corpusforge.train.loop import Trainer

def first(self, progress, stage, losses):
    print(time.time(), stage, flush=True)
    os._exit(0)

Trainer._log = first
from corpusforge.cli import main
sys.argv = ["corpusforge", *sys.argv[1:]]
main()
"""


def first_step(corpus: Path, preset: str, folder: Path, name: str) -> tuple[float, str, str]:
    """Seconds to the end of the first step, its stage, and how long the run itself says that it prepared."""
    command = [sys.executable, "-c", CHILD, "train", corpus, "--preset", preset, "--device", "cpu", "--name", name]
    started = time.time()
    done = subprocess.run(
        [str(part) for part in [*command, "--runs", folder / "runs", "--cache", folder / "cache"]],
        capture_output=True,
        text=True,
    )
    if done.returncode or not done.stdout:
        raise SystemExit(f"the run failed:\n{done.stderr}")
    ended, stage = done.stdout.split()
    ready = next(line for line in done.stderr.splitlines() if "ready after" in line)
    return float(ended) - started, stage, ready.rsplit("; ", 1)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--times", type=int, default=3, help="second runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = given.corpus or sample(folder).folder
        info = Corpus(corpus).info
        print(
            f"{info['utterances']:,} clips, {info['hours']:.1f} h; preset {given.preset}; {os.cpu_count()} processors"
        )
        first, stage, ready = first_step(corpus, given.preset, folder, "first")
        print(f"first run: {first:.1f} s to the end of its first step, of stage {stage}; {ready}")
        again = []
        for number in range(given.times):
            seconds, _, ready = first_step(corpus, given.preset, folder, f"again-{number}")
            print(f"run {number + 2}: {seconds:.1f} s; {ready}")
            again.append(seconds)
        second = statistics.median(again)
        print(
            f"second run: {second:.1f} s (target on all of FLORES-200: {TARGET:.0f} s), {first / second:.1f} x faster"
        )


if __name__ == "__main__":
    main()

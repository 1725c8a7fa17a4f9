"""What a million utterances cost the driver: CPU and memory an item, growth of the index, time to rebuild it.

Usage: nice -n 15 python benchmarks/dask_million.py [--items 10000 100000 1000000] [--jobs 2] [--executor dask]

One `cpu` stage of 1 ms an item, which writes fields and no blob, on a Dask cluster on this machine. Each size runs in a
process of its own. Counted is the driver process alone; Dask's scheduler lives in it, because the cluster is its own.
The exponent is the slope of the logarithms between the smallest and the largest size: 1 is linear.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from corpusforge.items import Done, Outcome, Utterance
from corpusforge.pipeline.executors.base import Executor
from corpusforge.pipeline.executors.dask import DaskExecutor
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run
from corpusforge.stage import ReadBlob, Stage, StageConfig, Where
from corpusforge.store.workspace import Workspace

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
TARGET_US, TARGET_MB, TARGET_EXPONENT = 60.0, 1000.0, 1.05


class Millisecond(Stage):
    """Takes a millisecond and says what a measurement would."""

    name: ClassVar[str] = "millisecond"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("metrics",)
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = StageConfig

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        time.sleep(0.001)
        return Done({"metrics": {"rms_dbfs": -20.123, "peak_dbfs": -3.0, "silence": 0.1234, "syllables": 40}})


class Quiet:
    def item_finished(self, progress: object, fresh: bool) -> None: ...
    def item_failed(self, progress: object, failed: object) -> None: ...
    def stage_made(self, stage: str, seconds: float) -> None: ...


def items(count: int) -> Iterator[Utterance]:
    for number in range(count):
        lang = LANGUAGES[number % 3]
        group = f"dev-{number // 3:07d}"
        text = f"{group} is a sentence of about the length that a real one has, which is a hundred characters {lang}"
        yield Utterance(f"{group}.{lang}", group, f"article-{number // 9}", lang, text, "news", "synthetic", "CC0-1.0")


def measure(folder: Path, count: int, jobs: int, kind: str) -> None:
    """Runs in a process of its own, so that CPU and peak memory are this size's."""
    import dask_million  # workers cannot import what is only in this program's main module

    stages = [dask_million.Millisecond(StageConfig())]
    with Workspace(folder) as workspace:
        corpus = workspace.register("million", folder / "manifests/million")

        async def go() -> int:
            executor: Executor
            if kind == "dask":
                executor = DaskExecutor(stages, workspace.blobs, None, jobs, print)
            else:
                executor = LocalExecutor(stages, workspace.blobs.location, jobs)
            run = Run(
                Planner(workspace, "million", stages),
                Recorder(workspace, corpus),
                executor,
                Quiet(),
                preflight=lambda numbers: executor.prepare(numbers, frozenset(LANGUAGES)),
            )
            return (await run.run(items(count))).built

        start, before = time.perf_counter(), time.process_time()
        built = asyncio.run(go())
        seconds, cpu = time.perf_counter() - start, time.process_time() - before
        assert built == count, f"{built} of {count} items were built"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    index = folder / ".corpusforge/index.sqlite"
    size, journal = index.stat().st_size, (folder / ".corpusforge/results.jsonl").stat().st_size
    os.unlink(index)
    start = time.perf_counter()
    with Workspace(folder) as workspace:
        assert workspace.index.result(b"") is None  # opening it rebuilds it
    rebuild = time.perf_counter() - start
    found = {"seconds": seconds, "cpu": cpu, "mb": peak, "index": size, "journal": journal, "rebuild": rebuild}
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--executor", choices=["dask", "local"], default="dask")
    parser.add_argument("--folder", type=Path, help="where to make the store (default: a temporary folder)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.folder, given.one, given.jobs, given.executor)
        return
    rows = []
    for count in given.items:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            own = ["--one", str(count), "--folder", folder, "--jobs", str(given.jobs), "--executor", given.executor]
            output = subprocess.run([sys.executable, __file__, *own], check=True, capture_output=True, text=True).stdout
        row = json.loads(output.splitlines()[-1])
        rows.append((count, row))
        print(
            f"{count:,} items, {given.executor}: {row['seconds']:.1f} s; driver {row['cpu'] / count * 1e6:.0f} µs CPU "
            f"an item (target {TARGET_US:.0f}), {row['mb']:.0f} MB (target {TARGET_MB:.0f}); index "
            f"{row['index'] / count:.0f} bytes an item, journal {row['journal'] / count:.0f}; rebuilt in "
            f"{row['rebuild']:.1f} s, {row['rebuild'] / count * 1e6:.0f} µs an item",
            flush=True,
        )
    if len(rows) > 1:
        (small, first), (large, last) = rows[0], rows[-1]
        for name in ("cpu", "seconds", "index", "rebuild"):
            exponent = math.log(last[name] / first[name]) / math.log(large / small)
            print(f"exponent of {name} from {small:,} to {large:,}: {exponent:.3f} (target {TARGET_EXPONENT})")


if __name__ == "__main__":
    main()

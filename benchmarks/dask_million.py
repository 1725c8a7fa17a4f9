"""What a million utterances cost the driver: CPU and memory an item, growth of the index, time to rebuild it.

Usage: nice -n 15 python benchmarks/dask_million.py [--items 10000 100000 1000000] [--jobs 8] [--executor dask]

One `cpu` stage of 1 ms an item, which writes fields and no blob, on a `LocalCluster`. Each size runs in a process of
its own. The cluster is a process beside the driver, as any that a user names with `--dask` is; its scheduler is
counted for itself. `--executor own` has the driver start the cluster, whose scheduler then is part of the driver, and
`--executor local` has none. The exponent is the slope of the logarithms between the smallest and the largest size: 1
is linear.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import psutil

from corpusforge.items import Done, Outcome, Utterance
from corpusforge.pipeline.executors.base import Executor, Reply
from corpusforge.pipeline.executors.dask import QUIET, DaskExecutor
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run
from corpusforge.stage import ReadBlob, Stage, StageConfig, Where
from corpusforge.store.workspace import Workspace

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
TARGET_US, TARGET_MB, TARGET_EXPONENT = 60.0, 1000.0, 1.05


class Pause(StageConfig):
    milliseconds: float = 1.0


class Millisecond(Stage):
    """Takes its time and says what a measurement would."""

    name: ClassVar[str] = "millisecond"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("metrics",)
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = Pause

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        assert isinstance(self.config, Pause)
        time.sleep(self.config.milliseconds / 1000)
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


def serve(jobs: int) -> None:
    """Be a cluster until standard input ends; its address is printed."""
    import dask
    from distributed import LocalCluster

    dask.config.set(QUIET)
    quiet = {"silence_logs": logging.CRITICAL, "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with LocalCluster(n_workers=jobs, threads_per_worker=1, host="127.0.0.1", **quiet) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


@contextmanager
def beside(jobs: int) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a cluster and the process that its scheduler is in."""
    command = [sys.executable, __file__, "--serve", str(jobs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
        process.stdin.close()


class Counting(DaskExecutor):
    chunks_sent = 0

    async def submit(self, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
        self.chunks_sent += 1
        return await super().submit(stage, last, items)


def measure(given: argparse.Namespace) -> None:
    """Runs in a process of its own, so that CPU and peak memory are this size's."""
    if given.executor == "dask":
        with beside(given.jobs) as (address, process):
            run(given, address, process)
    else:
        run(given, None, None)


def run(given: argparse.Namespace, address: str | None, scheduler: psutil.Process | None) -> None:
    """Build, and print what it took."""
    import dask_million  # workers cannot import what is only in this program's main module

    folder, count = given.folder, given.one
    stages = [dask_million.Millisecond(dask_million.Pause(milliseconds=given.milliseconds))]
    chunks = 0
    with Workspace(folder) as workspace:
        corpus = workspace.register("million", folder / "manifests/million")

        async def go() -> int:
            executor: Executor
            if given.executor == "local":
                executor = LocalExecutor(stages, workspace.blobs.location, given.jobs)
            else:
                executor = Counting(stages, workspace.blobs, address, given.jobs, print)
            run = Run(
                Planner(workspace, "million", stages),
                Recorder(workspace, corpus),
                executor,
                Quiet(),
                preflight=lambda numbers: executor.prepare(numbers, frozenset(LANGUAGES)),
            )
            built = (await run.run(items(count))).built
            nonlocal chunks
            chunks = getattr(executor, "chunks_sent", 0)
            return built

        idle = resting(scheduler)
        start, before, theirs = time.perf_counter(), time.process_time(), spent(scheduler)
        built = asyncio.run(go())
        seconds, cpu, theirs = time.perf_counter() - start, time.process_time() - before, spent(scheduler) - theirs
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
    chunk = (theirs - idle * seconds) / chunks if scheduler else 0.0
    print(json.dumps({**found, "scheduler": theirs, "chunks": chunks, "chunk": chunk}))


def resting(process: psutil.Process | None) -> float:
    """Seconds of CPU a second that a scheduler takes for workers with nothing to do."""
    if process is None:
        return 0.0
    time.sleep(2.0)  # until they have all come
    before = spent(process)
    time.sleep(5.0)
    return (spent(process) - before) / 5.0


def spent(process: psutil.Process | None) -> float:
    """Seconds of CPU that a process took, without its children."""
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--milliseconds", type=float, default=1.0, help="that an item takes (default: 1)")
    parser.add_argument("--executor", choices=["dask", "own", "local"], default="dask")
    parser.add_argument("--folder", type=Path, help="where to make the store (default: a temporary folder)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    if given.one:
        measure(given)
        return
    rows = []
    for count in given.items:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            own = ["--one", str(count), "--folder", folder, "--jobs", str(given.jobs), "--executor", given.executor]
            own += ["--milliseconds", str(given.milliseconds)]
            output = subprocess.run([sys.executable, __file__, *own], check=True, capture_output=True, text=True).stdout
        row = json.loads(output.splitlines()[-1])
        rows.append((count, row))
        print(
            f"{count:,} items, {given.executor}: {row['seconds']:.1f} s; driver {row['cpu'] / count * 1e6:.0f} µs CPU "
            f"an item (target {TARGET_US:.0f}), its scheduler beside it {row['scheduler'] / count * 1e6:.0f}: "
            f"{row['chunk'] * 1000:.1f} ms for each of {row['chunks']:,} chunks; "
            f"{row['mb']:.0f} MB (target {TARGET_MB:.0f}); index "
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

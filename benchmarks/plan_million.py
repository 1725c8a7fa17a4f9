"""Time and memory to plan items that are all cached: two stages, a blob each, as in `flores200`.

Usage: python benchmarks/plan_million.py [--items 1000000] [--folder DIR]

The store is filled directly, through the index's own functions: results and walks of every item, and a file a blob
under its own name (hard links to a few files, so that the disk need not hold a million of them).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
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
from corpusforge.pipeline.plan import Planner
from corpusforge.stage import ReadBlob, Stage, StageConfig, Where
from corpusforge.store.index import DONE, Result, outcome_of
from corpusforge.store.workspace import Workspace

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
TARGET_SECONDS, TARGET_MB = 45, 600


class Synthesize(Stage):
    name: ClassVar[str] = "synthesize"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("audio",)
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = StageConfig

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        name = hashlib.sha256(item.id.encode()).hexdigest()
        return Done({"audio": name, "sample_rate": 16000, "num_samples": 170000, "engine": "espeak", "voice": "cmn"})


class Measure(Synthesize):
    name: ClassVar[str] = "measure"
    reads: ClassVar[tuple[str, ...]] = ("audio",)
    writes: ClassVar[tuple[str, ...]] = ("metrics",)

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        return Done(
            {"metrics": {"rms_dbfs": -20.123, "peak_dbfs": -3.0, "clipping": 0.0, "silence": 0.1234, "syllables": 40}}
        )


def items(count: int) -> Iterator[Utterance]:
    for number in range(count):
        lang = LANGUAGES[number % 3]
        group = f"dev-{number // 3:07d}"
        text = f"{group} is a sentence of about the length that a real one has, which is a hundred characters {lang}"
        yield Utterance(f"{group}.{lang}", group, f"article-{number // 9}", lang, text, "news", "synthetic", "CC0-1.0")


def fill(folder: Path, count: int) -> None:
    stages = [Synthesize(StageConfig()), Measure(StageConfig())]
    with Workspace(folder) as workspace:
        corpus = workspace.register("million", folder / "manifests/million")
        planner = Planner(workspace, "million", stages)
        stream = items(count)
        content = b"x" * 4000
        for shard in range(256):
            (workspace.blobs.root / f"{shard:02x}").mkdir(parents=True)
        original = workspace.blobs.root / "original"
        for number, item in enumerate(stream):
            if number % 50_000 == 0:  # file systems bound the links of one file
                original.unlink(missing_ok=True)
                original.write_bytes(content)
            os.link(original, workspace.blobs.path(hashlib.sha256(item.id.encode()).hexdigest()))
        original.unlink(missing_ok=True)
        stream = items(count)
        while portion := list(itertools.islice(stream, 5000)):
            results, walks = [], []
            for item in portion:
                digest, keys = planner._digest(item), []
                for stage, stage_keys in zip(stages, planner.keys, strict=True):
                    key, done = stage_keys.key(item), stage.run(item, workspace.blobs.read)
                    assert isinstance(done, Done)
                    sizes = {"audio": len(content)} if "audio" in done.fields else {}
                    settings, inputs = stage_keys.settings(item.lang), stage_keys.inputs(item)
                    results.append((key, Result(DONE, outcome_of(done, sizes), settings, inputs, 0.01)))
                    item = item.having(done.fields)
                    keys.append(key)
                walks.append((item.id, digest, b"".join(keys)))
            with workspace.index.transaction():
                workspace.index.put_results(results)
                workspace.index.put_walks(corpus, walks)


def plan(folder: Path, count: int) -> None:
    """Runs in a process of its own, so that its peak memory is the plan's."""
    start = time.perf_counter()
    with Workspace(folder) as workspace:
        planner = Planner(workspace, "million", [Synthesize(StageConfig()), Measure(StageConfig())])
        stream, cached = items(count), 0
        while portion := list(itertools.islice(stream, 256)):
            cached += sum(progress.finished for progress in planner.advance(portion))
    assert cached == count, f"{cached} of {count} items were cached"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to make the store (default: a temporary folder)")
    parser.add_argument("--plan", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan:
        plan(options.folder, options.items)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        start = time.perf_counter()
        fill(Path(folder), options.items)
        index = (Path(folder) / ".corpusforge/index.sqlite").stat().st_size
        filled = time.perf_counter() - start
        print(f"store of {options.items:,} items filled in {filled:.0f} s, index {index / 1e6:,.0f} MB")
        for attempt in range(1, 4):
            command = [sys.executable, __file__, "--plan", "--items", str(options.items), "--folder", folder]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            print(
                f"run {attempt}: {found['seconds']:.1f} s (target {TARGET_SECONDS}), {found['mb']:.0f} MB "
                f"(target {TARGET_MB}), {found['seconds'] / options.items * 1e6:.1f} µs an item"
            )


if __name__ == "__main__":
    main()

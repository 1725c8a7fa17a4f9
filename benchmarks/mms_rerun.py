"""Reruns of the recipe mms: with nothing new, and after one new row.

Usage: python benchmarks/mms_rerun.py [--data MMS.jsonl] [--keep FOLDER] [--runs 7] [--profile]

Builds the recipe once from 6,162 reviews in three languages: translations by the stand-in model
(tests/servers/models.py, no latency), speech by the recipe's own engine, espeak (about seven minutes on two cores;
--keep FOLDER does it once).
Then it times the same command again, interpreter start included, with its exit status and the server's count of
requests; and it adds one row to a copy of the file and counts again. --profile says where the time of a rerun goes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from standin import PROGRAM, Handle, environment, reviews, serving

TARGET = 0.6
PROFILE = """
import builtins, sys, time

born = float(sys.argv.pop(1))
spent, stack, since = {"interpreter": time.time() - born}, ["rest"], time.perf_counter()

def switch():
    global since
    now = time.perf_counter()
    spent[stack[-1]] = spent.get(stack[-1], 0.0) + now - since
    since = now

def timed(name, call):
    def wrapped(*args, **named):
        switch(); stack.append(name)
        try:
            return call(*args, **named)
        finally:
            switch(); stack.pop()
    return wrapped

def timed_iterator(name, call):
    def wrapped(*args, **named):
        step = timed(name, iter(call(*args, **named)).__next__)
        while True:
            try:
                value = step()
            except StopIteration:
                return
            yield value
    return wrapped

plain = builtins.__import__
def importing(name, *rest, **named):
    return (plain if name in sys.modules else timed("import", plain))(name, *rest, **named)
builtins.__import__ = importing

import corpusforge.cli
import corpusforge.recipe, corpusforge.builder, corpusforge.opened, corpusforge.pipeline.plan, corpusforge.sources.mms
from corpusforge.store.workspace import Workspace

corpusforge.recipe.load = timed("recipe", corpusforge.recipe.load)
mms, planner, builder = corpusforge.sources.mms.Mms, corpusforge.pipeline.plan.Planner, corpusforge.builder
mms.check = timed("source", mms.check)
mms.items = timed_iterator("source", mms.items)
mms.outline = timed_iterator("source", mms.outline)
planner.advance = timed("plan", planner.advance)
Workspace.__init__ = timed("workspace", Workspace.__init__)
Workspace.__exit__ = timed("workspace", Workspace.__exit__)
builder._fingerprint = timed("fingerprint", builder._fingerprint)
builder._write = timed("write", builder._write)
builder._corpus_fingerprint = timed("write", builder._corpus_fingerprint)
builder._forget_removed = timed("write", builder._forget_removed)
try:
    corpusforge.cli.main()
finally:
    switch()
    import json
    print(json.dumps(spent), file=sys.stderr)
"""


def command(folder: Path, source: Path, *arguments: str) -> list[str]:
    kept = ["--workspace", str(folder / "work"), "--set", "source.sample=null"]
    return ["build", "mms", "--source", str(source), *kept, *arguments]


def build(folder: Path, server: Handle, source: Path) -> dict[str, Any]:
    """One build: its report, with wall time and the requests that the server saw. Ends the benchmark if it fails."""
    before, start = server.asked(), time.perf_counter()
    done = subprocess.run(
        [str(PROGRAM), *command(folder, source, "--json")], env=environment(server), capture_output=True, text=True
    )
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"the build ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return {**json.loads(done.stdout), "wall": wall, "requests": server.asked() - before}


def profile(folder: Path, server: Handle, source: Path, runs: int) -> None:
    script = folder / "profile.py"
    script.write_text(PROFILE, encoding="utf-8")
    parts: dict[str, list[float]] = {}
    for _ in range(runs):
        arguments = [str(time.time()), *command(folder, source, "--quiet")]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(script), *arguments], env=environment(server), capture_output=True, text=True
        )
        wall = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"the profiled build ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
        found = json.loads(done.stderr.splitlines()[-1])
        for name, seconds in {**found, "exit": wall - sum(found.values()), "all": wall}.items():
            parts.setdefault(name, []).append(seconds)
    print(f"where a rerun with nothing new spends its time (medians of {runs}, ms):")
    for name, seconds in parts.items():
        print(f"  {name:12} {1000 * statistics.median(seconds):6.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a file with the columns of mms (default: the tests' own)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="build there, and use what is there already")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    data = reviews(options.data)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        source, port = folder / "mms.jsonl", folder / "port"
        if not source.is_file():
            shutil.copyfile(data, source)
        # The endpoint is in the keys of translations: the server comes back where it was.
        with serving("--port", port.read_text() if port.is_file() else "0") as server:
            port.write_text(server.url.rpartition(":")[2].partition("/")[0])
            measure(folder, source, server, options)


def measure(folder: Path, source: Path, server: Handle, options: argparse.Namespace) -> None:
    first = build(folder, server, source)
    made = ", ".join(f"{count:,} by {stage}" for stage, count in first["made"].items()) or "nothing: it was there"
    print(
        f"the build: {first['utterances']:,} utterances of {first['items']:,}, {first['rejected']:,} rejected, "
        f"{first['hours']:.1f} h of speech; {first['requests']:,} requests; made {made}; {first['wall']:.1f} s",
        flush=True,
    )
    runs = [build(folder, server, source) for _ in range(options.runs)]
    walls = [run["wall"] for run in runs]
    idle = [subprocess_start() for _ in range(options.runs)]
    print(
        f"nothing new: median {statistics.median(walls):.2f} s, {min(walls):.2f} to {max(walls):.2f} "
        f"(target at most {TARGET}); {max(run['requests'] for run in runs)} requests, "
        f"{max(sum(run['made'].values()) for run in runs)} results made, exit 0 in {len(runs)} of {len(runs)}; "
        f"python -c pass {statistics.median(idle):.3f} s"
    )
    more = folder / "one_more.jsonl"
    row = json.loads(source.read_text(encoding="utf-8").partition("\n")[0])
    text = f"房间很干净，早餐也不错，服务员很热情，下次还会再来。订单号{time.time_ns()}"
    row |= {"_id": 9_999_999, "text": text, "original_dataset": "one_more"}
    more.write_text(source.read_text(encoding="utf-8").rstrip("\n") + "\n" + json.dumps(row, ensure_ascii=False) + "\n")
    added = build(folder, server, more)
    print(
        f"one new row: {added['requests']} requests (2 target languages), {added['items'] - first['items']} utterances "
        f"more, {sum(added['made'].values())} results made, {added['rejected'] - first['rejected']} rejected more; "
        f"{added['wall']:.2f} s"
    )
    build(folder, server, source)  # as it was
    if options.profile:
        profile(folder, server, source, options.runs)


def subprocess_start() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

"""Wall time of a build on Dask beside the local executor, with as many workers on the same processors, in one run.

Usage: python benchmarks/dask_overhead.py [--data FLORES_FOLDER] [--limit GROUPS] [--runs 3] [--jobs 2]

Without `--data`, the sample is built. A cluster of its own is started and ended by every Dask build, which is in its
time; target: 1.10 for the 6,027 utterances of FLORES-200 on 2 processors. The corpora must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = 1.10
PROGRAM = Path(sys.executable).parent / "corpusforge"


def build(folder: Path, options: list[str]) -> tuple[float, int, str]:
    """Seconds, utterances, and the digest of the manifest."""
    command = [str(PROGRAM), "build", "flores200", "--workspace", str(folder), "--json", *options]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    manifest = Path(report["folder"]) / "manifest.jsonl"
    return report["seconds"], report["utterances"], hashlib.sha256(manifest.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    source = ["--source", str(given.data)] if given.data else ["--sample"]
    limit = ["--limit", str(given.limit)] if given.limit else []
    common = [*source, *limit, "--jobs", str(given.jobs)]
    times: dict[str, list[float]] = {"local": [], "dask": []}
    for number in range(given.runs):
        manifests = set()
        for executor in times if number % 2 == 0 else reversed(times):
            with tempfile.TemporaryDirectory() as folder:
                seconds, utterances, manifest = build(Path(folder), [*common, "--executor", executor])
            times[executor].append(seconds)
            manifests.add(manifest)
            print(f"run {number + 1}: {executor} {seconds:.1f} s for {utterances:,} utterances", flush=True)
        assert len(manifests) == 1, "the two corpora differ"
    local, dask = (statistics.median(values) for values in times.values())
    print(f"median: local {local:.1f} s, dask {dask:.1f} s, ratio {dask / local:.3f} (target for 6,027: {TARGET:.2f})")


if __name__ == "__main__":
    main()

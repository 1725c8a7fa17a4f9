"""Peak memory of the driver: a corpus, and one of ten times its size.

Usage: python benchmarks/memory.py [--data FLORES_FOLDER] [--limit GROUPS]

The larger corpus is a table with every sentence ten times, in ten articles. Its texts repeat, so that it is spoken in
the time of the smaller one, but the driver sees ten times the items, rows and documents.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from texts import utterances

from corpusforge.sample import sample_folder

TARGET_MB, TARGET_RATIO = 300, 1.20
RECIPE = """
name: memory
source: {{type: table, layout: long, path: {path}}}
stages:
  - stage: synthesize
  - stage: measure
"""


def build(folder: Path, recipe: Path) -> float:
    """Build in a process of its own; its peak memory in MB, without its workers'."""
    code = """
import resource, sys
from pathlib import Path
import corpusforge
from corpusforge.builder import build
from corpusforge.opened import BuildOptions
report = build(corpusforge.load_recipe(sys.argv[1]), BuildOptions(workspace=Path(sys.argv[2]), jobs=2))
assert not report.failed, report.failed[:3]
print(report.utterances, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    command = [sys.executable, "-c", code, str(recipe), str(folder)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    utterances, megabytes = found.stdout.split()
    print(f"{int(utterances):,} utterances: {float(megabytes):.0f} MB")
    return float(megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=sample_folder(), help="FLORES-200 (default: the sample)")
    parser.add_argument("--limit", type=int, help="parallel groups (default: all)")
    options = parser.parse_args()
    items = utterances(options.data, options.limit)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peaks = []
        for times in (1, 10):
            table, recipe = folder / f"{times}.jsonl", folder / f"{times}.yaml"
            with table.open("w", encoding="utf-8") as file:
                for copy in range(times):
                    for item in items:
                        row = {name: item.value(name) for name in ("text", "lang", "label")}
                        row |= {name: f"{copy}-{item.value(name)}" for name in ("id", "group", "document")}
                        file.write(json.dumps(row) + "\n")
            recipe.write_text(RECIPE.format(path=table), encoding="utf-8")
            peaks.append(build(folder / "work", recipe))
    print(f"ratio {peaks[1] / peaks[0]:.2f} (at most {TARGET_RATIO}), peak {max(peaks):.0f} MB (at most {TARGET_MB})")
    print(f"(this script itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB)")


if __name__ == "__main__":
    main()

"""Seconds per syllable of a built corpus, by engine and language: what the default bands of the gates are made from.

Usage: python benchmarks/bands.py manifests/flores200
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict

from corpusforge import Corpus
from corpusforge.quality.gates import SPEEDS


def main() -> None:
    paces: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in Corpus(sys.argv[1]):
        if record.metrics and record.metrics["seconds_per_syllable"]:
            paces[record.engine, record.lang].append(record.metrics["seconds_per_syllable"])
    for (engine, lang), values in sorted(paces.items()):
        band = SPEEDS.get(engine, {}).get(lang)
        wide = f"{min(values) * 2 / 3:.3f} to {max(values) * 4 / 3:.3f}"
        print(
            f"{engine} {lang}: {min(values):.3f} to {max(values):.3f}, median {statistics.median(values):.3f}, of "
            f"{len(values):,} sentences; a third wider: {wide}; band: {f'{band.min} to {band.max}' if band else 'none'}"
        )


if __name__ == "__main__":
    main()

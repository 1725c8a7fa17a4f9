"""Time and memory of `corpusforge lint`, and how both grow with the rows of a corpus.

Usage: python benchmarks/lint.py [manifests/flores200] [--rows 6027 60000 200000]

A corpus of each size is made of synthetic sentences: words drawn by Zipf's law, one sentence in fifty another one with
one word changed. Its rows name audio that is not there, so the check `files` is left out; a corpus that is named runs
with all checks. Every run is a process of its own, whose peak memory is printed. Last comes the search for near-same
texts by itself, beside comparing each with each, on as many as that can do in a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from corpusforge.corpus.layout import LISTS
from corpusforge.lint import lint
from corpusforge.lint.near import near_same

LANGUAGES = ("deu_Latn", "fra_Latn", "spa_Latn")
METRICS = {"rms_dbfs": -19.0, "clipping": 0.0, "silence": 0.1, "leading_silence": 0.0, "trailing_silence": 0.0}
METRICS |= {"longest_pause": 0.1, "unreadable": 0, "unreadable_share": 0.0}


def sentences(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(draw.choices(letters, weights=range(22, 0, -1), k=draw.randint(2, 10))) for _ in range(30_000)]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(words) + 1)))
    made: list[str] = []
    for number in range(count):
        if number % 50 == 49:
            parts = draw.choice(made).split()
            parts[draw.randrange(len(parts))] = draw.choice(words)
        else:
            parts = draw.choices(words, cum_weights=weights, k=draw.randint(10, 30))
        made.append(" ".join(parts))
    return made


def corpus(folder: Path, rows: int) -> Path:
    """A folder of `rows` rows in three languages, four sentences a document, 80/10/10."""
    folder.mkdir()
    groups = rows // len(LANGUAGES)
    texts = {lang: sentences(groups, seed) for seed, lang in enumerate(LANGUAGES)}
    found: dict[str, list[str]] = {name: [] for name in LISTS}
    for group in range(groups):
        split = ("test", "dev", *["train"] * 8)[group // 4 % 10]
        for lang in LANGUAGES:
            text = texts[lang][group]
            syllables = sum(letter in "eaoiu" for letter in text) or 1
            id = f"g{group:06d}.{lang}"
            row = {
                **{"id": id, "group": f"g{group:06d}", "document": f"d{group // 4}", "lang": lang, "text": text},
                **{"label": ("news", "travel", "science")[group // 4 % 3], "split": split},
                **{"audio": f"audio/{lang}/{id}.flac", "duration": syllables * 0.2, "sample_rate": 16000},
                **{"num_samples": syllables * 3200, "sha256": hashlib.sha256(id.encode()).hexdigest()},
                **{"engine": "none", "voice": "none", "voice_license": "CC0-1.0", "source": "synthetic"},
                **{"license": "CC0-1.0", "translation": None, "metrics": METRICS | {"syllables": syllables}},
            }
            line = json.dumps(row, ensure_ascii=False)
            for name in ("manifest", split):
                found[f"{name}.jsonl"].append(line)
    files = {}
    for name, lines in found.items():
        content = "".join(f"{line}\n" for line in lines).encode()
        (folder / name).write_bytes(content)
        files[name] = {"lines": len(lines), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    info: dict[str, Any] = {"schema_version": 1, "name": "synthetic", "recipe": {"name": "synthetic"}, "files": files}
    info |= {"by_label": [], "by_language": [{"language": lang} for lang in LANGUAGES]}
    (folder / "corpus.json").write_text(json.dumps(info))
    return folder


def run(folder: Path, *skip: str) -> float:
    """Seconds of a lint in a process of its own; they are printed with its memory."""
    command = [sys.executable, __file__, "--one", str(folder), *skip]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, processor, memory, findings = json.loads(done.stdout)
    print(f"  {seconds:.1f} s ({processor:.1f} s of processor), {memory:.0f} MB, {findings} findings", flush=True)
    return float(processor)


def one(folder: str, *skip: str) -> None:
    start = time.perf_counter()
    found = lint(folder, skip=skip)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, time.process_time(), peak, len(found)]))


def brute(texts: list[str], parts: list[int]) -> set[int]:
    sets = [{text[at : at + 5] for at in range(len(text) - 4)} for text in texts]
    found = set()
    for (first, left), (second, right) in itertools.combinations(enumerate(sets), 2):
        if parts[first] != parts[second] and min(len(left), len(right)) >= 8:
            shared = len(left & right)
            if Fraction(shared, len(left) + len(right) - shared) >= Fraction(7, 10):
                found |= {first, second}
    return found


def search(count: int) -> None:
    texts = [text.replace(" ", "") for text in sentences(count, 0)]
    parts = [number % 3 for number in range(count)]
    near_same(texts[:10], parts[:10], 5)  # numpy is imported
    start = time.process_time()
    found = {match.index for match in near_same(texts, parts, 5)}
    middle = time.process_time()
    same = found == brute(texts, parts)
    end = time.process_time()
    print(
        f"near-same among {count:,}: {len(found)} in {middle - start:.2f} s of processor, each with each in "
        f"{end - middle:.1f} s; {'the same rows' if same else 'OTHER ROWS'}; {(end - middle) / (middle - start):.0f} "
        "times as fast"
    )


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--rows", nargs="+", type=int, default=[6027, 60_000, 200_000])
    given = parser.parse_args()
    if given.corpus:
        print(f"{given.corpus}, all checks:")
        run(given.corpus)
        print("the same without hashing files:")
        run(given.corpus, "files")
    times: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as name:
        for rows in given.rows:
            print(f"{rows:,} synthetic rows, without files:")
            times.append((rows, run(corpus(Path(name) / str(rows), rows), "files")))
    for (few, short), (many, long) in itertools.pairwise(times):
        print(
            f"from {few:,} to {many:,} rows: processor time ~ rows^{math.log(long / short) / math.log(many / few):.2f}"
        )
    search(2000)


if __name__ == "__main__":
    main()

"""Time until the page of a corpus of 6,000 groups, and of 60,000, is painted and its table can be used.

Usage: python benchmarks/report.py [CORPUS …] [--groups 6000 60000] [--rounds 7] [--spectrograms]

Without a corpus, one of each size is made of the sample's texts and half a second of its clips: the page loads a clip
when it is played, so that their length changes nothing but the time to write the page. Target: first paint and a table
that can be used within 1.5 s of navigation for 6,000 groups, in Debian's Chromium, headless, the page opened from the
file system. Each round is a fresh browser. Sorting and searching are timed in the page: from the event to the rows.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corpusforge import Corpus
from corpusforge.corpus.splits import Splits, assign
from corpusforge.corpus.write import CorpusWriter
from corpusforge.items import Utterance
from corpusforge.report.page import write_corpus_page
from tests.report.browser import chromium

TARGET = 1.5
READY = """
const done = arguments[0];
const look = () => {
  if (!document.getElementById('groups').dataset.shown) return setTimeout(look, 5);
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  if (!paint) return setTimeout(look, 5);
  done([paint.startTime, performance.now()]);
};
look();
"""
CHANGE = """
const [id, value, kind, done] = arguments;
const groups = document.getElementById('groups'), before = groups.dataset.shown, start = performance.now();
const look = () => (groups.dataset.shown === before ? setTimeout(look, 2) : done(performance.now() - start));
const box = document.getElementById(id);
box.value = value;
box.dispatchEvent(new Event(kind));
look();
"""


def sample(folder: Path) -> list[Any]:
    command = ["corpusforge", "build", "flores200", "--sample", "--quiet", "--workspace", folder / "ws"]
    subprocess.run([str(part) for part in [*command, "--out", folder / "out"]], check=True)
    [built] = (folder / "out").iterdir()
    return list(Corpus(built))


def corpus(folder: Path, groups: int, rows: list[Any]) -> Path:
    """A corpus of so many groups, whose texts are the sample's with a number."""
    by_group: dict[str, list[Any]] = {}
    blobs = folder.with_name(f"{folder.name}-blobs")
    blobs.mkdir()
    short: dict[str, tuple[str, int]] = {}
    for row in rows:
        by_group.setdefault(row.group, []).append(row)
        samples, rate = row.load()
        soundfile.write(blobs / "new", samples[: rate // 2], rate, format="FLAC", subtype="PCM_16")
        sha = hashlib.sha256((blobs / "new").read_bytes()).hexdigest()
        (blobs / "new").rename(blobs / sha)
        short[row.id] = sha, rate // 2
    source = list(by_group.values())
    items = []
    for number in range(groups):
        name, document = f"g-{number:06d}", f"doc-{number // 4}"
        label = ("news", "travel", "books")[number // 4 % 3]
        for row in source[number % len(source)]:
            kept = ("sample_rate", "engine", "voice", "voice_license", "metrics")
            fields = {field: getattr(row, field) for field in kept}
            fields["audio"], fields["num_samples"] = short[row.id]
            text = f"{row.text} {number}"
            items.append(
                Utterance(f"{name}.{row.lang}", name, document, row.lang, text, label, row.source, row.license, fields)
            )
    splits = assign(((item.document, item.label) for item in items), Splits())
    settings: dict[str, Any] = {"name": f"{groups} groups", "recipe": {"name": "report"}, "versions": {}}
    with CorpusWriter(folder, splits=splits, blob_path=lambda sha: blobs / sha, suffix="flac", **settings) as writer:
        for item in items:
            writer.add(item)
        writer.commit("report")
    return folder


def measure(page: Path, rounds: int) -> dict[str, list[float]]:
    changes = {
        "sort": ("sort", "duration:0", "change"),
        "first search": ("search", "LED", "input"),
        "next search": ("search", "2023", "input"),
    }
    found: dict[str, list[float]] = {name: [] for name in ("first paint", "table usable", *changes)}
    for _ in range(rounds):
        with chromium() as browser:
            browser.set_script_timeout(120)
            browser.get(page.as_uri())
            paint, usable = browser.execute_async_script(READY)
            found["first paint"].append(paint / 1000)
            found["table usable"].append(usable / 1000)
            for name, change in changes.items():
                found[name].append(browser.execute_async_script(CHANGE, *change) / 1000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", nargs="*", type=Path)
    parser.add_argument("--groups", nargs="*", type=int, default=[6000, 60000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--spectrograms", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [] if given.corpus else sample(folder)
        made = given.corpus or [corpus(folder / str(groups), groups, rows) for groups in given.groups]
        for one in made:
            info = Corpus(one).info
            start = time.perf_counter()
            page = write_corpus_page(one, folder / "page", spectrograms=given.spectrograms, jobs=given.jobs).index
            seconds = time.perf_counter() - start
            size = sum(path.stat().st_size for path in page.parent.iterdir())
            print(
                f"{info['groups']:,} groups, {info['utterances']:,} utterances, {info['hours']:.1f} h: page written in "
                f"{seconds:.1f} s, {size / 1e6:.1f} MB"
            )
            for what, times in measure(page, given.rounds).items():
                target = f" (target for 6,000 groups: {TARGET} s)" if what in ("first paint", "table usable") else ""
                print(
                    f"  {what}: median {statistics.median(times):.3f} s, {min(times):.3f} to {max(times):.3f} s in "
                    f"{given.rounds} rounds{target}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

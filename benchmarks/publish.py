"""Packing a corpus for the Hub beside a bare pyarrow loop and `datasets`' own way, and what one change re-sends.

Usage: python benchmarks/publish.py manifests/flores200 [--repeat 3] [--skip-upload]

Each way of packing runs in a process of its own, several times in turn, and writes every clip twice: once for its
language and once side by side with the others, as `corpusforge publish` does. The bare loop reads the same files into
the same columns with `pyarrow.Table.from_pylist` and `pyarrow.parquet.ParquetWriter`, 100 rows a group, with the writer's
defaults; `plain` is the same loop with our settings of the writer (audio neither compressed nor in a dictionary).
`datasets` writes what `Dataset.from_generator` has put into its cache, with `Dataset.to_parquet`.

The second part publishes the corpus to a Hub on loopback, changes one sentence, and publishes again.
Targets: 1.1 x the bare loop, 250 MB, 5 % of the bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from corpusforge import Corpus
from corpusforge.corpus.read import Record

ROWS = 100
SPLITS = ("train", "dev", "test")


def columns(record: Record) -> dict[str, Any]:
    """A row of a language's configuration."""
    names = ("id", "text", "label", "lang", "group", "document", "duration", "sample_rate", "num_samples", "sha256")
    row = {name: getattr(record, name) for name in (*names, "engine", "voice", "voice_license", "source", "license")}
    row |= {name: json.dumps(getattr(record, name), ensure_ascii=False) for name in ("translation", "metrics")}
    return row | {"audio": {"bytes": record.path.read_bytes(), "path": record.path.name}}


def side_by_side(records: list[Record]) -> dict[str, Any]:
    """A row of the configuration `parallel`."""
    row: dict[str, Any] = {name: getattr(records[0], name) for name in ("group", "document", "label")}
    for record in records:
        row[f"text_{record.lang}"] = record.text
        row[f"audio_{record.lang}"] = {"bytes": record.path.read_bytes(), "path": record.path.name}
    return row


def tables(corpus: Corpus) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Every file of the bare loop with its rows: a language or `parallel`, and a split."""
    for split in SPLITS:
        part = corpus.split(split)
        for lang in corpus.languages:
            yield f"{lang}-{split}", (columns(record) for record in part if record.lang == lang)
        yield f"parallel-{split}", (side_by_side(group) for group in part.groups())


def bare(corpus: Corpus, folder: Path, **settings: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, rows in tables(corpus):
        writer = None
        for _, numbered in groupby(enumerate(rows), key=lambda pair: pair[0] // ROWS):
            table = pa.Table.from_pylist([row for _, row in numbered])
            if writer is None:
                writer = pq.ParquetWriter(folder / f"{name}.parquet", table.schema, **settings)
            writer.write_table(table.cast(writer.schema), row_group_size=ROWS)
        if writer is not None:
            writer.close()


def with_datasets(corpus: Corpus, folder: Path) -> None:
    from datasets import Audio, Dataset, disable_progress_bars

    disable_progress_bars()
    for number, (name, _) in enumerate(tables(corpus)):
        made = Dataset.from_generator(
            _rows_of, gen_kwargs={"path": str(corpus.folder), "number": number}, cache_dir=str(folder / "cache")
        )
        for column in [column for column in made.column_names if column.startswith("audio")]:
            made = made.cast_column(column, Audio(decode=False))
        made.to_parquet(folder / f"{name}.parquet", batch_size=ROWS)


def _rows_of(path: str, number: int) -> Iterator[dict[str, Any]]:
    yield from list(tables(Corpus(path)))[number][1]


def ours(corpus: Corpus, folder: Path) -> None:
    from corpusforge.export.parquet import write_parquet

    write_parquet(corpus, folder, max_shard_size=500_000_000)


def plain(corpus: Corpus, folder: Path) -> None:
    bare(corpus, folder, compression="none", use_dictionary=False, write_statistics=False)


WAYS = {"ours": ours, "bare": bare, "plain": plain, "datasets": with_datasets}


def one(way: str, path: Path, folder: Path) -> None:
    """Run in a process of its own: seconds, megabytes and bytes written as JSON."""
    import resource

    corpus = Corpus(path)
    start = time.perf_counter()
    WAYS[way](corpus, folder)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * 1.048576
    written = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    print(json.dumps({"seconds": seconds, "peak": peak, "written": written}))


def measured(way: str, path: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        os.sync()
        command = [sys.executable, __file__, str(path), "--one", way, "--out", folder]
        found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return found


def packing(path: Path, repeat: int) -> None:
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(repeat):
        for way in WAYS:
            runs[way].append(measured(way, path))
            last = runs[way][-1]
            print(f"  {way}: {last['seconds']:.2f} s, {last['peak']:.0f} MB, {last['written'] / 1e9:.2f} GB written")
    middle = {way: statistics.median(run["seconds"] for run in found) for way, found in runs.items()}
    for way in WAYS:
        peak = max(run["peak"] for run in runs[way])
        print(f"{way}: median {middle[way]:.2f} s, {middle[way] / middle['bare']:.2f} x bare, peak {peak:.0f} MB")
    print(
        f"packing: {middle['ours'] / middle['bare']:.2f} x the bare loop (target 1.1), "
        f"{middle['ours'] / middle['plain']:.2f} x the same with our settings of the writer; "
        f"{max(run['peak'] for run in runs['ours']):.0f} MB (target 250)"
    )


def changed(path: Path, folder: Path) -> Path:
    """A copy of the corpus in which one sentence has another text and another clip."""
    corpus = shutil.copytree(path, folder / "changed", copy_function=os.link)
    rows = [json.loads(line) for line in (path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    row = next(row for row in rows if row["split"] == "train")
    clip = (corpus / row["audio"]).read_bytes() + b"\0"
    row["text"], row["sha256"] = row["text"] + "!", hashlib.sha256(clip).hexdigest()
    row["audio"] = row["audio"].replace(".flac", "x.flac")
    (corpus / row["audio"]).write_bytes(clip)
    info = json.loads((corpus / "corpus.json").read_bytes())
    for name, wanted in (("manifest", set(SPLITS)), *((split, {split}) for split in SPLITS)):
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows if row["split"] in wanted]
        content = "".join(line + "\n" for line in lines).encode()
        (corpus / f"{name}.jsonl").unlink()
        (corpus / f"{name}.jsonl").write_bytes(content)
        info["files"][f"{name}.jsonl"]["bytes"] = len(content)
    (corpus / "corpus.json").unlink()
    (corpus / "corpus.json").write_text(json.dumps(info), encoding="utf-8")
    return corpus


def sending(path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.servers.hub import TOKEN, Hub

    with tempfile.TemporaryDirectory() as name, Hub(Path(name) / "hub") as hub:
        folder = Path(name)
        environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(folder / "hf"), "TMPDIR": name}
        environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        sent = []
        for what, corpus in (("first", path), ("again", path), ("one changed", changed(path, folder))):
            before, start = hub.sent(), time.perf_counter()
            command = ["corpusforge", "publish", str(corpus), "--repo", "me/corpus", "--no-read-back"]
            subprocess.run(command, check=True, env={**os.environ, **environment}, capture_output=True)
            sent.append(hub.sent() - before)
            print(f"  {what}: {sent[-1] / 1e6:,.1f} MB sent in {time.perf_counter() - start:.1f} s")
        shards = sum(path.endswith(".parquet") for path in hub.repo("me/corpus").tree())
        share = sent[2] / sent[0]
        print(f"publishing: {shards} shards; again {sent[1]:,} bytes; one changed sentence {share:.1%} (target 5 %)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--skip-upload", action="store_true")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return one(given.one, given.corpus, given.out)
    info = Corpus(given.corpus).info
    print(f"{info['utterances']:,} clips, {info['hours']:.1f} h")
    packing(given.corpus, given.repeat)
    if not given.skip_upload:
        sending(given.corpus)


if __name__ == "__main__":
    main()

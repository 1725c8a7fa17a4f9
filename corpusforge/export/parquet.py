"""A corpus as Parquet shards with the audio in them, as `datasets` and the Hugging Face Hub read them.

One configuration a language, a row an utterance; and `parallel`, a row a group, with text and audio of every language
side by side. Which shard a group is in follows from the hash of its name and from nothing else: shards halve when they
grow too large (a trie over the bits of the hash), so that one sentence that is added or changed leaves all shards but
its own as they were, to the byte.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError, WorkspaceError
from corpusforge.items import Json

if TYPE_CHECKING:
    import pyarrow as pa

PARALLEL = "parallel"
"""Name of the configuration with a row a group."""
SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""Our splits, and what `datasets` calls them."""
ROWS = 100
"""Rows of a row group: what a reader that wants a few rows has to fetch."""
SMALLEST = 1 << 20
PARTS = 40
_OURS = re.compile(r"data/[^/]+/(?:train|validation|test)(?:-[01]+)?\.parquet")
_ROW, _FILE = 1024, 16384
"""Bytes of a row beside audio and text, and of a file beside its rows, at most: estimates that err on the safe side."""

_COLUMNS: Mapping[str, str] = {
    **{"id": "string", "text": "string", "audio": "audio", "label": "label", "lang": "string", "group": "string"},
    **{"document": "string", "duration": "float64", "sample_rate": "int32", "num_samples": "int64"},
    **{"sha256": "string", "engine": "string", "voice": "string", "voice_license": "string", "source": "string"},
    **{"license": "string", "translation": "string", "metrics": "string"},
}
"""Of a language's configuration. `translation` and `metrics` are JSON: what is in them differs by recipe."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A Parquet file.

    Attributes:
        path: Relative to the dataset's folder, with forward slashes.
        config: The language, or `parallel`.
        split: As `datasets` calls it.
        rows: In it.
        size: Bytes of the file.
        num_bytes: Bytes of its rows in memory, as `datasets` counts them.
    """

    path: str
    config: str
    split: str
    rows: int
    size: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A shard that is not written yet.

    Attributes:
        path, config, split: See `Shard`.
        rows: Each with the positions of its utterances in the corpus: one, or in `parallel` one a language.
        size: Estimated bytes, not less than the file will have.
    """

    path: str
    config: str
    split: str
    rows: tuple[tuple[int, ...], ...]
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows go into which shard, and the columns that they have.

    Attributes:
        shards: By configuration, split and name, the order in which `datasets` reads them.
        sampling_rate: Hz, None if the corpus has several.
        labels, languages: Of the corpus, sorted.
        limit: Estimated bytes beyond which a shard is halved.
    """

    shards: tuple[Planned, ...]
    sampling_rate: int | None
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    limit: int

    @property
    def configs(self) -> tuple[str, ...]:
        """Names of the configurations: `parallel` first where there is one, then the languages."""
        return tuple(dict.fromkeys(shard.config for shard in self.shards))

    def columns(self, config: str) -> dict[str, str]:
        """Columns and their kinds: `audio`, `label`, or a type of Arrow."""
        own: dict[str, str] = dict(_COLUMNS)
        if config == PARALLEL:
            own = {"group": "string", "document": "string", "label": "label"}
            for lang in self.languages:
                own |= {f"text_{lang}": "string", f"audio_{lang}": "audio"}
        return {name: kind for name, kind in own.items() if kind != "label" or self.labels}

    def features(self, config: str) -> dict[str, Json]:
        """The columns as `datasets.Features.from_dict` takes them."""
        return {name: self._feature(kind) for name, kind in self.columns(config).items()}

    def _feature(self, kind: str) -> dict[str, Json]:
        if kind == "audio":
            rate = {} if self.sampling_rate is None else {"sampling_rate": self.sampling_rate}
            return {**rate, "_type": "Audio"}
        if kind == "label":
            return {"names": list(self.labels), "_type": "ClassLabel"}
        return {"dtype": kind, "_type": "Value"}


def is_shard(path: str) -> bool:
    """Whether a file of a dataset is one that `layout` may have named."""
    return _OURS.fullmatch(path) is not None


def layout(corpus: Corpus, max_shard_size: int) -> Layout:
    """Decide which rows go into which shard. Looks at every row and at the size of every audio file.

    A shard is halved while it is larger than `max_shard_size` or than a fortieth of the whole, rounded down to a power
    of two (but not less than 1 MiB): what has to be sent again after a change is a small part of the whole, and a
    corpus that grows a little keeps its shards.

    Args:
        corpus: Of any size; some 100 bytes a row are kept.
        max_shard_size: Bytes, at most; only a single row may be larger.

    Raises:
        CorpusError: An audio file is missing, or a group has two utterances in one language.
    """
    kept: dict[tuple[str, str], list[tuple[bytes, int, tuple[int, ...]]]] = {}
    rates = set()
    position, parallel = 0, False
    for group in _groups(corpus):
        place = hashlib.sha256(group[0].group.encode()).digest()
        sizes = []
        for number, record in enumerate(group):
            sizes.append(_size(record))
            rates.add(record.sample_rate)
            rows = kept.setdefault((record.lang, record.split), [])
            rows.append((place, sizes[-1], (position + number,)))
        parallel |= len(group) > 1
        everything = tuple(range(position, position + len(group)))
        kept.setdefault((PARALLEL, group[0].split), []).append((place, sum(sizes), everything))
        position += len(group)
    chosen = {key: rows for key, rows in kept.items() if parallel or key[0] != PARALLEL}
    whole = sum(size for rows in chosen.values() for _, size, _ in rows)
    limit = min(max_shard_size, max(SMALLEST, 2 ** int(math.log2(max(1, whole // PARTS)))))
    shards: list[Planned] = []
    for config in sorted({config for config, _ in chosen}, key=lambda name: (name != PARALLEL, name)):
        for split in SPLITS:
            for bits, rows in _halved(chosen.get((config, split), []), limit, ""):
                name = "-".join(filter(None, (SPLITS[split], bits)))
                path = f"data/{config}/{name}.parquet"
                size = _FILE + sum(size for _, size, _ in rows)
                shards.append(Planned(path, config, SPLITS[split], tuple(row for _, _, row in rows), size))
    rate = rates.pop() if len(rates) == 1 else None
    return Layout(tuple(shards), rate, corpus.labels, corpus.languages, limit)


def pack(corpus: Corpus, planned: Layout, folder: Path, shards: Sequence[Planned] | None = None) -> Iterator[Shard]:
    """Write shards one after the other; each is whole, under its path in `folder`, when it is yielded.

    The next rows are read, and their audio compared with the manifest's hashes, while the last ones are written.
    The same corpus gives the same bytes with the same version of pyarrow.

    Args:
        corpus: What `planned` was made for.
        planned: From `layout`.
        folder: Of the dataset.
        shards: Those of `planned` to write; all by default.

    Raises:
        CorpusError: An audio file is missing or is not what the manifest says.
        WorkspaceError: The folder cannot be written, or the disk is full.
    """
    wanted = planned.shards if shards is None else shards
    tables = _ahead(_tables(corpus, planned, wanted))
    try:
        for shard in wanted:
            try:
                yield _write(planned, shard, tables, folder)
            except OSError as error:
                raise WorkspaceError(
                    f"{folder / shard.path} cannot be written ({error.strerror or error}): make room, or choose a "
                    "folder that can be written"
                ) from error
    finally:
        tables.close()


def splits_of(shards: Iterable[Planned | Shard], config: str) -> list[str]:
    """The splits that a configuration has, in the order of training."""
    there = {shard.split for shard in shards if shard.config == config}
    return [split for split in SPLITS.values() if split in there]


def configurations(shards: Sequence[Planned | Shard]) -> list[Json]:
    """`configs` of a dataset card, by which `datasets` finds the files; the first configuration is the default."""
    names = list(dict.fromkeys(shard.config for shard in shards))
    return [
        {
            "config_name": config,
            "data_files": [
                {"split": split, "path": f"data/{config}/{split}*.parquet"} for split in splits_of(shards, config)
            ],
            **({"default": True} if config == names[0] else {}),
        }
        for config in names
    ]


def write_parquet(
    corpus: Corpus, folder: Path, *, max_shard_size: int, note: Callable[[str], None] = lambda words: None
) -> list[Shard]:
    """Write a corpus as Parquet into `folder/data/`, and remove shards of an earlier one that it no longer has.

    Args:
        corpus: To write.
        folder: Made if it is not there; files of other names in it are left alone.
        max_shard_size: Bytes of a file, at most.
        note: Told how many shards there will be.

    Returns:
        The shards, by configuration, split and name.

    Raises:
        CorpusError: The corpus is damaged, or a group has two utterances in one language.
        WorkspaceError: The folder cannot be written, or the disk is full.
    """
    planned = layout(corpus, max_shard_size)
    note(f"{len(planned.shards):,} shards in {len(planned.configs)} configurations: {', '.join(planned.configs)}")
    written = list(pack(corpus, planned, folder))
    names = {shard.path for shard in written}
    for file in sorted((folder / "data").glob("*/*.parquet")):
        path = file.relative_to(folder).as_posix()
        if is_shard(path) and path not in names:
            file.unlink()
    return written


def _groups(corpus: Corpus) -> Iterator[list[Record]]:
    for group in corpus.groups():
        langs = [record.lang for record in group]
        if len(set(langs)) != len(langs):
            twice = next(lang for lang in langs if langs.count(lang) > 1)
            raise CorpusError(
                f"the group {group[0].group} has more than one utterance in {twice}: a parallel corpus has one a "
                "language. Give each a group of its own in the source"
            )
        yield group


def _size(record: Record) -> int:
    return _bytes(record) + 3 * len(record.text) + _ROW


def _bytes(record: Record) -> int:
    try:
        return os.stat(record.path).st_size
    except OSError as error:
        raise CorpusError(
            f"{record.id}: no audio at {record.path} ({error.strerror}): build the corpus again, or copy it with its "
            "audio/"
        ) from error


def _halved(
    rows: list[tuple[bytes, int, tuple[int, ...]]], limit: int, bits: str
) -> Iterator[tuple[str, list[tuple[bytes, int, tuple[int, ...]]]]]:
    """The rows of each shard with the bits that their hashes begin with, in order."""
    if not rows:
        return
    if _FILE + sum(size for _, size, _ in rows) <= limit or len({place for place, _, _ in rows}) == 1:
        yield bits, rows
        return
    byte, shift = divmod(len(bits), 8)
    halves: tuple[list[tuple[bytes, int, tuple[int, ...]]], ...] = ([], [])
    for row in rows:
        halves[row[0][byte] >> (7 - shift) & 1].append(row)
    for bit, half in zip("01", halves, strict=True):
        yield from _halved(half, limit, bits + bit)


def _tables(corpus: Corpus, planned: Layout, shards: Sequence[Planned]) -> Iterator[pa.Table]:
    """The row groups of the shards, one after the other."""
    for shard in shards:
        columns = planned.columns(shard.config)
        schema = _schema(planned, shard.config)
        for start in range(0, len(shard.rows), ROWS):
            rows = [[corpus[position] for position in row] for row in shard.rows[start : start + ROWS]]
            yield (_parallel if shard.config == PARALLEL else _single)(rows, columns, planned, schema)


def _ahead(items: Iterator[Any]) -> Generator[Any]:
    """The same items, each made in a thread while the one before is used."""
    nothing = object()
    with ThreadPoolExecutor(1, "corpusforge parquet") as thread:
        coming = thread.submit(next, items, nothing)
        while (held := [coming.result()])[0] is not nothing:
            coming = thread.submit(next, items, nothing)
            yield held.pop()  # a table is some 50 MB: nobody keeps one longer than it is used


def _single(rows: list[list[Record]], columns: Mapping[str, str], planned: Layout, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    records = [row[0] for row in rows]
    arrays = []
    for name, kind in columns.items():
        if kind == "audio":
            arrays.append(_audio(records, check=True))
        elif kind == "label":
            arrays.append(_labels(records, planned))
        else:
            values = [getattr(record, name) for record in records]
            if name in ("translation", "metrics"):
                values = [json_text(value) for value in values]
            arrays.append(pa.array(values, schema.field(name).type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _parallel(rows: list[list[Record]], columns: Mapping[str, str], planned: Layout, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    firsts = [row[0] for row in rows]
    arrays = [pa.array([record.group for record in firsts]), pa.array([record.document for record in firsts])]
    if "label" in columns:
        arrays.append(_labels(firsts, planned))
    by_lang = [{record.lang: record for record in row} for row in rows]
    for lang in planned.languages:
        own = [row.get(lang) for row in by_lang]
        arrays.append(pa.array([record and record.text for record in own], pa.string()))
        arrays.append(_audio(own, check=False))  # the language's own configuration has been checked
    return pa.Table.from_arrays(arrays, schema=schema)


def json_text(value: Mapping[str, Json] | None) -> str | None:
    """`translation` and `metrics` as their columns hold them."""
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _labels(records: Sequence[Record], planned: Layout) -> pa.Array:
    import pyarrow as pa

    number = {label: number for number, label in enumerate(planned.labels)}
    return pa.array([None if record.label is None else number[record.label] for record in records], pa.int64())


def _audio(records: Sequence[Record | None], *, check: bool) -> pa.StructArray:
    """Files as a column of `datasets.Audio`: read straight into Arrow's memory, so that they are there once."""
    import pyarrow as pa

    sizes = [0 if record is None else _bytes(record) for record in records]
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    buffer = pa.allocate_buffer(offsets[-1])
    view = memoryview(buffer).cast("B")
    for record, start, end in zip(records, offsets, offsets[1:], strict=False):
        if record is not None:
            _read(record, view[start:end], check)
    places = pa.array(offsets, pa.int32()).buffers()[1]
    content = pa.Array.from_buffers(pa.binary(), len(records), [None, places, buffer])
    names = pa.array([record and PurePosixPath(record.audio).name for record in records], pa.string())
    absent = pa.array([record is None for record in records], pa.bool_())
    return pa.StructArray.from_arrays([content, names], names=["bytes", "path"], mask=absent)


def _read(record: Record, view: memoryview, check: bool) -> None:
    with record.path.open("rb", buffering=0) as file:
        whole = file.readinto(view) == len(view) and not file.read(1)
    if not whole or (check and hashlib.sha256(view).hexdigest() != record.sha256):
        raise CorpusError(
            f"{record.id}: {record.path} is not the file that the manifest names (its sha256 differs): copy it again, "
            "or build the corpus again"
        )


def _schema(planned: Layout, config: str) -> pa.Schema:
    import pyarrow as pa

    audio = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {"audio": audio, "label": pa.int64()}
    fields = [(name, kinds.get(kind) or pa.type_for_alias(kind)) for name, kind in planned.columns(config).items()]
    metadata = json.dumps({"info": {"features": planned.features(config)}}, ensure_ascii=False)
    return pa.schema(fields, metadata={"huggingface": metadata})


def _write(planned: Layout, shard: Planned, tables: Iterator[pa.Table], folder: Path) -> Shard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = planned.columns(shard.config)
    plain = [name for name, kind in columns.items() if kind != "audio"]
    # FLAC does not compress; dictionaries and statistics of audio would only cost time.
    audio = [f"{name}.{part}" for name, kind in columns.items() if kind == "audio" for part in ("bytes", "path")]
    compression = {**dict.fromkeys(plain, "snappy"), **dict.fromkeys(audio, "none")}
    target = folder / shard.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    num_bytes = 0
    try:
        with pq.ParquetWriter(
            temporary,
            _schema(planned, shard.config),
            compression=compression,
            use_dictionary=plain,
            write_statistics=plain,
            write_batch_size=4,  # pages of some clips, where 1024 rows would be one of 100 MB
        ) as writer:
            for _ in range(0, len(shard.rows), ROWS):
                table = next(tables)
                writer.write_table(table, row_group_size=ROWS)
                num_bytes += table.nbytes
                del table
        size = temporary.stat().st_size
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    pa.default_memory_pool().release_unused()  # else it keeps for itself what the largest shards took
    return Shard(shard.path, shard.config, shard.split, len(shard.rows), size, num_bytes)

"""Tables of every format, written for a test, and what reading them gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Utterance
from corpusforge.sources.table import Table

WIDE = [
    {"id": "a", "chinese": "一", "tibetan": "གཅིག", "topic": "numbers", "article": "one"},
    {"id": "b", "chinese": "二", "tibetan": "གཉིས", "topic": "numbers", "article": "one"},
    {"id": "c", "chinese": "红", "tibetan": "དམར་པོ", "topic": "colours", "article": "two"},
]
COLUMNS = {"zho_Hans": "chinese", "bod_Tibt": "tibetan"}
LONG = [
    {"group": "a", "lang": "bod_Tibt", "text": "གཅིག"},
    {"group": "a", "lang": "zho_Hans", "text": "一"},
    {"group": "b", "lang": "zho_Hans", "text": "二"},
    {"group": "b", "lang": "bod_Tibt", "text": "གཉིས"},
]
Rows = list[dict[str, Any]]


def write(path: Path, rows: Rows) -> Path:
    """The rows in the format that the file's name says."""
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        between = "," if path.suffix == ".csv" else "\t"
        lines = [between.join(rows[0]), *(between.join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(path: Path, **settings: object) -> Table:
    return Table(Table.Config.model_validate({"path": str(path), **settings}))


def read(path: Path, **settings: object) -> list[Utterance]:
    one = table(path, **settings)
    one.check()
    return list(one.items())


def complaint(path: Path, **settings: object) -> str:
    with pytest.raises(CorpusforgeError) as caught:
        table(path, **settings).check()
    return str(caught.value)


def csv(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FORMATS = pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])

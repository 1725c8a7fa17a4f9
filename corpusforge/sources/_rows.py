"""The rows of a table file, whatever its format: one at a time, each with its place."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from corpusforge.errors import MissingDependency, SourceError
from corpusforge.sources._files import Report, read_lines, refuse

Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet"]
Row: TypeAlias = tuple[int, Mapping[str, Any]]
"""Place (the line it begins on, or the number of a Parquet row, from 1) and cells by column."""

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_BATCH = 256  # Parquet rows in memory at once


class TableFile:
    """A table on disk.

    Args:
        path: The file.
        format: None goes by the file name's end.
        quoting: Whether quotes enclose cells in CSV and TSV; None means that they do in CSV and are text in TSV.

    Raises:
        SourceError: No such file, or no format known for its name.
    """

    def __init__(self, path: Path, format: Format | None = None, quoting: bool | None = None) -> None:
        if not path.is_file():
            there = "is a folder" if path.is_dir() else "does not exist"
            raise SourceError(f"{path}: {there}; expected a table file ({', '.join(_SUFFIXES)}) at source.path")
        known = format or _SUFFIXES.get(path.suffix.lower())
        if known is None:
            raise SourceError(
                f"{path}: no table format is known for '{path.suffix}'; expected {', '.join(_SUFFIXES)}, "
                "or source.format set to csv, tsv, jsonl or parquet"
            )
        self.path = path
        self.format: Format = known
        self.quoting = self.format == "csv" if quoting is None else quoting

    def at(self, place: int) -> str:
        """A row's place in words: `texts.csv:12`, `texts.parquet: row 12`."""
        return f"{self.path}: row {place}" if self.format == "parquet" else f"{self.path}:{place}"

    def columns(self) -> tuple[str, ...]:
        """Names of the columns; in JSONL, the keys of the first row."""
        if self.format == "parquet":
            return tuple(self._open_parquet().schema_arrow.names)
        if self.format == "jsonl":
            for _, row in self._json_rows(refuse):
                return tuple(row)
            raise SourceError(f"{self.path}: no rows; expected one JSON object a line")
        return tuple(self._header(self._records(refuse)))

    def rows(self, report: Report, columns: Collection[str]) -> Iterator[Row]:
        """Every row; of Parquet only `columns` are read, as others may hold audio. Damaged rows are reported."""
        if self.format == "parquet":
            return self._parquet_rows(columns)
        return self._json_rows(report) if self.format == "jsonl" else self._delimited_rows(report)

    def _records(self, report: Report) -> Iterator[tuple[int, list[str]]]:
        """Records of CSV or TSV with the line that each begins on. A quoting error ends them: what follows is moot."""
        lines = (line or "" for line in read_lines(self.path, report, keep_ends=True))
        reader = csv.reader(
            lines,
            delimiter="," if self.format == "csv" else "\t",
            quoting=csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE,
            strict=True,
        )
        while True:
            begin = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                report(f"{self.path}:{begin}: not {self.format.upper()}: {error}; see source.quoting")
                return
            if cells:
                yield begin, cells

    def _header(self, records: Iterator[tuple[int, list[str]]]) -> list[str]:
        _, header = next(records, (0, []))
        if not header:
            raise SourceError(f"{self.path}: empty; expected a first line with the columns' names")
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise SourceError(f"{self.path}:1: two columns are named '{twice[0]}'; expected each name once")
        return header

    def _delimited_rows(self, report: Report) -> Iterator[Row]:
        records = self._records(report)
        header = self._header(records)
        for place, cells in records:
            if len(cells) != len(header):
                report(f"{self.at(place)}: {len(cells)} cells, expected {len(header)} as in the first line")
            else:
                yield place, dict(zip(header, cells, strict=True))

    def _json_rows(self, report: Report) -> Iterator[Row]:
        for place, line in enumerate(read_lines(self.path, report), start=1):
            if line is None or not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                report(f"{self.at(place)}: not JSON: {error}; expected one object a line")
                continue
            if isinstance(row, dict):
                yield place, row
            else:
                report(f"{self.at(place)}: expected a JSON object, found {type(row).__name__}")

    def _open_parquet(self) -> Any:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise MissingDependency(f"{self.path}: reading Parquet needs pyarrow: pip install pyarrow") from error
        try:
            return pyarrow.parquet.ParquetFile(self.path)
        except (pyarrow.ArrowException, OSError) as error:
            raise SourceError(f"{self.path}: not a whole Parquet file: {error}") from error

    def _parquet_rows(self, columns: Collection[str]) -> Iterator[Row]:
        import pyarrow

        file = self._open_parquet()
        held = [name for name in file.schema_arrow.names if name in columns]
        place = 0
        with file:
            try:
                for batch in file.iter_batches(batch_size=_BATCH, columns=held):
                    for row in batch.to_pylist():
                        place += 1
                        yield place, row
            # A string column may hold bytes that are no UTF-8.
            except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
                raise SourceError(f"{self.path}: damaged after row {place}: {error}") from error

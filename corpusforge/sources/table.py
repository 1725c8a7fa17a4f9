"""Your own text: CSV, TSV, JSONL or Parquet, with a column a language or with a row an utterance."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from corpusforge.errors import CorpusforgeError, SourceError, nearest
from corpusforge.items import Utterance
from corpusforge.sources._files import Problems, Report, from_recipe, refuse
from corpusforge.sources._rows import Format, TableFile
from corpusforge.sources.base import Outline, Source, SourceConfig

# Ids, labels and documents stand in file names, TSV cells and lines: none may end a line or cannot be UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class TableConfig(SourceConfig):
    """Settings of the source `table`.

    A column that is named here must exist. Columns with the default names are used where the table has them, and
    null leaves them alone.

    Attributes:
        path: The file.
        format: csv, tsv, jsonl or parquet; None goes by the file name's end.
        quoting: Whether quotes enclose cells; None: they do in CSV, and are plain text in TSV.
        layout: `wide` has a column a language, `long` a row an utterance.
        columns: Wide: language to column. None: the columns that are named by FLORES codes.
        languages: Languages to read, in the order of the corpus. None: all that the table has.
        id: Wide: column of the group's id. Without it groups are `row-000001`, counted from 1.
        text: Long: column of the sentence.
        lang: Long: column of the sentence's FLORES code.
        group: Long: column of the parallel group, whose rows must follow each other. Without it every row is a group
            of its own, `row-000001`.
        document: Column of the article; without it every group is its own.
        label: Column of the class.
        license: SPDX id of the text's licence.
        license_column: Column of a row's own licence, which goes before `license`.
        source: Where the text comes from; None is the file's name.
        source_column: Column of a row's own source, which goes before `source`.
        citation: BibTeX of what a publication that uses the text has to cite, for the card of a published corpus.
        missing: What to do with a sentence that is empty or not there: `error`, or `skip` it.
    """

    path: str
    format: Format | None = None
    quoting: bool | None = None
    layout: Literal["wide", "long"] = "wide"
    columns: dict[str, str] | None = None
    languages: tuple[str, ...] | None = None
    id: str | None = "id"
    text: str = "text"
    lang: str = "lang"
    group: str | None = "group"
    document: str | None = "document"
    label: str | None = "label"
    license: str = "unknown"
    license_column: str | None = "license"
    source: str | None = None
    source_column: str | None = "source"
    citation: str | None = None
    missing: Literal["error", "skip"] = "error"

    @field_validator("path")
    @classmethod
    def _from_recipe(cls, value: str, info: ValidationInfo) -> str:
        return from_recipe(value, info)

    @field_validator("columns", "languages")
    @classmethod
    def _each_once(cls, value: Any) -> Any:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError(f"expected at least one language, each once; found {list(value)}")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> TableConfig:
        other = {"wide": ("text", "lang", "group"), "long": ("columns", "id")}[self.layout]
        wrong = [name for name in other if name in self.model_fields_set and getattr(self, name) is not None]
        if wrong:
            belongs = "long" if self.layout == "wide" else "wide"
            raise ValueError(f"{' and '.join(wrong)}: belongs to layout: {belongs}, and layout is {self.layout}")
        if self.columns is not None and self.languages is not None:
            raise ValueError("columns names the languages already: leave languages out")
        return self


@dataclass(slots=True)
class _Group:
    """A parallel group as read: text, source and licence by language, and the place of each language's row."""

    name: str
    place: int
    document: str
    label: str | None
    texts: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)


class Table(Source):
    """Reads a table row by row, as often as it is asked."""

    name = "table"
    Config: ClassVar[type[TableConfig]] = TableConfig

    def __init__(self, config: TableConfig) -> None:
        super().__init__(config)
        self.config: TableConfig = config

    @cached_property
    def _file(self) -> TableFile:
        return TableFile(Path(self.config.path), self.config.format, self.config.quoting)

    def citations(self) -> Sequence[str]:
        """What the recipe says."""
        return () if self.config.citation is None else (self.config.citation,)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """FLORES codes, in order. Found by a look at the table where the settings name none."""
        if self.config.columns is not None:
            return tuple(self.config.columns)
        if self.config.languages is not None:
            return self.config.languages
        if self.config.layout == "wide":
            found = [column for column in self._file.columns() if _unknown(column) is None]
            expected = "source.columns, or columns named by FLORES codes such as bod_Tibt"
        else:
            self._named_columns()
            column = self.config.lang
            codes = (row.get(column) for _, row in self._file.rows(lambda problem: None, {column}))
            found = list(dict.fromkeys(code for code in codes if isinstance(code, str) and _unknown(code) is None))
            expected = f"FLORES codes such as bod_Tibt in the column '{column}'"
        if not found:
            raise SourceError(
                f"{self._file.path}: no language found: expected {expected}; the columns are "
                f"{', '.join(self._file.columns())}"
            )
        return tuple(found)

    def files(self) -> Sequence[Path]:
        return (Path(self.config.path),)

    def check(self) -> None:
        """Raise on unknown languages and columns, damaged rows, repeated ids, and sentences that are not there.

        Raises:
            CorpusforgeError: The first problems with file and line, and how many there are.
        """
        from corpusforge.text import languages

        for code in self.languages:
            languages.check(code, "source.columns" if self.config.columns else "source.languages")
        problems, seen = Problems(), _Places()
        spoken: set[str] = set()
        for group in self._groups(problems.add):
            before = seen.first(group.name, group.place)
            if before is not None:
                problems.add(self._repeated(group.name, group.place, before))
            spoken.update(group.texts)
        if not problems.count:
            for code in self.languages:
                if code not in spoken:
                    problems.add(f"no sentence in {code}: expected at least one")
        problems.raise_if_any(str(self._file.path))

    def outline(self) -> Iterator[Outline]:
        for group in self._groups(refuse):
            yield Outline(group.name, group.document, group.label)

    def items(self, groups: Container[str] | None = None) -> Iterator[Utterance]:
        for group in self._groups(refuse):
            if groups is None or group.name in groups:
                for lang in self.languages:
                    if lang in group.texts:
                        text, source, license = group.texts[lang]
                        yield Utterance(
                            f"{group.name}.{lang}", group.name, group.document, lang, text, group.label, source, license
                        )

    def _groups(self, report: Report) -> Iterator[_Group]:
        """Every group that has a sentence, in the order of the table."""
        groups = self._wide(report) if self.config.layout == "wide" else self._long(report)
        return (group for group in groups if group.texts)

    def _wide(self, report: Report) -> Iterator[_Group]:
        columns = self.config.columns or {code: code for code in self.languages}
        meta = self._named_columns(*columns.values())
        for number, (place, row) in enumerate(self._file.rows(report, {*meta.values(), *columns.values()}), start=1):
            name = self._group_name(row, meta.get("id"), number, place, report)
            if name is None:
                continue
            group = self._new_group(name, row, meta, place, report)
            rights = self._rights(row, meta, place, report)
            for lang, column in columns.items():
                text = self._text(row, column, lang, place, report)
                if text is not None:
                    group.texts[lang] = (text, *rights)
            yield group

    def _long(self, report: Report) -> Iterator[_Group]:
        meta = self._named_columns(self.config.text, self.config.lang)
        group: _Group | None = None
        for number, (place, row) in enumerate(
            self._file.rows(report, {*meta.values(), self.config.text, self.config.lang}), start=1
        ):
            lang = self._cell(row, self.config.lang, place, report)
            if lang not in self.languages:
                unknown = "no language" if lang is None else _unknown(lang)
                if unknown:
                    report(f"{self._file.at(place)}: {unknown} in the column '{self.config.lang}'")
                continue
            name = self._group_name(row, meta.get("group"), number, place, report)
            if name is None:
                continue
            if group is None or group.name != name:
                if group is not None:
                    yield self._whole(group, meta, report)
                group = self._new_group(name, row, meta, place, report)
            else:
                self._same(group, row, meta, place, report)
            text = self._text(row, self.config.text, lang, place, report)
            before = group.places.setdefault(lang, place)
            if before != place:
                report(f"{self._repeated(name, place, before)}, and both are {lang}")
            elif text is not None:
                group.texts[lang] = (text, *self._rights(row, meta, place, report))
        if group is not None:
            yield self._whole(group, meta, report)

    def _named_columns(self, *required: str) -> dict[str, str]:
        """Columns besides the text that the table has, by setting; complains of those that it should have."""
        held = self._file.columns()
        meta: dict[str, str] = {}
        own = "id" if self.config.layout == "wide" else "group"
        for setting in (own, "document", "label", "license_column", "source_column"):
            column = getattr(self.config, setting)
            if column is None:
                continue
            if setting in self.config.model_fields_set:
                meta[setting] = column
                required = (*required, column)
            elif column not in required and self._has(column, held):
                meta[setting] = column
        for column in required:
            if not self._has(column, held):
                raise SourceError(f"{self._file.path}: no column '{column}': {nearest(column, held)}")
        return meta

    def _has(self, column: str, held: tuple[str, ...]) -> bool:
        # A JSON object may leave out a key that later ones have.
        return column in held or (self._file.format == "jsonl" and column in self._all_keys)

    @cached_property
    def _all_keys(self) -> frozenset[str]:
        """Every key of a JSONL table: a pass of its own, made where the first row lacks one of those asked for."""
        return frozenset(key for _, row in self._file.rows(lambda problem: None, ()) for key in row)

    def _new_group(self, name: str, row: Mapping[str, Any], meta: dict[str, str], place: int, report: Report) -> _Group:
        document = self._cell(row, meta.get("document"), place, report)
        return _Group(name, place, document or name, self._cell(row, meta.get("label"), place, report))

    def _same(self, group: _Group, row: Mapping[str, Any], meta: dict[str, str], place: int, report: Report) -> None:
        """A group has one document and one label, whichever of its rows is asked."""
        other = self._new_group(group.name, row, meta, place, report)
        for what, one, two in (("document", group.document, other.document), ("label", group.label, other.label)):
            if one != two:
                report(
                    f"{self._file.at(place)}: {what} {two!r} of group '{group.name}', but {one!r} at "
                    f"{self._file.at(group.place)}; expected the same in the whole group"
                )

    def _whole(self, group: _Group, meta: dict[str, str], report: Report) -> _Group:
        if self.config.missing == "error" and "group" in meta:
            for lang in self.languages:
                if lang not in group.places:
                    report(f"{self._file.at(group.place)}: group '{group.name}' has no sentence in {lang}; {_SKIP}")
        return group

    def _group_name(
        self, row: Mapping[str, Any], column: str | None, number: int, place: int, report: Report
    ) -> str | None:
        if column is None:
            return f"row-{number:06d}"
        name = self._cell(row, column, place, report)
        if name is None:
            report(f"{self._file.at(place)}: empty '{column}'; expected the name of a group")
        return name

    def _rights(self, row: Mapping[str, Any], meta: dict[str, str], place: int, report: Report) -> tuple[str, str]:
        """Source and licence of a row."""
        source = self._cell(row, meta.get("source_column"), place, report)
        license = self._cell(row, meta.get("license_column"), place, report)
        return source or self.config.source or self._file.path.name, license or self.config.license

    def _text(self, row: Mapping[str, Any], column: str, lang: str, place: int, report: Report) -> str | None:
        """A sentence as written, or None where there is none."""
        text = row.get(column)
        if text is None or text != text or (isinstance(text, str) and not text.strip()):  # NaN is empty, too
            if self.config.missing == "error":
                report(f"{self._file.at(place)}: no sentence in {lang}: '{column}' is empty; {_SKIP}")
            return None
        where = f"{self._file.at(place)}: '{column}'"
        if not isinstance(text, str):
            report(f"{where}: expected a text, found {type(text).__name__} {text!r:.40}")
            return None
        if "\0" in text:
            report(f"{where}: NUL character at {text.index(chr(0)) + 1}; expected text")
            return None
        try:
            text.encode()
        except UnicodeEncodeError as error:
            report(f"{where}: half a surrogate pair at {error.start + 1}; expected text")
            return None
        return text

    def _cell(self, row: Mapping[str, Any], column: str | None, place: int, report: Report) -> str | None:
        """An id, label or name: a text or a number; None where the cell is empty."""
        value = None if column is None else row.get(column)
        if value is None or value == "" or value != value:  # NaN is how pandas writes an empty cell
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        if not isinstance(value, str):
            report(f"{self._file.at(place)}: '{column}': expected a text or a number, found {type(value).__name__}")
            return None
        control = _CONTROL.search(value)
        if control:
            report(f"{self._file.at(place)}: '{column}': control character {control.group()!r} in {value!r:.60}")
            return None
        return value

    def _repeated(self, name: str, place: int, before: int) -> str:
        """Two rows that claim one id."""
        at, there = self._file.at(place), self._file.at(before)
        if self.config.layout == "wide":
            return f"{at}: id '{name}' was there before, at {there}; expected each once"
        return f"{at}: group '{name}' was there before, at {there}; expected its rows together, one a language"


_SKIP = "set source.missing to skip to leave such sentences out"


@lru_cache(maxsize=1024)
def _unknown(code: str) -> str | None:
    """What is wrong with a language code, or None if it is one of FLORES-200's."""
    from corpusforge.text import languages

    try:
        languages.check(code, "")
    except CorpusforgeError:
        return f"'{code}' is not a FLORES code"
    return None


class _Places:
    """Where every id was first seen. A private SQLite database on disk: ids need not fit into memory."""

    def __init__(self) -> None:
        self._index = sqlite3.connect("")
        self._index.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID")

    def first(self, id: str, place: int) -> int | None:
        """Remember a place, or return that of an earlier one of the same id."""
        if self._index.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (id, place)).rowcount:
            return None
        found: int = self._index.execute("SELECT place FROM seen WHERE id = ?", (id,)).fetchone()[0]
        return found

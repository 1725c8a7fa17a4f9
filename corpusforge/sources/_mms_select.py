"""Which rows of a language a corpus takes: limits, duplicates, and turns by rank. Rows lie in SQLite, not in memory."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sqlite3
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from corpusforge.errors import SourceError, nearest
from corpusforge.sources._files import Problems
from corpusforge.sources._mms_rows import Row, content_name

log = logging.getLogger(__name__)

_VERSION = 1  # of the rules in this module: another one makes selections that are kept on disk anew
_PORTION = 2048  # rows that are written at once

Queue: TypeAlias = Iterator[tuple[int, int]]
"""Rows of one label and source, best first: rank and row number."""


@dataclass(frozen=True)
class Rule:
    """What is asked of a selection; the same as the settings of `mms` that have these names.

    Attributes:
        limits: Most rows by source, '*' standing for every source that is not named.
    """

    sample: int | None
    balance: tuple[str, ...]
    limits: Mapping[str, int]
    min_length: int
    max_length: int | None
    seed: int
    deduplicate: bool

    @property
    def digest(self) -> str:
        """A short name of this rule, for a file."""
        written = json.dumps([_VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(written.encode()).hexdigest()[:16]

    def limit(self, source: str) -> int | None:
        """How many rows of a source may be taken; None for any number."""
        return self.limits.get(source, self.limits.get("*"))


def _number(text: str) -> int:
    """64 bits of a SHA-256, as SQLite holds them: among all of mms, two alike are a chance of one in a million."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


def folded(text: str) -> str:
    """The text as it is compared: Unicode NFC, with every run of blanks one space."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


Chosen: TypeAlias = tuple[str, int, str, str]
"""A row of the selection: group, place of its label in `LABELS`, original dataset, text."""


class Selection:
    """The chosen rows, in the order of their ranks: balanced from the first to the last. Repeatable."""

    def __init__(self, database: sqlite3.Connection, where: str) -> None:
        self._database = database
        self._where = where

    @classmethod
    def open(cls, path: Path) -> Selection:
        """A selection that `select` wrote to a file."""
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        return cls(database, f"{path}: damaged; remove it, and the selection is made anew")

    def __len__(self) -> int:
        count: int = next(self._query("SELECT count(*) FROM chosen"))[0]
        return count

    def outline(self) -> Iterator[tuple[str, int]]:
        """Group and label of every row."""
        return self._query("SELECT name, label FROM chosen ORDER BY rowid")

    def rows(self) -> Iterator[Chosen]:
        return self._query("SELECT name, label, source, text FROM chosen ORDER BY rowid")

    def _query(self, sql: str) -> Iterator[Any]:
        try:
            yield from self._database.execute(sql)
        except sqlite3.DatabaseError as error:
            raise SourceError(f"{self._where} ({error})") from error


@dataclass(frozen=True, slots=True)
class Words:
    """How messages call the table, its language, and a row by its place."""

    table: str
    language: str
    at: Callable[[int], str]


def select(rows: Iterable[tuple[int, Row]], rule: Rule, what: Words, into: Path | None = None) -> Selection:
    """Choose rows, in one pass over the table.

    Args:
        rows: Rows of one language with their places. They are read to their end before anything is judged.
        rule: What to choose.
        what: Names the table and its rows in messages.
        into: File for the selection, written whole or not at all; None keeps it private to this process.

    Raises:
        SourceError: Repeated ids, a source in the limits that the table has not, or no row that fits the rule.
    """
    try:
        return _Sieve(rule, what).select(rows, into)
    except sqlite3.OperationalError as error:  # a full disk, most of all
        where = into.parent if into is not None else "the folder for temporary files (TMPDIR)"
        raise SourceError(f"{what.table}: its rows cannot be sorted: {error}; see whether {where} has room") from error


class _Sieve:
    """The tables of one selection: `line` has every row that the limits admit, `kept` those that are no duplicates."""

    def __init__(self, rule: Rule, what: Words) -> None:
        self._rule = rule
        self._what = what
        self._out: Counter[str] = Counter()  # rows that are left out, by reason
        self._sources: dict[str, int] = {}  # every one that the language has, with its number
        self._barred: set[int] = set()
        # Private, and on disk once it outgrows SQLite's cache: a language may have millions of rows.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(
            "CREATE TABLE line (content INTEGER, rank INTEGER, label INTEGER, source INTEGER, place INTEGER, "
            "given INTEGER, name TEXT, text TEXT)"
        )

    def select(self, rows: Iterable[tuple[int, Row]], into: Path | None) -> Selection:
        run = self._database.execute
        run("BEGIN")
        self._fill(rows)
        self._refuse_repeated_ids()
        unknown = sorted(self._rule.limits.keys() - self._sources.keys() - {"*"})
        if unknown and self._sources:
            raise SourceError(
                f"{self._what.table}: no row in {self._what.language} is of '{unknown[0]}' (source.sources): "
                f"{nearest(unknown[0], self._sources)}"
            )
        if self._rule.deduplicate:
            # With one min() in a query, SQLite takes the other columns from the row that has it.
            run(
                "CREATE TABLE kept AS SELECT min(rank) AS rank, label, source, rowid AS line FROM line "
                "GROUP BY content HAVING count(DISTINCT label) = 1"
            )
        else:
            run("CREATE TABLE kept AS SELECT rank, label, source, rowid AS line FROM line")
        self._choose()
        self._complain_if_empty()
        run("COMMIT")
        if into is None:
            self._write("main")
            return Selection(self._database, self._what.table)
        self._export(into)
        return Selection.open(into)

    def _fill(self, rows: Iterable[tuple[int, Row]]) -> None:
        rule, seed, shortest = self._rule, f"{self._rule.seed}:", self._rule.min_length
        longest = rule.max_length if rule.max_length is not None else float("inf")
        portion: list[tuple[object, ...]] = []
        insert = "INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        for place, (id, label, origin, text) in rows:
            source = self._sources.get(origin)
            if source is None:
                source = self._sources[origin] = len(self._sources)
                if rule.limit(origin) == 0:
                    self._barred.add(source)
            plain = folded(text)
            if not shortest <= len(plain) <= longest:
                self._out["shorter than min_length" if len(plain) < shortest else "longer than max_length"] += 1
                continue
            if source in self._barred:
                self._out["of sources that are left out"] += 1
                continue
            # A row's rank depends on nothing but the row, so that the order of the table never matters.
            identity = content_name(origin, label, text) if id is None else id
            name = f"mms-{identity}"
            portion.append((_number(plain), _number(seed + identity), label, source, place, id is not None, name, text))
            if len(portion) == _PORTION:
                self._database.executemany(insert, portion)
                portion.clear()
        self._database.executemany(insert, portion)

    def _refuse_repeated_ids(self) -> None:
        problems = Problems()
        for name, first, last in self._database.execute(
            "SELECT name, min(place), max(place) FROM line WHERE given GROUP BY name HAVING count(*) > 1 ORDER BY 2"
        ):
            id = name.removeprefix("mms-")
            at, before = self._what.at(last), self._what.at(first)
            problems.add(f"{at}: '_id' {id} was there before, at {before}; expected each once")
        problems.raise_if_any(self._what.table)

    def _choose(self) -> None:
        """Mark the rows to take: all, where nothing limits them, else those that come up in turn."""
        count: int = self._database.execute("SELECT count(*) FROM kept").fetchone()[0]
        wanted = count if self._rule.sample is None else min(self._rule.sample, count)
        limited = any(limit is not None for limit in map(self._rule.limit, self._sources))
        if wanted == count and not limited:
            self._database.execute("CREATE TABLE pick AS SELECT line, rank FROM kept")
            return
        self._database.execute("CREATE INDEX turn ON kept (label, source, rank)")
        strata = self._database.execute("SELECT DISTINCT label, source FROM kept").fetchall()
        names = {number: name for name, number in self._sources.items()}
        queues = {(label, names[source]): self._queue(label, source) for label, source in strata}
        self._database.execute("CREATE TABLE pick (line INTEGER, rank INTEGER)")
        chosen = take_turns(queues, wanted, self._rule)
        self._database.executemany("INSERT INTO pick VALUES (?, ?)", ((line, rank) for rank, line in chosen))

    def _queue(self, label: int, source: int) -> Queue:
        return iter(
            self._database.execute(
                "SELECT rank, line FROM kept WHERE label = ? AND source = ? ORDER BY rank, line", (label, source)
            )
        )

    def _complain_if_empty(self) -> None:
        chosen = self._database.execute("SELECT count(*) FROM pick").fetchone()[0]
        lines = self._database.execute("SELECT count(*) FROM line").fetchone()[0]
        kept = self._database.execute("SELECT count(*) FROM kept").fetchone()[0]
        if lines - kept:
            self._out["duplicates, or labelled in contradiction"] = lines - kept
        left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(self._out.items()))
        log.info("%s: %d rows in %s chosen of %d; %s", self._what.table, chosen, self._what.language, kept, left_out)
        if not chosen:
            raise SourceError(
                f"{self._what.table}: no row in {self._what.language} is left to choose: "
                f"{left_out or 'there is none'}; see source.min_length, max_length and sources"
            )

    def _write(self, schema: str) -> None:
        self._database.execute("CREATE TABLE named (number INTEGER PRIMARY KEY, source TEXT)")
        names = ((number, source) for source, number in self._sources.items())
        self._database.executemany("INSERT INTO named VALUES (?, ?)", names)
        self._database.execute(
            f"CREATE TABLE {schema}.chosen AS SELECT name, label, named.source AS source, text FROM pick "
            "JOIN line ON line.rowid = pick.line JOIN named ON named.number = line.source ORDER BY pick.rank, name"
        )
        if not self._rule.deduplicate:
            # Equal rows without an id have one name: they are counted on, and it does not matter which is which.
            self._database.execute(
                f"UPDATE {schema}.chosen SET name = chosen.name || '-' || copies.copy FROM (SELECT rowid AS place, "
                f"row_number() OVER (PARTITION BY name ORDER BY rowid) AS copy FROM {schema}.chosen) AS copies "
                "WHERE copies.place = chosen.rowid AND copies.copy > 1"
            )

    def _export(self, into: Path) -> None:
        made = into.with_name(f".{into.name}.{secrets.token_hex(8)}.tmp")
        made.unlink(missing_ok=True)
        try:
            self._database.execute("ATTACH ? AS file", (str(made),))
            self._write("file")
            self._database.execute("DETACH file")
            made.replace(into)
        finally:
            made.unlink(missing_ok=True)


@dataclass(slots=True)
class _Stratum:
    source: str
    queue: Queue
    head: tuple[int, int] | None


def take_turns(queues: Mapping[tuple[int, str], Queue], wanted: int, rule: Rule) -> Iterator[tuple[int, int]]:
    """The rows to take, in the order in which they come up.

    With `label` in `rule.balance` the labels take turns, and a label that has no row left leaves its turns to the
    others. With `source` in it, a turn goes to the source that had the fewest of that label's turns; otherwise, and
    among sources that had equally many, to the row of the lowest rank. A source that has reached its limit is out.

    A larger `wanted` only adds rows at the end.
    """
    pools: dict[int, list[_Stratum]] = {}
    for (label, source), queue in sorted(queues.items(), key=lambda entry: entry[0]):
        stratum = _Stratum(source, queue, next(queue, None))
        pools.setdefault(label if "label" in rule.balance else 0, []).append(stratum)
    by_source = "source" in rule.balance
    limits = {source: rule.limit(source) for _, source in queues}
    taken: Counter[str] = Counter()
    turns: dict[int, Counter[str]] = {pool: Counter() for pool in pools}
    waiting = deque(sorted(pools))
    while waiting and wanted > 0:
        pool = waiting.popleft()
        best: _Stratum | None = None
        best_key: tuple[int, tuple[int, int]] | None = None
        for stratum in pools[pool]:
            limit = limits[stratum.source]
            if stratum.head is None or (limit is not None and taken[stratum.source] >= limit):
                continue
            key = (turns[pool][stratum.source] if by_source else 0, stratum.head)
            if best_key is None or key < best_key:
                best, best_key = stratum, key
        if best is None or best.head is None:
            continue  # limits are only ever reached, never left: this pool is done
        yield best.head
        best.head = next(best.queue, None)
        taken[best.source] += 1
        turns[pool][best.source] += 1
        wanted -= 1
        waiting.append(pool)

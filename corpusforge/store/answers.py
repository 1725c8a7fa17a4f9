"""Answers that were paid for: kept the moment they arrive, so that no kill, no new check and no rebuild pays again.

Results of stages are found by what the stage makes; an answer here is found by the request itself. A stage that asks a
model twice about one item (to mend its answer) finds the first answer here when it starts anew.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpusforge.errors import WorkspaceError
from corpusforge.items import Json

FILE = "answers.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, corpus TEXT NOT NULL, kind TEXT NOT NULL, made REAL NOT NULL, answer TEXT NOT NULL,
    requests INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, usd REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_kind ON answers (kind, tokens_in, tokens_out);
CREATE INDEX IF NOT EXISTS answers_corpus ON answers (corpus, requests, tokens_in, tokens_out, usd);
CREATE TABLE IF NOT EXISTS pending (
    name TEXT PRIMARY KEY, service TEXT NOT NULL, id TEXT, corpus TEXT NOT NULL, made REAL NOT NULL, keys TEXT NOT NULL,
    requests INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, usd REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wasted (corpus TEXT PRIMARY KEY, requests INTEGER NOT NULL) WITHOUT ROWID;
"""
_PUT = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_WASTE = "INSERT INTO wasted VALUES (?, ?) ON CONFLICT (corpus) DO UPDATE SET requests = requests + excluded.requests"


@dataclass(frozen=True, slots=True)
class Spent:
    """What answers cost.

    Attributes:
        requests: Tries that were sent, failed ones included.
        tokens_in, tokens_out: Tokens, as the service counts them.
        usd: US dollars; 0 where no price was given.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.usd + other.usd,
        )


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch of requests at a service, or on its way there.

    Attributes:
        name: Ours.
        id: What the service calls it; None if it is not known whether it got there.
        corpus: Whose money it is.
        made: Seconds since the epoch.
        keys: The requests, as hex.
        dearest: The most that it can cost.
    """

    name: str
    id: str | None
    corpus: str
    made: float
    keys: tuple[str, ...]
    dearest: Spent = Spent()


class Answers:
    """The answers of a workspace, in one SQLite file. Every `put` is on its way to the disk when it returns.

    Args:
        folder: The workspace's own folder.
        reading: Never create or write the file; an absent one is empty.
    """

    def __init__(self, folder: Path, reading: bool = False) -> None:
        self._path = path = folder / FILE
        try:
            absent = reading and not path.is_file()
            self._db = sqlite3.connect(":memory:" if absent else path, isolation_level=None, timeout=30)
            if not reading:
                self._db.execute("PRAGMA journal_mode=WAL")
                # A process that is killed loses nothing; a machine that loses power may lose the last answers.
                self._db.execute("PRAGMA synchronous=NORMAL")
            if absent or not reading:
                self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def get(self, key: bytes) -> Json | None:
        """The answer to a request, None if it was never answered."""
        row = self._read("SELECT answer FROM answers WHERE key = ?", (key,))
        return None if row is None else json.loads(row[0])

    def put(self, key: bytes, corpus: str, kind: str, answer: Json, spent: Spent) -> None:
        """Keep an answer. `kind` groups answers that cost about the same, for estimates.

        Raises:
            WorkspaceError: It cannot be written.
        """
        self._write(_PUT, _row(key, corpus, kind, answer, spent))

    def waste(self, corpus: str, requests: int) -> None:
        """Count requests that brought no answer."""
        self._write(_WASTE, (corpus, requests))

    def spent(self, corpus: str, usd: Callable[[int, int], float] = lambda tokens_in, tokens_out: 0.0) -> Spent:
        """What a corpus has cost so far, over all its builds.

        Args:
            corpus: Its name.
            usd: What tokens in and out cost now: for answers that were bought when no price was given.
        """
        total = "SELECT total(requests), total(tokens_in), total(tokens_out), total(usd) FROM answers WHERE corpus = ?"
        requests, tokens_in, tokens_out, known = self._one(total, corpus)
        free = "SELECT total(tokens_in), total(tokens_out) FROM answers WHERE corpus = ? AND usd IS NULL"
        cost = known + usd(*map(int, self._one(free, corpus)))
        (wasted,) = self._one("SELECT total(requests) FROM wasted WHERE corpus = ?", corpus)
        return Spent(int(requests + wasted), int(tokens_in), int(tokens_out), cost)

    def mean_tokens(self, kind: str) -> tuple[int, float, float]:
        """How many answers of a kind there are, and their mean tokens in and out."""
        query = "SELECT count(*), avg(tokens_in), avg(tokens_out) FROM answers WHERE kind = ?"
        count, tokens_in, tokens_out = self._one(query, kind)
        return count, tokens_in or 0.0, tokens_out or 0.0

    # Batches

    def batches(self, service: str) -> list[PendingBatch]:
        """Batches of a service that have not been taken in yet, the oldest first."""
        columns = "name, id, corpus, made, keys, requests, tokens_in, tokens_out, usd"
        query = f"SELECT {columns} FROM pending WHERE service = ? ORDER BY made, name"
        try:
            rows = self._db.execute(query, (service,)).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        return [
            PendingBatch(name, id, corpus, made, tuple(json.loads(keys)), Spent(*dearest))
            for name, id, corpus, made, keys, *dearest in rows
        ]

    def put_batch(self, service: str, batch: PendingBatch) -> None:
        """Remember a batch: once before it is made (without an id), once after."""
        dearest = batch.dearest
        amounts = (dearest.requests, dearest.tokens_in, dearest.tokens_out, dearest.usd)
        row = (batch.name, service, batch.id, batch.corpus, batch.made, json.dumps(batch.keys), *amounts)
        self._write("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def take_in(self, batch: PendingBatch, rows: Iterable[tuple[bytes, str, Json, Spent]], unanswered: int) -> None:
        """Keep the answers of a batch, each with key, kind and cost, and forget the batch, in one step.

        Args:
            batch: It is over.
            rows: What was answered.
            unanswered: Requests that brought no answer.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(_PUT, (_row(key, batch.corpus, *row) for key, *row in rows))
                if unanswered:
                    self._db.execute(_WASTE, (batch.corpus, unanswered))
                self._db.execute("DELETE FROM pending WHERE name = ?", (batch.name,))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # an error of the disk's has ended it already
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._unwritten(error) from error

    def drop_batch(self, name: str) -> None:
        """Forget a batch of which nothing will come."""
        self._write("DELETE FROM pending WHERE name = ?", (name,))

    def _one(self, query: str, value: str) -> tuple[Any, ...]:
        row = self._read(query, (value,))
        assert row is not None  # an aggregate has a row
        return row

    def _read(self, query: str, values: tuple[Json, ...]) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        return row

    def _damaged(self, error: sqlite3.Error) -> WorkspaceError:
        mend = "delete it to go on: what it held is asked and paid for again"
        return WorkspaceError(f"{self._path}: {error}; if the file is damaged, {mend}")

    def _write(self, statement: str, values: tuple[Json, ...] | Mapping[str, Json]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: sqlite3.Error) -> WorkspaceError:
        return WorkspaceError(f"{self._path}: {error}: an answer that was paid for cannot be kept")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _row(key: bytes, corpus: str, kind: str, answer: Json, spent: Spent) -> tuple[Json, ...]:
    text = json.dumps(answer, ensure_ascii=False)
    usd = spent.usd or None  # without a price nobody knows, which is not nothing
    return (key, corpus, kind, time.time(), text, spent.requests, spent.tokens_in, spent.tokens_out, usd)

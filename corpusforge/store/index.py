"""The index: what is known of every key, and which keys each item of each corpus went through last time.

One SQLite file in WAL mode. The driver alone writes it; any process may read it meanwhile.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from corpusforge.errors import WorkspaceError
from corpusforge.items import Done, Json, Rejected
from corpusforge.store.keys import SKIPPED, canonical

INDEX_VERSION = 2
DONE, REJECTED = 0, 1
CACHE_KIB = 64 * 1024
"""Pages that a connection keeps in memory."""
WAL_PAGES = 8000
"""Pages of 4 KiB in the write-ahead log before they go to the file itself."""
_MANY = 400  # values in one IN (…) list

_SCHEMA = """
CREATE TABLE settings (id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE);
CREATE TABLE results (key BLOB PRIMARY KEY, status INTEGER NOT NULL, outcome TEXT NOT NULL,
                      settings INTEGER NOT NULL, inputs TEXT NOT NULL, seconds REAL NOT NULL);
CREATE TABLE failures (key BLOB PRIMARY KEY, corpus INTEGER NOT NULL, item TEXT NOT NULL,
                       settings INTEGER NOT NULL, error TEXT NOT NULL, attempts INTEGER NOT NULL);
CREATE TABLE corpora (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, folder TEXT NOT NULL,
                      complete INTEGER NOT NULL DEFAULT 0);
CREATE TABLE walks (corpus INTEGER NOT NULL, item TEXT NOT NULL, digest BLOB NOT NULL, keys BLOB NOT NULL,
                    PRIMARY KEY (corpus, item)) WITHOUT ROWID;
CREATE TABLE settled (corpus INTEGER PRIMARY KEY, identity TEXT NOT NULL, blobs TEXT NOT NULL,
                      fingerprint TEXT NOT NULL, items INTEGER NOT NULL, finished INTEGER NOT NULL);
"""

_FAILURES = "SELECT key, corpus, item, json, error, attempts FROM failures JOIN settings ON settings = id"


class IndexDamaged(Exception):
    """The index cannot be read. The workspace rebuilds it from the journal."""


class Result(NamedTuple):
    """What is stored under a key.

    Attributes:
        status: DONE or REJECTED.
        outcome: JSON: `{"fields": {...}, "blobs": {field: bytes}}`, or `{"reason": ..., "details": {...}}`.
        settings: JSON of stage, version and settings that made it.
        inputs: JSON of the input values, long ones as digests.
        seconds: What making it took.
    """

    status: int
    outcome: str
    settings: str
    inputs: str
    seconds: float


def outcome_of(result: Done | Rejected, sizes: Mapping[str, int]) -> str:
    """`Result.outcome` of what a stage made. `sizes` are the lengths of its blobs in bytes.

    Raises:
        ValueError, TypeError: JSON cannot hold it.
    """
    if isinstance(result, Done):
        return canonical({"fields": dict(result.fields), "blobs": dict(sizes)})
    return canonical({"reason": result.reason, "details": dict(result.details)})


class Failure(NamedTuple):
    """The last failed attempt at a key; `settings` as in `Result`."""

    corpus: int
    item: str
    settings: str
    error: str
    attempts: int

    @property
    def stage(self) -> str:
        """Name of the stage that failed."""
        return str(json.loads(self.settings)["stage"])


class Settled(NamedTuple):
    """A corpus with which nothing is left to do.

    Attributes:
        identity: Of all that it was made from: source, recipe, settings of every stage, versions.
        blobs: Census of the store's blobs.
        fingerprint: Of the corpus folder.
        items: Utterances that went in.
        finished: Those that no stage rejected.
    """

    identity: str
    blobs: str
    fingerprint: str
    items: int
    finished: int


class KnownCorpus(NamedTuple):
    """A corpus that was built in this workspace.

    Attributes:
        number: In this index.
        name: Of its recipe.
        folder: Relative to the workspace where it lies inside, else absolute.
        complete: Whether every item of it has its walk recorded.
    """

    number: int
    name: str
    folder: str
    complete: bool


class Index:
    """An open index. Opening one costs about a millisecond, whatever its size."""

    def __init__(self, path: Path, new: bool = True) -> None:
        """Open the index in a file.

        Args:
            path: Of the file; it is made if it is not there.
            new: Whether it may be one that was never filled; else an empty file is a damaged one.

        Raises:
            IndexDamaged: It cannot be read, or is of another version.
        """
        self.path = path
        self._settings_ids: dict[str, int] = {}
        with translated(path):
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            try:
                self._open(new)
            except BaseException:
                self._db.close()
                raise

    def _open(self, new: bool) -> None:
        self._db.execute("PRAGMA synchronous=NORMAL")
        # Keys are random: without room for the pages they fall on, each result reads and writes pages anew.
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self._db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0 and new:
            self._create()
        elif version != INDEX_VERSION:
            found = f"it has version {version}, this program reads version {INDEX_VERSION}"
            raise IndexDamaged(found if version else "it is empty")

    def _create(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={INDEX_VERSION}")

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded in."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are stored together or not at all."""
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._settings_ids.clear()  # rows that these numbers stood for may be gone
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def in_haste(self) -> Iterator[None]:
        """Keep no log of what is written inside, and have the disk follow at the end alone.

        For a file of which nobody knows yet: a kill, or an error, leaves it useless.
        """
        with translated(self.path):
            self._db.execute("PRAGMA journal_mode=OFF")
            self._db.execute("PRAGMA synchronous=OFF")
        yield
        with translated(self.path):
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())

    # Results

    def outcomes(self, keys: Sequence[bytes]) -> dict[bytes, tuple[int, str]]:
        """Status and outcome of those of `keys` that have a result."""
        found: dict[bytes, tuple[int, str]] = {}
        with translated(self.path):
            for some in _portions(keys):
                marks = ",".join("?" * len(some))
                query = f"SELECT key, status, outcome FROM results WHERE key IN ({marks})"
                for key, status, outcome in self._db.execute(query, some):
                    found[key] = (status, outcome)
        return found

    def result(self, key: bytes) -> Result | None:
        """Everything known of one key."""
        with translated(self.path):
            row = self._db.execute(
                "SELECT status, outcome, json, inputs, seconds FROM results JOIN settings ON settings = id WHERE key=?",
                (key,),
            ).fetchone()
        return Result(*row) if row else None

    def put_results(self, rows: Iterable[tuple[bytes, Result]]) -> None:
        """Store results, and forget failures of the same keys. Inside a transaction."""
        # In the order of the keys each page is written once. The sort is stable: of two results, the later one counts.
        rows = sorted(rows, key=itemgetter(0))
        self._db.executemany(
            "INSERT OR REPLACE INTO results VALUES (?,?,?,?,?,?)",
            [(key, r.status, r.outcome, self._settings_id(r.settings), r.inputs, r.seconds) for key, r in rows],
        )
        if self._any_failure():
            self._db.executemany("DELETE FROM failures WHERE key=?", [(key,) for key, _ in rows])

    def drop_results(self, keys: Iterable[bytes]) -> None:
        """Forget results: a later build makes them again. Inside a transaction."""
        self._db.executemany("DELETE FROM results WHERE key=?", [(key,) for key in keys])

    def all_results(self) -> Iterator[tuple[bytes, Result]]:
        """Every key and its result, in no particular order."""
        with translated(self.path):
            rows = self._db.execute(
                "SELECT key, status, outcome, json, inputs, seconds FROM results JOIN settings ON settings = id"
            )
            for key, *rest in rows:
                yield key, Result(*rest)

    def mean_seconds(self) -> dict[str, float]:
        """Mean time of an item by settings document, for estimates."""
        with translated(self.path):
            return dict(
                self._db.execute(
                    "SELECT json, avg(seconds) FROM results JOIN settings ON settings = id GROUP BY settings"
                )
            )

    def work(self, corpus: int) -> list[tuple[str, int, float]]:
        """Stages that a corpus went through, with how many results it has of each and the seconds they took."""
        found: dict[str, tuple[int, float]] = {}
        keys = list(dict.fromkeys(self.walked_keys([corpus])))
        with translated(self.path):
            documents = self._db.execute("SELECT id, json FROM settings")
            stages = {number: str(json.loads(document)["stage"]) for number, document in documents}
            for some in _portions(keys):
                marks = ",".join("?" * len(some))
                query = (
                    f"SELECT settings, count(*), total(seconds) FROM results WHERE key IN ({marks}) GROUP BY settings"
                )
                for number, count, seconds in self._db.execute(query, some):
                    before = found.get(stages[number], (0, 0.0))
                    found[stages[number]] = (before[0] + count, before[1] + seconds)
        return [(stage, *sums) for stage, sums in sorted(found.items())]

    def _settings_id(self, document: str) -> int:
        known = self._settings_ids.get(document)
        if known is None:
            self._db.execute("INSERT OR IGNORE INTO settings (json) VALUES (?)", (document,))
            (known,) = self._db.execute("SELECT id FROM settings WHERE json=?", (document,)).fetchone()
            self._settings_ids[document] = known
        return int(known)

    # Failures

    def failures(self, keys: Sequence[bytes]) -> dict[bytes, Failure]:
        """The last failure of those of `keys` that have one."""
        found: dict[bytes, Failure] = {}
        with translated(self.path):
            for some in _portions(keys):
                marks = ",".join("?" * len(some))
                for key, *rest in self._db.execute(f"{_FAILURES} WHERE key IN ({marks})", some):
                    found[key] = Failure(*rest)
        return found

    def all_failures(self) -> list[Failure]:
        """Every failure that no later build has mended, by item."""
        with translated(self.path):
            return [Failure(*rest) for _, *rest in self._db.execute(f"{_FAILURES} ORDER BY corpus, item")]

    def put_failures(self, rows: Iterable[tuple[bytes, Failure]]) -> None:
        """Store failures; attempts add up over builds. Inside a transaction."""
        self._db.executemany(
            "INSERT INTO failures VALUES (?,?,?,?,?,?) ON CONFLICT(key) DO UPDATE SET corpus=excluded.corpus, "
            "item=excluded.item, error=excluded.error, attempts=attempts+excluded.attempts",
            [(key, f.corpus, f.item, self._settings_id(f.settings), f.error, f.attempts) for key, f in rows],
        )

    # Corpora, and the keys that their items went through

    def corpus_id(self, name: str) -> int | None:
        """The number of a corpus in this index, None if it was never built here."""
        with translated(self.path):
            row = self._db.execute("SELECT id FROM corpora WHERE name=?", (name,)).fetchone()
        return int(row[0]) if row else None

    def add_corpus(self, name: str, folder: str) -> int:
        """The number of a corpus, made if it is new; its folder is noted. Inside a transaction."""
        self._db.execute(
            "INSERT INTO corpora (name, folder) VALUES (?,?) ON CONFLICT(name) DO UPDATE SET folder=excluded.folder",
            (name, folder),
        )
        (number,) = self._db.execute("SELECT id FROM corpora WHERE name=?", (name,)).fetchone()
        return int(number)

    def corpora(self) -> list[KnownCorpus]:
        """Every corpus, by name."""
        with translated(self.path):
            rows = self._db.execute("SELECT id, name, folder, complete FROM corpora ORDER BY name").fetchall()
        return [KnownCorpus(number, name, folder, bool(complete)) for number, name, folder, complete in rows]

    def settled(self, corpus: int) -> Settled | None:
        """What a corpus was when its last build ended with nothing left to do; None if it did not."""
        with translated(self.path):
            query = "SELECT identity, blobs, fingerprint, items, finished FROM settled WHERE corpus=?"
            row = self._db.execute(query, (corpus,)).fetchone()
        return None if row is None else Settled(*row)

    def set_settled(self, corpus: int, settled: Settled | None) -> None:
        """Remember that, or forget it. Belongs into a transaction."""
        self._db.execute("DELETE FROM settled WHERE corpus=?", (corpus,))
        if settled is not None:
            self._db.execute("INSERT INTO settled VALUES (?, ?, ?, ?, ?, ?)", (corpus, *settled))

    def set_complete(self, corpus: int, complete: bool) -> None:
        """Note whether every item of the corpus has its walk recorded. Inside a transaction."""
        self._db.execute("UPDATE corpora SET complete=? WHERE id=?", (complete, corpus))

    def drop_corpus(self, corpus: int) -> None:
        """Forget a corpus and its walks; results stay until `gc`. Inside a transaction."""
        self._db.execute("DELETE FROM walks WHERE corpus=?", (corpus,))
        self._db.execute("DELETE FROM failures WHERE corpus=?", (corpus,))
        self._db.execute("DELETE FROM corpora WHERE id=?", (corpus,))

    def walks(self, corpus: int, items: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
        """Digest and concatenated keys of the last walk of those of `items` that have one."""
        found: dict[str, tuple[bytes, bytes]] = {}
        with translated(self.path):
            for some in _portions(items):
                marks = ",".join("?" * len(some))
                query = f"SELECT item, digest, keys FROM walks WHERE corpus=? AND item IN ({marks})"
                for item, digest, keys in self._db.execute(query, (corpus, *some)):
                    found[item] = (digest, keys)
        return found

    def put_walks(self, corpus: int, rows: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Store (item, digest, keys); an item that ended has no failures left. Inside a transaction."""
        values = [(corpus, item, digest, keys) for item, digest, keys in rows]
        self._db.executemany("INSERT OR REPLACE INTO walks VALUES (?,?,?,?)", values)
        if self._any_failure():
            ended = [(corpus, item) for _, item, digest, _ in values if digest]
            self._db.executemany("DELETE FROM failures WHERE corpus=? AND item=?", ended)

    def _any_failure(self) -> bool:
        return self._db.execute("SELECT 1 FROM failures LIMIT 1").fetchone() is not None

    def count_walks(self, corpus: int) -> int:
        """How many items of a corpus have a walk."""
        with translated(self.path):
            (count,) = self._db.execute("SELECT count(*) FROM walks WHERE corpus=?", (corpus,)).fetchone()
        return int(count)

    def walk_items(self, corpus: int) -> Iterator[str]:
        """The ids of a corpus's items."""
        with translated(self.path):
            for (item,) in self._db.execute("SELECT item FROM walks WHERE corpus=?", (corpus,)):
                yield item

    def drop_walks(self, corpus: int, items: Sequence[str]) -> None:
        """Forget items that a corpus no longer has. Inside a transaction."""
        pairs = [(corpus, item) for item in items]
        self._db.executemany("DELETE FROM walks WHERE corpus=? AND item=?", pairs)
        self._db.executemany("DELETE FROM failures WHERE corpus=? AND item=?", pairs)

    def walked_keys(self, corpora: Sequence[int]) -> Iterator[bytes]:
        """Every key that an item of these corpora went through, with repetitions."""
        with translated(self.path):
            for corpus in corpora:
                for (keys,) in self._db.execute("SELECT keys FROM walks WHERE corpus=?", (corpus,)):
                    for start in range(0, len(keys), 32):
                        if (key := keys[start : start + 32]) != SKIPPED:
                            yield key

    def compact(self) -> None:
        """Give the space of dropped rows back to the disk, and drop settings that nothing uses."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM settings WHERE id NOT IN "
                "(SELECT settings FROM results UNION SELECT settings FROM failures)"
            )
        self._settings_ids.clear()
        with translated(self.path):
            self._db.execute("VACUUM")

    def sound(self) -> bool:
        """SQLite's own check of the whole file."""
        try:
            with translated(self.path):
                return bool(self._db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except IndexDamaged:
            return False


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: a damaged file, a full or read-only disk, a lock held too long."""
    try:
        yield
    except sqlite3.OperationalError as error:
        words = str(error)
        if "malformed" in words or "no such table" in words or "no such column" in words:
            raise IndexDamaged(words) from error
        mend = {
            "space": "free some space and run the same command again: what is done is kept",
            "readonly": "make the folder writable, or name another with --workspace",
            "locked": "another process holds the index: wait for it to end",
        }
        if "full" in words:
            words = "No space left on device"  # as the operating system says it of every other file
        advice = next((mended for word, mended in mend.items() if word in words), "check the disk and the folder")
        raise WorkspaceError(f"{path}: {words}: {advice}") from error
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(str(error)) from error


def _portions(values: Sequence[Json]) -> Iterator[list[Json]]:
    for start in range(0, len(values), _MANY):
        yield list(values[start : start + _MANY])

"""The journal: every result once more, one JSON line each, in the order in which they were made.

The index can be lost (a bad disk, a careless copy); what it took to make the results cannot. A line is appended, in
the same batch and before the index learns of it, for every result and every corpus; the index is rebuilt from these
lines and from the blobs that are there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from corpusforge.store.index import Result

_quoted = json.encoder.encode_basestring_ascii


class CorpusLine(NamedTuple):
    """A corpus that is built in the workspace, and its folder as `KnownCorpus` has it."""

    corpus: str
    folder: str


class Journal:
    """An append-only file. Opened by its first write, so that a reader never changes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was ever written to it."""
        return not self.path.exists() or self.path.stat().st_size == 0

    def append(self, rows: Iterable[tuple[bytes, Result]]) -> None:
        """Write results at the end, in one write.

        Raises:
            OSError: The disk is full or not writable; the torn line is skipped when the journal is read.
        """
        self._write("".join(_line(key, result) for key, result in rows))

    def append_corpus(self, corpus: CorpusLine) -> None:
        """Note that a corpus of this name is built here."""
        self._write(json.dumps(corpus._asdict()) + "\n")

    def _write(self, text: str) -> None:
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                size = os.fstat(self._handle).st_size
                if size and os.pread(self._handle, 1, size - 1) != b"\n":  # a torn line ends here
                    text = "\n" + text
            data = memoryview(text.encode("ascii"))
            while data:
                data = data[os.write(self._handle, data) :]
        except OSError:
            self.close()  # the next write looks again how the file ends
            raise

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def read(self) -> Iterator[tuple[bytes, Result] | CorpusLine]:
        """Every result, and every corpus, in order; torn or foreign lines are passed over.

        What is inside an outcome is left to `blobs_of`, which decodes it.
        """
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    if "corpus" in row:
                        (row["corpus"] + row["folder"]).encode()  # not every JSON string is text to SQLite
                        yield CorpusLine(row["corpus"], row["folder"])
                    else:
                        result = Result(*(row[name] for name in Result._fields))
                        if _is_sound(result):
                            yield bytes.fromhex(row["key"]), result
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue

    def rewrite(self, rows: Iterable[tuple[bytes, Result]], corpora: Iterable[CorpusLine]) -> None:
        """Replace the journal by these rows, whole or not at all."""
        self.close()
        temporary = self.path.with_suffix(".new")
        with open(temporary, "w", encoding="ascii") as file:
            for corpus in corpora:
                file.write(json.dumps(corpus._asdict()) + "\n")
            for key, result in rows:
                file.write(_line(key, result))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)


def _is_sound(result: Result) -> bool:
    """Whether the index can hold a result. Raises ValueError, KeyError, TypeError or AttributeError if not."""
    (result.outcome + result.inputs).encode()
    return result.seconds >= 0 and _names_a_stage(result.settings)


@lru_cache(maxsize=4096)
def _names_a_stage(settings: str) -> bool:
    document = json.loads(settings.encode())
    return isinstance(document["settings"], dict) and isinstance(document["stage"], str) and "version" in document


def _line(key: bytes, result: Result) -> str:
    # As json.dumps would, in a third of the time.
    status, outcome, settings, inputs, seconds = result
    return (
        f'{{"key": "{key.hex()}", "status": {status}, "outcome": {_quoted(outcome)}, "settings": {_quoted(settings)}, '
        f'"inputs": {_quoted(inputs)}, "seconds": {seconds!r}}}\n'
    )

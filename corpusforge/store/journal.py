"""The journal: every result once more, one JSON line each, in the order in which they were made.

The index can be lost (a bad disk, a careless copy); what it took to make the results cannot. A line is appended, in
the same batch and before the index learns of it, for every result and every corpus; the index is rebuilt from these
lines and from the blobs that are there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
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
        """Every result, and every corpus, in order; torn or foreign lines are passed over."""
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    if "corpus" in row:
                        yield CorpusLine(str(row["corpus"]), str(row["folder"]))
                    else:
                        yield bytes.fromhex(row["key"]), Result(*(row[name] for name in Result._fields))
                except (ValueError, KeyError, TypeError):
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


def _line(key: bytes, result: Result) -> str:
    # As json.dumps would, in a third of the time.
    status, outcome, settings, inputs, seconds = result
    return (
        f'{{"key": "{key.hex()}", "status": {status}, "outcome": {_quoted(outcome)}, "settings": {_quoted(settings)}, '
        f'"inputs": {_quoted(inputs)}, "seconds": {seconds!r}}}\n'
    )

"""What a run learns goes to journal and index in batches, so that no item waits for the disk."""

from __future__ import annotations

import asyncio

from corpusforge.errors import WorkspaceError
from corpusforge.items import Done, Failed, Rejected
from corpusforge.store.index import Failure, IndexDamaged, Result
from corpusforge.store.workspace import Workspace, mend

FLUSH_SECONDS = 0.4
"""Longest time between a result and its place in the index. A kill loses no more than that."""


class Recorder:
    """Buffers results, failures and walks. The only writer of the index.

    A result counts at once: `known` has it until the index has.
    """

    def __init__(self, workspace: Workspace, corpus: int) -> None:
        self.workspace = workspace
        self.corpus = corpus
        self.known: dict[bytes, Done | Rejected] = {}
        self.error: WorkspaceError | IndexDamaged | None = None
        self._results: list[tuple[bytes, Result]] = []
        self._journalled = 0  # the first so many of them: the index has refused them
        self._walks: list[tuple[str, bytes, bytes]] = []
        self._failures: list[tuple[bytes, Failure]] = []
        self._timer: asyncio.TimerHandle | None = None

    def result(self, key: bytes, outcome: Done | Rejected, row: Result) -> None:
        """Keep a result."""
        self.known[key] = outcome
        self._results.append((key, row))
        self._schedule()

    def failure(self, key: bytes, item: str, settings: str, failed: Failed) -> None:
        """Keep a failure for `status`."""
        self._failures.append((key, Failure(self.corpus, item, settings, failed.error, failed.attempts)))
        self._schedule()

    def walk(self, item: str, digest: bytes, keys: bytes) -> None:
        """Keep the keys an item went through; an empty digest marks a walk that did not end."""
        self._walks.append((item, digest, keys))
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_and_keep_error)

    def _flush_and_keep_error(self) -> None:
        try:
            self.flush()
        except (WorkspaceError, IndexDamaged) as error:
            self.error = error

    def flush(self) -> None:
        """Write everything buffered, journal first.

        Raises:
            WorkspaceError: The disk is full or not writable. What the index does not have is made again next time.
            IndexDamaged: A rebuild finds in the journal what was to be written.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (self._results or self._walks or self._failures):
            return
        try:
            self.workspace.journal.append(self._results[self._journalled :])
        except OSError as error:
            raise WorkspaceError(
                f"cannot write {self.workspace.journal.path}: {error.strerror}. {mend(error)}"
            ) from error
        self._journalled = len(self._results)
        index = self.workspace.index
        with index.transaction():
            index.put_results(self._results)
            index.put_walks(self.corpus, self._walks)
            index.put_failures(self._failures)
        self._results, self._walks, self._failures, self._journalled = [], [], [], 0
        self.known.clear()

"""A workspace: the folder `.corpusforge` that holds the store, and the lock that one build at a time holds."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from corpusforge.errors import WorkspaceError, nearest
from corpusforge.garbage import collected_seldom
from corpusforge.store.index import DONE, REJECTED, Index, IndexDamaged, KnownCorpus, Result
from corpusforge.store.journal import CorpusLine, Journal
from corpusforge.store.object_blobs import AnyBlobs, open_blobs

T = TypeVar("T")

FOLDER = ".corpusforge"
_IN_MEMORY = Path(":memory:")
"""SQLite's name for a database that no file holds."""
_SHA256 = re.compile("[0-9a-f]{64}")
REBUILT_AT_ONCE = 50_000
"""Lines of the journal that a rebuild takes into the index in one transaction."""


class WorkspaceBusy(WorkspaceError):
    """Another process holds the workspace."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What `gc` dropped, and what it kept.

    Attributes:
        results: Dropped.
        blobs: Dropped.
        bytes: Of those.
        kept: Results that are left.
        unfinished: Corpora whose first build has not ended: what they need is not known, so it was all kept.
    """

    results: int
    blobs: int
    bytes: int
    kept: int
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found.

    Attributes:
        blobs: Number of blobs that were read.
        damaged: Those whose content is wrong.
        lost: Results that have to be made again, for want of a damaged or missing blob.
        rebuilt: Why the index had to be rebuilt, None if it did not.
    """

    blobs: int
    damaged: tuple[str, ...]
    lost: int
    rebuilt: str | None


class Workspace:
    """The store of one folder: blobs, index and journal.

    A damaged index is moved aside and rebuilt from the journal when it is opened, or by `rebuild` when the damage
    shows later; `rebuilt` then says why.
    """

    def __init__(self, folder: Path, *, reading: bool = False, blobs: str | None = None) -> None:
        """Open the workspace in `folder`, and make it if it is new.

        Args:
            folder: That holds, or will hold, `.corpusforge`.
            reading: Only look: nothing is made or mended. An index that is missing or damaged is rebuilt in memory.
            blobs: URL of an object store for the blobs, `s3://bucket/prefix`; the workspace remembers it. None is what
                it remembers, or a folder in it.

        Raises:
            WorkspaceError: The folder cannot be written, or its blobs are somewhere else.
        """
        self.folder = folder
        self.root = folder / FOLDER
        self.journal = Journal(self.root / "results.jsonl")
        self.rebuilt: str | None = None
        self._reading = reading
        self._index: Index | None = None
        if not reading:
            self._make_root()
        self.blobs = self._open_blobs(blobs)

    def _open_blobs(self, wanted: str | None) -> AnyBlobs:
        note, own = self.root / "blobs.url", self.root / "blobs"
        known = note.read_text(encoding="utf-8").strip() if note.exists() else None
        if wanted is not None and wanted.startswith("file://"):
            raise WorkspaceError(
                f"--blobs {wanted}: blobs on a disk are in the workspace itself: name it with --workspace DIR"
            )
        if wanted is not None and wanted != known:
            if known is not None or own.exists():
                raise WorkspaceError(
                    f"the blobs of {self.folder} are in {known or own}, not in {wanted}: leave --blobs out, or build "
                    "in another folder with --workspace DIR"
                )
            if not self._reading:
                temporary = note.with_suffix(".new")
                temporary.write_text(f"{wanted}\n", encoding="utf-8")
                os.replace(temporary, note)
        url = wanted or known
        return open_blobs(own) if url is None else open_blobs(url, self.root / "fetched")

    def _make_root(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise WorkspaceError(
                f"cannot write the workspace {self.root}: {error.strerror}. Make the folder writable, or name another "
                "with --workspace DIR"
            ) from error

    @property
    def index(self) -> Index:
        """The open index."""
        if self._index is None:
            path = self.root / "index.sqlite"
            absent, new = not path.exists(), self.journal.empty
            try:
                if absent and not new:
                    raise IndexDamaged("index.sqlite is missing")
                self._index = Index(_IN_MEMORY if absent and self._reading else path, new)
            except IndexDamaged as damage:
                self.rebuild(str(damage))
        assert self._index is not None
        return self._index

    def rebuild(self, why: str) -> None:
        """Make the index again from the journal and the blobs that are there, and move the old one aside.

        The new one takes its place when it is whole: a rebuild that is killed has changed nothing.
        """
        self.rebuilt = why
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._reading:
            self._index = Index(_IN_MEMORY)
            self._fill(self._index)
            return
        path, new = self.root / "index.sqlite", self.root / "index.new.sqlite"
        _unlink(new)
        try:
            with contextlib.closing(Index(new)) as index, index.in_haste():
                self._fill(index)
        except BaseException:
            _unlink(new)  # on a full disk it is in the way
            raise
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, self.root / "index.damaged.sqlite")
        _unlink(path)
        os.replace(new, path)
        self._index = Index(path)

    def _fill(self, index: Index) -> None:
        """Take over what the journal has, in its order."""
        entries = self.journal.read()
        with collected_seldom():
            while portion := list(itertools.islice(entries, REBUILT_AT_ONCE)):
                corpora = [entry for entry in portion if isinstance(entry, CorpusLine)]
                results = [entry for entry in portion if not isinstance(entry, CorpusLine)]
                with index.transaction():
                    for corpus in corpora:
                        index.add_corpus(*corpus)
                    index.put_results(entry for entry in results if self._has_blobs(entry[1]))

    def with_sound_index(self, work: Callable[[], T]) -> T:
        """Do the work; if the index proves damaged, rebuild it from the journal and do the work once more."""
        try:
            return work()
        except IndexDamaged as damage:
            self.rebuild(str(damage))
            return work()

    def _has_blobs(self, result: Result) -> bool:
        """Whether a result is one, and all that it names is there."""
        try:
            blobs = blobs_of(result)
        except ValueError:
            return False
        return all(self.blobs.size(sha256) == size for sha256, size in blobs.items())

    def close(self) -> None:
        """Close index and journal."""
        if self._index is not None:
            self._index.close()
            self._index = None
        self.journal.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The lock

    @contextmanager
    def locked(self, purpose: str, wait: float = 0.0, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the workspace. The operating system lets go of the lock when its holder dies, however it dies.

        Args:
            purpose: Shown to whoever finds the lock taken: `build flores200`.
            wait: Seconds to wait for another holder.
            waiting: Told once who holds it, before waiting.

        Raises:
            WorkspaceBusy: It is still held; the message says by whom and since when.
        """
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take(handle, wait, waiting)
            try:
                holder = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": time.time()}
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(holder).encode(), 0)
            except OSError as error:
                raise WorkspaceError(f"cannot write {self.root / 'lock'}: {error.strerror}. {mend(error)}") from error
            self.blobs.clear_temporary()
            yield
        finally:
            os.close(handle)

    def _take(self, handle: int, wait: float, waiting: Callable[[str], None] | None) -> None:
        end = time.monotonic() + wait
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                who = _holder(os.pread(handle, 4096, 0))
                if time.monotonic() >= end:
                    raise WorkspaceBusy(
                        f"the workspace {self.folder} is held by {who}. Wait until it ends, wait here with --wait "
                        "SECONDS, or build in another folder with --workspace DIR"
                    ) from None
                if not told and waiting is not None:
                    waiting(who)
                    told = True
                time.sleep(0.1)

    # Housekeeping

    def register(self, name: str, folder: Path) -> int:
        """Note that a corpus is built here, into `folder`; its number in the index."""
        known = self.registered(name, folder)
        if known is not None:
            return known
        line = self._line(name, folder)
        try:
            self.journal.append_corpus(line)
        except OSError as error:
            raise WorkspaceError(f"cannot write {self.journal.path}: {error.strerror}. {mend(error)}") from error
        with self.index.transaction():
            return self.index.add_corpus(*line)

    def registered(self, name: str, folder: Path) -> int | None:
        """The number of the corpus that is built into this folder; None if it is not, or into another one."""
        line = self._line(name, folder)
        known = {entry.name: entry for entry in self.index.corpora()}.get(name)
        return known.number if known is not None and known.folder == line.folder else None

    def _line(self, name: str, folder: Path) -> CorpusLine:
        inside = folder.resolve()
        with contextlib.suppress(ValueError):
            inside = inside.relative_to(self.folder.resolve())
        return CorpusLine(name, inside.as_posix())

    def corpus_folder(self, corpus: KnownCorpus) -> Path:
        """Where a corpus was built, also after the workspace was moved."""
        return self.folder / corpus.folder

    def collect(self, dry_run: bool = False, abandon: Collection[str] = ()) -> Collected:
        """Drop every result that no live corpus went through, and every blob that no result names.

        A corpus lives as long as its folder holds a corpus.json. One that has none, and of which no build has ended,
        is unfinished: the next build will look for what the first one made and may have paid for. Which results are
        its own is not known, so as long as there is one, only what deleted corpora went through is dropped.

        Args:
            dry_run: Only count.
            abandon: Names of unfinished corpora that will not be built any more.

        Raises:
            WorkspaceError: A live corpus has not been built through since the index was rebuilt, so that what it
                needs is not known; or one that is to be abandoned is not unfinished.
        """
        known = self.index.corpora()
        live = {entry.number for entry in known if (self.corpus_folder(entry) / "corpus.json").exists()}
        waiting = {entry.name: entry.number for entry in known if entry.number not in live and not entry.complete}
        for name in abandon:
            if name not in waiting:
                near = nearest(name, waiting) if waiting else "there is none"
                raise WorkspaceError(f"'{name}' is no corpus whose first build has not ended: {near}")
        unfinished = {name: number for name, number in waiting.items() if name not in abandon}
        dead = [entry.number for entry in known if entry.number not in {*live, *unfinished.values()}]
        for entry in known:
            if entry.number in live and not entry.complete:
                raise WorkspaceError(
                    f"what corpus '{entry.name}' needs is not fully known (its last build did not end): run "
                    f"`corpusforge build {entry.name}` first, or delete {self.corpus_folder(entry)}"
                )
        wanted = set(self.index.walked_keys(sorted({*live, *unfinished.values()})))
        unwanted = set(self.index.walked_keys(dead)) - wanted if unfinished else None
        dropped: list[bytes] = []
        named: set[str] = set()
        kept = 0
        for key, result in self.index.all_results():
            if key in wanted if unwanted is None else key not in unwanted:
                kept += 1
                named.update(blobs_of(result))
            else:
                dropped.append(key)
        loose = [sha256 for sha256 in self.blobs if sha256 not in named]
        freed = sum(self.blobs.size(sha256) or 0 for sha256 in loose)
        if not dry_run:
            # The index forgets first: a kill in between leaves blobs that the next gc drops, never dangling results.
            with self.index.transaction():
                self.index.drop_results(dropped)
                for number in dead:
                    self.index.drop_corpus(number)
            self._rewrite_journal()
            for sha256 in loose:
                self.blobs.remove(sha256)
            self.index.compact()
        return Collected(len(dropped), len(loose), freed, kept, tuple(unfinished))

    def verify(self, progress: Callable[[int], None] | None = None) -> Verified:
        """Read every blob again. A damaged one is emptied, which makes its results misses: the next build mends it."""
        if not self.index.sound():
            self.rebuild("SQLite found it damaged")
        damaged: list[str] = []
        count = 0
        for count, sha256 in enumerate(self.blobs, start=1):
            if self.blobs.damaged(sha256):
                self.blobs.invalidate(sha256)
                damaged.append(sha256)
            if progress is not None:
                progress(count)
        lost = sum(not self._has_blobs(result) for _, result in self.index.all_results())
        return Verified(count, tuple(damaged), lost, self.rebuilt)

    def _rewrite_journal(self) -> None:
        corpora = [CorpusLine(entry.name, entry.folder) for entry in self.index.corpora()]
        try:
            self.journal.rewrite(self.index.all_results(), corpora)
        except OSError as error:
            raise WorkspaceError(f"cannot write {self.journal.path}: {error.strerror}. {mend(error)}") from error


def _unlink(index: Path) -> None:
    """Remove an index and the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{index}{suffix}")


def blobs_of(result: Result) -> dict[str, int]:
    """The blobs that a result names, with their sizes in bytes.

    Raises:
        ValueError: Its outcome is none.
    """
    outcome = json.loads(result.outcome)
    try:
        if result.status == REJECTED and outcome.keys() >= {"reason", "details"}:
            return {}
        if result.status == DONE and isinstance(outcome["fields"], dict):
            blobs = {outcome["fields"][name]: size for name, size in outcome["blobs"].items()}
            if all(_SHA256.fullmatch(sha256) and size >= 0 for sha256, size in blobs.items()):
                return blobs
    except (KeyError, TypeError, AttributeError):
        pass
    raise ValueError(f"no outcome: {result.outcome}")


def mend(error: OSError) -> str:
    """What a user can do about a disk that refuses."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space and run the same command again: what is done is kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Make the folder writable, or name another with --workspace DIR"
    return "Check the disk, then run the same command again: what is done is kept"


def _holder(content: bytes) -> str:
    try:
        holder = json.loads(content)
        since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
        return f"process {holder['pid']} on {holder['host']} ({holder['purpose']}, since {since})"
    except (ValueError, KeyError, TypeError):
        return "another process"

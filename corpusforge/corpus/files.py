"""Files that appear whole or not at all, and what the file system says put into words."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from corpusforge.errors import WorkspaceError
from corpusforge.items import Json

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ListFile:
    """A file being written: hashed and counted on the way, on disk when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = open(path, "xb", buffering=1 << 18)  # noqa: SIM115
        self._hash = hashlib.sha256()
        self._pending: list[bytes] = []
        self._lines = self._bytes = 0

    def __enter__(self) -> ListFile:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def write(self, line: bytes) -> None:
        self._pending.append(line)
        if len(self._pending) >= 256:
            self._flush()

    def _flush(self) -> None:
        block = b"".join(self._pending)
        self._file.write(block)
        self._hash.update(block)
        self._lines += len(self._pending)
        self._bytes += len(block)
        self._pending = []

    def close(self) -> dict[str, Json]:
        """Bring it to disk. Returns its lines, bytes and sha256."""
        self._flush()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return {"lines": self._lines, "bytes": self._bytes, "sha256": self._hash.hexdigest()}


def sync_folder(folder: Path) -> None:
    """Bring names that were made or moved to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Give a file a second name, all at once; a copy where there can be no link. Returns whether it is a link.

    Raises:
        FileExistsError: There is a file of that name; it may not be seen where the file system has no links.
        FileNotFoundError: No such file.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy_file(source, target, 0o444)
        return False
    return True


def copy_file(source: str | os.PathLike[str], target: str | os.PathLike[str], mode: int = 0o644) -> None:
    """Copy a file, so that the copy is there whole or not at all."""
    temporary = f"{os.fspath(target)}.tmp"
    try:
        shutil.copyfile(source, temporary)
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_empty(root: Path) -> None:
    """Remove the empty folders of languages, and the audio folder if nothing is left in it."""
    with contextlib.suppress(FileNotFoundError):
        for folder in [*sorted(root.iterdir()), root]:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def check_writable(folder: Path) -> None:
    """Raise OSError now if `folder` could not be made or written when a long build is over."""
    place = folder
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


@contextlib.contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """Turn errors of the file system and of the spool into a `WorkspaceError` that says what mends them."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        if error.errno in _FULL:
            mend = "free some space and build again; what was made is kept in the store"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            mend = "something else has that name: move it away, or name another folder with --out DIR"
        else:
            mend = "make it writable, or name another folder with --out DIR"
        raise WorkspaceError(f"cannot write the corpus {folder}: {error.strerror} ({where}). {mend}") from error
    except sqlite3.Error as error:
        raise WorkspaceError(
            f"cannot put the rows of {folder} in order: {error}. SQLite needs room for the manifest in the temporary "
            "folder: free some, or name another with TMPDIR=DIR"
        ) from error

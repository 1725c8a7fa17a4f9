"""Content-addressed files: audio and raw answers, named by their sha256."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar


class Blobs:
    """A folder of read-only files, `ab/abcdef…`, each named by the sha256 of its content.

    Any number of processes may write at once: a file is written under a name of its own and renamed, so it is there
    whole or not at all, and two writers of one content are harmless. Files are 0444 because a corpus folder may
    hard-link them.
    """

    remote: ClassVar[bool] = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = f"{root}{os.sep}"
        self._temporary = root / "tmp"

    def path(self, sha256: str) -> str:
        """Where the blob is, or would be."""
        return f"{self._prefix}{sha256[:2]}{os.sep}{sha256}"

    local = path
    """A path on this machine's disk."""

    @property
    def location(self) -> Path:
        """What another process opens the same blobs with."""
        return self.root

    def size(self, sha256: str) -> int | None:
        """Bytes of a blob, None if it is not there. A stat, not a read: content is checked by `damaged`."""
        try:
            return os.stat(self.path(sha256)).st_size
        except FileNotFoundError:
            return None

    def census(self) -> str:
        """A number for all blobs that are there and their sizes: the same one means that none has come or gone."""
        total = 0
        for shard in self._shards():
            with os.scandir(shard) as files:
                for file in files:
                    total += int(file.name[:16], 16) * (file.stat(follow_symlinks=False).st_size + 1)
        return f"{total % 2**64:x}"

    def put(self, content: bytes) -> str:
        """Store content and return its sha256. One that is there in full length is not written again.

        Raises:
            OSError: The disk is full or not writable; nothing is left behind.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        size = self.size(sha256)
        if size == len(content):
            return sha256
        if size is not None:
            self._mend(sha256, content)
            return sha256
        self._temporary.mkdir(parents=True, exist_ok=True)
        # By chance, not by process: containers and machines that share the folder number their processes alike.
        temporary = self._temporary / secrets.token_hex(16)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        try:
            with open(handle, "wb") as file:
                file.write(content)
            target = self.path(sha256)
            try:
                os.rename(temporary, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        return sha256

    def _mend(self, sha256: str, content: bytes) -> None:
        """Write a damaged blob again, in place: corpora that hard-link it are mended with it.

        Not atomic, and it need not be: a kill in the middle leaves it as damaged as it was.
        """
        path = self.path(sha256)
        os.chmod(path, 0o644)
        with open(path, "r+b") as file:
            file.truncate()
            file.write(content)
        os.chmod(path, 0o444)

    def invalidate(self, sha256: str) -> None:
        """Empty a blob whose content is wrong, so that its size tells: its results are misses until it is put again."""
        path = self.path(sha256)
        os.chmod(path, 0o644)
        os.truncate(path, 0)
        os.chmod(path, 0o444)

    def read(self, sha256: str) -> bytes:
        """Content of a blob.

        Raises:
            FileNotFoundError: No such blob.
        """
        with open(self.path(sha256), "rb") as file:
            return file.read()

    def damaged(self, sha256: str) -> bool:
        """Whether a blob is missing or its content no longer has the hash in its name."""
        try:
            with open(self.path(sha256), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() != sha256
        except FileNotFoundError:
            return True

    def remove(self, sha256: str) -> int:
        """Remove a blob; the bytes it took (0 if it was not there)."""
        size = self.size(sha256)
        if size is None:
            return 0
        os.unlink(self.path(sha256))
        return size

    def __iter__(self) -> Iterator[str]:
        """Every blob's sha256, folder by folder."""
        for shard in sorted(self._shards()):
            with os.scandir(shard) as entries:
                yield from sorted(entry.name for entry in entries if len(entry.name) == 64)

    def _shards(self) -> list[str]:
        try:
            with os.scandir(self.root) as entries:
                return [entry.path for entry in entries if len(entry.name) == 2]
        except FileNotFoundError:
            return []

    def clear_temporary(self) -> None:
        """Remove what killed processes left half-written. Only while holding the workspace's lock."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._temporary) as entries:
            for entry in list(entries):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)

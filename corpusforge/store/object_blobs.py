"""Blobs in an object store (`s3://`, `gs://`, whatever fsspec knows), for clusters whose machines share no disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from corpusforge.errors import MissingDependency, WorkspaceError
from corpusforge.store.blobs import Blobs

_SHARDS = tuple(f"{number:02x}" for number in range(256))
_LISTED_AT_ONCE = 16


class ObjectBlobs:
    """The interface of `Blobs` over an object store: `PREFIX/ab/abcdef…`, an object a blob.

    A store writes an object whole or not at all, and lists a thousand a request: sizes are taken from one listing,
    which costs about 140 bytes of memory a blob, and a blob that is not in it is asked for by itself. Credentials,
    endpoint and region come from where the store's own tools take them (`AWS_…` and `~/.aws` for S3).
    """

    remote: ClassVar[bool] = True

    def __init__(self, url: str, fetched: Path | None = None) -> None:
        """Open the store at `url`. Nothing is asked of it yet.

        Args:
            url: `s3://bucket/prefix`.
            fetched: Folder for copies that have to lie on this machine's disk; None where none have to.
        """
        self.location = url
        self._fetched = fetched
        self._sizes: dict[bytes, int] | None = None

    @property
    def root(self) -> str:
        """Where the blobs are, for messages."""
        return self.location

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system and the prefix in it."""
        import fsspec

        scheme = self.location.partition("://")[0]
        try:
            with self._in_words(ImportError, ValueError):
                system, prefix = fsspec.core.url_to_fs(self.location, use_listings_cache=False)
        except ImportError as error:
            extra = "pip install 'corpusforge[s3]'" if scheme in ("s3", "s3a") else f"pip install fsspec[{scheme}]"
            raise MissingDependency(f"no client for {self.location} is installed ({error}): {extra}") from error
        except ValueError as error:
            raise WorkspaceError(f"--blobs {self.location}: {error}. Expected s3://bucket/prefix or gs://…") from error
        return system, prefix.rstrip("/")

    @contextlib.contextmanager
    def _in_words(self, *own: type[Exception]) -> Iterator[None]:
        """Turn what a client says into a `WorkspaceError`, but for exceptions that have a meaning of their own."""
        try:
            yield
        except own:
            raise
        except Exception as error:  # every client has a family of its own
            words = " ".join(str(error).split()) or type(error).__name__
            raise WorkspaceError(
                f"{self.location}: {words}. Check the address, the credentials and the endpoint (for S3: "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL), then run the same command again: what is "
                "done is kept"
            ) from error

    def path(self, sha256: str) -> str:
        """Where the blob is, or would be, in the store."""
        return f"{self._place[1]}/{sha256[:2]}/{sha256}"

    def local(self, sha256: str) -> str:
        """A copy of the blob on this machine's disk, kept until `clear_temporary`.

        Raises:
            FileNotFoundError: No such blob.
        """
        assert self._fetched is not None
        copy = self._fetched / sha256
        if not copy.exists():
            content = self.read(sha256)
            self._fetched.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._fetched)
            with open(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o444)
            os.replace(temporary, copy)
        return str(copy)

    def size(self, sha256: str) -> int | None:
        """Bytes of a blob, None if it is not there."""
        if self._sizes is None:
            self._sizes = {_short(name): size for name, size in self._list()}
        known = self._sizes.get(_short(sha256))
        return self._ask(sha256) if known is None else known

    def _ask(self, sha256: str) -> int | None:
        system, path = self._place[0], self.path(sha256)
        try:
            with self._in_words(FileNotFoundError):
                size = int(system.info(path)["size"])
        except FileNotFoundError:
            return None
        if self._sizes is not None:
            self._sizes[_short(sha256)] = size
        return size

    def _list(self) -> Iterator[tuple[str, int]]:
        """Every blob with its size, shard by shard."""
        system, prefix = self._place

        def shard(name: str) -> list[tuple[str, int]]:
            with contextlib.suppress(FileNotFoundError), self._in_words(FileNotFoundError):
                entries = system.ls(f"{prefix}/{name}", detail=True, refresh=True)
                pairs = ((entry["name"].rpartition("/")[2], int(entry["size"] or 0)) for entry in entries)
                return sorted((name, size) for name, size in pairs if len(name) == 64)
            return []

        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:
            for found in pool.map(shard, _SHARDS):
                yield from found

    def census(self) -> str:
        """See `Blobs.census`. Asks the store."""
        total, self._sizes = 0, {}
        for name, size in self._list():
            self._sizes[_short(name)] = size
            total += int(name[:16], 16) * (size + 1)
        return f"{total % 2**64:x}"

    def put(self, content: bytes) -> str:
        """Store content and return its sha256. One that is known to be there in full length is not sent again.

        Raises:
            WorkspaceError: The store takes nothing.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        if self._sizes is None or self._sizes.get(_short(sha256)) != len(content):
            self._write(sha256, content)
        return sha256

    def _write(self, sha256: str, content: bytes) -> None:
        system, path = self._place[0], self.path(sha256)
        with self._in_words():
            system.pipe_file(path, content)
        if self._sizes is not None:
            self._sizes[_short(sha256)] = len(content)

    def invalidate(self, sha256: str) -> None:
        """See `Blobs.invalidate`."""
        self._write(sha256, b"")

    def read(self, sha256: str) -> bytes:
        """Content of a blob.

        Raises:
            FileNotFoundError: No such blob.
        """
        system, path = self._place[0], self.path(sha256)
        with self._in_words(FileNotFoundError):
            content: bytes = system.cat_file(path)
            return content

    def damaged(self, sha256: str) -> bool:
        """Whether a blob is missing or its content no longer has the hash in its name."""
        try:
            return hashlib.sha256(self.read(sha256)).hexdigest() != sha256
        except FileNotFoundError:
            return True

    def remove(self, sha256: str) -> int:
        """Remove a blob; the bytes it took (0 if it was not there)."""
        size = self._ask(sha256)
        if size is None:
            return 0
        system, path = self._place[0], self.path(sha256)
        with contextlib.suppress(FileNotFoundError), self._in_words(FileNotFoundError):
            system.rm_file(path)
        if self._sizes is not None:
            self._sizes.pop(_short(sha256), None)
        return size

    def __iter__(self) -> Iterator[str]:
        """Every blob's sha256, shard by shard."""
        for name, _ in self._list():
            yield name

    def clear_temporary(self) -> None:
        """Remove the copies on this machine's disk."""
        if self._fetched is not None:
            shutil.rmtree(self._fetched, ignore_errors=True)


def _short(sha256: str) -> bytes:
    """Half the name is enough to tell blobs apart, and takes a third of the memory."""
    return bytes.fromhex(sha256[:32])


AnyBlobs: TypeAlias = Blobs | ObjectBlobs


def open_blobs(location: Path | str, fetched: Path | None = None) -> AnyBlobs:
    """The blobs in a folder, or at a URL."""
    return Blobs(location) if isinstance(location, Path) else ObjectBlobs(location, fetched)

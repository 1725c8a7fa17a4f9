"""Folders that are made once and used by every run: whole or not there, resumed after a kill, made by one process."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from corpusforge.errors import WorkspaceError
from corpusforge.items import Json

HEADER = "header.json"


@contextmanager
def making(final: Path) -> Iterator[Path | None]:
    """Makes the folder `final`, one process at a time; others wait, and find it made.

    Yields:
        `<final>.part` to work in, with what a killed process left there, or None where another process has made
        `final` meanwhile. At the end of the block, and only if it raised nothing, it becomes `final` in one rename.

    Raises:
        WorkspaceError: The folder cannot be written, or the disk is full.
    """
    part = final.with_name(final.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with (part.parent / f"{final.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if final.is_dir():
                yield None
                return
            part.mkdir(exist_ok=True)
            yield part
            sync(part)
            part.rename(final)
            sync(final.parent)
    except OSError as error:
        raise WorkspaceError(
            f"{error.filename or final} cannot be written ({error.strerror}): free some space or name another cache "
            "folder. What is done is kept"
        ) from error


def write_header(folder: Path, header: Mapping[str, Json]) -> None:
    """The folder's description, durable when this returns."""
    temporary = folder / f"{HEADER}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(header, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / HEADER)


def read_header(folder: Path, sizes: Mapping[str, str]) -> Mapping[str, Json]:
    """The folder's description, compared with its files.

    Args:
        folder: One that `making` has made.
        sizes: For every file, the header's entry that holds its size in bytes.

    Raises:
        WorkspaceError: The header or a file is missing or has another size.
    """
    mend = "Delete the folder; it is made again"
    try:
        header: Mapping[str, Json] = json.loads((folder / HEADER).read_bytes())
        for name, entry in sizes.items():
            found, expected = (folder / name).stat().st_size, header[entry]
            if found != expected:
                raise WorkspaceError(f"{folder / name} has {found:,} bytes, expected {expected:,}. {mend}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{folder} is damaged ({error}). {mend}") from error
    return header


def make_room(folder: Path, needed: int, what: str) -> None:
    """Raises WorkspaceError if the disk of `folder` has not `needed` bytes free for `what`."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WorkspaceError(
            f"{what} needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free: free some space or "
            "name another cache folder"
        )


def sync(folder: Path) -> None:
    """Makes the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

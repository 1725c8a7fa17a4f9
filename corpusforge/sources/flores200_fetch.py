"""Where FLORES-200 is on this machine, and getting it where it is not: folder, tarball, cache, download."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import logging
import lzma
import os
import re
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from corpusforge.errors import SourceError

if TYPE_CHECKING:
    from requests import Response

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes expected, None where nobody knows."""

log = logging.getLogger(__name__)

_CUTS = 8  # a transfer that is cut this often is not a matter of luck
_CHUNK = 1 << 14  # bytes; at a cut, a chunk that is not whole is lost
_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two chunks
_UNPACKED = 1 << 30  # bytes; the official tarball unpacks to about a tenth
_MEMBER = re.compile(r"(?:[^/]+/)?((dev|devtest)/\w+\.\2|metadata_(?:dev|devtest)\.tsv|README)")


@dataclass(frozen=True, slots=True)
class Archive:
    """A tarball on a server: `size` in bytes, or None where only the checksum is known."""

    url: str
    sha256: str
    size: int | None = None


# The address is the one that the dataset's own page links. Size and SHA-256 are those that the Croissant format
# specification 1.0 (MLCommons) gives for this very file.
OFFICIAL = Archive(
    "https://dl.fbaipublicfiles.com/nllb/flores200_dataset.tar.gz",
    "b8b0b76783024b85797e5cc75064eb83fc5288b41e9654dabc7be6ae944011f6",
    25_585_843,
)


def wanted() -> Archive:
    """The archive to download: the official one, or a mirror.

    `$CORPUSFORGE_FLORES200_URL` names a mirror, which must hold the same bytes unless
    `$CORPUSFORGE_FLORES200_SHA256` gives another checksum.
    """
    url = os.environ.get("CORPUSFORGE_FLORES200_URL") or OFFICIAL.url
    sha256 = (os.environ.get("CORPUSFORGE_FLORES200_SHA256") or OFFICIAL.sha256).lower()
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise SourceError(f"CORPUSFORGE_FLORES200_SHA256 is '{sha256}': expected the 64 hex digits of a SHA-256")
    return Archive(url, sha256, OFFICIAL.size if sha256 == OFFICIAL.sha256 else None)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/corpusforge/flores200`, or the same in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification says to ignore a relative one.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "corpusforge" / "flores200"


def locate(path: str | None = None, progress: Progress | None = None) -> Path:
    """The folder that holds `dev/`, `devtest/` and the metadata: found, unpacked or downloaded.

    Looks at `path`, then at `$CORPUSFORGE_FLORES200`, then in the user's cache folder, and downloads it last. A path
    that was given and does not hold FLORES-200 is an error, never a reason to look further.

    Raises:
        SourceError: Not there, damaged, or not to be had; the message says what mends it.
    """
    for given, where in ((path, "source.path"), (os.environ.get("CORPUSFORGE_FLORES200"), "$CORPUSFORGE_FLORES200")):
        if given:
            return _open(Path(given).expanduser(), where)
    cache, archive = cache_folder(), wanted()
    found = _layout(cache) or _layout(cache / archive.sha256[:16])
    if found is not None:
        return found
    by_hand = cache / "flores200_dataset.tar.gz"
    if by_hand.is_file():
        return unpack(by_hand, cache)
    try:
        with _alone(cache):
            found = _layout(cache / archive.sha256[:16])  # another process may have brought it meanwhile
            if found is not None:
                return found
            tarball = download(archive, cache, progress)
            folder = unpack(tarball, cache, archive.sha256)
            tarball.unlink()
            return folder
    except (OSError, SourceError) as error:
        raise SourceError(
            f"FLORES-200 is not on this machine, and it could not be downloaded: {error}\n"
            "Any one of these mends it:\n"
            "  - set `path` of the recipe's source to the folder flores200_dataset or to flores200_dataset.tar.gz\n"
            "  - export CORPUSFORGE_FLORES200=<that folder or file>\n"
            f"  - put the folder or the file into {cache}\n"
            "  - build the small sample that ships with corpusforge, without any download: --sample\n"
            f"The official tarball is at {OFFICIAL.url}"
        ) from error


def _open(path: Path, where: str) -> Path:
    """The layout in a folder or tarball that the user named."""
    if path.is_dir():
        found = _layout(path)
        if found is not None:
            return found
        path, folder = path / "flores200_dataset.tar.gz", path
        if not path.is_file():
            held = sorted(os.listdir(folder))
            raise SourceError(
                f"{where} is {folder}, which does not hold FLORES-200: expected the folders dev and devtest with "
                f"metadata_dev.tsv and metadata_devtest.tsv, in it or in flores200_dataset below it; found "
                f"{', '.join(held[:8]) or 'nothing'}{', …' if len(held) > 8 else ''}"
            )
    if not path.is_file():
        raise SourceError(f"{where} is {path}, which does not exist: expected a folder or flores200_dataset.tar.gz")
    return unpack(path, cache_folder())


def _layout(folder: Path) -> Path | None:
    for candidate in (folder, folder / "flores200_dataset"):
        if (candidate / "dev").is_dir() or (candidate / "devtest").is_dir():
            return candidate
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time downloads into the cache; another waits for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unpack(tarball: Path, cache: Path, sha256: str | None = None) -> Path:
    """Unpack a FLORES-200 tarball once into `cache`, in a folder named by its content; return that folder.

    No member's name is ever used as a path: only names of FLORES-200's own form are taken, and an archive with any
    name that leads outside, or with a link in place of a file, is refused as a whole.

    Args:
        tarball: `.tar.gz`, or any compression that Python's tarfile knows.
        cache: Folder that holds the unpacked ones.
        sha256: The tarball's checksum where it is known already.

    Raises:
        SourceError: Damaged, unsafe, not FLORES-200, or the cache cannot be written.
    """
    try:
        if sha256 is None:
            sha256 = _sha256(tarball)
        folder = cache / sha256[:16]
        if folder.is_dir():
            return folder
        cache.mkdir(parents=True, exist_ok=True)
        made = cache / f".{folder.name}.{secrets.token_hex(8)}.tmp"
        try:
            _extract(tarball, made)
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, and its folder holds the same
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return folder
    # BadGzipFile is an OSError, so that this comes first.
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SourceError(f"{tarball}: not a whole tarball ({error}); expected flores200_dataset.tar.gz") from error
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error)
        raise SourceError(f"{tarball}: cannot be unpacked into {cache} ({reason})") from error


def _extract(tarball: Path, made: Path) -> None:
    size = files = 0
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts:
                raise SourceError(f"{tarball}: unsafe archive: '{member.name}' leads outside of it; nothing was kept")
            match = _MEMBER.fullmatch(str(name))
            if match is None or member.isdir():
                continue
            if not member.isfile():
                raise SourceError(f"{tarball}: unsafe archive: '{member.name}' is a link or device; nothing was kept")
            size += member.size
            if size > _UNPACKED:
                raise SourceError(f"{tarball}: unpacks to more than {_UNPACKED} bytes: not FLORES-200")
            content = archive.extractfile(member)
            assert content is not None  # a regular file has content
            target = made / match.group(1)
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as out:
                shutil.copyfileobj(content, out)
            files += 1
        # The tar ends before its compression does, and only at that end is the checksum of the whole compared.
        while archive.fileobj is not None and archive.fileobj.read(_CHUNK):
            pass
    if _layout(made) is None:
        raise SourceError(
            f"{tarball}: not FLORES-200: expected dev/<language>.dev and devtest/<language>.devtest in it; "
            f"{files} files of its form found"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(archive: Archive, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch a tarball into `folder`, and return it once its checksum is right.

    What has arrived lies in a `.part` file; a cut transfer goes on from there, in this run and in a later one.

    Raises:
        SourceError: No answer, an answer other than the file, or a wrong checksum.
    """
    import requests

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{archive.sha256[:16]}.tar.gz.part"
    log.info("downloading %s", archive.url)
    with requests.Session() as session:
        for _ in range(_CUTS):
            before = part.stat().st_size if part.exists() else 0
            if before == 0 or before != archive.size:
                headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={before}-"} if before else {})}
                try:
                    with session.get(archive.url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
                        _receive(response, part, before, archive, progress)
                except requests.RequestException as error:
                    if part.exists() and part.stat().st_size > before:
                        continue  # cut, but something came: go on from there
                    raise SourceError(f"{archive.url}: {_reason(error)}") from error
            found = _sha256(part)
            if found == archive.sha256:
                return part.replace(part.with_suffix(""))
            size = part.stat().st_size
            part.unlink()
            if not before:
                expected = f"{archive.sha256} ({archive.size} bytes)" if archive.size else archive.sha256
                raise SourceError(
                    f"{archive.url}: wrong checksum: SHA-256 {found} ({size} bytes), expected {expected}; "
                    "what came was removed"
                )
            # What lay here was of another file, or damaged: once more, from the start.
    raise SourceError(f"{archive.url}: cut {_CUTS} times; what came is kept in {part}, and the next try goes on there")


def _receive(response: Response, part: Path, before: int, archive: Archive, progress: Progress | None) -> None:
    """Write an answer's body behind the `before` bytes that are here, or over them if the server sends it whole."""
    status, content_range = response.status_code, response.headers.get("Content-Range", "")
    if status == 416 and before:
        # Nothing lies behind `before`: the file is whole, which its checksum decides.
        return
    if status == 206 and not content_range.startswith(f"bytes {before}-"):
        raise SourceError(f"{archive.url}: asked for bytes from {before}, the server sent '{content_range}'")
    if status not in (200, 206):
        raise SourceError(f"{archive.url}: HTTP {status} {response.reason}; expected the file")
    have = before if status == 206 else 0
    length = response.headers.get("Content-Length", "")
    total = archive.size or (have + int(length) if length.isdigit() else None)
    with part.open("ab" if have else "wb") as out:
        if progress is not None:
            progress(have, total)
        for chunk in response.iter_content(_CHUNK):
            out.write(chunk)
            have += len(chunk)
            if progress is not None:
                progress(have, total)


def _reason(error: Exception) -> str:
    """What was wrong, without the layers of exceptions around it: `Connection refused`."""
    text, inner = str(error), error.__cause__ or error.__context__
    for _ in range(10):
        if inner is None:
            break
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        text, inner = str(inner) or text, inner.__cause__ or inner.__context__
    return text

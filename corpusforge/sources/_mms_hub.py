"""The rows of one language of mms from the Hub: downloaded once, kept in the user's cache, never asked for again.

Two layouts of a repository are known. mms's own has a folder a language and a file an original dataset,
`data/zh/<dataset>.tsv` with the columns label (-1, 0, 1), text, and a confidence, without a line of names: only the
language's folder is read. It also holds a loading script, which `datasets` runs no more since version 4, so that
`load_dataset` cannot read it. Any other repository is streamed by `datasets`, and must have mms's columns.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from corpusforge.errors import MissingDependency, SourceError
from corpusforge.sources._files import Problems
from corpusforge.sources._mms_rows import COLUMNS, LANGUAGES, NEEDED, Reader, Row

Progress: TypeAlias = Callable[[int, int | None], None]

log = logging.getLogger(__name__)

_OWN = re.compile(r"data/([a-z]{2,3})/([^/]+)\.tsv")
# Builders of `datasets` by the ends of files, the best first: Parquet can leave out the rows of other languages unread.
_BUILDERS = {".parquet": "parquet", ".jsonl": "json", ".jsonl.gz": "json", ".csv": "csv", ".csv.gz": "csv"}
_SIGNS = {"-1": 0, "0": 1, "1": 2, "-1.0": 0, "0.0": 1, "1.0": 2}
_TOKENS = "https://huggingface.co/settings/tokens"
_OR_A_FILE = "or set source.path to a JSONL, CSV or Parquet file with its columns"
_STEP = 1 << 20  # bytes between two words about the progress


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/corpusforge/mms`, or the same in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification says to ignore a relative one.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "corpusforge" / "mms"


class Copy:
    """What this machine keeps of one language of a dataset: its rows, and the selections made of them."""

    def __init__(self, dataset: str, revision: str | None, language: str) -> None:
        self.dataset = dataset
        self.revision = revision or "main"
        self.language = language
        self.folder = cache_folder() / dataset.replace("/", "--") / quote(self.revision, safe="")

    def selection(self, digest: str) -> Path:
        """Where a selection is kept, made or not."""
        return self.folder / f"{self.language}-{digest}.sqlite"

    def rows(self, progress: Progress | None = None) -> Path:
        """The language's rows as JSONL with mms's columns. Downloaded where they are not here.

        Raises:
            SourceError: They are not to be had; the message says what mends it. Nothing is left behind.
        """
        path = self.folder / f"{self.language}.jsonl"
        if path.is_file():
            return path
        try:
            with _alone(self.folder):
                if not path.is_file():  # another process may have brought them meanwhile
                    self._bring(path, progress)
        except OSError as error:
            reason = f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error)
            raise SourceError(f"{path}: cannot be written ({reason})") from error
        return path

    def _bring(self, path: Path, progress: Progress | None) -> None:
        for left in path.parent.glob(f".{path.name}.*.tmp"):  # by a process that was killed; the lock is ours now
            left.unlink(missing_ok=True)
        made = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        problems, count = Problems(show=3), 0
        try:
            with made.open("w", encoding="utf-8") as out:
                for row in _Download(self, progress).rows(problems):
                    cells = dict(zip(COLUMNS, (row.id, row.text, row.label, row.source, self.language), strict=True))
                    if row.id is None:
                        del cells["_id"]
                    out.write(json.dumps(cells, ensure_ascii=False) + "\n")
                    count += 1
            if not count:
                raise SourceError(f"{self.dataset} at {self.revision}: no row in '{self.language}' (source.language)")
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
        log.info("%s: %d rows in '%s', kept in %s", self.dataset, count, self.language, path)
        if problems.count:
            log.warning("%s: %d damaged rows left out:\n  %s", self.dataset, problems.count, problems)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time downloads into the cache; another waits for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Download:
    """One look at the Hub. Every answer that is none becomes a `SourceError` that says what mends it."""

    def __init__(self, copy: Copy, progress: Progress | None) -> None:
        try:
            import huggingface_hub
        except ImportError as error:
            raise MissingDependency("mms from the Hub needs datasets: pip install datasets") from error
        self._copy = copy
        self._progress = progress
        self._token = huggingface_hub.get_token()  # $HF_TOKEN, or the one of `hf auth login`

    def rows(self, problems: Problems) -> Iterator[Row]:
        """The language's rows; damaged ones go to `problems`."""
        try:
            yield from self._rows(problems)
        except (GeneratorExit, SourceError, MissingDependency):
            raise
        # Hub, datasets, fsspec, pyarrow, httpx and requests each have errors of their own, and versions differ.
        except Exception as error:
            raise SourceError(self._hidden(self._explained(error))) from error

    def _rows(self, problems: Problems) -> Iterator[Row]:
        from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url

        dataset, language = self._copy.dataset, self._copy.language
        info = HfApi(token=self._token).dataset_info(dataset, revision=self._copy.revision, files_metadata=True)
        sizes = {entry.rfilename: entry.size or 0 for entry in info.siblings or ()}
        own = sorted(name for name in sizes if (match := _OWN.fullmatch(name)) and match[1] == language)
        others = sorted({match[1] for name in sizes if (match := _OWN.fullmatch(name))} - {language})
        if others and not own:
            raise SourceError(f"{dataset} at {self._copy.revision}: no '{language}' (source.language); it has {others}")
        files, builder = (own, "") if own else self._tables(sizes)
        # A gated repository shows its list of files to anyone, and says no at the first file: ask it for that here,
        # where the answer comes as it is, and not wrapped by those who read on.
        get_hf_file_metadata(
            hf_hub_url(dataset, files[0], repo_type="dataset", revision=info.sha), token=self._token or False
        )
        at = f"{dataset}@{info.sha or self._copy.revision}"
        if own:
            yield from self._folder(at, {name: sizes[name] for name in own}, problems)
        else:
            yield from self._streamed(at, files, builder, problems)

    def _tables(self, sizes: dict[str, int]) -> tuple[list[str], str]:
        """The files that `datasets` reads, all of one format, and its builder."""
        for end, builder in _BUILDERS.items():
            files = sorted(name for name in sizes if name.endswith(end))
            if files:
                return files, builder
        raise SourceError(
            f"{self._copy.dataset} at {self._copy.revision}: no data found: expected data/<language>/<dataset>.tsv, or "
            f"files that end in {', '.join(_BUILDERS)}; found {', '.join(sorted(sizes)[:8]) or 'nothing'}"
        )

    def _folder(self, at: str, sizes: dict[str, int], problems: Problems) -> Iterator[Row]:
        """The layout of mms's own repository: one file after the other, as a stream."""
        from huggingface_hub import HfFileSystem

        files = HfFileSystem(token=self._token or False, skip_instance_cache=True)
        done, total = 0, sum(sizes.values()) or None
        for name, size in sizes.items():
            source = name.rpartition("/")[2].removesuffix(".tsv")
            at_line = partial("{}:{}".format, name)
            reader = Reader(self._copy.language, at_line, problems.add)
            with files.open(f"datasets/{at}/{name}", "rb") as stream:
                lines = (
                    line.decode("utf-8", errors="surrogateescape")
                    for line in self._told(io.BufferedReader(stream, _STEP), done, total)
                )
                for line, cells in _records(lines, at_line, problems):
                    row = reader.read(
                        {
                            "label": _SIGNS.get(cells[0].strip(), f"sign {cells[0]}"),
                            "text": cells[1] if len(cells) > 1 else None,
                            "original_dataset": source,
                            "language": self._copy.language,
                        },
                        line,
                    )
                    if row is not None:
                        yield row
            done += size

    def _told(self, stream: Any, done: int, total: int | None) -> Iterator[bytes]:
        """The lines of a stream, telling of the bytes that came."""
        told = read = 0
        for line in stream:
            read += len(line)
            if self._progress is not None and read - told >= _STEP:
                told = read
                self._progress(done + read, total)
            yield line
        if self._progress is not None:
            self._progress(done + read, total)

    def _streamed(self, at: str, files: list[str], builder: str, problems: Problems) -> Iterator[Row]:
        """Any other layout, by `datasets`: of Parquet only the columns and, by their statistics, the rows asked for."""
        from datasets import load_dataset

        language = self._copy.language
        options: dict[str, Any] = {
            "data_files": [f"hf://datasets/{at}/{name}" for name in files],
            "split": "train",  # all files are one split here, whatever the repository calls them
            "streaming": True,
            "token": self._token or False,
        }
        stream = load_dataset(builder, **options)
        held = stream.column_names or list(next(iter(stream), {}))
        missing = [column for column in NEEDED if column not in held]
        if missing:
            raise SourceError(f"{self._copy.dataset}: no column '{missing[0]}'; expected mms's columns, found {held}")
        if builder == "parquet":
            columns = [column for column in COLUMNS if column in held]
            either = ("language", "in", [language, LANGUAGES[language]])
            stream = load_dataset(builder, columns=columns, filters=[either], **options)
        reader = Reader(language, lambda row: f"row {row}", problems.add)
        for number, cells in enumerate(stream, start=1):
            row = reader.read(cells, number)
            if row is not None:
                yield row

    def _explained(self, error: BaseException) -> str:
        """What was wrong and what mends it, whoever wrapped it how often."""
        dataset = self._copy.dataset
        chain = list(_chain(error))
        known = next((words for words in map(self._refused, chain) if words), None)
        if known is not None:
            return f"{known}, {_OR_A_FILE}"
        for cause in reversed(chain):
            if isinstance(cause, OSError) or type(cause).__module__.partition(".")[0] in ("httpx", "httpcore"):
                reason = (isinstance(cause, OSError) and cause.strerror) or str(cause) or type(cause).__name__
                return (
                    f"{dataset} is not on this machine, and the Hub cannot be reached ({reason}): connect this "
                    f"machine, {_OR_A_FILE}"
                )
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return f"{dataset} at {self._copy.revision}: cannot be read: {what}"

    def _refused(self, cause: BaseException) -> str | None:
        """What the Hub's answer means, and what to do about it; None for an error that is no answer."""
        from huggingface_hub import errors

        dataset, revision = self._copy.dataset, self._copy.revision
        page = f"https://huggingface.co/datasets/{dataset}"
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(cause, errors.GatedRepoError) and not self._token:
            return (
                f"{dataset} is gated, and HF_TOKEN is not set: log in at {page} and agree to its conditions, make a "
                f"token that may read at {_TOKENS}, export HF_TOKEN=<the token>"
            )
        if isinstance(cause, errors.GatedRepoError):
            return (
                f"{dataset} is gated, and the account of HF_TOKEN has no access to it: ask for it at {page} (a "
                "fine-grained token must also be allowed to read gated repositories)"
            )
        if isinstance(cause, errors.RevisionNotFoundError):
            return f"{dataset} has no revision '{revision}' (source.revision): see {page}/tree/main"
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return f"{dataset} is not on this machine, and HF_HUB_OFFLINE forbids to download it: unset that"
        if status == 401 and self._token:
            return (
                f"{dataset}: the Hub does not accept HF_TOKEN (HTTP 401): make a new one at {_TOKENS}, ask for access "
                f"at {page}"
            )
        if isinstance(cause, errors.RepositoryNotFoundError):
            seen = "not allowed to see it" if self._token else "not set"
            return (
                f"the Hub has no dataset '{dataset}' (source.dataset), or it is private or gated and HF_TOKEN is "
                f"{seen}: see {page}"
            )
        if status == 403:
            return f"{dataset}: the Hub refuses HF_TOKEN (HTTP 403): ask for access at {page}"
        return f"{dataset}: the Hub answered HTTP {status}: try again later" if status is not None else None

    def _hidden(self, message: str) -> str:
        return message.replace(self._token, "<HF_TOKEN>") if self._token else message


def _records(lines: Iterator[str], at: Callable[[int], str], problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Records of a TSV as pandas writes it (quotes around cells that need them), with the line each begins on."""
    reader = csv.reader(lines, delimiter="\t")
    while True:
        begin = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add(f"{at(begin)}: {error}")
            continue
        if cells:
            yield begin, cells


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, the outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__

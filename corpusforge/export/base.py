"""The contract of an exporter, and what all of them share: a folder that appears whole, and which rows go into it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, overload

from corpusforge.corpus.files import check_writable, copy_file, link_or_copy, sync_folder
from corpusforge.corpus.layout import SPLITS
from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError, WorkspaceError, nearest
from corpusforge.items import Json
from corpusforge.text.languages import LANGUAGES

Audio: TypeAlias = Literal["link", "copy"]
Note: TypeAlias = Callable[[str], None]

MARK = ".corpusforge-export.json"
"""Says what an export is of; only a folder that has it is ever replaced. Hidden, so that nobody takes it for data."""


class Exporter(Protocol):
    """Writes a corpus in one form. Made without arguments; registered under the entry point `corpusforge.exporters`.

    Class attributes:
        name: As given to `--to`.
        describe: One line for people.
    """

    name: ClassVar[str]
    describe: ClassVar[str]

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write the corpus into `folder`, whole or not at all (`whole`).

        Args:
            corpus: Or a selection of one.
            folder: Is made; one that an export has made is replaced.
            audio: `link` gives the corpus's audio files a second name where the form can hold them as they are.
            note: Is told what a user would not expect.

        Raises:
            CorpusError: Audio is missing or damaged, or a row cannot be said in this form.
            WorkspaceError: The folder holds something else, or cannot be written.
        """


class Selection(Corpus):
    """The rows of a corpus in some languages and splits. `info` and `labels` are still those of the whole corpus.

    Raises:
        CorpusError: No such split or language.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        languages: Iterable[str] | None = None,
        splits: Iterable[str] | None = None,
    ) -> None:
        super().__init__(path)
        self._whole = Corpus(path)
        known = self._whole.languages
        self._languages = frozenset(known if languages is None else languages)
        self._splits = frozenset(SPLITS if splits is None else splits)
        for wrong in sorted(self._languages - set(known)):
            raise CorpusError(f"{self.folder} has no language '{wrong}': {nearest(wrong, known)}")
        for wrong in sorted(self._splits - set(SPLITS)):
            raise CorpusError(f"no split '{wrong}': {nearest(wrong, SPLITS)}")

    def _wanted(self, record: Record) -> bool:
        return record.lang in self._languages and record.split in self._splits

    @cached_property
    def _positions(self) -> array[int]:
        return array("Q", (number for number, record in enumerate(self._whole) if self._wanted(record)))

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[Record]:
        return filter(self._wanted, self._whole)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """One row by its position in the selection, or the list of some."""
        if isinstance(index, slice):
            return [self._whole[position] for position in self._positions[index]]
        return self._whole[self._positions[index]]

    def __repr__(self) -> str:
        return f"Selection of {self._whole!r}: {len(self)} utterances"

    def __reduce__(self) -> tuple[Any, ...]:
        return Selection, (str(self.folder / self._name), sorted(self._languages), sorted(self._splits))

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """FLORES-200 codes of the selection, sorted."""
        return tuple(code for code in self._whole.languages if code in self._languages)

    def split(self, name: str) -> Corpus:
        """The selection's rows of one split; none if the selection leaves it out."""
        whole = self._whole.split(name)
        return Selection(whole.folder / whole._name, self._languages, self._splits)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        format, folder: Which form, and where.
        utterances: By split; splits without one are not there.
        hours: Of audio.
        files, bytes: In the folder.
    """

    format: str
    folder: Path
    utterances: dict[str, int]
    hours: float
    files: int
    bytes: int


def export(corpus: Corpus, format: str, folder: Path, audio: Audio = "link", note: Note = print) -> Exported:
    """Write a corpus in the form that `format` names.

    Raises:
        RecipeError: No such form.
        CorpusforgeError: As `Exporter.write`.
    """
    from corpusforge.registry import find

    exporter: Exporter = find("exporters", format)()
    utterances: Counter[str] = Counter()
    seconds: Counter[int] = Counter()
    for record in corpus:
        utterances[record.split] += 1
        seconds[record.sample_rate] += record.num_samples
    if not utterances:
        raise CorpusError(f"nothing to export: {corpus!r}; choose other languages or splits")
    exporter.write(corpus, folder, audio, note)
    files = [entry.lstat() for entry in folder.rglob("*") if not entry.is_dir() and entry.name != MARK]
    return Exported(
        format,
        folder,
        {split: utterances[split] for split in SPLITS if split in utterances},
        round(sum(samples / rate for rate, samples in seconds.items()) / 3600, 6),
        len(files),
        sum(stat.st_size for stat in files),
    )


@contextlib.contextmanager
def whole(folder: Path, corpus: Corpus, format: str) -> Iterator[Path]:
    """A folder to write into, which takes the place of `folder` when the block ends well, and is removed otherwise.

    An export that was killed leaves its unfinished folder, which the next one to the same place removes. What the
    folder held before is there until the new one is whole.

    Raises:
        WorkspaceError: `folder` is there and no export has made it, another export is writing it, or it cannot be
            written.
    """
    folder = Path(os.path.abspath(folder))
    _check_replaceable(folder)
    temporary = folder.with_name(f".{folder.name}.exporting")
    with _in_words(folder):
        check_writable(folder.parent)
        temporary.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceError(
                f"another export is writing {folder}: wait until it ends, or name another folder with --out DIR"
            ) from None
        try:
            with _in_words(folder):
                _empty(temporary)
                yield temporary
                mark = {"format": format, "corpus": corpus.name, "fingerprint": corpus.info["fingerprint"]}
                (temporary / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
                _check_replaceable(folder)
                _exchange(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    finally:
        os.close(handle)


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not folder.is_symlink() and ((folder / MARK).is_file() or not any(folder.iterdir())):
        return
    raise WorkspaceError(
        f"{folder} is there and `corpusforge export` has not made it: move it away, or name another folder with "
        "--out DIR"
    )


def _exchange(new: Path, folder: Path) -> None:
    """Put a folder in the place of another."""
    old = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    try:
        os.rename(new, folder)
    except BaseException:
        if old.exists():
            os.rename(old, folder)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _empty(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


@contextlib.contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        mend = "free some space and export again" if full else "make it writable, or name another folder with --out DIR"
        raise WorkspaceError(f"cannot write {folder}: {error.strerror} ({error.filename or folder}). {mend}") from error


class AudioFolder:
    """Brings audio files of a corpus into an export, under their names in the corpus."""

    def __init__(self, folder: Path, audio: Audio, note: Note) -> None:
        self._folder = folder
        self._audio = audio
        self._note = note
        self._made: set[str] = set()
        self._told = False

    def place(self, record: Record) -> str:
        """Put a record's file in place; its path relative to the folder, `audio/zho_Hans/a.0f1e2d3c.flac`.

        Raises:
            CorpusError: The corpus has no such file.
        """
        target = self._folder / record.audio
        parent = os.path.dirname(record.audio)
        if parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        if not record.path.is_file():
            raise CorpusError(f"{record.id}: no audio at {record.path}: build the corpus again, or copy its audio/ too")
        if self._audio == "copy":
            copy_file(record.path, target)
        elif not link_or_copy(record.path, target) and not self._told:
            self._note("the file system makes no link between the corpus and the export: audio is copied")
            self._told = True
        return record.audio


def fields(record: Record) -> dict[str, Json]:
    """All of a row but its audio's path, by the manifest's names, and `language`, the BCP 47 tag of `lang`."""
    found = {name: getattr(record, name) for name in Record.__slots__ if name not in ("folder", "audio")}
    return found | {"language": tag(record.lang)}


def tag(lang: str) -> str:
    """The BCP 47 tag of a FLORES-200 code: `bo` for `bod_Tibt`; of another code, that code."""
    known = LANGUAGES.get(lang)
    return known.bcp47 if known else lang


def speaker(record: Record) -> str:
    """Who speaks: `espeak-cmn`; of recorded speech, the speaker."""
    return record.voice if record.engine == "recorded" else f"{record.engine}-{record.voice}"


def dumps(value: Json) -> str:
    """JSON on one line, as it is written in every list here."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def present(corpus: Corpus) -> Iterator[tuple[str, Corpus]]:
    """The splits that have rows."""
    for name in SPLITS:
        part = corpus.split(name)
        if len(part):
            yield name, part


def refuse(form: str, rows: list[str], what: str, mend: str) -> CorpusError:
    """The error about rows that a form cannot hold."""
    shown = ", ".join(rows[:5]) + (f" and {len(rows) - 5:,} more" if len(rows) > 5 else "")
    return CorpusError(f"{form} cannot hold {what}: {shown}. {mend}")

"""Reads a corpus folder: rows one at a time, audio when it is asked for. Knows nothing of how a corpus is made."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from corpusforge.corpus.layout import INFO, LISTS, MANIFEST, REJECTED, SCHEMA_VERSION, SPLITS, current
from corpusforge.errors import CorpusError, nearest
from corpusforge.items import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Record:
    """One utterance of a corpus; the attributes are described in `corpusforge.corpus.schema.Row`.

    `folder` is the corpus it was read from, and no part of the row.
    """

    id: str
    group: str
    document: str
    lang: str
    text: str
    label: str | None
    split: str
    audio: str
    duration: float
    sample_rate: int
    num_samples: int
    sha256: str
    engine: str
    voice: str
    voice_license: str | None
    source: str
    license: str
    translation: Mapping[str, Json] | None
    metrics: Mapping[str, Json] | None
    folder: Path = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        """The audio file."""
        return self.folder / self.audio

    def load(self) -> tuple[NDArray[np.float32], int]:
        """The audio: samples `[num_samples]` in [-1, 1], and their rate in Hz.

        Raises:
            CorpusError: The file is missing, damaged or not what the row says.
        """
        import soundfile

        if not self.path.is_file():
            raise CorpusError(f"{self.id}: no audio at {self.path}: build the corpus again, or copy it with its audio/")
        try:
            samples, rate = soundfile.read(self.path, dtype="float32")
        except soundfile.LibsndfileError as error:
            raise CorpusError(
                f"{self.id}: {self.path} cannot be decoded ({error}): copy it or build it again"
            ) from error
        if samples.shape != (self.num_samples,) or rate != self.sample_rate:
            raise CorpusError(
                f"{self.id}: {self.path} holds {samples.shape} samples at {rate} Hz, the manifest says "
                f"{self.num_samples} at {self.sample_rate} Hz: copy it or build it again"
            )
        return samples, rate


class Corpus(Sequence[Record]):
    """The rows of a corpus, or of one of its splits, in the manifest's order: by group, language and id.

    Nothing is read until it is needed, and rows are not kept: iterating over a corpus of any size takes no more memory
    than one row, and `corpus[i]` adds 8 bytes a row. A corpus can be pickled, and be read from several processes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a corpus.

        Args:
            path: Its folder, or one of the lists in it: `manifest.jsonl` for all of it, `train.jsonl` for a split.

        Raises:
            CorpusError: There is no corpus, it is damaged, or it is of another schema version.
        """
        given = Path(path)
        self.folder, name = (given.parent, given.name) if given.suffix == ".jsonl" else (given, MANIFEST)
        if name not in LISTS or name == REJECTED:
            raise CorpusError(f"{given} is no list of utterances of a corpus: {nearest(name, set(LISTS) - {REJECTED})}")
        self._name = name
        self.info: Mapping[str, Json] = {}
        """The content of `corpus.json`: counts, hours, licences, versions, the recipe."""
        problem = None
        for _ in range(3):  # a build that commits between two of our looks gives one from before and one from after
            self.info = _read_info(self.folder)
            self._recorded: Mapping[str, Json] = self.info["files"][name]
            problem = self._problem()
            if problem is None:
                return
        raise CorpusError(problem)

    def _problem(self) -> str | None:
        file = current(self.folder, self._name)
        try:
            size = file.stat().st_size
        except FileNotFoundError:
            return f"{file} is missing: copy the whole folder, or build the corpus again"
        if size == self._recorded["bytes"]:
            return None
        return (
            f"{file} has {size:,} bytes, {INFO} says {self._recorded['bytes']:,}: it was cut short or edited. Copy it "
            "again, or build the corpus again"
        )

    def __len__(self) -> int:
        return int(self._recorded["lines"])

    def __iter__(self) -> Iterator[Record]:
        path = self._file()
        with path.open("rb", buffering=1 << 18) as lines:
            for number, line in enumerate(lines, 1):
                yield self._record(line, path, number)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """One row by its position, or the list of some. The first call finds where each row begins."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"row {index} of a corpus of {len(self)} rows")
        start, end = self._offsets[position], self._offsets[position + 1]
        path = self._file()
        with path.open("rb", buffering=0) as file:
            line = os.pread(file.fileno(), end - start, start)
        return self._record(line, path, position + 1)

    def __repr__(self) -> str:
        return f"Corpus('{self.folder / self._name}', {len(self)} utterances)"

    def __reduce__(self) -> tuple[Any, ...]:
        return Corpus, (str(self.folder / self._name),)

    @property
    def name(self) -> str:
        """The corpus's name."""
        return str(self.info["name"])

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """FLORES-200 codes of the whole corpus, sorted."""
        return tuple(row["language"] for row in self.info["by_language"])

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Labels of the whole corpus, sorted; rows without one have None."""
        return tuple(row["label"] for row in self.info["by_label"] if row["label"] is not None)

    def split(self, name: str) -> Corpus:
        """The rows of `train`, `dev` or `test`.

        Raises:
            CorpusError: No such split.
        """
        if name not in SPLITS:
            raise CorpusError(f"no split '{name}': {nearest(name, SPLITS)}")
        return Corpus(self.folder / f"{name}.jsonl")

    def groups(self) -> Iterator[list[Record]]:
        """Parallel groups, one after the other: the same sentence in the languages that have it, sorted by language."""
        for _, records in groupby(self, key=attrgetter("group")):
            yield list(records)

    def _file(self) -> Path:
        return current(self.folder, self._name)

    @cached_property
    def _offsets(self) -> array[int]:
        offsets = array("Q", [0])
        position = 0
        with self._file().open("rb", buffering=1 << 18) as lines:
            for line in lines:
                position += len(line)
                offsets.append(position)
        if len(offsets) != len(self) + 1:
            raise CorpusError(
                f"{self._file()} has {len(offsets) - 1:,} rows, {INFO} says {len(self):,}: it was edited. Build the "
                "corpus again"
            )
        return offsets

    def _record(self, line: bytes, path: Path, number: int) -> Record:
        try:
            return Record(**json.loads(line), folder=self.folder)
        except (ValueError, TypeError) as error:
            raise CorpusError(
                f"{path}:{number}: expected a row of schema version {SCHEMA_VERSION}, found {line[:60]!r} ({error}). "
                "Build the corpus again"
            ) from error


def _read_info(folder: Path) -> Mapping[str, Json]:
    file = current(folder, INFO)
    try:
        info = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        what = "there is no such folder" if not folder.is_dir() else f"it has no {INFO}"
        raise CorpusError(
            f"{folder} is not a corpus: {what}. `corpusforge build RECIPE` makes one in manifests/<name>"
        ) from None
    except OSError as error:
        raise CorpusError(f"{file} cannot be read: {error.strerror}. Make it readable") from error
    except ValueError as error:
        raise CorpusError(f"{file} is damaged ({error}): copy it again, or build the corpus again") from None
    version = info.get("schema_version") if isinstance(info, dict) else None
    if version != SCHEMA_VERSION:
        mend = "build the corpus again with this corpusforge"
        if isinstance(version, int) and version > SCHEMA_VERSION:
            mend = "it was made by a newer corpusforge: install that with `pip install -U corpusforge`"
        raise CorpusError(f"{file} is of schema version {version}, this corpusforge reads {SCHEMA_VERSION}: {mend}")
    missing = [name for name in ("name", "files", "by_language", "by_label") if name not in info]
    if missing or not all(name in info["files"] for name in LISTS):
        raise CorpusError(f"{file} is damaged: it lacks {missing or 'files'}. Build the corpus again")
    found: Mapping[str, Json] = info
    return found

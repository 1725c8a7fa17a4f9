"""From what was found to a corpus: audio converted, splits decided, manifest written.

Items are kept in a list of their own until all are there, since splits are decided by all documents; audio is in a
store of its own beside the list. Both are in the workspace, whose lock an import holds, and are removed when it ends;
those of one that was killed are removed by the next.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from corpusforge.corpus.files import check_writable, in_words
from corpusforge.corpus.layout import INFO, current
from corpusforge.corpus.splits import Splits, assign
from corpusforge.corpus.write import CorpusWriter, intact
from corpusforge.errors import CorpusforgeError, SourceError, WorkspaceError
from corpusforge.imports.found import Found, Sound, Unreadable, is_corpus_audio
from corpusforge.imports.rules import Rules, utterance
from corpusforge.items import ATTRIBUTES, Done, Json, Utterance
from corpusforge.quality.measure import Measure, MeasureConfig
from corpusforge.speech.audio import AudioConfig, decode, encode, finish
from corpusforge.store.blobs import Blobs
from corpusforge.store.workspace import Workspace

STAGE = "import"
"""Stands for the stage in `rejected.jsonl`."""

MOST_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made.

    Attributes:
        corpus, folder: Name, and where it is.
        utterances, hours, rejected: In the corpus, and left out.
        splits: `folder`, or `document` if they were decided here.
        written: False if the folder held just this corpus.
    """

    corpus: str
    folder: Path
    utterances: int
    hours: float
    rejected: int
    splits: str
    written: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """What is imported, as `corpus.json` tells it: the form, and a name that holds on other machines, too."""

    form: str
    name: str
    revision: str | None = None


def import_corpus(
    found: Iterable[Found],
    origin: Origin,
    rules: Rules,
    name: str,
    workspace: Path,
    folder: Path,
    splits: Literal["folder", "document"] | None = None,
    config: Splits | None = None,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Write a corpus of what was found.

    Args:
        found: Utterances; asked for once.
        origin: What they are.
        rules: Which value is which.
        name: Of the corpus.
        workspace: Folder whose `.corpusforge` holds what is on its way.
        folder: Of the corpus. One that an import made is replaced.
        splits: `folder` keeps those that the utterances have, `document` decides them anew; None keeps them if all
            have one.
        config: Sizes of the splits where they are decided.
        progress: Told the number of utterances after each.

    Raises:
        SourceError: Nothing can be imported, or splits cannot be kept.
        WorkspaceError: The workspace is busy, or the folder holds something else or cannot be written.
    """
    _check_replaceable(folder)
    with in_words(folder):
        check_writable(folder)
    with Workspace(workspace) as store, store.locked(f"import {name}"):
        scratch = store.root / "import"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            with in_words(folder):
                scratch.mkdir(parents=True)
            taken = _Taken(scratch)
            for count, item in enumerate(found, start=1):
                taken.take(item, rules)
                if progress is not None:
                    progress(count)
            return taken.written(origin, rules, name, folder, splits, config or Splits())
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        known = "import" in json.loads(current(folder, INFO).read_bytes())["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise WorkspaceError(
            f"{folder} is there and `corpusforge import` has not made it: move it away, or choose another name with "
            "--name NAME"
        )


class _Taken:
    """Utterances on their way into a corpus."""

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / "items.jsonl"
        self._blobs = Blobs(scratch / "blobs")
        self._measure = Measure(MeasureConfig())
        self._outline: list[tuple[str, str | None]] = []
        self._split_of: dict[str, str | None] = {}
        self._document_of: dict[str, str] = {}
        self._ids: set[str] = set()
        self._reasons: list[str] = []
        self._digest = hashlib.sha256()
        self._unsplit = 0

    def take(self, found: Found, rules: Rules) -> None:
        """Keep one utterance, or why it cannot be had."""
        item: Utterance | None = None
        split: str | None = None
        row: dict[str, Json] = {}
        try:
            item, split = utterance(found, rules)
            item = item.having(self._sounding(found.read()))
            measured = self._measure.run(item, self._blobs.read)
            assert isinstance(measured, Done)  # what was encoded or decoded here can be decoded
            item = item.having(measured.fields)
        except Unreadable as error:
            row["reason"] = str(error)
            if len(self._reasons) < MOST_REASONS_SHOWN:
                self._reasons.append(f"{found.place}: {error}")
            item = item or _nameless(found, rules)
        else:
            self._check_pieces(item, split)
            self._outline.append((item.document, item.label))
            self._unsplit += split is None
        row |= {"split": split, "fields": dict(item.fields), **{name: getattr(item, name) for name in ATTRIBUTES}}
        line = json.dumps(row).encode() + b"\n"
        self._digest.update(line)
        with in_words(self._path), self._path.open("ab") as file:
            file.write(line)

    def _sounding(self, sound: Sound) -> dict[str, Json]:
        """The audio as a corpus holds it, in the store: as it is if it is that already, else converted."""
        config = AudioConfig()
        try:
            samples, rate = decode(sound) if isinstance(sound, bytes) else sound
            if isinstance(sound, bytes) and is_corpus_audio(sound):
                content = sound
            else:
                mono = samples if samples.ndim == 1 else samples.mean(axis=1)
                samples, rate = finish(mono, rate, config)
                content = encode(samples, rate, config.format)
        except (CorpusforgeError, ValueError) as error:
            raise Unreadable(f"not audio: {error}") from error
        with in_words(self._path):
            return {"audio": self._blobs.put(content), "sample_rate": rate, "num_samples": len(samples)}

    def _check_pieces(self, item: Utterance, split: str | None) -> None:
        """Ids are unique; a group is in one document, and a document in one split.

        Otherwise training would see what it is tested on.
        """
        if item.id in self._ids:
            raise SourceError(
                f"'{item.id}' is the id of more than one utterance: name the field with one that is not by --id-field"
            )
        self._ids.add(item.id)
        known = self._document_of.setdefault(item.group, item.document)
        if known != item.document:
            raise SourceError(
                f"{item.id}: its group '{item.group}' is in document '{item.document}' here and in '{known}' before: a "
                "group belongs to one document. Name the field with it by --document-field, or another --group-field"
            )
        before = self._split_of.setdefault(item.document, split)
        if before != split:
            self._split_of[item.document] = ""

    def written(
        self, origin: Origin, rules: Rules, name: str, folder: Path, splits: str | None, config: Splits
    ) -> Imported:
        """Write the corpus, unless it is there."""
        if not self._outline:
            reasons = "; ".join(self._reasons) or "it has no utterance"
            raise SourceError(f"nothing can be imported from {origin.name}: {reasons}")
        kept = splits == "folder" or (splits is None and not self._unsplit)
        how: dict[str, Json] = {**asdict(origin), **asdict(rules), "splits": "folder" if kept else "document"}
        if not kept:
            how["split_sizes"] = config.model_dump(mode="json")
        recipe = {"name": name, "import": how}
        split_of = self._kept() if kept else assign(self._outline, config)
        fingerprint = hashlib.sha256(f"{json.dumps(recipe, sort_keys=True)} {self._digest.hexdigest()}".encode())
        there = intact(folder, fingerprint.hexdigest())
        info: Mapping[str, Json]
        if there:
            info = json.loads((folder / INFO).read_bytes())
        else:
            info = self._write(name, folder, recipe, split_of, fingerprint.hexdigest())
        return Imported(
            name,
            folder,
            info["utterances"],
            info["hours"],
            info["refused"]["rejected"],
            how["splits"],
            not there,
        )

    def _write(
        self, name: str, folder: Path, recipe: Mapping[str, Json], split_of: Mapping[str, str], fingerprint: str
    ) -> Mapping[str, Json]:
        with CorpusWriter(
            folder,
            name=name,
            recipe=recipe,
            splits=split_of,
            blob_path=self._blobs.path,
            suffix="flac",
            versions={"corpusforge": version("corpusforge")},
        ) as writer:
            for item, reason in self._items():
                if reason is None:
                    writer.add(item)
                else:
                    writer.refuse(item, STAGE, reason)
            return writer.commit(fingerprint)

    def _kept(self) -> Mapping[str, str]:
        for document, split in self._split_of.items():
            if split is None:
                raise SourceError(
                    f"document '{document}' is in no split of the folder: lists are not named train, dev or test, and "
                    "have no field 'split'. Use --splits document"
                )
            if split == "":
                raise SourceError(
                    f"document '{document}' is in more than one split of the folder, so that what is tested on would "
                    "be trained on. Use --splits document, or name another --document-field"
                )
        return self._split_of  # type: ignore[return-value]  # none is None

    def _items(self) -> Iterator[tuple[Utterance, str | None]]:
        with self._path.open("rb") as lines:
            for line in lines:
                row = json.loads(line)
                values = {name: row[name] for name in ATTRIBUTES}
                yield Utterance(**values, fields=row["fields"]), row.get("reason")


def _nameless(found: Found, rules: Rules) -> Utterance:
    """What is known of an utterance that cannot be had."""
    name = str(found.values.get("id") or found.place)
    return Utterance(name, name, name, rules.lang or "", "", None, rules.source, rules.license or "")

"""Writes a corpus folder so that it is whole at every moment: the old corpus until one rename, the new one after it.

Audio files have their content's hash in their name, so none ever changes under its name. A commit adds the audio that
is new, writes every list to a folder of its own, makes that folder valid with one rename, moves the lists into place,
and only then removes the audio that nothing names any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from corpusforge.corpus.files import ListFile, check_writable, in_words, link_or_copy, remove_empty, sync_folder
from corpusforge.corpus.layout import (
    AUDIO,
    COMMIT,
    INFO,
    LISTS,
    MANIFEST,
    REJECTED,
    SCHEMA_VERSION,
    SPLITS,
    audio_name,
    is_audio_name,
    safe_name,
)
from corpusforge.corpus.spool import Spool
from corpusforge.errors import CorpusError, SourceError, WorkspaceError
from corpusforge.items import Json, Utterance

NEXT = ".next"
"""Folder of files that are being written; worthless to anybody else."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class CorpusWriter:
    """Gathers the items of one corpus, in any order, and commits them to a folder.

    Memory does not grow with the number of utterances, only with that of documents (`splits`). Nothing in the folder
    changes before `commit`; a writer that is left without it leaves no trace.

    Args:
        folder: Of the corpus; made if it is not there.
        name: Of the corpus.
        recipe: As resolved, in JSON values.
        splits: `train`, `dev` or `test` by document.
        blob_path: A path of the blob of a sha256; raises FileNotFoundError, or leads nowhere, if it is not there.
        suffix: Of the audio files.
        versions: Of whatever took part, by name.
        citations: What those who use the text have to cite, as BibTeX.

    Raises:
        WorkspaceError: The folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        recipe: Mapping[str, Json],
        splits: Mapping[str, str],
        blob_path: Callable[[str], str | os.PathLike[str]],
        suffix: Literal["flac", "wav"],
        versions: Mapping[str, str],
        citations: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._head = {"schema_version": SCHEMA_VERSION, "name": name}
        self._tail = {
            "audio_format": suffix,
            "citations": list(citations),
            "versions": dict(sorted(versions.items())),
            "recipe": dict(recipe),
        }
        self._splits = splits
        self._blob_path = blob_path
        self._suffix = suffix
        self._folders: dict[str, str] = {}
        with in_words(folder):
            check_writable(folder)
            self._spool = Spool()

    def __enter__(self) -> CorpusWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def add(self, item: Utterance) -> None:
        """Take a finished item.

        Raises:
            CorpusError: It lacks a field that a row needs, or its document has no split.
            SourceError: Its text cannot be written as UTF-8.
        """
        fields = item.fields
        try:
            split = self._splits[item.document]
            sha256: str = fields["audio"]
            rate: int = fields["sample_rate"]
            samples: int = fields["num_samples"]
            folder = self._folders.get(item.lang) or self._folders.setdefault(item.lang, safe_name(item.lang))
            file = audio_name(item.id, sha256, self._suffix)
            row = {
                "id": item.id,
                "group": item.group,
                "document": item.document,
                "lang": item.lang,
                "text": item.text,
                "label": item.label,
                "split": split,
                "audio": f"{AUDIO}/{folder}/{file}",
                "duration": round(samples / rate, 6),
                "sample_rate": rate,
                "num_samples": samples,
                "sha256": sha256,
                "engine": fields["engine"],
                "voice": fields["voice"],
                "voice_license": fields["voice_license"],
                "source": item.source,
                "license": item.license,
                "translation": fields.get("translation"),
                "metrics": fields.get("metrics"),
            }
        except KeyError as missing:
            if missing.args == (item.document,):
                raise CorpusError(
                    f"{item.id}: its document '{item.document}' has no split. Splits are assigned from the source's "
                    "outline: outline and items of the source do not agree"
                ) from None
            raise CorpusError(
                f"{item.id} has no field {missing}, found {sorted(fields)}: the recipe lacks the stage that writes it"
            ) from None
        self._take(self._spool.add(item, split, folder, file, _line(item, row)))

    def refuse(
        self,
        item: Utterance,
        stage: str,
        reason: str,
        kind: Literal["rejected", "failed"] = "rejected",
        details: Mapping[str, Json] | None = None,
    ) -> None:
        """Note why an item is not in the corpus. `corpus.json` counts reasons by what stands before the colon."""
        row = {
            "id": item.id,
            "group": item.group,
            "lang": item.lang,
            "text": item.text or item.fields.get("source_text", ""),
            "stage": stage,
            "reason": reason,
            "kind": kind,
            "details": dict(details) if details else None,
        }
        what = reason.partition(":")[0].strip()
        self._take(self._spool.refuse((item.id, item.group, item.lang, stage, kind, what, _line(item, row))))

    def _take(self, full: bool) -> None:
        if full:
            with in_words(self.folder):
                self._spool.flush()

    def commit(self, fingerprint: str) -> dict[str, Json]:
        """Make the folder hold exactly what was added.

        Args:
            fingerprint: Of everything that decides the corpus; `intact` compares it.

        Returns:
            The content of `corpus.json`.

        Raises:
            SourceError: Two items have one id.
            WorkspaceError: The folder cannot be written, the disk is full, or a blob is missing. The folder is as it
                was before.
        """
        with in_words(self.folder):
            twice = self._spool.seal()
            if twice:
                raise SourceError(
                    f"ids given to more than one utterance: {', '.join(twice)}. Every id of a source must be unique"
                )
            was_there = self.folder.is_dir()
            self.folder.mkdir(parents=True, exist_ok=True)
            _settle(self.folder)
            try:
                self._scan_audio()
                self._link_audio()
                info = self._write_lists(fingerprint)
                os.rename(self.folder / NEXT, self.folder / COMMIT)
            except BaseException:
                self._undo(was_there)
                raise
            _settle(self.folder)
            self._remove_unwanted()
        return info

    # Audio

    def _scan_audio(self) -> None:
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder / AUDIO) as folders:
            for name in sorted(entry.name for entry in folders if entry.is_dir(follow_symlinks=False)):
                with os.scandir(self.folder / AUDIO / name) as files:
                    self._spool.found(name, (file.name for file in files if is_audio_name(file.name)))

    def _link_audio(self) -> None:
        root = f"{self.folder}{os.sep}{AUDIO}{os.sep}"
        for name, _ in self._spool.audio_files():
            os.makedirs(root + name, exist_ok=True)
        for name, file, sha256 in self._spool.missing():
            self._place(sha256, f"{root}{name}{os.sep}{file}")

    def _place(self, sha256: str, target: str) -> None:
        """Give a blob a second name, all at once; a copy where there can be no link."""
        blob: str | os.PathLike[str] = sha256
        try:
            blob = self._blob_path(sha256)
            link_or_copy(blob, target)
        except FileExistsError:
            return  # two ids that a case-insensitive file system takes for one, with the same content
        except FileNotFoundError:
            raise WorkspaceError(
                f"the audio of {Path(target).name} is not in the store ({blob} is missing): build again, which makes "
                "it anew"
            ) from None

    def _remove_unwanted(self) -> None:
        root = self.folder / AUDIO
        for name, file in self._spool.unwanted():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(root / name / file)
        remove_empty(root)

    def _undo(self, was_there: bool) -> None:
        """After an error before the commit: remove what this one added."""
        if (self.folder / COMMIT).exists():
            return  # interrupted right after the commit
        with contextlib.suppress(OSError, sqlite3.Error):
            shutil.rmtree(self.folder / NEXT, ignore_errors=True)
            for name, file, _ in self._spool.missing():
                with contextlib.suppress(OSError):
                    os.unlink(self.folder / AUDIO / name / file)
            remove_empty(self.folder / AUDIO)
            if not was_there:
                os.rmdir(self.folder)

    # Lists

    def _write_lists(self, fingerprint: str) -> dict[str, Json]:
        target = self.folder / NEXT
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        with contextlib.ExitStack() as stack:
            lists = {name: stack.enter_context(ListFile(target / name)) for name in LISTS}
            manifest, splits = lists[MANIFEST], {split: lists[f"{split}.jsonl"] for split in SPLITS}
            for split, line in self._spool.lines():
                manifest.write(line)
                splits[split].write(line)
            for line in self._spool.refusals():
                lists[REJECTED].write(line)
            files = {name: lists[name].close() for name in LISTS}
        info = {
            **self._head,
            "fingerprint": fingerprint,
            "files": files,
            **self._spool.counts(),
            "audio_files": dict(self._spool.audio_files()),
            **self._tail,
        }
        with ListFile(target / INFO) as file:
            file.write(json.dumps(info, ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n")
            file.close()
        sync_folder(target)
        return info


def intact(folder: Path, fingerprint: str) -> bool:
    """Whether the folder holds a whole corpus of this fingerprint, and nothing has to be written.

    The manifest is hashed; the other lists are compared by size, and audio by the number of files of each language.
    """
    try:
        if (folder / COMMIT).exists():
            return False
        info = json.loads((folder / INFO).read_bytes())
        if (info["schema_version"], info["fingerprint"]) != (SCHEMA_VERSION, fingerprint):
            return False
        for name, recorded in info["files"].items():
            if os.stat(folder / name).st_size != recorded["bytes"]:
                return False
        with open(folder / MANIFEST, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != info["files"][MANIFEST]["sha256"]:
                return False
        return bool(_count_audio(folder / AUDIO) == info["audio_files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _count_audio(root: Path) -> dict[str, int]:
    """Number of audio files by folder."""
    found: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as folders:
        for folder in folders:
            if folder.is_dir(follow_symlinks=False):
                with os.scandir(folder.path) as files:
                    if count := sum(1 for file in files if is_audio_name(file.name)):
                        found[folder.name] = count
    return found


def _line(item: Utterance, row: Mapping[str, Json]) -> bytes:
    try:
        return _encode(row).encode() + b"\n"
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        raise SourceError(
            f"{item.id} holds half of a surrogate pair ({half}), which is no character: mend the text in the source"
        ) from None
    except ValueError as error:
        raise CorpusError(f"{item.id} holds a value that JSON has not: {error}") from None


def _settle(folder: Path) -> None:
    """Move complete lists into place: this commit's, or those of one that was killed here."""
    waiting = folder / COMMIT
    if not waiting.is_dir():
        return
    for name in (*LISTS, INFO):
        with contextlib.suppress(FileNotFoundError):
            os.replace(waiting / name, folder / name)
    os.rmdir(waiting)
    sync_folder(folder)

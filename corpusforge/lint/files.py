"""Files of the corpus folder that are missing, or are not what was built; and what may be done with the rest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from corpusforge.corpus.layout import INFO, LISTS, current
from corpusforge.corpus.read import Corpus
from corpusforge.items import Json
from corpusforge.lint.findings import Finding, Row, Settings, build_again, counted, listed

_UNKNOWN = frozenset({"", "unknown", "none", "n/a", "?"})


class Files:
    """Lists and audio against the hashes of the manifest; `quick` reads the headers of the audio only."""

    def __init__(self, corpus: Corpus, settings: Settings) -> None:
        self._corpus = corpus
        self._build = build_again(corpus)
        self._quick = settings.quick
        self._missing: list[str] = []
        self._changed: list[str] = []
        self._outside: list[str] = []

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        if not record.path.is_file():
            self._missing.append(record.id)
        elif not (_header_fits(row) if self._quick else _sha256(row) == record.sha256):
            self._changed.append(record.id)
        if record.audio.startswith("/") or ".." in record.audio.split("/"):
            self._outside.append(record.id)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        lists = [name for name in LISTS if not self._list_fits(name)]
        if lists:
            yield Finding(
                "files",
                "error",
                f"{' and '.join(lists)} {'is' if len(lists) == 1 else 'are'} not what {INFO} says",
                "rows were edited, lost or added after the build: splits and counts may no longer hold",
                f"copy the folder again, or run `{self._build}`; to change rows, change the source",
                counts={name: 1 for name in lists},
            )
        if self._missing:
            yield Finding(
                "files",
                "error",
                f"{counted(len(self._missing), 'row')} without an audio file",
                "training stops at the first of them",
                f"copy the folder with all of its audio/, or run `{self._build}`",
                tuple(self._missing),
                {"missing": len(self._missing)},
            )
        if self._changed:
            how = "length or rate is" if self._quick else "content is"
            yield Finding(
                "files",
                "error",
                f"{counted(len(self._changed), 'row')} with an audio file whose {how} not what the manifest says",
                "it was damaged, cut short or replaced after the build",
                f"copy it again, or run `corpusforge verify` and `{self._build}`",
                tuple(self._changed),
                {"changed": len(self._changed)},
            )
        if self._outside:
            yield Finding(
                "files",
                "error",
                f"{counted(len(self._outside), 'row')} with an audio path that leads out of the corpus folder",
                "the folder cannot be copied or published",
                f"`{self._build}` puts every clip into audio/",
                tuple(self._outside),
                {"outside": len(self._outside)},
            )

    def _list_fits(self, name: str) -> bool:
        recorded: dict[str, Json] = self._corpus.info["files"][name]
        path = current(self._corpus.folder, name)
        if not path.is_file() or path.stat().st_size != recorded["bytes"]:
            return False
        if self._quick:
            return True
        with path.open("rb") as file:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == recorded["sha256"])


def _header_fits(row: Row) -> bool:
    import soundfile

    try:
        info = soundfile.info(str(row.record.path))
    except (soundfile.LibsndfileError, OSError):
        return False
    return bool((info.frames, info.samplerate) == (row.record.num_samples, row.record.sample_rate))


def _sha256(row: Row) -> str | None:
    try:
        with row.record.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


class Licenses:
    """Texts and voices whose licence is not known."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._texts: dict[str, str] = {}
        self._voices: dict[str, str] = {}

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        if _nameless(record.license):
            self._texts[record.id] = record.source or "(no source)"
        if _nameless(record.voice_license):
            self._voices[record.id] = f"{record.engine} {record.voice}"

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        why = "what has no licence may not be passed on, and a corpus is under the strictest of all its parts"
        if self._texts:
            counts = Counter(self._texts.values())
            yield Finding(
                "licenses",
                "warning",
                f"{counted(len(self._texts), 'row')} with a text of unknown licence ({listed(counts)})",
                why,
                f"give it in the recipe (`source.license`, or `source.licenses` by dataset), and run `{self._build}`",
                tuple(self._texts),
                dict(counts),
            )
        if self._voices:
            counts = Counter(self._voices.values())
            yield Finding(
                "licenses",
                "warning",
                f"{counted(len(self._voices), 'row')} with a voice of unknown licence ({listed(counts)})",
                why,
                "take a voice whose licence is known (`corpusforge engines`), or ask its maker before you publish",
                tuple(self._voices),
                dict(counts),
            )


def _nameless(license_: str | None) -> bool:
    return license_ is None or license_.strip().casefold() in _UNKNOWN

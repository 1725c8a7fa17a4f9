"""WebDataset shards: tar files in which the files of a sample stand together and share the name before the first dot.

https://github.com/webdataset/webdataset#the-webdataset-format. Times, owners and modes are fixed: the same rows make
the same bytes.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import ClassVar

from corpusforge.corpus.layout import safe_name
from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError
from corpusforge.export.base import Audio, Note, dumps, fields, present, whole

SHARD_BYTES = 500_000_000
"""A shard is ended by the sample that reaches this."""


class WebdatasetExporter:
    """`SPLIT-000000.tar` and on: `KEY.flac`, `KEY.txt` and `KEY.json` of each utterance."""

    name: ClassVar[str] = "webdataset"
    describe: ClassVar[str] = "tar shards for webdataset; audio, text and the row as JSON"

    def __init__(self, shard_bytes: int = SHARD_BYTES) -> None:
        self._shard_bytes = shard_bytes

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write shards of each split. Audio is inside, so `audio` is no choice."""
        with whole(folder, corpus, self.name) as made:
            for split, part in present(corpus):
                shards: list[tarfile.TarFile] = []
                try:
                    for record in part:
                        if not shards or shards[-1].offset >= self._shard_bytes:
                            if shards:
                                shards[-1].close()
                            path = made / f"{split}-{len(shards):06d}.tar"
                            shards.append(tarfile.open(path, "w", format=tarfile.USTAR_FORMAT))  # noqa: SIM115
                        _add(shards[-1], record)
                finally:
                    if shards:
                        shards[-1].close()


def key(record: Record) -> str:
    """The id as a file name without a dot; the id itself is in the JSON."""
    return safe_name(record.id.replace("%", "%25").replace(".", "%2E")).replace(".", "%2E")


def _add(shard: tarfile.TarFile, record: Record) -> None:
    try:
        content = record.path.read_bytes()
    except FileNotFoundError:
        raise CorpusError(
            f"{record.id}: no audio at {record.path}: build the corpus again, or copy its audio/ too"
        ) from None
    name = key(record)
    members = (
        (record.path.suffix, content),
        (".txt", record.text.encode()),
        (".json", dumps(fields(record)).encode()),
    )
    for suffix, data in members:
        entry = tarfile.TarInfo(name + suffix)
        entry.size, entry.mode = len(data), 0o644
        shard.addfile(entry, io.BytesIO(data))

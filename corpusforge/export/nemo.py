"""NeMo manifests: a line of JSON an utterance, `audio_filepath`, `duration`, `text` and `lang`.

https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html: a path that is not absolute is
looked for beside the manifest, so that the folder can be moved. Other fields are kept by NeMo's tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from corpusforge.corpus.read import Corpus
from corpusforge.export.base import Audio, AudioFolder, Note, dumps, fields, present, speaker, whole


class NemoExporter:
    """A manifest of each split, with the audio files beside them."""

    name: ClassVar[str] = "nemo"
    describe: ClassVar[str] = "JSON manifests for NVIDIA NeMo"

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write `SPLIT_manifest.json` and the audio. `lang` is the BCP 47 tag, `flores_code` the manifest's `lang`."""
        with whole(folder, corpus, self.name) as made:
            files = AudioFolder(made, audio, note)
            for split, part in present(corpus):
                with (made / f"{split}_manifest.json").open("w", encoding="utf-8", newline="\n") as lines:
                    for record in part:
                        kept = fields(record)
                        row = {
                            "audio_filepath": files.place(record),
                            "duration": kept.pop("duration"),
                            "text": kept.pop("text"),
                            "flores_code": kept.pop("lang"),
                            "lang": kept.pop("language"),
                            "speaker": speaker(record),
                        }
                        lines.write(dumps(row | kept) + "\n")

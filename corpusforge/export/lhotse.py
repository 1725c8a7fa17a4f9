"""Lhotse manifests: recordings, supervisions and cuts of each split, as `read_manifests_if_cached` looks for them.

Written as JSON, so that nobody needs lhotse, and PyTorch with it, to export; the shape is that of lhotse's `to_dict`:
https://lhotse.readthedocs.io/en/latest/cuts.html
"""

from __future__ import annotations

import contextlib
import gzip
import os
from pathlib import Path
from typing import ClassVar

from corpusforge.corpus.layout import safe_name
from corpusforge.corpus.read import Corpus
from corpusforge.export.base import Audio, AudioFolder, Note, dumps, fields, present, speaker, tag, whole

_SEPARATE = ("id", "text", "duration", "sample_rate", "num_samples", "language")
"""Fields with a place of their own in lhotse; the others are `custom`."""


class LhotseExporter:
    """Recordings, supervisions and cuts, with the audio files beside them."""

    name: ClassVar[str] = "lhotse"
    describe: ClassVar[str] = "recordings, supervisions and cuts for lhotse, icefall, k2"

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write `NAME_{recordings,supervisions,cuts}_SPLIT.jsonl.gz`; paths in them are absolute, as lhotse's are."""
        final = Path(os.path.abspath(folder))
        with whole(folder, corpus, self.name) as made:
            files = AudioFolder(made, audio, note)
            for split, part in present(corpus):
                with contextlib.ExitStack() as stack:
                    recordings, supervisions, cuts = (
                        stack.enter_context(
                            gzip.open(
                                made / f"{safe_name(corpus.name)}_{kind}_{split}.jsonl.gz", "wt", encoding="utf-8"
                            )
                        )
                        for kind in ("recordings", "supervisions", "cuts")
                    )
                    for record in part:
                        seconds = record.num_samples / record.sample_rate
                        recording = {
                            "id": record.id,
                            "sources": [{"type": "file", "channels": [0], "source": str(final / files.place(record))}],
                            "sampling_rate": record.sample_rate,
                            "num_samples": record.num_samples,
                            "duration": seconds,
                            "channel_ids": [0],
                        }
                        supervision = {
                            "id": record.id,
                            "recording_id": record.id,
                            "start": 0.0,
                            "duration": seconds,
                            "channel": 0,
                            "text": record.text,
                            "language": tag(record.lang),
                            "speaker": speaker(record),
                            "custom": {key: value for key, value in fields(record).items() if key not in _SEPARATE},
                        }
                        cut = {
                            "id": record.id,
                            "start": 0.0,
                            "duration": seconds,
                            "channel": 0,
                            "supervisions": [supervision],
                            "recording": recording,
                            "type": "MonoCut",
                        }
                        recordings.write(dumps(recording) + "\n")
                        supervisions.write(dumps(supervision) + "\n")
                        cuts.write(dumps(cut) + "\n")

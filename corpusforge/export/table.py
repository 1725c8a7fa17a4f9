"""Tables: a CSV of each split, and the audio files beside them.

The dialect is `excel` of Python's csv, with strings in quotes and a line feed at the end of a line. The files are not
named `metadata.csv`, since `audiofolder` of `datasets` guesses types split by split, and stops where a column is empty
in one of them.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import ClassVar

from corpusforge.corpus.read import Corpus
from corpusforge.export.base import Audio, AudioFolder, Note, dumps, fields, present, refuse, whole

COLUMNS = (
    *("audio", "id", "group", "document", "lang", "language", "text", "label", "split", "duration", "sample_rate"),
    *("num_samples", "sha256", "engine", "voice", "voice_license", "source", "license", "translation"),
)


class CsvExporter:
    """`train.csv`, `dev.csv`, `test.csv` and `audio/`."""

    name: ClassVar[str] = "csv"
    describe: ClassVar[str] = "a CSV of each split with the audio beside it, for spreadsheets, pandas and datasets"

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write a table of each split; `audio` is a path beside it.

        An empty cell is a value that is not there; `translation` is JSON.

        Raises:
            CorpusError: A row holds U+0000, which readers of CSV take for the end.
        """
        wrong = [
            record.id
            for record in corpus
            if any("\0" in str(value) for value in fields(record).values() if not isinstance(value, dict))
        ]
        if wrong:
            raise refuse("CSV", wrong, "the character U+0000", "Change these rows in the source")
        with whole(folder, corpus, self.name) as made:
            files = AudioFolder(made, audio, note)
            for split, part in present(corpus):
                with (made / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
                    # csv would leave a lone carriage return without quotes, and readers end a line there.
                    table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
                    table.writerow(COLUMNS)
                    for record in part:
                        row = fields(record) | {
                            "audio": files.place(record),
                            "translation": dumps(record.translation) if record.translation else None,
                        }
                        table.writerow([row[column] for column in COLUMNS])

"""The layout of LJ Speech, which most trainers of voices read: `metadata.csv` and `wavs/`, a folder a language.

https://keithito.com/LJ-Speech-Dataset/: a line is `id|text|normalized text`, without header and without quoting, so a
text can hold neither `|` nor a line break. The corpus has one text, which is written twice.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import IO, ClassVar

from corpusforge.corpus.layout import safe_name
from corpusforge.corpus.read import Corpus
from corpusforge.export.base import Audio, Note, refuse, whole
from corpusforge.export.wav import WavFolder

_FORBIDDEN = re.compile(r"[|\r\n]")


class LjspeechExporter:
    """metadata.csv, metadata_{train,dev,test}.csv and wavs/ of each language."""

    name: ClassVar[str] = "ljspeech"
    describe: ClassVar[str] = "LJ Speech's layout for trainers of voices, a folder a language, with 16-bit WAV"

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write `LANG/metadata.csv` with every row, `LANG/metadata_SPLIT.csv` with those of a split, `LANG/wavs/`.

        Raises:
            CorpusError: A text holds `|` or a line break, or is empty.
        """
        wrong = [record.id for record in corpus if _FORBIDDEN.search(record.text) or not record.text.strip()]
        if wrong:
            mend = "Change these texts in the source, or choose a form that keeps them, such as csv or nemo"
            raise refuse("LJ Speech's layout", wrong, "texts with '|' or a line break, or without a character", mend)
        with whole(folder, corpus, self.name) as made, contextlib.ExitStack() as stack:
            wavs: dict[str, WavFolder] = {}
            lists: dict[tuple[str, str], IO[str]] = {}

            def opened(name: str, part: str) -> IO[str]:
                if (name, part) not in lists:
                    path = made / name / f"{part}.csv"
                    lists[name, part] = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
                return lists[name, part]

            for record in corpus:
                name = safe_name(record.lang)
                if name not in wavs:
                    wavs[name] = WavFolder(made / name, "wavs", audio)
                stem = safe_name(record.id)
                wavs[name].place(record, stem)
                line = f"{stem}|{record.text}|{record.text}\n"
                for part in ("metadata", f"metadata_{record.split}"):
                    opened(name, part).write(line)

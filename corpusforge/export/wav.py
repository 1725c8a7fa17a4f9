"""Audio for tools that read nothing but 16-bit WAV."""

from __future__ import annotations

from pathlib import Path

from corpusforge.corpus.files import copy_file, link_or_copy
from corpusforge.corpus.read import Record
from corpusforge.export.base import Audio
from corpusforge.speech.audio import encode


class WavFolder:
    """WAV files made from the audio of a corpus, sample by sample the same; what is WAV already is linked or copied."""

    def __init__(self, folder: Path, name: str, audio: Audio) -> None:
        self._folder = folder
        self._name = name
        self._audio = audio
        (folder / name).mkdir(parents=True)

    def place(self, record: Record, stem: str) -> str:
        """Write a record's audio as `STEM.wav`; its path relative to the folder.

        Raises:
            CorpusError: The corpus's file is missing, damaged or not what its row says.
        """
        path = f"{self._name}/{stem}.wav"
        target = self._folder / path
        samples, rate = record.load()
        if record.audio.endswith(".wav"):
            (copy_file if self._audio == "copy" else link_or_copy)(record.path, target)
        else:
            target.write_bytes(encode(samples, rate, "wav"))
        return path

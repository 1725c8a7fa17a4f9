"""A store with real audio, and the items of a small parallel corpus."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpusforge.corpus.splits import Splits, assign
from corpusforge.corpus.write import CorpusWriter
from corpusforge.items import Utterance
from corpusforge.quality.measure import Measure, MeasureConfig
from corpusforge.store.blobs import Blobs

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
TEXTS = {"zho_Hans": "天气很好", "bod_Tibt": "གནམ་གཤིས་ཡག་པོ་འདུག", "mya_Mymr": "ရာသီဥတု ကောင်းသည်"}


def tone(seconds: float, rate: int = 16000, hertz: float = 220.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = 16000, format: str = "FLAC", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


class Shop:
    """Makes finished items whose audio is in a store of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = Blobs(root / "blobs")
        self.measure = Measure(MeasureConfig())

    def item(self, id: str, lang: str = "zho_Hans", hertz: float = 220.0, **changes: object) -> Utterance:
        samples = tone(0.5 + (hertz % 7) / 10, hertz=hertz)
        fields = {
            "audio": self.blobs.put(encoded(samples)),
            "sample_rate": 16000,
            "num_samples": len(samples),
            "engine": "espeak",
            "voice": "cmn",
            "voice_license": "GPL-3.0-or-later",
            "syllables": 4,
            "unreadable": 1,
        }
        base = {
            "id": id,
            "group": id.partition(".")[0],
            "document": "doc-1",
            "lang": lang,
            "text": TEXTS.get(lang, "text"),
            "label": "travel",
            "source": "FLORES-200",
            "license": "CC-BY-SA-4.0",
        }
        own = {name: value for name, value in changes.items() if name in base}
        item = Utterance(**{**base, **own}, fields=fields | {k: v for k, v in changes.items() if k not in base})
        return item.having(self.measure.run(item, self.blobs.read).fields)

    def corpus(self, groups: int = 12, languages: tuple[str, ...] = LANGUAGES) -> list[Utterance]:
        return [
            self.item(
                f"dev-{number:04d}.{lang}",
                lang,
                200 + 10 * number + position,
                document=f"doc-{number // 2}",
                label=("news", "travel")[number // 2 % 2],
            )
            for number in range(groups)
            for position, lang in enumerate(languages)
        ]

    def writer(self, folder: Path, items: list[Utterance], **changes: object) -> CorpusWriter:
        settings = {
            "name": "small",
            "recipe": {"name": "small", "source": {"kind": "flores200"}},
            "splits": assign(((item.document, item.label) for item in items), Splits(dev=0.2, test=0.2)),
            "blob_path": self.blobs.path,
            "suffix": "flac",
            "versions": {"corpusforge": "0.1.0", "espeak-ng": "1.52"},
        }
        return CorpusWriter(folder, **{**settings, **changes})

    def write(self, folder: Path, items: list[Utterance], fingerprint: str = "one", **changes: object) -> dict:
        with self.writer(folder, items, **changes) as writer:
            for item in items:
                writer.add(item)
            return writer.commit(fingerprint)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a folder with its content."""

    def take(folder: Path) -> dict[str, bytes]:
        return {
            str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()
        }

    return take

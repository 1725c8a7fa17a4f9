"""A corpus of clips of one length, made of the bundled sample: its voices cut and joined, its sentences repeated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile
import soxr
from pack import sample

from corpusforge.corpus.splits import Splits, assign
from corpusforge.corpus.write import CorpusWriter
from corpusforge.items import Utterance

LETTERS = 200
"""Letters a sentence has at least."""


def made_corpus(folder: Path, clips: int, seconds: float, rate: int) -> Path:
    """A corpus of `clips` utterances in the sample's languages, each of `seconds` as FLAC at `rate` Hz."""
    built = sample(folder)
    languages = built.languages
    voices = {lang: np.concatenate([one.load()[0] for one in built if one.lang == lang]) for lang in languages}
    sentences = {lang: [one.text for one in built if one.lang == lang] for lang in languages}
    first = built[0]
    draw = np.random.default_rng(1)
    blobs = folder / "blobs"
    blobs.mkdir()
    items = []
    for number in range(clips - clips % len(languages)):
        group, lang = number // len(languages), languages[number % len(languages)]
        start = int(draw.integers(0, len(voices[lang]) - int(seconds * first.sample_rate)))
        samples = voices[lang][start : start + int(seconds * first.sample_rate)]
        samples = soxr.resample(samples, first.sample_rate, rate)[: int(seconds * rate)]
        soundfile.write(blobs / "new", samples, rate, format="FLAC", subtype="PCM_16")
        sha = hashlib.sha256((blobs / "new").read_bytes()).hexdigest()
        (blobs / "new").rename(blobs / sha)
        fields = {"audio": sha, "sample_rate": rate, "num_samples": len(samples), "engine": first.engine}
        fields |= {"voice": first.voice, "voice_license": "GPL-3.0-or-later"}
        texts = sentences[lang]
        text = " ".join(texts[(group + more) % len(texts)] for more in range(1 + LETTERS // min(map(len, texts))))
        name, document, label = f"g-{group:05d}", f"doc-{group // 4}", ("news", "travel")[group // 4 % 2]
        items.append(Utterance(f"{name}.{lang}", name, document, lang, text, label, "sample", "CC0-1.0", fields))
    splits = assign(((item.document, item.label) for item in items), Splits())
    settings = {"name": "made", "recipe": {"name": "made", "source": {"kind": "flores200"}}, "versions": {}}
    with CorpusWriter(
        folder / "corpus", splits=splits, blob_path=lambda sha: blobs / sha, suffix="flac", **settings
    ) as writer:  # type: ignore[arg-type]
        for item in items:
            writer.add(item)
        writer.commit("made")
    return folder / "corpus"

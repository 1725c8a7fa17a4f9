"""Time to pack the audio of a corpus, to open the pack again, and to read it, beside decoding file by file.

Usage: python benchmarks/pack.py [manifests/flores200] [--clips 6027] [--seconds 12] [--workers 2]

Without a corpus, one of `--clips` files of FLAC is made for it, of about `--seconds` each, of the sample's own audio:
parts of its clips, put together anew, so that no two files are alike. Target: 6,027 clips in 60 s on 2 processors.
Files may still be in the system's cache when they are packed; `--cold` writes them out and drops them first (root).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from corpusforge import Corpus
from corpusforge.corpus.splits import Splits, assign
from corpusforge.corpus.write import CorpusWriter
from corpusforge.items import Utterance
from corpusforge.train.data import read_dataset
from corpusforge.train.pack import open_pack

TARGET = 60.0
RATE = 16000


def sample(folder: Path) -> Corpus:
    command = ["corpusforge", "build", "flores200", "--sample", "--quiet", "--workspace", folder / "ws"]
    subprocess.run([str(part) for part in [*command, "--out", folder / "out"]], check=True)
    [built] = (folder / "out").iterdir()
    return Corpus(built)


def corpus(folder: Path, clips: int, seconds: float) -> Path:
    """A corpus of `clips` utterances, whose audio is that of the sample in other pieces."""
    voice = np.concatenate([record.load()[0] for record in sample(folder)])
    draw = np.random.default_rng(1)
    blobs = folder / "blobs"
    blobs.mkdir()
    languages = ("bod_Tibt", "mya_Mymr", "zho_Hans")
    items = []
    for number in range(clips):
        group, lang = number // 3, languages[number % 3]
        length = int(RATE * seconds * draw.uniform(0.4, 1.6))
        starts = draw.integers(0, len(voice) - RATE, length // RATE + 1)
        samples = np.concatenate([voice[start : start + RATE] for start in starts])[:length]
        soundfile.write(blobs / "new", samples, RATE, format="FLAC", subtype="PCM_16")
        sha = hashlib.sha256((blobs / "new").read_bytes()).hexdigest()
        (blobs / "new").rename(blobs / sha)
        fields = {"audio": sha, "sample_rate": RATE, "num_samples": length, "engine": "espeak", "voice": "cmn"}
        fields["voice_license"] = "GPL-3.0-or-later"
        name, document, label = f"g-{group:05d}", f"doc-{group // 4}", ("news", "travel")[group // 4 % 2]
        item = Utterance(f"{name}.{lang}", name, document, lang, f"text {number}", label, "sample", "CC0-1.0", fields)
        items.append(item)
    splits = assign(((item.document, item.label) for item in items), Splits())
    settings = {"name": "pack", "recipe": {"name": "pack", "source": {"kind": "flores200"}}, "versions": {}}
    with CorpusWriter(
        folder / "corpus", splits=splits, blob_path=lambda sha: blobs / sha, suffix="flac", **settings
    ) as writer:  # type: ignore[arg-type]
        for item in items:
            writer.add(item)
        writer.commit("pack")
    return folder / "corpus"


def timed(what: str, work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    seconds = time.perf_counter() - start
    print(f"{what}: {seconds:,.3f} s")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--clips", type=int, default=6027)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = given.corpus or corpus(folder, given.clips, given.seconds)
        info = Corpus(made).info
        print(f"{info['utterances']:,} clips, {info['hours']:.1f} h")
        if given.cold:
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")
        seconds = timed("pack", lambda: open_pack(made, folder / "cache", workers=given.workers))
        timed("open it again, with the manifest", lambda: open_pack(made, folder / "cache"))
        timed("read the dataset", lambda: read_dataset(made))
        pack = open_pack(made, folder / "cache")
        some = list(Corpus(made))[:: max(1, len(pack) // 500)]
        mapped = timed(
            f"{len(some)} clips from the pack", lambda: [pack.clip(pack.numbers[one.id]).sum() for one in some]
        )
        plain = timed(f"{len(some)} clips from their files", lambda: [one.load()[0].sum() for one in some])
        print(
            f"a clip: {1000 * mapped / len(some):.3f} ms from the pack, {1000 * plain / len(some):.3f} ms from its file"
        )
        size = os.path.getsize(pack.folder / "audio.i16") / 1e9
        target = f" (target for 6,027 clips on 2 processors: {TARGET:.0f} s)"
        print(f"packed {len(pack):,} clips, {size:.2f} GB, in {seconds:.1f} s with {given.workers} workers{target}")


if __name__ == "__main__":
    main()

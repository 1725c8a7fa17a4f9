"""Kaldi data directories: one a split, as `utils/validate_data_dir.sh --no-feats` wants them.

https://kaldi-asr.org/doc/data_prep.html. Every list is sorted by bytes (LC_ALL=C), and so are utterances by speaker,
which takes ids that begin with the speaker's. Kaldi reads WAV by itself, other audio only through programs that a
machine may not have: FLAC is written as WAV, sample by sample the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from corpusforge.corpus.layout import safe_name
from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError
from corpusforge.export.base import Audio, Note, dumps, fields, present, refuse, speaker, tag, whole
from corpusforge.export.wav import WavFolder

INFO = "utt2info"
"""What Kaldi has no list for, as JSON: our own, for `corpusforge import`."""

_UNSAFE = re.compile(rb"[^A-Za-z0-9._-]|-(?=-|\Z)")
_SPECIAL = re.compile(r"(?<![A-Za-z0-9_])(?:<s>|</s>|#0)(?![A-Za-z0-9_])")


class KaldiExporter:
    """wav.scp, text, utt2spk, spk2utt, utt2dur, reco2dur, utt2lang; and utt2info."""

    name: ClassVar[str] = "kaldi"
    describe: ClassVar[str] = "data directories for Kaldi, one a split, with 16-bit WAV"

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write `SPLIT/{wav.scp,text,utt2spk,…}` and `wav/`; paths in wav.scp are absolute.

        Kaldi's texts are words with one space between them. Other white space becomes that, which `note` is told; the
        text as it was is in `utt2info`.

        Raises:
            CorpusError: A text is empty or holds `<s>`, `</s>` or `#0`, which mean something to Kaldi.
        """
        final = Path(os.path.abspath(folder))
        if "\n" in str(final):
            raise CorpusError(
                f"Kaldi cannot hold a path with a line break: {str(final)!r}. Name another with --out DIR"
            )
        _check(corpus)
        spaced = sum(words(record.text) != record.text for record in corpus)
        if spaced:
            note(f"{spaced:,} texts have white space that Kaldi does not keep; {INFO} has them as they were")
        with whole(folder, corpus, self.name) as made:
            wavs = WavFolder(made, "wav", audio)
            for split, part in present(corpus):
                _write(made / split, part, wavs, final)


def words(text: str) -> str:
    """The text as Kaldi sees it."""
    return " ".join(text.split())


def kaldi_id(name: str) -> str:
    """A name of letters, digits, `.`, `_` and single `-`, which do not end it: other bytes are written `~E0`."""
    return _UNSAFE.sub(lambda found: b"~%02X" % found[0][0], name.encode()).decode()


def utterance_id(record: Record) -> str:
    """`espeak-cmn--dev-0001.zho_Hans`: in byte order, utterances are in the order of their speakers, too.

    It holds because nothing that a speaker's name may have sorts before `-`, and no name has `--` or ends with `-`.
    """
    return f"{kaldi_id(speaker(record))}--{kaldi_id(record.id)}"


def _check(corpus: Corpus) -> None:
    empty = [record.id for record in corpus if not record.text.split()]
    if empty:
        raise refuse("Kaldi", empty, "utterances without text", "Leave them out with a gate of the recipe")
    special = [record.id for record in corpus if _SPECIAL.search(record.text)]
    if special:
        raise refuse("Kaldi", special, "texts with '<s>', '</s>' or '#0'", "Change these texts in the source")


def _write(folder: Path, part: Corpus, wavs: WavFolder, final: Path) -> None:
    folder.mkdir()
    rows = sorted(
        ((utterance_id(record), kaldi_id(speaker(record)), record) for record in part), key=lambda row: row[:2]
    )
    lists: dict[str, Iterable[tuple[str, str]]] = {
        "wav.scp": [(utt, str(final / wavs.place(record, safe_name(utt)))) for utt, _, record in rows],
        "text": ((utt, words(record.text)) for utt, _, record in rows),
        "utt2spk": ((utt, spk) for utt, spk, _ in rows),
        "spk2utt": ((spk, " ".join(utt for utt, *_ in group)) for spk, group in groupby(rows, lambda row: row[1])),
        "utt2dur": ((utt, _seconds(record)) for utt, _, record in rows),
        "reco2dur": ((utt, _seconds(record)) for utt, _, record in rows),
        "utt2lang": ((utt, tag(record.lang)) for utt, _, record in rows),
        INFO: ((utt, dumps(fields(record))) for utt, _, record in rows),
    }
    for name, lines in lists.items():
        with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{key} {value}\n" for key, value in lines)


def _seconds(record: Record) -> str:
    """Exact for any rate: Kaldi's tools and lhotse multiply by the rate and round to the nearest sample."""
    return f"{record.num_samples / record.sample_rate:.6f}"

"""Kaldi's data directories: its own rules, lhotse's reader, and Kaldi's script where Kaldi is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.corpus.read import Corpus
from corpusforge.export.base import export
from corpusforge.export.kaldi import kaldi_id, words

ODD_TEXTS = ("a\tb", "a\nb", "\u3000a\u00a0\u2028b\x1c", "  a   b ")
SPLITS = ("train", "dev", "test")


@pytest.fixture
def spaced(shop, tmp_path) -> Corpus:
    """The corpus's rows, and texts with every kind of white space."""
    items = shop.corpus(8)
    items += [shop.item(f"o{n}", hertz=400 + n, document=f"o{n}", text=text) for n, text in enumerate(ODD_TEXTS)]
    shop.write(tmp_path / "spaced", items)
    return Corpus(tmp_path / "spaced")


def lines_of(path: Path) -> list[list[str]]:
    """Lines as awk sees them in the C locale: by blanks and tabs."""
    content = path.read_bytes()
    assert content.endswith(b"\n") and b"\r" not in content
    return [line.decode().split(" ") for line in content.split(b"\n")[:-1]]


def validate(directory: Path) -> None:
    """What `utils/validate_data_dir.sh --no-feats` (Kaldi 5.5) checks, rule by rule."""
    lists = {path.name: lines_of(path) for path in directory.iterdir()}
    for name, lines in lists.items():
        keys = [line[0].encode() for line in lines]
        assert keys == sorted(set(keys)), f"{name} is not in sorted order or has duplicates"
        assert lines and (name == "utt2info" or all("" not in line for line in lines)), f"{name} has blanks in a row"
    utts = [utt for utt, _ in lists["utt2spk"]]
    by_speaker = sorted(lists["utt2spk"], key=lambda line: (line[1].encode(), " ".join(line).encode()))
    assert by_speaker == lists["utt2spk"], "utt2spk is not in sorted order when sorted first on speaker-id"
    assert [[utt, spk] for spk, *mine in lists["spk2utt"] for utt in mine] == lists["utt2spk"]
    for name in ("text", "wav.scp", "utt2lang", "utt2dur", "reco2dur"):
        assert [line[0] for line in lists[name]] == utts, f"{name} and utt2spk differ"
    for name in ("utt2dur", "reco2dur"):
        assert all(len(line) == 2 and float(line[1]) > 0 for line in lists[name])
    for _, *said in lists["text"]:
        assert said and not any(character.isspace() for word in said for character in word)
        assert not {"<s>", "</s>", "#0"} & set(said)
    for _, path in lists["wav.scp"]:
        assert path.startswith("/") and Path(path).is_file()


def test_the_directories_are_valid(spaced, tmp_path):
    told: list[str] = []
    export(spaced, "kaldi", tmp_path / "out", note=told.append)
    assert told == ["4 texts have white space that Kaldi does not keep; utt2info has them as they were"]
    found = sorted(path.name for path in (tmp_path / "out").iterdir() if path.name[0] != ".")
    assert found == ["dev", "test", "train", "wav"]
    for split in SPLITS:
        validate(tmp_path / "out" / split)


def test_awkward_rows_are_valid(corpus, tmp_path):
    export(corpus, "kaldi", tmp_path / "out", note=lambda words: None)
    for split in SPLITS:
        validate(tmp_path / "out" / split)


def test_lhotse_reads_a_kaldi_directory(corpus, tmp_path):
    pytest.importorskip("lhotse", reason="needs the extra export: pip install 'corpusforge[export]'")
    from lhotse.kaldi import load_kaldi_data_dir

    export(corpus, "kaldi", tmp_path / "out", note=lambda words: None)
    for split in SPLITS:
        recordings, supervisions, _ = load_kaldi_data_dir(tmp_path / "out" / split, 16000)
        rows = {f"{kaldi_id(f'espeak-{row.voice}')}--{kaldi_id(row.id)}": row for row in corpus.split(split)}
        assert {said.id for said in supervisions} == rows.keys() and len(recordings) == len(rows)
        for said in supervisions:
            row, recording = rows[said.id], recordings[said.recording_id]
            assert said.text == words(row.text)
            assert said.language == {"bod_Tibt": "bo", "mya_Mymr": "my", "zho_Hans": "zh-Hans"}[row.lang]
            assert recording.num_samples == row.num_samples
            assert np.array_equal(recording.load_audio()[0], row.load()[0])
            wav = soundfile.info(recording.sources[0].source)
            assert (wav.format, wav.subtype, wav.channels) == ("WAV", "PCM_16", 1)


def test_kaldis_own_script_agrees(spaced, corpus, tmp_path):
    utils = Path(os.environ.get("KALDI_ROOT", "/nonexistent")) / "egs" / "wsj" / "s5" / "utils"
    if not utils.is_dir() or shutil.which("perl") is None:
        pytest.skip("no Kaldi here: set KALDI_ROOT")
    for number, rows in enumerate((spaced, corpus)):
        export(rows, "kaldi", tmp_path / f"out{number}", note=lambda words: None)
        for split in SPLITS:
            directory = tmp_path / f"out{number}" / split
            done = subprocess.run(
                ["bash", "utils/validate_data_dir.sh", "--no-feats", directory],
                cwd=utils.parent,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0 and "Successfully validated" in done.stdout, done.stdout + done.stderr


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6) | st.text("-ab.~ /", min_size=1)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=30))
def test_ids_are_words_of_their_own_in_the_order_of_speakers(pairs):
    found = {(kaldi_id(speaker), f"{kaldi_id(speaker)}--{kaldi_id(name)}") for speaker, name in pairs}
    assert len({utt for _, utt in found}) == len(set(pairs))
    assert sorted(found) == sorted(found, key=lambda pair: pair[1])
    for speaker, utt in found:
        assert utt.split() == [utt] and utt.isascii() and utt.startswith(speaker)

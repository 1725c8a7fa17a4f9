"""Reading a corpus back, and what is said of one that cannot be read."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corpusforge.corpus.read import Corpus, Record
from corpusforge.corpus.schema import Row
from corpusforge.errors import CorpusError

README = Path(__file__).resolve().parents[2] / "manifests" / "README.md"


@pytest.fixture
def folder(shop, tmp_path) -> Path:
    shop.write(tmp_path / "out", shop.corpus(24))
    return tmp_path / "out"


def test_records_are_the_rows(folder):
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]
    corpus = Corpus(folder)
    assert len(corpus) == len(rows) == 72
    for record, row in zip(corpus, rows, strict=True):
        assert {name: getattr(record, name) for name in row} == row
    assert set(Row.model_fields) == {name for name in Record.__slots__ if name != "folder"}


def test_a_corpus_can_be_read_again_and_by_position(folder):
    corpus = Corpus(folder)
    rows = list(corpus)
    assert list(corpus) == rows
    assert [corpus[position] for position in range(72)] == rows
    assert corpus[-1] == rows[-1] and corpus[3:9:2] == rows[3:9:2]
    for wrong in (72, -73):
        with pytest.raises(IndexError):
            corpus[wrong]


def test_splits_languages_labels_and_info(folder):
    corpus = Corpus(folder)
    assert corpus.languages == ("bod_Tibt", "mya_Mymr", "zho_Hans")
    assert corpus.labels == ("news", "travel")
    assert corpus.name == "small" and corpus.info["utterances"] == 72
    for name in ("train", "dev", "test"):
        assert list(corpus.split(name)) == [record for record in corpus if record.split == name]
        assert len(corpus.split(name)) == len(list(corpus.split(name))) > 0
    assert list(Corpus(folder / "dev.jsonl")) == list(corpus.split("dev"))
    with pytest.raises(CorpusError, match="did you mean 'train'"):
        corpus.split("trian")


def test_groups_hold_one_sentence_in_every_language(folder):
    groups = list(Corpus(folder).groups())
    assert len(groups) == 24
    for records in groups:
        assert [record.lang for record in records] == ["bod_Tibt", "mya_Mymr", "zho_Hans"]
        assert len({record.group for record in records}) == 1


def test_audio_is_loaded_when_it_is_asked_for(folder):
    record = Corpus(folder)[0]
    samples, rate = record.load()
    assert record.path.is_file()
    assert (samples.dtype, samples.shape, rate) == (np.float32, (record.num_samples,), record.sample_rate)
    assert 0.25 < abs(samples).max() <= 0.31
    assert len(samples) / rate == pytest.approx(record.duration, abs=1e-6)


def test_a_folder_works_wherever_it_is(folder, tmp_path, monkeypatch):
    rows = list(Corpus(folder))
    (tmp_path / "elsewhere").mkdir()
    shutil.move(folder, tmp_path / "elsewhere" / "moved")
    monkeypatch.chdir(tmp_path / "elsewhere")
    moved = Corpus("moved")
    assert list(moved) == rows
    assert moved[5].load()[0].shape == (rows[5].num_samples,)


def test_a_corpus_and_its_records_can_be_sent_to_other_processes(folder):
    corpus = Corpus(folder).split("train")
    again = pickle.loads(pickle.dumps(corpus))
    assert list(again) == list(corpus)
    assert pickle.loads(pickle.dumps(corpus[0])) == corpus[0]


def test_opening_and_reading_rows_imports_nothing_heavy(folder):
    code = (
        "import sys; from corpusforge.corpus.read import Corpus; from corpusforge.corpus.stats import tables\n"
        f"corpus = Corpus({str(folder)!r}); list(corpus); tables(corpus.info)\n"
        "print({'numpy', 'soundfile', 'pydantic', 'pyarrow', 'corpusforge.pipeline'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_the_readme_s_examples_run(folder, tmp_path):
    (tmp_path / "manifests").mkdir()
    folder.rename(tmp_path / "manifests" / "flores200")
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        example += "\nprint(samples.dtype, sample_rate)"
        done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1:] == ["float32 16000"], done.stderr


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def no_info(folder: Path) -> None:
    (folder / "corpus.json").unlink()


def broken_info(folder: Path) -> None:
    (folder / "corpus.json").write_text('{"schema_version": 1,')


def list_info(folder: Path) -> None:
    (folder / "corpus.json").write_text("[]")


def poor_info(folder: Path) -> None:
    (folder / "corpus.json").write_text('{"schema_version": 1, "files": {}}')


def newer(folder: Path) -> None:
    file = folder / "corpus.json"
    file.write_text(
        file.read_text(encoding="utf-8").replace('"schema_version": 1', '"schema_version": 7'), encoding="utf-8"
    )


def truncated(folder: Path) -> None:
    file = folder / "manifest.jsonl"
    file.write_bytes(file.read_bytes()[:-200])


def no_manifest(folder: Path) -> None:
    (folder / "manifest.jsonl").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_folder, "there is no such folder.*corpusforge build"),
        (no_info, "it has no corpus.json"),
        (broken_info, "corpus.json is damaged"),
        (list_info, "schema version None"),
        (poor_info, "it lacks"),
        (newer, "schema version 7, this corpusforge reads 1.*newer corpusforge"),
        (truncated, "manifest.jsonl has [0-9,]+ bytes, corpus.json says [0-9,]+: it was cut short"),
        (no_manifest, "manifest.jsonl is missing"),
    ],
)
def test_a_damaged_corpus_is_an_error_in_words(folder, damage, words):
    damage(folder)
    with pytest.raises(CorpusError, match=words):
        Corpus(folder)


def test_a_row_that_was_edited_is_named_by_its_line(folder):
    lines = (folder / "manifest.jsonl").read_bytes().split(b"\n")
    lines[4] = lines[4][:-1] + b" "
    lines[6] = lines[6].replace(b'"voice"', b'"noise"', 1)
    (folder / "manifest.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(CorpusError, match=r"manifest\.jsonl:5: expected a row of schema version 1"):
        list(Corpus(folder))
    with pytest.raises(CorpusError, match=r"manifest\.jsonl:7: .*noise"):
        Corpus(folder)[6]


def test_a_list_of_another_kind_is_refused(folder):
    for name in ("rejected.jsonl", "trian.jsonl"):
        with pytest.raises(CorpusError, match="no list of utterances"):
            Corpus(folder / name)


def test_audio_that_is_missing_damaged_or_another_s_is_an_error_in_words(folder):
    first, second, third, fourth = Corpus(folder)[:4]
    first.path.unlink()
    with pytest.raises(CorpusError, match=f"{first.id}: no audio at"):
        first.load()
    second.path.unlink()
    second.path.write_bytes(b"not audio")
    with pytest.raises(CorpusError, match=f"{second.id}: .*cannot be decoded"):
        second.load()
    assert third.num_samples != fourth.num_samples
    third.path.unlink()
    shutil.copy(fourth.path, third.path)
    with pytest.raises(CorpusError, match=f"{third.id}: .*the manifest says {third.num_samples}"):
        third.load()

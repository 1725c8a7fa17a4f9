"""A corpus exported and imported again is the same corpus, in every form that carries it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpusforge.corpus.read import Corpus
from corpusforge.errors import WorkspaceError
from corpusforge.export.base import export
from corpusforge.imports.forms import Hub, importing
from corpusforge.imports.rules import Rules
from corpusforge.imports.run import Imported, import_corpus

FORMS = ("nemo", "kaldi", "lhotse")
LEFT_OUT = {"folder", "audio", "sha256"}


def silent(words: str) -> None:
    pass


def brought_in(path: Path, form: str, root: Path, name: str = "back", hub: Hub | None = None) -> Imported:
    found, origin = importing(str(path), form, hub)
    return import_corpus(found, origin, Rules(None, None, "somewhere"), name, root, root / "manifests" / name)


def rows(given: Corpus) -> dict[str, dict[str, object]]:
    return {
        record.id: {name: getattr(record, name) for name in record.__slots__ if name not in LEFT_OUT}
        for record in given
    }


def samples(given: Corpus) -> dict[str, bytes]:
    return {record.id: record.load()[0].tobytes() for record in given}


@pytest.mark.parametrize("form", FORMS)
def test_everything_comes_back(form, corpus, tmp_path):
    if form == "lhotse":
        pytest.importorskip("lhotse", reason="needs the extra export: pip install 'corpusforge[export]'")
    export(corpus, form, tmp_path / "out", note=silent)
    done = brought_in(tmp_path / "out", form, tmp_path / "work")
    assert (done.utterances, done.rejected, done.splits, done.written) == (len(corpus), 0, "folder", True)
    back = Corpus(done.folder)
    assert rows(back) == rows(corpus)
    assert samples(back) == samples(corpus)
    assert back.info["hours"] == corpus.info["hours"]
    assert back.info["recipe"]["import"]["form"] == form
    assert not (tmp_path / "work" / ".corpusforge" / "import").exists()


@pytest.mark.parametrize("form", FORMS)
def test_so_does_recorded_speech(form, shop, tmp_path):
    if form == "lhotse":
        pytest.importorskip("lhotse", reason="needs the extra export: pip install 'corpusforge[export]'")
    items = [
        shop.item(f"u{number}", hertz=200 + 9 * number, engine="recorded", voice="Pema Lhamo", voice_license=None)
        for number in range(3)
    ]
    shop.write(tmp_path / "corpus", items)
    corpus = Corpus(tmp_path / "corpus")
    export(corpus, form, tmp_path / "out", note=silent)
    assert rows(Corpus(brought_in(tmp_path / "out", form, tmp_path / "work").folder)) == rows(corpus)


def test_files_that_a_corpus_can_hold_are_kept_byte_by_byte(corpus, tmp_path):
    export(corpus, "nemo", tmp_path / "out", note=silent)
    back = Corpus(brought_in(tmp_path / "out", "nemo", tmp_path / "work").folder)
    assert {record.id: record.sha256 for record in back} == {record.id: record.sha256 for record in corpus}


def test_the_same_import_again_writes_nothing_and_another_one_replaces_it(corpus, tmp_path):
    export(corpus, "nemo", tmp_path / "out", note=silent)
    first = brought_in(tmp_path / "out", "nemo", tmp_path / "work")
    inode = (first.folder / "manifest.jsonl").stat().st_ino
    again = brought_in(tmp_path / "out", "nemo", tmp_path / "work")
    assert first.written and not again.written
    assert (first.folder / "manifest.jsonl").stat().st_ino == inode
    (tmp_path / "out" / "test_manifest.json").unlink()
    fewer = brought_in(tmp_path / "out", "nemo", tmp_path / "work")
    assert fewer.written and 0 < fewer.utterances < first.utterances
    assert len(list((first.folder / "audio").rglob("*.flac"))) == fewer.utterances


def test_what_a_build_or_a_person_made_is_not_replaced(corpus, tmp_path):
    export(corpus, "nemo", tmp_path / "out", note=silent)
    (tmp_path / "manifests").mkdir()
    corpus.folder.rename(tmp_path / "manifests" / "built")
    (tmp_path / "manifests" / "notes").mkdir()
    (tmp_path / "manifests" / "notes" / "thesis.tex").write_text("years")
    for name in ("built", "notes"):
        with pytest.raises(WorkspaceError, match="`corpusforge import` has not made it"):
            brought_in(tmp_path / "out", "nemo", tmp_path, name)
    assert len(Corpus(tmp_path / "manifests" / "built")) == len(corpus)


def test_killed_in_the_middle_and_run_again(corpus, tmp_path):
    export(corpus, "nemo", tmp_path / "out", note=silent)
    root = tmp_path / "work"
    program = (
        "import time; from pathlib import Path; from corpusforge.imports.forms import importing\n"
        "from corpusforge.imports.rules import Rules; from corpusforge.imports.run import import_corpus\n"
        "def progress(count):\n"
        "    if count == 9: print('nine', flush=True); time.sleep(60)\n"
        f"found, origin = importing({str(tmp_path / 'out')!r}, 'nemo')\n"
        f"root = Path({str(root)!r})\n"
        "import_corpus(found, origin, Rules(None, None, 'somewhere'), 'back', root, root / 'manifests' / 'back',"
        " progress=progress)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "nine\n"
        with pytest.raises(WorkspaceError, match="is held by process"):
            brought_in(tmp_path / "out", "nemo", root)
        os.kill(process.pid, signal.SIGKILL)
    assert not (root / "manifests" / "back").exists()
    assert len((root / ".corpusforge" / "import" / "items.jsonl").read_bytes().splitlines()) == 9
    done = brought_in(tmp_path / "out", "nemo", root)
    assert rows(Corpus(done.folder)) == rows(corpus)
    assert not (root / ".corpusforge" / "import").exists()


def test_a_dataset_of_parquet_comes_back(corpus, tmp_path):
    export(corpus, "parquet", tmp_path / "out", note=silent)
    done = brought_in(tmp_path / "out", "huggingface", tmp_path / "work", hub=Hub(configs=corpus.languages))
    carried = ("text", "split", "label", "group", "document", "lang", "license", "num_samples")
    for name in carried:
        assert {row.id: getattr(row, name) for row in Corpus(done.folder)} == {
            row.id: getattr(row, name) for row in corpus
        }
    assert samples(Corpus(done.folder)) == samples(corpus)

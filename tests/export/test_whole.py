"""An export is there whole or not at all, and touches nothing that it has not made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpusforge.errors import CorpusError, RecipeError, WorkspaceError
from corpusforge.export.base import Selection, export
from corpusforge.registry import find, names

FORMS = ("csv", "kaldi", "lhotse", "ljspeech", "nemo", "webdataset")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def silent(words: str) -> None:
    pass


@pytest.mark.parametrize("form", FORMS)
def test_it_says_what_it_wrote_and_writes_it_again(form, corpus, tmp_path):
    out = tmp_path / "deep" / "out"
    done = export(corpus, form, out, note=silent)
    assert sum(done.utterances.values()) == len(corpus) == 30
    assert done.hours == corpus.info["hours"]
    there = files(out)
    mark = json.loads(there.pop(".corpusforge-export.json"))
    assert mark == {"format": form, "corpus": "small", "fingerprint": "one"}
    assert (done.files, done.bytes) == (len(there), sum(map(len, there.values())))
    (out / "left over").touch()
    again = export(corpus, form, out, note=silent)
    assert (again.utterances, again.files) == (done.utterances, done.files)
    found = files(out)
    assert found.keys() == there.keys() | {".corpusforge-export.json"}
    assert {name for name in there if found[name] != there[name]} <= {name for name in there if name.endswith(".gz")}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_what_others_made_is_not_overwritten(corpus, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    (tmp_path / "file").write_text("years")
    (tmp_path / "way").symlink_to(tmp_path / "mine")
    for name in ("mine", "file", "way"):
        with pytest.raises(WorkspaceError, match="has not made it: move it away"):
            export(corpus, "nemo", tmp_path / name, note=silent)
    assert files(tmp_path / "mine") == {"thesis.tex": b"years"}
    (tmp_path / "empty").mkdir()
    export(corpus, "nemo", tmp_path / "empty", note=silent)


@pytest.mark.parametrize("form", FORMS)
def test_missing_audio_leaves_what_was_there(form, corpus, tmp_path):
    export(corpus, form, tmp_path / "out", note=silent)
    before = files(tmp_path / "out")
    lost = list(corpus)[-1]
    lost.path.unlink()
    with pytest.raises(CorpusError, match="no audio at"):
        export(corpus, form, tmp_path / "out", note=silent)
    assert files(tmp_path / "out") == before
    with pytest.raises(CorpusError, match="no audio at"):
        export(corpus, form, tmp_path / "new", note=silent)
    assert not [path for path in tmp_path.iterdir() if "new" in path.name or path.name.startswith(".")]


def test_a_killed_export_leaves_nothing_and_the_next_one_works(corpus, tmp_path):
    out = tmp_path / "out"
    export(corpus, "nemo", out, note=silent)
    before = files(out)
    program = (
        "import sys, time; from pathlib import Path; from corpusforge.corpus.read import Corpus\n"
        "from corpusforge.export.base import whole\n"
        f"with whole(Path({str(out)!r}), Corpus({str(corpus.folder)!r}), 'nemo') as made:\n"
        "    (made / 'half').write_text('x'); print('writing', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(WorkspaceError, match="another export is writing"):
            export(corpus, "nemo", out, note=silent)
        os.kill(process.pid, signal.SIGKILL)
    assert files(out) == before
    assert (tmp_path / ".out.exporting" / "half").exists()
    export(corpus, "nemo", out, note=silent)
    assert files(out) == before
    assert not (tmp_path / ".out.exporting").exists()


def test_a_full_disk_is_one_line(corpus, small_disk):
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)
    with pytest.raises(WorkspaceError, match="free some space and export again"):
        export(corpus, "webdataset", small_disk / "out", note=silent)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_links_share_and_copies_do_not(corpus, tmp_path):
    record = corpus[0]
    export(corpus, "nemo", tmp_path / "link", "link", silent)
    export(corpus, "nemo", tmp_path / "copy", "copy", silent)
    assert (tmp_path / "link" / record.audio).samefile(record.path)
    copied = tmp_path / "copy" / record.audio
    assert not copied.samefile(record.path) and copied.read_bytes() == record.path.read_bytes()
    assert copied.stat().st_mode & 0o200
    shutil.rmtree(tmp_path / "link")
    assert record.path.is_file()


def test_audio_is_copied_where_there_can_be_no_link_and_it_is_said(corpus, small_disk):
    told: list[str] = []
    chosen = Selection(corpus.folder, ["bod_Tibt"])
    export(chosen, "nemo", small_disk / "out", "link", told.append)
    assert told == ["the file system makes no link between the corpus and the export: audio is copied"]
    for record in chosen:
        assert (small_disk / "out" / record.audio).read_bytes() == record.path.read_bytes()


def test_a_selection_is_a_corpus_of_its_rows(corpus):
    chosen = Selection(corpus.folder, ["bod_Tibt", "zho_Hans"], ["train", "test"])
    rows = [row for row in corpus if row.lang in ("bod_Tibt", "zho_Hans") and row.split in ("train", "test")]
    assert list(chosen) == rows and len(chosen) == len(rows) > 3
    assert [chosen[n] for n in range(len(rows))] == rows and chosen[-1] == rows[-1] and chosen[1:3] == rows[1:3]
    assert chosen.languages == ("bod_Tibt", "zho_Hans")
    assert list(chosen.split("train")) == [row for row in rows if row.split == "train"]
    assert list(chosen.split("dev")) == [] and len(chosen.split("dev")) == 0
    with pytest.raises(IndexError):
        chosen[len(rows)]


def test_wrong_choices_are_said(corpus, tmp_path):
    with pytest.raises(CorpusError, match="did you mean 'bod_Tibt'"):
        Selection(corpus.folder, ["bod_Tib"])
    with pytest.raises(CorpusError, match="did you mean 'train'"):
        Selection(corpus.folder, splits=["trian"])
    with pytest.raises(RecipeError, match="did you mean 'kaldi'"):
        export(corpus, "kald", tmp_path / "out", note=silent)
    with pytest.raises(CorpusError, match="nothing to export"):
        export(Selection(corpus.folder, [], []), "nemo", tmp_path / "out", note=silent)


def test_every_form_says_what_it_is():
    assert set(FORMS) | {"parquet", "huggingface"} <= set(names("exporters"))
    for name in (*FORMS, "parquet"):
        exporter = find("exporters", name)
        assert exporter.name == name and exporter.describe

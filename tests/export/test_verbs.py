"""`corpusforge export` and `corpusforge import`, as a user meets them."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pytest

from corpusforge.corpus.read import Corpus
from tests.cli.program import run


def test_there_and_back(corpus, tmp_path):
    done = run("export", corpus.folder, "--to", "kaldi", cwd=tmp_path)
    counts = ", ".join(f"{split} {len(corpus.split(split))}" for split in ("train", "dev", "test"))
    assert done.returncode == 0
    assert done.stdout.startswith(f"exports/small/kaldi: 30 utterances ({counts}), 0.01 h, ")
    assert "texts have white space that Kaldi does not keep" in done.stderr
    for end in ("", "; nothing has changed"):
        done = run("import", "exports/small/kaldi", "--from", "kaldi", "--name", "back", cwd=tmp_path)
        assert done.stdout == f"manifests/back: 30 utterances, 0.01 h, splits kept, 0 rejected{end}\n"
    for row, mine in zip(corpus, Corpus(tmp_path / "manifests" / "back"), strict=True):
        assert (row.id, row.text, row.split) == (mine.id, mine.text, mine.split)
        assert np.array_equal(row.load()[0], mine.load()[0])
    assert run("stats", "manifests/back", cwd=tmp_path).returncode == 0


def test_json_splits_and_languages(corpus, tmp_path):
    options = ["--to", "nemo", "--split", "train, test", "--lang", "zho_Hans", "--out", "x", "--copy", "--json"]
    done = json.loads(run("export", corpus.folder, *options, cwd=tmp_path).stdout)
    counts = Counter(row.split for row in corpus if row.lang == "zho_Hans" and row.split != "dev")
    assert (done["format"], done["folder"], done["utterances"]) == ("nemo", "x", counts)
    assert not (tmp_path / "x" / "dev_manifest.json").exists()
    found = json.loads(run("import", "x", "--from", "nemo", "--name", "y", "--json", cwd=tmp_path).stdout)
    assert (found["utterances"], found["rejected"], found["folder"]) == (counts.total(), 0, "manifests/y")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["export", "nowhere", "--to", "nemo"], 6, "nowhere is not a corpus"),
        (["export", "corpus", "--to", "nemoo"], 2, "unknown exporter 'nemoo': did you mean 'nemo'?"),
        (["export", "corpus", "--to", "nemo", "--lang", "bo"], 6, "has no language 'bo'"),
        (["export", "corpus", "--to", "nemo", "--split", "trian"], 6, "did you mean 'train'?"),
        (["export", "corpus", "--to", "nemo", "--out", "corpus"], 4, "`corpusforge export` has not made it"),
        (["import", "nowhere", "--from", "nemo", "--name", "x"], 3, "nowhere: no such folder"),
        (["import", "corpus", "--from", "kaldi", "--name", "x"], 3, "no Kaldi data directory"),
        (["import", "corpus", "--from", "nemo", "--name", "x", "--lang", "bo"], 3, "did you mean 'bod_Tibt'"),
        (
            ["import", "corpus", "--from", "nemo", "--name", "../x"],
            2,
            "'../x' is no name of a folder",
        ),
    ],
)
def test_errors_are_one_line(corpus, tmp_path, arguments, status, words):
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr.splitlines()[-1]


def test_an_export_outlives_its_corpus(corpus, tmp_path):
    assert run("export", corpus.folder, "--to", "nemo", "--out", "x", cwd=tmp_path).returncode == 0
    shutil.rmtree(corpus.folder)
    done = run("import", "x", "--from", "nemo", "--name", "y", cwd=tmp_path)
    assert "30 utterances" in done.stdout

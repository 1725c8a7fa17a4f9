"""What was published is brought into a corpus again, from the Hub, with the real clients."""

from __future__ import annotations

from pathlib import Path

from corpusforge import Corpus
from tests.cli.program import run
from tests.publish.conftest import Publish


def test_a_published_corpus_is_imported_from_the_hub(
    corpus: Path, publish: Publish, client: dict[str, str], tmp_path: Path
) -> None:
    published = publish("--tag", "v1")
    assert published.returncode == 0, published.stderr
    before = Corpus(corpus)
    fixed = ("import", "me/small", "--from", "huggingface", "--name", "back", "--revision", "v1")
    done = run(*fixed, "--config", ",".join(before.languages), cwd=tmp_path, **client)
    assert done.returncode == 0, done.stderr
    after = Corpus(tmp_path / "manifests" / "back")
    carried = ("id", "group", "document", "lang", "text", "label", "split", "num_samples", "license")
    assert {tuple(getattr(row, name) for name in carried) for row in after} == {
        tuple(getattr(row, name) for name in carried) for row in before
    }
    sounds = {row.id: row.load()[0].tobytes() for row in before}
    assert {row.id: row.load()[0].tobytes() for row in after} == sounds


def test_which_configuration_has_to_be_said(publish: Publish, client: dict[str, str], tmp_path: Path) -> None:
    publish()
    done = run("import", "me/small", "--from", "huggingface", "--name", "back", cwd=tmp_path, **client)
    assert done.returncode == 3
    assert "has 4 configurations: name those to read with --config A,B: parallel, " in done.stderr
    assert not (tmp_path / "manifests").exists()


def test_a_dataset_that_is_not_there(client: dict[str, str], tmp_path: Path) -> None:
    done = run("import", "me/nothing", "--from", "huggingface", "--name", "back", cwd=tmp_path, **client)
    assert done.returncode == 3
    assert "me/nothing" in done.stderr
    assert "Traceback" not in done.stderr

"""A run's model on the Hub: every file as it is, a card with what was measured, and loadable again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from corpusforge.publish.model import model_card
from tests.cli.program import run
from tests.corpus.conftest import Shop
from tests.publish.conftest import Publish
from tests.servers.hub import Hub

pytest.importorskip("torch", reason="needs the extra train: pip install 'corpusforge[train]'")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some seconds."""
    from corpusforge.train.training import train
    from tests.train.runs import learnable, place, quick

    folder = tmp_path_factory.mktemp("trained")
    corpus = learnable(Shop(folder), folder / "learnable")
    train(corpus, quick(), folder / "runs/first", place(folder))
    return folder / "runs/first"


@pytest.fixture
def run_folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` of one's own."""
    return shutil.copytree(trained, tmp_path / "runs/first")


def test_a_model_is_published_and_answers_from_the_hub(
    publish: Publish, hub: Hub, run_folder: Path, client: dict[str, str]
) -> None:
    done = publish("--private", what=run_folder, repo="me/model")
    assert done.returncode == 0, done.stderr
    repo = hub.repo("me/model", "models")
    assert repo.private and repo.tags == {"v1": repo.refs["main"]}
    files = [file for file in (run_folder / "model").rglob("*") if file.is_file()]
    for file in files:
        path = file.relative_to(run_folder / "model").as_posix()
        assert hub.read("me/model", path, kind="models") == file.read_bytes()
        assert ("lfs" in repo.tree()[path]) == (file.suffix == ".safetensors")
    assert files
    asked = ("--lang", "zho_Hans", "--text", "新闻报道今天山水城市", "--device", "cpu", "--json")
    theirs = run("predict", "--model", "me/model", *asked, cwd=run_folder, **client)
    ours = run("predict", "--model", run_folder, *asked, cwd=run_folder)
    assert theirs.returncode == 0, theirs.stderr
    assert json.loads(theirs.stdout) == json.loads(ours.stdout)


def test_a_model_that_has_changed_is_another_version(publish: Publish, hub: Hub, run_folder: Path) -> None:
    (run_folder / "model/words.txt").write_text("a\n")
    assert publish(what=run_folder, repo="me/model").returncode == 0
    assert "nothing had changed" in publish(what=run_folder, repo="me/model").stdout
    (run_folder / "model/words.txt").rename(run_folder / "model/terms.txt")
    done = publish(what=run_folder, repo="me/model")
    assert done.returncode == 0, done.stderr
    repo = hub.repo("me/model", "models")
    assert "terms.txt" in repo.tree() and "words.txt" not in repo.tree() and sorted(repo.tags) == ["v1", "v2"]


def test_the_card_has_the_numbers_of_the_results(run_folder: Path) -> None:
    text = model_card(run_folder, None, "me/model")
    results = json.loads((run_folder / "results.json").read_text())["splits"]["test"]
    for name in ("M", "G", "accuracy/bod_Tibt", "macro_f1/zho_Hans"):
        row = results["metrics"][name]
        assert f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]" in text
    found = yaml.safe_load(text.split("---\n")[1])
    assert found["language"] == ["bo", "my", "zh"] and found["library_name"] == "corpusforge"
    by_split = {one["dataset"]["split"]: one["metrics"] for one in found["model-index"][0]["results"]}
    values = {metric["name"]: metric["value"] for metric in by_split["test"]}
    assert values["M"] == results["metrics"]["M"]["value"]
    assert "corpusforge predict --model me/model" in text and "torch " in text
    assert str(run_folder.parent) not in text and ModelCard(text).data.eval_results


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("results.json", "corpusforge evaluate"),
        ("environment.json", "train again"),
        ("model", "has no model in model/"),
    ],
)
def test_a_run_that_is_not_finished(publish: Publish, hub: Hub, run_folder: Path, missing: str, words: str) -> None:
    (run_folder / missing).rename(run_folder / "away")
    done = publish(what=run_folder, repo="me/model")
    assert done.returncode == 1 and words in done.stderr and hub.asked == []


def test_runs_with_several_seeds(publish: Publish, run_folder: Path) -> None:
    shutil.copytree(run_folder, run_folder / "seed-42")
    shutil.rmtree(run_folder / "model")
    done = publish(what=run_folder, repo="me/model")
    assert done.returncode == 1 and "give one, " in done.stderr and "seed-42" in done.stderr


def test_to_a_folder(publish: Publish, hub: Hub, run_folder: Path, tmp_path: Path) -> None:
    assert publish("--to", tmp_path / "out", what=run_folder).returncode == 0
    for file in (run_folder / "model").rglob("*.safetensors"):
        assert (tmp_path / "out" / file.relative_to(run_folder / "model")).read_bytes() == file.read_bytes()
    assert "## Results" in (tmp_path / "out/README.md").read_text() and hub.asked == []
    shown = publish("--dry-run", what=run_folder).stdout
    assert ".safetensors" in shown or "text/" in shown
    assert "## Results" in shown

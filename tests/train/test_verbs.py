"""`corpusforge train`, `evaluate` and `predict`, as a user types them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from tokenizers import processors

from corpusforge.cli import cli
from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusError, CorpusforgeError, MissingDependency, RecipeError, WorkspaceError
from corpusforge.train.data import read_dataset
from tests.corpus.conftest import Shop
from tests.train.checkpoints import save_text, wordpiece
from tests.train.runs import learnable, losses

QUICK = ("--preset", "tiny", "--epochs", 1, "--set", "groups=8", "--set", "adapter_epochs=0", "--device", "cpu")
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


def asked(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def said(*arguments: object) -> Result:
    """What a command says that ends well."""
    found = asked(*arguments)
    if found.exception is not None:
        raise found.exception
    return found


def refused(kind: type[CorpusforgeError], *arguments: object) -> str:
    """The one line that a command ends with, of the kind that decides its exit status."""
    found = asked(*arguments)
    assert type(found.exception) is kind, found.exception
    words = str(found.exception)
    assert len(words.splitlines()) == 1
    return words


def setting(run: Path, name: str) -> Any:
    return json.loads((run / "config.json").read_text(encoding="utf-8"))["config"][name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus in `corpus/`, and in `runs/` a short training of mlcl and one of n-grams."""
    root = tmp_path_factory.mktemp("verbs")
    learnable(Shop(root), root / "corpus")
    for model in ("mlcl", "ngram"):
        said("train", root / "corpus", *QUICK, "--model", model, "--name", model, "--runs", root / "runs", "-q")
    return root


@pytest.fixture
def corpus(folder: Path) -> Path:
    return folder / "corpus"


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech is read once for all tests."""
    monkeypatch.setenv("CORPUSFORGE_CACHE", str(folder / "runs" / ".cache"))


# train


def test_train_says_how_it_goes_and_then_what_came_out(corpus: Path, tmp_path: Path) -> None:
    found = said("train", corpus, *QUICK, "--model", "combined", "--name", "mine", "--runs", tmp_path)
    assert "unknown tokens: " in found.output and f"Run:  {tmp_path / 'mine'}" in found.output
    assert all(word in found.output for word in ("dev", "test", "M", "G"))
    assert (tmp_path / "mine" / "model" / "text").is_dir()


def test_train_in_json_over_several_seeds(corpus: Path, tmp_path: Path) -> None:
    command = ("train", corpus, *QUICK, "--model", "combined", "--name", "two", "--runs", tmp_path, "-q")
    found = said(*command, "--seeds", 2, "--seed", 5, "--json")
    results = json.loads(found.stdout)
    assert results == json.loads((tmp_path / "two" / "results.json").read_text(encoding="utf-8"))
    assert results["seeds"] == [5, 6]
    accuracy = results["splits"]["test"]["metrics"]["M"]
    assert accuracy["mean"] == pytest.approx(sum(accuracy["values"]) / 2)
    assert [setting(tmp_path / "two" / f"seed-{seed}", "seed") for seed in (5, 6)] == [5, 6]
    assert "mean of 2 seeds" in said(*command, "--seeds", 2, "--seed", 5).stdout


def test_a_random_split_is_warned_of(corpus: Path, tmp_path: Path) -> None:
    command = ("train", corpus, *QUICK, "--model", "majority", "--runs", tmp_path, "-q")
    assert "warning" not in said(*command, "--name", "fair").output
    warned = said(*command, "--name", "leaky", "--split", "random").output
    assert warned.startswith("warning: ") and "article" in warned


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (["--no-lcl"], "lcl", False),
        (["--no-mcl"], "mcl", False),
        (["--fusion", "concat"], "fusion", "concat"),
        (["--contrast", "infonce"], "contrast", "infonce"),
        (["--adapter", "none"], "adapter", "none"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_what_is_left_out_or_replaced_is_a_flag_away(
    corpus: Path, tmp_path: Path, options: list[str], name: str, value: object
) -> None:
    said("train", corpus, *QUICK, *options, "--name", "run", "--runs", tmp_path, "-q")
    assert setting(tmp_path / "run", name) == value
    steps = [line for line in losses(tmp_path / "run") if line.get("stage") == "main"]
    assert steps
    for contrast in ("lcl", "mcl"):
        assert all((line[contrast] > 0) == (options != [f"--no-{contrast}"]) for line in steps)


@pytest.mark.parametrize("model", ["combined", "mlcl"])
def test_subwords_are_learned_and_the_model_that_has_them_can_be_asked(
    corpus: Path, tmp_path: Path, model: str
) -> None:
    encoder = save_text(tmp_path / "bert", "bert")
    command = ("train", corpus, *QUICK, "--model", model, "--text", encoder, "--runs", tmp_path)
    assert "% of the tokens of bod_Tibt" in said(*command, "--name", "plain").output
    assert "unknown tokens: 0.0% of bod_Tibt" in said(*command, "--extend-vocab", 60, "--name", "more").output
    unknown = [
        json.loads((tmp_path / name / "data.json").read_text(encoding="utf-8"))["unknown"] for name in ("plain", "more")
    ]
    assert all(unknown[1][lang] < unknown[0][lang] for lang in unknown[0])
    answer = said(
        "predict", "--model", tmp_path / "more", "--lang", "bod_Tibt", "--text", "གསར་འགྱུར་", "--device", "cpu"
    )
    assert "news" in answer.stdout and "travel" in answer.stdout
    same = said("evaluate", tmp_path / "more", corpus, "--split", "test", "--device", "cpu", "--json").stdout
    own = json.loads((tmp_path / "more" / "results.json").read_text(encoding="utf-8"))
    accuracy = json.loads(same)["splits"]["test"]["metrics"]["M"]["value"]
    assert accuracy == pytest.approx(own["splits"]["test"]["metrics"]["M"]["value"])


# evaluate


def test_evaluate_measures_what_a_run_said(folder: Path) -> None:
    measured = json.loads(said("evaluate", folder / "runs" / "mlcl", "--replicates", 20, "--json").stdout)
    assert set(measured["splits"]) == {"dev", "test"}
    one = said("evaluate", folder / "runs" / "mlcl", "--split", "dev", "--replicates", 20).stdout
    assert "dev" in one and "bod_Tibt" in one


def test_evaluate_on_a_corpus_lets_the_model_answer_it(folder: Path, corpus: Path) -> None:
    options = ("--replicates", 20, "--device", "cpu", "--json")
    again = json.loads(said("evaluate", folder / "runs" / "mlcl", corpus, *options).stdout)
    own = json.loads(said("evaluate", folder / "runs" / "mlcl", *options).stdout)
    for split in ("dev", "test"):
        assert again["splits"][split]["metrics"]["M"]["value"] == own["splits"][split]["metrics"]["M"]["value"]


@pytest.mark.parametrize("on_corpus", [False, True])
def test_evaluate_against_compares_two_runs(folder: Path, corpus: Path, on_corpus: bool) -> None:
    where = (corpus,) if on_corpus else ()
    runs = folder / "runs"
    options = ("--against", runs / "ngram", "--split", "test", "--replicates", 20, "--device", "cpu")
    assert "\nagainst " in said("evaluate", runs / "mlcl", *where, *options).stdout
    found = json.loads(said("evaluate", runs / "mlcl", *where, *options, "--json").stdout)
    assert "M" in found["splits"]["test"]["against"]


# predict


def test_predict_answers_from_text_audio_or_both(folder: Path, corpus: Path) -> None:
    record = next(one for one in Corpus(corpus).split("test") if one.lang == "mya_Mymr")
    command = ("predict", "--model", folder / "runs" / "mlcl", "--lang", record.lang, "--device", "cpu", "--json")
    given = [("--text", record.text), ("--audio", record.path), ("--text", record.text, "--audio", record.path)]
    answers = [json.loads(said(*command, *one).stdout) for one in given]
    for answer in answers:
        assert answer["predicted"] in ("news", "travel")
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answers[0] != answers[1]
    line = said(*command[:-1], "--text", record.text).stdout.splitlines()[0]
    assert line.endswith(answers[0]["predicted"]) and "%" in line


def test_predict_answers_a_corpus(folder: Path, corpus: Path) -> None:
    found = said("predict", "--model", folder / "runs" / "mlcl", "--corpus", corpus, "--device", "cpu").stdout
    ids = {record.id for record in Corpus(corpus).split("test")}
    assert {json.loads(line)["id"] for line in found.splitlines() if "id" in json.loads(line)} == ids


def test_predict_says_what_to_give(folder: Path) -> None:
    command = ("predict", "--model", folder / "runs" / "ngram", "--device", "cpu")
    for options, words in (((), "give --text"), (("--text", "x"), "--lang is missing")):
        found = asked(*command, *options)
        assert found.exit_code == 2 and words in found.output


# What cannot be


@NO_GPU
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_said(folder: Path, corpus: Path, tmp_path: Path, device: str) -> None:
    train = ("train", corpus, *QUICK, "--model", "combined", "--name", "run", "--runs", tmp_path)
    for command in (train, ("predict", "--model", folder / "runs" / "mlcl", "--lang", "zho_Hans", "--text", "x")):
        words = refused(MissingDependency, *command, "--device", device)
        assert (
            words.startswith(f"the device '{device}' cannot be used here (") and "name another with --device" in words
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda:x", ""])
def test_a_device_that_does_not_exist_is_said(folder: Path, corpus: Path, tmp_path: Path, device: str) -> None:
    model = folder / "runs" / "mlcl"
    for command in (
        ("train", corpus, *QUICK, "--model", "combined", "--name", "run", "--runs", tmp_path),
        ("predict", "--model", model, "--lang", "zho_Hans", "--text", "x"),
        ("evaluate", model, corpus),
    ):
        words = refused(RecipeError, *command, "--device", device)
        assert words == f"no device '{device}': expected cpu, cuda, or cuda:1 for the second GPU"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["combined", "word2vec"])
@pytest.mark.parametrize("option", [("--seed", "-1"), ("--set", "seed=-5"), ("--set", "seed=9999999999")])
def test_a_seed_that_cannot_be_is_said(corpus: Path, tmp_path: Path, model: str, option: tuple[str, str]) -> None:
    words = refused(RecipeError, "train", corpus, *QUICK, "--model", model, *option, "--runs", tmp_path)
    assert words.startswith("seed: Input should be ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["combined", "majority", "unique"])
def test_runs_that_cannot_be_made_are_said(corpus: Path, tmp_path: Path, model: str) -> None:
    (tmp_path / "file").touch()
    runs = tmp_path / "file" / "runs"
    words = refused(WorkspaceError, "train", corpus, *QUICK, "--model", model, "--name", "one", "--runs", runs, "-q")
    assert words.startswith(f"the folder {runs / 'one'} cannot be written (Not a directory")
    assert words.endswith("name another with --runs or --name")


def test_folders_of_other_verbs_that_cannot_be_made_are_said(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    runs = tmp_path / "file" / "runs"
    tune = ("tune", corpus, "--trials", "1", "--preset", "tiny", "--runs", runs)
    paper = ("paper", "--corpus", corpus, "--preset", "tiny", "--only", "flores200-majority", "--runs", runs)
    for command in (tune, paper):
        words = refused(WorkspaceError, *command)
        assert words.startswith(f"the folder {runs}") and "cannot be written (Not a directory" in words
    cache = ("train", corpus, *QUICK, "--name", "one", "--runs", tmp_path, "--cache", runs, "-q")
    assert refused(WorkspaceError, *cache).endswith("name another with --cache")


def test_a_text_encoder_that_cannot_be_one_is_said(corpus: Path, tmp_path: Path) -> None:
    encoder = save_text(tmp_path / "t5", "t5")
    command = ("train", corpus, *QUICK, "--text", encoder, "--name", "run", "--runs", tmp_path)
    assert "of type t5, which transformers reads as no plain encoder" in refused(CorpusforgeError, *command)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["bloom", "xlnet"])
def test_a_text_encoder_that_counts_no_positions_is_trained(corpus: Path, tmp_path: Path, kind: str) -> None:
    encoder = save_text(tmp_path / kind, kind)
    said("train", corpus, *QUICK, "--model", "combined", "--text", encoder, "--name", "run", "--runs", tmp_path, "-q")
    assert losses(tmp_path / "run")


@pytest.mark.parametrize("verb", ["train", "tune"])
@pytest.mark.parametrize("name", ["../x", "a/../../x", ".cache", ""])
def test_a_run_is_made_in_the_folder_of_runs(corpus: Path, tmp_path: Path, verb: str, name: str) -> None:
    result = asked(verb, corpus, "--name", name, "--runs", tmp_path / "runs")
    assert result.exit_code == 2
    assert f"Invalid value for '--name': '{name}' is no name of a folder" in result.output
    assert not list(tmp_path.iterdir())


CLS = ("--set", "pooling=cls")
CONCAT = ("--fusion", "concat")
LOOKS_BACK = r"the first position of bloom@\w+ sees nothing of the text behind it, which "


@pytest.mark.parametrize(
    ("kind", "ends", "flags", "words"),
    [
        ("bloom", "[CLS] $A [SEP]", (), LOOKS_BACK + "--fusion cmbert needs: choose --fusion concat or mean$"),
        ("bloom", "[CLS] $A [SEP]", (*CLS, *CONCAT), LOOKS_BACK + "pooling=cls needs: choose --set pooling=mean$"),
        ("bloom", "[CLS] $A [SEP]", CLS, "choose --fusion concat or mean and --set pooling=mean$"),
        (
            "bert",
            "$A",
            (*CLS, "--model", "combined"),
            r"bert@\w+ begins a text with no \[CLS\], which pooling=cls needs",
        ),
        ("xlnet", "$A [SEP] [CLS]", (), r"xlnet@\w+ begins a text with no \[CLS\], which --fusion cmbert needs"),
        ("bert", "[CLS] $A", (), r"bert@\w+ ends a text with no \[SEP\], which --fusion cmbert needs"),
    ],
)
def test_a_text_encoder_without_the_position_that_is_asked_for_is_said(
    corpus: Path, tmp_path: Path, kind: str, ends: str, flags: tuple[str, ...], words: str
) -> None:
    tokenizer = wordpiece()
    special = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single=ends, special_tokens=special)
    encoder = save_text(tmp_path / kind, kind, tokenizer)
    command = ("train", corpus, *QUICK, *flags, "--text", encoder, "--name", "run", "--runs", tmp_path)
    assert re.search(words, refused(CorpusforgeError, *command))
    assert not (tmp_path / "run").exists()
    said(*command, *CONCAT, "--set", "pooling=mean", "-q")
    assert losses(tmp_path / "run")


def test_missing_audio_is_said_before_the_first_step(corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    group = read_dataset(copy).examples["train"][0]
    record = next(one for one in Corpus(copy) if one.id == group[0].id)
    record.path.unlink()
    command = ("train", copy, *QUICK, "--name", "run", "--runs", tmp_path, "--cache", tmp_path / "cache", "-q")
    words = refused(CorpusError, *command)
    assert record.id in words and "no audio" in words
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    shutil.copy(corpus / record.path.relative_to(copy), record.path)
    said(*command)  # mended, the same command goes through
    assert losses(tmp_path / "run")

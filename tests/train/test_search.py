"""The search on real, very short trainings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from corpusforge.cli.train_options import settings
from corpusforge.cli.tune import _arguments
from corpusforge.corpus.splits import Splits, assign
from corpusforge.errors import CorpusforgeError
from corpusforge.train.config import TrainConfig, preset
from corpusforge.train.distributed import World
from corpusforge.train.samplers import SAMPLERS, STARTUP, Name, Trial
from corpusforge.train.search import BEST, TRIALS, Best, read_trials, search
from corpusforge.train.space import Space
from corpusforge.train.training import Place, train
from tests.corpus.conftest import Shop

RATES = Space(("learning_rate", "head_rate"))
PROGRAM = Path(sys.executable).parent / "corpusforge"
BOTH = pytest.mark.parametrize("sampler", list(SAMPLERS))


def quick(**changes: object) -> TrainConfig:
    return preset("tiny", **{"model": "combined", "epochs": 1, "groups": 16, **changes})


def place(cache: Path) -> Place:
    return Place(cache, device="cpu", tell=lambda words: None, warn=lambda words: None, board=False)


def searched(
    corpus: Path, folder: Path, config: TrainConfig | None = None, *, sampler: Name = "hyperopt", trials: int = 2
) -> Best:
    return search(
        corpus,
        config or quick(),
        folder,
        place(folder.parent / "cache"),
        RATES,
        sampler=sampler,
        trials=trials,
        note=lambda words: None,
    )


@BOTH
def test_the_best_trial_is_found_and_can_be_trained_again(corpus: Path, tmp_path: Path, sampler: Name) -> None:
    folder = tmp_path / "runs" / "tune"
    best = searched(corpus, folder, quick(epochs=2, balance=0.5), sampler=sampler, trials=3)
    assert [trial.trial for trial in best.trials] == [1, 2, 3]
    assert best.trials == tuple(read_trials(folder))
    for trial in best.trials:
        results = json.loads((folder / "trials" / str(trial.trial) / "results.json").read_text(encoding="utf-8"))
        metrics = results["splits"]["dev"]["metrics"]
        assert trial.score == metrics["M"]["value"] - 0.5 * metrics["G"]["value"]
        assert len(trial.epochs) == 2 and trial.score == pytest.approx(max(trial.epochs), abs=1e-12)
    assert best.trial.score == max(trial.score for trial in best.trials)
    again = train(corpus, best.config, tmp_path / "runs" / "again", place(tmp_path / "cache"))
    values = {name: again["splits"]["dev"]["metrics"][name]["value"] for name in "MG"}
    assert values == {"M": best.trial.M, "G": best.trial.G}
    written = json.loads((folder / BEST).read_text(encoding="utf-8"))
    assert written["trial"] == best.trial.trial and written["settings"] == best.trial.settings
    given = ("epochs=2", "groups=16", "balance=0.5", *written["set"])
    assert settings("tiny", {"model": "combined"}, given) == best.config


def test_trials_are_runs_of_which_the_best_keeps_its_model(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tune"
    best = searched(corpus, folder, trials=3)
    for trial in best.trials:
        run = folder / "trials" / str(trial.trial)
        config = TrainConfig.model_validate(json.loads((run / "config.json").read_text(encoding="utf-8"))["config"])
        assert config == quick(**trial.settings)
        assert not (run / "checkpoints").exists()
        assert (run / "model").is_dir() == (trial == best.trial)


def test_a_whole_model_is_searched_on_the_built_sample(sample_corpus: Path, tmp_path: Path) -> None:
    command = [PROGRAM, "tune", sample_corpus, "--preset", "tiny", "--set", "epochs=1", "--set", "adapter=single"]
    command += ["--trials", "2", "--sampler", "optuna", "--runs", tmp_path, "--name", "found", "--device", "cpu"]
    body = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout)
    assert list(body["settings"]) == ["alpha", "beta", "tau", "learning_rate"]
    assert len(body["trials"]) == 2 and body["score"] == max(row["score"] for row in body["trials"])
    assert body["command"].startswith(f"corpusforge train {sample_corpus} --preset tiny --set ")
    assert all(f"--set {one}" in body["command"] for one in body["set"])
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.splitlines()[0].split()[:5] == ["trial", "alpha", "beta", "tau", "learning_rate"]
    assert body["command"] in printed
    assert not list((tmp_path / "found").rglob("*test*"))


@BOTH
def test_the_test_split_is_never_looked_at(tmp_path: Path, sampler: Name) -> None:
    """Corpora that differ in the labels of test alone give the same search, and no trial says a word about test."""
    shop = Shop(tmp_path)
    items = shop.corpus(20)
    splits = assign(((item.document, item.label) for item in items), Splits(dev=0.2, test=0.2))
    other = {"news": "travel", "travel": "news"}
    changed = [replace(item, label=other[item.label]) if splits[item.document] == "test" else item for item in items]
    assert changed != items
    found = []
    for name, content in (("one", items), ("two", changed)):
        shop.write(tmp_path / name, content, splits=splits)
        folder = tmp_path / f"tune-{name}"
        searched(tmp_path / name, folder, sampler=sampler, trials=STARTUP + 2)
        found.append((folder / TRIALS).read_bytes())
        assert not list(folder.rglob("predictions-test*"))
        results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("results.json")]
        assert len(results) == STARTUP + 2 and all(list(one["splits"]) == ["dev"] for one in results)
    assert found[0] == found[1]


@BOTH
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(corpus: Path, tmp_path: Path, sampler: Name) -> None:
    """Killed again and again, in the middle of trials and of epochs, until it is done."""
    config, trials = quick(epochs=3), STARTUP + 2
    undisturbed = tmp_path / "undisturbed"
    searched(corpus, undisturbed, config, sampler=sampler, trials=trials)
    runs = tmp_path / "runs"
    command = [PROGRAM, "tune", corpus, "--preset", "tiny", "--model", "combined"]
    command += ["--set", "epochs=3", "--set", "groups=16", "--over", "learning_rate,head_rate", "--device", "cpu"]
    command += ["--sampler", sampler, "--trials", str(trials), "--runs", runs, "--name", "tune"]
    folder = runs / "tune"
    ended: dict[Path, int] = {}
    for number in (2, STARTUP + 1):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        log = folder / "trials" / str(number) / "metrics.jsonl"
        while process.poll() is None and not (log.is_file() and '"dev"' in log.read_text(encoding="utf-8")):
            time.sleep(0.002)
        process.kill()
        _, words = process.communicate()
        assert process.returncode == -signal.SIGKILL, words
        assert len(read_trials(folder)) < trials
        assert all(path.stat().st_mtime_ns == when for path, when in ended.items()), "a finished trial was repeated"
        ended = {folder / "trials" / str(one.trial) / "results.json": 0 for one in read_trials(folder)}
        ended = {path: path.stat().st_mtime_ns for path in ended if path.is_file()}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert all(path.stat().st_mtime_ns == when for path, when in ended.items()), "a finished trial was repeated"
    assert (folder / TRIALS).read_bytes() == (undisturbed / TRIALS).read_bytes()
    assert (folder / BEST).read_bytes() == (undisturbed / BEST).read_bytes()


@BOTH
def test_more_trials_go_on_with_the_same_search(corpus: Path, tmp_path: Path, sampler: Name) -> None:
    searched(corpus, tmp_path / "parts", sampler=sampler, trials=2)
    searched(corpus, tmp_path / "parts", sampler=sampler, trials=STARTUP + 2)
    searched(corpus, tmp_path / "whole", sampler=sampler, trials=STARTUP + 2)
    assert (tmp_path / "parts" / TRIALS).read_bytes() == (tmp_path / "whole" / TRIALS).read_bytes()


def test_a_bad_trial_is_pruned_after_its_second_epoch(corpus: Path, tmp_path: Path) -> None:
    """Eight made-up trials that no real one can reach stand before it."""
    config, folder = quick(epochs=3), tmp_path / "tune"
    [first] = searched(corpus, folder, config, sampler="optuna", trials=1).trials
    good = {"score": 1.5, "M": 1.5, "G": 0.0, "epochs": (1.5, 1.5, 1.5)}
    made_up = [Trial.model_validate({**first.model_dump(), **good, "trial": 2 + number}) for number in range(STARTUP)]
    lines = [trial.model_dump_json() + "\n" for trial in (first, *made_up)]
    (folder / TRIALS).write_text("".join(lines), encoding="utf-8")
    best = searched(corpus, folder, config, sampler="optuna", trials=STARTUP + 2)
    pruned = best.trials[-1]
    assert (pruned.state, len(pruned.epochs), pruned.score) == ("pruned", 2, None)
    assert best.trial.trial == 2
    run = folder / "trials" / str(pruned.trial)
    assert not (run / "results.json").exists() and not (run / "checkpoints").exists()


def test_a_trial_that_diverges_does_not_end_the_search(corpus: Path, tmp_path: Path) -> None:
    config, folder = quick(learning_rate=1e30), tmp_path / "tune"
    with pytest.raises(CorpusforgeError, match=r"none of 2 trials .* lower learning_rate"):
        search(corpus, config, folder, place(tmp_path), Space(("learning_rate",)), trials=2, note=lambda words: None)
    assert [(trial.state, trial.score) for trial in read_trials(folder)] == [("diverged", None)] * 2


def test_unique_is_scored_over_its_languages(corpus: Path, tmp_path: Path) -> None:
    best = searched(corpus, tmp_path / "tune", quick(model="unique"), sampler="optuna", trials=1)
    assert best.trial.score == best.trial.M and best.trial.epochs == ()
    results = json.loads((tmp_path / "tune" / "trials" / "1" / "results.json").read_text(encoding="utf-8"))
    assert len(results["splits"]["dev"]["languages"]) == 3
    assert not list((tmp_path / "tune").rglob("predictions-test*"))


def test_a_folder_of_something_else_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    searched(corpus, tmp_path / "tune", trials=1)
    with pytest.raises(CorpusforgeError, match=r"another search \(epochs, sampler differ\)"):
        searched(corpus, tmp_path / "tune", quick(epochs=2), sampler="optuna", trials=1)
    run = tmp_path / "tune" / "trials" / "1"
    with pytest.raises(CorpusforgeError, match="is no search: name another with --name"):
        searched(corpus, run, trials=1)
    with pytest.raises(CorpusforgeError, match="without torchrun"):
        search(corpus, quick(), tmp_path / "two", replace(place(tmp_path), world=World(0, 2)), RATES)


@pytest.mark.parametrize("content", ["{", '{"trial": 1}\n', "null\n", b"\xff"])
def test_damaged_trials_are_said(corpus: Path, tmp_path: Path, content: str | bytes) -> None:
    searched(corpus, tmp_path / "tune", trials=1)
    path = tmp_path / "tune" / TRIALS
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CorpusforgeError, match=r"trials\.jsonl is damaged"):
        searched(corpus, tmp_path / "tune", trials=1)


@pytest.mark.parametrize(
    "config",
    [
        preset("paper"),
        preset("small", alpha=0.0123, languages=("zho_Hans", "bod_Tibt"), lcl=False),
        preset("tiny", model="fgm", epsilon=1e-3, norm="linf", patience=2),
        preset("small", patience=None, text="some folder/with spaces"),
    ],
    ids=lambda config: config.model,
)
def test_the_command_trains_with_the_same_settings(config: TrainConfig) -> None:
    preset_option, name, *rest = _arguments(config)
    assert preset_option == "--preset" and rest[::2] == ["--set"] * len(rest[::2])
    assert settings(name, {}, tuple(rest[1::2])) == config


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "epoch=1"], "no setting 'epoch': did you mean 'epochs'"),
        (["--set", "epochs"], "expected NAME=VALUE"),
        (["--set", "epochs=none"], "epochs: Input should be a valid integer"),
        (["--set", "alpha=0.9", "--set", "beta=0.2"], "alpha + beta must be below 1"),
        (["--preset", "smal"], "no preset 'smal'"),
        (["--over", "alpha,gamma"], "cannot search over 'gamma'"),
        (["--model", "ngram"], "ngram has no such setting"),
    ],
)
def test_wrong_usage_is_said_before_torch_is_loaded(
    corpus: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    program = "import sys, corpusforge.cli as c\ntry: c.main()\nfinally: print('torch' in sys.modules)"
    command = [sys.executable, "-c", program, "tune", corpus, "--runs", tmp_path / "runs", *options]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 2 and words in found.stderr and "Traceback" not in found.stderr
    assert found.stdout == "False\n"
    assert not (tmp_path / "runs").exists()

"""From a run's predictions to `results.json` and its tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from corpusforge.errors import CorpusforgeError
from corpusforge.train.data import Example
from corpusforge.train.evaluation import evaluate, evaluate_run, tables
from corpusforge.train.metrics import accuracy_by_language, gini, mean_accuracy
from corpusforge.train.predictions import Predictions, predictions_of, predictions_path, write_predictions
from tests.train.flores import dataset

LANGUAGES = ("bod_Tibt", "mya_Mymr", "zho_Hans")
DATA = dataset(
    (f"g{number:02}", f"d{number // 3}", lang, "字", "abc"[number % 3], "test")
    for number in range(30)
    for lang in LANGUAGES
)
EXAMPLES = [example for group in DATA.examples["test"] for example in group]


def model(skill: float, seed: int = 0, examples: list[Example] = EXAMPLES) -> Predictions:
    random = np.random.default_rng(seed)
    chances = random.dirichlet([1, 1, 1], len(examples))
    chances[range(len(examples)), [example.label for example in examples]] += skill
    return predictions_of(DATA, examples, chances / chances.sum(axis=1, keepdims=True))


def run(folder: Path, predictions: Predictions, split: str = "test") -> Path:
    folder.mkdir(exist_ok=True)
    write_predictions(predictions_path(folder, split), predictions)
    return folder


def test_results_are_those_of_the_metrics(tmp_path: Path) -> None:
    given = model(0.3)
    results = evaluate_run(run(tmp_path / "mlcl", given), replicates=50)
    assert json.loads((tmp_path / "mlcl" / "results.json").read_text(encoding="utf-8")) == results
    test = results["splits"]["test"]
    accuracy = accuracy_by_language(given.truth, given.predicted, given.langs)
    assert {lang: test["metrics"][f"accuracy/{lang}"]["value"] for lang in LANGUAGES} == pytest.approx(accuracy)
    assert test["metrics"]["M"]["value"] == pytest.approx(mean_accuracy(accuracy))
    assert test["metrics"]["G"]["value"] == pytest.approx(gini(accuracy))
    assert test["bootstrap"] == {"unit": "document", "units": 10, "replicates": 50, "level": 0.95, "seed": 0}
    for scope in (*LANGUAGES, "all"):
        assert np.sum(test["scopes"][scope]["confusion"]) == test["scopes"][scope]["utterances"]
        estimate = test["metrics"][f"accuracy/{scope}"]
        assert estimate["low"] <= estimate["value"] <= estimate["high"]


def test_every_split_with_predictions_is_measured_or_those_asked_for(tmp_path: Path) -> None:
    folder = run(run(tmp_path / "mlcl", model(0.3)), model(0.3, 1), "dev")
    assert list(evaluate_run(folder, replicates=10)["splits"]) == ["dev", "test"]
    assert list(evaluate_run(folder, splits=["test"], replicates=10)["splits"]) == ["test"]
    with pytest.raises(CorpusforgeError, match=r"no .*predictions-train\.jsonl"):
        evaluate_run(folder, splits=["train"])


def test_splits_that_are_not_measured_again_stay_in_the_file(tmp_path: Path) -> None:
    folder = run(run(tmp_path / "mlcl", model(0.3)), model(0.3, 1), "dev")
    other = run(run(tmp_path / "ngram", model(0.1, 2)), model(0.1, 3), "dev")
    written = folder / "results.json"
    both = evaluate_run(folder, against=other, replicates=10)
    dev = evaluate_run(folder, splits=["dev"], replicates=20)
    found = json.loads(written.read_text(encoding="utf-8"))
    assert list(found["splits"]) == ["dev", "test"] and found["against"] == "ngram"
    assert found["splits"] == {"dev": dev["splits"]["dev"], "test": both["splits"]["test"]}
    # What test was compared with is not what the file is now compared with.
    third = run(tmp_path / "third", model(0.2, 4), "dev")
    evaluate_run(folder, against=third, splits=["dev"], replicates=10)
    found = json.loads(written.read_text(encoding="utf-8"))
    assert found["against"] == "third" and "against" not in found["splits"]["test"]
    assert found["splits"]["test"]["metrics"] == both["splits"]["test"]["metrics"]
    written.write_text("{", encoding="utf-8")
    assert evaluate_run(folder, splits=["dev"], replicates=10) == json.loads(written.read_text(encoding="utf-8"))


def test_a_run_without_predictions_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match=r"has no predictions-<split>\.jsonl"):
        evaluate_run(tmp_path)


def test_two_runs_are_compared_whatever_their_order_of_rows_and_classes(tmp_path: Path) -> None:
    ours, theirs = model(0.6), model(0.1, 1)
    turned = theirs.take(range(len(theirs))[::-1])
    order = [2, 0, 1]
    number_of = np.argsort(order)
    moved = Predictions(
        tuple(turned.labels[one] for one in order),
        turned.ids,
        turned.groups,
        turned.documents,
        turned.langs,
        number_of[turned.truth],
        number_of[turned.predicted],
        turned.probabilities[:, order],
    )
    plain = evaluate(ours, against=theirs, replicates=100)["against"]
    assert evaluate(ours, against=moved, replicates=100)["against"] == plain
    assert plain["M"]["difference"] > 0 and plain["M"]["p"] < 0.05


def test_the_unlabelled_are_told_and_do_not_count() -> None:
    given = model(0.3)
    truth = given.truth.copy()
    truth[:3] = -1
    hidden = Predictions(
        given.labels, given.ids, given.groups, given.documents, given.langs, truth, given.predicted, given.probabilities
    )
    found = evaluate(hidden, replicates=10)
    assert (found["utterances"], found["unlabelled"]) == (87, 3)
    expected = evaluate(given.take(range(3, 90)), replicates=10)
    assert found["metrics"] == expected["metrics"]


def test_runs_that_cannot_be_compared_are_said() -> None:
    ours = model(0.3)
    with pytest.raises(CorpusforgeError, match=r"differ in 3 utterances, g00\.bod_Tibt"):
        evaluate(ours, against=ours.take(range(3, 90)), replicates=10)
    other = Predictions(
        ours.labels, ours.ids, ours.groups, ours.documents, ours.langs, (ours.truth + 1) % 3, ours.predicted,
        ours.probabilities,
    )  # fmt: skip
    with pytest.raises(CorpusforgeError, match=r"label of g00\.bod_Tibt"):
        evaluate(ours, against=other, replicates=10)


def test_an_interval_that_cannot_be_had_is_null(tmp_path: Path) -> None:
    """Two documents of a language each: most draws lack one, and a single replicate may."""
    examples = [one for one in EXAMPLES if (one.document, one.lang) in {("d0", "bod_Tibt"), ("d1", "zho_Hans")}]
    for seed in range(20):
        folder = run(tmp_path / "one", model(0.3, examples=examples))
        found = evaluate_run(folder, replicates=1, seed=seed)["splits"]["test"]["metrics"]["M"]
        if found["low"] is None:
            assert found["high"] is None and 0 <= found["value"] <= 1
            break
    else:
        pytest.fail("no draw lacked a language")


def test_tables_show_what_was_found(tmp_path: Path) -> None:
    ours, theirs = run(tmp_path / "mlcl", model(0.6)), run(tmp_path / "ngram", model(0.1, 1))
    results = evaluate_run(ours, against=theirs, replicates=100)
    shown = tables(results)
    test = results["splits"]["test"]
    for name in ("M", "G", "accuracy/bod_Tibt", "macro_f1/all", "ece/zho_Hans"):
        row = test["metrics"][name]
        assert f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]" in shown
    report = test["scopes"]["mya_Mymr"]["classes"]["b"]
    row = [f"{report[name]:.4f}" for name in ("precision", "recall", "f1")] + [str(report["support"])]
    assert ["b", *row] in [line.split() for line in shown.splitlines()]
    assert "mlcl, test: 90 utterances, 0 more without a label; 95% intervals from 100 samples of 10 documents" in shown
    assert "against ngram, on the same documents" in shown and f"{test['against']['M']['p']:.4f}" in shown
    assert all(line == line.rstrip() for line in shown.splitlines())

"""Metrics against the paper's printed rows, scikit-learn, and loops written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusforge.errors import CorpusforgeError
from corpusforge.train import metrics
from corpusforge.train.metrics import (
    accuracy_by_language,
    bootstrap_ci,
    classification_report,
    confusion,
    expected_calibration_error,
    gini,
    macro_f1,
    mean_accuracy,
    outcomes,
    paired_bootstrap,
    point,
)

# Tables 2 to 5 as printed: zho_Hans, bod_Tibt, mya_Mymr in percent, G, M.
PRINTED = {
    "table 2 mBERT-Unique": (78.61, 50.25, 28.86, 0.2103, 0.5257),
    "table 2 mBERT-Combined": (87.24, 58.38, 46.19, 0.1427, 0.6394),
    "table 2 mBERT+PGD": (85.26, 32.68, 33.65, 0.2312, 0.5053),
    "table 2 mBERT+FGM": (84.74, 38.05, 40.87, 0.1902, 0.5455),
    "table 2 MLCL": (84.67, 59.21, 48.71, 0.1245, 0.6420),
    "table 3 mBERT-Unique": (71.91, 42.17, 25.54, 0.2216, 0.4656),
    "table 3 mBERT-Combined": (80.25, 45.15, 39.01, 0.1672, 0.5480),
    "table 3 mBERT+PGD": (79.67, 44.76, 37.07, 0.1759, 0.5383),
    "table 3 mBERT+FGM": (77.82, 44.23, 35.58, 0.1786, 0.5254),
    "table 3 MLCL": (79.70, 48.42, 42.01, 0.1477, 0.5671),
    "table 4 SimAdapter": (85.01, 55.61, 46.65, 0.1366, 0.6242),
    "table 4 MetaAdapter": (84.67, 59.21, 48.71, 0.1245, 0.6420),
    "table 5 MLCL": (84.67, 59.21, 48.71, 0.1245, 0.6420),
    "table 5 MLCL w/o LCL": (85.98, 58.61, 46.33, 0.1385, 0.6364),
    "table 5 MLCL w/o MCL": (86.44, 58.49, 46.70, 0.1383, 0.6388),
    "table 5 MLCL w/o Adapter": (69.26, 42.91, 33.17, 0.1655, 0.4845),
}
MISPRINT = "table 3 mBERT-Unique"


@pytest.mark.parametrize("row", [row for row in PRINTED if row != MISPRINT])
def test_algorithm_1_gives_the_printed_row(row: str) -> None:
    *accuracy, g, m = PRINTED[row]
    shares = [value / 100 for value in accuracy]
    assert (round(gini(shares), 4), round(mean_accuracy(shares), 4)) == (g, m)


def test_the_row_that_is_misprinted_is_so_upstream() -> None:
    *accuracy, g, m = PRINTED[MISPRINT]
    shares = [value / 100 for value in accuracy]
    assert (round(gini(shares), 4), round(mean_accuracy(shares), 4)) == (0.2214, 0.4654)
    assert (g, m) == (0.2216, 0.4656)


accuracies = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30)


def by_hand(values: list[float]) -> float:
    """Gini as the mean difference of all pairs over twice the mean."""
    pairs = sum(abs(one - other) for one in values for other in values)
    return pairs / (2 * len(values) * sum(values))


@given(accuracies)
def test_g_is_the_mean_difference_of_pairs(values: list[float]) -> None:
    assert gini(values) == pytest.approx(by_hand(values), abs=1e-9)


@given(accuracies, st.randoms())
def test_g_and_m_do_not_depend_on_the_order(values: list[float], random: object) -> None:
    mixed = list(values)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert gini(mixed) == pytest.approx(gini(values), abs=1e-12)
    assert mean_accuracy(mixed) == pytest.approx(mean_accuracy(values))


@given(accuracies, st.floats(0.01, 100))
def test_g_does_not_depend_on_the_scale(values: list[float], scale: float) -> None:
    assert gini([value * scale for value in values]) == pytest.approx(gini(values), abs=1e-9)


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=30))
def test_g_lies_between_equality_and_one_language_having_all(values: list[float]) -> None:
    assert 0 <= gini(values) <= (len(values) - 1) / len(values) + 1e-12


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_the_bounds_of_g_are_reached(count: int) -> None:
    assert gini([0.7] * count) == pytest.approx(0, abs=1e-12)
    assert gini([0.0] * count) == 0
    assert gini([0.0] * (count - 1) + [0.4]) == pytest.approx((count - 1) / count)


@given(st.tuples(*[st.floats(0.01, 1)] * 3))
def test_g_of_three_languages_in_short(values: tuple[float, float, float]) -> None:
    assert gini(values) == pytest.approx(2 * (max(values) - min(values)) / (3 * sum(values)), abs=1e-12)


def test_g_of_nothing_or_of_a_negative_accuracy_is_refused() -> None:
    with pytest.raises(ValueError, match="no language"):
        gini([])
    with pytest.raises(ValueError, match=r"found -0\.1"):
        gini({"zho_Hans": 0.5, "bod_Tibt": -0.1})


def test_accuracy_is_counted_by_language() -> None:
    found = accuracy_by_language([0, 1, 2, 0], [0, 1, 1, 0], ["zho_Hans", "bod_Tibt", "bod_Tibt", "zho_Hans"])
    assert found == {"bod_Tibt": 0.5, "zho_Hans": 1.0}
    with pytest.raises(ValueError, match="3 languages"):
        accuracy_by_language([0, 1], [0, 1], ["a", "b", "c"])


@st.composite
def classified(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str], list[str]]:
    """Labels, predictions, probabilities, languages and documents of up to 60 utterances."""
    count, classes = draw(st.integers(1, 60)), draw(st.integers(2, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    probabilities = random.dirichlet(np.full(classes, draw(st.sampled_from([0.1, 1.0, 10.0]))), count)
    langs = [f"l{number}" for number in random.integers(draw(st.integers(1, 4)), size=count)]
    documents = [f"d{number}" for number in random.integers(draw(st.integers(1, 20)), size=count)]
    return random.integers(classes, size=count), probabilities.argmax(axis=1), probabilities, langs, documents


@given(classified())
def test_confusion_and_f1_are_scikit_learns(given_: tuple) -> None:
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    labels, predicted, probabilities, _, _ = given_
    classes = probabilities.shape[1]
    matrix = confusion(labels, predicted, classes)
    assert (matrix == confusion_matrix(labels, predicted, labels=range(classes))).all()
    assert macro_f1(labels, predicted, classes) == pytest.approx(
        f1_score(labels, predicted, average="macro", zero_division=0.0)
    )
    report = classification_report(matrix, [f"c{number}" for number in range(classes)])
    seen = sorted({*labels.tolist(), *predicted.tolist()})
    for average, names in (
        (None, [f"c{number}" for number in seen]),
        ("macro", ["macro avg"]),
        ("weighted", ["weighted avg"]),
    ):
        expected = precision_recall_fscore_support(labels, predicted, average=average, zero_division=0.0)
        for column, attribute in enumerate(("precision", "recall", "f1")):
            found = [getattr(report[name], attribute) for name in names]
            assert found == pytest.approx(np.atleast_1d(expected[column]).tolist())
    assert list(report) == [*(f"c{number}" for number in seen), "macro avg", "weighted avg"]
    assert sum(report[f"c{number}"].support for number in seen) == report["macro avg"].support == len(labels)


def calibration_by_hand(labels, predicted, probabilities, bins) -> float:  # type: ignore[no-untyped-def]
    total = 0.0
    for number in range(bins):
        rows = [
            (truth == guess, row[guess])
            for truth, guess, row in zip(labels, predicted, probabilities, strict=True)
            if number / bins < row[guess] <= (number + 1) / bins or (number == 0 and row[guess] == 0)
        ]
        if rows:
            right = sum(hit for hit, _ in rows) / len(rows)
            total += len(rows) / len(labels) * abs(right - sum(chance for _, chance in rows) / len(rows))
    return total


@given(classified(), st.sampled_from([1, 8, 16]))  # powers of two, whose edges are exact
def test_calibration_error_is_that_of_a_loop(given_: tuple, bins: int) -> None:
    labels, predicted, probabilities, _, _ = given_
    expected = calibration_by_hand(labels, predicted, probabilities, bins)
    assert expected_calibration_error(labels, predicted, probabilities, bins) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_of_certainty() -> None:
    sure = np.eye(2)[[0, 0, 1, 1]]
    assert expected_calibration_error([0, 0, 1, 1], [0, 0, 1, 1], sure) == 0
    assert expected_calibration_error([1, 1, 0, 0], [0, 0, 1, 1], sure) == 1


@given(classified())
def test_what_is_resampled_is_what_is_measured(given_: tuple) -> None:
    labels, predicted, probabilities, langs, documents = given_
    found = point(outcomes(labels, predicted, probabilities, langs, documents))
    accuracy = accuracy_by_language(labels, predicted, langs)
    assert {name: found[f"accuracy/{name}"] for name in accuracy} == pytest.approx(accuracy)
    assert found["M"] == pytest.approx(mean_accuracy(accuracy))
    assert found["G"] == pytest.approx(gini(accuracy))
    assert found["accuracy/all"] == pytest.approx((labels == predicted).mean())
    assert found["macro_f1/all"] == pytest.approx(macro_f1(labels, predicted, probabilities.shape[1]))
    assert found["ece/all"] == pytest.approx(expected_calibration_error(labels, predicted, probabilities))
    one = np.array([lang == langs[0] for lang in langs])
    assert found[f"macro_f1/{langs[0]}"] == pytest.approx(macro_f1(labels[one], predicted[one], probabilities.shape[1]))
    assert found[f"ece/{langs[0]}"] == pytest.approx(
        expected_calibration_error(labels[one], predicted[one], probabilities[one])
    )


def resampled_by_hand(given_: tuple, replicates: int, seed: int) -> dict[str, list[float]]:
    """Rows are copied as often as their document is drawn, and measured by the plain functions."""
    labels, predicted, probabilities, langs, documents = given_
    names = sorted(set(documents))
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {"M": [], "G": [], "macro_f1/all": [], "ece/all": []}
    for drawn in random.integers(len(names), size=(replicates, len(names))):
        rows = [row for number in drawn for row, document in enumerate(documents) if document == names[number]]
        if {langs[row] for row in rows} == set(langs):
            accuracy = accuracy_by_language(labels[rows], predicted[rows], [langs[row] for row in rows])
            found["M"].append(mean_accuracy(accuracy))
            found["G"].append(gini(accuracy))
        found["macro_f1/all"].append(macro_f1(labels[rows], predicted[rows], probabilities.shape[1]))
        found["ece/all"].append(expected_calibration_error(labels[rows], predicted[rows], probabilities[rows]))
    return found


@settings(max_examples=25)
@given(classified(), st.integers(0, 1000))
def test_the_bootstrap_is_that_of_a_loop(given_: tuple, seed: int) -> None:
    found = bootstrap_ci(outcomes(*given_), replicates=20, level=0.9, seed=seed)
    for name, values in resampled_by_hand(given_, 20, seed).items():
        bounds = np.quantile(values, [0.05, 0.95]) if values else [np.nan, np.nan]
        assert [found[name].low, found[name].high] == pytest.approx(list(bounds), nan_ok=True, abs=1e-9)


def clustered(seed: int, share: float = 0.7) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str], list[str]]:
    """60 articles of 10 sentences; a model is right about a whole article or not at all."""
    random = np.random.default_rng(seed)
    documents = [f"d{number // 10}" for number in range(600)]
    right = np.repeat(random.random(60) < share, 10)
    labels = random.integers(3, size=600)
    predicted = np.where(right, labels, (labels + 1) % 3)
    return labels, predicted, 0.1 + 0.7 * np.eye(3)[predicted], ["bod_Tibt", "zho_Hans"] * 300, documents


def test_sentences_of_an_article_are_not_counted_as_independent() -> None:
    *what, documents = clustered(0)
    by_document = bootstrap_ci(outcomes(*what, documents))["M"]
    by_row = bootstrap_ci(outcomes(*what, [str(row) for row in range(600)]))["M"]
    # Ten equal sentences an article: the true interval is sqrt(10) times as wide as the naive one.
    assert (by_document.high - by_document.low) / (by_row.high - by_row.low) == pytest.approx(10**0.5, rel=0.15)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(100):
        found = bootstrap_ci(outcomes(*clustered(seed)), replicates=300, level=0.9, seed=seed)["M"]
        covered += found.low <= 0.7 <= found.high
    assert 80 <= covered <= 98


def test_draws_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given_ = outcomes(*clustered(1))
    found = bootstrap_ci(given_, seed=3)
    assert found == bootstrap_ci(given_, seed=3)
    assert found != bootstrap_ci(given_, seed=4)
    monkeypatch.setattr(metrics, "_CELLS", 5000)  # a few replicates at a time
    assert found == bootstrap_ci(given_, seed=3)


def test_an_interval_of_one_document_has_no_width() -> None:
    labels, predicted, probabilities, langs, _ = clustered(2)
    found = bootstrap_ci(outcomes(labels, predicted, probabilities, langs, ["one"] * 600))["accuracy/all"]
    assert found.low == found.high == pytest.approx(found.value)


def test_a_run_does_not_differ_from_itself() -> None:
    run = outcomes(*clustered(0))
    for difference in paired_bootstrap(run, run).values():
        assert (difference.difference, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_a_better_run_is_told_from_a_worse_one() -> None:
    labels, predicted, probabilities, langs, documents = clustered(0)
    better = predicted.copy()
    better[::4] = labels[::4]
    ours = outcomes(labels, better, probabilities, langs, documents)
    theirs = outcomes(labels, predicted, probabilities, langs, documents)
    found, turned = paired_bootstrap(ours, theirs)["M"], paired_bootstrap(theirs, ours)["M"]
    assert found.low > 0 and found.p == pytest.approx(2 / 1001)
    assert found.ours - found.theirs == found.difference
    # The two unpaired intervals overlap: pairing is what tells them apart.
    assert bootstrap_ci(ours)["M"].low < bootstrap_ci(theirs)["M"].high
    assert [turned.low, turned.high, turned.p] == pytest.approx([-found.high, -found.low, found.p])


def test_equal_runs_are_seldom_told_apart() -> None:
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        labels = random.integers(3, size=400)
        documents = [str(row // 2) for row in range(400)]
        runs = [
            outcomes(labels, guess, np.eye(3)[guess], ["zho_Hans"] * 400, documents)
            for guess in (np.where(random.random(400) < 0.7, labels, (labels + 1) % 3) for _ in range(2))
        ]
        alarms += paired_bootstrap(*runs, replicates=300)["M"].p < 0.05
    assert alarms <= 12


def test_runs_over_other_utterances_are_not_compared() -> None:
    labels, predicted, probabilities, langs, documents = clustered(0)
    ours = outcomes(labels, predicted, probabilities, langs, documents)
    with pytest.raises(ValueError, match="same utterances"):
        paired_bootstrap(ours, outcomes((labels + 1) % 3, predicted, probabilities, langs, documents))


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(CorpusforgeError, match="nothing to measure"):
        outcomes([], [], np.zeros((0, 3)), [], [])
    with pytest.raises(ValueError, match="classes from 0 to 3"):
        outcomes([0, 3], [0, 1], np.full((2, 3), 1 / 3), ["a", "a"], ["d", "e"])

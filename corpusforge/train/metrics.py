"""What a classifier is judged by: accuracy by language, its mean M and Gini G (Algorithm 1), F1, calibration, and more.

Everything is a function of two tables of counts, so that a bootstrap costs one weighted count a replicate: no metric is
written twice, once for the point and once for the interval. numpy only, imported when something is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corpusforge.errors import CorpusforgeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

ALL = "all"
"""The scope of a metric over every language together."""

_CELLS = 4_000_000  # numbers held at a time while resampling: 32 MB


def accuracy_by_language(labels: ArrayLike, predicted: ArrayLike, langs: Sequence[str]) -> dict[str, float]:
    """Share of utterances that are classified rightly.

    Args:
        labels: True classes [n].
        predicted: Predicted classes [n].
        langs: Language of each utterance, n of them.

    Returns:
        Accuracy in [0, 1] by language, languages sorted.

    Raises:
        ValueError: The three differ in length.
    """
    import numpy as np

    right = np.asarray(labels) == np.asarray(predicted)
    if right.shape != (len(langs),):
        raise ValueError(f"{right.shape} labels and predictions for {len(langs)} languages")
    names, index = np.unique(np.asarray(langs, dtype=str), return_inverse=True)
    shares = np.bincount(index, weights=right) / np.bincount(index)
    return {str(name): float(share) for name, share in zip(names, shares, strict=True)}


def mean_accuracy(accuracy: Mapping[str, float] | Iterable[float]) -> float:
    """M of Algorithm 1: the mean over languages, however many utterances each has."""
    values = _values(accuracy)
    return sum(values) / len(values)


def gini(accuracy: Mapping[str, float] | Iterable[float]) -> float:
    """G of Algorithm 1: the Gini coefficient over languages, by the trapezoid under a Lorenz curve that starts at 0.

    In [0, (n - 1) / n] for n languages; for three, 2 (max - min) / (3 sum). 0 where all are 0: they are equal.

    Raises:
        ValueError: There is no language, or an accuracy is negative.
    """
    values = _values(accuracy)
    if min(values) < 0:
        raise ValueError(f"G is of accuracies, found {min(values)}")
    import numpy as np

    return float(_gini(np.array(values)))


def _values(accuracy: Mapping[str, float] | Iterable[float]) -> list[float]:
    values = [float(value) for value in (accuracy.values() if isinstance(accuracy, Mapping) else accuracy)]
    if not values:
        raise ValueError("no language has an accuracy")
    return values


def _gini(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """G over the last axis."""
    import numpy as np

    ordered = np.sort(values, axis=-1)
    count = values.shape[-1]
    total = ordered.sum(axis=-1)
    lorenz = np.cumsum(ordered, axis=-1)
    # Each trapezoid is the mean of two neighbours; with the 0 in front, the last point counts by half.
    area = (lorenz.sum(axis=-1) - total / 2) / count
    # Where every accuracy is 0 nothing is divided; the maximum takes off what rounding leaves below 0.
    values = np.maximum(0.0, 1 - 2 * np.divide(area, total, out=np.full_like(total, 0.5), where=total != 0))
    return values


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Confusion matrix [classes, classes]: utterances by true class (row) and predicted class (column)."""
    import numpy as np

    cells = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Precision, recall and F1 of a class, or their mean over classes.

    Attributes:
        precision: Share of those predicted to be of the class that are; 0 where none was predicted.
        recall: Share of the class's utterances that were found; 0 where there is none.
        f1: Their harmonic mean.
        support: Utterances of the class.
    """

    precision: float
    recall: float
    f1: float
    support: int


def classification_report(matrix: NDArray[np.int64], labels: Sequence[str]) -> dict[str, ClassReport]:
    """Precision, recall, F1 and support.

    Args:
        matrix: Of `confusion`, [C, C].
        labels: Names of the C classes.

    Returns:
        By label, in the order of `labels`, those aside that neither occur nor are predicted; then `macro avg` and
        `weighted avg` (by support), as in scikit-learn.
    """
    import numpy as np

    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = _ratio(right, predicted, 0.0), _ratio(right, support, 0.0)
    f1 = _ratio(2 * right, support + predicted, 0.0)
    seen = support + predicted > 0
    total = int(support.sum())
    report = {}
    for one in map(int, np.flatnonzero(seen)):
        report[labels[one]] = ClassReport(float(precision[one]), float(recall[one]), float(f1[one]), int(support[one]))
    for name, weights in (("macro avg", seen / seen.sum()), ("weighted avg", support / total)):
        report[name] = ClassReport(float(precision @ weights), float(recall @ weights), float(f1 @ weights), total)
    return report


def macro_f1(labels: ArrayLike, predicted: ArrayLike, classes: int) -> float:
    """Mean F1 over the classes that occur or are predicted, as scikit-learn's `f1_score(average="macro")`."""
    return float(_macro_f1(confusion(labels, predicted, classes)))


def _macro_f1(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Macro F1 of confusion matrices [..., C, C]; NaN for an empty one."""
    import numpy as np

    right = np.diagonal(cells, axis1=-2, axis2=-1)
    both = cells.sum(axis=-1) + cells.sum(axis=-2)
    return _ratio(_ratio(2 * right, both, 0.0).sum(axis=-1), (both > 0).sum(axis=-1), np.nan)


def expected_calibration_error(
    labels: ArrayLike, predicted: ArrayLike, probabilities: ArrayLike, bins: int = 15
) -> float:
    """Mean distance of accuracy and confidence over bins of equal width, weighted by size (Guo et al. 2017, Eq. 3).

    Args:
        labels: True classes [n].
        predicted: Predicted classes [n]; their probability is the confidence.
        probabilities: [n, C].
        bins: Bin b holds confidences in (b / bins, (b + 1) / bins], the first one 0 too.
    """
    import numpy as np

    guess, chances = np.asarray(predicted, np.int64), np.asarray(probabilities, np.float64)
    confidence = chances[np.arange(len(guess)), guess]
    gaps = np.bincount(_bin(confidence, bins), weights=(np.asarray(labels) == guess) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(guess))


def _bin(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    import numpy as np

    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _ratio(above: NDArray[Any], below: NDArray[Any], otherwise: float) -> NDArray[np.float64]:
    """Quotients, `otherwise` where the divisor is 0."""
    import numpy as np

    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    quotients: NDArray[np.float64] = np.divide(above, below, out=np.full(above.shape, otherwise), where=below != 0)
    return quotients


@dataclass(frozen=True)
class Outcomes:
    """n classified utterances in the form that is counted; made by `outcomes`.

    Attributes:
        languages: Names of the L languages.
        classes: C.
        cell: [n] number of the utterance's cell in a table [L, C, C] by language, true and predicted class.
        bin: [n] number of its cell in a table [L, bins] by language and confidence.
        gap: [n] 1 or 0 for right or wrong, less the confidence.
        unit: [n] number of what is drawn together with it when resampling.
        units: Their number.
        bins: Confidence bins.
    """

    languages: tuple[str, ...]
    classes: int
    cell: NDArray[np.int64]
    bin: NDArray[np.int64]
    gap: NDArray[np.float64]
    unit: NDArray[np.int64]
    units: int
    bins: int

    def metrics(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Every metric, with utterances counted `weights` [R, n] times.

        Returns:
            [R] numbers by name: `accuracy`, `macro_f1` and `ece`, each as `name/language` and `name/all` (all
            utterances in one pot); `M` and `G` over languages. NaN where nothing that was counted is of the language.
        """
        import numpy as np

        rows, size = len(weights), len(self.languages)
        cells = _count(self.cell, weights, size * self.classes**2).reshape(rows, size, self.classes, self.classes)
        gaps = _count(self.bin, weights * self.gap, size * self.bins).reshape(rows, size, self.bins)
        cells = np.concatenate([cells, cells.sum(axis=1, keepdims=True)], axis=1)
        gaps = np.concatenate([gaps, gaps.sum(axis=1, keepdims=True)], axis=1)
        total = cells.sum(axis=(-2, -1))
        by_scope = {
            "accuracy": _ratio(np.trace(cells, axis1=-2, axis2=-1), total, np.nan),
            "macro_f1": _macro_f1(cells),
            "ece": _ratio(np.abs(gaps).sum(axis=-1), total, np.nan),
        }
        accuracy = by_scope["accuracy"][:, :-1]
        found = {"M": accuracy.mean(axis=1), "G": _gini(accuracy)}
        for name, values in by_scope.items():
            for number, scope in enumerate((*self.languages, ALL)):
                found[f"{name}/{scope}"] = values[:, number]
        return found


def outcomes(
    labels: ArrayLike,
    predicted: ArrayLike,
    probabilities: ArrayLike,
    langs: Sequence[str],
    units: Sequence[str],
    bins: int = 15,
) -> Outcomes:
    """Classified utterances, ready to be counted and resampled.

    Args:
        labels: True classes [n].
        predicted: Predicted classes [n].
        probabilities: [n, C].
        langs: Language of each, n of them.
        units: What each belongs to, n names: utterances of one unit are drawn together.
        bins: Of the expected calibration error.

    Raises:
        CorpusforgeError: There are none.
        ValueError: Lengths differ, or a class is not in 0 ... C - 1.
    """
    import numpy as np

    truth, guess = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    chances = np.asarray(probabilities, np.float64)
    count, classes = chances.shape
    if not count:
        raise CorpusforgeError("no utterance with a label was classified: there is nothing to measure")
    if not truth.shape == guess.shape == (count,) or not len(langs) == len(units) == count:
        raise ValueError(
            f"{count} probabilities, {truth.shape} labels, {guess.shape} predictions, {len(langs)} languages"
        )
    if min(truth.min(), guess.min()) < 0 or max(truth.max(), guess.max()) >= classes:
        raise ValueError(f"classes from {truth.min()} to {truth.max()}, expected 0 to {classes - 1}")
    names, lang = np.unique(np.asarray(langs, dtype=str), return_inverse=True)
    drawn, unit = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    confidence = chances[np.arange(count), guess]
    return Outcomes(
        languages=tuple(map(str, names)),
        classes=classes,
        cell=(lang * classes + truth) * classes + guess,
        bin=lang * bins + _bin(confidence, bins),
        gap=(truth == guess) - confidence,
        unit=unit,
        units=len(drawn),
        bins=bins,
    )


def _count(index: NDArray[np.int64], weights: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """[R, size]: for each row of weights [R, n], their sums by index, [n] or [R, n]."""
    import numpy as np

    rows = len(weights)
    flat = (np.arange(rows)[:, None] * size + index).ravel()
    sums = np.bincount(flat, weights=weights.ravel(), minlength=rows * size).astype(np.float64, copy=False)
    return sums.reshape(rows, size)


def point(of: Outcomes | Sequence[Outcomes]) -> dict[str, float]:
    """Every metric as measured, by the names of `Outcomes.metrics`; of several runs, the mean."""
    import numpy as np

    return {
        name: float(values[0])
        for name, values in _mean([run.metrics(np.ones((1, len(run.unit)))) for run in _runs(of)]).items()
    }


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric and its confidence interval; NaN bounds where no replicate had all languages."""

    value: float
    low: float
    high: float


def bootstrap_ci(
    of: Outcomes | Sequence[Outcomes], *, replicates: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, Estimate]:
    """Percentile bootstrap intervals (Efron 1979) of every metric, by the names of `Outcomes.metrics`.

    Units, not utterances, are drawn with replacement: sentences of one article are alike, and an interval that takes
    them for independent is too narrow. A replicate that lacks a language does not count for the metrics that need it.

    Args:
        of: From `outcomes`, which is told the units. Of several runs of one model on the same utterances, as several
            seeds give, the mean over runs is estimated: all are measured on the same draws.
        replicates: How many samples are drawn.
        level: Share of the replicates inside the interval.
        seed: Of the draws.

    Raises:
        ValueError: The runs are not of the same utterances.
    """
    drawn = _mean(_replicates(_runs(of), replicates, seed))
    return {name: Estimate(value, *_interval(drawn[name], level)) for name, value in point(of).items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of two runs on the same utterances.

    Attributes:
        ours, theirs: As measured.
        difference: Ours less theirs.
        low, high: Its confidence interval.
        p: Two-sided: twice the share of replicates on the far side of 0, 0 itself included, one added to both counts
            so that it is never 0; at most 1.
    """

    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    ours: Outcomes | Sequence[Outcomes],
    theirs: Outcomes | Sequence[Outcomes],
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Difference]:
    """Paired bootstrap (Koehn 2004): both runs are measured on the same draws of units.

    Args:
        ours: One run's utterances, or those of several runs of one model, whose mean is compared.
        theirs: The other's: the same utterances in the same order, with the same units.
        replicates: How many samples are drawn.
        level: Share of the replicates inside the interval.
        seed: Of the draws.

    Raises:
        ValueError: They are not the same utterances.
    """
    import numpy as np

    first, second = _runs(ours), _runs(theirs)
    drawn = _replicates((*first, *second), replicates, seed)
    above, below = _mean(drawn[: len(first)]), _mean(drawn[len(first) :])
    mine, other = point(ours), point(theirs)
    found = {}
    for name in mine:
        moves = above[name] - below[name]
        moves = moves[~np.isnan(moves)]
        fewer = min((moves <= 0).sum(), (moves >= 0).sum())
        p = min(1.0, 2 * (int(fewer) + 1) / (len(moves) + 1))
        found[name] = Difference(mine[name], other[name], mine[name] - other[name], *_interval(moves, level), p)
    return found


def _runs(of: Outcomes | Sequence[Outcomes]) -> tuple[Outcomes, ...]:
    return (of,) if isinstance(of, Outcomes) else tuple(of)


def _mean(runs: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Of every metric over runs."""
    import numpy as np

    return {name: np.mean([run[name] for run in runs], axis=0) for name in runs[0]}


def _replicates(runs: Sequence[Outcomes], replicates: int, seed: int) -> list[dict[str, NDArray[np.float64]]]:
    """[replicates] numbers a metric and run, on draws that all runs share."""
    import numpy as np

    # A cell is language, truth and guess: without the guess, they are what every run was given.
    given = [(run.languages, run.classes, (run.cell // run.classes).tolist(), run.unit.tolist()) for run in runs]
    if any(one != given[0] for one in given):
        raise ValueError("the runs have not classified the same utterances")
    first = runs[0]
    widest = max(len(first.unit), first.units, len(first.languages) * max(first.classes**2, first.bins))
    parts = [
        [run.metrics(weights[:, run.unit]) for run in runs]
        for weights in _draws(first.units, replicates, seed, max(1, _CELLS // widest))
    ]
    return [
        {name: np.concatenate([part[number][name] for part in parts]) for name in parts[0][number]}
        for number in range(len(runs))
    ]


def _draws(units: int, replicates: int, seed: int, portion: int) -> Iterator[NDArray[np.float64]]:
    """How often each unit was drawn, [up to portion, units] at a time; the portion does not change what is drawn."""
    import numpy as np

    random = np.random.default_rng(seed)
    for start in range(0, replicates, portion):
        rows = min(portion, replicates - start)
        drawn = random.integers(units, size=(rows, units))
        yield _count(drawn, np.ones((rows, units)), units)


def _interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    import numpy as np

    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

"""A run's predictions measured: `results.json`, and the same as tables for a terminal."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from corpusforge.corpus.stats import table
from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json
from corpusforge.train.metrics import ALL, bootstrap_ci, classification_report, confusion, paired_bootstrap
from corpusforge.train.predictions import (
    Predictions,
    Unit,
    predicted_splits,
    predictions_path,
    read_predictions,
    seed_runs,
    several,
)

RESULTS = "results.json"
EVALUATED = "evaluated"
"""Folder in a run's for what it said of other corpora than its own."""


def on_stderr(words: str) -> None:
    """Say what the user should think about, where nobody else says it: stdout has the results."""
    print(f"warning: {words}", file=sys.stderr)


def evaluate(
    predictions: Predictions,
    *,
    against: Predictions | None = None,
    unit: Unit = "document",
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Json]:
    """Everything that is measured on one split, ready for JSON.

    Args:
        predictions: Of one split; those without a true label do not count.
        against: Another run's, of the same utterances, to be compared with by a paired bootstrap.
        unit: What is drawn as a whole when resampling.
        replicates: Of the bootstrap.
        level: Of its intervals.
        seed: Of its draws.

    Raises:
        CorpusforgeError: No utterance has a label, or the other run is of other utterances.
    """
    known = predictions.labelled()
    ours = known.outcomes(unit)
    estimates = bootstrap_ci(ours, replicates=replicates, level=level, seed=seed)
    scopes = {ALL: known, **{lang: known.of_language(lang) for lang in ours.languages}}
    tables = {}
    for scope, part in scopes.items():
        matrix = confusion(part.truth, part.predicted, len(known.labels))
        report = classification_report(matrix, known.labels)
        tables[scope] = {
            "utterances": len(part),
            "classes": {label: asdict(row) for label, row in report.items()},
            "confusion": matrix.tolist(),
        }
    found: dict[str, Json] = {
        "utterances": len(known),
        "unlabelled": len(predictions) - len(known),
        "languages": list(ours.languages),
        "labels": list(known.labels),
        "bootstrap": {"unit": unit, "units": ours.units, "replicates": replicates, "level": level, "seed": seed},
        "metrics": {name: _plain(asdict(estimate)) for name, estimate in estimates.items()},
        "scopes": tables,
    }
    if against is not None:
        theirs = aligned(known, against.labelled()).outcomes(unit)
        compared = paired_bootstrap(ours, theirs, replicates=replicates, level=level, seed=seed)
        found["against"] = {name: _plain(asdict(row)) for name, row in compared.items()}
    return found


def evaluate_run(
    run: Path,
    *,
    splits: Sequence[str] | None = None,
    against: Path | None = None,
    unit: Unit = "document",
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    note: Callable[[str], None] = on_stderr,
) -> dict[str, Json]:
    """Measures a run's predictions and writes `results.json` beside them, all or nothing.

    Splits that are not measured now stay in that file as they are.

    Args:
        run: Its folder.
        splits: Those to measure; by default all that it has predictions of and labels to judge them by.
        against: Folder of another run to compare with.
        unit: See `evaluate`, as for the rest.
        replicates: Of the bootstrap.
        level: Of its intervals.
        seed: Of its draws.
        note: Told which splits have no labels.

    Returns:
        What was measured now, as it was written.

    Raises:
        CorpusforgeError: There are no predictions, they are damaged, none has a true label, or the other run's are of
            other utterances.
    """
    for folder in filter(None, (run, against)):
        if not folder.is_dir():
            raise CorpusforgeError(f"there is no run at {folder}: name the folder of one, such as runs/NAME")
        if (seeds := seed_runs(folder)) and not predicted_splits(folder):
            raise CorpusforgeError(several(folder, seeds))
    names = list(splits) if splits is not None else predicted_splits(run)
    if not names:
        raise CorpusforgeError(
            f"{run} has no predictions-<split>.jsonl: `corpusforge train` writes them when a run ends, so let it end"
        )
    results: dict[str, Json] = {"run": _name(run), "against": _name(against) if against else None, "splits": {}}
    said = {name: read_predictions(predictions_path(run, name)) for name in names}
    known = [name for name in names if (said[name].truth >= 0).any()]
    unknown = [name for name in names if name not in known]
    if not known or (unknown and splits is not None):
        raise CorpusforgeError(
            f"{run}: no utterance of {' and '.join(unknown)} has a true label, so there is nothing to judge what the "
            "model said by: evaluate a split that has labels, or build the corpus with labels"
        )
    if unknown:
        note(f"{' and '.join(unknown)} cannot be judged: no utterance there has a true label")
    for name in known:
        ours = said[name]
        theirs = read_predictions(predictions_path(against, name)) if against else None
        results["splits"][name] = evaluate(
            ours, against=theirs, unit=unit, replicates=replicates, level=level, seed=seed
        )
    path = run / RESULTS
    temporary = path.with_name(path.name + ".tmp")
    body = _merged(path, results)
    temporary.write_text(json.dumps(body, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return results


def _name(folder: Path) -> str:
    """Of a run, or of the run whose predictions of another corpus are there."""
    return folder.parent.parent.name if folder.parent.name == EVALUATED else folder.name


def _merged(path: Path, results: Mapping[str, Json]) -> dict[str, Json]:
    """The results with the splits that the file has besides.

    A file has one run that all of it is compared with: what a split was compared with before that is another's goes.
    """
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: split for name, split in before["splits"].items() if name not in results["splits"]}
        against = before.get("against")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return dict(results)
    if results["against"] not in (None, against):
        kept = {name: {key: value for key, value in split.items() if key != "against"} for name, split in kept.items()}
    compared = any("against" in split for split in kept.values())
    splits = dict(sorted({**kept, **results["splits"]}.items()))
    return {**results, "against": results["against"] or (against if compared else None), "splits": splits}


def _plain(numbers: Mapping[str, float]) -> dict[str, Json]:
    """NaN is no JSON: null."""
    return {name: None if math.isnan(value) else value for name, value in numbers.items()}


def aligned(ours: Predictions, theirs: Predictions) -> Predictions:
    """The other run's predictions in our order of utterances and classes.

    Raises:
        CorpusforgeError: They are of other utterances, or of another corpus.
    """
    import numpy as np

    place = {id: number for number, id in enumerate(theirs.ids)}
    apart = set(ours.ids) ^ place.keys()
    if apart:
        raise CorpusforgeError(
            f"the two runs differ in {len(apart):,} utterances, {min(apart)} among them: compare runs on the same "
            "split, corpus and languages"
        )
    if sorted(ours.labels) != sorted(theirs.labels):
        raise CorpusforgeError(
            f"the two runs have other labels, {', '.join(ours.labels)} and {', '.join(theirs.labels)}: compare runs on "
            "the same corpus"
        )
    order = [theirs.labels.index(label) for label in ours.labels]
    number_of = np.argsort(order)
    moved = theirs.take([place[id] for id in ours.ids])
    other = Predictions(
        ours.labels,
        moved.ids,
        ours.groups,
        ours.documents,
        moved.langs,
        number_of[moved.truth],
        number_of[moved.predicted],
        moved.probabilities[:, order],
    )
    wrong = np.flatnonzero((other.truth != ours.truth) | (np.array(other.langs) != np.array(ours.langs)))
    if len(wrong):
        raise CorpusforgeError(
            f"the two runs do not agree on the language or label of {ours.ids[wrong[0]]}: compare runs on the same "
            "corpus"
        )
    return other


def summary(results: Mapping[str, Json]) -> str:
    """Accuracy by language, M and G of what `evaluate_run` found, as tables for a terminal."""
    return "\n\n".join(f"{name}\n{_languages(split)}" for name, split in results["splits"].items())


def tables(results: Mapping[str, Json]) -> str:
    """What `evaluate_run` found as tables for a terminal."""
    parts = []
    for name, split in results["splits"].items():
        drawn = split["bootstrap"]
        parts.append(
            f"{results['run']}, {name}: {split['utterances']:,} utterances, {split['unlabelled']:,} more without a "
            f"label; {drawn['level']:.0%} intervals from {drawn['replicates']:,} samples of {drawn['units']:,} "
            f"{drawn['unit']}s"
        )
        parts.append(_languages(split))
        for scope in (ALL, *split["languages"]):
            parts += _classes(scope, split)
        if "against" in split:
            parts.append(f"against {results['against']}, on the same {drawn['unit']}s")
            parts.append(_compared(split["against"]))
    return "\n\n".join(parts)


def _languages(split: Mapping[str, Json]) -> str:
    metrics = split["metrics"]
    rows = []
    for scope in (*split["languages"], ALL):
        cells = [_interval(metrics[f"{name}/{scope}"]) for name in ("accuracy", "macro_f1", "ece")]
        rows.append((scope, split["scopes"][scope]["utterances"], *cells))
    whole = table(("M", "G"), [(_interval(metrics["M"]), _interval(metrics["G"]))])
    return table(("language", "utterances", "accuracy", "macro F1", "ECE"), rows) + "\n\n" + whole


def _classes(scope: str, split: Mapping[str, Json]) -> list[str]:
    found, labels = split["scopes"][scope], split["labels"]
    rows = [
        (label, *(f"{row[name]:.4f}" for name in ("precision", "recall", "f1")), row["support"])
        for label, row in found["classes"].items()
    ]
    crossed = [(label, *counts) for label, counts in zip(labels, found["confusion"], strict=True)]
    return [
        table((f"class ({scope})", "precision", "recall", "F1", "support"), rows),
        table((f"true ({scope})", *(f"as {label}" for label in labels)), crossed),
    ]


def _compared(against: Mapping[str, Json]) -> str:
    rows = [
        (
            name,
            _number(row["ours"]),
            _number(row["theirs"]),
            _interval({**row, "value": row["difference"]}),
            f"{row['p']:.4f}",
        )
        for name, row in against.items()
    ]
    return table(("metric", "ours", "theirs", "difference", "p"), rows)


def _interval(row: Mapping[str, Json]) -> str:
    return f"{_number(row['value'])} [{_number(row['low'])}, {_number(row['high'])}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"

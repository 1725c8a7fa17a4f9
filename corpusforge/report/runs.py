"""The folder of a training run as its page shows it. Only plain files are read; nothing is computed anew."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import Any

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json
from corpusforge.report.charts import Series, lines, thinned
from corpusforge.report.summary import tongue

CONFIG, ENVIRONMENT, METRICS, RESULTS = "config.json", "environment.json", "metrics.jsonl", "results.json"
ALL = "all"
"""The scope of `results.json` over every language together."""

_NO_LOSS = {"step", "epoch", "stage", "gradient", "rate"}
_MISTAKES = 20


@dataclass(frozen=True)
class RunFiles:
    """What a run's folder holds.

    Attributes:
        folder: The run's.
        settings: Of the training.
        about: What else `config.json` says: data, encoders.
        environment: Where it ran; empty if that was not written down.
        steps: Lines of `metrics.jsonl` of optimizer steps.
        epochs: Its lines of epochs, with dev scores.
        results: `results.json`, None where the predictions were not measured yet.
        predicted: Splits with predictions, sorted.
    """

    folder: Path
    settings: Mapping[str, Json]
    about: Mapping[str, Json]
    environment: Mapping[str, Json]
    steps: Sequence[Mapping[str, Json]]
    epochs: Sequence[Mapping[str, Json]]
    results: Mapping[str, Json] | None
    predicted: Sequence[str]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name


def is_run(folder: Path) -> bool:
    """Whether a folder is a training run's."""
    return (folder / CONFIG).is_file() or (folder / METRICS).is_file() or any(folder.glob("predictions-*.jsonl"))


def read_run(folder: Path) -> RunFiles:
    """Read a run.

    Raises:
        CorpusforgeError: It is no run, or one of its files is damaged.
    """
    if not is_run(folder):
        raise CorpusforgeError(
            f"{folder} is not a training run: expected {CONFIG}, {METRICS} or predictions-<split>.jsonl. "
            "`corpusforge train` makes one in runs/<name>"
        )
    config = _json(folder / CONFIG) or {}
    settings = config.get("config", config)
    logged = _lines(folder / METRICS)
    found = (re.fullmatch(r"predictions-(.+)\.jsonl", path.name) for path in folder.glob("predictions-*.jsonl"))
    return RunFiles(
        folder,
        settings,
        {} if settings is config else {name: value for name, value in config.items() if name != "config"},
        _json(folder / ENVIRONMENT) or {},
        [line for line in logged if "dev" not in line],
        [line for line in logged if "dev" in line],
        _json(folder / RESULTS),
        sorted(match[1] for match in found if match),
    )


def _json(path: Path) -> dict[str, Json] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CorpusforgeError(f"{path} cannot be read ({error}): copy it again, or run it again") from error
    if not isinstance(found, dict):
        raise CorpusforgeError(f"{path} holds {str(found)[:40]!r}, expected a JSON object: copy it again")
    return found


def _lines(path: Path) -> list[dict[str, Json]]:
    """JSON objects, a line each. A last line without an end is one that is being written, or was when a run died."""
    try:
        whole = path.read_bytes().rpartition(b"\n")[0]
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CorpusforgeError(
                f"{path}:{number}: expected a JSON object, found {line[:40]!r} ({error}): remove the line"
            ) from error
        if not isinstance(row, dict):
            raise CorpusforgeError(f"{path}:{number}: expected a JSON object, found {line[:40]!r}: remove the line")
        found.append(row)
    return found


def _number(value: Json) -> float | None:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def curves(run: RunFiles, others: Sequence[RunFiles]) -> list[dict[str, Json]]:
    """Charts of a training: losses and what goes with them by step, dev scores by epoch, other runs beside them."""
    found = []
    names = [name for name in dict.fromkeys(key for line in run.steps for key in line) if name not in _NO_LOSS]
    steps = [("Losses", names), ("Gradient norm", ["gradient"]), ("Share of the learning rate", ["rate"])]
    for title, wanted in steps:
        series = [
            Series(name, thinned([(row["step"], _number(row.get(name))) for row in run.steps if "step" in row]), style)
            for style, name in enumerate(wanted)
        ]
        if any(y is not None for one in series for _, y in one.points):
            found.append(_chart(title, series, "step", False))
    languages = sorted({code for line in run.epochs for code in line["dev"]})
    if run.epochs:
        own = [
            Series(tongue(code).name, [(row["epoch"] + 1, _number(row["dev"].get(code))) for row in run.epochs], style)
            for style, code in enumerate(languages)
        ]
        found.append(_chart("Accuracy on dev, by language", own, "epoch", True))
        for key, title in (
            ("M", "M on dev: mean accuracy over languages"),
            ("G", "G on dev: imbalance over languages"),
        ):
            all_runs = [
                Series(one.name, [(row["epoch"] + 1, _number(row.get(key))) for row in one.epochs], style)
                for style, one in enumerate((run, *others))
                if one.epochs
            ]
            found.append(_chart(title, all_runs, "epoch", True))
    return found


def _chart(title: str, series: Sequence[Series], x_name: str, whole: bool) -> dict[str, Json]:
    return {"title": title, "svg": lines(series, x_name, title, whole), "names": [one.name for one in series]}


def splits(run: RunFiles) -> list[dict[str, Any]]:
    """What `results.json` says, split by split: scores by language, reports and confusion matrices."""
    found = []
    for name, split in ((run.results or {}).get("splits") or {}).items():
        scopes = []
        for scope in (ALL, *split["languages"]):
            table = split["scopes"][scope]
            scopes.append(
                {
                    "name": "All languages" if scope == ALL else tongue(scope).name,
                    "utterances": table["utterances"],
                    "classes": table["classes"],
                    "confusion": [_shares(row) for row in table["confusion"]],
                    **{metric: split["metrics"].get(f"{metric}/{scope}") for metric in ("accuracy", "macro_f1", "ece")},
                }
            )
        found.append(
            {
                "name": name,
                "labels": split["labels"],
                "scopes": scopes,
                "mean": split["metrics"].get("M"),
                "gini": split["metrics"].get("G"),
                "unlabelled": split["unlabelled"],
                "bootstrap": split["bootstrap"],
                "against": split.get("against"),
            }
        )
    return found


def _shares(row: Sequence[int]) -> list[tuple[int, int, float]]:
    """Of each cell of a row of a confusion matrix: count, tenths of the row for its colour, share of the row."""
    total = sum(row)
    return [(count, round(10 * count / total) if total else 0, count / total if total else 0.0) for count in row]


def comparisons(runs: Sequence[RunFiles]) -> list[dict[str, Any]]:
    """Scores of several runs side by side, on each split that any of them has been measured on."""
    measured = [(run, (run.results or {}).get("splits") or {}) for run in runs]
    found = []
    for name in sorted({name for _, parts in measured for name in parts}):
        having = [(run, parts[name]) for run, parts in measured if name in parts]
        languages = sorted({code for _, split in having for code in split["languages"]})
        rows = []
        for run, split in having:
            metrics = split["metrics"]
            rows.append(
                {
                    "name": run.name,
                    "model": run.settings.get("model"),
                    "accuracy": [metrics.get(f"accuracy/{code}") for code in languages],
                    "mean": metrics.get("M"),
                    "gini": metrics.get("G"),
                    "f1": metrics.get(f"macro_f1/{ALL}"),
                    "ece": metrics.get(f"ece/{ALL}"),
                }
            )
        found.append({"name": name, "languages": [tongue(code) for code in languages], "rows": rows})
    return found


def mistakes(run: RunFiles) -> list[dict[str, Any]]:
    """For each predicted split, how many utterances were taken for another class, and the surest of them."""
    found = []
    for split in run.predicted:
        rows = _lines(run.folder / f"predictions-{split}.jsonl")
        try:
            wrong = [row for row in rows if row["label"] is not None and row["predicted"] != row["label"]]
            surest = nlargest(_MISTAKES, wrong, key=lambda row: float(row["probabilities"][row["predicted"]]))
            shown = [
                {
                    **{name: row[name] for name in ("id", "label", "predicted")},
                    "language": tongue(row["lang"]).name,
                    "sure": row["probabilities"][row["predicted"]],
                    "truth": row["probabilities"].get(row["label"]),
                }
                for row in surest
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorpusforgeError(
                f"{run.folder}/predictions-{split}.jsonl lacks {error}, expected id, lang, label, predicted and "
                "probabilities on every line: let the run write it again"
            ) from error
        found.append({"name": split, "wrong": len(wrong), "of": len(rows), "rows": shown})
    return found

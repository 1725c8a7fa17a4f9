"""`predictions-<split>.jsonl` of a run: what a model said of every utterance of a split.

One JSON object a line: `{"id", "group", "document", "lang", "label", "predicted", "probabilities": {label: p, ...}}`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from corpusforge.errors import CorpusforgeError, Diverged
from corpusforge.train.metrics import Outcomes, outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from corpusforge.train.data import Dataset, Example

Unit = Literal["document", "group", "utterance"]
"""What is drawn as a whole when resampling."""

_DIGITS = 6  # of a probability in the file


class PredictionRow(BaseModel):
    """A line of the file.

    Attributes:
        id, group, document, lang: Of the utterance, as in the corpus's manifest.
        label: The true label, null where it is not known.
        predicted: The label that was chosen.
        probabilities: Of every label, in the model's order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: str
    document: str
    lang: str
    label: str | None
    predicted: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Predictions:
    """What a model said of n utterances.

    Attributes:
        labels: Names of the C classes.
        ids, groups, documents, langs: Of the utterances, n each.
        truth: [n] true classes, -1 where unknown.
        predicted: [n] chosen classes.
        probabilities: [n, C].
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    documents: tuple[str, ...]
    langs: tuple[str, ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def units(self, unit: Unit) -> tuple[str, ...]:
        """The unit of each utterance."""
        return {"document": self.documents, "group": self.groups, "utterance": self.ids}[unit]

    def labelled(self) -> Predictions:
        """Those whose true label is known."""
        return self.take([number for number, label in enumerate(self.truth) if label >= 0])

    def of_language(self, lang: str) -> Predictions:
        """Those of one language."""
        return self.take([number for number, found in enumerate(self.langs) if found == lang])

    def take(self, rows: Sequence[int]) -> Predictions:
        """Some of them, by position."""
        index = list(rows)
        return Predictions(
            self.labels,
            tuple(self.ids[row] for row in index),
            tuple(self.groups[row] for row in index),
            tuple(self.documents[row] for row in index),
            tuple(self.langs[row] for row in index),
            self.truth[index],
            self.predicted[index],
            self.probabilities[index],
        )

    def outcomes(self, unit: Unit = "document", bins: int = 15) -> Outcomes:
        """The labelled ones as `corpusforge.train.metrics` counts them."""
        known = self.labelled()
        return outcomes(known.truth, known.predicted, known.probabilities, known.langs, known.units(unit), bins)


def predictions_of(dataset: Dataset, examples: Iterable[Example], probabilities: NDArray[np.floating]) -> Predictions:
    """Predictions from the class probabilities of a model; the most probable class is chosen, the first of equals.

    Args:
        dataset: Whose labels the classes are.
        examples: n of them.
        probabilities: [n, C], in the examples' order.

    Raises:
        Diverged: A probability is no finite number.
        ValueError: Shapes differ.
    """
    import numpy as np

    rows = tuple(examples)
    chances = np.asarray(probabilities, np.float64)
    if chances.shape != (len(rows), len(dataset.labels)):
        raise ValueError(f"{chances.shape} probabilities of {len(rows)} examples and {len(dataset.labels)} labels")
    wrong = np.flatnonzero(~np.isfinite(chances).all(axis=1))
    if len(wrong):
        raise Diverged(
            f"the model's probabilities of {rows[wrong[0]].id} and {len(wrong) - 1} more are no finite numbers: it has "
            "diverged. Train again with a lower learning rate"
        )
    return Predictions(
        dataset.labels,
        tuple(row.id for row in rows),
        tuple(row.group for row in rows),
        tuple(row.document for row in rows),
        tuple(row.lang for row in rows),
        np.array([-1 if row.label is None else row.label for row in rows], np.int64),
        chances.argmax(axis=1) if len(rows) else np.zeros(0, np.int64),
        chances,
    )


def widened(probabilities: NDArray[np.floating], labels: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities [n, C] of some labels as those of all that are wanted: 0 for a label that is not among them."""
    import numpy as np

    found = np.zeros((len(probabilities), len(wanted)))
    found[:, [wanted.index(label) for label in labels]] = probabilities
    return found


def predictions_path(run: Path, split: str) -> Path:
    """Where a run's predictions of a split are."""
    return run / f"predictions-{split}.jsonl"


def predicted_splits(run: Path) -> list[str]:
    """Splits that a run has predictions of, sorted."""
    found = (re.fullmatch(r"predictions-(.+)\.jsonl", path.name) for path in run.glob("predictions-*.jsonl"))
    return sorted(match[1] for match in found if match)


def seed_runs(folder: Path) -> list[str]:
    """Names of the runs in a folder that `--seeds` made, in the order of their seeds."""
    found = (re.fullmatch(r"seed-(\d+)", path.name) for path in folder.glob("seed-*") if path.is_dir())
    return [match[0] for match in sorted(filter(None, found), key=lambda match: int(match[1]))]


def several(folder: Path, runs: Sequence[str]) -> str:
    """What to say to someone who names a folder of `--seeds` where one run is expected."""
    return f"{folder} holds a run for each of {len(runs)} seeds ({', '.join(runs)}): name one, {folder / runs[0]}"


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write them, all or nothing; probabilities with 6 digits after the point."""
    labels = predictions.labels
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for number, chances in enumerate(predictions.probabilities):
            truth = int(predictions.truth[number])
            row = PredictionRow(
                id=predictions.ids[number],
                group=predictions.groups[number],
                document=predictions.documents[number],
                lang=predictions.langs[number],
                label=None if truth < 0 else labels[truth],
                predicted=labels[int(predictions.predicted[number])],
                probabilities={
                    label: round(float(chance), _DIGITS) for label, chance in zip(labels, chances, strict=True)
                },
            )
            file.write(row.model_dump_json() + "\n")
    os.replace(temporary, path)


def read_predictions(path: Path) -> Predictions:
    """Read them back.

    Raises:
        CorpusforgeError: There is no such file, it is empty, or a line is not as it should be.
    """
    import numpy as np

    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        raise CorpusforgeError(
            f"there is no {path}: `corpusforge train` writes it when a run ends, so let the run end, or name another"
        ) from None
    except OSError as error:
        raise CorpusforgeError(f"{path} cannot be read: {error.strerror}. Make it readable") from error
    rows = [_row(line, path, number) for number, line in enumerate(lines, 1)]
    if not rows:
        raise CorpusforgeError(f"{path} is empty: expected a line an utterance. Let the run write it again")
    labels = tuple(rows[0].probabilities)
    index = {label: number for number, label in enumerate(labels)}
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        _check(row, index, seen, f"{path}:{number}")
        seen.add(row.id)
    return Predictions(
        labels,
        tuple(row.id for row in rows),
        tuple(row.group for row in rows),
        tuple(row.document for row in rows),
        tuple(row.lang for row in rows),
        np.array([-1 if row.label is None else index[row.label] for row in rows], np.int64),
        np.array([index[row.predicted] for row in rows], np.int64),
        np.array([[row.probabilities[label] for label in labels] for row in rows], np.float64),
    )


def _row(line: bytes, path: Path, number: int) -> PredictionRow:
    try:
        return PredictionRow.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CorpusforgeError(
            f"{path}:{number}: {where + ': ' if where else ''}{first['msg']}, found {line[:60]!r}: the file was cut "
            "short or edited. Let the run write it again"
        ) from None


def _check(row: PredictionRow, labels: Mapping[str, int], seen: set[str], place: str) -> None:
    problem = None
    known = ", ".join(labels)
    if row.probabilities.keys() != labels.keys():
        problem = f"has probabilities of {', '.join(row.probabilities)}, line 1 of {known}"
    elif row.predicted not in labels or (row.label is not None and row.label not in labels):
        wrong = row.label if row.predicted in labels else row.predicted
        problem = f"has the label '{wrong}', which has no probability: expected one of {known}"
    elif not all(0 <= chance <= 1 for chance in row.probabilities.values()):
        problem = f"has a probability outside 0 to 1: {row.probabilities}"
    elif row.id in seen:
        problem = "stands there for the second time"
    if problem:
        raise CorpusforgeError(f"{place}: {row.id} {problem}. Let the run write the file again")

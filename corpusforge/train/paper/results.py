"""The numbers of all runs that are done, beside those that the paper printed: the content of `results.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict
from math import isnan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json
from corpusforge.train.config import TrainConfig
from corpusforge.train.evaluation import aligned
from corpusforge.train.metrics import Outcomes, bootstrap_ci, paired_bootstrap, point
from corpusforge.train.paper.printed import Figures, printed
from corpusforge.train.paper.rows import COMPARED, ROWS, TITLES, Planned, Row
from corpusforge.train.paper.state import MEND, Shelf, Step, train_hours
from corpusforge.train.predictions import Predictions, predictions_path, read_predictions
from corpusforge.train.runs import DATA

SPLIT = "test"
REPLICATES, LEVEL = 1000, 0.95


class Collector:
    """Gathers results; what was measured once is kept, since a run that is done does not change.

    Args:
        shelf: Where the runs are.
        planned: All of them.
        preset: Its name.
        base: Settings that all rows start from.
        overrides: What was changed in them.
    """

    def __init__(
        self,
        shelf: Shelf,
        planned: Sequence[Planned],
        preset: str,
        base: TrainConfig,
        overrides: Mapping[str, Any],
    ) -> None:
        self.shelf, self.planned, self.preset, self.base, self.overrides = shelf, planned, preset, base, overrides
        self._outcomes: dict[Path, Outcomes] = {}
        self._first: dict[str, Predictions] = {}
        self._metrics: dict[tuple[Path, ...], dict[str, Json]] = {}
        self._differences: dict[tuple[Path, ...], dict[str, Json]] = {}

    def collect(self, chosen: Set[str]) -> dict[str, Json]:
        """Look at every run, and measure those that are done.

        Args:
            chosen: Slugs of the runs that are wanted this time.

        Returns:
            Content of `results.json`.
        """
        steps = {
            planned.slug: [self.shelf.step(planned, seed) for seed in self.shelf.seeds] for planned in self.planned
        }
        done = {slug: [step for step in some if step.what == "done"] for slug, some in steps.items()}
        run_of = {(row.table, row.slug): planned.slug for planned in self.planned for row in planned.rows}
        return {
            "paper": printed()["citation"],
            "preset": self.preset,
            "set": dict(self.overrides),
            "settings": self.base.model_dump(mode="json"),
            "seeds": list(self.shelf.seeds),
            "split": SPLIT,
            "bootstrap": {"unit": "document", "replicates": REPLICATES, "level": LEVEL},
            "corpora": {name: self._corpus(name) for name in MEND},
            "unknown": self._unknown(done.values()),
            "runs": {
                planned.slug: self._run(planned, steps[planned.slug], done[planned.slug], planned.slug in chosen)
                for planned in self.planned
            },
            "tables": {
                table: [
                    {"row": row.name, "slug": row.slug, "run": run_of[table, row.slug], "printed": _plain(row)}
                    for row in ROWS
                    if row.table == table
                ]
                for table in TITLES
            },
            "compared": {
                table: [self._compared(table, ours, theirs, run_of, done) for ours, theirs in pairs]
                for table, pairs in COMPARED.items()
            },
        }

    def _corpus(self, name: str) -> dict[str, Json]:
        if name not in self.shelf.corpora:
            return {"problem": MEND[name]}
        corpus = self.shelf.corpora[name]
        info = corpus.info
        kept = (
            "name",
            "fingerprint",
            "utterances",
            "groups",
            "documents",
            "hours",
            "by_language",
            "by_split",
            "engines",
        )
        return {
            **{key: info[key] for key in kept},
            "labels": list(corpus.labels),
            "train_hours": train_hours(self.shelf.corpora)[name],
        }

    def _run(self, planned: Planned, steps: Sequence[Step], done: Sequence[Step], chosen: bool) -> dict[str, Json]:
        """State by seed, and the metrics of the seeds that are done."""
        seeds: dict[str, Json] = {}
        for step in steps:
            left_out = step.what in ("waiting", "begun") and not chosen
            seeds[str(step.seed)] = {"state": step.what, "why": "left out by --only" if left_out else step.why}
        found: dict[str, Json] = {
            "corpus": planned.corpus,
            "config": planned.config.model_dump(mode="json", exclude={"seed"}) if planned.config else None,
            "seeds": seeds,
            "metrics": None,
        }
        if done:
            found["metrics"] = self._measured(planned.corpus, done)
        return found

    def _measured(self, corpus: str, done: Sequence[Step]) -> dict[str, Json]:
        """Every metric on test: mean, deviation and values over seeds, and the interval of the mean."""
        key = tuple(step.folder for step in done)
        if key not in self._metrics:
            runs = [self._read(corpus, step) for step in done]
            values = [point(run) for run in runs]
            intervals = bootstrap_ci(runs, replicates=REPLICATES, level=LEVEL) if self._one_test else {}
            self._metrics[key] = {
                name: {
                    **_spread([one[name] for one in values]),
                    "low": _number(intervals[name].low) if name in intervals else None,
                    "high": _number(intervals[name].high) if name in intervals else None,
                }
                for name in values[0]
            }
        return self._metrics[key]

    def _compared(
        self,
        table: str,
        ours: str,
        theirs: str,
        run_of: Mapping[tuple[str, str], str],
        done: Mapping[str, Sequence[Step]],
    ) -> dict[str, Json]:
        """Paired bootstrap of two rows over the seeds that both have; no metrics where there is none."""
        slugs = [run_of[table, slug] for slug in (ours, theirs)]
        seeds = [{step.seed for step in done[slug]} for slug in slugs]
        pairs = [[step for step in done[slug] if step.seed in seeds[0] & seeds[1]] for slug in slugs]
        found: dict[str, Json] = {"ours": ours, "theirs": theirs, "seeds": sorted(seeds[0] & seeds[1]), "metrics": None}
        if found["seeds"] and self._one_test:
            key = tuple(step.folder for steps in pairs for step in steps)
            if key not in self._differences:
                corpus = pairs[0][0].planned.corpus
                one, other = ([self._read(corpus, step) for step in steps] for steps in pairs)
                rows = paired_bootstrap(one, other, replicates=REPLICATES, level=LEVEL)
                self._differences[key] = {
                    name: {field: _number(value) for field, value in asdict(row).items()} for name, row in rows.items()
                }
            found["metrics"] = self._differences[key]
        return found

    @property
    def _one_test(self) -> bool:
        """Whether all seeds are judged on the same utterances."""
        return self.base.split == "manifest" or len(self.shelf.seeds) == 1

    def _read(self, corpus: str, step: Step) -> Outcomes:
        """A run's outcomes, in the order of utterances of the first that was read of its corpus."""
        if step.folder not in self._outcomes:
            found = read_predictions(predictions_path(step.folder, SPLIT)).labelled()
            if self._one_test:
                found = aligned(self._first.setdefault(corpus, found), found)
            self._outcomes[step.folder] = found.outcomes("document")
        return self._outcomes[step.folder]

    def _unknown(self, done: Iterable[Sequence[Step]]) -> dict[str, Json]:
        """Share of unknown tokens by corpus and language, as a run with text measured it on train."""
        found: dict[str, Json] = {}
        for steps in done:
            for step in steps:
                path = step.folder / DATA
                try:
                    shares = json.loads(path.read_text(encoding="utf-8")).get("unknown")
                except (OSError, ValueError) as error:
                    raise CorpusforgeError(f"{path} is damaged ({error}): delete {step.folder}") from None
                if shares:
                    found.setdefault(step.planned.corpus, shares)
        return found


def _plain(row: Row) -> dict[str, Json] | None:
    found: Figures | None = row.figures
    return None if found is None else {"accuracy": dict(found.accuracy), "M": found.mean, "G": found.balance}


def _spread(values: Sequence[float]) -> dict[str, Json]:
    """Mean and sample standard deviation."""
    if any(map(isnan, values)):
        return {"mean": None, "sd": None, "values": [_number(value) for value in values]}
    return {"mean": mean(values), "sd": stdev(values) if len(values) > 1 else None, "values": list(values)}


def _number(value: float) -> float | None:
    """NaN is no JSON: null."""
    return None if isnan(value) else value

"""What of the paper is done: every run folder is looked at, nothing is remembered beside them but why a run failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json
from corpusforge.train.config import TrainConfig
from corpusforge.train.data import Dataset, dataset_of
from corpusforge.train.evaluation import RESULTS
from corpusforge.train.paper.rows import FLORES, MMS, Planned
from corpusforge.train.runs import CONFIG, read_config, write_json

What = Literal["done", "begun", "failed", "waiting", "other", "impossible"]
FAILED = "failed.json"

MEND: Mapping[str, str] = {
    FLORES: "needs the corpus of FLORES-200: `corpusforge build flores200`, then `--corpus manifests/flores200`",
    MMS: "needs the mms corpus: `corpusforge build mms` (a large language model translates it), then "
    "`--mms manifests/mms`",
}


@dataclass(frozen=True)
class Step:
    """A run with one of the seeds.

    Attributes:
        planned: The run.
        seed: The seed.
        folder: Where it is or will be.
        what: `done`; `begun` and killed; `failed` when last tried; `waiting`; `other`: its folder holds a run with
            other settings; `impossible` for want of a corpus, or since settings do not fit each other.
        why: Why it failed or cannot be.
    """

    planned: Planned
    seed: int
    folder: Path
    what: What
    why: str | None = None

    @property
    def config(self) -> TrainConfig:
        """Settings of the run with its seed."""
        assert self.planned.config is not None
        return self.planned.config.model_copy(update={"seed": self.seed})


class Shelf:
    """The run folders of a paper's evaluation.

    Args:
        folder: Where they are: `runs/paper-<preset>`.
        corpora: Opened, by `flores200` and `mms`; those that are there.
        seeds: Of every run.
    """

    def __init__(self, folder: Path, corpora: Mapping[str, Corpus], seeds: Sequence[int]) -> None:
        self.folder, self.corpora, self.seeds = folder, corpora, tuple(seeds)
        self._datasets: dict[tuple[object, ...], Dataset] = {}

    def steps(self, planned: Sequence[Planned]) -> list[Step]:
        """All runs with every seed, the first seed of all of them first: a whole table is there early."""
        return [self.step(one, seed) for seed in self.seeds for one in planned]

    def step(self, planned: Planned, seed: int) -> Step:
        """Look what has become of a run."""
        folder = self.folder / planned.slug / f"seed-{seed}"
        if planned.config is None:
            return Step(planned, seed, folder, "impossible", planned.problem)
        if planned.corpus not in self.corpora:
            return Step(planned, seed, folder, "impossible", MEND[planned.corpus])
        config = planned.config.model_copy(update={"seed": seed})
        what: What = "waiting"
        if (folder / CONFIG).is_file():
            try:
                differing = self._differing(folder, config, planned.corpus)
            except CorpusforgeError as error:
                return Step(planned, seed, folder, "other", str(error))
            if differing:
                why = f"{folder} holds a run with other settings ({', '.join(differing)} differ): give another --name"
                return Step(planned, seed, folder, "other", why)
            what = "done" if _results(folder) else "begun"
        failure = None if what == "done" else self._failures(planned).get(str(seed))
        return Step(planned, seed, folder, "failed" if failure else what, failure)

    def failed(self, step: Step, why: str | None) -> None:
        """Remember why a run failed, or that it no longer does."""
        failures = self._failures(step.planned)
        if why is None and str(step.seed) not in failures:
            return
        failures.pop(str(step.seed), None)
        if why is not None:
            failures[str(step.seed)] = why
        path = self.folder / step.planned.slug / FAILED
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, failures)

    def _failures(self, planned: Planned) -> dict[str, str]:
        path = self.folder / planned.slug / FAILED
        try:
            found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise CorpusforgeError(f"{path} is damaged ({error}): delete it") from None
        return found

    def _differing(self, folder: Path, config: TrainConfig, corpus: str) -> list[str]:
        found, about = read_config(folder)
        differing = [name for name in TrainConfig.model_fields if getattr(found, name) != getattr(config, name)]
        if differing:
            return differing
        dataset = self._dataset(corpus, config)
        # Models that hear nothing do not record what there is to hear.
        heard = about.get("audio") in (None, dataset.audio)
        return [*(["data"] if about.get("data") != dataset.digest else []), *([] if heard else ["audio"])]

    def _dataset(self, corpus: str, config: TrainConfig) -> Dataset:
        drawn = config.seed if config.split == "random" else None
        key = (corpus, config.languages, config.split, drawn, config.hours, config.romanizes)
        if key not in self._datasets:
            self._datasets[key] = dataset_of(config, self.corpora[corpus], lambda words: None)
        return self._datasets[key]


def train_hours(corpora: Mapping[str, Corpus]) -> dict[str, float]:
    """Hours of speech in each corpus's train split."""
    return {
        name: next((row["hours"] for row in corpus.info["by_split"] if row["split"] == "train"), 0.0)
        for name, corpus in corpora.items()
    }


def _results(folder: Path) -> Json:
    """`results.json` of a run, the last thing that it writes; None if it is not there or was cut short."""
    try:
        return json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

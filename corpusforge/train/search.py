"""Search for the settings that suit a corpus, always judged on dev: Hyperopt as in the paper, or Optuna, which prunes.

```
runs/<name>/
  search.json            what is searched, with what, on what
  trials.jsonl           a line a trial that has ended
  best.json              the best of them
  trials/<n>/            the run of trial n, from 1 on; once it has ended without its checkpoints, and only the best
                         trial keeps its model
```

What trial n tries is a function of the seed and of the n - 1 lines before it, and nothing else is remembered between
two trials. A search that was killed therefore goes on as if it had not been.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from corpusforge.corpus.read import Corpus
from corpusforge.corpus.stats import table
from corpusforge.errors import CorpusforgeError, Diverged
from corpusforge.train.config import TrainConfig
from corpusforge.train.data import dataset_of
from corpusforge.train.loop import Pruned, Scores
from corpusforge.train.runs import METRICS, write_json, written
from corpusforge.train.samplers import SAMPLERS, Name, Sampler, State, Trial
from corpusforge.train.space import Space
from corpusforge.train.training import Place, train

SEARCH, TRIALS, BEST = "search.json", "trials.jsonl", "best.json"


@dataclass(frozen=True)
class Best:
    """What a search came to.

    Attributes:
        trial: The best trial, the first of equals.
        config: Its settings, all of them.
        trials: All that were made, in their order.
    """

    trial: Trial
    config: TrainConfig
    trials: tuple[Trial, ...]

    @property
    def sets(self) -> list[str]:
        """What was found, as `--set` takes it."""
        return [f"{name}={value!r}" for name, value in self.trial.settings.items()]


def search(
    corpus: Corpus | Path | str,
    config: TrainConfig,
    folder: Path,
    place: Place,
    space: Space,
    *,
    sampler: Name = "hyperopt",
    trials: int = 20,
    note: Callable[[str], None] = print,
) -> Best:
    """Train again and again with other settings, from wherever a search in that folder left off.

    The test split is not looked at: trials make no predictions of it.

    Args:
        corpus: What to train on.
        config: Settings that are not searched; its seed is that of all trials and of what is drawn.
        folder: `runs/<name>`; made if it is not there.
        place: Where and how; its `watch` is replaced.
        space: What is searched.
        sampler: Who proposes.
        trials: How many there should be in all. More than were made before goes on with the same search.
        note: Told a line a trial.

    Raises:
        MissingDependency: The sampler or an encoder is not installed.
        RecipeError: The space does not fit the model.
        CorpusError: The corpus cannot be trained on.
        CorpusforgeError: The folder holds something else, no trial finished, or it was started in several processes.
    """
    if place.world.size > 1:
        raise CorpusforgeError("a search runs in one process: start it without torchrun")
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    chooser = SAMPLERS[sampler](space.ranges(config), config.balance)
    said: set[str] = set()

    def warn(words: str) -> None:
        # Trials have the same to say: once is enough.
        if words not in said:
            said.add(words)
            place.warn(words)

    place = replace(place, warn=warn)
    dataset = dataset_of(config, corpus, warn)
    about = {"corpus": corpus.name, "data": dataset.digest, "audio": dataset.audio if config.uses_speech else None}
    _open(folder, {"config": config.model_dump(mode="json"), "over": sorted(space.over), "sampler": sampler, **about})
    done = read_trials(folder)
    _tidy(folder, done)
    while len(done) < trials:
        number = len(done) + 1
        point = chooser.propose(done, random.Random(f"{config.seed}/{number}").getrandbits(32))
        settings = space.settings(point)
        shown = " ".join(f"{name}={value:g}" for name, value in settings.items())
        note(f"trial {number} of {trials}: {shown}")
        run = folder / "trials" / str(number)
        trial = _try(corpus, _changed(config, settings), run, place, chooser, done, point, settings)
        done = [*done, trial]
        _write_trials(folder, done)
        _tidy(folder, done)
        best = _best(done)
        note(
            f"trial {number} of {trials}: {trial.state}"
            + (f", score {trial.score:.4f}" if trial.score is not None else f" after {len(trial.epochs)} epochs")
            + (f"; best {best.score:.4f} in trial {best.trial}" if best and best.score is not None else "")
        )
    best = _best(done)
    if best is None:
        raise CorpusforgeError(
            f"none of {len(done)} trials in {folder} finished, all diverged: lower learning_rate (now "
            f"{config.learning_rate:g}), or set precision to fp32, under another --name"
        )
    found = Best(best, _changed(config, best.settings), tuple(done))
    body = best.model_dump(mode="json", include={"trial", "score", "M", "G", "settings"})
    write_json(folder / BEST, {**body, "set": found.sets})
    return found


def _try(
    corpus: Corpus,
    config: TrainConfig,
    run: Path,
    place: Place,
    sampler: Sampler,
    done: Sequence[Trial],
    point: dict[str, float],
    settings: dict[str, float],
) -> Trial:
    """Train once."""

    def watch(epoch: int, scores: Scores) -> None:
        # What a run that was killed had before is in its file only.
        if sampler.prunes(done, _epochs(run, config)):
            raise Pruned

    # The languages of `unique` are trained one after the other: no epoch of one says what the mean will be.
    place = replace(place, watch=None if config.model == "unique" else watch)
    state: State = "finished"
    score = mean = balance = None
    try:
        metrics = train(corpus, config, run, place, judged=("dev",))["splits"]["dev"]["metrics"]
        mean, balance = metrics["M"]["value"], metrics["G"]["value"]
        score = mean - config.balance * balance
    except Pruned:
        state = "pruned"
    except Diverged:
        state = "diverged"
    return Trial(
        trial=len(done) + 1,
        state=state,
        point=point,
        settings=settings,
        score=score,
        M=mean,
        G=balance,
        epochs=tuple(_epochs(run, config)),
    )


def _changed(config: TrainConfig, settings: Mapping[str, float]) -> TrainConfig:
    return TrainConfig.model_validate({**config.model_dump(), **settings})


def _epochs(run: Path, config: TrainConfig) -> list[float]:
    """M - balance * G after each epoch, as the run has written it down; an epoch that was judged twice counts once."""
    path = run / METRICS
    if not path.is_file():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = {row["epoch"]: row["M"] - config.balance * row["G"] for row in rows if "dev" in row}
    return [found[epoch] for epoch in sorted(found)]


def _best(trials: Sequence[Trial]) -> Trial | None:
    """The first of those with the highest score."""
    return max(
        (trial for trial in trials if trial.score is not None), key=lambda trial: trial.score or 0.0, default=None
    )


def _open(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Make the folder, or see that it is of this search."""
    path = folder / SEARCH
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise CorpusforgeError(f"{folder} is there already and is no search: name another with --name")
        with written(folder, "--runs or --name"):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(path, wanted)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name in wanted["config"] if found["config"].get(name) != wanted["config"][name]]
        differing += [name for name in wanted if name != "config" and found.get(name) != wanted[name]]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CorpusforgeError(f"{path} is damaged ({error}): search again under another --name") from None
    if differing:
        raise CorpusforgeError(
            f"{folder} holds another search ({', '.join(differing)} differ): name another with --name"
        )


def read_trials(folder: Path) -> list[Trial]:
    """The trials of a search that have ended, in their order.

    Raises:
        CorpusforgeError: The file is damaged.
    """
    path = folder / TRIALS
    if not path.is_file():
        return []
    try:
        found = [Trial.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        words = str(error).splitlines()[0]
        raise CorpusforgeError(f"{path} is damaged ({words}): search again under another --name") from None
    if [trial.trial for trial in found] != list(range(1, len(found) + 1)):
        raise CorpusforgeError(f"{path} is damaged (a trial is missing): search again under another --name")
    return found


def _write_trials(folder: Path, trials: Sequence[Trial]) -> None:
    """The whole file anew, so that no line is ever there in part."""
    path = folder / TRIALS
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(trial.model_dump_json() + "\n" for trial in trials)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _tidy(folder: Path, trials: Sequence[Trial]) -> None:
    """Delete what nobody needs of trials that have ended: gigabytes each, with the paper's encoders."""
    best = _best(trials)
    for trial in trials:
        run = folder / "trials" / str(trial.trial)
        useless = [*run.rglob("checkpoints"), *(run.rglob("model") if trial is not best else ())]
        for path in useless:
            shutil.rmtree(path, ignore_errors=True)


def tables(best: Best) -> str:
    """The trials of a search as a table for a terminal, the best one marked."""
    names = list(best.trial.settings)
    rows = []
    for trial in best.trials:
        numbers = [f"{trial.settings[name]:g}" for name in names]
        scores = ["-" if value is None else f"{value:.4f}" for value in (trial.score, trial.M, trial.G)]
        mark = "*" if trial == best.trial else ""
        rows.append((f"{trial.trial}{mark}", *numbers, trial.state, len(trial.epochs) or "-", *scores))
    return table(("trial", *names, "state", "epochs", "score", "dev M", "dev G"), rows)

"""Who proposes the settings of the next trial: Hyperopt or Optuna, each as a function of the trials before it."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from corpusforge.errors import MissingDependency
from corpusforge.train.space import Range

STARTUP = 8
"""Trials that are drawn at random before TPE has something to go by; Optuna prunes none of them."""

Name = Literal["hyperopt", "optuna"]
State = Literal["finished", "pruned", "diverged"]


class Trial(BaseModel):
    """A line of trials.jsonl.

    Attributes:
        trial: Its number, from 1 on.
        state: `finished`; `pruned` when it was clearly worse than others half-way; `diverged` when its loss was no
            finite number.
        point: Where it lies for the sampler.
        settings: The same as settings of a run.
        score: M - balance * G on dev at the best epoch; null unless it is finished.
        M, G: The same apart.
        epochs: M - balance * G on dev after each epoch; empty for `unique`, which is several trainings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    state: State
    point: dict[str, float]
    settings: dict[str, float]
    score: float | None
    M: float | None
    G: float | None
    epochs: tuple[float, ...]


class Sampler(ABC):
    """Proposes points, as a function of its arguments alone.

    Args:
        ranges: What the numbers of a point may be.
        balance: As in the settings of a run.

    Raises:
        MissingDependency: Its package is not installed.
    """

    package: str

    def __init__(self, ranges: Mapping[str, Range], balance: float = 0.0) -> None:
        if find_spec(self.package) is None:
            raise MissingDependency(f"{self.package} is not installed: pip install 'corpusforge[train]'")
        self.ranges, self.worst = ranges, -balance

    @abstractmethod
    def propose(self, trials: Sequence[Trial], seed: int) -> dict[str, float]:
        """The next point after those trials."""

    def prunes(self, trials: Sequence[Trial], epochs: Sequence[float]) -> bool:
        """Whether a trial that has these scores so far should end."""
        return False


class HyperoptSampler(Sampler):
    """Tree-structured Parzen estimators of Hyperopt, one number by one.

    What diverged counts as the worst there can be; there is nothing pruned.
    """

    package = "hyperopt"

    def propose(self, trials: Sequence[Trial], seed: int) -> dict[str, float]:
        """The next point after those trials."""
        from hyperopt import hp, tpe
        from hyperopt.base import JOB_STATE_DONE, STATUS_OK, Domain
        from hyperopt.base import Trials as History

        spaces = {}
        for name, one in self.ranges.items():
            if one.kind == "log":
                spaces[name] = hp.loguniform(name, math.log(one.low), math.log(one.high))
            elif one.kind == "grid":
                spaces[name] = hp.quniform(name, one.low - 0.5, one.high + 0.5, 1)
            else:
                spaces[name] = hp.uniform(name, one.low, one.high)
        domain, history = Domain(None, spaces), History()
        numbers = [trial.trial for trial in trials]
        results = [
            {"status": STATUS_OK, "loss": -(self.worst if trial.score is None else trial.score)} for trial in trials
        ]
        miscs = [
            {
                "tid": trial.trial,
                "cmd": domain.cmd,
                "workdir": None,
                "idxs": {name: [trial.trial] for name in trial.point},
                "vals": {name: [value] for name, value in trial.point.items()},
            }
            for trial in trials
        ]
        docs = history.new_trial_docs(numbers, [None] * len(trials), results, miscs)
        for doc in docs:
            doc["state"] = JOB_STATE_DONE
        history.insert_trial_docs(docs)
        history.refresh()
        [found] = tpe.suggest([len(trials) + 1], domain, history, seed, n_startup_jobs=STARTUP, verbose=False)
        return {name: float(found["misc"]["vals"][name][0]) for name in self.ranges}


class OptunaSampler(Sampler):
    """Tree-structured Parzen estimators of Optuna, and its median pruning.

    A trial ends after its second epoch or a later one if its best score is below the median of what the finished
    trials had after the same epoch. What diverged counts as the worst there can be.
    """

    package = "optuna"

    def propose(self, trials: Sequence[Trial], seed: int) -> dict[str, float]:
        """The next point after those trials."""
        import optuna

        with _quiet():
            study = self._study(trials, optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP))
            found = study.ask(self._distributions()).params
        return {name: float(found[name]) for name in self.ranges}

    def prunes(self, trials: Sequence[Trial], epochs: Sequence[float]) -> bool:
        """Whether a trial that has these scores so far should end."""
        import optuna

        with _quiet():
            running = optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING, intermediate_values=dict(enumerate(epochs))
            )
            pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1)
            return bool(pruner.prune(self._study(trials), running))

    def _study(self, trials: Sequence[Trial], sampler: Any = None) -> Any:
        import optuna

        state = optuna.trial.TrialState
        study = optuna.create_study(direction="maximize", sampler=sampler)
        distributions = self._distributions()
        for trial in trials:
            value = trial.score if trial.state == "finished" else self.worst
            study.add_trial(
                optuna.trial.create_trial(
                    state=state.PRUNED if trial.state == "pruned" else state.COMPLETE,
                    value=None if trial.state == "pruned" else value,
                    params={name: self._plain(name, number) for name, number in trial.point.items()},
                    distributions=distributions,
                    intermediate_values=dict(enumerate(trial.epochs)),
                )
            )
        return study

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import FloatDistribution, IntDistribution

        return {
            name: IntDistribution(int(one.low), int(one.high))
            if one.kind == "grid"
            else FloatDistribution(one.low, one.high, log=one.kind == "log")
            for name, one in self.ranges.items()
        }

    def _plain(self, name: str, number: float) -> float | int:
        return round(number) if self.ranges[name].kind == "grid" else number


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells of every study and trial, and warns of what is experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


SAMPLERS: Mapping[str, type[Sampler]] = {"hyperopt": HyperoptSampler, "optuna": OptunaSampler}

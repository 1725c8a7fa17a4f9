"""What is searched: which settings, and where. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from corpusforge.errors import RecipeError, nearest
from corpusforge.train.config import PLAIN, TrainConfig

SEARCHED = ("alpha", "beta", "tau", "learning_rate", "head_rate")
"""Settings that can be searched."""
TAUS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.3, 0.5)
"""The paper's grid."""
LARGEST = 0.9
"""Of alpha + beta: the cross entropy keeps a tenth."""
AROUND = 10.0
"""The learning rate is sought from a tenth of the one in the settings to ten times it: it depends on the encoder."""
HEAD_RATES = (1e-5, 1e-2)
"""Of what is new and depends on no checkpoint."""
DIGITS = 4
"""Significant ones of a setting."""


@dataclass(frozen=True)
class Range:
    """What one number of a point may be: both ends included, whole numbers where it is a `grid`."""

    low: float
    high: float
    kind: Literal["uniform", "log", "grid"] = "uniform"


@dataclass(frozen=True)
class Space:
    """Which settings are searched; all others stay as they are.

    alpha and beta together are drawn as their sum, up to 0.9, and alpha's part of it, both evenly: so alpha + beta < 1
    holds whatever is drawn. One alone is drawn up to what the other leaves of 0.9.

    Attributes:
        over: Some of `SEARCHED`.

    Raises:
        RecipeError: Nothing, something twice, or something that cannot be searched.
    """

    over: tuple[str, ...] = ("alpha", "beta", "tau", "learning_rate")

    def __post_init__(self) -> None:
        for name in self.over:
            if name not in SEARCHED:
                raise RecipeError(f"cannot search over '{name}': {nearest(name, SEARCHED)}")
        if not self.over or len(set(self.over)) < len(self.over):
            raise RecipeError(f"search over each setting once, of {', '.join(SEARCHED)}; found '{','.join(self.over)}'")

    @classmethod
    def of(cls, config: TrainConfig) -> Space:
        """The paper's three and the learning rate, as far as they make a difference to the model."""
        return cls(tuple(name for name in SEARCHED[:4] if _idle(name, config) is None) or ("head_rate",))

    def ranges(self, config: TrainConfig) -> dict[str, Range]:
        """What the numbers of a point may be.

        Raises:
            RecipeError: A setting makes no difference to the model, or nothing is left to alpha or beta.
        """
        for name in self.over:
            if reason := _idle(name, config, self.over):
                raise RecipeError(f"cannot search over '{name}': {reason}")
        found: dict[str, Range] = {}
        if {"alpha", "beta"} <= set(self.over):
            found |= {"sum": Range(0, LARGEST), "part": Range(0, 1)}
        else:
            for name, other in (("alpha", config.beta), ("beta", config.alpha)):
                if name in self.over:
                    if other >= LARGEST:
                        raise RecipeError(f"cannot search over '{name}': the other weight, {other:g}, leaves nothing")
                    found[name] = Range(0, LARGEST - other)
        if "tau" in self.over:
            found["tau"] = Range(0, len(TAUS) - 1, "grid")
        if "learning_rate" in self.over:
            found["learning_rate"] = Range(config.learning_rate / AROUND, config.learning_rate * AROUND, "log")
        if "head_rate" in self.over:
            found["head_rate"] = Range(*HEAD_RATES, "log")
        return found

    @staticmethod
    def settings(point: Mapping[str, float]) -> dict[str, float]:
        """The settings that a point stands for, in the order of `SEARCHED`."""
        found = dict(point)
        if "sum" in found:
            whole, part = found.pop("sum"), found.pop("part")
            found |= {"alpha": whole * part, "beta": whole * (1 - part)}
        if "tau" in found:
            found["tau"] = TAUS[round(found["tau"])]
        return {name: float(f"{found[name]:.{DIGITS}g}") for name in SEARCHED if name in found}


def _idle(name: str, config: TrainConfig, over: tuple[str, ...] = ()) -> str | None:
    """Why a setting makes no difference; None if it does."""
    if config.model in PLAIN:
        return f"{config.model} has no such setting"
    if name in {"alpha", "beta", "tau"} and config.model != "mlcl":
        return f"{config.model} contrasts nothing"
    if name == "learning_rate" and config.model == "speech-only" and (config.head_rate or "head_rate" in over):
        return "it is that of the text encoder, and of all else as long as head_rate is null"
    needed = {"alpha": config.mcl, "beta": config.lcl, "tau": config.mcl or config.lcl}
    return None if needed.get(name, True) else "what it weighs is turned off"

"""What the paper printed, as it printed it: `printed.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from corpusforge.items import Json

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")
"""In the order of the paper's columns."""


@dataclass(frozen=True)
class Figures:
    """A row of a table, or a point of a figure, of which the paper tells less.

    Attributes:
        accuracy: In percent, by language.
        mean, balance: M and G, in [0, 1]; None where the paper gives none.
    """

    accuracy: Mapping[str, float]
    mean: float | None
    balance: float | None


@cache
def printed() -> Mapping[str, Json]:
    """All of `printed.json`."""
    found: Mapping[str, Json] = json.loads(files(__package__).joinpath("printed.json").read_text(encoding="utf-8"))
    return found


def figures(*steps: str) -> Figures | None:
    """Printed figures by their path: `table2_flores200`, `MLCL`; None where the paper has no such row."""
    found: Json = printed()
    for step in steps:
        if step not in found:
            return None
        found = found[step]
    return Figures({lang: found[lang] for lang in LANGUAGES if lang in found}, found.get("M"), found.get("G"))

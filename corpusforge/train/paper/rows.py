"""Every row of Tables 2 to 5 and of Figures 3 and 4, and the runs that they take: equal runs are made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpusforge.errors import RecipeError, nearest
from corpusforge.train.config import PLAIN, TrainConfig, preset
from corpusforge.train.paper.printed import Figures, figures

FLORES, MMS = "flores200", "mms"

TITLES: Mapping[str, str] = {
    "table2": "Table 2: FLORES-200",
    "table3": "Table 3: mms",
    "table4": "Table 4: adapters on FLORES-200",
    "table5": "Table 5: ablations on FLORES-200",
    "figures": "Figures 3 and 4: hours of mms",
}
"""Of the tables, in the paper's order."""

PRINTED: Mapping[str, str] = {
    "table2": "table2_flores200",
    "table3": "table3_mms",
    "table4": "table4_adapters_flores200",
    "table5": "table5_ablation_flores200",
    "figures": "figures34_mms_hours",
}
"""Their names in `printed.json`."""

HOURS = (10, 20, 30, 40, 50, 60)

DECIDED = ("model", "hours")
"""Settings that rows decide, so that nobody else may."""


@dataclass(frozen=True)
class Row:
    """A row of a table, or a point of a figure.

    Attributes:
        table: Key of `TITLES`.
        name: As the paper prints it; what it lacks has a name of ours.
        slug: The same in a file name.
        corpus: `flores200` or `mms`.
        changes: Settings that differ from the preset's.
        figures: What the paper printed; None for what it lacks.
    """

    table: str
    name: str
    slug: str
    corpus: str
    changes: Mapping[str, Any] = field(hash=False)
    figures: Figures | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Planned:
    """A run that rows need, to be made with each of the seeds.

    Attributes:
        slug: Name of its folder.
        corpus: `flores200` or `mms`.
        config: Settings, with the first seed; None where they do not fit each other.
        problem: Why they do not.
        rows: Those that show it.
    """

    slug: str
    corpus: str
    config: TrainConfig | None
    problem: str | None
    rows: tuple[Row, ...]

    @property
    def cost(self) -> float:
        """Roughly what a seed of it takes, in epochs of `combined` on FLORES-200."""
        config = self.config
        if config is None:
            return 0.0
        size = 1.0 if self.corpus == FLORES else 3.0 * min(config.hours or 48.0, 48.0) / 48.0
        if config.model in PLAIN:
            return size * {"majority": 0.001, "ngram": 0.1, "word2vec": 0.2}[config.model]
        epoch = {"fgm": 2.0, "pgd": 1.0 + config.steps, "mlcl": 3.0}.get(config.model, 1.0)
        stages = len(config.stages) - 1
        return size * epoch * (config.epochs + stages * config.adapter_epochs)


def _rows() -> Iterator[Row]:
    models = {
        "mBERT-Unique": "unique",
        "mBERT-Combined": "combined",
        "mBERT+PGD": "pgd",
        "mBERT+FGM": "fgm",
        "MLCL": "mlcl",
    }
    beside = {"majority": "majority", "char n-grams": "ngram", "word2vec": "word2vec"}
    for table, corpus in (("table2", FLORES), ("table3", MMS)):
        for name, model in {**models, **beside, "speech only": "speech-only"}.items():
            yield Row(table, name, model, corpus, {"model": model}, figures(PRINTED[table], name))
    for name, adapter in (("SimAdapter", "sim"), ("MetaAdapter", "meta")):
        changes: dict[str, Any] = {"model": "mlcl", "adapter": adapter}
        yield Row("table4", name, adapter, FLORES, changes, figures(PRINTED["table4"], name))
    ablations: dict[str, tuple[str, dict[str, Any]]] = {
        "MLCL": ("mlcl", {}),
        "MLCL w/o LCL": ("no-lcl", {"lcl": False}),
        "MLCL w/o MCL": ("no-mcl", {"mcl": False}),
        "MLCL w/o Adapter": ("no-adapter", {"adapter": "none"}),
    }
    for name, (slug, without) in ablations.items():
        yield Row("table5", name, slug, FLORES, {"model": "mlcl", **without}, figures(PRINTED["table5"], name))
    for table in ("table4", "table5"):
        for name, model in beside.items():
            yield Row(table, name, model, FLORES, {"model": model})
    for name, adapter in (("SimAdapter", "sim"), ("MetaAdapter", "meta")):
        for hours in HOURS:
            changes = {"model": "mlcl", "adapter": adapter, "hours": hours}
            there = figures(PRINTED["figures"], str(hours), name)
            yield Row("figures", f"{name}, {hours} h", f"{adapter}-{hours}h", MMS, changes, there)
    for hours in HOURS:
        changes = {"model": "ngram", "hours": hours}
        yield Row("figures", f"char n-grams, {hours} h", f"ngram-{hours}h", MMS, changes)


ROWS: tuple[Row, ...] = tuple(_rows())

COMPARED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "table2": (("mlcl", "ngram"), ("mlcl", "combined")),
    "table3": (("mlcl", "ngram"), ("mlcl", "combined")),
    "table4": (("meta", "sim"), ("sim", "ngram")),
    "table5": (("mlcl", "no-lcl"), ("mlcl", "no-mcl"), ("mlcl", "no-adapter")),
}
"""Rows that a paired bootstrap compares, by slug."""


def settings(name: str, overrides: Mapping[str, Any]) -> TrainConfig:
    """The settings that all rows start from.

    Raises:
        RecipeError: No such preset or setting, a value that does not fit, or a setting that rows decide.
    """
    for setting in DECIDED:
        if setting in overrides:
            raise RecipeError(f"'{setting}' is what the rows differ in and cannot be set: choose rows with --only")
    return preset(name, **overrides)


def plan(name: str, overrides: Mapping[str, Any], train_hours: Mapping[str, float]) -> list[Planned]:
    """The runs that all rows need, in the order of the rows; each is in it once.

    Args:
        name: Of the preset.
        overrides: Settings that go over it; what a row is about goes over them.
        train_hours: Speech in the train split by corpus, where it is known: who asks for more gets all of it.

    Raises:
        RecipeError: See `settings`.
    """
    settings(name, overrides)
    found: dict[tuple[str, TrainConfig | str], list[Row]] = {}
    for row in ROWS:
        changes = {**overrides, **row.changes}
        if changes.get("hours", 0) >= train_hours.get(row.corpus, float("inf")):
            del changes["hours"]
        key: TrainConfig | str
        try:
            key = preset(name, **changes)
        except RecipeError as error:
            key = f"{row.slug}: {error}"
        found.setdefault((row.corpus, key), []).append(row)
    return [
        Planned(
            f"{corpus}-{rows[0].slug}",
            corpus,
            key if isinstance(key, TrainConfig) else None,
            key.partition(": ")[2] if isinstance(key, str) else None,
            tuple(rows),
        )
        for (corpus, key), rows in found.items()
    ]


def chosen(planned: Sequence[Planned], only: Sequence[str]) -> list[Planned]:
    """Those that some tables or rows need.

    Args:
        planned: All of them.
        only: Tables (`table2`), rows (`mlcl`) or runs (`flores200-mlcl`); all of them where there is none.

    Raises:
        RecipeError: No such table or row.
    """
    names = {name for one in planned for name in _names(one)}
    for name in only:
        if name not in names:
            raise RecipeError(f"no table or row '{name}': {nearest(name, names)}")
    return [one for one in planned if not only or not _names(one).isdisjoint(only)]


def _names(planned: Planned) -> set[str]:
    rows = planned.rows
    qualified = {f"{row.corpus}-{row.slug}" for row in rows}
    return {planned.slug, *qualified, *(row.slug for row in rows), *(row.table for row in rows)}

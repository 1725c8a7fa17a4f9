"""Figures 3 and 4 of the paper, and M against G of all rows, printed beside ours, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusforge.items import Json
from corpusforge.train.paper.rows import HOURS, MMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "balance-flores200": ("table5", ("table2", "table4", "table5"), "M against G on FLORES-200"),
    "balance-mms": ("table3", ("table3",), "M against G on mms"),
    "hours-mms": ("figures", ("figures",), "G and M by hours of train speech of mms"),
}
"""By file name: the table that it is shown below, those whose rows it shows, and its title."""

# Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999", "#F0E442")
SWEEPS = {"sim": "SimAdapter", "meta": "MetaAdapter", "ngram": "char n-grams"}


def draw(folder: Path, results: Mapping[str, Json], drawn: dict[str, Json]) -> None:
    """Draw those that have changed.

    Args:
        folder: Where they go.
        results: What `Collector.collect` found.
        drawn: What each was last drawn of, by file name; brought up to date.
    """
    for name, (_, tables, title) in FIGURES.items():
        rows = [row for table in tables for row in results["tables"][table]]
        shown = [(row, results["runs"][row["run"]]["metrics"]) for row in rows]
        if name not in drawn or drawn[name] != shown:
            figure = _hours(results) if name == "hours-mms" else _balance(results, rows, title)
            _save(folder / name, figure)
            drawn[name] = shown


def _figure(columns: int) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    # No pyplot: nothing global, and no window on any machine.
    figure = Figure(figsize=(9.6, 4.8))
    figure.subplots_adjust(left=0.08, right=0.74, top=0.92, bottom=0.12, wspace=0.3)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _save(path: Path, figure: Figure) -> None:
    import matplotlib

    # Equal figures are equal files: no date, no random ids.
    with matplotlib.rc_context({"svg.hashsalt": path.name}):
        metadata: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None}}
        for kind, left_out in metadata.items():
            temporary = path.with_name(f"{path.name}.{kind}.tmp")
            figure.savefig(temporary, format=kind, dpi=120, metadata=left_out)
            temporary.replace(path.with_name(f"{path.name}.{kind}"))


def _balance(results: Mapping[str, Json], rows: Sequence[Mapping[str, Json]], title: str) -> Figure:
    """A point a run: hollow as printed, filled as measured, joined where there are both."""
    figure, (axes,) = _figure(1)
    first = {row["run"]: row for row in reversed(rows)}
    for number, (run, row) in enumerate(reversed(first.items())):
        colour, marker = COLOURS[number % len(COLOURS)], "os^D"[number // len(COLOURS)]
        there, metrics = row["printed"], results["runs"][run]["metrics"]
        ours = metrics if metrics and metrics["M"]["mean"] is not None else None
        if there:
            axes.plot(there["G"], there["M"], marker, color=colour, fillstyle="none", markersize=8)
        if ours:
            point = (ours["G"]["mean"], ours["M"]["mean"])
            spread = [ours[name]["sd"] or 0.0 for name in ("G", "M")]
            axes.errorbar(*point, xerr=spread[0], yerr=spread[1], fmt=marker, color=colour, markersize=8, capsize=2)
            if there:
                axes.plot([there["G"], point[0]], [there["M"], point[1]], ":", color=colour, linewidth=1)
        if there or ours:
            axes.plot([], [], marker, color=colour, label=row["row"])
    axes.set(xlabel="G, imbalance of languages (left is better)", ylabel="M, mean accuracy", title=title)
    axes.grid(alpha=0.3)
    _legend(axes, "hollow: printed\nfilled: ours, mean ± sd")
    return figure


def _hours(results: Mapping[str, Json]) -> Figure:
    """Lines of ours with their deviation, and the points that the paper prints."""
    figure, columns = _figure(2)
    rows = {row["slug"]: row for row in results["tables"]["figures"]}
    for axes, metric, title in zip(columns, ("G", "M"), ("Figure 3: G", "Figure 4: M"), strict=True):
        for (slug, name), colour in zip(SWEEPS.items(), COLOURS, strict=False):
            sweep = [(hours, rows[f"{slug}-{hours}h"]) for hours in HOURS]
            printed = [(hours, row["printed"][metric]) for hours, row in sweep if row["printed"]]
            printed = [(hours, value) for hours, value in printed if value is not None]
            if printed:
                axes.plot(*zip(*printed, strict=True), "o", color=colour, fillstyle="none", label=f"{name}, printed")
            ours = dict(
                (_hours_of(results, run, hours), found[metric])
                for hours, run in ((hours, results["runs"][row["run"]]) for hours, row in sweep)
                if (found := run["metrics"]) and found[metric]["mean"] is not None
            )
            if ours:
                means = [found["mean"] for found in ours.values()]
                spreads = [found["sd"] or 0.0 for found in ours.values()]
                axes.errorbar(list(ours), means, yerr=spreads, fmt="o-", color=colour, capsize=2, label=f"{name}, ours")
        axes.set(xlabel="hours of train speech", ylabel=metric, title=title)
        axes.grid(alpha=0.3)
    _legend(columns[-1], None)
    return figure


def _hours_of(results: Mapping[str, Json], run: Mapping[str, Json], asked: int) -> float:
    """What a run was given: all of train where that is less than the point asks for."""
    return asked if run["config"]["hours"] else results["corpora"][MMS]["train_hours"]


def _legend(axes: Axes, title: str | None) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small", title=title, title_fontsize="small", loc="upper left", bbox_to_anchor=(1.02, 1))

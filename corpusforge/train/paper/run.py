"""Makes the runs that the paper's tables need, one after the other, and tells after each what is known by then."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusforgeError, MissingDependency
from corpusforge.items import Json
from corpusforge.train.paper.report import write_report
from corpusforge.train.paper.results import Collector
from corpusforge.train.paper.rows import chosen, plan, settings
from corpusforge.train.paper.state import Shelf, Step, train_hours
from corpusforge.train.runs import written

if TYPE_CHECKING:
    from corpusforge.train.training import Place

TRACEBACK = "traceback.txt"
DRAW_EVERY = 20.0
"""Seconds: a baseline takes less time than its figures. After the last run they are drawn whatever it took."""


class Paper:
    """The paper's evaluation on some corpora, with one preset.

    Args:
        corpora: Folders of corpora, by `flores200` and `mms`. Rows that need one that is not given are not run.
        preset: `paper`, `small` or `tiny`.
        folder: Where the runs and the report are: `runs/paper-<preset>`.
        seeds: Every row is trained with each of them.
        overrides: Settings that go over the preset's. What a row is about goes over them.
        only: Tables (`table2`), rows (`mlcl`) or runs (`flores200-mlcl`); all by default.
        fast_first: Whether cheap runs go first, instead of the order of the tables.

    Raises:
        RecipeError: No such preset, setting or row.
        CorpusError: A corpus is missing or damaged.
    """

    def __init__(
        self,
        corpora: Mapping[str, Path],
        preset: str,
        folder: Path,
        *,
        seeds: Sequence[int] = (42,),
        overrides: Mapping[str, Any] | None = None,
        only: Sequence[str] = (),
        fast_first: bool = False,
    ) -> None:
        overrides = dict(overrides or {})
        opened = {name: Corpus(path) for name, path in corpora.items()}
        self.shelf = Shelf(folder, opened, seeds)
        self.all = plan(preset, overrides, train_hours(opened))
        self.chosen = chosen(self.all, only)
        if fast_first:
            self.chosen.sort(key=lambda planned: planned.cost)
        self._drawn: dict[str, Json] = {}
        self._collector = Collector(self.shelf, self.all, preset, settings(preset, overrides), overrides)

    def steps(self) -> list[Step]:
        """The chosen runs with every seed, in the order in which they are made, and what has become of each."""
        return self.shelf.steps(self.chosen)

    def left(self) -> list[Step]:
        """Those that `run` would make, or that are in its way."""
        return [step for step in self.steps() if step.what not in ("done", "impossible")]

    def report(self, draw: bool = True) -> dict[str, Json]:
        """Write `RESULTS.md`, `results.json` and the figures from what is done; trains nothing.

        Args:
            draw: Whether figures that have changed are drawn.

        Returns:
            `results.json`.
        """
        results = self._collector.collect({planned.slug for planned in self.chosen})
        write_report(self.shelf.folder, results, self._drawn if draw else None)
        return results

    def run(self, place: Place) -> dict[str, Json]:
        """Make all chosen runs that are not done, from wherever they were left, and report after each.

        A run that fails is told, kept in the report with its reason, and tried again by the next call; the others are
        made all the same.

        Returns:
            `results.json`.

        Raises:
            MissingDependency: The extra `train` is not installed.
            WorkspaceError: The folder of the runs cannot be made.
            CorpusforgeError: A run of other settings is in the way.
        """
        for package in ("torch", "matplotlib"):
            if find_spec(package) is None:
                raise MissingDependency(
                    f"{package} is not installed, which training or its figures take: pip install 'corpusforge[train]'"
                )
        with written(self.shelf.folder, "--runs"):
            self.shelf.folder.mkdir(parents=True, exist_ok=True)
        steps = self.steps()
        others = [step for step in steps if step.what == "other"]
        if others:
            more = f" ({len(others) - 1} more runs are in the way)" if len(others) > 1 else ""
            raise CorpusforgeError(f"{others[0].why}{more}")
        to_do = [step for step in steps if step.what in ("begun", "failed", "waiting")]
        done = sum(step.what == "done" for step in steps)
        place.tell(f"{len(to_do)} runs to make, {done} done, {len(steps) - done - len(to_do)} cannot be made here")
        place.world.wait()  # all processes have seen the same folders before one of them writes
        writes = place.world.rank == 0
        results = self.report() if writes else {}
        drawn = time.monotonic()
        for number, step in enumerate(to_do, 1):
            self._make(step, place, f"{number}/{len(to_do)} {step.planned.slug}, seed {step.seed}")
            draw = number == len(to_do) or time.monotonic() - drawn > DRAW_EVERY
            results = self.report(draw) if writes else {}
            drawn = time.monotonic() if draw else drawn
        return results

    def _make(self, step: Step, place: Place, title: str) -> None:
        from corpusforge.train.training import train

        def tell(words: str) -> None:
            place.tell(f"{title}: {words}")

        def warn(words: str) -> None:
            place.warn(f"{title}: {words}")

        why: str | None = None
        corpus = self.shelf.corpora[step.planned.corpus]
        tell("begun" if step.what != "begun" else "goes on from its checkpoint")
        try:
            train(corpus, step.config, step.folder, dataclasses.replace(place, tell=tell, warn=warn))
        except CorpusforgeError as error:
            why = str(error)
        except Exception as error:  # out of memory, a defect of a package: the rows after it may be free of it
            why = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0]}"
            if place.world.rank == 0:
                path = self.shelf.folder / step.planned.slug / TRACEBACK
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(traceback.format_exc(), encoding="utf-8")
                why += f" ({path.relative_to(self.shelf.folder)} has more)"
        if place.world.rank == 0:
            self.shelf.failed(step, why)
        if why is not None:
            warn(f"failed: {why}")
        else:
            tell("done")


__all__ = ["Paper", "Step"]

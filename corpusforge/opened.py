"""A recipe with its source read and its stages made: what planning, building and explaining start from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from corpusforge import __version__
from corpusforge.corpus.splits import assign
from corpusforge.errors import RecipeError, nearest
from corpusforge.items import Failed, Json, Utterance
from corpusforge.pipeline.plan import Planner, Progress
from corpusforge.registry import find
from corpusforge.sources.base import Source
from corpusforge.sources.select import choose
from corpusforge.stage import Stage
from corpusforge.store.workspace import Workspace

if TYPE_CHECKING:
    from corpusforge.recipe import Recipe

BUILD_FORMAT = 3
"""Raised when the manifest of an unchanged build would be written differently."""


@dataclass(frozen=True)
class BuildOptions:
    """How to build, as opposed to what: none of this is in a key, and none but `limit` changes a corpus.

    Attributes:
        workspace: Folder that holds the store.
        manifests: Folder that the corpus's folder lies in; by default `manifests` in the workspace.
        jobs: Worker processes.
        limit: Number of parallel groups, None for all.
        force: Stages whose results are made again.
        first, last: Names of the first and last stage that may run (`--from`, `--to`).
        max_failures: Failed items that are not yet an error.
        fail_fast: Stop as soon as there are more.
        wait: Seconds to wait for another build in the same workspace.
        executor: What runs the stages: `local`, worker processes of this machine, or `dask`, a Dask cluster.
        dask: The cluster's scheduler, `tcp://host:8786`; None starts a cluster of `jobs` workers on this machine.
        blobs: URL of an object store for the blobs, `s3://bucket/prefix`; None is where the workspace has them.
    """

    workspace: Path = Path(".")
    manifests: Path | None = None
    jobs: int = 0
    limit: int | None = None
    force: frozenset[str] = frozenset()
    first: str | None = None
    last: str | None = None
    max_failures: int = 0
    fail_fast: bool = False
    wait: float = 0.0
    executor: Literal["local", "dask"] = "local"
    dask: str | None = None
    blobs: str | None = None

    def folder(self, recipe: Recipe) -> Path:
        """Where the corpus of a recipe is written."""
        name: str = recipe.name
        return (self.manifests or self.workspace / "manifests") / name

    def workers(self) -> int:
        """Worker processes: as asked, or one a processor that this process may use."""
        return self.jobs or processors()


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BuildObserver:
    """Is told how a build goes on; does nothing. Subclass what you need."""

    def downloading(self, done: int, total: int | None) -> None:
        """The source is being downloaded: bytes that are here, and bytes in all if that is known."""

    def started(self, items: int, stages: tuple[str, ...]) -> None:
        """The source is read: so many utterances will walk through these stages."""

    def item_finished(self, progress: Progress, fresh: bool) -> None:
        """An item came to its end; `fresh` if this build made anything of it."""

    def item_failed(self, progress: Progress, failed: Failed) -> None:
        """A stage could not finish an item."""

    def stage_made(self, stage: str, seconds: float) -> None:
        """A stage made a result."""

    def writing(self) -> None:
        """All items are at their end; the corpus is being written."""

    def waiting(self, holder: str) -> None:
        """Another process holds the workspace."""

    def note(self, words: str) -> None:
        """Something that the user should know."""


class Opened:
    """A recipe with its stages made, and, after `read`, with its source read."""

    def __init__(self, recipe: Recipe, options: BuildOptions, observer: BuildObserver | None = None) -> None:
        self.recipe = recipe
        self.options = options
        self.source: Source = find("sources", recipe.source_type)(recipe.source_config)
        self.source.progress = observer.downloading if observer is not None else None
        self.stages: tuple[Stage, ...] = tuple(
            part for use in recipe.stages for part in find("stages", use.name).parts(use.config)
        )
        self._translated = self._translations()
        self.languages = (*self.source.languages, *(self._translated[1] if self._translated else ()))
        names = [stage.name for stage in self.stages]
        for wanted in {*options.force, options.first, options.last} - {None}:
            if wanted not in names:
                raise RecipeError(f"recipe '{recipe.name}' has no stage '{wanted}': {nearest(str(wanted), names)}")
        self.first = names.index(options.first) if options.first else 0
        self.last = names.index(options.last) if options.last else len(names) - 1
        if self.first > self.last:
            raise RecipeError(
                f"--from {options.first} comes after --to {options.last}: the stages are {', '.join(names)}"
            )
        self.chosen: frozenset[str] | None = None
        self.groups = 0
        self._read = False

    def read(self) -> Self:
        """Check the source, and choose what `limit` leaves of it.

        Raises:
            SourceError: Something is wrong with it.
        """
        if self._read:
            return self
        self._read = True
        self.source.check()
        if self.options.limit is not None:
            self.chosen = choose(self.source.outline(), self.options.limit, self.recipe.splits.seed)
            self.groups = len(self.chosen)
        else:
            self.groups = sum(1 for _ in self.source.outline())
        return self

    def whole(self) -> bool:
        """Whether every stage may run, and none has to run again."""
        return not self.options.force and (self.first, self.last) == (0, len(self.stages) - 1)

    def identity(self) -> str | None:
        """sha256 of all that decides what a whole build makes, without reading the source line by line; None if the
        source cannot say what it is.
        """
        source = self.source.identity()
        if source is None:
            return None
        settings = [
            [
                stage.name,
                stage.version,
                [dict(stage.settings(v)) for lang in self.languages for v in stage.variants(lang)],
            ]
            for stage in self.stages
        ]
        made = [self.recipe.fingerprint(), source, self.options.limit, self.versions(), settings]
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()

    def _translations(self) -> tuple[str, tuple[str, ...]] | None:
        """The language that a stage translates from, and those it adds.

        Raises:
            RecipeError: The source does not have the one, or has one of the others.
        """
        found: tuple[str, tuple[str, ...]] | None = None
        for stage in self.stages:
            translated = stage.translates()
            if translated is None:
                continue
            if found is not None:
                raise RecipeError(f"recipe '{self.recipe.name}': two stages translate; one may")
            known = self.source.languages
            origin, added = translated
            if origin not in known:
                raise RecipeError(f"{stage.name}.source: the source has no {origin}: {nearest(origin, known)}")
            both = sorted(set(added) & set(known))
            if both:
                raise RecipeError(f"{stage.name}.targets: the source has {', '.join(both)} already: leave it out")
            found = translated
        return found

    def items(self) -> Iterator[Utterance]:
        """The utterances of this build, with those that are to be translated from each."""
        items = self.source.items(self.chosen)
        return items if self._translated is None else _with_translations(items, *self._translated)

    def splits(self) -> Mapping[str, str]:
        """The split of every document of this build."""
        outlines = self.source.outline()
        chosen = self.chosen
        pairs = ((o.document, o.label) for o in outlines if chosen is None or o.group in chosen)
        return assign(pairs, self.recipe.splits)

    def planner(self, workspace: Workspace, force: frozenset[str] = frozenset()) -> Planner:
        """A planner for this recipe's corpus."""
        return Planner(workspace, self.recipe.name, self.stages, force)

    def versions(self) -> dict[str, Json]:
        """Everything besides the recipe that decides what the corpus holds."""
        settings = {
            stage.name: {
                "version": stage.version,
                "revision": {
                    variant: revision
                    for lang in self.languages
                    for variant in stage.variants(lang)
                    if (revision := dict(stage.settings(variant)).get("revision")) is not None
                },
            }
            for stage in self.stages
        }
        return {"corpusforge": __version__, "format": BUILD_FORMAT, "stages": settings}

    def close(self) -> None:
        """Release what the stages hold."""
        for stage in self.stages:
            stage.close()


def _with_translations(items: Iterator[Utterance], origin: str, added: tuple[str, ...]) -> Iterator[Utterance]:
    for item in items:
        yield item
        if item.lang == origin:
            fields = {"source_text": item.text, "source_lang": origin}
            for lang in added:
                yield Utterance(
                    f"{item.group}.{lang}",
                    item.group,
                    item.document,
                    lang,
                    "",
                    item.label,
                    item.source,
                    item.license,
                    fields,
                )

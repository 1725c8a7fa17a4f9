"""From a recipe to a corpus: source, plan, run and manifest put together.

A build has two passes over the source. The first brings every item to its end; the second, in which everything is
cached, writes the manifest. The second is left out when the corpus folder already holds exactly this corpus.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from corpusforge.errors import BuildStopped, RecipeError, SourceError, nearest
from corpusforge.items import Json, Utterance
from corpusforge.opened import BuildObserver, BuildOptions, Opened
from corpusforge.pipeline.plan import Planner, Progress, Step
from corpusforge.quality.gates import judge
from corpusforge.stage import Place
from corpusforge.store.index import Settled
from corpusforge.store.keys import SKIPPED
from corpusforge.store.workspace import FOLDER, Workspace

if TYPE_CHECKING:
    from corpusforge.corpus.write import CorpusWriter
    from corpusforge.pipeline.executors.base import Executor
    from corpusforge.recipe import Recipe

PORTION = 256


@dataclass(slots=True)
class Report:
    """What a build did and where its corpus is.

    Attributes:
        corpus, folder: Name, and where it is.
        utterances, hours: In the corpus.
        items, cached, built: Of the walk: seen, complete before, completed now.
        made: Results made, by stage.
        rejected: Left out by a stage or a gate.
        failed: (item, stage, error) of every failure.
        waiting: Left alone by `--from` and `--to`.
        written: Whether the folder was written; False if it was right already.
        complete: Whether there is a corpus at all: not after `--to`, or when stopped.
        stopped: By Ctrl-C, SIGTERM or `fail_fast`.
        signal: The signal that stopped it, if one did.
        halted: By a service that is down, or a budget that is spent.
        told: What happened while results were made, each with its count and the first reason: `a later engine spoke
            instead of 'marytts'`.
        seconds: Wall time.
    """

    corpus: str
    folder: Path
    utterances: int = 0
    hours: float = 0.0
    items: int = 0
    cached: int = 0
    built: int = 0
    made: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    waiting: int = 0
    written: bool = False
    complete: bool = False
    stopped: bool = False
    signal: int | None = None
    halted: BuildStopped | None = None
    told: dict[str, tuple[int, str]] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class StagePlan:
    """What a build would do at one stage.

    Attributes:
        states: Number of items by state: cached, rejected, to do, pending.
        reasons: Why items are to do, with counts.
        seconds: Work in worker seconds, from the mean of earlier results; None if there are none.
        amounts: What the stage estimates: characters, requests, tokens.
        estimated_by: How it gets those, in words, where they are not counted.
    """

    stage: str
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float | None = 0.0
    amounts: Counter[str] = field(default_factory=Counter)
    estimated_by: str | None = None


@dataclass(slots=True)
class PlanReport:
    """A build's plan: nothing is run and nothing written."""

    corpus: str
    folder: Path
    items: int
    stages: list[StagePlan]


def build(recipe: Recipe, options: BuildOptions | None = None, observer: BuildObserver | None = None) -> Report:
    """Build the corpus of a recipe, making only what the store does not have.

    Args:
        recipe: From `corpusforge.load_recipe`.
        options: Where and how; by default in the current folder, with all processors.
        observer: Is told how it goes on.

    Raises:
        CorpusforgeError: Bad input, a busy or full workspace, a missing engine. Single items that fail raise nothing:
            they are in the report.
    """
    options = options or BuildOptions()
    observer = observer or BuildObserver()
    start = time.perf_counter()
    opened = Opened(recipe, options, observer)
    try:
        if not (options.workspace / FOLDER).exists():
            opened.read()  # what is wrong with the source is said before anything is made
        with (
            Workspace(options.workspace, blobs=options.blobs) as workspace,
            workspace.locked(f"build {recipe.name}", options.wait, observer.waiting),
        ):
            report = workspace.with_sound_index(lambda: _build(opened, workspace, observer))
    finally:
        opened.close()
    report.seconds = time.perf_counter() - start
    return report


def _build(opened: Opened, workspace: Workspace, observer: BuildObserver) -> Report:
    from corpusforge.pipeline.record import Recorder
    from corpusforge.pipeline.run import Run, stopping_on

    recipe, options = opened.recipe, opened.options
    identity = opened.identity() if opened.whole() else None
    settled = _settled(opened, workspace, identity)
    if settled is not None:
        return settled
    opened.read()
    corpus = workspace.register(recipe.name, options.folder(recipe))
    if workspace.rebuilt:
        why = f"the index was damaged ({workspace.rebuilt})"
        observer.note(f"{why}: rebuilt from the journal, nothing that is there is made again")
    executor = _executor(opened, workspace, observer)
    run = Run(
        opened.planner(workspace, options.force),
        Recorder(workspace, corpus),
        executor,
        observer,
        first=opened.first,
        last=opened.last,
        fail_fast=options.fail_fast,
        max_failures=options.max_failures,
        fingerprint=_fingerprint,
        preflight=lambda numbers: _preflight(opened, numbers, executor, workspace, corpus, observer),
    )
    observer.started(opened.groups * len(opened.languages), tuple(stage.name for stage in opened.stages))

    async def walk() -> None:
        async with stopping_on(run, (signal.SIGINT, signal.SIGTERM)):
            await run.run(opened.items())

    asyncio.run(walk())
    tally = run.tally
    report = Report(
        recipe.name,
        options.folder(recipe),
        items=tally.items,
        cached=tally.cached,
        built=tally.built,
        made=tally.made,
        rejected=tally.rejected,
        failed=tally.failed,
        waiting=tally.waiting,
        stopped=tally.stopped,
        signal=tally.signal,
        halted=tally.halted,
        told=tally.told,
    )
    if tally.stopped or tally.waiting:
        return report
    _forget_removed(opened, workspace, corpus, tally.items)
    report.complete = True
    unchanged = None if tally.made or tally.failed else _corpus_fingerprint(opened, tally.fingerprint)
    info = _write(opened, workspace, observer, unchanged, report)
    report.utterances = info["utterances"]
    report.hours = info["hours"]
    report.rejected = info["refused"]["rejected"]
    if identity is not None and not tally.failed:
        state = Settled(
            identity, workspace.blobs.census(), info["fingerprint"], tally.items, tally.cached + tally.built
        )
        with workspace.index.transaction():
            workspace.index.set_settled(corpus, state)
    return report


def _settled(opened: Opened, workspace: Workspace, identity: str | None) -> Report | None:
    """The report of a build with nothing to do, None if there may be something.

    Nothing is, if the last build ended with nothing left, was made from just the same, and neither the store's blobs
    nor the corpus folder have changed since. Then no item is looked at: it takes a moment, whatever the corpus's size.
    """
    from corpusforge.corpus.write import intact

    folder = opened.options.folder(opened.recipe)
    corpus = workspace.registered(opened.recipe.name, folder)
    settled = workspace.index.settled(corpus) if identity is not None and corpus is not None else None
    if settled is None or settled.identity != identity or settled.blobs != workspace.blobs.census():
        return None
    if not intact(folder, settled.fingerprint):
        return None
    info = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    return Report(
        opened.recipe.name,
        folder,
        utterances=info["utterances"],
        hours=info["hours"],
        items=settled.items,
        cached=settled.finished,
        rejected=info["refused"]["rejected"],
        complete=True,
    )


def _executor(opened: Opened, workspace: Workspace, observer: BuildObserver) -> Executor:
    options, jobs = opened.options, opened.options.workers()
    if options.executor == "dask":
        from corpusforge.pipeline.executors.dask import DaskExecutor

        return DaskExecutor(opened.stages, workspace.blobs, options.dask, jobs, observer.note)
    from corpusforge.pipeline.executors.local import LocalExecutor

    return LocalExecutor(opened.stages, workspace.blobs.location, jobs)


async def _preflight(
    opened: Opened, numbers: range, executor: Executor, workspace: Workspace, corpus: int, observer: BuildObserver
) -> None:
    """Before the first item that needs these stages: can it be done? From now on the corpus is in the making."""
    await executor.prepare(numbers, frozenset(opened.languages))
    stages = opened.stages[numbers.start : numbers.stop]
    place = Place(workspace.root, opened.recipe.name, observer.note)
    for stage in stages:
        stage.open(place)
    with workspace.index.transaction():
        workspace.index.set_complete(corpus, False)
        workspace.index.set_settled(corpus, None)


def _forget_removed(opened: Opened, workspace: Workspace, corpus: int, items: int) -> None:
    """Drop the walks of items that the source no longer has."""
    index = workspace.index
    removed: list[str] = []
    if index.count_walks(corpus) != items:
        present = {item.id for item in opened.items()}
        removed = [item for item in index.walk_items(corpus) if item not in present]
    with index.transaction():
        index.drop_walks(corpus, removed)
        index.set_complete(corpus, True)


def _fingerprint(progress: Progress) -> int:
    """Of one complete item: what the manifest says of it follows from this and the recipe."""
    item = progress.item
    own = (item.id, item.group, item.document, item.lang, item.text, item.label or "\0", item.source, item.license)
    return int.from_bytes(
        hashlib.sha256("\0".join((*own, *progress.outcomes)).encode("utf-8", "surrogatepass")).digest()
    )


def _corpus_fingerprint(opened: Opened, items: int) -> str:
    versions = repr(sorted(opened.versions().items()))
    return hashlib.sha256(f"{opened.recipe.fingerprint()} {versions} {items:x}".encode()).hexdigest()


def _write(
    opened: Opened, workspace: Workspace, observer: BuildObserver, unchanged: str | None, report: Report
) -> Mapping[str, Json]:
    """Bring the corpus folder up to date; the content of its corpus.json."""
    from corpusforge.corpus.write import intact

    folder = report.folder
    if unchanged is not None and intact(folder, unchanged):
        info: Mapping[str, Json] = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        return info
    observer.writing()
    failures = {item: (stage, error) for item, stage, error in report.failed}
    total = 0
    with _writer(opened, workspace, folder) as writer:
        for progress in _advanced(opened, workspace):
            total = (total + _fingerprint(progress)) % 2**256
            item = progress.item
            if item.id in failures:
                writer.refuse(item, *failures[item.id], kind="failed")
            elif progress.rejected is not None:
                stage, verdict = progress.rejected
                writer.refuse(item, stage, verdict.reason, details=verdict.details)
            elif reasons := judge(item, opened.recipe.gates):
                writer.refuse(item, "gates", "; ".join(reasons))
            else:
                writer.add(item)
        report.written = True
        info = writer.commit(_corpus_fingerprint(opened, total))
    if workspace.blobs.remote:
        workspace.blobs.clear_temporary()
    return info


@contextmanager
def _writer(opened: Opened, workspace: Workspace, folder: Path) -> Iterator[CorpusWriter]:
    from corpusforge.corpus.write import CorpusWriter

    with CorpusWriter(
        folder,
        name=opened.recipe.name,
        recipe=opened.recipe.resolved(),
        splits=opened.splits(),
        blob_path=workspace.blobs.local,
        suffix=_suffix(opened),
        versions=opened.versions(),
        citations=opened.source.citations(),
    ) as writer:
        yield writer


def _suffix(opened: Opened) -> Literal["flac", "wav"]:
    """The audio format of the stage that makes it."""
    formats = [getattr(getattr(stage.config, "audio", None), "format", None) for stage in opened.stages]
    found: Literal["flac", "wav"] = next((name for name in formats if name is not None), "flac")
    return found


def _advanced(opened: Opened, workspace: Workspace) -> Iterator[Progress]:
    planner = opened.planner(workspace)
    for portion in _portions(opened.items()):
        yield from planner.advance(portion)


def _portions(items: Iterable[Utterance]) -> Iterator[list[Utterance]]:
    iterator = iter(items)
    while portion := list(itertools.islice(iterator, PORTION)):
        yield portion


def plan(recipe: Recipe, options: BuildOptions | None = None) -> PlanReport:
    """What `build` would do, with reasons and estimates. Nothing is run or written, and no lock is taken."""
    options = options or BuildOptions()
    opened = Opened(recipe, options).read()
    try:
        with Workspace(options.workspace, reading=True, blobs=options.blobs) as workspace:
            return workspace.with_sound_index(lambda: _plan(opened, workspace))
    finally:
        opened.close()


def _plan(opened: Opened, workspace: Workspace) -> PlanReport:
    recipe, options = opened.recipe, opened.options
    place = Place(workspace.root, recipe.name, lambda words: None, reading=True)
    for stage in opened.stages:
        stage.open(place)
    stages = [StagePlan(stage.name, estimated_by=stage.estimated_by()) for stage in opened.stages]
    items = 0
    planner = opened.planner(workspace, options.force)
    means = _Means(workspace.index.mean_seconds())
    for portion in _portions(opened.items()):
        for progress in planner.advance(portion):
            items += 1
            _count(planner, progress, stages, means)
    return PlanReport(recipe.name, options.folder(recipe), items, stages)


def _count(planner: Planner, progress: Progress, stages: list[StagePlan], means: _Means) -> None:
    rejected = progress.rejected is not None
    for number, key in enumerate(progress.keys):
        if key == SKIPPED:
            continue
        stages[number].states["rejected" if rejected and number == progress.done - 1 else "cached"] += 1
    if progress.todo is None:
        return
    stages[progress.done].reasons[planner.reason(progress)] += 1
    for number in range(progress.done, len(stages)):
        entry, keys = stages[number], planner.keys[number]
        if not keys.variant(progress.item):
            continue
        entry.states["to do" if number == progress.done else "pending"] += 1
        entry.amounts.update(keys.stage.estimate(progress.item))
        mean = means.of(keys.stage.name, keys.settings(progress.item))
        entry.seconds = None if entry.seconds is None or mean is None else entry.seconds + mean


class _Means:
    """Mean seconds of an item: with the same settings if there are results of such, else at the same stage."""

    def __init__(self, by_settings: Mapping[str, float]) -> None:
        self._by_settings = by_settings
        by_stage: dict[str, list[float]] = {}
        for settings, seconds in by_settings.items():
            by_stage.setdefault(json.loads(settings)["stage"], []).append(seconds)
        self._by_stage = {stage: sum(values) / len(values) for stage, values in by_stage.items()}

    def of(self, stage: str, settings: str) -> float | None:
        return self._by_settings.get(settings, self._by_stage.get(stage))


def explain(recipe: Recipe, options: BuildOptions, wanted: str) -> dict[str, list[Step]]:
    """Why each stage of an item would run or not, for the item or all items of the group with this id.

    Raises:
        SourceError: No such item; the message gives the nearest ids.
    """
    opened = Opened(recipe, options).read()
    items = [item for item in opened.items() if wanted in (item.id, item.group)]
    if not items:
        known = {name for item in opened.items() for name in (item.id, item.group)}
        raise SourceError(f"'{recipe.name}' has no item '{wanted}': {nearest(wanted, known)}")

    def steps() -> dict[str, list[Step]]:
        planner = opened.planner(workspace)
        return {progress.item.id: planner.steps(progress) for progress in planner.advance(items)}

    with Workspace(options.workspace, reading=True) as workspace:
        return workspace.with_sound_index(steps)


def prompts(recipe: Recipe, options: BuildOptions, wanted: str | None = None) -> dict[str, list[Mapping[str, str]]]:
    """The messages that a model would be sent for an item, or all items of the group with this id.

    Args:
        recipe: One with a stage that asks a model.
        options: `limit` counts.
        wanted: Id of an item or group; None is the first one that a model is asked about.

    Raises:
        RecipeError: No stage of the recipe asks a model.
        SourceError: No such item.
    """
    opened = Opened(recipe, options).read()
    if not any(stage.translates() for stage in opened.stages):
        raise RecipeError(f"recipe '{recipe.name}' asks no model: it has no stage that translates")
    found: dict[str, list[Mapping[str, str]]] = {}
    known: set[str] = set()
    for item in opened.items():
        known.update((item.id, item.group))
        if wanted is not None and wanted not in (item.id, item.group):
            continue
        for stage in opened.stages:
            messages = stage.shown(item)
            if messages is not None:
                found[item.id] = list(messages)
                if wanted is None:
                    return found
    if not found and wanted not in known:
        raise SourceError(f"'{recipe.name}' has no item '{wanted}': {nearest(str(wanted), known)}")
    return found

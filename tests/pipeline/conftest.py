from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from corpusforge.items import Utterance
from corpusforge.pipeline.executors.dask import DaskExecutor
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run, Tally
from corpusforge.stage import Stage
from corpusforge.store.workspace import Workspace
from tests.pipeline.clusters import Cluster
from tests.pipeline.toys import LANGUAGES, Log, Speak, SpeakConfig, Weigh

RunToys = Callable[..., Tally]
RunDask = Callable[..., Tally]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path) as opened:
        yield opened


@pytest.fixture
def stages() -> list[Stage]:
    return [Speak(SpeakConfig()), Weigh(Weigh.Config())]


@pytest.fixture
def run_toys(workspace: Workspace) -> RunToys:
    """Run items through stages in the test's workspace, with real worker processes."""

    def run(
        items: Iterable[Utterance],
        stages: Sequence[Stage],
        *,
        corpus: str = "toy",
        jobs: int = 2,
        force: frozenset[str] = frozenset(),
        observer: Log | None = None,
        **options: Any,
    ) -> Tally:
        number = workspace.register(corpus, workspace.folder / "manifests" / corpus)
        planner = Planner(workspace, corpus, stages, force)
        executor = LocalExecutor(stages, workspace.blobs.root, jobs)

        async def go() -> Tally:
            return await Run(planner, Recorder(workspace, number), executor, observer or Log(), **options).run(items)

        return asyncio.run(go())

    return run


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "dask").mkdir()
    with Cluster(tmp_path / "dask") as started:
        yield started


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def run_dask(workspace: Workspace, notes: list[str]) -> RunDask:
    """Run items through stages on a Dask cluster, with the real executor."""

    def run(
        items: Iterable[Utterance],
        stages: Sequence[Stage],
        address: str | None = None,
        *,
        jobs: int = 2,
        observer: Log | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Tally:
        number = workspace.register("toy", workspace.folder / "manifests" / "toy")
        executor = DaskExecutor(stages, workspace.blobs, address, jobs, notes.append)
        languages = frozenset(LANGUAGES)
        planner, recorder = Planner(workspace, "toy", stages), Recorder(workspace, number)

        async def go() -> Tally:
            run = Run(
                planner,
                recorder,
                executor,
                observer or Log(),
                preflight=lambda numbers: executor.prepare(numbers, languages),
            )
            return await run.run(items)

        other = threading.Thread(target=meanwhile) if meanwhile else None
        if other:
            other.start()
        try:
            return asyncio.run(go())
        finally:
            if other:
                other.join()

    return run

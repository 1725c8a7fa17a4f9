from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from corpusforge.items import Utterance
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run, Tally
from corpusforge.stage import Stage
from corpusforge.store.workspace import Workspace
from tests.pipeline.toys import Log, Speak, SpeakConfig, Weigh

RunToys = Callable[..., Tally]


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

"""The recorder: a row is in the journal once, however often the index refuses it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from pathlib import Path

import pytest

from corpusforge.errors import WorkspaceError
from corpusforge.items import Done
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner, Progress
from corpusforge.pipeline.record import FLUSH_SECONDS, Recorder
from corpusforge.pipeline.run import Run, Tally
from corpusforge.stage import Stage
from corpusforge.store.index import DONE, IndexDamaged, Result
from corpusforge.store.workspace import Workspace
from tests.pipeline.toys import Log, Speak, SpeakConfig, Weigh, utterances

SETTINGS = '{"settings":{},"stage":"speak","version":1}'


def journalled(workspace: Workspace) -> list[bytes]:
    return [entry[0] for entry in workspace.journal.read() if isinstance(entry[0], bytes)]


def give(recorder: Recorder, numbers: range) -> None:
    for number in numbers:
        row = Result(DONE, '{"blobs":{},"fields":{}}', SETTINGS, "{}", 0.01)
        recorder.result(f"{number:032}".encode(), Done({}), row)


class Harming(Log):
    """Drops a table of the index when some items are finished, as another program would."""

    def __init__(self, index: Path) -> None:
        super().__init__()
        self.index = index
        self.left = 10

    def item_finished(self, progress: Progress, fresh: bool) -> None:
        super().item_finished(progress, fresh)
        self.left -= 1
        if self.left == 0:
            with contextlib.closing(sqlite3.connect(self.index)) as database:
                database.execute("DROP TABLE failures")


def test_an_index_that_is_damaged_during_a_run_is_rebuilt_and_the_run_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stages: list[Stage] = [Speak(SpeakConfig(pause=0.02)), Weigh(Weigh.Config())]
    runs: list[Run] = []
    with Workspace(tmp_path) as workspace, caplog.at_level(logging.WARNING, "asyncio"):
        observer = Harming(workspace.root / "index.sqlite")

        def work() -> Tally:
            planner = Planner(workspace, "toy", stages)
            recorder = Recorder(workspace, workspace.register("toy", tmp_path / "toy"))
            runs.append(Run(planner, recorder, LocalExecutor(stages, workspace.blobs.root, 2), observer))
            return asyncio.run(runs[-1].run(utterances(100)))

        tally = workspace.with_sound_index(work)
        assert workspace.rebuilt is not None and "no such table" in workspace.rebuilt
        assert tally.built + tally.cached == 300
        assert len(runs) == 2
        assert runs[0].tally.built < 300, "it ends when the damage shows, not after everything is made"
        keys = journalled(workspace)
        assert len(keys) == len(set(keys)) == 600
        assert not caplog.records


def test_damage_that_a_timer_finds_is_kept_for_the_run(tmp_path: Path) -> None:
    async def work(workspace: Workspace) -> None:
        recorder = Recorder(workspace, workspace.register("toy", tmp_path / "toy"))
        with contextlib.closing(sqlite3.connect(workspace.root / "index.sqlite")) as database:
            database.execute("DROP TABLE failures")
        for start in (0, 3):
            give(recorder, range(start, start + 3))
            await asyncio.sleep(FLUSH_SECONDS + 0.2)
        assert isinstance(recorder.error, IndexDamaged)

    with Workspace(tmp_path) as workspace:
        asyncio.run(work(workspace))
        assert len(journalled(workspace)) == 6


def test_what_a_full_disk_let_into_the_journal_alone_is_not_appended_again(small_disk: Path) -> None:
    async def work(workspace: Workspace) -> None:
        recorder = Recorder(workspace, workspace.register("toy", small_disk / "toy"))
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError):
            ballast.write_bytes(bytes(2**20))
        os.truncate(ballast, ballast.stat().st_size - 3 * 4096)
        give(recorder, range(5))
        for _ in range(2):
            with pytest.raises(WorkspaceError, match=r"index.sqlite: No space left on device"):
                recorder.flush()
            assert len(journalled(workspace)) == 5
        ballast.unlink()
        give(recorder, range(5, 7))
        recorder.flush()
        give(recorder, range(7, 9))
        recorder.flush()

    with Workspace(small_disk) as workspace:
        asyncio.run(work(workspace))
        keys = {f"{number:032}".encode() for number in range(9)}
        assert len(journalled(workspace)) == 9
        assert {key for key, _ in workspace.index.all_results()} == keys

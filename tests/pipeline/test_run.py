"""The walk: what is made, what is not made twice, and what happens on bad days."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpusforge.errors import WorkspaceError
from corpusforge.items import Utterance
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner, Progress
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run
from corpusforge.store.workspace import Workspace
from tests.patience import until
from tests.pipeline.conftest import RunToys
from tests.pipeline.toys import Ask, Log, Speak, SpeakConfig, Spoil, Weigh, utterance, utterances


def made(log: Path) -> list[str]:
    return sorted(log.read_text().split()) if log.exists() else []


def test_every_item_walks_through_every_stage(run_toys: RunToys, stages: list) -> None:
    log = Log()
    tally = run_toys(utterances(30), stages, observer=log)
    assert (tally.items, tally.built, tally.made) == (90, 90, {"speak": 90, "weigh": 90})
    assert all(progress.item.value("metrics")["bytes"] > 0 for progress in log.finished)


def test_a_second_run_makes_nothing(run_toys: RunToys, stages: list) -> None:
    run_toys(utterances(30), stages)
    tally = run_toys(utterances(30), stages)
    assert (tally.cached, tally.built, tally.made) == (90, 0, {})


def test_order_of_the_source_and_number_of_jobs_make_nothing_again(run_toys: RunToys, stages: list) -> None:
    run_toys(utterances(20), stages, jobs=1)
    tally = run_toys(reversed(list(utterances(20))), stages, jobs=3)
    assert tally.made == {}


def test_one_changed_sentence_makes_one_utterance(run_toys: RunToys, tmp_path: Path) -> None:
    log = tmp_path / "log"
    stages = [Speak(SpeakConfig(log=str(log))), Weigh(Weigh.Config())]
    items = list(utterances(20))
    run_toys(items, stages)
    log.unlink()
    items[7] = utterance(2, "mya_Mymr", text="something new")
    assert run_toys(items, stages).made == {"speak": 1, "weigh": 1}
    assert made(log) == ["dev-0002.mya_Mymr"]


def test_a_setting_of_one_language_makes_only_that_language_again(run_toys: RunToys) -> None:
    run_toys(utterances(10), [Speak(SpeakConfig())])
    tally = run_toys(utterances(10), [Speak(SpeakConfig(rates={"bod_Tibt": 10}))])
    assert tally.made == {"speak": 10}


def test_a_setting_that_is_not_semantic_makes_nothing_again(run_toys: RunToys) -> None:
    run_toys(utterances(10), [Speak(SpeakConfig())])
    assert run_toys(utterances(10), [Speak(SpeakConfig(processes=7))]).made == {}


def test_two_corpora_share_work(run_toys: RunToys, stages: list) -> None:
    run_toys(utterances(10), stages, corpus="one")
    assert run_toys(utterances(12), stages, corpus="two").made == {"speak": 6, "weigh": 6}


def test_items_with_the_same_text_are_made_once(run_toys: RunToys, tmp_path: Path) -> None:
    log = tmp_path / "log"
    items = [utterance(number, text="twice and again") for number in range(40)]
    tally = run_toys(items, [Speak(SpeakConfig(log=str(log), pause=0.01))])
    assert (tally.built, tally.made, len(made(log))) == (40, {"speak": 1}, 1)


def test_a_moved_workspace_makes_nothing_again(tmp_path: Path) -> None:
    def run(folder: Path) -> dict[str, int]:
        stages = [Speak(SpeakConfig()), Weigh(Weigh.Config())]
        with Workspace(folder) as workspace:
            number = workspace.register("toy", folder / "manifests/toy")

            async def go() -> dict[str, int]:
                planner = Planner(workspace, "toy", stages)
                executor = LocalExecutor(stages, workspace.blobs.root, 1)
                return (await Run(planner, Recorder(workspace, number), executor, Log()).run(utterances(5))).made

            return asyncio.run(go())

    assert run(tmp_path / "here") == {"speak": 15, "weigh": 15}
    (tmp_path / "here").rename(tmp_path / "there")
    assert run(tmp_path / "there") == {}


def test_a_rejection_is_a_result_and_is_cached(run_toys: RunToys, stages: list) -> None:
    items = [utterance(0, text="reject me"), utterance(1)]
    log = Log()
    tally = run_toys(items, stages, observer=log)
    assert (tally.rejected, tally.built) == (1, 1)
    again = run_toys(items, stages)
    assert (again.rejected, again.cached, again.made) == (1, 1, {})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("raise", "ValueError: nothing to say"),
        ("fail", "not today"),
        ("crash", "the worker process died twice on this item (SIGABRT)"),
        ("hang", "took longer than 2 s, given up"),
        ("infinite", "wrote what JSON cannot hold: Out of range float values are not JSON compliant"),
        ("object", "wrote what JSON cannot hold: Object of type object is not JSON serializable"),
    ],
)
def test_a_bad_item_fails_alone_and_is_tried_again(run_toys: RunToys, stages: list, text: str, error: str) -> None:
    items = [utterance(n, text=f"please {text}" if n == 5 else None) for n in range(12)]
    log = Log()
    tally = run_toys(items, stages, observer=log)
    assert log.failed == [("dev-0005.bod_Tibt", error)]
    assert (tally.built, tally.failed) == (11, [("dev-0005.bod_Tibt", "speak", error)])
    again = run_toys(items, stages)
    assert (again.cached, [item for item, _, _ in again.failed]) == (11, ["dev-0005.bod_Tibt"])


def test_a_worker_that_dies_once_costs_nothing(run_toys: RunToys, tmp_path: Path) -> None:
    items = [utterance(n, text=f"crash-once {n}" if n == 5 else None) for n in range(12)]
    tally = run_toys(items, [Speak(SpeakConfig(log=str(tmp_path / "log")))], jobs=1)
    assert (tally.built, tally.failed) == (12, [])


def test_a_later_stage_that_kills_its_worker_fails_alone_and_costs_the_earlier_one_nothing(run_toys: RunToys) -> None:
    items = [utterance(n, text=f"spoil {n}" if n in (3, 8) else None) for n in range(12)]
    tally = run_toys(items, [Speak(SpeakConfig()), Spoil(Spoil.Config())])
    error = "the worker process died twice on this item (SIGKILL)"
    assert sorted(tally.failed) == [("dev-0003.bod_Tibt", "spoil", error), ("dev-0008.bod_Tibt", "spoil", error)]
    assert tally.made == {"speak": 12, "spoil": 10}


def test_failures_are_counted_over_builds_and_forgotten_when_mended(run_toys: RunToys, workspace: Workspace) -> None:
    items = [utterance(0, text="fail"), utterance(1)]
    run_toys(items, [Speak(SpeakConfig())])
    run_toys(items, [Speak(SpeakConfig())])
    (failure,) = workspace.index.all_failures()
    assert (failure.item, failure.stage, failure.error, failure.attempts) == (
        "dev-0000.bod_Tibt",
        "speak",
        "not today",
        2,
    )
    run_toys([utterance(0, text="better"), utterance(1)], [Speak(SpeakConfig())])
    assert workspace.index.all_failures() == []


def test_fail_fast_stops_past_the_number_of_failures_allowed(run_toys: RunToys) -> None:
    items = [utterance(n, text=f"fail {n}") for n in range(500)]
    tally = run_toys(items, [Speak(SpeakConfig(pause=0.002))], fail_fast=True, max_failures=3)
    assert tally.stopped
    assert 3 < len(tally.failed) < 400


def test_to_and_from_bound_the_stages(run_toys: RunToys, stages: list) -> None:
    upto = run_toys(utterances(5), stages, last=0)
    assert (upto.made, upto.waiting) == ({"speak": 15}, 15)
    since = run_toys(utterances(8), stages, first=1)
    assert (since.made, since.built, since.waiting) == ({"weigh": 15}, 15, 9)


def test_force_makes_a_stage_again_and_equal_bytes_end_there(run_toys: RunToys, stages: list) -> None:
    run_toys(utterances(5), stages)
    assert run_toys(utterances(5), stages, force=frozenset({"speak"})).made == {"speak": 15}


def test_io_stages_are_awaited_in_the_driver(run_toys: RunToys) -> None:
    items = [*utterances(30), utterance(99, text="raise"), utterance(98, text="hang")]
    tally = run_toys(items, [Ask(SpeakConfig()), Weigh(Weigh.Config())])
    assert tally.built == 90
    assert sorted(tally.failed) == [
        ("dev-0098.bod_Tibt", "ask", "took longer than 2 s, given up"),
        ("dev-0099.bod_Tibt", "ask", "ConnectionError: the line is dead"),
    ]


def test_a_stage_that_cannot_keep_what_it_bought_ends_the_run(run_toys: RunToys) -> None:
    items = [utterance(1, "zho_Hans", text="unkept"), utterance(2, "zho_Hans", text="fine")]
    with pytest.raises(WorkspaceError, match="what was paid for cannot be kept"):
        run_toys(items, [Ask(SpeakConfig())])


def test_a_missing_engine_is_found_before_the_first_item_and_only_if_there_is_work(run_toys: RunToys) -> None:
    async def check(numbers: range) -> None:
        raise WorkspaceError("no engine")

    with pytest.raises(WorkspaceError, match="no engine"):
        run_toys(utterances(3), [Speak(SpeakConfig())], preflight=check)
    run_toys(utterances(3), [Speak(SpeakConfig())])
    assert run_toys(utterances(3), [Speak(SpeakConfig())], preflight=check).cached == 9


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """The driver's peak memory for 6,000 fresh items is that for 600, within 20 %."""
    code = """
import asyncio, resource, sys
from pathlib import Path
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run
from corpusforge.store.workspace import Workspace
from tests.pipeline.toys import Speak, SpeakConfig, Weigh, utterances

class Quiet:
    def item_finished(self, progress, fresh): pass
    def item_failed(self, progress, failed): pass
    def stage_made(self, stage, seconds): pass

stages = [Speak(SpeakConfig()), Weigh(Weigh.Config())]
with Workspace(Path(sys.argv[1])) as workspace:
    number = workspace.register("toy", workspace.folder / "toy")
    async def go():
        executor = LocalExecutor(stages, workspace.blobs.root, 2)
        run = Run(Planner(workspace, "toy", stages), Recorder(workspace, number), executor, Quiet())
        return await run.run(utterances(int(sys.argv[2])))
    assert asyncio.run(go()).built == 3 * int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, str(tmp_path / str(n)), str(n)], capture_output=True, check=True
            ).stdout
        )
        for n in (200, 2000)
    ]
    assert peaks[1] < 1.2 * peaks[0]


_KILLED = """
import asyncio, sys
from pathlib import Path
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run
from corpusforge.store.workspace import Workspace
from tests.pipeline.toys import Log, Speak, SpeakConfig, Spoil, Weigh, utterances

stages = [Speak(SpeakConfig(log=sys.argv[2], pause=0.01)), Weigh(Weigh.Config())]
with Workspace(Path(sys.argv[1])) as workspace, workspace.locked("killed"):
    number = workspace.register("toy", workspace.folder / "toy")
    async def go():
        executor = LocalExecutor(stages, workspace.blobs.root, 2)
        await Run(Planner(workspace, "toy", stages), Recorder(workspace, number), executor, Log()).run(utterances(300))
    print("go", flush=True)
    asyncio.run(go())
"""


def spoken(workspace: Workspace) -> int:
    """Results of the stage `speak` that the workspace has for good."""
    return sum('"stage":"speak"' in result.settings for _, result in workspace.index.all_results())


def test_kill_9_loses_nothing_that_was_recorded_and_leaves_no_process(
    tmp_path: Path, run_toys: RunToys, workspace: Workspace
) -> None:
    log = tmp_path / "log"
    driver = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path), str(log)], stdout=subprocess.PIPE)
    assert driver.stdout is not None
    driver.stdout.readline()
    until(lambda: spoken(workspace) >= 50, process=driver)
    children = _children(driver.pid)
    assert children
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until(lambda: not any(_alive(child) for child in children), "its processes end", seconds=10)
    before, recorded = len(made(log)), spoken(workspace)
    assert 50 <= recorded <= before
    tally = run_toys(utterances(300), [Speak(SpeakConfig(log=str(log))), Weigh(Weigh.Config())])
    assert tally.built + tally.cached == 900
    assert len(made(log)) - before == 900 - recorded


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_stop_starts_nothing_new_and_keeps_what_is_done(tmp_path: Path, workspace: Workspace) -> None:
    log = tmp_path / "log"
    stages = [Speak(SpeakConfig(log=str(log), pause=0.01))]
    number = workspace.register("toy", workspace.folder / "toy")

    class Stopper(Log):
        run: Run
        begun = 0

        def item_finished(self, progress: Progress, fresh: bool) -> None:
            super().item_finished(progress, fresh)
            if len(self.finished) == 50:
                self.begun = len(made(log))
                self.run.stop(2)

    observer = Stopper()

    async def go() -> int:
        planner, executor = Planner(workspace, "toy", stages), LocalExecutor(stages, workspace.blobs.root, 2)
        observer.run = Run(planner, Recorder(workspace, number), executor, observer)
        tally = await observer.run.run(utterances(1000))
        assert (tally.stopped, tally.signal) == (True, 2)
        return tally.built

    built = asyncio.run(go())
    assert 50 <= built < 3000
    assert (
        len(made(log)) - observer.begun <= 2 * LocalExecutor.chunks.longest
    )  # at most what the two workers had in hand
    planner = Planner(workspace, "toy", stages)
    assert sum(progress.finished for progress in planner.advance(list(utterances(1000)))) >= built


def test_a_full_disk_ends_the_run_with_words_and_keeps_what_is_done(small_disk: Path) -> None:
    stages = [Speak(SpeakConfig(size=5_000, pause=0.01))]

    def run(folder: Path) -> int:
        with Workspace(folder) as workspace:
            number = workspace.register("toy", folder / "toy")

            async def go() -> int:
                planner, executor = Planner(workspace, "toy", stages), LocalExecutor(stages, workspace.blobs.root, 2)
                return (await Run(planner, Recorder(workspace, number), executor, Log()).run(utterances(100))).built

            return asyncio.run(go())

    with pytest.raises(WorkspaceError, match=r"No space left on device.*Free some space.*what is done is kept"):
        run(small_disk)
    with Workspace(small_disk) as workspace:
        done = list(workspace.index.all_results())
        assert 0 < len(done) < 300
        assert all(not workspace.blobs.damaged(sha256) for sha256 in workspace.blobs)


def test_what_is_stored_has_no_time_and_no_path(run_toys: RunToys, stages: list, workspace: Workspace) -> None:
    run_toys(utterances(2), stages)
    for _, result in workspace.index.all_results():
        assert str(workspace.folder) not in json.dumps(result._asdict())


def test_utterances_are_plain_values() -> None:
    item = utterance(1)
    assert item.having({"text": "other", "audio": "ab"}) == Utterance(
        **{**{name: item.value(name) for name in ("id", "group", "document", "lang", "label", "source", "license")}},
        text="other",
        fields={"audio": "ab"},
    )

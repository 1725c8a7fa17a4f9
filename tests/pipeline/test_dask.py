"""The Dask executor keeps the local one's contract, and has bad days of its own: lost workers and schedulers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'corpusforge[dask]'")

from corpusforge.errors import MissingDependency
from corpusforge.stage import Stage
from corpusforge.store.workspace import Workspace
from tests.cli.program import none_left, session
from tests.pipeline.clusters import Cluster, hiding, until, without_corpusforge
from tests.pipeline.conftest import RunDask
from tests.pipeline.test_run import made, spoken
from tests.pipeline.toys import (
    Fetch,
    FetchConfig,
    Log,
    Model,
    ModelConfig,
    Speak,
    SpeakConfig,
    Weigh,
    utterance,
    utterances,
)


def toys(tmp_path: Path, **settings: Any) -> list[Stage]:
    return [Speak(SpeakConfig(log=str(tmp_path / "log"), **settings)), Weigh(Weigh.Config())]


# ---- The contract


def test_every_item_walks_through_every_stage_and_a_second_run_makes_nothing(run_dask: RunDask, tmp_path: Path) -> None:
    log = Log()
    tally = run_dask(utterances(30), toys(tmp_path), observer=log)
    assert (tally.items, tally.built, tally.made) == (90, 90, {"speak": 90, "weigh": 90})
    assert all(progress.item.value("metrics")["bytes"] > 0 for progress in log.finished)
    assert run_dask(utterances(30), toys(tmp_path)).cached == 90
    assert len(made(tmp_path / "log")) == 90


def test_nothing_to_do_starts_no_cluster(run_dask: RunDask, tmp_path: Path) -> None:
    run_dask(utterances(2), toys(tmp_path))
    assert run_dask(utterances(2), toys(tmp_path), "tcp://127.0.0.1:9").cached == 6  # nobody listens there


def test_a_cluster_of_our_own_leaves_the_environment_as_it_was(
    run_dask: RunDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    before = dict(os.environ)
    run_dask(utterances(2), toys(tmp_path))
    assert dict(os.environ) == before


def test_failures_rejections_and_exceptions_are_the_items_own(run_dask: RunDask, tmp_path: Path) -> None:
    texts = ["raise it", "fail it", "reject it", "good", "good too"]
    log = Log()
    tally = run_dask([utterance(n, text=text) for n, text in enumerate(texts)], toys(tmp_path), observer=log)
    assert (tally.built, tally.rejected) == (2, 1)
    assert sorted(log.failed) == [
        ("dev-0000.bod_Tibt", "ValueError: nothing to say"),
        ("dev-0001.bod_Tibt", "not today"),
    ]


def test_poisonous_items_are_found_and_cost_no_worker(run_dask: RunDask, cluster: Cluster, tmp_path: Path) -> None:
    workers = [cluster.worker() for _ in range(2)]
    items = [utterance(n) for n in range(40)]
    items[7], items[21] = utterance(7, text="crash here"), utterance(21, text="hang here")
    tally = run_dask(items, toys(tmp_path), cluster.address)
    assert tally.built == 38
    assert sorted(tally.failed) == [
        ("dev-0007.bod_Tibt", "speak", "the worker process died twice on this item (SIGABRT)"),
        ("dev-0021.bod_Tibt", "speak", "took longer than 2 s, given up"),
    ]
    assert [worker.poll() for worker in workers] == [None, None]


def test_an_item_that_kills_dask_workers_is_found(run_dask: RunDask, tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    with Cluster(tmp_path / "dask", allowed_failures=0) as cluster:
        cluster.worker(nanny=True)
        items = [utterance(n) for n in range(6)]
        items[2] = utterance(2, text="fell the worker")
        tally = run_dask(items, toys(tmp_path), cluster.address)
    [(item, stage, error)] = tally.failed
    assert (tally.built, item, stage) == (5, "dev-0002.bod_Tibt", "speak")
    assert "every Dask worker that ran it died" in error


# ---- Workers come and go


def test_a_worker_killed_in_the_middle_loses_nothing(run_dask: RunDask, cluster: Cluster, tmp_path: Path) -> None:
    first, _ = cluster.worker(), cluster.worker()
    cluster.wait(2)

    def kill() -> None:
        until(lambda: len(made(tmp_path / "log")) > 20)
        first.send_signal(signal.SIGKILL)

    tally = run_dask(utterances(40), toys(tmp_path, pause=0.02), cluster.address, meanwhile=kill)
    assert (tally.built, tally.failed, first.wait()) == (120, [], -signal.SIGKILL)


def test_when_all_workers_are_gone_it_waits_for_others(run_dask: RunDask, cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.worker()

    def replace() -> None:
        until(lambda: len(made(tmp_path / "log")) > 20)
        first.kill()
        time.sleep(0.5)
        cluster.worker()

    tally = run_dask(utterances(30), toys(tmp_path, pause=0.02), cluster.address, meanwhile=replace)
    assert (tally.built, tally.failed) == (90, [])


def test_a_worker_that_joins_late_takes_its_share(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, notes: list[str]
) -> None:
    def come() -> None:
        until(lambda: notes)
        cluster.worker(TOY_NAME="early")
        until(lambda: len(made(tmp_path / "log")) > 10)
        cluster.worker(TOY_NAME="late")

    tally = run_dask(utterances(100), toys(tmp_path, pause=0.05), cluster.address, meanwhile=come)
    assert (tally.built, tally.failed) == (300, [])
    assert notes == [f"no worker yet in the Dask cluster at {cluster.address}: waiting for one"]
    assert set((tmp_path / "log.names").read_text().split()) == {"early", "late"}


def test_a_scheduler_that_dies_stops_the_build_which_goes_on_with_the_next_call(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, workspace: Workspace
) -> None:
    cluster.worker()

    def kill() -> None:
        until(lambda: spoken_as_others_see(workspace) > 20)
        cluster.scheduler.kill()

    stages = toys(tmp_path, pause=0.01)
    tally = run_dask(utterances(100), stages, cluster.address, meanwhile=kill)
    assert tally.halted is not None and cluster.address in str(tally.halted)
    assert (tally.stopped, tally.failed) == (True, [])
    kept = spoken(workspace)
    assert 20 < kept < 300
    cluster.start_scheduler()
    cluster.worker()
    tally = run_dask(utterances(100), stages, cluster.address)
    assert (tally.made["speak"], tally.built + tally.cached, tally.failed) == (300 - kept, 300, [])


def spoken_as_others_see(workspace: Workspace) -> int:
    """As `spoken`, from another thread than the one that has the index."""
    with Workspace(workspace.folder, reading=True) as own:
        return spoken(own)


def test_no_scheduler_stops_the_build(run_dask: RunDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpusforge.pipeline.executors.dask.PATIENCE", 0.5)
    tally = run_dask(utterances(1), toys(tmp_path), "tcp://127.0.0.1:9")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in str(tally.halted)
    assert tally.built == 0


_DRIVER = """
import asyncio, sys
from pathlib import Path
from corpusforge.pipeline.executors.dask import DaskExecutor
from corpusforge.pipeline.plan import Planner
from corpusforge.pipeline.record import Recorder
from corpusforge.pipeline.run import Run
from corpusforge.store.workspace import Workspace
from tests.pipeline.toys import LANGUAGES, Log, Speak, SpeakConfig, Weigh, utterances

stages = [Speak(SpeakConfig(log=sys.argv[2], pause=0.01)), Weigh(Weigh.Config())]
if __name__ == "__main__":
    with Workspace(Path(sys.argv[1])) as workspace, workspace.locked("killed"):
        number = workspace.register("toy", workspace.folder / "toy")
        async def go():
            executor = DaskExecutor(stages, workspace.blobs, None, 2, print)
            preflight = lambda numbers: executor.prepare(numbers, frozenset(LANGUAGES))
            planner, recorder = Planner(workspace, "toy", stages), Recorder(workspace, number)
            await Run(planner, recorder, executor, Log(), preflight=preflight).run(utterances(300))
        asyncio.run(go())
"""


def test_a_driver_killed_with_9_leaves_no_process_and_goes_on(
    run_dask: RunDask, tmp_path: Path, workspace: Workspace
) -> None:
    log = tmp_path / "log"
    script = tmp_path / "driver.py"
    script.write_text(_DRIVER)
    here = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    driver = subprocess.Popen([sys.executable, str(script), str(tmp_path), str(log)], start_new_session=True, env=here)
    until(lambda: spoken(workspace) >= 50)
    assert len(session(driver.pid)) > 4  # itself, two Dask workers, and the process of each
    driver.kill()
    driver.wait()
    none_left(driver.pid)
    recorded = spoken(workspace)
    tally = run_dask(utterances(300), toys(tmp_path))
    assert (tally.built + tally.cached, tally.made["speak"]) == (900, 900 - recorded)


# ---- Workers that are not as they should be


def test_a_worker_that_would_make_other_results_gets_no_work(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, notes: list[str]
) -> None:
    cluster.worker(TOY_REVISION="1.52")
    stages = [Speak(SpeakConfig(log=str(tmp_path / "log"), revised=True)), Weigh(Weigh.Config())]
    with pytest.raises(MissingDependency, match=r"no worker can run stage 'speak': tcp:.*revision.toy 1.52 there"):
        run_dask(utterances(2), stages, cluster.address)
    cluster.worker(TOY_NAME="good")
    cluster.wait(2)
    tally = run_dask(utterances(20), stages, cluster.address)
    assert (tally.built, tally.failed) == (60, [])
    assert any("gets no 'speak'" in note for note in notes)
    assert set((tmp_path / "log.names").read_text().split()) == {"good"}


def test_a_worker_without_corpusforge_is_named(run_dask: RunDask, cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker(flags=["-S"], PYTHONPATH=without_corpusforge(tmp_path / "bare"))
    with pytest.raises(MissingDependency, match=r"tcp://127.0.0.1:.*No module named 'corpusforge'"):
        run_dask(utterances(2), toys(tmp_path), cluster.address)


# ---- Blobs


class Heavier(Weigh):
    name = "heavier"


def test_workers_that_do_not_see_the_store_send_blobs_as_bytes(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, workspace: Workspace
) -> None:
    before = hiding(workspace.root)
    stages = toys(tmp_path)
    cluster.worker(before=before)
    tally = run_dask(utterances(20), stages, cluster.address)
    assert (tally.built, tally.failed) == (60, [])
    assert len(list(workspace.blobs)) == 60
    assert not any(workspace.blobs.damaged(sha256) for sha256 in workspace.blobs)
    # A later stage alone: what it reads has to travel there.
    tally = run_dask(utterances(20), [*stages, Heavier(Weigh.Config())], cluster.address)
    assert (tally.made, tally.failed) == ({"heavier": 60}, [])


# ---- Stages that are awaited


def test_network_stages_stay_in_the_driver_however_many_workers_there_are(run_dask: RunDask, tmp_path: Path) -> None:
    fetch = Fetch(FetchConfig(at_once=3))
    tally = run_dask(utterances(60), [fetch, *toys(tmp_path)], jobs=8)
    assert (tally.built, len(fetch.asked), fetch.most) == (180, 180, 3)  # all of them by this very object


def test_gpu_stages_go_to_workers_with_a_gpu_in_batches_and_load_once(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "model"
    stages = [Model(ModelConfig(log=str(log), at_once=20)), Weigh(Weigh.Config())]
    cluster.worker(TOY_NAME="plain")
    with pytest.raises(MissingDependency, match=r"takes a GPU, and no worker at .* offers one.*--resources GPU=1"):
        run_dask(utterances(2), stages, cluster.address)
    cluster.worker("--resources", "GPU=1", TOY_NAME="gpu")
    cluster.wait(2)
    tally = run_dask(utterances(40), stages, cluster.address)
    assert (tally.built, tally.made, tally.failed) == (120, {"model": 120, "weigh": 120}, [])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["worker"] for line in lines if line["what"] == "load"] == ["gpu"]
    batches = [line["size"] for line in lines if line["what"] == "batch"]
    assert (sum(batches), max(batches)) == (120, 20)
    assert len(batches) < 20
    assert [line["what"] for line in lines].count("close") == 1


def test_gpu_stages_of_a_cluster_on_this_machine_stay_in_the_driver(run_dask: RunDask, tmp_path: Path) -> None:
    log = tmp_path / "model"
    tally = run_dask(utterances(10), [Model(ModelConfig(log=str(log))), Weigh(Weigh.Config())])
    assert (tally.built, tally.failed) == (30, [])
    loads = [line for line in map(json.loads, log.read_text().splitlines()) if line["what"] == "load"]
    assert [line["process"] for line in loads] == [os.getpid()]

"""Dask clusters in trouble: sick, hung and returning workers, unfit schedulers, clusters that size themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'corpusforge[dask]'")

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.items import Json, Utterance
from corpusforge.pipeline.executors.base import Reply
from corpusforge.pipeline.executors.dask import DaskExecutor
from corpusforge.stage import Stage
from corpusforge.store.workspace import Workspace
from tests.pipeline.clusters import Cluster, free_port, hiding, until, without_corpusforge
from tests.pipeline.conftest import RunDask
from tests.pipeline.test_run import made
from tests.pipeline.toys import Speak, SpeakConfig, Weigh, utterances


def toys(tmp_path: Path, **settings: float) -> list[Stage]:
    return [Speak(SpeakConfig(log=str(tmp_path / "log"), **settings)), Weigh(Weigh.Config())]


class Scale(Weigh):
    """Makes the same results only where the scale is the same."""

    name = "scale"

    def settings(self, variant: str) -> Mapping[str, Json]:
        return {"revision": {"scale": os.environ.get("TOY_SCALE", "1")}}


class Later(Weigh):
    name = "later"


# ---- Workers


def test_a_worker_that_comes_back_at_its_old_address_goes_on(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path
) -> None:
    nanny = cluster.worker("--worker-port", str(free_port()), nanny=True)
    cluster.wait(1)

    def kill() -> None:
        until(lambda: len(made(tmp_path / "log")) > 40)
        (worker,) = [c for c in psutil.Process(nanny.pid).children() if "spawn_main" in " ".join(c.cmdline())]
        worker.kill()

    tally = run_dask(utterances(60), toys(tmp_path, pause=0.03), cluster.address, meanwhile=kill)
    assert (tally.built, tally.failed) == (180, [])


@pytest.mark.parametrize("first", ["speaks", "reads"])
def test_a_worker_whose_own_disk_is_full_costs_no_item(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, workspace: Workspace, notes: list[str], first: str
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    sick, well = hiding(workspace.root, small), hiding(workspace.root)
    stages = toys(tmp_path, size=20_000)
    if first == "reads":  # what was spoken here has to travel there
        assert run_dask(utterances(60), stages).built == 180
        stages.append(Later(Weigh.Config()))
    cluster.worker("--local-directory", str(small), before=sick)
    cluster.worker(before=well)
    cluster.wait(2)
    tally = run_dask(utterances(60), stages, cluster.address)
    assert (tally.built, tally.failed, tally.halted) == (180, [], None)
    assert any("any more: " in note and "No space left on device" in note for note in notes)


def test_when_every_worker_has_become_unfit_the_build_stops_and_says_why(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, workspace: Workspace
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    cluster.worker("--local-directory", str(small), before=hiding(workspace.root, small))
    tally = run_dask(utterances(60), toys(tmp_path, size=20_000), cluster.address)
    assert tally.failed == []
    assert "no worker can run stage 'speak' any more: tcp://127.0.0.1:" in str(tally.halted)
    assert "No space left on device" in str(tally.halted)


def test_stages_that_no_worker_can_all_run_go_to_several(run_dask: RunDask, cluster: Cluster) -> None:
    cluster.worker(TOY_SCALE="2")
    cluster.worker(TOY_REVISION="9")
    cluster.wait(2)
    tally = run_dask(utterances(5), [Speak(SpeakConfig(revised=True)), Scale(Weigh.Config())], cluster.address)
    assert (tally.built, tally.made, tally.failed) == (15, {"speak": 15, "scale": 15}, [])


def test_a_worker_that_hangs_is_not_waited_for(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    monkeypatch.setattr("corpusforge.pipeline.executors.dask_members.PATIENCE", 1.0)
    monkeypatch.setattr("corpusforge.pipeline.executors.dask_members.LOOK", 3.0)
    hung = cluster.worker(TOY_NAME="hung")
    cluster.wait(1)
    hung.send_signal(signal.SIGSTOP)
    cluster.worker(TOY_NAME="good")
    cluster.wait(2)
    tally = run_dask(utterances(40), toys(tmp_path, pause=0.05), cluster.address)
    assert (tally.built, tally.failed) == (120, [])
    assert set((tmp_path / "log.names").read_text().split()) == {"good"}
    assert len([note for note in notes if "does not answer within 3 s" in note]) == 1


def test_when_no_worker_is_left_it_says_that_it_waits(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, notes: list[str]
) -> None:
    first = cluster.worker()

    def replace() -> None:
        until(lambda: len(made(tmp_path / "log")) > 5)
        first.kill()
        until(lambda: notes)
        cluster.worker()

    tally = run_dask(utterances(20), toys(tmp_path, pause=0.02), cluster.address, meanwhile=replace)
    assert (tally.built, tally.failed) == (60, [])
    assert f"no worker at {cluster.address} can run 'speak' now: waiting for one" in notes


_ADAPTIVE = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    none = {"dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with LocalCluster(n_workers=0, threads_per_worker=1, host="127.0.0.1", **none) as cluster:
        cluster.adapt(minimum=0, maximum=2, interval="500ms")
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def test_a_cluster_that_sizes_itself_starts_from_nothing(run_dask: RunDask, tmp_path: Path) -> None:
    script = tmp_path / "adaptive.py"
    script.write_text(_ADAPTIVE)
    here = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(script)], **pipes, text=True, env=here) as process:  # type: ignore[call-overload]
        address = process.stdout.readline().strip()
        tally = run_dask(utterances(10), toys(tmp_path), address)
        process.stdin.close()
    assert (tally.built, tally.failed) == (30, [])


def test_workers_with_several_threads_are_given_as_many_chunks(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = Chunks(monkeypatch)
    cluster.worker("--nthreads", "3")
    tally = run_dask(utterances(60), toys(tmp_path, pause=0.02), cluster.address)
    assert (tally.built, tally.failed) == (180, [])
    assert chunks.most == 4  # and one that waits in the worker


# ---- Schedulers


def test_a_scheduler_without_corpusforge_is_named(run_dask: RunDask, tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    with Cluster(tmp_path / "dask", packages=without_corpusforge(tmp_path / "bare")) as cluster:
        cluster.worker()
        with pytest.raises(MissingDependency, match=r"scheduler at tcp://.* cannot import corpusforge .*there, too"):
            run_dask(utterances(2), toys(tmp_path), cluster.address)


def test_a_scheduler_that_dies_before_a_worker_has_come_stops_the_build(
    run_dask: RunDask, cluster: Cluster, tmp_path: Path, notes: list[str]
) -> None:
    def kill() -> None:
        until(lambda: notes)
        cluster.scheduler.kill()

    tally = run_dask(utterances(2), toys(tmp_path), cluster.address, meanwhile=kill)
    assert f"the connection to the Dask scheduler at {cluster.address} is lost" in str(tally.halted)


@pytest.mark.parametrize("address", ["tls://127.0.0.1:8786", "ucx://127.0.0.1:8786", "127.0.0.1", "tcp://127.0.0.1"])
def test_an_address_that_cannot_be_is_refused_in_words(run_dask: RunDask, tmp_path: Path, address: str) -> None:
    with pytest.raises(RecipeError, match=rf"--dask {address}: expected tcp://host:8786"):
        run_dask(utterances(1), toys(tmp_path), address)


def test_a_server_that_is_no_scheduler_stops_the_build(
    run_dask: RunDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpusforge.pipeline.executors.dask.PATIENCE", 1.0)
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().split(b"port ")[1].split()[0])
        tally = run_dask(utterances(1), toys(tmp_path), f"tcp://127.0.0.1:{port}")
        server.kill()
    assert "no Dask scheduler answers at" in str(tally.halted)


# ---- Chunks


class Chunks:
    """Sees what the executor is given: how long the chunks are, and how many there are at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.most = 0
        now = 0
        submit = DaskExecutor.submit

        async def seen(one: DaskExecutor, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
            nonlocal now
            self.sizes.append(len(items))
            now += 1
            self.most = max(self.most, now)
            try:
                return await submit(one, stage, last, items)
            finally:
                now -= 1

        monkeypatch.setattr(DaskExecutor, "submit", seen)


def test_chunks_are_as_long_as_items_are_short(
    run_dask: RunDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = {}
    for pause, groups in ((0.001, 1_000), (0.2, 16)):
        chunks = Chunks(monkeypatch)
        items = (replace(item, text=f"{item.text} {pause}") for item in utterances(groups))
        assert run_dask(items, toys(tmp_path, pause=pause)).failed == []
        longest[pause] = max(chunks.sizes[len(chunks.sizes) // 2 :])
    assert longest[0.2] <= 4
    assert longest[0.001] > 5 * longest[0.2]

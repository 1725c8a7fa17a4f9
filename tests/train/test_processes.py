"""Runs of several processes, and runs that go on in the middle of an epoch: the same as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.distributed import TCPStore

from corpusforge.errors import CorpusforgeError
from corpusforge.train import checkpoint, loop, training
from corpusforge.train.config import TrainConfig
from corpusforge.train.data import read_dataset
from corpusforge.train.distributed import World
from corpusforge.train.predictions import predictions_path, read_predictions
from corpusforge.train.runs import Run
from corpusforge.train.training import train
from tests.corpus.conftest import Shop
from tests.train.conftest import Threads
from tests.train.runs import learnable, losses, place, quick, same_weights
from tests.train.still import without_dropout

RANK = """
import json, os, signal, sys
from pathlib import Path
import torch
from corpusforge.train import loop
from corpusforge.train.distributed import join
from corpusforge.train.training import train
from tests.train.runs import place, quick
from tests.train.still import without_dropout
corpus, folder, still, kill, jobs = sys.argv[1:]
if still == "still":
    without_dropout()
loop.SAVE_EVERY, loop.LOG_EVERY = -1.0, 1
whole, saves = loop.Trainer._save, []
def save(self, *given):
    whole(self, *given)
    saves.append(1)
    if len(saves) == int(kill):
        os.kill(os.getpid(), signal.SIGKILL)
loop.Trainer._save = save
world = join(torch.device("cpu"))
for name, changes in json.loads(jobs).items():
    train(Path(corpus), quick(**changes), Path(folder) / name, place(Path(folder), world=world))
world.close()
"""
"""Saves after every step, and kills itself after save number `kill`."""


def two(corpus: Path, folder: Path, jobs: Mapping[str, Any], *, still: bool = False, kill: int = 0) -> None:
    """Train in two processes that find each other as torchrun's do, a run a job."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    given = [str(corpus), str(folder), "still" if still else "", str(kill), json.dumps(jobs)]
    processes = []
    for rank in range(2):
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "0",
        }
        command = [sys.executable, "-c", RANK, *given]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    said = [process.communicate()[1] for process in processes]
    if not kill:
        assert [process.returncode for process in processes] == [0, 0], said


@pytest.fixture
def corpus(shop: Shop, tmp_path: Path) -> Path:
    """18 groups in train: 5 steps of 4, 4, 4, 3 and 3."""
    folder = learnable(shop, tmp_path / "corpus", 30)
    assert len(read_dataset(folder).examples["train"]) == 18
    return folder


def same_runs(one: Path, other: Path) -> None:
    """Logged lines, weights, optimizer with random states, and predictions are equal to the bit."""
    assert losses(one) == losses(other)
    for name in ("best.safetensors", "last/weights.safetensors", "last/optimizer.safetensors"):
        assert same_weights(one / "checkpoints" / name, other / "checkpoints" / name), name
    assert predictions_path(one, "test").read_bytes() == predictions_path(other, "test").read_bytes()


class Killed(BaseException):
    """What a kill is within one process."""


def killed(monkeypatch: pytest.MonkeyPatch, method: str, times: int) -> None:
    """From now on training saves after every step and ends after a method was called so often."""
    whole, calls = getattr(loop.Trainer, method), []

    def last(self: loop.Trainer, *given: Any) -> None:
        whole(self, *given)
        calls.append(given)
        if len(calls) == times:
            raise Killed

    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    monkeypatch.setattr(loop.Trainer, method, last)


def test_two_processes_train_what_one_does(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: dict[str, Any] = {
        "uneven": {"adapter": "meta", "groups": 4},
        "a group a process": {"adapter": "meta", "groups": 2, "epochs": 1},
        "accumulated": {"adapter": "meta", "groups": 4, "accumulate": 2},
        "fgm": {"model": "fgm", "epsilon": 1.0, "groups": 4},
        "pgd": {"model": "pgd", "epsilon": 0.02, "step": 0.01, "steps": 3, "norm": "linf", "groups": 4, "freeze": 1},
        "examples": {"model": "fgm", "epsilon": 0.5, "norm": "example_l2", "groups": 4, "accumulate": 2},
    }
    monkeypatch.setattr(training, "build_model", training.build_model)  # put back at the end
    without_dropout()
    (tmp_path / "two").mkdir()
    two(corpus, tmp_path / "two", jobs, still=True)
    for name, changes in jobs.items():
        train(corpus, quick(**changes), tmp_path / "one" / name, place(tmp_path))
        mine, theirs = losses(tmp_path / "one" / name), losses(tmp_path / "two" / name)
        assert [line["step"] for line in mine] == [line["step"] for line in theirs]
        for one, other in zip(mine, theirs, strict=True):
            if "total" in one:
                assert one["total"] == pytest.approx(other["total"], rel=2e-4, abs=2e-5), (name, one["step"])
        said, other_said = (
            read_predictions(predictions_path(tmp_path / where / name, "test")) for where in ("one", "two")
        )
        np.testing.assert_allclose(said.probabilities, other_said.probabilities, atol=2e-3)


def test_two_processes_go_on_as_if_nothing_had_happened(corpus: Path, tmp_path: Path) -> None:
    jobs = {name: {"adapter": name, "groups": 4, "accumulate": 2, "epochs": 1} for name in ("meta", "sim")}
    two(corpus, tmp_path, {f"{name}-whole": changes for name, changes in jobs.items()})
    # 4 saves a stage: after the last, smaller step of `meta`, and within the second of the three stages of `sim`.
    for name, saves in (("meta", 3), ("sim", 6)):
        two(corpus, tmp_path, {name: jobs[name]}, kill=saves)
        found = checkpoint.progress(tmp_path / name / "checkpoints" / "last")
        assert found is not None and (found.stage, found.epoch) == (saves // 4, 0)
    two(corpus, tmp_path, jobs)
    for name in jobs:
        same_runs(tmp_path / name, tmp_path / f"{name}-whole")


def test_processes_draw_their_own_dropout_and_no_others_can_go_on(
    corpus: Path, tmp_path: Path, have_threads: Threads
) -> None:
    changes = {"model": "combined", "epochs": 1}
    two(corpus, tmp_path, {"run": changes}, kill=2)
    found = load_file(tmp_path / "run" / "checkpoints" / "last" / "optimizer.safetensors")
    assert not torch.equal(found["random.0.host"], found["random.1.host"])
    have_threads(2)
    with pytest.raises(CorpusforgeError, match=r"of a run of 2 processes.*go on with 2 \(torchrun.*or name another"):
        train(corpus, quick(**changes), tmp_path / "run", place(tmp_path))
    assert torch.get_num_threads() == 2  # the run's own number was another


class Deaf(World):
    """One of several processes, up to where it would hear of the others."""

    def wait(self) -> None:
        pass


@pytest.mark.parametrize(("size", "split"), [(7, "dev"), (19, "train")])
def test_a_split_with_fewer_groups_than_processes_is_refused_before_training(
    corpus: Path, tmp_path: Path, size: int, split: str
) -> None:
    count = len(read_dataset(corpus).examples[split])
    assert count == size - 1
    said: list[str] = []
    asked = place(tmp_path, world=Deaf(0, size), tell=said.append)
    with pytest.raises(
        CorpusforgeError, match=rf"{split} has {count} .* {size} processes .*: start no more than {count}$"
    ):
        train(corpus, quick(model="combined", groups=size), tmp_path / "run", asked)
    assert not any("are trained" in line for line in said)
    assert not (tmp_path / "run" / "checkpoints" / "last").exists()


def test_groups_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(CorpusforgeError, match="groups is 8, which 3 processes cannot share evenly: set groups to a"):
        loop.check(quick(groups=8), World(0, 3))


@pytest.mark.parametrize("saves", range(1, 9))
def test_accumulated_steps_go_on_from_each_of_them(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    # 5 batches: steps of 2, 2 and 1; a save after each, and one after the epoch.
    config = quick(model="combined", accumulate=2)
    with monkeypatch.context() as patched:
        killed(patched, "_save", saves)
        with pytest.raises(Killed):
            train(corpus, config, tmp_path / "stopped", place(tmp_path))
    train(corpus, config, tmp_path / "stopped", place(tmp_path))
    train(corpus, config, tmp_path / "whole", place(tmp_path))
    same_runs(tmp_path / "stopped", tmp_path / "whole")


def test_accumulated_meta_steps_go_on(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = quick(accumulate=2, epochs=1)
    train(corpus, config, tmp_path / "whole", place(tmp_path))
    for saves in (1, 3, 4):
        with monkeypatch.context() as patched:
            killed(patched, "_save", saves)
            with pytest.raises(Killed):
                train(corpus, config, tmp_path / str(saves), place(tmp_path))
        train(corpus, config, tmp_path / str(saves), place(tmp_path))
        same_runs(tmp_path / str(saves), tmp_path / "whole")


def test_a_dev_score_is_written_once(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = quick(model="combined")
    with monkeypatch.context() as patched:
        killed(patched, "_judge", 1)
        with pytest.raises(Killed):
            train(corpus, config, tmp_path / "stopped", place(tmp_path))
    assert [line["epoch"] for line in losses(tmp_path / "stopped") if "dev" in line] == [0]
    train(corpus, config, tmp_path / "stopped", place(tmp_path))
    train(corpus, config, tmp_path / "whole", place(tmp_path))
    same_runs(tmp_path / "stopped", tmp_path / "whole")


def test_adapters_learn_from_accumulated_batches_of_one_group(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        killed(patched, "_save", 1)
        with pytest.raises(Killed):
            train(corpus, quick(groups=1, accumulate=4), tmp_path / "run", place(tmp_path))
    weights = load_file(tmp_path / "run" / "checkpoints" / "last" / "weights.safetensors")
    found = [tensor for name, tensor in weights.items() if name.startswith("adapters.") and name.endswith("up.weight")]
    assert found and all(tensor.abs().sum() > 0 for tensor in found)  # it begins with zeros
    assert losses(tmp_path / "run")[0]["total"] > 0


def test_one_group_a_step_cannot_be_halved(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match="set groups or accumulate to 2 at least, or adapter to single"):
        train(corpus, quick(groups=1), tmp_path / "run", place(tmp_path))
    train(corpus, quick(groups=1, adapter="single", epochs=1), tmp_path / "single", place(tmp_path))


def test_a_last_step_of_one_group_is_left_out(shop: Shop, tmp_path: Path) -> None:
    folder = learnable(shop, tmp_path / "odd", 30)
    config = quick(groups=1, accumulate=17, epochs=1)  # 18 groups: 17 and 1
    train(folder, config, tmp_path / "run", place(tmp_path))
    assert [line["step"] for line in losses(tmp_path / "run") if line.get("stage") == "meta"] == [1]


def test_dev_of_epochs_that_are_done_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", TrainConfig(), {})
    for step in (1, 2):
        run.log(step=step, epoch=step - 1, stage="main", total=1.0)
        run.log(step=step, epoch=step - 1, dev={}, M=0.5, G=0.0, best=True)
    run.rewind(2, 1)
    assert [(line["step"], "dev" in line) for line in losses(tmp_path / "run")] == [(1, False), (1, True), (2, False)]

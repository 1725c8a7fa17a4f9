"""Whole runs: every model trains, goes on after kill -9, is the same on two processes as on one, and can be used."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpusforge.errors import CorpusforgeError
from corpusforge.train import checkpoint, loop, training
from corpusforge.train.config import NEURAL, PLAIN
from corpusforge.train.predict import Predictor, model_folder, predict_corpus
from corpusforge.train.predictions import predictions_path, read_predictions
from corpusforge.train.training import train, train_seeds
from tests.corpus.conftest import Shop
from tests.train.conftest import Threads
from tests.train.runs import learnable, losses, place, quick, same_weights
from tests.train.still import without_dropout


@pytest.fixture
def corpus(shop: Shop, tmp_path: Path) -> Path:
    return learnable(shop, tmp_path / "corpus")


@pytest.mark.parametrize("model", [*NEURAL, *PLAIN])
def test_every_model_trains_is_measured_and_can_be_asked_again(corpus: Path, tmp_path: Path, model: str) -> None:
    run = tmp_path / "run"
    results = train(corpus, quick(model=model), run, place(tmp_path))
    assert set(results["splits"]) == {"dev", "test"}
    assert 0 <= results["splits"]["test"]["metrics"]["M"]["value"] <= 1
    again = predict_corpus(run, corpus, ["test"], cache=tmp_path / "cache", device="cpu")
    said = read_predictions(predictions_path(run, "test"))
    repeated = read_predictions(predictions_path(again, "test"))
    assert said.ids == repeated.ids
    np.testing.assert_allclose(said.probabilities, repeated.probabilities, atol=2e-5)
    # A run that has ended is not trained again.
    stamp = (run / "config.json").stat().st_mtime_ns
    before = losses(run) if (run / "metrics.jsonl").exists() else None
    assert train(corpus, quick(model=model), run, place(tmp_path)) == results
    assert (run / "config.json").stat().st_mtime_ns == stamp
    assert before is None or losses(run) == before


@pytest.mark.parametrize("changes", [{"adapter": "sim"}, {"adapter": "single", "fusion": "mean"}, {"accumulate": 2}])
def test_variants_of_mlcl_train(corpus: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    config = quick(epochs=1, **changes)
    train(corpus, config, tmp_path / "run", place(tmp_path))
    lines = losses(tmp_path / "run")
    stages = list(dict.fromkeys(line["stage"] for line in lines if "stage" in line))
    assert stages == list(config.stages)
    steps = [line["step"] for line in lines if "stage" in line]
    assert steps == list(range(1, len(steps) + 1))


def test_it_learns_what_the_text_says(corpus: Path, tmp_path: Path) -> None:
    results = train(corpus, quick(model="combined", epochs=12, learning_rate=5e-3), tmp_path / "run", place(tmp_path))
    assert results["splits"]["test"]["metrics"]["M"]["value"] > 0.8  # of two classes


SLOW = """
import sys, time
from pathlib import Path
from typing import Any
from corpusforge.train import loop
from corpusforge.train.training import train
from tests.train.runs import place, quick
loop.SAVE_EVERY = 0.0
whole = loop.Trainer._save
def save(self, *given):
    whole(self, *given)
    print("saved", flush=True)
    time.sleep(0.05)
loop.Trainer._save = save
corpus, run, model, adapter = sys.argv[1:]
train(Path(corpus), quick(model=model, adapter=adapter), Path(run), place(Path(run).parent))
"""
"""Saves after every step, and says so."""


@pytest.mark.parametrize(
    ("model", "adapter", "saves", "threads"),
    [("mlcl", "meta", 3, 1), ("mlcl", "sim", 6, 2), ("mlcl", "sim", 10, 1), ("pgd", "none", 5, 1)],
)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    corpus: Path, tmp_path: Path, model: str, adapter: str, saves: int, threads: int, have_threads: Threads
) -> None:
    config = quick(model=model, adapter=adapter)
    have_threads(threads)
    train(corpus, config, tmp_path / "whole", place(tmp_path))
    run = tmp_path / "killed"
    command = [sys.executable, "-c", SLOW, str(corpus), str(run), model, adapter]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    for _ in range(saves):
        assert process.stdout.readline() == "saved\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "results.json").exists()
    have_threads(3)
    train(corpus, config, run, place(tmp_path))
    assert torch.get_num_threads() == 3  # it went on with as many as it had begun with, and gave them back
    assert losses(run) == losses(tmp_path / "whole")
    for name in ("best.safetensors", "last/weights.safetensors", "last/optimizer.safetensors"):
        assert same_weights(run / "checkpoints" / name, tmp_path / "whole" / "checkpoints" / name), name
    assert predictions_path(run, "test").read_bytes() == predictions_path(tmp_path / "whole", "test").read_bytes()


def test_a_kill_between_two_renames_loses_no_checkpoint(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(corpus, quick(model="combined", epochs=1), run, place(tmp_path))
    last = run / "checkpoints" / "last"
    last.rename(last.with_name("last.old"))
    found = checkpoint.progress(last)
    assert found is not None
    assert found.epoch == 1


def test_damaged_checkpoints_are_said_to_be(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(corpus, quick(model="combined", epochs=1), run, place(tmp_path))
    (run / "checkpoints" / "last" / "optimizer.safetensors").write_bytes(b"no tensors")
    for name in ("results.json", "predictions-dev.jsonl", "predictions-test.jsonl"):
        (run / name).unlink()
    with pytest.raises(CorpusforgeError, match="cannot go on from this checkpoint"):
        train(corpus, quick(model="combined", epochs=1), run, place(tmp_path))


RANK = """
import sys
from pathlib import Path
from typing import Any
import torch
from corpusforge.train.distributed import join
from corpusforge.train.training import train
from tests.train.runs import place, quick
from tests.train.still import without_dropout
without_dropout()
corpus, run, model = sys.argv[1:]
world = join(torch.device("cpu"))
train(Path(corpus), quick(model=model, adapter="sim", epochs=1), Path(run), place(Path(run).parent, world=world))
world.close()
"""


@pytest.mark.parametrize("model", ["mlcl", "fgm"])
def test_two_processes_train_what_one_does(corpus: Path, tmp_path: Path, model: str) -> None:
    command = [sys.executable, "-c", RANK, str(corpus), str(tmp_path / "one"), model]
    subprocess.run(command, check=True, capture_output=True)
    script = tmp_path / "rank.py"
    script.write_text(RANK, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    subprocess.run([*torchrun, str(script), str(corpus), str(tmp_path / "two"), model], check=True, env=environment)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two)
    for mine, theirs in zip(one, two, strict=True):
        if "ce" in mine:
            assert mine["total"] == pytest.approx(theirs["total"], rel=2e-4, abs=2e-5)
    said, other = (read_predictions(predictions_path(tmp_path / name, "test")) for name in ("one", "two"))
    assert said.ids == other.ids
    np.testing.assert_allclose(said.probabilities, other.probabilities, atol=2e-3)


def test_seeds_give_mean_and_deviation(corpus: Path, tmp_path: Path) -> None:
    results = train_seeds(corpus, quick(model="combined", epochs=1), tmp_path / "run", place(tmp_path), 2)
    found = results["splits"]["test"]["metrics"]["M"]
    single = [
        json.loads((tmp_path / "run" / f"seed-{seed}" / "results.json").read_text(encoding="utf-8"))
        for seed in (42, 43)
    ]
    values = [one["splits"]["test"]["metrics"]["M"]["value"] for one in single]
    assert found["values"] == values
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["sd"] == pytest.approx(np.std(values, ddof=1))


def test_another_setting_under_the_same_name_is_refused(corpus: Path, tmp_path: Path) -> None:
    train(corpus, quick(model="combined", epochs=1), tmp_path / "run", place(tmp_path))
    with pytest.raises(CorpusforgeError, match=r"other settings \(epochs differ\).*--name"):
        train(corpus, quick(model="combined", epochs=2), tmp_path / "run", place(tmp_path))
    path = tmp_path / "run" / "config.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    del said["config"]["pooling"]  # as a version wrote it that had no such setting
    path.write_text(json.dumps(said), encoding="utf-8")
    train(corpus, quick(model="combined", epochs=1), tmp_path / "run", place(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(CorpusforgeError, match="is no training run"):
        train(corpus, quick(model="combined"), tmp_path / "mine", place(tmp_path))


def test_early_stopping_and_the_best_epoch(corpus: Path, tmp_path: Path) -> None:
    config = quick(model="combined", epochs=8, patience=1, learning_rate=1e-8)  # nothing gets better
    train(corpus, config, tmp_path / "run", place(tmp_path))
    epochs = [line for line in losses(tmp_path / "run") if "M" in line]
    assert [line["best"] for line in epochs] == [True, False]


def test_a_loss_that_is_not_finite_stops_with_the_step(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick(model="combined", learning_rate=1e38, clip=1e38)
    with pytest.raises(CorpusforgeError, match=r"the loss of step \d+ is (nan|inf): lower learning_rate"):
        train(corpus, config, tmp_path / "run", place(tmp_path))


def test_deterministic_runs_are_equal_to_the_bit(corpus: Path, tmp_path: Path) -> None:
    try:
        for name in ("one", "two"):
            train(corpus, quick(epochs=1, deterministic=True), tmp_path / name, place(tmp_path))
    finally:
        torch.use_deterministic_algorithms(False)
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    assert same_weights(
        tmp_path / "one" / "checkpoints" / "best.safetensors", tmp_path / "two" / "checkpoints" / "best.safetensors"
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")
@pytest.mark.parametrize(
    "changes",
    [{"model": "combined"}, {"model": "fgm", "epsilon": 1.0}, {"model": "pgd", "norm": "example_l2", "steps": 2}],
    ids=lambda changes: changes["model"],
)
def test_compiled_it_learns_the_same(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr(training, "build_model", training.build_model)  # put back at the end
    without_dropout()
    for name, compiled in (("plain", False), ("compiled", True)):
        train(corpus, quick(epochs=1, compile=compiled, **changes), tmp_path / name, place(tmp_path))
    plain, compiled = (
        [line["total"] for line in losses(tmp_path / name) if "total" in line] for name in ("plain", "compiled")
    )
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)


def test_tensorboard_has_the_curves(corpus: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(corpus, quick(model="combined"), tmp_path / "run", place(tmp_path, board=True))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    logged = [line["M"] for line in losses(tmp_path / "run") if "M" in line]
    assert [event.value for event in events.Scalars("M")] == pytest.approx(logged)


def test_text_alone_and_speech_alone(corpus: Path, tmp_path: Path) -> None:
    train(corpus, quick(epochs=1), tmp_path / "run", place(tmp_path))
    predictor = Predictor(model_folder(tmp_path / "run"), "cpu")
    clip = next((corpus / "audio" / "bod_Tibt").glob("*.flac"))
    text = predictor.answer("bod_Tibt", text="གསར་འགྱུར་")
    speech = predictor.answer("bod_Tibt", audio=clip)
    both = predictor.answer("bod_Tibt", text="གསར་འགྱུར་", audio=clip)
    for chances in (text, speech, both):
        assert chances.sum() == pytest.approx(1)
    assert not np.allclose(text, speech)
    with pytest.raises(CorpusforgeError, match="nothing to answer"):
        predictor.answer("bod_Tibt")
    with pytest.raises(CorpusforgeError, match="knows no language 'bod_Latn': did you mean 'bod_Tibt'"):
        predictor.answer("bod_Latn", text="x")
    (tmp_path / "noise.wav").write_bytes(b"RIFF")
    with pytest.raises(CorpusforgeError, match="cannot be read as audio"):
        predictor.answer("bod_Tibt", audio=tmp_path / "noise.wav")


def test_models_that_are_not_there_or_damaged(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match="holds no trained model"):
        model_folder(corpus)
    train(corpus, quick(model="combined", epochs=1), tmp_path / "run", place(tmp_path))
    folder = model_folder(tmp_path / "run")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(CorpusforgeError, match=r"holds no whole model: weights\.safetensors is missing"):
        Predictor(folder, "cpu")
    (folder / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(CorpusforgeError, match="cannot be read"):
        Predictor(folder, "cpu")


def test_the_rate_rises_and_falls() -> None:
    trainer = loop.Trainer.__new__(loop.Trainer)
    trainer.config = quick(warmup=0.2)
    rates = [trainer._rate(step, 10) for step in range(10)]
    assert rates[:2] == [0.5, 1.0]
    assert rates[2:] == pytest.approx([8 / 8, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_the_second_run_starts_from_the_cache(corpus: Path, tmp_path: Path) -> None:
    train(corpus, quick(epochs=1), tmp_path / "one", place(tmp_path))
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    time.sleep(0.01)
    train(corpus, quick(epochs=1, fusion="mean"), tmp_path / "two", place(tmp_path))
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}

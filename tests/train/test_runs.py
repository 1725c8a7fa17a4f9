"""What is said of settings."""

from __future__ import annotations

from pathlib import Path

from corpusforge.train.config import TrainConfig, default_name, preset

DOCS = Path(__file__).resolve().parents[2] / "docs" / "training.md"


def test_every_setting_is_in_the_docs() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert not [name for name in TrainConfig.model_fields if f"`{name}`" not in text]


def test_other_settings_are_another_run() -> None:
    names = {
        default_name("flores200", preset("small", **changes))
        for changes in ({}, {"tau": 0.1}, {"model": "combined"}, {"seed": 7})
    }
    assert len(names) == 4
    assert default_name("flores200", preset("small")) == default_name("flores200", preset("small", tau=0.07))

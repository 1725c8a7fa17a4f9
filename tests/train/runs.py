"""What the tests of whole runs share: a corpus that can be learned, settings that take a second, comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from corpusforge.items import Utterance
from corpusforge.train.config import TrainConfig, preset
from corpusforge.train.training import Place
from tests.corpus.conftest import LANGUAGES, Shop

WORDS = {
    "zho_Hans": ("新闻报道", "旅行指南", "今天山水城市"),
    "bod_Tibt": ("གསར་འགྱུར་", "འགྲུལ་བཞུད་", "དེ་རིང་རི་ཆུ་གྲོང་"),
    "mya_Mymr": ("သတင်း", "ခရီးသွား", "ယနေ့တောင်ရေမြို့"),
}


def learnable_items(shop: Shop, groups: int = 20) -> list[Utterance]:
    """Text that says what its label is, two sentences an article, clips of half a second to one."""
    items = []
    for number in range(groups):
        kind = number // 2 % 2
        for position, lang in enumerate(LANGUAGES):
            *subjects, filler = WORDS[lang]
            items.append(
                shop.item(
                    f"dev-{number:04d}.{lang}",
                    lang,
                    200 + 400 * kind + 5 * number + position,
                    document=f"doc-{number // 2}",
                    label=("news", "travel")[kind],
                    text=f"{subjects[kind]}{filler * (1 + number % 3)}{number}",
                )
            )
    return items


def learnable(shop: Shop, folder: Path, groups: int = 20) -> Path:
    """A corpus of these items."""
    shop.write(folder, learnable_items(shop, groups))
    return folder


def quick(**changes: Any) -> TrainConfig:
    """Settings of a run that takes about a second."""
    return preset("tiny", **{"epochs": 2, "groups": 4, "steps": 2, **changes})


def place(folder: Path, **changes: Any) -> Place:
    """Silent, without TensorBoard."""
    said: dict[str, Any] = {"tell": lambda words: None, "warn": lambda words: None, "board": False, "device": "cpu"}
    return Place(folder / "cache", **{**said, **changes})


def losses(run: Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def same_weights(one: Path, other: Path) -> bool:
    """Whether two files of safetensors hold the same numbers, bit for bit."""
    from safetensors.numpy import load_file

    mine, theirs = load_file(one), load_file(other)
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)

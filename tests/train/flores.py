"""Datasets of plain text for what needs no audio."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from corpusforge.items import Utterance
from corpusforge.recipe import load
from corpusforge.registry import find
from corpusforge.train.data import Dataset, Example


def utterances(flores: Path) -> list[Utterance]:
    """FLORES-200 in Chinese, Tibetan and Burmese, labelled by domain."""
    recipe = load("flores200", extra={"source.path": str(flores)})
    return list(find("sources", recipe.source_type)(recipe.source_config).items())


def dataset(rows: Iterable[tuple[str, str, str, str, str | None, str]]) -> Dataset:
    """A dataset of (group, document, language, text, label, split)."""
    rows = list(rows)
    labels = tuple(sorted({label for *_, label, _ in rows if label is not None}))
    groups: dict[str, dict[str, list[Example]]] = {"train": {}, "dev": {}, "test": {}}
    for number, (group, document, lang, text, label, split) in enumerate(rows):
        index = None if label is None else labels.index(label)
        example = Example(f"{group}.{lang}", group, document, lang, text, index, split, number)
        groups[split].setdefault(group, []).append(example)
    return Dataset(
        tuple(sorted({lang for _, _, lang, *_ in rows})),
        labels,
        {split: tuple(map(tuple, found.values())) for split, found in groups.items()},
        hashlib.sha256(repr(rows).encode()).hexdigest(),
        "",
    )

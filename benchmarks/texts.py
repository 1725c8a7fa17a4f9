"""The utterances that benchmarks speak: FLORES-200 or the sample, in Chinese, Tibetan and Burmese."""

from __future__ import annotations

from pathlib import Path

from corpusforge.items import Utterance
from corpusforge.recipe import load
from corpusforge.registry import find
from corpusforge.sources.select import choose


def utterances(data: Path, limit: int | None = None) -> list[Utterance]:
    recipe = load("flores200", extra={"source.path": str(data)})
    source = find("sources", recipe.source_type)(recipe.source_config)
    return list(source.items(choose(source.outline(), limit, recipe.splits.seed) if limit else None))

"""What the tests of recipes share: a good recipe, and what a bad one is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpusforge.errors import RecipeError
from corpusforge.recipe import Recipe, load

GOOD = """\
name: test
source: {type: flores200, sample: true}
stages:
  - stage: synthesize
    rate: 5
    audio:
      format: flac
  - stage: measure
gates:
  silence: {max: 0.5}
splits: {seed: 7}
profiles:
  fast:
    synthesize: {rate: 30, audio: {sample_rate: 8000}}
    source: {languages: [eng_Latn]}
"""


def write(folder: Path, text: str | bytes) -> str:
    """The path of a recipe file with that content, called r.yaml."""
    path = folder / "r.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def complaint(ref: str, **options: Any) -> str:
    """What loading is refused with; the folder of the file is left out."""
    with pytest.raises(RecipeError) as error:
        load(ref, **options)
    return str(error.value).replace(f"{Path(ref).parent}/", "")


def config(recipe: Recipe, stage: str) -> Any:
    return next(use.config for use in recipe.stages if use.name == stage)

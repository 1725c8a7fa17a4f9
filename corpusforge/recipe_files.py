"""Where recipes are: the folder ./recipes, and those that ship."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from corpusforge.errors import RecipeError, nearest

OWN = Path("recipes")


def locate(ref: str) -> Path:
    """The file of a recipe.

    Raises:
        RecipeError: No such file or name; the message gives the nearest names.
    """
    if ref.endswith((".yaml", ".yml")) or "/" in ref:
        path = Path(ref)
        if path.is_file():
            return path
        raise RecipeError(
            f"no recipe file {path}: `corpusforge recipes` lists the recipes, `corpusforge new` writes one"
        )
    for folder in (OWN, shipped_folder()):
        path = folder / f"{ref}.yaml"
        if path.is_file():
            return path
    raise RecipeError(f"no recipe '{ref}' here, {nearest(ref, available())} (`corpusforge new {ref}` writes one)")


def available() -> dict[str, Path]:
    """Recipes by name; one of ./recipes hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in (shipped_folder(), OWN):
        if folder.is_dir():
            found.update({path.stem: path for path in sorted(folder.glob("*.yaml"))})
    return dict(sorted(found.items()))


def shipped_folder() -> Path:
    """The folder of the recipes that ship: in a checkout beside the package, installed under share/corpusforge."""
    beside = Path(__file__).resolve().parents[1]
    share = Path("share", "corpusforge", "recipes")
    for folder in (beside / "recipes", *_installed(), beside / share, Path(sys.prefix) / share):
        if (folder / "flores200.yaml").is_file():
            return folder
    raise RecipeError(f"the recipes that ship are not with {Path(__file__).parent}: install corpusforge again")


def _installed() -> Iterator[Path]:
    """Where the installer's own record says that the recipes are (a user's or a system's scheme)."""
    with contextlib.suppress(PackageNotFoundError):
        for file in files("corpusforge") or []:
            if file.name == "flores200.yaml":
                yield Path(str(file.locate())).resolve().parent


STARTING_POINT = """\
# A corpus of your own. Build it with: corpusforge build {name}
# All settings: docs/recipes.md, or in your editor by the schema that `corpusforge recipe-schema` prints.
name: {name}
description: Speech and text of my own sentences

# Your sentences: a CSV, TSV, JSONL or Parquet file with a column a language, named by its FLORES-200 code. Optional
# columns: id, label (the class to learn), document (sentences that must stay in one split).
source:
  type: table
  path: {name}.csv           # beside this file, or where you run corpusforge
  license: unknown           # of your text, as it will stand in every row: CC-BY-4.0, say
  languages: [zho_Hans, bod_Tibt, mya_Mymr]

stages:
  - stage: synthesize        # text to speech
    engine: espeak           # or by language: {{default: espeak, bod_Tibt: espeak}}
    rate: 0                  # percent faster (20) or slower (-20) than the voice's own way
    pitch: 0                 # percent higher or lower
    audio:
      format: flac           # or wav
      sample_rate: 16000     # Hz
  - stage: measure           # levels, silence, clipping, seconds per syllable

# What the corpus takes. Changing a threshold judges again and makes nothing again.
gates:
  silence: {{max: 0.6}}        # share of silent frames
  unreadable_share: {{max: 0.2}}

splits: {{by: document, seed: 42, dev: 0.1, test: 0.1}}

# Variants: corpusforge build {name} --profile slow
profiles:
  slow:
    synthesize: {{rate: -15}}
"""


def write_new(name: str, folder: Path, overwrite: bool) -> Path:
    """Write a commented recipe to start from.

    Raises:
        RecipeError: The file is there already, or cannot be written.
    """
    path = folder / f"{name}.yaml"
    if path.exists() and not overwrite:
        raise RecipeError(f"{path} is there already: choose another name, or replace it with --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(STARTING_POINT.format(name=name), encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"cannot write {path}: {error.strerror}") from error
    return path

"""Where recipes are: the folder ./recipes, and those that ship. And a new one to start from."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from corpusforge.errors import RecipeError, nearest

OWN = Path("recipes")
LONGEST = 100
NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{LONGEST - 1}}}")
"""Names of recipes and corpora, which become names of files and folders."""


def check_name(name: str) -> str | None:
    """What is wrong with the name of a corpus, None if nothing is."""
    if NAME.fullmatch(name) and ".." not in name:
        return None
    shown = repr(name if len(name) <= LONGEST else f"{name[:40]}…")
    return (
        f"{shown} cannot name a corpus: expected small letters, digits, '-', '_' and single '.', beginning with a "
        f"letter or digit, at most {LONGEST} characters"
    )


def locate(ref: str) -> Path:
    """The file of a recipe.

    Args:
        ref: A name, looked for in ./recipes, then among those that ship; or a path, which ends in .yaml or has a `/`.

    Raises:
        RecipeError: No such file or name; the message gives the nearest names.
    """
    if ref.endswith((".yaml", ".yml")) or "/" in ref:
        path = Path(ref)
        if _is_file(path):
            return path
        known = available()
        near = f"did you mean the recipe '{path.stem}'? " if path.stem in known else ""
        what = "is a folder" if _is_folder(path) else "does not exist"
        raise RecipeError(f"recipe file {ref!r} {what}: {near}`corpusforge recipes` lists the recipes that are here")
    if NAME.fullmatch(ref):
        for folder in (OWN, shipped_folder()):
            path = folder / f"{ref}.yaml"
            if _is_file(path):
                return path
    hint = nearest(ref, available())
    if check_name(ref) is None:
        hint += f"{'' if hint.endswith('?') else '.'} `corpusforge new {ref}` writes one"
    raise RecipeError(f"no recipe {ref!r} here: {hint}")


def available() -> dict[str, Path]:
    """Recipes by name; one of ./recipes hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in (shipped_folder(), OWN):
        if _is_folder(folder):
            found.update({path.stem: path for path in folder.glob("*.yaml") if _is_file(path)})
    return dict(sorted(found.items()))


def shipped_folder() -> Path:
    """The folder of the recipes that ship: in a checkout beside the package, installed under share/corpusforge.

    Raises:
        RecipeError: They are not where they were installed.
    """
    for folder in _shipped_folders():
        if (folder / _ONE).is_file():
            return folder
    raise RecipeError(f"the recipes that ship are not with {Path(__file__).parent}: install corpusforge again")


_SHARE = Path("share", "corpusforge", "recipes")
_ONE = "flores200.yaml"


def _shipped_folders() -> Iterator[Path]:
    beside = Path(__file__).resolve().parents[1]
    yield beside / "recipes"
    yield beside / _SHARE  # `pip install --target`, where the installer's record below is wrong
    with contextlib.suppress(PackageNotFoundError):
        # The record is right in every scheme: a virtual environment's, a user's, a system's.
        yield from (
            Path(str(file.locate())).resolve().parent for file in files("corpusforge") or [] if file.name == _ONE
        )
    yield Path(sys.prefix) / _SHARE


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be looked at: {error.strerror}") from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


STARTING_POINT = """\
# A corpus of your own. Build it with:  corpusforge build {ref}
# Every setting: docs/recipes.md. Your editor completes and checks this file by the schema that
# `corpusforge recipe-schema` prints.
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

# Whole documents, so that nothing of a test document was trained on.
splits: {{by: document, seed: 42, dev: 0.1, test: 0.1}}

# Variants:  corpusforge build {ref} --profile slow
profiles:
  slow:
    synthesize: {{rate: -15}}
"""


def write_new(name: str, folder: Path, overwrite: bool) -> Path:
    """Write a commented recipe to start from; appears whole or not at all.

    Raises:
        RecipeError: The name cannot name a corpus, the file is there already, or it cannot be written.
    """
    if (problem := check_name(name)) is not None:
        raise RecipeError(problem)
    path = folder / f"{name}.yaml"
    text = STARTING_POINT.format(name=name, ref=reference(path))
    new = folder / f".{name}.{secrets.token_hex(8)}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            new.write_text(text, encoding="utf-8")
            if overwrite:
                new.replace(path)
            else:
                os.link(new, path)  # fails where there is one, and no other program can come in between
        finally:
            new.unlink(missing_ok=True)
    except FileExistsError:
        if not _is_folder(folder):
            raise RecipeError(f"cannot write {path}: {folder} is not a folder") from None
        raise RecipeError(f"{path} is there already: choose another name, or replace it with --force") from None
    except OSError as error:
        raise RecipeError(f"cannot write {path}: {error.strerror}") from error
    return path


def reference(path: Path) -> str:
    """What to call a recipe file on the command line: its name where that finds it, else its path."""
    return path.stem if path.parent == OWN else str(path)

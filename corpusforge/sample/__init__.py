"""A small parallel sample in the layout of FLORES-200, written for this project: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from corpusforge.errors import SourceError


def sample_folder() -> Path:
    """The folder that holds `dev/`, `devtest/` and the two metadata tables, as a FLORES-200 download does.

    Raises:
        SourceError: The package is imported from an archive, where its files have no path of their own.
    """
    folder = files(__name__)
    if not isinstance(folder, Path):
        raise SourceError(
            f"the sample corpus at {folder}: expected a folder on disk, found an entry of an archive; "
            "install corpusforge unpacked (pip install corpusforge)"
        )
    return folder

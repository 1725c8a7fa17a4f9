"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real text and audio: `$CORPUSFORGE_TEST_DATA`, or `../shared/data` beside the project."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("CORPUSFORGE_TEST_DATA") or root.parent / "shared" / "data")
    if not (folder / "flores200").is_dir():
        pytest.skip(f"no real data at {folder}: set CORPUSFORGE_TEST_DATA to a folder that holds flores200/")
    return folder

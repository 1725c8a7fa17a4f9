from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import build, source

pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'corpusforge[espeak]'")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the text in `text/` and a corpus of 12 groups built from it. Copy it before you change it."""
    folder = tmp_path_factory.mktemp("built")
    source(folder / "text")
    report = build("--source", "text", cwd=folder)
    assert (report["utterances"], report["built"], report["failed"]) == (36, 36, [])
    return folder


@pytest.fixture
def workspace(built: Path, tmp_path: Path) -> Path:
    """A copy of `built` of one's own."""
    from tests.cli.program import copy_workspace

    return copy_workspace(built, tmp_path / "work")

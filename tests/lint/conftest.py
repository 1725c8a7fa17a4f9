"""The corpus that a build makes of the sample, and copies of it that were broken in one way each."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusforge.corpus.layout import SPLITS
from corpusforge.lint import Finding, lint
from tests.cli.program import rows, run

Rows = list[dict[str, Any]]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """135 rows in three languages. Copy it before you change it."""
    pytest.importorskip("espeakng_loader", reason="the extra espeak is not installed")
    pytest.importorskip("bophono", reason="the extra espeak is not installed")
    folder = tmp_path_factory.mktemp("lint")
    done = run("build", "flores200", "--sample", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    [built] = (folder / "manifests").iterdir()
    return built


@pytest.fixture
def corpus(sample: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    shutil.copytree(sample, tmp_path / "corpus")
    return tmp_path / "corpus"


def change(folder: Path, how: Callable[[Rows], Rows | None]) -> None:
    """Change the rows of a corpus as if it had been built so: lists and corpus.json fit them again."""
    changed = rows(folder)
    changed = how(changed) or changed
    info = json.loads((folder / "corpus.json").read_text("utf8"))
    for name in ("manifest", *SPLITS):
        lines = [json.dumps(row, ensure_ascii=False) for row in changed if name in ("manifest", row["split"])]
        content = "".join(f"{line}\n" for line in lines).encode()
        (folder / f"{name}.jsonl").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        info["files"][f"{name}.jsonl"] = {"lines": len(lines), "bytes": len(content), "sha256": sha256}
    info["by_language"] = [row for row in info["by_language"] if row["language"] in {row["lang"] for row in changed}]
    (folder / "corpus.json").write_text(json.dumps(info), "utf8")


def row(found: Rows, id: str) -> dict[str, Any]:
    """The row with an id."""
    [one] = [row for row in found if row["id"] == id]
    return one


def of(found: Rows, **values: str) -> Rows:
    """The rows with some values, in the manifest's order."""
    return [row for row in found if all(row[name] == value for name, value in values.items())]


def only(folder: Path, **options: Any) -> Finding:
    """The one finding of a corpus beside the note that no encoder was named."""
    [found] = [one for one in lint(folder, **options) if (one.check, one.severity) != ("encoder", "note")]
    return found

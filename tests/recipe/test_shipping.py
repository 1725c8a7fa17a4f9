"""What ships is found, wherever the package is, and the page of settings is current."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from corpusforge.recipe_schema import documented

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_settings_is_current() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf8")
    assert documented(page) == page, "run: python -m corpusforge.recipe_schema docs/recipes.md"


def test_recipes_and_sample_are_in_a_wheel_and_found_where_it_is_installed(tmp_path: Path) -> None:
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building a wheel without network needs setuptools 77 or later in the environment")
    tree = tmp_path / "tree"
    shutil.copytree(
        ROOT, tree, ignore=shutil.ignore_patterns(".git", "*.egg-info", "build", ".*_cache", "manifests", ".*")
    )
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, tree], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, wheel], check=True, capture_output=True)
    code = (
        "import corpusforge, sys; assert corpusforge.__file__.startswith(sys.argv[1]), corpusforge.__file__\n"
        "from corpusforge.recipe_files import shipped_folder; print(shipped_folder())\n"
        "from corpusforge.sample import sample_folder; assert (sample_folder() / 'dev' / 'bod_Tibt.dev').is_file()\n"
        "recipe = corpusforge.load_recipe('flores200'); assert recipe.name == 'flores200'\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(installed)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == str(installed / "share" / "corpusforge" / "recipes")

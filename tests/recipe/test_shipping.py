"""What ships is found, wherever the package is, and the page of settings is current."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from corpusforge.recipe_docs import documented, settings_markdown
from tests.recipe.parts import complaint, write

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_settings_is_current() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf8")
    assert documented(page) == page, "run: python -m corpusforge.recipe_docs docs/recipes.md"


def test_a_page_without_its_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks its marks"):
        documented("# Recipes\n")


def test_every_setting_has_its_type_and_default() -> None:
    tables = settings_markdown()
    assert "| `path` | text | required | The file. |" in tables
    assert "| `voice` | text, mapping of (text or null) or null | `null` |" in tables
    assert "| `audio.trim.margin_ms` | number | `50` |" in tables
    assert "| `clipping` | settings or null | `{max: 0.001}` |" in tables
    assert "| `seconds_per_syllable.<name>.<name>.edges` | number | `0.5` |" in tables
    assert "None" not in tables


def test_every_setting_is_described() -> None:
    rows = [line.strip("| ").split(" | ") for line in settings_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if len(row) < 4 or not row[3].strip()] == []


def test_the_example_of_messages_is_what_is_answered(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf8")
    recipe, _, answer = page.partition("$ cat recipes/my-corpus.yaml\n")[2].partition("$ corpusforge build my-corpus\n")
    answer = answer.partition("```")[0].removeprefix("error: ").replace("recipes/my-corpus.yaml", "r.yaml")
    assert complaint(write(tmp_path, recipe)) == answer.strip()


def test_recipes_and_sample_are_in_a_wheel_and_found_where_it_is_installed(tmp_path: Path) -> None:
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building a wheel without network needs setuptools 77 or later in the environment")
    tree = tmp_path / "tree"
    shutil.copytree(
        ROOT, tree, ignore=shutil.ignore_patterns(".git", "*.egg-info", "build", ".*_cache", "manifests", ".*")
    )
    (tree / "recipes" / "another.yaml").write_text("name: another\n")  # whatever is in recipes/ ships
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, tree], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    target, venv = tmp_path / "target", tmp_path / "venv"
    subprocess.run([*pip, "install", "--no-deps", "--target", target, wheel], check=True, capture_output=True)
    assert shipped(Path(sys.executable), tmp_path, target) == target / "share" / "corpusforge" / "recipes"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--ignore-installed", wheel], check=True, capture_output=True
    )
    (packages,) = venv.glob("lib/python*/site-packages")
    # What corpusforge depends on comes from here; .pth files of that folder are not followed, so nothing else does.
    (packages / "dependencies.pth").write_text(str(Path(pytest.__file__).parents[1]))
    assert shipped(python, tmp_path, packages) == venv / "share" / "corpusforge" / "recipes"


def shipped(python: Path, empty: Path, installed: Path) -> Path:
    """Where the package that is installed in a folder finds its recipes, as seen from a folder without any."""
    code = (
        "import corpusforge, sys; assert corpusforge.__file__.startswith(sys.argv[1]), corpusforge.__file__\n"
        "from corpusforge.recipe_files import available, shipped_folder; print(shipped_folder())\n"
        "assert list(available()) == ['another', 'flores200', 'mms'], available()\n"
        "from corpusforge.sample import sample_folder; assert (sample_folder() / 'dev' / 'bod_Tibt.dev').is_file()\n"
        "recipe = corpusforge.load_recipe('flores200'); assert recipe.name == 'flores200'\n"
    )
    found = subprocess.run(
        [python, "-c", code, str(installed)],
        cwd=empty,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return Path(found.stdout.strip())

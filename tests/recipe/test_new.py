"""`corpusforge recipes`, `new` and `recipe-schema`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from corpusforge.cli.recipes import new_command, recipe_schema_command, recipes_command
from corpusforge.errors import RecipeError
from corpusforge.recipe import load
from corpusforge.recipe_files import write_new
from corpusforge.recipe_schema import json_schema
from tests.recipe.parts import GOOD, config

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORPUSFORGE_WORKSPACE", raising=False)
    commands = {"recipes": recipes_command, "new": new_command, "recipe-schema": recipe_schema_command}
    return lambda verb, *args: CliRunner().invoke(commands[verb], args)


def test_new_writes_a_recipe_that_loads_by_its_name_and_says_what_to_do(run: Run) -> None:
    result = run("new", "my-corpus")
    assert result.output.splitlines() == [
        "wrote recipes/my-corpus.yaml",
        "Next: put your sentences into recipes/my-corpus.csv, then: corpusforge build my-corpus",
    ]
    recipe = load("my-corpus", profile="slow")
    assert (recipe.name, recipe.source_type, config(recipe, "synthesize").rate) == ("my-corpus", "table", -15)
    assert [path.name for path in Path("recipes").iterdir()] == ["my-corpus.yaml"]


def test_new_reads_the_table_beside_the_recipe(run: Run) -> None:
    run("new", "mine")
    Path("recipes/mine.csv").write_text("zho_Hans,bod_Tibt,mya_Mymr\n一,གཅིག,တစ်\n", "utf8")
    assert load("mine").source_config.path == "recipes/mine.csv"  # type: ignore[attr-defined]


def test_new_elsewhere_names_the_path_to_build(run: Run) -> None:
    result = run("new", "x", "--dir", "a/b")
    assert "put your sentences into a/b/x.csv, then: corpusforge build a/b/x.yaml" in result.output
    text = Path("a/b/x.yaml").read_text("utf8")
    assert "corpusforge build a/b/x.yaml" in text
    assert load("a/b/x.yaml").name == "x"


def test_new_replaces_nothing_unless_it_must(run: Run) -> None:
    run("new", "x")
    path = Path("recipes/x.yaml")
    path.write_text(GOOD)
    result = run("new", "x")
    assert isinstance(result.exception, RecipeError)
    assert str(result.exception) == ("recipes/x.yaml is there already: choose another name, or replace it with --force")
    assert path.read_text() == GOOD
    assert run("new", "x", "--force").exit_code == 0
    assert load("x").name == "x"


@pytest.mark.parametrize("name", ["../x", "a/b", "X", "", ".x", "-x", "a..b", "x" * 101, "ལ", "x y", "x\n", "x\0"])
def test_names_that_cannot_be_a_corpus(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match="cannot name a corpus"):
        write_new(name, tmp_path, False)
    assert not list(tmp_path.iterdir())


def test_new_where_it_cannot_write(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="cannot write"):
        write_new("x", tmp_path / "file", False)
    with pytest.raises(RecipeError, match="cannot write"):
        write_new("x", Path("/proc/nowhere"), False)


def test_recipes_lists_what_ships_and_what_is_here(run: Run) -> None:
    run("new", "mine")
    Path("recipes/broken.yaml").write_text("name: [")
    Path("manifests/mine").mkdir(parents=True)
    Path("manifests/mine/corpus.json").write_text("{}")
    rows = {row["recipe"]: row for row in json.loads(run("recipes", "--json").output)}
    assert {name: row["where"] for name, row in rows.items()} == {
        "broken": "here",
        "flores200": "ships",
        "mine": "here",
        "mms": "ships",
    }
    assert rows["mine"]["corpus"] == "manifests/mine" and rows["flores200"]["corpus"] is None
    assert rows["mine"]["description"] == "Speech and text of my own sentences"
    assert "recipes/broken.yaml:2:1: not YAML" in rows["broken"]["error"] and rows["mine"]["error"] is None
    shown = run("recipes").output
    assert "mine       here   Speech and text of my own sentences\n" in shown
    assert "built: manifests/mine\n" in shown
    assert "flores200  ships  FLORES-200 in Chinese, Tibetan and Burmese" in shown


def test_recipe_schema_prints_it(run: Run) -> None:
    assert json.loads(run("recipe-schema").output) == json_schema()

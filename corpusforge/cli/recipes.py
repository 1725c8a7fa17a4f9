"""`corpusforge recipes`, `corpusforge new` and `corpusforge recipe-schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from corpusforge.cli.options import json_option, workspace_option


@click.command("recipes")
@workspace_option
@json_option
def recipes_command(workspace: Path, as_json: bool) -> None:
    """List the recipes that ship and those in ./recipes.

    A recipe of ./recipes hides the one of the same name that ships. Where its corpus is built, its folder is shown.
    """
    from corpusforge.recipe_files import OWN, available

    rows = [
        {"recipe": name, "where": "here" if path.parent == OWN else "ships", "path": str(path)}
        | _about(path, workspace)
        for name, path in available().items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(row["recipe"]) for row in rows)
    for row in rows:
        click.echo(f"{row['recipe']:<{width}}  {row['where']:<5}  {row['description'] or row['error'] or ''}")
        if row["corpus"]:
            click.echo(f"{'':<{width}}         built: {row['corpus']}")


def _about(path: Path, workspace: Path) -> dict[str, Any]:
    """What a recipe says of itself, and where its corpus is; `error` if it cannot be read."""
    from corpusforge.errors import RecipeError
    from corpusforge.recipe_files import check_name
    from corpusforge.recipe_yaml import read

    try:
        sections = read(path).plain()
    except RecipeError as error:
        return {"description": None, "corpus": None, "error": str(error)}
    name, corpus = sections.get("name"), None
    if isinstance(name, str) and check_name(name) is None:
        folder = workspace / "manifests" / name
        corpus = str(folder) if (folder / "corpus.json").is_file() else None
    description = sections.get("description")
    return {"description": None if description is None else str(description), "corpus": corpus, "error": None}


@click.command("new")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("recipes"),
    show_default=True,
    help="Folder to write it to.",
)
@click.option("--force", is_flag=True, help="Replace a recipe that is there.")
def new_command(name: str, folder: Path, force: bool) -> None:
    """Write a commented recipe to start from.

    NAME is the name of the corpus: small letters, digits, '-', '_' and '.'.
    """
    from corpusforge.recipe_files import reference, write_new

    path = write_new(name, folder, force)
    click.echo(f"wrote {path}")
    click.echo(f"Next: put your sentences into {folder / name}.csv, then: corpusforge build {reference(path)}")


@click.command("recipe-schema")
def recipe_schema_command() -> None:
    """Print the JSON Schema of a recipe.

    Editors complete and check recipes by it: # yaml-language-server: $schema=recipe-schema.json
    """
    from corpusforge.recipe_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))

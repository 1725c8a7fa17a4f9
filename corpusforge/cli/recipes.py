"""`corpusforge recipes`, `corpusforge new` and `corpusforge recipe-schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from corpusforge.cli.options import json_option


@click.command("recipes")
@json_option
def recipes_command(as_json: bool) -> None:
    """List the recipes that ship and those in ./recipes."""
    from corpusforge.errors import RecipeError
    from corpusforge.recipe_files import OWN, available
    from corpusforge.recipe_yaml import read

    rows = []
    for name, path in available().items():
        try:
            description = str(read(path).data.get("description", ""))
        except RecipeError as error:
            description = f"cannot be read: {error}"
        where = "here" if path.parent == OWN else "ships"
        rows.append({"recipe": name, "where": where, "path": str(path), "description": description})
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(row["recipe"]) for row in rows)
    for row in rows:
        click.echo(f"{row['recipe']:<{width}}  {row['where']:<5}  {row['description']}")


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
    from corpusforge.errors import RecipeError
    from corpusforge.recipe import NAME
    from corpusforge.recipe_files import write_new

    if not NAME.fullmatch(name) or ".." in name:
        raise RecipeError(
            f"'{name}' cannot name a corpus: expected small letters, digits, '-', '_' and '.', at most 100"
        )
    path = write_new(name, folder, force)
    click.echo(f"wrote {path}")
    click.echo(f"Next: put your sentences into {folder / name}.csv, then: corpusforge build {name}")


@click.command("recipe-schema")
def recipe_schema_command() -> None:
    """Print the JSON Schema of a recipe.

    Editors complete and check recipes by it: # yaml-language-server: $schema=recipe-schema.json
    """
    from corpusforge.recipe_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))

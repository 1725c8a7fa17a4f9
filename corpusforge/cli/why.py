"""`corpusforge why`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpusforge.cli.options import json_option, recipe_options

if TYPE_CHECKING:
    from corpusforge.recipe import Recipe


@click.command("why")
@recipe_options
@click.argument("item")
@json_option
def why_command(recipe: Recipe, item: str, limit: int | None, workspace: Path, as_json: bool) -> None:
    """Say why each stage of an item would run, or not.

    ITEM is the id of an utterance (dev-0001.bod_Tibt), or of a parallel group (dev-0001) for all its languages.
    """
    from corpusforge.builder import explain
    from corpusforge.opened import BuildOptions

    found = explain(recipe, BuildOptions(workspace=workspace, limit=limit), item)
    if as_json:
        rows = {
            name: [{**step._asdict(), "key": step.key.hex() if step.key else None} for step in steps]
            for name, steps in found.items()
        }
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for name, steps in found.items():
        click.echo(name)
        for step in steps:
            key = f"  [{step.key.hex()[:12]}]" if step.key else ""
            click.echo(f"  {step.stage:<12} {step.state:<9} {step.reason}{key}")

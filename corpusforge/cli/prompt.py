"""`corpusforge prompt`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpusforge.cli.options import json_option, recipe_options

if TYPE_CHECKING:
    from corpusforge.recipe import Recipe


@click.command("prompt")
@recipe_options
@click.option("--item", metavar="ID", help="An utterance or a parallel group.  [default: the first one]")
@json_option
def prompt_command(recipe: Recipe, item: str | None, limit: int | None, workspace: Path, as_json: bool) -> None:
    """Show what a model would be sent. Nothing is sent."""
    from corpusforge.builder import prompts
    from corpusforge.opened import BuildOptions

    found = prompts(recipe, BuildOptions(workspace=workspace, limit=limit), item)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo(f"{item}: no model is asked about it; it is the source's own text")
    for name, messages in found.items():
        click.secho(f"== {name}", bold=True)
        for message in messages:
            click.secho(f"-- {message['role']}", bold=True)
            click.echo(message["content"])

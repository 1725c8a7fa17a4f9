"""Options that several verbs share: which recipe, of which source, in which workspace."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from corpusforge.recipe import Recipe


class FolderName(click.ParamType):
    """The name of a folder that is made in another: no path, and not hidden."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """`value` as it is, if it is one."""
        if not value or Path(value).name != value or value.startswith("."):
            self.fail(f"'{value}' is no name of a folder, such as 'radio'", param, ctx)
        return value


def name_option(help: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--name`, which becomes that of a folder."""
    return click.option("--name", type=FolderName(), metavar="NAME", help=help, **more)


workspace_option = click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    envvar="CORPUSFORGE_WORKSPACE",
    show_default="the current folder, or $CORPUSFORGE_WORKSPACE",
    help="Folder that holds the store (.corpusforge) and manifests/.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")

_RECIPE_OPTIONS = [
    click.argument("recipe"),
    click.option("--source", "source_path", metavar="PATH", help="Folder, archive or table to read the text from."),
    click.option("--sample", is_flag=True, help="Use the small sample that ships with corpusforge."),
    click.option("--languages", metavar="CODES", help="FLORES-200 codes, separated by commas: zho_Hans,bod_Tibt."),
    click.option("--labels", metavar="NAME", help="Which labels the source gives: domain, or sib200 for topics."),
    click.option("--profile", metavar="NAME", help="Apply a profile of the recipe."),
    click.option(
        "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Override a setting: synthesize.rate=10."
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="Only N parallel groups, spread over the labels."
    ),
    workspace_option,
]


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a recipe; the command gets `recipe: Recipe`, `limit` and `workspace`."""

    @functools.wraps(command)
    def wrapped(
        recipe: str,
        source_path: str | None,
        sample: bool,
        languages: str | None,
        labels: str | None,
        profile: str | None,
        overrides: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        extra: dict[str, Any] = {}
        if sample and source_path:
            raise click.UsageError("--sample and --source exclude each other: the sample is a source of its own")
        if source_path:
            extra["source.path"] = source_path
        if sample:
            extra["source.sample"] = True
        if languages:
            extra["source.languages"] = [code.strip() for code in languages.split(",") if code.strip()]
        if labels:
            extra["source.labels"] = labels
        return command(recipe=_load(recipe, profile, overrides, extra), **rest)

    for option in reversed(_RECIPE_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _load(ref: str, profile: str | None, overrides: tuple[str, ...], extra: Mapping[str, Any]) -> Recipe:
    from corpusforge.recipe import load

    return load(ref, profile=profile, overrides=overrides, extra=extra)

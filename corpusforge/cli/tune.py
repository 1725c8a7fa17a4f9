"""`corpusforge tune`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpusforge.cli.options import json_option

if TYPE_CHECKING:
    from corpusforge.train.config import TrainConfig
    from corpusforge.train.training import Place

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("tune")
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--preset", default="small", show_default=True, metavar="NAME", help="paper, small or tiny.")
@click.option("--model", metavar="NAME", help="mlcl, combined, unique, fgm, pgd or speech-only.")
@click.option(
    "--over",
    metavar="NAMES",
    help="Of alpha, beta, tau, learning_rate, head_rate, separated by commas.  "
    "[default: the first four, as far as they matter to the model]",
)
@click.option(
    "--sampler",
    type=click.Choice(["hyperopt", "optuna"]),
    default="hyperopt",
    show_default=True,
    help="Who proposes: hyperopt as in the paper; optuna ends early what is worse than most.",
)
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many.")
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change any setting: epochs=3.")
@click.option("--name", metavar="NAME", help="Of the search.  [default: corpus, model and 'tune']")
@click.option("--runs", type=_FOLDER, default=Path("runs"), show_default=True, help="Folder that holds the runs.")
@click.option(
    "--cache", type=_FOLDER, envvar="CORPUSFORGE_CACHE", help="Folder of packed audio.  [default: .cache in --runs]"
)
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1.  [default: the GPU, if there is one]")
@json_option
def tune_command(
    corpus: Path,
    preset: str,
    model: str | None,
    over: str | None,
    sampler: Any,
    trials: int,
    overrides: tuple[str, ...],
    name: str | None,
    runs: Path,
    cache: Path | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Search for the settings that suit a corpus, judged on its dev split.

    CORPUS is its folder: manifests/flores200. The same command again goes on where a search was stopped, and with more
    --trials it goes on with one that ended. What came out is in best.json of the folder, and each trial is a run.
    """
    from corpusforge.corpus.read import Corpus
    from corpusforge.train.space import Space

    config = _settings(preset, model, overrides)
    space = Space(tuple(part.strip() for part in over.split(","))) if over is not None else Space.of(config)
    space.ranges(config)
    opened = Corpus(corpus)

    # torch takes seconds to load: only once there is something to do.
    from corpusforge.train.search import search, tables

    name = name or f"{opened.name}-{config.model}-tune"
    place = _place(cache or runs / ".cache", device)
    best = search(
        opened,
        config,
        runs / name,
        place,
        space,
        sampler=sampler,
        trials=trials,
        note=lambda words: click.echo(words, err=True),
    )
    where = [] if runs == Path("runs") else ["--runs", str(runs)]
    command = shlex.join(
        ["corpusforge", "train", str(corpus), *_arguments(best.config), "--name", f"{name}-best", *where]
    )
    if as_json:
        body = best.trial.model_dump(mode="json", include={"trial", "score", "M", "G", "settings"})
        rows = [trial.model_dump(mode="json") for trial in best.trials]
        click.echo(json.dumps({**body, "set": best.sets, "command": command, "trials": rows}, indent=2))
        return
    click.echo(tables(best))
    click.echo(
        f"\nscore is M - {config.balance:g} G on dev; to train with the best settings and measure test:\n{command}"
    )


def _settings(name: str, model: str | None, overrides: tuple[str, ...]) -> TrainConfig:
    """The settings of a preset with some changed.

    Raises:
        RecipeError: One is unknown or does not fit.
    """
    from pydantic import ValidationError

    from corpusforge.errors import RecipeError, nearest
    from corpusforge.recipe_yaml import parse_value
    from corpusforge.train.config import TrainConfig
    from corpusforge.train.config import preset as preset_of

    changes: dict[str, Any] = {"model": model} if model else {}
    for override in overrides:
        setting, equals, value = override.partition("=")
        if not equals:
            raise RecipeError(f"--set {override}: expected NAME=VALUE, as in --set epochs=3")
        if setting not in TrainConfig.model_fields:
            raise RecipeError(f"--set {override}: no such setting: {nearest(setting, TrainConfig.model_fields)}")
        changes[setting] = parse_value(value, f"--set {setting}").plain()
    try:
        return preset_of(name, **changes)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecipeError(f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}") from None


def _arguments(config: TrainConfig) -> list[str]:
    """The preset that is nearest to some settings, and what to change in it."""
    from corpusforge.train.config import PRESETS, preset

    wanted = config.model_dump(mode="json")
    changes = {}
    for name in PRESETS:
        given = preset(name).model_dump(mode="json")
        changes[name] = {setting: value for setting, value in wanted.items() if given[setting] != value}
    name = min(changes, key=lambda one: len(changes[one]))
    arguments = ["--preset", name]
    for setting, value in changes[name].items():
        arguments += ["--set", f"{setting}={value if isinstance(value, str) else json.dumps(value)}"]
    return arguments


def _place(cache: Path, device: str | None) -> Place:
    from corpusforge.train.distributed import device_of, join
    from corpusforge.train.training import Place

    return Place(
        cache=cache,
        device=device,
        tell=lambda words: click.echo(f"  {words}", err=True),
        warn=lambda words: click.echo(f"warning: {words}", err=True),
        bar=sys.stderr.isatty(),
        board=False,
        world=join(device_of(device)),
    )

"""`corpusforge tune`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpusforge.cli.options import json_option, name_option
from corpusforge.cli.train_options import place, place_options, require_torch, setting_options

if TYPE_CHECKING:
    from corpusforge.train.config import TrainConfig


@click.command("tune")
@click.argument("corpus", type=click.Path(path_type=Path))
@setting_options
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
@name_option("Of the search.  [default: corpus, model and 'tune']")
@place_options
@json_option
def tune_command(
    corpus: Path,
    config: TrainConfig,
    over: str | None,
    sampler: Any,
    trials: int,
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

    space = Space(tuple(part.strip() for part in over.split(","))) if over is not None else Space.of(config)
    space.ranges(config)
    opened = Corpus(corpus)

    # torch takes seconds to load: only once there is something to do.
    require_torch()
    from corpusforge.train.search import search, tables

    name = name or f"{opened.name}-{config.model}-tune"
    best = search(
        opened,
        config,
        runs / name,
        place(runs, cache, device, board=False),
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

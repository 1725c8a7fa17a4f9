"""`corpusforge train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpusforge.cli.options import json_option, name_option
from corpusforge.cli.train_options import place, place_options, require_torch, setting_options

if TYPE_CHECKING:
    from corpusforge.train.config import TrainConfig


@click.command("train")
@click.argument("corpus", type=click.Path(path_type=Path))
@setting_options
@click.option("--seeds", type=click.IntRange(min=1), default=1, metavar="N", help="Train N times and average.")
@name_option("Of the run.  [default: corpus, model and what was changed]")
@place_options
@click.option("--quiet", "-q", is_flag=True, help="Print the results and nothing else.")
@json_option
def train_command(
    corpus: Path,
    config: TrainConfig,
    seeds: int,
    name: str | None,
    runs: Path,
    cache: Path | None,
    device: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a model on a corpus, and measure it.

    CORPUS is its folder: manifests/flores200. A run of the same name that was interrupted goes on where it was.
    """
    require_torch()
    from corpusforge.corpus.read import Corpus
    from corpusforge.train.config import default_name
    from corpusforge.train.evaluation import summary
    from corpusforge.train.training import seeds_table, train, train_seeds

    opened = Corpus(corpus)
    folder = runs / (name or default_name(opened.name, config, seeds))
    where = place(runs, cache, device, quiet)
    try:
        results = (
            train(opened, config, folder, where) if seeds == 1 else train_seeds(opened, config, folder, where, seeds)
        )
        if where.world.rank == 0:
            if as_json:
                click.echo(json.dumps(results, ensure_ascii=False))
            else:
                click.echo(summary(results) if seeds == 1 else seeds_table(results))
                click.echo(f"\nRun:  {folder}", err=True)
    finally:
        where.world.close()

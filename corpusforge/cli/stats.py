"""`corpusforge stats`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from corpusforge.cli.options import json_option


@click.command("stats")
@click.argument("corpus", type=click.Path(path_type=Path))
@json_option
def stats_command(corpus: Path, as_json: bool) -> None:
    """Print the tables of a built corpus.

    CORPUS is its folder: manifests/flores200.
    """
    from corpusforge.corpus.read import Corpus
    from corpusforge.corpus.stats import tables

    info = Corpus(corpus).info
    click.echo(json.dumps(info, indent=2, ensure_ascii=False) if as_json else tables(info))

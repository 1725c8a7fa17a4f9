"""`corpusforge evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from corpusforge.cli.options import json_option


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path), required=False)
@click.option("--against", type=click.Path(path_type=Path), metavar="RUN", help="Compare with another run, paired.")
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Only this split.  [default: dev and test]")
@click.option(
    "--unit",
    type=click.Choice(["document", "group", "utterance"]),
    default="document",
    show_default=True,
    help="What the bootstrap draws as a whole.",
)
@click.option("--replicates", type=click.IntRange(min=1), default=1000, show_default=True, help="Of the bootstrap.")
@click.option("--level", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True, help="Of intervals.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CORPUSFORGE_CACHE",
    help="Folder of packed audio.  [default: .cache beside the run]",
)
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1.  [default: the GPU, if there is one]")
@json_option
def evaluate_command(
    run: Path,
    corpus: Path | None,
    against: Path | None,
    splits: tuple[str, ...],
    unit: str,
    replicates: int,
    level: float,
    cache: Path | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Measure a trained model.

    Accuracy, G and M, F1, calibration and confusion, with confidence intervals.

    RUN is a run's folder: runs/flores200-mlcl. With CORPUS the model answers that corpus again, which may be another
    than it was trained on; without it what it said when training ended is measured.
    """
    from corpusforge.train.evaluation import evaluate_run, tables

    folder = run
    if corpus is not None:
        from corpusforge.cli.train_options import require_torch

        require_torch()
        from corpusforge.train.predict import predict_corpus

        folder = predict_corpus(run, corpus, splits or ("dev", "test"), cache=cache, device=device)
        if against is not None:
            against = predict_corpus(against, corpus, splits or ("dev", "test"), cache=cache, device=device)
    results = evaluate_run(
        folder,
        splits=splits or None,
        against=against,
        unit=unit,  # type: ignore[arg-type]  # one of the three, click saw to it
        replicates=replicates,
        level=level,
    )
    click.echo(json.dumps(results, ensure_ascii=False) if as_json else tables(results))

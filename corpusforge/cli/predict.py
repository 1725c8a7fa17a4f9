"""`corpusforge predict`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from corpusforge.cli.options import json_option


@click.command("predict")
@click.option("--model", required=True, metavar="MODEL", help="A run, a model's folder, or user/name of the Hub.")
@click.option("--text", metavar="SENTENCE", help="A sentence.")
@click.option("--audio", type=click.Path(dir_okay=False, path_type=Path), help="A file of speech.")
@click.option("--lang", metavar="CODE", help="FLORES-200 code of the sentence or the speech.")
@click.option("--corpus", type=click.Path(path_type=Path), help="All utterances of a corpus instead.")
@click.option("--split", default="test", show_default=True, metavar="NAME", help="Of the corpus.")
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1.  [default: the GPU, if there is one]")
@json_option
def predict_command(
    model: str,
    text: str | None,
    audio: Path | None,
    lang: str | None,
    corpus: Path | None,
    split: str,
    device: str | None,
    as_json: bool,
) -> None:
    """Ask a trained model about text, audio or a corpus.

    A model of text and speech answers from one of them where the other is missing.
    """
    if (corpus is None) == (text is None and audio is None):
        raise click.UsageError("give --text, --audio or both of one utterance, or --corpus")
    if corpus is None and lang is None:
        raise click.UsageError("--lang is missing: which language is it? For example --lang zho_Hans")
    from corpusforge.cli.train_options import require_torch

    require_torch()
    from corpusforge.train.predict import Predictor, model_folder

    folder = model_folder(model)
    if corpus is not None:
        from corpusforge.train.predict import predict_corpus
        from corpusforge.train.predictions import predictions_path

        made = predict_corpus(Path(model) if Path(model).exists() else folder, corpus, [split], device=device)
        click.echo(predictions_path(made, split).read_text(encoding="utf-8"), nl=False)
        return
    assert lang is not None
    predictor = Predictor(folder, device)
    chances = predictor.answer(lang, text, audio)
    named = {label: float(chance) for label, chance in zip(predictor.labels, chances, strict=True)}
    best = max(named, key=lambda label: named[label])
    if as_json:
        click.echo(json.dumps({"predicted": best, "probabilities": named}, ensure_ascii=False))
        return
    for label, chance in sorted(named.items(), key=lambda pair: -pair[1]):
        click.echo(f"{chance:6.1%}  {label}")

"""`corpusforge export`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from corpusforge.cli.options import json_option


@click.command("export")
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, metavar="FORMAT", help="The form: see the list above.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="exports/CORPUS/FORMAT",
    help="Folder to write; one that an export has made is replaced.",
)
@click.option(
    "--link/--copy",
    default=True,
    show_default=True,
    help="Hard-link audio files, which takes no space, or copy them. Where audio is packed or converted, neither.",
)
@click.option("--split", "splits", metavar="NAMES", help="Only these: train,dev.")
@click.option("--lang", "languages", metavar="CODES", help="Only these FLORES-200 codes, separated by commas.")
@json_option
def export_command(
    corpus: Path, form: str, out: Path | None, link: bool, splits: str | None, languages: str | None, as_json: bool
) -> None:
    """Write a corpus in a form that other tools read.

    CORPUS is its folder: manifests/flores200. Forms: lhotse, nemo, kaldi, webdataset, parquet (huggingface is the
    same), csv, ljspeech; docs/exporting.md says what each keeps.
    """
    from corpusforge.export.base import Selection, export
    from corpusforge.registry import find

    find("exporters", form)  # a wrong name is said before the corpus is read
    selection = Selection(corpus, _listed(languages), _listed(splits))
    folder = out or Path("exports") / selection.name / form
    done = export(selection, form, folder, "link" if link else "copy", lambda words: click.echo(words, err=True))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done) | {"folder": str(done.folder)}, indent=2, ensure_ascii=False))
        return
    counts = ", ".join(f"{split} {count:,}" for split, count in done.utterances.items())
    click.echo(
        f"{done.folder}: {sum(done.utterances.values()):,} utterances ({counts}), {done.hours:.2f} h, "
        f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB"
    )


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]

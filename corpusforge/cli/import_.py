"""`corpusforge import`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from corpusforge.cli.options import json_option, name_option, workspace_option


@click.command("import")
@click.argument("folder")
@click.option(
    "--from",
    "form",
    type=click.Choice(["lhotse", "nemo", "kaldi", "huggingface"]),
    required=True,
    help="What FOLDER is; huggingface is a dataset on the Hub, or a folder of Parquet.",
)
@name_option("Of the corpus.", required=True)
@click.option("--lang", metavar="CODE", help="FLORES-200 code of what names no language that is known.")
@click.option("--license", "license_id", metavar="SPDX", help="Licence of what names none: CC-BY-4.0.")
@click.option("--source", metavar="WORDS", show_default="the name of FOLDER", help="Where it came from.")
@click.option("--text-field", metavar="NAME", help="Field with the text.  [default: text, sentence, transcription, …]")
@click.option("--label-field", metavar="NAME", help="Field with the class.  [default: label]")
@click.option("--group-field", metavar="NAME", help="Field with the parallel group.  [default: group, else the id]")
@click.option(
    "--document-field",
    metavar="NAME",
    help="Field with what must stay in one split.  [default: document, else the group, else the recording]",
)
@click.option("--id-field", metavar="NAME", help="Field with the id.  [default: id if it is a string, else the place]")
@click.option("--audio-field", metavar="NAME", help="Column with the audio (huggingface).")
@click.option("--config", "configs", metavar="NAMES", help="Configurations, separated by commas (huggingface).")
@click.option("--revision", metavar="REV", help="Branch, tag or commit (huggingface).")
@click.option(
    "--splits",
    type=click.Choice(["folder", "document"]),
    help="Keep the folder's splits, or decide them by document.  [default: keep them if every utterance has one]",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for corpora.  [default: manifests]"
)
@workspace_option
@json_option
def import_command(
    folder: str,
    form: str,
    name: str,
    lang: str | None,
    license_id: str | None,
    source: str | None,
    configs: str | None,
    revision: str | None,
    audio_field: str | None,
    splits: str | None,
    out: Path | None,
    workspace: Path,
    as_json: bool,
    **field_names: str | None,
) -> None:
    """Bring recorded speech with its text into a corpus.

    FOLDER is a folder of lhotse, NeMo or Kaldi manifests, or a dataset with text and audio. Audio becomes FLAC of 16
    kHz, mono. What cannot be read is in the corpus's rejected.jsonl, with the reason.
    """
    from corpusforge.imports.forms import Hub, importing
    from corpusforge.imports.rules import Rules
    from corpusforge.imports.run import import_corpus

    hub = Hub([part.strip() for part in configs.split(",")] if configs else None, revision, audio_field)
    found, origin = importing(folder, form, hub)
    rules = Rules(lang=lang, license=license_id, source=source or origin.name, **field_names)
    done = import_corpus(
        found,
        origin,
        rules,
        name,
        workspace,
        (out or workspace / "manifests") / name,
        splits,  # type: ignore[arg-type]  # click.Choice holds it to these
    )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done) | {"folder": str(done.folder)}, indent=2, ensure_ascii=False))
        return
    how = "kept" if done.splits == "folder" else "decided by document"
    state = "" if done.written else "; nothing has changed"
    click.echo(
        f"{done.folder}: {done.utterances:,} utterances, {done.hours:.2f} h, splits {how}, {done.rejected:,} rejected"
        f"{state}"
    )
    if done.rejected:
        click.echo(f"reasons are in {done.folder / 'rejected.jsonl'}")

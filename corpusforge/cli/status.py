"""`corpusforge status`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpusforge.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from corpusforge.store.workspace import Workspace

_SHOWN = 20


@click.command("status")
@click.argument("corpus", required=False)
@workspace_option
@json_option
def status_command(corpus: str | None, workspace: Path, as_json: bool) -> None:
    """Say what is built, what is missing and what failed.

    Of every corpus of the workspace, or of CORPUS alone. What a build would do now: `corpusforge build RECIPE
    --dry-run`.
    """
    from corpusforge.store.workspace import Workspace

    with Workspace(workspace, reading=True) as store:
        rows = store.with_sound_index(lambda: _rows(store, corpus))
    click.echo(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else _as_text(rows))


def _rows(store: Workspace, corpus: str | None) -> list[dict[str, Any]]:
    from corpusforge.errors import CorpusError, nearest

    known = store.index.corpora()
    if corpus is not None and corpus not in [entry.name for entry in known]:
        raise CorpusError(f"no corpus '{corpus}' was built here: {nearest(corpus, [entry.name for entry in known])}")
    rows = []
    failures = store.index.all_failures()
    for entry in known:
        if corpus is None or entry.name == corpus:
            folder = store.corpus_folder(entry)
            rows.append(
                {
                    "corpus": entry.name,
                    "folder": str(folder),
                    "items": store.index.count_walks(entry.number),
                    "built_through": entry.complete,
                    **_manifest(folder),
                    "failures": [
                        {"item": f.item, "stage": f.stage, "error": f.error, "attempts": f.attempts}
                        for f in failures
                        if f.corpus == entry.number
                    ],
                }
            )
    return rows


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        info = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"utterances": None, "hours": None, "rejected": None}
    rejected = info["refused"]["rejected"]
    return {"utterances": info["utterances"], "hours": info["hours"], "rejected": rejected}


def _as_text(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing is built here yet. Start with `corpusforge build flores200 --sample`."
    lines = []
    for row in rows:
        if row["utterances"] is None:
            lines.append(f"{row['corpus']}: {row['items']:,} items walked, no manifest in {row['folder']} yet")
        else:
            lines.append(
                f"{row['corpus']}: {row['utterances']:,} utterances, {row['hours']:.2f} h, "
                f"{row['rejected']:,} left out, in {row['folder']}"
            )
        if not row["built_through"]:
            lines.append("  its last build did not end: the same build command goes on")
        failures = row["failures"]
        for failure in failures[:_SHOWN]:
            times = f" ({failure['attempts']} times)" if failure["attempts"] > 1 else ""
            lines.append(f"  failed{times}  {failure['item']} at {failure['stage']}: {failure['error']}")
        if len(failures) > _SHOWN:
            lines.append(f"  … and {len(failures) - _SHOWN:,} more failures: --json lists all")
    return "\n".join(lines)

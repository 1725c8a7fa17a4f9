"""`corpusforge gc` and `corpusforge verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from corpusforge.cli.options import json_option, workspace_option


@click.command("gc")
@workspace_option
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--abandon", multiple=True, metavar="CORPUS", help="Drop what the first build of this corpus made, and never ended."
)
@json_option
def gc_command(workspace: Path, dry_run: bool, abandon: tuple[str, ...], as_json: bool) -> None:
    """Delete what no corpus of the workspace needs any more.

    A corpus is needed as long as its folder is there: delete the folder, then run this, to get its
    space back. Results of items that a corpus no longer has, and of settings it no longer uses, go as well. Of a corpus
    whose first build was stopped everything is kept, for the next build to go on from.
    """
    from corpusforge.store.workspace import Workspace

    with Workspace(workspace) as store, store.locked("gc"):
        collected = store.with_sound_index(lambda: store.collect(dry_run, abandon))
    if as_json:
        click.echo(json.dumps({**asdict(collected), "dry_run": dry_run}, indent=2))
        return
    verb = "would delete" if dry_run else "deleted"
    click.echo(
        f"{verb} {collected.results:,} results and {collected.blobs:,} files ({collected.bytes / 1e6:,.1f} MB); "
        f"{collected.kept:,} results are in use"
    )
    for name in collected.unfinished:
        click.echo(
            f"the first build of '{name}' has not ended: all that may be its own was kept. `corpusforge build {name}` "
            f"goes on from there; `corpusforge gc --abandon {name}` drops it"
        )


@click.command("verify")
@workspace_option
@json_option
def verify_command(workspace: Path, as_json: bool) -> None:
    """Check every stored file against its hash.

    A damaged file is emptied, and the next build makes it again, also in the corpora that link it. A damaged index is
    rebuilt from the journal.
    """
    from corpusforge.store.workspace import Workspace

    with Workspace(workspace) as store, store.locked("verify"):
        found = store.with_sound_index(store.verify)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    if found.rebuilt:
        click.echo(f"the index was damaged ({found.rebuilt}): rebuilt from the journal")
    click.echo(f"{found.blobs:,} files checked, {len(found.damaged):,} damaged")
    for sha256 in found.damaged[:10]:
        click.echo(f"  {sha256}")
    if found.lost:
        click.echo(f"{found.lost:,} results are lost with them: the next build makes them again")

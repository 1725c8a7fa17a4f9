"""`corpusforge paper`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpusforge.cli.options import json_option, name_option
from corpusforge.cli.train_options import FOLDER, overridden, place, place_options, set_option

if TYPE_CHECKING:
    from corpusforge.train.paper.state import Step

HABITUAL = {"flores200": Path("manifests/flores200"), "mms": Path("manifests/mms")}


@click.command("paper")
@click.option("--corpus", type=FOLDER, metavar="DIR", help="Corpus of FLORES-200.  [default: manifests/flores200]")
@click.option("--mms", type=FOLDER, metavar="DIR", help="Corpus of mms.  [default: manifests/mms, if it is there]")
@click.option(
    "--preset",
    type=click.Choice(["paper", "small", "tiny"]),
    default="paper",
    show_default=True,
    help="paper: mBERT and wav2vec 2.0, as printed; small: real weights without a download; tiny: a test.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Train each row N times."
)
@click.option("--only", multiple=True, metavar="NAME", help="Only a table (table2) or row (mlcl). Can be repeated.")
@click.option("--fast-first", is_flag=True, help="Begin with what is soon done, not with the first table.")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Short for --set epochs=N.")
@set_option
@name_option("Of the folder in --runs.  [default: paper-PRESET]")
@place_options
@click.option("--dry-run", is_flag=True, help="List what is done and what would be run, and why the rest cannot be.")
@json_option
def paper_command(
    corpus: Path | None,
    mms: Path | None,
    preset: str,
    seeds: int,
    only: tuple[str, ...],
    fast_first: bool,
    epochs: int | None,
    overrides: tuple[str, ...],
    name: str | None,
    runs: Path,
    cache: Path | None,
    device: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run the MLCL paper's tables and figures again.

    Trains every row of Tables 2 to 5 and of Figures 3 and 4, and what they should be compared with, and writes
    RESULTS.md, results.json and figures beside the runs: printed figures and ours. What is done is not done again, and
    what was stopped goes on where it was.
    """
    from corpusforge.train.paper.rows import settings
    from corpusforge.train.paper.run import Paper

    changes = overridden(overrides)
    if epochs is not None:
        changes["epochs"] = epochs
    first = settings(preset, changes).seed
    corpora = {"flores200": corpus, "mms": mms}
    found = {key: path or HABITUAL[key] for key, path in corpora.items() if path or HABITUAL[key].is_dir()}
    paper = Paper(
        found,
        preset,
        runs / (name or f"paper-{preset}"),
        seeds=range(first, first + seeds),
        overrides=changes,
        only=only,
        fast_first=fast_first,
    )
    if dry_run:
        steps = paper.steps()
        click.echo(json.dumps([_plain(step) for step in steps], indent=2) if as_json else _listing(steps))
        return
    if not found:
        from corpusforge.errors import CorpusError

        raise CorpusError(
            f"there is no corpus at {HABITUAL['flores200']}: `corpusforge build flores200` makes it, or name one with "
            "--corpus"
        )
    results = paper.run(place(runs, cache, device)) if paper.left() else paper.report()
    folder = paper.shelf.folder
    click.echo(json.dumps(results, indent=2, ensure_ascii=False) if as_json else f"{folder / 'RESULTS.md'}")
    failed = [step for step in paper.steps() if step.what == "failed"]
    if failed:
        click.echo(
            f"{len(failed)} of the runs failed; the report says why, and the next call tries them again", err=True
        )
        sys.exit(1)


def _plain(step: Step) -> dict[str, Any]:
    planned = step.planned
    rows = [f"{row.table}: {row.name}" for row in planned.rows]
    return {"run": planned.slug, "seed": step.seed, "rows": rows, "state": step.what, "why": step.why}


def _listing(steps: Sequence[Step]) -> str:
    from corpusforge.corpus.stats import table

    rows = []
    for step in steps:
        found = _plain(step)
        rows.append((found["run"], str(step.seed), "; ".join(found["rows"]), step.what))
    parts = [table(("run", "seed", "rows", "state"), rows)]
    why: dict[str, int] = {}
    for step in steps:
        if step.why:
            why[f"{step.what}: {step.why}"] = why.get(f"{step.what}: {step.why}", 0) + 1
    parts += [f"{count} {words}" for words, count in why.items()]
    done = sum(step.what == "done" for step in steps)
    left = sum(step.what in ("waiting", "begun", "failed") for step in steps)
    parts.append(f"{done} of {len(steps)} runs are done, {left} would be made")
    return "\n\n".join(parts)

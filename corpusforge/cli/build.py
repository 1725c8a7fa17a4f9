"""`corpusforge build`."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from corpusforge.cli.options import json_option, recipe_options

if TYPE_CHECKING:
    from corpusforge.builder import PlanReport, Report
    from corpusforge.opened import BuildOptions
    from corpusforge.recipe import Recipe

_FAILURES_SHOWN = 5


@click.command("build")
@recipe_options
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Worker processes.  [default: one a processor]"
)
@click.option(
    "--executor",
    type=click.Choice(["local", "dask"]),
    help="What runs the stages: processes of this machine, or a Dask cluster.  [default: local, or dask with --dask]",
)
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster (tcp://host:8786) that does the work.")
@click.option(
    "--blobs", metavar="URL", help="Object store for the audio: s3://bucket/prefix, gs://… The workspace remembers it."
)
@click.option("--dry-run", is_flag=True, help="Print what would be done and why; do nothing.")
@click.option("--force", "force", multiple=True, metavar="STAGE", help="Make this stage's results again.")
@click.option("--from", "first", metavar="STAGE", help="Run no stage before this one.")
@click.option("--to", "last", metavar="STAGE", help="Run no stage after this one; the manifest is not written.")
@click.option(
    "--keep-going/--fail-fast",
    default=True,
    show_default=True,
    help="Go on after failed items, or stop once there are more than --max-failures.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Failed items to accept.",
)
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait for another build in this workspace.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for corpora.  [default: manifests]"
)
@click.option("--quiet", "-q", is_flag=True, help="Print errors and nothing else.")
@json_option
def build_command(
    recipe: Recipe,
    limit: int | None,
    workspace: Path,
    jobs: int | None,
    executor: Literal["local", "dask"] | None,
    dask: str | None,
    blobs: str | None,
    dry_run: bool,
    force: tuple[str, ...],
    first: str | None,
    last: str | None,
    keep_going: bool,
    max_failures: int,
    wait: float,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Build a corpus: text in, speech and a manifest out.

    RECIPE is the name of a recipe (see `corpusforge recipes`) or the path of one. What was made before is not made
    again: only new and changed sentences are spoken.
    """
    from corpusforge.builder import build, plan
    from corpusforge.opened import BuildOptions

    if dask and executor == "local":
        raise click.UsageError("--dask names a cluster, and --executor local uses none: leave one of them out")
    if dask and jobs:
        raise click.UsageError("--jobs is for workers of this machine: those of --dask are the cluster's own")
    options = BuildOptions(
        workspace=workspace,
        manifests=out,
        jobs=jobs or 0,
        limit=limit,
        force=frozenset(force),
        first=first,
        last=last,
        max_failures=max_failures,
        fail_fast=not keep_going,
        wait=wait,
        executor=executor or ("dask" if dask else "local"),
        dask=dask,
        blobs=blobs,
    )
    if dry_run:
        planned = plan(recipe, options)
        click.echo(json.dumps(_plan_as_json(planned), indent=2) if as_json else _plan_as_text(planned, options))
        return
    from corpusforge.cli.progress import make_observer

    with make_observer(quiet or as_json) as observer:
        report = build(recipe, options, observer)
    if as_json:
        click.echo(json.dumps(_report_as_json(report), indent=2))
    elif not quiet:
        click.echo(_report_as_text(report))
    _finish(report, max_failures, quiet or as_json)


def _finish(report: Report, max_failures: int, terse: bool) -> None:
    if report.halted is not None:
        raise report.halted
    if len(report.failed) > max_failures:
        from corpusforge.errors import BuildIncomplete

        stage_errors = ", ".join(sorted({stage for _, stage, _ in report.failed}))
        message = (
            f"{len(report.failed)} of {report.items} items failed ({stage_errors}), --max-failures is {max_failures}. "
            "The same command tries them again; `corpusforge status` lists them"
        )
        if terse:
            item, stage, error = report.failed[0]
            message += f"; the first: {item} at {stage}: {error}"
        raise BuildIncomplete(message)
    if report.stopped:
        sys.exit(128 + (report.signal or signal.SIGINT))


def _plan_as_json(planned: PlanReport) -> dict[str, Any]:
    return {
        "corpus": planned.corpus,
        "folder": str(planned.folder),
        "items": planned.items,
        "stages": [
            {
                "stage": entry.stage,
                "states": dict(entry.states),
                "reasons": dict(entry.reasons),
                "worker_seconds": entry.seconds,
                "amounts": dict(entry.amounts),
                "estimated_by": entry.estimated_by,
            }
            for entry in planned.stages
        ],
    }


def _plan_as_text(planned: PlanReport, options: BuildOptions) -> str:
    lines = [f"{planned.corpus}: {planned.items:,} utterances, to {planned.folder}"]
    for entry in planned.stages:
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(entry.states.items())) or "nothing"
        lines.append(f"  {entry.stage}: {states}")
        lines += [f"      {count:,} × {reason}" for reason, count in entry.reasons.most_common(12)]
        if len(entry.reasons) > 12:
            lines.append(f"      … and {len(entry.reasons) - 12} other reasons")
        work = entry.states["to do"] + entry.states["pending"]
        if work:
            lines.append(f"      {_estimate(entry.seconds, options.workers(), entry.amounts)}")
            if entry.estimated_by:
                lines.append(f"      ({entry.estimated_by})")
    lines.append("No request and no cost: no stage of this recipe uses the network." if not _costs(planned) else "")
    return "\n".join(line for line in lines if line)


def _costs(planned: PlanReport) -> bool:
    return any(entry.amounts.get("requests") for entry in planned.stages)


def _estimate(seconds: float | None, jobs: int, amounts: Any) -> str:
    parts = [f"{amount:,.2f} {name}" if name == "USD" else f"{amount:,.0f} {name}" for name, amount in amounts.items()]
    if seconds is None:
        parts.append("time unknown until the first results are in")
    else:
        parts.append(f"about {seconds / jobs:,.0f} s on {jobs} processes")
    return ", ".join(parts)


def _report_as_json(report: Report) -> dict[str, Any]:
    return {
        "corpus": report.corpus,
        "folder": str(report.folder),
        "complete": report.complete,
        "written": report.written,
        "stopped": report.stopped,
        "halted": None if report.halted is None else str(report.halted),
        "utterances": report.utterances,
        "hours": report.hours,
        "items": report.items,
        "built": report.built,
        "cached": report.cached,
        "rejected": report.rejected,
        "waiting": report.waiting,
        "made": report.made,
        "told": [{"what": what, "count": count, "first": why} for what, (count, why) in report.told.items()],
        "failed": [{"item": item, "stage": stage, "error": error} for item, stage, error in report.failed],
        "seconds": round(report.seconds, 3),
    }


def _report_as_text(report: Report) -> str:
    counts = (
        f"built {report.built:,}, cached {report.cached:,}, rejected {report.rejected:,}, failed {len(report.failed):,}"
    )
    lines = []
    for item, stage, error in report.failed[:_FAILURES_SHOWN]:
        lines.append(f"failed  {item} at {stage}: {error}")
    if len(report.failed) > _FAILURES_SHOWN:
        lines.append(f"failed  … and {len(report.failed) - _FAILURES_SHOWN:,} more: `corpusforge status`")
    for what, (count, why) in report.told.items():
        lines.append(f"{count:,} × {what}, the first time because: {why}")
    if report.stopped:
        lines.append(f"Stopped after {report.seconds:.1f} s: {counts}. What is done is kept; the same command goes on.")
    elif not report.complete:
        lines.append(
            f"{report.corpus}: {counts}, waiting {report.waiting:,}, in {report.seconds:.1f} s. "
            "No manifest: not every stage was to run."
        )
    else:
        state = "written" if report.written else "unchanged"
        lines.append(
            f"{report.corpus}: {report.utterances:,} utterances, {report.hours:.2f} h of speech "
            f"({counts}) in {report.seconds:.1f} s"
        )
        lines.append(f"Corpus: {report.folder} ({state})")
        if report.rejected:
            lines.append(f"Left out, with reasons: {report.folder / 'rejected.jsonl'}")
        lines.append(f"Next:   corpusforge stats {report.folder}")
    return "\n".join(lines)

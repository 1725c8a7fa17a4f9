"""`corpusforge doctor`."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import click

from corpusforge.cli.options import json_option, workspace_option
from corpusforge.opened import processors

_PACKAGES = {
    "soundfile": "corpusforge",
    "soxr": "corpusforge",
    "pyarrow": "corpusforge",
    "datasets": "corpusforge",
    "pyloudnorm": "corpusforge[loudness]",
    "torch": "corpusforge[train]",
    "dask": "corpusforge[dask]",
}


class Check(NamedTuple):
    """One thing that was looked at; `mend` is None if it is as it should be."""

    name: str
    found: str
    mend: str | None
    needed: bool


@click.command("doctor")
@workspace_option
@json_option
def doctor_command(workspace: Path, as_json: bool) -> None:
    """Say what works on this machine, and how to get the rest.

    Exits with 5 if something is missing that `corpusforge build flores200 --sample` needs.
    """
    checks = list(_checks(workspace))
    if as_json:
        click.echo(json.dumps([check._asdict() for check in checks], indent=2))
    else:
        for check in checks:
            mark = "ok     " if check.mend is None else "missing" if check.needed else "  -    "
            click.echo(f"{mark} {check.name}: {check.found}")
            if check.mend:
                click.echo(f"          {check.mend}")
    if any(check.needed and check.mend for check in checks):
        sys.exit(5)


def _checks(workspace: Path) -> Iterator[Check]:
    yield Check("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", None, True)
    yield Check("processors", str(processors()), None, True)
    yield _workspace(workspace)
    yield from _engines()
    for package, provider in _PACKAGES.items():
        yield _package(package, provider)
    ffmpeg = shutil.which("ffmpeg")
    mend = None if ffmpeg else "only needed to read formats that libsndfile cannot: install your system's ffmpeg"
    yield Check("ffmpeg", ffmpeg or "not found", mend, False)


def _workspace(workspace: Path) -> Check:
    free = shutil.disk_usage(workspace if workspace.exists() else Path(".")).free / 1e9
    writable = os.access(workspace, os.W_OK) if workspace.exists() else os.access(workspace.parent, os.W_OK)
    mend = None if writable else f"make {workspace} writable, or name another folder with --workspace"
    return Check("workspace", f"{workspace.resolve()}, {free:,.1f} GB free", mend, True)


def _engines() -> Iterator[Check]:
    from corpusforge.cli.engines import describe

    for row in describe():
        needed = row["engine"] == "espeak"
        found = f"{len(row['languages'])} languages" + (f"; {row['detail']}" if row["detail"] else "")
        yield Check(f"engine {row['engine']}", found, row["missing"], needed)


def _package(package: str, provider: str) -> Check:
    needed = provider == "corpusforge"
    try:
        return Check(package, version(package), None, needed)
    except PackageNotFoundError:
        return Check(package, "not installed", f"pip install '{provider}'", needed)

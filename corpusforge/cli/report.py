"""`corpusforge report` and `corpusforge serve`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from corpusforge.cli.options import json_option

if TYPE_CHECKING:
    from corpusforge.corpus.read import Corpus
    from corpusforge.report.page import Effort, Made

_JOBS = click.option(
    "--jobs", type=click.IntRange(min=1), help="Processes that draw waveforms and spectrograms.", show_default="all"
)
_WORKSPACE = click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CORPUSFORGE_WORKSPACE",
    show_default="the nearest folder above the corpus that has one",
    help="Folder of the store that the corpus was built with: it knows time and cost.",
)


@click.command("report")
@click.argument("target", type=click.Path(path_type=Path), metavar="CORPUS_OR_RUN")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="report/ in CORPUS_OR_RUN",
    help="Folder to write the page to. A page that is there is replaced.",
)
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A run to set beside it; repeatable.",
)
@click.option(
    "--audio",
    type=click.Choice(["refer", "link", "copy"]),
    default="refer",
    show_default=True,
    help="Play the corpus's own files by a relative path, or hard-link or copy them into the page's folder, which can "
    "then be moved.",
)
@click.option("--spectrograms/--no-spectrograms", default=True, show_default=True, help="Draw spectrograms as well.")
@_JOBS
@_WORKSPACE
@json_option
def report_command(
    target: Path,
    out: Path | None,
    compare: tuple[Path, ...],
    audio: Literal["refer", "link", "copy"],
    spectrograms: bool,
    jobs: int | None,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Write a page that shows a corpus, or a training run.

    CORPUS_OR_RUN is a folder: manifests/flores200, runs/mlcl. The page is a folder with an index.html that opens from
    the file system and asks nothing of the network.
    """
    made = _make(target, out, compare, audio, spectrograms, jobs, workspace)
    if as_json:
        click.echo(json.dumps({"index": str(made.index), "unreadable_audio": list(made.silent)}, ensure_ascii=False))
        return
    _warn(made)
    click.echo(f"{made.index}")


@click.command("serve")
@click.argument("target", type=click.Path(path_type=Path), metavar="CORPUS_OR_RUN")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="To listen on.")
@click.option("--open/--no-open", "opened", default=False, show_default=True, help="Open it in the browser.")
@_JOBS
@_WORKSPACE
def serve_command(target: Path, port: int, opened: bool, jobs: int | None, workspace: Path | None) -> None:
    """Show that page in a browser of this machine, until Ctrl-C.

    CORPUS_OR_RUN is a folder: manifests/flores200, runs/mlcl. Its page is made if there is none in its report/, or if
    it is older than what it shows. A page that was written elsewhere with `report --out` is served by its own folder.
    """
    from corpusforge.report.folder import about
    from corpusforge.report.page import PAGE, made_from
    from corpusforge.report.server import PageServer

    page = target
    if about(target) is None:
        page = target / PAGE
        known = about(page)
        if known is None or known.get("made_from") != made_from(target):
            settings = (known or {}).get("settings", {})
            compare = tuple(page / way for way in settings.get("compare", ()))
            audio = settings.get("audio", "refer")
            _warn(_make(target, None, compare, audio, settings.get("spectrograms", True), jobs, workspace))
    with PageServer(page, port) as server:
        click.echo(f"{server.address}  (Ctrl-C ends it)")
        if opened:
            click.launch(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("")


def _make(
    target: Path,
    out: Path | None,
    compare: tuple[Path, ...],
    audio: Literal["refer", "link", "copy"],
    spectrograms: bool,
    jobs: int | None,
    workspace: Path | None,
) -> Made:
    from tqdm import tqdm

    from corpusforge.corpus.read import Corpus
    from corpusforge.report.page import kind_of, write_corpus_page, write_run_page

    if kind_of(target) == "run":
        return write_run_page(target, out, compare=compare)
    corpus = Corpus(target)
    with tqdm(total=corpus.info["groups"], unit=" groups", leave=False, disable=None) as bar:
        return write_corpus_page(
            target,
            out,
            audio=audio,
            compare=compare,
            effort=_effort(corpus, workspace),
            spectrograms=spectrograms,
            jobs=jobs or len(os.sched_getaffinity(0)),
            progress=bar.update,
        )


def _warn(made: Made) -> None:
    if made.silent:
        click.echo(f"{len(made.silent):,} audio files cannot be read. The first: {made.silent[0]}", err=True)


def _effort(corpus: Corpus, workspace: Path | None) -> Effort | None:
    """What the corpus took, as far as a workspace knows it: the one that was named, or the nearest above the corpus."""
    from corpusforge.report.page import Effort, Work
    from corpusforge.store.answers import Answers
    from corpusforge.store.workspace import FOLDER, Workspace

    above = [workspace] if workspace else corpus.folder.resolve().parents
    home = next((folder for folder in above if (folder / FOLDER / "index.sqlite").is_file()), None)
    if home is None:
        if workspace is not None:
            raise click.UsageError(f"{workspace} is no workspace: it has no {FOLDER}/index.sqlite")
        return None
    with Workspace(home, reading=True) as store:

        def known() -> list[tuple[str, int, float]] | None:
            registered = store.registered(corpus.name, corpus.folder)
            number = registered if workspace is None else store.index.corpus_id(corpus.name)
            return None if number is None else store.index.work(number)

        work = store.with_sound_index(known)
        if work is None:
            return None
        answers = Answers(store.root, reading=True)
        try:
            spent = answers.spent(corpus.name)
        finally:
            answers.close()
    return Effort([Work(*row) for row in work], spent.requests, spent.tokens_in, spent.tokens_out, spent.usd)

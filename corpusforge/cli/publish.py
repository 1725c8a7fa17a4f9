"""`corpusforge publish`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from corpusforge.cli.options import json_option

if TYPE_CHECKING:
    from corpusforge.publish.dataset import Settings
    from corpusforge.publish.hub import Committed, Target

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class _Size(click.ParamType):
    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower())
        size = int(float(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
        if size < 1:
            self.fail(f"'{value}' is no size such as 500MB or 1GiB", param, ctx)
        return size


def _is_repo(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (not _REPO.fullmatch(value) or ".." in value or "--" in value):
        raise click.BadParameter(f"'{value}' is no name of a repository such as user/name")
    return value


@click.command("publish")
@click.argument("what", metavar="CORPUS_OR_RUN", type=click.Path(path_type=Path))
@click.option("--repo", callback=_is_repo, metavar="USER/NAME", help="The repository; made if it is not there.")
@click.option("--private", is_flag=True, help="Make the repository private.")
@click.option("--gated", type=click.Choice(["auto", "manual"]), help="Readers have to ask: all get in, or you decide.")
@click.option("--revision", default="main", show_default=True, help="Branch to commit to; made if it is not there.")
@click.option("--tag", help="Name of this version. Default: v1, v2, … whenever something else is published.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, its size and the card. The Hub is not asked.")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Write everything into a folder instead.")
@click.option("--max-shard-size", type=_Size(), default="500MB", show_default=True, help="Of a Parquet file.")
@click.option("--croissant", is_flag=True, help="Add croissant.json, metadata that search engines for datasets read.")
@click.option("--no-read-back", is_flag=True, help="Do not load what was published; hashes are compared nevertheless.")
@click.option(
    "--retries", type=click.IntRange(0, 100), default=6, show_default=True, help="Of a request that may pass."
)
@json_option
def publish_command(
    what: Path,
    repo: str | None,
    private: bool,
    gated: Literal["auto", "manual"] | None,
    revision: str,
    tag: str | None,
    create_pr: bool,
    dry_run: bool,
    to: Path | None,
    max_shard_size: int,
    croissant: bool,
    no_read_back: bool,
    retries: int,
    as_json: bool,
) -> None:
    """Publish a corpus, or a trained model, on the Hugging Face Hub.

    A corpus becomes Parquet shards with the audio in them, a dataset card and a tag; a run's model goes up with a model
    card. Afterwards all hashes are compared, and a corpus is loaded from the Hub and compared row by row. The token is
    that of `hf auth login`, or HF_TOKEN. Run it again after whatever went wrong: what has arrived is not sent twice.

    CORPUS_OR_RUN is a folder: manifests/flores200, or runs/NAME.
    """
    if repo is None and to is None:
        raise click.UsageError("say where to: --repo USER/NAME, or --to DIR for everything in a folder")
    from corpusforge.publish.dataset import Settings
    from corpusforge.publish.hub import GENTLE, Target
    from corpusforge.publish.model import is_run

    settings = Settings(max_shard_size, croissant, not no_read_back, GENTLE.model_copy(update={"retries": retries}))
    name = repo or (to.resolve().name if to else "")
    run = not (what / "corpus.json").exists() and is_run(what)
    target = Target(name, "model" if run else "dataset", private, gated, revision, tag, create_pr)
    found = (_run if run else _corpus)(what, target, settings, to, dry_run)
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else found["words"])


def _note(words: str) -> None:
    click.echo(words, err=True)


def _corpus(what: Path, target: Target, settings: Settings, to: Path | None, dry_run: bool) -> dict[str, object]:
    from corpusforge.corpus.read import Corpus
    from corpusforge.publish.dataset import plan_corpus, publish_corpus, write_dataset
    from corpusforge.publish.plan import readable_size

    corpus = Corpus(what)
    if dry_run:
        plan = plan_corpus(corpus, target, settings)
        return {**plan.as_json(), "words": plan.words()}
    if to is not None:
        shards = write_dataset(corpus, to, target.repo, settings, _note)
        size = sum(shard.size for shard in shards)
        words = f"{len(shards):,} shards ({readable_size(size)}) and the card are in {to}"
        return {"folder": str(to), "shards": len(shards), "size": size, "words": words}
    return _report(publish_corpus(corpus, target, settings, _note))


def _run(what: Path, target: Target, settings: Settings, to: Path | None, dry_run: bool) -> dict[str, object]:
    from corpusforge.publish.model import plan_run, publish_run, write_run

    if dry_run:
        plan = plan_run(what, target)
        return {**plan.as_json(), "words": plan.words()}
    if to is not None:
        write_run(what, to, target.repo)
        return {"folder": str(to), "words": f"the model and its card are in {to}"}
    return _report(publish_run(what, target, settings.policy, _note))


def _report(done: Committed) -> dict[str, object]:
    from corpusforge.publish.plan import readable_size

    sent = (
        f"{done.sent:,} large files ({readable_size(done.sent_bytes)}) sent" if done.changed else "nothing had changed"
    )
    at = f", tagged {done.tag}" if done.tag else ""
    return {**asdict(done), "words": f"{done.url}\ncommit {done.revision[:12]}{at}: {sent}"}

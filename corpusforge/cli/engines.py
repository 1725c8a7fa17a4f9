"""`corpusforge engines`."""

from __future__ import annotations

import json
from typing import Any

import click

from corpusforge.cli.options import json_option


@click.command("engines")
@click.option("--languages", is_flag=True, help="List every language of every engine, with its default voice.")
@json_option
def engines_command(languages: bool, as_json: bool) -> None:
    """List the speech engines, and whether they work here."""
    rows = describe()
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        network = "network" if row["network"] else "no network"
        click.echo(f"{row['engine']}: {row['license']}, {network}, {len(row['languages'])} languages")
        click.echo(f"  {row['missing'] or row['detail'] or 'works here'}")
        if languages:
            for code, voice in row["languages"].items():
                click.echo(f"  {code}  {voice}")


def describe() -> list[dict[str, Any]]:
    """Every engine as one JSON object; `missing` is null if it works here."""
    from corpusforge.registry import find, names

    rows = []
    for name in names("engines"):
        kind = find("engines", name)
        engine = kind(kind.Config())
        try:
            missing = engine.available()
            rows.append(
                {
                    "engine": name,
                    "license": engine.license,
                    "network": engine.network,
                    "missing": missing,
                    "detail": engine.detail() if missing is None else None,
                    "languages": dict(sorted(engine.languages().items())),
                }
            )
        finally:
            engine.close()
    return rows

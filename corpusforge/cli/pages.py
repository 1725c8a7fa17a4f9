"""The page of every verb, made from its own help: `python -m corpusforge.cli.pages docs/verbs`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from corpusforge.cli import VERBS, cli


def pages() -> dict[str, str]:
    """Markdown by file name: an index, and one page a verb."""
    context = click.Context(cli, info_name="corpusforge", max_content_width=100, terminal_width=100)
    index = ["# The verbs of corpusforge", "", "| verb | |", "|---|---|"]
    index += [f"| [{verb}]({verb}.md) | {line} |" for verb, (_, line) in VERBS.items()]
    found = {"README.md": "\n".join([*index, "", "```text", cli.get_help(context), "```", ""])}
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        own = click.Context(command, info_name=verb, parent=context, max_content_width=100, terminal_width=100)
        found[f"{verb}.md"] = f"# corpusforge {verb}\n\n```text\n{command.get_help(own)}\n```\n"
    return found


def write(folder: Path) -> None:
    """Write the pages, and remove those of verbs that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    for old in set(path.name for path in folder.glob("*.md")) - set(made):
        (folder / old).unlink()


if __name__ == "__main__":
    write(Path(sys.argv[1]))

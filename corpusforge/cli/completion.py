"""`corpusforge completion`."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: corpusforge completion bash > ~/.local/share/bash-completion/completions/corpusforge
    """
    from click.shell_completion import get_completion_class

    from corpusforge.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "corpusforge", "_CORPUSFORGE_COMPLETE").source())

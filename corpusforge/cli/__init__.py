"""The command line. One file a verb; a verb is imported when it is used, so that `--help` stays quick."""

from __future__ import annotations

import sys
from importlib import import_module

import click

VERBS: dict[str, tuple[str, str]] = {
    "build": ("corpusforge.cli.build:build_command", "Build a corpus: text in, speech and a manifest out."),
    "completion": ("corpusforge.cli.completion:completion_command", "Print the completion script of a shell."),
    "doctor": ("corpusforge.cli.doctor:doctor_command", "Say what works on this machine, and how to get the rest."),
    "engines": ("corpusforge.cli.engines:engines_command", "List the speech engines, and whether they work here."),
    "evaluate": ("corpusforge.cli.evaluate:evaluate_command", "Measure a trained model."),
    "export": ("corpusforge.cli.export:export_command", "Write a corpus in a form that other tools read."),
    "gc": ("corpusforge.cli.store:gc_command", "Delete what no corpus of the workspace needs any more."),
    "import": ("corpusforge.cli.import_:import_command", "Bring recorded speech with its text into a corpus."),
    "lint": ("corpusforge.cli.lint:lint_command", "Look for what is wrong with a built corpus."),
    "new": ("corpusforge.cli.recipes:new_command", "Write a commented recipe to start from."),
    "paper": ("corpusforge.cli.paper:paper_command", "Run the MLCL paper's tables and figures again."),
    "predict": ("corpusforge.cli.predict:predict_command", "Ask a trained model about text, audio or a corpus."),
    "prompt": ("corpusforge.cli.prompt:prompt_command", "Show what a model would be sent. Nothing is sent."),
    "publish": (
        "corpusforge.cli.publish:publish_command",
        "Publish a corpus, or a trained model, on the Hugging Face Hub.",
    ),
    "recipe-schema": ("corpusforge.cli.recipes:recipe_schema_command", "Print the JSON Schema of a recipe."),
    "recipes": ("corpusforge.cli.recipes:recipes_command", "List the recipes that ship and those in ./recipes."),
    "report": ("corpusforge.cli.report:report_command", "Write a page that shows a corpus, or a training run."),
    "serve": ("corpusforge.cli.report:serve_command", "Show that page in a browser of this machine, until Ctrl-C."),
    "stats": ("corpusforge.cli.stats:stats_command", "Print the tables of a built corpus."),
    "status": ("corpusforge.cli.status:status_command", "Say what is built, what is missing and what failed."),
    "train": ("corpusforge.cli.train:train_command", "Train a model on a corpus, and measure it."),
    "tune": (
        "corpusforge.cli.tune:tune_command",
        "Search for the settings that suit a corpus, judged on its dev split.",
    ),
    "verify": ("corpusforge.cli.store:verify_command", "Check every stored file against its hash."),
    "why": ("corpusforge.cli.why:why_command", "Say why each stage of an item would run, or not."),
}
"""Verb: where it is, and its line in `corpusforge --help`. A test holds the line equal to the command's own."""

EPILOG = """\b
Exit status:
  0    done
  1    the build ended, but more items failed than --max-failures allows; or lint found errors
  2    wrong usage, or a recipe that does not fit
  3    source text missing or damaged
  4    workspace busy, full, damaged or not writable
  5    an engine or extra is not installed
  6    a corpus folder is missing or damaged
  7    a service is down or has blocked us, or a budget is spent; what is done is kept
  130  stopped by Ctrl-C (143: by SIGTERM); what is done is kept"""


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from corpusforge.errors import nearest

            ctx.fail(f"no such command '{args[0]}': {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="corpusforge", message="%(prog)s %(version)s")
def cli() -> None:
    """Build synthetic speech-text corpora for languages that have too little data.

    Start with `corpusforge build flores200 --sample`.
    """


def main() -> None:
    """Run the command line; errors that a user can cause end in one message and an exit status, no traceback."""
    from corpusforge.errors import CorpusforgeError

    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CorpusforgeError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; the interpreter must not complain while it exits
        sys.exit(141)

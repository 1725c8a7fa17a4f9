"""Manners: help, completion, quiet, terminal and no terminal, the nearest name."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import click
import pytest

from corpusforge.cli import VERBS, cli
from corpusforge.cli.pages import pages
from tests.cli.program import PROGRAM, run

ROOT = Path(__file__).resolve().parents[2]


def command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_the_line_in_help_is_the_verbs_own(verb: str) -> None:
    assert (command(verb).help or "").split("\n\n")[0].replace("\n", " ") == VERBS[verb][1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_a_help_text(verb: str) -> None:
    for parameter in command(verb).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{verb} {parameter.opts}"


def test_the_page_of_every_verb_is_current() -> None:
    folder = ROOT / "docs" / "verbs"
    assert {path.name: path.read_text("utf8") for path in folder.glob("*.md")} == pages()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["bild"], 2, "did you mean 'build'?"),
        (["build", "flores20"], 2, "did you mean 'flores200'?"),
        (["build", "flores200", "--smaple"], 2, "--sample"),
        (["build", "flores200", "--sample", "--source", "x"], 2, "exclude each other"),
        (["build", "flores200", "--source", "nowhere"], 3, "nowhere"),
        (["build", "flores200", "--sample", "--languages", "tibetan"], 3, "'bod_Tibt' (Standard Tibetan)"),
        (["build", "flores200", "--sample", "--languages", "yue_Hant"], 3, "dev has these languages: bod_Tibt"),
        (["build", "flores200", "--set", "synthesize.engine=espeek"], 2, "did you mean 'espeak'?"),
        (["build", "flores200", "--profile", "nothing"], 2, "no profile 'nothing'"),
        (["stats", "nowhere"], 6, "nowhere"),
        (["status", "nothing"], 6, "nothing"),
        (["completion", "tcsh"], 2, "bash"),
    ],
)
def test_wrong_use_is_answered_with_what_was_meant(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(tmp_path: Path, shell: str) -> None:
    assert "corpusforge" in run("completion", shell, cwd=tmp_path).stdout


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    done = run("build", "flores200", "--sample", "--limit", "3", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_summary_says_what_where_and_what_next(built: Path) -> None:
    done = run("build", "flores200", "--source", "text", cwd=built)
    assert "flores200: 36 utterances" in done.stdout
    assert "(built 0, cached 36, rejected 0, failed 0)" in done.stdout
    assert "Corpus: manifests/flores200 (unchanged)" in done.stdout
    assert "Next:   corpusforge stats manifests/flores200" in done.stdout


def test_a_terminal_gets_a_bar_with_rate_and_counts(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    arguments = [PROGRAM, "build", "flores200", "--sample", "--limit", "9"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert process.wait() == 0
    assert b"utterances/s" in shown
    assert b"synthesize=" in shown
    assert b"27/27" in shown


def test_help_and_version(tmp_path: Path) -> None:
    assert "Exit status" in run("--help", cwd=tmp_path).stdout
    assert run("--version", cwd=tmp_path).stdout.strip() == "corpusforge 0.1.0"


def test_doctor_names_what_is_missing(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.returncode == 0
    assert "engine espeak" in done.stdout

"""Help of every verb, and what a build prints where there is no terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpusforge.cli import VERBS
from tests.cli.program import run


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_to_help(tmp_path: Path, verb: str) -> None:
    long, short = run(verb, "--help", cwd=tmp_path), run(verb, "-h", cwd=tmp_path)
    assert (long.returncode, long.stderr, long.stdout) == (0, "", short.stdout)
    assert long.stdout.startswith(f"Usage: corpusforge {verb}")


def test_without_a_verb_the_verbs_are_listed(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert all(f"\n  {verb} " in done.stdout + done.stderr for verb in VERBS)


def test_there_is_no_bar_without_a_terminal(tmp_path: Path) -> None:
    done = run("build", "flores200", "--sample", "--limit", "3", cwd=tmp_path)
    assert (done.returncode, "\r" in done.stdout + done.stderr, done.stderr) == (0, False, "")


def test_json_is_all_that_a_build_prints(tmp_path: Path) -> None:
    done = run("build", "flores200", "--sample", "--limit", "3", "--json", cwd=tmp_path)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert (report["items"], report["built"], report["cached"], report["rejected"]) == (9, 9, 0, 0)
    assert report["made"] == {"synthesize": 9, "measure": 9}


def test_errors_are_no_json_and_go_to_stderr(tmp_path: Path) -> None:
    done = run("build", "flores200", "--source", "nowhere", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.startswith("error: ")) == (3, "", True)


@pytest.mark.parametrize(("option", "meant"), [("--lable", "--labels"), ("--forse", "--force"), ("--jbos", "--jobs")])
def test_a_wrong_option_is_answered_with_the_nearest(tmp_path: Path, option: str, meant: str) -> None:
    done = run("build", "flores200", option, "x", cwd=tmp_path)
    assert (done.returncode, meant in done.stderr) == (2, True), done.stderr

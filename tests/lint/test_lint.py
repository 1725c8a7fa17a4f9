"""`corpusforge lint` as a whole: the sample is clean, and the program says what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpusforge import Corpus
from corpusforge.errors import CorpusforgeError
from corpusforge.lint import CHECKS, lint
from tests.cli.program import fingerprint, run
from tests.lint.conftest import Rows, change, of, row


def test_all_that_there_is_to_say_of_the_sample_is_that_no_encoder_was_named(sample: Path) -> None:
    assert [(found.check, found.severity) for found in lint(sample)] == [("encoder", "note")]
    done = run("lint", sample, "--strict", cwd=sample)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "flores200-sample: 135 rows, 16 checks: 0 errors, 0 warnings, 1 note"


def leak(found: Rows) -> None:
    train, test = of(found, split="train", lang="zho_Hans")[0], of(found, split="test", lang="zho_Hans")[0]
    test["text"] = train["text"]


def warn(found: Rows) -> None:
    for one in found:
        one["voice_license"] = None


def test_an_error_is_exit_status_one(corpus: Path) -> None:
    change(corpus, leak)
    done = run("lint", corpus, cwd=corpus)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("error: leakage: 1 text in more than one split")
    assert "  why:  " in done.stdout
    assert "  mend: " in done.stdout
    assert run("lint", corpus, "--skip", "leakage", cwd=corpus).returncode == 0


def test_a_warning_is_one_too_if_asked_for(corpus: Path) -> None:
    change(corpus, warn)
    done = run("lint", corpus, "--rows", "2", cwd=corpus)
    assert done.returncode == 0
    assert "  rows: dev-0001.bod_Tibt, dev-0001.mya_Mymr and 133 more\n" in done.stdout
    assert run("lint", corpus, "--strict", cwd=corpus).returncode == 1
    assert run("lint", corpus, "--strict", "--skip", "licenses", cwd=corpus).returncode == 0


def test_json_has_every_row(corpus: Path) -> None:
    change(corpus, warn)
    done = run("lint", corpus, "--check", "licenses", "--json", cwd=corpus)
    assert (done.returncode, done.stderr) == (0, "")
    body = json.loads(done.stdout)
    [finding] = body.pop("findings")
    assert body == {
        "schema_version": 1,
        "corpus": "flores200-sample",
        "rows": 135,
        "checks": ["licenses"],
        "errors": 0,
        "warnings": 1,
        "notes": 0,
    }
    assert set(finding) == {"check", "severity", "message", "why", "mend", "rows", "counts"}
    assert finding["rows"] == [record.id for record in Corpus(corpus)]
    assert finding["counts"] == {"espeak cmn": 135}


def test_errors_come_first(corpus: Path) -> None:
    def break_three(found: Rows) -> None:
        warn(found)
        row(found, "dev-0001.zho_Hans")["text"] += "\u200b"
        row(found, "dev-0004.zho_Hans")["num_samples"] = 0

    change(corpus, break_three)
    found = lint(corpus, skip=["files"])
    assert [(one.severity, one.check) for one in found] == [
        ("error", "duration"),
        ("warning", "licenses"),
        ("note", "unicode"),
        ("note", "encoder"),
    ]


def test_an_encoder_is_opened_by_its_name(sample: Path) -> None:
    pytest.importorskip("torch", reason="the extra train is not installed")
    done = run("lint", sample, "--check", "encoder", "--encoder", "tiny", "--max-length", "40", cwd=sample)
    assert done.returncode == 0
    assert "texts with more than 40 tokens of tiny@0" in done.stdout


def test_an_encoder_that_is_not_there(sample: Path) -> None:
    pytest.importorskip("torch", reason="the extra train is not installed")
    done = run("lint", sample, "--encoder", "resemblyzer", cwd=sample)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is a speech encoder" in done.stderr


def test_the_checks_are_listed(tmp_path: Path) -> None:
    done = run("lint", "--list", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(CHECKS)


@pytest.mark.parametrize("option", ["--check", "--skip"])
def test_a_check_that_there_is_not(sample: Path, option: str) -> None:
    done = run("lint", sample, option, "leekage", cwd=sample)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no check 'leekage': did you mean 'leakage'?" in done.stderr
    with pytest.raises(CorpusforgeError, match="did you mean 'leakage'"):
        lint(sample, **{option.strip("-").replace("check", "checks"): ["leekage"]})


def test_no_corpus(tmp_path: Path) -> None:
    done = run("lint", "nowhere", cwd=tmp_path)
    assert (done.returncode, "is not a corpus" in done.stderr) == (6, True)
    done = run("lint", cwd=tmp_path)
    assert (done.returncode, "missing argument 'CORPUS'" in done.stderr) == (2, True)


def test_a_damaged_manifest(corpus: Path) -> None:
    path = corpus / "manifest.jsonl"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    done = run("lint", corpus, cwd=corpus)
    assert (done.returncode, "manifest.jsonl:1" in done.stderr) == (6, True)


def test_lint_writes_nothing(corpus: Path) -> None:
    before = fingerprint(corpus)
    run("lint", corpus, cwd=corpus)
    assert fingerprint(corpus) == before


def test_a_corpus_without_rows(corpus: Path) -> None:
    change(corpus, lambda found: found.clear())
    assert [found.check for found in lint(corpus)] == ["encoder"]

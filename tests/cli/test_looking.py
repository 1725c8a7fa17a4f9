"""Verbs that only look: they write nothing, whatever they find."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.program import build, fingerprint, run

LOOKS = {
    "dry run": ["build", "flores200", "--sample", "--limit", "3", "--dry-run"],
    "why": ["why", "flores200", "dev-0001", "--sample"],
    "status": ["status"],
    "engines": ["engines", "--languages"],
    "doctor": ["doctor"],
    "recipes": ["recipes"],
    "recipe-schema": ["recipe-schema"],
}
looks = pytest.mark.parametrize("arguments", LOOKS.values(), ids=LOOKS)
SQLITE = ("index.sqlite-wal", "index.sqlite-shm")
"""SQLite makes and removes these whenever it reads."""


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """The sha256 and the time of change of every file."""
    found = fingerprint(folder)
    return {
        name: (found[name], (folder / name).stat().st_mtime_ns)
        for name in found
        if os.path.basename(name) not in SQLITE
    }


@looks
def test_looking_leaves_an_empty_folder_empty(tmp_path: Path, arguments: list[str]) -> None:
    assert run(*arguments, cwd=tmp_path).returncode == 0
    assert os.listdir(tmp_path) == []


@looks
def test_looking_leaves_a_workspace_as_it_was(workspace: Path, arguments: list[str]) -> None:
    before = state(workspace)
    assert run(*arguments, cwd=workspace).returncode == 0
    assert state(workspace) == before


@pytest.mark.parametrize("damage", ["garbage", "deleted", "half", "middle"])
@pytest.mark.parametrize(
    "arguments", [["build", "flores200", "--source", "text", "--dry-run"], ["why", "flores200", "dev-0001"], ["status"]]
)
def test_looking_at_a_damaged_index_answers_and_mends_nothing(
    workspace: Path, damage: str, arguments: list[str]
) -> None:
    spoil(workspace, damage)
    before = state(workspace)
    if arguments[0] == "why":
        arguments = [*arguments, "--source", "text"]
    done = run(*arguments, cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert state(workspace) == before
    if arguments[0] == "why":
        assert "synthesize   cached" in done.stdout
    elif arguments[0] == "build":
        assert "synthesize: 36 cached" in done.stdout
    else:
        assert "flores200: 36 utterances" in done.stdout


@pytest.mark.parametrize("damage", ["garbage", "deleted", "half", "middle"])
def test_verify_mends_a_damaged_index(workspace: Path, damage: str) -> None:
    spoil(workspace, damage)
    done = run("verify", cwd=workspace)
    assert (done.returncode, "36 files checked, 0 damaged" in done.stdout) == (0, True), done.stderr
    assert build("--source", "text", cwd=workspace)["made"] == {}
    assert "rebuilt" not in run("verify", cwd=workspace).stdout


def spoil(workspace: Path, damage: str) -> None:
    path = workspace / ".corpusforge" / "index.sqlite"
    content = bytearray(path.read_bytes())
    if damage == "deleted":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"garbage" * 999)
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[4096:] = b"\xa5" * (len(content) - 4096)
        path.write_bytes(content)


def test_a_dry_run_counts_new_and_changed_settings_in_json(workspace: Path) -> None:
    done = run(
        *["build", "flores200", "--source", "text", "--set", "synthesize.rate={default: 0, bod_Tibt: 10}"],
        *["--dry-run", "--json"],
        cwd=workspace,
    )
    synthesize, measure = json.loads(done.stdout)["stages"]
    assert synthesize["states"] == {"cached": 24, "to do": 12}
    assert synthesize["reasons"] == {"config changed: rate 0 → 10": 12}
    assert measure["states"] == {"cached": 24, "pending": 12}


def test_why_in_json_has_a_key_for_what_is_cached(workspace: Path) -> None:
    found = json.loads(run("why", "flores200", "dev-0001.bod_Tibt", "--source", "text", "--json", cwd=workspace).stdout)
    assert list(found) == ["dev-0001.bod_Tibt"]
    assert [(step["stage"], step["state"], len(step["key"])) for step in found["dev-0001.bod_Tibt"]] == [
        ("synthesize", "cached", 64),
        ("measure", "cached", 64),
    ]


def test_gc_says_what_it_would_free_and_frees_it_when_the_corpus_is_deleted(workspace: Path) -> None:
    shutil.rmtree(workspace / "manifests" / "flores200")
    would = json.loads(run("gc", "--dry-run", "--json", cwd=workspace).stdout)
    blobs = [path for path in (workspace / ".corpusforge" / "blobs").rglob("*") if path.is_file()]
    assert (would["results"], would["blobs"], would["bytes"]) == (72, 36, sum(path.stat().st_size for path in blobs))
    assert all(path.exists() for path in blobs)
    did = json.loads(run("gc", "--json", cwd=workspace).stdout)
    assert did == {**would, "dry_run": False}
    assert not any(path.exists() for path in blobs)
    assert build("--source", "text", cwd=workspace)["built"] == 36


def test_gc_keeps_everything_that_a_corpus_uses(workspace: Path) -> None:
    before = fingerprint(workspace / ".corpusforge" / "blobs")
    found = json.loads(run("gc", "--json", cwd=workspace).stdout)
    assert (found["results"], found["blobs"], found["kept"]) == (0, 0, 72)
    assert fingerprint(workspace / ".corpusforge" / "blobs") == before


def test_stats_have_the_numbers_of_the_manifest(workspace: Path) -> None:
    info = json.loads(run("stats", "manifests/flores200", "--json", cwd=workspace).stdout)
    rows = [json.loads(line) for line in (workspace / "manifests/flores200/manifest.jsonl").open(encoding="utf8")]
    assert info["utterances"] == len(rows)
    assert info["hours"] == pytest.approx(sum(row["duration"] for row in rows) / 3600, abs=1e-6)
    assert {row["language"]: row["utterances"] for row in info["by_language"]} == dict.fromkeys(
        ["zho_Hans", "bod_Tibt", "mya_Mymr"], 12
    )
    assert "flores200: 36 utterances" in run("stats", "manifests/flores200", cwd=workspace).stdout


def test_stats_of_a_manifest_that_was_cut_short(workspace: Path) -> None:
    path = workspace / "manifests" / "flores200" / "manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    done = run("stats", "manifests/flores200", cwd=workspace)
    assert (done.returncode, "manifest.jsonl has" in done.stderr) == (6, True), done.stderr
    assert build("--source", "text", cwd=workspace)["written"] is True
    assert run("stats", "manifests/flores200", cwd=workspace).returncode == 0

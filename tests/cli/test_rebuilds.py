"""Rebuilds: what changed is made, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.program import build, edit, fingerprint, rows, run


def test_a_second_build_makes_nothing_and_touches_nothing(workspace: Path) -> None:
    corpus = workspace / "manifests" / "flores200"
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    report = build("--source", "text", cwd=workspace)
    assert (report["built"], report["cached"], report["made"], report["written"]) == (0, 36, {}, False)
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_one_changed_tibetan_sentence_makes_one_utterance(workspace: Path) -> None:
    old = {row["id"]: row["sha256"] for row in rows(workspace / "manifests/flores200")}
    edit(workspace / "text", "bod_Tibt", 2, "ང་ཚོས་སྐད་ཡིག་སྦྱོང་གི་ཡོད།")
    report = build("--source", "text", cwd=workspace)
    assert report["made"] == {"synthesize": 1, "measure": 1}
    new = {row["id"]: row["sha256"] for row in rows(workspace / "manifests/flores200")}
    assert [name for name in new if new[name] != old[name]] == ["dev-0003.bod_Tibt"]
    assert len(list((workspace / "manifests/flores200/audio").rglob("*.flac"))) == 36


def test_an_appended_sentence_makes_three_and_a_removed_one_leaves(workspace: Path) -> None:
    metadata = workspace / "text" / "metadata_devtest.tsv"
    original = metadata.read_text("utf8")
    metadata.write_text(original + "corpusforge:test/new\twikinews\tnothing\tno\tno\n", "utf8")
    texts = {"zho_Hans": "这是新的一句。", "bod_Tibt": "འདི་གསར་པ་རེད།", "mya_Mymr": "ဒါက အသစ်ပါ။"}
    for lang, text in texts.items():
        path = workspace / "text" / "devtest" / f"{lang}.devtest"
        path.write_text(path.read_text("utf8") + text + "\n", "utf8")
    report = build("--source", "text", cwd=workspace)
    assert (report["made"]["synthesize"], report["utterances"]) == (3, 39)
    metadata.write_text(original, "utf8")
    for lang in texts:
        edit(workspace / "text", lang, 6, None, split="devtest")
    report = build("--source", "text", cwd=workspace)
    assert (report["made"], report["utterances"], report["written"]) == ({}, 36, True)
    collected = json.loads(run("gc", "--json", cwd=workspace).stdout)
    assert (collected["results"], collected["blobs"]) == (6, 3)
    assert build("--source", "text", cwd=workspace)["made"] == {}


def test_order_of_the_source_and_jobs_make_nothing(workspace: Path) -> None:
    for path in (workspace / "text").rglob("*.dev"):
        path.write_text("".join(reversed(path.read_text("utf8").splitlines(keepends=True))), "utf8")
    metadata = workspace / "text" / "metadata_dev.tsv"
    header, *lines = metadata.read_text("utf8").splitlines(keepends=True)
    metadata.write_text(header + "".join(reversed(lines)), "utf8")
    assert build("--source", "text", "--jobs", "3", cwd=workspace)["made"] == {}


def test_a_moved_workspace_makes_nothing(workspace: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(workspace, moved)
    report = build("--source", "text", cwd=moved)
    assert (report["made"], report["written"]) == ({}, False)


def test_two_corpora_share_work(workspace: Path) -> None:
    (workspace / "recipes").mkdir()
    source = "source: {type: flores200, path: ../text}"
    recipe = f"name: other\n{source}\nstages: [{{stage: synthesize, audio: {{trim: true}}}}, {{stage: measure}}]\n"
    (workspace / "recipes" / "other.yaml").write_text(recipe, "utf8")
    done = run("build", "other", "--json", cwd=workspace)
    assert json.loads(done.stdout)["made"] == {}
    assert len(rows(workspace / "manifests" / "other")) == 36


def test_a_new_threshold_judges_again_and_makes_nothing(workspace: Path) -> None:
    before = fingerprint(workspace / "manifests/flores200")
    done = run("build", "flores200", "--source", "text", "--set", "gates.silence.max=0.0001", "--json", cwd=workspace)
    report = json.loads(done.stdout)
    assert (report["made"], report["rejected"]) == ({}, 36)
    rejected = rows(workspace / "manifests/flores200", "rejected.jsonl")
    assert len(rejected) == 36
    assert all(row["stage"] == "gates" and "% of the frames is over" in row["reason"] for row in rejected)
    assert "36 left out" in run("status", cwd=workspace).stdout
    assert build("--source", "text", cwd=workspace)["made"] == {}
    assert fingerprint(workspace / "manifests/flores200") == before


def test_force_from_and_to(workspace: Path) -> None:
    assert build("--source", "text", "--force", "measure", cwd=workspace)["made"] == {"measure": 36}
    upto = build("--source", "text", "--set", "synthesize.rate=20", "--to", "synthesize", cwd=workspace)
    assert (upto["made"], upto["complete"]) == ({"synthesize": 36}, False)
    rest = build("--source", "text", "--set", "synthesize.rate=20", "--from", "measure", cwd=workspace)
    assert (rest["made"], rest["complete"]) == ({"measure": 36}, True)
    wrong = run("build", "flores200", "--source", "text", "--to", "synthesise", cwd=workspace)
    assert (wrong.returncode, "did you mean 'synthesize'?" in wrong.stderr) == (2, True)


def test_a_dry_run_says_what_and_why_and_does_nothing(workspace: Path) -> None:
    before = fingerprint(workspace / "manifests/flores200")
    done = run("build", "flores200", "--source", "text", "--set", "synthesize.rate=10", "--dry-run", cwd=workspace)
    assert "synthesize: 36 to do" in done.stdout
    assert "36 × config changed: rate 0 → 10" in done.stdout.replace("0.0", "0").replace("10.0", "10")
    assert "measure: 36 pending" in done.stdout
    assert "characters" in done.stdout
    assert fingerprint(workspace / "manifests/flores200") == before
    assert build("--source", "text", cwd=workspace)["made"] == {}


def test_why(workspace: Path) -> None:
    edit(workspace / "text", "bod_Tibt", 2, "གསར་པ་རེད།")
    done = run("why", "flores200", "dev-0003", "--source", "text", cwd=workspace)
    assert "dev-0003.zho_Hans\n  synthesize   cached    same inputs and settings" in done.stdout
    assert "dev-0003.bod_Tibt\n  synthesize   to do     text changed" in done.stdout
    wrong = run("why", "flores200", "dev-0303", "--source", "text", cwd=workspace)
    assert (wrong.returncode, "did you mean" in wrong.stderr) == (3, True)


@pytest.mark.parametrize(
    "verb", ["status", "stats manifests/flores200", "gc --dry-run", "verify", "engines", "doctor", "recipes"]
)
def test_verbs_speak_json(workspace: Path, verb: str) -> None:
    done = run(*verb.split(), "--json", cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert run(*verb.split(), cwd=workspace).stdout

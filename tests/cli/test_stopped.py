"""A build that is stopped leaves no process behind, nothing half-written, and no lock."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.cli.program import build, fingerprint, none_left, run, session, source, start
from tests.patience import until


def speaking(folder: Path, process_id: int) -> dict[int, str]:
    """Wait until a build speaks; the processes it has then: itself, its workers, espeak's programs."""
    journal = folder / ".corpusforge" / "results.jsonl"
    until(lambda: journal.exists() and "synthesize" in journal.read_text())
    return session(process_id)


def grown(path: Path, size: int) -> None:
    """Wait until a file is larger."""
    until(lambda: path.stat().st_size != size)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_build(tmp_path: Path, number: int) -> None:
    source(tmp_path / "text", groups=21)
    process = start(tmp_path)
    lines = speaking(tmp_path, process.pid).values()
    assert any("executors.worker" in line for line in lines)
    assert any("espeak_worker" in line for line in lines)
    process.send_signal(number)  # to the program alone, not to its children
    process.communicate(timeout=60)
    none_left(process.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_leaves_the_old_corpus_as_it_was(tmp_path: Path, number: int) -> None:
    source(tmp_path / "text", groups=21)
    build("--source", "text", "--limit", "3", cwd=tmp_path)
    before = fingerprint(tmp_path / "manifests")
    for_good = tmp_path / ".corpusforge" / "results.jsonl"
    size = for_good.stat().st_size
    process = start(tmp_path, "--jobs", "1")
    grown(for_good, size)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert fingerprint(tmp_path / "manifests") == before


def test_gc_after_a_kill_keeps_what_the_build_had_made(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=21)
    build("--source", "text", "--limit", "3", cwd=tmp_path)
    process = start(tmp_path, "--set", "synthesize.rate=5", "--jobs", "1")
    for_good = tmp_path / ".corpusforge" / "results.jsonl"
    before = for_good.stat().st_size
    grown(for_good, before)
    grown(for_good, for_good.stat().st_size)  # so the index, which learns after it, has the first batch
    process.kill()
    process.communicate()
    none_left(process.pid)
    refused = run("gc", cwd=tmp_path)
    assert (refused.returncode, "its last build did not end" in refused.stderr) == (4, True)
    assert "its last build did not end" in run("status", cwd=tmp_path).stdout
    report = build("--source", "text", "--set", "synthesize.rate=5", cwd=tmp_path)
    assert run("gc", cwd=tmp_path).returncode == 0
    assert (report["utterances"], 0 < report["cached"] < 126) == (126, True)
    assert json.loads(run("verify", "--json", cwd=tmp_path).stdout)["damaged"] == []


def killed_first_build(folder: Path) -> None:
    """A first build that was killed when it had made some of its items."""
    source(folder / "text", groups=21)
    before = stored(folder)
    process = start(folder, "--jobs", "1")
    until(lambda: stored(folder) != before)
    process.kill()
    process.communicate()
    none_left(process.pid)
    assert not (folder / "manifests" / "flores200" / "corpus.json").exists()


def stored(folder: Path) -> int:
    """How many results the index of a workspace has."""
    path = folder / ".corpusforge" / "index.sqlite"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as index:
            return int(index.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:  # there is none yet, or it is being made
        return 0


def test_gc_keeps_what_a_first_build_made_before_it_was_killed(tmp_path: Path) -> None:
    killed_first_build(tmp_path)
    made = stored(tmp_path)
    assert made > 0
    done = run("gc", cwd=tmp_path)
    assert done.returncode == 0
    assert "deleted 0 results" in done.stdout
    assert "the first build of 'flores200' has not ended" in done.stdout
    assert json.loads(run("gc", "--json", cwd=tmp_path).stdout)["unfinished"] == ["flores200"]
    assert stored(tmp_path) == made
    report = build("--source", "text", cwd=tmp_path)
    assert report["utterances"] == 126
    assert sum(report["made"].values()) == 2 * 126 - made  # nothing that was stored is made twice
    assert json.loads(run("gc", "--json", cwd=tmp_path).stdout)["unfinished"] == []


def test_gc_drops_an_unfinished_corpus_that_is_abandoned(tmp_path: Path) -> None:
    killed_first_build(tmp_path)
    wrong = run("gc", "--abandon", "flores20", cwd=tmp_path)
    assert (wrong.returncode, "did you mean 'flores200'" in wrong.stderr) == (4, True)
    assert (
        f"would delete {stored(tmp_path)} results"
        in run("gc", "--abandon", "flores200", "--dry-run", cwd=tmp_path).stdout
    )
    assert run("gc", "--abandon", "flores200", cwd=tmp_path).returncode == 0
    assert stored(tmp_path) == 0
    assert json.loads(run("status", "--json", cwd=tmp_path).stdout) == []


def test_gc_drops_a_deleted_corpus_beside_an_unfinished_one(tmp_path: Path) -> None:
    run("build", "flores200", "--sample", "--limit", "3", "--set", "synthesize.rate=5", "--quiet", cwd=tmp_path)
    assert stored(tmp_path) == 18
    killed_first_build(tmp_path)
    before = stored(tmp_path)
    shutil.rmtree(tmp_path / "manifests" / "flores200-sample")
    found = json.loads(run("gc", "--json", cwd=tmp_path).stdout)
    assert found["unfinished"] == ["flores200"]
    assert (found["results"], found["kept"]) == (18, before - 18)
    report = build("--source", "text", cwd=tmp_path)
    assert sum(report["made"].values()) == 2 * 126 - found["kept"]


def test_gc_and_verify_are_refused_while_a_build_runs(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=21)
    process = start(tmp_path, "--jobs", "1")
    lock = tmp_path / ".corpusforge" / "lock"
    until(lambda: lock.exists() and lock.stat().st_size)
    done = run("gc", cwd=tmp_path)
    assert (done.returncode, f"process {process.pid}" in done.stderr) == (4, True), done.stderr
    assert run("status", cwd=tmp_path).returncode == 0
    process.kill()
    process.communicate()
    assert run("verify", cwd=tmp_path).returncode == 0


def test_a_blob_that_was_cut_short_is_made_again_also_in_the_corpus_that_links_it(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=3)
    build("--source", "text", cwd=tmp_path)
    before = fingerprint(tmp_path / "manifests")
    blob = next(path for path in sorted((tmp_path / ".corpusforge" / "blobs").rglob("*")) if path.is_file())
    assert blob.stat().st_nlink == 2
    blob.chmod(0o644)
    os.truncate(blob, 100)
    assert fingerprint(tmp_path / "manifests") != before
    assert (
        "1 × blob missing or damaged" in run("build", "flores200", "--source", "text", "--dry-run", cwd=tmp_path).stdout
    )
    assert build("--source", "text", cwd=tmp_path)["made"]["synthesize"] == 1
    assert fingerprint(tmp_path / "manifests") == before


@pytest.mark.parametrize("small_disk", ["12m"], indirect=True)
def test_a_full_disk_loses_nothing_that_was_done(small_disk: Path) -> None:
    done = run("build", "flores200", "--sample", "--workspace", small_disk, cwd=small_disk.parent)
    assert (done.returncode, "No space left on device" in done.stderr) == (4, True), done.stderr
    assert done.stderr.count("error:") == 1
    large = small_disk.parent / "large"
    shutil.copytree(small_disk, large)
    found = json.loads(run("verify", "--workspace", large, "--json", cwd=large).stdout)
    assert found["damaged"] == []
    report = build("--sample", cwd=large)
    assert (report["utterances"], report["failed"]) == (135, [])
    assert 0 < report["made"]["synthesize"] < 135

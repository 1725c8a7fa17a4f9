"""The workspace: one build at a time, an index that can be lost, and housekeeping."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from corpusforge.errors import WorkspaceError
from corpusforge.store.index import DONE, REJECTED, IndexDamaged, Result
from corpusforge.store.workspace import Workspace, WorkspaceBusy


def fill(workspace: Workspace, count: int, corpus: str = "toy") -> list[bytes]:
    """Results with a blob each, and the walks of a complete corpus whose folder is there."""
    folder = workspace.folder / "manifests" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.json").write_text("{}")
    number = workspace.register(corpus, folder)
    rows = []
    for each in range(count):
        content = f"{corpus} speech {each}".encode()
        outcome = {"fields": {"audio": workspace.blobs.put(content)}, "blobs": {"audio": len(content)}}
        result = Result(DONE, json.dumps(outcome), '{"settings":{},"stage":"speak","version":1}', "{}", 0.01)
        rows.append((f"{corpus}{each}".encode().ljust(32, b"."), result))
    workspace.journal.append(rows)
    with workspace.index.transaction():
        workspace.index.put_results(rows)
        workspace.index.put_walks(number, [(f"item-{key!r}", b"d", key) for key, _ in rows])
        workspace.index.set_complete(number, True)
    return [key for key, _ in rows]


def known(workspace: Workspace) -> set[bytes]:
    return {key for key, _ in workspace.index.all_results()}


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    with Workspace(tmp_path) as one, Workspace(tmp_path) as other, one.locked("build flores200"):
        with (
            pytest.raises(WorkspaceBusy, match=rf"process {os.getpid()} on .* \(build flores200, since .*--wait"),
            other.locked("x"),
        ):
            pass
        told: list[str] = []
        with pytest.raises(WorkspaceBusy), other.locked("x", wait=0.3, waiting=told.append):
            pass
        assert len(told) == 1
    with other.locked("x"):
        pass


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from corpusforge.store.workspace import Workspace
with Workspace(Path(sys.argv[1])) as workspace, workspace.locked("killed"):
    print("go", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with Workspace(tmp_path) as workspace:
        with pytest.raises(WorkspaceBusy, match=f"process {holder.pid}"), workspace.locked("x"):
            pass
        holder.kill()
        holder.wait()
        with workspace.locked("x"):
            pass


def test_a_folder_that_cannot_be_made_is_answered_with_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"cannot write the workspace .*--workspace DIR"):
        Workspace(tmp_path / "file")


@pytest.mark.parametrize(
    "damage", ["gone", "empty", "no tables", "not a database", "cut", "zeroed pages", "another version"]
)
def test_a_damaged_index_is_rebuilt_from_the_journal(tmp_path: Path, damage: str) -> None:
    with Workspace(tmp_path) as workspace:
        keys = fill(workspace, 50)
    path = tmp_path / ".corpusforge" / "index.sqlite"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no tables":
        path.unlink()
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode=WAL")
    elif damage == "not a database":
        path.write_bytes(b"hello" * 100)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "zeroed pages":
        path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    else:
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version=999")
    with Workspace(tmp_path) as workspace:
        try:
            found = set(workspace.index.outcomes(keys))
        except IndexDamaged as error:
            workspace.rebuild(str(error))
            found = set(workspace.index.outcomes(keys))
        assert found == set(keys)
        assert workspace.rebuilt
        assert [entry.name for entry in workspace.index.corpora()] == ["toy"]


@pytest.mark.parametrize("journal", [False, True])
def test_an_index_whose_making_was_killed_is_new_while_the_journal_has_nothing(tmp_path: Path, journal: bool) -> None:
    with Workspace(tmp_path) as workspace:
        (workspace.root / "index.sqlite").write_bytes(b"")
        if journal:
            workspace.journal.path.write_bytes(b"")
        keys = fill(workspace, 5)
        assert workspace.rebuilt is None
    with Workspace(tmp_path) as workspace:
        assert known(workspace) == set(keys)
        assert workspace.rebuilt is None


@pytest.mark.parametrize("small_disk", ["2m"], indirect=True)
@pytest.mark.parametrize("room", [20_000, 100_000])
def test_a_rebuild_for_which_there_is_no_room_leaves_nothing_behind(small_disk: Path, room: int) -> None:
    with Workspace(small_disk) as workspace:
        fill(workspace, 50)
        rejected = Result(
            REJECTED, '{"details":{},"reason":"no"}', '{"settings":{},"stage":"a","version":1}', "{}", 0.0
        )
        long = rejected._replace(inputs=json.dumps("x" * 2000))
        workspace.journal.append((f"{number:032}".encode(), long) for number in range(100))
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(2**21))
        os.truncate(ballast, ballast.stat().st_size - room)
        with pytest.raises(WorkspaceError, match="No space left on device"):
            workspace.rebuild("test")
        assert not list(workspace.root.glob("index.new*"))
        ballast.unlink()
        workspace.rebuild("test")
        assert len(known(workspace)) == 150


def test_a_rebuild_leaves_out_results_whose_blobs_are_gone(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        fill(workspace, 10)
        workspace.blobs.remove(next(iter(workspace.blobs)))
        workspace.rebuild("test")
        assert len(known(workspace)) == 9


@pytest.mark.parametrize("seen", [1, 10, 15, 29, 30])
def test_a_rebuild_that_is_killed_is_begun_anew(tmp_path: Path, seen: int) -> None:
    with Workspace(tmp_path) as workspace:
        keys = fill(workspace, 30)
    (tmp_path / ".corpusforge" / "index.sqlite").unlink()
    code = """
import os, signal, sys
from pathlib import Path
from corpusforge.store import workspace as module

class Killed(module.Workspace):
    seen = 0

    def _has_blobs(self, result):
        self.seen += 1
        if self.seen == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._has_blobs(result)

module.REBUILT_AT_ONCE = 10
Killed(Path(sys.argv[1])).index
"""
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(seen)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Workspace(tmp_path) as workspace:
        assert known(workspace) == set(keys)
        assert workspace.rebuilt == "index.sqlite is missing"
    assert sorted(path.name for path in (tmp_path / ".corpusforge").glob("index*")) == ["index.sqlite"]


def test_of_two_results_of_a_key_the_later_one_counts_in_a_rebuild(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        (key, *_) = fill(workspace, 5)
        result = workspace.index.result(key)
        assert result is not None
        workspace.journal.append([(key, result._replace(seconds=2.0)), (key, result._replace(seconds=3.0))])
        workspace.rebuild("test")
        assert workspace.index.result(key) == result._replace(seconds=3.0)


def test_a_torn_or_foreign_journal_line_is_passed_over(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        first = fill(workspace, 3)
    path = tmp_path / ".corpusforge" / "results.jsonl"
    path.write_bytes(path.read_bytes() + b'[1, 2]\n\xff\xfe\n{"key": "abc')
    with Workspace(tmp_path) as workspace:
        more = fill(workspace, 2, "more")
        workspace.rebuild("test")
        assert known(workspace) == {*first, *more}


GOOD = {
    "key": "ab" * 32,
    "status": DONE,
    "outcome": '{"blobs":{},"fields":{}}',
    "settings": '{"settings":{},"stage":"speak","version":1}',
    "inputs": "{}",
    "seconds": 1,
}
REFUSED = {**GOOD, "status": REJECTED, "outcome": '{"details":{},"reason":"no"}'}
FOREIGN: list[dict[str, object]] = [
    {**GOOD, "outcome": "x"},
    {**GOOD, "outcome": "[]"},
    {**GOOD, "outcome": "{}"},
    {**GOOD, "outcome": None},
    {**GOOD, "outcome": '{"blobs":{},"fields":[]}'},
    {**GOOD, "outcome": '{"blobs":[],"fields":{}}'},
    {**GOOD, "outcome": '{"blobs":{"audio":3},"fields":{}}'},
    {**GOOD, "outcome": '{"blobs":{"audio":3},"fields":{"audio":7}}'},
    {**GOOD, "outcome": '{"blobs":{"audio":3},"fields":{"audio":"\\u0000"}}'},
    {**GOOD, "outcome": json.dumps({"blobs": {"audio": None}, "fields": {"audio": "ab" * 32}})},
    {**GOOD, "outcome": '{"blobs":{},"fields":{"text":"\ud840"}}'},
    {**GOOD, "status": 7},
    {**GOOD, "status": REJECTED},
    {**GOOD, "settings": "x"},
    {**GOOD, "settings": "{}"},
    {**GOOD, "settings": []},
    {**GOOD, "inputs": None},
    {**GOOD, "seconds": None},
    {**GOOD, "seconds": float("nan")},
    {**GOOD, "key": "ab_"},
    {**REFUSED, "status": DONE},
    {**REFUSED, "outcome": "x"},
    {**REFUSED, "outcome": '{"reason":"no"}'},
    {"corpus": 7, "folder": "x"},
    {"corpus": "other"},
    {"corpus": "other", "folder": "\ud840"},
]


def test_a_line_that_is_json_but_no_result_is_passed_over(tmp_path: Path) -> None:
    good = [{**GOOD, "key": "01" * 32}, {**REFUSED, "key": "02" * 32}]
    with Workspace(tmp_path) as workspace:
        workspace.journal.path.write_text("".join(json.dumps(line) + "\n" for line in (*FOREIGN, *good)))
        assert {key.hex(): result.outcome for key, result in workspace.index.all_results()} == {
            line["key"]: line["outcome"] for line in good
        }
        assert workspace.index.corpora() == []
        assert workspace.verify().lost == 0


def test_gc_drops_what_no_corpus_reaches(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        kept = fill(workspace, 5, "kept")
        dropped = fill(workspace, 3, "dropped")
        assert workspace.collect(dry_run=True).results == 0
        (tmp_path / "manifests/dropped/corpus.json").unlink()
        loose = workspace.blobs.put(b"left by a killed build")
        counted = workspace.collect(dry_run=True)
        assert (counted.results, counted.blobs, counted.kept) == (3, 4, 5)
        assert known(workspace) == {*kept, *dropped}
        assert workspace.collect() == counted
        assert known(workspace) == set(kept)
        assert workspace.blobs.size(loose) is None
        assert len(list(workspace.blobs)) == 5
        workspace.rebuild("the journal was compacted too")
        assert known(workspace) == set(kept)


def test_gc_refuses_while_it_does_not_know_what_a_corpus_needs(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        fill(workspace, 5)
        workspace.rebuild("test")
        with pytest.raises(WorkspaceError, match="corpusforge build toy"):
            workspace.collect()


def test_verify_turns_a_damaged_blob_into_a_miss_that_is_mended_in_place(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        fill(workspace, 5)
        broken = next(iter(workspace.blobs))
        content = workspace.blobs.read(broken)
        linked = tmp_path / "in a corpus.flac"
        os.link(workspace.blobs.path(broken), linked)
        os.chmod(linked, 0o644)
        linked.write_bytes(b"X" + content[1:])
        found = workspace.verify()
        assert (found.blobs, found.damaged, found.lost, found.rebuilt) == (5, (broken,), 1, None)
        assert workspace.blobs.size(broken) == 0
        assert workspace.blobs.put(content) == broken
        assert workspace.verify().damaged == ()
        assert linked.read_bytes() == content
        assert os.stat(linked).st_mode & 0o777 == 0o444


def test_opening_costs_the_same_whatever_the_size(tmp_path: Path) -> None:
    """No query on opening: the number of SQL statements is fixed, and none of them reads the tables."""
    with Workspace(tmp_path) as workspace:
        fill(workspace, 20)
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        connection = connect(*args, **options)  # type: ignore[arg-type, call-overload]
        connection.set_trace_callback(statements.append)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", traced)
        with Workspace(tmp_path) as workspace:
            assert workspace.index is not None
    assert statements
    assert not any("FROM" in statement for statement in statements)


def test_a_rejection_has_no_blobs(tmp_path: Path) -> None:
    from corpusforge.store.workspace import blobs_of

    assert blobs_of(Result(REJECTED, '{"reason": "no", "details": {}}', "{}", "{}", 0.0)) == {}

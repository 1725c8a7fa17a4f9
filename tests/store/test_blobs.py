"""Blobs: whole or not there, named by their content, read-only."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.store.blobs import Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def test_put_names_content_by_its_sha256_and_read_gives_it_back(blobs: Blobs) -> None:
    name = blobs.put(b"speech")
    assert name == hashlib.sha256(b"speech").hexdigest()
    assert blobs.read(name) == b"speech"
    assert list(blobs) == [name]


def test_blobs_are_read_only(blobs: Blobs) -> None:
    assert os.stat(blobs.path(blobs.put(b"speech"))).st_mode & 0o777 == 0o444


def test_putting_twice_writes_once(blobs: Blobs) -> None:
    inode = os.stat(blobs.path(blobs.put(b"speech"))).st_ino
    assert os.stat(blobs.path(blobs.put(b"speech"))).st_ino == inode


def test_a_truncated_blob_is_replaced(blobs: Blobs) -> None:
    name = blobs.put(b"speech")
    os.chmod(blobs.path(name), 0o644)
    with open(blobs.path(name), "wb") as file:
        file.write(b"spe")
    assert blobs.size(name) == 3
    assert blobs.damaged(name)
    blobs.put(b"speech")
    assert not blobs.damaged(name)


def test_what_is_not_there(blobs: Blobs) -> None:
    assert blobs.size("00" * 32) is None
    assert blobs.damaged("00" * 32)
    assert blobs.remove("00" * 32) == 0
    assert list(blobs) == []
    with pytest.raises(FileNotFoundError):
        blobs.read("00" * 32)


@given(contents=st.lists(st.binary(max_size=200), max_size=20))
def test_every_content_comes_back(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    blobs = Blobs(tmp_path_factory.mktemp("blobs"))
    names = [blobs.put(content) for content in contents]
    assert [blobs.read(name) for name in names] == contents
    assert set(blobs) == set(names)


def test_a_full_disk_leaves_nothing_behind(small_disk: Path) -> None:
    blobs = Blobs(small_disk / "blobs")
    with pytest.raises(OSError, match="No space left"):
        for number in range(100):
            blobs.put(bytes([number]) * 50_000)
    assert all(not blobs.damaged(name) for name in blobs)
    assert os.listdir(small_disk / "blobs" / "tmp") == []


def test_kill_9_while_writing_leaves_only_whole_blobs(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from corpusforge.store.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
print("go", flush=True)
while True:
    blobs.put(os.urandom(300_000))
"""
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "blobs")], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.1)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    blobs = Blobs(tmp_path / "blobs")
    assert len(list(blobs)) > 5
    assert all(not blobs.damaged(name) for name in blobs)
    blobs.clear_temporary()
    assert os.listdir(tmp_path / "blobs" / "tmp") == []


def test_writers_with_the_same_process_number_do_not_meet(tmp_path: Path) -> None:
    """As in two containers, or on two machines, that share the folder."""
    code = """
import os, sys
from pathlib import Path
from corpusforge.store.blobs import Blobs
os.getpid = lambda: 7
blobs = Blobs(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(400):
    blobs.put(f"{sys.argv[2]} {number} ".encode() * 20_000)
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "blobs"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    blobs = Blobs(tmp_path / "blobs")
    names = list(blobs)
    assert len(names) == 800
    assert not any(blobs.damaged(name) for name in names)
    assert os.listdir(tmp_path / "blobs" / "tmp") == []


def test_a_fork_writes_under_names_of_its_own(blobs: Blobs) -> None:
    """What a killed process left half-written stays, and is in nobody's way."""
    code = """
import os, resource, signal, sys
from pathlib import Path
from corpusforge.store.blobs import Blobs
os.getpid = lambda: 7
blobs = Blobs(Path(sys.argv[1]))
blobs.put(b"before the fork")
if os.fork() == 0:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which kills it in the middle of the file
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    blobs.put(b"x" * 2000)
os.wait()
blobs.put(b"y" * 2000)
"""
    subprocess.run([sys.executable, "-c", code, str(blobs.root)], check=True)
    assert len(list(blobs)) == 2
    assert len(os.listdir(blobs.root / "tmp")) == 1
    blobs.clear_temporary()
    assert os.listdir(blobs.root / "tmp") == []

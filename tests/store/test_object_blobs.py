"""Blobs in an object store: the same interface and the same corpora, over a real S3 protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("s3fs", reason="needs the extra s3: pip install 'corpusforge[s3]'")
pytest.importorskip("moto", reason="needs moto[server]")

from corpusforge.errors import MissingDependency, WorkspaceError
from corpusforge.store.blobs import Blobs
from corpusforge.store.object_blobs import ObjectBlobs
from corpusforge.store.workspace import Workspace
from tests.cli.program import copy_workspace, fingerprint, run, source
from tests.servers.s3 import BUCKET, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture
def url(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"


def test_what_is_put_is_there_for_every_process(url: str) -> None:
    ours, others = ObjectBlobs(url), ObjectBlobs(url)
    assert ours.size("0" * 64) is None
    sha256 = others.put(b"one")
    assert sha256 == hashlib.sha256(b"one").hexdigest()
    assert (ours.size(sha256), ours.read(sha256), ours.damaged(sha256)) == (3, b"one", False)
    assert list(ours) == [sha256]
    with pytest.raises(FileNotFoundError):
        ours.read("0" * 64)


def test_it_counts_as_a_folder_does(url: str, tmp_path: Path) -> None:
    store, folder = ObjectBlobs(url), Blobs(tmp_path)
    contents = [bytes([number]) * number for number in range(1, 40)]
    assert [store.put(content) for content in contents] == [folder.put(content) for content in contents]
    assert (store.census(), list(store)) == (folder.census(), list(folder))


def test_a_damaged_blob_is_found_emptied_and_mended(url: str) -> None:
    blobs = ObjectBlobs(url)
    sha256 = blobs.put(b"what it was")
    system, _ = blobs._place
    system.pipe_file(blobs.path(sha256), b"what it is!")
    assert blobs.damaged(sha256)
    blobs.invalidate(sha256)
    assert ObjectBlobs(url).size(sha256) == 0
    assert (blobs.put(b"what it was"), blobs.damaged(sha256)) == (sha256, False)
    assert (blobs.remove(sha256), blobs.remove(sha256), list(blobs)) == (11, 0, [])


def test_a_copy_on_disk_is_the_blob(url: str, tmp_path: Path) -> None:
    blobs = ObjectBlobs(url, tmp_path / "fetched")
    path = Path(blobs.local(blobs.put(b"sound")))
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"sound", 0o444)
    blobs.clear_temporary()
    assert not path.exists()


def test_a_store_that_says_no_is_told_in_one_line(url: str) -> None:
    with pytest.raises(WorkspaceError, match=r"s3://no-such-bucket/x: .*bucket.* Check the address, the credentials"):
        ObjectBlobs("s3://no-such-bucket/x").put(b"x")
    with pytest.raises(WorkspaceError, match=r"nonsense://x: Protocol not known: nonsense"):
        ObjectBlobs("nonsense://x").put(b"x")
    with pytest.raises(MissingDependency, match=r"pip install fsspec\[gs\]"):
        ObjectBlobs("gs://bucket/x").put(b"x")


def test_a_workspace_remembers_its_store(tmp_path: Path, url: str) -> None:
    with Workspace(tmp_path / "one", blobs=url) as workspace:
        workspace.blobs.put(b"one")
    with Workspace(tmp_path / "one") as workspace:
        assert len(list(workspace.blobs)) == 1
    with pytest.raises(WorkspaceError, match=rf"are in {url}, not in s3://other/x: leave --blobs out"):
        Workspace(tmp_path / "one", blobs="s3://other/x")
    with Workspace(tmp_path / "two") as workspace:
        workspace.blobs.put(b"two")
    with pytest.raises(WorkspaceError, match="leave --blobs out"):
        Workspace(tmp_path / "two", blobs=url)


def test_a_corpus_is_the_same_and_its_store_is_looked_after(tmp_path: Path, url: str) -> None:
    pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'corpusforge[espeak]'")
    local, remote = tmp_path / "local", tmp_path / "remote"
    for folder in (local, remote):
        source(folder / "text", groups=3)
    build = ("build", "flores200", "--source", "text", "--jobs", "2", "--json")
    assert run(*build, cwd=local).returncode == 0
    done = run(*build, "--blobs", url, cwd=remote)
    assert done.returncode == 0, done.stderr
    assert fingerprint(remote / "manifests") == fingerprint(local / "manifests")
    assert not (remote / ".corpusforge" / "blobs").exists()
    assert not (remote / ".corpusforge" / "fetched").exists()
    blobs = ObjectBlobs(url)
    assert len(list(blobs)) == 18
    lost = next(iter(blobs))
    blobs.remove(lost)
    again = json.loads(run(*build, cwd=remote).stdout)
    assert (again["made"], again["cached"]) == ({"synthesize": 1}, 17)
    blobs.put(b"named by nothing")
    assert "1 files" in run("gc", cwd=remote).stdout
    moved = copy_workspace(remote, tmp_path / "moved")
    assert json.loads(run("verify", "--json", cwd=moved).stdout)["blobs"] == 18

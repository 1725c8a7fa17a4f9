from __future__ import annotations

import hashlib
import io
import os
import socket
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from corpusforge.errors import SourceError
from corpusforge.sources import flores200_fetch
from corpusforge.sources.flores200 import Flores200
from corpusforge.sources.flores200_fetch import OFFICIAL, Archive, cache_folder, download, locate, unpack, wanted
from tests.servers.files import Fault, FileServer

METADATA = "URL\tdomain\ttopic\thas_image\thas_hyperlink\nhttps://a.org/1\twikinews\tt\tyes\tno\n"
FILES = {
    "dev/zho_Hans.dev": "一\n",
    "devtest/zho_Hans.devtest": "二\n",
    "metadata_dev.tsv": METADATA,
    "metadata_devtest.tsv": METADATA,
    "README": "FLORES 200 dataset\n",
}


def tarball(files: dict[str, str] = FILES, *members: tarfile.TarInfo, prefix: str = "./flores200_dataset/") -> bytes:
    out = io.BytesIO()
    # Not compressed, so that a cut leaves something to go on from.
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return out.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No FLORES-200 on this machine, and no way to the official server."""
    for name in ("CORPUSFORGE_FLORES200", "CORPUSFORGE_FLORES200_SHA256"):
        monkeypatch.delenv(name, raising=False)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("CORPUSFORGE_FLORES200_URL", f"http://127.0.0.1:{port}/nothing-listens-here")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    folder = tmp_path / "flores200_dataset"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def texts(folder: Path) -> list[str]:
    return [item.text for item in Flores200(Flores200.Config(path=str(folder), languages=("zho_Hans",))).items()]


# Finding it


def test_a_folder_that_is_or_holds_the_layout(layout: Path) -> None:
    assert locate(str(layout)) == layout
    assert locate(str(layout.parent)) == layout


def test_a_folder_that_holds_the_tarball(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "flores200_dataset.tar.gz").write_bytes(tarball())
    assert texts(tmp_path / "downloads") == ["一", "二"]


def test_a_path_goes_before_the_environment(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUSFORGE_FLORES200", "/does/not/exist")
    assert locate(str(layout)) == layout


def test_the_environment_goes_before_the_cache(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_folder() / "dev").mkdir(parents=True)
    assert locate() == cache_folder()
    monkeypatch.setenv("CORPUSFORGE_FLORES200", str(layout))
    assert locate() == layout


def test_a_tarball_put_into_the_cache(tmp_path: Path) -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / "flores200_dataset.tar.gz").write_bytes(tarball())
    assert (locate() / "dev" / "zho_Hans.dev").read_text() == "一\n"


@pytest.mark.parametrize("where", ["source.path", "$CORPUSFORGE_FLORES200"])
def test_a_wrong_path_is_an_error_and_no_reason_to_look_further(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache_folder() / "dev").mkdir(parents=True)
    (tmp_path / "holiday" / "photos").mkdir(parents=True)
    for wrong, words in ((tmp_path / "nowhere", "does not exist"), (tmp_path / "holiday", "found photos")):
        if where == "source.path":
            given: str | None = str(wrong)
        else:
            monkeypatch.setenv("CORPUSFORGE_FLORES200", str(wrong))
            given = None
        with pytest.raises(SourceError) as caught:
            locate(given)
        assert str(caught.value).startswith(f"{where} is {wrong}") and words in str(caught.value)


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache" / "corpusforge" / "flores200"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == Path.home() / ".cache" / "corpusforge" / "flores200"


# Unpacking


def test_a_tarball_is_unpacked_once_by_content(tmp_path: Path) -> None:
    path = tmp_path / "flores200_dataset.tar.gz"
    path.write_bytes(tarball())
    folder = locate(str(path))
    assert folder == cache_folder() / sha256(path.read_bytes())[:16]
    before = (folder / "dev" / "zho_Hans.dev").stat().st_mtime_ns
    copy = tmp_path / "copy.tar.gz"
    copy.write_bytes(path.read_bytes())
    assert locate(str(copy)) == folder
    assert (folder / "dev" / "zho_Hans.dev").stat().st_mtime_ns == before
    assert texts(path) == ["一", "二"]


def test_a_tarball_without_the_outer_folder(tmp_path: Path) -> None:
    path = tmp_path / "bare.tar.gz"
    path.write_bytes(tarball(prefix=""))
    assert texts(path) == ["一", "二"]


def test_other_members_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "more.tar.gz"
    path.write_bytes(tarball({**FILES, "dev/._zho_Hans.dev": "finder", "dev/x/y.dev": "deep", "dev/a.devtest": "odd"}))
    folder = locate(str(path))
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()) == sorted(FILES)


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "member",
    [
        _member("../../escaped.dev"),
        _member("flores200_dataset/dev/../../../escaped.dev"),
        _member("/tmp/escaped/dev/bod_Tibt.dev"),
        _member("flores200_dataset/dev/bod_Tibt.dev", tarfile.SYMTYPE, "/etc/passwd"),
        _member("flores200_dataset/dev/bod_Tibt.dev", tarfile.LNKTYPE, "flores200_dataset/dev/zho_Hans.dev"),
        _member("flores200_dataset/dev/bod_Tibt.dev", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}:{member.type.decode()}",
)
def test_an_unsafe_tarball_is_refused_whole(tmp_path: Path, member: tarfile.TarInfo) -> None:
    path = tmp_path / "bad.tar.gz"
    path.write_bytes(tarball(FILES, member))
    with pytest.raises(SourceError, match=r"unsafe archive: .*nothing was kept"):
        locate(str(path))
    assert list(cache_folder().iterdir()) == []
    assert not list(tmp_path.rglob("escaped*"))


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    middle = content.index("一".encode())
    return content[:middle] + b"???" + content[middle + 3 :]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda _: b"", lambda _: b"<html>not found</html>"])
def test_a_damaged_tarball(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "flores200_dataset.tar.gz"
    path.write_bytes(damage(tarball()))
    with pytest.raises(SourceError, match=r"flores200_dataset\.tar\.gz: not a whole tarball"):
        locate(str(path))
    assert list(cache_folder().iterdir()) == []


def test_a_tarball_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.tar.gz"
    path.write_bytes(tarball({"README": "hello"}))
    with pytest.raises(SourceError, match=r"not FLORES-200: expected dev/<language>\.dev"):
        locate(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "flores200_dataset.tar.gz"
    path.write_bytes(tarball())
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(SourceError, match="cannot be unpacked into"):
        locate(str(path))


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "flores200_dataset.tar.gz"
    path.write_bytes(tarball())
    (tmp_path / "cache").write_text("")
    with pytest.raises(SourceError, match=r"cannot be unpacked into .*(Not a directory|File exists)"):
        locate(str(path))
    with pytest.raises(SourceError, match="--sample"):
        locate()


# Downloading


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FileServer]:
    def make(content: bytes, *faults: Fault, expect: str | None = None) -> FileServer:
        server = FileServer({"/f.tar.gz": content}, list(faults))
        monkeypatch.setenv("CORPUSFORGE_FLORES200_URL", f"{server.url}/f.tar.gz")
        monkeypatch.setenv("CORPUSFORGE_FLORES200_SHA256", expect or sha256(content))
        return server

    return make


def big() -> bytes:
    """A tarball of several chunks."""
    return tarball({**FILES, "dev/bod_Tibt.dev": "བོད་ཡིག\n" * 20_000})


def test_the_official_archive_is_wanted_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORPUSFORGE_FLORES200_URL")
    assert wanted() == OFFICIAL


def test_a_mirror_must_hold_the_official_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUSFORGE_FLORES200_URL", "https://mirror.example.org/f.tar.gz")
    assert wanted() == Archive("https://mirror.example.org/f.tar.gz", OFFICIAL.sha256, OFFICIAL.size)


def test_a_checksum_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUSFORGE_FLORES200_SHA256", "b8b0")
    with pytest.raises(SourceError, match="64 hex digits"):
        locate()


def test_it_is_downloaded_once(serve: Callable[..., FileServer]) -> None:
    with serve(big()) as server:
        folder = locate()
        assert (folder / "dev" / "zho_Hans.dev").read_text() == "一\n"
        assert locate() == folder
        assert [request.range for request in server.requests] == [None]
    assert sorted(path.name for path in cache_folder().iterdir()) == [".lock", folder.name]


def test_progress_counts_up_to_the_whole(serve: Callable[..., FileServer]) -> None:
    steps: list[tuple[int, int | None]] = []
    content = big()
    with serve(content):
        source = Flores200(
            Flores200.Config(languages=("zho_Hans",)), progress=lambda have, total: steps.append((have, total))
        )
        assert len(list(source.items())) == 2
    assert steps[0] == (0, len(content)) and steps[-1] == (len(content), len(content))
    assert [have for have, _ in steps] == sorted(have for have, _ in steps) and len(steps) > 5


def test_without_a_length_the_whole_is_unknown(serve: Callable[..., FileServer]) -> None:
    steps: list[tuple[int, int | None]] = []
    with serve(tarball(), Fault(chunked=True)):
        locate(progress=lambda have, total: steps.append((have, total)))
    assert {total for _, total in steps} == {None}


def test_a_cut_transfer_goes_on_where_it_ended(serve: Callable[..., FileServer]) -> None:
    content = big()
    with serve(content, Fault(cut_after=200_000), Fault(cut_after=150_000)) as server:
        locate()
    ranges = [request.range for request in server.requests]
    assert ranges[0] is None and len(ranges) == 3
    begins = [int((asked or "").removeprefix("bytes=").removesuffix("-")) for asked in ranges[1:]]
    assert 0 < begins[0] <= 200_000 and begins[0] < begins[1] <= 350_000


def test_a_later_run_goes_on_where_an_earlier_ended(serve: Callable[..., FileServer]) -> None:
    content = big()
    part = cache_folder() / f"{sha256(content)[:16]}.tar.gz.part"
    with serve(content, Fault(cut_after=200_000), Fault(status=503)):
        with pytest.raises(SourceError, match="HTTP 503"):
            locate()
        assert 0 < part.stat().st_size <= 200_000
    before = part.stat().st_size
    with serve(content) as server:
        locate()
        assert [request.range for request in server.requests] == [f"bytes={before}-"]


def test_a_server_that_cannot_resume_sends_it_whole(serve: Callable[..., FileServer]) -> None:
    with serve(big(), Fault(cut_after=200_000), Fault(ignore_range=True)) as server:
        assert (locate() / "dev" / "zho_Hans.dev").is_file()
        assert len(server.requests) == 2


def test_a_server_that_resumes_elsewhere_is_not_believed(serve: Callable[..., FileServer]) -> None:
    with (
        serve(big(), Fault(cut_after=200_000), Fault(wrong_range=True)),
        pytest.raises(SourceError, match=r"asked for bytes from .*, the server sent 'bytes 0-"),
    ):
        locate()


def test_a_part_of_another_file_is_thrown_away(serve: Callable[..., FileServer]) -> None:
    content = big()
    cache_folder().mkdir(parents=True)
    part = cache_folder() / f"{sha256(content)[:16]}.tar.gz.part"
    part.write_bytes(b"x" * 100_000)
    with serve(content) as server:
        locate()
        assert [request.range for request in server.requests] == ["bytes=100000-", None]


@pytest.mark.parametrize("more", [b"", b"more"])
def test_a_part_that_is_whole_or_too_long(serve: Callable[..., FileServer], more: bytes) -> None:
    content = big()
    cache_folder().mkdir(parents=True)
    (cache_folder() / f"{sha256(content)[:16]}.tar.gz.part").write_bytes(content + more)
    with serve(content) as server:
        assert (locate() / "dev" / "zho_Hans.dev").is_file()
        assert len(server.requests) == (2 if more else 1)


def test_a_whole_part_of_known_size_needs_no_server(tmp_path: Path) -> None:
    content = tarball()
    archive = Archive("http://127.0.0.1:9/never-asked", sha256(content), len(content))
    (tmp_path / f"{archive.sha256[:16]}.tar.gz.part").write_bytes(content)
    assert download(archive, tmp_path).read_bytes() == content


def test_a_wrong_checksum(serve: Callable[..., FileServer]) -> None:
    content = big()
    with serve(content, expect="0" * 64), pytest.raises(SourceError) as caught:
        locate()
    message = str(caught.value)
    assert f"wrong checksum: SHA-256 {sha256(content)} ({len(content)} bytes), expected {'0' * 64}" in message
    assert "--sample" in message
    assert [path.name for path in cache_folder().iterdir()] == [".lock"]


def test_a_wrong_size_is_told(serve: Callable[..., FileServer], tmp_path: Path) -> None:
    content = tarball()
    with serve(content) as server, pytest.raises(SourceError, match=r"\(\d+ bytes\), expected 0+ \(77 bytes\)"):
        download(Archive(f"{server.url}/f.tar.gz", "0" * 64, 77), tmp_path)


@pytest.mark.parametrize("status", [404, 403, 429, 500, 416])
def test_an_answer_that_is_no_file(serve: Callable[..., FileServer], status: int) -> None:
    with serve(tarball(), Fault(status=status)), pytest.raises(SourceError, match=f"HTTP {status}") as caught:
        locate()
    assert_three_ways(str(caught.value))


def test_offline() -> None:
    with pytest.raises(SourceError, match="Connection refused") as caught:
        locate()
    assert_three_ways(str(caught.value))


def assert_three_ways(message: str) -> None:
    assert "set `path` of the recipe's source" in message
    assert "export CORPUSFORGE_FLORES200=" in message
    assert str(cache_folder()) in message
    assert "--sample" in message
    assert OFFICIAL.url in message


def test_a_transfer_that_is_always_cut_ends(serve: Callable[..., FileServer]) -> None:
    with (
        serve(big(), *[Fault(cut_after=40_000)] * 20) as server,
        pytest.raises(SourceError, match="cut 8 times; what came is kept"),
    ):
        locate()
    assert len(server.requests) == 8


def test_a_cut_before_the_first_byte_is_not_tried_again(serve: Callable[..., FileServer]) -> None:
    with serve(big(), Fault(cut_after=0)) as server, pytest.raises(SourceError):
        locate()
    assert len(server.requests) == 1


def test_two_at_once_download_it_once(serve: Callable[..., FileServer]) -> None:
    found: list[Path] = []
    with serve(big(), Fault(slow=0.3)) as server:
        threads = [threading.Thread(target=lambda: found.append(locate())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(server.requests) == 1
    assert len(found) == 3 and len(set(found)) == 1


def test_an_unpacked_tarball_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "flores200_dataset.tar.gz"
    path.write_bytes(tarball())
    folder = unpack(path, tmp_path / "unpacked")
    (folder / "dev" / "kept").write_text("")
    assert unpack(path, tmp_path / "unpacked") == folder
    assert (folder / "dev" / "kept").exists()


def test_two_at_once_unpack_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "flores200_dataset.tar.gz", tmp_path / "unpacked"
    path.write_bytes(tarball())
    both, extract, found = threading.Barrier(2, timeout=60), flores200_fetch._extract, list[Path]()

    def extracted(*given: Path) -> None:
        both.wait()
        extract(*given)
        both.wait()  # both are there, and only then is either given its name

    monkeypatch.setattr(flores200_fetch, "_extract", extracted)
    threads = [threading.Thread(target=lambda: found.append(unpack(path, cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and len(set(found)) == 1
    assert list(cache.iterdir()) == [found[0]]
    assert {str(file.relative_to(found[0])) for file in found[0].rglob("*") if file.is_file()} == set(FILES)

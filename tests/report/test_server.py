"""serve gives a page and its audio to this machine, and nothing else."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from corpusforge import Corpus
from corpusforge.errors import CorpusforgeError
from corpusforge.report.page import write_corpus_page
from corpusforge.report.server import PageServer
from tests.patience import until
from tests.report.browser import complaints, requests, shown
from tests.report.test_in_browser import TIME, seek


@contextmanager
def serving(page: Path) -> Iterator[PageServer]:
    with PageServer(page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(corpus: Path) -> Iterator[PageServer]:
    (corpus / "report" / "stray.txt").write_text("not for the browser")
    (corpus / "report" / "way-out.js").symlink_to(corpus / "corpus.json")
    with serving(corpus / "report") as server:
        yield server


def get(server: PageServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    host, port = server.server_address[:2]
    client = http.client.HTTPConnection(str(host), port, timeout=10)
    try:
        client.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            client.putheader(name, value)
        client.endheaders()
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        client.close()


def clip(corpus: Path) -> tuple[str, bytes]:
    record = Corpus(corpus)[0]
    return "/" + record.audio, record.path.read_bytes()


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("10-19", slice(10, 20)),
        ("100-", slice(100, None)),
        ("-7", slice(-7, None)),
        ("0-99999999", slice(None)),
    ],
)
def test_parts_of_a_clip_can_be_asked_for(server: PageServer, corpus: Path, asked: str, part: slice) -> None:
    path, content = clip(corpus)
    status, headers, body = get(server, path, Range=f"bytes={asked}")
    assert (status, body) == (206, content[part])
    start = part.indices(len(content))[0]
    assert headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(content)}"


def test_a_whole_clip_or_a_part_beyond_its_end(server: PageServer, corpus: Path) -> None:
    path, content = clip(corpus)
    status, headers, body = get(server, path)
    assert (status, headers["Content-Type"], headers["Accept-Ranges"], body) == (200, "audio/flac", "bytes", content)
    status, headers, _ = get(server, path, Range=f"bytes={len(content)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(content)}")


@pytest.mark.parametrize(
    "path",
    [
        "/corpus.json",
        "/manifest.jsonl",
        "/audio/",
        "/audio/../corpus.json",
        "/report/../corpus.json",
        "/report/%2e%2e/corpus.json",
        "/report/..%2fcorpus.json",
        "/report/..%5ccorpus.json",
        "/report//etc/passwd",
        "/report/%00",
        "/report/stray.txt",
        "/report/way-out.js",
        "/report/report.json",
        "//etc/passwd",
        "/etc/passwd",
    ],
)
def test_nothing_else_is_given(server: PageServer, path: str) -> None:
    assert get(server, path)[0] == 404


def test_other_hosts_names_are_refused(server: PageServer) -> None:
    port = server.server_address[1]
    assert get(server, "/report/", Host=f"evil.example:{port}")[0] == 403
    assert get(server, "/report/", Host=f"localhost:{port}")[0] == 200
    assert server.server_address[0] == "127.0.0.1"


def test_the_page_works_when_served(server: PageServer, browser: Any) -> None:
    browser.get(server.address)
    assert shown(browser).startswith("1 to 10 of ")
    browser.find_element("css selector", ".player .play").click()
    until(lambda: browser.execute_script(TIME) > 0.2, "the clip plays")
    seek(browser, 1.2)
    until(lambda: browser.execute_script(TIME) >= 1.2, "it seeks")
    root = server.address.removesuffix("/report/")
    assert all(address.startswith((root, "data:")) for address in requests(browser))
    assert complaints(browser) == []


def test_a_page_elsewhere_is_served_with_the_audio_it_refers_to(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "far" / "page"
    write_corpus_page(corpus, out, spectrograms=False)
    base = json.loads((out / "report.json").read_text())["base"]
    assert (out / base / Corpus(corpus)[0].audio).is_file()
    with serving(out) as server:
        way = "/" + "/".join(part for part in base.split("/") if part not in ("..", "")) + clip(corpus)[0]
        assert get(server, way)[2] == clip(corpus)[1]


def test_a_folder_without_a_page_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match="is no page: `corpusforge report` makes one"):
        PageServer(tmp_path)


def test_a_port_that_is_taken_is_said(server: PageServer, corpus: Path) -> None:
    with pytest.raises(CorpusforgeError, match=r"cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
        PageServer(corpus / "report", server.server_address[1])


@pytest.mark.parametrize("how", ["copy", "link"])
def test_a_page_with_its_own_audio_stands_alone(corpus: Path, tmp_path: Path, how: Any) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(corpus, moved, ignore=shutil.ignore_patterns("report"))
    write_corpus_page(moved, tmp_path / "page", audio=how, spectrograms=False)
    path, content = clip(moved)
    shutil.rmtree(moved)
    with serving(tmp_path / "page") as server:
        assert get(server, f"/report{path}")[2] == content

"""Serves one page, and the audio it plays, to this machine only."""

from __future__ import annotations

import posixpath
import re
import shutil
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from corpusforge.corpus.layout import AUDIO
from corpusforge.errors import CorpusforgeError
from corpusforge.report.folder import about

HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PLACE = "/report"


class PageServer(ThreadingHTTPServer):
    """Serves the page of a folder on 127.0.0.1.

    The page is at `/report/`, and what it refers to where its relative paths lead from there: nothing else is served.

    Args:
        page: Folder of a page that `corpusforge report` wrote.
        port: 0 takes a free one.

    Raises:
        CorpusforgeError: There is no page, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, page: Path, port: int = 0) -> None:
        facts = about(page)
        if facts is None:
            raise CorpusforgeError(f"{page} is no page: `corpusforge report` makes one")
        self.roots = {f"{_PLACE}/": page.resolve()}
        if facts.get("base"):
            inside = posixpath.normpath(posixpath.join(_PLACE, str(facts["base"]), AUDIO))
            self.roots[f"{inside}/"] = (page / str(facts["base"]) / AUDIO).resolve()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise CorpusforgeError(
                f"cannot listen on {HOST}:{port}: {error.strerror}. Name another port with --port, or leave it out"
            ) from error

    @property
    def address(self) -> str:
        """Where to look."""
        return f"http://{HOST}:{self.server_address[1]}{_PLACE}/"

    def find(self, path: str) -> Path | None:
        """The file of a path; None if there is none, or if it is none of ours to give."""
        for prefix in sorted(self.roots, key=len, reverse=True):
            if path.startswith(prefix):
                root = self.roots[prefix]
                parts = path.removeprefix(prefix).split("/")
                if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
                    return None
                found = root.joinpath(*parts).resolve()
                known = found.suffix in _TYPES and found.is_relative_to(root) and found.is_file()
                return found if known else None
        return None


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal has the address, and needs no line a clip."""

    def _answer(self, body: bool) -> None:
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in (HOST, "localhost"):  # a name of somebody else's that leads here: DNS rebinding
            return self._refuse(HTTPStatus.FORBIDDEN)
        path = unquote(urlsplit(self.path).path)
        if path in ("/", _PLACE):
            return self._refuse(HTTPStatus.FOUND, ("Location", f"{_PLACE}/"))
        file = self.server.find(f"{path}index.html" if path == f"{_PLACE}/" else path)
        if file is None:
            return self._refuse(HTTPStatus.NOT_FOUND)
        size = file.stat().st_size
        start, end = 0, size
        asked = _RANGE.fullmatch(self.headers.get("Range") or "")
        if asked and (asked[1] or asked[2]):
            start = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
            end = min(size, int(asked[2]) + 1) if asked[1] and asked[2] else size
            if start >= end:
                return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, ("Content-Range", f"bytes */{size}"))
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        else:
            self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES[file.suffix])
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if not body:
            return
        try:
            with file.open("rb") as source:
                source.seek(start)
                if end == size:
                    shutil.copyfileobj(source, self.wfile)
                else:
                    self.wfile.write(source.read(end - start))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # a player that has heard enough

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

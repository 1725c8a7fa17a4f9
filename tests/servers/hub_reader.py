"""The reading half of a Hugging Face Hub on 127.0.0.1: one dataset repository, open or gated, that counts its requests.

Addresses, headers and error codes are those that the Hub's own client asks for and understands: the repository's
description, its tree, the paths' sizes, and the files with Range.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SHA = "5" * 40


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    token: str | None
    range: str | None


class HubReader:
    """Serves `files` as the repository `name` at its branch main. A context manager.

    Args:
        files: Contents by path.
        name: The repository.
        members: None: anybody may read. Otherwise the repository is gated: its files are for those tokens.
        known: Tokens of accounts that exist beside `members`; any other token is refused as none of the Hub's.
        lost: Paths that the repository lists, and has not.
        status: Answer everything with it, as a server in trouble does.
        reason: The `X-Error-Message` that goes with `status`.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        name: str = "Brand24/mms",
        members: set[str] | None = None,
        known: frozenset[str] = frozenset(),
        lost: frozenset[str] = frozenset(),
        status: int | None = None,
        reason: str = "",
    ) -> None:
        self.files, self.name, self.members, self.known = files, name, members, known
        self.lost, self.status, self.reason = lost, status, reason
        self.requests: list[Request] = []
        self.sent = 0
        """Bytes of files that were sent."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            do_HEAD = do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> HubReader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def _answer(self, to: BaseHTTPRequestHandler) -> None:
        body = to.rfile.read(int(to.headers.get("Content-Length") or 0))
        address = urlsplit(to.path)
        path = unquote(address.path)
        token = (to.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.requests.append(Request(to.command, path, token, to.headers.get("Range")))
        if self.status is not None:
            return self._refuse(to, self.status, "", self.reason)
        if self.members is not None and token is not None and token not in self.members | self.known:
            return self._refuse(to, 401, "", "Invalid credentials in Authorization header")
        api = re.fullmatch(rf"/api/datasets/{self.name}(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?", path)
        file = re.fullmatch(rf"/datasets/{self.name}/resolve/([^/]+)/(.+)", path)
        if api is None and file is None:
            return self._refuse(to, 404, "RepoNotFound", "Repository not found")
        revision = api[2] if api else file[1] if file else None
        if revision not in (None, "main", SHA):
            return self._refuse(to, 404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if api is not None:
            return self._describe(to, api[1], api[3] or "", body)
        assert file is not None
        if self.members is not None and token not in self.members:
            status = 401 if token is None else 403
            return self._refuse(to, status, "GatedRepo", f"Access to dataset {self.name} is restricted.")
        content = self.files.get(file[2])
        if content is None or file[2] in self.lost:
            return self._refuse(to, 404, "EntryNotFound", "Entry not found")
        return self._send(to, content)

    def _describe(self, to: BaseHTTPRequestHandler, what: str | None, path: str, body: bytes) -> None:
        entries = [self._entry(name) for name in sorted(self.files)]
        if what == "paths-info":
            form = parse_qs(body.decode()) if body[:1] != b"{" else json.loads(body)
            return self._json(to, [entry for entry in entries if entry["path"] in form["paths"]])
        if what == "tree":
            return self._json(to, [entry for entry in entries if entry["path"].startswith(path)])
        siblings = [{"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]} for entry in entries]
        gated = "auto" if self.members is not None else False
        about = {"_id": "0" * 24, "id": self.name, "sha": SHA, "private": False, "gated": gated, "disabled": False}
        return self._json(to, about | {"downloads": 0, "likes": 0, "tags": [], "siblings": siblings})

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def _send(self, to: BaseHTTPRequestHandler, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", to.headers.get("Range") or "")
        part = content
        if asked:
            part = content[int(asked[1]) : int(asked[2]) + 1 if asked[2] else None]
        to.send_response(206 if asked else 200)
        to.send_header("X-Repo-Commit", SHA)
        to.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        to.send_header("Accept-Ranges", "bytes")
        to.send_header("Content-Length", str(len(part)))
        if asked:
            to.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(content)}")
        to.end_headers()
        if to.command != "HEAD":
            to.wfile.write(part)
            self.sent += len(part)

    @staticmethod
    def _json(to: BaseHTTPRequestHandler, value: object) -> None:
        body = json.dumps(value).encode()
        to.send_response(200)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        if to.command != "HEAD":
            to.wfile.write(body)

    @staticmethod
    def _refuse(to: BaseHTTPRequestHandler, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        to.send_response(status)
        if code:
            to.send_header("X-Error-Code", code)
        to.send_header("X-Error-Message", message)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        if to.command != "HEAD":
            to.wfile.write(body)

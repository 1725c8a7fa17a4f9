"""A file server on 127.0.0.1 that knows Range, and that fails on request: what a client meets in the wild."""

from __future__ import annotations

import re
import socket
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answer with this status and no file.
        cut_after: Announce the whole body, send so many bytes of it, and close the connection.
        ignore_range: Send the whole file with status 200, as servers without Range do.
        wrong_range: Send bytes from 0 with status 206, whatever was asked for.
        chunked: Send it without a length.
        slow: Seconds to wait before the answer.
    """

    status: int | None = None
    cut_after: int | None = None
    ignore_range: bool = False
    wrong_range: bool = False
    chunked: bool = False
    slow: float = 0.0


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    path: str
    range: str | None


class FileServer:
    """Serves `files` by path (`/name`); each entry of `faults` spoils one request, in order. A context manager."""

    def __init__(self, files: dict[str, bytes], faults: list[Fault] | None = None) -> None:
        self.files = files
        self.faults = deque(faults or [])
        self.requests: list[Request] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append(Request(handler.path, asked))
        fault = self.faults.popleft() if self.faults else Fault()
        self._stopping.wait(fault.slow)
        if fault.status is not None or handler.path not in self.files:
            body = b"<html>no file for you</html>"
            handler.send_response(fault.status or 404)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        body = self.files[handler.path]
        whole = len(body)
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if match and not fault.ignore_range:
            begin = 0 if fault.wrong_range else int(match.group(1))
            if begin >= whole:
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{whole}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
            body = body[begin:]
        else:
            handler.send_response(200)
        if fault.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            return
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if fault.cut_after is None:
            handler.wfile.write(body)
        else:
            handler.wfile.write(body[: fault.cut_after])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True

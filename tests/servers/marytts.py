"""A stand-in for MaryTTS 5.2's HTTP server, after its own servlets, with a tone for a voice.

What it takes from `marytts.server.http`: paths, methods; that the body of a POST counts only where the address has no
parameters (`BaseHttpRequestHandler`); the order of the checks of `/process` and their pages (`SynthesisRequestHandler`,
`MaryHttpServerUtils`, its unclosed `<p>` included); that a RuntimeException in a handler leaves an empty answer with
status 200; lists as `MaryRuntimeUtils` writes them; that effects which it does not know are passed over in silence, and
that hmm effects are parameters of the voice, shared by all requests (`EffectsApplier`).
"""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote_plus

import numpy as np
import soundfile

VERSION = "Mary TTS server 5.2 (impl. 5.2)"
STOCK = (
    "cmu-slt-hsmm en_US female hmm",
    "dfki-pavoque-neutral-hsmm de male hmm",
    "dfki-pavoque-styles de male unitselection general",
    "dfki-spike en_GB male unitselection general",
)
LHASA = "lhasa bo female hmm"
LOCALES = ("de", "en_US", "en_GB", "fr", "it", "lb", "ru", "sv", "te", "tr")
EFFECTS = {
    "Volume": "amount:2.0;",
    "TractScaler": "amount:1.5;",
    "F0Scale": "f0Scale:2.0;",
    "F0Add": "f0Add:50.0;",
    "Rate": "durScale:1.5;",
    "Robot": "amount:100.0;",
    "Whisper": "amount:100.0;",
}
DATA_TYPES = {"TEXT", "SSML", "RAWMARYXML", "PHONEMES", "ACOUSTPARAMS", "AUDIO"}
AUDIO_TYPES = {"WAVE", "AU", "AIFF"}
TRACE = """{exception}: {message}
\tat marytts.modules.JPhonemiser.process(JPhonemiser.java:239)
\tat marytts.server.Request.processOneChunk(Request.java:475)
Caused by: {cause}: {why}
\tat marytts.fst.FSTLookup.lookup(FSTLookup.java:81)
\t... 9 more
"""
SECONDS_A_LETTER = 0.05


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request to `/process`.

    Attributes:
        status, body, headers: Answer with these.
        raw: Answer with status 200 and this for a clip.
        announce: The Content-Length of that, if it is not its length; the connection is closed after it.
        drip: Seconds between two bytes.
        slow: Seconds to wait before the answer.
    """

    status: int | None = None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    announce: int | None = None
    drip: float = 0.0
    slow: float = 0.0


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def parameters(self) -> dict[str, str]:
        """As the server reads them."""
        return pairs(self.query) or pairs(self.body) or {}


def tone(seconds: float, rate: int = 16000, hertz: float = 220.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16", format: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=format)
    return file.getvalue()


def pairs(query: str) -> dict[str, str] | None:
    """`MaryHttpServerUtils.toKeyValuePairs`."""
    if not query:
        return None
    found = {}
    for token in filter(None, query.split("&")):
        name, _, value = token.partition("=")
        found[unquote_plus(name)] = unquote_plus(value)
    return found


class _Empty(Exception):
    """A RuntimeException in a handler: it is logged, and what there is of an answer goes out."""


class MaryServer:
    """MaryTTS at `url`. A context manager.

    Args:
        voices: Lines of `/voices`.
        locales: Lines of `/locales`.
        faults: Each spoils one request to `/process`, in order.
        clip: Makes the answer of a sentence: content of a file, by its length in seconds.
        unreadable: Letters, or other texts, that make it fail with status 500.
        login: User and password that it wants.
        methods: What `/process` takes; 5.2 takes both.
        refusal: Seconds until it refuses another method, after the first time, which is at once.
    """

    def __init__(
        self,
        voices: Sequence[str] = STOCK,
        locales: Sequence[str] = LOCALES,
        faults: Sequence[Fault] = (),
        clip: Callable[[float], bytes] | None = None,
        unreadable: Sequence[str] = "\u0f00",
        login: str | None = None,
        methods: Sequence[str] = ("GET", "POST"),
        refusal: float = 0.0,
    ) -> None:
        self.voices, self.locales, self.unreadable, self.login = list(voices), list(locales), unreadable, login
        self.faults = deque(faults)
        self.methods = methods
        self._refusals = [0.0, refusal]
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self._clip = clip or (lambda seconds: wav(tone(seconds)))
        self._hmm_scale = 1.0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version, sys_version = "HttpComponents/1.1", ""

            def do_GET(self) -> None:
                server._handle(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, address: object) -> None:
                pass  # a client that has gone away in the middle

        self._http = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> MaryServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = re.sub(r"^http://[^/]+", "", handler.path).partition("?")  # as a proxy is asked
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode("utf-8")
        request = Request(handler.command, path, query, body, dict(handler.headers))
        with self._lock:
            self.requests.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self._answer(handler, request)
        finally:
            with self._lock:
                self.at_once -= 1

    def _answer(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        if self.login is not None and request.headers.get("Authorization") != self.login:  # a proxy in front of it
            self._send(handler, 401, _page("Unauthorized", "Who are you?"), "text/html")
            return
        lists = {
            "/version": VERSION,
            "/locales": "".join(f"{locale}\n" for locale in self.locales),
            "/voices": "".join(f"{voice}\n" for voice in self.voices),
            "/audioeffects": "".join(f"{name} {example}\n" for name, example in EFFECTS.items()),
        }
        if request.path in lists:
            self._send(handler, 200, lists[request.path].encode(), "text/plain; charset=UTF-8")
        elif request.path != "/process":
            name = (request.path + ("?" + request.query if request.query else ""))[1:]
            self._send(handler, 404, _page("File not found", f"File {name} not found", "</p>"), "text/html")
        elif request.method not in self.methods:
            self._stopping.wait(self._refusals.pop(0) if len(self._refusals) > 1 else self._refusals[0])
            self._send(handler, 405, b"", "text/plain")
        else:
            fault = self.faults.popleft() if self.faults else Fault()
            self._stopping.wait(fault.slow)
            if fault.status is not None:
                self._send(
                    handler, fault.status, fault.body.encode(), "text/html; charset=UTF-8", headers=fault.headers
                )
                return
            try:
                status, content, kind = self._process(request.parameters)
            except _Empty:
                status, content, kind = 200, b"", "text/plain"
            if fault.raw is not None:
                content, kind = fault.raw, "audio/x-wav"
            self._send(handler, status, content, kind, fault)

    def _process(self, given: dict[str, str]) -> tuple[int, bytes, str]:
        """`SynthesisRequestHandler.process`."""
        if not {"INPUT_TYPE", "OUTPUT_TYPE", "LOCALE", "INPUT_TEXT"} <= set(given):
            return _missing("'INPUT_TEXT' and 'INPUT_TYPE' and 'OUTPUT_TYPE' and 'LOCALE'")
        for name in ("INPUT_TYPE", "OUTPUT_TYPE"):
            if given[name] not in DATA_TYPES:
                return _wrong(name, given[name])
        if given["OUTPUT_TYPE"] == "AUDIO":
            if "AUDIO" not in given:
                return _missing("'AUDIO' when OUTPUT_TYPE=AUDIO")
            if given["AUDIO"].rpartition("_")[0] not in AUDIO_TYPES:
                return _wrong("AUDIO", given["AUDIO"])
        if not given["LOCALE"].strip("_"):
            raise _Empty  # NoSuchElementException of the StringTokenizer in MaryUtils.string2locale
        voices = [line.split() for line in self.voices]
        voice = None
        if "VOICE" in given:
            named = [
                entry
                for entry in voices
                if entry[0] == given["VOICE"] or (entry[2] == given["VOICE"] and entry[1] == given["LOCALE"])
            ]
            if not named:
                return _wrong("VOICE", given["VOICE"])
            voice = named[0]
        else:  # the default voice of exactly this locale
            voice = next((entry for entry in voices if entry[1] == given["LOCALE"]), None)
        if given["LOCALE"] not in {*self.locales, *(entry[1] for entry in voices)}:
            message = "No known way of generating output (AUDIO) from input(TEXT), no processing path through modules."
            return _failed(
                f"java.lang.UnsupportedOperationException: {message}\n\tat marytts.server.Request.java:475)\n"
            )
        if voice is None or any(letter in given["INPUT_TEXT"] for letter in self.unreadable):
            return _failed(
                TRACE.format(
                    exception="marytts.exceptions.SynthesisException",
                    message="cannot synthesise",
                    cause="java.lang.NullPointerException",
                    why="no allophone for &quot;x&quot;",
                )
            )
        scale = self._with_effects(given, voice[3])
        seconds = max(0.1, SECONDS_A_LETTER * len(given["INPUT_TEXT"])) * scale
        return 200, self._clip(seconds), "audio/x-wav"

    def _with_effects(self, given: dict[str, str], kind: str) -> float:
        """`EffectsApplier`: how much longer the speech becomes."""
        selected = {name.split("_")[1] for name, value in given.items() if re.match(r"effect_.*_selected$", name)}
        amount = given.get("effect_Rate_parameters", "") or EFFECTS["Rate"]
        if kind != "hmm":
            return 1.0
        self._hmm_scale = 1.0  # of the voice, whoever else is using it
        if "Rate" in selected and given["effect_Rate_selected"] == "on":
            found = re.search(r"durScale:([\d.]+)", amount)
            self._hmm_scale = min(3.0, max(0.1, float(found[1]) if found else 1.5))
        time.sleep(0.01)  # synthesis, which reads what stands in the voice by then
        return self._hmm_scale

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        kind: str,
        fault: Fault | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        announced = fault.announce if fault is not None else None
        handler.send_header("Content-Length", str(len(content) if announced is None else announced))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        if fault is not None and fault.drip:
            for number in range(len(content)):
                if self._stopping.wait(fault.drip):
                    return
                handler.wfile.write(content[number : number + 1])
            return
        handler.wfile.write(content)
        if announced is not None:
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True


def _page(title: str, message: str, end: str = "</h1>") -> bytes:
    return f"<html><body><h1>{title}</h1><p>{message}{end}</body></html>".encode()


def _missing(name: str) -> tuple[int, bytes, str]:
    return 400, _page("Bad request", f"Request must contain the parameter {name}."), "text/html; charset=UTF-8"


def _wrong(name: str, value: str) -> tuple[int, bytes, str]:
    message = f"The value '{value}' of parameter '{name}' is not valid."
    return 400, _page("Bad request", message), "text/html; charset=UTF-8"


def _failed(trace: str) -> tuple[int, bytes, str]:
    page = _page("Internal server error", f"Processing failed.<pre>{trace}", "</pre>")
    return 500, page, "text/html; charset=UTF-8"

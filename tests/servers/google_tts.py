"""A stand-in for Google Translate's speech, behind a CONNECT proxy: the unmodified client believes it talks to Google.

Certificates are made on the spot by an authority of its own (`GoogleTts.authority`, a PEM file): only a client that
trusts that authority gets through. Answers have the form of Google's `batchexecute`, and hold genuine clips of gTTS.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import datetime
import json
import socket
import ssl
import threading
import urllib.parse
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Clip:
    """A genuine MP3 with its text and its duration in seconds."""

    text: str
    seconds: float
    mp3: bytes


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answer with this status, `headers` and `body`.
        body: Answer with this instead of audio.
        no_audio: Answer as Google does to what it cannot speak: null for the audio.
        mp3: Send these bytes as the audio.
        cut_after: Announce the whole answer, send so many bytes of it, and close the connection.
        end_after: Send so many bytes of the answer as if they were all.
        drip: Seconds between one byte and the next.
        silent: Take the request, and never answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    no_audio: bool = False
    mp3: bytes | None = None
    cut_after: int | None = None
    end_after: int | None = None
    drip: float = 0.0
    silent: bool = False


@dataclass(frozen=True)
class Asked:
    """What a client asked for, and the clip it got (None where it got none)."""

    host: str
    path: str
    text: str
    lang: str
    slow: bool
    clip: Clip | None


def read_clips(folder: Path) -> list[Clip]:
    """The clips of a folder with `index.tsv`."""
    with (folder / "index.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Clip(row["text"], float(row["duration_s"]), (folder / row["file"]).read_bytes()) for row in rows]


class GoogleTts:
    """Speaks with `clips`: a text of theirs with its own, others with the one that comes nearest in length.

    Each entry of `faults` spoils one request, in order; `faulty` spoils every request for a text. A context manager.
    """

    def __init__(self, clips: list[Clip], folder: Path, faults: list[Fault] | None = None) -> None:
        self.clips = clips
        self.faults = deque(faults or [])
        self.faulty: dict[str, Fault] = {}
        self.asked: list[Asked] = []
        self.connects: list[str] = []
        self.refuse_proxy: int | None = None
        self.most_at_once = 0
        self.authority = folder / "authority.pem"
        self._at_once = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        chain = make_certificates(self.authority, folder / "google.pem")
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                with server._lock:
                    server._at_once += 1
                    server.most_at_once = max(server.most_at_once, server._at_once)
                try:
                    server._answer(self)
                except OSError:  # the client has gone
                    self.close_connection = True
                finally:
                    with server._lock:
                        server._at_once -= 1

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that does not trust us hangs up

            def finish_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
                super().finish_request(context.wrap_socket(request, server_side=True), client_address)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._http = Server(("127.0.0.1", 0), Handler)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True),
            threading.Thread(target=self._accept, daemon=True),
        ]

    @property
    def proxy(self) -> str:
        """The CONNECT proxy's address: for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> GoogleTts:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._listener.close()

    def clip_for(self, text: str) -> Clip:
        """The clip that a text is answered with."""
        own = next((clip for clip in self.clips if clip.text == text), None)
        return own or min(self.clips, key=lambda clip: abs(len(clip.text) - len(text)))

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        rpc = json.loads(urllib.parse.parse_qs(body)["f.req"][0])[0][0]
        text, lang, slow, _ = json.loads(rpc[1])
        with self._lock:
            fault = self.faulty.get(text) or (self.faults.popleft() if self.faults else Fault())
            good = fault == Fault(drip=fault.drip)
            clip = self.clip_for(text) if good else None
            self.asked.append(Asked(handler.headers["Host"], handler.path, text, lang, bool(slow), clip))
        if fault.silent:
            self._stopping.wait()
            return
        mp3 = self.clip_for(text).mp3 if fault.mp3 is None else fault.mp3
        answer = fault.body if fault.body is not None else envelope(rpc[0], None if fault.no_audio else mp3)
        sent = answer.encode()[: fault.end_after]
        handler.send_response(fault.status)
        for name, value in fault.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        if fault.cut_after is not None:
            handler.wfile.write(sent[: fault.cut_after])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif fault.drip:
            for byte in sent:
                handler.wfile.write(bytes([byte]))
                if self._stopping.wait(fault.drip):
                    return
        else:
            handler.wfile.write(sent)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                return
            head += more
        self.connects.append(head.split(b"\r\n", 1)[0].decode())
        if self.refuse_proxy is not None:
            client.sendall(f"HTTP/1.1 {self.refuse_proxy} Refused\r\nContent-Length: 0\r\n\r\n".encode())
            client.close()
            return
        server = socket.create_connection(self._http.server_address[:2])
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def envelope(rpc: str, mp3: bytes | None) -> str:
    """An answer of `batchexecute`, with audio or with null for it."""
    payload = None if mp3 is None else json.dumps([base64.b64encode(mp3).decode()], separators=(",", ":"))
    rows = [["wrb.fr", rpc, payload, None, None, None, "generic"], ["di", 42], ["af.httprm", 42, "-1", 4]]
    return ")]}'\n\n" + json.dumps(rows, separators=(",", ":"))


def make_certificates(authority: Path, chain: Path) -> Path:
    """An authority of our own as PEM in `authority`, and in `chain` a key and certificate for translate.google.*."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def usage(signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False)

    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    issuer = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())
    hosts = [x509.DNSName(f"translate.google.{tld}") for tld in ("com", "com.hk", "co.uk", "test")]
    made = []
    for place, key in enumerate(keys):
        signs = place == 0
        builder = (
            x509.CertificateBuilder()
            .subject_name(named("Test Authority" if signs else "translate.google.com"))
            .issuer_name(named("Test Authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(signs, None), critical=True)
            .add_extension(usage(signs), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        )
        if not signs:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority.write_bytes(made[0])
    chain.write_bytes(secret + made[1])
    return chain


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

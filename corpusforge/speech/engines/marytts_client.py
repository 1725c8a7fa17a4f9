"""The HTTP interface of MaryTTS 5, as its servlets in `marytts.server.http` define it, and what answers mean.

    GET  /version /locales /voices /audioeffects     text, a line each
    GET or POST /process                             a WAV; 400 and 500 with a page of HTML

Blocking, on one `requests` session, so that proxies and certificates are those of the environment. Importing it imports
no `requests`.
"""

from __future__ import annotations

import base64
import html
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from corpusforge.net.faults import Fault, Refused, fault_of, fault_of_status, readable
from corpusforge.net.secrets import endpoint, keep_secret, redact
from corpusforge.speech.wav import CutOff, NotAudio, read_clip

if TYPE_CHECKING:
    import numpy as np
    import requests
    from numpy.typing import NDArray

LARGEST = 64 * 1024 * 1024
"""Bytes of an answer that are taken: five minutes of 48 kHz in stereo."""

NO_POST = frozenset({404, 405, 415, 422})
"""How servers answer a form that they want in the address."""

_TOO_LONG = frozenset({413, 414, 431})
_PORTION = 64 * 1024

Method = Literal["auto", "get", "post"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A line of `/voices`: `cmu-slt-hsmm en_US female hmm`, or `dfki-pavoque-styles de male unitselection general`."""

    name: str
    locale: str
    gender: str
    kind: str


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until a connection must stand, and for a whole request."""

    connect: float
    whole: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, UTF-8 as MaryTTS writes it."""
        return self.body.decode("utf-8", "replace")


class MaryttsClient:
    """One server. May be used from several threads.

    Args:
        url: Address of the server, a user and password in it for HTTP basic authentication.
        method: How `/process` is asked: a form that is posted, or parameters in the address. `auto` posts until the
            server shows that it does not take it.
    """

    def __init__(self, url: str, method: Method = "auto") -> None:
        parts = urlsplit(url)
        self.shown = endpoint(url)
        self._url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        self._login: tuple[str, str] | None = None
        if parts.username is not None or parts.password is not None:
            user, password = unquote(parts.username or ""), unquote(parts.password or "")
            self._login = (user, password)
            for hidden in (password, parts.password or "", base64.b64encode(f"{user}:{password}".encode()).decode()):
                keep_secret(hidden)
        self._method = method
        self._session: requests.Session | None = None

    def text(self, path: str, times: Times) -> str | None:
        """The text at a path such as `/voices`, None where the server has none (404).

        Raises:
            Refused, OSError: It does not answer, or with an error.
        """
        answer = self._ask("GET", path, {}, times)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Refused(fault_of_answer(answer))
        return answer.text

    def process(self, parameters: Mapping[str, str], times: Times) -> tuple[NDArray[np.float32], int]:
        """Have a sentence spoken: samples and rate in Hz.

        Raises:
            Refused: With what the server said, or what it sent instead of a clip.
            OSError: It does not answer.
        """
        method = self._method  # another thread may find out while this one waits
        if method == "get":
            return self._clip(self._get(parameters, times), parameters)
        answer = self._ask("POST", "/process", parameters, times)
        if method == "auto" and answer.status in NO_POST:
            instead = self._get(parameters, times)
            if instead.status in NO_POST:
                raise Refused(fault_of_answer(answer))
            self._method = "get"
            answer = instead
        return self._clip(answer, parameters)

    def close(self) -> None:
        """Close the session's connections."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _get(self, parameters: Mapping[str, str], times: Times) -> Answer:
        return self._ask("GET", "/process", parameters, times)

    def _clip(self, answer: Answer, parameters: Mapping[str, str]) -> tuple[NDArray[np.float32], int]:
        if answer.status != 200:
            fault = fault_of_answer(answer)
            if answer.status in _TOO_LONG:
                length = len(urlencode(parameters))
                words = f"{fault.words} (this server wants the sentence in the address, which has {length:,} letters)"
                fault = Fault(words, passing=False, status=answer.status)
            raise Refused(fault)
        try:
            return read_clip(answer.body)
        except CutOff as error:
            raise Refused(Fault(f"it sent {error}", passing=True)) from error
        except NotAudio as error:
            raise Refused(Fault(f"it sent {error}", passing=False)) from error

    def _ask(self, method: str, path: str, parameters: Mapping[str, str], times: Times) -> Answer:
        """One request with its answer, within `times.whole` seconds, however slowly it drips.

        Raises:
            Refused: The answer is too large, or sends us elsewhere.
            OSError: `TimeoutError` or `ConnectionError`, in plain words.
        """
        try:
            return self._answer(method, path, parameters, times)
        except Exception as error:
            plain = _plain(error, times)
            if plain is None:
                raise
            raise plain from None

    def _answer(self, method: str, path: str, parameters: Mapping[str, str], times: Times) -> Answer:
        until = time.monotonic() + times.whole
        # A POST with anything behind a question mark has its body ignored, so it has nothing there.
        sent: dict[str, Any] = {"params" if method == "GET" else "data": dict(parameters)} if parameters else {}
        response = self._open().request(
            method,
            self._url + path,
            **sent,
            auth=self._login,
            timeout=(min(times.connect, times.whole), times.whole),
            stream=True,
            allow_redirects=method == "GET",
        )
        with response:
            if 300 <= response.status_code < 400:
                to = redact(endpoint(response.headers.get("Location", "")) or "nowhere")
                raise Refused(
                    Fault(f"HTTP {response.status_code}: it sends us on to {to}; set that as its url", passing=False)
                )
            body = bytearray()
            while portion := response.raw.read1(_PORTION, decode_content=True):
                body += portion
                if len(body) > LARGEST:
                    raise Refused(Fault(f"an answer of more than {LARGEST / 1e6:,.0f} MB", passing=False))
                if time.monotonic() > until:
                    raise TimeoutError(f"no end of its answer after {times.whole:g} s")
            return Answer(response.status_code, dict(response.headers), bytes(body))

    def _open(self) -> requests.Session:
        if self._session is None:
            import requests

            session = requests.Session()
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=64, max_retries=0)  # `net` tries again
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._session = session
        return self._session


def _plain(error: Exception, times: Times) -> OSError | None:
    """A time-out or lost connection of requests and urllib3 without their wrapping; None for anything else."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "ConnectTimeout" in kinds:
        return TimeoutError(f"no connection in {min(times.connect, times.whole):g} s")
    if kinds & {"ReadTimeout", "ReadTimeoutError"}:
        return TimeoutError(f"no answer in {times.whole:g} s")
    if kinds & {"SSLError", "ProxyError"} or not kinds & {"ConnectionError", "ProtocolError", "IncompleteRead"}:
        return None
    seen: Any = error
    inner: OSError | None = None
    for _ in range(8):
        reason = getattr(seen, "reason", None)
        seen = reason if isinstance(reason, Exception) else seen.__cause__ or seen.__context__
        if seen is None:
            break
        if type(seen).__module__ in {"builtins", "socket", "http.client"} and str(seen):
            inner = seen
    words = (getattr(inner, "strerror", None) or str(inner or error)).rstrip(".")
    return ConnectionError(words)


def fault_of_answer(answer: Answer) -> Fault:
    """What an answer that is no success means, in one line.

    A 500 with MaryTTS's own page is about the sentence or the request, the same every time, unless its memory was full:
    it is not asked again. Of the page's Java stack trace the exception and its last cause are kept.
    """
    fault = fault_of_status(answer.status, answer.headers, answer.text)
    if "html" not in answer.text[:200].lower():
        return fault
    trace = re.search(r"(?is)<pre>(.*?)(?:</pre>|\Z)", answer.text)
    if trace is None:
        return fault
    lines = html.unescape(trace.group(1)).splitlines()
    thrown = [line.strip() for line in lines if line.strip() and not re.match(r"\s*(?:at\s|\.\.\. \d+ more)", line)]
    said = readable(re.sub(r"(?is)<pre>.*", "", answer.text))
    causes = [re.sub(r"^(?:Caused by: )?(?:[\w$]+\.)+([\w$]+)", r"\1", line) for line in thrown]
    why = ": ".join(dict.fromkeys(causes[:1] + causes[-1:]))
    words = redact(f"HTTP {answer.status}: {said} {why}".strip())
    words = words if len(words) <= 300 else f"{words[:300]}…"
    passing = answer.status != 500 or "OutOfMemoryError" in answer.text
    return Fault(words, passing, fault.retry_after, fault.throttled, fault.blocked, fault.status)


def voices_of(listed: str) -> list[Voice]:
    """The lines of `/voices`: name, locale, gender, kind and, of unit selection voices, domain.

    Names of other servers' voices may hold spaces; lines that are none of this are left out.
    """
    pattern = re.compile(r"(\S.*?)\s+([A-Za-z]{2,8}(?:[_-]\w+)*)\s+(male|female|m|f|n|other)(?:\s+(\S+).*)?")
    found = (pattern.fullmatch(line.strip()) for line in listed.splitlines())
    return [Voice(line[1], line[2], line[3], line[4] or "") for line in found if line]


def effects_of(listed: str) -> dict[str, str]:
    """The lines of `/audioeffects`: a name and its example parameters, `Rate durScale:1.5;`."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in listed.splitlines() if line.strip()}


def why(error: BaseException) -> str:
    """An exception of a request in words."""
    return fault_of(error).words

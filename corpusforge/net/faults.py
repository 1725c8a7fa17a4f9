"""What a failed request means: worth another try, final, or a reason to stop the whole build.

One table for every client. Exceptions are recognised by their class without importing the client that made them.
"""

from __future__ import annotations

import html
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from corpusforge.net.secrets import redact

PASSING = frozenset({408, 409, 425, 429})
BLOCKED = frozenset({401, 402, 403, 407})
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "access_terminated")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed request.

    Attributes:
        words: What happened, in one line without secrets.
        passing: Worth another try.
        retry_after: Seconds that the service asked us to wait, None if it did not.
        throttled: The service says that we ask too much: concurrency shrinks.
        blocked: Nothing else will fare better until a person does something: the build stops.
        status: HTTP status, None where there was no answer.
    """

    words: str
    passing: bool
    retry_after: float | None = None
    throttled: bool = False
    blocked: bool = False
    status: int | None = None


class Refused(Exception):
    """Raised inside a try by a client that has judged an answer itself."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words)
        self.fault = fault


def fault_of_status(status: int, headers: Mapping[str, str], body: str, now: float | None = None) -> Fault:
    """The meaning of an HTTP answer that is no success.

    Args:
        status: 300 to 599.
        headers: Any case.
        body: Its text; an HTML page or a JSON error becomes one readable line.
        now: Seconds since the epoch, for Retry-After dates; None is the clock's.
    """
    said = readable(redact(body))  # before it is cut: nobody would know half a secret for one
    words = f"HTTP {status}" + (f": {said}" if said else "")
    spent = any(code in body for code in _QUOTA)
    blocked = status in BLOCKED or spent
    passing = not blocked and (status in PASSING or (status >= 500 and status not in {501, 505, 511}))
    return Fault(words, passing, retry_after(headers, now), status in {429, 503} and not spent, blocked, status)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait as an answer asks: `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110)."""
    found = {
        name.lower(): value for name, value in headers.items() if name.lower() in {"retry-after", "retry-after-ms"}
    }
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = found.get(name, "").strip()
        if re.fullmatch(r"\d+(?:\.\d+)?", value):
            return float(value) * unit
    date = found.get("retry-after")
    if date:
        try:
            return max(0.0, parsedate_to_datetime(date).timestamp() - (time.time() if now is None else now))
        except ValueError:
            return None
    return None


def fault_of(error: BaseException) -> Fault:
    """The meaning of an exception of any client: openai, requests, httpx, huggingface_hub, asyncio, sockets."""
    if isinstance(error, Refused):
        return error.fault
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 300:
        return fault_of_status(status, getattr(response, "headers", None) or {}, _body(error, response))
    words = describe(error)
    if _certificate(error):
        mend = "set SSL_CERT_FILE and REQUESTS_CA_BUNDLE to your certificates if a proxy brings its own"
        return Fault(f"the certificate is not trusted ({words}); {mend}", passing=False, blocked=True)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, TimeoutError) or kinds & {"Timeout", "TimeoutException", "APITimeoutError"}:
        return Fault(words if words != type(error).__name__ else "no answer in time", passing=True)
    if isinstance(error, ConnectionError | EOFError) or kinds & _BROKEN:
        return Fault(words, passing=True)
    if isinstance(error, json.JSONDecodeError) or kinds & {"APIResponseValidationError", "DecodingError"}:
        return Fault(f"an answer that is not the JSON it should be: {words}", passing=True)
    return Fault(words, passing=False)


_BROKEN = {
    *("APIConnectionError", "TransportError", "ChunkedEncodingError", "ContentDecodingError", "ProtocolError"),
    *("IncompleteRead", "IncompleteReadError", "HTTPException", "ClientConnectionError", "ClientPayloadError"),
    "ConnectionError",  # of requests, which is no ConnectionError of Python's
}


def describe(error: BaseException) -> str:
    """An exception and what caused it, in one line without secrets."""
    words = " ".join(str(error).split())
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    # asyncio's own time limit is a TimeoutError caused by a CancelledError, which says nothing.
    if cause is not None and type(cause).__name__ not in {"KeyboardInterrupt", "CancelledError"}:
        why = " ".join(str(cause).split()) or type(cause).__name__
        if why not in words:
            words = f"{words.rstrip('.')} ({why})" if words else why
    named = words if len(words) > 3 else f"{type(error).__name__}: {words}" if words else type(error).__name__
    return redact(named)[:_LONGEST]


def readable(body: str) -> str:
    """The message in an error's body, in one line: of JSON its `error` or `message`, of HTML its text."""
    body = body.strip()
    try:
        found = _message(json.loads(body)) if body[:1] in {"{", "["} else None
    except ValueError:
        found = None
    if found is None:
        found = body
        if re.search(r"<\s*(?:!doctype|html|head|body|title|p|h\d)\b", body, re.I):
            found = re.sub(r"(?is)<(script|style|head)\b.*?</\1>", " ", body)
            title = re.search(r"(?is)<title[^>]*>(.*?)</title>", body)
            found = re.sub(r"(?s)<[^>]+>", " ", found).strip() or (title.group(1) if title else "")
            found = html.unescape(found)
    line = " ".join(found.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def _message(parsed: Any) -> str | None:
    if isinstance(parsed, dict):
        for name in ("error", "message", "detail", "msg"):
            if name in parsed:
                return _message(parsed[name])
        return None
    if isinstance(parsed, list):
        return _message(parsed[0]) if parsed else None
    return parsed if isinstance(parsed, str) else None


def _body(error: BaseException, response: Any) -> str:
    body = getattr(error, "body", None)
    if body is not None and not isinstance(body, str):
        return json.dumps(body, ensure_ascii=False, default=str)
    if body:
        return str(body)
    try:
        return str(response.text)
    except Exception:  # a stream that was not read, or no response at all
        return str(error)


def _certificate(error: BaseException) -> bool:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return False
        if isinstance(seen, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False

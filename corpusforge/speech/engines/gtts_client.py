"""One part of a sentence from Google Translate: gTTS writes the request, this sends it and judges the answer.

gTTS's own `.stream()` sends with `verify=False`, so that any machine on the way can answer in Google's name; it does
not look at NO_PROXY; and its time limit starts again with every byte, so that an answer that drips never ends. None of
this can be set. So the request is prepared by an unmodified `gtts.gTTS` (address, headers, body: what Google changes
from time to time, and gTTS follows), and httpx sends it: awaited, so that a try ends when its time is up, and as the
environment says:

- `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` for proxies;
- `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE` or `SSL_CERT_DIR`, the first that is set, for certificates;
  without them those of certifi.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import ssl
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from corpusforge.net import faults
from corpusforge.net.faults import Fault, Refused, fault_of_status

if TYPE_CHECKING:
    import httpx

    from corpusforge.net.policy import Policy

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

_GUARD = ")]}'"
"""What Google puts before JSON so that no browser takes it for a script."""


class Client:
    """Asks Google Translate for the speech of one part after the other. Belongs to one event loop.

    Args:
        policy: Its time limits are used here; when to ask, and when again, is up to `net.Service`.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._http: httpx.AsyncClient | None = None

    async def fetch(self, part: str, lang: str, tld: str, slow: bool) -> bytes:
        """The MP3 of one part, as it came: one request.

        Args:
            part: At most 100 characters.
            lang: gTTS's name of the language: `zh-CN`.
            tld: Google Translate's domain: `com` is translate.google.com.
            slow: Google's slow reading.

        Raises:
            Refused: The answer holds no audio.
            Exception: What httpx raises; `fault_of` knows what it means.
        """
        from gtts import gTTS

        # One part is one request: neither gTTS's tokenizer nor its changes to the text have a say.
        speech = gTTS(
            part, tld, lang, slow, lang_check=False, pre_processor_funcs=[], tokenizer_func=lambda text: [text]
        )
        (prepared,) = speech._prepare_requests()
        headers = {name: value for name, value in prepared.headers.items() if name.lower() != "content-length"}
        if self._http is None:
            self._http = _client(self._policy)
        answer = await self._http.post(prepared.url, content=prepared.body, headers=headers)
        if answer.status_code != 200:
            raise Refused(_refusal(answer, tld))
        return audio_of(answer.text, speech.GOOGLE_TTS_RPC)

    async def aclose(self) -> None:
        """End the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def fault_of(self, error: BaseException) -> Fault:
        """What an exception of `fetch` means."""
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "ConnectTimeout" in kinds:
            return Fault(f"no connection within {self._policy.connect_timeout:g} s", passing=True)
        if isinstance(error, TimeoutError) or "TimeoutException" in kinds:
            return Fault(f"no whole answer within {self._policy.timeout:g} s", passing=True)
        if "ProxyError" in kinds and (status := re.match(r"\s*(\d{3})\b", str(error))):
            fault = fault_of_status(int(status[1]), {}, "")
            words = f"the proxy of the environment (HTTPS_PROXY) refuses: {error}"
            return Fault(words, fault.passing, None, fault.throttled, fault.blocked, fault.status)
        return faults.fault_of(error)


def audio_of(answer: str, rpc: str) -> bytes:
    r"""The audio in an answer of Google's `batchexecute`.

    The answer is a guard against scripts, then JSON: `[["wrb.fr", rpc, "[\"<base64>\"]", …], …]`, with null for the
    string where there is no audio. Lines that hold only a length may stand between.

    Raises:
        Refused: There is none; the fault says what there is instead.
    """
    text = answer.strip()
    if not text:
        raise Refused(Fault("an empty answer", passing=True))
    if text.startswith("<"):
        said = faults.readable(text) or "no words"
        raise Refused(Fault(f"a web page instead of speech, as from a login or a block: {said}", False, blocked=True))
    try:
        for row in _rows(text.removeprefix(_GUARD)):
            if isinstance(row, list) and row[:2] == ["wrb.fr", rpc]:
                payload = row[2] if len(row) > 2 else None
                found = json.loads(payload) if payload else None
                if not found or not isinstance(found[0], str):
                    raise Refused(Fault("an answer without audio: Google could not speak this text", passing=True))
                return base64.b64decode(found[0], validate=True)
    except (json.JSONDecodeError, binascii.Error) as error:
        raise Refused(Fault(f"an answer that is cut short or damaged ({error})", passing=True)) from error
    said = faults.readable(text[:200])
    raise Refused(Fault(f"an answer that is not of Google's speech: {said}", passing=True))


def _rows(text: str) -> list[Any]:
    decoder, rows, at = json.JSONDecoder(), [], 0
    while match := re.compile(r"\S").search(text, at):
        value, at = decoder.raw_decode(text, match.start())
        rows += value if isinstance(value, list) else []
    return rows


def _refusal(answer: httpx.Response, tld: str) -> Fault:
    """The meaning of a status that is no success. Google's pages are HTML, and gTTS's causes are worked in."""
    status = answer.status_code
    host = f"translate.google.{tld}"
    if 300 <= status < 400:
        to = urlsplit(answer.headers.get("location", ""))
        if to.path.startswith("/sorry"):
            return Fault(f"{host} takes us for a robot (HTTP {status} to {to.netloc}{to.path})", True, None, True)
        words = f"{host} sends us on to {to.netloc or to.path or 'nowhere'} (HTTP {status}): another tld may do"
        return Fault(words, passing=False, blocked=True, status=status)
    fault = fault_of_status(status, answer.headers, answer.text)
    if status == 403:
        words = f"{fault.words}: {host} has blocked us, or its interface has changed (a newer gTTS may know it)"
        return Fault(words, passing=False, blocked=True, status=status)
    if status == 404:
        return Fault(f"{fault.words}: {host} has no speech, check the setting tld", False, blocked=True, status=status)
    return fault


def _client(policy: Policy) -> httpx.AsyncClient:
    """An HTTP client as the environment says. It keeps no cookies: gTTS sends none either.

    Raises:
        Refused: The environment names certificates or a proxy that cannot be used.
    """
    import httpx

    limits = httpx.Limits(max_connections=policy.concurrency)
    try:
        client = httpx.AsyncClient(
            verify=trust(),
            timeout=httpx.Timeout(policy.timeout, connect=policy.connect_timeout),
            limits=limits,
            follow_redirects=False,
        )
    except ImportError as error:
        words = f"the proxy of the environment (HTTPS_PROXY or ALL_PROXY) needs a package: {error}"
        raise Refused(Fault(words, passing=False, blocked=True)) from error
    except (ValueError, httpx.InvalidURL) as error:  # its words may hold the proxy's password
        words = "HTTPS_PROXY or ALL_PROXY is not the address of a proxy: http://host:port is"
        raise Refused(Fault(words, passing=False, blocked=True)) from error
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def trust() -> ssl.SSLContext:
    """The certificates to trust: those that the environment names, else certifi's.

    Raises:
        Refused: The environment names a file that is not there or holds none.
    """
    import certifi

    variable = next((name for name in CERTIFICATES if os.environ.get(name)), None)
    path = Path(os.environ[variable] if variable else certifi.where())
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one: a file without certificates
        words = f"{variable or 'certifi'} names {path}, which holds no certificates that can be read ({error})"
        raise Refused(Fault(words, passing=False, blocked=True)) from error

"""Secrets come from the environment, through here, and nothing that is printed or stored holds one."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

_known: set[str] = set()
_HIDDEN = "[secret]"
_SHORTEST = 6
"""Shorter values are placeholders such as `none` or `EMPTY`; hiding them would hide ordinary words."""
_TOKEN = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_\-]{8,}|\bhf_[A-Za-z0-9]{8,}|\bgh[pousr]_[A-Za-z0-9]{16,}"
    r"|(?<=Bearer )[^\s\"',;]+|(?<=Basic )[A-Za-z0-9+/=]{8,}"
)
_USERINFO = re.compile(r"(?<=://)[^/\s@\"']+@")
_PARAMETER = re.compile(r"(?<=[?&])((?:api[_-]?key|key|token|access_token|secret|password|sig)=)[^&\s\"'#]+", re.I)


def secret(variable: str) -> str | None:
    """The value of an environment variable that holds a secret; from then on `redact` hides it wherever it stands."""
    value = os.environ.get(variable, "").strip()
    if not value:
        return None
    keep_secret(value)
    return value


def keep_secret(value: str) -> None:
    """Have `redact` hide a value that came from elsewhere, such as the password in a URL."""
    if len(value) >= _SHORTEST:
        _known.add(value)


def redact(text: str) -> str:
    """`text` without any secret: known values, what looks like an API key, and credentials in URLs."""
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    text = _TOKEN.sub(_HIDDEN, text)
    text = _USERINFO.sub("", text)
    return _PARAMETER.sub(rf"\1{_HIDDEN}", text)


def endpoint(url: str) -> str:
    """Scheme, host, port and path of a service, for keys and manifests: no user, password, query or fragment."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme.lower(), host + port, parts.path.rstrip("/"), "", ""))

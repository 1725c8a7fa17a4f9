"""Licences: how strict each is, and how the Hub writes it.

The order says what a user of the whole may do at most, not what a court would find: public domain, attribution,
copyleft of data, copyleft of programs, no commercial use, no derivatives, and last what is unknown or has terms of its
own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ORDER = (
    r"cc0-1\.0|unlicense|pddl|0bsd|wtfpl|cc-pddc",
    r"mit|apache-2\.0|bsd(-[a-z0-9-]+)?|isc|zlib|cdla-permissive-[12]\.0|odc-by|cc-by-\d\.\d|afl-3\.0|artistic-2\.0",
    r"cc-by-sa-\d\.\d|odbl|cdla-sharing-1\.0|gfdl",
    r"lgpl(-[23]\.[01])?|mpl-2\.0|epl-[12]\.0",
    r"gpl(-[23]\.0)?",
    r"agpl-3\.0",
    r"cc-by-nc-\d\.\d",
    r"cc-by-nc-sa-\d\.\d",
    r"cc-by-nd-4\.0",
    r"cc-by-nc-nd-\d\.\d",
)
_KNOWN = re.compile("|".join(_ORDER))
_SPDX = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}


@dataclass(frozen=True, slots=True)
class Declared:
    """What a card declares.

    Attributes:
        license: As the Hub writes it: `cc-by-sa-4.0`, or `other`.
        name: What it is where that is `other`, None elsewhere.
    """

    license: str
    name: str | None


def hub_name(spdx: str) -> str | None:
    """`GPL-3.0-or-later` as `gpl-3.0`; None for one that the Hub has no name for."""
    name = spdx.strip().lower()
    name = re.sub(r"(?<=\d)\+$|-(?:only|or-later)$", "", name)
    name = _SPDX.get(name, name)
    return name if _KNOWN.fullmatch(name) else None


def strictest(licences: Iterable[str | None]) -> Declared:
    """The strictest of some licences; one that is not known counts as stricter than all that are.

    Args:
        licences: SPDX ids, words, or None where nobody knows.
    """
    given = sorted(set(licences), key=str)
    others = [licence for licence in given if licence is None or hub_name(licence) is None]
    if others or not given:
        names = ["unknown" if one in (None, "unknown") else str(one) for one in others or [None]]
        return Declared("other", "; ".join(dict.fromkeys(names)))
    known = [name for licence in given if licence is not None and (name := hub_name(licence)) is not None]
    return Declared(max(known, key=_strictness), None)


def _strictness(name: str) -> tuple[int, str]:
    rank = next(number for number, pattern in enumerate(_ORDER) if re.fullmatch(pattern, name))
    return rank, name

"""Names in a corpus folder, shared by writer and reader, without the cost of importing either."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

SCHEMA_VERSION = 1

SPLITS = ("train", "dev", "test")
MANIFEST = "manifest.jsonl"
REJECTED = "rejected.jsonl"
INFO = "corpus.json"
LISTS = (MANIFEST, "train.jsonl", "dev.jsonl", "test.jsonl", REJECTED)
AUDIO = "audio"
COMMIT = ".commit"
"""Folder of files that are complete but not yet in place; while it exists, they take precedence over those in place.
A build that is killed between two renames leaves it behind, and the corpus is the new one nevertheless."""

LONGEST_STEM = 120
_PLAIN = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))[a-z0-9_-][a-z0-9_.-]{0,119}", re.IGNORECASE)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)


def safe_name(name: str) -> str:
    """A file name made of an id or a language: itself if it is plain, else percent-quoted UTF-8.

    Two ids never share a name, none is hidden, reserved on Windows or leaves its folder, and none is longer than 120
    characters: of longer ones the end is replaced by `~` and 32 hex digits of the id's sha256.
    """
    if _PLAIN.fullmatch(name):
        return name
    quoted = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    if not quoted or quoted[0] == "." or _RESERVED.match(quoted):
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}" if quoted else "%"
    if len(quoted) <= LONGEST_STEM:
        return quoted
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{re.sub('%.?$', '', quoted[: LONGEST_STEM - 33])}~{digest}"


def audio_name(item_id: str, sha256: str, suffix: str) -> str:
    """Name of an utterance's audio file within its language's folder; other content has another name."""
    return f"{safe_name(item_id)}.{sha256[:8]}.{suffix}"


def is_audio_name(name: str) -> bool:
    """Whether a writer may have made this file: others that are put beside it are left alone."""
    return _AUDIO_NAME.fullmatch(name) is not None


_AUDIO_NAME = re.compile(r".*\.[0-9a-f]{8}\.(?:flac|wav)(?:\.tmp)?", re.DOTALL)


def current(folder: Path, name: str) -> Path:
    """Where a file of the corpus is: in place, or complete and about to be."""
    waiting = folder / COMMIT / name
    return waiting if waiting.exists() else folder / name

"""The folder of a page: made under another name and put in place whole; its data are scripts.

A page that was opened from the file system may run scripts beside it, and fetch nothing. So each file of data is a
script with one call, `corpusforge.put(name, json)`, which the page loads when it needs it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json

ABOUT = "report.json"
"""Marks a folder as a page of ours, and says what it was made from."""

FORMAT = 1
_SAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_ASSETS = Path(__file__).parent / "assets"


def script(name: str, value: Json) -> str:
    """A script that hands `value` to the page as `name`. No text in it can end a script element, or be code."""
    inner = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"corpusforge.put({json.dumps(name)},{json.dumps(inner, ensure_ascii=False).translate(_SAFE)});\n"


def put(folder: Path, name: str, value: Json) -> None:
    """Write `name`.js into a folder that is not in place yet."""
    (folder / f"{name}.js").write_text(script(name, value), encoding="utf-8", errors="replace")


def about(folder: Path) -> Mapping[str, Json] | None:
    """What the page in a folder was made from; None if there is none of this format."""
    try:
        found = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


@contextlib.contextmanager
def replacing(folder: Path, facts: Mapping[str, Json]) -> Iterator[Path]:
    """A new folder to write a page to, which takes the place of `folder` when all is written.

    Args:
        folder: Where the page will be; a page that is there stays until then, and stays for good after an error.
        facts: For `about`.

    Raises:
        CorpusforgeError: The folder holds something else, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / ABOUT).is_file())):
        raise CorpusforgeError(
            f"{folder} holds something that is no page of ours, and would be replaced: name a new folder with --out DIR"
        )
    token = secrets.token_hex(8)
    fresh = folder.with_name(f".{folder.name}.{token}.next")
    old = folder.with_name(f".{folder.name}.{token}.old")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        for asset in ("icon.svg", "page.css", "page.js", "table.js"):
            shutil.copyfile(_ASSETS / asset, fresh / asset)
        (fresh / ABOUT).write_text(
            json.dumps({"format": FORMAT, **facts}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        if folder.exists():
            os.rename(folder, old)
        os.rename(fresh, folder)
    except OSError as error:
        raise CorpusforgeError(
            f"cannot write the page to {folder}: {error.strerror or error}. Name another folder with --out DIR"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(old, ignore_errors=True)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; a copy of it where the file system has no such thing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

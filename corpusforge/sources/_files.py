"""What every source that reads files needs: lines with their place, a list of problems, a path from a recipe."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from pydantic import ValidationInfo

from corpusforge.errors import SourceError

Report: TypeAlias = Callable[[str], Any]
"""Takes one problem in words: `refuse` raises it at once, `Problems.add` keeps it for later."""


def refuse(problem: str) -> NoReturn:
    """Raise `SourceError` on the first problem: for reading, after `check` has found none."""
    raise SourceError(problem)


class Problems:
    """What is wrong with some input: the first few in full, the rest as a count."""

    def __init__(self, show: int = 5) -> None:
        self.show = show
        self.count = 0
        self.first: list[str] = []

    def add(self, problem: str) -> None:
        self.count += 1
        if len(self.first) < self.show:
            self.first.append(problem)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return "\n  ".join([*self.first, *([f"… and {more} more"] if more else [])])

    def raise_if_any(self, what: str) -> None:
        """Raise `SourceError` with all of it; a single problem stands alone, without a heading."""
        if self.count == 1:
            raise SourceError(f"{what}: {self.first[0]}")
        if self.count:
            raise SourceError(f"{what}: {self.count} problems:\n  {self}")


def read_lines(path: Path, report: Report, keep_ends: bool = False) -> Iterator[str | None]:
    r"""The lines of a UTF-8 file as written, without their `\n` or `\r\n` and without a byte order mark.

    Only a line feed ends a line: a text may hold U+2028 or a vertical tab. A line that is not UTF-8 is reported with
    its number and comes as None.

    Raises:
        SourceError: The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    line = decode(raw, number)
                except UnicodeDecodeError as error:
                    report(f"{path}:{number}: {not_utf8(error)}")
                    yield None
                else:
                    yield line if keep_ends else strip_end(line)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); expected a text file in UTF-8") from error


def decode(raw: bytes, number: int) -> str:
    """A line of a file as text; the first may begin with a byte order mark."""
    return (raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw).decode()


def strip_end(line: str) -> str:
    """The line without its end, and with every blank before that."""
    return line.removesuffix("\n").removesuffix("\r")


def not_utf8(error: UnicodeDecodeError) -> str:
    """The bad byte in words."""
    return (
        f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte {error.start + 1} of the line ({error.reason}); "
        "save the file as UTF-8"
    )


def from_recipe(value: str, info: ValidationInfo) -> str:
    """A path that a user wrote: `~` is expanded, and a relative one that exists beside the recipe is meant there.

    A recipe's loader gives its folder as the validation context `{"folder": ...}`; anything else is left relative
    to the current folder.
    """
    path = os.path.expanduser(value)
    folder = (info.context or {}).get("folder")
    if folder is not None and not os.path.isabs(path) and os.path.exists(os.path.join(folder, path)):
        return os.path.join(folder, path)
    return path

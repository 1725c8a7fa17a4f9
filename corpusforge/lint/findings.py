"""What a check says of a corpus, and the form of a check."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from corpusforge.corpus.read import Corpus, Record
from corpusforge.items import Json
from corpusforge.text import burmese, chinese, tibetan

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is, or may be, wrong with a corpus.

    Attributes:
        check: Name of the check, as `--check` and `--skip` take it.
        severity: `error`: results on this corpus would be wrong, or it cannot be used as it is. `warning`: some rows
            are probably not what they should be. `note`: to be known; also that a check could not be run.
        message: What was found, in one line.
        why: Why it matters.
        mend: The command or setting that mends it.
        rows: Ids of all the rows.
        counts: The numbers of the message, by language, split or whatever the check counts by.
    """

    check: str
    severity: Severity
    message: str
    why: str
    mend: str
    rows: tuple[str, ...] = ()
    counts: Mapping[str, Json] = field(default_factory=dict)


class Tokenizer(Protocol):
    """What is needed of the trainer's text encoder: see `corpusforge.train.encoders.base.TextEncoder`."""

    @property
    def name(self) -> str: ...

    def tokenize(self, texts: Sequence[str], max_length: int) -> list[list[int]]: ...

    def unknown_share(self, texts: Sequence[str]) -> float: ...


@dataclass(frozen=True)
class Settings:
    """What is asked of `lint`.

    Attributes:
        encoder: Opens the trainer's text encoder; None if there is none to check against.
        max_length: Tokens that the trainer will take of a text.
        quick: Only look at the files' headers, and do not hash their content.
    """

    encoder: Callable[[], Tokenizer] | None = None
    max_length: int = 128
    quick: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the corpus on its way through the checks.

    Attributes:
        number: Position in the manifest.
        record: The row.
    """

    number: int
    record: Record

    @cached_property
    def key(self) -> str:
        """The text as it is compared: `compare_key`."""
        return compare_key(self.record.text, self.record.lang)


class Check(Protocol):
    """Sees every row of a corpus once, in the manifest's order, and then says what it found."""

    def add(self, row: Row) -> None:
        """Look at a row. What is kept of it decides the memory of the whole."""

    def end(self) -> Iterator[Finding]:
        """What was found. Called once, after the last row."""


CheckMaker = Callable[[Corpus, Settings], Check]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


_NORMALIZED = {
    "Hans": chinese.normalize,
    "Hant": chinese.normalize,
    "Tibt": tibetan.normalize,
    "Mymr": burmese.normalize,
}


def compare_key(text: str, lang: str) -> str:
    """The letters, signs and digits of a text in one spelling and case; what differs only beside them is equal.

    Empty if the text has none.
    """
    mended = _NORMALIZED.get(lang.partition("_")[2], _plain)(text).casefold()
    return "".join(character for character in mended if unicodedata.category(character)[0] in "LMN")


def build_again(corpus: Corpus) -> str:
    """The command that builds a corpus, as far as its recipe says; options such as `--source` are the user's."""
    recipe: Mapping[str, Json] = corpus.info.get("recipe") or {}
    name = str(recipe.get("name", "RECIPE"))
    if (recipe.get("source") or {}).get("sample"):  # a build with --sample names its corpus after both
        return f"corpusforge build {name.removesuffix('-sample')} --sample"
    return f"corpusforge build {name}"


def some(items: Sequence[str], count: int = 3) -> str:
    """The first of some names, and how many there are more."""
    more = f" and {len(items) - count:,} more" if len(items) > count else ""
    return ", ".join(items[:count]) + more


def counted(count: int, one: str) -> str:
    """`1 row`, `2,009 rows`."""
    return f"{count:,} {one if count == 1 else one + 's'}"


def listed(counts: Mapping[str, int]) -> str:
    """`bod_Tibt 4, mya_Mymr 2`."""
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))

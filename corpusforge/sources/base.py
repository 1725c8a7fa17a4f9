"""The contract of a source: text in, as utterances in parallel groups."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict

from corpusforge.items import Utterance


class SourceConfig(BaseModel):
    """Base of a source's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Outline(NamedTuple):
    """A parallel group without its text: what selection and splits are decided on."""

    group: str
    document: str
    label: str | None


class Source(ABC):
    """Reads text lazily: memory does not grow with the number of utterances.

    Everything that can be wrong with the input (missing lines, bad encoding, unknown language) is checked when
    `check` is called, before the first item is made; messages name file and line.
    """

    name: ClassVar[str]
    Config: ClassVar[type[SourceConfig]]

    progress: Callable[[int, int | None], None] | None = None
    """Told of a download, should there be one: bytes that are here, and bytes in all if that is known."""

    def __init__(self, config: SourceConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def languages(self) -> tuple[str, ...]:
        """FLORES codes of the utterances it yields, in order."""

    @abstractmethod
    def check(self) -> None:
        """Raise `SourceError` on anything that would make the corpus wrong."""

    def citations(self) -> Sequence[str]:
        """What a publication that uses its text has to cite: BibTeX entries, for cards."""
        return ()

    def files(self) -> Sequence[Path] | None:
        """Every file that decides what it yields, without reading them; None if it cannot say."""
        return None

    def identity(self) -> str | None:
        """sha256 over its files' names and contents: the same one means the same utterances. None without files."""
        files = self.files()
        if files is None:
            return None
        digests = []
        for path in files:
            try:
                with open(path, "rb") as stream:
                    digests.append((path.name, hashlib.file_digest(stream, "sha256").hexdigest()))
            except OSError:
                return None  # `check` says what is wrong with it
        return hashlib.sha256(repr(digests).encode()).hexdigest()

    @abstractmethod
    def outline(self) -> Iterator[Outline]:
        """Every parallel group, in the order in which `items` yields them."""

    @abstractmethod
    def items(self, groups: Container[str] | None = None) -> Iterator[Utterance]:
        """Utterances, group by group, languages in order; only those of `groups` if it is given. Repeatable."""

"""The contract of a stage: one function from an item to an outcome, and everything its cache key needs."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from corpusforge.items import Json, Outcome, Utterance

ReadBlob = Callable[[str], bytes]
"""Content of a blob by its sha256."""

Where = Literal["cpu", "gpu", "io"]
"""Where a stage runs: see `Stage`."""


class StageConfig(BaseModel):
    """Base of every stage's settings: frozen, and strict about unknown names.

    A field that changes how fast but not what a stage makes is declared with
    `Field(json_schema_extra={"semantic": False})` and stays out of the cache key. A field that holds settings of
    registered parts by their names says so with `{"settings_of": "engines"}`: recipes are checked in them, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def semantic(self) -> dict[str, Json]:
        """The settings that decide the result, as JSON values."""
        return semantic(self)


def semantic(settings: BaseModel) -> dict[str, Json]:
    """Settings as JSON values without those that are declared not to be semantic, in sections within them, too."""
    dumped: dict[str, Json] = settings.model_dump(mode="json")
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("semantic") is False:
            del dumped[name]
        elif isinstance(value, BaseModel):
            dumped[name] = semantic(value)
    return dumped


@dataclass(frozen=True, slots=True)
class Place:
    """Where a build happens, for stages that keep something of their own (answers that were paid for).

    Attributes:
        folder: The workspace's own folder.
        corpus: Name of the corpus that is being built.
        note: Tells the user something, once.
        reading: Nothing is made or written: a plan is made.
    """

    folder: Path
    corpus: str
    note: Callable[[str], None]
    reading: bool = False


class Stage(ABC):
    """Maps an item to an outcome. Never touches the store, the corpus folder or another item.

    Class attributes:
        name: As written in a recipe.
        version: Raised by the author when the meaning of a result changes.
        reads, writes: Names of the item's attributes and fields. What it reads is in its key; nothing else may
            influence the result.
        where: `cpu` runs in worker processes. The others are awaited, many items at once: `io` in the driver, so that a
            service sees one client however many machines build; `gpu`, which is a model and no service, in workers that
            have a GPU where the executor has such, else in the driver too. May be an instance's own.
        Config: The stage's settings.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    reads: ClassVar[tuple[str, ...]]
    writes: ClassVar[tuple[str, ...]]
    where: Where
    Config: ClassVar[type[StageConfig]]

    def __init__(self, config: StageConfig) -> None:
        self.config = config

    @classmethod
    def parts(cls, config: StageConfig) -> tuple[Stage, ...]:
        """The stages that stand for this one in a build; by default itself alone.

        A stage that asks a service and works on the answer is two, so that the answer is stored by itself.
        """
        return (cls(config),)

    def translates(self) -> tuple[str, tuple[str, ...]] | None:
        """The language this stage translates from and those it adds; None if it adds none.

        Every utterance of the first gets one in each of the others: without a text yet, with `source_text` and
        `source_lang` as fields.
        """
        return None

    def applies(self, item: Utterance) -> bool:
        """Whether the stage has anything to do with `item`; not asked of `cpu` stages, which take every item."""
        return True

    @property
    def concurrency(self) -> int:
        """How many items an `io` or `gpu` stage holds at once, those included that wait for another try."""
        return 32

    def variant(self, item: Utterance) -> str:
        """Which of the stage's settings apply to `item`; by default its language."""
        return item.lang

    def variants(self, lang: str) -> tuple[str, ...]:
        """All variants that items of a language may have."""
        return (lang,)

    def settings(self, variant: str) -> Mapping[str, Json]:
        """The settings that decide the results of one variant: part of the key, and shown when they change.

        Override it so that a setting of one language is not in the key of another, and to add what is not in the
        recipe: engine, model and rule revisions.
        """
        return self.config.semantic()

    def preflight(self, languages: frozenset[str]) -> None:
        """Raise `MissingDependency` or `RecipeError` if this machine cannot run the stage for these languages.

        Called before the first item that this stage or one before it has to be run on: by the executor, on the
        machines that will run it.
        """
        return None

    def estimated_by(self) -> str | None:
        """How `estimate` gets its numbers, in words, where they are not counted."""
        return None

    def shown(self, item: Utterance) -> Sequence[Mapping[str, str]] | None:
        """The messages that a model would be sent for an item (`corpusforge prompt`); None if there are none."""
        return None

    def remark(self, fields: Mapping[str, Json]) -> str | None:
        """What `corpusforge why` adds about a result with these fields; None if there is nothing to add."""
        return None

    def open(self, place: Place) -> None:
        """Called in the driver, after `preflight`, before the first item, and before a plan; by default nothing.

        A `gpu` stage is not opened in the workers that run it.
        """
        return None

    def time_limit(self) -> float:
        """Seconds after which an item is given up."""
        return 300.0

    def estimate(self, item: Utterance) -> Mapping[str, float]:
        """What running this item will use, for `build --dry-run`: characters, requests, tokens. Adds up over items."""
        return {}

    @abstractmethod
    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome | Awaitable[Outcome]:
        """Make the result of one item. `cpu` stages return it, others an awaitable of it."""

    async def finish(self) -> None:
        """Called where it was awaited when the run ends or is stopped: wait for what is on its way and paid for."""
        return None

    def close(self) -> None:
        """Release what the stage holds (worker processes, sessions)."""
        return None


def seed_of(*values: Json) -> int:
    """A random seed for whatever is drawn while a result is made, from all that decides the result: 63 bits."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=dict)
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8]) >> 1

"""What flows through a build: utterances, and what a stage makes of one. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A value that JSON can hold: None, bool, int, float, str, list or dict of the same."""

ATTRIBUTES = ("id", "group", "document", "lang", "text", "label", "source", "license")
_ATTRIBUTE_SET = frozenset(ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence in one language: the item of every build.

    Attributes:
        id: Unique in its corpus, and safe as a file name's stem: `dev-0001.zho_Hans`.
        group: The parallel group: the same sentence in every language shares it.
        document: The article the sentence came from; splits keep documents whole.
        lang: FLORES-200 code, `zho_Hans`.
        text: The sentence as written.
        label: Class name for classification, or None where the source has none.
        source: Where the text came from, `FLORES-200`.
        license: SPDX id of the text's licence, `CC-BY-SA-4.0`.
        fields: What stages wrote, by field name.
    """

    id: str
    group: str
    document: str
    lang: str
    text: str
    label: str | None
    source: str
    license: str
    fields: Mapping[str, Json] = field(default_factory=dict)

    def __reduce__(self) -> tuple[type[Utterance], tuple[Json, ...]]:
        # Items and results travel between processes by the million; what dataclasses pickle takes three times as long.
        return Utterance, (*[getattr(self, name) for name in ATTRIBUTES], self.fields)

    def value(self, name: str) -> Json:
        """The attribute or stage field `name`; None where no stage has written it."""
        return getattr(self, name) if name in _ATTRIBUTE_SET else self.fields.get(name)

    def having(self, fields: Mapping[str, Json]) -> Utterance:
        """A copy with `fields` written over its own: attributes (`text`) and stage fields alike."""
        # Spelled out because it is half the cost of planning: `replace` takes three times as long.
        values = [getattr(self, name) for name in ATTRIBUTES]
        merged = {**self.fields, **fields}
        if not _ATTRIBUTE_SET.isdisjoint(fields):
            values = [merged.pop(name, value) for name, value in zip(ATTRIBUTES, values, strict=True)]
        return Utterance(*values, merged)  # type: ignore[call-arg]  # as many as ATTRIBUTES


@dataclass(frozen=True, slots=True)
class Done:
    """A stage's result.

    Attributes:
        fields: What the stage wrote, by field name.
        blobs: Contents by field name; once stored, the field holds the content's sha256.
        told: What the user should know of how it was made, by what happened, each with its reason: counted, told at the
            end of the run, and not stored.
    """

    fields: Mapping[str, Json]
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    def __reduce__(self) -> tuple[type[Done], tuple[Json, ...]]:
        return Done, (self.fields, self.blobs, self.told)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A stage's verdict that this item cannot be part of a corpus. Cached like a result."""

    reason: str
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A stage could not finish an item this time. Kept for `status`, tried again by the next build."""

    error: str
    attempts: int = 1


Outcome: TypeAlias = Done | Rejected | Failed

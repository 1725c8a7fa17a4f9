"""Cache keys: what a result depends on, as canonical JSON under sha256.

A key is made of the key schema, the stage's name and version, the settings that apply to the item, and the values of
the fields that the stage reads (blobs by their hash). Never of position, order, path, time or worker count, and
never of pickled bytes: the same inputs give the same key on any machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache

from corpusforge.items import Json, Utterance
from corpusforge.stage import Stage

KEY_SCHEMA = 1
SKIPPED = bytes(32)
"""Stands in a walk for the key of a stage that has nothing to do with the item; no result has it."""
LONGEST_SHOWN = 40
"""Input values up to this many characters are kept as they are for `why`; longer ones as a digest."""

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode
_quoted = json.encoder.encode_basestring_ascii


def canonical(value: Json) -> str:
    """JSON with sorted keys, no spaces and ASCII only: equal values give equal text.

    Raises:
        ValueError: NaN or infinity, which JSON cannot hold.
    """
    return _encode(value)


class StageKeys:
    """Makes the keys of one stage, with everything but the item's own values serialised once a variant."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._reads = tuple((name, f"{_quoted(name)}:") for name in sorted(stage.reads))
        self._documents: dict[str, tuple[str, bytes]] = {}

    def variant(self, item: Utterance) -> str:
        """The stage's variant for `item`; empty where the stage has nothing to do with it."""
        stage = self.stage
        return stage.variant(item) if stage.where == "cpu" or stage.applies(item) else ""

    def settings(self, item: Utterance) -> str:
        """Canonical JSON of all that decides results of the item's variant besides the item: what `why` compares."""
        return self._document(item)[0]

    def tail(self, item: Utterance) -> bytes:
        """The part of the key document that all items of this item's variant share."""
        return self._document(item)[1]

    def _document(self, item: Utterance) -> tuple[str, bytes]:
        variant = self.stage.variant(item)
        found = self._documents.get(variant)
        if found is None:
            stage = self.stage
            settings = _settings_document(stage.name, stage.version, canonical(dict(stage.settings(variant))))
            found = settings, f',"schema":{KEY_SCHEMA},{settings[1:]}'.encode("ascii")
            self._documents[variant] = found
        return found

    def key(self, item: Utterance) -> bytes:
        """The key of `item` at this stage: 32 bytes."""
        inputs = self._object(item, _plain)
        return hashlib.sha256(b'{"inputs":' + inputs.encode("ascii") + self.tail(item)).digest()

    def inputs(self, item: Utterance) -> str:
        """The values that went into the key, as JSON short enough to keep: long ones become digests."""
        return self._object(item, _shown)

    def _object(self, item: Utterance, shown: Callable[[Json], Json]) -> str:
        """Canonical JSON of the values that the stage reads; put together here, since most are text: half the time."""
        parts = []
        for name, start in self._reads:
            value = shown(item.value(name))
            parts.append(start + (_quoted(value) if isinstance(value, str) else _encode(value)))
        return "{" + ",".join(parts) + "}"


@lru_cache(maxsize=4096)
def _settings_document(name: str, version: int, settings: str) -> str:
    return f'{{"settings":{settings},"stage":{_encode(name)},"version":{version}}}'


def _plain(value: Json) -> Json:
    return value


def _shown(value: Json) -> Json:
    text = value if isinstance(value, str) else _encode(value)
    if len(text) <= LONGEST_SHOWN:
        return value
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def digest(*parts: str) -> bytes:
    """sha256 over parts, each preceded by its length, so that no two lists of parts collide."""
    whole = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).digest()


def changes(old: Mapping[str, Json], new: Mapping[str, Json], prefix: str = "") -> list[tuple[str, Json, Json]]:
    """What differs between two settings, as (dotted name, old value, new value); None where one has no such name."""
    found: list[tuple[str, Json, Json]] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changes(before, after, f"{prefix}{name}.")
        else:
            found.append((prefix + name, before, after))
    return found

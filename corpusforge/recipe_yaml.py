"""YAML with positions: plain values, and for each where it stands, so that every complaint can name its line.

Anchors and aliases are refused: no recipe needs one, and a few lines of them expand to gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from corpusforge.errors import RecipeError

LARGEST = 1_000_000
DEEPEST = 20
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}

Loc: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: the data, and for each path in it the place where its key or item begins (`file:line:column`)."""

    data: dict[str, Any]
    places: dict[Loc, str]


def read(path: Path) -> Document:
    """Parse a recipe file.

    Raises:
        RecipeError: Not readable, not UTF-8, too large, no YAML, an alias, a repeated key, a key that is no text, a
            value that is neither text, number, truth value, list nor mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise RecipeError(f"{path}: {len(content):,} bytes, a recipe has at most {LARGEST:,}: put data into a table")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8: save it as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """Parse text that is called `name` in messages; see `read`."""
    try:
        _refuse_bombs(text, name)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise RecipeError(f"{where}: not YAML: {error.problem or error.context}{_hint(text, mark)}") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, yaml.MappingNode):
        raise RecipeError(f"{name}: expected settings such as `name: my-corpus`, found {_kind(root)}")
    places: dict[Loc, str] = {(): name}
    return Document(_plain(root, (), places, name), places)


def parse_value(text: str, name: str) -> Any:
    """Parse the value of an override: a number, a word, `[a, b]`, `{a: 1}`."""
    places: dict[Loc, str] = {}
    try:
        _refuse_bombs(text, name)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: the value is not YAML: {' '.join(str(error).split())}") from None
    return None if node is None else _plain(node, (), places, name)


def _refuse_bombs(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        mark = event.start_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else name
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RecipeError(f"{where}: anchors (&) and aliases (*) are not allowed: write the value out, or quote it")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise RecipeError(f"{where}: nested more than {DEEPEST} deep, no setting is")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(node: yaml.Node, loc: Loc, places: dict[Loc, str], name: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = _place(key_node, name)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                shown = getattr(key_node, "value", None)
                raise RecipeError(
                    f"{where}: the name of a setting must be text, found {_kind(key_node)} {shown!r}: put it in quotes"
                )
            key = key_node.value
            if key in mapping:
                raise RecipeError(f"{where}: '{key}' is here a second time, the first is at {places[(*loc, key)]}")
            places[(*loc, key)] = where
            mapping[key] = _plain(value_node, (*loc, key), places, name)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        items = []
        for number, item in enumerate(node.value):
            places[(*loc, number)] = _place(item, name)
            items.append(_plain(item, (*loc, number), places, name))
        return items
    if node.tag not in _PLAIN_TAGS:
        raise RecipeError(
            f"{_place(node, name)}: {node.value!r} is read as {_kind(node)}, expected text, a number, true, false or "
            "null: put it in quotes"
        )
    return yaml.constructor.SafeConstructor().construct_object(node)


def _place(node: yaml.Node, name: str) -> str:
    return f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _kind(node: yaml.Node | None) -> str:
    if node is None:
        return "nothing"
    words = {"bool": "a truth value", "int": "a number", "float": "a number", "null": "null", "seq": "a list"}
    words |= {"str": "text", "map": "a mapping", "timestamp": "a date"}
    kind = str(node.tag).rpartition(":")[2]
    return words.get(kind, f"a {kind}")


def _hint(text: str, mark: Any) -> str:
    lines = text.split("\n")
    if mark is not None and mark.line < len(lines) and "\t" in lines[mark.line]:
        return " (there is a tab: YAML is indented by spaces)"
    return ""

"""YAML with positions: every value knows where it stands, so that every complaint can name its line.

The language is the part of YAML on which all its versions agree. Refused are anchors and aliases (a few lines of them
expand to gigabytes), tags, repeated names, and plain words that YAML 1.1 and 1.2 read differently: `no`, `010`, `1:30`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from corpusforge.errors import RecipeError

LARGEST = 1 << 20
"""Bytes of a recipe file."""
DEEPEST = 20
MOST_SHOWN = 10
"""Problems that one message tells of; the rest is counted."""

Loc: TypeAlias = tuple[str | int, ...]

# Without libyaml the same code reads the same recipes, some ten times slower.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_READ_AS_1_1 = yaml.SafeLoader.yaml_implicit_resolvers
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUTH = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
# What YAML forbids, and the characters other than line feeds at which its line numbers and an editor's part ways.
_BAD_CHARACTER = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\ufeff")


class Place(NamedTuple):
    """Where something stands: a file, or an option of the command line; line and column count from 1, 0 is none."""

    name: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}" if self.line else self.name


@dataclass(slots=True)
class Node:
    """A value and its place: for a setting, where its name begins; for an item of a list, where the item begins."""

    value: bool | int | float | str | list[Node] | dict[str, Node] | None
    place: Place

    def plain(self) -> Any:
        """The value alone."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def get(self, step: str | int) -> Node | None:
        """The part of that name or number, None if there is none."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def nearest_to(self, steps: Loc) -> Node:
        """The part at a path, or the nearest one around it that is there."""
        node = self
        for step in steps:
            inner = node.get(step)
            if inner is None:
                break
            node = inner
        return node


def as_node(value: Any, place: Place) -> Node:
    """A value from elsewhere than a file, all of it at one place.

    Raises:
        RecipeError: It is no text, number, truth value, null, list or mapping of such.
    """
    if isinstance(value, dict):
        return Node({str(name): as_node(inner, place) for name, inner in value.items()}, place)
    if isinstance(value, list | tuple):
        return Node([as_node(inner, place) for inner in value], place)
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and (bad := re.search("[\ud800-\udfff]", value)):
        raise RecipeError(f"{_visible(str(place))}: the byte {_byte(bad.group())} is not UTF-8: expected text in UTF-8")
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"{place}: expected a finite number, found {value}")
    if value is not None and not isinstance(value, bool | int | float | str):
        raise RecipeError(f"{place}: expected text, a number, true, false, null, a list or a mapping, found {value!r}")
    return Node(value, place)


def read(path: Path) -> Node:
    """Parse a recipe file.

    Raises:
        RecipeError: Not readable, not UTF-8, too large, or not what `parse` takes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise RecipeError(f"{path}: larger than {LARGEST:,} bytes, which no recipe needs: put data into a table")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise RecipeError(
            f"{path}:{line}:{column}: byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8"
        ) from None
    root = parse(text, lambda line, column: Place(str(path), line, column))
    if root is None or not isinstance(root.value, dict):
        found = "nothing: the file is empty" if root is None or root.value is None else kind_of(root.plain())
        raise RecipeError(f"{path}:1: expected sections such as `name: my-corpus`, found {found}")
    return root


def parse(text: str, at: Callable[[int, int], Place]) -> Node | None:
    """Parse one YAML document; None if there is none.

    Args:
        text: At most about `LARGEST` characters.
        at: Makes the place of a line and column.

    Raises:
        RecipeError: No YAML, more than one document, or anything that recipes do not take; up to `MOST_SHOWN` problems.
    """
    if bad := _BAD_CHARACTER.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - (text.rfind("\n", 0, bad.start()) + 1) + 1
        raise RecipeError(
            f"{_visible(str(at(line, column)))}: the character U+{ord(bad.group()):04X} cannot stand in a recipe: "
            "delete it"
        )
    builder = _Builder(at)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = at(mark.line + 1, mark.column + 1) if mark else at(1, 1)
        hint = _hint(text, error) or builder.unclosed()
        raise RecipeError(f"{place}: not YAML: {error.problem or error.context}{hint}") from None
    if builder.problems:
        raise RecipeError(several(builder.problems, len(builder.problems)))
    return builder.root


def parse_value(text: str, name: str) -> Node:
    """Parse the value of an override: a number, a word, `[a, b]`, `{a: 1}`.

    Raises:
        RecipeError: As `parse`; every place is `name`.
    """
    place = Place(name)
    return parse(text, lambda line, column: place) or Node(None, place)


def several(problems: list[str], count: int) -> str:
    """The first problems, a line each, and how many there are besides."""
    shown = problems[:MOST_SHOWN]
    return "\n".join([*shown, *([f"… and {count - len(shown)} more"] if count > len(shown) else [])])


class _Builder:
    """Makes nodes of libyaml's events, which come one by one: neither depth nor aliases can exhaust anything."""

    def __init__(self, at: Callable[[int, int], Place]) -> None:
        self.at = at
        self.root: Node | None = None
        self.problems: list[str] = []
        self.open: list[Node] = []
        self.names: list[tuple[str, Place] | None] = []
        self.brackets: list[Place | None] = []

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self.check(event)
            self.scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.check(event)
            place = self.place(event)
            if len(self.open) == DEEPEST:
                raise RecipeError(f"{place}: nested more than {DEEPEST} deep, which no setting is")
            if self.wants_name():
                raise RecipeError(f"{place}: a setting's name must be text, found a list or mapping: {_BRACES}")
            node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], place)
            self.attach(node)
            self.open.append(node)
            self.names.append(None)
            self.brackets.append(place if event.flow_style else None)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()
            self.names.pop()
            self.brackets.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise RecipeError(f"{self.place(event)}: {_NO_ALIAS}")
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise RecipeError(f"{self.place(event)}: a second document begins here: a recipe is one, delete the `---`")

    def place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        return self.at(mark.line + 1, mark.column + 1)

    def check(self, event: Any) -> None:
        if event.anchor is not None:
            raise RecipeError(f"{self.place(event)}: {_NO_ALIAS}")
        if event.tag is not None:
            raise RecipeError(
                f"{self.place(event)}: tags (!) are not used in recipes: put text that needs a ! in quotes"
            )

    def unclosed(self) -> str:
        """Which bracket is open where the parser gave up."""
        place = self.brackets[-1] if self.brackets else None
        bracket = "{" if self.open and isinstance(self.open[-1].value, dict) else "["
        where = f" of line {place.line}" if place is not None and place.line else ""
        return f" (the {bracket}{where} is not closed)" if place is not None else ""

    def wants_name(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].value, dict) and self.names[-1] is None

    def scalar(self, event: yaml.ScalarEvent) -> None:
        place = self.place(event)
        text: str = event.value
        value: bool | int | float | str | None = text
        naming = self.wants_name()
        try:
            value = _read_plain(text) if event.implicit[0] else text
        except ValueError as error:
            self.problems.append(f"{place}: {error}" if not naming else f"{place}: {_not_a_name(text)}")
        if not naming:
            self.attach(Node(value, place))
            return
        if not isinstance(value, str):
            self.problems.append(f"{place}: {_not_a_name(text)}")
        siblings = self.open[-1].value
        assert isinstance(siblings, dict)
        if text in siblings:
            first = siblings[text].place
            where = f"line {first.line}" if first.line else "the same option"
            self.problems.append(f"{place}: '{text}' is here a second time, the first is in {where}: delete one")
        self.names[-1] = text, place

    def attach(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        around = self.open[-1].value
        if isinstance(around, list):
            around.append(node)
        elif isinstance(around, dict) and (name := self.names[-1]) is not None:
            # A setting is where its name is; of a repeated one the first counts, so that later ones point at it.
            node.place = name[1]
            around.setdefault(name[0], node)
            self.names[-1] = None


_NO_ALIAS = "anchors (&) and aliases (*) are not used in recipes: write the value out, or put text in quotes"
_BRACES = "text that begins with [ or { needs quotes"


def _not_a_name(text: str) -> str:
    if text == "<<":
        return "merging (<<) is not used in recipes: write the settings out"
    if text == "":
        return "a setting without a name"
    return f"a setting's name must be text, which '{text}' is not to every reader of YAML: put it in quotes"


def _read_plain(text: str) -> bool | int | float | str | None:
    """A word without quotes.

    Raises:
        ValueError: Versions of YAML differ on it, or it is a number that no setting can be.
    """
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _OTHER_BASE.fullmatch(text):
        raise ValueError(f"'{text}' is a number in another base: write it in decimals, or in quotes if it is text")
    tag = _tag_1_1(text)
    if _WHOLE.fullmatch(text):
        if text.lstrip("+-").startswith("0") and text.lstrip("+-0"):
            raise ValueError(f"'{text}' is octal to some readers: write it without the 0, or in quotes if it is text")
        if len(text) > 19:
            raise ValueError(f"a number of {len(text)} digits, which no setting is: put it in quotes if it is text")
        return int(text)
    if _NUMBER.fullmatch(text):
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            raise ValueError(f"'{text}' is not a finite number: leave out a bound that does not bind")
        if tag != "float":
            raise ValueError(f"'{text}' is text to some readers of YAML: write {_decimal(number)}")
        return number
    if tag == "bool":
        truth = "true" if text.lower() in ("yes", "on") else "false"
        raise ValueError(
            f"'{text}' is {truth} to some readers of YAML, text to others: write {truth}, or quotes around it"
        )
    if tag != "str":
        kind = "a date" if tag == "timestamp" else "a number" if tag in ("int", "float") else "special"
        raise ValueError(f"'{text}' is {kind} to some readers of YAML, text to others: put it in quotes")
    return text


def _tag_1_1(text: str) -> str:
    """What YAML 1.1 takes a plain word for: `str`, `int`, `bool`, `timestamp`, …"""
    for tag, pattern in _READ_AS_1_1.get(text[:1], ()):
        if pattern.match(text):
            return str(tag).rpartition(":")[2]
    return "str"


def _decimal(number: float) -> str:
    text = f"{number:.20f}".rstrip("0").rstrip(".")
    return text if len(text) < 20 and float(text) == number else "it without an exponent"


def kind_of(value: Any) -> str:
    """A plain value's kind, in the words of messages."""
    if value is None:
        return "nothing"
    kinds = ((bool, "a truth value"), (int | float, "a number"), (str, "text"), (list, "a list"), (dict, "a mapping"))
    return next((words for kind, words in kinds if isinstance(value, kind)), type(value).__name__)


def _hint(text: str, error: yaml.MarkedYAMLError) -> str:
    """What usually mends it."""
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
    lines = text.split("\n")
    if any(mark.line < len(lines) and "\t" in lines[mark.line] for mark in marks):
        return " (there is a tab in this line: YAML is indented by spaces)"
    problem = str(error.problem)
    if "mapping values are not allowed" in problem:
        return " (names of one mapping begin in one column, and text with a colon and a space needs quotes)"
    if "could not find expected ':'" in problem:
        return " (a setting is `name: value`, with a space)"
    if error.context is not None and "quoted scalar" in error.context and error.context_mark is not None:
        return f" (the quote that opens in line {error.context_mark.line + 1} is not closed)"
    return ""


def _byte(character: str) -> str:
    return f"0x{ord(character) & 0xFF:02x}"


def _visible(text: str) -> str:
    """Without what a terminal or a file in UTF-8 cannot show."""
    return text.encode("utf-8", "backslashreplace").decode()

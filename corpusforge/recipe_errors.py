"""What pydantic finds wrong with settings, in words and at its place in the recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from corpusforge.errors import nearest
from corpusforge.recipe_yaml import MOST_SHOWN, Loc, Node, Place

# Errors that say "not of this type": a union has one for each type that it is not.
_TYPES = {
    "string": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "none_required": "null",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping of settings",
    "model_attributes": "a mapping of settings",
    "dataclass": "a mapping of settings",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
}
_BOUNDS = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
_BOUNDS |= {"less_than_equal": "at most"}


def explain(error: ValidationError, model: type[BaseModel], node: Node) -> Iterator[tuple[Place, str]]:
    """Each problem with its place: what was found, what is expected, the nearest name.

    A value of a union type gets one message, not one for each type.

    Args:
        error: What validating `node` against `model` raised.
        model: For the names that were possible.
        node: The settings as written.
    """
    by_steps: dict[Loc, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        by_steps.setdefault(_steps(details, node), []).append(details)
    inside = {steps[:end] for steps in by_steps for end in range(len(steps))}
    in_order = sorted(by_steps.items(), key=lambda each: node.nearest_to(each[0]).place[1:])
    count = 0
    for steps, found in in_order:
        part = node.nearest_to(steps)
        wrong = [details for details in found if _type_wanted(details) is None]
        if not wrong and steps in inside:
            continue  # one type of the union did fit, and something in it is wrong
        if count >= MOST_SHOWN:  # it will only be counted, and looking for near names takes time
            yield part.place, ""
        elif wrong:
            yield from dict.fromkeys(_one(details, model, steps, part) for details in wrong)
        else:
            wanted = " or ".join(dict.fromkeys(str(_type_wanted(details)) for details in found))
            yield part.place, f"{_called(steps)}expected {wanted}, found {shown(part.plain())}"
        count += 1


def _steps(details: ErrorDetails, node: Node) -> Loc:
    """The path of an error as it is in the recipe: pydantic puts names of union members between the steps."""
    steps: list[str | int] = []
    at: Node | None = node
    for number, step in enumerate(details["loc"]):
        inner = at.get(step) if at is not None else None
        if inner is not None:
            steps.append(step)
            at = inner
        elif details["type"] == "missing" and number == len(details["loc"]) - 1:
            steps.append(step)
    return tuple(steps)


def _type_wanted(details: ErrorDetails) -> str | None:
    """The type in words if the error is that the value has another one."""
    kind = re.sub(r"_(type|parsing|from_float)$", "", details["type"])
    return _TYPES.get(kind)


def _one(details: ErrorDetails, model: type[BaseModel], steps: Loc, part: Node) -> tuple[Place, str]:
    """An error that is about more than the type."""
    kind, name, message = details["type"], ".".join(map(str, steps)), str(details["msg"])
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        return part.place, f"unknown setting '{name}': {_nearest_setting(model, steps)}"
    if kind == "missing":
        return part.place, f"'{name}' is missing: it has no default"
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
        named = not name or re.search(rf"\b{re.escape(str(steps[-1]))}\b", message)
        return _culprit(part, message), message if named else f"{name}: {message}"
    found = shown(details["input"])
    if kind in _BOUNDS:
        return part.place, f"{_called(steps)}expected {_BOUNDS[kind]} {next(iter(context.values()))}, found {found}"
    near = ""
    if kind in ("literal_error", "enum"):
        message = f"expected {context['expected']}"
        near = _near_word(details["input"], context["expected"])
    message = re.sub("^(Input|Value) should (be|have)", "expected", message)
    return part.place, f"{_called(steps)}{message}, found {found}{near}"


def _near_word(wrong: Any, expected: str) -> str:
    words = re.findall(r"'([^']*)'", expected)
    near = nearest(wrong, words) if isinstance(wrong, str) else ""
    return f": {near}" if near.startswith("did you mean") else ""


def _called(steps: Loc) -> str:
    return f"{'.'.join(map(str, steps))}: " if steps else ""


def _culprit(part: Node, message: str) -> Place:
    """Where exactly the value stands that a validator's message begins by quoting; else the place of the whole part."""
    quoted = re.search(r"'([^']+)'", message)
    if quoted is not None:
        waiting = [part]
        while waiting:
            node = waiting.pop(0)
            if node.value == quoted.group(1):
                return node.place
            if isinstance(node.value, dict):
                if quoted.group(1) in node.value:
                    return node.value[quoted.group(1)].place
                waiting.extend(node.value.values())
            elif isinstance(node.value, list):
                waiting.extend(node.value)
    return part.place


def shown(value: Any) -> str:
    """A value as it would be written, on one line and cut after 60 characters."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, str) and value.isprintable():
        text = value if "'" in value else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:59]}…"


def _nearest_setting(model: type[BaseModel], steps: Loc) -> str:
    """Names that were possible at the place of an unknown one, and where else that very name is a setting."""
    wrong = str(steps[-1])
    models = _models_at(model, steps[:-1])
    deeper = sorted(
        f"{name}.{wrong}"
        for each in models
        for name, field in each.model_fields.items()
        if any(wrong in inner.model_fields for inner in models_in(field.annotation))
    )
    if deeper:
        return "did you mean " + " or ".join(f"'{name}'" for name in deeper) + "?"
    names = sorted({name for each in models for name in each.model_fields})
    return nearest(wrong, names) if names else "it has no settings"


def _models_at(model: type[BaseModel], steps: Loc) -> list[type[BaseModel]]:
    """The models that may stand at a path inside a model."""
    options: list[Any] = [model]
    for step in steps:
        options = [inner for option in options for inner in _inside(option, step)]
    return [found for option in options for found in _members(option) if _is_model(found)]


def _inside(annotation: Any, step: str | int) -> Iterator[Any]:
    for member in _members(annotation):
        if _is_model(member):
            if step in member.model_fields:
                yield member.model_fields[step].annotation
        elif isinstance(origin := get_origin(member), type):
            arguments = [argument for argument in get_args(member) if argument is not ...]
            yield from arguments[-1:] if issubclass(origin, Mapping) else arguments


def _members(annotation: Any) -> Iterator[Any]:
    """The types of a union, or the one type."""
    if (aliased := getattr(annotation, "__value__", None)) is not None:  # `type Name = ...`
        yield from _members(aliased)
    elif get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold, in mappings and lists too."""
    for member in _members(annotation):
        if _is_model(member):
            yield member
        else:
            for inner in get_args(member):
                yield from models_in(inner)

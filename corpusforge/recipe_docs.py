"""The page of all settings, made from the models that validate them.

`python -m corpusforge.recipe_docs docs/recipes.md` makes them anew in the page.

A setting's description is its field's own, or what the model's docstring says under `Attributes:`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from corpusforge.corpus.splits import Splits
from corpusforge.quality.gates import Gates
from corpusforge.recipe_errors import models_in
from corpusforge.registry import SHIPPED, find

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"

_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    NoneType: "null",
    Any: "anything",
}


def settings_markdown() -> str:
    """Every setting of what ships, in tables: name, type, default, description."""
    parts = ["## Sources", "", "Under `source:`, chosen by `type`.", ""]
    for name in SHIPPED["sources"]:
        parts += [*_section(f"type: {name}", find("sources", name).Config), ""]
    parts += ["## Stages", "", "Items of `stages:`, chosen by `stage`.", ""]
    for name in SHIPPED["stages"]:
        parts += [*_section(f"stage: {name}", find("stages", name).Config), ""]
    parts += ["## Engines", "", "Under `engines:` of the stage `synthesize`, by the engine's name.", ""]
    for name in SHIPPED["engines"]:
        parts += [*_section(f"engines: {{{name}: …}}", find("engines", name).Config), ""]
    parts += [
        "## Gates and splits",
        "",
        "Applied when the corpus is written; no change of them makes speech again.",
        "",
    ]
    parts += [*_section("gates:", Gates), "", *_section("splits:", Splits)]
    return "\n".join(parts)


def documented(page: str) -> str:
    """A page with what stands between its two marks made anew.

    Raises:
        ValueError: The page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks its marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{settings_markdown()}\n\n{END}{after}"


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What each setting of a model is, where anything says so."""
    found: dict[str, str] = {}
    current: list[str] = []
    for line in (model.__doc__ or "").partition("Attributes:")[2].splitlines():
        name, colon, rest = line.strip().partition(":")
        named = name.split(", ")
        if colon and all(each in model.model_fields for each in named):
            current = named
            line = rest
        for each in current:
            found[each] = f"{found.get(each, '')} {line.strip()}".strip()
    found |= {name: field.description for name, field in model.model_fields.items() if field.description}
    return {name: re.sub(r"\bNone\b", "null", words) for name, words in found.items()}


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"### `{title}`"
    yield ""
    about = re.split(r"\n\s*(?:Attributes|Args):", model.__doc__ or "")[0] if model.__doc__ else ""
    if model.__doc__ and about.strip():
        yield " ".join(about.split())
        yield ""
    rows = list(_rows(model, "", ()))
    if not rows:
        yield "It has no settings."
        return
    yield "| setting | type | default | what it is |"
    yield "|---|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _rows(
    model: type[BaseModel], prefix: str, around: tuple[type[BaseModel], ...], filled: BaseModel | None = None
) -> Iterator[tuple[str, ...]]:
    """A row a setting. `filled`: what the section around has where nothing is given, if that is not the model's own."""
    described = descriptions(model)
    for name, field in model.model_fields.items():
        default = _default(field, getattr(filled, name, None))
        yield f"`{prefix}{name}`", _type(field.annotation), default, described.get(name, "")
        inside = "<name>." * _type(field.annotation).count("mapping of ")
        for inner in dict.fromkeys(models_in(field.annotation)):
            if inner not in (*around, model):
                own = None if _keeps_no_defaults(field) else field.get_default(call_default_factory=True)
                yield from _rows(inner, f"{prefix}{name}.{inside}", (*around, model), own)


def _keeps_no_defaults(field: FieldInfo) -> bool:
    """Whether a section that gives one setting gets the model's defaults for the others, not the field's."""
    return not any(isinstance(each, BeforeValidator) for each in field.metadata)


def _default(field: FieldInfo, filled: Any) -> str:
    if field.is_required():
        return "required"
    return f"`{_written(field.get_default(call_default_factory=True) if filled is None else filled)}`"


def _written(value: Any) -> str:
    """A value as it stands in a recipe."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(_written(inner) for inner in value) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)


def _type(annotation: Any) -> str:
    """A type in the words of the page."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    if (aliased := getattr(annotation, "__value__", None)) is not None:
        return _type(aliased)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return _or(f"`{_written(value)}`" for value in arguments)
    if origin in (Union, UnionType):
        return _or(_type(argument) for argument in arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_grouped(_type(arguments[-1]))}"
    if isinstance(origin, type):
        return f"list of {_grouped(_or(_type(argument) for argument in arguments if argument is not ...))}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "settings"
    return str(getattr(annotation, "__name__", annotation))


def _grouped(words: str) -> str:
    return f"({words})" if " or " in words and words != _WORDS[bool] else words


def _or(words: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(words))
    return " or ".join([", ".join(distinct[:-1]), distinct[-1]]) if len(distinct) > 1 else distinct[0]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(documented(target.read_text(encoding="utf-8")), encoding="utf-8")

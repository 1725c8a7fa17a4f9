"""The settings of a recipe, from the models that validate them: as JSON Schema for editors, as a page for people."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticUndefined

from corpusforge.corpus.splits import Splits
from corpusforge.quality.gates import Gates
from corpusforge.recipe import NAME, models_in
from corpusforge.registry import Kind, find, names

_NAMED: dict[Kind, str] = {"sources": "type", "stages": "stage"}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe file."""
    configs = {kind: {name: find(kind, name).Config for name in names(kind)} for kind in _NAMED}
    models = [Gates, Splits, *(config for by_name in configs.values() for config in by_name.values())]
    refs, document = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    definitions = document["$defs"]

    def variants(kind: Kind) -> list[dict[str, Any]]:
        found = []
        for name, config in configs[kind].items():
            # A copy with the name in it: `additionalProperties: false` would refuse one added from outside.
            own = copy.deepcopy(definitions[refs[config, "validation"]["$ref"].rpartition("/")[2]])
            own["properties"] = {_NAMED[kind]: {"const": name}, **own.get("properties", {})}
            own["required"] = [_NAMED[kind], *own.get("required", [])]
            found.append(own)
        return found

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "corpusforge recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "source", "stages"],
        "properties": {
            "name": {"type": "string", "pattern": f"^{NAME.pattern}$", "description": "Name of the corpus"},
            "description": {"type": "string"},
            "source": {"oneOf": variants("sources")},
            "stages": {"type": "array", "minItems": 1, "items": {"oneOf": variants("stages")}},
            "gates": refs[Gates, "validation"],
            "splits": refs[Splits, "validation"],
            "profiles": {"type": "object", "additionalProperties": {"type": "object"}},
        },
        "$defs": definitions,
    }


def settings_markdown() -> str:
    """Every setting of every source, stage and section as tables."""
    parts = []
    for kind, key in _NAMED.items():
        for name in names(kind):
            parts += [f"### `{key}: {name}`", "", *_table(find(kind, name).Config), ""]
    for name in names("engines"):
        parts += [f"### `engines: {{{name}: …}}`", "", *_table(find("engines", name).Config), ""]
    parts += ["### `gates:`", "", *_table(Gates), "", "### `splits:`", "", *_table(Splits), ""]
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield "| setting | type | default | |"
    yield "|---|---|---|---|"
    for name, type_name, default, description in _rows(model, ""):
        yield f"| `{name}` | {type_name} | {default} | {description} |"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    described = _attributes(model)
    for name, field in model.model_fields.items():
        required = field.default is PydanticUndefined and field.default_factory is None
        default = "" if required else f"`{_plain(field.get_default(call_default_factory=True))}`"
        description = field.description or described.get(name, "")
        type_name = _type(field.annotation)
        yield prefix + name, type_name, "required" if required else default, description.replace("|", "\\|")
        for inner in models_in(field.annotation):
            yield from _rows(inner, f"{prefix}{name}.")


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Descriptions from the docstring's `Attributes:` section, where a field has none of its own."""
    found: dict[str, str] = {}
    current = ""
    _, _, section = (model.__doc__ or "").partition("Attributes:")
    for line in section.splitlines():
        name, colon, rest = line.strip().partition(": ")
        if colon and name.replace(", ", "").replace("_", "").isalnum() and name.split(", ")[0] in model.model_fields:
            current = name
            for each in name.split(", "):
                found[each] = rest
        elif line.strip() and current:
            for each in current.split(", "):
                found[each] += " " + line.strip()
    return found


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, ensure_ascii=False)


def _type(annotation: Any) -> str:
    """A type in the words of a YAML file."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in inner))
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in inner)
    if origin is Annotated:
        return _type(inner[0])
    if origin in (tuple, list):
        return f"list of {_type(inner[0])}"
    if origin in (dict, Mapping):
        return f"mapping to {_type(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "settings"
    words = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null", Any: "any"}
    return words[annotation]


BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


def documented(page: str) -> str:
    """A page with the tables of settings between its markers brought up to date."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{settings_markdown()}\n{END}{after}"


if __name__ == "__main__":
    import sys
    from pathlib import Path

    target = Path(sys.argv[1])
    target.write_text(documented(target.read_text(encoding="utf-8")), encoding="utf-8")

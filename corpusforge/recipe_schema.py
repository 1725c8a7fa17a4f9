"""A recipe's JSON Schema, for editors that complete and check while one writes."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from corpusforge.corpus.splits import Splits
from corpusforge.quality.gates import Gates
from corpusforge.recipe_docs import descriptions
from corpusforge.recipe_errors import models_in
from corpusforge.recipe_files import LONGEST, NAME
from corpusforge.registry import Kind, find, names

Schema: TypeAlias = dict[str, Any]

_NAMED: dict[Kind, str] = {"sources": "type", "stages": "stage"}
_REF = "#/$defs/"


def json_schema() -> Schema:
    """JSON Schema (draft 2020-12) of a recipe file, of everything that is installed here."""
    configs: dict[Kind, dict[str, type[BaseModel]]] = {
        kind: {name: find(kind, name).Config for name in names(kind)} for kind in _NAMED
    }
    models: list[type[BaseModel]] = [
        Gates,
        Splits,
        *(config for by_name in configs.values() for config in by_name.values()),
    ]
    refs, document = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
    definitions: dict[str, Schema] = document["$defs"]
    own = {model: str(refs[model, "validation"]["$ref"]).removeprefix(_REF) for model in models}
    for model in models:
        _describe(model, definitions, own[model])

    # A definition for each source and stage, with its name among its properties: one put around it would not do,
    # because `additionalProperties: false` refuses what it does not list itself.
    changes: dict[str, Schema] = {}
    for kind, key in _NAMED.items():
        for name, config in configs[kind].items():
            settings = definitions[own[config]]
            given = {key: {"const": name, "description": f"Which {kind[:-1]}"}, **settings.get("properties", {})}
            required = [key, *settings.get("required", [])]
            definitions[f"{kind[:-1]}: {name}"] = {**settings, "title": name, "properties": given, "required": required}
            changes[f"{kind[:-1]}: {name}"] = _optional({**settings, "title": name, "properties": given})
    for name in set(own.values()) - {own[Gates], own[Splits]}:
        del definitions[name]
    for model in (Gates, Splits):
        changes[own[model]] = _optional(definitions[own[model]])
    definitions |= {f"change of {name}": schema for name, schema in changes.items()}

    title = {"type": "string", "maxLength": LONGEST, "pattern": f"^{NAME.pattern}$"}
    text = {"type": ["string", "null"], "description": "One line about the corpus"}
    sections: Schema = {
        "name": {**title, "description": "Name of the corpus and its folder"},
        "description": text,
        "source": {"oneOf": [_ref(f"source: {name}") for name in configs["sources"]]},
        "stages": {
            "type": "array",
            "minItems": 1,
            "items": {"oneOf": [_ref(f"stage: {n}") for n in configs["stages"]]},
        },
        "gates": {"anyOf": [_ref(own[Gates]), {"type": "null"}], "description": "What the corpus takes"},
        "splits": {"anyOf": [_ref(own[Splits]), {"type": "null"}], "description": "Train, dev and test"},
    }
    changed: Schema = {
        "name": title,
        "description": text,
        "source": {"anyOf": [_ref(f"change of source: {name}") for name in configs["sources"]]},
        "gates": _ref(f"change of {own[Gates]}"),
        "splits": _ref(f"change of {own[Splits]}"),
        **{name: _ref(f"change of stage: {name}") for name in configs["stages"]},
    }
    profile = {"type": "object", "additionalProperties": False, "properties": changed}
    sections["profiles"] = {
        "type": ["object", "null"],
        "additionalProperties": profile,
        "description": "Changes of settings by stage or section, chosen by --profile",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "corpusforge recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "source", "stages"],
        "properties": sections,
        "$defs": dict(sorted(definitions.items())),
    }


def _ref(name: str) -> Schema:
    return {"$ref": _REF + name.replace(" ", "%20")}


def _describe(model: type[BaseModel], definitions: dict[str, Schema], name: str) -> None:
    """Put what docstrings say of settings into the schema, for those that have no description of their own."""
    properties: dict[str, Schema] = definitions[name].get("properties", {})
    for setting, words in descriptions(model).items():
        if setting in properties:
            properties[setting].setdefault("description", words)
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            if inner.__name__ in definitions and inner is not model:
                _describe(inner, definitions, inner.__name__)


def _optional(settings: Schema) -> Schema:
    """The settings for a profile, which gives only some of them."""
    some = copy.deepcopy(settings)
    some.pop("required", None)
    return some

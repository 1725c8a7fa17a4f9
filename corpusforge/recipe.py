"""Recipes: what to build, in a YAML file of a page.

A recipe is a source, a list of stages with their settings, gates and splits. Profiles and `--set` overrides change
settings by name; then everything is validated strictly, and every complaint names file, line and the nearest name.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from corpusforge.corpus.splits import Splits
from corpusforge.errors import RecipeError, nearest
from corpusforge.items import Json
from corpusforge.quality.gates import Gates
from corpusforge.recipe_files import locate
from corpusforge.recipe_yaml import Document, Loc, parse_value, read
from corpusforge.registry import Kind, find
from corpusforge.sources.base import SourceConfig
from corpusforge.stage import StageConfig

SECTIONS = ("name", "description", "source", "stages", "gates", "splits", "profiles")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
MOST_SHOWN = 10
_PATHS = {"path", "sib200"}


@dataclass(frozen=True, slots=True)
class StageUse:
    """A stage of a recipe, with its settings."""

    name: str
    config: StageConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """A validated recipe, profile and overrides applied.

    Attributes:
        name: Of the corpus; the sample of a source builds `<name>-sample`.
        description: One line.
        path: The file.
        source_type, source_config: Where the text comes from.
        stages: In order.
        gates, splits: Applied when the corpus is written.
    """

    name: str
    description: str
    path: Path
    source_type: str
    source_config: SourceConfig
    stages: tuple[StageUse, ...]
    gates: Gates
    splits: Splits

    def resolved(self) -> dict[str, Json]:
        """The whole recipe with every default filled in; of paths only the last part, so that it fits any machine."""
        source = self.source_config.model_dump(mode="json")
        for key in _PATHS & source.keys():
            source[key] = source[key] and PurePath(source[key]).name
        return {
            "name": self.name,
            "description": self.description,
            "source": {"type": self.source_type, **source},
            "stages": [{"stage": use.name, **use.config.model_dump(mode="json")} for use in self.stages],
            "gates": self.gates.model_dump(mode="json"),
            "splits": self.splits.model_dump(mode="json"),
        }

    def fingerprint(self) -> str:
        """sha256 of the resolved recipe."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()


def load(
    ref: str,
    *,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> Recipe:
    """Load a recipe.

    Args:
        ref: A name (`flores200`: from ./recipes, else what ships) or the path of a YAML file.
        profile: Name of one of its profiles.
        overrides: `synthesize.rate=10`: stage or section, setting, value as YAML.
        extra: The same with values, by dotted name.

    Raises:
        RecipeError: Anything that does not fit; up to ten problems at once.
    """
    path = locate(ref)
    document = read(path)
    draft = _Draft(document, path)
    if profile is not None:
        draft.apply_profile(profile)
    for override in overrides:
        draft.override(override)
    for name, value in (extra or {}).items():
        draft.set(name.split("."), value, f"{path} with {name}={value}")
    return draft.validated()


class _Draft:
    """Data on its way to a recipe, with the place of every part."""

    def __init__(self, document: Document, path: Path) -> None:
        self.path = path
        self.data = copy.deepcopy(document.data)
        self.places = dict(document.places)
        self.problems: list[str] = []

    # Profiles and overrides

    def apply_profile(self, name: str) -> None:
        profiles = self.data.get("profiles")
        known = profiles if isinstance(profiles, dict) else {}
        if name not in known:
            raise RecipeError(
                f"{self.path} has no profile '{name}': {nearest(name, known) if known else 'it has none'}"
            )
        changes = known[name]
        if not isinstance(changes, dict):
            raise RecipeError(f"{self.place(('profiles', name))}: expected settings by stage or section")
        for first, value in changes.items():
            loc: Loc = ("profiles", name, first)
            self._merge(self._target(first, self.place(loc)), value, loc)

    def override(self, text: str) -> None:
        name, equals, value = text.partition("=")
        where = f"--set {text}"
        if not equals or not all(name.split(".")):
            raise RecipeError(f"{where}: expected NAME=VALUE, as in --set synthesize.rate=10")
        self.set(name.split("."), parse_value(value, where), where)

    def set(self, parts: list[str], value: Any, where: str) -> None:
        target = self._target(parts[0], where)
        loc = (*target, *parts[1:])
        parent: Any = self.data
        for part in loc[:-1]:
            if isinstance(part, str) and isinstance(parent, dict):
                parent = parent.setdefault(part, {})
            elif isinstance(part, int) and isinstance(parent, list):
                parent = parent[part]
            if not isinstance(parent, dict | list):
                raise RecipeError(f"{where}: '{part}' is a single value, it has no settings of its own")
        if not isinstance(parent, dict):
            raise RecipeError(f"{where}: expected the name of a setting after '{parts[0]}'")
        last = loc[-1]
        assert isinstance(last, str)
        parent[last] = value
        self.places[loc] = where

    def _target(self, first: str, where: str) -> Loc:
        """The path of a stage or section by the name that profiles and overrides use."""
        stages = self.data.get("stages")
        named = [use.get("stage") for use in stages if isinstance(use, dict)] if isinstance(stages, list) else []
        if first in named:
            return ("stages", named.index(first))
        if first in ("name", "description", "source", "gates", "splits"):
            return (first,)
        known = [*(name for name in named if isinstance(name, str)), "source", "gates", "splits", "name"]
        raise RecipeError(f"{where}: no stage or section '{first}': {nearest(first, known)}")

    def _merge(self, target: Loc, value: Any, source: Loc) -> None:
        parent: Any = self.data
        for part in target[:-1]:
            parent = parent[part]
        last: Any = target[-1]
        old = parent[last] if isinstance(last, int) else parent.get(last)
        if isinstance(value, dict) and isinstance(old, dict):
            for key, inner in value.items():
                if key in old and isinstance(old[key], dict) and isinstance(inner, dict):
                    self._merge((*target, key), inner, (*source, key))
                else:
                    old[key] = inner
                    self.places[(*target, key)] = self.place((*source, key))
        else:
            parent[last] = value
            self.places[target] = self.place(source)

    # Validation

    def validated(self) -> Recipe:
        data = self.data
        for key in data:
            if key not in SECTIONS:
                self.complain((key,), f"unknown section '{key}': {nearest(key, SECTIONS)}")
        name = self._name()
        description = data.get("description", "")
        if not isinstance(description, str):
            self.complain(("description",), f"expected text, found {_shown(description)}")
        source_type, source = self._named("sources", "type", ("source",))
        stages = self._stages()
        gates = self._model(Gates, ("gates",), data.get("gates"))
        splits = self._model(Splits, ("splits",), data.get("splits"))
        self._check_profiles()
        if self.problems:
            shown = self.problems[:MOST_SHOWN]
            more = len(self.problems) - len(shown)
            raise RecipeError("\n".join([*shown, *([f"… and {more} more"] if more else [])]))
        assert isinstance(source, SourceConfig) and isinstance(gates, Gates) and isinstance(splits, Splits)
        if getattr(source, "sample", False):
            name += "-sample"
        return Recipe(name, description, self.path, source_type, source, stages, gates, splits)

    def _name(self) -> str:
        name = self.data.get("name")
        if name is None:
            self.complain((), "no 'name': every recipe names its corpus, as in `name: my-corpus`")
        elif not isinstance(name, str) or not NAME.fullmatch(name) or ".." in name:
            self.complain(
                ("name",),
                f"{_shown(name)} cannot name a corpus: expected small letters, digits, '-', '_' and '.', at most 100, "
                "beginning with a letter or digit",
            )
        return str(name)

    def _stages(self) -> tuple[StageUse, ...]:
        uses = self.data.get("stages")
        if not isinstance(uses, list) or not uses:
            self.complain(("stages",), f"expected a list such as `- stage: synthesize`, found {_shown(uses)}")
            return ()
        found: list[StageUse] = []
        for number in range(len(uses)):
            name, config = self._named("stages", "stage", ("stages", number))
            if name and name in [use.name for use in found]:
                self.complain(("stages", number), f"stage '{name}' is here a second time: a stage runs once")
            if isinstance(config, StageConfig):
                found.append(StageUse(name, config))
        return tuple(found)

    def _named(self, kind: Kind, key: str, loc: Loc) -> tuple[str, BaseModel | None]:
        """A part whose class is named in it: `type: flores200`, `stage: synthesize`."""
        part: Any = self.data
        for step in loc:
            part = part.get(step) if isinstance(part, dict) else part[step]
        if not isinstance(part, dict):
            self.complain(loc, f"expected settings with `{key}: ...`, found {_shown(part)}")
            return "", None
        name = part.get(key)
        if not isinstance(name, str):
            self.complain(loc, f"no '{key}': expected the name of a {kind[:-1]}, found {_shown(name)}")
            return "", None
        try:
            kind_class = find(kind, name)
        except RecipeError as error:
            self.complain((*loc, key), str(error))
            return name, None
        return name, self._model(kind_class.Config, loc, {k: v for k, v in part.items() if k != key})

    def _model(self, model: type[BaseModel], loc: Loc, data: Any) -> BaseModel | None:
        try:
            return model.model_validate({} if data is None else data, context={"folder": self.path.parent})
        except ValidationError as errors:
            told: set[Loc] = set()
            for error in errors.errors(include_url=False):
                steps = _steps({} if data is None else data, error["loc"], error["type"] == "missing")
                if steps not in told:  # of a value that fits none of several types, the first says enough
                    told.add(steps)
                    self.complain((*loc, *steps), _words(error, model, steps))
            return None

    def _check_profiles(self) -> None:
        profiles = self.data.get("profiles")
        if profiles is None:
            return
        if not isinstance(profiles, dict):
            self.complain(("profiles",), f"expected profiles by name, found {_shown(profiles)}")
            return
        for name, changes in profiles.items():
            if not isinstance(changes, dict):
                self.complain(("profiles", name), "expected settings by stage or section")
                continue
            for first in changes:
                try:
                    self._target(first, "")
                except RecipeError as error:
                    self.complain(("profiles", name, first), str(error).removeprefix(": "))

    def place(self, loc: Loc) -> str:
        """Where a part stands, or the nearest part around it."""
        while loc not in self.places and loc:
            loc = loc[:-1]
        return self.places.get(loc, str(self.path))

    def complain(self, loc: Loc, message: str) -> None:
        self.problems.append(f"{self.place(loc)}: {message}")


def _steps(data: Any, loc: Loc, missing: bool) -> Loc:
    """The part of pydantic's path that is in the data: it also names members of unions, which no file has."""
    steps: list[str | int] = []
    for number, step in enumerate(loc):
        inside = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if inside:
            data = data[step]
        if inside or (missing and number == len(loc) - 1):
            steps.append(step)
    return tuple(steps)


def _words(error: Any, model: type[BaseModel], steps: Loc) -> str:
    name = ".".join(str(step) for step in steps)
    if error["type"] == "extra_forbidden":
        return f"unknown setting '{name}': {nearest(str(steps[-1]), fields_at(model, steps[:-1]))}"
    if error["type"] == "missing":
        return f"'{name}' is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    message = re.sub(r"^Input should be", "expected", message)
    if error["type"] == "value_error":
        return f"{name}: {message}" if name and name not in message else message
    return f"{name}: {message}, found {_shown(error['input'])}"


def fields_at(model: type[BaseModel], steps: Loc) -> list[str]:
    """Names of the settings at a path inside a model."""
    models = [model]
    for step in steps:
        fields = [inner.model_fields[step] for inner in models if step in inner.model_fields]
        if fields or isinstance(step, str):
            models = [found for field in fields for found in models_in(field.annotation)] or models
    return sorted({name for inner in models for name in inner.model_fields})


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, dict, list, tuple, Mapping) or get_args(annotation):
        for inner in get_args(annotation):
            yield from models_in(inner)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"

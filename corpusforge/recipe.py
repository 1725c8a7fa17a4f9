"""Recipes: what to build, in a YAML file of a page.

A recipe is a source, a list of stages with their settings, gates and splits. Profiles and `--set` overrides change
settings by name; then everything is validated strictly, and every complaint names file, line and the nearest name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from corpusforge.corpus.splits import Splits
from corpusforge.errors import RecipeError, nearest
from corpusforge.items import Json
from corpusforge.quality.gates import Gates
from corpusforge.recipe_errors import explain, shown
from corpusforge.recipe_files import check_name, locate
from corpusforge.recipe_yaml import MOST_SHOWN, Node, Place, as_node, parse_value, read, several
from corpusforge.registry import Kind, find, names
from corpusforge.sources.base import SourceConfig
from corpusforge.stage import StageConfig

SECTIONS = ("name", "description", "source", "stages", "gates", "splits", "profiles")
CHANGEABLE = ("name", "description", "source", "gates", "splits")
"""Sections that a profile or an override may change; stages are named by themselves."""

Model = TypeVar("Model", bound=BaseModel)


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
        """The whole recipe with every default filled in, as JSON values.

        Left out is what belongs to one machine or person and decides nothing about the corpus: the source's paths,
        secrets, and settings that are declared not to be semantic (time limits, concurrency).
        """
        return {
            "name": self.name,
            "description": self.description,
            "source": {"type": self.source_type, **_public(self.source_config)},
            "stages": [{"stage": use.name, **_public(use.config)} for use in self.stages],
            "gates": self.gates.model_dump(mode="json"),
            "splits": self.splits.model_dump(mode="json"),
        }

    def fingerprint(self) -> str:
        """sha256 of the resolved recipe, in hex."""
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
        profile: Name of one of its profiles. Mappings in it are merged into the recipe's, anything else replaces.
        overrides: `synthesize.rate=10`: stage or section, setting, value as YAML. They go over the profile.
        extra: The same with values, by dotted name. They go over the overrides.

    Raises:
        RecipeError: Anything that does not fit; up to ten problems at once.
    """
    path = locate(ref)
    draft = _Draft(read(path), path)
    if profile is not None:
        draft.apply_profile(profile)
    for override in overrides:
        draft.override(override)
    for name, value in (extra or {}).items():
        draft.set(name, as_node(value, Place(f"{path} with {name}={value}")))
    return draft.validated()


class _Draft:
    """A recipe file on its way to a recipe."""

    def __init__(self, root: Node, path: Path) -> None:
        self.path = path
        self.root = root
        self.problems: list[tuple[Place, str]] = []

    # Profiles and overrides

    def apply_profile(self, name: str) -> None:
        profiles = self.root.get("profiles")
        known = profiles.value if profiles is not None and isinstance(profiles.value, dict) else {}
        chosen = known.get(name)
        if chosen is None:
            place = profiles.place if profiles is not None else self.path
            raise RecipeError(f"{place}: no profile '{name}': {nearest(name, known) if known else 'it has none'}")
        if not isinstance(chosen.value, dict):
            raise RecipeError(f"{chosen.place}: {_NO_PROFILE}, found {shown(chosen.plain())}")
        for first, changes in chosen.value.items():
            _merge(*self._target(first, changes.place), changes)

    def override(self, text: str) -> None:
        name, equals, value = text.partition("=")
        where = "--set " + text.encode("utf-8", "backslashreplace").decode()
        if not equals or not all(name.split(".")):
            raise RecipeError(f"{where}: expected NAME=VALUE, as in --set synthesize.rate=10")
        self.set(name, parse_value(value, where))

    def set(self, name: str, value: Node) -> None:
        """Put a value in the place of a dotted name, with mappings around it where there are none."""
        where = value.place
        first, *rest = name.split(".")
        around, key = self._target(first, where)
        for step in rest:
            inner = around.get(key)
            if inner is None or inner.value is None:
                inner = Node({}, where)
                _put(around, key, inner)
            if not isinstance(inner.value, dict):
                kind = "a list" if isinstance(inner.value, list) else "a single value"
                raise RecipeError(
                    f"{where}: '{key}' is {kind}, {shown(inner.plain())}, and has no '{step}' to change: set it whole"
                )
            around, key = inner, step
        if isinstance(key, int):
            raise RecipeError(f"{where}: expected the name of a setting after '{first}', as in {first}.NAME=VALUE")
        _put(around, key, value)

    def _target(self, first: str, place: Place) -> tuple[Node, str | int]:
        """Where the stage or section of that name is, as profiles and overrides use it."""
        stages = self.root.get("stages")
        stage_names: list[str] = []
        if stages is not None and isinstance(stages.value, list):
            for number, use in enumerate(stages.value):
                named = use.get("stage")
                if named is not None and isinstance(named.value, str):
                    if named.value == first:
                        return stages, number
                    stage_names.append(named.value)
        if first in CHANGEABLE:
            return self.root, first
        raise RecipeError(f"{place}: no stage or section '{first}': {nearest(first, [*stage_names, *CHANGEABLE])}")

    # Validation

    def validated(self) -> Recipe:
        assert isinstance(self.root.value, dict)
        unknown = [key for key in self.root.value if key not in SECTIONS]
        for number, key in enumerate(unknown):
            message = f"unknown section '{key}': {nearest(key, SECTIONS)}" if number < MOST_SHOWN else ""
            self.complain(self.root.value[key], message)
        name = self._text("name", check_name)
        description = self._text("description", lambda text: None)
        source_type, source = self._named("sources", "type", self.root.get("source"), SourceConfig)
        stages = self._stages()
        gates = self._model(Gates, self.root.get("gates"))
        splits = self._model(Splits, self.root.get("splits"))
        self._check_profiles()
        if self.problems:
            self.problems.sort(key=lambda problem: (problem[0].line == 0, problem[0][1:]))
            lines = [f"{place}: {message}" for place, message in self.problems[:MOST_SHOWN]]
            raise RecipeError(several(lines, len(self.problems)))
        assert source is not None and gates is not None and splits is not None
        if getattr(source, "sample", False) is True:  # not the size of one
            name += "-sample"
        return Recipe(name, description, self.path, source_type, source, stages, gates, splits)

    def _text(self, section: str, complaint: Any) -> str:
        node = self.root.get(section)
        if node is None or node.value is None:
            if section == "name":
                self.complain(node or self.root, "no 'name': every recipe names its corpus, as in `name: my-corpus`")
            return ""
        if not isinstance(node.value, str):
            self.complain(node, f"{section}: expected text, found {shown(node.plain())}: put it in quotes")
        elif (message := complaint(node.value)) is not None:
            self.complain(node, message)
        return str(node.value)

    def _stages(self) -> tuple[StageUse, ...]:
        uses = self.root.get("stages")
        if uses is None or not isinstance(uses.value, list) or not uses.value:
            found = "found no stages" if uses is None else f"found {shown(uses.plain())}"
            self.complain(
                uses or self.root, f"stages: expected a list with items such as `- stage: synthesize`, {found}"
            )
            return ()
        found_uses: dict[str, StageUse] = {}
        first: dict[str, Node] = {}
        for use in uses.value:
            name, config = self._named("stages", "stage", use, StageConfig)
            if name and name in first:
                again = f"the first is in line {first[name].place.line}: a stage runs once"
                self.complain(use, f"stage '{name}' is here a second time, {again}")
            elif name:
                first[name] = use
            if config is not None:
                found_uses[name] = StageUse(name, config)
        return tuple(found_uses.values())

    def _named(self, kind: Kind, key: str, node: Node | None, base: type[Model]) -> tuple[str, Model | None]:
        """A part whose class is named in it: `type: flores200`, `stage: synthesize`."""
        if node is None or not isinstance(node.value, dict):
            example = f"{key}: {node.value}" if node and isinstance(node.value, str) else f"{key}: …"
            section = "source: " if kind == "sources" else ""
            found = f"found {shown(node.plain())}" if node is not None else f"found no {kind[:-1]}"
            self.complain(node or self.root, f"{section}expected settings with `{example}`, {found}")
            return "", None
        named = node.value.get(key)
        if named is None or not isinstance(named.value, str):
            if named is not None:
                self.complain(named, f"{key}: expected the name of a {kind[:-1]}, found {shown(named.plain())}")
                return "", None
            near = get_close_matches(key, node.value, n=1)
            hint = f"'{near[0]}' should be '{key}'" if near else _known(names(kind))
            self.complain(node, f"no '{key}', which names the {kind[:-1]}: {hint}")
            return "", None
        name = named.value
        try:
            model = find(kind, name).Config
        except RecipeError as error:
            self.complain(named, str(error))
            return name, None
        if not (isinstance(model, type) and issubclass(model, base)):
            self.complain(named, f"the {kind[:-1]} '{name}' cannot be used: its Config is not a {base.__name__}")
            return name, None
        rest = {setting: inner for setting, inner in node.value.items() if setting != key}
        return name, self._model(model, Node(dict(rest), node.place))

    def _model(self, model: type[Model], node: Node | None) -> Model | None:
        """Settings validated by JSON's rules: a list may be a tuple, but no text a number and no truth value either."""
        if node is None or node.value is None:
            node = Node({}, node.place if node is not None else self.root.place)
        try:
            made = model.model_validate_json(
                json.dumps(node.plain()), strict=True, context={"folder": self.path.parent}
            )
        except ValidationError as error:
            self.problems.extend(explain(error, model, node))
            return None
        for name, field in model.model_fields.items():
            kind = field.json_schema_extra.get("settings_of") if isinstance(field.json_schema_extra, dict) else None
            inside = node.get(name)
            if kind is not None and inside is not None and isinstance(inside.value, dict):
                for part, settings in inside.value.items():
                    own = find(kind, part).Config  # type: ignore[arg-type]
                    if isinstance(own, type) and issubclass(own, BaseModel):
                        before = len(self.problems)
                        self._model(own, settings)
                        for number in range(before, len(self.problems)):
                            place, message = self.problems[number]
                            self.problems[number] = (place, message and f"{name}.{part}: {message}")
        return made

    def _check_profiles(self) -> None:
        """That every profile is about this recipe; its settings are checked when it is chosen.

        They cannot be before: a profile may name an engine that another package brings.
        """
        profiles = self.root.get("profiles")
        if profiles is None or profiles.value is None:
            return
        if not isinstance(profiles.value, dict):
            self.complain(profiles, f"profiles: expected profiles by name, found {shown(profiles.plain())}")
            return
        for changes in profiles.value.values():
            if not isinstance(changes.value, dict):
                self.complain(changes, f"{_NO_PROFILE}, found {shown(changes.plain())}")
                continue
            for first, node in changes.value.items():
                try:
                    self._target(first, Place(""))
                except RecipeError as error:
                    self.complain(node, str(error).removeprefix(": "))

    def complain(self, node: Node, message: str) -> None:
        self.problems.append((node.place, message))


_NO_PROFILE = "expected what the profile changes, by stage or section, as in `synthesize: {rate: 10}`"


def _merge(around: Node, key: str | int, new: Node) -> None:
    old = around.get(key)
    if old is not None and isinstance(old.value, dict) and isinstance(new.value, dict):
        for name, inner in new.value.items():
            _merge(old, name, inner)
    else:
        _put(around, key, new)


def _put(around: Node, key: str | int, new: Node) -> None:
    holder: Any = around.value
    holder[key] = new


def _known(known: Iterable[str]) -> str:
    return "known: " + ", ".join(f"'{name}'" for name in known)


def _public(config: BaseModel) -> dict[str, Json]:
    private = {
        name
        for name, field in type(config).model_fields.items()
        if (isinstance(config, SourceConfig) and name in _PATHS)
        or not _PRIVATE.isdisjoint({field.annotation, *get_args(field.annotation)})
        or (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("semantic") is False)
    }
    dumped: dict[str, Json] = config.model_dump(mode="json", exclude=private)
    sections = {name: getattr(config, name) for name in dumped}
    return dumped | {name: _public(section) for name, section in sections.items() if isinstance(section, BaseModel)}


_PATHS = {"path", "sib200"}
_PRIVATE = {Path, PurePath, SecretStr, SecretBytes}

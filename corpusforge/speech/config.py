"""Settings of how text is spoken, and the fields that may differ between languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from corpusforge.errors import RecipeError
from corpusforge.registry import find
from corpusforge.speech.audio import AudioConfig
from corpusforge.speech.engine import RemoteEngine
from corpusforge.stage import StageConfig

DEFAULT = "default"
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")

Value = TypeVar("Value")
Chain: TypeAlias = str | tuple[str, ...]
"""An engine, or several of which the next speaks what the one before could not."""


def _keys_are_languages(value: Any) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if key != DEFAULT and not _CODE.fullmatch(key):
                raise ValueError(f"'{key}' is not a language: use FLORES codes such as zho_Hans, or '{DEFAULT}'")
    return value


_by_language = AfterValidator(_keys_are_languages)


def _are_engines(value: Any) -> Any:
    """Known names, so that the recipe's line is in the message."""
    chains = value.values() if isinstance(value, Mapping) else [value]
    for chain in chains:
        if chain is None:
            continue
        if not chain:
            raise ValueError("expected at least one engine, found an empty list")
        names = (chain,) if isinstance(chain, str) else chain
        try:
            services = [issubclass(find("engines", name), RemoteEngine) for name in names]
        except RecipeError as error:
            raise ValueError(str(error)) from None
        for number, name in enumerate(names):
            if name in names[:number]:
                raise ValueError(f"'{name}' is in [{', '.join(names)}] twice: expected each engine once")
            if services[number] and not all(services[:number]):
                raise ValueError(
                    f"'{name}' is a service and cannot follow an engine that speaks on this machine, as in "
                    f"[{', '.join(names)}]: name the services first"
                )
    return value


class Speaker(BaseModel):
    """One of several speakers of a language; what is left out is as the stage's own settings say.

    Attributes:
        engine: Name of an engine, or a list of which the next speaks what the one before could not.
        voice: Name of a voice of the (first) engine; left out beside an engine, that engine's default for the language.
        rate: How much faster than the voice's own way, in percent.
        pitch: How much higher, in percent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Annotated[Chain | None, AfterValidator(_are_engines)] = None
    voice: str | None = None
    rate: float | None = None
    pitch: float | None = None


class SynthesizeConfig(StageConfig):
    """How text is spoken. What may differ between languages takes one value, or one a language and `default`.

    Attributes:
        engine: Name of an engine (`corpusforge engines` lists them), or a list of which the next speaks what the
            one before could not: `{bod_Tibt: [marytts, espeak], default: espeak}`.
        voice: Name of a voice of the (first) engine; null is the engine's default for the language.
        rate: How much faster than the voice's own way, in percent.
        pitch: How much higher, in percent.
        speakers: Several speakers, of which each utterance gets one, drawn by what it says:
            `{bod_Tibt: [{pitch: 0}, {pitch: 20, rate: 5}]}`. One more speaker takes its share of the utterances and
            leaves the others as they are.
        time_limit: Seconds after which an utterance is given up, its worker process with it. An engine's own limit
            should be lower.
        engines: Settings of engines by name: `{espeak: {word_gap: 1}}`.
        audio: Format, sample rate, trimming, loudness.
    """

    engine: Annotated[Chain | dict[str, Chain], _by_language, AfterValidator(_are_engines)] = "espeak"
    voice: Annotated[str | dict[str, str | None] | None, _by_language] = None
    rate: Annotated[float | dict[str, float], _by_language] = 0.0
    pitch: Annotated[float | dict[str, float], _by_language] = 0.0
    speakers: Annotated[dict[str, tuple[Speaker, ...]], _by_language] = Field(default_factory=dict)
    time_limit: float = Field(120.0, gt=0, json_schema_extra={"semantic": False})
    engines: dict[str, dict[str, Any]] = Field(default_factory=dict, json_schema_extra={"settings_of": "engines"})
    audio: AudioConfig = AudioConfig()

    @field_validator("engines")
    @classmethod
    def _engines_exist(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            _are_engines(name)
        return value

    @model_validator(mode="after")
    def _speakers_differ(self) -> SynthesizeConfig:
        for lang, speakers in self.speakers.items():
            if not speakers or len(set(speakers)) < len(speakers):
                raise ValueError(f"speakers.{lang}: expected at least one, each of them once")
        return self


def of_language(value: Value | Mapping[str, Value], lang: str, otherwise: Value) -> Value:
    """The value that applies to a language."""
    if isinstance(value, Mapping):
        return value[lang] if lang in value else value.get(DEFAULT, otherwise)
    return value

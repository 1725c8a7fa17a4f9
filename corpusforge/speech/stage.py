"""The stage that makes speech of text: engine, finishing, encoding.

Importing it, and asking for the settings that go into keys, loads no engine, no numpy and no audio library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from corpusforge.errors import MissingDependency, RecipeError, nearest
from corpusforge.items import Done, Json, Outcome, Rejected, Utterance
from corpusforge.registry import find
from corpusforge.speech.audio import AudioConfig, encode, finish, missing
from corpusforge.speech.engine import CannotSpeak, Engine, Prosody
from corpusforge.stage import ReadBlob, Stage, StageConfig

DEFAULT = "default"
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")

Value = TypeVar("Value")


def _keys_are_languages(value: Any) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if key != DEFAULT and not _CODE.fullmatch(key):
                raise ValueError(f"'{key}' is not a language: use FLORES codes such as zho_Hans, or '{DEFAULT}'")
    return value


_by_language = AfterValidator(_keys_are_languages)


class SynthesizeConfig(StageConfig):
    """How text is spoken. What may differ between languages takes one value, or one a language and `default`.

    Attributes:
        engine: Name of an engine: `corpusforge engines` lists them.
        voice: Name of a voice; null is the engine's default for the language.
        rate: How much faster than the voice's own way, in percent.
        pitch: How much higher, in percent.
        time_limit: Seconds after which an utterance is given up, its worker process with it. An engine's own limit
            should be lower.
        engines: Settings of engines by name: `{espeak: {word_gap: 1}}`.
        audio: Format, sample rate, trimming, loudness.
    """

    engine: Annotated[str | dict[str, str], _by_language] = "espeak"
    voice: Annotated[str | dict[str, str | None] | None, _by_language] = None
    rate: Annotated[float | dict[str, float], _by_language] = 0.0
    pitch: Annotated[float | dict[str, float], _by_language] = 0.0
    time_limit: float = Field(120.0, gt=0, json_schema_extra={"semantic": False})
    engines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    audio: AudioConfig = AudioConfig()

    @field_validator("engine", "engines")
    @classmethod
    def _are_engines(cls, value: str | dict[str, Any], info: ValidationInfo) -> str | dict[str, Any]:
        """Known names, so that the recipe's line is in the message."""
        named = [value] if isinstance(value, str) else value.values() if info.field_name == "engine" else value
        for name in named:
            try:
                find("engines", name)
            except RecipeError as error:
                raise ValueError(str(error)) from None
        return value


class Synthesize(Stage):
    """Speaks an utterance and stores the clip."""

    name: ClassVar[str] = "synthesize"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = (
        *("audio", "sample_rate", "num_samples", "engine", "voice", "voice_license", "rate", "syllables", "unreadable"),
    )
    where: ClassVar[Literal["cpu", "io"]] = "cpu"
    Config: ClassVar[type[StageConfig]] = SynthesizeConfig

    def __init__(self, config: SynthesizeConfig) -> None:
        super().__init__(config)
        self._config = config
        self._engines: dict[str, Engine] = {}

    def settings(self, variant: str) -> Mapping[str, Json]:
        """What decides how one language sounds: other languages' settings and engines are not in it.

        Raises:
            RecipeError: No engine is given for the language, or one that does not exist, or settings it does not have.
        """
        name = self._engine_name(variant)
        engine = self._engine(name)
        settings: dict[str, Json] = {
            "engine": name,
            "revision": dict(engine.revision(variant)),
            "voice": self._voice(variant) or engine.languages().get(variant),
            "rate": _short(_of(self._config.rate, variant, 0.0)),
            "pitch": _short(_of(self._config.pitch, variant, 0.0)),
            "audio": self._config.audio.model_dump(mode="json"),
        }
        own = _semantic(engine)
        if own:
            settings[name] = own
        return settings

    def preflight(self, languages: frozenset[str]) -> None:
        """See `Stage.preflight`. Settings of engines that no language uses are checked too.

        An engine that has a method `check(lang, voice, prosody)` is asked to raise `RecipeError` for what it cannot do.
        """
        lacking = missing(self._config.audio)
        if lacking:
            raise MissingDependency(lacking)
        for name in self._config.engines:
            self._engine(name)
        for lang in sorted(languages):
            name = self._engine_name(lang)
            engine = self._engine(name)
            known = engine.languages()
            if lang not in known:
                raise RecipeError(
                    f"synthesize.engine: '{name}' does not speak {lang} ({nearest(lang, known)}); "
                    f"give it another engine: engine: {{{lang}: …, {DEFAULT}: {name}}}"
                )
            lacking = engine.available()
            if lacking:
                raise MissingDependency(f"synthesize.engine '{name}' cannot speak {lang}: {lacking}")
            check = getattr(engine, "check", None)
            if check is not None:
                check(lang, self._voice(lang), self._prosody(lang))

    def time_limit(self) -> float:
        """Seconds after which an item is given up."""
        return self._config.time_limit

    def estimate(self, item: Utterance) -> Mapping[str, float]:
        """Characters to be spoken."""
        return {"characters": len(item.text)}

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        """Speak, finish and encode one utterance. Rejects what the engine cannot read; failures propagate."""
        name = self._engine_name(item.lang)
        engine = self._engine(name)
        prosody = self._prosody(item.lang)
        try:
            speech = engine.synthesize(item.text, item.lang, self._voice(item.lang), prosody)
        except CannotSpeak as reason:
            return Rejected(str(reason) or f"'{name}' cannot speak it")
        if speech.samples.size == 0:
            return Rejected(f"'{name}' made no sound of it")
        samples, rate = finish(speech.samples, speech.sample_rate, self._config.audio)
        syllables = speech.syllables
        if syllables is None:
            from corpusforge.text.syllables import count_syllables

            syllables = count_syllables(item.text, item.lang)
        return Done(
            {
                "sample_rate": rate,
                "num_samples": len(samples),
                "engine": name,
                "voice": speech.voice,
                "voice_license": engine.license,
                "rate": prosody.rate,
                "syllables": syllables,
                "unreadable": speech.unreadable,
            },
            {"audio": encode(samples, rate, self._config.audio.format)},
        )

    def close(self) -> None:
        """End what the engines have started."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def _engine(self, name: str) -> Engine:
        engine = self._engines.get(name)
        if engine is None:
            kind = find("engines", name)
            try:
                config = kind.Config(**self._config.engines.get(name, {}))
            except ValidationError as error:
                raise RecipeError(_about_settings(name, kind, error)) from error
            engine = self._engines[name] = kind(config)
        return engine

    def _engine_name(self, lang: str) -> str:
        name = _of(self._config.engine, lang, None)
        if name is None:
            raise RecipeError(f"synthesize.engine: none given for {lang}; add `{lang}: …` or `{DEFAULT}: …`")
        return name

    def _voice(self, lang: str) -> str | None:
        return _of(self._config.voice, lang, None)

    def _prosody(self, lang: str) -> Prosody:
        return Prosody(_of(self._config.rate, lang, 0.0), _of(self._config.pitch, lang, 0.0))


def _of(value: Value | Mapping[str, Value], lang: str, otherwise: Value) -> Value:
    """The value that applies to a language."""
    if isinstance(value, Mapping):
        return value[lang] if lang in value else value.get(DEFAULT, otherwise)
    return value


def _short(percent: float) -> float:
    """10 for 10.0: shown to users."""
    return int(percent) if percent.is_integer() else percent


def _semantic(engine: Engine) -> dict[str, Json]:
    """An engine's own settings without those that are declared not to decide the result."""
    config = getattr(engine, "config", None)
    if config is None:
        return {}
    skipped = {
        name
        for name, info in type(config).model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("semantic") is False
    }
    dumped: dict[str, Json] = config.model_dump(mode="json", exclude=skipped)
    return dumped


def _about_settings(name: str, kind: Any, error: ValidationError) -> str:
    """Each wrong setting of an engine with its place in the recipe and the nearest name."""
    found = []
    for problem in error.errors():
        place = ".".join(("synthesize.engines", name, *map(str, problem["loc"])))
        if problem["type"] == "extra_forbidden":
            found.append(f"{place}: unknown setting, {nearest(str(problem['loc'][-1]), kind.Config.model_fields)}")
        else:
            found.append(f"{place}: {problem['msg']}, found {problem['input']!r}")
    return "; ".join(found)

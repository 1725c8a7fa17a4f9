"""Who speaks an utterance: which engines in which order, with which voice and prosody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from corpusforge.errors import MissingDependency, RecipeError, nearest
from corpusforge.items import Json, Utterance
from corpusforge.net.secrets import redact
from corpusforge.registry import find
from corpusforge.speech.config import DEFAULT, Chain, Speaker, SynthesizeConfig, of_language
from corpusforge.speech.engine import Engine, LocalEngine, Prosody, RemoteEngine
from corpusforge.stage import semantic


@dataclass(frozen=True, slots=True)
class Part:
    """What an utterance is spoken with.

    Attributes:
        lang: FLORES code.
        chain: Names of engines; the next speaks what the one before could not.
        voice: Of the first engine; None is its default for the language. Later engines use their defaults.
        prosody: Rate and pitch.
    """

    lang: str
    chain: tuple[str, ...]
    voice: str | None
    prosody: Prosody


class Casting:
    """The engines of a recipe, each made when it is asked for, and the parts that they play."""

    def __init__(self, config: SynthesizeConfig) -> None:
        self.config = config
        self._engines: dict[str, Engine] = {}
        self._parts: dict[str, Part] = {}

    def variant(self, item: Utterance) -> str:
        """The item's language, with the number of its speaker where there are several: `bod_Tibt#2`.

        Each speaker draws a rank from what is said; the highest speaks. So a new speaker takes over its share, and all
        other utterances keep theirs (rendezvous hashing, Thaler and Ravishankar 1998).
        """
        speakers = self.speakers(item.lang)
        if len(speakers) < 2:
            return item.lang
        # Of a translation, what was translated: it is known before the translation is, and stays the same.
        said = f"{item.lang}\0{item.value('source_text') or item.text}"

        def rank(number: int) -> bytes:
            # By what the recipe gives: a setting that speakers get later on, and a recipe leaves out, moves nobody.
            speaker = json.dumps(speakers[number].model_dump(mode="json", exclude_none=True), sort_keys=True)
            return hashlib.sha256(f"{speaker}\0{said}".encode("utf-8", "surrogatepass")).digest()

        return f"{item.lang}#{max(range(len(speakers)), key=rank)}"

    def variants(self, lang: str) -> tuple[str, ...]:
        """All variants of a language: itself, or one a speaker."""
        count = len(self.speakers(lang))
        return (lang,) if count < 2 else tuple(f"{lang}#{number}" for number in range(count))

    def speakers(self, lang: str) -> tuple[Speaker, ...]:
        """The speakers of a language; none where the stage's own settings are all."""
        return self.config.speakers.get(lang) or self.config.speakers.get(DEFAULT) or ()

    def part(self, variant: str) -> Part:
        """What a variant is spoken with.

        Raises:
            RecipeError: No engine is given for its language.
        """
        part = self._parts.get(variant)
        if part is None:
            part = self._parts[variant] = self._new_part(variant)
        return part

    def _new_part(self, variant: str) -> Part:
        lang, _, number = variant.partition("#")
        config = self.config
        chain: Chain | None = of_language(config.engine, lang, None)
        voice: str | None = of_language(config.voice, lang, None)
        rate, pitch = of_language(config.rate, lang, 0.0), of_language(config.pitch, lang, 0.0)
        speakers = self.speakers(lang)
        if speakers:
            speaker = speakers[int(number or 0)]
            chain = chain if speaker.engine is None else speaker.engine
            # The stage's voice is one of the stage's engine.
            voice = speaker.voice if speaker.voice is not None or speaker.engine is not None else voice
            rate = rate if speaker.rate is None else speaker.rate
            pitch = pitch if speaker.pitch is None else speaker.pitch
        if chain is None:
            raise RecipeError(f"synthesize.engine: none given for {lang}; add `{lang}: …` or `{DEFAULT}: …`")
        names = (chain,) if isinstance(chain, str) else chain
        return Part(lang, names, voice, Prosody(rate, pitch))

    def remote(self, part: Part) -> list[tuple[str, RemoteEngine, str | None]]:
        """The services of a part in order, each with its voice."""
        found = ((name, self.engine(name), voice) for name, voice in _voices(part))
        return [(name, engine, voice) for name, engine, voice in found if isinstance(engine, RemoteEngine)]

    def local(self, part: Part) -> list[tuple[str, LocalEngine, str | None]]:
        """The engines of this machine in order, each with its voice."""
        found = ((name, self.engine(name), voice) for name, voice in _voices(part))
        return [(name, engine, voice) for name, engine, voice in found if isinstance(engine, LocalEngine)]

    def settings(self, part: Part, engines: list[tuple[str, Any, str | None]]) -> dict[str, Json]:
        """All that decides how these engines speak a part: of one its own, of several by name."""
        settings: dict[str, Json] = {
            "engine": [name for name, _, _ in engines],
            "revision": {name: dict(engine.revision(part.lang)) for name, engine, _ in engines},
            "voice": [voice or engine.languages().get(part.lang) for _, engine, voice in engines],
            "rate": _short(part.prosody.rate),
            "pitch": _short(part.prosody.pitch),
        }
        if len(engines) == 1:
            name = engines[0][0]
            settings |= {key: settings[key][0] for key in ("engine", "voice")}
            settings["revision"] = settings["revision"][name]
        for name, engine, _ in engines:
            own = semantic(engine.config)
            if own:
                settings[name] = own
        return settings

    def preflight(self, languages: frozenset[str], *, services: bool = True) -> None:
        """Raise for what cannot work here: settings that no engine has, languages that one does not speak.

        An engine that is not available is an error unless another one of its chain is.

        Args:
            languages: That will be spoken.
            services: Whether services will be asked. If not, they need not be there: they have spoken already.

        Raises:
            RecipeError, MissingDependency: The first thing found.
        """
        for name in self.config.engines:
            self.engine(name)
        lacking: dict[str, str | None] = {}
        for lang in sorted(languages):
            for variant in self.variants(lang):
                part = self.part(variant)
                works = False
                for name, voice in _voices(part):
                    engine = self.engine(name)
                    known = engine.languages()
                    if lang not in known:
                        raise RecipeError(
                            f"synthesize.engine: '{name}' does not speak {lang} ({nearest(lang, known)}); "
                            f"give it another engine: engine: {{{lang}: …, {DEFAULT}: {name}}}"
                        )
                    if isinstance(engine, RemoteEngine) and not services:
                        works = True
                        continue
                    if name not in lacking:
                        lacking[name] = engine.available()
                    if lacking[name] is None:
                        engine.check(lang, voice, part.prosody)
                        works = True
                if not works:
                    words = "; ".join(f"'{name}' cannot speak {lang}: {lacking[name]}" for name in part.chain)
                    raise MissingDependency(f"synthesize.engine {words}")

    def engine(self, name: str) -> Engine:
        """The engine of that name, with its settings."""
        engine = self._engines.get(name)
        if engine is None:
            kind = find("engines", name)
            try:
                config = kind.Config(**self.config.engines.get(name, {}))
            except ValidationError as error:
                raise RecipeError(_about_settings(name, kind, error)) from error
            made: Engine = kind(config)
            if not isinstance(made, LocalEngine | RemoteEngine):
                raise RecipeError(
                    f"the engine '{name}' cannot be used: {kind.__qualname__} is no LocalEngine and no RemoteEngine"
                )
            engine = self._engines[name] = made
        return engine

    def services(self) -> tuple[str, ...]:
        """Names of all services that the settings name, for any language and speaker."""
        speakers = [speaker.engine for group in self.config.speakers.values() for speaker in group]
        engine = self.config.engine
        chains = [*(engine.values() if isinstance(engine, Mapping) else [engine]), *speakers]
        names = {name for chain in chains if chain for name in ((chain,) if isinstance(chain, str) else chain)}
        return tuple(sorted(name for name in names if issubclass(find("engines", name), RemoteEngine)))

    async def aclose(self) -> None:
        """End what belongs to the event loop."""
        for engine in self._engines.values():
            if isinstance(engine, RemoteEngine):
                await engine.aclose()

    def close(self) -> None:
        """End what the engines have started."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()


def _voices(part: Part) -> list[tuple[str, str | None]]:
    return [(name, part.voice if number == 0 else None) for number, name in enumerate(part.chain)]


def _short(percent: float) -> float:
    """10 for 10.0: shown to users."""
    return int(percent) if percent.is_integer() else percent


def _about_settings(name: str, kind: Any, error: ValidationError) -> str:
    """Each wrong setting of an engine with its place in the recipe and the nearest name."""
    found = []
    for problem in error.errors():
        place = ".".join(("synthesize.engines", name, *map(str, problem["loc"])))
        if problem["type"] == "extra_forbidden":
            found.append(f"{place}: unknown setting, {nearest(str(problem['loc'][-1]), kind.Config.model_fields)}")
        else:
            found.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}, found {problem['input']!r}")
    return redact("; ".join(found))  # a URL may hold a password

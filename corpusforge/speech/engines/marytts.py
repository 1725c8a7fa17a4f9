"""MaryTTS: speaks through a server of MaryTTS 5, or of anything that answers like one.

No stock voice of MaryTTS 5 speaks Tibetan, and an old one took Wylie transliteration: so locale, voice and the form of
the text are settings of a language.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from corpusforge.errors import MissingDependency, RecipeError, nearest
from corpusforge.items import Json
from corpusforge.net.policy import Policy, left_out_as
from corpusforge.net.secrets import endpoint
from corpusforge.net.service import Service
from corpusforge.speech.engine import CannotSpeak, EngineConfig, Prosody, RemoteEngine, Speech
from corpusforge.speech.engines.marytts_client import MaryttsClient, Method, Times, Voice, effects_of, voices_of, why
from corpusforge.speech.engines.turns import Turns

HERE = "http://127.0.0.1:59125"
"""Where a server of one's own listens."""

VARIABLE = "MARYTTS_URL"
LOOK = Times(connect=1.0, whole=2.0)
"""For questions that a person waits for: is it there, what has it."""

PYEWTS = "1.0.0"
"""What `corpusforge[marytts]` installs: in the key where it is absent."""

LOCALES = {
    "bod_Tibt": "bo",
    "deu_Latn": "de",
    "eng_Latn": "en_US",
    "fra_Latn": "fr",
    "ita_Latn": "it",
    "ltz_Latn": "lb",
    "rus_Cyrl": "ru",
    "swe_Latn": "sv",
    "tel_Telu": "te",
    "tur_Latn": "tr",
}
"""Locales of the languages that MaryTTS 5.2 comes with, and of Tibetan, for which there are only private voices."""

OF_HMM_VOICES = frozenset({"Rate", "F0Add", "F0Scale"})
"""Effects that only voices of kind `hmm` have; for others the server ignores them and says nothing."""

DURATION_RANGE = (0.1, 3.0)
"""Limits of `durScale` in HMMDurationScaleEffect; beyond them the server takes the nearest and says nothing."""

_EFFECT = re.compile(r"[A-Za-z0-9]+")


GENTLE = Policy(concurrency=4)


class MaryttsConfig(EngineConfig):
    """Settings of the engine `marytts`.

    Attributes:
        url: Address of the server; null is the environment variable MARYTTS_URL, or else http://127.0.0.1:59125. A user
            and password belong into MARYTTS_URL: `http://user:password@host:59125`.
        locales: FLORES code to MaryTTS locale; added to those of the languages that MaryTTS comes with.
        voices: FLORES code to the voice that speaks where the recipe's `voice` is null; without one the server chooses.
        input: FLORES code to the form in which the server gets the text: `unicode` as it is, `wylie` Tibetan in
            extended Wylie transliteration (needs `corpusforge[marytts]`).
        effects: Audio effects by name with their parameters: `{F0Add: "f0Add:30.0;", Volume: "amount:1.5;"}`.
        version: Of the server and its voices. It is in the key: change it when they change.
        license: Licence of the voices, for the manifest; null is this engine's.
        method: How the server is asked: `post`, `get`, or `auto`, which posts until the server shows that it wants get.
        network: How the server is treated.
    """

    url: str | None = Field(None, json_schema_extra={"semantic": False})
    locales: dict[str, str] = Field(default_factory=dict, json_schema_extra={"semantic": False})
    voices: dict[str, str] = Field(default_factory=dict, json_schema_extra={"semantic": False})
    input: dict[str, Literal["unicode", "wylie"]] = Field(default_factory=dict, json_schema_extra={"semantic": False})
    effects: dict[str, str] = Field(default_factory=dict)
    version: str = ""
    license: str | None = None
    method: Method = Field("auto", json_schema_extra={"semantic": False})
    network: Annotated[Policy, left_out_as(GENTLE)] = Field(GENTLE, json_schema_extra={"semantic": False})

    @field_validator("url")
    @classmethod
    def _is_server(cls, url: str | None) -> str | None:
        if url is not None:
            problem = _wrong(url)
            if problem is None and "@" in urlsplit(url).netloc:
                problem = f"user and password do not belong into a recipe: put the whole address into {VARIABLE}"
            if problem:
                raise ValueError(problem)
        return url

    @field_validator("locales", "voices", "input")
    @classmethod
    def _are_languages(cls, of: dict[str, str]) -> dict[str, str]:
        for code, value in of.items():
            if not re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", code):
                raise ValueError(f"'{code}' is not a language: use FLORES codes such as bod_Tibt")
            if not value.strip():
                raise ValueError(f"'{code}' has an empty value")
        return of

    @field_validator("effects")
    @classmethod
    def _are_effects(cls, effects: dict[str, str]) -> dict[str, str]:
        for name in effects:
            if not _EFFECT.fullmatch(name):
                raise ValueError(f"'{name}' is not the name of an effect: expected letters, such as F0Add")
        return effects


class MaryttsEngine(RemoteEngine):
    """Speaks through a MaryTTS server. Nothing is sent before the first sentence, or `available` or `check`."""

    name: ClassVar[str] = "marytts"
    license: ClassVar[str] = "LGPL-3.0-only (the server; each voice has its own)"
    network: ClassVar[bool] = True
    Config: ClassVar[type[EngineConfig]] = MaryttsConfig

    def __init__(self, config: MaryttsConfig) -> None:
        super().__init__(config)
        self._own = config
        url = config.url or os.environ.get(VARIABLE, "").strip() or HERE
        self._wrong = None if config.url else _wrong(url)
        self._url = HERE if self._wrong else url
        self._client = MaryttsClient(self._url, config.method)
        self._service: Service | None = None
        self._turns = Turns()
        self._listed: dict[str, str | None] = {}

    def languages(self) -> Mapping[str, str]:
        """FLORES codes that have a locale, each with its voice, or the server's own choice as `default of bo`."""
        locales = {**LOCALES, **self._own.locales}
        return {lang: self._own.voices.get(lang, f"default of {locale}") for lang, locale in locales.items()}

    def revision(self, lang: str) -> Mapping[str, Json]:
        """Server, locale and form of the text. The server's version is a setting: no request is made for a key."""
        found: dict[str, Json] = {
            "endpoint": endpoint(self._url),
            "locale": self._locale(lang),
            "input": self._own.input.get(lang, "unicode"),
        }
        if found["input"] == "wylie":
            try:
                found["pyewts"] = version("pyewts")
            except PackageNotFoundError:
                found["pyewts"] = PYEWTS
        return found

    def available(self) -> str | None:
        """None if the server answers within two seconds, else its address and what to do."""
        if self._wrong:
            return f"{VARIABLE}: {self._wrong}"
        try:
            if self._list("/version", LOOK) is None and self._list("/voices", LOOK) is None:
                return f"{self._client.shown} answers, and is no MaryTTS server: {_MEND}"
        except Exception as error:
            return f"no MaryTTS server works at {self._client.shown} ({why(error)}): {_MEND}"
        return None

    def detail(self) -> str | None:
        """Version, voices and locales of the server, for `corpusforge doctor`; within two seconds."""
        until = time.monotonic() + LOOK.whole
        found: list[str | None] = []
        try:
            for path in ("/version", "/voices", "/locales"):
                found.append(self._list(path, Times(LOOK.connect, max(0.1, until - time.monotonic()))))
        except Exception as error:
            return f"{self._client.shown}: {why(error)}"
        said, voices, locales = found[0], voices_of(found[1] or ""), (found[2] or "").split()
        server = " ".join(said.split()) if said else "a server without /version"
        return f"{server} at {self._client.shown}, {len(voices)} voices, {len(locales)} locales"

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        """Raise `RecipeError` for a voice, locale or effect that the server lacks, a rate or a pitch that it cannot do.

        What a server does not list (`/voices` and the like are 404) is not checked.
        """
        if self._own.input.get(lang) == "wylie" and find_spec("pyewts") is None:
            raise MissingDependency("marytts input wylie needs pyewts: pip install 'corpusforge[marytts]'")
        wanted = self._effects(prosody)
        try:
            speakers = self._check_voice(lang, voice or self._own.voices.get(lang))
            self._check_effects(wanted, speakers)
        except RecipeError:
            raise
        except Exception as error:
            raise MissingDependency(
                f"no MaryTTS server works at {self._client.shown} ({why(error)}): {_MEND}"
            ) from error

    @property
    def concurrency(self) -> int:
        """Those on the wire, and as many again that wait for another try."""
        return 2 * self._own.network.concurrency

    async def speak(self, text: str, lang: str, voice: str | None, prosody: Prosody, seed: int) -> Speech:
        """Speak one sentence; see `RemoteEngine.speak`.

        A request with effects of hmm voices is sent alone: MaryTTS writes their parameters into the voice itself
        (`EffectsApplier.setHMMEffectParameters`), where a request at the same time finds them or wipes them out.

        Raises:
            CannotSpeak: Nothing but white space.
            ServiceError, ServiceDown: As `net.service.Service` judges what the server answers.
        """
        if not text.strip():
            raise CannotSpeak("nothing in it can be read aloud")
        parameters = {
            "INPUT_TEXT": self._transformed(text, lang),
            "INPUT_TYPE": "TEXT",
            "OUTPUT_TYPE": "AUDIO",
            "AUDIO": "WAVE_FILE",
            "LOCALE": self._locale(lang),
        }
        named = voice or self._own.voices.get(lang)
        if named:
            parameters["VOICE"] = named
        effects = self._effects(prosody)
        for effect, amount in effects.items():
            parameters[f"effect_{effect}_selected"] = "on"
            parameters[f"effect_{effect}_parameters"] = amount
        policy = self._own.network
        times = Times(policy.connect_timeout, policy.timeout)
        if self._service is None:
            self._service = Service(f"marytts at {self._client.shown}", policy)
        async with self._turns.turn(alone=not OF_HMM_VOICES.isdisjoint(effects)):
            samples, rate = await self._service.call_blocking(lambda: self._client.process(parameters, times))
        return Speech(samples, rate, named or self.languages()[lang], license=self._own.license)

    async def aclose(self) -> None:
        """Let go of the service's threads and connections."""
        service, self._service = self._service, None
        if service is not None:
            service.close()
        self._client.close()

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _locale(self, lang: str) -> str:
        locale = self._own.locales.get(lang) or LOCALES.get(lang)
        if locale is None:
            known = self.languages()
            raise RecipeError(
                f"synthesize.engines.marytts.locales: none for {lang} ({nearest(lang, known)}); add {lang}: …"
            )
        return locale

    def _transformed(self, text: str, lang: str) -> str:
        if self._own.input.get(lang) != "wylie":
            return text
        try:
            import pyewts
        except ImportError as error:
            raise MissingDependency("marytts input wylie needs pyewts: pip install 'corpusforge[marytts]'") from error
        wylie: str = pyewts.pyewts().toWylie(text)
        return wylie

    def _effects(self, prosody: Prosody) -> dict[str, str]:
        """The effects of a request: those of the settings, and `Rate` for a rate that is not 0.

        Raises:
            RecipeError: A rate out of range or given twice, or a pitch: the server shifts F0 by hertz, and how many
                those are of a voice's own F0 nobody says.
        """
        if prosody.pitch:
            raise RecipeError(
                f"synthesize.pitch {prosody.pitch:g} %: MaryTTS shifts pitch by hertz and not by percent; "
                'set synthesize.engines.marytts.effects: {F0Add: "f0Add:30.0;"} for 30 Hz'
            )
        effects = dict(self._own.effects)
        if prosody.rate:
            if "Rate" in effects:
                raise RecipeError(
                    f"synthesize.rate {prosody.rate:g} % and synthesize.engines.marytts.effects.Rate: give one of them"
                )
            shortest, longest = DURATION_RANGE
            scale = 1 / (1 + prosody.rate / 100) if prosody.rate > -100 else float("inf")
            if not shortest <= scale <= longest:
                limits = f"{100 / longest - 100:.0f} to {100 / shortest - 100:.0f} %"
                raise RecipeError(f"synthesize.rate {prosody.rate:g} %: MaryTTS can do {limits}")
            effects["Rate"] = f"durScale:{scale:.6g};"
        return dict(sorted(effects.items()))

    def _list(self, path: str, times: Times) -> str | None:
        """What the server has at `path`, asked once."""
        if path not in self._listed:
            self._listed[path] = self._client.text(path, times)
        return self._listed[path]

    def _times(self) -> Times:
        policy = self._own.network
        return Times(policy.connect_timeout, min(policy.timeout, 30.0))

    def _voices(self) -> list[Voice]:
        return voices_of(self._list("/voices", self._times()) or "")

    def _check_voice(self, lang: str, voice: str | None) -> list[Voice]:
        """The voices that may speak the language, if the server lists any.

        Raises:
            RecipeError: There is none, or the one that is asked for speaks another language.
        """
        locale, voices = self._locale(lang), self._voices()
        fitting = [entry for entry in voices if _plain(entry.locale) == _plain(locale)]
        where = f"the MaryTTS server at {self._client.shown}"
        if not voices:
            return []
        if voice is None or voice in {"male", "female"}:  # the server chooses one of the locale, or of the sex too
            listed = {entry.locale for entry in voices} | set((self._list("/locales", self._times()) or "").split())
            if not any(_plain(each) == _plain(locale) for each in listed):
                raise RecipeError(
                    f"{where} has no locale '{locale}' (wanted for {lang}): {nearest(locale, listed)} "
                    f"Set synthesize.engines.marytts.locales: {{{lang}: …}}"
                )
            chosen = [entry for entry in fitting if voice is None or entry.gender[0] == voice[0]]
            if not chosen:
                raise RecipeError(
                    f"{where} has no {voice + ' ' if voice else ''}voice for '{locale}' (wanted for {lang}): "
                    f"{nearest(locale, {entry.locale for entry in voices})}"
                )
            return chosen
        named = [entry for entry in voices if entry.name == voice]
        if not named:
            choice = {entry.name for entry in fitting} or {entry.name for entry in voices}
            raise RecipeError(f"{where} has no voice '{voice}' (wanted for {lang}): {nearest(voice, choice)}")
        language = _plain(locale).partition("_")[0]
        if not any(_plain(entry.locale).partition("_")[0] == language for entry in named):
            spoken = ", ".join(sorted({entry.locale for entry in named}))
            raise RecipeError(
                f"the voice '{voice}' of {where} speaks {spoken}, and {lang} is '{locale}': "
                f"choose another voice, or set synthesize.engines.marytts.locales: {{{lang}: {named[0].locale}}}"
            )
        return named

    def _check_effects(self, wanted: Mapping[str, str], speakers: list[Voice]) -> None:
        if not wanted:
            return
        listed = self._list("/audioeffects", self._times())
        where = f"the MaryTTS server at {self._client.shown}"
        if listed is None:
            shown = ", ".join(wanted)
            raise RecipeError(f"{where} has no audio effects (wanted: {shown}): leave out effects and rate")
        known = effects_of(listed)
        for name in wanted:
            if name not in known:
                raise RecipeError(f"{where} has no audio effect '{name}': {nearest(name, known)}")
            other = [voice for voice in speakers if voice.kind and voice.kind != "hmm"]
            if name in OF_HMM_VOICES and other:
                what = "rate" if name == "Rate" and name not in self._own.effects else f"effect {name}"
                raise RecipeError(
                    f"the voice '{other[0].name}' of {where} is of kind {other[0].kind}; only hmm voices have {what}"
                )


_MEND = f"start one (MaryTTS 5.2 listens on port 59125), set synthesize.engines.marytts.url, or set {VARIABLE}"


def _wrong(url: str) -> str | None:
    """What is wrong with the address of a server, in words that do not hold it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for what is no port
    except ValueError:
        return f"not an address: expected one such as {HERE}"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"not the address of a server: expected one such as {HERE}"
    if parts.query or parts.fragment:
        return "an address with ? or #: MaryTTS would ignore what is posted to it; leave that out"
    return None


def _plain(locale: str) -> str:
    """A locale in one spelling: `en_us` for `en-US`."""
    return locale.replace("-", "_").casefold()

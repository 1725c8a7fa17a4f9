"""Google Translate's voices through gTTS: good speech in some sixty languages, from a service that promises nothing.

It is nobody's to ask for much: requests are throttled unless a recipe says otherwise, and Google's terms of service
apply to what it answers. Tibetan is not among its languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator

from corpusforge.errors import CorpusforgeError, RecipeError, nearest
from corpusforge.items import Json
from corpusforge.net.faults import Fault, Refused
from corpusforge.net.policy import Policy, left_out_as
from corpusforge.net.service import Service
from corpusforge.speech.engine import CannotSpeak, EngineConfig, Prosody, RemoteEngine, Speech
from corpusforge.speech.engines.gtts_client import Client
from corpusforge.speech.engines.gtts_parts import PARTS_REVISION, Unsplittable, split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LICENSE = "gTTS is MIT; its speech is Google Translate's, under Google's Terms of Service"

LANGUAGES = dict(
    row.split()
    for row in """
afr_Latn af|als_Latn sq|amh_Ethi am|arb_Arab ar|ben_Beng bn|bos_Latn bs|bul_Cyrl bg|cat_Latn ca|ces_Latn cs|cym_Latn cy
dan_Latn da|deu_Latn de|ell_Grek el|eng_Latn en|est_Latn et|eus_Latn eu|fin_Latn fi|fra_Latn fr|glg_Latn gl|guj_Gujr gu
hau_Latn ha|heb_Hebr iw|hin_Deva hi|hrv_Latn hr|hun_Latn hu|ind_Latn id|isl_Latn is|ita_Latn it|jav_Latn jw|jpn_Jpan ja
kan_Knda kn|khm_Khmr km|kor_Hang ko|lit_Latn lt|lvs_Latn lv|mal_Mlym ml|mar_Deva mr|mya_Mymr my|nld_Latn nl|nob_Latn no
npi_Deva ne|pan_Guru pa|pol_Latn pl|por_Latn pt|ron_Latn ro|rus_Cyrl ru|sin_Sinh si|slk_Latn sk|spa_Latn es|srp_Cyrl sr
sun_Latn su|swe_Latn sv|swh_Latn sw|tam_Taml ta|tel_Telu te|tgl_Latn tl|tha_Thai th|tur_Latn tr|ukr_Cyrl uk|urd_Arab ur
vie_Latn vi|yue_Hant yue|zho_Hans zh-CN|zho_Hant zh-TW|zsm_Latn ms
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
"""FLORES codes and what gTTS 2.5.4 calls them. A language that FLORES has in several countries goes to its standard."""

THROTTLED = Policy(concurrency=2, requests_per_minute=60, backoff=2.0, timeout=30.0)

_TLD = r"[a-z]{2,6}(?:\.[a-z]{2})?"
_VOICE = re.compile(rf"(?P<lang>[A-Za-z]{{2,3}}(?:-[A-Za-z]{{2,4}})?)(?:/(?P<tld>{_TLD}))?")
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


class GttsConfig(EngineConfig):
    """Settings of the engine `gtts`.

    Attributes:
        tld: Domain of Google Translate: `com` is translate.google.com. Some give a language another accent (`co.uk`),
            some can be reached where others cannot (`com.hk`).
        slow: Google's slow reading.
        languages: FLORES codes with what gTTS calls the language, besides those that are known: `{zho_Hant: yue}`.
        network: Limits, time-outs and tries; what is left out is as gentle as by default: 2 requests at once and 60 a
            minute.
    """

    tld: str = Field("com", pattern=rf"^{_TLD}$")
    slow: bool = False
    languages: dict[str, str] = Field(default_factory=dict)
    network: Annotated[Policy, left_out_as(THROTTLED)] = Field(THROTTLED, json_schema_extra={"semantic": False})

    @field_validator("languages")
    @classmethod
    def _are_languages(cls, value: dict[str, str]) -> dict[str, str]:
        for code in value:
            if not _CODE.fullmatch(code):
                raise ValueError(f"'{code}' is not a language: use FLORES codes such as zho_Hans")
        return value


class GttsError(CorpusforgeError):
    """Parts of a sentence that do not fit together."""


class GttsEngine(RemoteEngine):
    """Speaks with Google Translate. Nothing is imported or asked before the first sentence."""

    name: ClassVar[str] = "gtts"
    license: ClassVar[str] = LICENSE
    network: ClassVar[bool] = True
    Config: ClassVar[type[EngineConfig]] = GttsConfig

    def __init__(self, config: GttsConfig) -> None:
        super().__init__(config)
        self._settings = config
        self._client = Client(config.network)
        self._service = Service("gTTS", config.network, self._client.fault_of)

    def languages(self) -> Mapping[str, str]:
        """FLORES codes it speaks, each with its default voice: gTTS's language, and the domain if it is not `com`."""
        tail = "" if self._settings.tld == "com" else f"/{self._settings.tld}"
        return {code: f"{lang}{tail}" for code, lang in self._known().items()}

    def revision(self, lang: str) -> Mapping[str, Json]:
        """Versions of gTTS and of the rules that part a sentence. Google's own are not known to anyone."""
        return {"gTTS": _version(), "parts": PARTS_REVISION}

    def available(self) -> str | None:
        """None if gTTS is installed, else the command that installs it."""
        missing = [name for name, module in (("gTTS", "gtts"), ("httpx", "httpx")) if find_spec(module) is None]
        return f"{' and '.join(missing)} not installed: pip install {' '.join(missing)}" if missing else None

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        """Raise `RecipeError` for a language or voice that gTTS does not have, and for a rate or pitch."""
        if prosody.rate or prosody.pitch:
            raise RecipeError(
                f"synthesize: gtts can change neither rate nor pitch (found rate {prosody.rate:g}, pitch "
                f"{prosody.pitch:g} for {lang}): leave them at 0, and for slow speech set engines.gtts.slow"
            )
        name, _ = self._voice(lang, voice)
        if self.available() is not None:
            return
        from gtts.lang import tts_langs

        if name not in (spoken := tts_langs()):
            raise RecipeError(
                f"synthesize: gTTS {_version()} has no language '{name}' (wanted for {lang}): {nearest(name, spoken)}"
            )

    @property
    def concurrency(self) -> int:
        """More sentences than requests: one that is put off must not keep others from being asked for."""
        return 4 * self._settings.network.concurrency

    async def speak(self, text: str, lang: str, voice: str | None, prosody: Prosody, seed: int) -> Speech:
        """Speak one sentence: its parts one after the other, each asked for again by itself if it fails.

        Parts are joined as they come: Google puts silence around each. Nothing is drawn, so `seed` has no use here.

        Raises:
            CannotSpeak: There is no letter or digit in it.
            ServiceError: A part failed for good.
            ServiceDown: Google has blocked us, or nothing works any more.
            GttsError: Parts came at different sample rates.
            RecipeError: A language or voice that gTTS does not have.
        """
        import numpy as np

        spoken, tld = self._voice(lang, voice)
        try:
            parts = split(text)
        except Unsplittable as error:
            raise CannotSpeak(str(error)) from error
        if not parts:
            raise CannotSpeak("no letter or digit in it")
        clips = [await self._part(part, lang, spoken, tld) for part in parts]
        rates = {rate for _, rate in clips}
        if len(rates) > 1:
            raise GttsError(f"gTTS: parts of one sentence at {' and '.join(f'{rate} Hz' for rate in sorted(rates))}")
        name = spoken + ("" if tld == "com" else f"/{tld}") + (" slow" if self._settings.slow else "")
        return Speech(np.concatenate([samples for samples, _ in clips]), rates.pop(), name, license=LICENSE)

    async def aclose(self) -> None:
        """End the connections."""
        await self._client.aclose()

    def close(self) -> None:
        """Let go of the service."""
        self._service.close()

    async def _part(self, part: str, lang: str, spoken: str, tld: str) -> tuple[NDArray[np.float32], int]:
        from corpusforge.speech.engines.gtts_audio import BadAudio, decode
        from corpusforge.text.syllables import count_syllables

        syllables = count_syllables(part, lang)

        async def send() -> tuple[NDArray[np.float32], int]:
            mp3 = await self._client.fetch(part, spoken, tld, self._settings.slow)
            try:
                return decode(mp3, syllables)
            except BadAudio as error:
                raise Refused(Fault(str(error), passing=True)) from error

        return await self._service.call(send)

    def _known(self) -> dict[str, str]:
        return {**LANGUAGES, **self._settings.languages}

    def _voice(self, lang: str, voice: str | None) -> tuple[str, str]:
        """The language as gTTS calls it, and the domain."""
        known = self._known()
        if voice is None:
            if lang not in known:
                raise RecipeError(f"synthesize: gtts does not speak {lang}: {nearest(lang, known)}")
            return known[lang], self._settings.tld
        match = _VOICE.fullmatch(voice)
        if match is None:
            raise RecipeError(
                f"synthesize: '{voice}' is no voice of gtts (wanted for {lang}): name one of its languages, "
                f"and a domain after a slash: 'zh-CN', 'en/co.uk'"
            )
        return match["lang"], match["tld"] or self._settings.tld


def _version() -> str:
    try:
        return version("gTTS")
    except PackageNotFoundError:
        return "not installed"

"""How what was found becomes an utterance: which value is which, and what stands in for one that is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from corpusforge.corpus.layout import SPLITS
from corpusforge.corpus.schema import Translation
from corpusforge.errors import SourceError, nearest
from corpusforge.imports.found import Found, Unreadable
from corpusforge.items import Json, Utterance
from corpusforge.text.languages import LANGUAGES, check

RECORDED = "recorded"
"""The engine of speech that people have spoken."""

UNKNOWN_SPEAKER = "unknown"

_TEXTS = ("text", "sentence", "transcription", "transcript", "raw_transcription", "normalized_text")
_LANGUAGES = ("flores_code", "lang", "language", "locale")
_SPEAKERS = ("speaker", "speaker_id", "client_id")
_BY_TAG = {language.bcp47.casefold(): code for code, language in LANGUAGES.items()}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user said of a folder.

    Attributes:
        lang: FLORES-200 code of utterances that name no language, or none that is known.
        license: SPDX id of utterances that name no licence.
        source: Of utterances that name no source.
        id_field, text_field, label_field, group_field, document_field: Where these are; None is the usual names.

    Raises:
        SourceError: `lang` is no FLORES-200 code.
    """

    lang: str | None
    license: str | None
    source: str
    id_field: str | None = None
    text_field: str | None = None
    label_field: str | None = None
    group_field: str | None = None
    document_field: str | None = None

    def __post_init__(self) -> None:
        if self.lang is not None:
            check(self.lang, "--lang")


def utterance(found: Found, rules: Rules) -> tuple[Utterance, str | None]:
    """The utterance without its audio, and the split that the folder has it in, if it has.

    Raises:
        Unreadable: Nothing can be made of it, or it has no text.
        SourceError: A field that was named is not there; the language or the licence is not known.
    """
    if found.problem is not None:
        raise Unreadable(found.problem)
    values = found.values
    text = _named(found, rules.text_field) if rules.text_field else _first(values, _TEXTS)
    if not isinstance(text, str) or not text.strip():
        raise Unreadable("no text")
    name = _words(_named(found, rules.id_field) if rules.id_field else _own_id(found)) or found.place
    group = _words(_named(found, rules.group_field) if rules.group_field else values.get("group"))
    document = _words(_named(found, rules.document_field) if rules.document_field else values.get("document"))
    license = _string(values, "license") or rules.license
    if license is None:
        raise SourceError(
            f"{found.place}: no licence is known: give the SPDX id of the data's with --license CC-BY-4.0"
        )
    engine = _string(values, "engine")
    voice = (_string(values, "voice") if engine else None) or _words(_first(values, _SPEAKERS))
    item = Utterance(
        id=name,
        group=group or name,
        # Whatever is cut from one recording, or says the same, stays in one split.
        document=document or group or found.recording,
        lang=language(found, rules),
        text=text,
        label=_words(_named(found, rules.label_field) if rules.label_field else values.get("label")),
        source=_string(values, "source") or rules.source,
        license=license,
        fields={
            "engine": engine or RECORDED,
            "voice": voice or UNKNOWN_SPEAKER,
            "voice_license": _string(values, "voice_license"),
            "translation": _translation(values.get("translation")),
            **_counted(values.get("metrics")),
        },
    )
    split = values.get("split")
    return item, split if split in SPLITS else found.split


def language(found: Found, rules: Rules) -> str:
    """The FLORES-200 code of an utterance: its own code, that of its BCP 47 tag, or the user's.

    Raises:
        SourceError: None of them is known.
    """
    named = [value for name in _LANGUAGES if isinstance(value := found.values.get(name), str) and value]
    for value in named:
        code = value if value in LANGUAGES else _BY_TAG.get(value.replace("_", "-").casefold())
        if code is not None:
            return code
    if rules.lang is not None:
        return rules.lang
    if not named:
        raise SourceError(f"{found.place}: no language is known: give its FLORES-200 code with --lang bod_Tibt")
    try:
        return check(named[0], found.place).code
    except SourceError as error:
        raise SourceError(f"{error} Give the code with --lang") from None


def _named(found: Found, field: str) -> Json:
    if field not in found.values:
        raise SourceError(f"{found.place}: no field '{field}': {nearest(field, found.values)}")
    return found.values[field]


def _own_id(found: Found) -> Json:
    """A number is no id: many datasets number sentences, which several people have read."""
    own = found.values.get("id")
    return own if isinstance(own, str) else None


def _first(values: Mapping[str, Json], names: tuple[str, ...]) -> Json:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def _string(values: Mapping[str, Json], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) and value else None


def _words(value: Json) -> str | None:
    """A value as a name; None for nothing, and for what is no name."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) else None


def _translation(value: Json) -> Json:
    """Where a text came from, if it is said as a manifest says it: many datasets have another `translation`."""
    try:
        Translation.model_validate(value)
    except ValidationError:
        return None
    return value


def _counted(metrics: Json) -> dict[str, Json]:
    """What an engine counted, which cannot be measured on the audio."""
    if not isinstance(metrics, dict):
        return {}
    return {name: metrics[name] for name in ("syllables", "unreadable") if isinstance(metrics.get(name), int)}

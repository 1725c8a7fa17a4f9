"""Whether a model's answer can stand as a translation of a sentence, and why not.

`clean` is what every answer goes through first; `complaints` then says everything that is wrong with it, each in a
sentence that a model can be shown to mend it, and that stands as the reason where it is rejected.

    ==============  ==========================================================================================
    empty           nothing, or no letter and no digit where the source has some
    refusal         an apology, "as an AI", `finish_reason` content_filter
    truncated       `finish_reason` length
    damaged         replacement characters (U+FFFD), lone surrogates, control characters
    script_share    letters in another script than the language's; a source's script left over
    language        another language in the same script (`text.identify` says which are told apart)
    zawgyi          Burmese in the Zawgyi encoding
    copied          the source, or long runs of it, untranslated
    repeated        the same words over and over, as a model that has lost its way writes them
    length_ratio    too short or too long, in syllables
    numbers         numbers lost, changed or added (`text.numerals`)
    names           addresses, model numbers and misspelt Latin names (`translate.names`)
    chatter         introductions, notes, mark-up, alternatives (`translate.chatter`)
    brackets        brackets or quotation marks without a partner, where the source's have theirs
    ==============  ==========================================================================================

Everything compares with the source. The bounds are such that no check complains of more than 2 % of the real pairs of
FLORES-200 dev and devtest; `tests/translate/test_checks.py` holds the measured rates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpusforge.text import numerals, scripts
from corpusforge.text.brackets import unbalanced
from corpusforge.text.identify import another_language
from corpusforge.text.languages import LANGUAGES
from corpusforge.text.syllables import count_syllables
from corpusforge.text.zawgyi import is_zawgyi
from corpusforge.translate import chatter, names
from corpusforge.translate.clean import clean

__all__ = ["Band", "Checks", "Complaint", "clean", "complaints"]


class Band(BaseModel):
    """The least and the greatest number of the answer's syllables for one syllable of the source.

    Attributes:
        min: Syllables of the answer over syllables of the source, at least; null for no bound.
        max: The same, at most; null for no bound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: float | None = Field(None, ge=0)
    max: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Band:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is over max {self.max}: nothing could pass")
        return self


class Checks(BaseModel):
    """What an answer is checked for: the section `checks:` of the stage `translate`. Null or false: not for that.

    Empty, truncated and damaged answers, and those that the service filtered, are never taken.

    Attributes:
        script_share: Least share of the letters that must be in the script of the target language.
        language: Whether another language or script form of the same script is looked for.
        copied: Greatest share of the answer's letters in runs that the source has, too. Between languages that share a
            script, 0.9 is the least bound, and short sentences pass.
        length_ratio: A band, or `measured`: the band of the pair of languages.
        repeated: Whether the same few words five times in a row are looked for.
        numbers: Whether numbers must be kept.
        names: Whether addresses, model numbers and the spelling of Latin names must be kept.
        chatter: Whether refusals, introductions, notes and mark-up are looked for.
        zawgyi: Whether Burmese in the Zawgyi encoding is looked for.
        brackets: Whether brackets and quotation marks must pair.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    script_share: float | None = Field(0.6, ge=0, le=1)
    language: bool = True
    copied: float | None = Field(0.5, ge=0, le=1)
    length_ratio: Band | Literal["measured"] | None = "measured"
    repeated: bool = True
    numbers: bool = True
    names: bool = True
    chatter: bool = True
    zawgyi: bool = True
    brackets: bool = True


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with an answer.

    Attributes:
        name: The check's name, as in the module's table.
        words: One sentence with the numbers, for the model and for people.
    """

    name: str
    words: str


# Where the quantiles 0.0025 and 0.9975 of FLORES-200's 2,009 pairs lie, rounded outwards.
BANDS = {
    ("zho_Hans", "bod_Tibt"): Band(min=0.45, max=1.8),
    ("zho_Hans", "mya_Mymr"): Band(min=0.7, max=2.5),
    ("zho_Hans", "eng_Latn"): Band(min=0.55, max=1.75),
    ("bod_Tibt", "zho_Hans"): Band(min=0.55, max=2.25),
    ("bod_Tibt", "mya_Mymr"): Band(min=0.7, max=2.85),
    ("bod_Tibt", "eng_Latn"): Band(min=0.55, max=2.0),
    ("mya_Mymr", "zho_Hans"): Band(min=0.4, max=1.45),
    ("mya_Mymr", "bod_Tibt"): Band(min=0.35, max=1.35),
    ("mya_Mymr", "eng_Latn"): Band(min=0.4, max=1.2),
    ("eng_Latn", "zho_Hans"): Band(min=0.55, max=1.8),
    ("eng_Latn", "bod_Tibt"): Band(min=0.5, max=1.75),
    ("eng_Latn", "mya_Mymr"): Band(min=0.8, max=2.35),
}
"""Measured bands of `length_ratio`."""
WIDE = Band(min=0.33, max=3.0)
"""The band of every other pair: not measured."""
SLACK = 3
"""Syllables that a band forgives on either side: a sentence of three syllables may well become one of eight."""

_CUT_OFF = ("length", "max_tokens")
_FILTERED = ("content_filter", "safety", "recitation")
_DAMAGED = re.compile("[\ufffd\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# One hanzi or Hangul block says as much as so many Latin letters.
_WEIGHTS = {"Hani": 3, "Hang": 3}
_WITHOUT_SPACES = {"Hani": 4, "Jpan": 6, "Thai": 8, "Laoo": 8, "Khmr": 8, "Mymr": 8, "Tibt": 8}
"""Scripts without spaces between words: letters in a row from which on a run counts as copied."""
_WORDS_IN_A_ROW = 3
_SHORT = 6
"""Words up to which a sentence may be the same in two languages of one script."""
_SIBLINGS = (
    {"zho_Hans", "zho_Hant", "yue_Hant"},
    {"bos_Latn", "hrv_Latn", "srp_Latn"},
    {"ind_Latn", "zsm_Latn"},
    {"nob_Latn", "nno_Latn", "dan_Latn"},
    {
        code
        for code in LANGUAGES
        if code.partition("_")[0] in {"acm", "acq", "aeb", "ajp", "apc", "arb", "ars", "ary", "arz"}
    },
)
"""Languages in which a whole sentence may be the same."""
_TOKEN = re.compile(r"[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*")
# From the start of a run of letters: text without blanks would be searched anew from every letter of it.
_ADDRESS = re.compile(r"(?<!\S)\S+(?:://|@)\S+|www\.\S+")
_REPEATED = re.compile(r"(?=[^\W\d_])(.{2,40}?)\1{4,}")
_SHOWN = 4


def complaints(
    answer: str, source: str, source_lang: str, lang: str, checks: Checks, *, finish_reason: str | None = "stop"
) -> tuple[Complaint, ...]:
    """Everything that is wrong with an answer, worst first; nothing if it can be taken.

    Args:
        answer: What the model answered, after `clean`.
        source: The sentence that it was to translate.
        source_lang: FLORES-200 code of the source's language.
        lang: FLORES-200 code of the language that it was to translate into.
        checks: Which checks, with which bounds.
        finish_reason: Why the model stopped, as OpenAI's API names it; None where the service does not say.

    Raises:
        MissingDependency: Burmese is checked for Zawgyi and myanmartools is not installed.
    """
    pair = _Pair(answer, source, source_lang, lang, checks)
    ended = list(_ended(finish_reason))
    if _is_empty(answer, source):
        return (*ended, Complaint("empty", "The answer is empty."))
    if checks.chatter and not ended:
        refused = chatter.refusal(answer, source, source_lang, lang)
        if refused:
            ended.append(Complaint("refusal", f'The answer refuses ("{refused}") instead of translating.'))
    found = [(name, words) for name, check in _CHECKS.items() for words in check(pair)]
    return (*ended, *(Complaint(name, words) for name, words in found))


@dataclass(frozen=True, slots=True)
class _Pair:
    answer: str
    source: str
    source_lang: str
    lang: str
    checks: Checks

    @property
    def target(self) -> str:
        """The target language by name."""
        known = LANGUAGES.get(self.lang)
        return f"{known.name} ({self.lang})" if known else self.lang


def _ended(finish_reason: str | None) -> Iterator[Complaint]:
    reason = (finish_reason or "").lower()
    if reason in _CUT_OFF:
        yield Complaint("truncated", f"The answer was cut off at the limit of tokens (finish_reason {finish_reason}).")
    elif reason in _FILTERED:
        yield Complaint("refusal", f"The service withheld the answer (finish_reason {finish_reason}).")
    elif reason in ("tool_calls", "function_call"):
        yield Complaint("chatter", f"The model called a tool instead of answering (finish_reason {finish_reason}).")


def _is_empty(answer: str, source: str) -> bool:
    return not any(map(str.isalnum, answer)) and (not answer or any(map(str.isalnum, source)))


def _damaged(pair: _Pair) -> Iterator[str]:
    marks = [mark for mark in _DAMAGED.findall(pair.answer) if mark not in pair.source]
    if marks:
        yield f"The answer is damaged: {len(marks)} broken characters, the first U+{ord(marks[0]):04X}."


def _script(pair: _Pair) -> Iterator[str]:
    least = pair.checks.script_share
    if least is None:
        return
    counts = scripts.letters(_without_names(pair))
    wanted = scripts.of_language(pair.lang)
    weighed = {script: number * _WEIGHTS.get(script, 1) for script, number in counts.items()}
    total, own = sum(weighed.values()), sum(weighed.get(script, 0) for script in wanted)
    if total and own < least * total:
        most = max((script for script in weighed if script not in wanted), key=weighed.__getitem__)
        yield (
            f"Only {own / total:.0%} of the letters are in the script of {pair.target}, at least {least:.0%} must "
            f"be; most others are {most}."
        )
        return
    for script in set(scripts.of_language(pair.source_lang)) - {*wanted, "Latn"}:
        if counts[script] >= 2 and weighed[script] > 0.03 * total:
            yield f"{counts[script]} letters are left in the script of the source ({script})."


def _without_names(pair: _Pair) -> str:
    """The answer without Latin words that it may have from the source as they are."""
    latin_source = "Latn" in scripts.of_language(pair.source_lang)
    taken = {word for word in _TOKEN.findall(pair.source) if not latin_source or not word[1:].islower()}
    return _TOKEN.sub(
        lambda word: " " if word[0] in taken and scripts.letters(word[0])["Latn"] else word[0],
        _ADDRESS.sub(" ", pair.answer),
    )


def _language(pair: _Pair) -> Iterator[str]:
    if pair.checks.language and (other := another_language(_without_names(pair), pair.lang)):
        yield f"The answer should be in {pair.target}, but seems to be {other}."


def _zawgyi(pair: _Pair) -> Iterator[str]:
    if pair.checks.zawgyi and pair.lang == "mya_Mymr" and is_zawgyi(pair.answer):
        yield "The Burmese is encoded in Zawgyi, it must be Unicode."


def _copied(pair: _Pair) -> Iterator[str]:
    most = pair.checks.copied
    if most is None or any({pair.source_lang, pair.lang} <= siblings for siblings in _SIBLINGS):
        return
    own = set(scripts.of_language(pair.source_lang))
    source, answer = _ADDRESS.sub(" ", pair.source), _ADDRESS.sub(" ", pair.answer)
    if own & set(scripts.of_language(pair.lang)):
        if len(_TOKEN.findall(answer)) < _SHORT and scripts.letters(answer).total() < 4 * _SHORT:
            return
        most = max(most, 0.9)
    elif not any(scripts.letters(source)[script] for script in own):
        return
    share = copied_share(answer, source, next(iter(sorted(own))))
    if share > most:
        yield f"{share:.0%} of the answer is copied from the source, at most {most:.0%} may be: it must be translated."


def copied_share(answer: str, source: str, script: str) -> float:
    """Share of the answer's letters that lie in runs of words, or of letters, that the source has, too.

    Hanzi weigh like three letters.

    Args:
        answer: A text.
        source: Another.
        script: The script of the source, which decides what a run is: three words, or where words are not spaced some
            letters of that script. A whole source of fewer words is a run, unless its words are names (HP, Windows XP).
    """
    length = _WITHOUT_SPACES.get(script)
    if length is None:
        theirs, ours = ([word.lower() for word in _TOKEN.findall(text)] for text in (source, answer))
        if all(word[:1].isupper() for word in _TOKEN.findall(source)) and len(theirs) <= _WORDS_IN_A_ROW:
            return 0.0
        length = min(_WORDS_IN_A_ROW, len(theirs))
    else:
        theirs, ours = (list(scripts.only(text, script)) for text in (source, answer))
        length = min(length, len(theirs))
    total = _weight(answer)
    if not length or not total:
        return 0.0
    known = {tuple(theirs[place : place + length]) for place in range(len(theirs) - length + 1)}
    copied: set[int] = set()
    for place in range(len(ours) - length + 1):
        if tuple(ours[place : place + length]) in known:
            copied.update(range(place, place + length))
    return min(1.0, _weight(" ".join(ours[place] for place in copied)) / total)


def _weight(text: str) -> int:
    return sum(number * _WEIGHTS.get(script, 1) for script, number in scripts.letters(text).items())


def _repeated(pair: _Pair) -> Iterator[str]:
    if pair.checks.repeated and not _REPEATED.search(pair.source) and (match := _REPEATED.search(pair.answer)):
        times = len(match[0]) // len(match[1])
        yield f'The answer repeats "{match[1].strip()[:40]}" {times} times in a row.'


def _length(pair: _Pair) -> Iterator[str]:
    band = pair.checks.length_ratio
    if band is None:
        return
    if isinstance(band, str):
        band = BANDS.get((pair.source_lang, pair.lang), WIDE)
    theirs, ours = count_syllables(pair.source, pair.source_lang), count_syllables(pair.answer, pair.lang)
    if band.min is not None and ours < band.min * theirs - SLACK:
        yield f"The answer is too short: {ours} syllables for {theirs} of the source, at least {band.min:g} for one."
    if band.max is not None and ours > band.max * theirs + SLACK:
        yield f"The answer is too long: {ours} syllables for {theirs} of the source, at most {band.max:g} for one."


def _numbers(pair: _Pair) -> Iterator[str]:
    if not pair.checks.numbers:
        return
    theirs = numerals.Pool(pair.source, pair.source_lang)
    ours = numerals.Pool(pair.answer, pair.lang)
    lost = [
        one.written for one in theirs.numerals if _demanded(one, pair.lang) and not numerals.kept(one, theirs, ours)
    ]
    if lost:
        yield f"Numbers of the source are missing or changed: {_listed(lost)}."
    if numerals.worded(pair.source_lang) and numerals.worded(pair.lang):
        added = [
            one.written
            for one in ours.numerals
            if not one.words and _demanded(one, pair.source_lang) and not numerals.kept(one, ours, theirs)
        ]
        if added:
            yield f"Numbers that the source has not: {_listed(added)}."


def _demanded(numeral: numerals.Numeral, lang: str) -> bool:
    """Whether a number must be found in a text of the language."""
    if numeral.loose or not any(reading.digits for reading in (*numeral.readings, *numeral.parts)):
        return False
    if numerals.worded(lang):
        return True
    # Its number words are not known: what is often written in words may be missing.
    small = any((one.whole() or 99) <= 12 or len(one.digits) == 1 for one in numeral.readings)
    return not numeral.words and not small


def _names(pair: _Pair) -> Iterator[str]:
    if pair.checks.names and (lost := names.lost(pair.answer, pair.source, pair.lang, pair.source_lang)):
        yield f"Names of the source are missing or changed: {', '.join(lost[:_SHOWN])}."


def _chatter(pair: _Pair) -> Iterator[str]:
    if pair.checks.chatter and (found := chatter.chatter(pair.answer, pair.source, pair.source_lang, pair.lang)):
        yield f"The answer must be the translation alone, but it has {found}."


def _brackets(pair: _Pair) -> Iterator[str]:
    if pair.checks.brackets and (mark := unbalanced(pair.answer)) and not unbalanced(pair.source):
        yield f"The bracket or quotation mark {mark} has no partner."


def _listed(written: list[str]) -> str:
    return ", ".join(dict.fromkeys(written[:_SHOWN])) + (" …" if len(written) > _SHOWN else "")


_CHECKS: dict[str, Callable[[_Pair], Iterator[str]]] = {
    "damaged": _damaged,
    "script_share": _script,
    "language": _language,
    "zawgyi": _zawgyi,
    "copied": _copied,
    "repeated": _repeated,
    "length_ratio": _length,
    "numbers": _numbers,
    "names": _names,
    "chatter": _chatter,
    "brackets": _brackets,
}

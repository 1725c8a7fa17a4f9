"""Text as the MMS-TTS checkpoints read it: one id a character of their own small alphabet, and what is not in it.

Follows `TextMapper` of fairseq's examples/mms/tts/infer.py (lower case, characters of the alphabet only, the id 0
between all characters and at both ends) and the normalization of the training text in examples/mms/data_prep (NFKC,
punctuation as space), with numbers and symbols put in words first where `corpusforge.text` has rules: the alphabets of
Tibetan and Burmese have no digits.

**The id 0 is a letter.** The alphabets have no symbol for "blank": the id that stands between all characters is at the
same time that of the first character in the list, which is the tsheg in Dzongkha and Tibetan, the asat in Burmese.
transformers' tokenizer declares that letter its pad token, splits the text at it as at a special token, and decodes
without it. The model was trained with both meanings, and tells them apart by their number: a blank alone is one 0, a
letter with its blanks three. So the ids are made here, from the alphabet alone; every tsheg is a token, and padding is
a matter of lengths, never of ids.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.text.scripts import runs
from corpusforge.text.syllables import count_syllables

TEXT = 2
"""Raised when the same sentence becomes other ids: by a change here, or of number words in `corpusforge.text`."""

UROMAN = "1.3.1.1"
"""What `pip install uroman` gave when this was written: the version in the key where the package is absent."""

BLANK = 0
_VIRAMA = "\u1039"


@dataclass(frozen=True, slots=True)
class Alphabet:
    """What a checkpoint can read, of its vocab.json and tokenizer_config.json.

    Attributes:
        ids: Id by character.
        lower: Whether it was trained on lower case.
        blanks: Whether the id 0 stands between characters and at both ends.
        uroman: Whether it reads romanized text.
        language: Its ISO 639-3 code, where the checkpoint says it.
    """

    ids: Mapping[str, int]
    lower: bool = True
    blanks: bool = True
    uroman: bool = False
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence as ids.

    Attributes:
        text: What is read, characters of the alphabet only.
        ids: For the text encoder, blanks included.
        syllables: Of the sentence as read aloud, numbers in words, read or not.
        unreadable: Those of them that have a letter or digit which the alphabet lacks.
    """

    text: str
    ids: tuple[int, ...]
    syllables: int
    unreadable: int


def read_alphabet(folder: Path) -> Alphabet:
    """The alphabet of a checkpoint.

    Raises:
        RecipeError: The files are damaged, or the checkpoint reads phonemes.
    """
    vocabulary = _json(folder / "vocab.json")
    settings = _json(folder / "tokenizer_config.json")
    if not vocabulary or any(not isinstance(number, int) for number in vocabulary.values()):
        raise RecipeError(f"{folder / 'vocab.json'}: expected an object of characters and their ids")
    if settings.get("phonemize"):
        raise RecipeError(
            f"{folder}: this VITS reads phonemes of the phonemizer package; mms_tts reads text: "
            "use a checkpoint whose tokenizer_config.json has phonemize: false"
        )
    return Alphabet(
        {symbol: number for symbol, number in vocabulary.items() if len(symbol) == 1},
        lower=bool(settings.get("normalize", True)),
        blanks=bool(settings.get("add_blank", True)),
        uroman=bool(settings.get("is_uroman", False)),
        language=settings.get("language"),
    )


def write(text: str, lang: str, alphabet: Alphabet) -> Written:
    """A sentence as the ids that a checkpoint reads.

    Args:
        text: As written.
        lang: FLORES code: says how numbers are read, and what a syllable is.
        alphabet: Of the checkpoint.

    Raises:
        MissingDependency: The checkpoint reads romanized text, and uroman is not installed.
    """
    spoken = verbalize(text, lang)
    plain = unicodedata.normalize("NFKC", spoken)
    if alphabet.lower:
        plain = plain.lower()
    if alphabet.uroman and not plain.isascii():
        plain = _romanize(plain).lower()
    if alphabet.language == "ron":  # the checkpoint knows t with cedilla, as older Romanian text has it
        plain = plain.replace("ț", "ţ")
    kept = _kept(plain, alphabet.ids)
    ids = [alphabet.ids[character] for character in kept]
    if alphabet.blanks:
        ids = _between(ids)
    return Written(kept, tuple(ids), count_syllables(spoken, lang), _unreadable(plain, alphabet.ids, lang))


def verbalize(text: str, lang: str) -> str:
    """One spelling, and numbers, dates, units and symbols in words, where there are rules for the language."""
    if lang == "bod_Tibt":
        from corpusforge.text.tibetan import verbalize as tibetan

        return tibetan(text)
    if lang == "mya_Mymr":
        from corpusforge.text.burmese import normalize
        from corpusforge.text.burmese import verbalize as burmese

        return normalize(burmese(normalize(text)))
    return text


def has_letters(text: str) -> bool:
    """Whether there is anything to say: a text of tshegs and spaces would be a breath."""
    return any(unicodedata.category(character)[0] in "LN" for character in text)


def uroman_version() -> str:
    """The installed version of uroman, or the one that a new installation gets."""
    try:
        return version("uroman")
    except PackageNotFoundError:
        return UROMAN


def uroman_missing() -> str | None:
    """None if uroman is installed, else the command that installs it."""
    return None if find_spec("uroman") is not None else "uroman is not installed: pip install uroman"


def _kept(text: str, known: Mapping[str, int]) -> str:
    """The characters of the alphabet; other punctuation and symbols are a space, as in the training text."""
    space = " " if " " in known else ""
    kept = []
    for character in text:
        if character in known:
            kept.append(character)
        elif unicodedata.category(character)[0] in "PSZ" or character.isspace():
            kept.append(space)
    return re.sub(" +", " ", "".join(kept)).strip()


def _between(ids: list[int]) -> list[int]:
    with_blanks = [BLANK] * (2 * len(ids) + 1)
    with_blanks[1::2] = ids
    return with_blanks


def _unreadable(text: str, known: Mapping[str, int], lang: str) -> int:
    """Syllables with a letter, mark or digit that the alphabet lacks."""

    def lacks(piece: str) -> bool:
        return any(one not in known and unicodedata.category(one)[0] in "LMN" for one in piece)

    if not lacks(text):
        return 0
    count = 0
    for script, run in runs(text):
        if not lacks(run):
            continue
        if script == "Tibt":
            from corpusforge.text.tibetan import syllables as tibetan

            count += sum(map(lacks, tibetan(run))) + sum(one.isdigit() for one in run if one not in known)
        elif script == "Mymr":
            from corpusforge.text.burmese import syllables as burmese

            # In `syllables` a stacked consonant's virama has become an asat.
            count += sum(map(lacks, burmese(run))) + (run.count(_VIRAMA) if _VIRAMA not in known else 0)
            count += sum(one.isdigit() for one in run if one not in known)
        else:
            count += sum(max(1, count_syllables(word, lang)) for word in run.split() if lacks(word))
    return count


def _romanize(text: str) -> str:
    missing = uroman_missing()
    if missing:
        raise MissingDependency(f"this checkpoint reads romanized text, and {missing}")
    return str(_uroman().romanize_string(text))


@lru_cache(maxsize=1)
def _uroman() -> Any:
    import uroman  # type: ignore[import-not-found, unused-ignore]

    return uroman.Uroman()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(found, dict):
        raise RecipeError(f"{path}: expected a JSON object")
    return found

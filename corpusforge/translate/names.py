"""Latin names that a translation must keep.

A name may be written in the letters of the other language, and no rule here knows how it sounds: of FLORES-200's Latin
words in Chinese text, Tibetan keeps half of the abbreviations and a quarter of the names like MySpace. So only this is
asked, which real translations do:

- web and mail addresses and @handles stay, letter for letter
- model numbers, at most four Latin letters and digits in one word (T60, A380, 802.11n), stay; case, spaces, hyphens
  and the script of the digits aside. Measures and times (35mm, 5am), ordinals, decades and products (36x24mm) are none.
- a name is not misspelt: where a Latin word of the source is gone, the answer has no Latin word that is almost it
- between scripts, towards Latin letters: a Latin word with a capital in a text of another script stays
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher

from corpusforge.text import scripts
from corpusforge.text.numerals import plain_digits

_ADDRESS = re.compile(
    r"(?:https?://|www\.)[A-Za-z0-9][A-Za-z0-9./_%?=&#~:+-]*[A-Za-z0-9/]|[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
    r"|(?<![A-Za-z0-9_@])@[A-Za-z_][A-Za-z0-9_]{2,}"
)
_WORD = re.compile(r"(?:\d+(?:\.\d+)*)?[A-Za-z][A-Za-z0-9]*(?:-\d[A-Za-z0-9]*)?(?![A-Za-z0-9])")
_MODEL = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])(?!.*[A-Za-z]{5}).{2,}")
_MEASURE = re.compile(
    r"\d+(?:\.\d+)*-?(?:[kcmnμ]?m[23]?|km2?|[kmn]?g|lbs?|oz|ft|in|mi|mph|k[mp]h|kmh|[kmgt]?[bw]|[kmgt]i?bps|[kmg]?hz|ml|l|ha"
    r"|v|kv|am|pm|st|nd|rd|th|s|d|c|f|k|bn|mn|p|x|°?[cf]|utc|gmt|usd|rmb)|[x×\d.]+(?:mm|cm|m|in|ft)?|[kcm]?m[23]|pp?\d+",
    re.IGNORECASE,
)
_WRITTEN_TOGETHER = re.compile(r"[\s\u00a0_‐‑–-]+")
_ALMOST = 0.75
_SHORTEST = 3


def lost(answer: str, source: str, lang: str, source_lang: str) -> list[str]:
    """What the answer should have kept, each in words: `"T60"`, `"Dunlap" (it has "Dunlop")`."""
    return list(_lost(answer, source, lang, source_lang))


def _lost(answer: str, source: str, lang: str, source_lang: str) -> Iterator[str]:
    plain = _together(answer)
    addresses = _ADDRESS.findall(source)
    for address in addresses:
        if address.lower() not in answer.lower():
            yield f'"{address}"'
    words = list(dict.fromkeys(_WORD.findall(_ADDRESS.sub(" ", source))))
    to_latin = lang.endswith("_Latn")
    foreign = "Latn" not in scripts.of_language(source_lang)
    kept = [
        word for word in _WORD.findall(plain_digits(_ADDRESS.sub(" ", answer))) if word.lower() not in source.lower()
    ]
    for word in words:
        if _together(word) in plain:
            continue
        if _is_model(word) or (to_latin and foreign and len(word) >= _SHORTEST and word != word.lower()):
            near = "" if _is_model(word) else _near(word, kept)
            if not near:
                yield f'"{word}"'
        elif not to_latin and len(word) >= _SHORTEST and (near := _near(word, kept)):
            yield f'"{word}" (it has "{near}")'


def models(text: str) -> list[str]:
    """The model numbers of a text."""
    return [word for word in _WORD.findall(text) if _is_model(word)]


def _is_model(word: str) -> bool:
    return bool(_MODEL.fullmatch(word)) and not _MEASURE.fullmatch(word) and "x" not in word.lower()[1:-1]


def _near(word: str, others: list[str]) -> str:
    """The one of the others that is almost the word, but not the word with an ending; else nothing."""
    small = word.lower()
    for other in others:
        bare = other.lower()
        if len(bare) < _SHORTEST or bare.startswith(small) or small.startswith(bare):
            continue
        if SequenceMatcher(None, small, bare, autojunk=False).ratio() >= _ALMOST:
            return other
    return ""


def _together(text: str) -> str:
    plain = unicodedata.normalize("NFD", plain_digits(text).lower())
    return "".join(letter for letter in _WRITTEN_TOGETHER.sub("", plain) if not unicodedata.combining(letter))

"""Burmese text: one spelling for what looks the same, syllables, and numbers and symbols in words.

`normalize` follows Unicode Technical Note 11 (Hosken, "Representing Myanmar in Unicode"), and mends what keyboards and
older encodings leave behind:

- NFC; no invisible characters; a mark typed twice is one.
- Marks of a letter in one order: medials ျ ြ ွ ှ, vowel signs ေ ိ ီ ဲ ု ူ ါ ာ, asat, ံ, dot below, visarga. An asat that
  stands on the letter itself stays before its vowel signs: ကျွန်ုပ်, ယောက်ျား.
- Dot below before asat, as NFC has it (န့်); ေ typed before its consonant goes behind it.
- Letters of the same shape: ဥ် ဥာ → ဉ် ဉာ; စျ → ဈ; သြ သြော် → ဩ ဪ; ၄င်း → ၎င်း; ီု → ို; ဦီ → ဦ.
- Digits and letters of the same shape: ဝ inside a number is ၀; ၀ among letters is ဝ, ၇ and ၈ that carry a vowel sign
  or an asat are ရ and ဂ.
- Zawgyi's kinzi: သဘောၤ → သင်္ဘော.

`verbalize` and its rules are in `corpusforge.text.burmese_words`, numbers in `corpusforge.text.burmese_numbers`.
"""

from __future__ import annotations

import re
import unicodedata

from corpusforge.text.burmese_numbers import MILLION, ONES, cardinal, fraction, number, ordinal, spelled
from corpusforge.text.burmese_words import verbalize

__all__ = [
    "MILLION",
    "ONES",
    "breaks",
    "cardinal",
    "fraction",
    "normalize",
    "number",
    "ordinal",
    "spelled",
    "syllables",
    "verbalize",
]

_ASAT, _VIRAMA, _DOT = "\u103a", "\u1039", "\u1037"
_CONSONANTS = "\u1000-\u1021\u103f"
# Letters and signs of Shan, Mon, Karen and others: no rule reads them, but they are syllables all the same.
_FOREIGN_LETTERS = (
    "\u1022\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e"
    "\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a\uaa7e\uaa7f"
)
_FOREIGN_SIGNS = (
    "\u1033-\u1035\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074"
    "\u1082-\u108d\u108f\u109a-\u109d\uaa7b-\uaa7d"
)
_SIGNS = "\u104c-\u104f"
"""၌ ၍ ၎ ၏, which stand for words."""
_RUN = re.compile(f"[\u1000-\u103f{_SIGNS}{_FOREIGN_LETTERS}{_FOREIGN_SIGNS}]+")

# Medials, then vowel signs from the left of the page to the right, then marks of silence, nasality and tone.
_ORDER = {
    mark: place
    for place, mark in enumerate(
        "\u103b\u103c\u103d\u103e\u1031\u102d\u102e\u1032\u102f\u1030\u102b\u102c\u103a\u1036\u1037\u1038"
    )
}
_MARK = "\u102b-\u1032\u1036-\u1038\u103a-\u103e"
_MARKS = re.compile(f"[{_MARK}]{{2,}}")
_OWN_ASAT = re.compile("[\u1037\u103b-\u103e]*\u103a")
_INVISIBLE = dict.fromkeys(
    (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A), 0xFEFF), ""
)
_ZAWGYI_KINZI = re.compile(f"([{_CONSONANTS}][{_MARK}]*)\u1064")
_VOWEL_FIRST = re.compile(
    f"(?<![{_CONSONANTS}{_MARK}\u1023-\u102a\u1039])\u1031([\u1000-\u1021][\u103b-\u103e]*)(?!\u1031)"
)
_CLOSES = f"[\u1000-\u1021][\u103b-\u103e]*{_DOT}?{_ASAT}"
_LETTER = f"[{_CONSONANTS}{_MARK}\u1023-\u102a]"
_DIGIT = "[\u1040-\u1049]"
_SAME_SHAPE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("\u1025(?=\u1037?\u103a|\u102c)"), "\u1009"),
    (re.compile("\u1005\u103b"), "\u1008"),
    (re.compile("\u101e\u103c\u1031\u102c\u103a"), "\u102a"),
    (re.compile(f"\u101e\u103c(?![{_MARK}])"), "\u1029"),
    (re.compile(f"(?<!{_DIGIT})\u1044(?=\u1004\u103a\u1038)"), "\u104e"),
    (re.compile("\u102e\u102f"), "\u102d\u102f"),
    (re.compile("\u1026\u102e"), "\u1026"),
    (re.compile(f"(?<={_DIGIT})\u101d(?![{_MARK}]|{_CLOSES})|\u101d(?={_DIGIT})"), "\u1040"),
    (re.compile(f"\u1040(?=[{_MARK}]|{_CLOSES})(?<!{_DIGIT}.)"), "\u101d"),
    (re.compile(f"(?<={_LETTER})\u1040(?={_LETTER})(?!ဒီဂရီ|ရာခိုင်)"), "\u101d"),
    (re.compile(f"(?<!{_DIGIT})\u1047(?=[{_MARK}])"), "\u101b"),
    (re.compile(f"(?<!{_DIGIT})\u1048(?=[{_MARK}])"), "\u1002"),
)
_STACKED = re.compile(f"([\u1000-\u1021\u1025]){_ASAT}?{_VIRAMA}")
_BREAK = re.compile(
    f"(?=(?:[{_CONSONANTS}{_FOREIGN_LETTERS}](?![\u103b-\u103e]*{_DOT}?{_ASAT}|{_VIRAMA})|[\u1023-\u102a{_SIGNS}]))"
)


def normalize(text: str) -> str:
    """The one spelling of a text, as the module's docstring says. Idempotent; the result is NFC."""
    while True:  # what one rule mends may be what another one looks for
        mended = _mend(text)
        if mended == text:
            return mended
        text = mended


def _mend(text: str) -> str:
    text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    text = _ZAWGYI_KINZI.sub(f"\u1004{_ASAT}{_VIRAMA}\\1", text)
    text = _VOWEL_FIRST.sub("\\1\u1031", text)
    text = _MARKS.sub(_ordered, text)
    for pattern, right in _SAME_SHAPE:
        text = pattern.sub(right, text)
    return unicodedata.normalize("NFC", text)


def _ordered(match: re.Match[str]) -> str:
    """The marks of one letter in canonical order, each once."""
    marks = match[0]
    own = _OWN_ASAT.match(marks)
    if own is None:
        return "".join(sorted(set(marks), key=_ORDER.__getitem__))
    head = sorted(set(own[0]), key=_ORDER.__getitem__)
    return "".join((*head, *sorted(set(marks[own.end() :]) - set(head), key=_ORDER.__getitem__)))


def syllables(text: str) -> list[str]:
    """Syllables as spoken, in spelling: a stacked consonant closes one and the next opens another (သတ္တ → သတ် တ).

    No letter is lost: together they are the Burmese letters of the text, asat for virama.
    """
    found: list[str] = []
    for run in _RUN.findall(text):
        found += [piece for piece in _BREAK.split(_STACKED.sub(f"\\1{_ASAT}", run)) if piece]
    return found


def breaks(text: str) -> list[int]:
    """Indices in `text` at which a written syllable begins: where a line may be broken.

    As `syllables`, but letters that are stacked stay together: သတ္တ is two syllables, and cannot be parted in writing.
    """
    found: list[int] = []
    for run in _RUN.finditer(text):
        starts = (run.start() + match.start() for match in _BREAK.finditer(run[0]))
        found += [start for start in starts if start == 0 or text[start - 1] != _VIRAMA]
    return found

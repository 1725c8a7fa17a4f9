"""How many syllables a text has when it is read aloud: the measure of how fast a voice speaks.

Exact where spelling is: hanzi, Hangul, kana, and Tibetan and Burmese by their own rules. Chinese numbers and symbols
are counted as they are read (`50%` is 百分之五十, five syllables). Elsewhere a count that is near enough to compare
sentences of one language:

- Latin: groups of vowels (`reason` has two), silent final e of English not among them; at least one a word, except for
  a clitic without vowel (`don't`, `l'eau`). Letters of an English word that is spelled out: one each, `w` three
- Greek: groups of vowels that are one sound; Cyrillic, Armenian, Georgian, Ol Chiki, Tifinagh: every vowel letter
- scripts of India: letters less those that a virama joins to the next; Ethiopic: letters
- Arabic, Hebrew, Thai, Lao, Khmer, which write few vowels or several letters a syllable: half the letters
- a digit outside Chinese: one syllable
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from corpusforge.text.scripts import runs

_WORD = re.compile(r"[^\W\d_]+(?:['’ʼʻ][^\W\d_]+)*")
_APOSTROPHE = re.compile(r"['’ʼʻ]")
# й and ў are consonants, and would lose what makes them so with their accents.
_CONSONANTS = str.maketrans({"й": "j", "ў": "w", "ё": "е"})
_LATIN = re.compile(r"[aeiouyæœøıəɛɔɪʊɨ]+")
_LATIN_VOWEL = re.compile(r"[aeiouyæœøıəɛɔ]")
_SILENT_E = re.compile(r"(?<=[aeiouy])[^aeiouy]*[^aeiouyl]e$|(?<=[aeiouy])le$")
_GREEK = re.compile(r"αι|ει|οι|υι|ου|αυ|ευ|ηυ|[αεηιουω]")
_CYRILLIC = re.compile(r"[аеиоуыэюяєіїѐѝәөүұӑӗӳ]")
_HEAP = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}")
_SMALL_KANA = frozenset("ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ")
_VOWEL_LETTERS = re.compile(r"[աեէըիոօևაეიოუჱᱚᱟᱤᱩᱮᱳⴰⴻⵉⵓ]", re.IGNORECASE)
_ALPHABET = re.compile(r"[\u0531-\u0556\u0561-\u0587\u10a0-\u10ff\u1c90-\u1cbf\u1c5a-\u1c7d\u2d30-\u2d6f]+")
_JOINED = re.compile(r"[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca]\u200d?[\u0904-\u0df3]")
_HALF = re.compile(r"[\u0e01-\u0eff\u1780-\u17b3]")
_TAMIL_PURE = re.compile(r"\u0bcd(?![\u0b95-\u0bb9])")


def count_syllables(text: str, lang: str) -> int:
    """Syllables of `text`, which is mostly in the script of `lang` (a FLORES code)."""
    script = lang.partition("_")[2]
    if script in ("Hans", "Hant"):
        from corpusforge.text.chinese import normalize, verbalize

        text = verbalize(normalize(text))
    count = sum(character.isdigit() for character in text)
    if script in ("Tibt", "Mymr"):
        count += script_syllables(script, text)
    english = lang == "eng_Latn" or script != "Latn"  # foreign words are read in English
    for name, run in _joined(text):
        if name == "Latn":
            count += latin_syllables(run, english)
        elif name != script or script not in ("Tibt", "Mymr"):
            count += script_syllables(name, run)
    return count


def _joined(text: str) -> Iterator[tuple[str, str]]:
    """Runs of one script; an apostrophe does not end a Latin one."""
    held = ""
    for name, run in runs(text):
        if name == "Latn" or (held and _APOSTROPHE.fullmatch(run)):
            held += run
            continue
        if held:
            yield "Latn", held
            held = ""
        yield name, run
    if held:
        yield "Latn", held


def script_syllables(script: str, text: str) -> int:
    """Syllables of a text in one script, a name of `text.scripts`; what stands between letters counts nothing."""
    if script == "Common":
        return 0 if text.isascii() else _other(text)
    if script == "Latn":
        return latin_syllables(text, english=True)
    if script == "Tibt":
        from corpusforge.text.tibetan import syllables as tibetan

        return len(tibetan(text))
    if script == "Mymr":
        from corpusforge.text.burmese import syllables as burmese

        return len(burmese(text))
    if script in ("Hani", "Hang", "Jpan"):
        return sum(character.isalnum() and character not in _SMALL_KANA for character in text)
    if script in ("Cyrl", "Grek"):
        vowels = _CYRILLIC if script == "Cyrl" else _GREEK
        return sum(max(1, len(vowels.findall(_plain(word)))) for word in _WORD.findall(text))
    if script in ("Arab", "Hebr"):
        return (sum(unicodedata.category(character) == "Lo" for character in text) + 1) // 2
    return _other(text)


def latin_syllables(text: str, english: bool) -> int:
    """Syllables of Latin words; `english` if they are read in English, which spells some out (`spelled`)."""
    return sum(_latin_word(word, english) for word in _WORD.findall(text))


@lru_cache(maxsize=65536)
def spelled(word: str) -> bool:
    """Whether an English voice reads a word letter by letter, because it could not pronounce it.

    Single letters but `a` and `I`; capitals only, of up to four letters (`BBC`, `NASA`) or without a vowel (`HTTPS`);
    words without a vowel (`km`), or with six consonants in a row. Not numbers in Roman letters (`roman`).
    """
    if len(word) == 1:
        return word not in "aI"
    if roman(word):
        return False
    bare = _plain(word)
    return (word.isupper() and len(word) <= 4) or not _LATIN_VOWEL.search(bare) or bool(_HEAP.search(bare))


_ROMAN = re.compile(r"(X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}
_TO_NINETEEN = (0, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 3, 1, 2, 2, 2, 2, 3, 2, 2)
"""Syllables of the English words for 0 (unsaid) to 19; twenty and thirty have two."""


def roman(word: str) -> int | None:
    """The value of a number in Roman letters from II to XXXIX, None if it is none: XIV is 14.

    Single letters are letters. L, C, D and M are not taken for digits: `CD`, `MIX` and `DC` are words.
    """
    if len(word) < 2 or not _ROMAN.fullmatch(word):
        return None
    values = [_ROMAN_VALUES[letter] for letter in word]
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))


@lru_cache(maxsize=65536)
def _latin_word(word: str, english: bool) -> int:
    if english and (number := roman(word)):
        return _TO_NINETEEN[number] if number < 20 else 2 + _TO_NINETEEN[number % 10]
    count = 0
    for part in _APOSTROPHE.split(word):
        if english and spelled(part) and (len(part) > 1 or part == word):
            count += sum(3 if letter in "Ww" else 1 for letter in part)
            continue
        bare = _plain(part)
        groups = len(_LATIN.findall(bare))
        count += groups - (1 if english and groups > 1 and _SILENT_E.search(bare) else 0)
    return max(1, count)


def _plain(word: str) -> str:
    """Small letters without accents."""
    word = word.lower()
    if word.isascii():
        return word
    word = unicodedata.normalize("NFD", word.translate(_CONSONANTS))
    return "".join(character for character in word if not unicodedata.combining(character))


def _other(text: str) -> int:
    """Scripts whose letters each have a vowel of their own, and those alphabets that `text.scripts` does not name."""
    count = 0
    for word in _ALPHABET.findall(text):
        count += max(1, len(_VOWEL_LETTERS.findall(word)))
    rest = _ALPHABET.sub("", text)
    letters = sum(unicodedata.category(character) == "Lo" for character in rest)
    halves = len(_HALF.findall(rest))
    # Tamil writes consonants without vowel, and no conjuncts: each is the end of a syllable.
    closed = len(_JOINED.findall(rest)) + len(_TAMIL_PURE.findall(rest))
    return count + max(bool(letters) * 1, letters - halves - closed + (halves + 1) // 2)

"""Words of another script inside a sentence: read by that script's own espeak voice.

Latin words go to the English voice. What English cannot pronounce as a word is spelled letter by letter: capitals only
(`BBC`, `UTC`; of five letters or more only without a vowel), single letters, and heaps of consonants.

No voice reads Tibetan or Burmese here: espeak's Burmese aborts, and its Tibetan speaks the names of letters.
"""

from __future__ import annotations

import re
from functools import lru_cache

from corpusforge.speech.engine import Segment

REVISION = 1

VOICES = {
    "Latn": "en-us",
    "Hani": "cmn",
    "Cyrl": "ru",
    "Grek": "el",
    "Arab": "ar",
    "Hebr": "he",
    "Deva": "hi",
    "Beng": "bn",
    "Thai": "th",
    "Hang": "ko",
    "Jpan": "ja",
}
"""espeak-ng 1.52 voice by script, as named by `corpusforge.text.scripts`."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*", re.UNICODE)
_VOWEL = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýāēīōūăĕĭŏŭąęįųőűıαεηιουωάέήίόύώаеёиоуыэюя]+", re.IGNORECASE)
_HEAP = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}", re.IGNORECASE)


@lru_cache(maxsize=65536)
def foreign_segment(text: str, script: str) -> tuple[Segment, int] | None:
    """A run of one script as a segment of its voice, with its number of syllables.

    Args:
        text: The run: words of one script, and what stands between them.
        script: Its name in `corpusforge.text.scripts`.

    Returns:
        None if no voice reads the script, or there is nothing to read.
    """
    voice = VOICES.get(script)
    if voice is None or not _WORD.search(text):
        return None
    if script != "Latn":
        return Segment(voice, text), max(1, _syllables(text, script))
    pieces: list[str] = []
    syllables = end = 0
    for match in _WORD.finditer(text):
        between = text[end : match.start()].strip()
        if between:
            pieces.append(between)
        word = match.group()
        if spelled(word):
            letters = [letter for letter in word if letter.isalpha()]
            pieces.append(" ".join(letter.upper() for letter in letters))
            syllables += sum(3 if letter in "Ww" else 1 for letter in letters)
        else:
            pieces.append(word)
            syllables += _syllables(word, script)
        end = match.end()
    return Segment(voice, " ".join(pieces)), max(1, syllables)


def spelled(word: str) -> bool:
    """Whether a Latin word is read letter by letter."""
    if len(word) == 1:
        return word not in "aI"
    if word.isupper() and (len(word) <= 4 or not _VOWEL.search(word)):
        return True
    return not _VOWEL.search(word) or bool(_HEAP.search(word))


def _syllables(text: str, script: str) -> int:
    """Groups of vowels in alphabets, a syllable a character in Han, Hangul and kana, half the letters elsewhere."""
    letters = sum(len(word) for word in _WORD.findall(text))
    if script in ("Hani", "Hang", "Jpan"):
        return letters
    if script in ("Latn", "Cyrl", "Grek"):
        return sum(max(1, len(_VOWEL.findall(word))) for word in _WORD.findall(text))
    return (letters + 1) // 2

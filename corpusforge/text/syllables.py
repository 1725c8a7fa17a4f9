"""How many syllables a text has when it is read aloud: the measure of how fast a voice speaks.

Exact for Chinese, Tibetan and Burmese as far as their spelling is; an approximation elsewhere: groups of vowels in
Latin, Cyrillic and Greek, consonants with their vowel signs in the scripts of India, a syllable a character in Hangul
and kana, half the letters in Arabic, Hebrew and Thai. A digit counts as a syllable, which is exact in Chinese and near
enough elsewhere.
"""

from __future__ import annotations

import re
import unicodedata

from corpusforge.text.scripts import runs

_VOWELS = re.compile(
    r"[aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿāēīōūăĕĭŏŭąęįųőűıạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"
    r"αεηιουωάέήίόύώϊϋаеёиоуыэюяієїө]+",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+")


def count_syllables(text: str, lang: str) -> int:
    """Syllables of `text`, which is mostly in the script of `lang` (a FLORES code)."""
    script = lang.partition("_")[2]
    count = sum(character.isdigit() for character in text)
    if script == "Tibt":
        from corpusforge.text.tibetan import syllables as tibetan

        count += len(tibetan(text))
    elif script == "Mymr":
        from corpusforge.text.burmese import syllables as burmese

        count += len(burmese(text))
    for name, run in runs(text):
        if name in ("Tibt", "Mymr") and name == script:
            continue
        count += _of_run(name, run)
    return count


def _of_run(script: str, run: str) -> int:
    if script in ("Hani", "Hang", "Jpan"):
        return len(run)
    if script in ("Latn", "Cyrl", "Grek"):
        return sum(max(1, len(_VOWELS.findall(word))) for word in _WORDS.findall(run))
    letters = sum(unicodedata.category(character) == "Lo" for character in run)
    return letters if script in ("Deva", "Beng", "Common", "Tibt", "Mymr") else (letters + 1) // 2

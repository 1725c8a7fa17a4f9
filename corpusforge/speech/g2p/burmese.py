"""Burmese to phonemes: syllables to the mnemonics of espeak-ng's `cmn` voice.

espeak's own Burmese aborts on sentences of ordinary length. Its Mandarin voice is tonal, has aspirated stops and
the open, nasal and glottal syllables of Burmese, and its phoneme table includes what Mandarin itself lacks: voiced
stops, θ, z. How a syllable sounds is in `corpusforge.speech.g2p.burmese_syllables`; here a sentence is cut into
syllables, and what depends on neighbours is decided:

- Spelling that stands for other spelling: ၏ ၌ ၍ ၎င်း, independent vowels, ဿ, stacked consonants and kinzi, a letter
  with an asat and a vowel (ကျွန်ုပ် as ကျွန် နုပ်, ယောက်ျား as ယောက် ကျား).
- Minor syllables: a consonant without any sign that another syllable of the run follows is ə (အလုပ်, စကား, မရှိ), and
  so is တစ် (တစ်ခု). Not before a grammatical suffix, which ends the word (ပထမ|များ); ရ and လ, and က inside a run,
  are words of their own more often than not and keep their creaky a.

Clauses end at ၊ ။ and at punctuation of other scripts.
"""

from __future__ import annotations

import re
import unicodedata

from corpusforge.speech.engine import Spoken
from corpusforge.speech.g2p.burmese_syllables import MNEMONICS, phonemes
from corpusforge.speech.g2p.sentence import Clauses
from corpusforge.text.burmese import normalize, syllables, verbalize
from corpusforge.text.scripts import runs

__all__ = ["MNEMONICS", "REVISION", "phonemes", "respell", "speak"]

REVISION = 3
VOICE = "cmn"

_WORDS = {"၌": "နှိုက်", "၍": "ရွေ့", "၎င်း": "လဂေါင်း", "၎": "လဂေါင်း", "၏": "အိ"}
_WORD = re.compile("|".join(_WORDS))
_VOWELS = str.maketrans({"ဣ": "အိ", "ဤ": "အီ", "ဥ": "အု", "ဦ": "အူ", "ဧ": "အေ", "ဨ": "အေ", "ဩ": "အော", "ဪ": "အော်"})
_GREAT_SA = re.compile("(?<=[က-ှ])ဿ")
_MEDIALS = "\u103b-\u103e"
_TWICE = re.compile(f"(?P<letter>[က-အ])(?P<medials>[{_MEDIALS}]*)်(?=(?P<late>[{_MEDIALS}]*)[ါ-ဲ])")

_PLAIN = re.compile("[က-အ]")
_SUFFIX_LIST = """
သည် သည့် သော သော် ပါ ကြ မည် မည့် ခဲ့ ပြီး ပြီ နိုင် ထား နေ ခြင်း မှု များ ကို နှင့် တွင် မှ မှာ က သို့ ရန် လျှင် ကာ ဖြစ် ဖြင့်
တို့ သူ စေ တဲ့ ပေ ကြောင်း အိ ရွေ့ နှိုက်
"""
_SUFFIXES = frozenset(_SUFFIX_LIST.split())
_FULL = frozenset("ရလက")
_PAIRS = frozenset({("က", "စား"), ("က", "လေး"), ("က", "သိုလ်"), ("လ", "ဂေါင်း")})

_PART = re.compile("(?P<stop>[၊။]+)|[^၊။]+")
_CLAUSE_END = re.compile(r"[၊။,.;:!?()\[\]{}\"“”‘’«»…\n—–|]+")


def speak(text: str) -> Spoken:
    """A sentence made ready for espeak-ng.

    Args:
        text: As written, in any Unicode; numbers, units and symbols are put into words first.

    Returns:
        Segments of `cmn` phonemes, and of foreign voices for words in other scripts, in reading order.
    """
    sentence = Clauses(VOICE, joint=" ")
    for script, run in runs(verbalize(normalize(text))):
        if script == "Mymr":
            _read(run, sentence)
            continue
        sentence.other(run, script)
        if script == "Common" and _CLAUSE_END.search(run):
            sentence.close()
    return sentence.spoken()


def respell(run: str) -> list[str]:
    """The syllables of a run of Burmese letters, in spelling that `phonemes` reads: `ဥက္ကဋ္ဌ` is အုက် ကဋ် ဌ."""
    run = _WORD.sub(lambda match: _WORDS[match[0]], run)
    run = _GREAT_SA.sub("သ်သ", run).replace("ဿ", "သ").translate(_VOWELS)
    return syllables(_TWICE.sub(_doubled, run))


def _doubled(match: re.Match[str]) -> str:
    letter, medials = match["letter"], match["medials"]
    if match.string[: match.end()].endswith("လက်") and match["late"] == "ျ":
        return "က်ယ"  # လက်ျာ "right hand" is leʔ-ja: the written ya is the onset itself
    return f"{letter}်{letter}{medials}"


def _read(run: str, sentence: Clauses) -> None:
    """Add a run of Burmese letters."""
    for part in _PART.finditer(run):
        if part["stop"]:
            sentence.close()
            continue
        written = respell(part[0])
        for index, syllable in enumerate(written):
            following = written[index + 1] if index + 1 < len(written) else ""
            before = written[index - 1] if index else ""
            sound = phonemes(syllable, _minor(before, syllable, following))
            if sound:
                sentence.add(sound)
            elif any(unicodedata.category(character) == "Lo" for character in syllable):
                sentence.miss(syllable)  # marks without a letter have no sound


def _minor(before: str, syllable: str, following: str) -> bool:
    """Whether a syllable is said with ə, between its neighbours in the run (empty where there is none)."""
    if not following:
        return False
    if syllable == "တစ်" or (syllable, following) in _PAIRS:
        return True
    if not _PLAIN.fullmatch(syllable) or (following in _SUFFIXES and syllable not in "အမ"):
        return False
    if syllable == "မ" and before in ("ထ", "ဋ္ဌ", "ဌ", "တ", "စ", "ဝ", "သ"):
        return False  # an ordinal: ပထမ, သတ္တမ
    return syllable not in _FULL or (syllable == "က" and not before)

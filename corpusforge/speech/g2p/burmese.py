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

Clauses end at ၊ ။ and at punctuation of other scripts. A clause has at most 100 syllables and 600 bytes: espeak-ng 1.52
takes a longer bracket apart (its buffer holds 800) and reads the rest of the mnemonics as English letters.
"""

from __future__ import annotations

import re
import unicodedata

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.burmese_syllables import MNEMONICS, phonemes
from corpusforge.speech.g2p.foreign import foreign_segment
from corpusforge.text.burmese import normalize, syllables, verbalize
from corpusforge.text.scripts import runs

__all__ = ["LONGEST_CLAUSE", "MNEMONICS", "MOST_BYTES", "REVISION", "phonemes", "respell", "speak"]

REVISION = 2
VOICE = "cmn"
LONGEST_CLAUSE = 100
MOST_BYTES = 600

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
_LETTERS = re.compile(r"[^\W\d_]+")
_SILENT_SYMBOLS = "<>|~^`"


def speak(text: str) -> Spoken:
    """A sentence made ready for espeak-ng.

    Args:
        text: As written, in any Unicode; numbers, units and symbols are put into words first.

    Returns:
        Segments of `cmn` phonemes, and of foreign voices for words in other scripts, in reading order.
    """
    sentence = _Sentence()
    for script, run in runs(verbalize(normalize(text))):
        if script == "Mymr":
            sentence.burmese(run)
        elif script == "Common":
            sentence.common(run)
        else:
            sentence.foreign(run, script)
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


class _Sentence:
    """Gathers clauses and segments while a sentence is read from left to right."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.clauses: list[str] = []
        self.clause: list[str] = []
        self.bytes = 0
        self.syllables = 0
        self.unread: list[str] = []
        self.unreadable = 0

    def burmese(self, run: str) -> None:
        for part in _PART.finditer(run):
            if part["stop"]:
                self.close()
                continue
            written = respell(part[0])
            for index, syllable in enumerate(written):
                following = written[index + 1] if index + 1 < len(written) else ""
                before = written[index - 1] if index else ""
                sound = phonemes(syllable, _minor(before, syllable, following))
                if sound:
                    self.add(sound)
                elif any(unicodedata.category(character) == "Lo" for character in syllable):
                    self.miss(syllable, 1)  # marks without a letter have no sound

    def common(self, run: str) -> None:
        for word in _LETTERS.findall(run):
            self.miss(word, (len(word) + 1) // 2)
        for symbol in run:
            if unicodedata.category(symbol) in ("Sc", "Sm", "Nl", "No") and symbol not in _SILENT_SYMBOLS:
                self.miss(symbol, 1)
        if _CLAUSE_END.search(run):
            self.close()

    def foreign(self, run: str, script: str) -> None:
        found = foreign_segment(run, script)
        if found is None:
            self.miss(run, len(run) if script in ("Hani", "Hang", "Jpan") else (len(run) + 1) // 2)
            return
        self.flush()
        segment, count = found
        if self.segments and self.segments[-1].voice == segment.voice and not self.segments[-1].phonemes:
            segment = Segment(segment.voice, f"{self.segments.pop().content} {segment.content}")
        self.segments.append(segment)
        self.syllables += count

    def add(self, sound: str) -> None:
        if len(self.clause) == LONGEST_CLAUSE or self.bytes + len(sound) + 1 > MOST_BYTES:
            self.close()
        self.clause.append(sound)
        self.bytes += len(sound) + 1
        self.syllables += 1

    def miss(self, piece: str, count: int) -> None:
        self.unread.append(piece)
        self.unreadable += count
        self.syllables += count

    def close(self) -> None:
        if self.clause:
            self.clauses.append(f"[[{' '.join(self.clause)}]]")
            self.clause, self.bytes = [], 0

    def flush(self) -> None:
        self.close()
        if self.clauses:
            self.segments.append(Segment(VOICE, ", ".join(self.clauses), phonemes=True))
            self.clauses = []

    def spoken(self) -> Spoken:
        self.flush()
        return Spoken(tuple(self.segments), self.syllables, self.unreadable, tuple(self.unread))


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

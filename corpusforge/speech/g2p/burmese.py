"""Burmese for a voice that has no Burmese: syllables to the phoneme mnemonics of espeak-ng's Mandarin voice.

espeak's own Burmese aborts on sentences of ordinary length. Mandarin is tonal, has aspiration and an open syllable with
`n` or `ng`, and covers standard Burmese but for voicing and the dental fricative.

The rules are those of standard Burmese spelling (Okell, "A Reference Grammar of Colloquial Burmese", 1969, part 1; the
same table is in any textbook): initial, medials, rhyme, tone.

- Initials: a written voiced stop is voiced; ရ is y; သ is s for want of th.
- Medials: ya and ra make affricates of velars (ကျ → ky) and a glide elsewhere; ha makes ရ, ယ, လျ, သျ to sh, and is
  left out before nasals, l and w.
- Rhymes: the vowel is decided by sign and final together (က် → et, စ် → it, တ် → at, င် → in, န် → an, ောင် → aung).
- Tones: checked for a final stop, high for း, creaky for ့ and for the short vowels, low else; ော and ဲ are high
  by themselves.
- Final consonants beyond the first, as foreign names have them, are a short syllable
  each; လ်, ရ် and the like as a first final are silent.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.foreign import foreign_segment
from corpusforge.text.burmese import is_letter, normalize, syllables, verbalize
from corpusforge.text.scripts import runs

REVISION = 1
VOICE = "cmn"
LONGEST_CLAUSE = 100
MOST_BYTES = 600
"""Of a clause of mnemonics: over some 700, espeak-ng reads them as English letters, with exit status 0."""

LOW, HIGH, CREAKY, CHECKED = "21", "53", "51", "55"

_SOUNDS = "k kh g g N s s z z n^ n^ t th d d n t th d d n p ph b b m j j l w s X l ?"
_INITIALS = dict(zip("ကခဂဃငစဆဇဈဉညဋဌဍဎဏတထဒဓနပဖဗဘမယရလဝသဟဠအ", _SOUNDS.split(), strict=True))
_INDEPENDENT = {"ဣ": ("i", CREAKY), "ဤ": ("i", LOW), "ဥ": ("u", CREAKY), "ဦ": ("u", LOW)}
_INDEPENDENT |= {"ဧ": ("ei", LOW), "ဨ": ("ei", LOW), "ဩ": ("o", HIGH), "ဪ": ("o", LOW)}
_WORDS = {"၌": "နှိုက်", "၍": "ရွေ့", "၎င်း": "လည်းကောင်း", "၎": "လည်းကောင်း", "၏": "အိ", "ဿ": "သ"}
_AFFRICATES = {"k": "tS;", "kh": "tS;h", "g": "tS;", "N": "n^"}

# Vowel signs without a final: vowel and the tone it has when no mark says another.
_OPEN = {
    "": ("a", CREAKY),
    "ာ": ("a", LOW),
    "ိ": ("i", CREAKY),
    "ီ": ("i", LOW),
    "ု": ("u", CREAKY),
    "ူ": ("u", LOW),
    "ေ": ("ei", LOW),
    "ဲ": ("E", HIGH),
    "ော": ("o", HIGH),
    "ော်": ("o", LOW),
    "ို": ("ou", LOW),
    "ံ": ("aN", LOW),
    "ိံ": ("eiN", LOW),
    "ုံ": ("ouN", LOW),
    "ွံ": ("uN", LOW),
    "ို့": ("ou", CREAKY),
}
# Classes of finals, and what a vowel sign becomes before each. `w` stands for the medial that merges with the vowel.
_FINALS = {final: "k" for final in "ကခဂဃ"} | {final: "c" for final in "စဆဇဈ"}
_FINALS |= {final: "t" for final in "ဋဌဍဎတထဒဓပဖဗဘ"}
_FINALS |= {"င": "ng", "ည": "ny", "ဉ": "ng"} | {final: "n" for final in "ဏနမ"} | {"ယ": "y"}
_CLOSED = {
    "k": {"": "E", "ို": "ai", "ော": "au", "ိ": "ei", "ု": "ou"},
    "c": {"": "i", "ိ": "ei", "ု": "ou"},
    "t": {"": "a", "ိ": "ei", "ု": "ou", "w": "u", "ို": "ou"},
    "ng": {"": "iN", "ို": "aiN", "ော": "auN", "ု": "ouN", "ိ": "eiN"},
    "ny": {"": "i"},
    "n": {"": "aN", "ိ": "eiN", "ု": "ouN", "w": "uN", "ို": "ouN"},
    "y": {"": "E", "ို": "ou", "ေ": "ei"},
}
_SYLLABLE = re.compile(
    r"(?P<initial>[က-အ])(?P<medials>[ျ-ှ]*)(?P<vowel>[ါ-ဲံ]*)(?P<dot>့)?(?P<asat>်)?(?P<visarga>း)?"
    r"(?P<finals>(?:[က-အ]့?်း?)*)(?P<rest>[့း]*)"
)
_LONE = re.compile(r"(?P<letter>[ဣ-ဪ])(?P<signs>[ါ-ဲံ]*)(?P<finals>(?:[က-အ]့?်း?)*)(?P<rest>[့း]*)")
_CLAUSE_END = re.compile(r"[၊။,.;:!?()\[\]{}\"“”‘’«»…\n—–|]+")


def speak(text: str) -> Spoken:
    """A sentence in segments: Mandarin phonemes, and other voices for words in other scripts."""
    text = verbalize(normalize(text))
    for sign, word in _WORDS.items():
        text = text.replace(sign, word)
    sentence = _Sentence()
    for script, run in runs(text):
        if script == "Mymr":
            sentence.burmese(run)
        elif script == "Common":
            if _CLAUSE_END.search(run):
                sentence.end_clause()
        else:
            sentence.foreign(run, script)
    return sentence.spoken()


class _Sentence:
    """Gathers segments, clauses and counts."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._clauses: list[list[str]] = [[]]
        self._unread: list[str] = []
        self._syllables = 0
        self._bytes = 0

    def burmese(self, run: str) -> None:
        # Letters of Shan, Mon and other languages of the script have no rule here.
        others = [c for c in run if not is_letter(c) and unicodedata.category(c) == "Lo"]
        self._syllables += len(others)
        self._unread += others
        for part in re.split("[၊။]+", run):
            for syllable in syllables(part):
                if not any(is_letter(character) for character in syllable):
                    continue  # a mark without a letter has no sound
                self._syllables += 1
                found = phonemes(syllable)
                if found is None:
                    self._unread.append(syllable)
                else:
                    if len(self._clauses[-1]) >= LONGEST_CLAUSE or self._bytes + len(found) >= MOST_BYTES:
                        self.end_clause()
                    self._clauses[-1].append(found)
                    self._bytes += len(found) + 1
            if part != run:
                self.end_clause()

    def foreign(self, run: str, script: str) -> None:
        found = foreign_segment(run, script)
        if found is None:
            self._syllables += len(run)
            self._unread += run
            return
        self._close()
        segment, count = found
        self._syllables += count
        if self._segments and self._segments[-1].voice == segment.voice:
            segment = Segment(segment.voice, f"{self._segments.pop().content} {segment.content}")
        self._segments.append(segment)

    def end_clause(self) -> None:
        if self._clauses[-1]:
            self._clauses.append([])
            self._bytes = 0

    def _close(self) -> None:
        content = ", ".join(f"[[{' '.join(clause)}]]" for clause in self._clauses if clause)
        if content:
            self._segments.append(Segment(VOICE, content, phonemes=True))
        self._clauses = [[]]
        self._bytes = 0

    def spoken(self) -> Spoken:
        self._close()
        return Spoken(tuple(self._segments), self._syllables, len(self._unread), tuple(self._unread))


@lru_cache(maxsize=65536)
def phonemes(syllable: str) -> str | None:
    """A spelled syllable as mnemonics of the voice cmn; None if no rule reads all of it."""
    syllable = syllable.replace("\u102b", "\u102c")
    lone = _LONE.fullmatch(syllable)
    if lone:
        return _independent(lone)
    match = _SYLLABLE.fullmatch(syllable)
    if match is None:
        return None
    onset, medial_w = _onset(match["initial"], match["medials"])
    vowel = match["vowel"]
    marks = (match["dot"] or "") + (match["visarga"] or "") + match["rest"]
    finals = [final[0] for final in re.findall("[က-အ]့?်", match["finals"])]
    marks += "".join(mark for mark in "့း" if mark in match["finals"])
    if match["asat"] and not finals:
        if vowel in ("ော",):
            vowel = "ော်"
        elif not vowel:
            return f"{onset}@{LOW}"  # a foreign consonant without a vowel
    core = _rhyme(vowel, finals[0] if finals else "", medial_w)
    if core is None:
        return None
    sound, tone, merged = core
    if medial_w and not merged:
        onset += "w"
    extra = "".join(f" {_INITIALS[final]}@{LOW}" for final in finals[1:])
    return onset + _toned(sound, _tone(marks, tone)) + extra


def _independent(match: re.Match[str]) -> str | None:
    sound, tone = _INDEPENDENT[match["letter"]]
    finals = [final[0] for final in re.findall("[က-အ]့?်", match["finals"])]
    if match["signs"] or finals:
        sign = {"i": "ိ", "u": "ု", "ei": "ေ", "o": "ော"}[sound]
        vowel = match["signs"] or sign
        core = _rhyme(vowel, finals[0] if finals else "", False)
        if core is None:
            return None
        sound, tone, _ = core
    marks = match["rest"] + "".join(mark for mark in "့း" if mark in match["finals"])
    return "?" + _toned(sound, _tone(marks, tone))


def _onset(initial: str, medials: str) -> tuple[str, bool]:
    """The consonants before the vowel, and whether a medial w is yet to be placed."""
    sound = _INITIALS[initial]
    glide = "ျ" in medials or "ြ" in medials
    if "ှ" in medials:
        if initial in "ရယ" or (glide and initial in "လသ"):
            return "S;", "ွ" in medials
        if initial == "အ":
            sound = "X"
        # A breath before a nasal, l or w has no sign in Mandarin: it is left out, the tone carries the difference.
    if glide:
        sound = _AFFRICATES.get(sound, sound if sound in ("j", "n^", "S;", "X") else sound + "j")
    return sound, "ွ" in medials


def _rhyme(vowel: str, final: str, medial_w: bool) -> tuple[str, str, bool] | None:
    """Sound, own tone, and whether the medial w has merged with the vowel."""
    if not final:
        if medial_w and "ွ" + vowel in _OPEN:
            return (*_OPEN["ွ" + vowel], True)
        found = _OPEN.get(vowel)
        return (*found, False) if found else _irregular(vowel)
    kind = _FINALS.get(final)
    stop = kind in ("k", "c", "t")
    if kind is None:  # la, ra, sa, ha, wa and the like close foreign syllables only
        open_rhyme = _rhyme(vowel, "", medial_w)
        if open_rhyme is None:
            return None
        sound, _, merged = open_rhyme
        return sound, LOW, merged
    table = _CLOSED[kind]
    tone = CHECKED if stop else LOW
    merged = medial_w and not vowel and "w" in table
    sound_found = table["w"] if merged else table.get(vowel)
    if sound_found is None:
        open_vowel = _OPEN.get(vowel)
        if open_vowel is None:
            return None
        sound_found = open_vowel[0].removesuffix("N") + ("N" if kind in ("ng", "n") else "")
    return sound_found, tone, merged


def _irregular(vowel: str) -> tuple[str, str, bool] | None:
    """Signs in an order or number that no rule has: the first one that has a sound."""
    for length in range(len(vowel) - 1, 0, -1):
        if vowel[:length] in _OPEN:
            return (*_OPEN[vowel[:length]], False)
    return None


def _tone(marks: str, own: str) -> str:
    if own == CHECKED:
        return own
    return HIGH if "း" in marks else CREAKY if "့" in marks else own


def _toned(sound: str, tone: str) -> str:
    """The tone stands after the vowel, before a final nasal; a checked syllable ends in a stop of the throat."""
    if sound.endswith("N"):
        return f"{sound[:-1]}{tone}N"
    return f"{sound}{tone}" + ("?" if tone == CHECKED else "")

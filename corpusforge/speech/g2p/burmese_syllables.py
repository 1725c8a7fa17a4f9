"""The sounds of a Burmese syllable, as mnemonics of espeak-ng's `cmn` voice.

The rules are those of standard Burmese spelling (J. Okell, A Reference Grammar of Colloquial Burmese, 1969, part 1; J.
Watkins, "Burmese", Journal of the International Phonetic Association 31, 2001, for tones and qualities).

- Initials: three series of stops, k kʰ ɡ; စ s, ဆ sʰ, ဇ z; သ is θ; ရ and ယ are both j. A retroflex letter sounds as the
  dental one.
- Medials: ျ and ြ make affricates of velars (ကျ tɕ) and a palatal of င; ချွ is tɕʰw. လျ is j with a rhyme and lj alone
  (ဩစတြေးလျ). ှ puts a breath before nasals, l and w, and makes ʃ of ရ ယ လျ သျ.
- Rhymes: sign and final decide the vowel together: က် ɛʔ, စ် ɪʔ, တ် ပ် aʔ, င် ဉ် ɪɴ, န် မ် ံ aɴ, ည် i, ယ် ɛ, ောက် aʊʔ,
  ိုက် aɪʔ, ိတ် eɪʔ, ုတ် oʊʔ, ွတ် ʊʔ, ွန် ʊɴ. Silent as first finals: ရ် and ဟ် and, in ဗိုလ် သိုလ် ဂိုလ်, လ်.
- Tones: low; high for း and of itself for ဲ and ော; creaky for ့ and the short vowels; checked before a stop. In
  Mandarin's contours they are 22, 55, 51, and 53 with a stop of the throat.
- Loanwords: a tone mark before a final (ကာ့တ်), or a final that the vowel does not go with (ဆဲလ်), gives the vowel its own
  sound and the consonant its own, and so do finals behind the first (ဘတ်စ်). ရှ် ချ် ဂျ် are ʃ tɕ dʑ.
- A minor syllable has ə and no tone (see `corpusforge.speech.g2p.burmese` for which are minor).

Not rendered, because spelling does not show where words begin: the voicing of initials inside a word.
"""

from __future__ import annotations

import re
from functools import lru_cache

LOW, HIGH, CREAKY, CHECKED, TONELESS = "22", "55", "51", "53", "33"
_GLOTTAL, _NASAL, _SCHWA = "?", "N", "@"
_LONG_E = "e:"  # the plain [e] of espeak is shorter than the other vowels of the voice

Sounds = tuple[str, ...]

_LETTERS: dict[str, Sounds] = {
    "က": ("k",), "ခ": ("kh",), "ဂ": ("g",), "ဃ": ("g",), "င": ("N",),
    "စ": ("s",), "ဆ": ("s", "h"), "ဇ": ("z",), "ဈ": ("z",), "ဉ": ("n^",), "ည": ("n^",),
    "ဋ": ("t",), "ဌ": ("th",), "ဍ": ("d",), "ဎ": ("d",), "ဏ": ("n",),
    "တ": ("t",), "ထ": ("th",), "ဒ": ("d",), "ဓ": ("d",), "န": ("n",),
    "ပ": ("p",), "ဖ": ("ph",), "ဗ": ("b",), "ဘ": ("b",), "မ": ("m",),
    "ယ": ("j",), "ရ": ("j",), "လ": ("l",), "ဝ": ("w",), "သ": ("T",), "ဟ": ("h",), "ဠ": ("l",), "အ": ("?",),
}  # fmt: skip
_WITH_Y: dict[str, Sounds] = {
    "က": ("tS;",), "ခ": ("tS;h",), "ဂ": ("dZ;",), "ဃ": ("dZ;",), "င": ("n^",),
    "ဉ": ("n^",), "ည": ("n^",), "ယ": ("j",), "ရ": ("j",),
}  # fmt: skip
_BREATHED = "ငဉညဏနမလဠဝ"
# A consonant that closes a loanword's syllable: unaspirated, and f for ဖ်.
_CLOSING: dict[str, Sounds] = {
    **_LETTERS,
    "ခ": ("k",),
    "ဆ": ("s",),
    "ထ": ("t",),
    "ဌ": ("t",),
    "ဖ": ("f",),
    "ရ": (),
    "အ": (),
}

# Vowel signs without a final: vowel, and the tone where no mark says another.
_OPEN = {
    "": ("a", CREAKY),
    "ာ": ("a", LOW),
    "ိ": ("i", CREAKY),
    "ီ": ("i", LOW),
    "ု": ("u", CREAKY),
    "ူ": ("u", LOW),
    "ေ": (_LONG_E, LOW),
    "ဲ": ("E", HIGH),
    "ော": ("o", HIGH),
    "ော်": ("o", LOW),
    "ို": ("ou", LOW),
}
_VELAR, _PALATAL, _DENTAL, _NG, _NY, _NN, _GLIDE = "k", "c", "t", "ng", "ny", "n", "y"
_CLASSES = {
    **dict.fromkeys("ကခဂဃ", _VELAR),
    **dict.fromkeys("စဆဇဈ", _PALATAL),
    **dict.fromkeys("ဋဌဍဎတထဒဓပဖဗဘသ", _DENTAL),
    "င": _NG,
    "ဉ": _NY,
    **dict.fromkeys("ဏနမံ", _NN),
    "ယ": _GLIDE,
}
# The vowel that a sign has before each class of finals; `w` is the medial that merges with the inherent vowel.
_CLOSED = {
    _VELAR: {"": "E", "ာ": "a", "ိ": "ei", "ု": "ou", "ေ": "i", "ော": "Au", "ို": "ai"},
    _PALATAL: {"": "i", "ိ": "ei", "ု": "ou"},
    _DENTAL: {"": "a", "ာ": "a", "ိ": "ei", "ု": "ou", "ေ": "i", "ော": "Au", "ို": "ai", "w": "u"},
    _NG: {"": "i", "ာ": "a", "ိ": "ei", "ု": "ou", "ေ": "i", "ော": "Au", "ို": "ai"},
    _NY: {"": "i", "ာ": "i", "ိ": "ei", "ု": "ou"},
    _NN: {"": "a", "ာ": "a", "ိ": "ei", "ု": "ou", "ေ": "i", "ော": "Au", "ို": "ai", "w": "u"},
    _GLIDE: {"": "E", "ာ": "E", "ို": "ou", "ေ": _LONG_E},
}
_STOPS = (_VELAR, _PALATAL, _DENTAL)
_SILENT_L = ("ဂ", "ဗ", "သ")
_IRREGULAR = {"ဝဘ်": "wE53?"}  # web

MNEMONICS = frozenset(
    {LOW, HIGH, CREAKY, CHECKED, TONELESS, _GLOTTAL, _NASAL, _SCHWA, "S;", "h", "n", "e", ":"}
    | {vowel for vowel, _ in _OPEN.values() if vowel != _LONG_E}
    | {vowel for table in _CLOSED.values() for vowel in table.values() if vowel != _LONG_E}
).union(*_LETTERS.values(), *_WITH_Y.values(), *_CLOSING.values())
"""Every mnemonic that a syllable may hold; each is in the phoneme table of the `cmn` voice."""

_SYLLABLE = re.compile(
    "(?P<initial>[က-အ])(?P<medials>[ျ-ှ]*)(?P<vowel>[ါ-ဲ]*)(?P<marks>[ံ့း်]*)"
    "(?P<finals>(?:[က-အ][ျ-ှ]*့?်ျ?[့း]*)*)(?P<tail>[့း]*)"
)
_FINAL = re.compile("(?P<letter>[က-အ])(?P<medials>[ျ-ှ]*)(?P<dot>့?)်(?P<late>ျ?)(?P<marks>[့း]*)")
_LONE = re.compile("[က-အ][ျ-ှ]*့?်ျ?[့း]*")


@lru_cache(maxsize=1 << 16)
def phonemes(syllable: str, minor: bool = False) -> str | None:
    """One syllable in mnemonics: `phonemes("မြန်")` is `m|ja22N`.

    Args:
        syllable: Normalized, without stacked consonants and independent vowels.
        minor: Whether it is said with ə and no tone; only for a syllable that has no vowel sign, or is တစ်.

    Returns:
        None if some consonant or vowel of it is not in the rules.
    """
    syllable = syllable.replace("\u102b", "\u102c")
    if syllable in _IRREGULAR:
        return _IRREGULAR[syllable]
    if _LONE.fullmatch(syllable):  # a foreign consonant by itself
        sounds = _closing(_FINAL.match(syllable))
        return "|".join(sounds or ()) + _SCHWA + TONELESS if sounds else None
    match = _SYLLABLE.fullmatch(syllable)
    if match is None:
        return None
    vowel, marks = match["vowel"], match["marks"]
    if vowel == "ော" and "်" in marks:
        vowel = "ော်"
    finals: list[re.Match[str]] = list(_FINAL.finditer(match["finals"]))
    onset = _onset(match["initial"], match["medials"], alone=not (vowel or marks or finals))
    if onset is None or vowel not in _OPEN:
        return None
    if minor:
        return _spell(onset, _SCHWA, TONELESS, ())
    mark = marks + match["tail"] + "".join(final["dot"] + final["marks"] for final in finals)
    own = HIGH if "း" in mark else CREAKY if "့" in mark else None
    loan = "့" in marks or "း" in marks  # a tone mark before the final
    return _rhyme(match["initial"], onset, vowel, "ံ" in marks, finals, own, loan)


def _rhyme(
    initial: str,
    onset: Sounds,
    vowel: str,
    anusvara: bool,
    finals: list[re.Match[str]],
    own: str | None,
    loan: bool,
) -> str | None:
    first = "ံ" if anusvara else finals[0]["letter"] if finals else ""
    medials = "" if anusvara or not finals else finals[0]["medials"] + finals[0]["late"]
    rest = finals if anusvara else finals[1:]
    sound, tone = _OPEN[vowel]
    coda: Sounds = ()
    kind = _CLASSES.get(first)
    merged = bool(vowel == "" and onset[-1] == "w" and kind and "w" in _CLOSED[kind])
    table = _CLOSED[kind] if kind and not medials and (anusvara or not loan) else {}
    closed = table.get("w" if merged else vowel)
    if closed is not None:
        sound = closed
        tone = CHECKED if kind in _STOPS else LOW
        coda = (_GLOTTAL,) if kind in _STOPS else (_NASAL,) if kind != _GLIDE else ()
        if merged and initial != "ဝ":
            onset = onset[:-1]
    elif anusvara:
        tone, coda = LOW, (_NASAL,)
    elif first == "ည" and vowel in ("", "ေ") and not medials:
        sound, tone = ("E" if vowel or onset == ("l",) else "i"), LOW  # လည်း and ဧည့် are ɛ
    elif first:
        if vowel == "":
            tone = LOW
        silent = first in "ရဟ" or (first == "လ" and vowel == "ို" and initial in _SILENT_L)
        sounds = () if silent and not medials else _closing(finals[0])
        if sounds is None:
            return None
        coda = sounds
    for final in rest:
        sounds = _closing(final)
        if sounds is None:
            return None
        coda += tuple(sound for sound in sounds if sound not in coda[-1:])
    return _spell(onset, sound, CHECKED if tone == CHECKED else own or tone, coda)


def _spell(onset: Sounds, vowel: str, tone: str, coda: Sounds) -> str:
    """`|` keeps two consonants from being read as one mnemonic; the tone stands between vowel and coda."""
    return "|".join(onset) + vowel + tone + "|".join(coda)


@lru_cache(maxsize=1024)
def _onset(initial: str, medials: str, alone: bool = False) -> Sounds | None:
    """The consonants before the vowel; None where no rule reads a breath (ှ) on this letter."""
    glide = "ျ" in medials or "ြ" in medials
    sounds = _LETTERS[initial]
    if "ှ" in medials and (initial in "ရယ" or (glide and initial in "လသ")):
        sounds = ("S;",)
    else:
        if glide:
            sounds = ("j",) if initial == "လ" and not alone else _WITH_Y.get(initial, (*sounds, "j"))
        if "ှ" in medials:
            if initial not in _BREATHED:
                return None
            sounds = ("h", *sounds)
    return (*sounds, "w") if "ွ" in medials and sounds[-1] != "w" else sounds


def _closing(final: re.Match[str] | None) -> Sounds | None:
    """The consonants that a loanword's final adds behind the vowel."""
    if final is None:
        return None
    medials = (final["medials"] + final["late"]).replace("ွ", "")
    if not medials:
        return _CLOSING[final["letter"]]
    sounds = _onset(final["letter"], medials)
    return tuple("tS;" if sound == "tS;h" else sound for sound in sounds) if sounds else None

"""Tibetan to phonemes: Tibetan script through bophono to the mnemonics of espeak-ng's `cmn` voice.

espeak-ng has no Tibetan voice: it spells Tibetan script letter by letter. Its Mandarin voice has tones and most of the
consonants of Standard Tibetan. bophono (schema MST, after Tournadre's Manual of Standard Tibetan) turns a Tibetan
syllable into IPA; what it cannot read, above all foreign names in Sanskrit letters, is read letter by letter
(`corpusforge.speech.g2p.tibetan_letters`). Words in other scripts get a voice of their own, in reading order.

Sounds that differ from bophono's IPA: the genitive འི lengthens the vowel (པའི [pɛː]) instead of adding a syllable; བ and
བོ behind an open syllable, ང, ར, ལ or འ are the particle and sound wa, wo; ʈ and ɖ are the retroflex affricate, ø the
`y&` of Mandarin yue; unreleased stops are plain ones.

Clauses end at a shad, at punctuation of other scripts, and at the space that stands for a shad behind ཀ, ག and ཤ.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

from corpusforge.errors import MissingDependency
from corpusforge.speech.engine import Spoken
from corpusforge.speech.g2p import tibetan_letters as letters
from corpusforge.speech.g2p.sentence import Clauses
from corpusforge.speech.g2p.tibetan_letters import Phonemes
from corpusforge.text.scripts import runs
from corpusforge.text.tibetan import LETTERS, verbalize

REVISION = 1
"""Raised when the same text may give other phonemes."""

VOICE = "cmn"

_PIECE = re.compile(f"(?P<unit>[{LETTERS}]+)|(?P<stop>[\u0f04-\u0f08\u0f0d-\u0f14]+)")
_STOP = re.compile("[\\n.,;:?!()\\[\\]{}…—。，、；：？！（）]")
_SHADLESS = re.compile("[ཀགཤ][\u0f71-\u0f7d]?$")
_JOINS_WORDS = re.compile(r"[\s'’.\-‐‑–&/+]{1,3}")
_PARTICLE = {particle: "ཝ" + particle[1:] for particle in ("བ", "བའི", "བས", "བའང", "བའམ", "བའོ", "བོ", "བོའི", "བོར", "བོས")}
_BEFORE_PARTICLE = re.compile("[ངརལའ\u0f71-\u0f7d\u0f90-\u0fbc]$")

# IPA of bophono, diacritics removed; longer symbols first.
_CONSONANTS: dict[str, Phonemes] = {
    "tɕʰ": ("tS;h",), "tɕ": ("tS;",), "dʑ": ("dZ;",), "tsʰ": ("tsh",), "ts": ("ts",), "dz": ("d", "z"),
    "ʈʰ": ("ts.h",), "ʈ": ("ts.",), "ɖ": ("ts.",), "cʰ": ("c", "h"), "c": ("c",), "ɟ": ("J",),
    "kʰ": ("kh",), "k": ("k",), "g": ("g",), "tʰ": ("th",), "t": ("t",), "d": ("d",),
    "pʰ": ("ph",), "p": ("p",), "b": ("b",), "lʰ": ("h", "l"), "l": ("l",), "r": ("r",),
    "ɕ": ("S;",), "s": ("s",), "ʂ": ("s.",), "h": ("h",), "ɣ": ("g",),
    "m": ("m",), "n": ("n",), "ɲ": ("n^",), "ŋ": ("N",), "w": ("w",), "j": ("j",),
    "ʔk": ("k",), "ʔp": ("p",), "ʔ": ("?",),
}  # fmt: skip
_VOWELS = {
    "a": "a",
    "ə": "@",
    "e": "e",
    "ɛ": "E",
    "i": "i",
    "ɪ": "i",
    "o": "o",
    "ɔ": "o",
    "u": "u",
    "y": "y",
    "ø": "y&",
}
_TONES = {
    "˥": letters.HIGH,
    "˥˨": letters.HIGH_FALLING,
    "˩˨": letters.LOW,
    "˩˧˨": letters.LOW_FALLING,
    "": letters.TONELESS,  # bophono marks the first syllable of a word only
}
_DIACRITICS = str.maketrans("", "", "\u0303\u031a\u0325\u030a\u032f")
_CONSONANT = "|".join(sorted(_CONSONANTS, key=len, reverse=True))
_IPA = re.compile(
    f"(?P<onset>(?:{_CONSONANT})*)(?P<vowel>[{''.join(_VOWELS)}])(?P<tone>[˥˨˩˧]*)(?P<long>ː?)(?P<coda>(?:{_CONSONANT})*)"
)
_SOUND = re.compile(_CONSONANT)
MNEMONICS = frozenset({*letters.MNEMONICS, *_VOWELS.values(), *_TONES.values()}.union(*_CONSONANTS.values()))
"""Every mnemonic that a phoneme string may hold; each is in the phoneme table of the `cmn` voice."""


def speak(text: str) -> Spoken:
    """A Tibetan sentence made ready for espeak-ng.

    Args:
        text: As written, in any Unicode; numbers, units and symbols are put into words first.

    Returns:
        Segments of `cmn` phonemes, and of foreign voices for words in other scripts, in reading order.

    Raises:
        MissingDependency: bophono is not installed.
    """
    sentence = _Sentence()
    pieces = _merged(runs(verbalize(text)))
    for index, (script, run) in enumerate(pieces):
        if script == "Tibt":
            sentence.tibetan(run)
            continue
        sentence.other(run, script)
        if script == "Common":
            before = pieces[index - 1] if index else ("", "")
            shadless = run.isspace() and before[0] == "Tibt" and _SHADLESS.search(before[1])
            if shadless or _STOP.search(run):
                sentence.stop()
    return sentence.spoken()


class _Sentence(Clauses):
    """Clauses of Tibetan, in which a syllable may depend on the one before."""

    def __init__(self) -> None:
        super().__init__(VOICE)
        self.previous = ""  # the written syllable before, if this clause has one

    def tibetan(self, run: str) -> None:
        for piece in _PIECE.finditer(run):
            if piece["stop"]:
                self.stop()
                continue
            unit = piece["unit"].translate(letters.SILENT)
            if not unit:
                continue
            particle = _PARTICLE.get(unit)
            sounds = read_unit(particle if particle and _BEFORE_PARTICLE.search(self.previous) else unit)
            self.previous = unit
            if not sounds:
                self.miss(unit)
            for sound in sounds:
                self.add(sound)

    def stop(self) -> None:
        """End the clause where the text does; one that is only too long goes on in the next."""
        self.close()
        self.previous = ""

    def flush(self) -> None:
        self.stop()
        super().flush()


def _merged(pieces: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Words of one foreign script with no more than a space, hyphen or the like between them, as one run."""
    out: list[tuple[str, str]] = []
    for script, run in pieces:
        joined = len(out) > 1 and script not in ("Common", "Tibt") and out[-2][0] == script
        if joined and out[-1][0] == "Common" and _JOINS_WORDS.fullmatch(out[-1][1]):
            between = out.pop()[1]
            out[-1] = (script, out[-1][1] + between + run)
        else:
            out.append((script, run))
    return out


@lru_cache(maxsize=1 << 16)
def read_unit(unit: str) -> Phonemes:
    """The mnemonics of what stands between two tshegs, a string a syllable; empty if it cannot be read."""
    return read_syllable(unit) or letters.read(unit, read_syllable)


@lru_cache(maxsize=1 << 16)
def read_syllable(unit: str) -> Phonemes:
    """The mnemonics of a Tibetan syllable (two where a particle adds one); empty if it is none."""
    if "ཧྭ" in unit:  # bophono skips wa-zur, which is silent everywhere but here: ཧྭ is hua
        return ()
    ipa = _bophono()(unit).translate(_DIACRITICS)
    sounds: list[str] = []
    for part in ipa.split(".") if ipa else ():
        match = _IPA.fullmatch(part)
        if match is None:
            return ()
        sounds.append(
            letters.syllable(
                _sounds(match["onset"]),
                _VOWELS[match["vowel"]],
                _TONES.get(match["tone"], letters.TONELESS),
                _sounds(match["coda"]),
                bool(match["long"]),
            )
        )
    return tuple(sounds)


def _sounds(ipa: str) -> Phonemes:
    return tuple(sound for symbol in _SOUND.findall(ipa) for sound in _CONSONANTS[symbol])


@cache
def _bophono() -> Callable[[str], str]:
    """The converter of bophono for one syllable, silenced."""
    try:
        import bophono
    except ImportError as error:
        raise MissingDependency(
            "Tibetan speech needs bophono, which is not installed here: pip install 'corpusforge[espeak]'"
        ) from error
    # It print()s every syllable that it cannot read. Swapping sys.stdout for each call is slow and, with two threads,
    # can lose the real one; a print of their own that prints nothing is neither.
    for name in ("bophono.UnicodeToApi", "bophono.PhonStateMST"):
        vars(sys.modules[name])["print"] = lambda *_args, **_settings: None
    converter = bophono.UnicodeToApi(
        schema="MST",
        options={"aspirateLowTones": False, "aiAffixmonochar": "ː", "aiAffixchar": "ː", "aiAffixmonomodif": True},
    )

    def convert(unit: str) -> str:
        try:
            return converter.get_api(unit + "\u0f0b") or ""
        except (
            Exception
        ):  # it raises whatever its tables lead to on input that is no syllable; the letters are read then
            return ""

    return convert

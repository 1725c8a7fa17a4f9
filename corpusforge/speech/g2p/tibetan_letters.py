"""Tibetan letters read one by one: for what is written in Tibetan script but is not a Tibetan syllable.

Foreign names (སེནཊ, ཕོརཌ, མལེརིཡ), Sanskrit, and syllables between which a tsheg is missing. A run of letters is taken
apart into stacks (a consonant, what is joined below it, its vowel signs), and the stacks are grouped into syllables:

1. A stack with a vowel sign is the nucleus of a syllable; ཨ, འ, ཡ, ཝ and ཧ always are. A halanta (྄) takes the vowel
   away. In a run that uses the halanta every other bare stack has its inherent a.
2. Any other bare stack is the nucleus of a syllable in a, or a closing consonant of the syllable before it, whichever
   makes the cheaper whole (`_closing_cost`): few syllables, closing clusters only if they fall in sonority (-nt, -lk)
   or end in s, aspirates rarely last, never two of r, l, m, n. So ཨཐལནཊིཀ is ath-lan-tik and མདྷགསཀར madh-gas-kar.
3. A stack such as ངྒ in སིངྒཔུར opens with a consonant that closes the syllable before it: sing-ga-pur.
4. A bare stack before འི and its like is a nucleus: ཨཕརིཀའི is aph-ri-ka-i.
5. Tibetan syllables that lost their tsheg (བྱེདཀྱི) are read as Tibetan: runs without Sanskrit letters, with joined
   letters, of which every part can be read. The caller passes what reads a Tibetan syllable.

Every consonant and vowel sign is rendered. Retroflex letters sound as the dental ones, voiced aspirates as plain voiced
ones, ཕྷ and ཧྥ as f: what the cmn voice of espeak-ng has. Tone follows the Tibetan rule: high after a voiceless
consonant, low after a voiced one, falling where a stop closes the syllable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

Phonemes = tuple[str, ...]
"""Espeak mnemonics, a string a syllable."""

HIGH, LOW, HIGH_FALLING, LOW_FALLING, TONELESS = "55", "21", "51", "214", "33"

_STACK = re.compile(
    "(?P<base>[\u0f40-\u0f6c\u0f88-\u0f8c]?)(?P<below>(?:[\u0f8d-\u0fbc]|\u0f39)*)"
    "(?P<marks>[\u0f35\u0f37\u0f39\u0f71-\u0f84\u0f86\u0f87]*)"
)
SILENT = str.maketrans("", "", "\u0f35\u0f37\u0f86\u0f87")
"""Takes out the signs that mark emphasis and have no sound."""
_HALANTA, _VISARGA, _FLAP = "\u0f84", "\u0f7f", "\u0f39"
_NASAL = "\u0f7e\u0f82\u0f83"
_LONG = "\u0f71"
_VOWELS = {"\u0f72": "i", "\u0f74": "u", "\u0f7a": "e", "\u0f7b": "ai", "\u0f7c": "o", "\u0f7d": "Au", "\u0f80": "i"}
_CARRIERS = "\u0f60\u0f68"
_NUCLEI = _CARRIERS + "ཝཡཧ"

# Base letters in the order of the block; subjoined ones are 0x50 above.
_LETTERS: dict[str, Phonemes] = {
    "ཀ": ("k",), "ཁ": ("kh",), "ག": ("g",), "ང": ("N",),
    "ཅ": ("tS;",), "ཆ": ("tS;h",), "ཇ": ("dZ;",), "ཉ": ("n^",),
    "ཊ": ("t",), "ཋ": ("th",), "ཌ": ("d",), "ཎ": ("n",),
    "ཏ": ("t",), "ཐ": ("th",), "ད": ("d",), "ན": ("n",),
    "པ": ("p",), "ཕ": ("ph",), "བ": ("b",), "མ": ("m",),
    "ཙ": ("ts",), "ཚ": ("tsh",), "ཛ": ("d", "z"), "ཝ": ("w",),
    "ཞ": ("Z;",), "ཟ": ("z",), "འ": (), "ཡ": ("j",),
    "ར": ("r",), "ལ": ("l",), "ཤ": ("S;",), "ཥ": ("s.",),
    "ས": ("s",), "ཧ": ("h",), "ཨ": (), "ཫ": ("k",), "ཬ": ("r",),
}  # fmt: skip
# Letters of a stack that make one sound together, longest first where one begins another.
_TOGETHER: dict[str, Phonemes] = {
    "གཧ": ("g",), "ཌཧ": ("d",), "དཧ": ("d",), "བཧ": ("b",), "ཛཧ": ("d", "z"), "ཇཧ": ("dZ;",),
    "ཀཧ": ("kh",), "ཊཧ": ("th",), "ཏཧ": ("th",), "ཅཧ": ("tS;h",), "ཙཧ": ("tsh",),
    "པཧ": ("ph",), "ཕཧ": ("f",), "ཧཕ": ("f",), "ཤཧ": ("S;",), "ཞཧ": ("Z;",), "ལཧ": ("h", "l"), "ཧར": ("s.",),
    "ཕ༹": ("f",), "བ༹": ("v",), "ཝཧ": ("v",),
}  # fmt: skip
_VOICELESS = ("k", "kh", "tS;", "tS;h", "t", "th", "p", "ph", "ts", "tsh", "S;", "s.", "s", "h", "f")
_STOPS = ("k", "g", "p", "b", "t", "d", "kh", "th", "ph")
_SONORITY = {"r": 5, "l": 4, "m": 3, "n": 3, "N": 3, "n^": 3, "z": 2, "s": 2, "S;": 2, "s.": 2, "Z;": 2, "f": 2, "v": 2}
_OFTEN_LAST = ("N", "n", "m", "r", "l", "s", "k", "g", "t", "p", "b", "d", "S;")

MNEMONICS = frozenset({HIGH, LOW, HIGH_FALLING, LOW_FALLING, TONELESS, ":", "a", "E", "@", *_VOWELS.values()}).union(
    *_LETTERS.values(), *_TOGETHER.values()
)
"""Every mnemonic that `read` may use."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A consonant with what is joined below it and its signs.

    Attributes:
        written: As spelled.
        letters: Its consonants as base letters, in order.
        vowels: Mnemonics of its vowel signs; empty where it is bare.
        long: Whether it has the sign of length.
        mute: Whether a halanta takes its vowel away.
        after: Consonants that its signs add behind the vowel: anusvara, visarga.
        nucleus: Whether it must carry a syllable even though it is bare.
    """

    written: str
    letters: str
    vowels: Phonemes = ()
    long: bool = False
    mute: bool = False
    after: Phonemes = ()
    nucleus: bool = False

    @property
    def bare(self) -> bool:
        return not (self.vowels or self.long)


def stacks(run: str) -> list[Stack]:
    """The stacks of a run of Tibetan letters; signs without a letter before them stand on a silent ཨ."""
    found = []
    for match in _STACK.finditer(run.translate(SILENT)):
        base, below, marks = match["base"], match["below"], match["marks"]
        if not (base or below or marks):
            continue
        flap = _FLAP if _FLAP in below + marks else ""
        letters = base + flap + "".join(chr(ord(letter) - 0x50) for letter in below.replace(_FLAP, ""))
        vowels = tuple(_VOWELS[mark] for mark in marks if mark in _VOWELS)
        after = ("m",) * any(mark in _NASAL for mark in marks) + ("h",) * (_VISARGA in marks)
        if not (letters.strip(_FLAP) or vowels or after or _LONG in marks):
            continue
        mute = _HALANTA in marks and not vowels
        found.append(Stack(match[0], letters, vowels, _LONG in marks, mute, after))
    return found


def consonants(letters: str) -> Phonemes:
    """The sounds of a stack's consonants; a doubled one sounds once.

    Raises:
        KeyError: A letter that no rule knows.
    """
    sounds: list[str] = []
    at = 0
    while at < len(letters):
        pair = letters[at : at + 2]
        if pair in _TOGETHER and not (pair == "ཧར" and len(letters) > len(pair)):
            new, width = _TOGETHER[pair], len(pair)
        else:
            new, width = () if letters[at] == _FLAP else _LETTERS[letters[at]], 1
        sounds += [sound for sound in new if not (sounds and sounds[-1] == sound)]
        at += width
    return tuple(sounds)


def syllable(onset: Phonemes, vowel: str, tone: str, coda: Phonemes = (), long: bool = False) -> str:
    """One syllable in mnemonics: `syllable(("s", "t"), "a", "51", ("k",))` is `s|ta51k`.

    `|` keeps two consonants from being read as one mnemonic.
    """
    return "|".join(onset) + vowel + (":" if long else "") + tone + "|".join(coda)


def tone(onset: Phonemes, coda: Phonemes) -> str:
    """The tone that spelling gives a syllable."""
    high = not onset or onset[0] in _VOICELESS
    if coda and coda[-1] in _STOPS:
        return HIGH_FALLING if high else LOW_FALLING
    return HIGH if high else LOW


def read(run: str, native: Callable[[str], Phonemes]) -> Phonemes:
    """The syllables of a run of letters that is no Tibetan syllable; empty if it has neither consonant nor vowel.

    Args:
        run: Tibetan letters and signs, normalized.
        native: Reads one Tibetan syllable, giving nothing for what is none.
    """
    row = stacks(run)
    try:
        for stack in row:
            consonants(stack.letters)
    except KeyError:  # a letter of the block that no rule knows
        return ()
    if not row:
        return ()
    if not _foreign_marks(row) and any(_tibetan(row)):
        parts = _native_parts(row, native)
        if parts:
            return tuple(sound for part in parts for sound in part)
    return _by_letters(_open_clusters(row))


_SANSKRIT = re.compile("[ཊཋཌཎཥཫཬ]|[གཌདབཛ]ཧ|ཧཕ|[ཕབ]༹")


def _foreign_marks(row: list[Stack]) -> bool:
    return any(
        stack.mute or stack.long or stack.after or len(stack.vowels) > 1 or _SANSKRIT.search(stack.letters)
        for stack in row
    )


def _tibetan(row: list[Stack]) -> Iterator[bool]:
    """For each stack whether it looks Tibetan: joined letters, except those that end a word bare (ཤརྐ, shark)."""
    for index, stack in enumerate(row):
        yield len(stack.letters) > 1 and not (stack.bare and 0 < index == len(row) - 1)


def _native_parts(row: list[Stack], native: Callable[[str], Phonemes]) -> list[Phonemes]:
    """The fewest Tibetan syllables that make up the row, the last ones as long as possible; [] if there are none."""
    best: list[list[Phonemes] | None] = [[], *([None] * len(row))]
    for end in range(1, len(row) + 1):
        for start in range(end):  # the longest last part first, and only a shorter list replaces it
            head = best[start]
            if head is None:
                continue
            part = native("".join(stack.written for stack in row[start:end]))
            if part and (best[end] is None or len(head) + 1 < len(best[end] or ())):
                best[end] = [*head, part]
    return best[len(row)] or []


def _open_clusters(row: list[Stack]) -> list[Stack]:
    """Stacks in which the first consonant belongs to the syllable before, in two: ངྒ after སི becomes ང and ྒ."""
    out: list[Stack] = []
    for stack in row:
        if out and out[-1].bare and not out[-1].mute and stack.letters == "འ" and stack.vowels:
            out[-1] = replace(out[-1], nucleus=True)
        first, rest = stack.letters[:1], stack.letters[1:]
        joined = stack.letters[:2] in _TOGETHER or rest[:1] in ("ཡ", "ར", "ལ", "ཝ", "འ", "ཧ", _FLAP)
        if not out or out[-1].mute or not rest or joined or first == "ས" or stack.mute:
            out.append(stack)
            continue
        out.append(Stack(first, first))
        out.append(replace(stack, letters=rest, nucleus=stack.bare and rest != "ས"))
    return out


def _by_letters(row: list[Stack]) -> Phonemes:
    marked = any(stack.mute for stack in row)
    # cheapest[i]: cost of the best grouping of row[:i] into syllables, and where its last syllable starts.
    cheapest: list[tuple[float, int]] = [(0.0, 0), *([(float("inf"), 0)] * len(row))]
    for start in range(len(row)):
        cost, end = cheapest[start][0], start
        lead: list[Stack] = []
        while end < len(row) and row[end].mute and (start == 0 or lead):  # mute stacks that open the run
            lead.append(row[end])
            end += 1
        if cost == float("inf") or end == len(row) or row[end].mute:
            continue
        cost += 1.0 + (0.25 if row[end].bare else 0.0)
        closing: Phonemes = row[end].after
        end += 1
        cheapest[end] = min(cheapest[end], (cost, start))
        while end < len(row) and cost < float("inf"):
            cost += _closing_cost(row[end], closing, marked)
            closing += consonants(row[end].letters)
            end += 1
            cheapest[end] = min(cheapest[end], (cost, start))
    if cheapest[-1][0] == float("inf"):  # nothing but mute consonants
        only = tuple(sound for stack in row for sound in consonants(stack.letters))
        return (syllable(only, "@", tone(only, ())),) if only else ()
    cuts, end = [len(row)], len(row)
    while end:
        end = cheapest[end][1]
        cuts.append(end)
    spans = zip(cuts[:0:-1], cuts[-2::-1], strict=True)
    return tuple(sound for start, end in spans for sound in _group(row[start:end], follows=start > 0))


def _closing_cost(stack: Stack, closing: Phonemes, marked: bool) -> float:
    """What it costs to close a syllable with this stack; infinite where it cannot.

    Args:
        stack: The candidate.
        closing: Consonants that close the syllable already.
        marked: Whether the run marks consonants without a vowel by halanta.
    """
    sounds = consonants(stack.letters)
    if stack.mute:
        return 0.0
    last_letter_only = len(stack.letters) == 1 or stack.letters[:2] in _TOGETHER
    if not stack.bare or stack.nucleus or stack.after or not sounds or not last_letter_only:
        return float("inf")
    if stack.letters in _NUCLEI:
        return float("inf")
    cost = 0.1 if sounds[-1] in _OFTEN_LAST else 0.4
    cost += 1.2 if marked else 0.0  # where vowels are taken away by a mark, what has none has its a
    if not closing:
        return cost
    if sounds[0] == "s" and closing[-1] != "s":
        return cost + 0.2
    if sounds[0] in ("t", "d") and closing[-1] in ("s", "S;", "k", "p"):
        return cost + 0.3
    lower = _SONORITY.get(sounds[0], 1)
    falling = _SONORITY.get(closing[-1], 1) > lower and lower < _SONORITY["n"]
    return cost + 0.45 * len(closing) if falling else float("inf")


def _group(group: list[Stack], follows: bool) -> list[str]:
    """The mnemonics of one nucleus with the consonants around it; a syllable more for each further vowel sign.

    `follows` says that it is not the first of its run: what འ then opens has no tone of its own.
    """
    heart = next(index for index, stack in enumerate(group) if not stack.mute)
    nucleus = group[heart]
    onset = tuple(sound for stack in group[: heart + 1] for sound in consonants(stack.letters))
    coda = nucleus.after + tuple(sound for stack in group[heart + 1 :] for sound in consonants(stack.letters))
    vowels = nucleus.vowels or ("a",)
    out = []
    for index, vowel in enumerate(vowels):
        last = index == len(vowels) - 1
        begin, close = onset if index == 0 else (), coda if last else ()
        sound = "E" if vowel == "e" and close else vowel
        pitch = TONELESS if index or (follows and nucleus.letters == "འ") else tone(onset, close)
        out.append(syllable(begin, sound, pitch, close, long=nucleus.long and sound not in ("ai", "Au")))
    return out

"""A sentence in parts that are short enough for Google Translate, cut where a reader would breathe.

gTTS cuts at its own punctuation, which has neither Burmese nor Tibetan marks, then at spaces, then anywhere: a Burmese
sentence without spaces is cut in the middle of syllables, which are then read as something else. Here a part ends

1. behind a mark that ends a sentence or a clause, in any script;
2. where there is none in reach, at a space;
3. where there is none, between syllables: hanzi, kana, Burmese syllables, behind a Tibetan tsheg;
4. only within a word or number that is longer than a part (an address of a page), between two of its letters.

A place of a later kind is used only in a stretch that no earlier kind parts. Among what is left the fewest parts win,
then most ends of sentences, then the most even lengths. Nowhere is a mark parted from the letter that it belongs to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from corpusforge.text.burmese import breaks
from corpusforge.text.scripts import runs

PARTS_REVISION = 1
"""Raised when the same text is cut in other places."""

LIMIT = 100
"""Characters of a part: what Google Translate speaks in one go (`GOOGLE_TTS_MAX_CHARS` of gTTS)."""

_CLOSERS = "\"'”’»›）)】］]』」》〉〕｝}༽"
_OPENERS = "“‘«‹（(【［[『「《〈〔｛{༼"
# Marks of one script only, which mean one thing; those of ASCII also stand in numbers, names and addresses.
_SENTENCE = "。！？｡．؟۔।॥။།༎༏༐༑༔፧៕‼⁇⁈⁉"
_CLAUSE = "，、；：､၊،؛፣፤፥፦។…—―⸺༈"
_ENDS = re.compile(
    rf"(?:(?P<sentence>[{_SENTENCE}]|[.!?](?![\w.@/&=]))|[{_CLAUSE}]|[,;:](?![\w/])|[,;:!?](?=[^\W\d_])(?!\w*[.@/=]))"
    rf"(?P<more>[{_SENTENCE}{_CLAUSE}.!?,;:{re.escape(_CLOSERS)}]*)"
)
_ABBREVIATION = re.compile(r"(?<![^\W_])(?:[A-ZÀ-Þ][a-zß-ÿ]{0,3}|[a-z])$")
_NUMBER = re.compile(
    r"[+\-−]?(?:\d{1,3}(?: \d{3})+(?!\d)|\d+)(?:[.,:/'’٫٬\-–]\d+)*[%％‰°]?"
    r"|[〇零一二三四五六七八九十百千万萬亿億兆两兩]{2,}"
)
_TIED = re.compile(r"[\u0e40-\u0e44\u0ec0-\u0ec4\u200d]")  # Thai and Lao vowels that are written first; joiners
_EXTENDS = frozenset("\u0e33\u0eb3\uff9e\uff9f\u0f0c")
_SMALL = frozenset("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶー々")
_IDEOGRAPHS = frozenset(("Hani", "Jpan"))
_TSHEG = "\u0f0b"


class Unsplittable(ValueError):
    """A letter with more marks on it than a part may have characters."""


def split(text: str, limit: int = LIMIT) -> list[str]:
    """The parts of `text`, each of at most `limit` characters, with a letter or digit in each.

    Together they are the text, but for white space around them. Stretches of more than `limit` marks and symbols
    without a letter or digit, of which nothing could be said, are left out.

    Returns:
        The parts in order; none for a text without a letter or digit.

    Raises:
        Unsplittable: A letter carries so many marks that it does not fit into a part.
    """
    text = " ".join(text.split())
    if not speakable(text):
        return []
    if len(text) <= limit:
        return [text]
    cuts = _cuts(text, limit)
    parts = (text[start:end].strip() for start, end in _best(text, cuts, limit))
    return [part for part in parts if speakable(part)]


def speakable(text: str) -> bool:
    """Whether a text has a letter or a digit. For anything else Google answers without audio."""
    return any(unicodedata.category(character)[0] in "LN" for character in text)


def _cuts(text: str, limit: int) -> dict[int, int]:
    """Places where a part may end, each with its kind: 0 sentence, 1 clause, 2 space, 3 syllable, 4 letter."""
    whole = _whole(text)
    kinds: list[dict[int, int]] = [_marks(text), _spaces(text), dict.fromkeys(_syllables(text), 3)]
    chosen: dict[int, int] = {}
    for places in kinds:
        allowed = {at: kind for at, kind in places.items() if not whole[at] and at not in chosen}
        chosen |= _within(_wide(text, chosen, limit), allowed) if chosen else allowed
        if not _wide(text, chosen, limit):
            return chosen
    letters = {at: 4 for at in range(1, len(text)) if not _joined(text, at)}
    return chosen | _within(_wide(text, chosen, limit), letters)


def _within(stretches: list[tuple[int, int]], places: dict[int, int]) -> dict[int, int]:
    return {at: kind for start, end in stretches for at, kind in places.items() if start < at < end}


def _wide(text: str, chosen: dict[int, int], limit: int) -> list[tuple[int, int]]:
    """Stretches between chosen places that do not fit into a part."""
    places = [0, *sorted(chosen), len(text)]
    return [(start, end) for start, end in pairwise(places) if len(text[start:end].strip()) > limit]


def _marks(text: str) -> dict[int, int]:
    """Places behind marks, and behind the quotes and brackets that close there."""
    found: dict[int, int] = {}
    for match in _ENDS.finditer(text):
        end = match.end()
        if end == len(text) or text[end] in _CLOSERS:
            continue
        ends = match["sentence"] is not None or any(mark in _SENTENCE or mark in "!?" for mark in match["more"])
        if match[0] == "." and (_ABBREVIATION.search(text, 0, match.start()) or text[end : end + 2].strip().islower()):
            continue
        found[end] = 0 if ends else 1
    return found


def _spaces(text: str) -> dict[int, int]:
    """Places behind spaces, but not before a mark that belongs to what stands before it."""
    return {
        match.end(): 2
        for match in re.finditer(" ", text)
        if not _is_end(text[match.end()]) and text[match.start() - 1] not in _OPENERS
    }


def _is_end(character: str) -> bool:
    return character in _SENTENCE or character in _CLAUSE or character in ".!?,;:" or character in _CLOSERS[2:]


def _syllables(text: str) -> Iterator[int]:
    """Places between two syllables, in scripts that show them; and between an ideograph and a word in letters."""
    starts = set(breaks(text))
    scripts = [name for name, run in runs(text) for _ in run]
    for at in range(1, len(text)):
        before, after = text[at - 1], text[at]
        if before == _TSHEG:
            fits = scripts[at] == "Tibt" and after.isalpha()
        elif at in starts:
            fits = True
        else:
            pair = {scripts[at - 1], scripts[at]}
            fits = bool(pair & _IDEOGRAPHS) and before.isalpha() and after.isalpha() and after not in _SMALL
        if fits and before not in _OPENERS and not _joined(text, at):
            yield at


def _whole(text: str) -> list[bool]:
    """For each place whether it is inside a number."""
    inside = [False] * (len(text) + 1)
    for match in _NUMBER.finditer(text):
        for at in range(match.start() + 1, match.end()):
            inside[at] = True
    return inside


def _joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place are one letter (as in Unicode Annex 29, and stricter)."""
    before, after = text[at - 1], text[at]
    if unicodedata.category(after) in ("Mn", "Mc", "Me", "Cf", "Sk") or after in _EXTENDS or _TIED.match(before):
        return True
    if unicodedata.combining(before) == 9 and after.isalpha():  # a virama stacks what follows
        return True
    if "\u1100" <= before <= "\u11ff" and "\u1100" <= after <= "\u11ff":  # letters of one Korean syllable
        return True
    return "\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff"


def _best(text: str, cuts: dict[int, int], limit: int) -> list[tuple[int, int]]:
    """The way through `cuts` of least cost: silent parts, parts, worse places, unevenness, in this order."""
    places = [0, *sorted(cuts), len(text)]
    best: dict[int, tuple[tuple[int, ...], int]] = {0: ((0, 0, 0, 0), 0)}
    for index, end in enumerate(places[1:], 1):
        kind = cuts.get(end, 0)
        for start in reversed(places[:index]):
            part = text[start:end].strip()
            if len(part) > limit:
                break
            if start in best:
                silent, count, worse, uneven = best[start][0]
                cost = (
                    silent + (not speakable(part)),
                    count + 1,
                    worse + (0, 1, 4, 16, 64)[kind],
                    uneven + len(part) ** 2,
                )
                if end not in best or cost < best[end][0]:
                    best[end] = (cost, start)
    if len(text) not in best:
        raise Unsplittable(f"a letter with more marks on it than the {limit} characters of a part")
    found: list[tuple[int, int]] = []
    end = len(text)
    while end > 0:
        start = best[end][1]
        found.append((start, end))
        end = start
    return found[::-1]

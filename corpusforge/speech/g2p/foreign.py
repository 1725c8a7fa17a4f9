"""Words of another script inside a sentence: read by that script's own espeak voice.

Latin words go to the English voice. What English cannot pronounce as a word is spelled letter by letter: single
letters, capitals of up to four letters (`BBC`, `UTC`), words without a vowel (`km`, `HTTPS`), heaps of six consonants
(`text.syllables.spelled` has the rule). Of `JAS39C` only the letters come here, and are spelled; the number
is the sentence's own. Roman numbers from II to XXXIX are read as numbers. Letters with marks that the English voice
would name (`ễ` is "letter one e c five" to it) lose their marks.

No voice reads Tibetan, Burmese, Shan, Thai, Khmer or Lao here: espeak's Burmese aborts the process, its Shan spells in
English, its Thai takes tone marks for consonants and drops vowels (ที่ is "ths"), and it has no other.

A change of meaning here changes every language's speech: raise `REVISION` of each module beside this one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from functools import lru_cache

from corpusforge.speech.engine import Segment
from corpusforge.text.scripts import runs
from corpusforge.text.syllables import roman, script_syllables, spelled

VOICES = {
    "Latn": "en-us",
    "Hani": "cmn",
    "Cyrl": "ru",
    "Grek": "el",
    "Arab": "ar",
    "Hebr": "he",
    "Deva": "hi",
    "Beng": "bn",
    "Hang": "ko",
    "Jpan": "ja",
    "Armn": "hy",
    "Geor": "ka",
    "Ethi": "am",
    "Guru": "pa",
    "Gujr": "gu",
    "Orya": "or",
    "Taml": "ta",
    "Telu": "te",
    "Knda": "kn",
    "Mlym": "ml",
    "Sinh": "si",
}
"""espeak-ng 1.52 voice by script: names of `corpusforge.text.scripts`, and of `phrases`."""

# Scripts that `text.scripts` leaves in "Common": those with a voice by name, all other letters as "Zzzz".
_MORE = {
    "Armn": "\u0531-\u0587",
    "Geor": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Ethi": "\u1200-\u135f\u1380-\u138f",
    "Guru": "\u0a01-\u0a5e\u0a70-\u0a75",
    "Gujr": "\u0a81-\u0ae3",
    "Orya": "\u0b01-\u0b63\u0b71",
    "Taml": "\u0b82-\u0bd7",
    "Telu": "\u0c00-\u0c63",
    "Knda": "\u0c80-\u0ce3",
    "Mlym": "\u0d00-\u0d63\u0d7a-\u0d7f",
    "Sinh": "\u0d81-\u0df3",
}
_UNNAMED = re.compile("|".join(f"(?P<{name}>[{ranges}]+)" for name, ranges in _MORE.items()) + r"|(?P<Zzzz>[^\W\d_]+)")
_JOINER = re.compile(r"[ \t]*[ \t\u0300-\u036f'’‐‑.,&·-]?[ \t]*")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_PLURAL = re.compile(r"([A-Z]{2,4})(?:['’]?s)")
_APOSTROPHES = str.maketrans("ʼʻ", "''")
_HEBREW_POINTS = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")


def phrases(text: str, own: Container[str]) -> Iterator[tuple[str, str]]:
    """`text.scripts.runs` for reading aloud: a phrase in a foreign script stays whole.

    Words of one script that is not in `own` are one run if only a space, a hyphen, an apostrophe or a mark of
    punctuation is between them: `O'Neill, J. R.`. Letters of the scripts that `runs` leaves in `Common` have their name
    too, `Zzzz` where no voice reads them.
    """
    held: tuple[str, str] | None = None  # the foreign run that may go on
    gap = ""
    for script, run in _named_runs(text):
        if held is not None and script == held[0]:
            held, gap = (script, held[1] + gap + run), ""
            continue
        if held is not None and not gap and script == "Common" and _JOINER.fullmatch(run):
            gap = run
            continue
        if held is not None:
            yield held
            if gap:
                yield "Common", gap
            held, gap = None, ""
        if script == "Common" or script in own:
            yield script, run
        else:
            held = (script, run)
    if held is not None:
        yield held
        if gap:
            yield "Common", gap


def _named_runs(text: str) -> Iterator[tuple[str, str]]:
    for script, run in runs(text):
        if script != "Common" or run.isascii():
            yield script, run
            continue
        end = 0
        for match in _UNNAMED.finditer(run):
            if match.start() > end:
                yield "Common", run[end : match.start()]
            yield _name(match), match.group()
            end = match.end()
        if end < len(run):
            yield "Common", run[end:]


def _name(match: re.Match[str]) -> str:
    if match.lastgroup != "Zzzz":
        return match.lastgroup or "Zzzz"
    if match.group().strip("ー") == "":  # the long vowel of kana, which Unicode gives to no script
        return "Jpan"
    # Letters that only modify others, and ½ and ², which count as letters of words, are nobody's.
    categories = {unicodedata.category(character) for character in match.group()}
    return "Common" if categories <= {"Lm", "No", "Nl"} else "Zzzz"


@lru_cache(maxsize=65536)
def foreign_segment(text: str, script: str) -> tuple[Segment, int] | None:
    """A run of one script as a segment of its voice, with its number of syllables.

    Args:
        text: The run: words of one script, and what stands between them.
        script: Its name in `corpusforge.text.scripts` or in `VOICES`.

    Returns:
        None if no voice reads the script, or there is nothing to read.
    """
    voice = VOICES.get(script)
    text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    if script == "Hebr":
        text = _HEBREW_POINTS.sub("", text)
    if voice is None or not _WORD.search(text):
        return None
    syllables = max(1, script_syllables(script, text))
    if script == "Latn":
        text = _WORD.sub(_english, text)
    # Double brackets are espeak's own mark for phonemes.
    content = " ".join(text.replace("[[", " ").replace("]]", " ").split())
    return (Segment(voice, content), syllables) if content else None  # ¼ alone is a word to `re`, without a letter


def _english(match: re.Match[str]) -> str:
    word = match.group()
    if (number := roman(word)) is not None:
        return str(number)
    if plural := _PLURAL.fullmatch(word):
        return f"{' '.join(plural[1])}'s"
    if spelled(word):
        return " ".join(unmarked(letter).upper() for letter in word if letter.isalpha())
    return unmarked(word)


def unmarked(word: str) -> str:
    """Latin letters beyond Latin Extended-A without their marks, where that leaves plain letters: Nguyễn → Nguyen."""
    if max(word) < "\u0180":
        return word
    return "".join(_bare(letter) if letter >= "\u0180" else letter for letter in word)


def _bare(letter: str) -> str:
    base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return base if base.isascii() else letter

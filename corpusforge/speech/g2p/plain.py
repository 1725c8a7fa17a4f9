"""Languages that espeak-ng reads by itself: the text as it is, numbers and symbols included.

Runs of a script that is foreign to the language go to that script's voice (`foreign`). Letters of its own script that a
voice of espeak-ng 1.52 does not know, and would call by name or code point (Odia ୱ: "letter b seventy-one", and the
whole word is spelled), are given as the letter that has the same sound or the nearest. Cantonese numbers and symbols
are written out as Chinese ones are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.foreign import foreign_segment, phrases, unmarked
from corpusforge.text.syllables import count_syllables, script_syllables

REVISION = 2

_OWN = {"Hans": "Hani", "Hant": "Hani"}

# For every voice: what it does not know, then what stands in for it.
_SAME_SOUND: dict[str, Mapping[int, str]] = {
    voice: {ord(letter): other for letter, other in zip(unknown, known, strict=True)}
    for voice, unknown, known in (
        ("ar", "کیہھے", "كيههي"),
        ("as", "র", "ৰ"),
        ("be", "ищъ", "іш'"),
        ("bg", "ыэ", "ие"),
        ("bn", "ৰৱ", "রব"),
        ("fa", "إٱ", "اا"),
        ("hi", "ॲ", "ऍ"),
        ("mk", "йщыэѐѝ", "јшиееи"),
        ("mr", "ॲ", "ऍ"),
        ("or", "ୱ", "ବ"),
        ("sd", "إةكى", "اتڪي"),
        ("sr", "ѐѝ", "еи"),
        ("ug", "هیک", "ھيك"),
        ("uk", "ыэё", "иео"),
        ("ur", "إةكهى", "اتکہی"),
    )
}
_EVERYWHERE = {ord("ʼ"): "'", ord("\u0301"): "", ord("\u200b"): "", ord("\u2060"): "", ord("\ufeff"): "", 0xAD: ""}
_MARKED_LETTERS_KNOWN = frozenset({"cy", "gn", "vi"})
_HANZI_UNREAD = re.compile(r"[^\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff]")
_BRACKETS = re.compile(r"\[\[|\]\]")


def speak(text: str, lang: str, voice: str) -> Spoken:
    """A sentence in segments: its own voice, and others for words in other scripts."""
    script = lang.partition("_")[2]
    own = _OWN.get(script, script)
    segments: list[Segment] = []
    unread: list[str] = []
    syllables = unreadable = 0
    pending = ""
    for name, run in phrases(_prepared(text, script, voice), {own}):
        if name == own == "Hani":
            missing = _HANZI_UNREAD.findall(run)
            syllables, unreadable = syllables + len(missing), unreadable + len(missing)
            unread += missing
            pending += _HANZI_UNREAD.sub("", run)
            continue
        if name in ("Common", own):
            pending += run
            continue
        found = foreign_segment(run, name)
        if found is None:
            count = max(1, script_syllables(name, run))
            syllables, unreadable = syllables + count, unreadable + count
            unread.append(run)
            continue
        syllables += _flush(pending, lang, voice, segments)
        pending = ""
        segments.append(found[0])
        syllables += found[1]
    syllables += _flush(pending, lang, voice, segments)
    return Spoken(tuple(segments), syllables, unreadable, tuple(unread))


def _prepared(text: str, script: str, voice: str) -> str:
    """The text in letters that the voice knows. Double brackets would be phonemes to espeak."""
    if script in ("Hans", "Hant"):
        from corpusforge.text.chinese import normalize, verbalize

        text = verbalize(normalize(text))
    text = unicodedata.normalize("NFC", text).translate(_EVERYWHERE)
    base = voice.partition("+")[0]
    if base in _SAME_SOUND:
        text = text.translate(_SAME_SOUND[base])
    if script == "Latn" and not text.isascii() and base not in _MARKED_LETTERS_KNOWN:
        text = "".join(unmarked(letter) if "\u1e00" <= letter <= "\u1eff" else letter for letter in text)
    return _BRACKETS.sub(" ", text)


def _flush(text: str, lang: str, voice: str, segments: list[Segment]) -> int:
    """Add what the language's own voice reads. Returns its syllables."""
    content = text.strip()
    if not any(character.isalnum() for character in content):
        return 0
    segments.append(Segment(voice, content))
    return count_syllables(content, lang)

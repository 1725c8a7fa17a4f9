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
from corpusforge.speech.g2p.foreign import phrases, unmarked
from corpusforge.speech.g2p.sentence import Sentence
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
    sentence = _Sentence(lang, voice)
    for name, run in phrases(_prepared(text, script, voice), {own}):
        if name == own == "Hani":
            for hanzi in _HANZI_UNREAD.findall(run):
                sentence.miss(hanzi)
            sentence.pending += _HANZI_UNREAD.sub("", run)
        elif name in ("Common", own):
            sentence.pending += run
        elif not sentence.foreign(run, name):
            sentence.miss(run, max(1, script_syllables(name, run)))
    return sentence.spoken()


class _Sentence(Sentence):
    def __init__(self, lang: str, voice: str) -> None:
        super().__init__()
        self.lang = lang
        self.voice = voice
        self.pending = ""

    def flush(self) -> None:
        content, self.pending = self.pending.strip(), ""
        if any(character.isalnum() for character in content):
            self.segments.append(Segment(self.voice, content))
            self.syllables += count_syllables(content, self.lang)


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

"""Mandarin: hanzi are read by espeak-ng's voice `cmn`, after numbers and symbols are written out (`text.chinese`).

Two faults of that voice (espeak-ng 1.52; found by having it read every hanzi) are mended here:

- It has no sound for the syllables xiong, qiong and jiong, and spells them in English: 熊 becomes "kshong two". They
  are given as phonemes.
- A character outside its dictionary is read as its code point, digit by digit. Such a character is unreadable: it is
  left out and counted.
"""

from __future__ import annotations

import re

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.foreign import foreign_segment
from corpusforge.text.chinese import normalize, verbalize
from corpusforge.text.scripts import runs

REVISION = 1
VOICE = "cmn"

_IONG = {
    "S;jong55": "兄兇凶匈哅忷恟汹洶胷胸訩詾讻賯㐫",
    "S;jong35": "熊赨雄䧺",
    "S;jong51": "夐敻詗诇",
    "tS;hjong55": "匔焪芎",
    "tS;hjong35": "儝卭宆惸桏棾橩焭煢琼瓊睘瞏穷穹窮竆笻筇茕藑藭蛩赹跫輁邛銎㒌㧭㮪㷀㼇䅃䆳䊄䓖䛪䠻",
    "tS;jong55": "冂冋坰埛扃蘏蘔駫",
    "tS;jong214": "侰僒冏囧幜泂炯烱煚煛熲皛窘絅綗褧迥逈顈颎駉㓏㖥㢠㤯㷗㷡䌹䐃䢛",
    "tS;jong51": "澃㑋",
}
_PHONEMES = {hanzi: f"[[{phonemes}]]" for phonemes, row in _IONG.items() for hanzi in row}
_READ = re.compile(r"[\u3400-\u4db5\u4e00-\u9fa5〇]")
_PHONEME_BRACKETS = re.compile(r"\[\[|\]\]")


def speak(text: str) -> Spoken:
    """A sentence in segments: Mandarin, and other voices for words in other scripts."""
    segments: list[Segment] = []
    unread: list[str] = []
    syllables = unreadable = 0
    pending = ""
    for script, run in runs(_PHONEME_BRACKETS.sub(" ", verbalize(normalize(text)))):
        if script == "Hani":
            for hanzi in run:
                syllables += 1
                if _READ.match(hanzi):
                    pending += hanzi
                else:
                    unreadable += 1
                    unread.append(hanzi)
            continue
        if script == "Common":
            pending += run
            continue
        found = foreign_segment(run, script)
        if found is None:
            syllables += len(run)
            unreadable += len(run)
            unread.append(run)
            continue
        pending = _flush(pending, segments)
        _foreign(found[0], segments)
        syllables += found[1]
    _flush(pending, segments)
    return Spoken(tuple(segments), syllables, unreadable, tuple(unread))


def _flush(text: str, segments: list[Segment]) -> str:
    if any(_READ.match(character) for character in text):
        content = "".join(_PHONEMES.get(character, character) for character in text).strip()
        segments.append(Segment(VOICE, content, phonemes="[[" in content))
    return ""


def _foreign(segment: Segment, segments: list[Segment]) -> None:
    """Words of one voice with nothing to read between them are one segment."""
    if segments and segments[-1].voice == segment.voice:
        segment = Segment(segment.voice, f"{segments.pop().content} {segment.content}")
    segments.append(segment)

"""Mandarin: hanzi are read by espeak-ng's voice `cmn`, after numbers and symbols are written out (`text.chinese`).

Faults of that voice (espeak-ng 1.52, found by reading every hanzi of its dictionary and 335,810 words) are mended:

- It has no sound for the syllables xiong, qiong and jiong, and spells them in English: 熊 becomes "kshong two". They
  are given as phonemes.
- 兒 alone is read as "rf five". It is given as 儿, which has the same sound.
- Words in -儿 are read in English: 花儿 as "hua one rf five". A space without width before 儿 keeps the dictionary from
  finding the word, and makes no pause; 瓦德西 is the only other word of this kind.
- A character outside its dictionary is read as its code point, digit by digit, and a symbol by its English name. Such a
  hanzi is unreadable: it is left out and counted. Symbols that have no words in Chinese are left out.

Simplified and traditional hanzi are both in the dictionary.
"""

from __future__ import annotations

import re

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.foreign import phrases
from corpusforge.speech.g2p.sentence import Sentence
from corpusforge.text.chinese import normalize, verbalize
from corpusforge.text.syllables import script_syllables

REVISION = 2
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
_PHONEMES_OF = str.maketrans(_PHONEMES)
_MISREAD = re.compile(r"(?<=[\u3400-\u9fff])(?=儿)|(?<=瓦)(?=德西)")
_READ = re.compile(r"[\u3400-\u4db5\u4e00-\u9fa5〇]")
_UNREAD = re.compile(r"[^\u3400-\u4db5\u4e00-\u9fa5〇]")
# Pauses and intonation, which the voice makes of these; any other sign it would name in English.
_NOT_PUNCTUATION = re.compile(r"[^\s，。、；：？！“”‘’（）《》〈〉「」『』【】〔〕—…·,.;:?!\"'()\-]+|-(?=-)")


def speak(text: str) -> Spoken:
    """A sentence in segments: Mandarin, and other voices for words in other scripts."""
    sentence = _Sentence()
    for script, run in phrases(verbalize(normalize(text)), {"Hani"}):
        if script == "Hani":
            sentence.hanzi(run)
        elif script == "Common":
            sentence.pending += _NOT_PUNCTUATION.sub(" ", run)
        elif not sentence.foreign(run, script):
            sentence.miss(run, max(1, script_syllables(script, run)))
    return sentence.spoken()


class _Sentence(Sentence):
    def __init__(self) -> None:
        super().__init__(joint=", ")
        self.pending = ""

    def hanzi(self, run: str) -> None:
        missing = _UNREAD.findall(run)
        for hanzi in missing:
            self.miss(hanzi)
        self.syllables += len(run) - len(missing)
        self.pending += _UNREAD.sub("", run)

    def flush(self) -> None:
        if _READ.search(self.pending):
            content = _MISREAD.sub("\u200b", self.pending.strip().replace("兒", "儿")).translate(_PHONEMES_OF)
            self.segments.append(Segment(VOICE, content, phonemes="[[" in content))
        self.pending = ""

"""What the rules of a language gather while they read a sentence from left to right: segments, and what is unread.

Rules that give espeak-ng text derive from `Sentence`; rules that give it phonemes gather them in `Clauses`.

A change of meaning here changes every language's speech: raise `REVISION` of each module beside this one.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.foreign import foreign_segment

LONGEST_CLAUSE = 100
"""Syllables of a clause of phonemes, at most."""

MOST_BYTES = 600
"""Bytes of a clause of phonemes, at most: espeak-ng 1.52 takes a longer bracket apart (its buffer holds 800) and reads
the rest of the mnemonics as English letters."""

_WORD = re.compile(r"[^\W\d_]+")
_SYMBOLS = frozenset({"Sc", "Sm", "Nl", "No"})
_SILENT_SYMBOLS = "<>|~"


class Sentence(ABC):
    """A sentence on its way to `Spoken`.

    Attributes:
        segments: What is ready, in reading order.
        syllables, unreadable, unread: As in `Spoken`.
    """

    def __init__(self, joint: str | None = None) -> None:
        """Begin one.

        Args:
            joint: What to put between foreign runs of one voice that follow each other, to make them one segment;
                None leaves them apart.
        """
        self.segments: list[Segment] = []
        self.syllables = 0
        self.unreadable = 0
        self.unread: list[str] = []
        self._joint = joint

    @abstractmethod
    def flush(self) -> None:
        """Make a segment of what the language's own voice has to read so far, if there is anything."""

    def foreign(self, run: str, script: str) -> bool:
        """Add a run in another script. False, and nothing is done, where no voice reads it."""
        found = foreign_segment(run, script)
        if found is None:
            return False
        self.flush()
        segment, syllables = found
        before = self.segments[-1] if self.segments else None
        if self._joint is not None and before and before.voice == segment.voice and not before.phonemes:
            segment = Segment(segment.voice, f"{self.segments.pop().content}{self._joint}{segment.content}")
        self.segments.append(segment)
        self.syllables += syllables
        return True

    def miss(self, piece: str, syllables: int = 1) -> None:
        """Count a piece of the text that nothing can read."""
        self.unread.append(piece)
        self.unreadable += syllables
        self.syllables += syllables

    def spoken(self) -> Spoken:
        """All that was gathered."""
        self.flush()
        return Spoken(tuple(self.segments), self.syllables, self.unreadable, tuple(self.unread))


class Clauses(Sentence):
    """A sentence in clauses of phoneme mnemonics for one voice, and foreign segments between them."""

    def __init__(self, voice: str, joint: str | None = None) -> None:
        super().__init__(joint)
        self._voice = voice
        self._clauses: list[str] = []
        self._clause: list[str] = []
        self._bytes = 0

    def add(self, sound: str) -> None:
        """Add the mnemonics of a syllable; a clause that would grow too long is closed before it."""
        if len(self._clause) == LONGEST_CLAUSE or self._bytes + len(sound) + 1 > MOST_BYTES:
            self.close()
        self._clause.append(sound)
        self._bytes += len(sound) + 1
        self.syllables += 1

    def close(self) -> None:
        """End the clause, if one has begun."""
        if self._clause:
            self._clauses.append(f"[[{' '.join(self._clause)}]]")
            self._clause, self._bytes = [], 0

    def flush(self) -> None:
        self.close()
        if self._clauses:
            self.segments.append(Segment(self._voice, ", ".join(self._clauses), phonemes=True))
            self._clauses = []

    def other(self, run: str, script: str) -> None:
        """Add a run that is not in the language's script: foreign words, or `Common`, of which no sound is made.

        What no voice reads is counted by its length: a syllable a character of hanzi and the like, two letters a
        syllable elsewhere. Digits count nothing: rules write numbers out before.
        """
        if script != "Common":
            if not self.foreign(run, script):
                self.miss(run, len(run) if script in ("Hani", "Hang", "Jpan") else _by_letters(run))
            return
        for word in _WORD.findall(run):
            self.miss(word, _by_letters(word))
        for symbol in run:
            if unicodedata.category(symbol) in _SYMBOLS and symbol not in _SILENT_SYMBOLS:
                self.miss(symbol)


def _by_letters(word: str) -> int:
    return (len(word) + 1) // 2

"""Languages that espeak-ng reads by itself: the text as it is, numbers and symbols included.

Runs of a script that is foreign to the language go to that script's voice (`foreign`); Latin inside a language of
another script is left to its own voice only if no foreign voice takes it.
"""

from __future__ import annotations

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.g2p.foreign import foreign_segment
from corpusforge.text.scripts import runs
from corpusforge.text.syllables import count_syllables

REVISION = 1

_OWN = {"Hans": {"Hani"}, "Hant": {"Hani"}, "Jpan": {"Jpan", "Hani"}, "Hang": {"Hang", "Hani"}}
_NAMED = {"Latn", "Cyrl", "Grek", "Arab", "Hebr", "Deva", "Beng", "Thai", "Tibt", "Mymr"}


def speak(text: str, lang: str, voice: str) -> Spoken:
    """A sentence in segments: its own voice, and others for words in other scripts."""
    script = lang.partition("_")[2]
    # A script without a class of its own (Georgian, Tamil, …) is "Common" to `runs`.
    own = _OWN.get(script, {script} if script in _NAMED else {"Common"}) | {"Common"}
    segments: list[Segment] = []
    unread: list[str] = []
    syllables = unreadable = 0
    pending = ""
    for name, run in runs(text):
        if name in own:
            pending += run
            continue
        found = foreign_segment(run, name)
        count = count_syllables(run, lang)
        if found is None:
            syllables, unreadable = syllables + count, unreadable + count
            unread.append(run)
            continue
        syllables += _flush(pending, lang, voice, segments)
        pending = ""
        segments.append(found[0])
        syllables += found[1]
    syllables += _flush(pending, lang, voice, segments)
    return Spoken(tuple(segments), syllables, unreadable, tuple(unread))


def _flush(text: str, lang: str, voice: str, segments: list[Segment]) -> int:
    if not any(character.isalnum() for character in text):
        return 0
    segments.append(Segment(voice, text.strip()))
    return count_syllables(text, lang)

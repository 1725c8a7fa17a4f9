"""What one child of `espeak_worker` says: a sentence's segments by voice, long ones cut at the borders of clauses."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from corpusforge.speech.engine import Segment

LONGEST_PIECE = 4000
"""Characters that one child speaks: more than any sentence has, and little enough to be bounded in time and memory."""


def batches(segments: Sequence[Segment]) -> list[tuple[str, dict[int, tuple[str, bool]]]]:
    """What each child says: a voice, and texts (with whether they are phonemes) by their place in the sentence."""
    found: list[tuple[str, dict[int, tuple[str, bool]]]] = []
    open_ones: dict[str, tuple[dict[int, tuple[str, bool]], int]] = {}
    place = 0
    for segment in segments:
        for content in pieces(segment.content, segment.phonemes):
            texts, size = open_ones.get(segment.voice, ({}, LONGEST_PIECE))
            if size + len(content) > LONGEST_PIECE:
                texts, size = {}, 0
                found.append((segment.voice, texts))
            texts[place] = (content, segment.phonemes)
            open_ones[segment.voice] = texts, size + len(content)
            place += 1
    return found


def pieces(content: str, phonemes: bool, longest: int = LONGEST_PIECE) -> list[str]:
    """Content cut into pieces of at most `longest` characters, at the last border of a clause where there is one.

    A piece of phonemes keeps its brackets; a clause that is itself too long is cut between two words.
    """
    if len(content) <= longest:
        return [content]
    return _phoneme_pieces(content, longest) if phonemes else _text_pieces(content, longest)


def _text_pieces(text: str, longest: int) -> list[str]:
    found = []
    start = 0
    while len(text) - start > longest:
        end = start + longest
        cut = max((place for place in range(end, start + longest // 2, -1) if _ends_clause(text, place)), default=0)
        cut = cut or max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end)) + 1
        if cut <= start:
            cut = end
        found.append(text[start:cut])
        start = cut
    found.append(text[start:])
    return found


def _ends_clause(text: str, place: int) -> bool:
    """Whether a clause ends before `place`: after punctuation that a space follows, or that is not ASCII."""
    before = text[place - 1]
    if unicodedata.category(before) != "Po":
        return False
    return not before.isascii() or text[place : place + 1].isspace()


def _phoneme_pieces(content: str, longest: int) -> list[str]:
    found = []
    piece = ""
    for clause in content.split("]], [["):
        clause = clause.removeprefix("[[").removesuffix("]]")
        while len(clause) + 4 > longest:
            cut = clause.rfind(" ", 1, longest - 4)
            cut = cut if cut > 0 else longest - 4
            found += [f"[[{piece}]]"] if piece else []
            found.append(f"[[{clause[:cut].strip()}]]")
            piece, clause = "", clause[cut:].strip()
        if piece and len(piece) + len(clause) + 10 > longest:
            found.append(f"[[{piece}]]")
            piece = ""
        piece = f"{piece}]], [[{clause}" if piece else clause
    return [*found, f"[[{piece}]]"] if piece else found

"""Cutting long content: nothing is lost, and the cut is where a clause ends."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from corpusforge.speech.engines.espeak_pieces import pieces

texts = st.text(st.sampled_from("ab 好。，.\n3"), max_size=400)
clauses = st.lists(st.lists(st.sampled_from(["ni2xA214", "u", "S;i21", "a"]), min_size=1, max_size=30), max_size=20)


@settings(max_examples=200)
@given(text=texts, longest=st.integers(8, 60))
def test_pieces_of_text_lose_nothing_and_are_short_enough(text: str, longest: int) -> None:
    found = pieces(text, False, longest)

    assert "".join(found) == text
    assert all(len(piece) <= longest for piece in found)


@settings(max_examples=200)
@given(clauses=clauses, longest=st.integers(24, 90))
def test_pieces_of_phonemes_keep_their_words_and_brackets(clauses: list[list[str]], longest: int) -> None:
    content = ", ".join(f"[[{' '.join(words)}]]" for words in clauses)
    found = pieces(content, True, longest)

    assert all(len(piece) <= longest for piece in found)
    assert [word for piece in found for word in re.findall(r"[^\s\[\],]+", piece)] == [w for c in clauses for w in c]
    for piece in found:
        assert re.fullmatch(r"(\[\[[^\[\]]+\]\](, \[\[[^\[\]]+\]\])*)?", piece)


def test_text_is_cut_where_a_clause_ends() -> None:
    assert pieces("一二三四五，六七八九。十一十二十三", False, 12) == ["一二三四五，六七八九。", "十一十二十三"]
    assert pieces("It cost 3.50 then. And now it costs more", False, 24) == [
        "It cost 3.50 then.",
        " And now it costs more",
    ]
    assert pieces("short enough", False, 12) == ["short enough"]

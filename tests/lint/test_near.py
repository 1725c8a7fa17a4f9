"""The search for near-same texts is that of comparing every text with every other."""

from __future__ import annotations

import random
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from corpusforge.lint.near import near_same


def index(one: str, other: str, size: int) -> Fraction:
    """Jaccard index of the shingles of two texts."""
    left, right = ({text[at : at + size] for at in range(len(text) - size + 1)} for text in (one, other))
    return Fraction(len(left & right), len(left | right)) if left | right else Fraction(0)


def brute(texts: list[str], parts: list[int], size: int, threshold: Fraction, fewest: int) -> set[int]:
    """Texts with a near-same one of another part."""
    large = [len({text[at : at + size] for at in range(len(text) - size + 1)}) >= fewest for text in texts]
    return {
        row
        for row, text in enumerate(texts)
        for other, its in enumerate(texts)
        if parts[row] != parts[other] and large[row] and large[other] and index(text, its, size) >= threshold
    }


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[str], list[int]]:
    """Texts of few letters, many of them others with some letters changed."""
    alphabet = draw(st.sampled_from(["ab", "abc\U0001f600", "་ཀཁག", "abcdefghij"]))
    texts = draw(st.lists(st.text(alphabet, max_size=24), min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 10))):
        text = draw(st.sampled_from(texts))
        at = draw(st.integers(0, len(text)))
        texts.append(text[:at] + draw(st.text(alphabet, max_size=2)) + text[at + draw(st.integers(0, 2)) :])
    return texts, draw(st.lists(st.integers(0, 2), min_size=len(texts), max_size=len(texts)))


@given(corpora(), st.integers(1, 5), st.fractions(Fraction(1, 10), 1, max_denominator=20), st.integers(1, 8))
def test_nothing_is_missed_and_nothing_is_made_up(
    corpus: tuple[list[str], list[int]], size: int, threshold: Fraction, fewest: int
) -> None:
    texts, parts = corpus
    found = near_same(texts, parts, size, threshold, fewest)
    assert {match.index for match in found} == brute(texts, parts, size, threshold, fewest)
    for match in found:
        assert parts[match.index] != parts[match.other]
        value = index(texts[match.index], texts[match.other], size)
        assert value >= threshold
        assert match.similarity == float(value)


def test_longer_texts_by_the_hundred() -> None:
    draw = random.Random(1)
    texts = ["".join(draw.choices("abcdefghijklmnopqrst", k=draw.randint(20, 60))) for _ in range(250)]
    for text in texts[:50]:
        at = draw.randrange(len(text))
        texts.append(text[:at] + draw.choice("xyz") + text[at + draw.randint(0, 4) :])
    parts = [draw.randrange(3) for _ in texts]
    found = near_same(texts, parts, 5)
    assert {match.index for match in found} == brute(texts, parts, 5, Fraction(7, 10), 8)
    assert len(found) > 20


def test_many_texts_after_one_template_are_all_found() -> None:
    """Every pair is near: far more pairs than are looked at together."""
    texts = [
        f"the temperature in the city of {number:04d} is nine degrees today and tomorrow" for number in range(2000)
    ]
    found = near_same(texts, [number % 3 for number in range(2000)], 5)
    assert [match.index for match in found] == list(range(2000))


def test_an_alphabet_too_large_for_five_letters_a_number() -> None:
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 9000)]
    texts = ["".join(letters), "".join(letters[:8000]), "".join(letters[:1000])]
    assert [match.index for match in near_same(texts, [0, 1, 2], 5)] == [0, 1]


def test_no_text_and_empty_texts() -> None:
    assert near_same([], [], 5) == []
    assert near_same(["", "ab", ""], [0, 1, 2], 5) == []

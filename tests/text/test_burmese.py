"""Burmese text: order of marks, syllables, numbers in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.text.burmese import ONES, cardinal, normalize, syllables, verbalize

burmese_text = st.text(alphabet=[*(chr(code) for code in range(0x1000, 0x1050)), " ", "-", ",", ".", "1", "%"])


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ကို", "ကို"),
        ("က\u102f\u102d", "က\u102d\u102f"),
        ("န\u103a\u1037", "န\u1037\u103a"),
        ("က\u200bာ", "ကာ"),
        ("ဥ်", "ဉ်"),
        ("၁ဝ", "၁၀"),
        ("၀ါ", "ဝါ"),
        ("ဦ", "ဦ"),
    ],
)
def test_normalize_gives_one_spelling(wrong: str, right: str) -> None:
    assert normalize(wrong) == right


@given(burmese_text)
def test_normalize_is_idempotent(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("မြန်မာ", ["မြန်", "မာ"]),
        ("သတ္တဝါ", ["သတ်", "တ", "ဝါ"]),
        ("အင်္ဂလိပ်", ["အင်", "ဂ", "လိပ်"]),
        ("ကျောင်းသား", ["ကျောင်း", "သား"]),
        ("ဥပမာ", ["ဥ", "ပ", "မာ"]),
        ("ကောင်းပါသည်။", ["ကောင်း", "ပါ", "သည်"]),
    ],
)
def test_syllables(text: str, expected: list[str]) -> None:
    assert syllables(text) == expected


@given(burmese_text)
def test_syllables_lose_no_letter(text: str) -> None:
    """But for virama, which becomes asat."""

    def letters(burmese: str) -> list[str]:
        return [
            c for c in burmese if ("\u1000" <= c <= "\u1038" or "\u103b" <= c <= "\u103f" or "\u104c" <= c <= "\u104f")
        ]

    assert letters("".join(syllables(text))) == letters(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "သုည"),
        (7, "ခုနစ်"),
        (10, "တစ်ဆယ်"),
        (11, "ဆယ့်တစ်"),
        (21, "နှစ်ဆယ့်တစ်"),
        (100, "တစ်ရာ"),
        (111, "တစ်ရာ့ဆယ့်တစ်"),
        (2009, "နှစ်ထောင့်ကိုး"),
        (10_500, "တစ်သောင်းငါးရာ"),
        (1_000_000, "တစ်သန်း"),
        (25_000_000, "သန်းနှစ်ဆယ့်ငါး"),
        (1_000_000_000, "သန်းတစ်ထောင်"),
    ],
)
def test_cardinals(value: int, words: str) -> None:
    assert cardinal(value) == words


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_different_numbers_have_different_words(one: int, other: int) -> None:
    assert (cardinal(one) == cardinal(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("၉:၃၀ နာရီ", "ကိုးနာရီ သုံးဆယ်မိနစ်"),
        ("34.5%", "သုံးဆယ့်လေးဒသမငါး ရာခိုင်နှုန်း"),
        ("၃၀°C", "သုံးဆယ် ဒီဂရီ စင်တီဂရိတ်"),
        ("$၅", "ငါးဒေါ်လာ"),
        ("၅-၁၀ km", "ငါး မှ တစ်ဆယ် ကီလိုမီတာ"),
        ("၁/၂", "နှစ်ပုံတစ်ပုံ"),
        ("၁,၂၃၄", "တစ်ထောင့်နှစ်ရာ့သုံးဆယ့်လေး"),
        ("၀၂၃၀", "သုညနှစ်သုံးသုည"),
        ("123456789", "".join(ONES[d] for d in range(1, 10))),
    ],
)
def test_numbers_and_symbols_become_words(text: str, words: str) -> None:
    assert verbalize(normalize(text)).strip() == words


@given(st.text())
def test_no_digit_is_left(text: str) -> None:
    assert not any(character.isdigit() and character.isdecimal() for character in verbalize(text))


def test_real_text_has_no_digit_left(shared_data: Path) -> None:
    for split in ("dev", "devtest"):
        text = (shared_data / "flores200" / split / f"mya_Mymr.{split}").read_text("utf8")
        assert not any(character.isdigit() for character in verbalize(normalize(text)))

"""Syllables as read aloud."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.text.languages import LANGUAGES
from corpusforge.text.syllables import count_syllables, roman, script_syllables, spelled


@pytest.mark.parametrize(
    ("text", "lang", "count"),
    [
        ("中文很好，2009年", "zho_Hans", 9),
        ("增长50%", "zho_Hans", 7),
        ("上午9:30", "zho_Hans", 7),
        ("我用 Gripen", "zho_Hans", 4),
        ("BBC的WWW", "zho_Hans", 13),
        ("བོད་ཡིག་ཡག་པོ་རེད།", "bod_Tibt", 5),
        ("မြန်မာစာ", "mya_Mymr", 3),
        ("a synthetic corpus", "eng_Latn", 6),
        ("time table", "eng_Latn", 3),
        ("don't", "eng_Latn", 1),
        ("DNA", "eng_Latn", 3),
        ("l'eau", "fra_Latn", 1),
        ("ma'no", "uzn_Latn", 2),
        ("žmogus", "lit_Latn", 2),
        ("привет", "rus_Cyrl", 2),
        ("Россия", "rus_Cyrl", 3),
        ("мой", "rus_Cyrl", 1),
        ("και ούτω", "ell_Grek", 3),
        ("한국어", "kor_Hang", 3),
        ("きょう", "jpn_Jpan", 2),
        ("नमस्ते", "hin_Deva", 3),
        ("தமிழ்", "tam_Taml", 2),
        ("გამარჯობა", "kat_Geor", 4),
        ("բարեւ", "hye_Armn", 2),
        ("ሰላም", "amh_Ethi", 3),
        ("مدرسة", "arb_Arab", 3),
        ("…!", "eng_Latn", 0),
        ("", "bod_Tibt", 0),
    ],
)
def test_count_syllables(text: str, lang: str, count: int) -> None:
    assert count_syllables(text, lang) == count


def test_every_language_that_has_a_voice_is_spoken_at_a_similar_count() -> None:
    """Article 1 of the Universal Declaration has some tens of syllables in any language."""
    rows = Path(__file__).parents[1] / "speech" / "article1.tsv"
    for row in rows.read_text("utf8").splitlines():
        lang, text = row.split("\t")
        letters = sum(character.isalpha() for character in text)
        assert 0.25 < count_syllables(text, lang) / letters <= 1.0, lang


@pytest.mark.parametrize(
    ("word", "letter_by_letter"),
    [
        ("BBC", True),
        ("NASA", True),
        ("UNESCO", False),
        ("HTML", True),
        ("Xzpfqrst", True),
        ("Gripen", False),
        ("a", False),
        ("I", False),
        ("C", True),
        ("XIV", False),
    ],
)
def test_what_english_cannot_pronounce_is_spelled(word: str, letter_by_letter: bool) -> None:
    assert spelled(word) == letter_by_letter


@pytest.mark.parametrize(
    ("word", "value"), [("II", 2), ("IV", 4), ("XIV", 14), ("XXXIX", 39), ("I", None), ("IIII", None), ("MIX", None)]
)
def test_roman_numbers(word: str, value: int | None) -> None:
    assert roman(word) == value


@given(st.text(), st.sampled_from(sorted(LANGUAGES)))
def test_any_text_has_a_count(text: str, lang: str) -> None:
    count = count_syllables(text, lang)
    assert count >= 0
    assert count_syllables(text, lang) == count


@given(st.text(), st.sampled_from(["Latn", "Cyrl", "Tibt", "Mymr", "Arab", "Thai", "Common", "Armn", "Zzzz"]))
def test_any_run_has_a_count(text: str, script: str) -> None:
    assert script_syllables(script, text) >= 0

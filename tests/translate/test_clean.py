"""What every answer gets before it is checked."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.translate.clean import clean

pytest.importorskip("myanmartools", reason="the extra translate is not installed")


@pytest.mark.parametrize(
    ("answer", "cleaned"),
    [
        ("  བོད་ཡིག \n", "བོད་ཡིག"),
        ("```\nབོད་ཡིག\n```", "བོད་ཡིག"),
        ("```text\nမြန်မာ\n```", "မြန်မာ"),
        ("“བོད་ཡིག”", "བོད་ཡིག"),
        ('"Bonjour."', "Bonjour."),
        ("「你好。」", "你好。"),
        ("<think>\nThe user wants Tibetan.\n</think>\n\nབོད་ཡིག", "བོད་ཡིག"),
        ("```\n“Bonjour.”\n```", "Bonjour."),
        ("a\r\nb  \r\nc", "a\nb\nc"),
        ("\ufeffbonjour", "bonjour"),
        ("cafe\u0301", "café"),
        ("བོད་་ཡིག", "བོད་ཡིག"),
        ("\u0f40\u0f74\u0f71", unicodedata.normalize("NFC", "\u0f40\u0f71\u0f74")),
        ("မြန်မာနိုင်ငံမှာ ကျောင်းသားက\u102f\u102d", "မြန်မာနိုင်ငံမှာ ကျောင်းသားက\u102d\u102f"),
        # quotation marks that are not around all of it
        ("“好”和“坏”", "“好”和“坏”"),
        ('"A" and "B"', '"A" and "B"'),
        ("“好”", "好"),
        # Zawgyi is left as it is, to be complained of
        ("ေက်ာင္းသားမ်ား", "ေက်ာင္းသားမ်ား"),
        ("", ""),
    ],
)
def test_an_answer_is_cleaned(answer: str, cleaned: str) -> None:
    assert clean(answer) == cleaned


def test_a_quotation_stays_one() -> None:
    assert clean("“བོད་ཡིག”", source="“藏文”") == "“བོད་ཡིག”"
    assert clean('"Bonjour."', source="「你好。」") == '"Bonjour."'


texts = st.text() | st.text(alphabet='`"“”「」\n\r text~<think></think>བོད་ཡགིྱ\u0f71\u0f77\u0f79\u0f00ကေ်ြုိ\u1039\u1064၀ဝ')


@given(texts, texts)
def test_cleaning_is_idempotent(answer: str, source: str) -> None:
    once = clean(answer, source)
    assert clean(once, source) == once


@given(texts)
def test_nothing_is_left_at_the_edges(answer: str) -> None:
    assert clean(answer) == clean(answer).strip()

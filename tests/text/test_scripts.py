"""Scripts, languages and syllable counts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import SourceError
from corpusforge.text.languages import LANGUAGES, check
from corpusforge.text.scripts import runs, share
from corpusforge.text.syllables import count_syllables


@given(st.text())
def test_runs_lose_nothing_and_alternate(text: str) -> None:
    found = list(runs(text))
    assert "".join(run for _, run in found) == text
    assert all(one[0] != other[0] for one, other in itertools.pairwise(found))


def test_runs_name_scripts() -> None:
    assert list(runs("BBC 9:30 བོད། မြန်မာ 中文")) == [
        ("Latn", "BBC"),
        ("Common", " 9:30 "),
        ("Tibt", "བོད།"),
        ("Common", " "),
        ("Mymr", "မြန်မာ"),
        ("Common", " "),
        ("Hani", "中文"),
    ]


def test_share_counts_letters_only() -> None:
    assert share("中文 12, AB", "Hani") == 0.5
    assert share("12 !", "Hani") == 0.0


def test_the_list_of_languages_is_the_official_one_in_size_and_form() -> None:
    assert len(LANGUAGES) == 204
    for code, language in LANGUAGES.items():
        name, script = code.split("_")
        assert (len(name), len(script), language.code) == (3, 4, code)
        assert language.name
        assert language.bcp47


@pytest.mark.parametrize("wrong", ["tibetan", "bo", "bod", "bod_Tib", "Bod_tibt", "BOD_TIBT"])
def test_a_wrong_code_is_answered_with_the_nearest(wrong: str) -> None:
    with pytest.raises(SourceError, match=rf"^recipe.yaml:3: '{wrong}' .*'bod_Tibt' \(Standard Tibetan\)"):
        check(wrong, "recipe.yaml:3")


@pytest.mark.parametrize(
    ("text", "lang", "count"),
    [
        ("中文很好，2009年", "zho_Hans", 9),
        ("我用 Gripen", "zho_Hans", 4),
        ("བོད་ཡིག་ཡག་པོ་རེད།", "bod_Tibt", 5),
        ("မြန်မာစာ", "mya_Mymr", 3),
        ("a synthetic corpus", "eng_Latn", 6),
        ("привет", "rus_Cyrl", 2),
        ("한국어", "kor_Hang", 3),
        ("…!", "eng_Latn", 0),
    ],
)
def test_count_syllables(text: str, lang: str, count: int) -> None:
    assert count_syllables(text, lang) == count


@given(st.text(), st.sampled_from(["zho_Hans", "bod_Tibt", "mya_Mymr", "eng_Latn", "kat_Geor", "arb_Arab"]))
def test_any_text_has_a_count(text: str, lang: str) -> None:
    assert count_syllables(text, lang) >= 0

"""Numbers as values, in every writing, and found again in a translation."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusforge.text.burmese_numbers import cardinal as burmese
from corpusforge.text.chinese import cardinal as chinese
from corpusforge.text.numerals import Pool, Value, english, hanzi_value, kept, plain_digits, read, value
from corpusforge.text.tibetan_numbers import cardinal as tibetan

LANGS = ("zho_Hans", "bod_Tibt", "mya_Mymr", "eng_Latn", "arb_Arab", "fra_Latn")
SCRIPTS = ("0123456789", "༠༡༢༣༤༥༦༧༨༩", "၀၁၂၃၄၅၆၇၈၉", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９")


def is_kept(source: str, source_lang: str, answer: str, lang: str) -> list[bool]:
    own, other = Pool(source, source_lang), Pool(answer, lang)
    return [kept(numeral, own, other) for numeral in own.numerals]


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("320", "zho_Hans", {"320"}),
        ("༣༢༠", "bod_Tibt", {"320"}),
        ("၃၂၀", "mya_Mymr", {"320"}),
        ("٣٢٠", "arb_Arab", {"320"}),
        ("३२०", "hin_Deva", {"320"}),
        ("３２０", "zho_Hans", {"320"}),
        ("三百二十", "zho_Hans", {"320"}),
        ("二〇〇八", "zho_Hans", {"2008"}),
        ("3万", "zho_Hans", {"30000"}),
        ("1,000 万", "zho_Hans", {"10000000"}),
        ("1.8亿", "zho_Hans", {"180000000"}),
        ("一百五十万", "zho_Hans", {"1500000"}),
        ("1.8 million", "eng_Latn", {"1800000"}),
        ("5k", "eng_Latn", {"5000"}),
        ("1,234,567.5", "eng_Latn", {"1234567.5"}),
        ("12,34,567", "eng_Latn", {"1234567"}),
        ("1.234", "deu_Latn", {"1234", "1.234"}),
        ("10 000", "fra_Latn", {"10000"}),
        ("3.5%", "eng_Latn", {"3.5"}),
        ("20 世纪 70 年代", "zho_Hans", {"1970"}),
        ("19世纪", "zho_Hans", {"19", "1800"}),
    ],
)
def test_one_number_is_read(text: str, lang: str, expected: set[str]) -> None:
    (numeral,) = read(text, lang)
    assert numeral.readings == {value(number) for number in expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-07-01", ["2020", "07", "01"]),
        ("9:30", ["9", "30"]),
        ("7–2", ["7", "2"]),
        ("5千米", ["5"]),
        ("百分之三十", ["30"]),
    ],
)
def test_parts_are_numbers_by_themselves(text: str, expected: list[str]) -> None:
    found = [numeral for numeral in read(text, "zho_Hans") if not numeral.loose]
    assert [numeral.readings for numeral in found] == [frozenset({value(number)}) for number in expected]


@pytest.mark.parametrize("text", ["千万不要", "万一", "十分", "几十年", "三十多年", "一些", "数百人", "第一"])
def test_hanzi_that_count_nothing_exactly_are_not_demanded(text: str) -> None:
    assert all(numeral.loose for numeral in read(text, "zho_Hans"))


@given(st.integers(0, 10**12))
def test_chinese_number_words_are_read_back(number: int) -> None:
    assert hanzi_value(chinese(str(number))) == value(str(number))


@pytest.mark.parametrize("digits", SCRIPTS)
@given(number=st.integers(0, 10**15))
def test_digits_of_every_script_have_the_same_value(digits: str, number: int) -> None:
    written = str(number).translate(str.maketrans("0123456789", digits))
    assert plain_digits(written) == str(number)
    assert [one.readings for one in read(written, "eng_Latn")] == [frozenset({value(str(number))})]


@given(st.decimals(0, 10**9, allow_nan=False, places=3), st.integers(0, 9))
def test_a_value_has_one_form(number: object, zeros: int) -> None:
    assert value(f"{'0' * zeros}{number}{'0' * zeros}") == value(str(number))


@given(st.integers(11, 10**9))
def test_a_number_is_kept_in_the_words_of_each_language(number: int) -> None:
    for words, lang in ((tibetan, "bod_Tibt"), (burmese, "mya_Mymr"), (english, "eng_Latn")):
        assert is_kept(f"共{number}。", "zho_Hans", f"… {words(number)} …", lang) == [True]
    assert is_kept(f"They are {number}.", "eng_Latn", f"共{chinese(str(number))}。", "zho_Hans") == [True]


@pytest.mark.parametrize(
    ("source", "source_lang", "answer", "lang"),
    [
        ("3万人", "zho_Hans", "མི་ཁྲི་གསུམ།", "bod_Tibt"),
        ("3万人", "zho_Hans", "མི་ 30,000", "bod_Tibt"),
        ("300万", "zho_Hans", "3 million", "eng_Latn"),
        ("230 万加仑", "zho_Hans", "ဂါလံ ၂.၃ မီလီယံ", "mya_Mymr"),
        ("下午3点", "zho_Hans", "15:00", "eng_Latn"),
        ("20 世纪 70 年代", "zho_Hans", "the 1970s", "eng_Latn"),
        ("2020年7月1日", "zho_Hans", "၂၀၂၀ ခုနှစ် ဇူလိုင် ၁ ရက်", "mya_Mymr"),
        ("1,234.5", "eng_Latn", "1.234,5", "deu_Latn"),
    ],
)
def test_a_number_is_kept(source: str, source_lang: str, answer: str, lang: str) -> None:
    demanded = [not numeral.loose for numeral in read(source, source_lang)]
    assert all(
        found for found, needed in zip(is_kept(source, source_lang, answer, lang), demanded, strict=True) if needed
    )


@pytest.mark.parametrize(
    ("source", "source_lang", "answer", "lang"),
    [
        ("3万人", "zho_Hans", "3,000", "eng_Latn"),
        ("3万人", "zho_Hans", "མི་ 3000", "bod_Tibt"),
        ("320元", "zho_Hans", "ကျပ် ၃၂၁", "mya_Mymr"),
        ("1966", "zho_Hans", "၁၉၉၆", "mya_Mymr"),
        ("2.6%", "eng_Latn", "25%", "fra_Latn"),
    ],
)
def test_a_changed_number_is_not_kept(source: str, source_lang: str, answer: str, lang: str) -> None:
    assert not any(is_kept(source, source_lang, answer, lang))


@pytest.mark.parametrize("lang", LANGS)
@given(text=st.text() | st.text(alphabet="0123456789.,:-–%万亿百千一二三十〇点世纪年代月 ༡༢၃၄"))
@example(text="5.0.0千")
@example(text="〇〇十")
def test_every_text_is_read_and_keeps_its_own_numbers(lang: str, text: str) -> None:
    pool = Pool(text, lang)
    assert all(kept(numeral, pool, pool) for numeral in pool.numerals)


def test_a_value_scales() -> None:
    assert value("1.80").times(8) == Value("18", 7) == value("180000000")
    assert value("0").times(6) == value("000") == Value("", 0)
    assert value("2.5").whole() is None

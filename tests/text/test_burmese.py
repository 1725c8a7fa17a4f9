"""Burmese text: order of marks, syllables, numbers in words."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusforge.text.burmese import ONES, cardinal, normalize, number, ordinal, syllables, verbalize

burmese_text = st.text(alphabet=[*(chr(code) for code in range(0x1000, 0x1050)), " ", "-", ",", ".", "1", "%"])
any_myanmar = st.text(alphabet=[chr(code) for code in (*range(0x1000, 0x10A0), *range(0xA9E0, 0xAA00), 0x20, 0x200B)])


@pytest.fixture(scope="module")
def flores(shared_data: Path) -> str:
    files = [shared_data / "flores200" / split / f"mya_Mymr.{split}" for split in ("dev", "devtest")]
    return "".join(file.read_text("utf8") for file in files)


# --- normalize ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ကို", "ကို"),
        ("က\u102f\u102d", "က\u102d\u102f"),
        ("န\u103a\u1037", "န\u1037\u103a"),
        ("လ\u103e\u103b", "လ\u103b\u103e"),
        ("ပ\u1036\u102f", "ပ\u102f\u1036"),
        ("က\u102d\u102d", "က\u102d"),
        ("က\u200bာ", "ကာ"),
        (" \u1031က", " က\u1031"),
        ("ဥ်", "ဉ်"),
        ("ဥာဏ်", "ဉာဏ်"),
        ("ဥ\u102e", "ဦ"),
        ("စျေး", "ဈေး"),
        ("သြဂုတ်", "ဩဂုတ်"),
        ("သြော်", "ဪ"),
        ("၄င်း", "၎င်း"),
        ("က\u102e\u102f", "ကို"),
        ("သဘောၤ", "သင်္ဘော"),
        ("၁ဝ", "၁၀"),
        ("၂ဝ၁ဝ ခု", "၂၀၁၀ ခု"),
        ("၀ါ", "ဝါ"),
        ("၀န်ကြီး", "ဝန်ကြီး"),
        ("သစ်သီး၀လံ", "သစ်သီးဝလံ"),
        ("၇ွာ", "ရွာ"),
    ],
)
def test_normalize_gives_one_spelling(wrong: str, right: str) -> None:
    assert normalize(wrong) == right


@pytest.mark.parametrize(
    "text", ["ကျွန်ုပ်", "ယောက်ျား", "လက်ျာ", "အင်္ဂလိပ်", "၁၀ ခု", "၅ဝတ်စုံ", "အပူချိန်၀ဒီဂရီ", "၂၀၄င်း", "၇နာရီ", "ဩစတြေးလျ", "အံ့ဩ"]
)
def test_normalize_leaves_what_is_right(text: str) -> None:
    assert normalize(text) == unicodedata.normalize("NFC", text)


@given(burmese_text | any_myanmar | st.text())
def test_normalize_is_idempotent(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)
    assert unicodedata.is_normalized("NFC", normalize(text))


# --- syllables ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("မြန်မာ", ["မြန်", "မာ"]),
        ("သတ္တဝါ", ["သတ်", "တ", "ဝါ"]),
        ("အင်္ဂလိပ်", ["အင်", "ဂ", "လိပ်"]),
        ("ကျောင်းသား", ["ကျောင်း", "သား"]),
        ("ဥပမာ", ["ဥ", "ပ", "မာ"]),
        ("ကောင်းပါသည်။", ["ကောင်း", "ပါ", "သည်"]),
        ("ဘတ်စ်ကား", ["ဘတ်စ်", "ကား"]),
        ("အင်္ဂလိရှ်", ["အင်", "ဂ", "လိရှ်"]),
        ("ကာ့တ်", ["ကာ့တ်"]),
        ("သူ၏", ["သူ", "၏"]),
        ("၁၀၀ ABC", []),
    ],
)
def test_syllables(text: str, expected: list[str]) -> None:
    assert syllables(text) == expected


@given(burmese_text | any_myanmar)
def test_syllables_lose_no_letter(text: str) -> None:
    """But for virama, which becomes asat."""

    def letters(burmese: str) -> list[str]:
        kinds = [(c, unicodedata.category(c)) for c in burmese]
        return [c for c, kind in kinds if kind in ("Lo", "Mc", "Mn") and c not in "\u1039\u103a"]

    assert letters("".join(syllables(text))) == letters(text)


def test_syllables_of_real_text_begin_with_a_letter(flores: str) -> None:
    found = syllables(normalize(flores))
    assert len(found) > 90_000
    orphans = [syllable for syllable in found if unicodedata.category(syllable[0]) not in ("Lo", "Po")]
    assert len(orphans) <= 5, orphans  # the source has a few marks that no letter carries


# --- numbers -----------------------------------------------------------------------------------------------------


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


def test_a_negative_number_has_no_cardinal() -> None:
    with pytest.raises(ValueError, match="sign"):
        cardinal(-1)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_different_numbers_have_different_words(one: int, other: int) -> None:
    assert (cardinal(one) == cardinal(other)) == (one == other)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("1,234", "တစ်ထောင့်နှစ်ရာ့သုံးဆယ့်လေး"),
        ("2.05", "နှစ်ဒသမသုညငါး"),
        ("1.2.3", "တစ်ဒသမနှစ်ဒသမသုံး"),
        ("0230", "သုညနှစ်သုံးသုည"),
        ("123456789", "".join(ONES[digit] for digit in range(1, 10))),
        ("123,456,789", cardinal(123_456_789)),
    ],
)
def test_written_numbers(written: str, words: str) -> None:
    assert number(written) == words


def test_ordinals_are_pali_up_to_ten() -> None:
    assert [ordinal(1), ordinal(10), ordinal(11)] == ["ပထမ", "ဒသမ", "ဆယ့်တစ်ခုမြောက်"]


# --- verbalize ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("၉:၃၀ နာရီ", "ကိုးနာရီ သုံးဆယ်မိနစ်"),
        ("၁၁:၀၀", "ဆယ့်တစ်နာရီ"),
        ("၁၀:၁၀", "ဆယ်နာရီ ဆယ်မိနစ်"),
        ("၁၂.၀၀ နာရီ", "ဆယ့်နှစ်နာရီ"),
        ("5:00 pm", "ညနေ ငါးနာရီ"),
        ("မနက် 5 am", "မနက် ငါးနာရီ"),
        ("၀၂၃၀ UTC", "နှစ်နာရီ သုံးဆယ်မိနစ် UTC"),
        ("၄:၄၁.၃၀", "လေးမိနစ် လေးဆယ့်တစ်ဒသမသုံးသုည စက္ကန့်"),
        ("2020-07-01", "နှစ်ထောင့်နှစ်ဆယ် ခုနှစ် ဇူလိုင်လ တစ်ရက်"),
        ("1/7/2020", "နှစ်ထောင့်နှစ်ဆယ် ခုနှစ် ဇူလိုင်လ တစ်ရက်"),
        ("7/31/2020", "နှစ်ထောင့်နှစ်ဆယ် ခုနှစ် ဇူလိုင်လ သုံးဆယ့်တစ်ရက်"),
        ("34.5%", "သုံးဆယ့်လေးဒသမငါး ရာခိုင်နှုန်း"),
        ("၃% ရာခိုင်နှုန်း", "သုံး ရာခိုင်နှုန်း"),
        ("3‰", "တစ်ထောင်ပုံ သုံးပုံ"),
        ("၃၀°C", "သုံးဆယ် ဒီဂရီ စင်တီဂရိတ်"),
        ("၃၀℃", "သုံးဆယ် ဒီဂရီ စင်တီဂရိတ်"),
        ("-၅°F", "အနုတ် ငါး ဒီဂရီ ဖာရင်ဟိုက်"),
        ("၃၅°W", "သုံးဆယ့်ငါး ဒီဂရီ W"),
        ("$၅", "ငါးဒေါ်လာ"),
        ("$၁၀၀", "ဒေါ်လာ တစ်ရာ"),
        ("$၂.၃ ဘီလီယံ", "ဒေါ်လာ နှစ်ဒသမသုံး ဘီလီယံ"),
        ("US$၁၁,၀၀၀", "အမေရိကန်ဒေါ်လာ တစ်သောင်းတစ်ထောင်"),
        ("၅€", "ငါးယူရို"),
        ("£၂၇", "နှစ်ဆယ့်ခုနစ်ပေါင်"),
        ("၅-၁၀ km", "ငါး မှ တစ်ဆယ် ကီလိုမီတာ"),
        ("၁၉၉၅-၉၆", "တစ်ထောင့်ကိုးရာ့ကိုးဆယ့်ငါး မှ ကိုးဆယ့်ခြောက်"),
        ("၇-၂", "ခုနစ် နှစ်"),
        ("၁၆၀km/h", "တစ်နာရီ တစ်ရာ့ခြောက်ဆယ် ကီလိုမီတာ"),
        ("တစ်နာရီလျှင် ၈၃ km/h", "တစ်နာရီလျှင် ရှစ်ဆယ့်သုံး ကီလိုမီတာ"),
        ("၃၈၅၀ km²", "သုံးထောင့်ရှစ်ရာ့ငါးဆယ် စတုရန်း ကီလိုမီတာ"),
        ("၅ kg", "ငါး ကီလိုဂရမ်"),
        ("၈၀၂.၁၁g", "ရှစ်ရာ့နှစ်ဒသမတစ်တစ် g"),
        ("၁/၅", "ငါးပုံတစ်ပုံ"),
        ("၂၄½", "နှစ်ဆယ့်လေးခွဲ"),
        ("၃:၂", "သုံး အချိုး နှစ်"),
        ("၄ x ၄", "လေး အမြှောက် လေး"),
        ("၁၇th-ရာစု", "ဆယ့်ခုနစ်ရာစု"),
        ("2nd", "ဒုတိယ"),
        ("၁၉၃၀s", "တစ်ထောင့်ကိုးရာ့သုံးဆယ် ပြည့်လွန်နှစ်များ"),
        ("၁,၂၃၄", "တစ်ထောင့်နှစ်ရာ့သုံးဆယ့်လေး"),
        ("09-123-4567", "".join(ONES[int(digit)] for digit in "091234567")),
        ("၃၉C", "သုံးဆယ့်ကိုး C"),
        ("UTC+၁", "UTC အပေါင်း တစ်"),
        ("သူ၏/သူမ၏", "သူ၏ သို့မဟုတ် သူမ၏"),
        ("နှင့်/သို့မဟုတ်", "နှင့် သို့မဟုတ်"),
        ("၅m / x", "ငါး မီတာ သို့မဟုတ် x"),
        ("က//ခ", "က သို့မဟုတ် ခ"),
        ("a/b", "a/b"),
        ("က & ခ", "က  နှင့်  ခ"),
        ("３ ๓", "သုံး သုံး"),
    ],
)
def test_numbers_and_symbols_become_words(text: str, words: str) -> None:
    assert verbalize(normalize(text)) == words


@given(st.text())
def test_no_digit_is_left(text: str) -> None:
    assert not any(character.isdigit() and character.isdecimal() for character in verbalize(text))


@given(burmese_text | st.text(alphabet="0123456789.,:/-–$€%° xkmths½²C၁၅က"))
@example("0m /")
@example("3///½k3")
def test_verbalize_changes_nothing_of_its_own_result(text: str) -> None:
    once = verbalize(normalize(text))
    assert verbalize(once) == once


def test_real_text_has_no_digit_and_no_symbol_left(flores: str) -> None:
    words = verbalize(normalize(flores))
    assert not any(character.isdigit() for character in words)
    assert not set("%$£°²½¾+=") & set(words)


def test_text_without_numbers_stays_as_it_is(flores: str) -> None:
    plain = [line for line in normalize(flores).split("\n") if not any(c.isdigit() or c in "/%$£°+=&@½¾" for c in line)]
    assert len(plain) > 1000
    assert all(verbalize(line) == line for line in plain)

"""Chinese numbers and symbols in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.text.chinese import DIGITS, cardinal, normalize, verbalize


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "零"),
        ("10", "十"),
        ("12", "十二"),
        ("110", "一百一十"),
        ("1005", "一千零五"),
        ("10005", "一万零五"),
        ("10500", "一万零五百"),
        ("100000", "十万"),
        ("1000001", "一百万零一"),
        ("100000000", "一亿"),
        ("1203000045", "十二亿零三百万零四十五"),
        ("1" + "0" * 12, "一万亿"),
        ("2000", "两千"),
        ("200", "二百"),
        ("22222", "两万二千二百二十二"),
        ("20000", "两万"),
        ("200000000", "两亿"),
    ],
)
def test_cardinals(digits: str, words: str) -> None:
    assert cardinal(digits) == words


_VALUES = {"十": 10, "百": 100, "千": 1000}


def value(words: str) -> int:
    """The number that words say: an inverse written independently of `cardinal`."""
    total = group = digit = 0
    number = 0
    for place, word in enumerate(words):
        if word in DIGITS or word == "两":
            digit = 2 if word == "两" else DIGITS.index(word)
        elif word in _VALUES:
            group += (digit or (1 if place == 0 or words[place - 1] in "零万亿" else 0)) * _VALUES[word]
            digit = 0
        elif word == "万" and words[place + 1 : place + 2] == "亿":
            number, group, digit = number + (group + digit) * 10**12, 0, 0
        elif word in "万亿" and words[place - 1] != "万":
            total, group, digit = total + (group + digit) * (10**4 if word == "万" else 10**8), 0, 0
    return number + total + group + digit


@given(st.integers(0, 10**16 - 1))
def test_words_say_the_number(number: int) -> None:
    assert value(cardinal(str(number))) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2009年", "二零零九年"),
        ("2009-07-05", "二零零九年七月五日"),
        ("上午 9:30", "上午 九点三十分"),
        ("09:05", "九点零五分"),
        ("9:00", "九点"),
        ("26:0", "二十六比零"),
        ("34.5%", "百分之三十四点五"),
        ("５０％", "百分之五十"),
        ("5-10%", "百分之五至十"),
        ("30℃", "三十摄氏度"),
        ("-5°C", "零下五摄氏度"),
        ("90°", "九十度"),
        ("$5万", "五万美元"),
        ("US$1,200", "一千二百美元"),
        ("约 5-10 km", "约 五至十公里"),
        ("160 km/h", "一百六十公里每小时"),
        ("1/2", "二分之一"),
        ("2个人", "两个人"),
        ("第2名", "第二名"),
        ("12个", "十二个"),
        ("0230", "零二三零"),
        ("100,000,000", "一亿"),
        ("1995-96赛季", "一九九五至九六赛季"),
        ("（1894-1895 年）", "（一八九四至一八九五 年）"),
        ("(1469-1539)", "(一四六九至一五三九)"),
        ("1368年-1644年", "一三六八年至一六四四年"),
        ("《天使》(2006)", "《天使》(二零零六)"),
        ("1368年", "一三六八年"),
        ("3500 年前", "三千五百 年前"),
        ("1400年前", "一千四百年前"),
        ("1000年", "一千年"),
        ("2000年", "二零零零年"),
        ("July 4, 1776", "July 四, 一七七六"),
        ("15.00 UTC", "十五点 UTC"),
        ("4:41.30 分钟", "四分四十一点三零秒"),
        ("比分 7-2。", "比分 七比二。"),
        ("26 - 00", "二十六比零"),
        ("5-6级", "五至六级"),
        ("010-62770334", "零一零，六二七七零三三四"),
        ("400-800-1234", "四零零，八零零，一二三四"),
        ("版本1.2.3", "版本一点二点三"),
        ("802.11n", "八零二点一一n"),
        ("CG4684 次", "CG四六八四 次"),
        ("H5N1", "H五N一"),
        ("36x24mm", "三十六乘二十四毫米"),
        ("3136 mm2", "三千一百三十六平方毫米"),
        ("5 km²", "五平方公里"),
        ("2.4Ghz", "二点四吉赫"),
        ("600Mbit/s", "六百兆比特每秒"),
        ("64 公里/小时", "六十四 公里每小时"),
        ("29¾ 英寸", "二十九又四分之三 英寸"),
        ("½", "二分之一"),
        ("2000名", "两千名"),
        ("１２３", "一百二十三"),
        ("③", "三"),
        ("Ⅳ", "IV"),
        ("86°F", "八十六华氏度"),
        ("€20", "二十欧元"),
        ("5‰", "千分之五"),
        ("300 mph", "三百英里每小时"),
        ("1×2=2", "一乘二等于二"),
        ("A&B", "A和B"),
        ("-3", "负三"),
    ],
)
def test_numbers_and_symbols_become_words(text: str, words: str) -> None:
    assert verbalize(normalize(text)) == words


@given(st.text())
def test_no_digit_is_left(text: str) -> None:
    assert not any(character.isdecimal() for character in verbalize(normalize(text)))


def test_real_text_has_no_digit_or_per_cent_left(shared_data: Path) -> None:
    for split in ("dev", "devtest"):
        words = verbalize(normalize((shared_data / "flores200" / split / f"zho_Hans.{split}").read_text("utf8")))
        assert not any(character.isdigit() or character in "%℃$" for character in words)


def test_normalize_makes_one_width_and_keeps_punctuation() -> None:
    assert normalize("ＡＢＣ１２，人々（。") == "ABC12，人人（。"


def test_a_zero_of_another_script_is_a_zero() -> None:
    assert (verbalize("༠"), verbalize("༡༠")) == ("零", "十")

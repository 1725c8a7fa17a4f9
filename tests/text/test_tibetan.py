"""Tibetan text: spelling, syllables, and what numbers and symbols become."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusforge.text.tibetan import normalize, syllables, verbalize
from corpusforge.text.tibetan_numbers import LARGEST, cardinal, spoken

# Text as it comes: Tibetan letters, signs, digits and marks, ASCII, and whatever else Unicode has.
TEXT = st.text(
    st.one_of(
        st.characters(min_codepoint=0x0F00, max_codepoint=0x0FDA),
        st.sampled_from("0123456789.,:;/-–+$€£¥%°²½¾@&=×CFkmhxpa ༠༡༩་།"),
        st.characters(),
    ),
    max_size=40,
)


def flores(folder: Path) -> list[str]:
    files = [folder / "flores200" / split / f"bod_Tibt.{split}" for split in ("dev", "devtest")]
    return [line for file in files for line in file.read_text("utf8").split("\n") if line]


class TestNormalize:
    @given(TEXT)
    def test_twice_is_once_and_the_result_is_nfc(self, text: str) -> None:
        once = normalize(text)
        assert normalize(once) == once
        assert unicodedata.is_normalized("NFC", once)

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("\u0f43", "\u0f42\u0fb7"),  # GHA is excluded from composition
            ("\u0f40\u0f73", "\u0f40\u0f71\u0f72"),
            ("\u0f40\u0f72\u0f71", "\u0f40\u0f71\u0f72"),  # typed the other way round
            ("\u0f56\u0f77", "\u0f56\u0fb2\u0f71\u0f80"),  # deprecated
            ("\u0f58\u0fb0", "\u0f58\u0f71"),
            ("\u0f6a\u0f7a\u0f66", "རེས"),
            ("\u0f4c\u0fbc", "\u0f4c\u0fb2"),
            ("\u0f00", "ཨོཾ"),
            ("བོད\u0f0cཡིག", "བོད་ཡིག"),
            ("བྱེ\u0f7aད་་པ", "བྱེད་པ"),
            ("བོད\u200bཡིག\ufeff", "བོདཡིག"),
            (" བོད\u00a0\n ཡིག ", "བོད ཡིག"),
        ],
    )
    def test_one_spelling(self, written: str, expected: str) -> None:
        assert normalize(written) == expected


class TestSyllables:
    def test_tsheg_space_and_shad_part_them(self) -> None:
        assert syllables("བོད་ཀྱི་སྐད་ཡིག།  བཀྲ་ཤིས༎ BBC ༡༢") == ["བོད", "ཀྱི", "སྐད", "ཡིག", "བཀྲ", "ཤིས"]

    @given(TEXT)
    def test_only_letters_and_signs(self, text: str) -> None:
        assert all(re.fullmatch("[\u0f35\u0f37\u0f39\u0f40-\u0fbc]+", syllable) for syllable in syllables(text))


# An independent reader of number words, to check `cardinal` against.
UNITS = {"གཅིག": 1, "གཉིས": 2, "གསུམ": 3, "བཞི": 4, "ལྔ": 5, "དྲུག": 6, "བདུན": 7, "བརྒྱད": 8, "དགུ": 9}
COUNTS = {**UNITS, "ཆིག": 1, "ཉིས": 2, "སུམ": 3}
LINKED = {"རྩ": 20, "སོ": 30, "ཞེ": 40, "ང": 50, "རེ": 60, "དོན": 70, "གྱ": 80, "གོ": 90}
TENS = {
    "ཉི་ཤུ": 20, "སུམ་ཅུ": 30, "བཞི་བཅུ": 40, "ལྔ་བཅུ": 50, "དྲུག་ཅུ": 60, "བདུན་ཅུ": 70, "བརྒྱད་ཅུ": 80, "དགུ་བཅུ": 90, "བཅུ": 10,
}  # fmt: skip
BIG = {
    "ཐེར་འབུམ": 10**9, "དུང་ཕྱུར": 10**8, "བྱེ་བ": 10**7, "ས་ཡ": 10**6, "འབུམ": 10**5, "ཁྲི": 10**4,
}  # fmt: skip


def value(words: str) -> int:
    """The number that words name: powers of ten from the largest down, each with its count behind or before it."""
    for name, power in BIG.items():
        if words.startswith(name + "་"):
            rest = words[len(name) + 1 :]
            if power == 10**9:  # its count may itself be large: the longest count that leaves a smaller number
                parts = rest.split("་")
                for cut in range(len(parts), 0, -1):
                    count, tail = value("་".join(parts[:cut])), "་".join(parts[cut:])
                    if count >= 0 and (not tail or 0 < value(tail.removeprefix("དང་")) < power) and count < 1000:
                        return count * power + (value(tail.removeprefix("དང་")) if tail else 0)
                return -1
            digit, _, tail = rest.partition("་")
            return UNITS[digit] * power + (value(tail.removeprefix("དང་")) if tail else 0)
    match = re.fullmatch(
        "(?:(?P<thousands>[^་]+)་སྟོང(?:་|$))?(?:(?:(?P<hundreds>[^་]+)་)?(?P<hundred>བརྒྱ)(?:་|$))?(?:དང་)?(?P<rest>.*)",
        words,
    )
    assert match is not None
    total = COUNTS.get(match["thousands"] or "", 0) * 1000
    total += COUNTS[match["hundreds"]] * 100 if match["hundreds"] else 100 if match["hundred"] else 0
    rest = match["rest"]
    if not rest:
        return total
    if rest in UNITS:
        return total + UNITS[rest]
    if rest in TENS:
        return total + TENS[rest]
    if rest in ("བཅོ་ལྔ", "བཅོ་བརྒྱད"):
        return total + {"བཅོ་ལྔ": 15, "བཅོ་བརྒྱད": 18}[rest]
    if rest.startswith("བཅུ་"):
        return total + 10 + UNITS[rest.removeprefix("བཅུ་")]
    tens, link, ones = rest.rsplit("་", 2)
    assert TENS[tens] == LINKED[link]
    return total + TENS[tens] + UNITS[ones]


class TestNumbers:
    @given(st.integers(1, 10**9 - 1))
    def test_the_words_name_the_number(self, number: int) -> None:
        assert value(cardinal(number)) == number

    @given(st.lists(st.integers(0, LARGEST), min_size=2, max_size=2, unique=True))
    def test_two_numbers_have_different_words(self, numbers: list[int]) -> None:
        assert cardinal(numbers[0]) != cardinal(numbers[1])

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (0, "ཀླད་ཀོར"),
            (15, "བཅོ་ལྔ"),
            (18, "བཅོ་བརྒྱད"),
            (20, "ཉི་ཤུ"),
            (21, "ཉི་ཤུ་རྩ་གཅིག"),
            (32, "སུམ་ཅུ་སོ་གཉིས"),
            (99, "དགུ་བཅུ་གོ་དགུ"),
            (100, "བརྒྱ"),
            (110, "བརྒྱ་དང་བཅུ"),
            (250, "ཉིས་བརྒྱ་ལྔ་བཅུ"),
            (1959, "ཆིག་སྟོང་དགུ་བརྒྱ་ལྔ་བཅུ་ང་དགུ"),
            (2008, "ཉིས་སྟོང་དང་བརྒྱད"),
            (12345, "ཁྲི་གཅིག་ཉིས་སྟོང་སུམ་བརྒྱ་བཞི་བཅུ་ཞེ་ལྔ"),
            (10**9, "ཐེར་འབུམ་གཅིག"),
            (12 * 10**9 + 5, "ཐེར་འབུམ་བཅུ་གཉིས་དང་ལྔ"),
        ],
    )
    def test_forms(self, number: int, words: str) -> None:
        assert cardinal(number) == words

    @pytest.mark.parametrize("number", [-1, LARGEST + 1])
    def test_out_of_range_says_what_to_use(self, number: int) -> None:
        with pytest.raises(ValueError, match="digits"):
            cardinal(number)

    def test_long_and_zero_led_numbers_are_read_digit_by_digit(self) -> None:
        assert spoken("13800138000") == "་".join(cardinal(int(digit)) for digit in "13800138000")
        assert spoken("007") == "ཀླད་ཀོར་ཀླད་ཀོར་བདུན"
        assert spoken("13,800,138,000") == cardinal(13_800_138_000)


class TestVerbalize:
    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ("༢༠༠༨ལོར", "ཉིས་སྟོང་དང་བརྒྱད་ལོར"),
            ("2008ཀྱི", "ཉིས་སྟོང་དང་བརྒྱད་ཀྱི"),
            ("ཟླ7པའི", "ཟླ་བདུན་པའི"),
            ("20འི", "ཉི་ཤུའི"),
            ("10འི", "བཅུའི"),
            ("11འི", "བཅུ་གཅིག་འི"),
            ("1པའི", "དང་པོའི"),
            ("2.3", "གཉིས་དང་ཚེག་གསུམ"),
            ("1,234", "ཆིག་སྟོང་ཉིས་བརྒྱ་སུམ་ཅུ་སོ་བཞི"),
            ("1,00,000", "འབུམ་གཅིག"),
            ("9:30", "ཆུ་ཚོད་དགུ་དང་སྐར་མ་སུམ་ཅུ"),
            ("ཆུ་ཚོད་9:30", "ཆུ་ཚོད་དགུ་དང་སྐར་མ་སུམ་ཅུ"),
            ("5am", "ཞོགས་པའི་ཆུ་ཚོད་ལྔ"),
            ("ཞོགས་པའི་ཆུ་ཚོད་5am", "ཞོགས་པའི་ཆུ་ཚོད་ལྔ"),
            ("9:19pm", "དགོང་མོའི་ཆུ་ཚོད་དགུ་དང་སྐར་མ་བཅུ་དགུ"),
            ("4:41.30", "སྐར་མ་བཞི་དང་སྐར་ཆ་བཞི་བཅུ་ཞེ་གཅིག་དང་ཚེག་གསུམ་ཀླད་ཀོར"),
            ("10–60", "བཅུ་ནས་དྲུག་ཅུ་བར"),
            ("2-3བར", "གཉིས་ནས་གསུམ་བར"),
            ("5-3རྒྱལ", "ལྔ་དང་གསུམ་རྒྱལ"),
            ("3:2", "གསུམ་བསྡུར་གཉིས"),
            ("010-6552-9988", "་".join(cardinal(int(digit)) for digit in "01065529988")),
            ("80%", "བརྒྱ་ཆ་བརྒྱད་ཅུ"),
            ("བརྒྱ་ཆ་80%", "བརྒྱ་ཆ་བརྒྱད་ཅུ"),
            ("$5", "ཨ་སྒོར་ལྔ"),
            ("5€", "ཡོ་སྒོར་ལྔ"),
            ("£5", "དབྱིན་སྒོར་ལྔ"),
            ("¥5", "སྒོར་མོ་ལྔ"),
            ("ཨ་སྒོར་ས་ཡ་$5", "ཨ་སྒོར་ས་ཡ་ལྔ"),
            ("30°C", "ཧྲེ་ཧྲི་དྲོད་ཚད་སུམ་ཅུ"),
            ("30℃", "ཧྲེ་ཧྲི་དྲོད་ཚད་སུམ་ཅུ"),
            ("-5°C", "ཧྲེ་ཧྲི་དྲོད་ཚད་འཐེན་ལྔ"),
            ("35°", "ཏུའུ་སུམ་ཅུ་སོ་ལྔ"),
            ("12 km", "ཀི་ལོ་མི་ཊར་བཅུ་གཉིས"),
            ("ཀིལོམིཊར་12km", "ཀིལོམིཊར་བཅུ་གཉིས"),
            ("12km²", "ཀི་ལོ་མི་ཊར་གྲུ་བཞི་མ་བཅུ་གཉིས"),
            ("160km/h", "ཆུ་ཚོད་རེར་ཀི་ལོ་མི་ཊར་བརྒྱ་དང་དྲུག་ཅུ"),
            ("90kg", "སྤྱི་རྒྱ་དགུ་བཅུ"),
            ("1/5", "ལྔ་ཆ་གཅིག"),
            ("24½", "ཉི་ཤུ་རྩ་བཞི་དང་ཕྱེད་ཀ"),
            ("4x4", "བཞི་སྒྱུར་བཞི"),
            ("1+2=3", "གཅིག་སྣོན་གཉིས་མཉམ་གསུམ"),
            ("ཀ&ཁ", "ཀ་དང་ཁ"),
            ("མི་ཊར/ཡརཌ", "མི་ཊར་ཡང་ན་ཡརཌ"),
            ("10th", "བཅུ་པ"),
            ("2020-07-01", "སྤྱི་ལོ་ཉིས་སྟོང་དང་ཉི་ཤུ་ལོའི་ཟླ་བ་བདུན་པའི་ཚེས་གཅིག"),
            ("1/7/2020", "སྤྱི་ལོ་ཉིས་སྟོང་དང་ཉི་ཤུ་ལོའི་ཟླ་བ་བདུན་པའི་ཚེས་གཅིག"),
            ("7/31/2020", "སྤྱི་ལོ་ཉིས་སྟོང་དང་ཉི་ཤུ་ལོའི་ཟླ་བ་བདུན་པའི་ཚེས་སུམ་ཅུ་སོ་གཅིག"),
            ("H5N1", "H ལྔ N གཅིག"),
            ("ཏོག་དབྱིབས་-19", "ཏོག་དབྱིབས་-བཅུ་དགུ"),
            ("①②", "གཅིག གཉིས"),
            ("BBC ལ།", "BBC ལ།"),
        ],
    )
    def test_rules(self, written: str, said: str) -> None:
        assert verbalize(written) == said

    @given(TEXT)
    @example("0/&")  # a slash between what becomes words
    @example("㌀")  # a square form that opens into letters and spaces
    def test_of_any_text_twice_is_once_and_no_digit_is_left(self, text: str) -> None:
        said = verbalize(text)
        assert verbalize(said) == said
        assert not re.search(r"\d", said)

    def test_leaves_no_digit_or_known_symbol_in_flores(self, shared_data: Path) -> None:
        for sentence in flores(shared_data):
            assert not re.search(r"[\d%$¥°²½¾+]", verbalize(sentence)), sentence

"""Numbers as Burmese words.

Burmese counts in powers of ten, each with a name of its own up to သန်း (10^6). A power that more follows takes the
creaky tone of its linking form: ဆယ့် ရာ့ ထောင့် (နှစ်ဆယ့်တစ် 21, but နှစ်ဆယ် 20). Eleven to nineteen have no "one" before ten.
From ten million on a round number of millions is counted after the word, as all round counts are: သန်းနှစ်ဆယ့်ငါး.

Source: J. Okell, A Reference Grammar of Colloquial Burmese (1969), part 1, on numerals; Wiktionary's table of Burmese
numerals.
"""

from __future__ import annotations

ONES = ("သုည", "တစ်", "နှစ်", "သုံး", "လေး", "ငါး", "ခြောက်", "ခုနစ်", "ရှစ်", "ကိုး")
MILLION = "သန်း"
POINT = "ဒသမ"
_POWERS = (
    (100_000, "သိန်း", "သိန်း"),
    (10_000, "သောင်း", "သောင်း"),
    (1000, "ထောင်", "ထောင့်"),
    (100, "ရာ", "ရာ့"),
    (10, "ဆယ်", "ဆယ့်"),
)
_ORDINALS = ("", "ပထမ", "ဒုတိယ", "တတိယ", "စတုတ္ထ", "ပဉ္စမ", "ဆဋ္ဌမ", "သတ္တမ", "အဋ္ဌမ", "နဝမ", "ဒသမ")
_TELEPHONE = 9
"""From so many digits without commas on, a number is a telephone number or an id."""
_LONGEST = 15


def cardinal(value: int) -> str:
    """A whole number in words: `cardinal(2009)` is နှစ်ထောင့်ကိုး, `cardinal(11)` ဆယ့်တစ်.

    Raises:
        ValueError: The number is negative.
    """
    if value < 0:
        raise ValueError(f"cardinal() names 0 and up, got {value:,}: say the sign by itself")
    if value == 0:
        return ONES[0]
    if value >= 1_000_000:
        millions, rest = divmod(value, 1_000_000)
        if not rest and millions >= 10:
            return MILLION + cardinal(millions)
        return cardinal(millions) + MILLION + (cardinal(rest) if rest else "")
    words = ""
    for power, alone, linked in _POWERS:
        digit, value = divmod(value, power)
        if digit:
            one = "" if power == 10 and digit == 1 and (value or words) else ONES[digit]
            words += one + (linked if value else alone)
    return words + (ONES[value] if value else "")


def spelled(digits: str) -> str:
    """Digit by digit: `spelled("05")` is သုညငါး. What is no ASCII digit is passed over."""
    return "".join(ONES[int(digit)] for digit in digits if digit in "0123456789")


def number(text: str) -> str:
    """A number as it is written, `1,234.5`, in words.

    Read digit by digit: a number that begins with a zero, one of nine or more digits without commas, one of more than
    fifteen, and what follows a decimal point. In a number with several points (a version) each part is read by itself.

    Args:
        text: ASCII digits, with any `,` and `.` between them.
    """
    whole, *parts = text.replace(",", "").split(".")
    long = (len(whole) >= _TELEPHONE and "," not in text) or len(whole) > _LONGEST
    words = spelled(whole) if long or (len(whole) > 1 and whole.startswith("0")) else cardinal(int(whole))
    if len(parts) == 1:
        return words + POINT + spelled(parts[0])
    return POINT.join([words, *(number(part) for part in parts)])


def ordinal(value: int) -> str:
    """The Pali ordinals up to ten, ပထမ ဒုတိယ, then the cardinal with ခုမြောက်."""
    return _ORDINALS[value] if 0 < value < len(_ORDINALS) else f"{cardinal(value)}ခုမြောက်"


def fraction(over: int, under: int) -> str:
    """`fraction(2, 3)` is သုံးပုံနှစ်ပုံ, "of three parts two"."""
    return f"{cardinal(under)}ပုံ{cardinal(over)}ပုံ"

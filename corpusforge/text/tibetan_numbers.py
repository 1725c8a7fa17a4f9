"""Numbers as Tibetan words.

Standard Tibetan counts in powers of ten, each with a name of its own up to ཐེར་འབུམ (10^9). Three things are special:

- 15 and 18 change the vowel of ten: བཅོ་ལྔ, བཅོ་བརྒྱད.
- 21 to 99 link ten and unit with a syllable that belongs to the ten: ཉི་ཤུ་རྩ་གཅིག (21), སུམ་ཅུ་སོ་གཉིས (32).
- 1, 2 and 3 before སྟོང and བརྒྱ are ཆིག, ཉིས and སུམ: ཉིས་སྟོང (2,000). From ཁྲི (10^4) on the count follows the name: ཁྲི་གཉིས.

དང "and" joins where a power of ten is left out (ཉིས་སྟོང་དང་བརྒྱད, 2008) and after a bare བརྒྱ (བརྒྱ་དང་བཅུ, 110).

Source: N. Tournadre and S. Dorje, Manual of Standard Tibetan, on numbers; Wiktionary's table of Tibetan numerals.
"""

from __future__ import annotations

TSHEG = "\u0f0b"
AND = "དང"
POINT = "ཚེག"
LARGEST = 10**12 - 1
"""The largest number that `cardinal` names; a longer one is read digit by digit."""

_ONES = ("ཀླད་ཀོར", "གཅིག", "གཉིས", "གསུམ", "བཞི", "ལྔ", "དྲུག", "བདུན", "བརྒྱད", "དགུ")
_COUNTS = ("", "ཆིག", "ཉིས", "སུམ", "བཞི", "ལྔ", "དྲུག", "བདུན", "བརྒྱད", "དགུ")
_TENS = ("", "བཅུ", "ཉི་ཤུ", "སུམ་ཅུ", "བཞི་བཅུ", "ལྔ་བཅུ", "དྲུག་ཅུ", "བདུན་ཅུ", "བརྒྱད་ཅུ", "དགུ་བཅུ")
_LINKS = ("", "", "རྩ", "སོ", "ཞེ", "ང", "རེ", "དོན", "གྱ", "གོ")
_TEENS = {15: "བཅོ་ལྔ", 18: "བཅོ་བརྒྱད"}
_POWERS = (
    (10**9, "ཐེར་འབུམ"),
    (10**8, "དུང་ཕྱུར"),
    (10**7, "བྱེ་བ"),
    (10**6, "ས་ཡ"),
    (10**5, "འབུམ"),
    (10**4, "ཁྲི"),
)
_ONES_VALUE_MAX = 10


def cardinal(number: int) -> str:
    """The words of a whole number: `cardinal(1959)` is ཆིག་སྟོང་དགུ་བརྒྱ་ལྔ་བཅུ་ང་དགུ.

    Raises:
        ValueError: The number is negative or above `LARGEST`.
    """
    if not 0 <= number <= LARGEST:
        raise ValueError(f"cardinal() names 0 to {LARGEST:,}, got {number:,}: use digits()")
    if number == 0:
        return _ONES[0]
    words: list[str] = []
    rest, last = number, 0  # last: the power of ten named so far, 0 before the first
    for power, name in _POWERS:
        count, rest = divmod(rest, power)
        if count:
            words += [AND] if last > power * 10 else []
            words += [name, cardinal(count)]
            last = power
    for power, name in ((1000, "སྟོང"), (100, "བརྒྱ")):
        count, rest = divmod(rest, power)
        if count:
            words += [AND] if last > power * 10 else []
            words += [name] if count == 1 and power == 100 and not last else [_COUNTS[count], name]
            last = power
    if rest:
        tens = 10 if rest >= _ONES_VALUE_MAX else 1
        words += [AND] if last > tens * 10 or words == ["བརྒྱ"] else []
        words.append(_below_hundred(rest))
    return TSHEG.join(words)


def _below_hundred(number: int) -> str:
    tens, ones = divmod(number, 10)
    if not tens:
        return _ONES[ones]
    if not ones:
        return _TENS[tens]
    if tens == 1:
        return _TEENS.get(number, f"བཅུ་{_ONES[ones]}")
    return TSHEG.join((_TENS[tens], _LINKS[tens], _ONES[ones]))


def digits(text: str) -> str:
    """ASCII digits one by one: `digits("05")` is ཀླད་ཀོར་ལྔ."""
    return TSHEG.join(_ONES[int(digit)] for digit in text)


def ordinal(number: int) -> str:
    """དང་པོ for 1, else the cardinal with པ: གཉིས་པ."""
    return "དང་པོ" if number == 1 else f"{cardinal(number)}་པ"


def fraction(numerator: int, denominator: int) -> str:
    """`fraction(2, 3)` is གསུམ་ཆ་གཉིས, "of three parts two"; one half is ཕྱེད་ཀ."""
    return "ཕྱེད་ཀ" if (numerator, denominator) == (1, 2) else f"{cardinal(denominator)}་ཆ་{cardinal(numerator)}"


def spoken(written: str) -> str:
    """A written number with its commas and points, `1,959.50`, in words.

    Whole numbers up to `LARGEST` are cardinals. Read digit by digit: a number that starts with a zero, one of eleven
    or more digits without commas (a telephone number, an id), everything after a decimal point, and each part of a
    number with several points (a version) by itself.

    Args:
        written: ASCII digits with any `,` and `.` between them.
    """
    whole, *parts = written.replace(",", "").split(".")
    phone = len(whole) > (12 if "," in written else 10) or (whole.startswith("0") and len(whole) > 1)
    words = digits(whole) if phone or int(whole) > LARGEST else cardinal(int(whole))
    if len(parts) == 1:
        return f"{words}་{AND}་{POINT}་{digits(parts[0])}"
    return f"་{POINT}་".join([words, *(spoken(part) for part in parts)])

"""The numbers of a text as values, whatever digits, separators and number words it is written with.

`read` finds the numbers of one text, `kept` says whether one of them is in another text. Both are made for comparing a
text with its translation, so what a number may become on the way is known here:

- digits of every script: 320, ༣༢༠, ၃၂၀, ٣٢٠, ३२०, ３２０; hanzi: 三百二十, 二〇〇八; hanzi behind digits: 3万, 1.8亿
- separators: 1,234.5 and 1.234,5, 1 234, 12,34,567. What could be read in two ways (1.234) stands for both
- parts of dates, clock times, versions and scores (2020-07-01, 9:30, 7–2) are numbers by themselves
- number words of `WORDED` languages (cardinals), and names of powers of ten: 3 million is 3,000,000 and 300万
- an hour of the afternoon on either clock (15:00, 下午3点); a year or decade by its last two digits ('95)

A value is exact, of any length: `Value(digits, exponent)` digits * 10^exponent, the
digits with neither leading nor trailing zeros.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from corpusforge.text import burmese, burmese_numbers, tibetan_numbers


class Value(NamedTuple):
    """digits * 10^exponent; zero is `("", 0)`."""

    digits: str
    exponent: int

    def times(self, power: int) -> Value:
        """The value by 10^power."""
        return Value(self.digits, self.exponent + power) if self.digits else self

    def whole(self) -> int | None:
        """The value where it is a whole number of at most fifteen digits, else None."""
        if self.exponent < 0 or len(self.digits) + self.exponent > 15:
            return None
        return int((self.digits or "0") + "0" * self.exponent)


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number as it stands in a text.

    Attributes:
        written: What the text has, for messages.
        readings: What it may mean: one value, or more where the separators leave it open.
        parts: Values of its pieces between separators, of which all together are as good as one of the readings.
        words: Whether it is written in words, hanzi among them.
        loose: Whether a translation may well say it some other way: months, "some thirty" (三十多), 一 in any other
            sense than one.
    """

    written: str
    readings: frozenset[Value]
    parts: frozenset[Value]
    words: bool = False
    loose: bool = False


# Names of powers of ten. A longer name comes before the one that it ends with.
_SCALES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "zho": (
        ("万亿", 12), ("萬億", 12), ("千亿", 11), ("千億", 11), ("百亿", 10), ("百億", 10), ("十亿", 9), ("十億", 9),
        ("亿", 8), ("億", 8), ("千万", 7), ("千萬", 7), ("百万", 6), ("百萬", 6), ("十万", 5), ("十萬", 5), ("万", 4),
        ("萬", 4), ("千", 3), ("百", 2),
    ),
    "eng": (
        ("trillion", 12), ("billion", 9), ("bn", 9), ("million", 6), ("mn", 6), ("thousand", 3), ("hundred", 2),
    ),
    "bod": (
        ("ཁྲག་ཁྲིག", 11), ("ཐེར་འབུམ", 9), ("དུང་ཕྱུར", 8), ("དུང་ཕྱུ", 8), ("བྱེ་བ", 7), ("ས་ཡ", 6), ("འབུམ", 5),
        ("ཁྲི", 4), ("སྟོང", 3), ("བརྒྱ", 2),
        ("མི་ལི་ཡོན", 6), ("མིལ་ཡོན", 6), ("མི་ལི་ཡཱན", 6), ("བི་ལི་ཡོན", 9), ("བིལ་ཡོན", 9), ("བི་ལི་ཡཱན", 9),
        ("ཊི་ལི་ཡོན", 12), ("ཊིརི་ལི་ཡོན", 12),
    ),
    "mya": (
        ("ထရီလီယံ", 12), ("ထရီလျံ", 12), ("ဘီလီယံ", 9), ("ဘီလျံ", 9), ("ဘီလီယမ်", 9), ("ကုဋေ", 7), ("မီလီယံ", 6),
        ("မီလျံ", 6), ("သန်း", 6), ("သိန်း", 5), ("သောင်း", 4), ("ထောင်", 3), ("ထောင့်", 3), ("ရာ", 2),
    ),
}  # fmt: skip
_SAME = {"yue": "zho", "dzo": "bod", "jpn": "zho"}
_BEHIND = re.compile("|".join(f"{name}" for name, _ in _SCALES["zho"]))
_BEHIND_ENGLISH = re.compile(
    r"[\s-]*(?:(?P<big>" + "|".join(name for name, _ in _SCALES["eng"]) + r")(?:s|\b)|(?P<k>[kK])\b)", re.IGNORECASE
)

_DIGITS = re.compile(
    r"\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?!\d)(?:[.,\u066b]\d+)?|\d+(?:[.,'’\u066b\u066c\uff0e\uff0c]\d+)*"
)
_SEPARATOR = re.compile(r"[.,'’\u066b\u066c\uff0e\uff0c \u00a0\u2009\u202f]")
_POINT = ".,\u066b\uff0e\uff0c"
_HANZI_DIGITS = {
    **{hanzi: str(value) for value, hanzi in enumerate("〇一二三四五六七八九")},
    "零": "0", "两": "2", "兩": "2", "○": "0", "壹": "1", "贰": "2", "叁": "3",
}  # fmt: skip
_HANZI_POWERS = {"十": 1, "百": 2, "千": 3}
_HANZI_GROUPS = {"万": 4, "萬": 4, "亿": 8, "億": 8}
_CENTURY = re.compile(
    f"(?P<n>\\d{{1,2}}|[{''.join(_HANZI_DIGITS)}十]{{1,3}}) ?世[纪紀](?:初|末|中叶|早期|后期)?"
    f"(?: ?(?P<tens>\\d0|[{''.join(_HANZI_DIGITS)}]十) ?年代)?"
)
_TWO = re.compile(f"(?P<one>[{''.join(_HANZI_DIGITS)}])(?P<other>[{''.join(_HANZI_DIGITS)}])(?P<unit>[十百千万亿]*)")
"""四五十 is "forty or fifty"."""
_VAGUE = ("多", "余", "餘", "几", "幾", "来", "來", "分")
"""Behind a number word: so many and more. 十分 is "very"."""
_HANZI = re.compile(f"[{''.join(_HANZI_DIGITS)}十百千万萬亿億]+(?:点[{''.join(_HANZI_DIGITS)}]+)?")
WORDED = frozenset({"zho", "yue", "eng", "bod", "mya"})
"""Languages whose number words are read: their codes before the script."""


def language(lang: str) -> str:
    """The part of a FLORES code that numbers depend on: `zho` for every Chinese."""
    name = lang.partition("_")[0]
    return _SAME.get(name, name)


def worded(lang: str) -> bool:
    """Whether number words of the language are read (`WORDED`)."""
    return lang.partition("_")[0] in WORDED


def value(digits: str) -> Value:
    """The value of ASCII digits with at most one point, `0320.50`."""
    whole, _, part = digits.partition(".")
    both = whole + part
    bare = both.rstrip("0")
    if not bare.lstrip("0"):
        return Value("", 0)
    return Value(bare.lstrip("0"), len(both) - len(bare) - len(part))


_OTHER_DIGIT = re.compile(r"(?![0-9])\d")


def plain_digits(text: str) -> str:
    """The text with ASCII digits for the decimal digits of every script, of the same length."""
    if text.isascii():
        return text
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)


def read(text: str, lang: str) -> list[Numeral]:
    """The numbers of a text, in digits and (Chinese only) in hanzi, in order."""
    if lang.endswith("Mymr"):
        text = burmese.normalize(text)  # letters and digits of one shape
    plain = plain_digits(text)
    found: list[tuple[int, Numeral]] = []
    own = language(lang)
    taken = 0
    if own == "zho":
        for match in _CENTURY.finditer(plain):
            numeral = _century(match)
            if numeral is not None:
                found.append((match.start(), numeral))
        plain = _CENTURY.sub(lambda match: " " * len(match[0]), plain)
    for match in _DIGITS.finditer(plain):
        if match.start() < taken:
            continue
        readings, parts = _read_digits(match[0], own)
        end = match.end()
        power = 0
        if readings:  # 5.0.0 is no number that could be a thousand times larger
            power, end = _scale_behind(plain, end, own)
        if power:
            readings = frozenset(reading.times(power) for reading in readings)
            parts = frozenset()
        taken = end
        month = own == "zho" and re.match(" ?月", plain[end : end + 2]) is not None
        found.append((match.start(), Numeral(text[match.start() : end], readings, parts, loose=month)))
    if own == "zho":
        found += _hanzi(plain)
    return [numeral for _, numeral in sorted(found, key=lambda pair: pair[0])]


def _hanzi(plain: str) -> Iterator[tuple[int, Numeral]]:
    for match in _HANZI.finditer(plain):
        before = plain[match.start() - 1 : match.start()]
        if before.isdecimal():
            continue
        worth = hanzi_value(match[0])
        loose = (
            len(match[0]) == 1
            or before in ("几", "幾", "数", "數", "第")
            or plain.startswith((*_VAGUE, "月"), match.end())
            or (match[0][0] == "一" and len(match[0]) == 2)
        )
        if worth is not None and worth.digits:
            yield match.start(), Numeral(match[0], frozenset({worth}), frozenset(), True, loose)
        elif worth is None and (two := _TWO.fullmatch(match[0])):
            both = (hanzi_value(two["one"] + two["unit"]), hanzi_value(two["other"] + two["unit"]))
            found = frozenset(each for each in both if each is not None)
            if found:  # 〇十 is none
                yield match.start(), Numeral(match[0], found, frozenset(), True, True)


def _century(match: re.Match[str]) -> Numeral | None:
    """20 世纪 70 年代 are the 1970s; 19 世纪 is the 19th century and the 1800s."""
    number, tens = (_small(match[group] or "") for group in ("n", "tens"))
    if number is None or not 1 <= number <= 30:
        return None
    if tens is None:
        values = {value(str(number)), value(str((number - 1) * 100))}
        return Numeral(match[0], frozenset(values), frozenset(), words=not match["n"].isdecimal())
    decade = frozenset({value(str((number - 1) * 100 + tens))})
    return Numeral(match[0], decade, frozenset({value(str(number)), value(str(tens))}))


def _small(words: str) -> int | None:
    if words.isdecimal():
        return int(words)
    worth = hanzi_value(words) if words else None
    return worth.whole() if worth else None


def _scale_behind(plain: str, end: int, own: str) -> tuple[int, int]:
    """The power of ten that is named right behind a number, and where its name ends."""
    if own == "zho":
        start = end + (plain[end : end + 1] == " ")
        start += plain[start : start + 1] in ("多", "余", "餘") and plain[start : start + 1] != ""
        behind = _BEHIND.match(plain, start)
        # 5千米 is five kilometres, 3千克 three kilograms
        if behind and not (
            behind[0] == "千" and plain[behind.end() : behind.end() + 1] in ("米", "克", "瓦", "赫", "卡")
        ):
            if behind[0] == "百" and plain[behind.end() : behind.end() + 1] == "分":
                return 0, end
            return dict(_SCALES["zho"])[behind[0]], behind.end()
    elif own == "eng":
        spoken = _BEHIND_ENGLISH.match(plain, end)
        if spoken:
            return (dict(_SCALES["eng"])[spoken["big"].lower()] if spoken["big"] else 3), spoken.end()
    return 0, end


def _read_digits(written: str, own: str) -> tuple[frozenset[Value], frozenset[Value]]:
    pieces = _SEPARATOR.split(written)
    if len(pieces) == 1:
        return frozenset({value(written)}), frozenset()
    readings = set()
    grouped = all(len(piece) in (2, 3, 4) for piece in pieces[1:]) and len(pieces[0]) <= 4
    if grouped and len(pieces[-1]) >= 3:
        readings.add(value("".join(pieces)))
    separators = _SEPARATOR.findall(written)
    comma = separators[-1] in ",\uff0c" and own in _SCALES  # those languages set thousands apart with it
    if (
        separators[-1] in _POINT
        and not (comma and readings)
        and (len(pieces) == 2 or all(len(piece) in (2, 3, 4) for piece in pieces[1:-1]))
    ):
        readings.add(value("".join(pieces[:-1]) + "." + pieces[-1]))
    return frozenset(readings), frozenset(value(piece) for piece in pieces)


def hanzi_value(words: str) -> Value | None:
    """The value of a Chinese number word, None for one that only looks like one (千万, 四五十).

    `三百二十` 320, `一万五` 15,000, `二〇〇八` 2008, `三点五` 3.5.
    """
    words, _, point = words.partition("点")
    digits = [_HANZI_DIGITS.get(hanzi) for hanzi in words]
    if all(digit is not None for digit in digits):
        if len(words) > 1 and not point and len(words) < 4 and not any(hanzi in "〇零○" for hanzi in words):
            return None  # 三四 is "three or four"; years and numbers read digit by digit are longer
        return value("".join(filter(None, digits)) + "." + "".join(_HANZI_DIGITS[hanzi] for hanzi in point))
    total = section = last = 0
    unit = 0  # the power that the last unit named, for what follows it without one (一万五)
    for index, hanzi in enumerate(words):
        if hanzi in _HANZI_DIGITS:
            if last:
                return None  # two digits without a unit between them
            last = int(_HANZI_DIGITS[hanzi])
            if last == 0:
                unit = 0
        elif hanzi in _HANZI_POWERS:
            if not last and not (hanzi == "十" and (index == 0 or words[index - 1] in _HANZI_GROUPS or section)):
                return None
            unit = _HANZI_POWERS[hanzi]
            section += (last or 1) * 10**unit
            last = 0
        else:
            section += last
            last = 0
            unit = _HANZI_GROUPS[hanzi]
            if not section and not (total and unit == 8):
                return None
            if unit == 8:
                total, section = (total + section) * 10**8, 0
            else:
                total, section = total + section * 10**unit, 0
    if last and unit > 1:
        last *= 10 ** (unit - 1)
    return value(f"{total + section + last}." + "".join(_HANZI_DIGITS[hanzi] for hanzi in point))


_ENGLISH = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ENGLISH_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


_ENGLISH_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 9: "ninth", 12: "twelfth"}


def english(number: int) -> str:
    """A whole number in English words without hyphens and "and": `english(320)` is three hundred twenty."""
    if number < 20:
        return _ENGLISH[number]
    if number < 100:
        return _ENGLISH_TENS[number // 10] + (f" {_ENGLISH[number % 10]}" if number % 10 else "")
    for name, power in (("trillion", 12), ("billion", 9), ("million", 6), ("thousand", 3), ("hundred", 2)):
        if number >= 10**power:
            over, rest = divmod(number, 10**power)
            return f"{english(over)} {name}" + (f" {english(rest)}" if rest else "")
    raise AssertionError


_LINKED = str.maketrans({"\u0f0b": " ", "\u0f0d": " ", "-": " "})


def _bare(text: str) -> str:
    """Words without what may or may not stand between them."""
    return re.sub(r"\s+|\band\b", "", text.translate(_LINKED).lower())


def _tibetan(number: int) -> Iterable[str]:
    words = tibetan_numbers.cardinal(number)
    yield words
    yield words.replace("ཉི་ཤུ་རྩ་", "ཉེར་")
    yield words.replace("ཉི་ཤུ་རྩ་", "ཉི་ཤུ་")
    yield words.replace("སུམ་ཅུ", "གསུམ་བཅུ").replace("དྲུག་ཅུ", "དྲུག་བཅུ")
    if 20 < number < 100 and number % 10:
        yield "་".join(words.split("་")[-2:])  # the ten left to its link: སོ་དགུ is 39
    elif 10 < number < 100:
        yield f"བཅུ་ཕྲག་{tibetan_numbers.cardinal(number // 10)}"


_WORDS: Mapping[str, Callable[[int], Iterable[str]]] = {
    "eng": lambda number: (english(number), _ENGLISH_ORDINALS.get(number, english(number))),
    "bod": _tibetan,
    "mya": lambda number: (burmese_numbers.cardinal(number),),
}


@lru_cache(maxsize=4096)
def words_of(number: int, lang: str) -> tuple[str, ...]:
    """The number in words of a `WORDED` language other than Chinese, as `Pool` looks for them; none for others."""
    speak = _WORDS.get(language(lang))
    if speak is None or not 0 <= number < 10**12:
        return ()
    return tuple(dict.fromkeys(_bare(words) for words in speak(number)))


class Pool:
    """What a text says in numbers, to look numbers of another text up in."""

    def __init__(self, text: str, lang: str) -> None:
        self.lang = lang
        self.numerals = read(text, lang)
        self.values = frozenset().union(*(numeral.readings | numeral.parts for numeral in self.numerals))  # type: frozenset[Value]
        self._digits = frozenset(found.digits for found in self.values)
        self._bare = _bare(text)
        scales = _SCALES.get(language(lang))
        powers = {power for name, power in scales or () if _bare(name) in self._bare}
        self.powers = None if scales is None else frozenset({0, *powers, *(a + b for a in powers for b in powers)})

    def holds(self, wanted: Value, powers: frozenset[int] | None = frozenset({0})) -> bool:
        """Whether the text has the value: in digits, with the name of a power of ten, or in words.

        Args:
            wanted: The value.
            powers: Powers of ten that the text it comes from may have named beside it; None where that is unknown.
        """
        if wanted in self.values:
            return True
        if wanted.digits in self._digits and wanted.digits:
            if self.powers is None or powers is None:
                return True
            if any(wanted.times(up - down) in self.values for down in self.powers for up in powers):
                return True
        if any(self.says(number) for power in powers or (0,) if (number := wanted.times(power).whole()) is not None):
            return True
        # "two to three million": the count in words, the power somewhere else
        return 0 < len(wanted.digits) < 4 and any(
            self.says(int(wanted.digits + "0" * (wanted.exponent - power)))
            for power in self.powers or ()
            if power and 0 <= wanted.exponent - power < 4
        )

    def says(self, number: int) -> bool:
        """Whether the text has the number in words."""
        return any(words in self._bare for words in words_of(number, self.lang))


def kept(numeral: Numeral, own: Pool, other: Pool) -> bool:
    """Whether a number of one text is in another text, in any of the forms that the module names.

    Args:
        numeral: The number.
        own: What its own text says in numbers.
        other: What the other text says.
    """
    # Behind a Chinese or English number its power is read with it; elsewhere it may stand before or far behind.
    powers = frozenset({0}) if language(own.lang) in ("zho", "eng") else own.powers
    pool = other
    if any(pool.holds(reading, powers) for reading in numeral.readings):
        return True
    if numeral.parts and all(pool.holds(part) for part in numeral.parts if part.digits):
        return True
    for reading in numeral.readings:
        number = reading.whole()
        if number is None:
            continue
        if 1 <= number <= 24 and (pool.holds(value(str(number + 12))) or pool.holds(value(str(max(0, number - 12))))):
            return True  # the other clock
        if 1000 <= number < 2100 and pool.holds(value(str(number % 100))):
            return True  # 1995-96
        if 10 < number < 100 and any(pool.holds(value(str(century + number))) for century in (1800, 1900, 2000)):
            return True
    return False

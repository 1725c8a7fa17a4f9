"""Tibetan text: one spelling for what looks the same, written syllables, and numbers and symbols as words.

`normalize`
    NFC (which fixes the order of vowel signs and takes apart the letters that Unicode excludes from composition,
    U+0F43 and its like); the deprecated vowels U+0F77 and U+0F79; ༀ as ཨོཾ; fixed-form ra, wa and ya as the plain
    letters; U+0FB0 (subjoined 'a, which keyboards type for the long vowel) as U+0F71; a non-breaking tsheg as a
    tsheg; a sign or tsheg typed twice as one; no zero-width characters; one kind of space.

`verbalize`, in this order where several would fit. A unit, currency or hour that the sentence already names right
before the number (ཀི་ལོ་མི་ཊར་160km) is not said twice.

    ==================  =====================================================================================
    dates               2020-07-01, 1/7/2020, 7/31/2020 → སྤྱི་ལོ་…ལོའི་ཟླ་བ་བདུན་པའི་ཚེས་གཅིག (day first)
                        (1/7/2020 is the first of July; 7/31/2020 can only be the other way round)
    clock times         9:30 → ཆུ་ཚོད་དགུ་དང་སྐར་མ་སུམ་ཅུ; 4:41.30 (minutes); 5am → ཞོགས་པའི་ཆུ་ཚོད་ལྔ; 0230 UTC
    telephone numbers   +86 10 6552 9988, 010-6552-9988 digit by digit
    ranges              10–60 → བཅུ་ནས་དྲུག་ཅུ་བར; 1995-96; falling ones are scores: 5-3 → ལྔ་དང་གསུམ
    currencies          $5 → ཨ་སྒོར་ལྔ; € ཡོ་སྒོར, £ དབྱིན་སྒོར, ¥ སྒོར་མོ, ₹ ཧིན་སྒོར
    percent             80% → བརྒྱ་ཆ་བརྒྱད་ཅུ; ‰ སྟོང་ཆ
    degrees             30°C → ཧྲེ་ཧྲི་དྲོད་ཚད་སུམ་ཅུ; °F ཧྭ་ཧྲི་དྲོད་ཚད; ° alone ཏུའུ
    units               12 km → ཀི་ལོ་མི་ཊར་བཅུ་གཉིས; km² …གྲུ་བཞི་མ; km/h ཆུ་ཚོད་རེར་ཀི་ལོ་མི་ཊར (see `_UNITS`)
    fractions           1/5 → ལྔ་ཆ་གཅིག; 24½ → ཉི་ཤུ་རྩ་བཞི་དང་ཕྱེད་ཀ
    products, ratios    4x4 → བཞི་སྒྱུར་བཞི; 3:2 → གསུམ་བསྡུར་གཉིས
    ordinals            10th → བཅུ་པ; 1པ → དང་པོ
    numbers             see `corpusforge.text.tibetan_numbers`
    symbols             + སྣོན, − (before a number) འཐེན, = མཉམ, × སྒྱུར, ÷ བགོད, & དང, @ ཨེཊ, # № ཨང,
                        / between Tibetan words or numbers ཡང་ན
    ==================  =====================================================================================

Letters of other scripts, punctuation and symbols without a word stay as they are. `verbalize` changes nothing of its
own result.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial

from corpusforge.text.tibetan_numbers import AND, TSHEG, cardinal, digits, fraction, ordinal, spoken

LETTERS = "\u0f35\u0f37\u0f39\u0f40-\u0f6c\u0f71-\u0f84\u0f86-\u0fbc"
"""Inside a character class: what a written syllable consists of."""

_SYLLABLE = re.compile(f"[{LETTERS}]+")
_VOWELS = "\u0f71-\u0f7d\u0f80\u0f81"
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_PLAIN = str.maketrans(
    {
        "\u0f00": "\u0f68\u0f7c\u0f7e",
        "\u0f0c": TSHEG,
        "\u0fd2": TSHEG,
        "\u0f6a": "\u0f62",
        "\u0f77": "\u0fb2\u0f71\u0f80",
        "\u0f79": "\u0fb3\u0f71\u0f80",
        "\u0fb0": "\u0f71",
        "\u0fba": "\u0fad",
        "\u0fbb": "\u0fb1",
        "\u0fbc": "\u0fb2",
    }
)
_TWICE = re.compile(f"([{_VOWELS}\u0f35\u0f37\u0f39\u0f7e\u0f7f\u0f82-\u0f84{TSHEG}])\\1+")
_SPACES = re.compile(r"\s+")


def normalize(text: str) -> str:
    """The one spelling of a text, as the module's docstring says. Idempotent; the result is NFC."""
    plain = unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).translate(_PLAIN)
    # A letter that was just put in may come before a mark that sorts first.
    ordered = unicodedata.normalize("NFC", plain)
    return _SPACES.sub(" ", _TWICE.sub(r"\1", ordered)).strip()


def syllables(text: str) -> list[str]:
    """The written syllables of a text: runs of Tibetan letters and signs between tshegs, spaces and punctuation."""
    return _SYLLABLE.findall(normalize(text))


# --- verbalize ---------------------------------------------------------------------------------------------------

_CURRENCIES = {"$": "ཨ་སྒོར", "€": "ཡོ་སྒོར", "£": "དབྱིན་སྒོར", "¥": "སྒོར་མོ", "₹": "ཧིན་སྒོར"}
_SYMBOLS = {
    **_CURRENCIES,
    "%": "བརྒྱ་ཆ",
    "‰": "སྟོང་ཆ",
    "°": "ཏུའུ",
    "+": "སྣོན",
    "−": "འཐེན",
    "±": "སྣོན་འཐེན",
    "=": "མཉམ",
    "×": "སྒྱུར",
    "÷": "བགོད",
    "&": AND,
    "@": "ཨེཊ",
    "#": "ཨང",
    "№": "ཨང",
}
_METRE, _KILOMETRE, _MILE, _SQUARE = "མི་ཊར", "ཀི་ལོ་མི་ཊར", "མེ་ལེ", "གྲུ་བཞི་མ"
_HOURLY, _SECONDLY = "ཆུ་ཚོད་རེར", "སྐར་ཆ་རེར"
_LENGTHS = {
    "km": _KILOMETRE,
    "m": _METRE,
    "cm": "སེན་ཊི་མི་ཊར",
    "mm": "མི་ལི་མི་ཊར",
    "mi": _MILE,
    "mile": _MILE,
    "miles": _MILE,
    "ft": "ཧྥི་ཊི",
}
_UNITS: dict[str, tuple[str, ...]] = {
    **{name: (word,) for name, word in _LENGTHS.items()},
    **{name + two: (word, _SQUARE) for name, word in _LENGTHS.items() for two in "2²" if name not in ("mi", "mile")},
    **{f"sq {name}": (word, _SQUARE) for name, word in _LENGTHS.items()},
    **{name: (_HOURLY, _KILOMETRE) for name in ("km/h", "kmh", "kph")},
    "mph": (_HOURLY, _MILE),
    "m/s": (_SECONDLY, _METRE),
    "km/s": (_SECONDLY, _KILOMETRE),
    "kg": ("སྤྱི་རྒྱ",),
    "mg": ("ཧའོ་ཁེ",),
    "ml": ("མི་ལི་ལི་ཊར",),
    "kHz": ("ཀི་ལོ་ཧཛི",),
    "MHz": ("མེ་གྷ་ཧཛི",),
    "GHz": ("གི་གྷ་ཧཛི",),
    "Ghz": ("གི་གྷ་ཧཛི",),
    "MB": ("མེ་གྷ་བཡེཊ",),
    "GB": ("གི་གྷ་བཡེཊ",),
    "Mbit/s": (_SECONDLY, "མེ་གྷ་བིཊ"),
    "Mbps": (_SECONDLY, "མེ་གྷ་བིཊ"),
}
# How running text writes a measure that it names before the number.
_SPELLINGS = {
    _KILOMETRE: "(?:ཀི་?ལོ་?མི་?[ཊཏ]ར|སྤྱི་ལེ)",
    _METRE: "(?:མི་?[ཊཏ]ར|སྨི)",
    _MILE: "(?:མེ་ལེ|མེལ་ལེ|མ་?ཱ?ཡེལས?|སྤྱི་ལེ)",
    "ཧྥི་ཊི": "(?:ཧྥི་ཊི|ཕཱ?ི་?[ཊཏ])",
    "སྤྱི་རྒྱ": "(?:སྤྱི་རྒྱ|ཀི་ལོ)",
}
_MONTHS, _DAYS = 12, 31

_N = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d{1,3},\d{4}(?![\d,])|\d+)(?:\.\d+)?"
_UNIT = "|".join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))
_SUFFIX = (
    rf"(?:\s?(?P<{{0}}percent>[%‰])|\s?°\s?(?P<{{0}}scale>[CF]?)(?![a-z])|\s?(?P<{{0}}unit>{_UNIT})(?![A-Za-z\d²/]))"
)
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\d:]|\.\d)"
_MERIDIEM = r"\s?(?P<{0}meridiem>[ap])\.?m\b\.?"
_DASH = r"\s?[-–—−~〜]\s?"
_VULGAR = "¼-¾⅐-⅞↉"
_SIGNS = "".join(re.escape(symbol) for symbol in _SYMBOLS)
_SAID = rf"\d²³{_VULGAR}{_SIGNS}"  # what becomes words
_RULES = re.compile(
    "|".join(
        (
            r"(?P<date>(?<![\d.,/-])(?:\d{4}(?P<s>[-/.])\d{1,2}(?P=s)\d{1,2}|\d{1,2}(?P<z>[-/.])\d{1,2}(?P=z)\d{4})(?![\d/-]))",
            rf"(?P<clocks>(?<![\d.,])(?P<from>{_CLOCK}){_DASH}(?P<to>{_CLOCK})(?:{_MERIDIEM.format('range_')})?)",
            r"(?P<lap>(?<![\d.,:])\d{1,2}:[0-5]\d\.\d+)",
            rf"(?P<clock>(?<![\d.,])(?:{_CLOCK})(?:{_MERIDIEM.format('clock_')})?)",
            rf"(?P<hour>(?<![\d.,])(?:1[0-2]|[1-9]){_MERIDIEM.format('hour_')})",
            r"(?P<zulu>(?<![\d.,])(?:[01]\d|2[0-3])[.:]?[0-5]\d(?=\s?(?:UTC|GMT)\b))",
            r"(?P<phone>(?<![\d.,+])(?:\+\d{1,3}(?:[- ]?\d{2,}){2,}|\d{2,5}(?:-\d{3,}){2,})(?![\d-]))",
            rf"(?P<range>(?:(?P<range_currency>[$€£¥₹])\s?)?(?P<low>{_N}){_DASH}[$€£¥₹]?(?P<high>{_N})(?![\d.]*[-–:])"
            rf"(?:{_SUFFIX.format('range_')})?)",
            rf"(?P<money>(?P<currency>[$€£¥₹])\s?(?P<amount>{_N})|(?P<amount_after>{_N})\s?(?P<currency_after>[$€£¥₹])(?!\s?\d))",
            r"(?P<version>(?<![\d.])\d+(?:\.\d+){2,}(?![\d]))",
            rf"(?P<product>(?P<left>{_N})\s?[x×✕]\s?(?P<right>{_N})(?![A-Za-z]))",
            rf"(?P<vulgar>(?P<and>\d+)?\s?(?P<glyph>[{_VULGAR}]))",
            r"(?P<fraction>(?<![\d./])(?P<over>\d{1,4})/(?P<under>[1-9]\d{0,3})(?![\d./]))",
            r"(?P<ratio>(?<![\d:.])(?P<one>\d+):(?P<other>\d+)(?![\d:]))",
            r"(?P<nth>(?<![\d.,])(?P<rank>\d{1,4})(?:st|nd|rd|th)\b)",
            r"(?P<first>(?<![\d.,])1པོ?)",
            rf"(?P<number>(?P<sign>[+−]|(?<![^\s(\[“\"'=])-)?(?P<value>{_N})(?:{_SUFFIX.format('')})?)",
            rf"(?P<slash>(?<=[\u0f40-\u0fbc\u0f0b{_SAID}])\s?/\s?(?=[\u0f40-\u0fbc{_SAID}]))",
            f"(?P<symbol>[{_SIGNS}])",
        )
    )
)
_FORMS = re.compile(r"[\u2070-\u209c\u2103\u2109\u2160-\u2188\u2460-\u24ff\u3300-\u33ff\uff01-\uff5e\uffe0-\uffe6]")
_OTHER_DIGITS = re.compile(r"(?![0-9])\d")
_HALF_DIGITS = re.compile("[\u0f2a-\u0f33]")
_WORK = re.compile(f"[{_SAID}/]")
_AFFIX = re.compile("འ(?:[ིོུ]|[ངམ](?![\u0f40-\u0fbc]))")
_OPEN = re.compile("(?:[ིེོུ]|ལྔ|རྒྱ|ཡ|བྱེ་བ)$")


def verbalize(text: str) -> str:
    """Numbers, units, dates and symbols of a text in Tibetan words, by the rules in the module's docstring.

    The text is normalized first. Idempotent.
    """
    plain = normalize(_compatible(normalize(text)))
    if not _WORK.search(plain):
        return plain
    return normalize(_RULES.sub(_say, plain).replace("²", "་ཉིས་སྒྱུར").replace("³", "་སུམ་སྒྱུར"))


def _compatible(text: str) -> str:
    """ASCII digits for digits of every script, plain forms for full-width, circled and squared ones."""
    if text.isascii():
        return text
    text = _FORMS.sub(_plain_form, text)
    text = _HALF_DIGITS.sub(lambda digit: f" {unicodedata.numeric(digit[0]):g} ", text)
    return _OTHER_DIGITS.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)


def _plain_form(form: re.Match[str]) -> str:
    plain = unicodedata.normalize("NFKC", form[0])
    # A circled or squared form stands by itself: ①② is not 12.
    return f" {plain} " if "\u2460" <= form[0] <= "\u33ff" else plain


def _say(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    words = _READERS[kind](match)
    before, after = match.string[: match.start()], match.string[match.end() :]
    if before and _SYLLABLE.match(before[-1]):
        words = TSHEG + words
    elif before and before[-1].isalpha():
        words = " " + words
    if after and not (_AFFIX.match(after) and _OPEN.search(words)):
        if _SYLLABLE.match(after) or _WORK.match(after):
            words += TSHEG
        elif after[0].isalnum():
            words += " "
    return words


def _said(match: re.Match[str], spelling: str, reach: int = 0) -> bool:
    """Whether the text names `spelling` right before the match, with at most `reach` letters between."""
    before = match.string[max(0, match.start() - 40) : match.start()]
    return re.search(f"{spelling}[{TSHEG}\\s]*(?:[{LETTERS}{TSHEG}\\s]{{0,{reach}}})$", before) is not None


def _join(*words: str) -> str:
    return TSHEG.join(word for word in words if word)


def _date(match: re.Match[str]) -> str:
    first, second, third = (int(part) for part in re.split(r"\D", match["date"]))
    if match["s"]:
        year, month, day = first, second, third
    else:
        day, month, year = (first, second, third) if second <= _MONTHS else (second, first, third)
    if not (1 <= month <= _MONTHS and 1 <= day <= _DAYS):
        return TSHEG.join(spoken(part) for part in re.split(r"\D", match["date"]))
    era = "" if _said(match, "ལོ") else "སྤྱི་ལོ"
    return _join(era, f"{cardinal(year)}་ལོའི", f"ཟླ་བ་{ordinal(month)}འི", f"ཚེས་{cardinal(day)}")


def _time(hours: str, minutes: str = "00", seconds: str = "") -> str:
    parts = [cardinal(int(hours))]
    if int(minutes):
        parts.append(f"སྐར་མ་{cardinal(int(minutes))}")
    if seconds and int(seconds):
        parts.append(f"སྐར་ཆ་{cardinal(int(seconds))}")
    return f"་{AND}་".join(parts)


def _oclock(match: re.Match[str], meridiem: str | None, hour: int) -> str:
    """What comes before the hour: the part of the day, and "o'clock", unless the text has said it."""
    if not meridiem or _said(match, "(?:ཞོགས་པ|ཞོགས་པའི|དགོང|ཕྱི་དྲོ|མཚན)", reach=12):
        return "" if _said(match, "ཆུ་ཚོད") else "ཆུ་ཚོད"
    part = "ཞོགས་པའི" if meridiem == "a" else "དགོང་མོའི" if 6 <= hour < 12 else "ཕྱི་དྲོའི"
    return f"{part}་ཆུ་ཚོད"


def _clocks(match: re.Match[str]) -> str:
    start, end = match["from"].split(":"), match["to"].split(":")
    until = "" if re.match(f"[{TSHEG}\\s]*བར", match.string[match.end() :]) else "བར"
    return _join(_oclock(match, match["range_meridiem"], int(start[0])), _time(*start), "ནས", _time(*end), until)


def _clock(match: re.Match[str]) -> str:
    parts = re.findall(r"\d+", match["clock"])
    return _join(_oclock(match, match["clock_meridiem"], int(parts[0])), _time(*parts))


def _lap(match: re.Match[str]) -> str:
    minutes, seconds = match["lap"].split(":")
    return _join("སྐར་མ", cardinal(int(minutes)), AND, "སྐར་ཆ", spoken(seconds.lstrip("0") or "0"))


def _hour(match: re.Match[str]) -> str:
    hour = re.match(r"\d+", match["hour"])
    assert hour is not None
    return _join(_oclock(match, match["hour_meridiem"], int(hour[0])), _time(hour[0]))


def _zulu(match: re.Match[str]) -> str:
    return _join(_oclock(match, None, 0), _time(match["zulu"][:2], match["zulu"][-2:]))


def _phone(match: re.Match[str]) -> str:
    plus = "སྣོན" if match["phone"].startswith("+") else ""
    return _join(plus, digits(re.sub(r"\D", "", match["phone"])))


def _measure(match: re.Match[str], group: str) -> str:
    """The words of a percent sign, degree or unit, which come before the number."""
    if match[group + "percent"]:
        share = _SYMBOLS[match[group + "percent"]]
        return "" if _said(match, share) else share
    if (scale := match[group + "scale"]) is not None:
        return {"C": "ཧྲེ་ཧྲི་དྲོད་ཚད", "F": "ཧྭ་ཧྲི་དྲོད་ཚད"}.get(scale, _SYMBOLS["°"])
    if not match[group + "unit"]:
        return ""
    unit = _UNITS[match[group + "unit"]]
    named = next(word for word in unit if word not in (_HOURLY, _SECONDLY, _SQUARE))
    if _said(match, _SPELLINGS.get(named, named) + f"(?:{TSHEG}?{_SQUARE})?"):
        return ""
    return _join(*(word for word in unit if not (word in (_HOURLY, _SECONDLY) and _said(match, word, reach=16))))


def _money(match: re.Match[str]) -> str:
    return _join(
        _coin(match, match["currency"] or match["currency_after"]), spoken(match["amount"] or match["amount_after"])
    )


def _coin(match: re.Match[str], currency: str) -> str:
    name = _CURRENCIES[currency]
    return "" if _said(match, name, reach=14) else name


def _range(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    before = _join(_coin(match, match["range_currency"]) if match["range_currency"] else "", _measure(match, "range_"))
    start, end = (float(number.replace(",", "")) for number in (low, high))
    years = len(low) == 4 and len(high) == 2 and end > start % 100
    if start >= end and not years:
        return _join(before, spoken(low), AND, spoken(high))
    until = "" if re.match(f"[{TSHEG}\\s]*བར", match.string[match.end() :]) else "བར"
    return _join(before, spoken(low), "ནས", spoken(high), until)


def _vulgar(match: re.Match[str]) -> str:
    over, under = (int(part or 1) for part in unicodedata.normalize("NFKC", match["glyph"]).split("\u2044"))
    part = fraction(over, under) if under else cardinal(0)
    return _join(spoken(match["and"]), AND, part) if match["and"] else part


def _number(match: re.Match[str]) -> str:
    sign = {"+": "སྣོན", "−": "འཐེན", "-": "འཐེན"}.get(match["sign"] or "", "")
    return _join(_measure(match, ""), sign, spoken(match["value"]))


def _two(match: re.Match[str], left: str, word: str, right: str) -> str:
    return _join(spoken(match[left]), word, spoken(match[right]))


_READERS: dict[str, Callable[[re.Match[str]], str]] = {
    "date": _date,
    "clocks": _clocks,
    "lap": _lap,
    "clock": _clock,
    "hour": _hour,
    "zulu": _zulu,
    "phone": _phone,
    "range": _range,
    "money": _money,
    "version": lambda match: spoken(match["version"]),
    "product": partial(_two, left="left", word="སྒྱུར", right="right"),
    "vulgar": _vulgar,
    "fraction": lambda match: fraction(int(match["over"]), int(match["under"])),
    "ratio": partial(_two, left="one", word="བསྡུར", right="other"),
    "nth": lambda match: ordinal(int(match["rank"])),
    "first": lambda match: "དང་པོ",
    "number": _number,
    "slash": lambda match: "ཡང་ན",
    "symbol": lambda match: _SYMBOLS[match["symbol"]],
}

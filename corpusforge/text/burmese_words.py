"""Numbers, units and symbols of Burmese text in words.

Where several rules fit, the first one is taken. A unit that the sentence names itself right beside the number is not
said twice.

    ================  ====================================================================================
    dates             2020-07-01, 1/7/2020 → နှစ်ထောင့်နှစ်ဆယ် ခုနှစ် ဇူလိုင်လ တစ်ရက် (day first where both could be)
    lap times         4:41.30 → လေးမိနစ် လေးဆယ့်တစ်ဒသမသုံးသုည စက္ကန့်
    clock times       ၉:၃၀ → ကိုးနာရီ သုံးဆယ်မိနစ်; 5:00 pm → ညနေ ငါးနာရီ; ၀၂၃၀ UTC; ၁၂.၀၀ နာရီ
    telephone         +95 1 234 567, 09-123-4567 digit by digit
    ranges            ၅-၁၀ → ငါး မှ တစ်ဆယ်; falling ones are scores: ၇-၂ → ခုနစ် နှစ်
    currencies        $၅ → ငါးဒေါ်လာ; round and large amounts behind the word: $၁၀၀ → ဒေါ်လာ တစ်ရာ,
                      $၂.၃ ဘီလီယံ → ဒေါ်လာ နှစ်ဒသမသုံး ဘီလီယံ; US$ အမေရိကန်ဒေါ်လာ; € £ ¥ ₹ ₩ ₿
    degrees           ၃၀°C → သုံးဆယ် ဒီဂရီ စင်တီဂရိတ်; °F ဖာရင်ဟိုက်; ° ဒီဂရီ
    percent           ၃၄.၅% → သုံးဆယ့်လေးဒသမငါး ရာခိုင်နှုန်း; ‰ as parts of a thousand
    units             ၁၂ km → ဆယ့်နှစ် ကီလိုမီတာ; km² စတုရန်း ကီလိုမီတာ; km/h တစ်နာရီ … ကီလိုမီတာ (see `_UNITS`)
    versions          802.11.2: each part by itself; 802.11n is a decimal and a letter
    products          ၄ x ၄ → လေး အမြှောက် လေး
    fractions         ၁/၅ → ငါးပုံတစ်ပုံ; ၂၄½ → နှစ်ဆယ့်လေးခွဲ; ၂၉¾ → နှစ်ဆယ့်ကိုး နှင့် လေးပုံသုံးပုံ
    ratios            ၃:၂ → သုံး အချိုး နှစ်
    decades           1930s → … ပြည့်လွန်နှစ်များ
    ordinals          19th → ဆယ့်ကိုးခုမြောက်; 2nd → ဒုတိယ; before ရာစု "century" the cardinal
    numbers           see `corpusforge.text.burmese_numbers`
    symbols           + အပေါင်း, − before a number အနုတ်, = ညီမျှ, × အမြှောက်, ÷ အစား, & နှင့်, @ အက်, # № နံပါတ်,
                      / beside Burmese words, those made here too, သို့မဟုတ် (not where the text says it itself)
    ================  ====================================================================================

Digits of every script count; full-width and circled forms are the plain ones. Letters of other scripts, punctuation
and symbols without a word stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from corpusforge.text.burmese_numbers import cardinal, fraction, number, ordinal, spelled

_CURRENCIES = {"$": "ဒေါ်လာ", "€": "ယူရို", "£": "ပေါင်", "¥": "ယန်း", "₹": "ရူပီး", "₩": "ဝမ်", "₿": "ဘစ်ကွိုင်"}
_DOLLARS = {
    "AUD": "ဩစတြေးလျ",
    "CAD": "ကနေဒါ",
    "USD": "အမေရိကန်",
    "NZ": "နယူးဇီလန်",
    "HK": "ဟောင်ကောင်",
    "US": "အမေရိကန်",
    "AU": "ဩစတြေးလျ",
    "A": "ဩစတြေးလျ",
    "C": "ကနေဒါ",
    "S": "စင်ကာပူ",
}
_LARGE = "(?:ဘီလီယံ|ဘီလျံ|ထရီလီယံ|ထရီလျံ|မီလီယံ|မီလျံ|သန်း|သိန်း|သောင်း|ထောင်|ကုဋေ)"
_LENGTHS = {
    "km": "ကီလိုမီတာ",
    "m": "မီတာ",
    "cm": "စင်တီမီတာ",
    "mm": "မီလီမီတာ",
    "nm": "နာနိုမီတာ",
    "mi": "မိုင်",
    "miles": "မိုင်",
    "mile": "မိုင်",
    "ft": "ပေ",
    "feet": "ပေ",
    "yd": "ကိုက်",
    "inches": "လက်မ",
    "inch": "လက်မ",
}
_HOURLY, _SECONDLY, _SQUARE, _CUBIC = "တစ်နာရီ", "တစ်စက္ကန့်", "စတုရန်း", "ကုဗ"
# What is said before the number, and after it.
_UNITS: dict[str, tuple[str, str]] = {
    **{name: ("", word) for name, word in _LENGTHS.items()},
    **{name + two: ("", f"{_SQUARE} {word}") for name, word in _LENGTHS.items() for two in "2²"},
    **{name + three: ("", f"{_CUBIC} {word}") for name, word in _LENGTHS.items() for three in "3³"},
    **{f"sq {name}": ("", f"{_SQUARE} {word}") for name, word in _LENGTHS.items()},
    **{name: (_HOURLY, "ကီလိုမီတာ") for name in ("km/h", "kmh", "kph")},
    "mph": (_HOURLY, "မိုင်"),
    "m/s": (_SECONDLY, "မီတာ"),
    "km/s": (_SECONDLY, "ကီလိုမီတာ"),
    "kg": ("", "ကီလိုဂရမ်"),
    "g": ("", "ဂရမ်"),
    "mg": ("", "မီလီဂရမ်"),
    "lbs": ("", "ပေါင်"),
    "lb": ("", "ပေါင်"),
    "oz": ("", "အောင်စ"),
    "ha": ("", "ဟက်တာ"),
    **{name: ("", "လီတာ") for name in ("l", "L")},
    **{name: ("", "မီလီလီတာ") for name in ("ml", "mL")},
    "Hz": ("", "ဟတ်ဇ်"),
    "kHz": ("", "ကီလိုဟတ်ဇ်"),
    "MHz": ("", "မဂ္ဂါဟတ်ဇ်"),
    **{name: ("", "ဂစ်ဂါဟတ်ဇ်") for name in ("GHz", "Ghz")},
    "KB": ("", "ကီလိုဘိုက်"),
    "MB": ("", "မဂ္ဂါဘိုက်"),
    "GB": ("", "ဂစ်ဂါဘိုက်"),
    "TB": ("", "တာရာဘိုက်"),
    **{name: (_SECONDLY, "မဂ္ဂါဘစ်") for name in ("Mbit/s", "Mbps")},
    "W": ("", "ဝပ်"),
    "kW": ("", "ကီလိုဝပ်"),
    "MW": ("", "မဂ္ဂါဝပ်"),
}
_MONTHS = (
    "ဇန်နဝါရီ", "ဖေဖော်ဝါရီ", "မတ်", "ဧပြီ", "မေ", "ဇွန်",
    "ဇူလိုင်", "ဩဂုတ်", "စက်တင်ဘာ", "အောက်တိုဘာ", "နိုဝင်ဘာ", "ဒီဇင်ဘာ",
)  # fmt: skip
_SYMBOLS = {
    **_CURRENCIES,
    "%": "ရာခိုင်နှုန်း",
    "‰": "ထောင်ပုံ",
    "°": "ဒီဂရီ",
    "+": "အပေါင်း",
    "−": "အနုတ်",
    "±": "အပေါင်းအနုတ်",
    "=": "ညီမျှ",
    "×": "အမြှောက်",
    "÷": "အစား",
    "&": "နှင့်",
    "@": "အက်",
    "#": "နံပါတ်",
    "№": "နံပါတ်",
    "²": "နှစ်ထပ်",
    "³": "သုံးထပ်",
}

_N = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_NAMES = "|".join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))
_SUFFIX = (
    r"(?:\s?(?P<{0}percent>[%‰])|\s?°(?:\s?(?P<{0}scale>[CF])(?![A-Za-z])|(?P<{0}angle>))"
    rf"|\s?(?P<{{0}}unit>{_NAMES})(?![A-Za-z\d²³/]))"
)
_MERIDIEM = r"\s?(?P<{0}>[AaPp])\.?\s?[Mm]\b\.?"
_HOURS = r"(?:\s*နာရီ)?"
_DASH = r"\s?[-–—−~〜]\s?"
_SIGN = f"(?P<{{0}}country>{'|'.join(_DOLLARS)})?(?P<{{0}}currency>[{''.join(_CURRENCIES)}])"
_VULGAR = "¼-¾⅐-⅞↉"
_BURMESE = "[\u1000-\u103f\u104c-\u104f]"
_RULES = re.compile(
    "|".join(
        (
            r"(?P<date>(?<![\d.,/-])(?:\d{4}(?P<s>[-/.])\d{1,2}(?P=s)\d{1,2}|\d{1,2}(?P<z>[-/.])\d{1,2}(?P=z)\d{4})(?![\d/-]))",
            r"(?P<lap>(?<![\d.,:])\d{1,2}:[0-5]\d\.\d+)",
            rf"(?P<clock>(?<![\d.,:])(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?![\d:])(?:{_MERIDIEM.format('meridiem')})?{_HOURS})",
            r"(?P<dotted>(?<![\d.,:])(?:[01]?\d|2[0-4])\.[0-5]\d(?:\s*နာရီ|(?=\s?(?:UTC|GMT)\b)))",
            r"(?P<zulu>(?<![\d.,:])(?:[01]\d|2[0-3])[0-5]\d(?=\s?(?:UTC|GMT)\b))",
            rf"(?P<hour>(?<![\d.,:])(?:1[0-2]|[1-9]){_MERIDIEM.format('half')}{_HOURS})",
            r"(?P<phone>(?<![\d.,+])(?:\+\d{1,3}(?:[- ]?\d+){2,}|\d{2,5}(?:-\d{3,}){2,})(?![\d-]))",
            rf"(?P<range>(?:{_SIGN.format('range_')}\s?)?(?P<low>{_N}){_DASH}[{''.join(_CURRENCIES)}]?(?P<high>{_N})(?![\d.]*[-–:])"
            rf"(?:{_SUFFIX.format('range_')})?)",
            rf"(?P<money>{_SIGN.format('')}\s?(?P<amount>{_N})(?P<large>\s?{_LARGE})?"
            rf"|(?P<amount_after>{_N})\s?(?P<currency_after>[{''.join(_CURRENCIES)}])(?!\s?\d))",
            r"(?P<version>(?<![\d.])(?:\d+(?:\.\d+){2,}(?!\d)|802\.11(?=[a-z])))",
            rf"(?P<product>(?P<left>{_N})\s?[xX×✕]\s?(?P<right>{_N})(?![A-Za-z]))",
            rf"(?P<vulgar>(?P<and>\d+)?\s?(?P<glyph>[{_VULGAR}]))",
            r"(?P<fraction>(?<![\d./])(?P<over>\d{1,3})/(?P<under>\d{1,4})(?![\d./]))",
            r"(?P<ratio>(?<![\d:.])(?P<one>\d+):(?P<other>\d+)(?![\d:]))",
            r"(?P<decade>(?<![\d.,])\d{1,3}0['’]?s\b)",
            r"(?P<nth>(?<![\d.,])(?P<rank>\d{1,4})(?:st|nd|rd|th)\b(?:[-\s]?(?=ရာစု))?)",
            rf"(?P<number>(?P<sign>[+−±]|(?<![^\s(\[“\"'=])-)?(?P<value>{_N})(?:{_SUFFIX.format('')})?)",
            "(?P<symbol>[" + "".join(re.escape(symbol) for symbol in _SYMBOLS) + "])",
        )
    )
)
# Taken when all else is words: what stands beside a slash may have become Burmese, as in 5m / x.
_SLASH = re.compile(r"\s?/[\s/]*")
_NEEDS_NO_SPACE = re.compile(rf"{_BURMESE}|\W")
_FORMS = re.compile(r"[\u2070-\u209c\u2103\u2109\u2460-\u24ff\u2776-\u2793\u3300-\u33ff\uff01-\uff5e\uffe0-\uffe6]")
_OTHER_DIGITS = re.compile(r"(?![0-9])\d")
_WORK = re.compile(f"[\\d{_VULGAR}{''.join(re.escape(symbol) for symbol in _SYMBOLS)}/]")


def verbalize(text: str) -> str:
    """Numbers, units and symbols of normalized text in words, by the rules above; all other text as it was."""
    plain = _compatible(text)
    return _SLASH.sub(_slash, _RULES.sub(_say, plain)) if _WORK.search(plain) else plain


def _compatible(text: str) -> str:
    """ASCII digits for digits of every script, plain forms for full-width, circled and squared ones."""
    if text.isascii():
        return text
    text = _OTHER_DIGITS.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    return _FORMS.sub(_plain_form, text)


def _plain_form(form: re.Match[str]) -> str:
    # Circled and squared numbers stand by themselves: ①② is not 12. Those without a plain form have a numeric value.
    plain = unicodedata.normalize("NFKC", form[0])
    if plain == form[0] and (value := unicodedata.digit(form[0], None)) is not None:
        plain = str(value)
    return f" {plain} " if "\u2460" <= form[0] <= "\u33ff" else plain


def _say(match: re.Match[str]) -> str:
    words = _READERS[match.lastgroup or ""](match)
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    # Words that touch letters of another script, or a symbol that becomes a word too, stand apart from them.
    if (before and not _NEEDS_NO_SPACE.match(before)) or _WORK.match(before):
        words = " " + words
    if (after and not _NEEDS_NO_SPACE.match(after)) or _WORK.match(after):
        words += " "
    return words


def _beside(match: re.Match[str], word: str, reach: int = 0) -> bool:
    """Whether the text names `word` right before the match (with at most `reach` letters between) or right after it."""
    before = match.string[max(0, match.start() - len(word) - reach - 2) : match.start()]
    return word in before or match.string[match.end() : match.end() + len(word) + 2].lstrip().startswith(word)


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)


def _date(match: re.Match[str]) -> str:
    first, second, third = (int(part) for part in re.split(r"\D", match["date"]))
    year, month, day = (first, second, third) if match["s"] else (third, second, first)
    if month > 12 >= day:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return _join(*(number(part) for part in re.split(r"\D", match["date"])))
    return f"{cardinal(year)} ခုနှစ် {_MONTHS[month - 1]}လ {_counted(str(day))}ရက်"


def _time(hour: str, minute: str = "0", second: str = "0") -> str:
    return _join(
        f"{_counted(hour)}နာရီ",
        f"{_counted(minute)}မိနစ်" if int(minute) or int(second) else "",
        f"{_counted(second)}စက္ကန့်" if int(second) else "",
    )


def _counted(value: str) -> str:
    """A number of hours, minutes or days: ten without its "one"."""
    return "ဆယ်" if int(value) == 10 else cardinal(int(value))


def _part_of_day(match: re.Match[str], meridiem: str | None, hour: int) -> str:
    if not meridiem or any(_beside(match, said, 6) for said in ("နံနက်", "မနက်", "နေ့လယ်", "ညနေ", "ည ")):
        return ""
    if meridiem in "Aa":
        return "မနက်"
    return "နေ့လယ်" if hour in (12, 1, 2, 3) else "ညနေ" if hour < 7 else "ည"


def _clock(match: re.Match[str]) -> str:
    parts = re.findall(r"\d+", match["clock"])
    return _join(_part_of_day(match, match["meridiem"], int(parts[0])), _time(*parts))


def _hour(match: re.Match[str]) -> str:
    (hour,) = re.findall(r"\d+", match["hour"])
    return _join(_part_of_day(match, match["half"], int(hour)), _time(hour))


def _lap(match: re.Match[str]) -> str:
    minute, second = match["lap"].split(":")
    return f"{_counted(minute)}မိနစ် {number(second.removeprefix('0') or '0')} စက္ကန့်"


def _phone(match: re.Match[str]) -> str:
    return _join("အပေါင်း" if match["phone"].startswith("+") else "", spelled(match["phone"]))


def _measured(match: re.Match[str], group: str, value: str) -> str:
    """A number in words with its percent sign, degree or unit."""
    if match[group + "percent"] == "‰":
        return f"တစ်ထောင်ပုံ {value}ပုံ"
    if match[group + "percent"]:
        return _unless_beside(match, value, _SYMBOLS["%"])
    if match[group + "scale"] or match[group + "angle"] is not None:
        return _join(value, _SYMBOLS["°"], {"C": "စင်တီဂရိတ်", "F": "ဖာရင်ဟိုက်"}.get(match[group + "scale"], ""))
    if not match[group + "unit"]:
        return value
    rate, unit = _UNITS[match[group + "unit"]]
    return _join("" if rate and _beside(match, rate, 8) else rate, _unless_beside(match, value, unit))


def _unless_beside(match: re.Match[str], value: str, word: str) -> str:
    return value if _beside(match, word) else f"{value} {word}"


def _coin(match: re.Match[str], country: str | None, sign: str) -> str:
    name = (_DOLLARS[country] if country and sign == "$" else "") + _CURRENCIES[sign]
    return "" if _beside(match, _CURRENCIES[sign]) else name


def _money(match: re.Match[str]) -> str:
    amount = match["amount"] or match["amount_after"]
    coin = _coin(match, match["country"], match["currency"] or match["currency_after"])
    value = number(amount)
    lead = f"{match['country']} " if match["country"] and match["currency"] != "$" else ""
    if match["large"]:
        return lead + _join(coin, value, match["large"].strip())
    digits = amount.replace(",", "")
    round_count = digits.isdigit() and int(digits) >= 10 and int(digits) % 10 == 0
    return lead + (_join(coin, value) if round_count or match["country"] else value + coin)


def _range(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    start, end = (float(value.replace(",", "")) for value in (low, high))
    years = len(low) == 4 and len(high) == 2 and end > start % 100
    between = "မှ" if start < end or years else ""
    sign = match["range_currency"]
    coin = _coin(match, match["range_country"], sign) if sign else ""
    return _join(coin, _measured(match, "range_", _join(number(low), between, number(high))))


def _vulgar(match: re.Match[str]) -> str:
    over, under = (int(part or 1) for part in unicodedata.normalize("NFKC", match["glyph"]).split("\u2044"))
    half = (over, under) == (1, 2)
    if not match["and"]:
        return "တစ်ဝက်" if half else fraction(over, under)
    return f"{number(match['and'])}ခွဲ" if half else _join(number(match["and"]), "နှင့်", fraction(over, under))


def _fraction(match: re.Match[str]) -> str:
    over, under = int(match["over"]), int(match["under"])
    return fraction(over, under) if over < under else _join(number(match["over"]), number(match["under"]))


def _nth(match: re.Match[str]) -> str:
    century = match.string.startswith("ရာစု", match.end())
    return cardinal(int(match["rank"])) if century else ordinal(int(match["rank"]))


def _number(match: re.Match[str]) -> str:
    sign = _SYMBOLS[match["sign"].replace("-", "−")] if match["sign"] else ""
    return _join(sign, _measured(match, "", number(match["value"])))


def _slash(match: re.Match[str]) -> str:
    before, after = match.string[max(0, match.start() - 2) : match.start()].rstrip(), match.string[match.end() :][:1]
    if not re.match(_BURMESE, before[-1:]) and not re.match(_BURMESE, after):
        return match[0]
    return " " if _beside(match, "သို့မဟုတ်") else " သို့မဟုတ် "


_READERS: dict[str, Callable[[re.Match[str]], str]] = {
    "date": _date,
    "lap": _lap,
    "clock": _clock,
    "dotted": lambda match: _time(*re.findall(r"\d+", match["dotted"])),
    "zulu": lambda match: _time(match["zulu"][:2], match["zulu"][2:]),
    "hour": _hour,
    "phone": _phone,
    "range": _range,
    "money": _money,
    "version": lambda match: number(match["version"]),
    "product": lambda match: _join(number(match["left"]), "အမြှောက်", number(match["right"])),
    "vulgar": _vulgar,
    "fraction": _fraction,
    "ratio": lambda match: _join(number(match["one"]), "အချိုး", number(match["other"])),
    "decade": lambda match: f"{number(match['decade'].rstrip('s’' + chr(39)))} ပြည့်လွန်နှစ်များ",
    "nth": _nth,
    "number": _number,
    "symbol": lambda match: f" {_SYMBOLS[match['symbol']]} ",
}

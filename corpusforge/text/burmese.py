"""Burmese text: one order of marks, syllables, and numbers and symbols in words.

Normalisation follows Unicode Technical Note 11 (Hosken, "Representing Myanmar in Unicode") for the order of medials and
vowel signs, and NFC for dot below before asat. Rules of `verbalize`, in this order:

- times: ၉:၃၀ → ကိုးနာရီ သုံးဆယ်မိနစ် (a နာရီ that follows is not said twice); no clock time: a score, read with အနိုင် left out
- currency: $၅ → ငါးဒေါ်လာ; €, £, ¥ → ယူရို, ပေါင်, ယန်း
- temperature and angle: ၃၀℃, ၃၀°C → သုံးဆယ် ဒီဂရီ စင်တီဂရိတ်; °F; °
- per cent: ၃၄.၅% → သုံးဆယ့်လေးဒသမငါး ရာခိုင်နှုန်း
- units after a number: km, m, kg and others
- fractions ၁/၂ → နှစ်ပုံတစ်ပုံ; ranges ၅-၁၀ → ငါးမှ ဆယ်
- digit strings of nine or more digits, and those that begin with 0: digit by digit
- other numbers: cardinals with the creaky linking forms (ဆယ့်, ရာ့, ထောင့်), decimals ဒသမ, thousands separators dropped
- symbols: + အပေါင်း, = ညီမျှ, & နှင့်, @ အက်, × အမြှောက်; / is a pause
"""

from __future__ import annotations

import re
import unicodedata

ONES = ("သုည", "တစ်", "နှစ်", "သုံး", "လေး", "ငါး", "ခြောက်", "ခုနစ်", "ရှစ်", "ကိုး")
_POWERS = (
    (100_000, "သိန်း", "သိန်း"),
    (10_000, "သောင်း", "သောင်း"),
    (1000, "ထောင်", "ထောင့်"),
    (100, "ရာ", "ရာ့"),
    (10, "ဆယ်", "ဆယ့်"),
)
MILLION = "သန်း"

# Medials, then vowel signs from the left of the page to the right, then marks of nasality, tone and silence.
_ORDER = {
    mark: place
    for place, mark in enumerate(
        "\u103b\u103c\u103d\u103e\u1031\u102d\u102e\u1032\u102f\u1030\u102b\u102c\u1036\u1037\u103a\u1038"
    )
}
_MARKS = re.compile("[" + "".join(_ORDER) + "]{2,}")
_INVISIBLE = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD), "")
_WA_FOR_ZERO = re.compile("(?<=[\u1040-\u1049.,])\u101d(?![\u102b-\u103e])|\u101d(?=[\u1041-\u1049][\u1040-\u1049])")
_ZERO_FOR_WA = re.compile("\u1040(?=[\u102b-\u103e]|[\u1000-\u1021]\u1037?\u103a)")
_STACKED = re.compile("([\u1000-\u1021\u1025])\u103a?\u1039")
_BREAK = re.compile("(?=(?<!\u1039)(?:[\u1000-\u1021](?!\u1037?\u103a|\u1039)|[\u1023-\u102a\u103f\u104c-\u104f]))")
_LETTER = re.compile("[\u1000-\u1021\u1023-\u102a\u103f\u104c-\u104f]")
_RUN = re.compile("[\u1000-\u103f\u104c-\u104f]+")


def normalize(text: str) -> str:
    """Canonical order of marks, no invisible characters, and letter and digit of the same shape where they belong."""
    text = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    text = _MARKS.sub(lambda run: "".join(sorted(dict.fromkeys(run.group()), key=_ORDER.__getitem__)), text)
    text = _ZERO_FOR_WA.sub("\u101d", text)
    text = _WA_FOR_ZERO.sub("\u1040", text)
    return text.replace("\u1025\u103a", "\u1009\u103a")


def syllables(text: str) -> list[str]:
    """Syllables as spoken, in spelling: a stacked consonant closes one and the next opens another (သတ္တ → သတ် တ)."""
    found: list[str] = []
    for run in _RUN.findall(text):
        found += [piece for piece in _BREAK.split(_STACKED.sub("\\1\u103a", run)) if piece]
    return found


def is_letter(character: str) -> bool:
    """Whether a character is a Burmese letter or one of the four signs that stand for words."""
    return _LETTER.match(character) is not None


# Numbers


def cardinal(value: int) -> str:
    """A whole number in words: 2009 → နှစ်ထောင့်ကိုး, 21 → နှစ်ဆယ့်တစ်, 11 → ဆယ့်တစ်."""
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
            # Eleven to nineteen have no "one" in front of ten.
            one = "" if power == 10 and digit == 1 and (value or words) else ONES[digit]
            words += one + (linked if value else alone)
    return words + (ONES[value] if value else "")


def spelled(digits: str) -> str:
    """Digit by digit."""
    return "".join(ONES[int(digit)] for digit in digits if digit.isdigit())


def number(text: str) -> str:
    """A number as it stands in text, in ASCII digits: `1,234.5`."""
    whole, _, rest = text.replace(",", "").partition(".")
    long = (len(whole) >= 9 and "," not in text) or len(whole) > 15
    words = spelled(whole) if long or (len(whole) > 1 and whole.startswith("0")) else cardinal(int(whole))
    return words + (f"ဒသမ{spelled(rest)}" if rest else "")


_N = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CURRENCY = {"US$": "ဒေါ်လာ", "$": "ဒေါ်လာ", "€": "ယူရို", "£": "ပေါင်", "¥": "ယန်း", "₹": "ရူပီး"}
_UNITS = {
    "km/h": "ကီလိုမီတာ နှုန်း",
    "kph": "ကီလိုမီတာ နှုန်း",
    "mph": "မိုင် နှုန်း",
    "km²": "စတုရန်း ကီလိုမီတာ",
    "km2": "စတုရန်း ကီလိုမီတာ",
    "m²": "စတုရန်း မီတာ",
    "km": "ကီလိုမီတာ",
    "cm": "စင်တီမီတာ",
    "mm": "မီလီမီတာ",
    "kg": "ကီလိုဂရမ်",
    "mg": "မီလီဂရမ်",
    "ml": "မီလီလီတာ",
    "mL": "မီလီလီတာ",
    "ft": "ပေ",
    "GHz": "ဂီဂါဟတ်ဇ်",
    "MHz": "မီဂါဟတ်ဇ်",
    "m": "မီတာ",
    "g": "ဂရမ်",
    "L": "လီတာ",
}
_SYMBOLS = {"+": " အပေါင်း ", "=": " ညီမျှ ", "&": " နှင့် ", "@": " အက် ", "×": " အမြှောက် ", "/": "၊ ", "%": " ရာခိုင်နှုန်း "}
_SYMBOLS |= {"$": " ဒေါ်လာ ", "€": " ယူရို ", "£": " ပေါင် ", "°": " ဒီဂရီ "}


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    if hour > 24 or minute > 59:
        return f"{cardinal(hour)} {cardinal(minute)}" + (f" {cardinal(int(second))}" if second else "")
    words = f"{cardinal(hour)}နာရီ"
    if minute or second:
        words += f" {cardinal(minute)}မိနစ်"
    return words + (f" {cardinal(int(second))}စက္ကန့်" if second else "")


def _degrees(match: re.Match[str]) -> str:
    sign = "အနုတ် " if match[1] else ""
    unit = match[3].upper()
    scale = " စင်တီဂရိတ်" if "C" in unit or "℃" in unit else " ဖာရင်ဟိုက်" if "F" in unit or "℉" in unit else ""
    return f"{sign}{number(match[2])} ဒီဂရီ{scale}"


_RULES: list[tuple[re.Pattern[str], object]] = [
    (re.compile(r"(?<![\d:.])(\d{1,3}):(\d{2})(?::(\d{2}))?(?![\d:])(?:\s*နာရီ)?"), _clock),
    (re.compile(rf"(US\$|[$€£¥₹])\s*({_N})"), lambda m: f"{number(m[2])}{_CURRENCY[m[1]]}"),
    (re.compile(rf"({_N})\s*([$€£¥₹])"), lambda m: f"{number(m[1])}{_CURRENCY[m[2]]}"),
    (re.compile(rf"((?<![\d\w])[-−])?({_N})\s*(℃|℉|°\s*[CF](?![A-Za-z])|°)", re.IGNORECASE), _degrees),
    (re.compile(rf"({_N})\s*[-–—~]\s*(?=\d)"), lambda m: f"{m[1]} မှ "),
    (re.compile(rf"({_N})\s*%"), lambda m: f"{number(m[1])} ရာခိုင်နှုန်း"),
    (
        re.compile(rf"({_N})\s*({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?![A-Za-z0-9²])"),
        lambda m: f"{number(m[1])} {_UNITS[m[2]]}",
    ),
    (re.compile(r"(?<![\d/])(\d{1,3})/(\d{1,4})(?![\d/])"), lambda m: f"{number(m[2])}ပုံ{number(m[1])}ပုံ"),
    (re.compile(_N), lambda m: number(m[0])),
]
_DIGITS = {0x1040 + digit: str(digit) for digit in range(10)} | {0x1090 + digit: str(digit) for digit in range(10)}


def verbalize(text: str) -> str:
    """Numbers and symbols in Burmese words, by the rules in the module's docstring; all other text as it was."""
    text = text.translate(_DIGITS)
    text = "".join(
        str(unicodedata.digit(c)) if c.isdigit() and unicodedata.digit(c, None) is not None else c for c in text
    )
    for pattern, words in _RULES:
        text = pattern.sub(words, text)  # type: ignore[call-overload]
    return "".join(_SYMBOLS.get(character, character) for character in text)

"""Chinese text made ready to be read aloud: one width of letters and digits, numbers and symbols in words.

Rules, in this order (`verbalize`):

- dates: 2009-07-05 and 2009/7/5 → 二零零九年七月五日
- telephone numbers: 010-62770334, 400-800-1234 → digit by digit; versions: 1.2.3 → 一点二点三; 802.11n → 八零二点一一n
- years, digit by digit: 2009年; 1994-1995年, 1995-96赛季, (1469-1539); (2006); 4 July 1776. Not a length of time:
  3500年前 → 三千五百年前, 1000年 → 一千年
- times: 9:30 → 九点三十分; 09:05 → 九点零五分; 9:00 → 九点; 9:30:15 → 九点三十分十五秒; 15.00 UTC → 十五点;
  4:41.30分 → 四分四十一点三零秒
- ratios and scores: 26:0 → 二十六比零 (no clock shows it); 7-2 → 七比二 (a range goes up)
- currency before or after the number: $5, US$5 → 五美元; €, £, ¥ → 欧元, 英镑, 元; $5万 → 五万美元
- temperature and angle: 30℃, 30°C → 三十摄氏度; 86°F → 八十六华氏度; -5℃ → 零下五摄氏度; 90° → 九十度
- per cent and per mille: 34.5% → 百分之三十四点五; 5-10% → 百分之五至十; 5‰ → 千分之五
- ranges: 5-10, 5–10, 5~10 → 五至十; sizes: 36x24 → 三十六乘二十四
- units after a number: km/h, mph, km², km, cm, mm, kg, mg, ml, GHz, MHz, m, g and others; 公里/小时 → 公里每小时
- fractions: 1/2, ½ → 二分之一; 29¾ → 二十九又四分之三
- English ordinals: 4th → 第四
- numbers of three or more digits behind a letter: digit by digit, CG4684 → CG四六八四; JAS39C → JAS三十九C
- digit strings of nine or more digits, and those that begin with 0: digit by digit
- 2 before a measure word: 2个 → 两个; at the head of thousands and more: 2000 → 两千, 22000 → 两万二千, 2亿 → 两亿
- other numbers: cardinals to 10^16 with 万, 亿, 万亿; decimals 点; negative 负; thousands separators are dropped
- symbols between words: + 加, = 等于, & 和, @ 艾特, × 乘, # 井号; / is a pause

Latin words are left as they are, for a voice that reads them. Number words are written here: cn2an, the library for
them, takes a number for a single value (no leading zeros, units, clocks or ranges, 17 digits at most), and its
transform of sentences raises on or misreads the rest: it would be wrapped in as many rules as stand here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

DIGITS = "零一二三四五六七八九"
_SMALL = ("", "十", "百", "千")
_LARGE = ("", "万", "亿", "万亿")

_UNITS = {
    "km/h": "公里每小时",
    "kph": "公里每小时",
    "mph": "英里每小时",
    "m/s": "米每秒",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "μm": "微米",
    "µm": "微米",
    "nm": "纳米",
    "kg": "公斤",
    "mg": "毫克",
    "ml": "毫升",
    "mL": "毫升",
    "kW": "千瓦",
    "MW": "兆瓦",
    "GHz": "吉赫",
    "MHz": "兆赫",
    "kHz": "千赫",
    "Hz": "赫兹",
    "GB": "吉字节",
    "MB": "兆字节",
    "KB": "千字节",
    "Gbit/s": "吉比特每秒",
    "Gbps": "吉比特每秒",
    "Mbit/s": "兆比特每秒",
    "Mbps": "兆比特每秒",
    "kbit/s": "千比特每秒",
    "kbps": "千比特每秒",
    "ft": "英尺",
    "lb": "磅",
    "m": "米",
    "g": "克",
    "L": "升",
}
_UNITS |= {
    spelling: _UNITS[unit] for unit, spelling in (("GHz", "Ghz"), ("MHz", "Mhz"), ("kHz", "KHz"), ("kHz", "Khz"))
}
_UNITS |= {
    spelling: _UNITS[spelling.lower()] for spelling in ("Km/h", "KM/H", "Km", "KM", "CM", "MM", "Kg", "KG", "ML")
}
for _length in ("km", "cm", "mm", "m", "ft"):
    for _power, _word in (("²", "平方"), ("2", "平方"), ("³", "立方"), ("3", "立方")):
        _UNITS[_length + _power] = _word + _UNITS[_length]
_CURRENCY = {"US$": "美元", "HK$": "港元", "A$": "澳元", "$": "美元", "€": "欧元", "£": "英镑", "¥": "元", "￥": "元"}
_SYMBOLS = {"+": "加", "=": "等于", "&": "和", "@": "艾特", "×": "乘", "÷": "除以", "#": "井号", "/": "、", "~": "至"}
_SYMBOLS |= {"%": "百分比", "‰": "千分比", "≈": "约等于", "±": "正负", "№": "号"}
_SYMBOL_WORDS = str.maketrans(_SYMBOLS)

_N = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_DASH = r"\s*[-–—~～]\s*"
_MEASURE = "个名人次天种条家只位座届倍间所项支部套块张把双辆艘枚颗粒年周岁分秒米公吨升万亿"
_MONTH = "Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec"
_YEAR = r"(?:1[0-9]\d\d|20\d\d)"
_REPEAT = re.compile(r"([\u3400-\u9fff])々")

# Letters and digits of other widths and shapes; Chinese punctuation, which NFKC would make narrow, is not among them.
_FOLDED = [
    range(0xFF10, 0xFF1A),
    range(0xFF21, 0xFF3B),
    range(0xFF41, 0xFF5B),
    range(0x2160, 0x2180),
    range(0x2460, 0x2474),
    range(0xF900, 0xFB00),
    range(0x1D400, 0x1D800),
    [0xFF05, 0xFF0D, 0xFF0E, 0xFF0F, 0xFF0B, 0xFF1D, 0xFF06, 0xFF20, 0x3000],
]
_FOLD = {code: unicodedata.normalize("NFKC", chr(code)) for codes in _FOLDED for code in codes}
_FOLD |= {0x200B: "", 0x200C: "", 0x200D: "", 0x2060: "", 0xFEFF: "", 0x00AD: "", 0x2212: "-", 0x00A0: " "}


def normalize(text: str) -> str:
    """Full-width letters and digits made narrow, compatibility hanzi unified, 々 written out, invisible signs dropped.

    Chinese punctuation stays as it is.
    """
    return _REPEAT.sub(r"\1\1", unicodedata.normalize("NFC", text.translate(_FOLD)))


def cardinal(digits: str) -> str:
    """A whole number in words: `10500` → 一万零五百; `12` → 十二. Longer than sixteen digits: digit by digit."""
    digits = (digits if digits.isascii() else str(int(digits))).lstrip("0") or "0"  # ༠ is a zero, too
    if len(digits) > 16:
        return spelled(digits)
    if digits == "0":
        return DIGITS[0]
    groups = [digits[max(0, end - 4) : end] for end in range(len(digits), 0, -4)][::-1]
    words = ""
    gap = False
    for number, group in enumerate(groups):
        value = int(group)
        if not value:
            gap = gap or bool(words)
            continue
        if words and (gap or value < 1000):
            words += DIGITS[0]
        words += _below_ten_thousand(value) + _LARGE[len(groups) - 1 - number]
        gap = False
    if words[0] == "二" and words[1:2] in ("千", "万", "亿"):
        return "两" + words[1:]
    return words[1:] if words.startswith("一十") else words


def _below_ten_thousand(value: int) -> str:
    words, gap = "", False
    for power in (3, 2, 1, 0):
        digit = value // 10**power % 10
        if digit:
            words += (DIGITS[0] if gap and words else "") + DIGITS[digit] + _SMALL[power]
            gap = False
        else:
            gap = True
    return words


def spelled(digits: str) -> str:
    """Digit by digit: 2009 → 二零零九."""
    return "".join(DIGITS[int(digit)] for digit in digits if digit.isdecimal())


def number(text: str) -> str:
    """A number as it stands in text: `1,234.50` → 一千二百三十四点五零."""
    whole, point, rest = text.replace(",", "").partition(".")
    long = (len(whole) >= 9 and "," not in text) or (len(whole) > 1 and whole.startswith("0"))
    words = spelled(whole) if long and not point else cardinal(whole)
    return words + (f"点{spelled(rest)}" if rest else "")


def _dotted(digits: str) -> str:
    return "点".join(spelled(part) for part in digits.split("."))


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = match["hour"], match["minute"], match["second"]
    if int(hour) > 24 or int(minute) > 59 or len(minute) != 2:
        return f"{number(hour)}比{number(minute)}" + (f"比{number(second)}" if second else "")
    words = f"{cardinal(hour)}点"
    if int(minute) or second:
        words += ("零" if minute[0] == "0" and int(minute) else "") + f"{cardinal(minute)}分"
    return words + (f"{cardinal(second)}秒" if second else "")


def _score(match: re.Match[str]) -> str:
    """Down or level is a score, up is a range: that is for a later rule."""
    if int(match[1]) < int(match[2]):
        return match[0]
    return f"{cardinal(match[1])}比{cardinal(match[2])}"


def _degrees(match: re.Match[str]) -> str:
    sign, value, unit = match[1], number(match[2]), match[3].upper().replace("°", "").replace(" ", "")
    if unit in ("C", "℃"):
        return f"{'零下' if sign else ''}{value}摄氏度"
    if unit in ("F", "℉"):
        return f"{'零下' if sign else ''}{value}华氏度"
    return f"{'负' if sign else ''}{value}度"


def _part(match: re.Match[str]) -> str:
    """A fraction in one character, behind a whole number or not; a fraction without words stays."""
    above, slash, below = unicodedata.normalize("NFKC", match[2]).partition("⁄")
    if not (slash and above.isdecimal() and below.isdecimal()):
        return match[0]
    return (f"{number(match[1])}又" if match[1] else "") + f"{number(below)}分之{number(above)}"


Words: TypeAlias = Callable[[re.Match[str]], str]
_units = "|".join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))
_AS: list[tuple[str, Words]] = [
    (
        r"(?<!\d)(\d{4})[-/.](0?[1-9]|1[0-2])[-/.]([12]\d|3[01]|0?[1-9])(?!\d)",
        lambda m: f"{spelled(m[1])}年{cardinal(m[2])}月{cardinal(m[3])}日",
    ),
    (
        r"(?<![\d-])(0\d{2,3}-\d{7,8}|\d{3}-\d{3,4}-\d{4})(?![\d-])",
        lambda m: "，".join(map(spelled, m[1].split("-"))),
    ),
    (r"(?<![\d.])\d+(?:\.\d+){2,}(?!\d)", lambda m: "点".join(map(number, m[0].split(".")))),
    (r"(?<![\d.])\d{3,}\.\d+(?=[a-z](?![A-Za-z/]))", lambda m: _dotted(m[0])),
    (r"(?<=年)\s*[-–—~～]\s*(?=\d)", lambda m: "至"),
    (
        rf"(?<!\d)({_YEAR})(?:\s*年)?{_DASH}({_YEAR}|\d\d)(?=\s*(?:年(?!前)|赛季|学年|[)）\]，。、；;]|$))",
        lambda m: f"{spelled(m[1])}至{spelled(m[2])}",
    ),
    (rf"(?<![\d.,])({_YEAR}|(?<=公元)\d{{3}}|(?<=公元前)\d{{3}})(?=\s*年(?![前间多]))", lambda m: _year(m[1])),
    (rf"(?<=[(（,， ])({_YEAR})(?=\s*[)）])", lambda m: spelled(m[1])),
    (
        rf"\b(?P<before>(?:\d{{1,2}}(?:st|nd|rd|th)?\s+)?(?:{_MONTH})[a-z]*\.?,?\s+(?:\d{{1,2}},\s*)?)(?P<year>{_YEAR})(?!\d)",
        lambda m: f"{m['before']}{spelled(m['year'])}",
    ),
    (
        r"(?<![\d:])(\d{1,2}):([0-5]\d)\.(\d+)(?:\s*分钟?)?(?!\d)",
        lambda m: f"{cardinal(m[1])}分{cardinal(m[2])}点{spelled(m[3])}秒",
    ),
    (r"(?<![\d:.])(?P<hour>\d{1,2})\.(?P<minute>[0-5]\d)(?P<second>)(?=\s*(?:UTC|GMT))", _clock),
    (r"(?<![\d:])(?P<hour>\d{1,3})[:：](?P<minute>\d{1,3})(?:[:：](?P<second>\d{1,2}))?(?![\d:])", _clock),
    (rf"(?<![\d.,A-Za-z-])(\d{{1,2}}){_DASH}(\d{{1,2}})(?![\d%A-Za-z-]|[.,]\d)", _score),
    (
        rf"(US\$|HK\$|A\$|[$€£¥￥])\s*({_N})(\s*[万亿]+)?",
        lambda m: f"{number(m[2])}{(m[3] or '').strip()}{_CURRENCY[m[1]]}",
    ),
    (rf"({_N})\s*([$€£¥￥])", lambda m: f"{number(m[1])}{_CURRENCY[m[2]]}"),
    (rf"((?<![\d\w])-)?({_N})\s*(℃|℉|°\s*[CFcf](?![A-Za-z])|°)", _degrees),
    (rf"({_N}){_DASH}({_N})\s*%", lambda m: f"百分之{number(m[1])}至{number(m[2])}"),
    (rf"({_N}){_DASH}(?=\d)", lambda m: f"{m[1]}至"),
    (r"(?<=\d)\s*[x×X]\s*(?=\d)", lambda m: "乘"),
    (rf"({_N})\s*%", lambda m: f"百分之{number(m[1])}"),
    (rf"({_N})\s*‰", lambda m: f"千分之{number(m[1])}"),
    (rf"({_N})\s*({_units})(?![A-Za-z0-9²³])", lambda m: f"{number(m[1])}{_UNITS[m[2]]}"),
    (r"(公里|英里|千米|米|元|次|吨|公斤|升)\s*/\s*(?=小时|分钟|秒|天|日|年|月|人|升|吨|公斤)", lambda m: f"{m[1]}每"),
    (r"(\d+)?\s*([¼-¾⅐-⅞])", _part),
    (r"(?<![\d/])(\d{1,3})/(\d{1,4})(?![\d/])", lambda m: f"{number(m[2])}分之{number(m[1])}"),
    (r"(?<![\d.])(\d{1,3})(?:st|nd|rd|th)\b", lambda m: f"第{number(m[1])}"),
    (r"(?<=[A-Za-z])(-?)(\d{3,})(?![\d.,])", lambda m: m[1] + spelled(m[2])),
    (rf"(?<![\d.,第至])2(?=\s*[{_MEASURE}])", lambda m: "两"),
    (rf"(?<![\w-])-({_N})", lambda m: f"负{number(m[1])}"),
    (_N, lambda m: number(m[0])),
]
_RULES = [(re.compile(pattern), words) for pattern, words in _AS]


def _year(digits: str) -> str:
    """A year of a calendar; a round thousand is a length of time more often."""
    return cardinal(digits) if digits.endswith("000") and digits != "2000" else spelled(digits)


def verbalize(text: str) -> str:
    """Numbers and symbols in words, by the rules in the module's docstring; all other text as it was."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    if not text.isascii():
        text = "".join(DIGITS[unicodedata.digit(c)] if unicodedata.digit(c, -1) >= 0 else c for c in text)
    return text.translate(_SYMBOL_WORDS)

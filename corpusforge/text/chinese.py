"""Chinese text made ready to be read aloud: one width of letters and digits, numbers and symbols in words.

Rules, in this order (`verbalize`):

- years and dates: 2009年 → 二零零九年; 2009-07-05 and 2009/7/5 → 二零零九年七月五日
- times: 9:30 → 九点三十分; 09:05 → 九点零五分; 9:00 → 九点; 9:30:15 → 九点三十分十五秒
- ratios and scores, which no clock shows: 26:0 → 二十六比零
- currency before or after the number: $5, US$5 → 五美元; €, £, ¥ → 欧元, 英镑, 元
- temperature and angle: 30℃, 30°C → 三十摄氏度; 86°F → 八十六华氏度; -5℃ → 零下五摄氏度; 90° → 九十度
- per cent and per mille: 34.5% → 百分之三十四点五; 5‰ → 千分之五
- units after a number: km/h, mph, km², km, cm, mm, kg, mg, ml, GHz, MHz, m, g and others
- fractions: 1/2 → 二分之一
- ranges: 5-10, 5–10, 5~10 → 五至十
- digit strings of nine or more digits, and those that begin with 0: digit by digit
- 2 before a measure word: 2个 → 两个
- other numbers: cardinals to 10^16 with 万, 亿, 万亿; decimals 点; negative 负; thousands separators are dropped
- symbols: + 加, = 等于, & 和, @ 艾特, × 乘, ÷ 除以, # 井号; / is a pause

Latin words are left as they are, for a voice that reads them. Number words are written here: a library for them would
be called from as many rules as stand here, and what it adds to those is thirty lines.
"""

from __future__ import annotations

import re
import unicodedata

DIGITS = "零一二三四五六七八九"
_SMALL = ("", "十", "百", "千")
_LARGE = ("", "万", "亿", "万亿")

_UNITS = {
    "km/h": "公里每小时",
    "kph": "公里每小时",
    "mph": "英里每小时",
    "m/s": "米每秒",
    "km²": "平方公里",
    "km2": "平方公里",
    "m²": "平方米",
    "m³": "立方米",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
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
    "ft": "英尺",
    "lb": "磅",
    "m": "米",
    "g": "克",
    "L": "升",
}
_CURRENCY = {"US$": "美元", "HK$": "港元", "A$": "澳元", "$": "美元", "€": "欧元", "£": "英镑", "¥": "元", "￥": "元"}
_SYMBOLS = {"+": "加", "=": "等于", "&": "和", "@": "艾特", "×": "乘", "÷": "除以", "#": "井号", "/": "、", "~": "至"}

_N = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MEASURE = "个名人次天种条家只位座届倍间所项支部套块张把双辆艘枚颗粒年周岁分秒米公吨升万亿"
_REPEAT = re.compile(r"([\u3400-\u9fff])々")
_FOLD = {code: unicodedata.normalize("NFKC", chr(code)) for code in [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B)]}
_FOLD |= {code: unicodedata.normalize("NFKC", chr(code)) for code in [*range(0xFF41, 0xFF5B), 0xFF05, 0xFF0D, 0xFF0E]}
_FOLD |= {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xF900, 0xFB00)}
_FOLD |= {0x200B: "", 0x200C: "", 0x200D: "", 0xFEFF: "", 0x00AD: "", 0x2212: "-", 0x00A0: " "}


def normalize(text: str) -> str:
    """Full-width letters and digits made narrow, compatibility hanzi unified, 々 written out, invisible signs dropped.

    Chinese punctuation stays as it is.
    """
    return _REPEAT.sub(r"\1\1", unicodedata.normalize("NFC", text).translate(_FOLD))


def cardinal(digits: str) -> str:
    """A whole number in words: `10500` → 一万零五百; `12` → 十二. Longer than sixteen digits: digit by digit."""
    digits = digits.lstrip("0") or "0"
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
    return "".join(DIGITS[int(digit)] for digit in digits if digit.isdigit())


def number(text: str) -> str:
    """A number as it stands in text: `1,234.50` → 一千二百三十四点五零."""
    whole, point, rest = text.replace(",", "").partition(".")
    long = (len(whole) >= 9 and "," not in text) or (len(whole) > 1 and whole.startswith("0"))
    words = spelled(whole) if long and not point else cardinal(whole)
    return words + (f"点{spelled(rest)}" if rest else "")


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = match["hour"], match["minute"], match["second"]
    if int(hour) > 24 or int(minute) > 59 or len(minute) != 2:
        return f"{number(hour)}比{number(minute)}" + (f"比{number(second)}" if second else "")
    words = f"{cardinal(hour)}点"
    if int(minute) or second:
        words += ("零" if minute[0] == "0" and int(minute) else "") + f"{cardinal(minute)}分"
    return words + (f"{cardinal(second)}秒" if second else "")


def _date(match: re.Match[str]) -> str:
    return f"{spelled(match[1])}年{cardinal(match[2])}月{cardinal(match[3])}日"


def _degrees(match: re.Match[str]) -> str:
    sign, value, unit = match[1], number(match[2]), match[3].upper().replace("°", "").replace(" ", "")
    if unit in ("C", "℃"):
        return f"{'零下' if sign else ''}{value}摄氏度"
    if unit in ("F", "℉"):
        return f"{'零下' if sign else ''}{value}华氏度"
    return f"{'负' if sign else ''}{value}度"


_RULES: list[tuple[re.Pattern[str], object]] = [
    (re.compile(r"(?<!\d)(\d{4})[-/.](0?[1-9]|1[0-2])[-/.]([12]\d|3[01]|0?[1-9])(?!\d)"), _date),
    (re.compile(r"(?<!\d)(\d{3,4})(?=\s*年)"), lambda m: spelled(m[1])),
    (re.compile(r"(?<![\d:])(?P<hour>\d{1,3})[:：](?P<minute>\d{1,3})(?:[:：](?P<second>\d{1,2}))?(?![\d:])"), _clock),
    (
        re.compile(rf"(US\$|HK\$|A\$|[$€£¥￥])\s*({_N})(\s*[万亿]+)?"),
        lambda m: f"{number(m[2])}{(m[3] or '').strip()}{_CURRENCY[m[1]]}",
    ),
    (re.compile(rf"({_N})\s*([$€£¥￥])"), lambda m: f"{number(m[1])}{_CURRENCY[m[2]]}"),
    (re.compile(rf"((?<![\d\w])-)?({_N})\s*(℃|℉|°\s*[CF](?![A-Za-z])|°)", re.IGNORECASE), _degrees),
    (re.compile(rf"({_N})\s*[-–—~～]\s*({_N})\s*%"), lambda m: f"百分之{number(m[1])}至{number(m[2])}"),
    (re.compile(rf"({_N})\s*[-–—~～]\s*(?=\d)"), lambda m: f"{m[1]}至"),
    (re.compile(rf"({_N})\s*%"), lambda m: f"百分之{number(m[1])}"),
    (re.compile(rf"({_N})\s*‰"), lambda m: f"千分之{number(m[1])}"),
    (
        re.compile(rf"({_N})\s*({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?![A-Za-z0-9²³])"),
        lambda m: f"{number(m[1])}{_UNITS[m[2]]}",
    ),
    (re.compile(r"(?<![\d/])(\d{1,3})/(\d{1,4})(?![\d/])"), lambda m: f"{number(m[2])}分之{number(m[1])}"),
    (re.compile(rf"(?<![\d.第])2(?=\s*[{_MEASURE}])"), lambda m: "两"),
    (re.compile(rf"(?<![\w-])-({_N})"), lambda m: f"负{number(m[1])}"),
    (re.compile(_N), lambda m: number(m[0])),
]


def verbalize(text: str) -> str:
    """Numbers and symbols in words, by the rules in the module's docstring; all other text as it was."""
    for pattern, words in _RULES:
        text = pattern.sub(words, text)  # type: ignore[call-overload]
    text = "".join(DIGITS[unicodedata.digit(c)] if c.isdigit() and unicodedata.digit(c, -1) >= 0 else c for c in text)
    return "".join(_SYMBOLS.get(character, character) for character in text)

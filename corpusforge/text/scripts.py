"""Unicode scripts: which one a character belongs to, and the runs of one script in a text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

# One named class a script that a voice exists for. Digits, punctuation, symbols and spaces are "Common".
_RANGES = {
    "Latn": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02b8\u1e00-\u1eff"
    "\ua722-\ua787\uab30-\uab64\uff21-\uff3a\uff41-\uff5a",
    "Hani": "\u3005\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af",
    "Tibt": "\u0f00-\u0fda",
    "Mymr": "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f",
    "Cyrl": "\u0400-\u052f\u1c80-\u1c8a\u2de0-\u2dff\ua640-\ua69f",
    "Grek": "\u0370-\u03e1\u03f0-\u03ff\u1f00-\u1fff",
    "Arab": "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Hebr": "\u0591-\u05f4\ufb1d-\ufb4f",
    "Deva": "\u0900-\u0963\u0970-\u097f\ua8e0-\ua8ff",
    "Beng": "\u0980-\u09e5\u09f0-\u09fe",
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Hang": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3",
    "Jpan": "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9f",
}
_RUN = re.compile("|".join(f"(?P<{name}>[{ranges}]+)" for name, ranges in _RANGES.items()))


def runs(text: str) -> Iterator[tuple[str, str]]:
    """The text cut into runs of one script, in order and without loss: `("Latn", "BBC")`, `("Common", " 9:30")`.

    Letters of a script that no class above names, and everything that is not a letter, come as `Common`.
    """
    end = 0
    for match in _RUN.finditer(text):
        if match.start() > end:
            yield "Common", text[end : match.start()]
        yield match.lastgroup or "Common", match.group()
        end = match.end()
    if end < len(text):
        yield "Common", text[end:]


def share(text: str, script: str) -> float:
    """Share of the text's letters (characters of any named script) that belong to `script`, 0 if it has none."""
    letters = own = 0
    for name, run in runs(text):
        if name != "Common":
            letters += len(run)
            own += len(run) if name == script else 0
    return own / letters if letters else 0.0


# The other scripts of FLORES-200. `runs` leaves them in Common, since no voice exists for them; letters are counted.
_OTHERS = {
    "Armn": "\u0531-\u0588\ufb13-\ufb17",
    "Ethi": "\u1200-\u137c\u1380-\u139f\u2d80-\u2dde\uab01-\uab2e",
    "Geor": "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2d",
    "Gujr": "\u0a81-\u0aff",
    "Guru": "\u0a01-\u0a76",
    "Khmr": "\u1780-\u17dd\u19e0-\u19ff",
    "Knda": "\u0c80-\u0cf3",
    "Laoo": "\u0e81-\u0edf",
    "Mlym": "\u0d00-\u0d7f",
    "Olck": "\u1c50-\u1c7d",
    "Orya": "\u0b01-\u0b77",
    "Sinh": "\u0d81-\u0df4",
    "Taml": "\u0b82-\u0bfa",
    "Telu": "\u0c00-\u0c7f",
    "Tfng": "\u2d30-\u2d7f",
}
_LETTERS = re.compile(
    "|".join(f"(?P<{name}>[{ranges}]+)" for name, ranges in (_RANGES | _OTHERS).items()) + "|(?P<Zzzz>[^\\W\\d_]+)"
)
_WRITTEN_IN = {"Hans": ("Hani",), "Hant": ("Hani",), "Jpan": ("Jpan", "Hani")}


def of_language(lang: str) -> tuple[str, ...]:
    """The scripts that a language is written in, by its FLORES code: `("Tibt",)`; Japanese has two."""
    script = lang.partition("_")[2]
    return _WRITTEN_IN.get(script, (script,))


def letters(text: str) -> Counter[str]:
    """How many letters and signs of letters (vowels, stacked and medial ones) of each script a text has.

    Digits, punctuation, tshegs and symbols are not counted; letters of scripts without a name here are `Zzzz`.
    """
    counts: Counter[str] = Counter()
    for match in _LETTERS.finditer(text):
        number = sum(unicodedata.category(character)[0] in "LM" for character in match[0])
        if number:
            counts[match.lastgroup or "Zzzz"] += number
    return counts


def only(text: str, script: str) -> str:
    """The letters of a text that are in one script, without what stands between them."""
    return "".join(
        "".join(character for character in match[0] if unicodedata.category(character)[0] in "LM")
        for match in _LETTERS.finditer(text)
        if match.lastgroup == script
    )


def language_share(text: str, lang: str) -> float | None:
    """Share of the letters of a text that are in a script of the language; None if the text has no letter."""
    counts = letters(text)
    total = counts.total()
    return sum(counts[script] for script in of_language(lang)) / total if total else None

"""What every answer of a model goes through before it is checked and kept."""

from __future__ import annotations

import re
import unicodedata

from corpusforge.text import burmese, scripts, tibetan
from corpusforge.text.zawgyi import is_zawgyi

_THOUGHTS = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A(`{3,}|~{3,})[^\n`]*\n(.*)\n\1\Z", re.DOTALL)
_WRAPPED = {'"': '"', "“": "”", "「": "」", "『": "』", "«": "»", "`": "`"}
_EDGES = "\ufeff\u200b\u2060"
_LINES = re.compile(r"\r\n?|[\u0085\u2028\u2029]")


def clean(answer: str, source: str = "") -> str:
    """An answer without what is no part of a translation, in the one spelling of its script.

    What goes: a block of thoughts (`<think>…</think>`) before the answer, a code fence around all of it, quotation
    marks around all of it that the source has not, and space at its edges and at the ends of lines. The text is in NFC;
    Tibetan and Burmese in the spelling of `text.tibetan.normalize` and `text.burmese.normalize`. Burmese in Zawgyi is
    left alone, since its code points mean other letters. Line breaks stay. Idempotent.

    Args:
        answer: What the model answered.
        source: What it was to translate: where the source is one quotation, its marks stay in the answer.

    Raises:
        MissingDependency: The answer is in Myanmar letters and myanmartools is not installed.
    """
    quoted = _is_wrapped(_LINES.sub("\n", source).strip()) is not None
    while True:  # what one step takes away may uncover work for another
        mended = _step(answer, quoted)
        if mended == answer:
            return mended
        answer = mended


def _step(text: str, quoted: bool) -> str:
    text = _THOUGHTS.sub("", _LINES.sub("\n", text)).strip().strip(_EDGES).strip()
    fenced = _FENCE.match(text)
    if fenced:
        text = fenced[2]
    if not quoted and (inside := _is_wrapped(text)) is not None:
        text = inside
    return "\n".join(line.rstrip() for line in _spelled(text.strip()).split("\n"))


def _is_wrapped(text: str) -> str | None:
    """What stands between quotation marks that hold all of a text, None where none do."""
    closing = _WRAPPED.get(text[:1])
    if closing is None or len(text) < 3 or text[-1] != closing:
        return None
    inside = text[1:-1]
    return None if text[0] in inside or closing in inside else inside


def _spelled(text: str) -> str:
    counts = scripts.letters(text)
    script = max(counts, key=counts.__getitem__) if counts else ""
    if script == "Tibt":
        return "\n".join(tibetan.normalize(line) for line in text.split("\n"))
    if script == "Mymr" and not is_zawgyi(text):
        return burmese.normalize(text)
    return unicodedata.normalize("NFC", text)

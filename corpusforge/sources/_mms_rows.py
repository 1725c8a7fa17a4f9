"""What a row of mms must be: its languages, its labels, and the checks that one row has to pass."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from corpusforge.errors import nearest
from corpusforge.sources._files import Report

LABELS = ("negative", "neutral", "positive")
COLUMNS = ("_id", "text", "label", "original_dataset", "language")
NEEDED = ("text", "label", "original_dataset", "language")

# Augustyniak et al. (2023), https://arxiv.org/abs/2306.07902, table of languages. mms does not say which Arabic,
# Persian, Latvian, Albanian or Chinese; the codes are those of the standard languages, and of Simplified Chinese.
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "ar": "arb_Arab", "bg": "bul_Cyrl", "bs": "bos_Latn", "cs": "ces_Latn", "de": "deu_Latn", "el": "ell_Grek",
        "en": "eng_Latn", "es": "spa_Latn", "fa": "pes_Arab", "fr": "fra_Latn", "he": "heb_Hebr", "hi": "hin_Deva",
        "hr": "hrv_Latn", "hu": "hun_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "lv": "lvs_Latn", "pl": "pol_Latn",
        "pt": "por_Latn", "ru": "rus_Cyrl", "sk": "slk_Latn", "sl": "slv_Latn", "sq": "als_Latn", "sr": "srp_Cyrl",
        "sv": "swe_Latn", "th": "tha_Thai", "ur": "urd_Arab", "zh": "zho_Hans",
    }
)  # fmt: skip
_BY_FLORES = {flores: code for code, flores in LANGUAGES.items()}

_LABELS: dict[Any, int] = {name: number for number, name in enumerate(LABELS)} | {"0": 0, "1": 1, "2": 2}
# Ids become parts of file names, and a source's name stands in lines of text.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def code_of(language: str) -> str:
    """Mms's own code of a language that is given by it or by its FLORES code: `zh` for `zh` and for `zho_Hans`.

    Raises:
        ValueError: Not one of mms's languages.
    """
    code = _BY_FLORES.get(language, language)
    if code not in LANGUAGES:
        raise ValueError(
            f"'{language}' is not a language of mms: {nearest(language, (*LANGUAGES, *_BY_FLORES))} "
            f"(mms has {', '.join(LANGUAGES)})"
        )
    return code


class Row(NamedTuple):
    """A row that passed: `id` as mms has it or None, `label` a place in `LABELS`, `source` the original dataset."""

    id: str | None
    label: int
    source: str
    text: str


def content_name(source: str, label: int, text: str) -> str:
    """A name made of what a row says, for rows that have no id."""
    return hashlib.sha256(f"{source}\0{label}\0{text}".encode()).hexdigest()[:16]


class Reader:
    """Checks the rows of one language, and counts the languages of the others.

    Args:
        language: mms's code; rows that have the FLORES code instead are taken as well.
        at: A row's place in words.
        report: Takes what is wrong with a row; where it raises, the first problem ends the reading.
    """

    def __init__(self, language: str, at: Callable[[int], str], report: Report) -> None:
        self._wanted = (language, LANGUAGES[language])
        self._at = at
        self._report = report
        self._sources: set[str] = set()
        self.others: dict[str, int] = {}
        """Rows by language, of the languages that were not asked for."""

    def read(self, cells: Mapping[str, Any], place: int) -> Row | None:
        """The row, or None if it is of another language or was reported."""
        language = cells.get("language")
        if language not in self._wanted:
            if isinstance(language, str) and language.strip():
                self.others[language] = self.others.get(language, 0) + 1
            else:
                return self._wrong(place, "language", language, f"expected a code such as '{self._wanted[0]}'")
            return None
        source, text, id = cells.get("original_dataset"), cells.get("text"), cells.get("_id")
        label = self._label(cells.get("label"))
        if label is None:
            names = ", ".join(f"{number} ({name})" for number, name in enumerate(LABELS))
            return self._wrong(place, "label", cells.get("label"), f"expected {names}")
        if not isinstance(source, str) or (source not in self._sources and not self._is_source(source)):
            return self._wrong(place, "original_dataset", source, "expected the name of a dataset")
        if not isinstance(text, str):
            return self._wrong(place, "text", text, "expected a text")
        if not text or text.isspace():
            return self._wrong(place, "text", text, "empty; expected a text")
        problem = _damage(text)
        if problem:
            return self._wrong(place, "text", text, problem)
        name = self._id(id)
        if name is None and id is not None:
            return self._wrong(place, "_id", id, "expected a number, or letters, digits, '.', '_' and '-'")
        return Row(name or None, label, source, text)

    def _wrong(self, place: int, column: str, found: object, expected: str) -> Row | None:
        """Report a cell; there is no row then."""
        shown = "nothing" if found is None else f"{found!r:.60}"
        self._report(f"{self._at(place)}: '{column}': {expected}; found {shown}")
        return None

    def _is_source(self, name: str) -> bool:
        if not name.strip() or _CONTROL.search(name):
            return False
        self._sources.add(name)
        return True

    @staticmethod
    def _label(value: object) -> int | None:
        if type(value) is int:  # not bool, which is an int as well
            return value if 0 <= value < len(LABELS) else None
        if isinstance(value, str):
            return _LABELS.get(value.strip().lower())
        # pandas writes a column of whole numbers as decimals once a cell of it is empty.
        return int(value) if isinstance(value, float) and value in (0.0, 1.0, 2.0) else None

    @staticmethod
    def _id(value: object) -> str | None:
        """The id as text; '' where there is none; None where it cannot be one."""
        if value is None or value == "" or value != value:
            return ""
        if type(value) is int and value >= 0:
            return str(value)
        if isinstance(value, float) and value.is_integer() and value >= 0:
            return str(int(value))
        return value if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def _damage(text: str) -> str | None:
    """What makes a text no text."""
    if "\0" in text:
        return f"NUL character at {text.index(chr(0)) + 1}; expected a text"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"half a surrogate pair at {error.start + 1}; expected a text"
    return None

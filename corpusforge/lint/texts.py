"""Whether a text is what its row says: translated, in its script and language, in one Unicode spelling.

Scripts and languages are told by rules (`corpusforge.text.scripts`, `corpusforge.text.identify`): languages that share
letters are not all told apart.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator

from corpusforge.corpus.read import Corpus
from corpusforge.errors import MissingDependency
from corpusforge.lint.findings import Finding, Row, Settings, build_again, counted, listed, some
from corpusforge.text import scripts, zawgyi
from corpusforge.text.identify import another_language

LEAST_HANZI = 0.1
"""Least share of a text's letters that is in its script, where a hanzi stands for a word and a Latin letter does not.
Least of FLORES-200 in Chinese: 0.14, a list of five Indian names in Latin letters."""
LEAST = 0.4
"""The same for other scripts. Least of FLORES-200: 0.60 (Burmese), 0.61 (Tibetan)."""
SAME_SCRIPT, OTHER_SCRIPT = 10, 4
"""Letters from which on two equal texts of a group are suspect: languages in one script share short sentences, such as
`Taxi, taxi!`."""
_HANZI = frozenset({"Hans", "Hant", "Jpan"})
_REPLACED = "\ufffd"
_CATEGORIES = {"Cc": "control characters", "Co": "private-use characters", "Cs": "halves of surrogate pairs"}
_WHITE = "\t\n\r"
_NO_JOINERS = frozenset({"Hans", "Hant", "Tibt", "Mymr"})
"""Scripts in which zero-width characters have no meaning, as they have in Arabic and those of India."""
_INVISIBLE = dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF))


class Untranslated:
    """Texts that are equal in two languages of a parallel group."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._group: str | None = None
        self._texts: dict[str, list[Row]] = {}
        self._found: list[tuple[int, str]] = []
        self._pairs: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """See `Check`."""
        if row.record.group != self._group:
            self._judge()
            self._group, self._texts = row.record.group, {}
        self._texts.setdefault(row.key, []).append(row)

    def _judge(self) -> None:
        for key, rows in self._texts.items():
            langs = sorted({row.record.lang for row in rows})
            if len(langs) < 2:
                continue
            one_script = len({scripts.of_language(lang) for lang in langs}) == 1
            if scripts.letters(key).total() >= (SAME_SCRIPT if one_script else OTHER_SCRIPT):
                self._found += [(row.number, row.record.id) for row in rows]
                self._pairs[" = ".join(langs)] += 1

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        self._judge()
        if self._found:
            yield Finding(
                "untranslated",
                "warning",
                f"{counted(self._pairs.total(), 'text')} the same in two languages of the parallel group "
                f"({listed(self._pairs)})",
                "one of them was not translated: the voice of the one language has read the other",
                f"correct the source's text; or, where a model translated, `{self._build} --force translate` with "
                "another model or prompt",
                tuple(id for _, id in sorted(self._found)),
                dict(self._pairs),
            )


class Script:
    """Texts without letters, in another script, or in another language of the same script."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._empty: list[str] = []
        self._script: dict[str, str] = {}
        self._language: dict[str, tuple[str, str]] = {}

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        share = scripts.language_share(record.text, record.lang)
        if share is None:
            if not row.key:
                self._empty.append(record.id)
        elif share < (LEAST_HANZI if record.lang.partition("_")[2] in _HANZI else LEAST):
            self._script[record.id] = record.lang
        elif (other := another_language(record.text, record.lang)) is not None:
            self._language[record.id] = record.lang, other

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        mend = f"correct the source's text, or its language codes, and run `{self._build}`"
        if self._empty:
            yield Finding(
                "script",
                "error",
                f"{counted(len(self._empty), 'row')} without a letter or digit in the text",
                "there is nothing to read aloud or to learn from",
                mend,
                tuple(self._empty),
                {"rows": len(self._empty)},
            )
        if self._script:
            counts = Counter(self._script.values())
            yield Finding(
                "script",
                "warning",
                f"{counted(len(self._script), 'text')} mostly in another script than the language's ({listed(counts)})",
                "the voice reads another script as names of letters or not at all, and the text is not a sample of "
                "the language",
                mend,
                tuple(self._script),
                dict(counts),
            )
        if self._language:
            counts = Counter(lang for lang, _ in self._language.values())
            first, (_, other) = next(iter(self._language.items()))
            yield Finding(
                "script",
                "warning",
                f"{counted(len(self._language), 'text')} that seem to be in another language ({listed(counts)}): "
                f"{first} in {other}",
                "the row is no sample of its language, in text or in speech",
                mend,
                tuple(self._language),
                dict(counts),
            )


class Zawgyi:
    """Burmese in the encoding of old fonts."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._found: list[str] = []
        self._unseen: list[str] = []
        self._missing: MissingDependency | None = None

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        if record.lang.partition("_")[2] != "Mymr":
            return
        if self._missing is None:
            try:
                if zawgyi.is_zawgyi(record.text):
                    self._found.append(record.id)
                return
            except MissingDependency as error:
                self._missing = error
        self._unseen.append(record.id)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        if self._found:
            yield Finding(
                "zawgyi",
                "warning",
                f"{counted(len(self._found), 'text')} in Zawgyi instead of Unicode",
                "Zawgyi puts other letters on the code points of Unicode: voice and tokenizer read nonsense",
                f"convert the source's text to Unicode, and run `{self._build}`",
                tuple(self._found),
                {"rows": len(self._found)},
            )
        if self._missing is not None:
            yield Finding(
                "zawgyi",
                "note",
                f"not run on {counted(len(self._unseen), 'text')}: {self._missing}",
                "text in Zawgyi would not be noticed",
                "pip install 'corpusforge[translate]'",
                tuple(self._unseen),
            )


class Unicode:
    """Characters that no text should have, and spellings that are not the canonical one."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._broken: list[str] = []
        self._kinds: Counter[str] = Counter()
        self._loose: list[str] = []
        self._loose_kinds: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """See `Check`."""
        text = row.record.text
        if text.isascii() and text.isprintable():
            return
        broken = {kind for character in text if (kind := _broken(character))}
        if broken:
            self._broken.append(row.record.id)
            self._kinds.update(broken)
        loose = [
            *(["not NFC"] if not unicodedata.is_normalized("NFC", text) else []),
            *(["zero-width characters"] if _has_invisible(text, row.record.lang) else []),
        ]
        if loose:
            self._loose.append(row.record.id)
            self._loose_kinds.update(f"{row.record.lang} {kind}" for kind in loose)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        if self._broken:
            yield Finding(
                "unicode",
                "warning",
                f"{counted(len(self._broken), 'text')} with characters that mean nothing ({listed(self._kinds)})",
                "text was decoded with the wrong encoding, or is of a font and not of Unicode; no tokenizer knows it",
                f"read the source's file again with its own encoding, save it as UTF-8, and run `{self._build}`",
                tuple(self._broken),
                dict(self._kinds),
            )
        if self._loose:
            yield Finding(
                "unicode",
                "note",
                f"{counted(len(self._loose), 'text')} not in the canonical Unicode spelling "
                f"({some([f'{kind}: {count:,}' for kind, count in sorted(self._loose_kinds.items())], 6)})",
                "one word in two spellings is two words to a tokenizer; the voices read a normalised copy, and the "
                "manifest keeps the text as written",
                "where it matters, normalise the source's text (`unicodedata.normalize('NFC', text)`) and run "
                f"`{self._build}`",
                tuple(self._loose),
                dict(self._loose_kinds),
            )


def _broken(character: str) -> str | None:
    if character == _REPLACED:
        return "replacement characters"
    return None if character in _WHITE else _CATEGORIES.get(unicodedata.category(character))


def _has_invisible(text: str, lang: str) -> bool:
    return lang.partition("_")[2] in _NO_JOINERS and text.translate(_INVISIBLE) != text

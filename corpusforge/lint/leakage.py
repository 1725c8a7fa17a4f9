"""Whether what is tested on was trained on: groups, documents, texts and clips in more than one split.

Texts are compared by their letters and digits in one spelling (`compare_key`): punctuation, spaces, case and what
Unicode writes in two ways do not make another text. `near` says what near-same is.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

from corpusforge.corpus.layout import SPLITS
from corpusforge.corpus.read import Corpus
from corpusforge.lint.findings import Finding, Row, Settings, build_again, counted, listed, some
from corpusforge.lint.near import near_same, shingle_size

_ELSEWHERE = (
    "take the rows of dev and test out of the source's text, or the ones of train, and build again; or give all their "
    "sentences the same document in a table source, which keeps them in one split"
)


class Leakage:
    """Groups, documents, texts and clips that are in more than one split: errors."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._rows = _Rows()
        self._groups, self._documents, self._texts, self._clips = _Places(), _Places(), _Places(), _Places()

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        self._rows.add(row)
        self._groups.add(record.group)
        self._documents.add(record.document)
        self._texts.add((record.lang, row.key) if row.key else None)
        self._clips.add(record.sha256)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        rebuild = f"the manifest was edited, or made by something else: `{self._build}` splits anew"
        splits = self._rows.splits
        groups = self._groups.straddling(splits)
        if groups:
            yield self._finding(
                groups,
                f"{counted(self._groups.count(groups), 'parallel group')} in more than one split",
                "a sentence that is tested on was trained on in another language: scores are too high",
                rebuild,
            )
        documents = self._documents.straddling(splits, groups)
        if documents:
            yield self._finding(
                documents,
                f"{counted(self._documents.count(documents), 'document')} in more than one split",
                "sentences of one article share names, topic and label: a model can know the article instead of the "
                "class, and scores are too high",
                rebuild,
            )
        texts = self._texts.straddling(splits, groups)
        if texts:
            yield self._finding(
                texts,
                f"{counted(self._texts.count(texts), 'text')} in more than one split, in different parallel groups",
                "what is tested on was trained on, word for word; where only one language of two groups is the same, "
                "one of them has the other's translation",
                _ELSEWHERE,
            )
        clips = self._clips.straddling(splits, groups | texts)
        if clips:
            yield self._finding(
                clips,
                f"{counted(self._clips.count(clips), 'clip')} in more than one split, with different texts",
                "the same audio is trained on and tested on, and at least one of its texts is not what it says",
                f"look at the sentences in the source; `{self._build} --force synthesize` speaks them again",
            )

    def _finding(self, rows: Iterable[int], message: str, why: str, mend: str) -> Finding:
        found = sorted(rows)
        counts = Counter(SPLITS[self._rows.splits[row]] for row in found)
        return Finding("leakage", "error", message, why, mend, self._rows.names(found), dict(counts))


class NearSame:
    """Near-same texts in different splits, of one language and of different parallel groups: a warning."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._rows = _Rows()
        self._langs: dict[str, tuple[array[int], list[str]]] = {}
        self._groups = _Places()

    def add(self, row: Row) -> None:
        """See `Check`."""
        self._rows.add(row)
        self._groups.add(row.record.group)
        numbers, texts = self._langs.setdefault(row.record.lang, (array("L"), []))
        numbers.append(row.number)
        texts.append(row.key)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        told = self._groups.straddling(self._rows.splits)
        found: list[int] = []
        counts: Counter[str] = Counter()
        pairs: list[tuple[float, int, int]] = []
        for lang in sorted(self._langs):
            numbers, texts = self._langs.pop(lang)
            parts = [self._rows.splits[row] for row in numbers]
            copies: dict[str, int] = {}
            for text, part in zip(texts, parts, strict=True):
                copies[text] = copies.get(text, 0) | 1 << part
            for match in near_same(texts, parts, shingle_size(lang)):
                row, other = numbers[match.index], numbers[match.other]
                copied = copies[texts[match.index]].bit_count() > 1
                if copied or row in told or other in told:
                    continue  # `leakage` has it
                found.append(row)
                counts[lang] += 1
                pairs.append((-match.similarity, row, other))
        if not found:
            return
        similarity, row, other = min(pairs)
        names = self._rows.names((row, other))
        yield Finding(
            "near-text",
            "warning",
            f"{counted(len(found), 'text')} nearly the same as one of another split ({listed(counts)}); the nearest: "
            f"{names[0]} and {names[1]}, {-similarity:.0%} of their shingles",
            "a sentence that differs by a word or a spelling from one that was trained on tests memory, and not the "
            "model",
            _ELSEWHERE,
            self._rows.names(sorted(found)),
            dict(counts),
        )


class Copies:
    """Texts and clips that occur more than once within a split: a warning. Across splits, `leakage` says it."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._rows = _Rows()
        self._langs: dict[str, int] = {}
        self._lang = array("H")
        self._texts, self._clips = _Places(), _Places()

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        self._rows.add(row)
        self._lang.append(self._langs.setdefault(record.lang, len(self._langs)))
        self._texts.add((record.lang, row.key) if row.key else None)
        self._clips.add(record.sha256)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        langs, splits = list(self._langs), self._rows.splits
        same_text, same_clip = self._texts.repeated(), self._clips.repeated()
        texts = sorted(same_text - self._texts.straddling(splits))
        if texts:
            counts = Counter(langs[self._lang[row]] for row in texts)
            yield Finding(
                "duplicates",
                "warning",
                f"{counted(len(texts), 'row')} with a text that another row of the language has too ({listed(counts)})",
                "copies weigh more than other sentences; where only one language of two groups is the same, one of "
                "them has the other's translation",
                "take all but one out of the source's text, or correct the translation, and build again",
                self._rows.names(texts),
                dict(counts),
            )
        clips = sorted(same_clip - same_text - self._clips.straddling(splits))
        if clips:
            counts = Counter(langs[self._lang[row]] for row in clips)
            yield Finding(
                "duplicates",
                "warning",
                f"{counted(len(clips), 'row')} with another text but the same audio as another row ({listed(counts)})",
                "at least one of the texts is not what its clip says: a model learns a wrong pair",
                f"listen to {some(self._rows.names(clips), 2)}; `corpusforge why RECIPE ID` says what was spoken",
                self._rows.names(clips),
                dict(counts),
            )


class _Rows:
    """Id and split of every row seen."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self.splits = array("B")

    def add(self, row: Row) -> None:
        self._ids.append(row.record.id)
        self.splits.append(SPLITS.index(row.record.split))

    def names(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(self._ids[row] for row in rows)


class _Places:
    """Which of some things each row has. Keeps a number for a thing, and not the thing."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._of_row = array("q")

    def add(self, thing: object | None) -> None:
        """Note the thing of the next row; None is no thing."""
        self._of_row.append(-1 if thing is None else self._numbers.setdefault(_digest(thing), len(self._numbers)))

    def straddling(self, splits: Sequence[int], without: Container[int] = ()) -> set[int]:
        """Rows whose thing is in more than one split, some rows left aside."""
        masks = bytearray(len(self._numbers))
        for row, number in enumerate(self._of_row):
            if number >= 0 and row not in without:
                masks[number] |= 1 << splits[row]
        return {
            row
            for row, number in enumerate(self._of_row)
            if number >= 0 and masks[number] & (masks[number] - 1) and row not in without
        }

    def repeated(self) -> set[int]:
        """Rows whose thing another row has too."""
        times = Counter(self._of_row)
        return {row for row, number in enumerate(self._of_row) if number >= 0 and times[number] > 1}

    def count(self, rows: Iterable[int]) -> int:
        """How many things some rows have."""
        return len({self._of_row[row] for row in rows})


def _digest(thing: object) -> int:
    """64 bits of a hash that is the same in every process: a dict of whole texts would be many times as large."""
    return int.from_bytes(hashlib.blake2b(repr(thing).encode("utf-8", "surrogatepass"), digest_size=8).digest())

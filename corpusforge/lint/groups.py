"""Labels and languages: whether every split can be learned from and judged on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from corpusforge.corpus.layout import SPLITS
from corpusforge.corpus.read import Corpus
from corpusforge.lint.findings import Finding, Row, Settings, build_again, counted, listed

IMBALANCE = 10.0
"""Most frequent over least frequent label of the train split, in parallel groups, from which on a warning is given.
FLORES-200 by domain: 1.1."""


class Labels:
    """A label that a split lacks, labels out of balance, groups with two labels, rows without one."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._sizes: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self._examples: dict[str, list[str]] = {}
        self._first: dict[str, str | None] = {}
        self._two: list[str] = []
        self._without: list[str] = []
        self._rows = 0

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        self._rows += 1
        if record.group not in self._first:
            self._first[record.group] = record.label
            if record.label is not None:
                self._sizes[record.split][record.label] += 1
        elif self._first[record.group] != record.label:
            self._two.append(record.id)
        if record.label is None:
            self._without.append(record.id)
        else:
            self._examples.setdefault(record.label, []).append(record.id)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        if self._two:
            yield Finding(
                "labels",
                "error",
                f"{counted(len(self._two), 'row')} with another label than the rest of the parallel group",
                "one sentence cannot belong to two classes: languages would be trained on different answers",
                "give a group one label in the source's text, and build again",
                tuple(self._two),
                {"rows": len(self._two)},
            )
        if not self._examples:
            return  # a corpus without labels is none to classify
        if self._without:
            yield Finding(
                "labels",
                "warning",
                f"{counted(len(self._without), 'row')} of {self._rows:,} without a label",
                "the trainer does not learn classes from them",
                "fill the label column of the source, and build again",
                tuple(self._without),
                {"rows": len(self._without)},
            )
        for split in SPLITS:
            lacking = sorted(label for label in self._examples if not self._sizes[split][label])
            if self._sizes[split] and lacking:
                yield self._lacking(split, lacking)
        train = self._sizes["train"]
        if len(train) > 1:
            (most, top), (least, low) = train.most_common()[0], train.most_common()[-1]
            if top >= IMBALANCE * low:
                yield Finding(
                    "labels",
                    "warning",
                    f"label '{most}' has {top / low:.0f} times as many groups in train as '{least}' "
                    f"({top:,} and {low:,})",
                    "a model that always says the most frequent label scores well; rare ones are hardly learned",
                    "read macro-F1 rather than accuracy; or leave rare labels out of the source, or add sentences",
                    tuple(self._examples[least]),
                    dict(sorted(train.items())),
                )

    def _lacking(self, split: str, labels: list[str]) -> Finding:
        rows = tuple(row for label in labels for row in self._examples[label])
        used = [name for name in SPLITS if self._sizes[name]]
        alone = any(sum(label in self._sizes[name] for name in used) == 1 for label in labels)
        refused = split == "train" or alone
        return Finding(
            "labels",
            "error" if refused else "warning",
            f"{split} has no row of {counted(len(labels), 'label')}: {', '.join(repr(label) for label in labels)}",
            "a label that is not in train, or nowhere else, cannot be both learned and judged: the trainer refuses it"
            if refused
            else f"nothing that is measured on {split} says anything about them",
            "add documents with these labels to the source (each needs 3), or other `splits.dev`, `splits.test`, "
            "`splits.seed` in the recipe; then build again",
            rows,
            {label: len(self._examples[label]) for label in labels},
        )


class Languages:
    """Parallel groups without one of the corpus' languages, or with one of them twice."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._name = corpus.name
        self._index = {lang: place for place, lang in enumerate(corpus.languages)}
        self._masks: dict[str, int] = {}
        self._twice: list[str] = []
        refused = corpus.info.get("refused", {})
        self._refused = int(refused.get("rejected", 0)) + int(refused.get("failed", 0))
        self._groups: list[str] = []
        self._ids: list[str] = []

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        bit = 1 << self._index.setdefault(record.lang, len(self._index))
        mask = self._masks.get(record.group, 0)
        if mask & bit:
            self._twice.append(record.id)
        self._masks[record.group] = mask | bit
        self._groups.append(record.group)
        self._ids.append(record.id)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        whole = (1 << len(self._index)) - 1
        lacking = {group: whole & ~mask for group, mask in self._masks.items() if mask != whole}
        if lacking:
            counts = {
                lang: missing
                for lang, place in self._index.items()
                if (missing := sum(mask >> place & 1 for mask in lacking.values()))
            }
            rows = tuple(id for id, group in zip(self._ids, self._groups, strict=True) if group in lacking)
            known = f"; {self._refused:,} were refused when it was built" if self._refused else ""
            yield Finding(
                "languages",
                "warning",
                f"{counted(len(lacking), 'parallel group')} of {len(self._masks):,} without a language "
                f"({listed(counts)}){known}",
                "languages are then trained and measured on different sentences, and cannot be compared",
                f"`corpusforge status {self._name}` and rejected.jsonl say why; `{self._build}` tries again what "
                "failed; `corpusforge why RECIPE ID` tells more of one",
                rows,
                counts,
            )
        if self._twice:
            yield Finding(
                "languages",
                "error",
                f"{counted(len(self._twice), 'row')} of a language that the parallel group already has",
                "a group is one sentence once in every language",
                "give the sentences groups of their own in the source, and build again",
                tuple(self._twice),
                {"rows": len(self._twice)},
            )

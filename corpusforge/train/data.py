"""What a corpus gives to learn from: parallel groups by split, with labels and languages as they are counted."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from corpusforge.corpus.layout import SPLITS
from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError, nearest
from corpusforge.text.wylie import SCRIPT, to_wylie
from corpusforge.train.config import TrainConfig
from corpusforge.train.pack import Clip, clip_of, digest_of, numbered

SplitBy = Literal["manifest", "random"]

RANDOM_SHARES = {"dev": 0.1, "test": 0.1}
"""The paper's setting; the rest is train."""


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance.

    Attributes:
        id: Its id in the corpus.
        group: The parallel group: the same sentence in several languages shares it.
        document: The article it came from.
        lang: FLORES-200 code.
        text: The sentence as written.
        label: Index into `Dataset.labels`, None where the corpus has none.
        split: `train`, `dev` or `test`.
        clip: Number of its audio in the corpus's `AudioPack`.
    """

    id: str
    group: str
    document: str
    lang: str
    text: str
    label: int | None
    split: str
    clip: int


@dataclass(frozen=True)
class Dataset:
    """The examples of a corpus.

    Attributes:
        languages: Those that are used, in the manifest's order.
        labels: Sorted.
        examples: Parallel groups by split, in the manifest's order; a group's examples are sorted by language and id.
        digest: Of everything in it but the audio's content, in hex: equal digests train alike.
        audio: Digest of the corpus's clips: that of the `AudioPack` that `Example.clip` counts in.
    """

    languages: tuple[str, ...]
    labels: tuple[str, ...]
    examples: Mapping[str, tuple[tuple[Example, ...], ...]]
    digest: str
    audio: str

    def rows(self, split: str) -> list[Example]:
        """The examples of a split, one after the other."""
        return [example for group in self.examples[split] for example in group]


def read_dataset(
    folder: Corpus | str | os.PathLike[str],
    *,
    languages: Sequence[str] | None = None,
    split: SplitBy = "manifest",
    seed: int = 42,
    hours: float | None = None,
    romanize: bool = False,
    learn: bool = True,
    note: Callable[[str], None] = print,
) -> Dataset:
    """Reads the manifest of a corpus, and refuses what cannot be trained on.

    Args:
        folder: The corpus or its folder.
        languages: FLORES-200 codes of those to use; all by default.
        split: `manifest`, or `random`: 80/10/10 of the parallel groups whatever their article, as the paper did.
        seed: Draws another random split.
        hours: At most so much speech of train, in whole parallel groups; all by default. Every language of the corpus
            counts, used or not, so that models of one language learn from the groups that a model of all learns from.
        romanize: Whether Tibetan text is read in Wylie transliteration.
        learn: Whether it is to be trained on; what a model is only asked about may lack labels, languages and splits.
        note: Told, with the random split, how many articles are in more than one part.

    Raises:
        CorpusError: No such corpus or language; the corpus is of another version; `hours` are less than one group. To
            learn from: it has no labels; dev has none; a split lacks a language; a label is in one split only or not in
            train; a group has a language twice.
    """
    corpus = folder if isinstance(folder, Corpus) else Corpus(folder)
    used = _chosen(corpus, languages)
    clips: set[Clip] = set()
    records: list[Record] = []
    seconds: defaultdict[str, float] = defaultdict(float)
    split_of: dict[str, str] = {}
    for record in corpus:
        clips.add(clip_of(record))
        seconds[record.group] += record.duration
        if split_of.setdefault(record.group, record.split) != record.split and split == "manifest":
            raise CorpusError(
                f"{record.id} is in {record.split}, the rest of its group {record.group} in {split_of[record.group]}: "
                "the manifest was edited. Build the corpus again"
            )
        if record.lang in used:
            records.append(record)
    numbers = numbered(clips)
    if split == "random":
        split_of = _random_splits(split_of, seed)
    if hours is not None:
        train = {group: seconds[group] for group, part in split_of.items() if part == "train"}
        left_out = train.keys() - _first_hours(corpus, train, hours)
        records = [record for record in records if record.group not in left_out]
    labels = tuple(sorted({record.label for record in records if record.label is not None}))
    index = {label: number for number, label in enumerate(labels)}
    groups: dict[str, dict[str, list[Example]]] = {name: {} for name in SPLITS}
    for record in records:
        part = split_of[record.group]
        example = Example(
            record.id,
            record.group,
            record.document,
            record.lang,
            to_wylie(record.text) if romanize and record.lang.endswith(SCRIPT) else record.text,
            None if record.label is None else index[record.label],
            part,
            numbers[clip_of(record)],
        )
        groups[part].setdefault(record.group, []).append(example)
    examples = {name: tuple(map(tuple, found.values())) for name, found in groups.items()}
    if learn:
        _check_groups(corpus, examples)
        _check_labels(corpus, labels, examples)
        _check_languages(corpus, used, examples)
    if split == "random":
        note(leaks(examples))
    return Dataset(used, labels, examples, _digest(used, labels, examples), digest_of(numbers))


def dataset_of(
    config: TrainConfig, corpus: Corpus, note: Callable[[str], None] = print, *, learn: bool = True
) -> Dataset:
    """What a model with these settings is trained on and judged by; see `read_dataset`."""
    return read_dataset(
        corpus,
        languages=config.languages,
        split=config.split,
        seed=config.seed,
        hours=config.hours,
        romanize=config.romanizes,
        learn=learn,
        note=note,
    )


def leaks(examples: Mapping[str, Iterable[Iterable[Example]]]) -> str:
    """In one line: how many articles have sentences in more than one split."""
    splits: dict[str, set[str]] = {}
    for groups in examples.values():
        for group in groups:
            for example in group:
                splits.setdefault(example.document, set()).add(example.split)
    leaking = sum(len(found) > 1 for found in splits.values())
    return f"leaks: {leaking:,} of {len(splits):,} articles are in more than one split"


def _chosen(corpus: Corpus, languages: Sequence[str] | None) -> tuple[str, ...]:
    if languages is None:
        return corpus.languages
    for language in languages:
        if language not in corpus.languages:
            raise CorpusError(f"{corpus.folder} has no language '{language}': {nearest(language, corpus.languages)}")
    if not languages:
        raise CorpusError(f"no language was chosen: {nearest('', corpus.languages)}")
    return tuple(language for language in corpus.languages if language in languages)


def _random_splits(names: Iterable[str], seed: int) -> dict[str, str]:
    """Groups in the order of a hash: the same whatever the manifest's order and Python's version.

    They are all of the corpus's, used or not, so that a model of one language is judged by what a model of all is.
    """
    groups = sorted(names, key=lambda group: _rank(seed, group))
    test = round(RANDOM_SHARES["test"] * len(groups))
    dev = test + round(RANDOM_SHARES["dev"] * len(groups))
    return {group: "test" if n < test else "dev" if n < dev else "train" for n, group in enumerate(groups)}


def _first_hours(corpus: Corpus, seconds: Mapping[str, float], hours: float) -> set[str]:
    """Groups in the order of a hash, up to the last that still fits: every subset holds all that are smaller."""
    chosen: set[str] = set()
    total = 0.0
    for group in sorted(seconds, key=lambda group: _rank(0, group)):
        total += seconds[group]
        if total > hours * 3600:
            break
        chosen.add(group)
    if not chosen:
        raise CorpusError(
            f"{corpus.folder}: the first parallel group of train is longer than {hours:g} h, of "
            f"{sum(seconds.values()) / 3600:.2f} h in all: give more `hours`"
        )
    return chosen


def _rank(seed: int, group: str) -> tuple[bytes, str]:
    return hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).digest(), group


def _check_groups(corpus: Corpus, examples: Mapping[str, tuple[tuple[Example, ...], ...]]) -> None:
    """A group is one sentence: LCL takes two rows of it for two languages."""
    for group in (group for split in SPLITS for group in examples[split]):
        if len({example.lang for example in group}) < len(group):
            lang, count = Counter(example.lang for example in group).most_common(1)[0]
            raise CorpusError(
                f"{corpus.folder}: the parallel group {group[0].group} has {count} utterances of {lang}, expected one: "
                f"`corpusforge lint {corpus.folder}` lists all of them. Give the sentences groups of their own in the "
                "source, and build again"
            )


def _check_labels(
    corpus: Corpus, labels: Sequence[str], examples: Mapping[str, tuple[tuple[Example, ...], ...]]
) -> None:
    if not labels:
        raise CorpusError(
            f"{corpus.folder} has no labels to learn: build it with `source.labels: domain` or `sib200` (flores200), "
            "or name the column of your table that has them (`source.label`)"
        )
    used = [split for split in SPLITS if examples[split]]
    counts = Counter((example.label, split) for split in used for group in examples[split] for example in group)
    for number, label in enumerate(labels):
        by_split = {split: counts[number, split] for split in used}
        found = [split for split, count in by_split.items() if count]
        if len(found) == 1 or "train" not in found:
            spread = ", ".join(f"{count:,} in {split}" for split, count in by_split.items())
            where = f"in {found[0]} only" if len(found) == 1 else "not in train"
            raise CorpusError(
                f"{corpus.folder}: label '{label}' is {where} ({spread}), so it cannot be both learned and judged: "
                "build with more documents of it, with other `splits`, or without it"
            )
    if "dev" in used and not any(counts[number, "dev"] for number in range(len(labels))):
        raise CorpusError(
            f"{corpus.folder}: no utterance of dev has a label, so no epoch can be judged: label some of its "
            "documents, or build with other `splits`"
        )


def _check_languages(
    corpus: Corpus, languages: Sequence[str], examples: Mapping[str, tuple[tuple[Example, ...], ...]]
) -> None:
    for split in SPLITS:
        counts = Counter(example.lang for group in examples[split] for example in group)
        if not counts and split == "test":
            continue  # a recipe may have no test split; what is judged on it says so itself
        missing = [language for language in languages if not counts[language]]
        if missing:
            spread = ", ".join(f"{counts[language]:,} of {language}" for language in languages)
            raise CorpusError(
                f"{corpus.folder}: {split} has no utterance of {' and '.join(missing)} ({spread}): build with more "
                "documents or other `splits`, or choose the languages to train on"
            )


def _digest(
    languages: Sequence[str], labels: Sequence[str], examples: Mapping[str, tuple[tuple[Example, ...], ...]]
) -> str:
    digest = hashlib.sha256(repr((languages, labels)).encode("utf-8", "surrogatepass"))
    for split in SPLITS:
        for group in examples[split]:
            for one in group:
                row = (one.id, one.group, one.document, one.lang, one.text, one.label, one.split)
                digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()

"""Batches of whole parallel groups, of about the same length, the same for the same seed and epoch.

A step's rows depend on seed, epoch and `groups x world` alone: two ranks of 4 groups see in each step what one rank of
8 sees. The groups of a pass are shared out evenly over its steps, so that there is no small last batch.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from corpusforge.errors import CorpusError, nearest
from corpusforge.train.batch import Batch
from corpusforge.train.data import Dataset, Example
from corpusforge.train.features import FeatureCache
from corpusforge.train.lower import LowerCache

WINDOW = 50
"""Steps whose groups are sorted by length together: more pad less, fewer mix more."""
AHEAD = 2
"""Batches made ahead of the one that is trained on."""

T = TypeVar("T")
Ints = NDArray[np.int64]


class Tokenizer(Protocol):
    """The part of a text encoder that makes tokens."""

    @property
    def pad_id(self) -> int:
        """What rows are padded with."""

    def tokenize(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Tokens of every text, special ones included, at most `max_length`."""


@dataclass(frozen=True, slots=True)
class Padding:
    """Share of the positions of a pass that are padding; None for a modality that is not used."""

    tokens: float | None
    features: float | None

    def __str__(self) -> str:
        parts = {"tokens": self.tokens, "speech frames": self.features}
        return "padding: " + ", ".join(f"{share:.1%} of {name}" for name, share in parts.items() if share is not None)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A split as arrays: rows are the examples of all groups, group after group."""

    examples: tuple[Example, ...]
    bounds: Ints  # [groups + 1]: group g is rows bounds[g] to bounds[g + 1]
    group: Ints  # [rows]
    lang: Ints
    label: Ints
    tokens: NDArray[np.int32] | None  # of all rows, one after the other
    token_bounds: Ints  # [rows + 1]
    frames: Ints  # [rows]

    @property
    def token_lengths(self) -> Ints:
        return np.diff(self.token_bounds)

    def of(self, groups: Ints) -> Ints:
        return np.concatenate([np.arange(self.bounds[group], self.bounds[group + 1]) for group in groups])


class Loader:
    """Makes batches of a dataset. Text is tokenised once a split, when the split is first used."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        text: Tokenizer | None,
        cache: FeatureCache | None,
        groups: int,
        max_length: int = 128,
        rank: int = 0,
        world: int = 1,
        buckets: bool = True,
        device: torch.device | str = "cpu",
        lower: LowerCache | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            dataset: The examples.
            text: Makes the tokens; None for models without text.
            cache: Features of the dataset's audio; None for models without speech.
            groups: Parallel groups a batch of this rank, at most; where it is 1 and there are several ranks, a batch
                may have one more, since none may be empty.
            max_length: Tokens a row, at most.
            rank: This process among `world`.
            world: Processes that train together; each gets as many batches as the others.
            buckets: Put groups of about the same length together.
            device: Where batches will go. For CUDA they are pinned, and made ahead by a thread.
            lower: What the frozen layers of `text` made of the dataset's sentences.

        Raises:
            CorpusError: `cache` is not of this dataset's audio.
        """
        if groups < 1 or not 0 <= rank < world:
            raise ValueError(f"groups {groups}, rank {rank} of {world}")
        if cache is not None and cache.audio != dataset.audio:
            raise CorpusError(f"{cache.folder} has the features of another corpus: open those of this one's audio")
        self.dataset, self.text, self.cache, self.max_length = dataset, text, cache, max_length
        self.lower = lower
        self.groups, self.rank, self.world, self.buckets = groups, rank, world, buckets
        self._pin = torch.device(device).type == "cuda"
        self._rows: dict[str, _Rows] = {}

    def steps(self, split: str) -> int:
        """Batches of a pass over `split`: the same for every rank."""
        return self._steps(split, len(self._groups(split)))

    def batches(self, split: str, *, shuffle_seed: int | None = None, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """One pass over a split.

        Args:
            split: `train`, `dev` or `test`.
            shuffle_seed: Draws the order together with `epoch`; None for the fixed order, as for evaluation.
            epoch: Number of the pass.
            skip: Batches to leave out at the beginning, without making them.

        Raises:
            CorpusError: The split is empty or has fewer groups than there are ranks.
        """
        rows = self._of(split)
        plan = self._plan(rows, split, shuffle_seed, epoch)[skip:]
        made = (self._batch(rows, rows.of(step[self.rank :: self.world])) for step in plan)
        return ahead(made, AHEAD) if self._pin else made

    def tasks(
        self, split: str, *, shuffle_seed: int, epoch: int, skip: int = 0, accumulate: int = 1
    ) -> Iterator[list[tuple[Batch, Batch]]]:
        """The tasks of MetaAdapter in one pass: for every step each language's rows, over all ranks, in two halves.

        Languages are dealt to ranks, so that no task needs a row of another rank. A language that has a single row in
        a step has no task there.

        Args:
            split: `train`.
            shuffle_seed: As in `batches`.
            epoch: As in `batches`.
            skip: As in `batches`.
            accumulate: Batches a step; their rows are halved together, so that batches of one group will do.
        """
        rows = self._of(split)
        plan = self._plan(rows, split, shuffle_seed, epoch)[skip:]
        steps = (rows.of(np.concatenate(plan[at : at + accumulate])) for at in range(0, len(plan), accumulate))
        made = (self._halves(rows, step) for step in steps)
        return ahead(made, AHEAD) if self._pin else made

    def padding(self, split: str, *, shuffle_seed: int | None = None, epoch: int = 0) -> Padding:
        """How much of a pass, over all ranks, is padding. No batch is made."""
        rows = self._of(split)
        steps = self._plan(rows, split, shuffle_seed, epoch)
        batches = [rows.of(step[rank :: self.world]) for step in steps for rank in range(self.world)]

        def share(lengths: Ints) -> float:
            used = sum(int(lengths[batch].sum()) for batch in batches)
            return 1 - used / max(1, sum(len(batch) * int(lengths[batch].max()) for batch in batches))

        return Padding(
            share(rows.token_lengths) if self.text is not None else None,
            share(rows.frames) if self.cache is not None else None,
        )

    def _groups(self, split: str) -> tuple[tuple[Example, ...], ...]:
        if split not in self.dataset.examples:
            raise CorpusError(f"no split '{split}': {nearest(split, self.dataset.examples)}")
        return self.dataset.examples[split]

    def _of(self, split: str) -> _Rows:
        if split not in self._rows:
            self._rows[split] = self._arrays(self._groups(split))
        return self._rows[split]

    def _arrays(self, groups: Sequence[Sequence[Example]]) -> _Rows:
        examples = tuple(example for group in groups for example in group)
        lang = {name: number for number, name in enumerate(self.dataset.languages)}
        tokens, token_bounds = None, np.zeros(len(examples) + 1, np.int64)
        if self.text is not None:
            found = self.text.tokenize([example.text for example in examples], self.max_length)
            token_bounds[1:] = np.cumsum([len(row) for row in found])
            tokens = np.fromiter((token for row in found for token in row), np.int32, int(token_bounds[-1]))
        frames = np.zeros(len(examples), np.int64)
        if self.cache is not None:
            clips = np.array([example.clip for example in examples], np.int64)
            frames = self.cache.offsets[clips + 1] - self.cache.offsets[clips]
        sizes = [len(group) for group in groups]
        return _Rows(
            examples,
            np.cumsum([0, *sizes], dtype=np.int64),
            np.repeat(np.arange(len(groups), dtype=np.int64), sizes),
            np.array([lang[example.lang] for example in examples], np.int64),
            np.array([-1 if example.label is None else example.label for example in examples], np.int64),
            tokens,
            token_bounds,
            frames,
        )

    def _steps(self, split: str, count: int) -> int:
        if count < self.world:
            raise CorpusError(
                f"{split} has {count} parallel groups, {self.world} processes need one each: start no more than {count}"
            )
        return min(-(-count // (self.groups * self.world)), count // self.world)

    def _plan(self, rows: _Rows, split: str, seed: int | None, epoch: int) -> list[Ints]:
        """The groups of every step, all ranks together."""
        count = len(rows.bounds) - 1
        steps = self._steps(split, count)
        order = np.arange(count)
        draw = None if seed is None else np.random.default_rng([seed, epoch])
        if draw is not None:
            order = draw.permutation(count)
        if not self.buckets:
            return np.array_split(order, steps)
        # The longest row of a group decides what it costs; speech costs more than text.
        longest = [np.maximum.reduceat(lengths, rows.bounds[:-1]) for lengths in (rows.token_lengths, rows.frames)]
        ends = np.cumsum([len(step) for step in np.array_split(order, steps)])
        window = WINDOW if draw is not None else steps
        plan: list[Ints] = []
        for first in range(0, steps, window):
            last = min(first + window, steps)
            some = order[ends[first - 1] if first else 0 : ends[last - 1]]
            some = some[np.lexsort([lengths[some] for lengths in longest])]
            plan += np.array_split(some, last - first)
        if draw is not None:
            plan = [plan[number] for number in draw.permutation(len(plan))]
        return plan

    def _halves(self, rows: _Rows, step: Ints) -> list[tuple[Batch, Batch]]:
        own = range(self.rank, len(self.dataset.languages), self.world)
        spoken = [step[rows.lang[step] == lang] for lang in own]
        return [(self._batch(rows, some[::2]), self._batch(rows, some[1::2])) for some in spoken if len(some) > 1]

    def _batch(self, rows: _Rows, chosen: Ints) -> Batch:
        """The rows `chosen`, padded to the longest."""
        batch = Batch(
            [rows.examples[row].id for row in chosen],
            torch.from_numpy(rows.group[chosen]),
            torch.from_numpy(rows.lang[chosen]),
            torch.from_numpy(rows.label[chosen]),
        )
        if self.text is not None and rows.tokens is not None:
            lengths = rows.token_lengths[chosen]
            mask = np.arange(lengths.max()) < lengths[:, None]
            tokens = np.full(mask.shape, self.text.pad_id, np.int64)
            starts = rows.token_bounds[chosen]
            tokens[mask] = np.concatenate(
                [rows.tokens[start : start + length] for start, length in zip(starts, lengths, strict=True)]
            )
            batch.tokens, batch.token_mask = torch.from_numpy(tokens), torch.from_numpy(mask)
            if self.lower is not None:
                hidden = np.zeros((*mask.shape, self.lower.dim), np.float16)
                for position, row in enumerate(chosen):
                    hidden[position, : lengths[position]] = self.lower.hidden(rows.examples[row].id)
                batch.lower = torch.from_numpy(hidden)
        if self.cache is not None:
            frames = rows.frames[chosen]
            shape = (len(chosen), int(frames.max()), self.cache.dim)
            # Filled in place: features are most of a batch, and pinning a finished one would copy it once more.
            batch.features = torch.zeros(shape, dtype=torch.float16, pin_memory=self._pin)
            target = batch.features.numpy()
            for position, row in enumerate(chosen):
                target[position, : frames[position]] = self.cache.features(rows.examples[row].clip)
            batch.feature_lengths = torch.from_numpy(frames)
        return batch.pin() if self._pin else batch


def ahead(items: Iterator[T], depth: int) -> Iterator[T]:
    """The same items, made by a thread that is at most `depth` of them ahead.

    What the thread raises is raised here, and it ends when the caller stops taking items.
    """
    ready: queue.Queue[Callable[[], T] | None] = queue.Queue(depth)
    stop = threading.Event()

    def offer(what: Callable[[], T] | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(what, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not offer(lambda item=item: item):  # type: ignore[misc]  # bound now, called later
                    return
        except BaseException as error:  # handed over to the caller
            problem = error

            def fail() -> T:
                raise problem

            offer(fail)
        else:
            offer(None)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while (get := ready.get()) is not None:
            yield get()
    finally:
        stop.set()
        thread.join()

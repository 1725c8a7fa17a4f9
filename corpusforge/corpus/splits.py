"""Train, dev and test: decided by document when a corpus is written, and never inside a stage's key.

Documents of one label are ranked by a hash, and the first go to test, the next to dev, the rest to train. Both
boundaries grow by 0 or 1 when one document is added, so that it moves at most one other document across each.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

TRAIN, DEV, TEST = SPLITS = ("train", "dev", "test")


class Splits(BaseModel):
    """The `splits:` section of a recipe. What is neither dev nor test is train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["document"] = Field("document", description="What stays in one piece")
    seed: int = Field(42, description="Draws another split of the same sizes")
    dev: float = Field(0.1, ge=0, lt=1, description="Share of the documents of each label")
    test: float = Field(0.1, ge=0, lt=1, description="Share of the documents of each label")

    @model_validator(mode="after")
    def _leaves_train(self) -> Splits:
        if _exact(self.dev) + _exact(self.test) >= 1:
            raise ValueError(
                f"dev {self.dev} and test {self.test} leave nothing to train on: their sum must be under 1"
            )
        return self


def assign(documents: Iterable[tuple[str, str | None]], config: Splits) -> Mapping[str, str]:
    """The split of every document.

    Args:
        documents: (document, label) of every parallel group, in any order, documents repeated as they come. A
            document's label is its most frequent one (of equals, the smallest); documents whose most frequent label
            is None are one class, which counts as the smallest.
        config: Sizes and seed.

    Returns:
        `train`, `dev` or `test` by document. Memory is one dict entry a document.
    """
    # Documents with the same votes share one tuple, so a document costs a dict entry and no object of its own.
    votes: dict[str, tuple[tuple[str | None, int], ...]] = {}
    shared: dict[tuple[tuple[str | None, int], ...], tuple[tuple[str | None, int], ...]] = {}
    for document, label in documents:
        counts = dict(votes.get(document, ()))
        counts[label] = counts.get(label, 0) + 1
        state = tuple(sorted(counts.items(), key=_order))
        votes[document] = shared.setdefault(state, state)
    winner = {state: _majority(state) for state in shared}
    classes: dict[str | None, list[str]] = {}
    for document, state in votes.items():
        classes.setdefault(winner[state], []).append(document)
    found: dict[str, str] = votes  # type: ignore[assignment]  # overwritten in place: half the memory of a second dict
    for members in classes.values():
        first, second = boundaries(len(members), config)
        ranks = heapq.nsmallest(second, (_rank(config.seed, document) for document in members))
        last_test = ranks[first - 1] if first else b""
        last_dev = ranks[second - 1] if second else b""
        for document in members:
            rank = _rank(config.seed, document)
            found[document] = TEST if rank <= last_test else DEV if rank <= last_dev else TRAIN
    return found


def boundaries(count: int, config: Splits) -> tuple[int, int]:
    """Where dev and train begin among `count` ranked documents of one label.

    The sizes are the exact shares, rounded half up, but test, dev and train get a document each as soon as there are
    enough: train first, then test, then dev. Every term below grows by 0 or 1 with `count`, and so do minimum and
    maximum of such terms.
    """
    tested, developed = config.test > 0, config.dev > 0
    least_test = int(tested and count >= 2)
    most_test = max(count - 1 - developed, min(count - 1, 1), 0)
    first = min(max(_half_up(_exact(config.test) * count), least_test), most_test)
    if not developed:
        return first, first
    least_dev = int(count >= (3 if tested else 2))
    share = _half_up((_exact(config.test) + _exact(config.dev)) * count)
    return first, min(max(share, first + least_dev), max(count - 1, 0))


def _exact(share: float) -> Fraction:
    """The decimal that was written: 0.1 is a tenth, not the binary number next to it."""
    return Fraction(repr(share))


def _half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def _rank(seed: int, document: str) -> bytes:
    return hashlib.sha256(f"{seed}:{document}".encode("utf-8", "surrogatepass")).digest()


def _order(vote: tuple[str | None, int]) -> tuple[bool, str]:
    label = vote[0]
    return label is not None, label or ""


def _majority(state: tuple[tuple[str | None, int], ...]) -> str | None:
    return min(state, key=lambda vote: (-vote[1], _order(vote)))[0]

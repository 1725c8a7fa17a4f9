"""Which parallel groups a build with `--limit` takes: balanced over labels, and the same ones whatever the order."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

from corpusforge.sources.base import Outline


def choose(outline: Iterable[Outline], limit: int, seed: int) -> frozenset[str]:
    """`limit` groups, chosen in turn from every label by rank of `sha256(seed:group)` within the label.

    The order of the outline does not matter. A larger limit only adds groups, so that raising it re-makes nothing,
    and every label is present as soon as `limit` reaches the number of labels. A label that runs out leaves its
    turns to the others. No label at all (None) counts as one of its own.

    Args:
        outline: Groups, each once; read once, and at most `limit` names a label are held.
        limit: How many groups to take, 0 or more; all of them where there are fewer.
        seed: Another seed is another choice.

    Raises:
        ValueError: `limit` is negative.
    """
    if limit < 0:
        raise ValueError(f"limit must be 0 or more, not {limit}")
    if limit == 0:
        return frozenset()
    # A heap gives up its smallest entry; the rank is negated so that this is the highest rank of those held.
    best: dict[str | None, list[tuple[int, str]]] = {}
    for group, _, label in outline:
        heap = best.setdefault(label, [])
        entry = (-int.from_bytes(hashlib.sha256(f"{seed}:{group}".encode()).digest()), group)
        if len(heap) < limit:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)
    turns = (
        (turn, label is not None, label or "", group)
        for label, heap in best.items()
        for turn, (_, group) in enumerate(sorted(heap, reverse=True))
    )
    return frozenset(group for *_, group in heapq.nsmallest(limit, turns))

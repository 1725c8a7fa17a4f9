"""The contract of an executor: it runs `cpu` stages somewhere, and returns one reply an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corpusforge.items import Outcome, Utterance


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one item. Blobs are stored already; `outcome.fields` hold their hashes.

    Attributes:
        outcome: Done without contents, Rejected or Failed.
        sizes: Length in bytes of each stored blob, by field name.
        seconds: What the item took.
    """

    outcome: Outcome
    sizes: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Executor(Protocol):
    """Runs chunks of items through one stage.

    Attributes:
        slots: How many chunks it works on at once; more would wait.
    """

    slots: int

    async def submit(self, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
        """Run items through stage number `stage` and on, as far as `last`, in one place.

        Going on at once saves the next stage the way there and back, and what the one before still has in memory.

        Returns:
            For each item, in order and whatever happens to the workers, at least one reply: one a stage, as far as the
            item came. The last one may be a failure or a rejection.

        Raises:
            WorkspaceError: Results cannot be stored (the disk is full, say): nothing can go on.
        """
        ...

    async def close(self) -> None:
        """End the workers, whatever they are doing."""
        ...

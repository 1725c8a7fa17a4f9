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

    async def submit(self, stage: int, items: Sequence[Utterance]) -> list[Reply]:
        """Run items through stage number `stage`; one reply an item, in order, whatever happens to the workers.

        Raises:
            WorkspaceError: Results cannot be stored (the disk is full, say): nothing can go on.
        """
        ...

    async def close(self) -> None:
        """End the workers, whatever they are doing."""
        ...

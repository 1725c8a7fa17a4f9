"""The contract of an executor: it runs stages somewhere, and returns one reply an item and stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from corpusforge.items import Outcome, Utterance
from corpusforge.stage import Where


class Reply(NamedTuple):
    """What came of one item. Blobs are stored already; `outcome.fields` hold their hashes.

    Attributes:
        outcome: Done without contents, Rejected or Failed.
        body: The outcome as the index stores it; empty for a failure, and for what needs no storing.
        sizes: Length in bytes of each stored blob, by field name.
        seconds: What the item took.
    """

    outcome: Outcome
    body: str = ""
    sizes: Mapping[str, int] = {}
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Chunks:
    """How much work goes to a worker in one message: enough to hide what the message costs, and little enough to share
    it out fairly.

    Attributes:
        seconds: Work in a chunk, by the measured time of an item.
        longest: Items in a chunk, however short they are.
    """

    seconds: float
    longest: int


class Executor(Protocol):
    """Runs chunks of items through stages.

    Attributes:
        chunks: The size of chunk that suits it.
    """

    chunks: Chunks

    def takes(self, where: Where) -> bool:
        """Whether stages of this kind are run here. `cpu` stages always are; others the driver awaits itself if not."""
        ...

    def slots(self, where: Where) -> int:
        """How many chunks of such stages it works on at once, at least 1; more would wait. May change during a run."""
        ...

    async def prepare(self, stages: range, languages: frozenset[str]) -> None:
        """Get ready for stages by their numbers; awaited before the first item that one of them, or one before, needs.

        Raises:
            MissingDependency, RecipeError: They cannot be run for these languages where their items would go.
            BuildStopped: Nowhere to run them for now.
        """
        ...

    async def submit(self, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
        """Run items through stage number `stage` and on, as far as `last`, in one place.

        Going on at once saves the next stage the way there and back, and what the one before still has in memory.

        Returns:
            For each item, in order and whatever happens to the workers, at least one reply: one a stage, as far as the
            item came. The last one may be a failure or a rejection.

        Raises:
            WorkspaceError: Results cannot be stored (the disk is full, say): nothing can go on.
            BuildStopped: There is nowhere to run them any more, or a stage cannot go on.
        """
        ...

    async def close(self) -> None:
        """End the workers, whatever they are doing."""
        ...

"""Who is in a Dask cluster, and which stages each worker there can run.

A worker counts once it has been looked at. Looking takes as long as the worker takes to answer, and nobody waits for
one that hangs as long as others can do the work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from corpusforge import __version__
from corpusforge.errors import BuildStopped, CorpusforgeError, MissingDependency, RecipeError
from corpusforge.pipeline.executors import dask_worker
from corpusforge.pipeline.executors.dask_worker import Checked, Setup
from corpusforge.pipeline.executors.make import failure
from corpusforge.stage import Stage

GPU = "GPU"
"""Name of the resource that a worker offers (`dask worker … --resources GPU=1`), of which a `gpu` stage takes one."""
WATCH = 1.0
"""Seconds between two looks at who is in the cluster."""
PATIENCE = 10.0
"""Seconds in which a scheduler has to answer, a cluster of our own to end, and the first workers to be looked at."""
LOOK = 60.0
"""Seconds after which a worker that is looked at is taken for one that hangs."""


class Member:
    """A worker that has been looked at.

    Attributes:
        address: Dask's name for it.
        threads, gpus: That it has.
        shared: Whether it sees the store.
        reasons: Why it gets none of a stage, by the stage's number.
    """

    def __init__(self, address: str, threads: int, gpus: int, numbers: frozenset[int], checked: Checked) -> None:
        self.address = address
        self.threads = threads
        self.gpus = gpus
        self.shared = checked.shared
        self.reasons: dict[int, CorpusforgeError] = dict(checked.reasons)
        self._numbers = numbers

    def can(self, numbers: Iterable[int]) -> bool:
        """Whether it can run all of these stages."""
        return all(number in self._numbers and number not in self.reasons for number in numbers)


class Members:
    """The workers of a cluster.

    Args:
        client: Dask's, connected.
        shown: The cluster's address in messages.
        stages: Of the recipe.
        note: Tells the user something.
    """

    def __init__(self, client: Any, shown: str, stages: Sequence[Stage], note: Callable[[str], None]) -> None:
        self._client = client
        self._shown = shown
        self._stages = stages
        self._note = note
        self._setup: Setup | None = None
        self._numbers: frozenset[int] = frozenset()
        self._known: dict[str, Member] = {}
        self._stale: set[str] = set()
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._silent: set[str] = set()
        self._changed = asyncio.Event()
        self._call: Any = None

    def __contains__(self, address: str) -> bool:
        return address in self._known

    def __bool__(self) -> bool:
        return bool(self._known)

    def able(self, numbers: Iterable[int]) -> list[Member]:
        """Those that can run all of these stages."""
        wanted = list(numbers)
        return [member for member in self._known.values() if member.can(wanted)]

    async def change(self) -> None:
        """Wait until something may be different."""
        await self._changed.wait()

    def wake(self) -> None:
        """End the waits of `change`."""
        self._changed.set()
        self._changed = asyncio.Event()

    # Looking

    def ask(self, setup: Setup, numbers: Iterable[int]) -> None:
        """From now on look whether workers can run these stages; all are looked at again by the next `refresh`."""
        self._setup, self._numbers = setup, frozenset(numbers)
        self._stale = set(self._known)

    async def refresh(self) -> None:
        """Learn who has come and gone, and begin to look at those who are new.

        Raises:
            OSError: The scheduler is gone.
        """
        entries = (await self._client.scheduler.identity(n_workers=-1))["workers"]
        for address in [address for address in (*self._known, *self._silent) if address not in entries]:
            self._known.pop(address, None)
            self._silent.discard(address)
        for address, entry in entries.items():
            new = address not in self._known or address in self._stale
            if new and entry.get("status") == "running" and address not in self._looking:
                self._looking[address] = asyncio.create_task(self._look_at(address, entry))
        # A cluster that sizes itself starts workers for tasks that wait; without a worker nothing else is sent there.
        if not entries and self._call is None:
            self._call = self._client.submit(int, pure=False)
        elif entries and self._call is not None:
            self._call.release()
            self._call = None
        self.wake()

    async def answered(self, numbers: Iterable[int]) -> None:
        """Wait for those who are looked at; after a while only until each of these stages has somebody."""
        wanted, begun = list(numbers), time.monotonic()
        while self._looking:
            await asyncio.wait(list(self._looking.values()), timeout=WATCH)
            if time.monotonic() - begun > PATIENCE and all(self.able([number]) for number in wanted):
                return

    async def _look_at(self, address: str, entry: Mapping[str, Any]) -> None:
        gpus = int(entry.get("resources", {}).get(GPU, 0))
        numbers = sorted(number for number in self._numbers if gpus or self._stages[number].where != "gpu")
        try:
            async with asyncio.timeout(LOOK):
                found = await self._client.run(
                    dask_worker.check, self._setup, numbers, workers=[address], on_error="return"
                )
            checked = found.get(address)
        except Exception as error:
            checked = error
        finally:
            del self._looking[address]
            self._stale.discard(address)
        if isinstance(checked, Exception) and not isinstance(checked, OSError):
            reason = MissingDependency(f"{failure(checked).error}: install corpusforge {__version__} there")
            checked = Checked(dict.fromkeys(numbers, reason), shared=True)
        before = self._known.get(address)
        if isinstance(checked, Checked):
            self._silent.discard(address)
            self._known[address] = Member(address, int(entry["nthreads"]), gpus, frozenset(numbers), checked)
            for number, why in checked.reasons.items():
                if before is None or number not in before.reasons:
                    self._note(f"worker {address} gets no '{self._stages[number].name}': {why}")
        else:  # gone again, or it hangs
            self._known.pop(address, None)
            if isinstance(checked, TimeoutError) and address not in self._silent:
                self._silent.add(address)
                self._note(f"worker {address} does not answer within {LOOK:g} s: it gets nothing until it does")
        self.wake()

    # Judging

    def refuse(self, address: str, numbers: Iterable[int], reason: CorpusforgeError) -> None:
        """Send a worker no more of these stages: it has said that it cannot."""
        member = self._known.get(address)
        for number in numbers:
            if member is not None and number not in member.reasons:
                member.reasons[number] = reason
                self._note(f"worker {address} gets no '{self._stages[number].name}' any more: {reason}")
        self.wake()

    def must_be_possible(self, number: int) -> None:
        """See that some worker can run a stage.

        Raises:
            MissingDependency, RecipeError: None can; the message has each worker's reason.
        """
        stage = self._stages[number]
        if self.able([number]):
            return
        reasons = self._reasons(number)
        if not reasons:
            raise MissingDependency(
                f"stage '{stage.name}' takes a GPU, and no worker at {self._shown} offers one: start it with "
                f"`dask worker {self._shown} --resources {GPU}=1` (a worker without a GPU may offer it, too)"
            )
        kind = RecipeError if all(isinstance(why, RecipeError) for why in reasons.values()) else MissingDependency
        raise kind(f"no worker can run stage '{stage.name}': {_joined(reasons)}")

    def must_have_hope(self, number: int) -> None:
        """See that a wait for a worker that can run a stage may end.

        Raises:
            BuildStopped: Every worker that is there has said why it cannot, and no other is looked at.
        """
        reasons = self._reasons(number)
        if reasons and not self._looking and not self.able([number]):
            raise BuildStopped(
                f"no worker can run stage '{self._stages[number].name}' any more: {_joined(reasons)}. What is done is "
                "kept; the same command goes on when workers can"
            )

    def _reasons(self, number: int) -> dict[str, CorpusforgeError]:
        return {m.address: m.reasons[number] for m in self._known.values() if number in m.reasons}

    def close(self) -> None:
        """Look at nobody any more."""
        for task in self._looking.values():
            task.cancel()


def _joined(reasons: Mapping[str, CorpusforgeError]) -> str:
    return "; ".join(f"{address}: {reason}" for address, reason in reasons.items())

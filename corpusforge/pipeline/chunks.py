"""Gathers items into chunks for the executor, and bounds the stages that the driver awaits itself."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence

from corpusforge.pipeline.executors.base import Executor, Reply
from corpusforge.pipeline.executors.make import await_item
from corpusforge.pipeline.plan import Progress
from corpusforge.stage import Stage, Where
from corpusforge.store.object_blobs import AnyBlobs

IN_FLIGHT_PER_SLOT = 48
"""Items that walk at once for each chunk that is worked on, at least: so that the next one can be put together."""

Made = Sequence[tuple[Progress, Sequence[Reply]]]
"""Items, and for each the replies of the stage it waited for and of those that were run with it."""


class Chunks:
    """Has the next stage of items run, many at a time.

    Nothing in it is done for a single item of a stage that the executor takes: what a task or a future an item costs
    would be most of what a million items cost.

    Args:
        stages: In order.
        last: Number of the last one that may run.
        executor: Runs those that it takes; the others are awaited here.
        blobs: The store's.
        made: Given items whose stage has run. It must not raise.
        broke: Told why items could not be run.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        last: int,
        executor: Executor,
        blobs: AnyBlobs,
        made: Callable[[Made], None],
        broke: Callable[[BaseException], None],
    ) -> None:
        self._stages = stages
        self._taken = [executor.takes(stage.where) for stage in stages]
        self._ends = [_end(stages, number, last) for number in range(len(stages))]
        self._executor = executor
        self._blobs = blobs
        self._made = made
        self._broke = broke
        self._waiting: list[deque[Progress]] = [deque() for _ in stages]
        self._seconds = [0.02] * len(stages)
        self._busy: Counter[Where] = Counter()
        self._pumping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._bounds = [asyncio.Semaphore(stage.concurrency) for stage in stages]
        self._awaited = sum(stage.concurrency for stage, taken in zip(stages, self._taken, strict=True) if not taken)
        self.in_flight = self._counted()

    def start(self, progress: Progress) -> None:
        """Have an item's next stage run; `made` or `broke` is called when it has."""
        number = progress.done
        if not self._taken[number]:
            self._begin(self._await(number, progress))
            return
        self._waiting[number].append(progress)
        if not self._pumping:
            # Not at once: items that become ready in the same turn of the loop go out in one chunk.
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _await(self, number: int, progress: Progress) -> None:
        try:
            async with self._bounds[number]:
                reply = await await_item(self._stages[number], progress.item, self._blobs)
        except Exception as error:
            self._broke(error)
        else:
            self._made([(progress, [reply])])

    def _counted(self) -> int:
        """Items that may walk at once: two chunks' worth a slot, one worked on and one being put together."""
        wanted = [
            self._executor.slots(stage.where) * max(IN_FLIGHT_PER_SLOT, 2 * self._wanted(number))
            for number, stage in enumerate(self._stages)
            if self._taken[number]
        ]
        return max(wanted, default=0) + 2 * self._awaited + 1

    def _wanted(self, number: int) -> int:
        """Items that make a chunk."""
        stage, chunks = self._stages[number], self._executor.chunks
        if stage.where != "cpu":
            return stage.concurrency  # it makes batches of them itself
        return min(chunks.longest, max(1, int(chunks.seconds / max(self._seconds[number], 1e-6))))

    def _pump(self) -> None:
        self._pumping = False
        while True:
            open_to = [
                number
                for number, stage in enumerate(self._stages)
                if self._waiting[number] and self._busy[stage.where] < self._executor.slots(stage.where)
            ]
            if not open_to:
                return
            number = max(open_to, key=lambda n: len(self._waiting[n]) * self._seconds[n])
            queue, where = self._waiting[number], self._stages[number].where
            fair = math.ceil(len(queue) / self._executor.slots(where))
            chunk = [queue.popleft() for _ in range(min(fair, self._wanted(number)))]
            self._busy[where] += 1
            self._begin(self._submit(number, chunk))

    async def _submit(self, number: int, chunk: Sequence[Progress]) -> None:
        try:
            made = await self._executor.submit(number, self._ends[number], [progress.item for progress in chunk])
        except Exception as error:
            self._broke(error)
            return
        finally:
            self._busy[self._stages[number].where] -= 1
        mean = sum(reply.seconds for replies in made for reply in replies) / len(made)
        self._seconds[number] = 0.7 * self._seconds[number] + 0.3 * mean
        self.in_flight = self._counted()
        self._made(list(zip(chunk, made, strict=True)))
        self._pump()

    async def close(self) -> list[Exception]:
        """End everything, whatever fails; what failed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._executor.close()
        errors = []
        for stage in self._stages:
            try:
                await stage.finish()
            except Exception as error:
                errors.append(error)
            finally:
                stage.close()
        return errors


def _end(stages: tuple[Stage, ...], number: int, last: int) -> int:
    """The last of the `cpu` stages that follow `cpu` stage `number` without another kind between; else itself."""
    end = number
    while stages[number].where == "cpu" and end < last and stages[end + 1].where == "cpu":
        end += 1
    return end

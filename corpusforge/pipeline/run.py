"""The run: every item walks through the stages by itself; a stage bounds how many walk at once.

Nothing waits for a whole stage to finish, and the number of items in memory is bounded, whatever the corpus's size.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from corpusforge.errors import BuildStopped, WorkspaceError
from corpusforge.items import Done, Failed, Utterance
from corpusforge.net.secrets import redact
from corpusforge.pipeline.executors.base import Executor, Reply
from corpusforge.pipeline.executors.make import await_item
from corpusforge.pipeline.plan import Planner, Progress, outcome_of
from corpusforge.pipeline.record import Recorder
from corpusforge.stage import Stage, Where
from corpusforge.store.index import DONE, REJECTED, Result

PORTION = 256
"""Items that are compared with the store at once."""
IN_FLIGHT_PER_SLOT = 48
"""Items that walk at once for each chunk that is worked on, at least: so that the next one can be put together."""


class Observer(Protocol):
    """Told how a run goes on."""

    def item_finished(self, progress: Progress, fresh: bool) -> None:
        """An item came to its end; `fresh` if this run made anything of it."""

    def item_failed(self, progress: Progress, failed: Failed) -> None:
        """A stage could not finish an item."""

    def stage_made(self, stage: str, seconds: float) -> None:
        """A stage made a result."""


@dataclass(slots=True)
class Tally:
    """What a run did.

    Attributes:
        items: Seen.
        cached: Complete before the run.
        built: Completed by the run.
        rejected: Ended by a stage's verdict, cached or fresh.
        waiting: Left alone: beyond `--to`, or their earlier stages are not done and `--from` says not to do them.
        failed: (item id, stage, error), in the order in which they happened.
        made: Results made, by stage.
        fingerprint: Of every item and the results it went through, in whatever order they ended.
        stopped: The run was asked to stop.
        signal: By this signal.
        halted: By a stage that cannot go on: a service is down, a budget is spent.
        told: What happened while results were made (`Done.told`), each with its count and the first reason.
    """

    items: int = 0
    cached: int = 0
    built: int = 0
    rejected: int = 0
    waiting: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    fingerprint: int = 0
    stopped: bool = False
    signal: int | None = None
    halted: BuildStopped | None = None
    told: dict[str, tuple[int, str]] = field(default_factory=dict)


class Run:
    """Brings items to their end.

    Args:
        planner: Knows the stages and what the store has of them.
        recorder: Takes what is new.
        executor: Runs the stages that it takes; the others are awaited here.
        observer: Is told.
        first, last: Numbers of the first and the last stage that may run.
        fail_fast: Stop when more than `max_failures` items have failed.
        fingerprint: Of an item that came to its end; they are added up.
        preflight: Awaited with numbers of stages, each once, before the first item that needs them.
    """

    def __init__(
        self,
        planner: Planner,
        recorder: Recorder,
        executor: Executor,
        observer: Observer,
        *,
        first: int = 0,
        last: int | None = None,
        fail_fast: bool = False,
        max_failures: int = 0,
        fingerprint: Callable[[Progress], int] | None = None,
        preflight: Callable[[range], Awaitable[None]] | None = None,
    ) -> None:
        self.planner = planner
        self.recorder = recorder
        self.observer = observer
        self.tally = Tally()
        self._first = first
        self._last = len(planner.stages) - 1 if last is None else last
        self._fail_fast = fail_fast
        self._max_failures = max_failures
        self._fingerprint = fingerprint
        self._preflight = preflight
        self._unchecked = self._last + 1
        self._stages = _Stages(planner.stages, self._last, executor, recorder)
        self._making: dict[bytes, asyncio.Future[Reply]] = {}
        self._stop = asyncio.Event()
        self._room: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    def stop(self, signal: int | None = None) -> None:
        """Start nothing new and end soon. What is finished is kept."""
        self.tally.stopped = True
        self.tally.signal = signal
        self._stop.set()

    async def run(self, items: Iterable[Utterance]) -> Tally:
        """Walk all items to their end, or to the end that `stop` sets.

        Raises:
            CorpusforgeError: Nothing can go on: the disk is full, a needed engine is missing.
        """
        stopped: asyncio.Task[bool] = asyncio.create_task(self._stop.wait())
        walks: set[asyncio.Task[None]] = set()
        try:
            iterator = iter(items)
            while not self._stop.is_set() and (portion := list(itertools.islice(iterator, PORTION))):
                for progress in self.planner.advance(portion):
                    self.tally.items += 1
                    if not self._to_do(progress):
                        self._ended(progress, fresh=False)
                        continue
                    await self._check(progress.done, stopped)
                    while len(walks) >= self._stages.in_flight and not self._stop.is_set():
                        self._room = asyncio.get_running_loop().create_future()
                        await _either(self._room, stopped)
                    if self._stop.is_set():
                        break
                    task = asyncio.create_task(self._walk(progress))
                    walks.add(task)
                    task.add_done_callback(walks.discard)
                    task.add_done_callback(self._make_room)
                await asyncio.sleep(0)
            while walks and not self._stop.is_set():
                await asyncio.wait({*walks, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            for task in walks:
                task.cancel()
            await asyncio.gather(*walks, stopped, return_exceptions=True)
            self._failed_to_end(await self._stages.close())
            self._flush()
        if self._error is not None:
            raise self._error
        return self.tally

    def _failed_to_end(self, errors: Sequence[Exception]) -> None:
        for error in errors:
            if isinstance(error, BuildStopped):
                self._halt(error)
            else:
                self._error = self._error or error

    def _flush(self) -> None:
        try:
            self.recorder.flush()
        except WorkspaceError as error:
            self._error = self._error or error  # the first one names the cause

    def _make_room(self, _: asyncio.Task[None]) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _check(self, number: int, stopped: asyncio.Task[bool]) -> None:
        """What an item at stage `number` will need. The stages before it may have no work: they need not be there."""
        if number < self._unchecked and self._preflight is not None:
            stages, self._unchecked = range(number, self._unchecked), number
            try:
                await _either(asyncio.ensure_future(self._preflight(stages)), stopped)
            except BuildStopped as error:
                self._halt(error)

    def _halt(self, error: BuildStopped) -> None:
        self.tally.halted = self.tally.halted or error
        self.stop(self.tally.signal)

    def _to_do(self, progress: Progress) -> bool:
        return not progress.finished and self._first <= progress.done <= self._last

    async def _walk(self, progress: Progress) -> None:
        try:
            ahead: dict[int, Reply] = {}
            while self._to_do(progress):
                reply = self._known(progress)
                if reply is None and progress.done in ahead:
                    reply = ahead[progress.done]
                    self._record(progress, reply)
                if reply is None:
                    reply, *more = await self._make(progress)
                    ahead = dict(enumerate(more, start=progress.done + 1))
                if isinstance(reply.outcome, Failed):
                    self._failed(progress, reply.outcome)
                    return
                self.planner.passed(progress, reply.outcome)
            self._ended(progress, fresh=True)
        except asyncio.CancelledError:
            raise
        except BuildStopped as error:
            self._halt(error)
        except BaseException as error:
            self._fatal(error)

    def _known(self, progress: Progress) -> Reply | None:
        """What this run has made already, and the index does not have yet."""
        outcome = self.recorder.known.get(progress.todo or b"")
        return Reply(outcome) if outcome is not None and progress.done not in self.planner.force else None

    async def _make(self, progress: Progress) -> list[Reply]:
        """Replies of the next stage and of those made with it; items that share a key share the next stage's."""
        key, number = progress.todo, progress.done
        assert key is not None
        shared = self._making.get(key)
        if shared is not None:
            return [await asyncio.shield(shared)]
        shared = self._making[key] = asyncio.get_running_loop().create_future()
        try:
            replies = await self._stages.make(number, progress.item)
            self._record(progress, replies[0])
            shared.set_result(replies[0])
            return replies
        finally:
            if not shared.done():
                shared.cancel()
            del self._making[key]
            if self.recorder.error is not None:
                self._fatal(self.recorder.error)

    def _record(self, progress: Progress, reply: Reply) -> None:
        item, key, keys = progress.item, progress.todo, self.planner.keys[progress.done]
        assert key is not None
        settings = keys.settings(keys.stage.variant(item))
        outcome = reply.outcome
        if isinstance(outcome, Failed):
            self.recorder.failure(key, item.id, settings, outcome)
            return
        if isinstance(outcome, Done):
            for what, why in outcome.told.items():
                count, first = self.tally.told.get(what, (0, redact(why)))
                self.tally.told[what] = (count + 1, first)
        status = DONE if isinstance(outcome, Done) else REJECTED
        row = Result(status, outcome_of(outcome, reply.sizes), settings, keys.inputs(item), round(reply.seconds, 4))
        self.recorder.result(key, outcome, row)
        name = keys.stage.name
        self.tally.made[name] = self.tally.made.get(name, 0) + 1
        self.observer.stage_made(name, reply.seconds)

    def _ended(self, progress: Progress, fresh: bool) -> None:
        tally = self.tally
        if not progress.finished:
            tally.waiting += 1
        elif isinstance(progress.rejected, tuple):
            tally.rejected += 1
        elif fresh:
            tally.built += 1
        else:
            tally.cached += 1
        if not progress.recorded:
            self.recorder.walk(progress.item.id, progress.digest if progress.finished else b"", b"".join(progress.keys))
        self._count(progress)
        self.observer.item_finished(progress, fresh)

    def _failed(self, progress: Progress, failed: Failed) -> None:
        stage = self.planner.stages[progress.done].name
        self.tally.failed.append((progress.item.id, stage, failed.error))
        self.recorder.walk(progress.item.id, b"", b"".join(progress.keys))
        self._count(progress)
        self.observer.item_failed(progress, failed)
        if self._fail_fast and len(self.tally.failed) > self._max_failures:
            self.stop()

    def _count(self, progress: Progress) -> None:
        if self._fingerprint is not None:
            self.tally.fingerprint = (self.tally.fingerprint + self._fingerprint(progress)) % 2**256

    def _fatal(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._stop.set()


_Waiting = tuple[Utterance, "asyncio.Future[list[Reply]]"]


class _Stages:
    """Gathers items into chunks for the executor, and bounds the stages that are awaited here."""

    def __init__(self, stages: tuple[Stage, ...], last: int, executor: Executor, recorder: Recorder) -> None:
        self._stages = stages
        self._taken = [executor.takes(stage.where) for stage in stages]
        self._ends = [_end(stages, number, last) for number in range(len(stages))]
        self._executor = executor
        self._blobs = recorder.workspace.blobs
        self._waiting: list[deque[_Waiting]] = [deque() for _ in stages]
        self._seconds = [0.02] * len(stages)
        self._busy: Counter[Where] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bounds = [asyncio.Semaphore(stage.concurrency) for stage in stages]
        self._awaited = sum(stage.concurrency for stage, taken in zip(stages, self._taken, strict=True) if not taken)
        self.in_flight = self._counted()

    async def make(self, number: int, item: Utterance) -> list[Reply]:
        stage = self._stages[number]
        if not self._taken[number]:
            async with self._bounds[number]:
                return [await await_item(stage, item, self._blobs)]
        replies: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        self._waiting[number].append((item, replies))
        # Not at once: items that become ready in the same turn of the loop go out in one chunk.
        asyncio.get_running_loop().call_soon(self._pump)
        return await replies

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
            task = asyncio.create_task(self._submit(number, chunk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _submit(self, number: int, chunk: list[_Waiting]) -> None:
        try:
            made = await self._executor.submit(number, self._ends[number], [item for item, _ in chunk])
        except BaseException as error:
            for _, waiting in chunk:
                if not waiting.done():
                    waiting.set_exception(error) if not isinstance(error, asyncio.CancelledError) else waiting.cancel()
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        finally:
            self._busy[self._stages[number].where] -= 1
        mean = sum(reply.seconds for replies in made for reply in replies) / len(made)
        self._seconds[number] = 0.7 * self._seconds[number] + 0.3 * mean
        self.in_flight = self._counted()
        for (_, waiting), replies in zip(chunk, made, strict=True):
            if not waiting.done():
                waiting.set_result(replies)
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


async def _either(wanted: asyncio.Future[None], stop: asyncio.Task[bool]) -> None:
    """Wait for one of the two. What was wanted is cancelled if the stop comes first; what it raises, this raises."""
    both: set[asyncio.Future[Any]] = {wanted, stop}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if wanted.done():
        wanted.result()
    else:
        wanted.cancel()
        await asyncio.wait({wanted})


@asynccontextmanager
async def stopping_on(run: Run, signals: Iterable[int]) -> AsyncIterator[None]:
    """Turn signals (Ctrl-C, SIGTERM) into `run.stop()` while inside."""
    loop = asyncio.get_running_loop()
    numbers = list(signals)
    for number in numbers:
        loop.add_signal_handler(number, run.stop, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

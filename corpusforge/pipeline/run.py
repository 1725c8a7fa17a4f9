"""The run: every item walks through the stages by itself; a stage bounds how many walk at once.

Nothing waits for a whole stage to finish, and the number of items in memory is bounded, whatever the corpus's size.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from corpusforge.errors import BuildStopped, WorkspaceError
from corpusforge.garbage import collected_seldom
from corpusforge.items import Done, Failed, Utterance
from corpusforge.net.secrets import redact
from corpusforge.pipeline.chunks import Chunks, Made
from corpusforge.pipeline.executors.base import Executor, Reply
from corpusforge.pipeline.plan import Planner, Progress
from corpusforge.pipeline.record import Recorder
from corpusforge.store.index import DONE, REJECTED, Result

PORTION = 256
"""Items that are compared with the store at once."""


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


class _Moving(NamedTuple):
    """An item on its way, with the reply of its next stage.

    Attributes:
        first, replies: Replies of stage number `first` and of those after it that were run with it.
    """

    progress: Progress
    reply: Reply
    first: int = 0
    replies: Sequence[Reply] = ()


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
        self._chunks = Chunks(planner.stages, self._last, executor, recorder.workspace.blobs, self._made, self._broke)
        self._making: dict[bytes, list[Progress]] = {}
        self._walking = 0
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
        with collected_seldom():
            return await self._run(items)

    async def _run(self, items: Iterable[Utterance]) -> Tally:
        stopped: asyncio.Task[bool] = asyncio.create_task(self._stop.wait())
        try:
            iterator = iter(items)
            while not self._stop.is_set() and (portion := list(itertools.islice(iterator, PORTION))):
                for progress in self.planner.advance(portion):
                    self.tally.items += 1
                    if not self._to_do(progress):
                        self._ended(progress, fresh=False)
                        continue
                    await self._check(progress.done, stopped)
                    await self._fewer_than(self._chunks.in_flight, stopped)
                    if self._stop.is_set():
                        break
                    self._begin(progress)
                await asyncio.sleep(0)
            await self._fewer_than(1, stopped)
        finally:
            stopped.cancel()
            await asyncio.gather(stopped, return_exceptions=True)
            for error in await self._chunks.close():
                self._broke(error)
            self._flush()
        if self._error is not None:
            raise self._error
        return self.tally

    async def _fewer_than(self, many: int, stopped: asyncio.Task[bool]) -> None:
        """Wait until fewer items than that are on their way, or the run is to stop."""
        while self._walking >= many and not self._stop.is_set():
            self._room = asyncio.get_running_loop().create_future()
            await _either(self._room, stopped)

    def _flush(self) -> None:
        try:
            self.recorder.flush()
        except WorkspaceError as error:
            self._error = self._error or error  # the first one names the cause

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

    # The walk

    def _begin(self, progress: Progress) -> None:
        """Set an item on its way."""
        self._walking += 1
        with self._errors_kept():
            reply = self._known(progress)
            if reply is None:
                self._start(progress)
            else:
                self._move([_Moving(progress, reply)])

    def _start(self, progress: Progress) -> None:
        """Have the next stage run, or wait for another item that has the same key there."""
        assert progress.todo is not None
        waiting = self._making.get(progress.todo)
        if waiting is not None:
            waiting.append(progress)
        else:
            self._making[progress.todo] = []
            self._chunks.start(progress)

    def _known(self, progress: Progress) -> Reply | None:
        """What this run has made already, and the index does not have yet."""
        outcome = self.recorder.known.get(progress.todo or b"")
        return Reply(outcome) if outcome is not None and progress.done not in self.planner.force else None

    def _made(self, made: Made) -> None:
        """Items have come through their next stage, and some through others with it."""
        with self._errors_kept():
            moving = []
            for progress, replies in made:
                assert progress.todo is not None
                waiting = self._making.pop(progress.todo)
                self._record(progress, replies[0])
                moving.append(_Moving(progress, replies[0], progress.done, replies))
                moving += [_Moving(other, replies[0]) for other in waiting]
            self._move(moving)
            if self.recorder.error is not None:
                raise self.recorder.error

    def _move(self, moving: Sequence[_Moving]) -> None:
        """Take items on with their replies as far as replies and store go; many at once, for the index's sake."""
        while moving:
            passed = []
            for one in moving:
                if isinstance(one.reply.outcome, Failed):
                    self._failed(one.progress, one.reply.outcome)
                else:
                    self.planner.passed(one.progress, one.reply.outcome)
                    passed.append(one)
            self.planner.follow([one.progress for one in passed])
            moving = []
            for one in passed:
                if not self._to_do(one.progress):
                    self._left()
                    self._ended(one.progress, fresh=True)
                    continue
                reply = self._known(one.progress)
                ahead = one.progress.done - one.first
                if reply is None and ahead < len(one.replies):
                    reply = one.replies[ahead]
                    self._record(one.progress, reply)
                if reply is None:
                    self._start(one.progress)
                else:
                    moving.append(one._replace(reply=reply))

    def _left(self) -> None:
        """An item is on its way no longer."""
        self._walking -= 1
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _record(self, progress: Progress, reply: Reply) -> None:
        item, key, keys = progress.item, progress.todo, self.planner.keys[progress.done]
        assert key is not None
        settings = keys.settings(item)
        outcome = reply.outcome
        if isinstance(outcome, Failed):
            self.recorder.failure(key, item.id, settings, outcome)
            return
        if isinstance(outcome, Done):
            for what, why in outcome.told.items():
                count, first = self.tally.told.get(what, (0, redact(why)))
                self.tally.told[what] = (count + 1, first)
        status = DONE if isinstance(outcome, Done) else REJECTED
        row = Result(status, reply.body, settings, keys.inputs(item), round(reply.seconds, 4))
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
        self._left()
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

    @contextmanager
    def _errors_kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._broke(error)

    def _broke(self, error: BaseException) -> None:
        """Nothing can go on."""
        if isinstance(error, BuildStopped):
            self._halt(error)
            return
        self._error = self._error or error
        self._stop.set()


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

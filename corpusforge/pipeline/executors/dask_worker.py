"""What runs in a Dask worker: the local executor, with a process of its own for each chunk that is worked on.

So an item that crashes or hangs costs neither the Dask worker nor the chunks beside it, and is found and reported as
on one machine. A `gpu` stage is awaited in the Dask worker itself, which therefore loads its model once.

Dask calls `check`, `work` and `end`, on the worker's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpusforge import __version__
from corpusforge.errors import BuildStopped, CorpusforgeError, MissingDependency, WorkspaceError
from corpusforge.items import Done, Json, Utterance
from corpusforge.pipeline.executors.base import Reply
from corpusforge.pipeline.executors.local import LocalExecutor
from corpusforge.pipeline.executors.make import await_item, failure
from corpusforge.stage import Stage
from corpusforge.store.keys import changes
from corpusforge.store.object_blobs import AnyBlobs, open_blobs

IDLE = 60.0
"""Seconds without a chunk after which what a build has here is ended: its driver was killed, or has nothing to do."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A build, as its workers see it.

    Attributes:
        token: Tells it from all other builds.
        version: Of the driver's corpusforge.
        stages: Pickled: type and settings of every stage.
        settings: The settings that decide results, by stage and variant, as the driver has them.
        languages: That are to be made.
        blobs: Where the store's blobs are: a folder, as the driver sees it, or the URL of an object store.
        probe: sha256 of a blob there that holds the token: who reads it sees the store.
    """

    token: str
    version: str
    stages: bytes
    settings: Mapping[int, Mapping[str, Json]]
    languages: frozenset[str]
    blobs: Path | str
    probe: str


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a chunk.

    Attributes:
        replies: As `Executor.submit` returns them.
        contents: Blobs that this worker could not put into the store itself, by sha256.
    """

    replies: list[list[Reply]]
    contents: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a worker said of itself.

    Attributes:
        reasons: Why it cannot run stages, by their numbers.
        shared: Whether it sees the store, and writes its blobs there itself.
    """

    reasons: Mapping[int, CorpusforgeError]
    shared: bool


@dataclass(frozen=True, slots=True)
class Unfit:
    """A worker cannot do what it was sent; nothing is wrong with the items.

    Attributes:
        address: Of the worker.
        reason: Why.
    """

    address: str
    reason: CorpusforgeError


_benches: dict[str, _Bench] = {}


def here() -> str:
    """The version of corpusforge in this process."""
    return __version__


async def check(setup: Setup, numbers: Sequence[int], dask_worker: Any = None) -> Checked:
    """Which of these stages this worker cannot run, and why. It gets no work before.

    Args:
        setup: The build.
        numbers: Of the stages.
        dask_worker: Dask's object for this worker, which Dask gives.
    """
    bench = _bench(setup, dask_worker)
    return Checked(await bench.unfit(setup, numbers), bench.shared)


async def work(setup: Setup, stage: int, last: int, items: bytes, contents: Mapping[str, bytes]) -> Made | Unfit | None:
    """Run pickled items through stages; `contents` are the blobs they need, unless this worker sees the store.

    Returns:
        None if the build was ended meanwhile.

    Raises:
        WorkspaceError: The store cannot be written.
        BuildStopped: A stage cannot go on.
    """
    from distributed import get_worker

    worker: Any = get_worker()
    bench = _bench(setup, worker)
    bench.hold()
    task = asyncio.create_task(bench.work(setup, range(stage, last + 1), pickle.loads(items), contents))
    bench.tasks.add(task)
    try:
        return await task
    except asyncio.CancelledError:
        return None
    except Exception as error:
        # Failures of items are among the replies. This is the worker's own: its disk, its memory, what it lacks.
        if isinstance(error, BuildStopped) or (isinstance(error, WorkspaceError) and bench.shared):
            raise
        reason = error if isinstance(error, CorpusforgeError) else MissingDependency(failure(error).error)
        return Unfit(worker.address, reason)
    finally:
        bench.tasks.discard(task)
        bench.let_go()


async def end(token: str) -> None:
    """End all that a build has here."""
    bench = _benches.pop(token, None)
    if bench is not None:
        await bench.close()


def _bench(setup: Setup, worker: Any) -> _Bench:
    if setup.token not in _benches:
        _benches[setup.token] = _Bench(setup, Path(worker.local_directory))
    return _benches[setup.token]


class _Slot:
    """Where one chunk is worked on at a time."""

    def __init__(self, stages: Sequence[Stage], location: Path | str) -> None:
        self.blobs = open_blobs(location)
        self.executor = LocalExecutor(stages, location, 1)


class _Bench:
    """What one build has in one Dask worker: its stages, and slots to run them in."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.tasks: set[asyncio.Task[Made]] = set()
        self._setup = setup
        self._busy = 0
        self._reasons: dict[int, CorpusforgeError | None] = {}
        self._checking = asyncio.Lock()
        self._stages: list[Stage] = []
        self._own = folder / f"corpusforge-{setup.token}"
        self._slots: list[_Slot] = []
        self._free: list[_Slot] = []
        self._timer: asyncio.TimerHandle | None = None
        self.shared = not isinstance(setup.blobs, Path) or _sees(setup.blobs, setup)
        self.let_go()

    # How long it lives

    def hold(self) -> None:
        """A chunk has come."""
        self._busy += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def let_go(self) -> None:
        """A chunk has gone."""
        self._busy = max(0, self._busy - 1)
        if not self._busy and _benches.get(self._setup.token, self) is self:
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._leave)

    def _leave(self) -> None:
        self._leaving = asyncio.ensure_future(end(self._setup.token))

    async def close(self) -> None:
        """End the processes, and the models that were loaded."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for slot in self._slots:
            await slot.executor.close()
        for stage in self._stages:
            with contextlib.suppress(Exception):  # the build has ended; nobody is left to be told
                await stage.finish()
            stage.close()
        shutil.rmtree(self._own, ignore_errors=True)

    # Whether it can

    async def unfit(self, setup: Setup, numbers: Iterable[int]) -> dict[int, CorpusforgeError]:
        """Why it cannot run these stages, by number."""
        async with self._checking:
            self._setup = setup  # of the same build, perhaps with more stages
            for number in numbers:
                if number not in self._reasons:
                    self._reasons[number] = await asyncio.to_thread(self._check, number)
        return {number: why for number in numbers if (why := self._reasons[number]) is not None}

    def _check(self, number: int) -> CorpusforgeError | None:
        setup = self._setup
        if setup.version != __version__:
            return MissingDependency(f"it has corpusforge {__version__}, the driver {setup.version}: install the same")
        try:
            if not isinstance(setup.blobs, Path):
                open_blobs(setup.blobs).read(setup.probe)
            if not self._stages:
                self._stages = [kind(config) for kind, config in pickle.loads(setup.stages)]
            stage = self._stages[number]
            stage.preflight(setup.languages)
            for variant, wanted in setup.settings[number].items():
                found = json.loads(json.dumps(dict(stage.settings(variant))))
                different = [f"{name} {old} there, {new} here" for name, new, old in changes(wanted, found)]
                if different:
                    return MissingDependency(
                        f"it would make other results ({'; '.join(different)}): install the same versions there"
                    )
        except CorpusforgeError as error:
            return error
        except Exception as error:
            return MissingDependency(failure(error).error)
        return None

    # Work

    async def work(
        self, setup: Setup, numbers: range, items: Sequence[Utterance], contents: Mapping[str, bytes]
    ) -> Made:
        """See the function `work`.

        Raises:
            CorpusforgeError: It cannot.
        """
        for reason in (await self.unfit(setup, numbers)).values():
            raise reason
        slot = self._free.pop() if self._free else self._new_slot()
        try:
            for content in () if self.shared else contents.values():
                slot.blobs.put(content)
            replies = await self._run(slot, numbers, items)
            return Made(replies, {} if self.shared else _contents(replies, slot.blobs))
        finally:
            if not self.shared:
                shutil.rmtree(slot.blobs.root, ignore_errors=True)  # it has been sent
            self._free.append(slot)

    async def _run(self, slot: _Slot, numbers: range, items: Sequence[Utterance]) -> list[list[Reply]]:
        stage = self._stages[numbers.start]
        if stage.where == "cpu":
            return await slot.executor.submit(numbers.start, numbers.stop - 1, items)
        made = await asyncio.gather(*(await_item(stage, item, slot.blobs) for item in items))
        return [[reply] for reply in made]

    def _new_slot(self) -> _Slot:
        # Dask's, for processes that it starts: what is freed goes back to the system at once, and the next array has to
        # be had from it anew. Making speech then takes a quarter longer.
        os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
        own = self._own / str(len(self._slots))
        slot = _Slot(self._stages, self._setup.blobs if self.shared else own)
        self._slots.append(slot)
        return slot


def _contents(replies: Iterable[Iterable[Reply]], blobs: AnyBlobs) -> dict[str, bytes]:
    names = {
        reply.outcome.fields[name]
        for made in replies
        for reply in made
        if isinstance(reply.outcome, Done)
        for name in reply.sizes
    }
    return {sha256: blobs.read(sha256) for sha256 in names}


def _sees(folder: Path, setup: Setup) -> bool:
    try:
        return open_blobs(folder).read(setup.probe) == setup.token.encode() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False

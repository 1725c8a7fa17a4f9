"""The local executor: worker processes on this machine, replaced when they die or hang."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from corpusforge.errors import WorkspaceError
from corpusforge.items import Done, Failed, Utterance
from corpusforge.pipeline.executors.base import Chunks, Reply
from corpusforge.stage import Stage, Where

START_UP = 60.0
"""Seconds that a new worker may take until it is ready."""


class LocalExecutor:
    """Up to `jobs` worker processes, each started when there is work for it.

    A worker that dies is replaced. The item it died on is tried once more, alone in a fresh worker, because the
    cause may have been another one (memory, a signal from outside); an item that kills two workers is reported as
    failed. An item that exceeds its stage's time limit loses its worker and is reported as failed at once.
    """

    chunks = Chunks(seconds=0.2, longest=32)

    def __init__(self, stages: Sequence[Stage], blobs: Path | str, jobs: int) -> None:
        self._stages = stages
        self._jobs = jobs
        self._limits = [stage.time_limit() for stage in stages]
        self._setup = (blobs, [(type(stage), stage.config) for stage in stages])
        self._free: asyncio.LifoQueue[_Worker | None] = asyncio.LifoQueue()
        for _ in range(jobs):
            self._free.put_nowait(None)
        self._workers: set[_Worker] = set()

    def takes(self, where: Where) -> bool:
        """Only `cpu` stages; see `Executor.takes`."""
        return where == "cpu"

    def slots(self, where: Where) -> int:
        """One a worker process."""
        return self._jobs

    async def prepare(self, stages: range, languages: frozenset[str]) -> None:
        """Whether this machine can run them; see `Executor.prepare`."""
        for number in stages:
            self._stages[number].preflight(languages)

    async def submit(self, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
        """Run items through stages in one worker; see `Executor.submit`."""
        worker = await self._free.get()
        replies: list[list[Reply]] = []
        deaths = 0
        try:
            while len(replies) < len(items):
                if worker is None:
                    worker = self._start()
                if deaths == 0:
                    end = await worker.call(stage, self._limits[stage : last + 1], items[len(replies) :], replies)
                else:
                    alone = items[len(replies) : len(replies) + 1]
                    end = await worker.call(stage, self._limits[stage : stage + 1], alone, replies)
                if end is None:
                    deaths = 0
                    continue
                self._workers.discard(worker)
                worker = None
                if replies and not replies[-1]:
                    replies.pop()
                elif replies and len(replies[-1]) <= last - stage and isinstance(replies[-1][-1].outcome, Done):
                    continue  # it died in a later stage: the item comes back for that one
                deaths += 1
                if end.hung:
                    replies.append([Reply(Failed(f"took longer than {self._limits[stage]:g} s, given up"))])
                    deaths = 0
                elif deaths == 2:
                    replies.append([Reply(Failed(f"the worker process died twice on this item ({end.how})", 2))])
                    deaths = 0
        finally:
            self._free.put_nowait(worker)
        return replies

    def _start(self) -> _Worker:
        worker = _Worker(self._setup)
        self._workers.add(worker)
        return worker

    async def close(self) -> None:
        """Kill the workers and wait for their end."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()


class _End:
    """How a worker ended before its chunk did."""

    def __init__(self, hung: bool, how: str) -> None:
        self.hung = hung
        self.how = how


class _Worker:
    """One worker process and the driver's end of its pipe."""

    def __init__(self, setup: tuple[Path | str, list[Any]]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            code = "import sys; from corpusforge.pipeline.executors.worker import main; main(int(sys.argv[1]))"
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._pipe = Connection(ours.detach())
        self._fresh = True
        self._send(sys.path)
        self._send(setup)

    def _send(self, message: object) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the death shows when replies are read
            self._pipe.send(message)

    async def call(
        self, stage: int, limits: Sequence[float], items: Sequence[Utterance], replies: list[list[Reply]]
    ) -> _End | None:
        """Run a chunk through as many stages as there are limits, appending replies as they come.

        Returns:
            None when it is complete, else how the worker ended; the last entry of `replies` is then the item's on which
            it ended, with the replies of the stages before.
        """
        self._send((stage, stage + len(limits) - 1, list(items)))
        try:
            if self._fresh:
                await self._receive(START_UP)
                self._fresh = False
            for _ in items:
                replies.append([])
                for limit in limits:
                    message = await self._receive(limit)
                    if isinstance(message, WorkspaceError):
                        raise message
                    replies[-1].append(message)
                    if not isinstance(message.outcome, Done):
                        break
        except TimeoutError:
            self.kill()
            return _End(not self._fresh, "not ready in time" if self._fresh else "hung")
        except (EOFError, OSError):
            return _End(False, self._how())
        return None

    async def _receive(self, seconds: float) -> Any:
        if not self._pipe.poll():
            async with asyncio.timeout(seconds):
                await self._readable()
        return self._pipe.recv()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        descriptor = self._pipe.fileno()
        loop.add_reader(descriptor, _wake, ready)
        try:
            await ready
        finally:  # before the pipe is closed: its number may be the next worker's
            loop.remove_reader(descriptor)

    def _how(self) -> str:
        code = self._process.wait()
        self._pipe.close()
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._pipe.close()


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

"""The Dask executor: chunks go to a Dask cluster, on this machine or any that Dask's own deployments make.

Dask schedules. What is ours: a worker gets chunks only after it has shown that it can run the stages, and would make
the same results as the driver; what happens to single items is the local executor's business, in every worker
(`dask_worker`); and a lost scheduler ends the build politely. The driver alone writes the index.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import pickle
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from corpusforge import __version__
from corpusforge.errors import BuildStopped, CorpusforgeError, MissingDependency, RecipeError, WorkspaceError
from corpusforge.items import Failed, Utterance
from corpusforge.pipeline.executors import dask_worker
from corpusforge.pipeline.executors.base import Chunks, Reply
from corpusforge.pipeline.executors.dask_members import GPU, PATIENCE, WATCH, Member, Members
from corpusforge.pipeline.executors.dask_worker import Made, Setup, Unfit
from corpusforge.pipeline.executors.make import failure
from corpusforge.stage import Stage, Where
from corpusforge.store.object_blobs import AnyBlobs

QUIET = {
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.low-level-log-length": 10,
    "distributed.worker.profile.enabled": False,
}
"""Dask's settings while a build lasts. Nobody here asks how late its loops are, nor what its threads do, many times a
second in each process; and it would keep the last thousand messages, with all the items in them.
"""


class DaskExecutor:
    """Sends chunks to the workers of a Dask cluster.

    Args:
        stages: Of the recipe.
        blobs: The store's.
        address: Of the cluster's scheduler, `tcp://host:8786`; None starts one with its workers on this machine.
        jobs: Workers of that one.
        note: Tells the user something.

    Raises:
        MissingDependency: Dask is not installed.
        RecipeError: No scheduler can have this address.
    """

    chunks = Chunks(seconds=0.5, longest=500)

    def __init__(
        self, stages: Sequence[Stage], blobs: AnyBlobs, address: str | None, jobs: int, note: Callable[[str], None]
    ) -> None:
        if find_spec("distributed") is None:
            raise MissingDependency("the Dask executor is not installed: pip install 'corpusforge[dask]'")
        if address is not None and not re.fullmatch(r"tcp://(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}", address):
            raise RecipeError(f"--dask {address}: expected tcp://host:8786, the address that `dask scheduler` prints")
        self._stages = stages
        self._blobs = blobs
        self._address = address
        self._jobs = jobs
        self._note = note
        self._token = secrets.token_hex(8)
        self._probe = hashlib.sha256(self._token.encode()).hexdigest()
        self._setup: Setup | None = None
        self._numbers: set[int] = set()
        self._members: Members | None = None
        self._waiting = False
        self._sent: set[_Sent] = set()
        self._suspects = asyncio.Lock()
        self._lost: BuildStopped | None = None
        self._cluster: Any = None
        self._borrowed = contextlib.ExitStack()
        self._client: Any = None
        self._watcher: asyncio.Task[None] | None = None

    # What it takes

    def takes(self, where: Where) -> bool:
        """`gpu` stages too, unless the cluster is this machine: there the driver loads their model, once."""
        return where == "cpu" or (where == "gpu" and self._address is not None)

    def slots(self, where: Where) -> int:
        """A chunk for every thread, or GPU, and one more for every worker, which starts while another's reply is on
        its way.
        """
        members = self._members.able([]) if self._members is not None else []
        numbers = self._of(where)
        fit = [member for member in members if any(member.can([number]) for number in numbers)]
        units = [member.gpus if where == "gpu" else member.threads for member in fit]
        return max(1, sum(units) + len(units))

    def _of(self, where: Where) -> list[int]:
        return [number for number in self._numbers if self._stages[number].where == where]

    # Getting ready

    async def prepare(self, stages: range, languages: frozenset[str]) -> None:
        """See `Executor.prepare`. Every worker that is there looks whether it can run them; those that cannot get none.

        Raises:
            MissingDependency, RecipeError: No worker can run one of the stages; the message has each worker's reason.
            BuildStopped: No scheduler answers.
        """
        ours = [number for number in stages if self.takes(self._stages[number].where)]
        for number in stages:
            if number not in ours:
                self._stages[number].preflight(languages)
        if not ours:
            return
        self._numbers.update(ours)
        self._put([self._token.encode()])
        self._setup = self._new_setup(languages)
        if self._members is None:
            await self._connect()
            self._members = Members(self._client, self._shown, self._stages, self._note)
            self._watcher = asyncio.create_task(self._watch())
        self._members.ask(self._setup, self._numbers)
        told = False
        while True:
            try:
                await self._refresh(self._members)
            except OSError as error:
                raise self._lose() from error
            await self._members.answered(ours)
            if self._members:
                break
            if not told:
                told = True
                self._note(f"no worker yet in the Dask cluster at {self._shown}: waiting for one")
            await asyncio.sleep(WATCH)
            if self._lost is not None:
                raise self._lost
        for number in ours:
            self._members.must_be_possible(number)

    def _new_setup(self, languages: frozenset[str]) -> Setup:
        settings = {
            number: {
                variant: json.loads(json.dumps(dict(self._stages[number].settings(variant))))
                for lang in sorted(languages)
                for variant in self._stages[number].variants(lang)
            }
            for number in self._numbers
        }
        kinds = pickle.dumps([(type(stage), stage.config) for stage in self._stages])
        location = self._blobs.location
        place = location.resolve() if isinstance(location, Path) else location
        return Setup(self._token, __version__, kinds, settings, languages, place, self._probe)

    async def _connect(self) -> None:
        import dask
        import distributed

        library: Any = distributed  # has no types for either
        # What Dask says of lost workers and schedulers is said here, in one line; its own pages of it help nobody.
        for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._borrowed.enter_context(dask.config.set(QUIET))
        if self._address is None:
            self._borrowed.callback(_put_back, {name: os.environ.get(name) for name in _for_workers()})
            self._cluster = await library.LocalCluster(
                n_workers=self._jobs,
                threads_per_worker=1,
                host="127.0.0.1",
                # Any free port for its health page: of the usual one it would warn when that is taken.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                asynchronous=True,
            )
        client = library.Client(
            self._cluster or self._address, asynchronous=True, timeout=PATIENCE, set_as_default=False
        )
        try:
            async with asyncio.timeout(2 * PATIENCE):  # a server that is no scheduler may never answer
                self._client = await client
        except OSError as error:
            with contextlib.suppress(OSError):
                await client.close(timeout=1)
            raise BuildStopped(
                f"no Dask scheduler answers at {self._shown} within {PATIENCE:g} s. Start one (`dask scheduler`), or "
                "correct --dask"
            ) from error
        if self._cluster is None:
            await self._see_scheduler()

    async def _see_scheduler(self) -> None:
        """The scheduler unpickles what it hands on: where it lacks corpusforge, every chunk would fail."""
        try:
            await self._client.run_on_scheduler(dask_worker.here)
        except OSError as error:
            raise self._lose() from error
        except Exception as error:
            raise MissingDependency(
                f"the Dask scheduler at {self._shown} cannot import corpusforge ({failure(error).error}): install "
                f"corpusforge {__version__} there, too"
            ) from error

    @property
    def _shown(self) -> str:
        return self._address or "127.0.0.1"

    # Who is there

    async def _watch(self) -> None:
        while self._lost is None:
            await asyncio.sleep(WATCH)
            if self._client.status != "running":
                self._lose()
                return
            if self._members is not None:
                with contextlib.suppress(OSError):
                    await self._refresh(self._members)

    def _lose(self) -> BuildStopped:
        if self._lost is None:
            self._lost = BuildStopped(
                f"the connection to the Dask scheduler at {self._shown} is lost. What is done is kept; the same "
                "command goes on when there is a scheduler again"
            )
            if self._members is not None:
                self._members.wake()
        return self._lost

    async def _refresh(self, members: Members) -> None:
        """Learn who has come and gone; what was sent to those who are gone is sent to others."""
        await members.refresh()
        for sent in list(self._sent):
            # Dask would wait for the very workers that were named, and those that come in their place have new names.
            if not any(address in members for address in sent.workers):
                sent.again = True
                await sent.future.cancel()

    # Work

    async def submit(self, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
        """Run items through stages in one worker; see `Executor.submit`."""
        from distributed import KilledWorker

        try:
            return await self._submit(stage, last, items)
        except KilledWorker:
            return await self._one_by_one(stage, last, items)

    async def _one_by_one(self, stage: int, last: int, items: Sequence[Utterance]) -> list[list[Reply]]:
        """After workers have died of a chunk, or of one beside it: each item by itself, and none of another such chunk
        meanwhile. One of which they die twice more has failed.
        """
        from distributed import KilledWorker

        replies: list[list[Reply]] = []
        async with self._suspects:
            for item in items:
                try:
                    replies += await self._submit(stage, last, [item], tries=2)
                except KilledWorker as error:
                    words = f"every Dask worker that ran it died, {error.last_worker.address} last (of memory, perhaps)"
                    replies.append([Reply(Failed(words, 2))])
        return replies

    async def _submit(self, stage: int, last: int, items: Sequence[Utterance], tries: int = 1) -> list[list[Reply]]:
        """See `submit`.

        Raises:
            KilledWorker: So many times Dask has seen workers die of it, and gave up.
        """
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        while True:
            numbers, workers = await self._fit(range(stage, last + 1))
            blind = not all(worker.shared for worker in workers)
            contents = await asyncio.to_thread(self._needed, numbers, items) if blind else {}
            sent = self._send(numbers, items, contents, workers)
            try:
                made: Made | Unfit | None = await sent.future
            except KilledWorker:
                tries -= 1
                if not tries:
                    raise
                continue
            except FutureCancelledError:
                if sent.again and self._lost is None:
                    continue
                raise self._lose() from None
            except CorpusforgeError:
                raise
            except Exception as error:
                return [[Reply(failure(error))] for _ in items]
            finally:
                self._sent.discard(sent)
                sent.future.release()
            if isinstance(made, Unfit) and self._members is not None:
                self._members.refuse(made.address, numbers, made.reason)
            if not isinstance(made, Made):
                continue
            if made.contents:
                await asyncio.to_thread(self._put, made.contents.values())
            return made.replies

    async def _fit(self, numbers: range) -> tuple[range, list[Member]]:
        """The workers that can run these stages, or the first of them if none can run all; waits until there is one."""
        assert self._members is not None
        while True:
            if self._lost is not None:
                raise self._lost
            for stop in range(numbers.stop, numbers.start, -1):
                some = range(numbers.start, stop)
                if fit := self._members.able(some):
                    self._waiting = False
                    return some, fit
            self._members.must_have_hope(numbers.start)
            if not self._waiting:
                self._waiting = True
                name = self._stages[numbers.start].name
                self._note(f"no worker at {self._shown} can run '{name}' now: waiting for one")
            await self._members.change()

    def _send(
        self, numbers: range, items: Sequence[Utterance], contents: Mapping[str, bytes], workers: Iterable[Member]
    ) -> _Sent:
        addresses = [worker.address for worker in workers]
        try:
            future = self._client.submit(
                dask_worker.work,
                self._setup,
                numbers.start,
                numbers.stop - 1,
                pickle.dumps(list(items)),  # which the scheduler hands on as it is
                contents,
                workers=addresses,
                resources={GPU: 1} if self._stages[numbers.start].where == "gpu" else None,
                pure=False,
            )
        except Exception as error:  # the client was closed because its scheduler is gone
            raise self._lose() from error
        sent = _Sent(future, frozenset(addresses))
        self._sent.add(sent)
        return sent

    def _needed(self, numbers: range, items: Iterable[Utterance]) -> dict[str, bytes]:
        """The blobs that these stages may read of these items: whatever value of theirs names one."""
        names = {name for number in numbers for name in self._stages[number].reads}
        values = {value for item in items for name in names if isinstance(value := item.value(name), str)}
        found = (value for value in values if len(value) == 64 and value.isalnum())
        return {value: self._blobs.read(value) for value in found if self._blobs.size(value) is not None}

    def _put(self, contents: Iterable[bytes]) -> None:
        for content in contents:
            try:
                self._blobs.put(content)
            except OSError as error:
                raise WorkspaceError(f"cannot write {self._blobs.root}: {error.strerror}") from error

    # The end

    async def close(self) -> None:
        """End the workers' processes, and the cluster if it is our own."""
        with self._borrowed:
            if self._watcher is not None:
                self._watcher.cancel()
            if self._members is not None:
                self._members.close()
            if self._setup is not None:
                with contextlib.suppress(OSError, CorpusforgeError):
                    self._blobs.remove(self._probe)
            if self._client is not None:
                with contextlib.suppress(OSError):  # nobody there any more to be told
                    async with asyncio.timeout(PATIENCE):
                        if self._lost is None and self._cluster is None:
                            await self._client.run(dask_worker.end, self._token, on_error="ignore")
                with contextlib.suppress(OSError):
                    await self._client.close(timeout=PATIENCE)
            if self._cluster is not None:
                with contextlib.suppress(OSError):
                    await self._cluster.close(timeout=PATIENCE)


def _for_workers() -> Iterable[str]:
    """Names of variables for workers (`OMP_NUM_THREADS=1`) that Dask also leaves in the environment of this process."""
    import dask

    names: Mapping[str, Any] = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    return names


def _put_back(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class _Sent:
    """A chunk on its way."""

    def __init__(self, future: Any, workers: frozenset[str]) -> None:
        self.future = future
        self.workers = workers
        self.again = False

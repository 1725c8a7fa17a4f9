"""Requests by the Batch API: a file of them, one price for all, an answer within a day.

https://platform.openai.com/docs/api-reference/batch. What may be killed at any moment must not pay twice:

1. A batch gets a name made of the requests in it, and is written down before it is made.
2. The name goes with it as metadata. If we are killed before its id is written down, the next build finds the batch at
   the service by that name.
3. A request that is in a batch on its way is never put into another one; its answer is kept before the batch is
   forgotten. What expired or failed goes into a new batch, with the same limit of tries as a live request.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusforge.net.faults import Fault, Refused, fault_of_status
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.store.answers import Answers, PendingBatch, Spent
from corpusforge.translate.budget import BudgetSpent, Purse
from corpusforge.translate.llm import Answer, Llm, Request

TAG = "corpusforge"
"""Name of the metadata that holds a batch's name."""
_OVER = {"completed", "expired", "cancelled", "failed"}
_FILE_LIMIT = 150_000_000
"""Bytes of a batch's file: services take 200 MB."""


class BatchSettings(BaseModel):
    """How `mode: batch` works.

    Attributes:
        size: Most requests in a batch; services take up to 50,000.
        idle: Seconds without a new request after which a batch that is not full is sent.
        poll: Seconds between two looks at a batch.
        window: Time in which the service promises to answer, as it writes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(2000, ge=1, le=50_000)
    idle: float = Field(2.0, ge=0)
    poll: float = Field(30.0, gt=0)
    window: str = "24h"


@dataclass(slots=True)
class _Wanted:
    """A request that somebody waits for."""

    request: Request
    future: asyncio.Future[Answer]
    tries: int = 0
    reserved: Spent = field(default_factory=Spent)


class Batches:
    """Gathers requests into batches and waits for them.

    Args:
        llm: The model; its policy bounds the requests that make and watch batches.
        purse: What may be spent.
        answers: Where pending batches are written down.
        corpus: Whose money it is.
        max_tokens: Of an answer.
        settings: Size, patience.
        note: Tells the user what is being waited for.
    """

    def __init__(
        self,
        llm: Llm,
        purse: Purse,
        answers: Answers,
        corpus: str,
        max_tokens: int,
        settings: BatchSettings,
        note: Callable[[str], None] = lambda words: None,
    ) -> None:
        self._llm, self._purse, self._answers = llm, purse, answers
        self._corpus, self._max_tokens, self._settings, self._note = corpus, max_tokens, settings, note
        self._service_name = f"{llm.endpoint} {llm.model}"
        self._wanted: dict[str, _Wanted] = {}
        self._queue: list[str] = []
        self._pending: dict[str, str] = {}  # request: batch
        self._watching: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self._resumed = False

    async def send(self, key: bytes, request: Request) -> Answer:
        """The answer to a request, from the batch that it is in or the next one."""
        name = key.hex()  # 64 characters, the most that services take as a custom_id
        if not self._resumed:
            self._resumed = True
            for batch in self._answers.batches(self._service_name):
                for pending in batch.keys:
                    self._pending[pending] = batch.name
                self._watch(self._resume(batch))
        wanted = self._wanted[name] = _Wanted(request, asyncio.get_running_loop().create_future())
        if name not in self._pending:
            kept = self._answers.get(key)  # of a batch that has ended since it was looked for
            if kept is not None:
                wanted.future.set_result(Answer(**kept))
            else:
                self._put(name)
        try:
            return await wanted.future
        finally:
            del self._wanted[name]

    def _put(self, name: str) -> None:
        self._queue.append(name)
        self._more.set()
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._gather())

    async def _gather(self) -> None:
        """Send batches as they fill, or as nothing more comes."""
        while self._queue:
            while len(self._queue) < self._settings.size:
                self._more.clear()
                try:
                    async with asyncio.timeout(self._settings.idle):
                        await self._more.wait()
                except TimeoutError:
                    break
            chosen = self._within_budget(self._take())
            try:
                if chosen:
                    await self._make(chosen)
                elif self._queue:
                    await self._purse.settled()  # what is on its way may cost less than it could
            except Exception as error:
                for name in chosen:
                    self._fail(name, error)

    def _take(self) -> list[str]:
        size = 0
        chosen: list[str] = []
        while self._queue and len(chosen) < self._settings.size:
            name = self._queue[0]
            if name in self._wanted:
                size += len(self._line(name))
                if chosen and size > _FILE_LIMIT:
                    break
                chosen.append(name)
            self._queue.pop(0)
        return chosen

    def _within_budget(self, chosen: list[str]) -> list[str]:
        """Those for which there is money beside what is on its way; the others wait for that, or stop the build."""
        for number, name in enumerate(chosen):
            wanted = self._wanted[name]
            dearest = self._purse.dearest(wanted.request, self._max_tokens)
            spent = self._purse.beyond(dearest)
            if spent is None:
                self._purse.take(dearest)
                wanted.reserved = dearest
            elif self._pending or self._purse.reserved:
                self._queue[:0] = chosen[number:]
                return chosen[:number]
            else:
                self._fail(name, BudgetSpent(spent))
        return [name for name in chosen if self._wanted[name].reserved != Spent()]

    def _line(self, name: str) -> bytes:
        request = self._wanted[name].request
        line = {"custom_id": name, "method": "POST", "url": self._path(), "body": self._llm.body(request)}
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"

    def _path(self) -> str:
        return "/v1/responses" if self._llm.api == "responses" else "/v1/chat/completions"

    async def _make(self, chosen: list[str]) -> None:
        """Write a batch down, make it, and watch it."""
        lines = b"".join(self._line(name) for name in chosen)
        name = hashlib.sha256(f"{time.time_ns()}".encode() + lines).hexdigest()[:32]
        self._answers.put_batch(self._service_name, name, chosen)
        for key in chosen:
            self._pending[key] = name
        batch = await self._create(name, lines)
        self._answers.put_batch(self._service_name, name, chosen, batch["id"])
        self._note(f"translate: batch {batch['id']} with {len(chosen):,} requests is on its way")
        self._watch(self._follow(PendingBatch(name, batch["id"], time.time(), tuple(chosen))))

    async def _create(self, name: str, lines: bytes) -> Mapping[str, Any]:
        client, service = self._llm.client(), self._llm.service
        try:
            file = await service.call(
                lambda: client.files.create(file=(f"{name}.jsonl", io.BytesIO(lines)), purpose="batch")
            )
        except ServiceError:
            self._forget(name)  # nothing was made
            raise

        async def create() -> Mapping[str, Any]:
            # An earlier try may have arrived although its answer did not.
            known = await self._find(name, time.time())
            if known is not None:
                return known
            endpoint: Any = self._path()
            window: Any = self._settings.window
            made = await client.batches.create(
                input_file_id=file.id, endpoint=endpoint, completion_window=window, metadata={TAG: name}
            )
            return made.to_dict()

        try:
            return await service.call(create)
        except ServiceError as error:
            if not error.fault.passing:
                self._forget(name)
            raise

    async def _find(self, name: str, since: float) -> Mapping[str, Any] | None:
        """The batch of that name at the service, None if it has none: the newest come first."""
        async for batch in self._llm.client().batches.list(limit=100):
            found: dict[str, Any] = batch.to_dict()
            if (found.get("metadata") or {}).get(TAG) == name:
                return found
            if int(found.get("created_at") or 0) < since - 3600:
                return None
        return None

    def _forget(self, name: str) -> None:
        self._answers.drop_batch(name)
        for key in [key for key, batch in self._pending.items() if batch == name]:
            del self._pending[key]

    def _watch(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _resume(self, batch: PendingBatch) -> None:
        """A batch of an earlier build: find it, then follow it."""
        try:
            if batch.id is None:
                found = await self._llm.service.call(lambda: self._find(batch.name, batch.made))
                if found is None:  # it never got there
                    self._forget(batch.name)
                    self._requeue(batch.keys)
                    return
                batch = PendingBatch(batch.name, str(found["id"]), batch.made, batch.keys)
                self._answers.put_batch(self._service_name, batch.name, batch.keys, batch.id)
            self._note(f"translate: batch {batch.id} of an earlier build is taken up again")
        except Exception as error:
            for name in batch.keys:
                self._fail(name, error)
            return
        await self._follow(batch)

    async def _follow(self, batch: PendingBatch) -> None:
        """Wait until a batch is over, take in what came of it, and put the rest into the next one."""
        client, service = self._llm.client(), self._llm.service
        assert batch.id is not None
        id = batch.id
        try:
            while True:
                state = (await service.call(lambda: client.batches.retrieve(id))).to_dict()
                if state["status"] in _OVER:
                    break
                await asyncio.sleep(self._settings.poll)
            ends: dict[str, Answer | Fault] = {}
            for file in ("error_file_id", "output_file_id"):
                if state.get(file):
                    ends |= self._read(await self._download(str(state[file])))
        except Exception as error:
            if isinstance(error, ServiceError) and error.fault.status == 404:
                self._forget(batch.name)  # the service has forgotten it
                self._requeue(batch.keys)
                return
            for name in batch.keys:
                self._fail(name, error)
            return
        over = f"the batch {id} {state['status']}{_errors(state)} before it was answered"
        why = Fault(over, passing=state["status"] != "failed")
        for name in batch.keys:
            end = ends.get(name, why)
            if isinstance(end, Answer):  # whoever asked may be gone; the answer stays
                cost = self._purse.cost(end)
                self._answers.put(bytes.fromhex(name), self._corpus, "batch", end.plain(), cost)
        self._forget(batch.name)
        for name in batch.keys:
            if name in self._wanted:
                self._deliver(name, ends.get(name, why))

    async def _download(self, file: str) -> bytes:
        client = self._llm.client()

        async def get() -> bytes:
            content = await client.files.content(file)
            data: bytes = content.read() if not hasattr(content, "aread") else await content.aread()
            return data

        return await self._llm.service.call(get)

    def _read(self, content: bytes) -> dict[str, Answer | Fault]:
        """Ends by request: an answer, or why there is none."""
        ends: dict[str, Answer | Fault] = {}
        for line in content.splitlines():
            try:
                row = json.loads(line)
                name = row["custom_id"]
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line: its request counts as unanswered
            response = row.get("response") or {}
            status = response.get("status_code") or 0
            if row.get("error") or status != 200:
                body = json.dumps(row.get("error") or response.get("body") or {}, ensure_ascii=False)
                ends[name] = fault_of_status(status or 500, {}, body)
                continue
            try:
                ends[name] = self._llm.answer(response.get("body"))
            except Refused as refused:
                ends[name] = refused.fault
        return ends

    def _deliver(self, name: str, end: Answer | Fault) -> None:
        """Give an end to whoever waits for it; a fault that passes goes into the next batch."""
        wanted = self._wanted[name]
        self._pending.pop(name, None)
        wanted.tries += 1
        if isinstance(end, Answer):
            self._settle(wanted, self._purse.cost(end))
            if not wanted.future.done():
                wanted.future.set_result(end)
            return
        self._settle(wanted, Spent(1))
        self._answers.waste(self._corpus, 1)
        if end.passing and wanted.tries <= self._llm.service.policy.retries:
            self._put(name)
        else:
            self._fail(name, ServiceError(f"{self._llm.service.name}: {end.words}", wanted.tries, end))

    def _settle(self, wanted: _Wanted, cost: Spent) -> None:
        if wanted.reserved != Spent():
            self._purse.settle(wanted.reserved, cost)
        else:  # of a batch of an earlier build
            self._purse.settle(Spent(), cost)
        wanted.reserved = Spent()

    def _requeue(self, names: Iterable[str]) -> None:
        for name in names:
            self._pending.pop(name, None)
            if name in self._wanted:
                self._put(name)

    def _fail(self, name: str, error: BaseException) -> None:
        wanted = self._wanted.get(name)
        if wanted is None:
            return
        self._settle(wanted, Spent())
        if not wanted.future.done():
            wanted.future.set_exception(error if isinstance(error, Exception) else ServiceDown(str(error)))

    async def finish(self) -> None:
        """Stop waiting: batches go on at the service, and the next build takes them up by their written ids."""
        tasks = [*self._watching, *([self._sender] if self._sender else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for wanted in list(self._wanted.values()):
            wanted.future.cancel()


def _errors(state: Mapping[str, Any]) -> str:
    errors = ((state.get("errors") or {}).get("data")) or []
    return f" ({errors[0].get('message')})" if errors else ""

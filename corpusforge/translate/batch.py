"""Requests by the Batch API: a file of them, one price for all, an answer within a day.

https://platform.openai.com/docs/api-reference/batch. What may be killed at any moment must not pay twice:

1. A batch gets a name and is written down, with its requests and what they can cost, before it is made.
2. The name goes with it as metadata. If we are killed before its id is written down, the next build finds the batch at
   the service by that name.
3. A request that is in a batch on its way is never put into another one. The answers of a batch that is over are kept
   and the batch is forgotten in one step; what expired or failed goes into a new batch, with the same limit of tries
   as a live request.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusforge.net.faults import Fault, Refused, fault_of, fault_of_status, readable
from corpusforge.net.secrets import redact
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.store.answers import Answers, PendingBatch, Spent
from corpusforge.translate.budget import BudgetSpent, Purse
from corpusforge.translate.llm import Answer, Llm, Request

TAG = "corpusforge"
"""Name of the metadata that holds a batch's name."""
GRACE = 10.0
"""Seconds for a batch that is being made when a build stops, to get its id."""
FILE_LIMIT = 100_000_000
"""Bytes of a batch's file: services take 200 MB, and it has to be sent within one `timeout`."""
CLOCKS = 24 * 3600.0
"""Seconds by which the service's clock and ours may differ."""
LOOKS = 3
"""Times that a damaged file of answers is downloaded once more: what cannot be read is asked, and paid for, again."""
_OVER = {"completed", "expired", "cancelled", "failed"}


class BatchSettings(BaseModel):
    """How `mode: batch` works.

    Attributes:
        size: Most requests in a batch; services take up to 50,000.
        parallel: Batches on their way at once, at most.
        idle: Seconds without a new request after which a batch that is not full is sent.
        poll: Seconds between two looks at a batch.
        window: Time in which the service promises to answer, as it writes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(2000, ge=1, le=50_000)
    parallel: int = Field(8, ge=1)
    idle: float = Field(2.0, ge=0)
    poll: float = Field(30.0, gt=0)
    window: str = "24h"


@dataclass(slots=True)
class _Wanted:
    """A request that somebody waits for.

    Attributes:
        request: It.
        future: Of its answer.
        tries: Batches that it was in.
        plain: Whether it was asked again because the service has no structured output.
    """

    request: Request
    future: asyncio.Future[Answer]
    tries: int = 0
    plain: bool = False


def service_name(llm: Llm) -> str:
    """Whose batches belong together: their answers have one form, and one address knows them."""
    return f"{llm.endpoint} {llm.api} {llm.model}"


class Batches:
    """Gathers requests into batches and waits for them.

    Args:
        llm: The model; its policy bounds the requests that make and watch batches.
        purse: What may be spent.
        answers: Where answers are kept and pending batches are written down.
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
        self._parallel = settings.parallel
        self._wanted: dict[str, _Wanted] = {}
        self._queue: deque[str] = deque()
        self._pending: dict[str, str] = {}  # request: name of the batch that it is in
        self._lost: dict[str, Exception] = {}  # batches that nobody watches any more, though they may go on
        self._watching: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._news = asyncio.Event()  # a new request, or a batch that is over
        self._leaving = asyncio.Event()
        self._resumed = False

    async def send(self, key: bytes, request: Request) -> Answer:
        """The answer to a request, from the batch that it is in or the next one.

        Raises:
            ServiceError: This request failed for good.
            BuildStopped: The service is down or refuses batches, or the budget is spent.
        """
        if not self._resumed:
            self._resumed = True
            self._resume_all()
        name = key.hex()  # 64 characters, the most that services take as a custom_id
        wanted = self._wanted[name] = _Wanted(request, asyncio.get_running_loop().create_future())
        try:
            lost = self._lost.get(self._pending.get(name, ""))
            if lost is not None:
                raise lost
            if name not in self._pending:
                self._put(name)
            return await wanted.future
        finally:
            del self._wanted[name]

    # Making batches

    def _put(self, name: str) -> None:
        self._queue.append(name)
        self._news.set()
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._gather())

    async def _gather(self) -> None:
        """Send batches as they fill, or as nothing more comes."""
        while self._queue and not self._leaving.is_set():
            await self._fill()
            while len(self._watching) >= self._parallel and not self._leaving.is_set():
                await self._listen()
            if self._leaving.is_set():
                return
            names: list[str] = []
            try:
                names, lines, dearest, beyond = self._take()
                if names:
                    await self._make(names, lines, dearest)
                elif beyond and self._watching:
                    await self._listen()  # what is on its way may cost less than it could
                elif beyond:
                    raise BudgetSpent(beyond)
            except Exception as error:
                if not names:
                    names = [*self._queue]
                    self._queue.clear()
                self._fail(names, error)

    async def _fill(self) -> None:
        """Wait until there is enough for a whole batch, or nothing has come for a while."""
        now = asyncio.get_running_loop().time
        number, since = len(self._queue), now()
        while number < self._settings.size and not self._leaving.is_set():
            left = since + self._settings.idle - now()
            if left <= 0:
                return
            await self._listen(left)
            if len(self._queue) > number:
                number, since = len(self._queue), now()

    async def _listen(self, longest: float | None = None) -> None:
        """Wait until something new comes, or as many seconds."""
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._news.wait()

    def _take(self) -> tuple[list[str], bytes, Spent, str | None]:
        """The next batch: requests, its file, the most that it can cost, and which limit the next one could break."""
        names: list[str] = []
        lines = bytearray()
        dearest = Spent()
        while self._queue and len(names) < self._settings.size:
            name = self._queue[0]
            wanted = self._wanted.get(name)
            if wanted is not None:
                line = self._line(name, wanted.request)
                more = dearest + self._purse.dearest(wanted.request, self._max_tokens)
                beyond = self._purse.beyond(more)
                if beyond is not None:
                    return names, bytes(lines), dearest, beyond
                if names and len(lines) + len(line) > FILE_LIMIT:
                    break
                names.append(name)
                lines += line
                dearest = more
            self._queue.popleft()
        return names, bytes(lines), dearest, None

    def _line(self, name: str, request: Request) -> bytes:
        line = {"custom_id": name, "method": "POST", "url": self._path(), "body": self._llm.body(request)}
        # What UTF-8 cannot hold (half a surrogate pair) stands inside a string, where JSON has an escape for it.
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    def _path(self) -> str:
        return "/v1/responses" if self._llm.api == "responses" else "/v1/chat/completions"

    async def _make(self, names: Sequence[str], lines: bytes, dearest: Spent) -> None:
        """Write a batch down, make it, and watch it."""
        batch = PendingBatch(uuid.uuid4().hex, None, self._corpus, time.time(), tuple(names), dearest)
        self._write_down(batch)
        try:
            id = await self._create(batch, lines)
        except Exception as error:
            if batch.name not in self._lost:
                self._forget(batch)
            if isinstance(error, ServiceError) and not error.fault.passing:
                mend = "mode: batch needs an endpoint with /files and /batches; mode: live asks one by one"
                raise ServiceDown(f"a batch was refused: {error}. {mend}") from error
            raise
        batch = replace(batch, id=id)
        self._answers.put_batch(service_name(self._llm), batch)
        self._note(
            f"translate: batch {id} with {len(names):,} requests is on its way, answered within "
            f"{self._settings.window}. A build that is stopped takes it up again"
        )
        self._watch(self._follow(batch))

    def _write_down(self, batch: PendingBatch) -> None:
        self._answers.put_batch(service_name(self._llm), batch)
        self._purse.take(batch.dearest)
        self._pending |= dict.fromkeys(batch.keys, batch.name)

    async def _create(self, batch: PendingBatch, lines: bytes) -> str:
        client, service = self._llm.client(), self._llm.service
        file = await service.call(
            lambda: client.files.create(file=(f"{batch.name}.jsonl", io.BytesIO(lines)), purpose="batch")
        )
        endpoint: Any = self._path()
        window: Any = self._settings.window
        tried = False

        async def create() -> str:
            nonlocal tried
            if tried:  # it may have arrived although its answer did not
                known = await self._find(batch)
                if known is not None:
                    return known
            tried = True
            try:
                made = await client.batches.create(
                    input_file_id=file.id, endpoint=endpoint, completion_window=window, metadata={TAG: batch.name}
                )
            except Exception as error:
                tried = fault_of(error).passing
                raise
            return made.id

        try:
            return await service.call(create)
        except Exception as error:
            if tried:  # the next build looks for it
                self._lost[batch.name] = error
            raise

    async def _find(self, batch: PendingBatch) -> str | None:
        """The id of a batch by its name, None if the service has none of that name: the newest come first."""
        async for found in self._llm.client().batches.list(limit=100):
            if (found.metadata or {}).get(TAG) == batch.name:
                return found.id
            if found.created_at < batch.made - CLOCKS:
                return None
        return None

    # Waiting for them

    def _watch(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._watching.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._watching.discard(task)
        self._news.set()

    def _resume_all(self) -> None:
        """Take up the batches of earlier builds, those of other corpora, too: they may hold what is wanted here."""
        for batch in self._answers.batches(service_name(self._llm)):
            self._pending |= dict.fromkeys(batch.keys, batch.name)
            if batch.corpus == self._corpus:
                self._purse.take(batch.dearest)
            self._watch(self._follow(batch))

    async def _follow(self, batch: PendingBatch) -> None:
        """Wait until a batch is over and take in what came of it."""
        try:
            try:
                await self._follow_to_end(batch)
            except ServiceError as error:
                if batch.id is None or error.fault.status != 404:
                    raise
                number = f"{len(batch.keys):,} requests are asked again"
                self._note(f"translate: the service knows no batch {batch.id} any more; its {number}")
                self._ask_again(batch)
        except Exception as error:
            self._lost[batch.name] = error
            self._fail(batch.keys, error)

    async def _follow_to_end(self, batch: PendingBatch) -> None:
        client, service = self._llm.client(), self._llm.service
        id = batch.id
        if id is None:
            id = await service.call(lambda: self._find(batch))
            if id is None:  # it never got there
                self._ask_again(batch)
                return
            batch = replace(batch, id=id)
            self._answers.put_batch(service_name(self._llm), batch)
        known = id
        while True:
            state = (await service.call(lambda: client.batches.retrieve(known))).to_dict()
            if state["status"] in _OVER:
                break
            await asyncio.sleep(self._settings.poll)
        ends: dict[str, Answer | Fault] = {}
        for file in ("error_file_id", "output_file_id"):
            if state.get(file):
                ends |= await self._download(str(state[file]))
        self._take_in(batch, state, ends)

    async def _download(self, file: str) -> dict[str, Answer | Fault]:
        """What a file says became of each request."""
        client, service = self._llm.client(), self._llm.service
        tries = 0

        async def get() -> dict[str, Answer | Fault]:
            nonlocal tries
            tries += 1
            ends, damaged = self._read((await client.files.content(file)).content)
            if damaged and tries <= min(LOOKS, service.policy.retries):  # by the way, perhaps, and not at its origin
                raise Refused(Fault(f"{damaged:,} damaged lines in the answers' file {file}", passing=True))
            return ends

        return await service.call(get)

    def _read(self, content: bytes) -> tuple[dict[str, Answer | Fault], int]:
        """Ends by request, an answer or why there is none; and the number of damaged lines."""
        ends: dict[str, Answer | Fault] = {}
        damaged = 0
        for line in filter(None, map(bytes.strip, content.splitlines())):
            try:
                row = json.loads(line)
                name = str(row["custom_id"])
                response = row.get("response") or {}
                status, body = response.get("status_code"), response.get("body")
            except (ValueError, KeyError, TypeError, AttributeError):
                damaged += 1  # its request counts as unanswered
                continue
            if row.get("error") or not isinstance(status, int):  # not even tried: the time was over, or a machine broke
                said = readable(redact(json.dumps({"error": row.get("error")}, ensure_ascii=False)))
                ends[name] = Fault(said or "no answer", passing=True)
            elif status != 200:
                ends[name] = fault_of_status(status, {}, json.dumps(body, ensure_ascii=False))
            else:
                try:
                    ends[name] = self._llm.answer(body)
                except Refused as refused:
                    ends[name] = refused.fault
        return ends, damaged

    def _take_in(self, batch: PendingBatch, state: Mapping[str, Any], ends: Mapping[str, Answer | Fault]) -> None:
        """Keep what was answered and forget the batch; give the answers to whoever waits, ask for the rest again."""
        answered = {name: end for name in batch.keys if isinstance(end := ends.get(name), Answer)}
        costs = {name: self._purse.cost(answer) for name, answer in answered.items()}
        invalid = state["status"] == "failed"  # it was looked at, and nothing of it was sent to the model
        unanswered = 0 if invalid else len(batch.keys) - len(answered)
        rows = [(bytes.fromhex(name), "batch", end.plain(), costs[name]) for name, end in answered.items()]
        self._answers.take_in(batch, rows, unanswered)
        mine = batch.corpus == self._corpus
        if mine:
            self._purse.settle(batch.dearest, sum(costs.values(), Spent(unanswered)))
        self._release(batch)
        if len(answered) < len(batch.keys):
            found = f"{len(answered):,} of {len(batch.keys):,} requests were answered"
            self._note(f"translate: batch {batch.id} {state['status']}: {found}")
        stop = self._stops(batch, state)
        rest: list[str] = []
        for name in batch.keys:
            wanted, end = self._wanted.get(name), ends.get(name)
            if wanted is None:  # nobody waits; what was answered is kept
                continue
            if isinstance(end, Answer):
                if not mine:  # from now on it is this corpus's
                    self._purse.settle(Spent(), costs[name])
                if not wanted.future.done():
                    wanted.future.set_result(end)
            elif stop is not None:
                rest.append(name)
            else:
                fault = end or Fault(f"batch {batch.id} {state['status']} without an answer", passing=True)
                self._again(name, wanted, fault)
        if stop is not None:
            self._fail(rest, stop)

    def _stops(self, batch: PendingBatch, state: Mapping[str, Any]) -> ServiceDown | None:
        """Why no new batch may be made of what this one left unanswered, None if one may."""
        if state["status"] == "cancelled":
            words = "was cancelled at the service. Run the same command again to ask for the rest of it"
            return ServiceDown(f"{self._llm.service.name}: batch {batch.id} {words}")
        if state["status"] != "failed":
            return None
        errors = [error for error in (state.get("errors") or {}).get("data") or [] if isinstance(error, dict)]
        others = len(self._watching) - 1
        if others > 0 and any("limit" in str(error.get("code")) for error in errors):
            self._parallel = others  # that many it takes
            return None
        said = readable(redact("; ".join(dict.fromkeys(str(error.get("message")) for error in errors))))
        mend = "If it was too large, lower translate.batch.size. Run the same command again when that is mended"
        return ServiceDown(
            f"{self._llm.service.name}: batch {batch.id} was refused: {said or 'no reason given'}. {mend}"
        )

    def _again(self, name: str, wanted: _Wanted, fault: Fault) -> None:
        """Put an unanswered request into the next batch, or give it up."""
        wanted.tries += 1
        if fault.blocked:
            self._fail([name], ServiceDown(f"{self._llm.service.name}: {fault.words}. What is done is kept"))
        elif not wanted.plain and self._llm.drops_format(wanted.request, fault):
            wanted.plain = True
            self._put(name)
        elif fault.passing and wanted.tries <= self._llm.service.policy.retries:
            self._put(name)
        else:
            tried = "" if wanted.tries == 1 else f" (tried {wanted.tries} times)"
            words = f"{self._llm.service.name}: {fault.words}{tried}"
            self._fail([name], ServiceError(words, wanted.tries, fault))

    def _ask_again(self, batch: PendingBatch) -> None:
        """Forget a batch of which nothing will come."""
        self._forget(batch)
        for name in batch.keys:
            if name in self._wanted:
                self._put(name)

    def _forget(self, batch: PendingBatch) -> None:
        self._answers.drop_batch(batch.name)
        if batch.corpus == self._corpus:
            self._purse.settle(batch.dearest, Spent())
        self._release(batch)

    def _release(self, batch: PendingBatch) -> None:
        for name in batch.keys:
            if self._pending.get(name) == batch.name:
                del self._pending[name]

    def _fail(self, names: Sequence[str], error: Exception) -> None:
        for name in names:
            wanted = self._wanted.get(name)
            if wanted is not None and not wanted.future.done():
                wanted.future.set_exception(error)

    async def finish(self) -> None:
        """Stop waiting: batches go on at the service, and the next build takes them up."""
        self._leaving.set()
        self._news.set()
        self._llm.service.leave()
        tasks = list(self._watching)
        for task in tasks:
            task.cancel()
        if self._sender is not None:
            await asyncio.wait({self._sender}, timeout=GRACE)  # a batch that is being made gets its id
            tasks += [self._sender, *self._watching]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for wanted in self._wanted.values():
            wanted.future.cancel()

"""A place for tests of batches: a server in this process, and askers whose books must agree at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from corpusforge.net.policy import Policy
from corpusforge.store.answers import Answers, PendingBatch
from corpusforge.translate.asker import Asker
from corpusforge.translate.batch import Batches, BatchSettings, service_name
from corpusforge.translate.budget import Budget, Purse
from corpusforge.translate.llm import Answer, Llm, Request
from tests.servers.models import Connection, Model

POLICY = Policy(retries=2, backoff=0.01, timeout=20, connect_timeout=5, patience=1)
SCHEMA = json.dumps({"type": "object", "properties": {"translations": {"properties": {"bod_Tibt": {}}}}})


class Desk:
    """An asker whose requests go into batches, in a workspace's folder; the server is in this process."""

    def __init__(self, url: str, folder: Path, corpus: str = "c", budget: Budget | None = None, **settings: Any):
        self.answers = Answers(folder)
        self.notes: list[str] = []
        prices = settings.pop("prices", None)
        llm_settings = {name: settings.pop(name) for name in ("api", "structured") if name in settings}
        policy = settings.pop("policy", POLICY)
        self.llm = Llm(url, settings.pop("model", "m"), policy=policy, **llm_settings)
        self.purse = Purse(budget or Budget(), prices, self.answers.spent(corpus), batch=True)
        wanted = BatchSettings(**{"idle": 0.05, "poll": 0.01, **settings})
        self.sender = Batches(self.llm, self.purse, self.answers, corpus, 500, wanted, self.notes.append)
        self.asker = Asker(self.llm, self.sender, self.answers, self.purse, corpus)

    async def ask(self, *numbers: int) -> list[Answer]:
        return await asyncio.gather(*(self.asker.ask(request(number), "k") for number in numbers))

    async def outcomes(self, *numbers: int) -> list[Answer | BaseException]:
        asked = (self.asker.ask(request(number), "k") for number in numbers)
        return await asyncio.gather(*asked, return_exceptions=True)

    def pending(self) -> list[PendingBatch]:
        return self.answers.batches(service_name(self.llm))

    async def close(self) -> None:
        await self.asker.finish()
        await self.llm.aclose()
        self.answers.close()


def request(number: int, schema: str | None = None) -> Request:
    return Request((("user", f"<text>{'句' * (number + 1)}</text>"),), schema)


Play = Callable[["Stage"], Coroutine[Any, Any, None]]


class Stage:
    """A server, and desks that are closed at the end. Nothing may be left running, and the counts must agree."""

    def __init__(self, model: Model, url: str, folder: Path) -> None:
        self.model, self.url, self.folder = model, url, folder
        self.desks: list[Desk] = []

    def desk(self, **settings: Any) -> Desk:
        self.desks.append(Desk(self.url, self.folder, **settings))
        return self.desks[-1]

    def sizes(self) -> list[int]:
        files = (self.model.files[batch["input_file_id"]] for batch in self.model.batches.values())
        return [len(file.splitlines()) for file in files]

    async def stop(self, desk: Desk, *asked: asyncio.Future[Any]) -> None:
        """As a build that is stopped: nobody waits any more, then the asker finishes."""
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await desk.close()
        self.desks.remove(desk)


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    model = Model()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(model), "127.0.0.1", 0)
    before = asyncio.all_tasks()
    scene = Stage(model, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", folder)
    try:
        yield scene
        for desk in scene.desks:
            # What this build counted is what the next one reads, and nothing is reserved for what is over.
            if not desk.pending():
                assert not desk.purse.reserved
            corpus = desk.sender._corpus
            spent, kept = desk.purse.spent, desk.answers.spent(corpus)
            assert (spent.requests, spent.tokens) == (kept.requests, kept.tokens)
            assert spent.usd == pytest.approx(kept.usd)
    finally:
        for desk in scene.desks:
            await desk.close()
        model.stall = []
        server.close()
    await asyncio.sleep(0.02)
    left = [task for task in asyncio.all_tasks() - before if "Connection" not in repr(task.get_coro())]
    assert not left, left


def play(scene: Play, folder: Path) -> None:
    async def run() -> None:
        async with stage(folder) as made:
            await scene(made)

    # In its debug mode asyncio says what was never awaited and which exception nobody looked at.
    problems: list[str] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, found: problems.append(str(found)))
        async with asyncio.timeout(60):
            await run()

    asyncio.run(watched(), debug=True)
    assert not problems, problems

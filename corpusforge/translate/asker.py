"""Asks a model, and never the same thing twice: kept answers first, then one request for all who want the same.

A request that is on its way when a build is stopped is waited for, because it will be paid for; those that wait for
their turn are not sent any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from corpusforge.items import Json
from corpusforge.store.answers import Answers, Spent
from corpusforge.translate.budget import Purse, rule_of_thumb
from corpusforge.translate.llm import Answer, Llm, Request


class Sender(Protocol):
    """Gets a request answered, at once or in a batch."""

    async def send(self, key: bytes, request: Request) -> Answer:
        """The answer, whatever it takes."""
        ...

    async def finish(self) -> None:
        """Wait for what is paid for; send nothing new."""
        ...


class Live:
    """Sends every request by itself, within the budget."""

    def __init__(self, llm: Llm, purse: Purse, answers: Answers, corpus: str, max_tokens: int) -> None:
        self._llm, self._purse, self._answers = llm, purse, answers
        self._corpus, self._max_tokens = corpus, max_tokens

    async def send(self, key: bytes, request: Request) -> Answer:
        """One answer under the policy of the service."""
        dearest = self._purse.dearest(request, self._max_tokens)
        await self._purse.reserve(dearest)
        sent = 0
        answer: Answer | None = None

        def sending() -> None:
            nonlocal sent, dearest
            if sent > 0:  # the first one is reserved
                self._purse.take_now(Spent(1))
                dearest += Spent(1)
            sent += 1

        try:
            tokens = 0.0
            if self._llm.service.policy.tokens_per_minute is not None:  # else a sixth of the client's work for nothing
                tokens = sum(rule_of_thumb(content) for _, content in request.messages) + self._max_tokens
            answer = await self._llm.ask(request, tokens=tokens, sending=sending)
            return answer
        finally:
            self._purse.settle(dearest, Spent(sent) if answer is None else self._purse.cost(answer))
            if answer is None and sent:
                self._answers.waste(self._corpus, sent)

    async def finish(self) -> None:
        """Send nothing new; those on the wire end by themselves."""
        self._llm.service.leave()


class Asker:
    """The one way to a model.

    Args:
        llm: Gives requests their keys.
        sender: Gets them answered.
        answers: Keeps what was paid for.
        purse: Counts it.
        corpus: Whose money it is.
    """

    def __init__(self, llm: Llm, sender: Sender, answers: Answers, purse: Purse, corpus: str) -> None:
        self._llm, self._sender, self._answers, self._purse, self._corpus = llm, sender, answers, purse, corpus
        self._asking: dict[bytes, asyncio.Task[Answer]] = {}
        self._leaving = False

    async def ask(self, request: Request, kind: str, fresh: Callable[[Json], bool] = lambda answer: True) -> Answer:
        """The answer to a request: a kept one, else a new one that is kept before it is returned.

        Args:
            request: What to ask.
            kind: Groups requests that cost about the same.
            fresh: Whether a kept answer may be used.
        """
        key = self._llm.key(request)
        task = self._asking.get(key)
        if task is None:
            kept = self._answers.get(key)
            if kept is not None and fresh(kept):
                return Answer(**kept)
            if self._leaving:
                raise asyncio.CancelledError
            task = self._asking[key] = asyncio.create_task(self._new(key, request, kind))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _new(self, key: bytes, request: Request, kind: str) -> Answer:
        answer = await self._sender.send(key, request)
        self._answers.put(key, self._corpus, kind, answer.plain(), self._purse.cost(answer))
        return answer

    def _forget(self, key: bytes, task: asyncio.Task[Answer]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen: whoever asked may be gone

    async def finish(self) -> None:
        """Wait for answers on their way, as long as a try may take; ask nothing new."""
        self._leaving = True
        await self._sender.finish()  # it may watch batches of an earlier build, which nobody asks for
        if self._asking:
            await asyncio.wait(list(self._asking.values()), timeout=self._llm.service.policy.timeout + 1)
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

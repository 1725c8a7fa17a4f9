"""One request for all who want the same, kept before it is used; and what happens to it when a build stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusforge.errors import WorkspaceError
from corpusforge.net.policy import Policy
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.store.answers import Answers, Spent
from corpusforge.translate.asker import Asker, Live
from corpusforge.translate.budget import Budget, BudgetSpent, Purse
from corpusforge.translate.llm import Answer, Llm, Request
from tests.patience import until_async
from tests.servers import models
from tests.servers.models import Handle

QUICK = Policy(retries=3, backoff=0.01, timeout=10, longest_wait=5)


@pytest.fixture(scope="module")
def running() -> Iterator[Handle]:
    with models.serving() as handle:
        yield handle


@pytest.fixture
def model(running: Handle) -> Handle:
    running.does(script=[], faults={}, latency=0)
    return running


class Desk:
    """An asker and all that it needs, in a folder."""

    def __init__(self, model: Handle, folder: Path, policy: Policy = QUICK, budget: Budget | None = None) -> None:
        self.answers = Answers(folder)
        self.llm = Llm(model.url, "m", policy=policy)
        self.purse = Purse(budget or Budget(), None, self.answers.spent("c"))
        live = Live(self.llm, self.purse, self.answers, "c", 50)
        self.asker = Asker(self.llm, live, self.answers, self.purse, "c")

    async def close(self) -> None:
        await self.asker.finish()
        await self.llm.aclose()
        self.answers.close()


def request(number: int) -> Request:
    return Request((("user", f"<text>{'句' * (number + 1)}</text>"),), None)


def test_many_who_want_the_same_share_one_request(model: Handle, tmp_path: Path) -> None:
    async def ask() -> list[Answer]:
        desk = Desk(model, tmp_path)
        found = await asyncio.gather(*(desk.asker.ask(request(0), "k") for _ in range(20)))
        await desk.close()
        return found

    before = model.asked()
    assert len({answer.text for answer in asyncio.run(ask())}) == 1
    assert model.asked() - before == 1


def test_a_kept_answer_is_the_answer(model: Handle, tmp_path: Path) -> None:
    async def ask() -> Answer:
        desk = Desk(model, tmp_path)
        answer = await desk.asker.ask(request(1), "k")
        await desk.close()
        return answer

    first = asyncio.run(ask())
    before = model.asked()
    assert asyncio.run(ask()) == first
    assert model.asked() == before


def test_an_answer_that_is_not_fresh_is_asked_for_again(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path)
        await desk.asker.ask(request(1), "k")
        await desk.asker.ask(request(1), "k", fresh=lambda kept: kept["text"] == "")
        await desk.close()

    before = model.asked()
    asyncio.run(ask())
    assert model.asked() - before == 2


def test_who_leaves_does_not_take_the_answer_along(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path)
        model.does(latency=0.3)
        before = model.asked()
        leaver = asyncio.create_task(desk.asker.ask(request(2), "k"))
        stayer = asyncio.create_task(desk.asker.ask(request(2), "k"))
        await until_async(lambda: model.asked() > before)
        leaver.cancel()
        assert (await stayer).text
        await desk.close()

    asyncio.run(ask())


def test_answers_on_the_wire_are_waited_for_and_kept_and_nothing_new_is_sent(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path, Policy(concurrency=3, timeout=10))
        model.does(latency=0.5)
        before = model.asked()
        walks = [asyncio.create_task(desk.asker.ask(request(number), "k")) for number in range(10)]
        await until_async(lambda: model.asked() - before == 3)
        for walk in walks:
            walk.cancel()
        await desk.close()
        assert model.asked() - before == 3

    asyncio.run(ask())
    kept = [Answers(tmp_path).get(Llm(model.url, "m").key(request(number))) for number in range(10)]
    assert sum(answer is not None for answer in kept) == 3
    assert Answers(tmp_path).spent("c").requests == 3


def test_who_waits_for_money_is_not_sent_after_a_stop(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        probe = Desk(model, tmp_path)
        dearest = probe.purse.dearest(request(0), 50)
        desk = Desk(model, tmp_path, budget=Budget(tokens=dearest.tokens + 40))  # one at a time
        model.does(latency=0.3)
        before = model.asked()
        walks = [asyncio.create_task(desk.asker.ask(request(number), "k")) for number in range(3)]
        await until_async(lambda: model.asked() - before == 1)
        for walk in walks:
            walk.cancel()
        await desk.close()
        await probe.close()
        assert model.asked() - before == 1

    asyncio.run(ask())
    assert Answers(tmp_path).spent("c").requests == 1


def test_a_fault_after_a_stop_is_not_tried_again(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path)
        model.does(latency=0.3, script=[500])
        before = model.asked()
        walk = asyncio.create_task(desk.asker.ask(request(0), "k"))
        await until_async(lambda: model.asked() - before == 1)
        walk.cancel()
        await desk.close()
        assert model.asked() - before == 1

    asyncio.run(ask())
    assert Answers(tmp_path).spent("c") == Spent(1)


def test_nothing_is_asked_after_the_end(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path)
        await desk.asker.finish()
        with pytest.raises(asyncio.CancelledError):
            await desk.asker.ask(request(0), "k")
        await desk.close()

    before = model.asked()
    asyncio.run(ask())
    assert model.asked() == before


def test_requests_that_brought_nothing_count_too(model: Handle, tmp_path: Path) -> None:
    async def ask() -> Spent:
        desk = Desk(model, tmp_path)
        model.does(script=[500, 429, 500, 500, 500])
        with pytest.raises(ServiceError):
            await desk.asker.ask(request(0), "k")
        answer = await desk.asker.ask(request(0), "k")
        assert answer.requests == 2
        spent = desk.purse.spent
        await desk.close()
        return spent

    before = model.asked()
    spent = asyncio.run(ask())
    assert model.asked() - before == spent.requests == Answers(tmp_path).spent("c").requests == 6


@pytest.mark.parametrize("allowed", [1, 2, 3])
def test_tries_do_not_go_beyond_the_budget_of_requests(model: Handle, tmp_path: Path, allowed: int) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path, budget=Budget(requests=allowed))
        model.does(script=[500] * 10)
        async with asyncio.timeout(20):  # it does not wait for itself
            with pytest.raises(BudgetSpent, match=r"translate\.budget\.requests"):
                await desk.asker.ask(request(0), "k")
        await desk.close()

    before = model.asked()
    asyncio.run(ask())
    assert model.asked() - before == allowed == Answers(tmp_path).spent("c").requests


def test_a_service_that_stops_the_build_has_its_requests_counted(model: Handle, tmp_path: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, tmp_path)
        model.does(script=[500, 401])
        with pytest.raises(ServiceDown):
            await desk.asker.ask(request(0), "k")
        await desk.close()

    asyncio.run(ask())
    assert Answers(tmp_path).spent("c").requests == 2


def test_a_stopped_build_keeps_what_it_paid_and_a_bigger_budget_goes_on(model: Handle, tmp_path: Path) -> None:
    async def ask(allowed: int) -> int:
        desk = Desk(model, tmp_path, budget=Budget(requests=allowed))
        ends = await asyncio.gather(
            *(desk.asker.ask(request(number), "k") for number in range(10)), return_exceptions=True
        )
        await desk.close()
        assert {type(end) for end in ends} <= {Answer, BudgetSpent}
        return sum(isinstance(end, Answer) for end in ends)

    before = model.asked()
    assert asyncio.run(ask(4)) == 4
    assert asyncio.run(ask(4)) == 4
    assert model.asked() - before == 4
    assert asyncio.run(ask(10)) == 10
    assert model.asked() - before == 10


def test_an_answer_that_cannot_be_kept_is_an_error_of_the_workspace(model: Handle, small_disk: Path) -> None:
    async def ask() -> None:
        desk = Desk(model, small_disk)
        model.does(script=[{"text": "字" * 500_000}])
        try:
            with pytest.raises(WorkspaceError, match="paid for cannot be kept"):
                await desk.asker.ask(request(0), "k")
        finally:
            await desk.close()

    asyncio.run(ask())

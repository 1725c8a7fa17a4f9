"""The policy at work: a service that misbehaves on purpose, counted from its own side."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import BuildStopped
from corpusforge.net.faults import Fault, Refused
from corpusforge.net.policy import Policy
from corpusforge.net.service import Service, ServiceDown, ServiceError
from corpusforge.net.slots import Slots

QUICK = {"backoff": 0.001}


def scripted(*script: Any) -> tuple[Callable[[], Awaitable[str]], Counter[str]]:
    """A try that follows a script: an exception is raised, a text returned; the last entry stays."""
    asked: Counter[str] = Counter()
    rest = list(script)

    async def send() -> str:
        asked["tries"] += 1
        step = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(step, Exception):
            raise step
        return str(step)

    return send, asked


def fault(**of: Any) -> Refused:
    return Refused(Fault("HTTP 503: busy", **{"passing": True, **of}))


def test_what_passes_is_tried_until_it_does() -> None:
    send, asked = scripted(fault(), TimeoutError(), ConnectionResetError(), "here")
    assert asyncio.run(Service("toy", Policy(**QUICK)).call(send)) == "here"
    assert asked["tries"] == 4


def test_what_does_not_pass_is_asked_once() -> None:
    send, asked = scripted(fault(passing=False))
    with pytest.raises(ServiceError, match="toy: HTTP 503: busy") as caught:
        asyncio.run(Service("toy", Policy(**QUICK)).call(send))
    assert asked["tries"] == caught.value.attempts == 1


def test_tries_end() -> None:
    send, asked = scripted(fault())
    with pytest.raises(ServiceError, match=r"tried 4 times") as caught:
        asyncio.run(Service("toy", Policy(retries=3, **QUICK)).call(send))
    assert asked["tries"] == caught.value.attempts == 4


def test_retry_after_is_waited_for() -> None:
    send, _ = scripted(fault(retry_after=0.3), "here")
    start = time.monotonic()
    asyncio.run(Service("toy", Policy(**QUICK)).call(send))
    assert time.monotonic() - start >= 0.3


def test_a_wait_beyond_the_limit_stops_the_build_and_says_when_to_come_back() -> None:
    send, asked = scripted(fault(retry_after=3600.0))
    with pytest.raises(ServiceDown, match=r"3,600 s.*longest_wait.*What is done is kept.*again after \d{4}-"):
        asyncio.run(Service("toy", Policy(longest_wait=60, **QUICK)).call(send))
    assert asked["tries"] == 1


def test_a_blocked_service_is_not_asked_again_by_anyone() -> None:
    send, asked = scripted(fault(passing=False, blocked=True))

    async def many() -> list[Any]:
        service = Service("toy", Policy(concurrency=1, **QUICK))
        return await asyncio.gather(*(service.call(send) for _ in range(20)), return_exceptions=True)

    assert all(isinstance(end, BuildStopped) for end in asyncio.run(many()))
    assert asked["tries"] <= 2  # one was on its way before the first came back


def test_a_service_that_is_down_stops_the_build() -> None:
    send, asked = scripted(ConnectionRefusedError("refused"))

    async def many() -> list[Any]:
        service = Service("toy", Policy(concurrency=8, retries=1, patience=0.3, **QUICK))
        return await asyncio.gather(*(service.call(send) for _ in range(500)), return_exceptions=True)

    ends = asyncio.run(many())
    assert isinstance(ends[-1], ServiceDown)
    assert re.search(
        r"toy: not one answer in \d+ s, \d+ tries; the last one: .*refused.*What is done is kept", str(ends[-1])
    )
    assert asked["tries"] < 100  # of the 1,000 that all calls together would make


def test_what_no_request_can_mend_stops_the_build() -> None:
    send, asked = scripted(Refused(Fault("HTTP 404: no such model", passing=False)))

    async def many() -> list[Any]:
        service = Service("toy", Policy(concurrency=1, **QUICK))
        return await asyncio.gather(*(service.call(send) for _ in range(100)), return_exceptions=True)

    ends = asyncio.run(many())
    assert isinstance(ends[0], ServiceError) and isinstance(ends[-1], ServiceDown)
    assert asked["tries"] == 20


def test_an_outage_that_ends_in_time_costs_nothing_but_time() -> None:
    tries = 0

    async def send() -> str:
        nonlocal tries
        tries += 1
        if tries <= 30:
            raise ConnectionRefusedError("refused")
        return "here"

    async def many() -> list[str]:
        service = Service("toy", Policy(concurrency=8, retries=30, patience=60, backoff=0.001, longest_wait=0.05))
        return await asyncio.gather(*(service.call(send) for _ in range(50)))

    assert asyncio.run(many()) == ["here"] * 50
    assert tries == 80


def test_one_success_ends_the_trouble() -> None:
    async def alternate() -> None:
        service = Service("toy", Policy(retries=0, patience=0.01, **QUICK))
        for _ in range(30):
            with pytest.raises(ServiceError):
                await service.call(scripted(fault())[0])
            with pytest.raises(ServiceError):
                await service.call(scripted(fault(passing=False))[0])
            await service.call(scripted("here")[0])

    asyncio.run(alternate())


def test_no_more_than_the_bound_are_on_the_wire_and_a_waiting_retry_holds_no_slot() -> None:
    on_wire, most = 0, 0
    first_tries: set[int] = set()

    async def many() -> None:
        service = Service("toy", Policy(concurrency=4, **QUICK))

        async def one(number: int) -> int:
            async def send() -> int:
                nonlocal on_wire, most
                on_wire += 1
                most = max(most, on_wire)
                try:
                    await asyncio.sleep(0.002)
                    if number < 4 and number not in first_tries:
                        first_tries.add(number)
                        raise fault(retry_after=0.5)
                    return number
                finally:
                    on_wire -= 1

            return await service.call(send)

        slow = [asyncio.create_task(one(number)) for number in range(4)]
        quick = [asyncio.create_task(one(number)) for number in range(4, 40)]
        await asyncio.gather(*quick)
        assert not any(task.done() for task in slow)  # all four still wait, and held nobody up
        assert await asyncio.gather(*slow) == [0, 1, 2, 3]

    asyncio.run(many())
    assert most == 4


def test_a_try_that_takes_too_long_is_tried_again() -> None:
    tries = 0

    async def send() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.sleep(60)
        return "here"

    assert asyncio.run(Service("toy", Policy(timeout=0.05, **QUICK)).call(send)) == "here"


def test_requests_a_minute() -> None:
    async def many() -> float:
        service = Service("toy", Policy(requests_per_minute=1200, concurrency=64))
        start = time.monotonic()
        await asyncio.gather(*(service.call(scripted("here")[0]) for _ in range(30)))
        return time.monotonic() - start

    assert asyncio.run(many()) >= 0.45  # 20 at once, then 10 at 20 a second


def test_tokens_a_minute() -> None:
    async def many() -> float:
        service = Service("toy", Policy(tokens_per_minute=6000))
        start = time.monotonic()
        await asyncio.gather(*(service.call(scripted("here")[0], tokens=2010) for _ in range(3)))
        return time.monotonic() - start

    assert asyncio.run(many()) >= 0.25  # 30 tokens more than a minute's worth, at 100 a second


def test_a_blocking_client_runs_in_threads_and_shares_the_bound() -> None:
    on_wire: list[int] = []
    most = 0

    def send() -> str:
        nonlocal most
        on_wire.append(1)
        most = max(most, len(on_wire))
        time.sleep(0.01)
        on_wire.pop()
        return "here"

    async def many() -> list[str]:
        service = Service("toy", Policy(concurrency=3))
        try:
            return await asyncio.gather(*(service.call_blocking(send) for _ in range(12)))
        finally:
            service.close()

    assert asyncio.run(many()) == ["here"] * 12
    assert most == 3


def test_leaving_ends_those_that_wait_and_not_those_on_the_wire() -> None:
    async def leave() -> list[Any]:
        service = Service("toy", Policy(concurrency=1))
        calls = [asyncio.create_task(service.call(slow)) for _ in range(3)]
        await asyncio.sleep(0.01)
        service.leave()
        return await asyncio.gather(*calls, return_exceptions=True)

    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "here"

    ends = asyncio.run(leave())
    assert ends[0] == "here" and all(isinstance(end, asyncio.CancelledError) for end in ends[1:])


def test_after_leaving_nothing_is_sent_any_more() -> None:
    async def leave() -> tuple[list[Any], int]:
        service = Service("toy", Policy(backoff=0.01))
        failing = asyncio.create_task(service.call(fails))
        await asyncio.sleep(0.01)
        service.leave()
        late = asyncio.create_task(service.call(fails))
        return await asyncio.gather(failing, late, return_exceptions=True), service.tries

    async def fails() -> str:
        await asyncio.sleep(0.05)
        raise fault(passing=True)

    ends, tries = asyncio.run(leave())
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert tries == 1  # the one on the wire; it is not tried again


# ---- Slots


def after(slots: Slots, throttled: list[bool]) -> float:
    async def use() -> float:
        for sign in throttled:
            await slots.acquire()
            slots.release(sign)
        return slots.size

    return asyncio.run(use())


def test_throttling_shrinks_and_quiet_grows_back() -> None:
    slots = Slots(32)
    assert after(slots, [True] * 200) < 2
    assert after(slots, [False] * 1200) == 32


def test_a_few_throttled_answers_cost_little() -> None:
    slots = Slots(32)
    assert after(slots, [number % 16 == 0 for number in range(5000)]) > 31


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 64))
def test_the_size_stays_in_its_bounds(throttled: list[bool], most: int) -> None:
    slots = Slots(most)
    assert 1 <= after(slots, throttled) <= most
    assert slots.busy == 0


def test_a_retry_goes_before_new_calls() -> None:
    async def order() -> list[str]:
        slots, turns = Slots(1), list[str]()

        async def one(name: str, again: bool) -> None:
            await slots.acquire(again)
            turns.append(name)
            slots.release()

        await slots.acquire()
        async with asyncio.TaskGroup() as group:
            for name, again in (("new", False), ("newer", False), ("retry", True), ("later retry", True)):
                group.create_task(one(name, again))
            await asyncio.sleep(0)
            slots.release()
        return turns

    assert asyncio.run(order()) == ["retry", "later retry", "new", "newer"]


def test_a_cancelled_wait_loses_no_slot() -> None:
    async def cancel() -> None:
        slots = Slots(1)
        await slots.acquire()
        waiting = [asyncio.create_task(slots.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        slots.release()
        await asyncio.sleep(0)
        waiting[1].cancel()  # it may have been given the slot in the same moment
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        if waiting[1].cancelled():
            await waiting[2]
        else:
            slots.release()
            await waiting[2]

    asyncio.run(asyncio.wait_for(cancel(), 5))

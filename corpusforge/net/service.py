"""One place that decides when a request is sent, sent again, or given up, and when a whole build stops.

The clients' own retry layers are off: layers multiply, and none of them knows of the others' limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from corpusforge.errors import BuildStopped, CorpusforgeError
from corpusforge.net.faults import Fault
from corpusforge.net.faults import fault_of as meaning_of
from corpusforge.net.policy import Policy
from corpusforge.net.slots import Slots

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

T = TypeVar("T")

TROUBLE = 5
"""Failed tries in a row after which nobody is sent to the service for a while, and then one at a time."""
HOPELESS = 20
"""Calls in a row whose fault does not pass, until it counts as the service's (or our settings') and no item's."""


class ServiceError(CorpusforgeError):
    """A call that failed for good: the item fails, and a later build tries it again.

    Attributes:
        attempts: How often it was tried.
        fault: The last fault.
    """

    def __init__(self, message: str, attempts: int, fault: Fault) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.fault = fault


class ServiceDown(BuildStopped):
    """The service is down, has blocked us or wants us to wait longer than we may: the build stops."""


class Service:
    """A service on the network under its policy. Belongs to one event loop.

    Args:
        name: For messages: `gTTS`, `the LLM at http://…`.
        policy: Limits and patience.
        fault_of: What an exception of the client means.
    """

    def __init__(self, name: str, policy: Policy, fault_of: Callable[[BaseException], Fault] = meaning_of) -> None:
        self.name = name
        self.policy = policy
        self.slots = Slots(policy.concurrency)
        self.tries = 0
        self._fault_of = fault_of
        self._trouble = 0
        self._trouble_since = 0.0
        self._pause_until = 0.0
        self._refused = 0
        self._down: ServiceDown | None = None
        self._limiters: tuple[AsyncLimiter | None, AsyncLimiter | None] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._putting_off: set[asyncio.Task[object]] = set()
        self._left = False

    async def call(self, send: Callable[[], Awaitable[T]], *, tokens: float = 0) -> T:
        """Ask the service, as often as the policy allows. A call that waits for another try holds no slot.

        Args:
            send: One try; it may be called again.
            tokens: What a try counts against `tokens_per_minute`.

        Raises:
            ServiceError: The fault does not pass, or the tries are used up.
            ServiceDown: The service counts as down: this call and all later ones.
        """
        attempts = 0
        while True:
            await self._turn(tokens, again=attempts > 0)
            throttled = False
            attempts += 1
            self.tries += 1
            try:
                async with asyncio.timeout(self.policy.timeout):
                    answer = await send()
            except BuildStopped:
                raise
            except Exception as error:
                fault = self._fault_of(error)
                throttled = fault.throttled or fault.passing
                wait = self._judge(fault, attempts, error)
            else:
                self._trouble = self._refused = 0
                return answer
            finally:
                self.slots.release(throttled)
            await self._put_off(wait)

    async def call_blocking(self, send: Callable[[], T], *, tokens: float = 0) -> T:
        """`call` for a client that blocks: each try runs in a thread of this service's own.

        The client must have time limits of its own: a thread cannot be stopped, it is only no longer waited for.
        """
        if self._threads is None:
            name = f"corpusforge {self.name}"
            self._threads = ThreadPoolExecutor(self.policy.concurrency, thread_name_prefix=name)
        loop, threads = asyncio.get_running_loop(), self._threads

        async def in_thread() -> T:
            return await loop.run_in_executor(threads, send)

        return await self.call(in_thread, tokens=tokens)

    def _judge(self, fault: Fault, attempts: int, error: Exception) -> float:
        """Seconds until the next try; raises if there is none."""
        if fault.blocked:
            self._stop(f"{self.name}: {fault.words}", fault.retry_after, error)
        if fault.passing and fault.retry_after is not None and fault.retry_after > self.policy.longest_wait:
            asked = f"asks to wait {fault.retry_after:,.0f} s, more than longest_wait ({self.policy.longest_wait:g} s)"
            self._stop(f"{self.name} {asked}: {fault.words}", fault.retry_after, error)
        now = time.monotonic()
        if fault.passing:
            self._trouble_since = self._trouble_since if self._trouble else now
            self._trouble += 1
            without = now - self._trouble_since
            if self._trouble > TROUBLE and without >= self.policy.patience:
                counted = f"not one answer in {without:,.0f} s, {self._trouble} tries; the last one"
                self._stop(f"{self.name}: {counted}: {fault.words}", None, error)
            if self._trouble >= TROUBLE:
                self._pause_until = now + min(self._backoff(self._trouble - TROUBLE), self.policy.patience - without)
        if fault.passing and attempts <= self.policy.retries:
            # A service that names a time gets at least that; the rest spreads those that were told the same.
            return (
                self._backoff(attempts - 1) if fault.retry_after is None else fault.retry_after + random.uniform(0, 0.1)
            )
        self._refused += not fault.passing
        if self._refused >= HOPELESS:
            self._stop(
                f"{self.name}: {self._refused} requests in a row were refused, the last one: {fault.words}", None, error
            )
        tried = "" if attempts == 1 else f" (tried {attempts} times)"
        raise ServiceError(f"{self.name}: {fault.words}{tried}", attempts, fault) from error

    def _backoff(self, doublings: int) -> float:
        longest = min(self.policy.longest_wait, self.policy.backoff * 2.0 ** min(doublings, 30))
        return random.uniform(longest / 2, longest)

    def _stop(self, words: str, wait: float | None, error: Exception) -> None:
        when = "Run the same command again when that is mended"
        if wait is not None:
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + wait + 59))
            when = f"Run the same command again after {at}"
        if self._down is None:
            self._down = ServiceDown(f"{words}. What is done is kept. {when}")
        raise self._down from error

    async def _turn(self, tokens: float, again: bool) -> None:
        """Wait for a slot and for the rates."""
        with self._waiting():
            await self.slots.acquire(again)
            try:
                # Whoever has a slot waits with it while the service is in trouble, and looks again: one of the others
                # may have failed meanwhile. There are few slots by then.
                while self._down is None and (pause := self._pause_until - time.monotonic()) > 0:
                    await asyncio.sleep(pause)
                if self._down is not None:
                    raise self._down
                for limiter, amount in zip(self._rates(), (1.0, tokens), strict=True):
                    if limiter is not None and amount > 0:
                        await limiter.acquire(min(amount, limiter.max_rate))
            except BaseException:
                self.slots.give_up()
                raise

    async def _put_off(self, seconds: float) -> None:
        with self._waiting():
            await asyncio.sleep(seconds)

    @contextlib.contextmanager
    def _waiting(self):  # type: ignore[no-untyped-def]
        task = asyncio.current_task()
        assert task is not None
        if self._left:
            raise asyncio.CancelledError
        self._putting_off.add(task)
        try:
            yield
        finally:
            self._putting_off.discard(task)

    def _rates(self) -> tuple[AsyncLimiter | None, AsyncLimiter | None]:
        if self._limiters is None:
            requests, tokens = self.policy.requests_per_minute, self.policy.tokens_per_minute
            self._limiters = (None, None)
            if requests or tokens:
                from aiolimiter import AsyncLimiter

                # One second's worth may go at once: a whole minute's would be a burst that no service likes.
                burst = max(1.0, (requests or 0) / 60)
                self._limiters = (
                    AsyncLimiter(burst, burst * 60 / requests) if requests else None,
                    AsyncLimiter(tokens, 60) if tokens else None,
                )
        return self._limiters

    def leave(self) -> None:
        """Send nothing more: whoever waits for a turn or for another try is cancelled, and whoever comes to it later.

        Those on the wire go on.
        """
        self._left = True
        for task in list(self._putting_off):
            task.cancel()

    def close(self) -> None:
        """Let go of the threads; a try that still runs in one is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

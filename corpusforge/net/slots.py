"""Bounded concurrency that gives way: fewer requests at once while a service throttles, more again when it does not."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """A semaphore whose size follows the share of throttled answers, as DCTCP's window follows marked packets.

    After every window of about as many answers as there are slots, the size is multiplied by `1 - share / 2` and
    raised by one and a 32nd of itself. A service that throttles everything halves it each time; one that throttles
    6 % at random, whatever the load, leaves it whole, where halving at every sign would go down to a handful.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = float(most)
        self.busy = 0
        self._answers = 0
        self._throttled = 0
        self._again: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self, again: bool = False) -> None:
        """Wait for a slot; first come, first served, and a call that comes `again` before all that are new.

        Else a retry would wait once for the service and once more behind everybody.
        """
        if self.busy < int(self.size) and (again or not self._waiting) and not self._again:
            self.busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._again if again else self._waiting).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_up()  # it was given a slot in the same moment
            raise

    def give_up(self) -> None:
        """Give a slot back that nothing was sent with."""
        self.busy -= 1
        self._wake()

    def release(self, throttled: bool = False) -> None:
        """Give a slot back, and say whether the answer was a throttled one."""
        self.busy -= 1
        self._answers += 1
        self._throttled += throttled
        if self._answers >= self.size:
            share = self._throttled / self._answers
            grown = self.size * (1 - share / 2) + (share < 1) * (1 + self.size / 32)
            self.size = min(float(self.most), max(1.0, grown))
            self._answers = self._throttled = 0
        self._wake()

    def _wake(self) -> None:
        while (queue := self._again or self._waiting) and self.busy < int(self.size):
            turn = queue.popleft()
            if not turn.done():
                self.busy += 1
                turn.set_result(None)

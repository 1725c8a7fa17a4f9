"""Bounded concurrency that gives way: fewer requests at once while a service throttles, more again when it does not."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """A semaphore whose size follows the share of throttled answers, as DCTCP's window follows marked packets.

    After every window of about as many answers as there are slots, the size is multiplied by `1 - share / 2` and
    raised by one. A service that throttles everything halves it each time; one that throttles 5 % at random leaves
    room for 40 (the fixed point is `2 / share`), where halving at every sign would go down to a handful.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = float(most)
        self.busy = 0
        self._answers = 0
        self._throttled = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a slot; first come, first served."""
        if self.busy < int(self.size) and not self._waiting:
            self.busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
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
            grown = self.size * (1 - share / 2) + (share < 1)
            self.size = min(float(self.most), max(1.0, grown))
            self._answers = self._throttled = 0
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.busy < int(self.size):
            turn = self._waiting.popleft()
            if not turn.done():
                self.busy += 1
                turn.set_result(None)

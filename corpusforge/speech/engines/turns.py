"""Many at once, or one alone: for services that forget who asked for what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Lets any number of shared turns run at once, and an exclusive one only by itself. Of one event loop."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._left = asyncio.Event()

    @asynccontextmanager
    async def turn(self, alone: bool) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        while self._alone or (alone and self._inside):
            self._left.clear()
            await self._left.wait()
        self._inside += 1
        self._alone = alone
        try:
            yield
        finally:
            self._inside -= 1
            self._alone = False
            self._left.set()

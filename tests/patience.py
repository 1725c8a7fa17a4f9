"""Waiting for what another process does: as long as a busy machine may need, and no longer than it takes."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE = 120.0  # seconds; what never happens fails a test after them


def until(
    condition: Callable[[], T],
    what: str = "what was waited for",
    *,
    process: subprocess.Popen[Any] | None = None,
    seconds: float = PATIENCE,
) -> T:
    """The first true value of a condition.

    Raises:
        AssertionError: It has none within `seconds`, or `process`, which is to bring it about, has ended before.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None, f"it ended before {what}: {process.communicate()}"
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)
    return found


async def until_async(condition: Callable[[], object]) -> None:
    """Return when a condition is true; `TimeoutError` if that takes longer than `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)

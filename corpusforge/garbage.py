"""Python's garbage collector, where millions of values come and go."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 100_000
"""New values, more than are gone again, after which the collector looks for cycles among them; 700 is Python's."""


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Look for garbage less often while inside.

    Items and results are many at once, and hold no cycles: looking for some took a sixth of the driver's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

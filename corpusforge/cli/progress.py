"""How a build shows its progress: a bar on a terminal, a line now and then elsewhere, nothing if asked."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from corpusforge.items import Failed
from corpusforge.opened import BuildObserver
from corpusforge.pipeline.plan import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class CliObserver(BuildObserver):
    """Prints nothing but what the user must know."""

    def __init__(self) -> None:
        self._megabytes = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> CliObserver:
        # Before and after the walk; inside it the run's own handlers stop it cleanly.
        self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._terminate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _terminate(self, number: int, _frame: object) -> None:
        sys.exit(128 + number)

    def downloading(self, done: int, total: int | None) -> None:
        """A line every two megabytes: a download of unknown length has no honest bar."""
        if done // 2_000_000 > self._megabytes // 2:
            self._megabytes = done // 1_000_000
            of = f" of {total / 1e6:,.0f}" if total else ""
            click.echo(f"downloading: {done / 1e6:,.0f}{of} MB", err=True)

    def waiting(self, holder: str) -> None:
        """Say who holds the workspace."""
        click.echo(f"waiting for {holder}", err=True)

    def note(self, words: str) -> None:
        """Say it."""
        click.echo(f"note: {words}", err=True)


class LineObserver(CliObserver):
    """A plain line at the start, then every ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._made: Counter[str] = Counter()
        self._finished = self._failed = self._total = 0
        self._start = self._last = time.monotonic()

    def started(self, items: int, stages: tuple[str, ...]) -> None:
        """Begin to count."""
        self._total = items
        self._start = self._last = time.monotonic()

    def item_finished(self, progress: Progress, fresh: bool) -> None:
        """Count, and print if it is time."""
        self._finished += 1
        now = time.monotonic()
        if now - self._last >= LINE_EVERY:
            self._last = now
            click.echo(self._line(now), err=True)

    def item_failed(self, progress: Progress, failed: Failed) -> None:
        """Count."""
        self._failed += 1

    def stage_made(self, stage: str, seconds: float) -> None:
        """Count."""
        self._made[stage] += 1

    def _line(self, now: float) -> str:
        rate = self._finished / max(now - self._start, 1e-9)
        left = (self._total - self._finished) / rate if rate else 0.0
        made = ", ".join(f"{stage} {count:,}" for stage, count in self._made.items()) or "all cached so far"
        failed = f", failed {self._failed:,}" if self._failed else ""
        return f"{self._finished:,} of {self._total:,} utterances, {rate:,.0f}/s, {left:,.0f} s left ({made}{failed})"


class BarObserver(CliObserver):
    """A tqdm bar with rate, time left and the counts of each stage."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None
        self._made: Counter[str] = Counter()

    def started(self, items: int, stages: tuple[str, ...]) -> None:
        """Open the bar when there is something to show: a rebuild with nothing to do is over before."""
        self._total = items
        self._done = 0

    def item_finished(self, progress: Progress, fresh: bool) -> None:
        """Move the bar."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        elif fresh:
            self._open()

    def item_failed(self, progress: Progress, failed: Failed) -> None:
        """Move the bar, and count."""
        self._made["failed"] += 1
        self.item_finished(progress, True)

    def stage_made(self, stage: str, seconds: float) -> None:
        """Show the stage's count."""
        self._made[stage] += 1
        if self._bar is not None:
            self._bar.set_postfix(self._made, refresh=False)

    def writing(self) -> None:
        """Close the bar."""
        self._close()

    def _open(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=self._total, initial=self._done, unit=" utterances", dynamic_ncols=True, file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        super().__exit__(kind, value, trace)


def make_observer(terse: bool) -> CliObserver:
    """The observer that fits where the output goes."""
    if terse:
        return CliObserver()
    return BarObserver() if sys.stderr.isatty() else LineObserver()

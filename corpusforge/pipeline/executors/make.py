"""One item through stages, wherever they run: exceptions become failures, blobs go to the store."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Iterable, Iterator

from corpusforge.errors import BuildStopped, CorpusforgeError, WorkspaceError
from corpusforge.items import Done, Failed, Outcome, Rejected, Utterance
from corpusforge.net.secrets import redact
from corpusforge.pipeline.executors.base import Reply
from corpusforge.stage import Stage
from corpusforge.store.index import outcome_of
from corpusforge.store.object_blobs import AnyBlobs
from corpusforge.store.workspace import mend

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def run_item(stages: Iterable[Stage], item: Utterance, blobs: AnyBlobs) -> Iterator[Reply]:
    """Run `cpu` stages on an item, one after the other, and store their blobs; a reply a stage, as far as it comes.

    Raises:
        WorkspaceError: The store cannot be written.
    """
    fresh: dict[str, bytes] = {}

    def read(sha256: str) -> bytes:
        return fresh.get(sha256) or blobs.read(sha256)

    for stage in stages:
        start = time.perf_counter()
        try:
            outcome = stage.run(item, read)
        except Exception as error:
            outcome = failure(error)
        if not isinstance(outcome, Outcome):
            outcome = Failed(f"stage '{stage.name}' returned {type(outcome).__name__}, not Done, Rejected or Failed")
        reply = stored(outcome, blobs, start)
        yield reply
        if not isinstance(reply.outcome, Done):
            return
        if isinstance(outcome, Done):
            fresh = {reply.outcome.fields[name]: content for name, content in outcome.blobs.items()}
        item = item.having(reply.outcome.fields)


async def await_item(stage: Stage, item: Utterance, blobs: AnyBlobs) -> Reply:
    """Await an `io` or `gpu` stage on an item, within its time limit, and store its blobs.

    Raises:
        BuildStopped: No other item would fare better.
        WorkspaceError: The store cannot be written.
    """
    start = time.perf_counter()
    limit = stage.time_limit()
    try:
        outcome = stage.run(item, blobs.read)
        if not isinstance(outcome, Done | Rejected | Failed):
            async with asyncio.timeout(limit):
                outcome = await outcome
    except (BuildStopped, WorkspaceError):
        raise
    except TimeoutError:
        return Reply(Failed(f"took longer than {limit:g} s, given up"), seconds=time.perf_counter() - start)
    except Exception as error:
        return Reply(failure(error), seconds=time.perf_counter() - start)
    if blobs.remote:  # others go on meanwhile
        return await asyncio.to_thread(stored, outcome, blobs, start)
    return stored(outcome, blobs, start)


def stored(outcome: Outcome, blobs: AnyBlobs, start: float) -> Reply:
    """A stage's outcome with its blobs put into the store.

    Raises:
        WorkspaceError: The store cannot be written.
    """
    sizes: dict[str, int] = {}
    if isinstance(outcome, Done) and outcome.blobs:
        fields = dict(outcome.fields)
        try:
            for name, content in outcome.blobs.items():
                fields[name], sizes[name] = blobs.put(content), len(content)
            outcome = Done(fields, told=outcome.told)
        except OSError as error:
            if error.errno in _DISK:
                raise WorkspaceError(f"cannot write {blobs.root}: {error.strerror}. {mend(error)}") from error
            outcome = failure(error)
    if isinstance(outcome, Failed):
        return Reply(outcome, seconds=time.perf_counter() - start)
    try:
        body = outcome_of(outcome, sizes)  # here, where there are many processors, and not in the driver
    except (ValueError, TypeError) as error:
        return Reply(Failed(f"wrote what JSON cannot hold: {error}"), seconds=time.perf_counter() - start)
    return Reply(outcome, body, sizes, time.perf_counter() - start)


def failure(error: BaseException) -> Failed:
    """An exception as one line."""
    words = redact(" ".join(str(error).split()))
    attempts = getattr(error, "attempts", 1)
    if isinstance(error, CorpusforgeError):  # written for people
        return Failed(words, attempts)
    return Failed(f"{type(error).__name__}: {words}" if words else type(error).__name__, attempts)

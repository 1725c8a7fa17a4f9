"""A worker process of the local executor: takes chunks from its pipe, and sends every reply as soon as it is made.

Started as a program of its own, not forked: the driver has an event loop and an open index. It ends when its pipe
does, so a driver that is killed leaves no worker behind.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection

from corpusforge.errors import WorkspaceError
from corpusforge.pipeline.executors.make import run_item
from corpusforge.stage import Stage
from corpusforge.store.object_blobs import open_blobs


def main(descriptor: int) -> None:
    """Serve the driver at the other end of `descriptor` until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the driver decides
    _die_with_parent()
    os.dup2(2, 1)  # what libraries print must not mix with the driver's own output
    pipe = Connection(descriptor)
    stages: list[Stage] = []
    try:
        sys.path[:] = pipe.recv()  # before the next message, whose classes may be found only there
        location, kinds = pipe.recv()
        blobs = open_blobs(location)
        stages += [kind(config) for kind, config in kinds]
        pipe.send("ready")
        while True:
            first, last, items = pipe.recv()
            try:
                for item in items:
                    for reply in run_item(stages[first : last + 1], item, blobs):
                        pipe.send(reply)
            except WorkspaceError as error:
                pipe.send(error)
    except (EOFError, OSError):
        return
    finally:
        for stage in stages:
            stage.close()


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent, also while it is inside a long call."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)

"""Ends what the engine `command` has started, should the engine's own process be killed. A program.

A process that is killed with signal 9 cleans nothing up, and what it has started goes on. So it tells this program,
over a pipe, of each process group and each temporary folder; the pipe's end is the process's end, whichever way.

Lines: `+GROUP FOLDER` when a program was started, `-GROUP` when it has ended; the folder's path in hexadecimal digits.
Started with `-I -S`: it is up in a few milliseconds and holds next to no memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

PREFIX = "corpusforge-command-"
"""What the engine's folders are called: nothing else is ever removed."""


def main() -> None:
    """Read lines until the pipe ends, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C is for the whole group; the pipe's end is for this one
    left: dict[int, str] = {}
    for line in sys.stdin:
        group, _, folder = line[1:].partition(" ")
        if not line.endswith("\n"):
            break
        if line.startswith("+"):
            left[int(group)] = os.fsdecode(bytes.fromhex(folder))
        else:
            left.pop(int(group), None)
    for started in left:
        with contextlib.suppress(OSError):
            os.killpg(started, signal.SIGKILL)
    for folder in left.values():
        remove(folder)


def remove(folder: str) -> None:
    """Remove a folder of the engine. What writes into it has been killed, but may take a moment to be gone."""
    if not os.path.basename(folder).startswith(PREFIX):
        return
    import shutil

    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    main()

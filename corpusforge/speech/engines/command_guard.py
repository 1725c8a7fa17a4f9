"""Ends what the engine `command` has started, should the engine's own process be killed. A program, never imported.

A process that is killed with signal 9 cleans nothing up, and what it has started goes on. So it tells this program,
over a pipe, of each process group and each temporary folder; the pipe's end is the process's end, whichever way.

Lines: `+GROUP FOLDER` when a program was started, `-GROUP` when it has ended. Started with `-I -S`: it is up in a few
milliseconds and holds next to no memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read lines until the pipe ends, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C is for the whole group; the pipe's end is for this one
    left: dict[int, str] = {}
    for line in sys.stdin:
        group, _, folder = line[1:].rstrip("\n").partition(" ")
        if line.startswith("+"):
            left[int(group)] = folder
        else:
            left.pop(int(group), None)
    for started, folder in left.items():
        with contextlib.suppress(OSError):
            os.killpg(started, signal.SIGKILL)
        for parent, folders, files in os.walk(folder, topdown=False):
            for name in files:
                os.unlink(os.path.join(parent, name))
            for name in folders:
                os.rmdir(os.path.join(parent, name))
        if os.path.isdir(folder):
            os.rmdir(folder)


if __name__ == "__main__":
    main()

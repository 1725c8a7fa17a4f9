"""Runs one program to its end, within limits, and leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpusforge.errors import CorpusforgeError
from corpusforge.net.secrets import redact
from corpusforge.speech.engines.command_guard import PREFIX

LARGEST = 256 * 1024 * 1024
"""Bytes of audio, and of what a program prints, that are taken."""

_LOOK = 0.2
"""Seconds between two looks at how much a program has written."""

_GUARD = Path(__file__).with_name("command_guard.py")
"""Run as a program of its own; imported here only for the name of its folders."""


class CommandError(CorpusforgeError):
    """The program failed, took too long or gave no audio; the item fails."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes that one run may use."""

    seconds: float
    size: int = LARGEST


class Runner:
    """Starts programs, each in a process group and a temporary folder of its own. For one thread at a time."""

    def __init__(self) -> None:
        self._guard: subprocess.Popen[str] | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for one run, removed after it."""
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
            yield Path(name)

    def run(self, command: Sequence[str], text: bytes, folder: Path, env: Mapping[str, str], limits: Limits) -> bytes:
        """Run `command` with `text` on its stdin and return what it printed.

        Its streams are files in `folder` and no pipes: a grandchild that keeps a pipe open would hold us up, and a
        program that prints much before it reads would wait for us for ever.

        Raises:
            CommandError: It cannot be started, ends with another status than 0, or exceeds a limit.
        """
        name = os.path.basename(command[0])
        (folder / "stdin").write_bytes(text)
        with (
            (folder / "stdin").open("rb") as given,
            (folder / "stdout").open("wb") as printed,
            (folder / "stderr").open("wb") as complained,
        ):
            try:
                process = subprocess.Popen(
                    command, stdin=given, stdout=printed, stderr=complained, env=dict(env), start_new_session=True
                )
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                raise CommandError(f"{name} cannot be started: {reason}") from error
        try:
            self._tell(f"+{process.pid} {os.fsencode(folder).hex()}")
            problem = _wait(process, folder, limits)
        finally:
            with contextlib.suppress(OSError):  # what it has left running in the background goes with it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._tell(f"-{process.pid}")
        if problem is None and process.returncode:
            problem = _ended(process.returncode)
        if problem is not None:
            raise CommandError(f"{name}: {problem}{_last_words(folder / 'stderr')}")
        return (folder / "stdout").read_bytes()

    def close(self) -> None:
        """End the guard."""
        with self._lock:
            guard, self._guard = self._guard, None
            if guard is not None and guard.stdin is not None and self._owner == os.getpid():
                guard.stdin.close()
                guard.wait()

    def _tell(self, line: str) -> None:
        """Tell the guard, which is started by the first program and again if something ends it."""
        with self._lock:
            for _ in range(2):
                if self._guard is None or self._owner != os.getpid() or self._guard.poll() is not None:
                    command = [sys.executable, "-I", "-S", str(_GUARD)]
                    self._guard = subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        text=True,
                        start_new_session=True,
                    )
                    self._owner = os.getpid()
                assert self._guard.stdin is not None
                try:
                    self._guard.stdin.write(f"{line}\n")
                    self._guard.stdin.flush()
                    return
                except BrokenPipeError:
                    self._guard = None


def _wait(process: subprocess.Popen[bytes], folder: Path, limits: Limits) -> str | None:
    """Wait for the end of a program; what is wrong if it does not end within its limits."""
    until = time.monotonic() + limits.seconds
    ended = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    try:
        while not _over(process):
            left = until - time.monotonic()
            if left <= 0:
                return f"no end after {limits.seconds:g} s"
            if _largest(folder) > limits.size:
                return f"more than {limits.size / 1e6:,.0f} MB written"
            if ended is not None:
                poll = select.poll()
                poll.register(ended, select.POLLIN)
                poll.poll(1000 * min(left, _LOOK))
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(min(left, _LOOK))
    finally:
        if ended is not None:
            os.close(ended)
    return None


def _over(process: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended. It is not reaped yet where that can be had, so that its group keeps its number."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def _largest(folder: Path) -> int:
    sizes = [0]
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # the program's own, gone meanwhile
            sizes.append(file.lstat().st_size)
    return max(sizes)


def _ended(status: int) -> str:
    if status > 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


def _last_words(stderr: Path) -> str:
    """The last line that a program wrote to stderr, in at most 300 characters."""
    with stderr.open("rb") as file:
        file.seek(max(0, stderr.stat().st_size - 8192))
        lines = file.read().decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        words = " ".join("".join(char if char.isprintable() else " " for char in line).split())
        if words:
            words = redact(words)
            return f": {words if len(words) <= 300 else words[:300] + '…'}"
    return ""

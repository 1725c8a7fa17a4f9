"""Dask clusters of real programs on 127.0.0.1: a scheduler and workers, each of which can be killed by itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.patience import until

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """A scheduler, and the workers that are started for it. Ends all of them.

    Args:
        folder: For logs and workers' files.
        allowed_failures: Of a task, before Dask gives it up.
        packages: All that the scheduler can import, if not what we can.
    """

    def __init__(self, folder: Path, allowed_failures: int = 3, packages: str | None = None) -> None:
        self._folder = folder
        self._packages = packages
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._allowed = allowed_failures
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(self._allowed)}
        if self._packages is not None:
            own = {**allowed, "PYTHONPATH": self._packages}
            self.scheduler = self._start("dask_scheduler", options, flags=["-S"], environment=own)
        else:
            self.scheduler = self._start("dask_scheduler", options, environment=allowed)
        until(lambda: reachable(self.port), "the scheduler listens", process=self.scheduler)
        return self.scheduler

    def worker(
        self,
        *options: str,
        before: Sequence[str] = (),
        flags: Sequence[str] = (),
        nanny: bool = False,
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        """Start a worker; it comes when it comes.

        Args:
            options: Of `dask worker`.
            before: A program that starts it (`unshare …`).
            flags: Of python.
            nanny: Whether Dask starts it again when it dies.
            environment: Its own.
        """
        own = [self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder)]
        nannied = "--nanny" if nanny else "--no-nanny"
        return self._start("dask_worker", [*own, nannied, *options], before, flags, environment)

    def wait(self, workers: int) -> None:
        """Until so many workers have joined."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def _start(
        self,
        program: str,
        options: Sequence[str],
        before: Sequence[str] = (),
        flags: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        log = open(self._folder / f"{program}-{len(self.processes)}.log", "wb")  # noqa: SIM115
        with log:
            process = subprocess.Popen(
                [*before, sys.executable, *flags, "-m", f"distributed.cli.{program}", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            )
        self.processes.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def without_corpusforge(folder: Path) -> str:
    """A folder of packages, made anew, in which there are all of ours but this one."""
    folder.mkdir()
    for place in [Path(entry) for entry in sys.path if entry.endswith("site-packages")]:
        for entry in place.iterdir():
            if "corpusforge" not in entry.name and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return str(folder)


def hiding(folder: Path, small: Path | None = None) -> list[str]:
    """A program that starts another which sees an empty folder there, and a disk of 200 kB at `small`."""
    mounts = [f"mount -t tmpfs none {folder}"]
    if small is not None:
        mounts.append(f"mount -t tmpfs -o size=200k none {small}")
    before = ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]
    if subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("cannot make a mount namespace here")
    return before

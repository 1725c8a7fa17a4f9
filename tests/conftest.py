"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A slow machine is no error: no example has a deadline. The examples are the same in every run, so that a change is
# judged by what it does and not by luck; `--hypothesis-profile=search` looks for others, and for twenty times as many.
_slow = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("same", _slow, derandomize=True)
hypothesis.settings.register_profile("search", _slow, max_examples=2_000)
hypothesis.settings.load_profile("same")

# A suite that was started in the background ignores Ctrl-C, and so would the programs that its tests send one to.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real text and audio: `$CORPUSFORGE_TEST_DATA`, or `../shared/data` beside the project."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("CORPUSFORGE_TEST_DATA") or root.parent / "shared" / "data")
    if not (folder / "flores200").is_dir():
        pytest.skip(f"no real data at {folder}: set CORPUSFORGE_TEST_DATA to a folder that holds flores200/")
    return folder


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on a file system of 1 MB (or of the indirect parameter), a tmpfs of its own. Mounting one takes root."""
    size = getattr(request, "param", "1m")
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)

"""Which corpusforge this is: its version, and the commit where that can be known."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


def package_revision() -> str:
    """`corpusforge 0.1.0`, with the commit of an installation from git or of a working copy: `(1a2b3c4d5e6f)`."""
    try:
        installed = distribution("corpusforge")
    except PackageNotFoundError:
        return "corpusforge"
    about = json.loads(installed.read_text("direct_url.json") or "{}")
    commit = about.get("vcs_info", {}).get("commit_id") or _working_copy()
    return f"corpusforge {installed.version}" + (f" ({commit[:12]})" if commit else "")


def _working_copy() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        asked = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None

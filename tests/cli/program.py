"""The real program in a process of its own, and small sources for it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from corpusforge.sample import sample_folder
from tests.patience import until

PROGRAM = str(Path(sys.executable).parent / "corpusforge")


class Done(subprocess.CompletedProcess[str]):
    """A run of the program: `returncode`, `stdout`, `stderr`."""


def run(*arguments: object, cwd: Path, **environment: str) -> Done:
    """Run the program; a traceback is a bug whatever else it says."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**_clean_environment(), **environment},
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.args, done.returncode, done.stdout, done.stderr)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin a build of the text in `text/`, in a session of its own: `none_left` finds whatever it starts."""
    command = [PROGRAM, "build", "flores200", "--source", "text", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def session(leader: int) -> dict[int, str]:
    """The living processes of a session, by number, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, *fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == leader and state not in "ZX":
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def none_left(leader: int) -> None:
    """Fail unless every process of a session ends within some seconds."""
    until(lambda: not session(leader), "all processes end", seconds=15)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CORPUSFORGE_")}


def build(*arguments: object, cwd: Path) -> dict[str, Any]:
    """Build flores200 and return the report."""
    done = run("build", "flores200", *arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def source(folder: Path, groups: int = 6) -> Path:
    """The first groups of the sample's dev split and of its devtest split, as a FLORES-200 folder to play with."""
    for split in ("dev", "devtest"):
        (folder / split).mkdir(parents=True)
        for lang in ("zho_Hans", "bod_Tibt", "mya_Mymr", "eng_Latn"):
            _head(sample_folder() / split / f"{lang}.{split}", folder / split / f"{lang}.{split}", groups)
        _head(sample_folder() / f"metadata_{split}.tsv", folder / f"metadata_{split}.tsv", groups + 1)
    return folder


def _head(original: Path, copy: Path, lines: int) -> None:
    copy.write_text("".join(original.read_text("utf8").splitlines(keepends=True)[:lines]), "utf8")


def edit(folder: Path, lang: str, number: int, text: str | None, split: str = "dev") -> None:
    """Replace a line (from 0) of a language file; None removes it."""
    path = folder / split / f"{lang}.{split}"
    lines = path.read_text("utf8").splitlines()
    lines[number : number + 1] = [] if text is None else [text]
    path.write_text("\n".join(lines) + "\n", "utf8")


def rows(folder: Path, name: str = "manifest.jsonl") -> list[dict[str, Any]]:
    """The lines of a list of a corpus."""
    return [json.loads(line) for line in (folder / name).read_text("utf8").splitlines()]


def fingerprint(folder: Path) -> dict[str, str]:
    """The sha256 of every file in a folder, by path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def copy_workspace(original: Path, copy: Path) -> Path:
    """A workspace somewhere else, as a user would copy it."""
    shutil.copytree(original, copy, symlinks=True)
    return copy

"""espeak-ng itself, in a process of its own: what it makes of text and phonemes, and which phonemes a voice has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from corpusforge.speech.engine import Segment

loader = pytest.importorskip("espeakng_loader", reason="needs espeak-ng: pip install 'corpusforge[espeak]'")

PROGRAM = Path(__file__).parent / "espeak_program.py"


class Heard(NamedTuple):
    """espeak's phonemes and the samples it made; `(en)` among them is a change to another language's sounds."""

    phonemes: str
    samples: int

    @property
    def seconds(self) -> float:
        return self.samples / 22050


def espeak(contents: Iterable[str], *options: str) -> list[Heard]:
    """What the cmn voice made of each text or phoneme string."""
    return [Heard(*answer) for answer in _run((("cmn", content) for content in contents), *options)]


def phonemes_of(contents: Iterable[str]) -> list[str]:
    """What the cmn voice would say of each, without speaking, which is what takes time."""
    return [heard.phonemes for heard in espeak(contents, "--silent")]


def speak_forked(segments: Iterable[Segment]) -> list[Heard | None]:
    """Each segment spoken by its voice, in a child of its own; None where it crashed, hung or is not there."""
    answers = _run(((segment.voice, segment.content) for segment in segments), "--forked")
    return [answer and Heard(*answer) for answer in answers]


def _run(work: Iterable[tuple[str, str]], *options: str) -> list[Any]:
    command = [sys.executable, str(PROGRAM), *options]
    run = subprocess.run(command, input=json.dumps(list(work)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    answers: list[Any] = json.loads(run.stdout)
    return answers


def spoken_syllables(phonemes: str) -> list[str]:
    """Syllables of a phoneme string without brackets, commas, separators and pauses, length before tone."""
    bare = re.sub(r"[\[\],|]|_[:|]*", "", phonemes)
    return [re.sub(r"(\d+):", r":\1", syllable) for syllable in bare.split()]


def phoneme_table(name: str) -> set[str]:
    """The mnemonics of a voice's phoneme table and of those it includes, from espeak-ng's `phontab` file."""
    data = Path(loader.get_data_path(), "phontab").read_bytes()
    tables: list[tuple[str, int, set[str]]] = []
    at = 4
    for _ in range(data[0]):
        count, included = data[at], data[at + 1]
        title = data[at + 4 : at + 36].split(b"\0")[0].decode()
        at += 36
        mnemonics = {data[at + 16 * row : at + 16 * row + 4].rstrip(b"\0").decode("latin-1") for row in range(count)}
        at += 16 * count
        tables.append((title, included, mnemonics))
    index = [title for title, _, _ in tables].index(name)
    found: set[str] = set()
    while True:
        found |= tables[index][2]
        if not tables[index][1]:
            return found
        index = tables[index][1] - 1

"""espeak-ng itself, in a process of its own: what it makes of phonemes, and which phonemes a voice has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

loader = pytest.importorskip("espeakng_loader", reason="needs espeak-ng: pip install 'corpusforge[espeak]'")

PROBE = """
import ctypes, json, sys
import espeakng_loader
library = ctypes.CDLL(espeakng_loader.get_library_path())
samples = 0
def collect(wave, count, events):
    global samples
    samples += count if wave else 0
    return 0
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(collect)
assert library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0x8000) == 22050
library.espeak_SetSynthCallback(callback)
assert library.espeak_SetVoiceByName(b"cmn") == 0
library.espeak_TextToPhonemes.restype = ctypes.c_char_p
spoken = []
for content in json.load(sys.stdin):
    samples, raw = 0, content.encode()
    size = ctypes.c_size_t(len(raw) + 1)
    assert library.espeak_Synth(raw, size, 0, 1, 0, 0x101, None, None) == 0  # UTF-8, phonemes in [[ ]]
    library.espeak_Synchronize()
    text, heard = ctypes.c_char_p(raw), []
    while text.value is not None:
        heard.append((library.espeak_TextToPhonemes(ctypes.byref(text), 1, 0) or b"").decode())
    spoken.append((" ".join(heard), samples))
json.dump(spoken, sys.stdout)
"""


def espeak(contents: list[str]) -> list[tuple[str, int]]:
    """For each phoneme string, the mnemonics that the cmn voice says it spoke, and the samples it made."""
    run = subprocess.run([sys.executable, "-c", PROBE], input=json.dumps(contents), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [(phonemes, samples) for phonemes, samples in json.loads(run.stdout)]


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

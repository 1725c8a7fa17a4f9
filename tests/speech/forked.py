"""What an espeak-ng voice makes of a text, each in a child of its own: one that crashes spoils nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from corpusforge.speech.engine import Segment

pytest.importorskip("espeakng_loader", reason="needs espeak-ng: pip install 'corpusforge[espeak]'")

PROGRAM = """
import ctypes, json, os, signal, sys
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
library.espeak_TextToPhonemes.restype = ctypes.c_char_p
answers = []
for voice, content in json.load(sys.stdin):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os.close(reader)
        loaded = library.espeak_SetVoiceByName(voice.encode()) == 0
        raw = content.encode()
        library.espeak_Synth(raw, ctypes.c_size_t(len(raw) + 1), 0, 1, 0, 0x101, None, None)
        library.espeak_Synchronize()
        text, heard = ctypes.c_char_p(raw), []
        while text.value is not None:
            heard.append((library.espeak_TextToPhonemes(ctypes.byref(text), 1, 0) or b"").decode(errors="replace"))
        with os.fdopen(writer, "w") as pipe:
            json.dump([loaded, samples, " ".join(heard)], pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    answers.append(json.loads(answer) if os.waitpid(child, 0)[1] == 0 else None)
json.dump(answers, sys.stdout)
"""


class Heard(NamedTuple):
    """Seconds of speech and espeak's phonemes; `(en)` among them is a change to another language's sounds."""

    seconds: float
    phonemes: str


def speak_forked(segments: Iterable[Segment]) -> list[Heard | None]:
    """Each segment spoken by its voice; None where the voice crashed, hung or is not there."""
    given = json.dumps([(segment.voice, segment.content) for segment in segments])
    run = subprocess.run([sys.executable, "-c", PROGRAM], input=given, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
    return [Heard(answer[1] / 22050, answer[2]) if answer and answer[0] else None for answer in json.loads(run.stdout)]

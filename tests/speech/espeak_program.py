"""espeak-ng by its own C interface, as a program: reads a JSON list of [voice, text], writes what it made of each.

An answer is [phonemes, samples]. Options: `--silent` does not speak, which is what takes time; `--forked` gives each
text a child of its own, and the answer null where the child crashed, hung or found no such voice.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

import espeakng_loader

PHONEMES_AND_UTF8 = 0x101  # text is UTF-8, and holds phonemes in [[ ]]

library = ctypes.CDLL(espeakng_loader.get_library_path())
library.espeak_TextToPhonemes.restype = ctypes.c_char_p
samples = 0
voice_loaded = ""


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
def collect(wave: int | None, count: int, _events: int | None) -> int:
    global samples
    samples += count if wave else 0
    return 0


def say(voice: str, text: str, silent: bool) -> tuple[str, int]:
    global samples, voice_loaded
    if voice != voice_loaded:
        assert library.espeak_SetVoiceByName(voice.encode()) == 0, f"no voice {voice}"
        voice_loaded = voice
    samples, raw = 0, text.encode()
    if not silent:
        size = ctypes.c_size_t(len(raw) + 1)
        assert library.espeak_Synth(raw, size, 0, 1, 0, PHONEMES_AND_UTF8, None, None) == 0
        library.espeak_Synchronize()
    rest, heard = ctypes.c_char_p(raw), []
    while rest.value is not None:
        heard.append((library.espeak_TextToPhonemes(ctypes.byref(rest), 1, 0) or b"").decode(errors="replace"))
    return " ".join(heard), samples


def say_in_a_child(voice: str, text: str, silent: bool) -> tuple[str, int] | None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            with os.fdopen(writer, "w") as pipe:
                json.dump(say(voice, text, silent), pipe)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    return json.loads(answer) if os.waitpid(child, 0)[1] == 0 else None


if __name__ == "__main__":
    assert library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0x8000) == 22050
    library.espeak_SetSynthCallback(collect)
    answer = say_in_a_child if "--forked" in sys.argv else say
    json.dump([answer(voice, text, "--silent" in sys.argv) for voice, text in json.load(sys.stdin)], sys.stdout)

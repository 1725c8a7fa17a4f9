"""A server for tests: the MaryTTS router of ovos-tts-server, which was not written here, with a tone for a voice.

Run as a program; it prints its address and serves until it is ended. The router's file is loaded by itself: its package
imports all of OVOS, which the router does not need (only fastapi).
"""

from __future__ import annotations

import socket
import sys
import tempfile
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import soundfile
import uvicorn
from fastapi import FastAPI

from tests.servers.marytts import SECONDS_A_LETTER, tone


class Toner:
    """An OVOS engine: a tone as long as its text."""

    lang = "bo"
    langs = ("bo", "en-us")
    voices = ("lhasa", "amdo voice")
    plugin_name = "toner"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def synthesize(self, text: str, lang: str = "bo", voice: str | None = None) -> tuple[str, None]:
        if "\u0f00" in text:
            raise ValueError(f"cannot say {text}")
        seconds = SECONDS_A_LETTER * len(text)
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".wav", delete=False) as file:
            soundfile.write(file, tone(seconds, 22050, 440.0 if voice == "amdo voice" else 220.0), 22050, format="WAV")
        return file.name, None


def main() -> None:
    found = find_spec("ovos_tts_server")
    assert found is not None
    assert found.submodule_search_locations
    path = Path(found.submodule_search_locations[0], "routers", "marytts.py")
    spec = spec_from_file_location("ovos_marytts_router", path)
    assert spec is not None
    assert spec.loader is not None
    router = module_from_spec(spec)
    sys.modules[spec.name] = router
    spec.loader.exec_module(router)
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        engine = Toner(Path(folder))
        app = FastAPI()
        app.include_router(router.make_marytts_root_router(engine))
        app.include_router(router.make_marytts_router(engine))
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()

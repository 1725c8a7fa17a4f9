"""The engine `marytts` and a server that was not written here: the MaryTTS router of ovos-tts-server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusforge.errors import RecipeError
from corpusforge.net.service import ServiceError
from corpusforge.speech.engine import Prosody, Speech
from corpusforge.speech.engines.marytts import MaryttsConfig, MaryttsEngine
from tests.servers.marytts import SECONDS_A_LETTER, tone

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("ovos_tts_server", "fastapi", "uvicorn")
LACKING = [name for name in NEEDED if find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(LACKING), reason=f"not installed: {', '.join(LACKING)} (pip install --no-deps ovos-tts-server)"
)
TIBETAN = "བོད་སྐད་ཤེས་ཀྱི་ཡོད།"
PLAIN = Prosody()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.servers.ovos_marytts"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(30)


def engine_at(url: str, **settings: Any) -> MaryttsEngine:
    return MaryttsEngine(MaryttsConfig(url=url, network={"backoff": 0.001, "retries": 1}, **settings))


def spoken(engine: MaryttsEngine, texts: list[str], voice: str | None = None) -> list[Any]:
    async def all_of_them() -> list[Any]:
        try:
            calls = [engine.speak(text, "bod_Tibt", voice, PLAIN, 0) for text in texts]
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await engine.aclose()

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("method", ["auto", "get"])
@pytest.mark.parametrize("prefix", ["", "/marytts"])
def test_sentences(url: str, prefix: str, method: str) -> None:
    texts = [f"{TIBETAN} {'ཀ' * number}" for number in range(20)]
    for text, speech in zip(texts, spoken(engine_at(url + prefix, method=method), texts), strict=True):
        assert isinstance(speech, Speech)
        assert speech.sample_rate == 22050
        assert np.abs(speech.samples - tone(SECONDS_A_LETTER * len(text), 22050)).max() < 1e-3


def test_it_answers_a_form_with_422_as_it_did_when_this_was_written(url: str) -> None:
    [error] = spoken(engine_at(url, method="post"), [TIBETAN])
    assert isinstance(error, ServiceError)
    assert "HTTP 422: " in str(error)


def test_a_voice_with_a_space(url: str) -> None:
    engine = engine_at(url)
    engine.check("bod_Tibt", "amdo voice", PLAIN)
    [speech] = spoken(engine, [TIBETAN], "amdo voice")
    assert np.abs(speech.samples - tone(SECONDS_A_LETTER * len(TIBETAN), 22050, 440.0)).max() < 1e-3


def test_its_error_is_one_line(url: str) -> None:
    [error] = spoken(engine_at(url), ["\u0f00"])
    assert isinstance(error, ServiceError)
    assert "HTTP 500: synthesis failed: cannot say \u0f00" in str(error)


def test_what_it_says_of_itself(url: str) -> None:
    engine = engine_at(url)
    assert engine.available() is None
    assert engine.detail() == f"a server without /version at {url}, 4 voices, 2 locales"


def test_what_it_cannot_do_is_refused(url: str) -> None:
    for voice, prosody, settings, words in [
        ("lasha", PLAIN, {}, "did you mean 'lhasa'"),
        (None, PLAIN, {"locales": {"bod_Tibt": "dz"}}, "has no locale 'dz'"),
        (None, Prosody(rate=10), {}, "has no audio effects"),
    ]:
        with pytest.raises(RecipeError, match=words):
            engine_at(url, **settings).check("bod_Tibt", voice, prosody)

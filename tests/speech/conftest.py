"""The embedded engine and the programs of its voices, for the tests that ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from corpusforge.speech.engines.espeak import EspeakConfig, EspeakEngine, installed
from corpusforge.speech.engines.espeak_process import VoiceProcess


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    engine = EspeakEngine(EspeakConfig())
    yield engine
    engine.close()


@pytest.fixture
def voice() -> Iterator[Callable[[str], VoiceProcess]]:
    """Starts the program of a voice by its name; ended after the test."""
    started: list[VoiceProcess] = []

    def start(name: str) -> VoiceProcess:
        started.append(VoiceProcess(installed(), name))
        return started[-1]

    yield start
    for process in started:
        process.close()

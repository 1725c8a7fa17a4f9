"""Nothing that espeak-ng does, and nothing that is done to its processes, can hurt the worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from corpusforge.errors import CorpusforgeError
from corpusforge.speech import g2p
from corpusforge.speech.engine import Segment, Spoken
from corpusforge.speech.engines.espeak import (
    EspeakConfig,
    EspeakEngine,
)
from corpusforge.speech.engines.espeak_process import EspeakError, VoiceProcess
from tests.patience import until
from tests.speech.espeak_tools import (
    OVERRUNS,
    PLAIN,
    alive,
    children,
    digest,
    say,
    sentences,
    waiting_child,
)

pytest.importorskip("espeakng_loader", reason="pip install 'corpusforge[espeak]'")


def test_a_crash_is_named_and_the_engine_goes_on(engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    text = sentences("zho_Hans", 1)[0]
    before = digest(engine.synthesize(text, "zho_Hans", None, PLAIN))
    # The rules never choose espeak-ng's own Burmese voice, which overruns a buffer on long texts; here they do.
    with monkeypatch.context() as patch:
        patch.setattr(g2p, "speak", lambda text, lang, voice: Spoken((Segment("my", text),), 1))
        with pytest.raises(EspeakError) as error:
            engine.synthesize(OVERRUNS, "mya_Mymr", None, PLAIN)

    assert re.match(
        r"espeak-ng with voice 'my' crashed with SIGABRT, reading: " + OVERRUNS[:60] + "…$", str(error.value)
    )
    assert isinstance(error.value, CorpusforgeError)
    assert digest(engine.synthesize(text, "zho_Hans", None, PLAIN)) == before


def test_a_voice_program_survives_its_crashes(voice: Callable[[str], VoiceProcess]) -> None:
    process = voice("my")
    pid = process.pid

    with pytest.raises(EspeakError, match="SIGABRT"):
        process.speak(say("my", OVERRUNS), 10)

    assert len(process.speak(say("my", "မြန်မာ"), 10)[0]) > 2000
    assert process.pid == pid and not process.closed


def test_a_request_that_takes_too_long_is_ended(voice: Callable[[str], VoiceProcess]) -> None:
    process = voice("cmn")

    # Let go on, it would end as a text that gives more than an hour of audio.
    with pytest.raises(EspeakError, match=r"'cmn' hung: no end after 0.05 s, reading: 一二三"):
        process.speak(say("cmn", "一二三四五六七八九十，" * 3000), 0.05)

    assert len(process.speak(say("cmn", "你好"), 10)[0]) > 2000


def test_the_time_limit_is_for_the_whole_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EspeakEngine(EspeakConfig(time_limit=0.2))
    monkeypatch.setattr(g2p, "speak", lambda text, lang, voice: Spoken((Segment("cmn", text),) * 500, 1))
    try:
        # Each of the 500 segments is spoken in much less.
        with pytest.raises(EspeakError, match="no end after"):
            engine.synthesize("一二三四五六七八九十，" * 30, "zho_Hans", None, PLAIN)
    finally:
        engine.close()


def test_a_child_that_does_not_even_hear_its_alarm_is_given_up(
    voice: Callable[[str], VoiceProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpusforge.speech.engines.espeak_process.GRACE", 0.3)
    process = voice("cmn")
    child = waiting_child(process)
    os.kill(child, signal.SIGSTOP)

    with pytest.raises(EspeakError, match=r"gave no answer for 0.5 s"):
        process.speak(say("cmn", "你好"), 0.2)

    assert process.closed
    until(lambda: not alive(child))


def test_children_killed_from_outside_cost_nothing(engine: EspeakEngine) -> None:
    text = sentences("zho_Hans", 1)[0]
    before = digest(engine.synthesize(text, "zho_Hans", None, PLAIN))
    for process in list(engine._processes.values()):
        os.kill(waiting_child(process), signal.SIGKILL)

    assert digest(engine.synthesize(text, "zho_Hans", None, PLAIN)) == before

    for process in list(engine._processes.values()):
        os.kill(process.pid, signal.SIGKILL)

    assert digest(engine.synthesize(text, "zho_Hans", None, PLAIN)) == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("busy", [False, True])
def test_no_process_outlives_a_killed_worker(busy: bool) -> None:
    code = (
        "import sys\n"
        "from corpusforge.speech.engines.espeak import installed\n"
        "from corpusforge.speech.engines.espeak_process import Request, VoiceProcess\n"
        "held = [VoiceProcess(installed(), name) for name in ('cmn', 'en-us')]\n"
        "print(*(process.pid for process in held), flush=True)\n"
        "held[0].speak(Request('cmn', (('一二三四五六七八九十，' * int(sys.argv[1]), False),)), 60)\n"
        "print('spoken', flush=True)\n"
        "sys.stdin.read()\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, "200000" if busy else "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert worker.stdout is not None
        parents = [int(pid) for pid in worker.stdout.readline().split()]
        assert len(parents) == 2
        if not busy:
            assert worker.stdout.readline() == "spoken\n"
        until(lambda: all(children(pid) for pid in parents), process=worker)
        family = [*parents, *(child for pid in parents for child in children(pid))]
    finally:
        worker.kill()
        worker.communicate()

    assert len(family) == 4
    until(lambda: not any(map(alive, family)), "all have ended", seconds=10)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_closing_ends_every_process() -> None:
    engine = EspeakEngine(EspeakConfig())
    engine.synthesize("你好", "zho_Hans", None, PLAIN)
    family = [pid for process in engine._processes.values() for pid in (process.pid, *children(process.pid))]
    assert family

    engine.close()

    until(lambda: not any(map(alive, family)), "all have ended", seconds=10)
    assert engine.synthesize("你好", "zho_Hans", None, PLAIN).samples.size > 2000  # and it can be used again
    engine.close()


def test_a_crash_leaves_no_trace_in_what_follows(voice: Callable[[str], VoiceProcess]) -> None:
    fresh = voice("my").speak(say("my", "မြန်မာ"), 10)
    process = voice("my")
    for _ in range(3):
        with pytest.raises(EspeakError, match="SIGABRT"):
            process.speak(say("my", OVERRUNS), 10)

    assert process.speak(say("my", "မြန်မာ"), 10) == fresh

"""The engine `marytts` and a stand-in for MaryTTS 5.2: what is asked, and what becomes of what it answers."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from pydantic import ValidationError

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.speech.casting import Casting
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, Prosody, Speech
from corpusforge.speech.engines.marytts import MaryttsConfig, MaryttsEngine
from corpusforge.speech.engines.marytts_client import effects_of, voices_of
from tests.servers.marytts import LHASA, SECONDS_A_LETTER, STOCK, Fault, MaryServer, tone, wav

TIBETAN = "བོད་སྐད་ཤེས་ཀྱི་ཡོད།"
QUICK = {"backoff": 0.001, "retries": 2}
PLAIN = Prosody()


@pytest.fixture
def server() -> Iterator[MaryServer]:
    with MaryServer(voices=[*STOCK, LHASA]) as running:
        yield running


def engine_at(server: MaryServer | str, network: dict[str, Any] | None = None, **settings: Any) -> MaryttsEngine:
    url = server if isinstance(server, str) else server.url
    return MaryttsEngine(MaryttsConfig(url=url, network={**QUICK, **(network or {})}, **settings))


async def _all(engine: MaryttsEngine, calls: list[Awaitable[Speech]]) -> list[Any]:
    try:
        return await asyncio.gather(*calls, return_exceptions=True)
    finally:
        await engine.aclose()


def speak(
    engine: MaryttsEngine,
    text: str = TIBETAN,
    lang: str = "bod_Tibt",
    voice: str | None = None,
    prosody: Prosody = PLAIN,
) -> Speech:
    [result] = asyncio.run(_all(engine, [engine.speak(text, lang, voice, prosody, 0)]))
    if isinstance(result, BaseException):
        raise result
    assert isinstance(result, Speech)
    return result


def test_a_sentence(server: MaryServer) -> None:
    speech = speak(engine_at(server, license="CC-BY-4.0"), voice="lhasa")
    assert np.abs(speech.samples - tone(SECONDS_A_LETTER * len(TIBETAN))).max() < 1e-4
    assert (speech.sample_rate, speech.voice, speech.license) == (16000, "lhasa", "CC-BY-4.0")
    [request] = server.requests
    assert request.parameters == {
        "INPUT_TEXT": TIBETAN,
        "INPUT_TYPE": "TEXT",
        "OUTPUT_TYPE": "AUDIO",
        "AUDIO": "WAVE_FILE",
        "LOCALE": "bo",
        "VOICE": "lhasa",
    }
    assert (request.method, request.path, request.query) == ("POST", "/process", "")


@pytest.mark.parametrize("text", ["a&b=c?d#e+f%20", "100 % & mehr; „ja“", "line\nbreak\ttab", "语音 མི 🙂"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_letter_arrives(server: MaryServer, text: str, method: str) -> None:
    speak(engine_at(server, method=method), text)
    assert server.requests[-1].parameters["INPUT_TEXT"] == text


def test_without_a_voice_the_server_chooses(server: MaryServer) -> None:
    assert speak(engine_at(server)).voice == "default of bo"
    assert "VOICE" not in server.requests[0].parameters
    assert speak(engine_at(server, voices={"bod_Tibt": "lhasa"})).voice == "lhasa"
    assert server.requests[1].parameters["VOICE"] == "lhasa"


def test_wylie(server: MaryServer) -> None:
    pytest.importorskip("pyewts")
    speak(engine_at(server, input={"bod_Tibt": "wylie"}))
    speak(engine_at(server, input={"bod_Tibt": "wylie"}), "Guten Tag", "deu_Latn")
    assert [request.parameters["INPUT_TEXT"] for request in server.requests] == [
        "bod skad shes kyi yod/",
        "Guten Tag",
    ]


def test_wylie_of_real_sentences(shared_data: Path, server: MaryServer) -> None:
    pytest.importorskip("pyewts")
    found = sorted((shared_data / "flores200").rglob("bod_Tibt*"))
    sentences = found[0].read_text(encoding="utf-8").splitlines()[:40]
    engine = engine_at(server, input={"bod_Tibt": "wylie"})
    spoken = asyncio.run(_all(engine, [engine.speak(text, "bod_Tibt", None, PLAIN, 0) for text in sentences]))
    assert all(isinstance(speech, Speech) for speech in spoken)
    sent = [request.parameters["INPUT_TEXT"] for request in server.requests]
    assert len(sent) == len(sentences)
    assert not any("\u0f00" <= letter <= "\u0fff" for text in sent for letter in text)


@pytest.mark.parametrize("status", [404, 405, 415, 422])
def test_a_server_that_wants_get_is_asked_so_from_then_on(status: int) -> None:
    with MaryServer(voices=[LHASA], faults=[Fault(status=status)]) as server:
        engine = engine_at(server)

        async def two() -> None:
            for _ in range(2):
                await engine.speak(TIBETAN, "bod_Tibt", None, PLAIN, 0)
            await engine.aclose()

        asyncio.run(two())
    assert [request.method for request in server.requests] == ["POST", "GET", "GET"]


def test_all_that_wait_at_once_turn_to_get() -> None:
    with MaryServer(voices=[LHASA], methods=["GET"], refusal=0.3) as server:
        engine = engine_at(server, {"concurrency": 4})
        spoken = asyncio.run(_all(engine, [engine.speak(TIBETAN, "bod_Tibt", None, PLAIN, 0) for _ in range(4)]))
    assert [type(speech) for speech in spoken] == [Speech] * 4
    assert sorted(request.method for request in server.requests) == ["GET"] * 4 + ["POST"] * 4


def test_auto_keeps_to_post_where_get_fails_too() -> None:
    with MaryServer(voices=[LHASA], faults=[Fault(status=404, body="gone"), Fault(status=404)]) as server:
        engine = engine_at(server)
        with pytest.raises(ServiceError, match="HTTP 404: gone"):
            speak(engine)
        speak(engine)
    assert [request.method for request in server.requests] == ["POST", "GET", "POST"]


def test_post_is_not_given_up_where_it_is_asked_for() -> None:
    with MaryServer(voices=[LHASA], methods=["GET"]) as server, pytest.raises(ServiceError, match="HTTP 405"):
        speak(engine_at(server, method="post"))
    assert [request.method for request in server.requests] == ["POST"]


def test_a_sentence_too_long_for_the_address() -> None:
    words = r"HTTP 414.*in the address, which has 1,\d+ letters"
    faults = [Fault(status=414)]
    with MaryServer(voices=[LHASA], faults=faults) as server, pytest.raises(ServiceError, match=words):
        speak(engine_at(server, method="get"), TIBETAN * 6)
    assert len(server.requests) == 1


def test_rate_is_how_much_shorter(server: MaryServer) -> None:
    plain, fast = speak(engine_at(server)), speak(engine_at(server), prosody=Prosody(rate=25))
    assert server.requests[1].parameters["effect_Rate_selected"] == "on"
    assert server.requests[1].parameters["effect_Rate_parameters"] == "durScale:0.8;"
    assert abs(len(fast.samples) / len(plain.samples) - 0.8) < 0.01


def test_effects(server: MaryServer) -> None:
    effects = {"Volume": "amount:0.5;", "F0Add": "f0Add:30.0;"}
    speak(engine_at(server, effects=effects))
    sent = server.requests[0].parameters
    assert {name: sent[f"effect_{name}_parameters"] for name in effects} == effects
    assert {sent[f"effect_{name}_selected"] for name in effects} == {"on"}


def test_voices_with_hmm_effects_are_not_shared(server: MaryServer) -> None:
    """The stand-in keeps them in the voice, as MaryTTS does: at the same time, requests would get each other's."""
    engine = engine_at(server)
    rates = [0, 25, -20, 60] * 10
    spoken = asyncio.run(_all(engine, [engine.speak(TIBETAN, "bod_Tibt", None, Prosody(rate), 0) for rate in rates]))
    length = SECONDS_A_LETTER * len(TIBETAN)
    for rate, speech in zip(rates, spoken, strict=True):
        assert abs(len(speech.samples) / 16000 - length / (1 + rate / 100)) < 0.01


def test_no_more_at_once_than_the_policy_allows() -> None:
    with MaryServer(voices=[LHASA], faults=[Fault(slow=0.02)] * 30) as server:
        engine = engine_at(server, {"concurrency": 3})
        calls = [engine.speak(f"{number} {TIBETAN}", "bod_Tibt", None, PLAIN, 0) for number in range(30)]
        assert all(isinstance(speech, Speech) for speech in asyncio.run(_all(engine, calls)))
    assert 1 < server.most_at_once <= 3
    assert engine.concurrency >= 3


# What it answers


def test_a_500_is_one_line_with_its_cause_and_is_not_asked_again(server: MaryServer) -> None:
    with pytest.raises(ServiceError) as caught:
        speak(engine_at(server), "\u0f00")
    assert str(caught.value).endswith(
        "HTTP 500: Internal server error Processing failed. SynthesisException: cannot synthesise: "
        'NullPointerException: no allophone for "x"'
    )
    assert len(server.requests) == 1


def test_a_500_of_a_full_memory_is_asked_again() -> None:
    page = "<html><body><h1>Internal server error</h1><p>Processing failed.<pre>java.lang.OutOfMemoryError: Java heap"
    with MaryServer(voices=[LHASA], faults=[Fault(status=500, body=page)]) as server:
        assert speak(engine_at(server)).sample_rate == 16000
    assert len(server.requests) == 2


def test_a_400_is_one_line(server: MaryServer) -> None:
    with pytest.raises(
        ServiceError, match="HTTP 400: Bad request The value 'nobody' of parameter 'VOICE' is not valid"
    ):
        speak(engine_at(server), voice="nobody")
    with pytest.raises(ServiceError, match=r"HTTP 500: .* no processing path through modules"):
        speak(engine_at(server, locales={"bod_Tibt": "xx"}))
    assert len(server.requests) == 2


def test_the_empty_answer_of_an_exception_inside_the_server(server: MaryServer) -> None:
    with pytest.raises(ServiceError, match="it sent nothing at all"):
        speak(engine_at(server, locales={"bod_Tibt": "_"}))


@pytest.mark.parametrize(
    ("fault", "words", "tries"),
    [
        (Fault(raw=b"<html><title>Login</title></html>"), "it sent a web page and no audio: Login", 1),
        (Fault(raw=b"sorry"), "it sent text and no audio: sorry", 1),
        (Fault(raw=wav(tone(0))), "without a sample", 1),
        (Fault(raw=wav(tone(1.0))[:-100]), "it sent a WAV cut off", 3),
        (Fault(raw=wav(tone(1.0))[:-100], announce=32044), r"marytts at http", 3),
        (Fault(status=503, body="<html><h1>Busy</h1></html>"), "HTTP 503: Busy", 3),
        (Fault(status=302, headers={"Location": "http://u:pw-of-ann@else.where/x?token=abc"}), "on to http://else", 1),
    ],
    ids=["page", "text", "no sample", "half a WAV", "lost connection", "busy", "moved"],
)
def test_what_is_no_clip(fault: Fault, words: str, tries: int) -> None:
    with MaryServer(voices=[LHASA], faults=[fault] * 3) as server, pytest.raises(ServiceError, match=words) as caught:
        speak(engine_at(server))
    assert len(server.requests) == tries == caught.value.attempts
    assert "\n" not in str(caught.value)
    assert "pw-of-ann" not in str(caught.value)


def test_what_passes_is_asked_again() -> None:
    faults = [
        Fault(status=503, headers={"Retry-After": "0"}),
        Fault(raw=wav(tone(1.0))[:99]),
        Fault(raw=b"", announce=9),
    ]
    with MaryServer(voices=[LHASA], faults=faults) as server:
        assert speak(engine_at(server, {"retries": 3})).sample_rate == 16000
    assert len(server.requests) == 4


@pytest.mark.parametrize("fault", [Fault(drip=0.05), Fault(slow=30)], ids=["dripping", "silent"])
def test_an_answer_that_does_not_end_is_cut_off(fault: Fault) -> None:
    with MaryServer(voices=[LHASA], faults=[fault]) as server:
        engine = engine_at(server, {"timeout": 0.3, "retries": 0})
        with pytest.raises(ServiceError, match=r"in time|after 0\.3 s|in 0\.3 s"):
            speak(engine)


def test_an_answer_without_end_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpusforge.speech.engines.marytts_client.LARGEST", 100_000)
    faults = [Fault(raw=b"\1" * 1_000_000)]
    with MaryServer(voices=[LHASA], faults=faults) as server, pytest.raises(ServiceError, match="more than 0 MB"):
        speak(engine_at(server))


CLIPS: dict[str, Callable[[], bytes]] = {
    "8 bit at 8 kHz": lambda: wav(tone(0.5, 8000), 8000, "PCM_U8"),
    "24 bit at 48 kHz, stereo": lambda: wav(np.stack([tone(0.5, 48000)] * 2, axis=1), 48000, "PCM_24"),
    "32 bit": lambda: wav(tone(0.5), 16000, "PCM_32"),
    "float at 44.1 kHz": lambda: wav(tone(0.5, 44100), 44100, "FLOAT"),
    "AU": lambda: wav(tone(0.5), 16000, "PCM_16", "AU"),
}


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
def test_clips_of_any_kind(clip: Callable[[], bytes]) -> None:
    with MaryServer(voices=[LHASA], clip=lambda _: clip()) as server:
        speech = speak(engine_at(server))
    assert abs(len(speech.samples) / speech.sample_rate - 0.5) < 1e-3
    assert abs(np.abs(speech.samples).max() - 0.3) < 0.01


def test_nothing_to_say(server: MaryServer) -> None:
    with pytest.raises(CannotSpeak):
        speak(engine_at(server), " \n ")
    assert server.requests == []


# Who may ask


def test_a_login_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    token = base64.b64encode(b"ann:open sesame").decode()
    with MaryServer(voices=[LHASA], login=f"Basic {token}") as server:
        monkeypatch.setenv("MARYTTS_URL", server.url.replace("://", "://ann:open%20sesame@"))
        engine = MaryttsEngine(MaryttsConfig(network=QUICK))
        assert engine.available() is None
        assert speak(engine).sample_rate == 16000
        shown = json.dumps([engine.revision("bod_Tibt"), engine.detail(), engine.config.model_dump(mode="json")])
        assert server.url in shown
        for hidden in ("sesame", "ann", token):
            assert hidden not in shown

        monkeypatch.setenv("MARYTTS_URL", server.url.replace("://", "://ann:wrong-word@"))
        engine = MaryttsEngine(MaryttsConfig(network=QUICK))
        assert "HTTP 401" in str(engine.available())
        with pytest.raises(ServiceDown, match="HTTP 401") as caught:
            speak(engine)
        assert "wrong-word" not in str(caught.value) + str(engine.available())


def test_a_login_in_a_recipe_is_refused_and_not_repeated() -> None:
    config = SynthesizeConfig(engine="marytts", engines={"marytts": {"url": "http://ann:open-sesame@host:59125"}})
    with pytest.raises(RecipeError, match=r"synthesize\.engines\.marytts\.url: .*MARYTTS_URL") as caught:
        Casting(config).preflight(frozenset({"bod_Tibt"}))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["host:59125", "ftp://host", "http://", "http://host:port", "http://host/?a=b", ""])
def test_what_is_no_address_of_a_server(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        MaryttsConfig(url=url)
    if url:
        monkeypatch.setenv("MARYTTS_URL", url)
        assert "MARYTTS_URL" in str(MaryttsEngine(MaryttsConfig()).available())


def test_a_proxy_of_the_environment_is_used(server: MaryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    speech = speak(engine_at("http://marytts.invalid:59125"))
    assert speech.sample_rate == 16000
    assert server.requests[0].headers["Host"] == "marytts.invalid:59125"


# Before the first sentence


def test_no_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        words = str(engine_at(url).available())
    assert url in words
    assert "(Connection refused)" in words
    assert "synthesize.engines.marytts.url" in words
    with pytest.raises(MissingDependency, match="Connection refused"):
        engine_at(url).check("bod_Tibt", None, PLAIN)


def test_a_server_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = str(engine_at(f"http://127.0.0.1:{silent.getsockname()[1]}").available())
    assert "no answer in 2 s" in words


def test_another_kind_of_server() -> None:
    from tests.servers.files import FileServer

    with FileServer({}) as server:
        assert "is no MaryTTS server" in str(engine_at(server.url).available())


def test_what_doctor_says(server: MaryServer) -> None:
    engine = engine_at(server)
    assert engine.available() is None
    assert engine.detail() == f"Mary TTS server 5.2 (impl. 5.2) at {server.url}, 5 voices, 10 locales"


@pytest.mark.parametrize(
    ("voice", "settings", "words"),
    [
        ("lasha", {}, "has no voice 'lasha' (wanted for bod_Tibt): did you mean 'lhasa'?"),
        ("LHASA", {}, "did you mean 'lhasa'?"),
        ("dfki-spike", {}, "speaks en_GB, and bod_Tibt is 'bo'"),
        (None, {"locales": {"bod_Tibt": "bod"}}, "has no locale 'bod' (wanted for bod_Tibt): did you mean 'bo'?"),
        (None, {"locales": {"bod_Tibt": "fr"}}, "has no voice for 'fr'"),
        ("male", {}, "has no male voice for 'bo'"),
        (None, {"effects": {"Robo": "amount:1;"}}, "has no audio effect 'Robo': did you mean 'Robot'?"),
        (
            "dfki-pavoque-styles",
            {"locales": {"bod_Tibt": "de"}, "effects": {"F0Add": "f0Add:30;"}},
            "is of kind unitselection; only hmm voices have effect F0Add",
        ),
    ],
)
def test_what_is_refused(server: MaryServer, voice: str | None, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        engine_at(server, **settings).check("bod_Tibt", voice, PLAIN)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("prosody", "settings", "words"),
    [
        (Prosody(rate=1000), {}, "MaryTTS can do -67 to 900 %"),
        (Prosody(rate=-100), {}, "MaryTTS can do"),
        (Prosody(pitch=10), {}, "by hertz and not by percent"),
        (Prosody(rate=10), {"effects": {"Rate": "durScale:2;"}}, "give one of them"),
    ],
)
def test_prosody_that_is_refused(server: MaryServer, prosody: Prosody, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        engine_at(server, **settings).check("bod_Tibt", None, prosody)


def test_what_is_not_refused(server: MaryServer) -> None:
    engine = engine_at(server, effects={"Volume": "amount:1.5;"}, locales={"eng_Latn": "en"})
    for voice in ("lhasa", "female", None):
        engine.check("bod_Tibt", voice, Prosody(rate=20))
    engine.check("eng_Latn", "cmu-slt-hsmm", PLAIN)
    assert [request.path for request in server.requests].count("/voices") == 1


def test_a_rate_needs_an_hmm_voice(server: MaryServer) -> None:
    with pytest.raises(RecipeError, match="only hmm voices have rate"):
        engine_at(server).check("deu_Latn", "dfki-pavoque-styles", Prosody(rate=10))
    engine_at(server).check("deu_Latn", "dfki-pavoque-neutral-hsmm", Prosody(rate=10))


# Keys


def test_the_key_has_what_decides_the_sound_of_one_language() -> None:
    def key(**settings: Any) -> str:
        casting = Casting(SynthesizeConfig(engine="marytts", engines={"marytts": settings}))
        part = casting.part("bod_Tibt")
        return json.dumps(casting.settings(part, casting.remote(part)), sort_keys=True)

    url = "http://host:59125"
    same = [
        {"url": url},
        {"url": url + "/"},
        {"url": url, "network": {"timeout": 1}},
        {"url": url, "method": "get"},
        {"url": url, "locales": {"deu_Latn": "de_AT"}, "voices": {"deu_Latn": "x"}, "input": {"deu_Latn": "unicode"}},
        {"url": url, "input": {"bod_Tibt": "unicode"}, "locales": {"bod_Tibt": "bo"}},
    ]
    other = [
        {"url": "http://host:59126"},
        {"url": url, "locales": {"bod_Tibt": "bo_CN"}},
        {"url": url, "voices": {"bod_Tibt": "lhasa"}},
        {"url": url, "input": {"bod_Tibt": "wylie"}},
        {"url": url, "effects": {"Volume": "amount:2;"}},
        {"url": url, "version": "5.2"},
    ]
    assert len({key(**settings) for settings in same}) == 1
    assert len({key(**settings) for settings in [same[0], *other]}) == len(other) + 1


def test_lists() -> None:
    voices = voices_of("cmu-slt-hsmm en_US female hmm\na b c de-DE m my plugin\n\nnonsense\nx sr_RS-x other u d e\n")
    assert [(voice.name, voice.locale, voice.gender, voice.kind) for voice in voices] == [
        ("cmu-slt-hsmm", "en_US", "female", "hmm"),
        ("a b c", "de-DE", "m", "my"),
        ("x", "sr_RS-x", "other", "u"),
    ]
    assert effects_of("Volume amount:2.0;\nFIRFilter type:3;fc1:500.0;\n\n")["FIRFilter"] == "type:3;fc1:500.0;"


# The stand-in itself, as 5.2's servlets are


def test_the_stand_in_ignores_a_body_where_the_address_has_parameters(server: MaryServer) -> None:
    answer = requests.post(f"{server.url}/process?LOCALE=bo", data={"INPUT_TEXT": "a", "INPUT_TYPE": "TEXT"}, timeout=5)
    assert answer.status_code == 400
    assert "must contain the parameter 'INPUT_TEXT' and 'INPUT_TYPE'" in answer.text


def test_the_stand_in_checks_in_the_order_of_the_servlet(server: MaryServer) -> None:
    good = {"INPUT_TEXT": "a", "INPUT_TYPE": "TEXT", "OUTPUT_TYPE": "AUDIO", "AUDIO": "WAVE_FILE", "LOCALE": "de"}
    for change, status, words in [
        ({"INPUT_TYPE": "TXT", "VOICE": "x"}, 400, "The value 'TXT' of parameter 'INPUT_TYPE' is not valid"),
        ({"AUDIO": "OGG_FILE"}, 400, "The value 'OGG_FILE' of parameter 'AUDIO'"),
        ({"LOCALE": ""}, 200, ""),
        ({"LOCALE": "te"}, 500, "Processing failed."),
        ({"effect_Nonsense_selected": "on"}, 200, "RIFF"),
    ]:
        answer = requests.get(f"{server.url}/process", params={**good, **change}, timeout=5)
        assert answer.status_code == status
        assert words in answer.content[:400].decode("latin-1")
    assert requests.get(f"{server.url}/speak?x=1", timeout=5).text.count("File speak?x=1 not found") == 1

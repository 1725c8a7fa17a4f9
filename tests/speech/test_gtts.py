"""The engine `gtts`: unmodified gTTS, our client and a CONNECT proxy, up to a stand-in that sends genuine clips."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from corpusforge.errors import RecipeError
from corpusforge.net.policy import Policy
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.registry import find
from corpusforge.speech.engine import CannotSpeak, Prosody, Speech
from corpusforge.speech.engines.gtts import LANGUAGES, GttsConfig, GttsEngine
from corpusforge.text.languages import LANGUAGES as FLORES
from tests.servers.google_tts import Clip, Fault, GoogleTts, envelope, read_clips

pytest.importorskip("gtts")

QUICK = {"requests_per_minute": None, "backoff": 0.001, "timeout": 20.0}
PLAIN = Prosody()
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="session")
def clips(shared_data: Path) -> list[Clip]:
    return read_clips(shared_data / "gtts_zh")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets exactly these variables among those that decide about proxies and certificates."""

    def set_(**values: str) -> None:
        for name in (*VARIABLES, *PROXIES, *map(str.upper, PROXIES)):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_


@pytest.fixture
def google(clips: list[Clip], tmp_path: Path, environment: Callable[..., None]) -> Iterator[GoogleTts]:
    with GoogleTts(clips, tmp_path) as server:
        environment(HTTPS_PROXY=server.proxy, REQUESTS_CA_BUNDLE=str(server.authority))
        yield server


def speak(text: str, lang: str = "zho_Hans", voice: str | None = None, **settings: Any) -> Speech:
    """One sentence by an engine of its own."""
    settings["network"] = {**QUICK, **settings.get("network", {})}

    async def run() -> Speech:
        engine = GttsEngine(GttsConfig(**settings))
        try:
            return await engine.speak(text, lang, voice, PLAIN, seed=0)
        finally:
            await engine.aclose()
            engine.close()

    return asyncio.run(run())


def long_text(clips: list[Clip]) -> str:
    """A sentence of three parts."""
    return "。".join(clip.text.rstrip("。.") for clip in clips[9:17]) + "。"


# --- what it makes -------------------------------------------------------------------------------------------------


def test_a_clip_is_as_long_as_google_made_it(google: GoogleTts, clips: list[Clip]) -> None:
    for clip in clips:
        speech = speak(clip.text)
        assert speech.samples.dtype == np.float32
        assert speech.samples.ndim == 1
        assert speech.sample_rate == 22050
        assert speech.samples.size / speech.sample_rate == pytest.approx(clip.seconds, abs=0.08)
        assert 0.05 < float(np.abs(speech.samples).max()) <= 1.0
    assert [asked.text for asked in google.asked] == [clip.text for clip in clips]


def test_every_part_is_decoded_by_itself(google: GoogleTts, clips: list[Clip]) -> None:
    """Joined MP3 files decode to the end of the first; here all of the parts can be heard."""
    text = long_text(clips)
    speech = speak(text)
    served = [asked.clip for asked in google.asked if asked.clip]
    assert len(served) == 3
    assert "".join(asked.text for asked in google.asked) == " ".join(text.split())
    expected = sum(clip.seconds for clip in served)
    assert speech.samples.size / speech.sample_rate == pytest.approx(expected, abs=0.08 * len(served))
    last = speech.samples[-int(served[-1].seconds * speech.sample_rate) :]
    assert float(np.sqrt(np.mean(last**2))) > 0.01


def test_what_is_asked_for(google: GoogleTts) -> None:
    speech = speak("你好", "zho_Hant", tld="com.hk", slow=True)
    (asked,) = google.asked
    assert (asked.host, asked.lang, asked.slow, asked.text) == ("translate.google.com.hk", "zh-TW", True, "你好")
    assert asked.path == "/_/TranslateWebserverUi/data/batchexecute"
    assert google.connects == ["CONNECT translate.google.com.hk:443 HTTP/1.1"]
    assert speech.voice == "zh-TW/com.hk slow"
    assert speech.license is not None
    assert "Google" in speech.license


def test_a_voice_names_language_and_domain(google: GoogleTts) -> None:
    assert speak("你好", voice="yue/co.uk").voice == "yue/co.uk"
    assert (google.asked[0].lang, google.asked[0].host) == ("yue", "translate.google.co.uk")


def test_burmese_is_asked_for_in_whole_clauses(google: GoogleTts, shared_data: Path) -> None:
    line = (shared_data / "flores200" / "dev" / "mya_Mymr.dev").read_text(encoding="utf-8").splitlines()[0]
    speak(line, "mya_Mymr")
    assert {asked.lang for asked in google.asked} == {"my"}
    assert all(0 < len(asked.text) <= 100 for asked in google.asked)
    assert "".join("".join(asked.text for asked in google.asked).split()) == "".join(line.split())


@pytest.mark.parametrize("text", ["", " \n", "……！？", "☆"])
def test_nothing_to_say_is_not_asked_for(google: GoogleTts, text: str) -> None:
    with pytest.raises(CannotSpeak, match="letter"):
        speak(text)
    assert not google.connects


def test_the_stand_in_satisfies_gtts_itself(google: GoogleTts, clips: list[Clip]) -> None:
    """Plain gTTS, in a process of its own: its `.stream()` gets the same bytes, part by part."""
    program = (
        "import sys, json, hashlib; from gtts import gTTS\n"
        "parts = list(gTTS(sys.argv[1], lang='zh-CN').stream())\n"
        "print(json.dumps([hashlib.sha256(part).hexdigest() for part in parts]))"
    )
    environ = {**os.environ, "https_proxy": google.proxy}
    done = subprocess.run(
        [sys.executable, "-c", program, clips[0].text], env=environ, capture_output=True, text=True, check=True
    )
    import hashlib

    assert json.loads(done.stdout) == [hashlib.sha256(clips[0].mp3).hexdigest()]


# --- what goes wrong -----------------------------------------------------------------------------------------------

HTML = "<!DOCTYPE html><html><head><title>Sorry</title></head><body>We have detected unusual traffic</body></html>"
PASSING = {
    "too many requests": (Fault(status=429, headers={"Retry-After": "0"}), "HTTP 429"),
    "server error": (Fault(status=503, body="busy"), "HTTP 503"),
    "null audio": (Fault(no_audio=True), "without audio"),
    "no bytes of audio": (Fault(mp3=b""), "0 bytes|without audio"),
    "no bytes at all": (Fault(body=""), "empty answer"),
    "HTML for audio": (Fault(mp3=HTML.encode()), "text instead of an MP3"),
    "some other answer": (Fault(body=')]}\'\n\n[["er",null]]'), "not of Google's speech"),
    "JSON cut short": (Fault(end_after=20_000), "cut short"),
    "connection cut": (Fault(cut_after=20_000), "incomplete|closed|disconnected"),
    "robot page": (Fault(status=302, headers={"Location": "https://www.google.com/sorry/index?q=1"}), "robot"),
}


@pytest.mark.parametrize("kind", PASSING)
def test_only_the_failed_part_is_asked_for_again(google: GoogleTts, clips: list[Clip], kind: str) -> None:
    google.faults.extend([Fault(), PASSING[kind][0], Fault(), Fault()])
    speech = speak(long_text(clips))
    texts = [asked.text for asked in google.asked]
    assert len(texts) == 4
    assert texts[1] == texts[2]
    assert len({texts[0], texts[1], texts[3]}) == 3
    expected = sum(asked.clip.seconds for asked in google.asked if asked.clip)
    assert speech.samples.size / speech.sample_rate == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("kind", PASSING)
def test_what_never_passes_is_a_failure_with_words(google: GoogleTts, kind: str) -> None:
    fault, words = PASSING[kind]
    google.faults.extend([fault] * 3)
    with pytest.raises(ServiceError, match=words) as failed:
        speak("你好", network={"retries": 2})
    assert failed.value.attempts == 3
    assert len(google.asked) == 3
    assert "\n" not in str(failed.value)


def broken_clips(clips: list[Clip]) -> dict[str, tuple[bytes, str]]:
    mp3 = clips[0].mp3
    damaged = bytearray(mp3)
    damaged[9_000:12_000] = bytes(3_000)
    return {
        "cut inside a frame": (mp3[:20_000], "cut short: 4[0-9] of 10[45] bytes of frame"),
        "one byte short": (mp3[:-1], "cut short"),
        "cut between frames": (mp3[: 104 * 2], "cannot be the speech|cut short"),
        "damaged": (bytes(damaged), "damaged MP3"),
        "not audio": (b"\x00" * 500, "no MP3"),
        "silence": (silence(), "silence instead of speech"),
    }


def silence() -> bytes:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(48_000, np.float32), 24_000, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


@pytest.mark.parametrize(
    "kind", ["cut inside a frame", "one byte short", "cut between frames", "damaged", "not audio", "silence"]
)
def test_audio_that_is_not_whole_is_never_taken(google: GoogleTts, clips: list[Clip], kind: str) -> None:
    mp3, words = broken_clips(clips)[kind]
    google.faults.append(Fault(mp3=mp3))
    with pytest.raises(ServiceError, match=words):
        speak(clips[0].text, network={"retries": 0})
    google.faults.append(Fault(mp3=mp3))
    speech = speak(clips[0].text)
    assert speech.samples.size / speech.sample_rate == pytest.approx(clips[0].seconds, abs=0.08)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=403, body=HTML), "403.*unusual traffic.*blocked us"),
        (Fault(status=404, body="Not Found"), "404.*tld"),
        (Fault(body=HTML), "web page instead of speech.*unusual traffic"),
        (Fault(status=301, headers={"Location": "https://consent.google.com/x?secret=1"}), "consent.google.com"),
    ],
)
def test_a_block_stops_the_build(google: GoogleTts, clips: list[Clip], fault: Fault, words: str) -> None:
    google.faults.append(fault)
    with pytest.raises(ServiceDown, match=words) as stopped:
        speak(long_text(clips))
    assert len(google.asked) == 1
    assert "secret" not in str(stopped.value)


def test_a_wait_that_is_asked_for_beyond_patience_stops_the_build(google: GoogleTts) -> None:
    google.faults.append(Fault(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(ServiceDown, match="3,600 s"):
        speak("你好")
    assert len(google.asked) == 1


@pytest.mark.parametrize("fault", [Fault(drip=0.05), Fault(silent=True)], ids=["drip", "silence"])
def test_a_slow_answer_ends_with_its_time_limit(google: GoogleTts, clips: list[Clip], fault: Fault) -> None:
    """The drip alone would take half an hour, and each byte comes well within the limit."""
    google.faults.append(fault)
    with pytest.raises(ServiceError, match=r"no whole answer within 0\.5 s"):
        speak(clips[0].text, network={"timeout": 0.5, "retries": 0})
    google.faults.append(fault)
    assert speak(clips[0].text, network={"timeout": 2.0}).samples.size > 0
    assert len(google.asked) == 3


def test_sentences_wait_for_each_other(google: GoogleTts, clips: list[Clip]) -> None:
    async def run() -> None:
        engine = GttsEngine(GttsConfig(network=Policy(concurrency=2, backoff=0.001)))
        await asyncio.gather(*(engine.speak(clip.text, "zho_Hans", None, PLAIN, 0) for clip in clips))
        await engine.aclose()
        engine.close()

    asyncio.run(run())
    assert len(google.asked) == len(clips)
    assert google.most_at_once <= 2


# --- proxies and certificates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_of_the_environment_are_trusted(
    google: GoogleTts, environment: Callable[..., None], variable: str
) -> None:
    environment(https_proxy=google.proxy, **{variable: str(google.authority)})
    assert speak("你好").samples.size > 0


def test_without_them_the_error_names_the_certificate(google: GoogleTts, environment: Callable[..., None]) -> None:
    environment(HTTPS_PROXY=google.proxy)
    with pytest.raises(ServiceDown, match=r"certificate is not trusted.*SSL_CERT_FILE") as stopped:
        speak("你好")
    assert not google.asked
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read(
    google: GoogleTts, environment: Callable[..., None], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "mine.pem"
    if content is not None:
        path.write_text(content)
    environment(HTTPS_PROXY=google.proxy, REQUESTS_CA_BUNDLE=str(path))
    with pytest.raises(ServiceDown, match=r"REQUESTS_CA_BUNDLE names .*mine\.pem"):
        speak("你好")
    assert not google.connects


def test_no_proxy_is_heeded(google: GoogleTts, environment: Callable[..., None]) -> None:
    """`.test` exists nowhere: who does not ask the proxy finds nobody."""
    environment(HTTPS_PROXY=google.proxy, REQUESTS_CA_BUNDLE=str(google.authority))
    assert speak("你好", tld="test").samples.size > 0
    google.connects.clear()
    environment(HTTPS_PROXY=google.proxy, NO_PROXY="google.test", REQUESTS_CA_BUNDLE=str(google.authority))
    with pytest.raises(ServiceError):
        speak("你好", tld="test", network={"retries": 0, "connect_timeout": 2.0, "timeout": 5.0})
    assert not google.connects


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_refuses_stops_the_build(google: GoogleTts, status: int) -> None:
    google.refuse_proxy = status
    with pytest.raises(ServiceDown, match=f"proxy of the environment .* refuses: {status}"):
        speak("你好")
    assert len(google.connects) == 1


def test_a_wrong_proxy_does_not_tell_its_password(google: GoogleTts, environment: Callable[..., None]) -> None:
    environment(HTTPS_PROXY="gopher://me:hunter2@127.0.0.1:1", REQUESTS_CA_BUNDLE=str(google.authority))
    with pytest.raises(ServiceDown, match="HTTPS_PROXY") as stopped:
        speak("你好")
    assert "hunter2" not in str(stopped.value)


# --- settings ------------------------------------------------------------------------------------------------------


def test_languages_are_those_of_gtts_and_of_flores() -> None:
    from gtts.lang import tts_langs

    assert set(LANGUAGES.values()) <= set(tts_langs())
    assert set(LANGUAGES) <= set(FLORES)
    assert set(tts_langs()) - set(LANGUAGES.values()) == {"fr-CA", "la", "pt-PT", "zh"}


def test_tibetan_is_refused_before_the_first_request(google: GoogleTts) -> None:
    engine = GttsEngine(GttsConfig())
    assert "bod_Tibt" not in engine.languages()
    with pytest.raises(RecipeError, match="does not speak bod_Tibt"):
        engine.check("bod_Tibt", None, PLAIN)
    with pytest.raises(RecipeError, match="no language 'bo'"):
        GttsEngine(GttsConfig(languages={"bod_Tibt": "bo"})).check("bod_Tibt", None, PLAIN)
    assert not google.connects


@pytest.mark.parametrize(("voice", "words"), [("zh-XX", "no language 'zh-XX'"), ("en/evil.com/x", "no voice of gtts")])
def test_wrong_voices(voice: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        GttsEngine(GttsConfig()).check("eng_Latn", voice, PLAIN)


@pytest.mark.parametrize("prosody", [Prosody(rate=10), Prosody(pitch=-5)])
def test_rate_and_pitch_are_refused(prosody: Prosody) -> None:
    with pytest.raises(RecipeError, match=r"neither rate nor pitch.*slow"):
        GttsEngine(GttsConfig()).check("zho_Hans", None, prosody)


def test_what_it_can_do_is_accepted() -> None:
    engine = GttsEngine(GttsConfig(tld="co.uk", languages={"fra_Latn": "fr-CA"}))
    for lang in engine.languages():
        engine.check(lang, None, PLAIN)
    engine.check("eng_Latn", "en/com.au", PLAIN)
    assert engine.languages()["fra_Latn"] == "fr-CA/co.uk"


def test_it_is_throttled_by_default_and_after_a_partial_change() -> None:
    for config in (GttsConfig(), GttsConfig(network={"retries": 1})):
        assert (config.network.concurrency, config.network.requests_per_minute) == (2, 60)
    assert GttsConfig(network={"requests_per_minute": None}).network.requests_per_minute is None


@pytest.mark.parametrize(
    "settings", [{"tld": "evil.com/"}, {"tld": "com@evil"}, {"languages": {"zh": "zh-CN"}}, {"speed": 2}]
)
def test_wrong_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GttsConfig(**settings)


def test_it_is_listed_without_importing_gtts_or_asking_anybody() -> None:
    program = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise AssertionError('a connection')\n"
        "socket.socket.connect = refuse\n"
        "from corpusforge.registry import find\n"
        "kind = find('engines', 'gtts'); engine = kind(kind.Config())\n"
        "assert engine.network and engine.available() is None and engine.languages()['zho_Hans'] == 'zh-CN'\n"
        "print(engine.revision('zho_Hans'))\n"
        "print([name for name in ('gtts', 'requests', 'httpx', 'numpy', 'soundfile') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    from importlib.metadata import version

    revision, loaded = done.stdout.splitlines()
    assert version("gTTS") in revision
    assert loaded == "[]"


def test_it_is_registered() -> None:
    assert find("engines", "gtts") is GttsEngine


def test_an_answer_with_lines_of_lengths_is_understood(clips: list[Clip]) -> None:
    """Google sends this form when it answers in pieces."""
    from corpusforge.speech.engines.gtts_client import audio_of

    body = envelope("jQ1olc", clips[0].mp3).removeprefix(")]}'\n\n")
    assert audio_of(f')]}}\'\n\n{len(body)}\n{body}\n25\n[["e",4,null,null,1]]\n', "jQ1olc") == clips[0].mp3

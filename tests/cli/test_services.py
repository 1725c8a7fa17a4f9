"""Whole builds with a service of another package, over real requests: what is asked, what stops, what is told."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import soundfile

from tests.cli.program import Done, rows, run

ENGINE = """
import io, urllib.error, urllib.parse, urllib.request
from corpusforge.net.faults import Refused, fault_of_status
from corpusforge.net.policy import Policy
from corpusforge.net.service import Service
from corpusforge.speech.engine import EngineConfig, RemoteEngine, Speech
from pydantic import Field

class Config(EngineConfig):
    url: str = Field("", json_schema_extra={"semantic": False})
    network: Policy = Field(Policy(retries=0, concurrency=2), json_schema_extra={"semantic": False})

class Ringer(RemoteEngine):
    name, license, network, Config = "ringer", "CC0-1.0", True, Config

    def __init__(self, config):
        self.config = config
        self._service = Service("the bell", config.network)

    concurrency = 4

    def languages(self):
        return {lang: "bell" for lang in ("zho_Hans", "eng_Latn")}

    def revision(self, lang):
        return {"ringer": 1}

    def available(self):
        try:
            urllib.request.urlopen(self.config.url + "/here", timeout=5).close()
        except OSError:
            return "nobody rings: start the bell"
        return None

    async def speak(self, text, lang, voice, prosody, seed):
        import soundfile
        query = urllib.parse.urlencode({"text": text, "lang": lang, "seed": seed})

        def ring():
            try:
                with urllib.request.urlopen(f"{self.config.url}/say?{query}", timeout=20) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                body = error.read().decode()
                raise Refused(fault_of_status(error.code, dict(error.headers), body)) from None

        samples, rate = soundfile.read(io.BytesIO(await self._service.call_blocking(ring)), dtype="float32")
        return Speech(samples, rate, voice or "bell", 4, 0)

    async def aclose(self):
        self._service.close()
"""
RECIPE = """
name: rung
source: {type: table, path: text.jsonl, columns: {zho_Hans: zh, eng_Latn: en}}
stages:
  - stage: synthesize
    engine: {zho_Hans: ringer, eng_Latn: espeak}
  - stage: measure
gates: {}
"""
COUNT = 12
CHAIN = "synthesize.engine={zho_Hans: [ringer, espeak], eng_Latn: espeak}"


class Bell:
    """Answers with a tone. `refused`: status by text; `blocked`: how many it answers before it answers nobody."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.refused: dict[str, int] = {}
        self.blocked: int | None = None
        bell = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                where = urlsplit(self.path)
                if where.path == "/here":
                    return self.answer(200, b"yes")
                values = {name: value[0] for name, value in parse_qs(where.query).items()}
                bell.asked.append(values)
                status = bell.refused.get(values["text"], 200)
                if bell.blocked is not None and len(bell.asked) > bell.blocked:
                    status = 403
                return self.answer(status, tone(values["text"]) if status == 200 else b"no bell for this")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def texts(self) -> list[str]:
        return sorted(asked["text"] for asked in self.asked)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def tone(text: str) -> bytes:
    wave = io.BytesIO()
    samples = 0.3 * np.sin(np.arange(22050) * (0.1 + sum(map(ord, text)) % 97 / 500))
    soundfile.write(wave, samples, 22050, format="WAV", subtype="PCM_16")
    return wave.getvalue()


@pytest.fixture
def bell() -> Iterator[Bell]:
    server = Bell()
    yield server
    server.close()


class Home:
    def __init__(self, folder: Path, site: Path, bell: Bell) -> None:
        self.folder, self.site, self.bell = folder, site, bell
        self.corpus = folder / "manifests" / "rung"

    def run(self, *arguments: object) -> Done:
        path = os.pathsep.join(filter(None, [str(self.site), os.environ.get("PYTHONPATH")]))
        return run(*arguments, cwd=self.folder, PYTHONPATH=path, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")

    def build(self, *arguments: object) -> Done:
        engine = json.dumps({"ringer": {"url": self.bell.url}})
        return self.run("build", "rung.yaml", "--set", f"synthesize.engines={engine}", *arguments)

    def report(self, *arguments: object) -> dict[str, Any]:
        done = self.build(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def home(tmp_path: Path, bell: Bell) -> Home:
    site, folder = tmp_path / "site", tmp_path / "home"
    info = site / "ringer_engine-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "ringer_engine.py").write_text(ENGINE, "utf8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ringer-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[corpusforge.engines]\nringer = ringer_engine:Ringer\n")
    folder.mkdir()
    lines = [{"id": f"s{number}", "zh": f"第{number}句话", "en": f"Sentence {number}."} for number in range(COUNT)]
    (folder / "text.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf8")
    (folder / "rung.yaml").write_text(RECIPE, "utf8")
    return Home(folder, site, bell)


def test_a_service_is_asked_for_its_language_once(home: Home) -> None:
    report = home.report()
    assert report["made"] == {"speak": COUNT, "synthesize": 2 * COUNT, "measure": 2 * COUNT}
    assert home.bell.texts() == sorted(f"第{number}句话" for number in range(COUNT))
    spoken = {(row["lang"], row["engine"]) for row in rows(home.corpus)}
    assert spoken == {("zho_Hans", "ringer"), ("eng_Latn", "espeak")}
    assert home.report()["made"] == {}
    assert len(home.bell.asked) == COUNT


def test_another_sample_rate_needs_no_service_at_all(home: Home) -> None:
    home.report()
    home.bell.close()
    for change in ("synthesize.audio.sample_rate=8000", "synthesize.audio.format=wav"):
        assert home.report("--set", change)["made"]["synthesize"] == 2 * COUNT
    done = home.build("--force", "speak")
    assert (done.returncode, "'ringer' cannot speak zho_Hans: nobody rings: start the bell" in done.stderr) == (5, True)


def test_force_asks_again_or_finishes_again(home: Home) -> None:
    home.report()
    first = sorted(str(asked) for asked in home.bell.asked)
    home.bell.asked.clear()
    assert home.report("--force", "synthesize")["made"]["synthesize"] == 2 * COUNT
    assert home.bell.asked == []
    assert home.report("--force", "speak")["made"] == {"speak": COUNT}
    assert sorted(str(asked) for asked in home.bell.asked) == first  # with the same seeds


def test_first_what_is_asked_and_the_rest_without_the_service(home: Home) -> None:
    report = home.report("--to", "speak")
    assert (report["made"], report["waiting"], report["complete"]) == ({"speak": COUNT}, 2 * COUNT, False)
    home.bell.close()
    assert home.report("--from", "synthesize")["utterances"] == 2 * COUNT


def test_a_blocked_build_stops_with_its_own_status_and_goes_on_where_it_was(home: Home) -> None:
    home.bell.blocked = 5
    done = home.build()
    assert done.returncode == 7
    assert "the bell" in done.stderr and "403" in done.stderr
    assert "What is done is kept" in done.stderr
    assert "Stopped after" in done.stdout
    assert not (home.corpus / "corpus.json").exists()
    assert "its last build did not end: the same build command goes on" in home.run("status").stdout
    answered = [asked["text"] for asked in home.bell.asked[:5]]
    home.bell.blocked = None
    home.bell.asked.clear()
    report = home.report()
    assert (report["utterances"], report["halted"]) == (2 * COUNT, None)
    # Of two on the wire, one may have been answered when the other's block stopped the build.
    assert len(set(answered) & set(home.bell.texts())) <= 1
    assert len(set(answered) | set(home.bell.texts())) == COUNT


def test_a_fallback_is_in_the_report_in_why_and_in_the_manifest(home: Home) -> None:
    home.bell.refused = {"第3句话": 422, "第5句话": 422}
    done = home.build("--set", CHAIN)
    assert done.returncode == 0, done.stderr
    assert "2 × a later engine spoke instead of 'ringer', the first time because: the bell: HTTP 422" in done.stdout
    spoken = {row["id"]: row["engine"] for row in rows(home.corpus) if row["lang"] == "zho_Hans"}
    assert {id for id, engine in spoken.items() if engine == "espeak"} == {"s3.zho_Hans", "s5.zho_Hans"}
    why = home.run("why", "rung.yaml", "--set", CHAIN, "s3.zho_Hans").stdout
    assert "speak        cached    same inputs and settings; instead of 'ringer', which could not speak it" in why
    assert "instead of" not in home.run("why", "rung.yaml", "--set", CHAIN, "s4.zho_Hans").stdout
    assert "speak  " not in home.run("why", "rung.yaml", "--set", CHAIN, "s3.eng_Latn").stdout
    home.bell.asked.clear()
    again = home.report("--set", CHAIN)
    assert (again["made"], again["told"], home.bell.asked) == ({}, [], [])
    home.bell.refused.clear()
    forced = home.report("--set", CHAIN, "--force", "speak")
    assert forced["told"] == []
    assert {row["engine"] for row in rows(home.corpus) if row["lang"] == "zho_Hans"} == {"ringer"}


def test_a_chain_goes_on_without_a_service_that_is_down(home: Home) -> None:
    home.bell.close()
    report = home.report("--set", CHAIN)
    (told,) = report["told"]
    assert (told["what"], told["count"]) == ("a later engine spoke instead of 'ringer'", COUNT)
    assert "refused" in told["first"]
    assert {row["engine"] for row in rows(home.corpus)} == {"espeak"}


def test_gc_keeps_what_a_service_has_spoken(home: Home) -> None:
    home.report()
    found = json.loads(home.run("gc", "--json").stdout)
    assert (found["results"], found["kept"]) == (0, 5 * COUNT)
    home.report("--set", "synthesize.audio.sample_rate=8000")
    assert len(home.bell.asked) == COUNT


def test_settings_of_the_engine_are_refused_with_their_line(home: Home) -> None:
    recipe = home.folder / "rung.yaml"
    text = recipe.read_text("utf8")
    recipe.write_text(text.replace("  - stage: m", "    engines: {ringer: {urll: x}}\n  - stage: m"), "utf8")
    done = home.run("build", "rung.yaml", "--dry-run")
    assert (done.returncode, "rung.yaml:7:24: " in done.stderr, "did you mean 'url'?" in done.stderr) == (2, True, True)

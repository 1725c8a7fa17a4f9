"""The whole recipe `mms` on 30 reviews: a model, gTTS, MaryTTS and a VITS voice, killed, and gone on with.

Every service counts on its own side what it was asked.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import PROGRAM, fingerprint, rows, run
from tests.patience import until
from tests.servers.google_tts import GoogleTts, read_clips
from tests.servers.marytts import LHASA, STOCK, MaryServer
from tests.servers.models import Handle, serving
from tests.speech.mms_tts_tools import BURMESE, save_checkpoint

pytest.importorskip("gtts")
pytest.importorskip("transformers")

GROUPS = 30
UNREADABLE = "མོ་མོ"
"""What the MaryTTS server fails on, so that the next engine of the chain speaks."""
WIRE = {"model": 8, "google": 2, "mary": 4}
"""Requests that may be on the wire at once, and so be asked for a second time after a kill."""


@dataclass
class Services:
    """All that the recipe asks."""

    model: Handle
    google: GoogleTts
    mary: MaryServer
    arguments: list[str]
    environment: dict[str, str]

    def asked(self) -> dict[str, int]:
        """Requests so far, by service."""
        return {
            "model": self.model.asked(),
            "google": len(self.google.asked),
            "mary": sum(request.path == "/process" for request in self.mary.requests),
        }

    def most(self) -> dict[str, int]:
        """How often the same thing was asked, at most."""
        mary = Counter(str(request.parameters) for request in self.mary.requests if request.path == "/process")
        return {
            "model": self.model.look()["most"],
            "google": max(Counter((asked.text, asked.lang) for asked in self.google.asked).values()),
            "mary": max(mary.values()),
        }


@pytest.fixture
def services(shared_data: Path, tmp_path: Path) -> Iterator[Services]:
    checkpoint = save_checkpoint(tmp_path / "vits-mya", BURMESE)
    google = GoogleTts(read_clips(shared_data / "gtts_zh"), tmp_path)
    engines = (
        "{gtts: {network: {requests_per_minute: null, concurrency: 2}}, marytts: {network: {concurrency: 4}}, "
        f"mms_tts: {{checkpoints: {{mya_Mymr: '{checkpoint}'}}, device: cpu}}}}"
    )
    settings = [
        f"translate.network.concurrency={WIRE['model']}",
        # The paper's voices, but for Burmese, so that every kind of service is there.
        "synthesize.engine.bod_Tibt=[marytts, espeak]",
        "synthesize.engine.mya_Mymr=mms_tts",
        f"synthesize.engines={engines}",
        # The stand-in for Google answers with the clip that is nearest in length, and the tiny voice hums.
        "gates={}",
        "source.max_length=60",
    ]
    source = str(shared_data / "mms_zh" / "mms_zh.jsonl")
    arguments = ["build", "mms", "--profile", "paper", "--source", source, "--limit", str(GROUPS)]
    for setting in settings:
        arguments += ["--set", setting]
    with serving() as model, google, MaryServer(voices=[*STOCK, LHASA], unreadable=[UNREADABLE]) as mary:
        environment = {
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "sk-never-to-be-seen-anywhere",
            "MARYTTS_URL": mary.url,
            "HTTPS_PROXY": google.proxy,
            "https_proxy": google.proxy,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(google.authority),
            "HF_HUB_OFFLINE": "1",
        }
        yield Services(model, google, mary, arguments, environment)


def complete(services: Services, home: Path) -> Path:
    """Build to the end."""
    done = run(*services.arguments, cwd=home, **services.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "manifests" / "mms"


def test_every_voice_speaks_and_the_second_run_asks_nobody(services: Services, tmp_path: Path) -> None:
    corpus = complete(services, tmp_path)
    first = services.asked()
    made = rows(corpus)
    left_out = rows(corpus, "rejected.jsonl")
    assert len(made) + len(left_out) == 3 * GROUPS
    assert {row["stage"] for row in left_out} <= {"translate"}
    spoken = {(row["lang"], row["engine"]) for row in made}
    assert spoken >= {("zho_Hans", "gtts"), ("mya_Mymr", "mms_tts"), ("bod_Tibt", "marytts"), ("bod_Tibt", "espeak")}
    for row in made:
        assert (row["translation"] is None) == (row["lang"] == "zho_Hans")
        assert row["label"] in {"negative", "neutral", "positive"}
        assert row["engine"] != "espeak" or UNREADABLE in row["text"]
    again = run(*services.arguments, cwd=tmp_path, **services.environment)
    assert again.returncode == 0 and "unchanged" in again.stdout
    assert services.asked() == first

    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"never-to-be-seen" not in path.read_bytes(), path


@pytest.mark.parametrize("moment", ["model", "google", "mary"])
def test_killed_in_the_middle_and_gone_on_with(services: Services, tmp_path: Path, moment: str) -> None:
    services.model.does(latency=0.05)
    process = subprocess.Popen(
        [PROGRAM, *services.arguments],
        cwd=tmp_path,
        env={**os.environ, **services.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: services.asked()[moment] >= 12, process=process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    services.model.does(latency=0.0)

    corpus = complete(services, tmp_path)
    asked, most = services.asked(), services.most()
    assert all(times <= 2 for times in most.values()), most
    whole = fresh(services, tmp_path / "undisturbed")
    for name, count in asked.items():
        # What was on the wire at the kill is lost with it, and what was kept for less than half a second.
        assert whole[name] <= count <= whole[name] + margin(name), (name, count, whole)
    assert fingerprint(corpus) == fingerprint(tmp_path / "undisturbed" / "manifests" / "mms")


def test_stopped_politely_nothing_is_asked_twice(services: Services, tmp_path: Path) -> None:
    services.model.does(latency=0.1)
    process = subprocess.Popen(
        [PROGRAM, *services.arguments],
        cwd=tmp_path,
        env={**os.environ, **services.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: services.asked()["model"] >= 20, process=process)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and re.search(r"Stopped after .* What is done is kept", said), said
    complete(services, tmp_path)
    assert services.most()["model"] == 1


def fresh(services: Services, home: Path) -> dict[str, int]:
    """What an undisturbed build of its own asks."""
    home.mkdir()
    before = services.asked()
    complete(services, home)
    return {name: count - before[name] for name, count in services.asked().items()}


def margin(name: str) -> int:
    """Requests that a kill may cost: those on the wire, and for voices those whose clip was not in the index yet."""
    return WIRE[name] if name == "model" else WIRE[name] + 24

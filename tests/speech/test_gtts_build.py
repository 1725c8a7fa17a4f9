"""Whole builds with the engine `gtts`: the program itself, through the proxy, to the stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.cli.program import rows, run
from tests.servers.google_tts import Clip, Fault, GoogleTts, read_clips

pytest.importorskip("gtts")

RECIPE = """
name: spoken
source: {type: table, path: text.jsonl, columns: {zho_Hans: text}}
stages:
  - stage: synthesize
    engine: gtts
    audio: {sample_rate: 16000}
    engines:
      gtts: {network: {requests_per_minute: null, backoff: 0.01, retries: 1}}
  - stage: measure
"""


@pytest.fixture
def clips(shared_data: Path) -> list[Clip]:
    return read_clips(shared_data / "gtts_zh")


@pytest.fixture
def google(clips: list[Clip], tmp_path: Path) -> Iterator[GoogleTts]:
    with GoogleTts(clips, tmp_path) as server:
        yield server


@pytest.fixture
def home(clips: list[Clip], tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    lines = [json.dumps({"text": clip.text}, ensure_ascii=False) for clip in clips]
    (folder / "text.jsonl").write_text("\n".join(lines) + "\n", "utf8")
    (folder / "spoken.yaml").write_text(RECIPE, "utf8")
    return folder


def environment(google: GoogleTts) -> dict[str, str]:
    return {**proxied(google), "REQUESTS_CA_BUNDLE": str(google.authority)}


def proxied(google: GoogleTts) -> dict[str, str]:
    """Nothing that a developer's own environment says about proxies is left."""
    return {"HTTPS_PROXY": google.proxy, "https_proxy": google.proxy, "NO_PROXY": "", "no_proxy": ""}


def test_a_corpus_has_what_google_said(google: GoogleTts, home: Path, clips: list[Clip]) -> None:
    done = run("build", "spoken.yaml", cwd=home, **environment(google))
    assert done.returncode == 0, done.stderr
    corpus = home / "manifests" / "spoken"
    seconds = {clip.text.strip(): clip.seconds for clip in clips}
    made = rows(corpus)
    assert len(made) == len(clips)
    for row in made:
        assert (row["engine"], row["voice"]) == ("gtts", "zh-CN")
        assert soundfile.info(corpus / row["audio"]).duration == pytest.approx(seconds[row["text"]], abs=0.08)
    assert len(google.asked) == len(clips)


def test_nothing_is_asked_twice_and_only_failures_again(google: GoogleTts, home: Path, clips: list[Clip]) -> None:
    bad = {clips[3].text: Fault(no_audio=True), clips[7].text: Fault(mp3=clips[7].mp3[:5000])}
    google.faulty.update(bad)
    done = run("build", "spoken.yaml", cwd=home, **environment(google))
    assert done.returncode == 1
    assert "without audio" in done.stdout + done.stderr
    assert "cut short" in done.stdout + done.stderr
    assert len(google.asked) == len(clips) + len(bad)  # each was tried twice
    google.faulty.clear()
    google.asked.clear()
    done = run("build", "spoken.yaml", cwd=home, **environment(google))
    assert done.returncode == 0, done.stderr
    assert {asked.text for asked in google.asked} == set(bad)
    google.asked.clear()
    done = run("build", "spoken.yaml", "--set", "synthesize.audio.sample_rate=8000", cwd=home, **environment(google))
    assert done.returncode == 0, done.stderr
    assert not google.asked
    assert len(rows(home / "manifests" / "spoken")) == len(clips)


def test_tibetan_is_refused_before_the_first_request(google: GoogleTts, home: Path) -> None:
    recipe = (home / "spoken.yaml").read_text("utf8").replace("zho_Hans", "bod_Tibt")
    (home / "spoken.yaml").write_text(recipe, "utf8")
    done = run("build", "spoken.yaml", cwd=home, **environment(google))
    assert done.returncode == 2
    assert "does not speak bod_Tibt" in done.stderr
    assert not google.connects


def test_a_block_stops_the_build_and_keeps_what_is_done(google: GoogleTts, home: Path, clips: list[Clip]) -> None:
    google.faults.extend([Fault()] * 5 + [Fault(status=403, body="<html><body>blocked</body></html>")] * 20)
    done = run("build", "spoken.yaml", cwd=home, **environment(google))
    assert done.returncode not in (0, 2)
    assert "403" in done.stderr
    assert "What is done is kept" in done.stderr
    assert 6 <= len(google.asked) <= 7
    google.faults.clear()
    google.asked.clear()
    done = run("build", "spoken.yaml", cwd=home, **environment(google))
    assert done.returncode == 0, done.stderr
    # One may have been on its way when the build stopped.
    assert len(clips) - 5 <= len(google.asked) <= len(clips) - 4


def test_an_untrusted_certificate_is_one_line(google: GoogleTts, home: Path) -> None:
    import certifi

    done = run("build", "spoken.yaml", cwd=home, REQUESTS_CA_BUNDLE=certifi.where(), **proxied(google))
    assert done.returncode not in (0, 2)
    assert "certificate is not trusted" in done.stderr
    assert not google.asked

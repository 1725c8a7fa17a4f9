"""Checkpoints of the Hub: the real client against a server on this machine, or against none."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra train is not installed")
pytest.importorskip("transformers", reason="the extra train is not installed")

from tests.train.checkpoints import save_speech, save_text

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "ab" * 20


class Hub(ThreadingHTTPServer):
    """Serves folders as the Hub does: `/api/models/owner/name/…` lists, `/owner/name/resolve/commit/file` reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.asked: list[str] = []
        self.hold: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.hold is not None:
            self.server.hold.wait()
            return
        parts = self.path.split("?")[0].strip("/").split("/")
        name = parts[3] if parts[:2] == ["api", "models"] else parts[1] if len(parts) > 1 else ""
        folder = self.server.folder / name
        headers, content, status = {}, b"", 404
        if parts[:2] == ["api", "models"] and folder.is_dir():
            files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
            body = {"id": f"{parts[2]}/{name}", "sha": COMMIT, "siblings": files}
            content, status = json.dumps(body).encode(), 200
            headers["Content-Type"] = "application/json"
        elif len(parts) == 5 and (folder / parts[4]).is_file():
            content, status = (folder / parts[4]).read_bytes(), 200
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        else:
            headers["X-Error-Code"] = "EntryNotFound" if folder.is_dir() else "RepoNotFound"
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "served").mkdir()
    server = Hub(tmp_path / "served")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if server.hold is not None:
            server.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


def run(code: str, endpoint: str, cache: Path, **environment: str) -> list[str]:
    """Lines that a process of its own prints: the Hub's client reads its environment when it is imported."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("HF_") and "proxy" not in name.lower()
    }
    start = (
        "from corpusforge.train.encoders import hub, speech_encoder, text_encoder\n"
        "def say(make, spec):\n"
        "    try: print(make(spec).name)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", start + code],
        cwd=ROOT,
        env=kept | settings | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


BOTH = "say(text_encoder, 'someone/text')\nsay(speech_encoder, 'someone/speech')\n"


def test_a_checkpoint_is_downloaded_once_and_then_nobody_is_asked(hub: Hub, tmp_path: Path) -> None:
    save_text(hub.folder / "text", "roberta")
    (hub.folder / "text" / "pytorch_model.bin").write_bytes(b"the same weights once more")
    save_speech(hub.folder / "speech", "hubert")
    names = [f"someone/text@{COMMIT[:12]}", f"someone/speech@{COMMIT[:12]}"]
    assert run(BOTH, hub.url, tmp_path / "hf") == names
    assert any("model.safetensors" in line for line in hub.asked)
    assert not any("pytorch_model.bin" in line for line in hub.asked)
    hub.asked.clear()
    assert run(BOTH, hub.url, tmp_path / "hf") == names
    assert run(BOTH, hub.url, tmp_path / "hf", HF_HUB_OFFLINE="1") == names
    assert hub.asked == []


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_without_a_network_it_is_said_how_to_get_it_and_what_needs_none(environment, tmp_path: Path) -> None:
    said = run(BOTH, "http://127.0.0.1:9", tmp_path / "hf", **environment)
    assert len(said) == 2
    for line, name in zip(said, ("someone/text", "someone/speech"), strict=True):
        assert line.startswith(f"MissingDependency the checkpoint {name} is not in the Hub's cache")
        assert f"`hf download {name}`" in line
        assert "`--preset small` or `--preset tiny`" in line


def test_a_hub_that_never_answers_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.hold = threading.Event()
    (said,) = run("hub.TIMEOUT = 0.5\nsay(text_encoder, 'someone/text@main')", hub.url, tmp_path / "hf")
    assert said.startswith("MissingDependency") and "`hf download someone/text --revision main`" in said
    assert len(hub.asked) == 1


def test_a_checkpoint_that_the_hub_does_not_have_is_named(hub: Hub, tmp_path: Path) -> None:
    (said,) = run("say(text_encoder, 'someone/nothing')", hub.url, tmp_path / "hf")
    assert said.startswith("MissingDependency the checkpoint someone/nothing") and "RepositoryNotFoundError" in said


def test_a_repository_without_weights_is_no_checkpoint(hub: Hub, tmp_path: Path) -> None:
    save_text(hub.folder / "text", "bert")
    (hub.folder / "text" / "model.safetensors").unlink()
    (said,) = run("say(text_encoder, 'someone/text')", hub.url, tmp_path / "hf")
    assert "someone/text is no checkpoint that transformers reads: it has none of model.safetensors" in said

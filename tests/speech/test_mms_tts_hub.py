"""Checkpoints of the Hub: the real client against a server on this machine; downloaded once, then nobody is asked."""

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

from corpusforge.speech.engines.mms_tts_checkpoints import FILES, PINNED
from tests.speech.mms_tts_tools import save_checkpoint

pytest.importorskip("torch", reason="pip install 'corpusforge[neural]'")
pytest.importorskip("transformers", reason="pip install 'corpusforge[neural]'")

ROOT = Path(__file__).resolve().parents[2]
COMMITS = {"facebook/mms-tts-bod": PINNED["facebook/mms-tts-bod"], "facebook/mms-tts-mya": "12" * 20}


class Hub(ThreadingHTTPServer):
    """Serves one checkpoint under two names, as huggingface.co resolves files: `/owner/name/resolve/revision/file`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        parts = self.path.strip("/").split("/")
        commit = COMMITS.get("/".join(parts[:2]))
        path = self.server.folder / parts[-1]
        known = len(parts) == 5 and parts[2] == "resolve" and parts[3] in ("main", commit) and path.is_file()
        content = path.read_bytes() if known else b""
        self.send_response(200 if known else 404)
        if known:
            self.send_header("X-Repo-Commit", str(commit))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        else:
            self.send_header("X-Error-Code", "EntryNotFound" if commit else "RepoNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    server = Hub(save_checkpoint(tmp_path / "served"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(code: str, endpoint: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the Hub's client reads its environment when it is imported."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("HF_") and "proxy" not in name.lower()
    }
    start = (
        "import json, asyncio\n"
        "from corpusforge.errors import CorpusforgeError\n"
        "from corpusforge.speech.engine import Prosody\n"
        "from corpusforge.speech.engines.mms_tts import *\n"
        "from tests.speech.mms_tts_tools import *\n"
        "one = MmsTtsEngine(MmsTtsConfig(device='cpu'))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start + code],
        cwd=ROOT,
        env={
            **kept,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(cache),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
    )


SPEAK = (
    "one.check('bod_Tibt', None, Prosody())\n"
    "speech = speak_all(one, ['བོད་ཡིག'])[0]\n"
    "print(json.dumps([speech.voice, speech.license, digest(speech)]))"
)


def test_a_checkpoint_is_downloaded_before_the_first_sentence_and_never_again(hub: Hub, tmp_path: Path) -> None:
    first = run(SPEAK, hub.url, tmp_path / "hf")
    assert first.returncode == 0, first.stderr
    voice, licence, _ = json.loads(first.stdout.splitlines()[-1])
    assert (voice, licence) == ("facebook/mms-tts-bod", "CC-BY-NC-4.0")
    assert {line.split("/")[-1] for line in hub.asked} == set(FILES)
    assert all(f"/resolve/{PINNED['facebook/mms-tts-bod']}/" in line for line in hub.asked)
    hub.asked.clear()
    second = run(SPEAK, hub.url, tmp_path / "hf")
    assert second.stdout == first.stdout
    assert hub.asked == []


def test_without_a_network_the_command_that_downloads_is_said(tmp_path: Path) -> None:
    code = (
        "try: one.check('bod_Tibt', None, Prosody())\n"
        "except CorpusforgeError as error: print(type(error).__name__, error)"
    )
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        said = run(code, "http://127.0.0.1:9", tmp_path / "hf", **environment).stdout
        assert said.startswith("MissingDependency facebook/mms-tts-bod at e5767a90abf2 could not be downloaded")
        assert (
            f"`hf download facebook/mms-tts-bod {' '.join(FILES)} --revision {PINNED['facebook/mms-tts-bod']}`" in said
        )
        assert len(said.strip().splitlines()) == 1


def test_a_token_is_in_no_message(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "vocab.json").unlink()
    code = "try: one.check('bod_Tibt', None, Prosody())\nexcept CorpusforgeError as error: print(error)"
    said = run(code, hub.url, tmp_path / "hf", HF_TOKEN="hf_abcdefghijklmnop").stdout
    assert "could not be downloaded" in said
    assert "abcdefghij" not in said


def test_what_was_downloaded_as_main_is_in_the_key_by_its_commit(hub: Hub, tmp_path: Path) -> None:
    code = (
        "from huggingface_hub import hf_hub_download\n"
        "for name in checkpoints.FILES: hf_hub_download('facebook/mms-tts-mya', name)\n"
        "print(one.revision('mya_Mymr')['revision'])"
    )
    done = run(code, hub.url, tmp_path / "hf")
    assert done.stdout.split() == [COMMITS["facebook/mms-tts-mya"]], done.stderr


def test_a_key_imports_neither_torch_nor_the_hubs_client(tmp_path: Path) -> None:
    code = (
        "one.revision('bod_Tibt'), one.languages(), one.available(), one.detail()\n"
        "import sys\n"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub', 'numpy') if name in sys.modules])"
    )
    assert run(code, "http://127.0.0.1:9", tmp_path / "hf").stdout.split() == ["[]"]

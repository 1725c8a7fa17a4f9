"""The client against a server that others wrote: `@copilotkit/aimock`, with its Files, Batches, usage and faults."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpusforge.net.policy import Policy
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.store.answers import Answers, PendingBatch, Spent
from corpusforge.translate.asker import Asker, Live
from corpusforge.translate.batch import Batches, BatchSettings, service_name
from corpusforge.translate.budget import Budget, Prices, Purse
from corpusforge.translate.llm import Answer, Llm, Request

POLICY = Policy(retries=2, backoff=0.01, timeout=20, patience=10)
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": "dear"},
            "response": {
                "content": "བཀྲ་ཤིས།",
                "model": "as-served",
                "usage": {
                    "prompt_tokens": 1200,
                    "completion_tokens": 34,
                    "prompt_tokens_details": {"cached_tokens": 7},
                },
            },
        },
        {
            "match": {"userMessage": "busy", "sequenceIndex": 0},
            "response": {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 0},
        },
        {"match": {"userMessage": "busy", "sequenceIndex": 1}, "response": {"content": "now"}},
        {
            "match": {"userMessage": "long"},
            "response": {"content": "cut o", "finishReason": "length"},
        },
        {
            "match": {"userMessage": "wrong"},
            "response": {"error": {"message": "no such thing", "type": "invalid_request_error"}, "status": 400},
        },
    ]
}


def program() -> Path | None:
    """The server's own program, in a folder with `node_modules`."""
    folders = [os.environ.get("CORPUSFORGE_AIMOCK"), *os.environ.get("NODE_PATH", "").split(os.pathsep)]
    for folder in filter(None, folders):
        for modules in (Path(folder), Path(folder) / "node_modules"):
            path = modules / "@copilotkit" / "aimock" / "dist" / "cli.js"
            if path.is_file():
                return path
    return None


class Mock:
    """The running server."""

    def __init__(self, root: str) -> None:
        self.root, self.url = root, f"{root}/v1"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def journal(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "/__aimock/journal?limit=1000")
        return found

    def seen(self) -> Counter[tuple[str, str]]:
        return Counter((entry["method"], entry["path"].partition("?")[0]) for entry in self.journal())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    node, path = shutil.which("node"), program()
    if node is None or path is None:
        mend = "npm install --prefix DIR @copilotkit/aimock@1.43.0, and set CORPUSFORGE_AIMOCK=DIR"
        pytest.skip(f"needs node and aimock: {mend}")
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps(FIXTURES), "utf8")
    process = subprocess.Popen([node, path, "-p", "0", "-f", fixtures], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if "listening on" in line)
        yield Mock(line.split("listening on")[1].strip())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def mock(server: Mock) -> Mock:
    server.call("POST", "/__aimock/reset")
    server.call("POST", "/__aimock/fixtures", FIXTURES)
    server.call("DELETE", "/__aimock/chaos")
    return server


class Ending(Llm):
    """A client whose batches are to end in a certain way, as the server lets one ask for."""

    def __init__(self, url: str, outcome: str) -> None:
        super().__init__(url, "m", policy=POLICY)
        self.outcome = outcome

    def client(self) -> Any:
        return super().client().with_options(default_headers={"X-AIMock-Batch-Outcome": self.outcome})


class Desk:
    """An asker with all that it needs."""

    def __init__(self, llm: Llm, folder: Path, batch: bool) -> None:
        self.llm, self.answers, self.notes = llm, Answers(folder), []  # type: ignore[var-annotated]
        self.purse = Purse(Budget(), Prices(input=1, output=10, batch=0.5), self.answers.spent("c"), batch)
        live = Live(llm, self.purse, self.answers, "c", 100)
        settings = BatchSettings(size=3, idle=0.05, poll=0.02)
        batches = Batches(llm, self.purse, self.answers, "c", 100, settings, self.notes.append)
        self.asker = Asker(llm, batches if batch else live, self.answers, self.purse, "c")

    async def ask(self, *texts: str) -> list[Answer | BaseException]:
        requests = [Request((("user", text),)) for text in texts]
        return await asyncio.gather(*(self.asker.ask(each, "k") for each in requests), return_exceptions=True)

    async def close(self) -> None:
        await self.asker.finish()
        await self.llm.aclose()
        self.answers.close()


def ask(desk: Desk, *texts: str) -> list[Answer | BaseException]:
    async def run() -> list[Answer | BaseException]:
        try:
            async with asyncio.timeout(60):
                return await desk.ask(*texts)
        finally:
            await desk.close()

    return asyncio.run(run())


def test_usage_is_what_the_server_says(mock: Mock, tmp_path: Path) -> None:
    desk = Desk(Llm(mock.url, "m", policy=POLICY), tmp_path, batch=False)
    (answer,) = ask(desk, "dear")
    assert isinstance(answer, Answer)
    assert (answer.text, answer.model, answer.finish_reason) == ("བཀྲ་ཤིས།", "as-served", "stop")
    assert (answer.tokens_in, answer.tokens_out) == (1200, 34)
    assert desk.purse.spent == Spent(1, 1200, 34, pytest.approx((1200 + 340) / 1e6))


def test_the_responses_api(mock: Mock, tmp_path: Path) -> None:
    llm = Llm(mock.url, "m", api="responses", policy=POLICY)
    first, second = ask(Desk(llm, tmp_path, batch=False), "dear", "long")
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert first.text == "བཀྲ་ཤིས།"
    assert second.finish_reason == "length"


def test_faults_pass_or_do_not(mock: Mock, tmp_path: Path) -> None:
    desk = Desk(Llm(mock.url, "m", policy=POLICY), tmp_path, batch=False)
    busy, long, wrong = ask(desk, "busy", "long", "wrong")
    assert isinstance(busy, Answer)
    assert (busy.text, busy.requests) == ("now", 2)
    assert isinstance(long, Answer)
    assert long.finish_reason == "length"
    assert isinstance(wrong, ServiceError)
    assert "no such thing" in str(wrong)


def test_batches_bring_an_answer_to_every_request(mock: Mock, tmp_path: Path) -> None:
    desk = Desk(Llm(mock.url, "m", policy=POLICY), tmp_path, batch=True)
    found = ask(desk, *(f"text {number}" for number in range(7)))
    assert [answer.text for answer in found if isinstance(answer, Answer)] == ["Mock batch completion"] * 7
    seen = mock.seen()
    assert (seen["POST", "/v1/files"], seen["POST", "/v1/batches"]) == (3, 3)
    assert desk.purse.spent == Spent(7, 7, 7, pytest.approx(7 * 11 / 2e6))
    assert ("POST", "/v1/chat/completions") not in seen
    batches = mock.call("GET", "/v1/batches")["data"]
    assert sorted(batch["request_counts"]["total"] for batch in batches) == [1, 3, 3]
    # And again from what is kept.
    ask(Desk(Llm(mock.url, "m", policy=POLICY), tmp_path, batch=True), "text 3")
    assert mock.seen()["POST", "/v1/batches"] == 3


def test_batches_of_the_responses_api(mock: Mock, tmp_path: Path) -> None:
    desk = Desk(Llm(mock.url, "m", api="responses", policy=POLICY), tmp_path, batch=True)
    (answer,) = ask(desk, "text")
    assert isinstance(answer, Answer)
    assert answer.text == "Mock batch completion"


def test_what_expires_each_time_is_given_up(mock: Mock, tmp_path: Path) -> None:
    desk = Desk(Ending(mock.url, "expired"), tmp_path, batch=True)
    (error,) = ask(desk, "text")
    assert isinstance(error, ServiceError)
    assert "expired without an answer (tried 3 times)" in str(error)
    assert mock.seen()["POST", "/v1/batches"] == 3


def test_a_failed_and_a_cancelled_batch_stop_the_build(mock: Mock, tmp_path: Path) -> None:
    for outcome, words in (("failed", "Mock batch failure"), ("cancelled", "was cancelled at the service")):
        (error,) = ask(Desk(Ending(mock.url, outcome), tmp_path, batch=True), "text")
        assert isinstance(error, ServiceDown)
        assert words in str(error)
    assert mock.seen()["POST", "/v1/batches"] == 2


def test_a_batch_is_found_by_its_name_among_hundreds(mock: Mock, tmp_path: Path) -> None:
    name, answers = "0123456789abcdef", Answers(tmp_path)
    llm = Llm(mock.url, "m", policy=POLICY)
    key = llm.key(Request((("user", "text"),))).hex()
    line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}
    content = {"purpose": "batch", "filename": "x.jsonl", "content": json.dumps(line) + "\n"}
    wanted = {
        "input_file_id": mock.call("POST", "/v1/files", content)["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    made = mock.call("POST", "/v1/batches", {**wanted, "metadata": {"corpusforge": name}})
    for _ in range(210):
        mock.call("POST", "/v1/batches", wanted)
    answers.put_batch(service_name(llm), PendingBatch(name, None, "c", made["created_at"], (key,), Spent(1, 9, 9)))
    answers.close()
    (answer,) = ask(Desk(llm, tmp_path, batch=True), "text")
    assert isinstance(answer, Answer)
    seen = mock.seen()
    assert seen["GET", "/v1/batches"] == 3  # pages
    assert seen["POST", "/v1/batches"] == 211


def test_chaos_on_all_ways_makes_no_batch_twice(mock: Mock, tmp_path: Path) -> None:
    mock.call("POST", "/__aimock/chaos", {"dropRate": 0.15, "disconnectRate": 0.1})
    policy = POLICY.model_copy(update={"retries": 40})
    texts = [f"text {number}" for number in range(12)]
    found = ask(Desk(Llm(mock.url, "m", policy=policy), tmp_path, batch=True), *texts)
    mock.call("DELETE", "/__aimock/chaos")
    assert all(isinstance(answer, Answer) for answer in found), found
    assert len(mock.call("GET", "/v1/batches")["data"]) == 4

"""Builds in batches that are killed at any moment: by the server's own count no request is in two batches."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import fingerprint
from tests.cli.test_translation import Home
from tests.patience import until
from tests.servers import models
from tests.servers.models import Handle

RECIPE = """
name: reviews
source: {type: table, path: text.jsonl}
stages:
  - stage: translate
    source: zho_Hans
    targets: [bod_Tibt, mya_Mymr]
    model: stand-in
    prompt: reviews-1
    checks: {length_ratio: null}
    mode: batch
    batch: {size: 4, idle: 0.3, poll: 0.05}
    network: {concurrency: 4, retries: 2, backoff: 0.05}
  - stage: synthesize
    engine: espeak
  - stage: measure
"""
SENTENCES = (
    "今天天气很好，我们去公园散步。",
    "这本书非常有意思，我很喜欢。",
    "服务态度太差，再也不来了。",
    "味道不错，价格也很便宜。",
    "房间很干净，离车站也很近。",
    "质量一般，不值这个价钱。",
)
REQUESTS = 2 * len(SENTENCES)
TO_TEXT = ("--to", "translate")


@pytest.fixture
def model() -> Iterator[Handle]:
    with models.serving() as handle:
        yield handle


@pytest.fixture
def home(tmp_path: Path, model: Handle) -> Home:
    (tmp_path / "reviews.yaml").write_text(RECIPE, "utf8")
    rows = [json.dumps({"id": f"r{n}", "zho_Hans": text}, ensure_ascii=False) for n, text in enumerate(SENTENCES)]
    (tmp_path / "text.jsonl").write_text("\n".join(rows) + "\n", "utf8")
    return Home(tmp_path, model)


def counted(home: Home, call: str) -> int:
    return int(home.model.look()["counts"].get(call, 0))


def calls(home: Home) -> int:
    return sum(home.model.look()["counts"].values())


def pending(home: Home) -> list[tuple[str | None, int]]:
    """Ids of the batches that are written down, and how many requests each has."""
    with sqlite3.connect(home.folder / ".corpusforge" / "answers.sqlite") as db:
        rows = db.execute("SELECT id, keys FROM pending ORDER BY made").fetchall()
    db.close()
    return [(id, len(json.loads(keys))) for id, keys in rows]


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


def finished(home: Home) -> None:
    """A build goes through, each request was in one batch, and one more build asks nothing."""
    report = home.build(*TO_TEXT)
    assert report["failed"] == []
    look = home.model.look()
    assert (look["lines"], look["most_lines"]) == (REQUESTS, 1)
    assert look["counts"].get("asked", 0) == 0
    assert pending(home) == []
    home.build(*TO_TEXT)
    assert home.model.look() == look


def test_a_corpus_from_batches_is_the_one_from_single_requests(home: Home) -> None:
    assert home.build()["failed"] == []
    look = home.model.look()
    assert (look["lines"], look["most_lines"], look["batches"]) == (REQUESTS, 1, 3)
    batched = fingerprint(home.corpus)
    home.build()
    assert home.model.look() == look
    # What decides the content is the request, not how it travels: the answers in batches are the answers.
    assert home.build("--set", "translate.mode=live")["made"] == {}
    assert fingerprint(home.corpus) == batched
    assert home.model.asked() == 0


def test_killed_before_the_batch_is_made(home: Home) -> None:
    home.model.does(stall=["POST /v1/files"])
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "POST /v1/files"), process=process)
    kill(process)
    home.model.does(stall=[])
    assert pending(home) == [(None, 4)]
    finished(home)


def test_killed_before_the_id_of_a_batch_was_known(home: Home) -> None:
    home.model.does(stall=["POST /v1/batches"], hold=True)
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "POST /v1/batches"), process=process)
    kill(process)
    home.model.does(stall=[], hold=False)
    assert pending(home) == [(None, 4)]
    finished(home)


@pytest.mark.parametrize("batches", [1, 3])
def test_killed_while_it_waits(home: Home, batches: int) -> None:
    home.model.does(hold=True)
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "POST /v1/batches") >= batches and counted(home, "GET /v1/batches/…"), process=process)
    kill(process)
    home.model.does(hold=False)
    assert len(pending(home)) >= batches - 1
    finished(home)


def test_killed_while_answers_are_downloaded(home: Home) -> None:
    home.model.does(stall=["GET /v1/files/…/content"])
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "GET /v1/files/…/content"), process=process)
    kill(process)
    home.model.does(stall=[])
    finished(home)


def test_killed_after_some_batches_were_taken_in(home: Home) -> None:
    home.model.does(hold=True, free=1)
    process = home.start(*TO_TEXT, "--set", "translate.batch.parallel=1")
    until(lambda: counted(home, "POST /v1/batches") == 2, process=process)
    kill(process)
    home.model.does(hold=False)
    (batch,) = pending(home)
    assert batch[1] == 4
    finished(home)


def test_killed_again_and_again(home: Home) -> None:
    for moment in range(8):
        before = calls(home)
        process = home.start(*TO_TEXT, "--set", "translate.batch.parallel=2")
        while process.poll() is None and calls(home) <= before + moment:
            time.sleep(0.005)
        kill(process)
    finished(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_does_not_wait_for_the_service(home: Home, number: int) -> None:
    home.model.does(hold=True)
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "POST /v1/batches") == 3, process=process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert "batch-1 with 4 requests is on its way" in errors
    assert "never retrieved" not in errors
    assert "destroyed" not in errors
    assert [size for _, size in pending(home)] == [4, 4, 4]
    home.model.does(hold=False)
    finished(home)


def test_what_expired_while_nobody_watched_goes_into_a_new_batch(home: Home) -> None:
    home.model.does(hold=True)
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "POST /v1/batches") == 3, process=process)
    kill(process)
    home.model.does(hold=False, script=[{"batch": "expired", "answered": 1}])
    assert home.build(*TO_TEXT)["failed"] == []
    look = home.model.look()
    assert (look["lines"], look["most_lines"]) == (REQUESTS + 3, 2)
    assert look["counts"]["batch answers"] == REQUESTS


def test_what_is_to_be_mended_goes_into_a_later_batch(home: Home) -> None:
    bad = json.dumps({"translations": {"bod_Tibt": "No.", "mya_Mymr": "No."}})
    home.model.does(script=[{"text": bad}])
    assert home.build(*TO_TEXT)["failed"] == []
    look = home.model.look()
    assert (look["lines"], look["most_lines"], look["batches"]) == (REQUESTS + 1, 1, 4)


def test_a_budget_stops_before_the_batch_that_could_break_it(home: Home) -> None:
    done = home.run("build", "reviews.yaml", *TO_TEXT, "--set", "translate.budget.requests=6")
    assert done.returncode == 7, done.stderr
    assert "6 of 6 requests are spent" in done.stderr
    assert home.model.look()["lines"] == 6
    home.build(*TO_TEXT)
    look = home.model.look()
    assert (look["lines"], look["most_lines"]) == (REQUESTS, 1)


def test_a_refused_batch_stops_the_build_with_the_words_of_the_service(home: Home) -> None:
    errors = [{"code": "model_not_found", "message": "The model does not exist", "line": 1}]
    home.model.does(script=[{"batch": "failed", "answered": 0, "errors": errors}])
    done = home.run("build", "reviews.yaml", *TO_TEXT)
    assert done.returncode == 7, done.stderr
    assert "was refused: The model does not exist" in done.stderr
    assert home.build(*TO_TEXT)["failed"] == []


def test_the_other_mode_says_what_is_on_its_way(home: Home) -> None:
    home.model.does(hold=True)
    process = home.start(*TO_TEXT)
    until(lambda: counted(home, "POST /v1/batches") == 3, process=process)
    kill(process)
    done = home.run("build", "reviews.yaml", *TO_TEXT, "--set", "translate.mode=live")
    assert "12 requests of an earlier build are on their way in batches" in done.stderr


def test_a_plan_has_the_price_of_batches(home: Home) -> None:
    def dollars(*arguments: str) -> float:
        prices = ("--set", "translate.prices={input: 2, output: 8, batch: 0.5}")
        done = home.run("build", "reviews.yaml", "--dry-run", "--json", *prices, *arguments)
        (stage,) = [stage for stage in json.loads(done.stdout)["stages"] if stage["stage"] == "translate"]
        return float(stage["amounts"]["USD"])

    assert dollars() == pytest.approx(dollars("--set", "translate.mode=live") / 2)
    assert home.model.look()["counts"] == {}

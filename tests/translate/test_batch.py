"""Requests in batches: none is in two at once, what was answered is kept, and the rest goes into the next batch."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.store.answers import PendingBatch, Spent
from corpusforge.translate import batch as batches
from corpusforge.translate.batch import service_name
from corpusforge.translate.budget import Budget, BudgetSpent, Prices, Purse
from corpusforge.translate.llm import Answer, Llm, Request
from tests.patience import until_async
from tests.translate.batching import POLICY, SCHEMA, Stage, play, request

pytestmark = pytest.mark.filterwarnings("error")


def test_requests_of_a_moment_are_one_batch(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        desk = at.desk(prices=Prices(input=2, output=8, batch=0.5))
        found = await desk.ask(*range(5))
        assert len({answer.text for answer in found}) == 5
        assert (at.sizes(), set(at.model.lines.values()), at.model.counts["asked"]) == ([5], {1}, 0)
        assert at.model.counts["GET /v1/batches"] == 0
        sent, got = sum(answer.tokens_in for answer in found), sum(answer.tokens_out for answer in found)
        assert desk.purse.spent == Spent(5, sent, got, pytest.approx((2 * sent + 8 * got) / 2e6))
        assert "batch-1 with 5 requests" in desk.notes[0]
        assert "24h" in desk.notes[0]
        assert desk.pending() == []
        assert await desk.ask(*range(5)) == found
        assert at.sizes() == [5]

    play(scene, tmp_path)


def test_the_file_is_what_the_service_asks_for(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        desk = at.desk()
        odd = Request((("user", "<text>a\u2028b\ud800 \n</text>"),))
        await asyncio.gather(desk.asker.ask(odd, "k"), desk.ask(1))
        (batch,) = at.model.batches.values()
        assert batch["endpoint"] == "/v1/chat/completions"
        assert batch["completion_window"] == "24h"
        file = at.model.files[batch["input_file_id"]]
        rows = [json.loads(line) for line in file.decode("utf8").split("\n")[:-1]]
        assert {row["custom_id"] for row in rows} == {desk.llm.key(each).hex() for each in (odd, request(1))}
        assert {(row["method"], row["url"]) for row in rows} == {("POST", "/v1/chat/completions")}
        assert rows[0]["body"]["messages"][0]["content"] == odd.messages[0][1]

    play(scene, tmp_path)


def test_the_responses_api_has_batches_too(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        desk = at.desk(api="responses")
        (answer,) = await desk.ask(1)
        assert answer.text
        assert answer.tokens_out > 0
        assert at.model.batches["batch-1"]["endpoint"] == "/v1/responses"

    play(scene, tmp_path)


def test_full_batches_go_at_once_and_the_rest_when_nothing_more_comes(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        await at.desk(size=3).ask(*range(8))
        assert at.sizes() == [3, 3, 2]

    play(scene, tmp_path)


def test_a_file_has_no_more_bytes_than_services_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FILE_LIMIT", 700)

    async def scene(at: Stage) -> None:
        await at.desk().ask(*range(6))
        files = [at.model.files[batch["input_file_id"]] for batch in at.model.batches.values()]
        assert sum(at.sizes()) == 6
        assert len(files) > 1
        assert all(len(file) <= 700 for file in files)

    play(scene, tmp_path)


def test_no_more_batches_are_on_their_way_than_allowed(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        desk = at.desk(size=1, parallel=2)
        asked = asyncio.ensure_future(desk.ask(*range(5)))
        await until_async(lambda: at.model.counts["GET /v1/batches/…"] > 6)
        assert len(at.sizes()) == 2
        at.model.hold = False
        await asked
        assert at.sizes() == [1] * 5

    play(scene, tmp_path)


def test_what_expired_goes_into_a_new_batch_and_what_was_answered_is_kept(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = [{"batch": "expired", "answered": 3}]
        desk = at.desk()
        await desk.ask(*range(5))
        assert at.sizes() == [5, 2]
        assert sorted(at.model.lines.values()) == [1, 1, 1, 2, 2]
        assert at.model.counts["batch answers"] == 5
        assert desk.purse.spent.requests == 7
        assert any("batch-1 expired: 3 of 5" in note for note in desk.notes)

    play(scene, tmp_path)


def test_failed_lines_are_tried_again(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = [{"batch": "completed", "failed": 2}, {"batch": "completed", "failed": 1}]
        desk = at.desk()
        await desk.ask(*range(4))
        assert at.sizes() == [4, 2, 1]
        assert desk.purse.spent.requests == 7

    play(scene, tmp_path)


def test_a_line_that_always_fails_is_given_up_with_the_words_of_the_service(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = [{"batch": "completed", "failed": 1}] * 9
        desk = at.desk()
        first, second = await desk.outcomes(0, 1)
        assert isinstance(first, ServiceError)
        assert "HTTP 500: scripted (tried 3 times)" in str(first)
        assert isinstance(second, Answer)
        assert at.sizes() == [2, 1, 1]  # as many tries as the policy has

    play(scene, tmp_path)


def test_a_batch_that_the_service_finds_wrong_stops_the_build_with_its_words(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        errors = [{"code": "model_not_found", "message": "The model m does not exist", "line": 1}]
        at.model.script = [{"batch": "failed", "answered": 0, "errors": errors}]
        desk = at.desk()
        found = await desk.outcomes(0, 1)
        assert all(isinstance(error, ServiceDown) for error in found)
        assert "The model m does not exist" in str(found[0])
        assert (at.sizes(), desk.pending()) == ([2], [])
        assert desk.purse.spent == Spent()

    play(scene, tmp_path)


def test_a_queue_that_is_full_is_waited_for(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        desk = at.desk(size=2, model="limited")
        first = asyncio.ensure_future(desk.ask(0, 1))
        await until_async(lambda: len(at.sizes()) == 1)
        errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}]
        second = asyncio.ensure_future(desk.ask(2, 3))
        await until_async(lambda: len(at.sizes()) == 2)
        at.model.batches["batch-2"] |= {"status": "failed", "errors": {"object": "list", "data": errors}}
        await until_async(lambda: len(desk.pending()) == 1)
        await until_async(lambda: desk.sender._queue)
        at.model.hold = False
        await asyncio.gather(first, second)
        assert at.sizes() == [2, 2, 2]

    play(scene, tmp_path)


def test_a_batch_that_a_person_cancelled_is_not_made_again_by_itself(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = [{"batch": "cancelled", "answered": 1}]
        desk = at.desk()
        first, second = await desk.outcomes(0, 1)
        assert isinstance(first, Answer)
        assert isinstance(second, ServiceDown)
        assert "cancelled" in str(second)
        assert (at.sizes(), desk.pending()) == ([2], [])

    play(scene, tmp_path)


def test_an_endpoint_without_batches_is_named(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        desk = at.desk()
        at.model.script = [404]
        (found,) = await desk.outcomes(0)
        assert isinstance(found, ServiceDown)
        assert "mode: live" in str(found)
        assert desk.pending() == []

    play(scene, tmp_path)


def test_a_creation_whose_answer_is_lost_is_found_again(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = ["lose the answer"]
        await at.desk().ask(0, 1)
        assert (at.sizes(), at.model.counts["POST /v1/batches"]) == ([2], 1)

    play(scene, tmp_path)


def test_a_creation_that_is_refused_for_now_is_tried_again(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = [503]
        await at.desk().ask(0, 1)
        assert (at.sizes(), at.model.counts["POST /v1/batches"]) == ([2], 2)

    play(scene, tmp_path)


def test_a_creation_that_nobody_could_confirm_is_found_by_the_next_build(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.script = ["lose the answer"]
        first = at.desk(policy=POLICY.model_copy(update={"retries": 0}))
        found = await first.outcomes(0, 1)
        assert all(isinstance(error, ServiceError) for error in found)
        assert [batch.id for batch in first.pending()] == [None]
        # Asked again by the same build, it is not put into another batch.
        assert isinstance((await first.outcomes(0))[0], ServiceError)
        await at.stop(first)
        second = at.desk()
        assert len(await second.ask(0, 1)) == 2
        assert (at.sizes(), second.pending()) == ([2], [])

    play(scene, tmp_path)


def test_a_batch_that_never_got_there_is_made_by_the_next_build(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        first = at.desk()
        keys = tuple(first.llm.key(request(number)).hex() for number in (0, 1))
        first.answers.put_batch(service_name(first.llm), PendingBatch("gone", None, "c", 1.0, keys, Spent(2, 9, 9)))
        await first.ask(0, 1)
        assert (at.sizes(), first.pending()) == ([2], [])

    play(scene, tmp_path)


def test_a_stopped_build_leaves_its_batch_to_the_next_one(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        first = at.desk()
        asked = asyncio.ensure_future(first.ask(0, 1, 2))
        await until_async(lambda: at.model.counts["GET /v1/batches/…"] > 1)
        await at.stop(first, asked)
        second = at.desk()
        asked = asyncio.ensure_future(second.ask(0, 1, 2, 3))
        await until_async(lambda: len(at.sizes()) == 2)
        at.model.hold = False
        await asked
        assert (at.sizes(), set(at.model.lines.values())) == ([3, 1], {1})
        assert second.purse.spent.requests == 4
        assert second.pending() == []

    play(scene, tmp_path)


def test_answers_that_nobody_asks_for_any_more_are_kept(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        first = at.desk()
        asked = asyncio.ensure_future(first.ask(0, 1))
        await until_async(lambda: at.model.counts["GET /v1/batches/…"] > 0)
        await at.stop(first, asked)
        at.model.hold = False
        second = at.desk()
        await second.ask(7)
        await until_async(lambda: not second.pending())
        assert second.answers.get(second.llm.key(request(0))) is not None
        assert second.purse.spent.requests == 3

    play(scene, tmp_path)


def test_a_build_that_ends_while_an_old_batch_goes_on_leaves_nothing_running(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        first = at.desk()
        asked = asyncio.ensure_future(first.ask(0))
        await until_async(lambda: at.model.counts["GET /v1/batches/…"] > 0)
        await at.stop(first, asked)
        second = at.desk()
        asked = asyncio.ensure_future(second.ask(1))
        await until_async(lambda: len(at.sizes()) == 2)
        at.model.finish(at.model.batches["batch-2"])
        await asked
        await at.stop(second)  # nothing is asked, but batch-1 is watched
        assert len(at.desk().pending()) == 1

    play(scene, tmp_path)


def test_a_build_that_is_stopped_while_its_batch_is_being_made_learns_its_id(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold, at.model.stall = True, ["POST /v1/batches"]
        desk = at.desk()
        asked = asyncio.ensure_future(desk.ask(0, 1))
        await until_async(lambda: at.model.counts["POST /v1/batches"])
        asyncio.get_running_loop().call_later(0.2, at.model.stall.clear)
        await at.stop(desk, asked)
        assert [batch.id for batch in at.desk().pending()] == ["batch-1"]

    play(scene, tmp_path)


def test_a_batch_that_the_service_has_forgotten_is_asked_again(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        desk = at.desk(budget=Budget(requests=3))
        asked = asyncio.ensure_future(desk.ask(0, 1))
        await until_async(lambda: at.model.batches)
        at.model.batches.clear()
        at.model.hold = False
        await asked
        assert any("knows no batch batch-1" in note for note in desk.notes)
        assert desk.pending() == []

    play(scene, tmp_path)


def test_a_service_that_goes_down_while_a_batch_is_watched_stops_the_build(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        first = at.desk(policy=POLICY.model_copy(update={"patience": 0.2, "retries": 9}))
        asked = asyncio.ensure_future(first.outcomes(0, 1))
        await until_async(lambda: at.model.batches)
        batch = at.model.batches["batch-1"]
        at.model.batches["batch-1"] = dict(batch, status="in_progress")
        broken = at.model.batch_api
        at.model.batch_api = lambda *call: (503, {}, {"error": {"message": "away"}})  # type: ignore[method-assign]
        assert all(isinstance(error, ServiceDown) for error in await asked)
        assert len(first.pending()) == 1
        await at.stop(first)
        at.model.batch_api, at.model.hold = broken, False  # type: ignore[method-assign]
        assert len(await at.desk().ask(0, 1)) == 2
        assert at.sizes() == [2]

    play(scene, tmp_path)


def test_another_corpus_waits_for_the_same_request_and_each_pays_for_its_own(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        first = at.desk(corpus="one")
        asked = asyncio.ensure_future(first.ask(0, 1))
        await until_async(lambda: at.model.counts["GET /v1/batches/…"] > 0)
        await at.stop(first, asked)
        at.model.hold = False
        second = at.desk(corpus="two")
        await second.ask(1, 2)
        assert set(at.model.lines.values()) == {1}
        assert (second.purse.spent.requests, second.answers.spent("one").requests) == (2, 1)

    play(scene, tmp_path)


def test_what_does_not_fit_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        dearest = Purse(Budget(), None, Spent()).dearest(request(9), 500)
        desk = at.desk(budget=Budget(tokens=dearest.tokens * 3))
        await desk.ask(*range(6))
        assert len(at.sizes()) > 1
        assert sum(at.sizes()) == 6

    play(scene, tmp_path)


def test_a_budget_is_reached_by_no_request(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        desk = at.desk(budget=Budget(requests=3))
        found = await desk.outcomes(*range(5))
        assert [type(each) for each in found] == [Answer, Answer, Answer, BudgetSpent, BudgetSpent]
        assert (at.sizes(), desk.purse.spent.requests) == ([3], 3)

    play(scene, tmp_path)


def test_a_batch_of_an_earlier_build_is_within_the_budget(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        first = at.desk(budget=Budget(requests=3))
        asked = asyncio.ensure_future(first.ask(0, 1))
        await until_async(lambda: at.model.counts["GET /v1/batches/…"] > 0)
        await at.stop(first, asked)
        second = at.desk(budget=Budget(requests=3))
        asked = asyncio.ensure_future(second.outcomes(2, 3))
        await until_async(lambda: len(at.sizes()) == 2)
        at.model.hold = False
        found = await asked
        assert sorted(type(each).__name__ for each in found) == ["Answer", "BudgetSpent"]
        assert at.sizes() == [2, 1]
        await until_async(lambda: not second.pending())

    play(scene, tmp_path)


def test_a_model_without_structured_output_is_asked_without(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.plain = True
        desk = at.desk()
        asked = [desk.asker.ask(request(number, SCHEMA), "k") for number in range(3)]
        assert len(await asyncio.gather(*asked)) == 3
        assert at.sizes() == [3, 3]
        await desk.asker.ask(request(5, SCHEMA), "k")
        assert at.sizes() == [3, 3, 1]

    play(scene, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\n\n",
        b"[]\n1\nnull\n{}\n",
        b'{"custom_id": "x", "response": 7}\n',
        b'{"custom_id": "KEY", "response": "x"}',
        b'{"custom_id": "KEY", "response": {"status_code": 200, "body": null}}',
        b'{"custom_id": "KEY", "response": {"status_code": 200, "body": {"choices": []}}}',
        b'{"custom_id": "KEY", "response": {"status_code": 500}}',
        b'{"custom_id": "KEY"}',
        b'{"custom_id": "KEY", "response": {"status_code": 200, "bo',
    ],
)
def test_damaged_answers_count_as_unanswered(damage: bytes, tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        desk = at.desk()
        asked = asyncio.ensure_future(desk.ask(0))
        await until_async(lambda: at.model.batches)
        content = damage.replace(b"KEY", desk.llm.key(request(0)).hex().encode())
        file = at.model.file(content)[2]["id"]
        at.model.batches["batch-1"] |= {"status": "completed", "output_file_id": file}
        at.model.hold = False
        (answer,) = await asked
        assert answer.text
        assert at.sizes() == [1, 1]

    play(scene, tmp_path)


def test_answers_that_are_damaged_on_their_way_are_downloaded_again(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        at.model.hold = True
        desk = at.desk(policy=POLICY.model_copy(update={"backoff": 0.4}))
        asked = asyncio.ensure_future(desk.ask(0, 1))
        await until_async(lambda: at.model.batches)
        at.model.finish(at.model.batches["batch-1"])
        file = at.model.batches["batch-1"]["output_file_id"]
        whole, at.model.files[file] = at.model.files[file], b"<html>a proxy is busy</html>"
        await until_async(lambda: at.model.counts["GET /v1/files/…/content"])
        at.model.files[file] = whole
        await asked
        assert at.sizes() == [2]

    play(scene, tmp_path)


def test_batches_of_another_model_or_api_are_left_alone(tmp_path: Path) -> None:
    async def scene(at: Stage) -> None:
        desk = at.desk()
        other = PendingBatch("other", "batch-9", "c", 1.0, ("ab" * 32,))
        for llm in (Llm(at.url, "m2"), Llm(at.url, "m", api="responses")):
            desk.answers.put_batch(service_name(llm), replace(other, name=llm.model + llm.api))
        await desk.ask(0)
        assert at.sizes() == [1]
        assert at.model.counts["GET /v1/batches/…"] == 1
        assert len(desk.answers.batches(service_name(Llm(at.url, "m2")))) == 1

    play(scene, tmp_path)

"""The client against llmock, a server of its own kind, and against the stand-in where llmock cannot be rude enough."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from corpusforge.errors import RecipeError
from corpusforge.net.faults import Refused
from corpusforge.net.policy import Policy
from corpusforge.net.secrets import redact
from corpusforge.net.service import ServiceDown, ServiceError
from corpusforge.translate.llm import Answer, Api, Llm, Request, base_url
from tests.servers import models
from tests.servers.models import Handle

if TYPE_CHECKING:
    from llmock.testing import LLMockServer

QUICK = Policy(retries=3, backoff=0.01, timeout=5, longest_wait=5)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"translations": {"type": "object", "properties": {"bod_Tibt": {"type": "string"}}}},
        "required": ["translations"],
        "additionalProperties": False,
    }
)
ASKED = Request((("system", "You translate."), ("user", "<text>你好</text>")), SCHEMA)
KEY = "wholly-secret-key-4711"


@pytest.fixture(scope="module")
def server() -> Iterator[LLMockServer]:
    testing = pytest.importorskip("llmock.testing", reason="needs llmock: pip install 'corpusforge[servers]'")
    with testing.LLMockServer() as running:
        yield running


@pytest.fixture
def mock(server: LLMockServer, monkeypatch: pytest.MonkeyPatch) -> LLMockServer:
    server.state.scenarios.clear()
    server.state.journal.clear()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return server


@pytest.fixture(scope="module")
def rude_server() -> Iterator[Handle]:
    with models.serving() as handle:
        yield handle


@pytest.fixture
def rude(rude_server: Handle) -> Handle:
    rude_server.does(script=[], faults={}, latency=0, plain=False)
    return rude_server


def asked(llm: Llm, *requests: Request) -> list[Answer | BaseException]:
    """All at once."""

    async def ask() -> list[Answer | BaseException]:
        try:
            return await asyncio.gather(*map(llm.ask, requests), return_exceptions=True)
        finally:
            await llm.aclose()

    return asyncio.run(ask())


def one(llm: Llm, request: Request = ASKED) -> Answer:
    (end,) = asked(llm, request)
    if isinstance(end, BaseException):
        raise end
    return end


def bodies(mock: LLMockServer) -> list[dict[str, Any]]:
    return [record.body for record in mock.state.journal.records(wait=5)]


def llm(url: str, **settings: Any) -> Llm:
    return Llm(url, "gpt-4o", **{"policy": QUICK, **settings})


BOTH = pytest.mark.parametrize("api", ["chat", "responses"])


@BOTH
def test_an_answer_comes_with_its_tokens(mock: LLMockServer, api: Api) -> None:
    from llmock.scenarios import Reply

    mock.state.scenarios.add(Reply(text="བཀྲ་ཤིས་བདེ་ལེགས།"))
    answer = one(llm(mock.base_url(), api=api))
    assert answer.text == "བཀྲ་ཤིས་བདེ་ལེགས།"
    assert (answer.finish_reason, answer.refusal, answer.requests) == ("stop", None, 1)
    assert answer.tokens_in > 0
    assert answer.tokens_out > 0
    assert "gpt-4o" in answer.model


@BOTH
def test_the_schema_is_sent_and_kept_to(mock: LLMockServer, api: Api) -> None:
    answer = one(llm(mock.base_url(), api=api, sampling={"temperature": 0.5, "seed": 3}))
    assert list(json.loads(answer.text)["translations"]) == ["bod_Tibt"]  # llmock answers to the schema
    (body,) = bodies(mock)
    form = body["text"]["format"] if api == "responses" else body["response_format"]
    assert form["type"] == "json_schema"
    assert (form if api == "responses" else form["json_schema"])["strict"] is True
    assert (body["temperature"], body["seed"]) == (0.5, 3)


@BOTH
def test_plain_text_sends_no_schema(mock: LLMockServer, api: Api) -> None:
    one(llm(mock.base_url(), api=api, structured="text"))
    (body,) = bodies(mock)
    assert not {"text", "response_format"} & body.keys()


@BOTH
@pytest.mark.parametrize("status", [400, 422])
def test_an_endpoint_without_structured_output_is_asked_in_plain_text(
    mock: LLMockServer, api: Api, status: int
) -> None:
    from llmock.scenarios import Fail

    words = "'response_format' of type 'json_schema' is not supported with this model"
    mock.state.scenarios.add(Fail(status, message=words))
    client = llm(mock.base_url(), api=api)
    assert one(client).requests == 2
    assert one(client).requests == 1  # it is known now
    assert [bool({"text", "response_format"} & body.keys()) for body in bodies(mock)] == [True, False, False]


@BOTH
def test_requests_that_were_on_their_way_when_the_format_was_refused_are_asked_again_too(
    rude: Handle, api: Api
) -> None:
    rude.does(plain=True, awaited=8)
    client = llm(rude.url, api=api, policy=Policy(retries=0))
    before = rude.asked()
    ends = asked(client, *(Request((("user", f"sentence {number}"),), SCHEMA) for number in range(8)))
    # All eight went out before anyone knew; each says what it took.
    assert [end.requests if isinstance(end, Answer) else end for end in ends] == [2] * 8
    assert rude.asked() - before == 16


def test_structured_output_that_is_demanded_is_not_given_up(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(400, message="json_schema is not supported"))
    with pytest.raises(ServiceError, match="json_schema is not supported"):
        one(llm(mock.base_url(), structured="json"))
    assert len(bodies(mock)) == 1


def test_a_refusal_for_another_reason_keeps_structured_output(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    # The words are about the format, but without it the request is refused, too.
    mock.state.scenarios.add(Fail(400, message="unknown model for json_schema", times=2))
    client = llm(mock.base_url())
    first, _ = [*asked(client, ASKED), *asked(client, ASKED)]
    assert isinstance(first, ServiceError)
    assert first.attempts == 1
    assert ["response_format" in body for body in bodies(mock)] == [True, False, True]


@BOTH
def test_faults_that_pass_are_tried_again_after_the_time_that_was_asked(mock: LLMockServer, api: Api) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(429, retry_after=1), Fail(500), Fail(503))
    answer = one(llm(mock.base_url(), api=api))
    assert answer.requests == 4
    records = mock.state.journal.records(wait=5)
    assert [record.status for record in records] == [429, 500, 503, 200]
    assert records[1].started_at - records[0].ended_at >= 1  # a lower bound: never earlier than asked
    assert {record.sdk_retry_count for record in records} <= {None, 0}  # the client's own retries are off


def test_every_request_is_announced_before_it_goes_out(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(500), Fail(400, message="no json_schema here"))
    seen: list[int] = []
    client = llm(mock.base_url())

    async def ask() -> Answer:
        try:
            return await client.ask(ASKED, sending=lambda: seen.append(1))
        finally:
            await client.aclose()

    assert asyncio.run(ask()).requests == len(seen) == len(bodies(mock)) == 3


def test_a_long_retry_after_stops_the_build_with_the_time(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(429, retry_after=3600))
    with pytest.raises(ServiceDown, match=r"asks to wait 3,600 s.*Run the same command again after 20"):
        one(llm(mock.base_url()))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_build_and_is_not_shown(mock: LLMockServer, status: int) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(status, message=f"Incorrect API key provided: {KEY}. Find it in your account."))
    with pytest.raises(ServiceDown) as caught:
        one(llm(mock.base_url()))
    assert "Incorrect API key provided: [secret]" in str(caught.value)
    assert KEY not in repr(caught.value) + repr(caught.value.__cause__.__cause__ if caught.value.__cause__ else "")
    assert len(bodies(mock)) == 1


@pytest.mark.parametrize("before", range(270, 320, 7))
def test_a_key_at_the_cut_of_long_words_is_hidden_whole(mock: LLMockServer, before: int) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(400, message="x" * before + KEY + "y" * 300))
    with pytest.raises(ServiceError) as caught:
        one(llm(mock.base_url(), structured="json"))
    assert KEY[:8] not in str(caught.value)


def test_spent_quota_stops_the_build_although_it_is_a_429(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(429, message="You exceeded your current quota", code="insufficient_quota"))
    with pytest.raises(ServiceDown, match="exceeded your current quota"):
        one(llm(mock.base_url()))


def test_a_request_that_is_refused_fails_alone(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    mock.state.scenarios.add(Fail(400, message="This model's maximum context length is 10 tokens"))
    first, second = [*asked(client := llm(mock.base_url()), ASKED), *asked(client, ASKED)]
    assert isinstance(first, ServiceError)
    assert "maximum context length" in str(first)
    assert first.attempts == 1
    assert isinstance(second, Answer)


@BOTH
def test_an_answer_that_takes_too_long_is_tried_again(mock: LLMockServer, api: Api) -> None:
    from llmock.scenarios import Delay

    mock.state.scenarios.add(Delay(3.0))
    answer = one(llm(mock.base_url(), api=api, policy=Policy(timeout=1, backoff=0.01)))
    assert answer.requests >= 2  # more where a busy machine takes a second for what is no trouble


def test_a_truncated_answer_says_so(mock: LLMockServer) -> None:
    from llmock.scenarios import Reply

    mock.state.scenarios.add(Reply(text='{"translations": {"bo', finish_reason="length"))
    answer = one(llm(mock.base_url()))
    assert answer.finish_reason == "length"


def test_nothing_listens(mock: LLMockServer) -> None:
    with pytest.raises(ServiceError, match=r"http://127\.0\.0\.1:9.*tried 2 times"):
        one(llm("http://127.0.0.1:9/v1", policy=Policy(retries=1, backoff=0.01)))


# What llmock never does


def chat(**message: Any) -> str:
    return json.dumps({"model": "m", "choices": [{"message": {"role": "assistant", **message}}]})


@pytest.mark.parametrize(
    "body",
    [
        "<html><head><title>502</title></head><body>Bad gateway</body></html>",
        '{"choices": [{"mess',
        "not json",
        "",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"choices": []}',
        '{"choices": [{}]}',
        '{"choices": [{"message": null}]}',
        '{"choices": [{"message": {"content": 7}}]}',
        '{"choices": {"0": {}}}',
        '{"choices": [{"message": {"content": "x"}}], "usage": "many"}',
        '{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": Infinity}}',
        '{"error": {"message": "overloaded", "code": 529}}',
        "disconnect",
        "cut",
    ],
)
def test_what_is_no_answer_is_asked_for_again(rude: Handle, body: str) -> None:
    rude.does(script=[body])
    before = rude.asked()
    answer = one(llm(rude.url))
    assert json.loads(answer.text)["translations"]["bod_Tibt"]
    assert (answer.requests, rude.asked() - before) == (2, 2)


@pytest.mark.parametrize("body", ["<html><body>Please log in</body></html>", "not json", "{}", '{"choices": []}'])
def test_what_is_never_an_answer_fails_with_words(rude: Handle, body: str) -> None:
    rude.does(script=[body] * 4)
    with pytest.raises(ServiceError, match=r"answer.*\(tried 4 times\)") as caught:
        one(llm(rude.url))
    assert caught.value.attempts == 4
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "text", "reason"),
    [
        (chat(content="words"), "words", None),
        (chat(content=None, reasoning_content="hm"), "", None),
        (chat(content=[{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]), "two parts", None),
        ('{"choices": [{"message": {"content": "half \\ud83d a pair"}}]}', "half \ufffd a pair", None),
        ('{"choices": [{"message": {"content": "x"}, "finish_reason": 3}], "usage": null}', "x", "3"),
    ],
)
def test_answers_without_usage_or_reason_are_taken(rude: Handle, body: str, text: str, reason: str | None) -> None:
    rude.does(script=[body])
    answer = one(llm(rude.url))
    assert (answer.text, answer.finish_reason) == (text, reason)
    assert (answer.tokens_in, answer.tokens_out, answer.cached) == (0, 0, 0)
    json.dumps(answer.plain(), ensure_ascii=False).encode()  # any file can hold it


def test_a_refusal_in_its_own_field(rude: Handle) -> None:
    rude.does(script=[chat(content=None, refusal="I cannot help with that.")])
    assert one(llm(rude.url)).refusal == "I cannot help with that."


@pytest.mark.parametrize(
    ("found", "text", "reason", "refusal"),
    [
        ({"status": "completed", "output": [{"type": "reasoning"}]}, "", "stop", None),
        (
            {
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "cut"}]}],
            },
            "cut",
            "length",
            None,
        ),
        (
            {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]},
            "",
            "stop",
            "No.",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": []},
            "",
            "content_filter",
            None,
        ),
    ],
)
def test_responses_say_how_they_ended(
    rude: Handle, found: dict[str, Any], text: str, reason: str, refusal: str | None
) -> None:
    rude.does(script=[json.dumps(found)])
    answer = one(llm(rude.url, api="responses"))
    assert (answer.text, answer.finish_reason, answer.refusal) == (text, reason, refusal)


def test_cached_tokens_are_among_those_sent(rude: Handle) -> None:
    answer = one(llm(rude.url))
    assert 0 < answer.cached < answer.tokens_in


# Keys and addresses


def test_a_key_holds_what_is_sent_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:8000/v1"
    same = llm(url).key(ASKED)
    for other in (
        llm("http://127.0.0.1:8001/v1"),
        llm(url, api="responses"),
        llm(url, sampling={"temperature": 0.1}),
        llm(url, structured="text"),
        Llm(url, "another"),
    ):
        assert other.key(ASKED) != same
    for change in (Request((*ASKED.messages, ("user", "x")), SCHEMA), Request(ASKED.messages, "{}")):
        assert llm(url).key(change) != same
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for alike in (
        llm("http://someone:password1@127.0.0.1:8000/v1"),
        llm(url + "/"),
        llm(url, policy=Policy()),
        llm(url, key_variable="ANOTHER_KEY"),
    ):
        assert alike.key(ASKED) == same


def test_a_key_does_not_change_when_the_endpoint_turns_out_to_know_no_schema(mock: LLMockServer) -> None:
    from llmock.scenarios import Fail

    client = llm(mock.base_url())
    before = client.key(ASKED)
    mock.state.scenarios.add(Fail(400, message="json_schema"))
    assert one(client).requests == 2
    assert client.key(ASKED) == before


def test_the_key_is_sent_and_no_other_secret(mock: LLMockServer) -> None:
    client = llm(mock.base_url())
    one(client)
    assert client.client().api_key == KEY
    assert KEY not in json.dumps(bodies(mock))
    assert KEY not in repr(vars(llm(mock.base_url())))


def test_the_password_of_an_address_is_in_no_words() -> None:
    client = llm("http://someone:hunter2000@127.0.0.1:9/v1", policy=Policy(retries=0))
    with pytest.raises(ServiceError) as caught:
        one(client)
    assert "hunter2000" not in str(caught.value)
    assert "someone" not in str(caught.value)


def test_a_user_and_password_go_in_the_place_of_the_key(mock: LLMockServer) -> None:
    client = llm(mock.base_url().replace("://", "://someone:hunter%232000@"))
    assert one(client).requests == 1
    assert client.client().default_headers["Authorization"] == "Basic c29tZW9uZTpodW50ZXIjMjAwMA=="
    assert redact("c29tZW9uZTpodW50ZXIjMjAwMA== hunter#2000 hunter%232000") == "[secret] [secret] [secret]"


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://host:port/v1", "http://h:99999/v1", "http://h?k=v"]
)
def test_what_is_no_address_is_said_before_anything_else(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(RecipeError, match=r"OPENAI_BASE_URL: expected an address such as"):
        base_url(None)


def test_the_recipe_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert base_url(None) == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env/v1/")
    assert base_url(None) == "http://env/v1"
    assert base_url("http://recipe/v1") == "http://recipe/v1"


def test_only_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "export OPENAI_API_KEY=" in (Llm("https://api.openai.com/v1", "m").missing() or "")
    assert Llm("http://127.0.0.1:8000/v1", "m").missing() is None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert Llm("https://api.openai.com/v1", "m").missing() is None


@pytest.mark.parametrize("key", ["two\nlines-of-key", "a blank-in-key", "schlüssel-key"])
def test_a_key_that_no_header_can_hold_is_said_without_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    words = Llm("http://127.0.0.1:8000/v1", "m").missing() or ""
    assert "OPENAI_API_KEY is no API key" in words
    assert key not in words


def test_an_answer_judged_at_rest_is_judged_the_same() -> None:
    with pytest.raises(Refused, match="an error instead of an answer: overloaded"):
        llm("http://h/v1").answer({"error": {"message": "overloaded"}})

"""What failed requests mean."""

from __future__ import annotations

import json
import ssl
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.net.faults import Fault, Refused, describe, fault_of, fault_of_status, readable, retry_after
from corpusforge.net.secrets import endpoint, keep_secret, redact


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_can_pass_is_tried_again(status: int) -> None:
    assert fault_of_status(status, {}, "").passing


@pytest.mark.parametrize("status", [400, 404, 405, 413, 415, 422, 501])
def test_what_cannot_pass_is_final_and_stops_nobody_else(status: int) -> None:
    fault = fault_of_status(status, {}, "")
    assert not fault.passing and not fault.blocked


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_stops_the_build(status: int) -> None:
    fault = fault_of_status(status, {}, json.dumps({"error": {"message": "Incorrect API key provided"}}))
    assert fault.blocked and not fault.passing
    assert fault.words == f"HTTP {status}: Incorrect API key provided"


def test_a_spent_quota_is_no_ordinary_429() -> None:
    body = json.dumps({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}})
    fault = fault_of_status(429, {"Retry-After": "1"}, body)
    assert fault.blocked and not fault.passing and not fault.throttled


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"Retry-After": formatdate(999_000, usegmt=True)}, 0.0),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1_000_000) == seconds


def test_an_html_page_becomes_one_line() -> None:
    head = "<html><head><title>Oops</title><style>p {}</style></head>"
    page = head + "<body><h1>503</h1>\n<p>Try&nbsp;later</p></body></html>"
    assert readable(page) == "503 Try later"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "no such model"}}', "no such model"),
        ('{"detail": [{"msg": "field required"}]}', "field required"),
        ('{"message": "slow down"}', "slow down"),
        ("plain words", "plain words"),
        ("", ""),
    ],
)
def test_the_message_of_an_error_is_found(body: str, words: str) -> None:
    assert readable(body) == words


@given(st.text())
def test_any_body_is_one_line(body: str) -> None:
    line = readable(body)
    assert "\n" not in line and len(line) <= 301


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError("reset"), EOFError()])
def test_time_outs_and_resets_pass(error: Exception) -> None:
    assert fault_of(error).passing


def test_exceptions_of_real_clients() -> None:
    import httpx
    import openai
    import requests

    request = httpx.Request("POST", "http://127.0.0.1/v1")
    answer = httpx.Response(
        429, headers={"retry-after": "2"}, json={"error": {"message": "slow down"}}, request=request
    )
    throttled = fault_of(openai.RateLimitError("x", response=answer, body={"message": "slow down"}))
    assert (throttled.passing, throttled.throttled, throttled.retry_after) == (True, True, 2.0)
    assert throttled.words == "HTTP 429: slow down"
    assert fault_of(openai.APITimeoutError(request)).passing
    assert fault_of(openai.APIConnectionError(request=request)).passing
    assert fault_of(requests.ReadTimeout("read timed out")).passing
    assert fault_of(requests.ConnectionError("refused")).passing
    assert fault_of(requests.exceptions.ChunkedEncodingError("cut")).passing
    assert not fault_of(requests.exceptions.InvalidURL("no host")).passing
    assert fault_of(httpx.RemoteProtocolError("cut")).passing
    assert not fault_of(ValueError("a bug of ours")).passing


def test_a_malformed_answer_is_tried_again() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    assert fault_of(caught.value).passing


def test_a_certificate_is_named_and_not_tried_again() -> None:
    fault = fault_of(ssl.SSLCertVerificationError("self-signed certificate"))
    assert fault.blocked and not fault.passing
    assert "SSL_CERT_FILE" in fault.words


def test_a_client_can_judge_an_answer_itself() -> None:
    fault = Fault("null audio", passing=True)
    assert fault_of(Refused(fault)) is fault


def test_the_cause_is_in_the_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            raise OSError("connection refused")
        except OSError as error:
            raise RuntimeError("Connection error.") from error
    assert describe(caught.value) == "Connection error (connection refused)"


# ---- Secrets


@pytest.mark.parametrize(
    "text",
    [
        "key sk-abcdefghijkl refused",
        "Authorization: Bearer hunter2hunter2",
        "GET http://me:hunter2hunter2@host/x?api_key=hunter2hunter2&a=1",
        "token hf_AbCdEfGhIjKl",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    hidden = redact(text)
    assert "hunter2" not in hidden and "abcdefghijkl" not in hidden.lower()


def test_known_values_are_hidden_wherever_they_stand() -> None:
    keep_secret("an unusual value")
    assert redact("said (an unusual value)!") == "said ([secret])!"
    assert "an unusual value" not in fault_of(RuntimeError("bad key: an unusual value")).words


def test_an_endpoint_has_no_credentials() -> None:
    assert endpoint("HTTP://me:pw@Host:81/v1/?key=3#x") == "http://host:81/v1"
    assert endpoint("http://[::1]:8080/v1") == "http://[::1]:8080/v1"


@given(st.text(alphabet="abc-_/:@?=&. sk", max_size=60))
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)

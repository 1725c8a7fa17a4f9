"""The client of a large language model behind any OpenAI-compatible endpoint: one request, one answer.

Chat completions (https://platform.openai.com/docs/api-reference/chat) or the Responses API
(https://platform.openai.com/docs/api-reference/responses), by the `openai` package with its own retries switched off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from corpusforge.errors import RecipeError
from corpusforge.items import Json
from corpusforge.net.faults import Fault, Refused, fault_of, readable
from corpusforge.net.policy import Policy
from corpusforge.net.secrets import endpoint, keep_secret, redact, secret
from corpusforge.net.service import Service

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OFFICIAL = "https://api.openai.com/v1"
URL_VARIABLE = "OPENAI_BASE_URL"
Api = Literal["chat", "responses"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a model; all of it is in its key.

    Attributes:
        messages: Roles and contents.
        schema: JSON Schema of the answer; None for plain text.
        name: Short name of the schema.
    """

    messages: tuple[tuple[str, str], ...]
    schema: str | None = None
    name: str = "answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        text: Its words; empty where it refused.
        finish_reason: `stop`, `length`, `content_filter`, … as the service says; None if it did not.
        refusal: Its words of refusal, where the service has a field for them.
        model: As the service names it.
        tokens_in, tokens_out, cached: Tokens as the service counts them; `cached` are among `tokens_in`.
        requests: Requests that it took, those included that brought no answer.
    """

    text: str
    finish_reason: str | None
    refusal: str | None
    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    requests: int = 1

    def plain(self) -> dict[str, Json]:
        """As JSON values."""
        return asdict(self)


def base_url(configured: str | None) -> str:
    """The endpoint: the recipe's, else `OPENAI_BASE_URL`, else OpenAI's own.

    Raises:
        RecipeError: It is no address.
    """
    named = os.environ.get(URL_VARIABLE, "").strip()
    url = (configured or named or OFFICIAL).rstrip("/")
    wrong = wrong_url(url)
    if wrong:
        raise RecipeError(f"{'translate.base_url' if configured else URL_VARIABLE}: {wrong}")
    return url


def wrong_url(url: str) -> str | None:
    """What is wrong with the address of an endpoint, None if nothing is."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:  # brackets, or a port that is none
        fine = False
    return None if fine else f"expected an address such as http://127.0.0.1:8000/v1, found '{redact(url)}'"


class Llm:
    """A model at an endpoint.

    Args:
        url: Base URL, such as `http://127.0.0.1:8000/v1`; a user and password in it are kept secret, and sent instead
            of the API key.
        model: As the endpoint names it.
        api: Chat completions or the Responses API.
        structured: `json` demands structured output, `text` none; `auto` demands it until the endpoint says that it
            has no such thing.
        sampling: Fields of the request besides model, messages and format, as the endpoint names them.
        key_variable: Environment variable with the API key.
        policy: See `net`.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api: Api = "chat",
        structured: Literal["auto", "json", "text"] = "auto",
        sampling: Mapping[str, Json] | None = None,
        key_variable: str = "OPENAI_API_KEY",
        policy: Policy | None = None,
    ) -> None:
        self.url, self.model, self.api = url, model, api
        self.endpoint = endpoint(url)
        self.structured = structured
        self.sampling = dict(sampling or {})
        self.service = Service(f"the model at {self.endpoint}", policy or Policy())
        self._key_variable = key_variable
        self._plain = structured == "text"
        self._client: AsyncOpenAI | None = None
        self._login = _login(url)

    def key(self, request: Request) -> bytes:
        """What an answer is found by: endpoint, model and everything that is sent."""
        sent = {
            "api": self.api,
            "endpoint": self.endpoint,
            "structured": self.structured,
            "body": self.body(request, True),
        }
        text = json.dumps(sent, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).digest()

    def body(self, request: Request, structured: bool | None = None) -> dict[str, Json]:
        """The JSON that is sent; `structured` None leaves the format to what the endpoint is known to have."""
        messages = [{"role": role, "content": content} for role, content in request.messages]
        schema = request.schema if (not self._plain if structured is None else structured) else None
        form: dict[str, Json] = {}
        format_: dict[str, Json]
        if schema is not None:
            form = {"name": request.name, "schema": json.loads(schema), "strict": True}
        if self.api == "responses":
            format_ = {"text": {"format": {"type": "json_schema", **form}}} if form else {}
            typed = [
                {"type": "message", **message} for message in messages
            ]  # llama.cpp knows an assistant's by no other
            return {"model": self.model, "input": typed, **format_, **self.sampling}
        format_ = {"response_format": {"type": "json_schema", "json_schema": form}} if form else {}
        return {"model": self.model, "messages": messages, **format_, **self.sampling}

    def missing(self) -> str | None:
        """None if a request can be sent, else what is missing and how to mend it."""
        key = secret(self._key_variable)
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            return f"{self._key_variable} is no API key: it has a blank, a line end or a letter that is not ASCII"
        if self.endpoint == OFFICIAL and key is None:
            mend = f"export {self._key_variable}=…, or set {URL_VARIABLE} to your own endpoint"
            return f"no API key for {self.endpoint}: {mend}"
        return None

    async def ask(self, request: Request, *, tokens: float = 0, sending: Callable[[], None] = lambda: None) -> Answer:
        """One answer, under the policy. `sending` is called before every request that goes out.

        Raises:
            ServiceError: This request failed for good.
            ServiceDown: The service is down, or has refused the key.
        """
        sent = 0

        async def post(structured: bool) -> Answer:
            nonlocal sent
            sending()
            sent += 1
            return await self._post(self.body(request, structured))

        async def send() -> Answer:
            structured = not self._plain  # as it is now: another request may find out while this one is on its way
            try:
                return await post(structured)
            except Exception as error:
                if not (
                    structured and self.structured == "auto" and request.schema and _refuses_format(fault_of(error))
                ):
                    raise
            answer = await post(False)
            self._plain = True  # from now on, for every request of this build
            return answer

        answer = await self.service.call(send, tokens=tokens)
        return replace(answer, requests=sent)

    def drops_format(self, request: Request, fault: Fault) -> bool:
        """Whether a fault says that there is no structured output, which may be done without: from now on it is."""
        dropped = self.structured == "auto" and request.schema is not None and _refuses_format(fault)
        self._plain = self._plain or dropped
        return dropped

    async def _post(self, body: dict[str, Json]) -> Answer:
        client = self.client()
        path = "/responses" if self.api == "responses" else "/chat/completions"
        # The client's own method for its own body: its typed methods copy and check every field once more.
        found: Any = await client.post(path, body=body, cast_to=object)
        return self.answer(found)

    def answer(self, found: Any) -> Answer:
        """An answer's JSON as an `Answer`.

        Raises:
            Refused: It is not one; worth another try.
        """
        if not isinstance(found, Mapping):
            words = f"an answer that is no JSON object: {readable(redact(str(found)))[:80]!r}"
            raise Refused(Fault(words, passing=True))
        if found.get("error"):
            said = readable(redact(json.dumps({"error": found["error"]}, ensure_ascii=False)))
            raise Refused(Fault(f"an error instead of an answer: {said}", passing=True))
        try:
            return self._of_responses(found) if self.api == "responses" else self._of_chat(found)
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            shown = redact(json.dumps(found, ensure_ascii=False))[:120]
            words = f"an answer of another form than the API's ({type(error).__name__}: {error}): {shown}"
            raise Refused(Fault(words, passing=True)) from error

    def _of_chat(self, found: Mapping[str, Any]) -> Answer:
        choice = found["choices"][0]
        message = choice["message"]
        usage = found.get("usage") or {}
        return Answer(
            text=_text(message.get("content")),
            finish_reason=_word(choice.get("finish_reason")),
            refusal=_word(message.get("refusal")),
            model=str(found.get("model") or self.model),
            tokens_in=_count(usage.get("prompt_tokens")),
            tokens_out=_count(usage.get("completion_tokens")),
            cached=_count((usage.get("prompt_tokens_details") or {}).get("cached_tokens")),
        )

    def _of_responses(self, found: Mapping[str, Any]) -> Answer:
        parts = [part for entry in found["output"] if entry.get("type") == "message" for part in entry["content"]]
        usage = found.get("usage") or {}
        incomplete = (found.get("incomplete_details") or {}).get("reason")
        reasons = {"completed": "stop", "incomplete": "length", "max_output_tokens": "length"}
        ended = incomplete or found.get("status") or "completed"
        refusals = [str(part.get("refusal")) for part in parts if part.get("type") == "refusal"]
        return Answer(
            text=_text([part for part in parts if part.get("type") == "output_text"]),
            finish_reason=_word(reasons.get(ended, ended)),
            refusal=" ".join(refusals) or None,
            model=str(found.get("model") or self.model),
            tokens_in=_count(usage.get("input_tokens")),
            tokens_out=_count(usage.get("output_tokens")),
            cached=_count((usage.get("input_tokens_details") or {}).get("cached_tokens")),
        )

    def client(self) -> AsyncOpenAI:
        """The client, made when it is first used."""
        if self._client is None:
            import openai

            policy = self.service.policy
            try:
                transport: Any = openai.DefaultAioHttpClient()  # half the work a request of the other's
            except (AttributeError, RuntimeError):  # an older openai, or no aiohttp
                transport = openai.DefaultAsyncHttpxClient()
            self._client = openai.AsyncOpenAI(
                base_url=self.endpoint,
                default_headers=self._login,
                api_key=secret(self._key_variable) or "none",
                max_retries=0,
                timeout=openai.Timeout(policy.timeout, connect=policy.connect_timeout),
                http_client=transport,
            )
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        self.service.close()


def _login(url: str) -> dict[str, str]:
    """The header for the user and password in an address, in the place of the API key's; empty where it has none."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    user, password = unquote(parts.username), unquote(parts.password or "")
    coded = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    for hidden in (parts.password or "", password, coded):
        keep_secret(hidden)
    return {"Authorization": f"Basic {coded}"}


def _text(content: str | Sequence[Mapping[str, str]] | None) -> str:
    """Words of an answer. Halves of surrogate pairs, which no file and no request can hold, become U+FFFD."""
    said = content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())
    return said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _word(value: Json) -> str | None:
    return None if value is None else _text(str(value))


def _count(value: Json) -> int:
    return max(0, int(value or 0))


def _refuses_format(fault: Fault) -> bool:
    about = r"response_format|json_schema|json schema|structured|text\.format|grammar"
    return fault.status in {400, 415, 422, 501} and re.search(about, fault.words, re.I) is not None

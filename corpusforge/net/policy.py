"""How a service on the network is treated: the one set of settings that every client shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Policy(BaseModel):
    """Settings of one service. They change how fast and how patiently it is asked, never what it answers: not in a key.

    Attributes:
        concurrency: Requests on the wire at once, at most. Fewer while the service answers "too many requests".
        requests_per_minute: Most requests that are sent in a minute; null is no limit.
        tokens_per_minute: Most tokens that are sent in a minute, for services that count them; null is no limit.
        retries: Tries after the first, for faults that can pass: 408, 409, 429, 5xx, time-outs, resets.
        backoff: Seconds of the first wait, which doubles with every try; the wait is drawn at random up to that.
        longest_wait: Seconds that a try is put off at most. A service that asks for more (Retry-After) stops the
            build, which says when to run it again.
        connect_timeout: Seconds until a connection must stand.
        timeout: Seconds that one whole try may take.
        patience: Seconds that a service may go without one success until it counts as down and the build stops.
            Meanwhile it is asked less and less often.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(8, ge=1, le=4096)
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    retries: int = Field(6, ge=0, le=100)
    backoff: float = Field(0.5, gt=0, le=600)
    longest_wait: float = Field(120.0, gt=0)
    connect_timeout: float = Field(10.0, gt=0)
    timeout: float = Field(120.0, gt=0)
    patience: float = Field(120.0, gt=0)


def left_out_as(own: Policy) -> BeforeValidator:
    """For a field of a service with defaults of its own: `network: {retries: 1}` changes the one, and lifts no limit.

    `network: Annotated[Policy, left_out_as(OWN)] = Field(OWN, json_schema_extra={"semantic": False})`
    """

    def filled(value: Any) -> Any:
        return {**own.model_dump(), **value} if isinstance(value, Mapping) else value

    return BeforeValidator(filled, json_schema_input_type=Policy)

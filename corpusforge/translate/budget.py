"""Money: what requests cost, what they may cost at most, and the hard stop in front of a budget."""

from __future__ import annotations

import asyncio
import datetime
import math
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from corpusforge.errors import BuildStopped
from corpusforge.store.answers import Spent
from corpusforge.text.scripts import runs
from corpusforge.translate.llm import Answer, Request

CHARACTERS = {"Hans": 0.34, "Hant": 0.34, "Jpan": 0.45, "Kore": 0.5, "Hang": 0.5, "Tibt": 1.13, "Mymr": 1.24}
"""Characters that a sentence takes beside the same one in English, by script; 1 where it is not listed. Those of Hans,
Tibt and Mymr are measured on FLORES-200 (dev, 997 sentences)."""
ENOUGH = 20
"""Answers after which their mean is a better estimate than any rule."""


class Prices(BaseModel):
    """What the service takes, as you know it: no price is ever guessed.

    Attributes:
        input: US dollars for a million tokens that are sent.
        output: US dollars for a million tokens that are answered.
        cached: US dollars for a million sent tokens that the service had in its cache; null is `input`.
        batch: Share of these prices that a request in `mode: batch` costs; 0.5 where batches are at half price.
        as_of: The day on which these prices held, such as '2026-11-21' (in quotes); shown with every estimate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    batch: float = Field(1.0, ge=0, le=1)
    as_of: datetime.date | None = None

    def usd(self, tokens_in: float, tokens_out: float, cached: float = 0, batch: bool = False) -> float:
        """US dollars for so many tokens; `cached` are among `tokens_in`."""
        known = self.input if self.cached is None else self.cached
        millions = (tokens_in - cached) * self.input + cached * known + tokens_out * self.output
        return millions / 1e6 * (self.batch if batch else 1)


class Budget(BaseModel):
    """What a corpus may cost in all, over all its builds: a hard stop, reached by no request.

    Attributes:
        usd: US dollars; needs `prices`.
        tokens: Tokens, sent and answered together.
        requests: Requests, failed ones included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd: float | None = Field(None, ge=0)
    tokens: int | None = Field(None, ge=0)
    requests: int | None = Field(None, ge=0)


class BudgetSpent(BuildStopped):
    """The next request could go beyond the budget."""


class Purse:
    """Holds what is left of a budget. A request is let through only if it fits even at its dearest.

    Args:
        budget, prices: Of the recipe.
        spent: By all builds so far.
        batch: Whether requests are made at the price of batches.
    """

    def __init__(self, budget: Budget, prices: Prices | None, spent: Spent, batch: bool = False) -> None:
        self.budget, self.prices, self.spent, self.batch = budget, prices, spent, batch
        self._reserved = Spent()
        self._settled = asyncio.Event()

    def cost(self, answer: Answer) -> Spent:
        """What an answer has cost."""
        usd = 0.0
        if self.prices is not None:
            usd = self.prices.usd(answer.tokens_in, answer.tokens_out, answer.cached, self.batch)
        return Spent(answer.requests, answer.tokens_in, answer.tokens_out, usd)

    def dearest(self, request: Request, max_tokens: int, requests: int = 1) -> Spent:
        """The most that a request can cost: no tokenizer makes more tokens than there are bytes."""
        sent = sum(len(content.encode("utf-8", "surrogatepass")) + 16 for _, content in request.messages)
        sent += len((request.schema or "").encode("utf-8", "surrogatepass")) + 16
        usd = 0.0
        if self.prices is not None:  # all of it from the cache, or nothing: whichever is dearer
            usd = max(self.prices.usd(sent, max_tokens, cached, self.batch) for cached in (0, sent))
        return Spent(requests, sent, max_tokens, usd)

    @property
    def reserved(self) -> bool:
        """Whether anything is on its way."""
        return self._reserved != Spent()

    def beyond(self, dearest: Spent) -> str | None:
        """None if a request fits beside those that are on their way, else which limit it could break, in words."""
        limit = self._beyond(self.spent + self._reserved + dearest)
        return None if limit is None else self._words(limit)

    def take(self, dearest: Spent) -> None:
        """Reserve what a request can cost."""
        self._reserved += dearest

    def take_now(self, dearest: Spent) -> None:
        """Reserve at once, or not at all: for who holds a reservation already, and would wait for itself.

        Raises:
            BudgetSpent: It does not fit beside those on their way.
        """
        words = self.beyond(dearest)
        if words is not None:
            raise BudgetSpent(words)
        self.take(dearest)

    async def reserve(self, dearest: Spent) -> None:
        """Reserve as soon as it fits.

        Raises:
            BudgetSpent: It does not fit, whatever those on their way will have cost.
        """
        while (words := self.beyond(dearest)) is not None:
            if not self.reserved:
                raise BudgetSpent(words)
            await self.settled()
        self.take(dearest)

    async def settled(self) -> None:
        """Wait until a request that was on its way has been settled."""
        self._settled.clear()
        await self._settled.wait()

    def settle(self, dearest: Spent, cost: Spent) -> None:
        """Put the real cost in the place of what was reserved."""
        self._reserved += _minus(dearest)
        if self._reserved.requests == 0:
            self._reserved = Spent()  # sums of floats do not come back to 0 by themselves
        self.spent += cost
        self._settled.set()

    def _beyond(self, wanted: Spent) -> str | None:
        budget = self.budget
        if budget.usd is not None and wanted.usd > budget.usd + 1e-12:
            return "usd"
        if budget.tokens is not None and wanted.tokens > budget.tokens:
            return "tokens"
        return "requests" if budget.requests is not None and wanted.requests > budget.requests else None

    def _words(self, limit: str) -> str:
        spent = {
            "usd": f"{self.spent.usd:.4f} of {self.budget.usd} USD",
            "tokens": f"{self.spent.tokens:,} of {self.budget.tokens or 0:,} tokens",
            "requests": f"{self.spent.requests:,} of {self.budget.requests or 0:,} requests",
        }[limit]
        return (
            f"translate.budget.{limit}: {spent} are spent, and the next request could go beyond. What was paid for is "
            f"kept. Raise the budget (--set translate.budget.{limit}=…) and run the same command again"
        )


def _minus(spent: Spent) -> Spent:
    return Spent(-spent.requests, -spent.tokens_in, -spent.tokens_out, -spent.usd)


def rule_of_thumb(text: str) -> float:
    """Tokens of a text where nothing better is known: 1 for 4 Latin letters, digits or marks, 1 for a hanzi, 2 for a
    character of any other script. Shown as a rule, never as a measurement.
    """
    each = {"Latn": 0.25, "Common": 0.25, "Hani": 1.0}
    return sum(len(run) * each.get(script, 2.0) for script, run in runs(text))


def expected_answer(source: str, source_lang: str, targets: Iterable[str]) -> float:
    """Tokens of a translation by the same rule, its length in characters from the scripts of both languages."""
    tokens = 0.0
    for lang in targets:
        script = lang.rpartition("_")[2]
        characters = len(source) * CHARACTERS.get(script, 1.0) / CHARACTERS.get(source_lang.rpartition("_")[2], 1.0)
        tokens += characters * {"Latn": 0.25, "Hans": 1.0, "Hant": 1.0}.get(script, 2.0)
    return math.ceil(tokens)

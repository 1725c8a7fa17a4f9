"""Money: no order of answers spends more than the budget, nobody waits for himself, and nothing is guessed."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.errors import BuildStopped
from corpusforge.store.answers import Spent
from corpusforge.translate.budget import Budget, BudgetSpent, Prices, Purse, expected_answer, rule_of_thumb
from corpusforge.translate.llm import Answer, Request

PRICES = Prices(input=2.0, output=8.0, cached=0.5)


def request(text: str = "你好，世界。" * 10) -> Request:
    return Request((("system", "You translate."), ("user", text)), '{"type": "object"}')


def answer(tokens_in: int, tokens_out: int, cached: int = 0, requests: int = 1) -> Answer:
    return Answer("x", "stop", None, "m", tokens_in, tokens_out, cached, requests)


budgets = st.builds(
    Budget,
    usd=st.none() | st.floats(0, 0.02),
    tokens=st.none() | st.integers(0, 20_000),
    requests=st.none() | st.integers(0, 30),
)


@settings(max_examples=150)
@given(budget=budgets, count=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_no_order_of_answers_spends_more_than_the_budget(budget: Budget, count: int, seed: int) -> None:
    draw = random.Random(seed)
    purse = Purse(budget, PRICES, Spent())
    asked = request()
    dearest = purse.dearest(asked, 100)
    stopped: list[BudgetSpent] = []

    def within() -> bool:
        spent = purse.spent
        return (
            (budget.usd is None or spent.usd <= budget.usd + 1e-9)
            and (budget.tokens is None or spent.tokens <= budget.tokens)
            and (budget.requests is None or spent.requests <= budget.requests)
        )

    async def item() -> None:
        held = dearest
        try:
            await purse.reserve(held)
        except BudgetSpent as error:
            stopped.append(error)
            return
        sent = 1
        cost = None
        try:
            for _ in range(draw.randrange(3)):  # tries that bring nothing
                await asyncio.sleep(0)
                purse.take_now(Spent(1))
                held += Spent(1)
                sent += 1
            for _ in range(draw.randrange(4)):
                await asyncio.sleep(0)
            if draw.random() < 0.8:
                tokens_in = draw.randint(0, dearest.tokens_in)
                cost = purse.cost(answer(tokens_in, draw.randint(0, 100), draw.randint(0, tokens_in), sent))
        except BudgetSpent as error:
            stopped.append(error)
        finally:
            purse.settle(held, cost or Spent(sent))
            assert within()

    async def items() -> None:
        async with asyncio.timeout(20):  # nobody waits for ever
            await asyncio.gather(*(item() for _ in range(count)))

    asyncio.run(items())
    assert within()
    assert not purse.reserved
    if budget == Budget():
        assert not stopped


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(requests=3), r"translate\.budget\.requests: 3 of 3 requests are spent"),
        (Budget(tokens=1000), r"translate\.budget\.tokens: 900 of 1,000 tokens are spent"),
        (Budget(usd=0.005), r"translate\.budget\.usd: 0\.0048 of 0\.005 USD are spent"),
    ],
)
def test_a_spent_budget_says_what_to_do(budget: Budget, words: str) -> None:
    async def ask() -> None:
        purse = Purse(budget, PRICES, Spent(3, 400, 500, 0.0048))
        await purse.reserve(purse.dearest(request(), 100))

    with pytest.raises(BuildStopped, match=rf"{words}.*is kept\. Raise the budget \(--set translate\.budget\."):
        asyncio.run(ask())


def test_a_budget_of_nothing_lets_nothing_through() -> None:
    for budget in (Budget(usd=0), Budget(tokens=0), Budget(requests=0)):
        purse = Purse(budget, PRICES, Spent())
        assert purse.beyond(purse.dearest(request(), 100)) is not None


def test_who_does_not_fit_beside_others_waits_for_what_they_really_cost() -> None:
    async def ask() -> list[str]:
        purse = Purse(Budget(tokens=1000), None, Spent())
        first, second = Spent(1, 400, 400), Spent(1, 300, 100)
        happened: list[str] = []
        await purse.reserve(first)

        async def waits() -> None:
            await purse.reserve(second)
            happened.append("second is sent")
            purse.settle(second, Spent(1, 300, 100))

        task = asyncio.create_task(waits())
        for _ in range(5):
            await asyncio.sleep(0)
        happened.append("first is answered")
        purse.settle(first, Spent(1, 400, 100))
        await task
        assert purse.spent == Spent(2, 700, 200)
        return happened

    assert asyncio.run(ask()) == ["first is answered", "second is sent"]


def test_another_try_does_not_wait_for_itself() -> None:
    async def ask() -> None:
        purse = Purse(Budget(requests=1), None, Spent())
        await purse.reserve(Spent(1))
        with pytest.raises(BudgetSpent):
            purse.take_now(Spent(1))

    asyncio.run(ask())


@given(
    texts=st.lists(st.text(max_size=60), min_size=1, max_size=4),
    schema=st.none() | st.text(max_size=30),
    max_tokens=st.integers(1, 5000),
    cached_price=st.none() | st.floats(0, 50),
)
def test_the_dearest_is_no_less_than_any_answer(
    texts: list[str], schema: str | None, max_tokens: int, cached_price: float | None
) -> None:
    # A byte-level tokenizer at its worst: a token a byte, and a few around each message.
    asked = Request(tuple(("user", text) for text in texts), schema)
    worst = sum(len(text.encode("utf-8", "surrogatepass")) + 8 for text in (*texts, schema or ""))
    purse = Purse(Budget(), Prices(input=2, output=8, cached=cached_price), Spent())
    dearest = purse.dearest(asked, max_tokens)
    for cached in (0, worst // 2, worst):
        cost = purse.cost(answer(worst, max_tokens, cached))
        assert dearest.tokens >= cost.tokens
        assert dearest.usd >= cost.usd - 1e-12


def test_prices_are_per_million_and_cached_tokens_are_among_those_sent() -> None:
    assert PRICES.usd(1_000_000, 0) == 2.0
    assert PRICES.usd(0, 1_000_000) == 8.0
    assert PRICES.usd(1_000_000, 0, 400_000) == pytest.approx(0.6 * 2 + 0.4 * 0.5)
    assert Prices(input=2, output=8).usd(1_000_000, 0, 400_000) == pytest.approx(2.0)
    assert Prices(input=2, output=8, batch=0.5).usd(1_000_000, 1_000_000, batch=True) == 5.0
    assert Prices(input=2, output=8, batch=0.5).usd(1_000_000, 1_000_000) == 10.0


def test_unknown_prices_are_not_guessed() -> None:
    purse = Purse(Budget(), None, Spent())
    assert purse.cost(answer(10**6, 10**6)).usd == 0.0
    with pytest.raises(ValidationError):
        Prices.model_validate({"input": 1.0})


@given(st.text(max_size=200))
def test_the_rule_of_thumb_is_a_number_for_any_text(text: str) -> None:
    assert 0 <= rule_of_thumb(text) <= 2 * len(text)


def test_the_rule_of_thumb_as_it_is_stated() -> None:
    assert rule_of_thumb("abcdefgh") == 2
    assert rule_of_thumb("你好") == 2
    assert rule_of_thumb("བོད") == 2 * len("བོད")
    assert rule_of_thumb("") == 0


def test_expected_answers_follow_the_scripts() -> None:
    chinese = "今天天气很好，我们去公园散步。"
    tibetan, burmese, english = (expected_answer(chinese, "zho_Hans", [lang]) for lang in TARGETS)
    assert burmese > tibetan > english > 0
    assert expected_answer(chinese, "zho_Hans", TARGETS) >= tibetan + burmese + english - 3


TARGETS = ("bod_Tibt", "mya_Mymr", "eng_Latn")

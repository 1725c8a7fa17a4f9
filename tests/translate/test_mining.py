"""Exemplars that a model makes itself: which sentences are tried, and which pairs are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from corpusforge.errors import SourceError
from corpusforge.translate.exemplars import Exemplar, ExemplarConfig, Pool, Strategy, read_pool
from corpusforge.translate.mining import Mining
from tests.translate.test_exemplars import pool


def likeness(text: str, reference: str) -> float:
    return 100 * SequenceMatcher(None, text, reference, autojunk=False).ratio()


class Dictionary:
    """A translator that knows the sentences of a real parallel corpus, and notes what it was asked."""

    def __init__(self, parallel: Pool, forgets: Sequence[str] = ()) -> None:
        self.parallel = parallel
        self.forgets = forgets
        self.asked: list[tuple[str, str, int]] = []

    async def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str | None]:
        self.asked.append((source, target, len(texts)))
        book = dict(zip(self.parallel.lines[source], self.parallel.lines[target], strict=True))
        return [None if text in self.forgets else book.get(text) for text in texts]


def mining(parallel: Pool, **settings: object) -> Mining:
    config = ExemplarConfig.model_validate(
        {"strategy": "mined", "languages": ["fra_Latn", "arb_Arab"], "k": 2, **settings}
    )
    return Mining(config, parallel, "zho_Hans", "bod_Tibt", score=likeness)


def test_genuine_sentences_of_the_target_are_translated_there_and_back() -> None:
    translate = Dictionary(pool())
    made = asyncio.run(mining(pool("bod_Tibt"), candidates=3).pool(translate))
    assert translate.asked == [("bod_Tibt", "zho_Hans", 3), ("zho_Hans", "bod_Tibt", 3)]
    assert len(made.lines["bod_Tibt"]) == 3
    pairs = dict(zip(pool().lines["zho_Hans"], pool().lines["bod_Tibt"], strict=True))
    assert [pairs[source] for source in made.lines["zho_Hans"]] == list(made.lines["bod_Tibt"])


def test_genuine_sentences_of_the_source_need_no_text_in_the_target() -> None:
    translate = Dictionary(pool())
    made = asyncio.run(mining(pool("zho_Hans"), genuine="source").pool(translate))
    assert translate.asked == [("zho_Hans", "bod_Tibt", 5), ("bod_Tibt", "zho_Hans", 5)]
    assert set(made.lines["zho_Hans"]) == set(pool().lines["zho_Hans"])


def test_candidates_are_drawn_by_seed_each_once() -> None:
    twice = Pool({"bod_Tibt": pool().lines["bod_Tibt"] * 2})
    assert sorted(mining(twice).candidates()) == sorted(pool().lines["bod_Tibt"])
    assert mining(twice, candidates=2).candidates() == mining(twice).candidates()[:2]
    assert mining(twice, seed=5).candidates() != mining(twice).candidates()


def test_what_is_not_translated_is_dropped_and_counted() -> None:
    parallel = pool()
    forgets = (parallel.lines["bod_Tibt"][0], parallel.lines["zho_Hans"][1])
    mined = asyncio.run(mining(parallel).mine(Dictionary(parallel, forgets)))
    assert mined.dropped == {"not translated": 1, "not translated back": 1}
    assert len(mined.pool.lines["bod_Tibt"]) == 3
    assert mined.scores == (100, 100, 100)


def test_a_pair_that_fails_its_check_is_dropped_before_the_way_back() -> None:
    def check(pair: Exemplar) -> str | None:
        assert (pair.source_lang, pair.target_lang) == ("zho_Hans", "bod_Tibt")
        return "length" if len(pair.source) == 3 and "书" in pair.source else None

    translate = Dictionary(pool())
    miner = Mining(mining(pool()).config, pool(), "zho_Hans", "bod_Tibt", score=likeness, check=check)
    mined = asyncio.run(miner.mine(translate))
    assert mined.dropped == {"length": 2}
    assert translate.asked[1] == ("zho_Hans", "bod_Tibt", 3)


def lossy(parallel: Pool) -> Dictionary:
    """One that comes back with less of the sentence the further down the corpus it stands."""

    class Lossy(Dictionary):
        async def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str | None]:
            found = await super().__call__(texts, source, target)
            if target == "zho_Hans":
                return found
            places = [self.parallel.lines[source].index(text) for text in texts]
            return [text and text[: max(1, len(text) - 2 * at)] for at, text in zip(places, found, strict=True)]

    return Lossy(parallel)


def test_the_best_are_kept_best_first() -> None:
    mined = asyncio.run(mining(pool(), kept=2, least_score=0).mine(lossy(pool())))
    assert mined.pool.lines["zho_Hans"] == pool().lines["zho_Hans"][:2]
    assert mined.scores[0] == 100 > mined.scores[1]
    assert mined.dropped == {"not among the best": 3}


def test_a_pair_that_does_not_come_back_is_dropped() -> None:
    mined = asyncio.run(mining(pool(), least_score=95).mine(lossy(pool())))
    assert mined.pool.lines["zho_Hans"] == pool().lines["zho_Hans"][:1]
    assert mined.dropped == {"chrF below 95": 4}


def test_where_nothing_passes_the_reasons_are_told() -> None:
    nothing = Dictionary(Pool({"zho_Hans": (), "bod_Tibt": ()}))
    with pytest.raises(SourceError, match=r"none of 5 candidates became .* \(5 not translated\); lower least_score"):
        asyncio.run(mining(pool()).pool(nothing))
    assert len(nothing.asked) == 1


def test_an_answer_that_lacks_texts_is_no_answer() -> None:
    async def short(texts: Sequence[str], source: str, target: str) -> list[str | None]:
        return [None]

    with pytest.raises(ValueError, match="shorter"):
        asyncio.run(mining(pool()).pool(short))


def test_the_prompts_that_mine_hold_no_sentence_of_the_target_language() -> None:
    miner = mining(pool())
    back = miner.exemplars_for("མི་དྲུག", "bod_Tibt", "zho_Hans")
    there = miner.exemplars_for("六个人", "zho_Hans", "bod_Tibt")
    assert [(each.source_lang, each.target_lang) for each in back] == [
        ("fra_Latn", "zho_Hans"),
        ("arb_Arab", "zho_Hans"),
    ]
    assert [(each.source_lang, each.target_lang) for each in there] == [
        ("zho_Hans", "fra_Latn"),
        ("zho_Hans", "arb_Arab"),
    ]
    assert mining(pool("bod_Tibt"), bootstrap="plain").exemplars_for("六个人", "zho_Hans", "bod_Tibt") == ()


def test_real_sentences_become_exemplars_of_what_they_are_near_to(shared_data: Path) -> None:
    real = read_pool(shared_data / "flores200", ["zho_Hans", "bod_Tibt"])
    miner = mining(real, candidates=100, kept=50, bootstrap="plain")
    made = asyncio.run(miner.pool(Dictionary(real)))
    chooser = Strategy(miner.config, real, {"bod_Tibt": made})
    shown = chooser.exemplars_for(real.lines["zho_Hans"][0], "zho_Hans", "bod_Tibt")
    assert len(shown) == 2
    assert all(each.target in real.lines["bod_Tibt"] and each.source != real.lines["zho_Hans"][0] for each in shown)

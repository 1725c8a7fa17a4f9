"""Splits: exact shares by document, no dependence on order, and little movement when a corpus grows."""

from __future__ import annotations

import csv
import hashlib
import tracemalloc
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.corpus.splits import Splits, assign, boundaries

shares = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 1 / 3, 0.4, 0.5, 0.75, 0.9])
configs = st.builds(lambda dev, test, seed: (dev, test, seed), shares, shares, st.integers(0, 5)).filter(
    lambda drawn: drawn[0] + drawn[1] < 0.999
)
documents = st.lists(st.tuples(st.text(min_size=1, max_size=6), st.sampled_from([None, "a", "b", "c"])), max_size=60)


def splits_of(config: tuple[float, float, int]) -> Splits:
    return Splits(dev=config[0], test=config[1], seed=config[2])


@given(configs, st.integers(0, 3000))
def test_each_boundary_grows_by_none_or_one(config, count):
    before, after = boundaries(count, splits_of(config)), boundaries(count + 1, splits_of(config))
    assert [new - old for new, old in zip(after, before, strict=True)] in ([0, 0], [0, 1], [1, 0], [1, 1])


@given(configs, st.integers(1, 3000))
def test_every_split_that_is_wanted_gets_a_document_and_the_shares_are_exact(config, count):
    splits = splits_of(config)
    first, second = boundaries(count, splits)
    sizes = {"test": first, "dev": second - first, "train": count - second}
    assert sizes["train"] >= 1 and sizes["dev"] >= 0 and sizes["test"] >= 0
    assert sizes["test"] == 0 or splits.test > 0
    assert sizes["dev"] == 0 or splits.dev > 0
    if count >= 3:
        assert (sizes["test"] > 0, sizes["dev"] > 0) == (splits.test > 0, splits.dev > 0)
    wanted = {"test": splits.test * count, "dev": splits.dev * count}
    if count - sum(wanted.values()) >= 2 and all(number == 0 or number >= 1 for number in wanted.values()):
        # Room for everybody, so nothing but rounding: half a document at each boundary.
        assert abs(sizes["test"] - wanted["test"]) <= 0.5 + 1e-9
        assert abs(sizes["test"] + sizes["dev"] - sum(wanted.values())) <= 0.5 + 1e-9


def test_few_documents():
    assert [boundaries(count, Splits()) for count in range(6)] == [(0, 0), (0, 0), (1, 1), (1, 2), (1, 2), (1, 2)]


def test_a_tenth_is_a_tenth_in_decimal():
    # 0.1 + 0.2 is not 0.3 in binary, and 0.15 * 10 is under 1.5: shares are taken as they were written.
    assert boundaries(10, Splits(test=0.15, dev=0.15)) == (2, 3)
    assert boundaries(1000, Splits(test=0.1, dev=0.2)) == (100, 300)
    assert boundaries(5, Splits(test=0.1, dev=0.1)) == (1, 2)


@given(documents, configs, st.randoms())
def test_order_does_not_matter(rows, config, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert assign(rows, splits_of(config)) == assign(shuffled, splits_of(config))


@given(st.sets(st.text(min_size=1, max_size=8), max_size=80), st.text(min_size=1, max_size=8), configs)
def test_an_added_document_moves_at_most_one_other_across_each_boundary(names, added, config):
    names -= {added}
    order = {"test": 0, "dev": 1, "train": 2}
    before = assign([(name, "x") for name in names], splits_of(config))
    after = assign([(name, "x") for name in {*names, added}], splits_of(config))
    for boundary in (1, 2):
        crossed = [n for n in names if (order[before[n]] < boundary) != (order[after[n]] < boundary)]
        assert len(crossed) <= 1


@given(documents, configs)
def test_labels_do_not_disturb_each_other(rows, config):
    only_a = [(document, label) for document, label in rows if label == "a"]
    others = {document for document, label in rows if label != "a"}
    alone = assign([row for row in only_a if row[0] not in others], splits_of(config))
    whole = assign([row for row in rows if (row[1] == "a") == (row[0] not in others)], splits_of(config))
    assert {document: whole[document] for document in alone} == alone


def test_ranks_are_the_documented_hash():
    names = [f"article {number}" for number in range(100)]
    ranked = sorted(names, key=lambda name: hashlib.sha256(f"42:{name}".encode()).digest())
    found = assign([(name, "news") for name in names], Splits())
    assert [found[name] for name in ranked] == ["test"] * 10 + ["dev"] * 10 + ["train"] * 80


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        (["b", "b", "a"], "b"),
        (["b", "a"], "a"),
        ([None, None, "a"], None),
        (["a", None], None),
        (["b", "a", "b", "a"], "a"),
    ],
)
def test_a_document_has_its_majority_label(votes, winner):
    """Which class it is in shows by whom it moves: alone in a class it is train, in a class of two it may be test."""
    partner = "partner"
    found = assign([*(("mixed", vote) for vote in votes), (partner, winner)], Splits())
    assert sorted(found.values()) == ["test", "train"]
    alone = assign([*(("mixed", vote) for vote in votes), (partner, "another")], Splits())
    assert sorted(alone.values()) == ["train", "train"]


def test_another_seed_is_another_split_of_the_same_sizes():
    rows = [(str(number), None) for number in range(200)]
    first, second = assign(rows, Splits(seed=1)), assign(rows, Splits(seed=2))
    assert first != second and Counter(first.values()) == Counter(second.values())


@pytest.mark.parametrize(
    "wrong", [{"dev": 0.5, "test": 0.5}, {"dev": -0.1}, {"test": 1.0}, {"by": "row"}, {"shuffle": True}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Splits(**wrong)


def test_flores_200_by_article(shared_data):
    rows = []
    for split in ("dev", "devtest"):
        with open(shared_data / "flores200" / f"metadata_{split}.tsv", encoding="utf-8") as file:
            rows += list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = defaultdict(Counter)
    for row in rows:
        labels[row["URL"]][row["domain"]] += 1
    found = assign(((row["URL"], row["domain"]) for row in rows), Splits())
    assert len(found) == 562
    for domain in ("wikinews", "wikibooks", "wikivoyage"):
        own = [url for url in found if labels[url].most_common(1)[0][0] == domain]
        sizes = Counter(found[url] for url in own)
        assert abs(sizes["test"] - len(own) / 10) <= 0.5
        assert abs(sizes["test"] + sizes["dev"] - len(own) / 5) <= 0.5


def test_a_hundred_thousand_documents_in_20_megabytes():
    def outline():
        for number in range(100_000):
            for sentence in range(3):
                label = "abc"[(number + (sentence == 2 and number % 7 == 0)) % 3]
                yield f"https://en.wikinews.org/wiki/Article_{number:06d}", label

    tracemalloc.start()
    try:
        found = assign(outline(), Splits())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 100_000
    assert peak < 20e6

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.sources.base import Outline
from corpusforge.sources.flores200 import Flores200
from corpusforge.sources.select import choose

LABELS = st.sampled_from([None, "", "wikinews", "wikibooks", "wikivoyage"])
OUTLINES = st.dictionaries(st.text(min_size=1, max_size=4), LABELS, max_size=40).map(
    lambda groups: [Outline(group, "document", label) for group, label in groups.items()]
)


@given(OUTLINES, st.integers(0, 50), st.integers(0, 50), st.integers())
def test_a_larger_limit_only_adds_groups(outline: list[Outline], one: int, two: int, seed: int) -> None:
    assert choose(outline, min(one, two), seed) <= choose(outline, max(one, two), seed)


@given(OUTLINES, st.integers(0, 50), st.integers())
def test_takes_exactly_as_many_as_asked_or_all(outline: list[Outline], limit: int, seed: int) -> None:
    chosen = choose(outline, limit, seed)
    assert len(chosen) == min(limit, len(outline))
    assert chosen <= {entry.group for entry in outline}


@given(OUTLINES, st.integers(0, 50), st.integers())
def test_labels_are_balanced(outline: list[Outline], limit: int, seed: int) -> None:
    chosen = choose(outline, limit, seed)
    taken: dict[str | None, int] = {entry.label: 0 for entry in outline}
    there: dict[str | None, int] = {entry.label: 0 for entry in outline}
    for entry in outline:
        there[entry.label] += 1
        taken[entry.label] += entry.group in chosen
    if limit >= len(there):
        assert all(taken.values())
    # A label may only be behind the fullest by more than one if it has nothing left.
    for label, count in taken.items():
        assert count >= max(taken.values()) - 1 or count == there[label]


@given(OUTLINES, st.integers(0, 50), st.integers(), st.integers())
def test_order_does_not_matter(outline: list[Outline], limit: int, seed: int, order: int) -> None:
    shuffled = list(outline)
    random.Random(order).shuffle(shuffled)
    assert choose(shuffled, limit, seed) == choose(iter(outline), limit, seed)


def test_the_choice_is_fixed_for_all_time() -> None:
    # sha256sum of 13:a begins with 193a, of 13:b with d9cb, of 13:c with 13eb, of 13:d with 4e51.
    outline = [Outline(group, group, label) for group, label in zip("abcd", "xxyy", strict=True)]
    assert choose(outline, 1, 13) == {"a"}  # 'x' goes before 'y'
    assert choose(outline, 2, 13) == {"a", "c"}
    assert choose(outline, 3, 13) == {"a", "c", "b"}


def test_another_seed_is_another_choice() -> None:
    outline = [Outline(f"dev-{number:04d}", "d", "x") for number in range(200)]
    assert choose(outline, 20, 0) != choose(outline, 20, 1)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more, not -1"):
        choose([], -1, 0)


def test_thirty_groups_of_flores_have_ten_of_each_domain(shared_data: Path) -> None:
    source = Flores200(Flores200.Config(path=str(shared_data / "flores200")))
    outline = list(source.outline())
    chosen = choose(outline, 30, 7)
    domains = [entry.label for entry in outline if entry.group in chosen]
    assert {domain: domains.count(domain) for domain in set(domains)} == {
        "wikinews": 10,
        "wikibooks": 10,
        "wikivoyage": 10,
    }
    assert len(list(source.items(chosen))) == 90

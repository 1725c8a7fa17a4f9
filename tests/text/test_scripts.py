"""Scripts and runs."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from corpusforge.text.scripts import runs, share


@given(st.text())
def test_runs_lose_nothing_and_alternate(text: str) -> None:
    found = list(runs(text))
    assert "".join(run for _, run in found) == text
    assert all(one[0] != other[0] for one, other in itertools.pairwise(found))


def test_runs_name_scripts() -> None:
    assert list(runs("BBC 9:30 བོད། မြန်မာ 中文")) == [
        ("Latn", "BBC"),
        ("Common", " 9:30 "),
        ("Tibt", "བོད།"),
        ("Common", " "),
        ("Mymr", "မြန်မာ"),
        ("Common", " "),
        ("Hani", "中文"),
    ]


def test_share_counts_letters_only() -> None:
    assert share("中文 12, AB", "Hani") == 0.5
    assert share("12 !", "Hani") == 0.0

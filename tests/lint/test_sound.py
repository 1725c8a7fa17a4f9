"""Silence, clipping, length and syllables that were not read: from the manifest's measurements."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.lint import lint
from corpusforge.lint.sound import FAR, LEAST_MAD, bounds
from tests.lint.conftest import Rows, change, of, only, row

ID = "dev-0003.bod_Tibt"


def measure(corpus: Path, **values: float | int) -> None:
    def set_metrics(found: Rows) -> None:
        row(found, ID)["metrics"].update(values)

    change(corpus, set_metrics)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"rms_dbfs": -60.0}, "nearly silent"),
        ({"silence": 0.6}, "mostly silence"),
        ({"leading_silence": 1.2}, "over 1 s at an end"),
        ({"trailing_silence": 1.2}, "over 1 s at an end"),
        ({"longest_pause": 2.5}, "a pause over 2 s"),
    ],
)
def test_silence(corpus: Path, values: dict[str, float], kind: str) -> None:
    measure(corpus, **values)
    found = only(corpus)
    assert (found.check, found.severity, found.rows, found.counts) == ("silence", "warning", (ID,), {kind: 1})


def test_clipping(corpus: Path) -> None:
    measure(corpus, clipping=0.0005)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("clipping", "warning", (ID,))
    assert found.counts == {"bod_Tibt": 1}


def test_much_that_was_not_read(corpus: Path) -> None:
    measure(corpus, unreadable=6, unreadable_share=0.15)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("unreadable", "warning", (ID,))


def length(corpus: Path, factor: float) -> None:
    def cut(found: Rows) -> None:
        one = row(found, ID)
        one["num_samples"] = round(one["num_samples"] * factor)
        one["duration"] *= factor

    change(corpus, cut)


@pytest.mark.parametrize(("factor", "kind"), [(0.5, "too short"), (2.0, "too long")])
def test_a_clip_of_half_or_twice_the_length(corpus: Path, factor: float, kind: str) -> None:
    length(corpus, factor)
    found = only(corpus, skip=["files"])
    assert (found.check, found.severity, found.rows) == ("duration", "warning", (ID,))
    assert found.counts[kind] == 1


def test_a_clip_without_a_sample(corpus: Path) -> None:
    length(corpus, 0)
    found = only(corpus, skip=["files"])
    assert (found.check, found.severity, found.rows) == ("duration", "error", (ID,))


def test_syllables_are_counted_where_the_engine_did_not(corpus: Path) -> None:
    def forget(found: Rows) -> None:
        for one in found:
            one["metrics"].update(syllables=None, seconds_per_syllable=None)

    length(corpus, 0.5)
    change(corpus, forget)
    assert only(corpus, skip=["files"]).rows == (ID,)


def test_a_voice_of_few_clips_is_not_judged(corpus: Path) -> None:
    def another_voice(found: Rows) -> None:
        for one in of(found, lang="bod_Tibt")[:5]:
            one["voice"] = "other"

    length(corpus, 0.5)
    change(corpus, another_voice)
    found = only(corpus, skip=["files"])
    assert (found.check, found.severity, found.counts) == ("duration", "note", {"bod_Tibt espeak other": 5})
    assert ID in found.rows


@pytest.mark.parametrize("check", ["silence", "clipping", "unreadable"])
def test_rows_that_were_not_measured_are_told_of(corpus: Path, check: str) -> None:
    def forget(found: Rows) -> None:
        row(found, ID)["metrics"] = None

    change(corpus, forget)
    found = only(corpus, checks=[check])
    assert (found.check, found.severity, found.rows) == (check, "note", (ID,))
    assert "not run on 1 row" in found.message
    assert lint(corpus, checks=["duration"]) == []


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=50))
def test_bounds_lie_around_the_median(paces: list[float]) -> None:
    low, high = bounds(paces)
    middle = math.exp(statistics.median(map(math.log, paces)))
    assert low < middle < high
    assert high / middle == pytest.approx(middle / low)
    assert high / middle >= math.exp(FAR * 1.4826 * LEAST_MAD) * (1 - 1e-9)

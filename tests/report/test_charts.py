"""Bins hold everything, and charts say in words what they show."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st

from corpusforge.report.charts import Series, bins, histogram, lines, thinned

LENGTHS = st.lists(st.floats(0, 10_000, allow_nan=False), max_size=60)


@given(st.lists(LENGTHS, max_size=4))
@example([[1.0, 1.0000000000000002]])
@example([[0.0], [5e-324, 1e-310]])
def test_every_value_is_counted_once(samples: list[list[float]]) -> None:
    edges = bins(samples)
    assert 2 <= len(edges) < 80
    for sample in samples:
        chart = ElementTree.fromstring(histogram(sample, edges, "s", "Duration"))
        counts = [int((title.text or "").rpartition(": ")[2].replace(",", "")) for title in chart.iter("title")]
        assert sum(counts) == len(sample)


def test_a_histogram_says_range_and_median_and_quotes_its_title() -> None:
    chart = ElementTree.fromstring(histogram([1.0, 2.0, 4.0], [0, 1, 2, 3, 4, 5], "s", 'Duration, "<x>"'))
    assert chart.get("aria-label") == 'Duration, "<x>": 3 utterances from 1 to 4 s, median 2 s'


def test_lines_break_where_nothing_was_measured() -> None:
    points = [(1, 0.5), (2, math.nan), (3, None), (4, 0.7), (5, 0.6)]
    chart = ElementTree.fromstring(lines([Series("<run>", points, 0)], "step", "Loss"))
    [path] = [path.get("d") or "" for path in chart.iter("path")]
    assert re.sub(r"[\d. ]+", "", path) == "MML"
    assert chart.get("aria-label") == "Loss: <run>"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e6, 1e6)), max_size=50))
@example([(0, 1.0), (1, 1.0000000000000002)])
@example([(0, 0.0), (1, 5e-324)])
@example([(0, -1e-18), (1, 1e-310)])
def test_any_line_can_be_drawn(points: list[tuple[float, float]]) -> None:
    ElementTree.fromstring(lines([Series("one", sorted(points), 7)], "step", "Loss", whole=True))


def test_long_lines_are_thinned_to_their_means() -> None:
    found = thinned([(step, float(step % 2)) for step in range(10_000)], 100)
    assert len(found) == 100 and {y for _, y in found} == {0.5}
    assert thinned([(1, 2.0)], 100) == [(1, 2.0)]

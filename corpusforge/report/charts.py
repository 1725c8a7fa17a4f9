"""Charts as inline SVG. Colours come from the style sheet, so that a chart follows the page into the dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_BINS = 32


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart.

    Attributes:
        name: As in the legend.
        points: (x, y), in order of x; y is None where it was not measured or is no finite number.
        style: Number of its colour, from 0.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    style: int


def bins(values: Sequence[Sequence[float]]) -> list[float]:
    """Edges of bins of a round width that hold all of several samples; about 32 of them, and no empty ends."""
    known = sorted(value for sample in values for value in sample)
    if not known:
        return [0.0, 1.0]
    low, high = known[0], known[-1]
    width = _round_step(_told_apart(low, high) / _BINS or max(abs(low), abs(high), 1.0) / _BINS)
    first = math.floor(low / width)
    last = max(math.floor(high / width) + 1, first + 1)
    return [number * width for number in range(first, last + 1)]


def histogram(values: Sequence[float], edges: Sequence[float], unit: str, title: str, style: int = 0) -> Markup:
    """Bars of how many values are in each bin; the line is the median.

    Args:
        values: To be counted; those outside of the edges count in the first or the last bin.
        edges: Of n bins of equal width, n + 1 of them.
        unit: Of the values.
        title: What a screen reader says first.
        style: Number of the colour.
    """
    width = edges[1] - edges[0]
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(math.floor((value - edges[0]) / width + 1e-9), 0), len(counts) - 1)] += 1
    left, right, top, bottom = 40.0, 10.0, 12.0, 24.0
    wide, high = 380.0, 150.0
    across, down = wide - left - right, high - top - bottom
    most = max(1, *counts)
    ticks = [tick for tick in _ticks(0, most, 3) if tick == int(tick)]
    scale = down / max(most, ticks[-1])
    parts = []
    for tick in ticks:
        y = high - bottom - tick * scale
        parts.append(_line(left, y, wide - right, y, "grid"))
        parts.append(_text(left - 6, y + 4, f"{int(tick):,}", "end"))
    bar = across / len(counts)
    for number, count in enumerate(counts):
        if count:
            span = f"{_plain(edges[number])} to {_plain(edges[number + 1])} {unit}: {count:,}"
            parts.append(
                f'<rect class="fill s{style % 6}" x="{left + number * bar + 0.5:.2f}" '
                f'y="{high - bottom - count * scale:.2f}" width="{max(bar - 1, 0.5):.2f}" height="{count * scale:.2f}">'
                f"<title>{_escape(span)}</title></rect>"
            )
    reach = edges[-1] - edges[0]
    for tick in _ticks(edges[0], edges[-1], 5):
        if edges[0] - 1e-9 <= tick <= edges[-1] + 1e-9:
            parts.append(_text(left + (tick - edges[0]) / reach * across, high - 7, _plain(tick), "middle"))
    said = f"{title}: no values"
    if values:
        ordered = sorted(values)
        middle = ordered[len(ordered) // 2]
        x = left + (middle - edges[0]) / reach * across
        parts.append(_line(x, top - 6, x, high - bottom, "median"))
        said = (
            f"{title}: {len(values):,} utterances from {_plain(ordered[0])} to {_plain(ordered[-1])} {unit}, "
            f"median {_plain(middle)} {unit}"
        )
    return _svg(wide, high, said, parts)


def lines(series: Sequence[Series], x_name: str, title: str, whole: bool = False) -> Markup:
    """Lines over a common x axis.

    Args:
        series: To be drawn.
        x_name: What the x axis counts.
        title: What a screen reader says.
        whole: Whether x is of few whole numbers, so that every point is marked.
    """
    left, right, top, bottom = 52.0, 14.0, 12.0, 38.0
    wide, high = 560.0, 250.0
    known = [(x, y) for one in series for x, y in one.points if y is not None and math.isfinite(y)]
    if not known:
        return _svg(wide, 30, f"{title}: nothing was measured", [_text(8, 20, "nothing was measured", "start")])
    x_low, x_high = min(x for x, _ in known), max(x for x, _ in known)
    if x_high == x_low:
        x_low, x_high = x_low - 1, x_high + 1
    ticks = _ticks(min(y for _, y in known), max(y for _, y in known), 5)
    y_low, y_high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x_low) / (x_high - x_low) * (wide - left - right),
            high - bottom - (y - y_low) / (y_high - y_low) * (high - top - bottom),
        )

    parts = []
    for tick in ticks:
        _, y = place(x_low, tick)
        parts.append(_line(left, y, wide - right, y, "grid"))
        parts.append(_text(left - 7, y + 4, _plain(tick), "end"))
    for tick in _ticks(x_low, x_high, 6):
        if x_low <= tick <= x_high and not (whole and tick != int(tick)):
            parts.append(_text(place(tick, y_low)[0], high - bottom + 17, _plain(tick), "middle"))
    parts.append(_text((left + wide - right) / 2, high - 4, x_name, "middle"))
    for one in series:
        path, pen = [], "M"
        for x, value in one.points:
            if value is None or not math.isfinite(value):
                pen = "M"
                continue
            spot = place(x, value)
            path.append(f"{pen}{spot[0]:.1f} {spot[1]:.1f}")
            pen = "L"
            if whole:
                parts.append(
                    f'<circle class="fill s{one.style % 6}" cx="{spot[0]:.1f}" cy="{spot[1]:.1f}" r="3"><title>'
                    f"{_escape(f'{one.name}, {x_name} {_plain(x)}: {value:.4f}')}</title></circle>"
                )
        parts.append(f'<path class="line s{one.style % 6}{" dashed" if one.style >= 6 else ""}" d="{"".join(path)}"/>')
    return _svg(wide, high, f"{title}: {', '.join(one.name for one in series)}", parts)


def thinned(points: Sequence[tuple[float, float | None]], most: int = 400) -> list[tuple[float, float | None]]:
    """Means of equal stretches of a long line, so that a page stays small."""
    if len(points) <= most:
        return list(points)
    found: list[tuple[float, float | None]] = []
    for number in range(most):
        part = points[number * len(points) // most : (number + 1) * len(points) // most]
        known = [y for _, y in part if y is not None and math.isfinite(y)]
        found.append((part[len(part) // 2][0], sum(known) / len(known) if known else None))
    return found


def _told_apart(low: float, high: float) -> float:
    """The distance of two values; 0 if it is too small to be divided into edges that differ."""
    distance = high - low
    return distance if distance > max(abs(low), abs(high), 1e-9) * 1e-9 else 0.0


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= step * (1 - 1e-9))


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    step = _round_step(_told_apart(low, high) / about or max(abs(low), abs(high)) / about or 0.2)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_escape(words)}</text>'


def _escape(words: str) -> str:
    from markupsafe import escape

    return str(escape(words))


def _svg(wide: float, high: float, said: str, parts: Sequence[str]) -> Markup:
    from markupsafe import Markup

    return Markup(  # every text above has been escaped
        f'<svg class="chart" viewBox="0 0 {wide:g} {high:g}" role="img" '
        f'aria-label="{_escape(said)}">{"".join(parts)}</svg>'
    )

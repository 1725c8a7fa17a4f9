"""The numbers of `corpus.json` as text tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from corpusforge.items import Json

Row = Sequence[Json]


def tables(info: Mapping[str, Json]) -> str:
    """Tables for a terminal, of the content of `corpus.json`; lines are not wrapped and end without spaces."""
    incomplete = info["groups"] - info["complete_groups"]
    parts = [
        f"{info['name']}: {info['utterances']:,} utterances, {info['hours']:.2f} h, {info['groups']:,} parallel groups"
        f" ({f'{incomplete:,} incomplete' if incomplete else 'all complete'}), {info['documents']:,} documents"
    ]
    for title in ("language", "label", "split"):
        parts.append(table((title, *_DURATION), (_durations(row, title) for row in info[f"by_{title}"])))
    parts.append(_cross(info["by_language_split_label"]))
    if info["metrics"]:
        parts.append(table(_METRICS, (_metrics(row) for row in info["metrics"])))
    parts.append(
        table(
            ("engine", "voice", "licence of the voice", "languages", "utterances"),
            (
                (row["engine"], row["voice"], row["voice_license"], ", ".join(row["languages"]), row["utterances"])
                for row in info["engines"]
            ),
        )
    )
    parts.append(
        table(
            ("text from", "licence", "utterances"),
            ((row["source"], row["license"], row["utterances"]) for row in info["licenses"]["texts"]),
        )
    )
    refused = info["refused"]
    if refused["reasons"]:
        heads = ("left out", "stage", "reason", "language", "utterances")
        rows = ([row[name] for name in _REFUSED] for row in refused["reasons"])
        parts.append(table(heads, rows))
    else:
        parts.append("nothing was rejected, nothing failed")
    return "\n\n".join(parts)


_METRICS = ("language", "s/syllable", "syllables", "unreadable", "share", "rms dBFS", "peak dBFS", "silence", "pause s")
_DURATION = ("utterances", "hours", "mean s")
_REFUSED = ("kind", "stage", "reason", "language", "utterances")


def _durations(row: Mapping[str, Json], *names: str) -> Row:
    keys = [row[name] for name in names]
    return (*keys, row["utterances"], f"{row['hours']:.2f}", f"{row['mean_duration']:.2f}")


def _cross(cells: Iterable[Mapping[str, Json]]) -> str:
    """Utterances of each label by language and split, labels across."""
    counts: dict[tuple[str, str], dict[Json, int]] = {}
    for cell in cells:
        counts.setdefault((cell["language"], cell["split"]), {})[cell["label"]] = cell["utterances"]
    labels = sorted({label for row in counts.values() for label in row}, key=lambda label: (label is not None, label))
    heads = ("language", "split", *("(none)" if label is None else label for label in labels))
    return table(heads, ((*key, *(row.get(label, 0) for label in labels)) for key, row in counts.items()))


def _metrics(row: Mapping[str, Json]) -> Row:
    def mean(name: str, pattern: str) -> str | None:
        return pattern.format(row[name]["mean"]) if name in row else None

    pace, share = row["seconds_per_syllable"], row["unreadable_share"]
    return (
        row["language"],
        None if pace is None else f"{pace:.3f}",
        row["syllables"],
        row["unreadable"],
        None if share is None else f"{share:.2%}",
        mean("rms_dbfs", "{:.1f}"),
        mean("peak_dbfs", "{:.1f}"),
        mean("silence", "{:.1%}"),
        mean("longest_pause", "{:.2f}"),
    )


def table(heads: Sequence[str], rows: Iterable[Row]) -> str:
    """Columns as wide as their widest cell; a column whose cells are all numbers is set right."""
    body = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(heads, *body, strict=True)]
    right = [bool(body) and all(row[column][:1] in _NUMERIC for row in body) for column in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *body]
    return "\n".join(
        "  ".join(
            " " * (width - _width(cell)) + cell if numeric else cell + " " * (width - _width(cell))
            for cell, width, numeric in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


_NUMERIC = set("-0123456789")


def _cell(value: Json) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _width(text: str) -> int:
    """Terminal columns: two for wide characters, none for marks that combine."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )

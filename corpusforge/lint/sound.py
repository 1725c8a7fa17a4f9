"""What the manifest's measurements say of the audio: silence, clipping, speed, and syllables that nobody read.

No audio is read. Bounds were set on the 6,027 clips of FLORES-200 that the embedded engine speaks; the worst of these
are given with each.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import ClassVar

from corpusforge.corpus.read import Corpus
from corpusforge.items import Json
from corpusforge.lint.findings import Finding, Row, Settings, build_again, counted, listed, some
from corpusforge.text.syllables import count_syllables

QUIET = -45.0
"""dBFS under which a clip is nearly silent. FLORES-200: -20.5."""
SILENT = 0.5
"""Share of silent frames from which on a clip is mostly silence. FLORES-200: 0.18."""
EDGE = 1.0
"""Seconds of silence before or after the speech. FLORES-200: 0.05."""
PAUSE = 2.0
"""Seconds of silence within it. FLORES-200: 0.44."""
CLIPPED = 0.0001
"""Share of samples at full scale. FLORES-200: 0.000009. The gate rejects from 0.001 on."""
FAR = 6.0
"""Distance from the median of log seconds per syllable, in standard deviations as 1.4826 MAD, from which on a clip's
speed is an outlier. FLORES-200: 4.6, a sentence of Latin names in Chinese. Half of a sentence cut off is 12 to 20."""
LEAST_MAD = 0.02
"""A voice may be more regular than sentences are: no MAD is taken to be under this. FLORES-200: 0.024 to 0.032."""
EDGES = 0.5
"""Seconds that a clip may have beside its syllables before it counts as slow: what a voice adds around a sentence does
not grow with it."""
ENOUGH = 20
"""Clips of a voice in a language from which on there is a median to judge by."""
UNREAD = 0.1
"""Share of a text's syllables that the engine could not read. FLORES-200: two syllables of 98,811 in Burmese. The gate
rejects from 0.2 on."""


class _Measured(ABC):
    """A check that needs `metrics`: rows without are told of, and not judged."""

    check: ClassVar[str]

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self.build = build_again(corpus)
        self._without: list[str] = []
        self.found: list[str] = []
        self.kinds: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """See `Check`."""
        if row.record.metrics is None:
            self._without.append(row.record.id)
            return
        kinds = self.judge(row, row.record.metrics)
        if kinds:
            self.found.append(row.record.id)
            self.kinds.update(kinds)

    @abstractmethod
    def judge(self, row: Row, metrics: Mapping[str, Json]) -> list[str]:
        """What is wrong with a row that was measured, in the words that it is counted by."""

    @abstractmethod
    def said(self) -> tuple[str, str, str]:
        """Message, why and mend of what was found."""

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        if self.found:
            yield Finding(self.check, "warning", *self.said(), tuple(self.found), dict(self.kinds))
        if self._without:
            yield Finding(
                self.check,
                "note",
                f"not run on {counted(len(self._without), 'row')}: they have no metrics",
                "the check reads what was measured when the corpus was built, and no audio",
                f"add the stage `measure` to the recipe's stages, and run `{self.build}`",
                tuple(self._without),
            )


class Silence(_Measured):
    """Clips that are nearly silent, mostly silence, or begin, end or pause for too long."""

    check = "silence"

    def judge(self, row: Row, metrics: Mapping[str, Json]) -> list[str]:
        """See `_Measured`."""
        edge: float = max(metrics["leading_silence"], metrics["trailing_silence"])
        return [
            *(["nearly silent"] if metrics["rms_dbfs"] < QUIET else []),
            *(["mostly silence"] if metrics["silence"] > SILENT else []),
            *([f"over {EDGE:g} s at an end"] if edge > EDGE else []),
            *([f"a pause over {PAUSE:g} s"] if metrics["longest_pause"] > PAUSE else []),
        ]

    def said(self) -> tuple[str, str, str]:
        """See `_Measured`."""
        return (
            f"{counted(len(self.found), 'clip')} with too much silence ({listed(self.kinds)})",
            "silence teaches nothing, costs memory in every batch, and often means that part of the text was not "
            "spoken",
            "`synthesize.audio.trim: true` cuts the ends; `gates.silence: {max: 0.5}` and `gates.rms_dbfs: {min: -45}` "
            f"in the recipe reject such clips: then `{self.build}`",
        )


class Clipping(_Measured):
    """Clips whose samples are cut off at full scale."""

    check = "clipping"

    def judge(self, row: Row, metrics: Mapping[str, Json]) -> list[str]:
        """See `_Measured`."""
        return [row.record.lang] if metrics["clipping"] > CLIPPED else []

    def said(self) -> tuple[str, str, str]:
        """See `_Measured`."""
        return (
            f"{counted(len(self.found), 'clip')} with more than {CLIPPED:.2%} of the samples at full scale "
            f"({listed(self.kinds)})",
            "clipping distorts: a model hears noise that the voice does not have",
            f"`gates.clipping: {{max: {CLIPPED}}}` in the recipe rejects them, a lower `synthesize.audio.loudness` may "
            f"mend them: then `{self.build}`",
        )


class Unreadable(_Measured):
    """Texts of which the engine could not read a good part."""

    check = "unreadable"

    def judge(self, row: Row, metrics: Mapping[str, Json]) -> list[str]:
        """See `_Measured`."""
        share = metrics["unreadable_share"]
        return [row.record.lang] if share is not None and share > UNREAD else []

    def said(self) -> tuple[str, str, str]:
        """See `_Measured`."""
        return (
            f"{counted(len(self.found), 'clip')} that leave out more than {UNREAD:.0%} of the text's syllables "
            f"({listed(self.kinds)})",
            "speech and text do not say the same",
            f"`corpusforge why RECIPE {self.found[0]}` names what was not read; `gates.unreadable_share: {{max: "
            f"{UNREAD}}}` rejects them, another engine may read them: then `{self.build}`",
        )


class Duration:
    """Clips that are too short or too long for their text, judged by the other clips of the voice."""

    def __init__(self, corpus: Corpus, _: Settings) -> None:
        self._build = build_again(corpus)
        self._empty: list[str] = []
        self._ids: list[str] = []
        self._voices: dict[tuple[str, str, str], tuple[array[int], array[float], array[int]]] = {}

    def add(self, row: Row) -> None:
        """See `Check`."""
        record = row.record
        self._ids.append(record.id)
        if record.num_samples == 0:
            self._empty.append(record.id)
            return
        syllables = (record.metrics or {}).get("syllables") or count_syllables(record.text, record.lang)
        if syllables:
            key = record.lang, record.engine, record.voice
            rows, seconds, counts = self._voices.setdefault(key, (array("L"), array("d"), array("L")))
            rows.append(row.number)
            seconds.append(record.num_samples / record.sample_rate)
            counts.append(syllables)

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        if self._empty:
            yield Finding(
                "duration",
                "error",
                f"{counted(len(self._empty), 'clip')} without a sample",
                "a trainer cannot read them",
                f"`{self._build} --force synthesize` speaks them again",
                tuple(self._empty),
                {"rows": len(self._empty)},
            )
        short: list[int] = []
        long: list[int] = []
        langs: Counter[str] = Counter()
        few: dict[str, int] = {}
        few_rows: list[int] = []
        for (lang, engine, voice), (rows, seconds, syllables) in sorted(self._voices.items()):
            if len(rows) < ENOUGH:
                few[f"{lang} {engine} {voice}"] = len(rows)
                few_rows += rows
                continue
            low, high = bounds(second / count for second, count in zip(seconds, syllables, strict=True))
            for row, second, count in zip(rows, seconds, syllables, strict=True):
                if low * count <= second <= high * count + EDGES:
                    continue
                (short if second < low * count else long).append(row)
                langs[lang] += 1
        if short or long:
            ids = [self._ids[row] for row in sorted(short + long)]
            yield Finding(
                "duration",
                "warning",
                f"{counted(len(ids), 'clip')} with a length that does not fit the text ({listed(langs)}): "
                f"{len(short):,} too short, {len(long):,} too long",
                "part of the text was not spoken, or something else was: a model learns a wrong pair",
                f"listen to {some(ids, 2)}; `{self._build} --force synthesize` speaks them again, "
                "`gates.seconds_per_syllable` in the recipe rejects them",
                tuple(ids),
                dict(langs) | {"too short": len(short), "too long": len(long)},
            )
        if few:
            yield Finding(
                "duration",
                "note",
                f"not run on {counted(sum(few.values()), 'clip')} of {counted(len(few), 'voice')} with fewer than "
                f"{ENOUGH} in a language ({some([f'{name} {count}' for name, count in sorted(few.items())])})",
                "a clip is judged by the median of its voice, and there are too few to have one",
                "nothing to mend; more sentences a voice, or `gates.seconds_per_syllable` with bounds, judge them",
                tuple(self._ids[row] for row in sorted(few_rows)),
                few,
            )


def bounds(paces: Iterable[float]) -> tuple[float, float]:
    """Seconds per syllable from and to which speech is usual among these.

    The median of the logarithms, and `FAR` robust standard deviations (1.4826 MAD) to each side.
    """
    logs = [math.log(pace) for pace in paces]
    middle = median(logs)
    spread = max(median(abs(value - middle) for value in logs), LEAST_MAD)
    return math.exp(middle - FAR * 1.4826 * spread), math.exp(middle + FAR * 1.4826 * spread)

"""What a corpus's page says of the whole: read in one pass over its rows."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from corpusforge.corpus.layout import REJECTED, SPLITS, current
from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError
from corpusforge.items import Json
from corpusforge.report.charts import bins, histogram
from corpusforge.text.languages import LANGUAGES

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language as the page shows it.

    Attributes:
        code: FLORES-200 code, or whatever the corpus calls it.
        name: English name; the code where FLORES-200 has no such language.
        tag: BCP 47 tag for `lang` attributes, empty where it is not known.
    """

    code: str
    name: str
    tag: str


def tongue(code: str) -> Tongue:
    """The name and tag of a language code."""
    known = LANGUAGES.get(code)
    return Tongue(code, known.name, known.bcp47) if known else Tongue(code, code, "")


@dataclass(slots=True)
class Bill:
    """What translation was paid, by model."""

    utterances: int = 0
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    priced: int = 0


@dataclass(slots=True)
class Gathered:
    """What has to be read off the rows, because `corpus.json` has not got it.

    Attributes:
        durations: Seconds, by language.
        paces: Seconds per syllable, by language, where syllables were counted.
        bills: By model, of utterances that a model translated.
    """

    durations: dict[str, array[float]] = field(default_factory=dict)
    paces: dict[str, array[float]] = field(default_factory=dict)
    bills: dict[str, Bill] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count a row in."""
        self.durations.setdefault(record.lang, array("d")).append(record.duration)
        if (value := pace(record)) is not None:
            self.paces.setdefault(record.lang, array("d")).append(value)
        if record.translation is not None:
            self._charge(record.translation)

    def _charge(self, translation: Mapping[str, Json]) -> None:
        bill = self.bills.setdefault(str(translation.get("model")), Bill())
        tokens = translation.get("tokens") or {}
        bill.utterances += 1
        bill.requests += translation.get("requests") or 0
        bill.tokens_in += tokens.get("in") or 0
        bill.tokens_out += tokens.get("out") or 0
        if translation.get("usd") is not None:
            bill.usd += translation["usd"]
            bill.priced += 1

    def histograms(self) -> list[dict[str, Json]]:
        """Charts of durations and paces: one scale for all languages, so that they can be compared by eye."""
        found: list[dict[str, Json]] = []
        for title, unit, by_language in (
            ("Duration", "s", self.durations),
            ("Seconds per syllable", "s per syllable", self.paces),
        ):
            edges = bins(list(by_language.values()))
            charts: list[tuple[Tongue, Markup]] = [
                (tongue(code), histogram(by_language[code], edges, unit, f"{title}, {tongue(code).name}", number))
                for number, code in enumerate(sorted(by_language))
            ]
            found.append({"title": title, "unit": unit, "charts": charts})
        return found


def pace(record: Record) -> float | None:
    """Seconds per syllable, None where they were not counted."""
    value = (record.metrics or {}).get("seconds_per_syllable")
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Table:
    """Heads of columns; rows of a name and cells of (utterances, hours), None where there are none."""

    heads: Sequence[Json]
    rows: Sequence[tuple[Json, Sequence[tuple[int, float] | None]]]


def crossed(info: Mapping[str, Json], down: str, across: str) -> Table:
    """Utterances and hours by two of `language`, `split` and `label`; the last column is the row's sum."""
    cells: dict[tuple[Json, Json], tuple[int, float]] = {}
    sums: dict[Json, tuple[int, float]] = {}
    for row in info["by_language_split_label"]:
        name, column = row[down], row[across]
        count, hours = cells.get((name, column), (0, 0.0))
        cells[name, column] = (count + row["utterances"], hours + row["hours"])
        count, hours = sums.get(name, (0, 0.0))
        sums[name] = (count + row["utterances"], hours + row["hours"])
    heads = _ordered({column for _, column in cells})
    rows = [(name, [*(cells.get((name, column)) for column in heads), sums[name]]) for name in _ordered(sums)]
    return Table(heads, rows)


def _ordered(names: Iterable[Json]) -> list[Json]:
    """Splits in their usual order, the rest by name, what has no name last."""
    return sorted(names, key=lambda name: (name is None, SPLITS.index(name) if name in SPLITS else 0, name or ""))


def refusals(corpus: Corpus) -> Iterator[dict[str, Json]]:
    """The utterances that are not in the corpus, with why.

    Raises:
        CorpusError: The list is missing or damaged.
    """
    path = current(corpus.folder, REJECTED)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    yield {name: row[name] for name in ("id", "group", "lang", "text", "stage", "reason", "kind")}
                except (ValueError, KeyError, TypeError) as error:
                    raise CorpusError(
                        f"{path}:{number}: expected a refused utterance, found {line[:60]!r} ({error!r}). Build the "
                        "corpus again"
                    ) from error
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}. Copy the whole folder, or build again") from error

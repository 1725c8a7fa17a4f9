"""Rows of a corpus on their way to disk: a private temporary SQLite database that puts them in order and counts them.

SQLite keeps it in memory while it is small, spills it to the temporary folder when it is not, and removes it when the
process ends, however it ends. Durations, levels and shares are counted as integers, so that no sum depends on the
order in which rows came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from corpusforge.corpus.layout import SPLITS
from corpusforge.items import Json, Utterance

MICRO = 1_000_000
BATCH = 512
SUMMARISED = ("rms_dbfs", "peak_dbfs", "clipping", "silence", "leading_silence", "trailing_silence", "longest_pause")
"""Metrics that `corpus.json` gives minimum, mean and maximum of."""

_COLUMNS = (
    *("id", "grp", "lang", "document", "label", "split", "sha256", "folder", "file", "sample_rate", "num_samples"),
    *("engine", "voice", "voice_license", "license", "source", "measured", "syllables", "unreadable"),
    *SUMMARISED,
    "line",
)


class Spool:
    """The rows and refusals of one corpus."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -4096")
        self._db.execute("PRAGMA temp_store = FILE")
        self._db.execute("BEGIN")
        self._db.execute(f"CREATE TABLE rows({', '.join(_COLUMNS)})")
        self._db.execute("CREATE TABLE refused(id, grp, lang, stage, kind, class, line)")
        self._db.execute("CREATE TABLE present(folder, file, PRIMARY KEY(folder, file)) WITHOUT ROWID")
        self._insert = f"INSERT INTO rows VALUES ({', '.join('?' * len(_COLUMNS))})"
        self._rows: list[tuple[Json, ...]] = []
        self._refused: list[tuple[str, str, str, str, str, str, bytes]] = []

    def close(self) -> None:
        self._db.close()

    def add(self, item: Utterance, split: str, folder: str, file: str, line: bytes) -> bool:
        """Keep an item's line of the manifest, and what is counted of the item.

        Args:
            item: With the fields that a row needs.
            split: Of its document.
            folder: Of its language, within the audio folder.
            file: Its audio's name there.
            line: Of the manifest, with its end.

        Returns:
            Whether it is time to `flush`.
        """
        fields = item.fields
        metrics: Mapping[str, Json] = fields.get("metrics") or {}
        self._rows.append(
            (
                item.id,
                item.group,
                item.lang,
                item.document,
                item.label,
                split,
                fields["audio"],
                folder,
                file,
                fields["sample_rate"],
                fields["num_samples"],
                fields["engine"],
                fields["voice"],
                fields["voice_license"],
                item.license,
                item.source,
                bool(metrics),
                metrics.get("syllables"),
                metrics.get("unreadable"),
                *map(metrics.get, SUMMARISED),
                line,
            )
        )
        return len(self._rows) >= BATCH

    def refuse(self, row: tuple[str, str, str, str, str, str, bytes]) -> bool:
        """Keep a refusal: id, group, language, stage, kind, class of the reason, line. Returns whether to `flush`."""
        self._refused.append(row)
        return len(self._refused) >= BATCH

    def flush(self) -> None:
        """Hand what was kept to SQLite.

        Raises:
            sqlite3.Error: The temporary folder is full.
        """
        self._db.executemany(self._insert, self._rows)
        self._db.executemany("INSERT INTO refused VALUES (?, ?, ?, ?, ?, ?, ?)", self._refused)
        self._rows, self._refused = [], []

    def seal(self) -> list[str]:
        """Put the rows in order. Returns up to three ids that were given more than once."""
        self.flush()
        self._db.execute("CREATE INDEX by_id ON rows(id)")
        twice = self._db.execute("SELECT id FROM rows GROUP BY id HAVING count(*) > 1 LIMIT 3")
        found = [row[0] for row in twice]
        self._db.execute("CREATE INDEX by_order ON rows(grp, lang, id)")
        self._db.execute("CREATE INDEX by_file ON rows(folder, file, sha256)")
        return found

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """(split, line) of every row by group, language and id, in code point order."""
        yield from self._db.execute("SELECT split, line FROM rows INDEXED BY by_order ORDER BY grp, lang, id")

    def refusals(self) -> Iterator[bytes]:
        """Every line of the refused, in the same order."""
        for (line,) in self._db.execute("SELECT line FROM refused ORDER BY grp, lang, id, stage, kind, line"):
            yield line

    # Audio

    def found(self, folder: str, files: Iterable[str]) -> None:
        """Note the audio files that are already in a language's folder."""
        self._db.executemany("INSERT INTO present VALUES (?, ?)", ((folder, file) for file in files))

    def missing(self) -> Iterator[tuple[str, str, str]]:
        """(folder, file, sha256) of the audio that is not there yet."""
        yield from self._db.execute(
            "SELECT folder, file, sha256 FROM rows AS r "
            "WHERE NOT EXISTS (SELECT 1 FROM present AS p WHERE p.folder = r.folder AND p.file = r.file)"
        )

    def kept(self) -> Iterator[tuple[str, str, str]]:
        """(folder, file, sha256) of the audio that is there already."""
        yield from self._db.execute("SELECT folder, file, sha256 FROM present JOIN rows USING (folder, file)")

    def unwanted(self) -> Iterator[tuple[str, str]]:
        """(folder, file) of the audio that no row names."""
        yield from self._db.execute(
            "SELECT folder, file FROM present AS p "
            "WHERE NOT EXISTS (SELECT 1 FROM rows AS r WHERE r.folder = p.folder AND r.file = p.file)"
        )

    def audio_files(self) -> list[tuple[str, int]]:
        """(folder, number of audio files) once everything is in place."""
        return self._db.execute("SELECT folder, count(DISTINCT file) FROM rows GROUP BY folder ORDER BY 1").fetchall()

    # Counts

    def counts(self) -> dict[str, Json]:
        """Everything that `corpus.json` says in numbers."""
        groups, documents = self._one("SELECT count(DISTINCT grp), count(DISTINCT document) FROM rows")
        (complete,) = self._one(
            "SELECT count(*) FROM (SELECT 1 FROM rows GROUP BY grp HAVING count(DISTINCT lang) = "
            "(SELECT count(*) FROM (SELECT lang FROM rows UNION SELECT lang FROM refused)))"
        )
        cells = self._db.execute(
            "SELECT lang, split, label, sample_rate, count(*), sum(num_samples) FROM rows "
            "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ).fetchall()
        voices = self._db.execute(
            "SELECT engine, voice, voice_license, lang, count(*) FROM rows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ).fetchall()
        whole = _durations(cells)
        return {
            "utterances": whole[0]["utterances"] if whole else 0,
            "groups": groups,
            "complete_groups": complete,
            "documents": documents,
            "hours": whole[0]["hours"] if whole else 0.0,
            "by_language": _durations(cells, "language"),
            "by_label": _durations(cells, "label"),
            "by_split": _durations(cells, "split"),
            "by_language_split_label": _durations(cells, "language", "split", "label"),
            "engines": _engines(voices),
            "licenses": {"texts": self._text_licenses(), "voices": _voice_licenses(voices)},
            "refused": self._refusals(),
            "metrics": self._metrics(),
        }

    def _one(self, query: str) -> tuple[Json, ...]:
        row: tuple[Json, ...] = self._db.execute(query).fetchone()
        return row

    def _text_licenses(self) -> list[dict[str, Json]]:
        found = self._db.execute("SELECT license, source, count(*) FROM rows GROUP BY 1, 2 ORDER BY 1, 2")
        return [dict(zip(("license", "source", "utterances"), row, strict=True)) for row in found]

    def _refusals(self) -> dict[str, Json]:
        found = self._db.execute(
            "SELECT kind, stage, class, lang, count(*) FROM refused GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
        names = ("kind", "stage", "reason", "language", "utterances")
        reasons = [dict(zip(names, row, strict=True)) for row in found]
        totals = {"rejected": 0, "failed": 0}
        for entry in reasons:
            totals[entry["kind"]] += entry["utterances"]
        return {**totals, "reasons": reasons}

    def _metrics(self) -> list[dict[str, Json]]:
        levels = ", ".join(
            f"min({name}), sum(CAST(round({name} * {MICRO}) AS INTEGER)), count({name}), max({name})"
            for name in SUMMARISED
        )
        summaries = []
        for lang, measured, syllables, unreadable, spoken, *values in self._db.execute(
            "SELECT lang, sum(measured), sum(syllables), sum(unreadable), sum(CASE WHEN syllables > 0 "
            f"THEN CAST(round(num_samples * {MICRO}.0 / sample_rate) AS INTEGER) END), {levels} "
            "FROM rows WHERE measured GROUP BY lang ORDER BY lang"
        ):
            summary: dict[str, Json] = {
                "language": lang,
                "utterances": measured,
                "seconds_per_syllable": round(spoken / MICRO / syllables, 4) if syllables else None,
                "syllables": syllables,
                "unreadable": unreadable,
                "unreadable_share": round(unreadable / syllables, 6) if syllables and unreadable is not None else None,
            }
            for name, position in zip(SUMMARISED, range(0, len(values), 4), strict=True):
                low, total, count, high = values[position : position + 4]
                if count:
                    summary[name] = {"min": low, "mean": round(total / count / MICRO, 6), "max": high}
            summaries.append(summary)
        return summaries


def _durations(cells: Iterable[tuple[Json, ...]], *by: str) -> list[dict[str, Json]]:
    """Utterances and hours of cells (language, split, label, rate, utterances, samples), added up by some of those."""
    totals: dict[tuple[Json, ...], tuple[int, Fraction]] = {}
    for lang, split, label, rate, count, samples in cells:
        names = {"language": lang, "split": split, "label": label}
        key = tuple(names[name] for name in by)
        number, seconds = totals.get(key, (0, Fraction(0)))
        totals[key] = number + count, seconds + Fraction(samples, rate)

    def order(key: tuple[Json, ...]) -> list[tuple[bool, Json]]:
        values = (SPLITS.index(value) if name == "split" else value for name, value in zip(by, key, strict=True))
        return [(value is not None, value) for value in values]

    return [
        dict(zip(by, key, strict=True))
        | {
            "utterances": totals[key][0],
            "hours": round(float(totals[key][1] / 3600), 6),
            "mean_duration": round(float(totals[key][1] / totals[key][0]), 4),
        }
        for key in sorted(totals, key=order)
    ]


def _engines(voices: Iterable[tuple[Json, ...]]) -> list[dict[str, Json]]:
    """What spoke, of rows (engine, voice, licence of the voice, language, utterances)."""
    found: dict[tuple[Json, ...], dict[str, Json]] = {}
    for engine, voice, voice_license, lang, count in voices:
        entry = found.setdefault(
            (engine, voice, voice_license),
            {"engine": engine, "voice": voice, "voice_license": voice_license, "languages": [], "utterances": 0},
        )
        entry["languages"].append(lang)
        entry["utterances"] += count
    return list(found.values())


def _voice_licenses(voices: Iterable[tuple[Json, ...]]) -> list[dict[str, Json]]:
    counts: dict[str | None, int] = {}
    for _, _, voice_license, _, count in voices:
        counts[voice_license] = counts.get(voice_license, 0) + count
    ordered = sorted(counts, key=lambda license_: (license_ is not None, license_ or ""))
    return [{"license": license_, "utterances": counts[license_]} for license_ in ordered]

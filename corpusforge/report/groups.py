"""The table of parallel groups as files of data: one to sort by, and pieces of the rest, loaded when looked at."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError
from corpusforge.items import Json
from corpusforge.report.folder import link, put
from corpusforge.report.sound import VERSION, spectrogram, waveform
from corpusforge.report.summary import Gathered, pace, refusals, tongue

PIECE = 100
"""Groups a file of data: small enough to be loaded for one row, large enough that 60,000 groups are 600 files."""

Group = list[Record]
Pictures = tuple[list[list[str | None]], list[list[str | None]], list[str]]
"""Waveforms and spectrograms of a piece, by group and utterance, and what could not be read."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows.

    Attributes:
        gathered: For the summary.
        silent: One line about each clip that has no pictures, because its audio cannot be read.
    """

    gathered: Gathered
    silent: list[str]


def write_groups(
    corpus: Corpus,
    folder: Path,
    before: Path,
    *,
    base: str,
    spectrograms: bool,
    jobs: int,
    progress: Callable[[int], object],
) -> Written:
    """Write the data of all groups and refusals.

    Pictures of clips are in files named by the clips' hashes: those that the page before had are taken over.

    Args:
        corpus: To be shown.
        folder: To write to.
        before: Folder of the page that this one replaces, which need not exist.
        base: Way from the page to the corpus's folder, which audio paths begin with.
        spectrograms: Whether there are any.
        jobs: Processes that make pictures.
        progress: Told how many groups are done, again and again.
    """
    gathered, silent = Gathered(), list[str]()
    languages = {code: number for number, code in enumerate(corpus.languages)}
    index: dict[str, list[Json]] = {name: [] for name in ("group", "split", "label", "waves")}
    durations: list[list[int | None]] = [[] for _ in languages]
    paces: list[list[int | None]] = [[] for _ in languages]
    spectra: list[str] = []
    voices = len(corpus.info["engines"]) > 1

    def note(position: int, piece: list[Group]) -> None:
        for group in piece:
            index["group"].append(group[0].group)
            index["split"].append(group[0].split)
            index["label"].append(group[0].label)
            for code, number in languages.items():
                own = [record for record in group if record.lang == code]
                known = [value for record in own if (value := pace(record)) is not None]
                durations[number].append(round(100 * sum(record.duration for record in own)) if own else None)
                paces[number].append(round(1000 * sum(known) / len(known)) if known else None)
            for record in group:
                gathered.add(record)
        put(folder, f"rows-{position}", [_row(group, languages, voices) for group in piece])

    with Painters(jobs) as painters:
        waiting: deque[tuple[tuple[str, str], int, Future[Pictures] | None]] = deque()

        def finish() -> None:
            (waves, shades), size, future = waiting.popleft()
            if future is not None:
                drawn, painted, complaints = future.result()
                if complaints:  # a name that no later page takes over: the audio may be there by then
                    waves, shades = f"{waves}-broken", f"{shades}-broken"
                    silent.extend(complaints)
                put(folder, waves, drawn)
                if spectrograms:
                    put(folder, shades, painted)
            index["waves"].append(waves)
            spectra.append(shades)
            progress(size)

        for number, piece in enumerate(_pieces(corpus.groups())):
            names = _names(piece)
            note(number, piece)
            wanted = names if spectrograms else names[:1]
            known = all((before / f"{name}.js").is_file() for name in wanted)
            if known:
                for name in wanted:
                    if not (folder / f"{name}.js").exists():  # two pieces of the same clips have one file
                        link(before / f"{name}.js", folder / f"{name}.js")
            waiting.append((names, len(piece), None if known else painters.paint(piece, spectrograms)))
            if len(waiting) > 2 * jobs:
                finish()
        while waiting:
            finish()

    refused = _write_refused(corpus, folder)
    tongues = [tongue(code) for code in languages]
    put(
        folder,
        "index",
        {
            "piece": PIECE,
            "base": base,
            "languages": [{"code": one.code, "name": one.name, "tag": one.tag} for one in tongues],
            "group": index["group"],
            **_coded("split", index["split"]),
            **_coded("label", index["label"]),
            "duration": durations,
            "pace": paces,
            "waves": index["waves"],
            "spectra": spectra if spectrograms else None,
            "refused": refused,
        },
    )
    return Written(gathered, silent)


class Painters:
    """Processes that make pictures; with one job, none but this."""

    def __init__(self, jobs: int) -> None:
        # Spawned: a fork would share the locks of whatever threads its caller has.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, mp_context=context) if jobs > 1 else None

    def __enter__(self) -> Painters:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def paint(self, piece: list[Group], spectrograms: bool) -> Future[Pictures]:
        """The pictures of a piece, when they are done."""
        if self._pool is not None:
            return self._pool.submit(_paint, piece, spectrograms)
        future: Future[Pictures] = Future()
        future.set_result(_paint(piece, spectrograms))
        return future


def _paint(piece: Sequence[Group], spectrograms: bool) -> Pictures:
    waves: list[list[str | None]] = []
    shades: list[list[str | None]] = []
    silent: list[str] = []
    for group in piece:
        waves.append([])
        shades.append([])
        for record in group:
            try:
                samples, rate = record.load()
            except CorpusError as error:
                silent.append(str(error))
                waves[-1].append(None)
                shades[-1].append(None)
                continue
            waves[-1].append(waveform(samples))
            shades[-1].append(spectrogram(samples, rate) if spectrograms else None)
    return waves, shades, silent


def _pieces(groups: Iterator[Group]) -> Iterator[list[Group]]:
    while piece := list(islice(groups, PIECE)):
        yield piece


def _names(piece: Sequence[Group]) -> tuple[str, str]:
    """Of the files that hold the pictures of a piece: other clips, or clips in another order, have other names."""
    hashes = [[record.sha256 for record in group] for group in piece]
    digest = hashlib.sha256(json.dumps([VERSION, hashes]).encode()).hexdigest()[:16]
    return f"waves-{digest}", f"spectra-{digest}"


def _row(group: Group, languages: dict[str, int], voices: bool) -> Json:
    """A group as the page reads it; voices are named where there is more than one."""
    utterances = [
        [
            languages[record.lang],
            record.id,
            record.text,
            record.audio,
            round(record.duration, 3),
            pace(record),
            f"{record.engine} {record.voice}" if voices else None,
            None if record.translation is None else str(record.translation.get("model")),
        ]
        for record in group
    ]
    return [group[0].document, utterances]


def _coded(name: str, values: Sequence[str | None]) -> dict[str, Json]:
    """A column as numbers, and what they stand for."""
    names = sorted({value for value in values if value is not None})
    numbers = {value: number for number, value in enumerate(names)}
    return {f"{name}s": names, name: [-1 if value is None else numbers[value] for value in values]}


def _write_refused(corpus: Corpus, folder: Path) -> int:
    """Pieces of the list of refusals; how many rows they have in all."""
    rows, count, piece = refusals(corpus), 0, 0
    while part := list(islice(rows, PIECE)):
        fields = ("id", "group", "lang", "text", "stage", "reason", "kind")
        put(folder, f"refused-{piece}", [[row[name] for name in fields] for row in part])
        count, piece = count + len(part), piece + 1
    return count

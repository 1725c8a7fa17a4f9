"""Kaldi data directories. https://kaldi-asr.org/doc/data_prep.html

wav.scp may name programs that write audio: none is run, because a folder of data should not run programs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from corpusforge.errors import SourceError
from corpusforge.imports.found import Found, Sound, Unreadable, part_of, split_named
from corpusforge.items import Json

_LINE = re.compile(r"([^ \t]*)[ \t]*(.*)", re.DOTALL)
_OWN = "info"
_NO_VALUES = {"utt2spk", "utt2dur", "utt2num_frames", f"utt2{_OWN}"}


def read_kaldi(folder: Path) -> Iterator[Found]:
    """Utterances of a data directory, or of all those in a folder (`data/train`, `data/dev`).

    What `utt2NAME` says of an utterance is its value NAME; utt2spk's is `speaker`. An export's `utt2info` has the rest.

    Raises:
        SourceError: No data directory is there, or a list in it is damaged.
    """
    if (folder / "wav.scp").is_file():
        directories = [folder]
    else:
        directories = sorted(path.parent for path in folder.glob("*/wav.scp"))
    if not directories:
        raise SourceError(
            f"{folder}: no Kaldi data directory; expected wav.scp in it, or in folders such as train/ in it"
        )
    for directory in directories:
        yield from _directory(directory)


def _directory(directory: Path) -> Iterator[Found]:
    files = _mapping(directory / "wav.scp")
    texts = _mapping(directory / "text")
    speakers = _mapping(directory / "utt2spk")
    infos = _mapping(directory / f"utt2{_OWN}")
    maps = {
        path.name.removeprefix("utt2"): _mapping(path)
        for path in sorted(directory.glob("utt2*"))
        if path.name not in _NO_VALUES and path.is_file()
    }
    split = split_named(directory.name)
    for utt, (recording, start, seconds) in _segments(directory, files).items():
        values: dict[str, Json] = {"id": utt, "text": texts.get(utt), "speaker": speakers.get(utt)}
        values |= {name: known[utt] for name, known in maps.items() if utt in known}
        values |= _own(directory, utt, infos.get(utt), values["text"])
        read = partial(_read, files.get(recording), recording, start, seconds)
        yield Found(f"{directory.name}: {utt}", values, recording, split, read)


def _own(directory: Path, utt: str, info: str | None, text: str | None) -> Mapping[str, Json]:
    """What an export of ours noted; its text is used unless that of Kaldi has been changed since."""
    if info is None:
        return {}
    try:
        row = json.loads(info)
        kept = {name: value for name, value in row.items() if name not in ("duration", "language")}
        if text is None or " ".join(row["text"].split()) != text:
            del kept["text"]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise SourceError(
            f"{directory / 'utt2info'}: the line of {utt} is damaged ({error!r}): export again, or delete the file, "
            "which only corpusforge reads"
        ) from error
    return kept


def _read(entry: str | None, recording: str, start: float, seconds: float | None) -> Sound:
    if entry is None:
        raise Unreadable(f"no audio: wav.scp has no recording {recording}")
    if entry.endswith("|"):
        raise Unreadable(f"program in wav.scp: '{entry}' is not run; run it, and name the file that it writes")
    return part_of(Path(entry), start, seconds)


def _segments(directory: Path, files: Mapping[str, str]) -> dict[str, tuple[str, float, float | None]]:
    """Recording, start and length in seconds, by utterance."""
    path = directory / "segments"
    if not path.is_file():
        return {utt: (utt, 0.0, None) for utt in files}
    found: dict[str, tuple[str, float, float | None]] = {}
    for utt, rest in _mapping(path).items():
        try:
            recording, start, end = rest.split()[:3]
            found[utt] = recording, float(start), None if float(end) == -1 else float(end) - float(start)
        except ValueError:
            raise SourceError(f"{path}: expected `{utt} RECORDING START END`, found '{rest}'") from None
    return found


def _mapping(path: Path) -> dict[str, str]:
    """The lines of a list by their first word; a list that is not there has none."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                key, rest = _LINE.fullmatch(line.strip(" \t\n")).groups()  # type: ignore[union-attr]  # fits any line
                if not key:
                    raise SourceError(f"{path}:{number}: an empty line; expected an id and what belongs to it")
                if key in found:
                    raise SourceError(f"{path}:{number}: '{key}' a second time; expected each id once")
                found[key] = rest
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}): convert it") from error
    return found

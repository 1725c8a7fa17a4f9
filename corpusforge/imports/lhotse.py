"""Lhotse manifests, read by lhotse: cuts, or recordings with supervisions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from corpusforge.errors import MissingDependency, SourceError
from corpusforge.imports.found import Found, Sound, Unreadable, part_of, split_named, unreadable

_MANIFEST = re.compile(
    r"(?:^|.*[_.-])(cuts|recordings|supervisions)(?:[_.-].*)?\.(?:jsonl|jsonl\.gz|json|json\.gz|yaml)"
)


def read_lhotse(folder: Path) -> Iterator[Found]:
    """Utterances of every list of cuts in a folder, or of one list; without one, of recordings and supervisions.

    A cut with several supervisions is as many utterances. Custom fields of the supervision and of the cut are values.

    Raises:
        SourceError: No manifest is there, or lhotse cannot read one.
        MissingDependency: lhotse is not installed.
    """
    try:
        import lhotse
    except ImportError as error:
        raise MissingDependency("reading lhotse's manifests needs lhotse: pip install 'corpusforge[export]'") from error
    for place, path, supervisions in _lists(folder):
        split = split_named(path.name)
        try:
            if supervisions is None:
                cuts = lhotse.CutSet.from_file(path)
            else:
                cuts = lhotse.CutSet.from_manifests(
                    lhotse.RecordingSet.from_file(path), lhotse.SupervisionSet.from_file(supervisions)
                )
            for cut in cuts:
                yield from _cut(cut, place, path, split)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise SourceError(f"{path}: lhotse cannot read it: {type(error).__name__}: {error}") from error


def _lists(folder: Path) -> Iterator[tuple[str, Path, Path | None]]:
    """Name, file of cuts or recordings, file of supervisions."""
    if folder.is_file():
        yield folder.name, folder, None
        return
    kinds: dict[str, list[Path]] = {"cuts": [], "recordings": [], "supervisions": []}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        known = _MANIFEST.fullmatch(path.name)
        if known and path.is_file():
            kinds[known[1]].append(path)
    if kinds["cuts"]:
        for path in kinds["cuts"]:
            yield path.name, path, None
        return
    if not kinds["recordings"]:
        raise SourceError(f"{folder}: no lhotse manifest; expected a file such as cuts_train.jsonl.gz in it")
    for path in kinds["recordings"]:
        other = path.with_name(path.name.replace("recordings", "supervisions"))
        if other not in kinds["supervisions"]:
            raise SourceError(f"{path}: its supervisions are not there; expected {other.name} beside it")
        yield path.name, path, other


def _cut(cut: Any, place: str, path: Path, split: str | None) -> Iterator[Found]:
    if not cut.supervisions:
        yield unreadable(f"{place}: {cut.id}", "no text: the cut has no supervision")
        return
    parts = [cut] if len(cut.supervisions) == 1 and _covers(cut) else cut.trim_to_supervisions(keep_overlapping=False)
    for part in parts:
        said = part.supervisions[0]
        values = {
            **(getattr(part, "custom", None) or {}),
            "id": said.id,
            "text": said.text,
            "speaker": said.speaker,
            "language": said.language,
            **(said.custom or {}),
        }
        yield Found(f"{place}: {said.id}", values, said.recording_id, split, partial(_read, part, path))


def _covers(cut: Any) -> bool:
    said = cut.supervisions[0]
    return bool(abs(said.start) < 0.001 and abs(said.duration - cut.duration) < 0.001)


def _read(cut: Any, manifest: Path) -> Sound:
    mixed = hasattr(cut, "tracks")
    parts = [track.cut for track in cut.tracks] if mixed else [cut]
    recordings = [part.recording for part in parts if part.has_recording]
    if not recordings:
        raise Unreadable("no audio: the cut has no recording")
    for source in (source for recording in recordings for source in recording.sources):
        if source.type not in ("file", "memory"):
            raise Unreadable(f"audio from a {source.type}: it is not run or downloaded; save it in a file")
    recording = recordings[0]
    if not mixed and not recording.transforms and [source.type for source in recording.sources] == ["file"]:
        file = Path(recording.sources[0].source)
        if not file.is_absolute() and not file.exists():
            file = manifest.parent / file
        whole = cut.start == 0 and cut.num_samples == recording.num_samples
        return part_of(file, cut.start, None if whole else cut.duration)
    try:
        return cut.load_audio().T, cut.sampling_rate
    except Exception as error:  # lhotse tries one audio library after the other and raises whatever they do
        raise Unreadable(f"not audio: {type(error).__name__}: {error}") from error

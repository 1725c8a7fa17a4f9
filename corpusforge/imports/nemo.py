"""NeMo manifests, by NeMo's rules.

https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html: a line of JSON an utterance; a
path that is not absolute is looked for beside the manifest; `offset` and `duration` choose a part of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from corpusforge.errors import SourceError
from corpusforge.imports.found import Found, part_of, split_named, unreadable
from corpusforge.items import Json


def read_nemo(folder: Path) -> Iterator[Found]:
    """Utterances of every manifest (`*.json`, `*.jsonl`) in a folder, or of one manifest.

    Raises:
        SourceError: No manifest is there, or one is not of that kind.
    """
    for manifest in _manifests(folder):
        split = split_named(manifest.name)
        with manifest.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _found(manifest, number, line, split)


def _manifests(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    found = sorted(
        path for path in folder.glob("*.json*") if path.suffix in (".json", ".jsonl") and path.name[0] != "."
    )
    if not found:
        raise SourceError(f"{folder}: no NeMo manifest; expected files such as train_manifest.json in it")
    return found


def _found(manifest: Path, number: int, line: bytes, split: str | None) -> Found:
    place = f"{manifest.name}:{number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        return unreadable(place, f"damaged line: not JSON: {error}")
    path = row.get("audio_filepath", row.get("audio_filename")) if isinstance(row, dict) else None
    if not isinstance(path, str):
        if number == 1:
            raise SourceError(f"{manifest}:1: no NeMo manifest: expected a JSON object with audio_filepath a line")
        return unreadable(place, "damaged line: no audio_filepath")
    start, seconds = _number(row.get("offset")), _number(row.get("duration"))
    file = Path(path) if Path(path).is_absolute() else manifest.parent / path
    return Found(place, row, path, split, partial(part_of, file, start or 0.0, seconds))


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None

"""Datasets with text and audio: of the Hugging Face Hub, or a folder of Parquet, read by `datasets` as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from corpusforge.errors import CorpusforgeError, SourceError, nearest
from corpusforge.imports.found import Found, Sound, Unreadable, content_of, split_named
from corpusforge.items import Json


def read_hub(
    path: str, configs: Sequence[str] | None, revision: str | None, audio_field: str | None
) -> Iterator[Found]:
    """Utterances of a dataset, row by row; audio is not decoded by `datasets`, which would need torch.

    Args:
        path: A folder, or `user/name` on the Hub.
        configs: Configurations to read; None is the only one.
        revision: Branch, tag or commit on the Hub.
        audio_field: The column with the audio; None is the only one.

    Raises:
        SourceError: No such dataset or configuration, no column of audio, or it cannot be read.
    """
    import datasets

    try:
        known = datasets.get_dataset_config_names(path, revision=revision)
        for config in _chosen(path, known, configs):
            lists = datasets.load_dataset(path, config, revision=revision, streaming=True)
            for name, rows in lists.items():
                place = f"{config}/{name}" if len(known) > 1 else str(name)
                yield from _rows(path, place, str(name), rows, audio_field)
    except CorpusforgeError:
        raise
    except Exception as error:  # whatever the Hub, the network, pyarrow and datasets raise
        raise SourceError(f"{path}: datasets cannot read it: {type(error).__name__}: {error}") from error


def _chosen(path: str, known: Sequence[str], configs: Sequence[str] | None) -> Sequence[str]:
    if configs is None:
        if len(known) != 1:
            shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
            raise SourceError(f"{path} has {len(known)} configurations: name those to read with --config A,B: {shown}")
        return known
    for config in configs:
        if config not in known:
            raise SourceError(f"{path} has no configuration '{config}': {nearest(config, known)}")
    return configs


def _rows(path: str, place: str, name: str, rows: Any, audio_field: str | None) -> Iterator[Found]:
    import datasets

    if rows.features is None:
        rows = rows._resolve_features()
    features = rows.features
    columns = [column for column, feature in features.items() if isinstance(feature, datasets.Audio)]
    if audio_field is not None:
        if audio_field not in features:
            raise SourceError(f"{path}: {place}: no column '{audio_field}': {nearest(audio_field, features)}")
        columns = [audio_field]
    if len(columns) != 1:
        found = ", ".join(columns) or "none"
        raise SourceError(f"{path}: {place}: expected one column of audio, found {found}: name it with --audio-field")
    column = columns[0]
    rows = rows.cast_column(column, datasets.Audio(decode=False))
    classes = {key: feature for key, feature in features.items() if isinstance(feature, datasets.ClassLabel)}
    for number, row in enumerate(rows):
        audio = row.pop(column)
        values = {key: _named(classes.get(key), value) for key, value in row.items()}
        where = f"{place}:{number}"
        yield Found(where, values, where, split_named(name), partial(_read, audio, Path(path)))


def _named(feature: Any, value: Json) -> Json:
    if feature is None or not isinstance(value, int):
        return value
    return feature.int2str(value) if value >= 0 else None


def _read(audio: Json, folder: Path) -> Sound:
    if not isinstance(audio, dict):
        raise Unreadable("no audio: the cell is empty")
    if audio.get("bytes") is not None:
        return bytes(audio["bytes"])
    file = audio.get("path")
    if not file:
        raise Unreadable("no audio: the cell holds neither content nor a path")
    return content_of(Path(file) if Path(file).is_absolute() else folder / file)

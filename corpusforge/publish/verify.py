"""Reads what was published as a stranger would, with `datasets` from the Hub, and compares it with the corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusforgeError
from corpusforge.export.parquet import PARALLEL, Layout, json_text
from corpusforge.net.faults import describe
from corpusforge.publish.hub import PublishError

_MEND = "Run the same command again, which compares anew and sends what is wrong"


def compare_rows(
    corpus: Corpus,
    planned: Layout,
    source: str,
    revision: str | None = None,
    note: Callable[[str], None] = lambda words: None,
) -> int:
    """Stream every configuration and split of a published corpus, and compare each row and each clip's bytes.

    Nothing is kept on disk; memory does not grow with the corpus.

    Args:
        corpus: What was published.
        planned: How it was laid out, which is the order of the rows.
        source: `owner/name`, or a folder.
        revision: Tag or commit.
        note: Told after every configuration.

    Returns:
        Rows compared.

    Raises:
        PublishError: A row differs, is missing or is one too many, or the dataset cannot be loaded.
    """
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    compared = 0
    for config in planned.configs:
        for split in dict.fromkeys(shard.split for shard in planned.shards if shard.config == config):
            expected = (
                row for shard in planned.shards if (shard.config, shard.split) == (config, split) for row in shard.rows
            )
            where = f"{source}, {config}, {split}"
            try:
                rows = load_dataset(source, config, split=split, revision=revision, streaming=True).decode(False)
                for found in rows:
                    row = next(expected, None)
                    if row is None:
                        raise PublishError(f"{where} has more rows than the corpus. {_MEND}")
                    _compare(found, [corpus[position] for position in row], planned, config, where)
                    compared += 1
            except CorpusforgeError:
                raise
            except Exception as error:  # the library raises dozens of kinds
                raise PublishError(f"{where} cannot be loaded from the Hub ({describe(error)}). {_MEND}") from error
            if next(expected, None) is not None:
                raise PublishError(f"{where} has fewer rows than the corpus. {_MEND}")
        note(f"read back {config}: its rows and clips are those of the corpus")
    return compared


def _compare(found: Mapping[str, Any], records: list[Record], planned: Layout, config: str, where: str) -> None:
    for name, kind in planned.columns(config).items():
        stem, _, lang = name.partition("_") if config == PARALLEL else (name, "", "")
        record = next((one for one in records if one.lang == lang), None) if lang else records[0]
        value = found[name]
        if kind == "audio":
            same = _same_audio(value, record)
        elif kind == "label":
            label = records[0].label
            same = value == (None if label is None else planned.labels.index(label))
        else:
            wanted = None if record is None else getattr(record, stem)
            same = value == (json_text(wanted) if name in ("translation", "metrics") else wanted)
        if not same:
            raise PublishError(f"{where}: '{name}' of {records[0].id} is not what the corpus has. {_MEND}")


def _same_audio(value: Mapping[str, Any] | None, record: Record | None) -> bool:
    if record is None or value is None:
        return value is None and record is None
    return hashlib.sha256(value["bytes"]).hexdigest() == record.sha256

"""Forms by name, and what the folder or dataset that a user names is called in the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from corpusforge.errors import SourceError
from corpusforge.imports.found import Found
from corpusforge.imports.run import Origin


class Hub(NamedTuple):
    """What only a dataset has: configurations to read (None is the only one), revision, column of audio."""

    configs: Sequence[str] | None = None
    revision: str | None = None
    audio_field: str | None = None


def importing(path: str, form: str, hub: Hub | None = None) -> tuple[Iterator[Found], Origin]:
    """The utterances of a folder, or of a dataset of the Hub.

    Args:
        path: The folder, or `user/name`.
        form: lhotse, nemo, kaldi or huggingface.
        hub: Of a dataset.

    Raises:
        SourceError: No such folder.
    """
    folder = Path(path)
    if form == "huggingface":
        from corpusforge.imports.hub import read_hub

        hub = hub or Hub()
        name = folder.resolve().name if folder.exists() else path
        return read_hub(path, *hub), Origin(form, name, hub.revision)
    if not folder.exists():
        raise SourceError(f"{folder}: no such folder; expected one of {form} manifests")
    origin = Origin(form, folder.resolve().name)
    if form == "lhotse":
        from corpusforge.imports.lhotse import read_lhotse

        return read_lhotse(folder), origin
    if form == "nemo":
        from corpusforge.imports.nemo import read_nemo

        return read_nemo(folder), origin
    from corpusforge.imports.kaldi import read_kaldi

    return read_kaldi(folder), origin

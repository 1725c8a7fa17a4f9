"""Finds the files of a checkpoint: in a local folder, in the Hub client's cache, or on the Hub.

The network is asked once, shortly, and only for what the cache lacks.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from corpusforge.errors import CorpusforgeError, MissingDependency
from corpusforge.train.encoders.base import DESCRIPTION

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TIMEOUT = 10.0
"""Seconds that the Hub has for its first answer."""
_HUB_ID = re.compile(r"(?:[\w.\-]+/)?[\w.\-]+(?:@[\w.\-]+)?")
_DECIDING = {".json", ".txt", ".model", ".safetensors", ".bin"}
_WANTED = ("*.json", "*.txt", "*.model")
_PRESETS = "or train with `--preset small` or `--preset tiny`, which need no download from the Hub"


def locate(spec: str) -> tuple[Path, str]:
    """The folder with a checkpoint's files, and its name with a revision or digest.

    Args:
        spec: A local folder, or an id of the Hub: `owner/name`, or `owner/name@revision`.

    Raises:
        MissingDependency: It is not in the cache, and the Hub was not to be reached or does not have it.
        CorpusforgeError: The folder is not there or holds no checkpoint, or `spec` is neither folder nor id.
    """
    folder = Path(spec).expanduser()
    if folder.is_dir():
        lack = _lack(folder)
        if lack:
            raise CorpusforgeError(f"{folder} holds no checkpoint: {lack}. Save one there with `save_pretrained`")
        return folder, f"{folder.resolve().name}@{digest(folder)[:12]}"
    if spec.startswith(("/", ".", "~")):
        raise CorpusforgeError(f"there is no folder {folder}: give the folder of a checkpoint, or an id of the Hub")
    if not _HUB_ID.fullmatch(spec):
        raise CorpusforgeError(f"'{spec}' is neither a folder nor an id of the Hub (owner/name)")
    repository, _, revision = spec.partition("@")
    found = _cached(repository, revision or None) or _download(spec, repository, revision or None)
    return found, f"{repository}@{found.name[:12]}"


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a checkpoint's folder; empty if there is no such file.

    Raises:
        CorpusforgeError: It is damaged.
    """
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusforgeError(f"{file} is damaged ({error}): download or copy it again") from None
    if not isinstance(found, dict):
        raise CorpusforgeError(f"{file} holds no JSON object: download or copy it again")
    return found


def _lack(folder: Path) -> str | None:
    if not (folder / "config.json").is_file():
        return "it has no config.json"
    if not any((folder / name).is_file() for name in WEIGHTS):
        return f"it has none of {', '.join(WEIGHTS)}"
    return None


def _cached(repository: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, FileNotFoundError):
        return None
    return None if _lack(folder) else folder


def _download(spec: str, repository: str, revision: str | None) -> Path:
    """One short question whether the Hub has it; only after its answer are files fetched."""
    from huggingface_hub import HfApi, snapshot_download

    command = f"hf download {repository}" + (f" --revision {revision}" if revision else "")
    try:
        info = HfApi().model_info(repository, revision=revision, timeout=TIMEOUT)
        names = {file.rfilename for file in info.siblings or ()}
        # Weights are there twice in many repositories: safetensors are enough, and cannot run code when they are read.
        weights = "*.safetensors" if any(name in names for name in WEIGHTS[:2]) else "pytorch_model*.bin"
        folder = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=[*_WANTED, weights], etag_timeout=TIMEOUT, max_workers=4
            )
        )
    except Exception as error:  # the client raises dozens of kinds, of its own and of those below it
        lines = str(error).strip().splitlines()
        raise MissingDependency(
            f"the checkpoint {spec} is not in the Hub's cache and could not be downloaded ({type(error).__name__}: "
            f"{lines[0] if lines else 'no reason given'}): with a network, run `{command}`, {_PRESETS}"
        ) from None
    lack = _lack(folder)
    if lack:
        raise CorpusforgeError(f"{spec} is no checkpoint that transformers reads: {lack}. Choose another, {_PRESETS}")
    return folder


def digest(folder: Path) -> str:
    """SHA-256 over what decides a local checkpoint's output: names and contents of settings, vocabulary and weights."""
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        # What corpusforge says of an encoder has its name, and that has an earlier digest.
        if file.name != DESCRIPTION and file.is_file() and file.suffix in _DECIDING:
            with file.open("rb") as content:
                total.update(f"{file.name}\n{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()

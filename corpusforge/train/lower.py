"""What the frozen lowest layers of a text encoder make of every sentence, computed once.

They see the same tokens in every epoch and are in evaluation mode, so that what comes out of them never changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from corpusforge.errors import CorpusforgeError
from corpusforge.train.cache import make_room, making, read_header, write_header
from corpusforge.train.data import Dataset
from corpusforge.train.encoders import TextEncoder

FORMAT = "lower 2"
AT_ONCE = 64
"""Sentences in one forward pass."""
_VALUES = "hidden.f16"


@dataclass(frozen=True, slots=True, eq=False)
class LowerCache:
    """Hidden states after the frozen layers, float16.

    Attributes:
        rows: Number of an utterance, by id.
        offsets: [utterances + 1]: utterance i is tokens `offsets[i]` to `offsets[i + 1]`.
        dim: D.
    """

    rows: Mapping[str, int]
    offsets: NDArray[np.int64]
    dim: int
    _values: NDArray[np.float16]

    def hidden(self, id: str) -> NDArray[np.float16]:
        """[L, D] of an utterance, special tokens included."""
        row = self.rows[id]
        return self._values[self.offsets[row] : self.offsets[row + 1]]


def open_lower(
    dataset: Dataset, encoder: TextEncoder, layers: int, max_length: int, folder: Path, device: torch.device
) -> LowerCache:
    """The hidden states of all utterances of a dataset; made if they are not there.

    Args:
        dataset: Whose text.
        encoder: On `device`.
        layers: How many are frozen.
        max_length: Tokens a sentence, at most.
        folder: Cache folder; each cache has a folder of its own in it.
        device: Where they are computed.

    Raises:
        CorpusforgeError: The encoder has no such layers, or its states are not finite in 16 bits.
        WorkspaceError: The cache folder cannot be written, is damaged or full.
    """
    examples = [example for groups in dataset.examples.values() for group in groups for example in group]
    tokens = encoder.tokenize([example.text for example in examples], max_length)
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    # Not the encoder's name: a fine-tuned one may be called what its checkpoint was.
    digest = hashlib.sha256(f"{FORMAT}\n{layers}\n{encoder.lower_id(layers)}\n".encode())
    for row in tokens:
        digest.update(np.array([*row, -1], "<i4").tobytes())
    home = folder / f"text-{digest.hexdigest()[:32]}"
    size = 2 * int(offsets[-1]) * encoder.dim
    if not home.is_dir():
        with making(home) as part:
            if part is not None:
                make_room(part, size, "the text of this corpus, encoded,")
                _fill(part / _VALUES, tokens, offsets, encoder, layers, device)
                write_header(part, {"format": FORMAT, "encoder": encoder.name, "layers": layers, "bytes": size})
    read_header(home, {_VALUES: "bytes"})
    values = np.memmap(home / _VALUES, np.float16, "r", 0, (int(offsets[-1]), encoder.dim))
    return LowerCache({example.id: row for row, example in enumerate(examples)}, offsets, encoder.dim, values)


@torch.inference_mode()
def _fill(
    path: Path,
    tokens: list[list[int]],
    offsets: NDArray[np.int64],
    encoder: TextEncoder,
    layers: int,
    device: torch.device,
) -> None:
    """Compute them, sentences of about the same length together."""
    values = np.memmap(path, np.float16, "w+", 0, (int(offsets[-1]), encoder.dim))
    lengths = np.diff(offsets)
    order = np.argsort(lengths, kind="stable")
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        width = int(lengths[some].max())
        rows = torch.full((len(some), width), encoder.pad_id)
        for place, row in enumerate(some):
            rows[place, : lengths[row]] = torch.tensor(tokens[row])
        mask = torch.arange(width) < torch.from_numpy(lengths[some])[:, None]
        hidden = encoder.lower(rows.to(device), mask.to(device), layers).half().cpu()
        if not bool(torch.isfinite(hidden[mask]).all()):
            raise CorpusforgeError(f"the hidden states of {encoder.name} are not finite in 16 bits: set freeze to 0")
        for place, row in enumerate(some):
            values[offsets[row] : offsets[row + 1]] = hidden[place, : lengths[row]].numpy()
    values.flush()

"""The output of a speech encoder's frozen front end for every clip of a pack, computed once for every run.

One clip at a time, unpadded: wav2vec2-base's group norm makes a clip's features depend on the padding of its batch.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from corpusforge.errors import CorpusError, WorkspaceError
from corpusforge.train.cache import make_room, making, read_header, write_header
from corpusforge.train.pack import AudioPack, Progress

FORMAT = "float16-1"
"""Part of every cache's name."""
PORTION = 32 << 20
"""Bytes of features between two fsyncs: what a kill costs at most, and what is held in memory."""
_VALUES, _LENGTHS = "features.f16", "lengths.i64"


class FrontEnd(Protocol):
    """The part of a speech encoder that is never trained."""

    @property
    def front_dim(self) -> int:
        """E."""

    @property
    def front_id(self) -> str:
        """Digest of its weights and settings."""

    def front(self, samples: Tensor) -> Tensor:
        """Features `[F0, E]` of one unpadded clip: `[T]` float32 in [-1, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureCache:
    """Features of the clips of a pack, float16.

    Attributes:
        folder: Where it is.
        audio: Digest of the pack.
        front_id: Digest of the front end.
        offsets: `[clips + 1]` int64: clip i is frames `offsets[i]` to `offsets[i + 1]`.
    """

    folder: Path
    audio: str
    front_id: str
    offsets: NDArray[np.int64]
    _values: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dim(self) -> int:
        """E, the size of a frame."""
        return int(self._values.shape[1])

    def features(self, number: int) -> NDArray[np.float16]:
        """Features `[F0, E]` of a clip, in place: nothing is read until they are used, and they cannot be written."""
        if not 0 <= number < len(self):
            raise IndexError(f"clip {number} of a cache of {len(self)}")
        return self._values[self.offsets[number] : self.offsets[number + 1]]


def open_features(
    pack: AudioPack,
    encoder: FrontEnd,
    folder: str | os.PathLike[str],
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> FeatureCache:
    """The features of a pack; made if they are not there, and continued if making them was interrupted.

    Args:
        pack: The audio.
        encoder: Its front end is asked for one clip after the other; torch's threads work on each.
        folder: Cache folder; each cache has a folder of its own in it.
        device: Where the front end is.
        progress: Told how many clips are done.

    Raises:
        CorpusError: A clip has no finite features in 16 bits.
        WorkspaceError: The cache folder cannot be written, is damaged or full.
    """
    key = f"{FORMAT}\n{pack.digest}\n{pack.rate}\n{encoder.front_id}\n{encoder.front_dim}"
    home = Path(folder) / f"features-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    if not home.is_dir():
        with making(home) as part:
            if part is not None:
                frames = _fill(part, pack, encoder, torch.device(device), progress)
                header = {"format": FORMAT, "audio": pack.digest, "rate": pack.rate, "front_id": encoder.front_id}
                sizes = {"values_bytes": 2 * frames * encoder.front_dim, "lengths_bytes": 8 * len(pack)}
                write_header(part, header | sizes)
    read_header(home, {_VALUES: "values_bytes", _LENGTHS: "lengths_bytes"})
    lengths = np.fromfile(home / _LENGTHS, "<i8")
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    shape = (int(offsets[-1]), encoder.front_dim)
    if shape[0] * shape[1] * 2 != (home / _VALUES).stat().st_size:
        raise WorkspaceError(f"{home} is damaged: its lengths do not fit its features. Delete it; it is made again")
    return FeatureCache(
        home, pack.digest, encoder.front_id, offsets, np.memmap(home / _VALUES, np.float16, "r", 0, shape)
    )


def _fill(part: Path, pack: AudioPack, encoder: FrontEnd, device: torch.device, progress: Progress | None) -> int:
    """Computes what is not yet done, in the order of the clips; the frames of all."""
    width = 2 * encoder.front_dim
    # "a" makes the file; "r+" writes where it is told to.
    (part / _VALUES).open("ab").close()
    (part / _LENGTHS).open("ab").close()
    with (part / _VALUES).open("r+b", 0) as values, (part / _LENGTHS).open("r+b", 0) as lengths:
        # Features are on the disk before their lengths are: what has a length is whole, and the rest is done again.
        known = np.frombuffer(lengths.read(), "<i8", (part / _LENGTHS).stat().st_size // 8)
        ends = width * np.cumsum(known)
        done = int(np.searchsorted(ends, (part / _VALUES).stat().st_size, "right"))
        frames = int(known[:done].sum())
        values.truncate(width * frames)
        lengths.truncate(8 * done)
        values.seek(0, os.SEEK_END)
        lengths.seek(0, os.SEEK_END)
        pieces: list[NDArray[np.float16]] = []
        checked = False
        for number in range(done, len(pack)):
            pieces.append(_front(pack, number, encoder, device))
            if number + 1 < len(pack) and sum(piece.nbytes for piece in pieces) < PORTION:
                continue
            if not checked:  # what is left to write, at so many frames a sample as in this portion
                first = number + 1 - len(pieces)
                share = sum(map(len, pieces)) / max(1, int(pack.offsets[number + 1] - pack.offsets[first]))
                left = int(pack.offsets[-1] - pack.offsets[first])
                make_room(part, int(width * share * left), "the speech features of this corpus")
                checked = True
            for piece in pieces:
                _write(values.fileno(), piece.tobytes())
            os.fsync(values.fileno())
            _write(lengths.fileno(), np.array([len(piece) for piece in pieces], "<i8").tobytes())
            os.fsync(lengths.fileno())
            frames += sum(map(len, pieces))
            pieces.clear()
            if progress is not None:
                progress(number + 1, len(pack))
    return frames


def _front(pack: AudioPack, number: int, encoder: FrontEnd, device: torch.device) -> NDArray[np.float16]:
    samples = torch.from_numpy(pack.clip(number).astype(np.float32)).div_(32768).to(device)
    with torch.inference_mode():
        found = encoder.front(samples)
    if found.ndim != 2 or found.shape[1] != encoder.front_dim:
        raise ValueError(f"the front end gave shape {tuple(found.shape)}, expected (frames, {encoder.front_dim})")
    half = found.to(torch.float16)
    if not len(half) or not bool(torch.isfinite(half).all()):
        id = next(id for id, clip in pack.numbers.items() if clip == number)
        what = "no frame: it is too short" if not len(half) else "features that are not finite in 16 bits"
        raise CorpusError(
            f"{id}: the speech encoder makes of its {len(samples) / pack.rate:.3f} s {what}. Build the corpus without "
            "it, or choose another speech encoder"
        )
    array: NDArray[np.float16] = half.cpu().numpy()
    return array


def _write(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]

"""What a model is given: the rows of some parallel groups, padded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(slots=True)
class Batch:
    """R rows: all utterances of some parallel groups, all languages together.

    Attributes:
        ids: Utterance ids, one a row.
        group: `[R]` int64: rows with the same number are the same sentence in several languages.
        lang: `[R]` int64: index into the dataset's languages.
        label: `[R]` int64: index into the dataset's labels, -1 where there is none.
        tokens: `[R, L]` int64, padded with the encoder's `pad_id`; None for models without text.
        token_mask: `[R, L]` bool: True on real tokens, `[CLS]` and `[SEP]` included.
        lower: `[R, L, D]` float16: what frozen layers made of the tokens, padded with 0; None where none are cached.
        features: `[R, F0, E]` float16 or float32: the speech encoder's front end, padded with 0; None without speech.
        feature_lengths: `[R]` int64: how many of the F0 frames are real.
    """

    ids: list[str]
    group: Tensor
    lang: Tensor
    label: Tensor
    tokens: Tensor | None = None
    token_mask: Tensor | None = None
    lower: Tensor | None = None
    features: Tensor | None = None
    feature_lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        """A copy on `device`. From pinned memory the copy does not wait for the device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> Batch:
        """A copy in page-locked memory, from which a GPU fetches by itself; needs CUDA."""
        return self._each(lambda tensor: tensor.pin_memory())

    def take(self, rows: Tensor) -> Batch:
        """Some of the rows; as padded as they were."""
        index = rows.to(self.group.device)
        some = self._each(lambda tensor: tensor[index])
        some.ids = [self.ids[row] for row in rows.tolist()]
        return some

    def _each(self, change: Any) -> Batch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{name: change(value) if isinstance(value, Tensor) else value for name, value in values.items()})

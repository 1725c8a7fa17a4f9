"""What the trainer asks of a text encoder and of a speech encoder.

R rows, L text positions, F0 frames of a front end with E numbers each, F frames of an encoder.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from corpusforge.errors import CorpusforgeError

DESCRIPTION = "encoder.json"
"""The file that says what kind of encoder a saved folder holds, and what it was called."""
FORMAT = 1


class TextEncoder(nn.Module, ABC):
    """Token ids to hidden states.

    Attributes:
        kind: What `encoder.json` calls it.
        name: As it was asked for, with the revision or digest of the weights: goes into a run's record.
        dim: Size of a hidden state.
        pad_id: Token that fills up a row.
    """

    kind: ClassVar[str]
    name: str
    dim: int
    pad_id: int

    @abstractmethod
    def tokenize(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Token ids of each text, special ones included, cut to `max_length`.

        Raises:
            CorpusforgeError: The encoder reads fewer tokens than `max_length`.
        """

    @property
    @abstractmethod
    def framed(self) -> tuple[bool, bool]:
        """Whether a special token begins each text, as [CLS] does, and whether one ends it, as [SEP] does."""

    @abstractmethod
    def unknown_share(self, texts: Sequence[str]) -> float:
        """Share of the tokens of `texts` that the vocabulary lacks, in [0, 1]; special tokens aside."""

    @property
    @abstractmethod
    def word_embeddings(self) -> nn.Embedding:
        """The table that FGM and PGD disturb and that a larger vocabulary enlarges."""

    @abstractmethod
    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Last hidden states [R, L, dim] of `tokens` [R, L]; `mask` [R, L] is True on what is no padding."""

    def lower(self, tokens: Tensor, mask: Tensor, layers: int) -> Tensor:
        """Hidden states [R, L, dim] after the lowest `layers`, without dropout.

        Raises:
            CorpusforgeError: The encoder's layers cannot be had one by one.
        """
        raise CorpusforgeError(f"the layers of {self.name} cannot be frozen one by one: set freeze to 0")

    def upper(self, hidden: Tensor, mask: Tensor, layers: int) -> Tensor:
        """What `forward` makes of the hidden states that `lower` gave.

        Raises:
            CorpusforgeError: As `lower`.
        """
        raise CorpusforgeError(f"the layers of {self.name} cannot be frozen one by one: set freeze to 0")

    def lower_id(self, layers: int) -> str:
        """Digest of the weights and settings that `lower` uses: same digest and tokens, same hidden states.

        Raises:
            CorpusforgeError: As `lower`.
        """
        raise CorpusforgeError(f"the layers of {self.name} cannot be frozen one by one: set freeze to 0")

    def freeze(self, layers: int) -> None:
        """Keep the embeddings and the lowest `layers` as they are; does nothing for 0.

        Raises:
            CorpusforgeError: As `lower`.
        """
        if layers:
            raise CorpusforgeError(f"the layers of {self.name} cannot be frozen one by one: set freeze to 0")

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights, settings and vocabulary into a folder that `load` and transformers read."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote."""


class SpeechEncoder(nn.Module, ABC):
    """Sound to frames, with frozen weights. Adapters, which are trained, belong to whoever attaches them.

    Attributes:
        kind: What `encoder.json` calls it.
        name: As it was asked for, with the revision or digest of the weights.
        dim: Size of a frame.
        front_dim: E, size of a frame of the front end.
        front_id: Digest of the front end's weights and settings: same digest, same features.
    """

    kind: ClassVar[str]
    name: str
    dim: int
    front_dim: int
    front_id: str

    def __init__(self) -> None:
        super().__init__()
        # A plain list: modules in it are not registered, so that adapters are no part of the encoder's own weights.
        self._adapters: list[nn.Module] = []
        self._languages: Tensor | None = None

    @abstractmethod
    def front(self, samples: Tensor) -> Tensor:
        """The front end on one unpadded clip, without gradient.

        Args:
            samples: [T] float in [-1, 1] at 16 kHz.

        Returns:
            [F0, front_dim] float32; no frame if the clip is too short for one.
        """

    @abstractmethod
    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [R, F, dim], 0 on padding, and a mask [R, F] that is True on frames that are none.

        Args:
            features: Outputs of `front` [R, F0, E], filled up with 0.
            lengths: [R], at least 1.
        """

    @property
    @abstractmethod
    def layers(self) -> Sequence[nn.Module]:
        """The layers that take an adapter each."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights and settings, without adapters, into a folder that `load` reads."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote."""

    def attach(self, adapters: Sequence[nn.Module]) -> None:
        """Let `adapters[i](hidden [R, F, dim], lang [R])` take the place of what comes out of layer i.

        They stay the caller's: they are not among the encoder's parameters, nor saved or moved with it. An empty
        sequence takes off what was attached.

        Raises:
            ValueError: Not one for each layer.
        """
        if adapters and len(adapters) != len(self.layers):
            raise ValueError(f"{len(adapters)} adapters for {len(self.layers)} layers")
        self._adapters = list(adapters)

    def set_languages(self, lang: Tensor) -> None:
        """Tell the adapters the language [R] of each row of the next forward pass."""
        self._languages = lang

    def _adapted(self, layer: int, hidden: Tensor) -> Tensor:
        if not self._adapters:
            return hidden
        if self._languages is None or len(self._languages) != len(hidden):
            raise ValueError(f"set_languages() must name the languages of these {len(hidden)} rows first")
        adapted: Tensor = self._adapters[layer](hidden, self._languages)
        return adapted

    def _freeze(self) -> None:
        for parameter in self.parameters():
            parameter.requires_grad = False


def hash_weights(total: hashlib._Hash, part: nn.Module) -> None:
    """Add a module's weights to a digest: names, shapes and numbers in float32, on whatever device they are."""
    for key, weight in sorted(part.state_dict().items()):
        total.update(f"{key} {tuple(weight.shape)}".encode())
        total.update(weight.detach().cpu().float().contiguous().numpy().data)


def describe(folder: Path, encoder: TextEncoder | SpeechEncoder, **more: Any) -> None:
    """Write `encoder.json`."""
    body = {"format": FORMAT, "kind": encoder.kind, "name": encoder.name, **more}
    (folder / DESCRIPTION).write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def description(folder: Path) -> dict[str, Any] | None:
    """The content of `encoder.json`; None if a folder has none, as one from a hub has not.

    Raises:
        CorpusforgeError: It is damaged, or of another format.
    """
    file = folder / DESCRIPTION
    if not file.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        version = found["format"]
        found["kind"], found["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusforgeError(f"{file} is damaged ({error!r}): copy the encoder's folder again") from None
    if version != FORMAT:
        raise CorpusforgeError(f"{file} is of format {version}, expected {FORMAT}: save the encoder again")
    return found


def mask_of(lengths: Tensor, width: int) -> Tensor:
    """[R, width] bool: True on the first `lengths[r]` positions of row r."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]

"""Speech encoders that transformers reads: wav2vec 2.0, XLS-R, MMS, HuBERT.

The convolutions are the front end: frozen, and run on one unpadded clip, because the group norm of wav2vec2-base takes
its mean over the padding too. Feature projection, positional convolution and the transformer's layers follow here, in
the order of transformers' own forward pass, without its LayerDrop and SpecAugment, and with a place for adapters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
import transformers
from torch import Tensor, nn

from corpusforge.errors import CorpusforgeError
from corpusforge.train.encoders.base import SpeechEncoder, describe, description, hash_weights, mask_of
from corpusforge.train.encoders.hf_text import config_of, quiet, weights_of
from corpusforge.train.encoders.hub import locate, read_json

RATE = 16_000
KINDS: dict[str, Any] = {"wav2vec2": transformers.Wav2Vec2Model, "hubert": transformers.HubertModel}
_PREPROCESSOR = "preprocessor_config.json"


class TransformerSpeech(SpeechEncoder):
    """A frozen wav2vec 2.0 or one that is built like it.

    Args:
        model: With its convolutions.
        name: See `SpeechEncoder`.
        normalize: Whether a clip is brought to mean 0 and variance 1 first, as the checkpoint was trained.
    """

    kind = "transformer-speech"

    def __init__(self, model: nn.Module, name: str, *, normalize: bool = True) -> None:
        super().__init__()
        parts: Any = model
        config = parts.config
        if getattr(config, "conv_pos_batch_norm", False):
            raise CorpusforgeError(
                f"{name} has a batch norm before its positional convolution, through which padding reaches a clip's "
                "frames: choose another speech encoder"
            )
        # Made for pretraining, or for a head that shortens the sequence: neither is used here.
        parts.adapter = None
        self.model: Any = model
        self.name = name
        self.normalize = normalize
        self.dim = int(config.hidden_size)
        self.front_dim = int(config.conv_dim[-1])
        self._stable = bool(config.do_stable_layer_norm)
        self._field = _receptive_field(config.conv_kernel, config.conv_stride)
        self._freeze()
        self.front_id = _front_id(model, normalize)

    def train(self, mode: bool = True) -> Self:
        """Its weights are frozen and so is all of it: no dropout, whatever the model around it does.

        Frozen layers of text encoders are treated alike. Dropout in attention over 600 frames is half of a tiny step
        on a CPU, where it also rules out the faster kernel.
        """
        return super().train(False)

    @property
    def layers(self) -> Sequence[nn.Module]:
        """See `SpeechEncoder`."""
        return list(self.model.encoder.layers)

    @torch.no_grad()
    def front(self, samples: Tensor) -> Tensor:
        """See `SpeechEncoder`; after transformers' `Wav2Vec2FeatureExtractor` and the model's `feature_extractor`."""
        if len(samples) < self._field:
            return samples.new_zeros((0, self.front_dim), dtype=torch.float32)
        with torch.autocast(samples.device.type, enabled=False):
            wave = samples.float()
            if self.normalize:
                wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
            features: Tensor = self.model.feature_extractor(wave[None])[0].T
        return features.contiguous()

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `SpeechEncoder`; F is F0."""
        encoder = self.model.encoder
        mask = mask_of(lengths, features.shape[1])
        padding = ~mask[..., None]
        hidden = self.model.feature_projection(features.float())
        if isinstance(hidden, tuple):  # wav2vec 2.0 gives the normed features too, which only pretraining wants
            hidden = hidden[0]
        hidden = hidden.masked_fill(padding, 0)
        hidden = hidden + encoder.pos_conv_embed(hidden)
        if not self._stable:
            hidden = encoder.layer_norm(hidden)
        hidden = encoder.dropout(hidden)
        seen = mask[:, None, None, :]
        for number, layer in enumerate(encoder.layers):
            hidden = layer(hidden, attention_mask=seen)
            if isinstance(hidden, tuple):  # transformers before 5
                hidden = hidden[0]
            hidden = self._adapted(number, hidden)
        if self._stable:
            hidden = encoder.layer_norm(hidden)
        return hidden.masked_fill(padding, 0), mask

    def save(self, folder: Path) -> None:
        """See `SpeechEncoder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with quiet():
            self.model.save_pretrained(folder)
        extractor: Any = transformers.Wav2Vec2FeatureExtractor
        extractor(do_normalize=self.normalize).save_pretrained(folder)
        describe(folder, self)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `SpeechEncoder`."""
        said = description(folder)
        if said is None or said["kind"] != cls.kind:
            raise CorpusforgeError(f"{folder} holds no such speech encoder that was saved by corpusforge")
        return cls._open(folder, said["name"])

    @classmethod
    def open(cls, spec: str) -> Self:
        """The speech encoder of a local folder or of an id of the Hub.

        Raises:
            MissingDependency: It is not in the cache and cannot be downloaded.
            CorpusforgeError: It is of another kind, or made for another sample rate.
        """
        return cls._open(*locate(spec))

    @classmethod
    def _open(cls, folder: Path, name: str) -> Self:
        config = config_of(folder, name)
        kind = KINDS.get(config.model_type)
        if kind is None:
            raise CorpusforgeError(
                f"{name} is of type {config.model_type}, expected {' or '.join(KINDS)} (wav2vec 2.0, XLS-R, MMS, "
                "HuBERT): choose another speech encoder"
            )
        wants = read_json(folder / _PREPROCESSOR)
        rate = wants.get("sampling_rate", RATE)
        if rate != RATE:
            raise CorpusforgeError(f"{name} hears {rate} Hz, expected {RATE}: choose another speech encoder")
        model = weights_of(kind, folder, name, attn_implementation="sdpa")
        return cls(model, name, normalize=bool(wants.get("do_normalize", True)))


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one frame is made of."""
    field, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return field


def _front_id(model: Any, normalize: bool) -> str:
    config = model.config
    settings = (
        config.feat_extract_norm,
        config.feat_extract_activation,
        list(config.conv_kernel),
        list(config.conv_stride),
        normalize,
    )
    total = hashlib.sha256(repr(settings).encode())
    hash_weights(total, model.feature_extractor)
    return total.hexdigest()

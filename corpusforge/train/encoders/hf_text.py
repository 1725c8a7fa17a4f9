"""Text encoders that transformers reads: BERT, XLM-R, ALBERT and the like."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import torch
import transformers
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers.utils import logging as _logging

from corpusforge.errors import CorpusforgeError
from corpusforge.train.encoders.base import TextEncoder, describe, description, hash_weights
from corpusforge.train.encoders.hub import digest, locate

_OFFSET = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}
"""Models whose positions begin after the padding token's id."""
_MASK_4D = {"bert", "roberta", "xlm-roberta", "albert", "camembert"}
_STACKED = {"bert", "roberta", "xlm-roberta", "camembert"}
"""Models that take a mask [R, 1, 1, L] as it is; from one [R, L] they ask the device whether anything is padded, and
wait for its answer."""
_DECIDING = ("model_type", "hidden_act", "layer_norm_eps", "num_attention_heads", "pad_token_id")
"""Settings of `_STACKED` models that change their output and show in no weight's shape."""
_VERSION = re.compile(r"\+[0-9a-f]{12}$")
"""What the name of an encoder that was saved and opened again ends with."""


class TransformerText(TextEncoder):
    """A transformer with its tokenizer.

    Args:
        model: Without the pooling layer, which nothing here uses.
        tokenizer: Adds the special tokens.
        special: Names of the special tokens, as transformers has them (`pad_token`: …); `pad_token` at least.
        name: See `TextEncoder`.
    """

    kind = "transformer-text"

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, special: dict[str, str], name: str) -> None:
        super().__init__()
        self.model = model
        self.name = name
        self.special = dict(special)
        parts: Any = model
        self.settings: Any = parts.config
        self.dim = int(self.settings.hidden_size)
        self.tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.no_truncation()
        pad = tokenizer.token_to_id(special.get("pad_token", ""))
        if pad is None:
            raise CorpusforgeError(f"{name}: its tokenizer has no padding token: choose an encoder like BERT or XLM-R")
        self.pad_id = int(pad)
        self.unk_id: int | None = tokenizer.token_to_id(special.get("unk_token", ""))
        offset = self.pad_id + 1 if self.settings.model_type in _OFFSET else 0
        # BLOOM and XLNet count no positions and read texts of any length; XLNet says so by -1.
        positions = int(getattr(self.settings, "max_position_embeddings", -1))
        self.longest = positions - offset if positions > 0 else None
        self._mask_4d = self.settings.model_type in _MASK_4D and self.settings._attn_implementation == "sdpa"

    def tokenize(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """See `TextEncoder`."""
        if self.longest is not None and max_length > self.longest:
            raise CorpusforgeError(f"max_length is {max_length}, {self.name} reads {self.longest} tokens at most")
        self.tokenizer.enable_truncation(max_length)
        try:
            return [row.ids for row in self.tokenizer.encode_batch_fast(list(texts))]
        finally:
            self.tokenizer.no_truncation()

    @property
    def framed(self) -> tuple[bool, bool]:
        """See `TextEncoder`."""
        added = self.tokenizer.encode("a").special_tokens_mask
        return bool(added[:1] == [1]), bool(added[-1:] == [1])

    def unknown_share(self, texts: Sequence[str]) -> float:
        """See `TextEncoder`."""
        if self.unk_id is None:
            return 0.0
        rows = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        tokens = sum(len(row.ids) for row in rows)
        return sum(row.ids.count(self.unk_id) for row in rows) / tokens if tokens else 0.0

    @property
    def word_embeddings(self) -> nn.Embedding:
        """See `TextEncoder`."""
        table: nn.Embedding = self.model.get_input_embeddings()  # type: ignore[operator]
        return table

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """See `TextEncoder`."""
        seen = mask[:, None, None, :] if self._mask_4d else mask.long()  # XLNet subtracts it, which bool cannot
        hidden: Tensor = self.model(input_ids=tokens, attention_mask=seen).last_hidden_state
        return hidden

    def lower(self, tokens: Tensor, mask: Tensor, layers: int) -> Tensor:
        """See `TextEncoder`."""
        embeddings, stack = self._parts(layers)
        training = self.model.training
        self.model.eval()
        try:
            hidden = embeddings(input_ids=tokens)
            for layer in stack[:layers]:
                hidden = layer(hidden, _additive(mask, hidden.dtype))
        finally:
            self.model.train(training)
        found: Tensor = hidden
        return found

    def upper(self, hidden: Tensor, mask: Tensor, layers: int) -> Tensor:
        """See `TextEncoder`."""
        _, stack = self._parts(layers)
        hidden = hidden.to(self.word_embeddings.weight.dtype)
        for layer in stack[layers:]:
            hidden = layer(hidden, _additive(mask, hidden.dtype))
        return hidden

    def lower_id(self, layers: int) -> str:
        """See `TextEncoder`."""
        embeddings, stack = self._parts(layers)
        total = hashlib.sha256(repr([getattr(self.settings, name) for name in _DECIDING]).encode())
        for part in (embeddings, *stack[:layers]):
            hash_weights(total, part)
        return total.hexdigest()

    def freeze(self, layers: int) -> None:
        """See `TextEncoder`."""
        if layers:
            embeddings, stack = self._parts(layers)
            for part in (embeddings, *stack[:layers]):
                part.requires_grad_(False)

    def _parts(self, layers: int) -> tuple[Any, Any]:
        """Embeddings and stack of a BERT or RoBERTa, whose layers take hidden states and an additive mask."""
        model: Any = self.model
        if self.settings.model_type not in _STACKED:
            raise CorpusforgeError(
                f"{self.name} is of type {self.settings.model_type}, whose layers cannot be frozen one by one: set "
                "freeze to 0"
            )
        stack = model.encoder.layer
        if layers > len(stack):
            raise CorpusforgeError(f"freeze is {layers}, {self.name} has {len(stack)} layers")
        return model.embeddings, stack

    def replace_vocabulary(self, tokenizer: Tokenizer, vectors: dict[int, Tensor]) -> None:
        """Use another tokenizer, whose new tokens begin with the given embeddings.

        Args:
            tokenizer: Has the ids of the old one, and more.
            vectors: Id → embedding [E] of each new token.
        """
        rows = max([self.word_embeddings.num_embeddings - 1, *vectors]) + 1
        if rows > self.word_embeddings.num_embeddings:
            self.model.resize_token_embeddings(rows, mean_resizing=False)  # type: ignore[operator]
        with torch.no_grad():
            for id, vector in vectors.items():
                self.word_embeddings.weight[id] = vector
        self.tokenizer = tokenizer

    def save(self, folder: Path) -> None:
        """See `TextEncoder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with quiet():
            self.model.save_pretrained(folder)  # type: ignore[operator]
        wrapper: Any = transformers.PreTrainedTokenizerFast
        fast = wrapper(tokenizer_object=self.tokenizer, **self.special)
        if self.longest is not None:
            fast.model_max_length = self.longest
        fast.save_pretrained(folder)
        describe(folder, self, special=self.special)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `TextEncoder`."""
        return cls._load(folder, digest(folder)[:12])

    @classmethod
    def _load(cls, folder: Path, version: str) -> Self:
        said = description(folder)
        if said is None or said["kind"] != cls.kind:
            raise CorpusforgeError(f"{folder} holds no text encoder that was saved by corpusforge")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # It may have been trained since it got its name.
        name = f"{_VERSION.sub('', said['name'])}+{version}"
        return cls(_model(folder, name), tokenizer, said["special"], name)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """[R, 1, 1, L]: 0 on tokens, the least number on padding."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)[:, None, None, :]


def open_text(spec: str) -> TransformerText:
    """The text encoder of a local folder or of an id of the Hub.

    Raises:
        MissingDependency: It is not in the cache and cannot be downloaded.
        CorpusforgeError: It is no text encoder with a fast tokenizer.
    """
    folder, name = locate(spec)
    if description(folder) is not None:
        return TransformerText._load(folder, name.rpartition("@")[2])
    model = _model(folder, name)
    try:
        wrapped = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # A copy: transformers' own object changes it as it likes.
        tokenizer = Tokenizer.from_str(wrapped.backend_tokenizer.to_str())
    except (OSError, ValueError, AttributeError, ImportError) as error:
        raise CorpusforgeError(
            f"{name}: its tokenizer cannot be read ({_line(error)}): a tokenizer.json is expected beside the weights"
        ) from error
    special = {key: str(value) for key, value in wrapped.special_tokens_map.items() if key.endswith("_token")}
    return TransformerText(model, tokenizer, special, name)


def _model(folder: Path, name: str) -> nn.Module:
    config = config_of(folder, name)
    kind: Any = transformers.MODEL_MAPPING.get(type(config), None)
    if kind is None or config.is_encoder_decoder or not hasattr(config, "hidden_size"):
        raise CorpusforgeError(
            f"{name} is of type {config.model_type}, which transformers reads as no plain encoder: choose one like "
            "BERT or XLM-R"
        )
    more = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind).parameters else {}
    return weights_of(kind, folder, name, **more)


def config_of(folder: Path, name: str) -> Any:
    """A checkpoint's settings, as transformers has them.

    Raises:
        CorpusforgeError: transformers does not know them.
    """
    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CorpusforgeError(f"{name}: transformers cannot read its config.json ({_line(error)})") from error


def weights_of(kind: Any, folder: Path, name: str, **more: Any) -> nn.Module:
    """A model of class `kind` with a checkpoint's weights in float32.

    Raises:
        CorpusforgeError: They are damaged, or some are missing: they would be random without a word.
    """
    try:
        with quiet():
            model, report = kind.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, **more
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise CorpusforgeError(
            f"{name}: its weights cannot be read ({_line(error)}): download or copy them again"
        ) from error
    missing = sorted(key for key in report["missing_keys"] if key != "masked_spec_embed")  # only of pretraining
    if missing:
        raise CorpusforgeError(
            f"{name} lacks {len(missing)} weight(s) of {kind.__name__}, such as {missing[0]}: it is of another kind"
        )
    found: nn.Module = model.eval()
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bar, and no list of weights that are left over: those of a head are, in most checkpoints."""
    talk: Any = _logging
    level, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    try:
        yield
    finally:
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__

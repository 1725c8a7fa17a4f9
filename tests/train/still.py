"""Models without dropout, whose losses depend on weights and rows alone."""

from __future__ import annotations

import torch

from corpusforge.train import training
from corpusforge.train.models import Model, build_model


def without_dropout() -> None:
    """From now on runs train such models: what processes draw for dropout is the one thing that must differ."""

    def still(*given: object, **named: object) -> Model:
        model = build_model(*given, **named)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            for name in ("dropout", "attention_dropout", "dropout_prob"):
                if isinstance(getattr(module, name, None), float):
                    setattr(module, name, 0.0)
        return model

    training.build_model = still

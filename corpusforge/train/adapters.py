"""Adapters after each layer of a frozen speech encoder (Hou et al. 2021a, b; microsoft NeuralSpeech AdapterASR).

All are called as `(hidden [R, F, D], lang [R])` and give [R, F, D]. Every frame is treated by itself, so that neither
padding nor batch mates change a row. All start as the identity (`SimAdapter` up to its 1e-6 off the diagonal): at the
first step the encoder is what it was when it was frozen.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpusforge.train.losses import wide

REGULARISER, GUIDE = 0.01, 0.1
"""Weights of SimAdapter's two further losses."""
OFF_DIAGONAL = 1e-6
"""What W_v starts from beside its diagonal of ones."""


class Adapter(nn.Module):
    """One adapter for all languages: `z + W_up ReLU(W_down LN(z))`, without biases (mlcl.md, Adapters).

    99,840 parameters at D = 768 and r = 64: 1.198 M for 12 layers.

    Args:
        dim: D.
        r: Bottleneck.
    """

    def __init__(self, dim: int, r: int = 64) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.down = nn.Linear(dim, r, bias=False)
        self.up = nn.Linear(r, dim, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, hidden: Tensor, lang: Tensor) -> Tensor:
        """[R, F, D]; `lang` is not used."""
        inner: Tensor = self.up(self.down(self.norm(hidden)).relu())
        return hidden + inner


class LanguageAdapters(nn.Module):
    """An `Adapter` for each language, chosen by each row's (mlcl.md, Adapters; ambiguity 7, stage 1).

    The weights of all languages are one tensor, so that a batch of mixed languages is one product and not one a
    language.

    Args:
        dim: D.
        languages: How many, n.
        r: Bottleneck.
    """

    def __init__(self, dim: int, languages: int, r: int = 64) -> None:
        super().__init__()
        self.norm_weight = nn.Parameter(torch.ones(languages, dim))
        self.norm_bias = nn.Parameter(torch.zeros(languages, dim))
        self.down = nn.Parameter(torch.empty(languages, r, dim))
        self.up = nn.Parameter(torch.zeros(languages, dim, r))
        bound = 1 / math.sqrt(dim)  # as nn.Linear
        nn.init.uniform_(self.down, -bound, bound)

    def start_from(self, adapter: Adapter) -> None:
        """Give every language the weights of one adapter, such as the meta-learned one."""
        with torch.no_grad():
            self.norm_weight.copy_(adapter.norm.weight.expand_as(self.norm_weight))
            self.norm_bias.copy_(adapter.norm.bias.expand_as(self.norm_bias))
            self.down.copy_(adapter.down.weight.expand_as(self.down))
            self.up.copy_(adapter.up.weight.expand_as(self.up))

    def forward(self, hidden: Tensor, lang: Tensor) -> Tensor:
        """[R, F, D]: each row through the adapter of its language."""
        normed = functional.layer_norm(hidden, hidden.shape[-1:])
        normed = normed * self.norm_weight[lang][:, None] + self.norm_bias[lang][:, None]
        inner = torch.bmm(normed, self.down[lang].transpose(1, 2)).relu()
        return hidden + torch.bmm(inner, self.up[lang].transpose(1, 2))


class SimAdapter(nn.Module):
    """Attention over the frozen adapters of all languages (Hou et al. 2021b; mlcl.md, Adapters; ambiguity 7, stage 2).

    a_i = Adapter_i(x); s_i = (W_q x + b_q) . (W_k a_i + b_k) / sqrt(tau); out = sum_i softmax(s)_i W_v a_i.
    The fusion has 1,771,008 parameters at D = 768, 21.25 M for 12 layers, and only it is trained.

    `forward` computes the same without ever making an a_i, of which each is x plus `up_i h_i` with h_i of size r:
    `q . b_k` and `q . W_k x` are the same for every i and vanish under the softmax, which leaves
    `s_i = h_i . (W_k up_i)^T (W_q x + b_q)`; and the weights sum to 1, so that
    `out = W_v x + sum_i p_i (W_v up_i) h_i`. All products of two weights are made once a call, not once a frame. What
    is left of the fusion is one D x D product a frame, where mlcl.md's own speed-up (W_k folded into q, W_v after the
    sum) has three.

    Decisions:
        - b_k has no gradient at all; it is kept for the count and for published weights, frozen.
        - The published code adds the layer's normed input as a residual, which a post-norm encoder like wav2vec2-base
          does not have, to a sum that contains x already. Adding x once more would double what the frozen next layer
          is given, so by default nothing is added; `residual=True` adds x.

    Args:
        dim: D.
        languages: How many adapters, n.
        r: Their bottleneck.
        tau: Temperature.
        residual: Whether x is added to the sum.

    Attributes:
        adapters: The frozen adapters; `load_state_dict` from stage 1.
        attention: [R, F, n] of the last call, in float32 at least, for the guide loss; padding included.
    """

    def __init__(self, dim: int, languages: int, r: int = 64, tau: float = 1.0, residual: bool = False) -> None:
        super().__init__()
        self.adapters = LanguageAdapters(dim, languages, r)
        self.adapters.requires_grad_(False)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        assert self.key.bias is not None
        self.key.bias.requires_grad_(False)
        self.value = nn.Linear(dim, dim, bias=False)
        with torch.no_grad():
            self.value.weight.fill_(OFF_DIAGONAL).fill_diagonal_(1)
        self.tau, self.residual = tau, residual
        self.attention: Tensor | None = None
        self._lang: Tensor | None = None

    def forward(self, hidden: Tensor, lang: Tensor) -> Tensor:
        """[R, F, D]. `lang` is remembered for the guide loss, and has no part in the output."""
        languages, r, _ = self.adapters.down.shape
        with torch.autocast(hidden.device.type, enabled=False):
            up = self.adapters.up.transpose(0, 1).flatten(1)  # [D, n r]
            down = (self.adapters.down * self.adapters.norm_weight[:, None]).flatten(0, 1)  # [n r, D]
            shift = (self.adapters.down @ self.adapters.norm_bias[..., None]).flatten()
            keys = (self.key.weight @ up).T
            look, offset = keys @ self.query.weight, keys @ self.query.bias
            values = self.value.weight @ up
        inner = functional.linear(functional.layer_norm(hidden, hidden.shape[-1:]), down, shift).relu()
        looked = functional.linear(hidden, look, offset)
        scores = (wide(inner) * wide(looked)).reshape(*inner.shape[:2], languages, r).sum(-1) / math.sqrt(self.tau)
        attention = scores.softmax(-1)
        self.attention, self._lang = attention, lang
        mixed = (inner.reshape(*inner.shape[:2], languages, r) * attention[..., None]).flatten(-2)
        out: Tensor = self.value(hidden) + functional.linear(mixed, values)
        return out + hidden if self.residual else out

    def regulariser(self) -> Tensor:
        """0.01 ||I - W_v||_F^2, weighted as it is added to the loss."""
        weight = self.value.weight
        return REGULARISER * (torch.eye(len(weight), device=weight.device, dtype=weight.dtype) - weight).square().sum()

    def guide(self, mask: Tensor | None = None) -> Tensor:
        """0.1 x guide loss of the last call: -log of the mean attention that a row's frames give its own language.

        The mean is taken for each row, and the logarithms are averaged over rows: batches hold all languages, and a
        row's share should not depend on its mates. (The published code has one language a batch and one mean over it.)

        Args:
            mask: [R, F] bool, True on real frames; without it padding counts.

        Raises:
            RuntimeError: There was no call, or its guide loss was taken already.
        """
        if self.attention is None or self._lang is None:
            raise RuntimeError("guide() needs a forward pass of its own")
        attention, lang = self.attention, self._lang
        self.attention = self._lang = None
        own = attention.gather(-1, lang[:, None, None].expand(-1, attention.shape[1], 1)).squeeze(-1)
        kept = torch.ones_like(own, dtype=torch.bool) if mask is None else mask
        frames = kept.sum(1)
        mean = own.masked_fill(~kept, 0).sum(1) / frames.clamp(min=1)
        # A row without a frame has nothing to say.
        mean = mean.masked_fill(frames == 0, 1)
        return -GUIDE * mean.clamp(min=1e-12).log().sum() / (frames > 0).sum().clamp(min=1)

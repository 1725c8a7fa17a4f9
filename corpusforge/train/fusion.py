"""How text and speech become one vector (Eq. 11): CM-BERT's masked multimodal attention, and two plainer ways.

All take `(text_hidden [R, L, D], token_mask [R, L], frames [R, F, D], frame_mask [R, F])` and give [R, D]. No row's
output depends on other rows, nor on what is in the padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from corpusforge.train.losses import pooled, wide

PROJECTED = 30
"""Size that CM-BERT projects text and speech to."""
ATTENTION_DROPOUT = 0.3
"""CM-BERT's dropout of attention."""
_MASKED = -1e4
"""M of CM-BERT on padding. exp(-1e4) is 0 in float32."""


class CmBertFusion(nn.Module):
    """Masked multimodal attention of CM-BERT (Yang et al. 2020), as MLCL's Eq. 11 takes it over.

    T^ = P_t H and A^ = P_a X, each divided by the root of its own norm; alpha = ReLU(T^ T^^T), beta = ReLU(A^ A^^T);
    W = w_t alpha + w_a beta; P = Dropout(softmax(W + M)); Y = LayerNorm(Dropout(Linear(P H + H))); the output is Y[:,
    0]. X is the speech of each token (`aligned`).

    Decisions (mlcl.md, CM-BERT fusion; ambiguities 5 and 6):
        - Only the row of [CLS] reaches the output, so only that row of W is computed: [R, L] in place of [R, L, L].
        - That row sees speech only through the speech of [CLS], which therefore is the utterance's mean and never zero.
        - The scale is each sample's own, over its real tokens, on both sides, and is differentiated. The released code
          takes one norm of the whole batch, detached, and of text alone.
        - The scalar b is left out: under softmax it changes nothing and gets no gradient.
        - A row without speech has beta = 0: what remains is attention by text alone.

    Args:
        dim: D.
        projected: Size of T^ and A^.
        dropout: After the linear layer. The classifier, with a dropout of its own, is the model's.
        attention_dropout: Of P.
    """

    def __init__(
        self,
        dim: int,
        projected: int = PROJECTED,
        dropout: float = 0.1,
        attention_dropout: float = ATTENTION_DROPOUT,
    ) -> None:
        super().__init__()
        # Convolutions of width 1 without bias, which is what a linear layer is.
        self.project_text = nn.Linear(dim, projected, bias=False)
        self.project_speech = nn.Linear(dim, projected, bias=False)
        self.text_weight = nn.Parameter(torch.ones(()))
        self.speech_weight = nn.Parameter(torch.ones(()))
        self.attention_dropout = nn.Dropout(attention_dropout)
        self.dense = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dim, eps=1e-12)

    def forward(
        self,
        text_hidden: Tensor,
        token_mask: Tensor,
        frames: Tensor,
        frame_mask: Tensor,
        spans: Tensor | None = None,
    ) -> Tensor:
        """[R, D]. `spans` as in `aligned`."""
        hidden = text_hidden.masked_fill(~token_mask[..., None], 0)
        text = _scaled(wide(self.project_text(hidden)))
        # A mean and a projection may change places, and 30 numbers a frame are cheaper to average than D.
        spoken = self.project_speech(frames.masked_fill(~frame_mask[..., None], 0))
        speech = _scaled(aligned(spoken, frame_mask, token_mask, spans))
        with torch.autocast(text.device.type, enabled=False):
            by_text = (text[:, :1] * text).sum(-1).relu()
            by_speech = (speech[:, :1] * speech).sum(-1).relu()
            weights = self.text_weight * by_text + self.speech_weight * by_speech
            attention = self.attention_dropout(weights.masked_fill(~token_mask, _MASKED).softmax(-1))
            seen = (attention[..., None] * wide(hidden)).sum(1) + wide(hidden[:, 0])
        fused: Tensor = self.norm(self.dropout(self.dense(seen)))
        return fused


class ConcatFusion(nn.Module):
    """`--fusion concat`: both means side by side (mlcl.md, ambiguity 4), through one layer: tanh(Linear([e^T; e^A])).

    Args:
        dim: D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dense = nn.Linear(2 * dim, dim)

    def forward(self, text_hidden: Tensor, token_mask: Tensor, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """[R, D]."""
        both = torch.cat((pooled(text_hidden, token_mask), pooled(frames, frame_mask)), -1)
        return torch.tanh(self.dense(both))


class MeanFusion(nn.Module):
    """`--fusion mean`: the mean of e^T and e^A (mlcl.md, ambiguity 4), each normed first: their sizes differ.

    A row without text or without speech is the other vector alone.

    Args:
        dim: D.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.text_norm = nn.LayerNorm(dim)
        self.speech_norm = nn.LayerNorm(dim)

    def forward(self, text_hidden: Tensor, token_mask: Tensor, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """[R, D]."""
        has_text, has_speech = token_mask.any(1, keepdim=True), frame_mask.any(1, keepdim=True)
        text = self.text_norm(pooled(text_hidden, token_mask)) * has_text
        speech = self.speech_norm(pooled(frames, frame_mask)) * has_speech
        mean: Tensor = (text + speech) / (has_text.long() + has_speech.long()).clamp(min=1)
        return mean


def aligned(frames: Tensor, frame_mask: Tensor, token_mask: Tensor, spans: Tensor | None = None) -> Tensor:
    """The speech of each token (mlcl.md, ambiguity 5): the mean of the frames in its span.

    The first token, [CLS], has the mean of the whole utterance; a zero there would cut the speech off (see
    `CmBertFusion`). The last real one, [SEP], is not spoken: zero, as in CM-BERT's own alignment. A frame that a span
    covers in part counts in part, so there may be more tokens than frames.

    Args:
        frames: [R, F, D]; padding may hold anything.
        frame_mask: [R, F] bool; real frames come first.
        token_mask: [R, L] bool; real tokens come first, [CLS] and [SEP] among them.
        spans: [R, L, 2], start and end in frames, where the engine told the times of words; what it says of [CLS] is
            ignored. None: proportional spans, the tokens between [CLS] and [SEP] share the utterance evenly.

    Returns:
        [R, L, D] in float32 at least; zeros on padding, and for a row without frames.
    """
    with torch.autocast(frames.device.type, enabled=False):
        values = wide(frames).masked_fill(~frame_mask[..., None], 0)
        heard = frame_mask.sum(1).to(values.dtype)[:, None]
        place = torch.arange(token_mask.shape[1], device=frames.device)
        if spans is None:
            spoken = token_mask.sum(1)[:, None] - 2
            within = (place >= 1) & (place <= spoken)
            width = heard / spoken.clamp(min=1)
            start = ((place - 1) * width).masked_fill(~within, 0)
            end = torch.where(within, start + width, 0)
        else:
            start, end = spans.to(values.dtype).unbind(-1)
        # The real frames reach from 0 to `heard`, and so does the span of [CLS].
        start = torch.where(place == 0, 0, start).clamp(min=0)
        end = torch.where(place == 0, heard, torch.minimum(end, heard)).masked_fill(~token_mask, 0)
        frame = torch.arange(frames.shape[1], device=frames.device, dtype=values.dtype)
        share = torch.minimum(end[..., None], frame + 1) - torch.maximum(start[..., None], frame)
        share = share.clamp(min=0)
        return (share @ values) / share.sum(-1, keepdim=True).clamp(min=1e-6)


def _scaled(projected: Tensor) -> Tensor:
    """Each sample [L, P], 0 on padding, over the root of its own Frobenius norm (mlcl.md, ambiguity 6)."""
    square = projected.square().sum((1, 2), keepdim=True)
    # A sample of zeros stays zeros; the floor keeps its gradient finite.
    return projected / square.clamp(min=1e-12).pow(0.25)

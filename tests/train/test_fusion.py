"""Fusion of text and speech: what it must not depend on, and what must reach it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from corpusforge.train.fusion import CmBertFusion, ConcatFusion, MeanFusion, aligned

DIM = 12
KINDS = [CmBertFusion, ConcatFusion, MeanFusion]
TOKENS, FRAMES = (
    [7, 4, 2, 9],
    [23, 11, 3, 5],
)  # real tokens and frames of four rows; the last has fewer frames than tokens


def mask_of(lengths: list[int], width: int) -> Tensor:
    return torch.arange(width) < torch.tensor(lengths)[:, None]


def batch(rows: list[int] = [0, 1, 2, 3], tokens: int = 9, frames: int = 23, junk: float = 0.0) -> tuple[Tensor, ...]:  # noqa: B006
    """The same utterances whatever the rows and the widths; `junk` is what padding holds."""
    source = torch.Generator().manual_seed(0)
    text = torch.randn(4, 9, DIM, generator=source, dtype=torch.float64)
    speech = torch.randn(4, 23, DIM, generator=source, dtype=torch.float64)
    token_mask, frame_mask = mask_of([TOKENS[r] for r in rows], tokens), mask_of([FRAMES[r] for r in rows], frames)
    text = functional.pad(text, (0, 0, 0, max(0, tokens - 9)))[rows, :tokens].masked_fill(~token_mask[..., None], junk)
    speech = functional.pad(speech, (0, 0, 0, max(0, frames - 23)))[rows, :frames]
    return text, token_mask, speech.masked_fill(~frame_mask[..., None], junk), frame_mask


def fusion(kind: type[nn.Module], training: bool = False) -> nn.Module:
    torch.manual_seed(1)
    return kind(DIM).double().train(training)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_mates_do_not_matter(kind: type[nn.Module]) -> None:
    module, together = fusion(kind), fusion(kind)(*batch())
    for row in range(4):
        assert torch.allclose(module(*batch([row]))[0], together[row], atol=1e-12)
    assert torch.allclose(module(*batch([3, 1])), together[[3, 1]], atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("junk", [0.0, 1e4, float("nan")])
def test_padding_does_not_matter_nor_what_is_in_it(kind: type[nn.Module], junk: float) -> None:
    module = fusion(kind)
    assert torch.allclose(module(*batch(tokens=31, frames=64, junk=junk)), module(*batch()), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_in_float32_padding_and_batching_change_an_utterance_by_less_than_1e_5(kind: type[nn.Module]) -> None:
    module = fusion(kind).float()
    text, token_mask, speech, frame_mask = batch(tokens=31, frames=64)
    together = module(text.float(), token_mask, speech.float(), frame_mask)
    for row in range(4):
        text, token_mask, speech, frame_mask = batch([row], tokens=TOKENS[row], frames=FRAMES[row])
        alone = module(text.float(), token_mask, speech.float(), frame_mask)
        assert float((alone[0] - together[row]).abs().max().detach()) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_reaches_every_real_frame_of_a_speech_encoder(kind: type[nn.Module]) -> None:
    encoder = nn.Linear(DIM, DIM).double()
    text, token_mask, speech, frame_mask = batch()
    speech.requires_grad_()
    module = fusion(kind, training=False)
    out = module(text, token_mask, encoder(speech), frame_mask)
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)).sum().backward()
    assert float(encoder.weight.grad.abs().max()) > 1e-4
    moved = speech.grad.abs().amax(-1) > 0
    # Of two tokens, [CLS] and [SEP], only the first is spoken, and one score among zeros still matters.
    assert bool((moved == frame_mask).all())


def test_a_zero_speech_vector_at_cls_would_cut_the_speech_off() -> None:
    """The trap of CM-BERT that `aligned` avoids: with no speech at [CLS], nothing of it reaches the output."""
    text, token_mask, speech, frame_mask = batch([0])
    speech.requires_grad_()
    spans = torch.zeros(1, 9, 2, dtype=torch.float64)
    spans[0, 1:6, 0], spans[0, 1:6, 1] = torch.arange(5) * 4.0, torch.arange(5) * 4.0 + 4
    module = fusion(CmBertFusion)
    out = module(text, token_mask, speech, frame_mask, spans)
    out[0, 0].backward()
    assert float(speech.grad.abs().max()) > 0

    def without_cls(text: Tensor, speech: Tensor) -> Tensor:
        tokens = aligned(module.project_speech(speech), frame_mask, token_mask, spans)
        tokens = tokens * torch.tensor([0.0] + [1.0] * 8)[None, :, None].double()
        by_speech = (tokens[:, :1] * tokens).sum(-1).relu()
        return by_speech.sum()

    cut = torch.autograd.grad(without_cls(text, speech), speech)[0]
    assert float(cut.abs().max().detach()) == 0


def test_cm_bert_equals_the_published_matrices() -> None:
    """All L x L of it, row after row, on one sample, with the decided scale; then the row of [CLS]."""
    module = fusion(CmBertFusion)
    with torch.no_grad():
        module.text_weight.fill_(0.7)
        module.speech_weight.fill_(1.9)
    together = module(*batch())
    for row in range(4):
        text, _, speech, _ = batch([row], tokens=TOKENS[row], frames=FRAMES[row])
        hidden, frames = text[0], speech[0]
        count, heard = TOKENS[row], FRAMES[row]
        spoken = torch.zeros(count, DIM, dtype=torch.float64)
        spoken[0] = frames.mean(0)
        for token in range(1, count - 1):
            start, end = (token - 1) * heard / (count - 2), token * heard / (count - 2)
            shares = [max(0.0, min(end, frame + 1) - max(start, frame)) for frame in range(heard)]
            spoken[token] = sum(share * frame for share, frame in zip(shares, frames, strict=True)) / (end - start)
        t, a = hidden @ module.project_text.weight.T, spoken @ module.project_speech.weight.T
        t, a = t / t.norm().sqrt(), a / a.norm().sqrt()
        weights = 0.7 * (t @ t.T).relu() + 1.9 * (a @ a.T).relu()
        y = module.norm(module.dense(weights.softmax(-1) @ hidden + hidden))
        assert torch.allclose(y[0], together[row], atol=1e-10)


def test_a_row_without_speech_is_answered_from_text_alone_and_stays_finite() -> None:
    text, token_mask, speech, frame_mask = batch()
    silent = torch.zeros_like(frame_mask)
    for kind in KINDS:
        module = fusion(kind)
        leaf = speech.clone().requires_grad_()
        out = module(text, token_mask, leaf, silent)
        out.sum().backward()
        assert bool(out.isfinite().all()) and torch.equal(leaf.grad, torch.zeros_like(leaf))
        assert all(bool(p.grad.isfinite().all()) for p in module.parameters() if p.grad is not None)
    mean = fusion(MeanFusion)
    assert torch.allclose(
        mean(text, token_mask, speech, silent)[1], mean.text_norm(text[1, : TOKENS[1]].mean(0)), atol=1e-12
    )


def test_spans_are_even_cls_hears_all_and_sep_nothing() -> None:
    frames = torch.arange(1.0, 7.0).double()[None, :, None]
    tokens = torch.ones(1, 5, dtype=torch.bool)
    found = aligned(frames, torch.ones(1, 6, dtype=torch.bool), tokens)[0, :, 0]
    assert found.tolist() == pytest.approx([3.5, 1.5, 3.5, 5.5, 0])


def test_more_tokens_than_frames_share_them() -> None:
    frames = torch.tensor([[[1.0], [5.0]]], dtype=torch.float64)
    found = aligned(frames, torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 5, dtype=torch.bool))[0, :, 0]
    assert found.tolist() == pytest.approx([3, 1, 3, 5, 0])


def test_word_timings_take_the_place_of_even_spans() -> None:
    frames = torch.arange(1.0, 7.0).double()[None, :, None]
    spans = torch.tensor([[[9, 9], [0, 4], [4, 4.5], [5, 99], [0, 0]]])
    found = aligned(frames, torch.ones(1, 6, dtype=torch.bool), torch.ones(1, 5, dtype=torch.bool), spans)[0, :, 0]
    assert found.tolist() == pytest.approx([3.5, 2.5, 5, 6, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision_is_close_and_trains(kind: type[nn.Module]) -> None:
    module = fusion(kind).float()
    text, token_mask, speech, frame_mask = batch()
    exact = module(text.float(), token_mask, speech.float(), frame_mask)
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(text.float(), token_mask, speech.float(), frame_mask)
    rough.float().square().sum().backward()
    assert float((rough.float() - exact).abs().max().detach()) < 0.05
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in module.parameters())


def test_dropout_acts_in_training_only() -> None:
    module = fusion(CmBertFusion)
    assert torch.equal(module(*batch()), module(*batch()))
    module.train()
    assert not torch.equal(module(*batch()), module(*batch()))

"""Adapters: their sizes, what they equal, what is frozen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from corpusforge.train.adapters import Adapter, LanguageAdapters, SimAdapter

DIM, N, R = 10, 3, 4
LANG = torch.tensor([2, 0, 1, 2, 0])


def hidden(frames: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(5, frames, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stirred(module: nn.Module) -> nn.Module:
    """With weights as after some training, where nothing is zero or one."""
    source = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=source))
    return module.double()


def adapter_of(adapters: LanguageAdapters, language: int) -> Adapter:
    """One language's adapter, as a plain one."""
    plain = Adapter(DIM, R).double()
    with torch.no_grad():
        plain.norm.weight.copy_(adapters.norm_weight[language])
        plain.norm.bias.copy_(adapters.norm_bias[language])
        plain.down.weight.copy_(adapters.down[language])
        plain.up.weight.copy_(adapters.up[language])
    return plain


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_are_the_references() -> None:
    adapter = Adapter(768, 64)
    assert count(adapter) == 99_840 and round(12 * count(adapter) / 1e6, 3) == 1.198
    sim = SimAdapter(768, 3, 64)
    fusion = count(sim) - count(sim.adapters)
    assert fusion == 1_771_008 and round(12 * fusion / 1e6, 2) == 21.25
    assert count(sim.adapters) == count(LanguageAdapters(768, 3, 64)) == 3 * 99_840


def test_an_adapter_is_its_formula() -> None:
    adapter, x = stirred(Adapter(DIM, R)), hidden()
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    normed = (x - mean) / (variance + 1e-5).sqrt() * adapter.norm.weight + adapter.norm.bias
    expected = x + (normed @ adapter.down.weight.T).relu() @ adapter.up.weight.T
    assert torch.allclose(adapter(x, LANG), expected, atol=1e-12)


@pytest.mark.parametrize("module", [Adapter(DIM, R), LanguageAdapters(DIM, N, R), SimAdapter(DIM, N, R)])
def test_untrained_ones_leave_the_encoder_as_it_is(module: nn.Module) -> None:
    x = hidden().float()
    assert torch.allclose(module(x, LANG), x, atol=1e-4)


def test_each_row_goes_through_its_own_language() -> None:
    adapters, x = stirred(LanguageAdapters(DIM, N, R)), hidden()
    out = adapters(x, LANG)
    for row, language in enumerate(LANG.tolist()):
        assert torch.allclose(out[row], adapter_of(adapters, language)(x, LANG)[row], atol=1e-12)
    (out[LANG == 0].sum()).backward()
    assert float(adapters.up.grad[0].abs().max()) > 0 and float(adapters.up.grad[1:].abs().max()) == 0


def test_languages_start_from_one_adapter() -> None:
    one, adapters = stirred(Adapter(DIM, R)), LanguageAdapters(DIM, N, R).double()
    adapters.start_from(one)
    assert torch.allclose(adapters(hidden(), LANG), one(hidden(), LANG), atol=1e-12)


def plain(sim: SimAdapter, x: Tensor) -> tuple[Tensor, Tensor]:
    """SimAdapter as it is published: every a_i is made, then its key and its value."""
    made = torch.stack([adapter_of(sim.adapters, i)(x, LANG) for i in range(N)], 2)
    query, keys, values = sim.query(x), sim.key(made), sim.value(made)
    scores = (query[:, :, None] * keys).sum(-1) / math.sqrt(sim.tau)
    attention = scores.softmax(-1)
    return (attention[..., None] * values).sum(2), attention


@pytest.mark.parametrize("tau", [1.0, 4.0])
def test_the_fast_form_equals_the_plain_one_with_its_gradients(tau: float) -> None:
    sim = stirred(SimAdapter(DIM, N, R, tau=tau))
    x = hidden().requires_grad_()
    expected, attention = plain(sim, x)
    found = sim(x, LANG)
    assert torch.allclose(found, expected, atol=1e-10) and torch.allclose(sim.attention, attention, atol=1e-10)
    wanted = [x, sim.query.weight, sim.query.bias, sim.key.weight, sim.value.weight]
    weight = hidden(seed=9)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), wanted),
        torch.autograd.grad((expected * weight).sum(), wanted),
        strict=True,
    ):
        assert float(other.abs().max().detach()) > 1e-6
        assert torch.allclose(one, other, atol=1e-9)


def test_the_fast_form_in_float32_is_within_1e_4_at_full_size() -> None:
    torch.manual_seed(0)
    sim = SimAdapter(768, 3, 64)
    nn.init.normal_(sim.adapters.up, std=0.05)
    x = torch.randn(2, 9, 768)
    exact = sim.double()(x.double(), LANG[:2])
    assert float((sim.float()(x, LANG[:2]) - exact).abs().max().detach()) < 1e-4


def test_the_keys_bias_has_no_gradient_and_is_frozen() -> None:
    sim = stirred(SimAdapter(DIM, N, R))
    assert not sim.key.bias.requires_grad
    sim.key.bias.requires_grad_(True)
    out, _ = plain(sim, hidden())
    (gradient,) = torch.autograd.grad(out.square().sum(), sim.key.bias)
    assert float(gradient.abs().max().detach()) < 1e-10


def test_frozen_means_frozen() -> None:
    sim = stirred(SimAdapter(DIM, N, R))
    before = {name: value.clone() for name, value in sim.state_dict().items()}
    trained = [parameter for parameter in sim.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (sim(hidden(), LANG).square().sum() + sim.regulariser() + sim.guide()).backward()
        assert all(parameter.grad is None for parameter in sim.adapters.parameters())
        optimizer.step()
    for name, value in sim.state_dict().items():
        still = name.startswith("adapters.") or name == "key.bias"
        assert torch.equal(value, before[name]) == still, name


def test_a_residual_adds_the_input_once_more() -> None:
    x, sim = hidden(), stirred(SimAdapter(DIM, N, R, residual=True))
    expected, _ = plain(sim, x)
    assert torch.allclose(sim(x, LANG), expected + x, atol=1e-10)


def test_the_values_start_at_the_identity() -> None:
    weight = SimAdapter(DIM, N, R).value.weight
    assert torch.equal(weight.diagonal(), torch.ones(DIM))
    assert float((weight - torch.diag(weight.diagonal())).sum().detach()) == pytest.approx(1e-6 * DIM * (DIM - 1))


def test_the_regulariser_is_the_distance_from_the_identity() -> None:
    sim = SimAdapter(2, N, R).double()
    with torch.no_grad():
        sim.value.weight.copy_(torch.tensor([[1.5, 2.0], [0.0, -1.0]]))
    assert float(sim.regulariser().detach()) == pytest.approx(0.01 * (0.25 + 4 + 4))


def test_the_guide_loss_is_that_of_the_mean_attention_on_real_frames() -> None:
    sim, frames = stirred(SimAdapter(DIM, N, R)), [6, 2, 4, 1, 0]
    mask = torch.arange(6) < torch.tensor(frames)[:, None]
    sim(hidden(), LANG)
    attention = sim.attention.detach()
    own = [float(attention[row, :count, LANG[row]].mean()) for row, count in enumerate(frames) if count]
    assert float(sim.guide(mask).detach()) == pytest.approx(-0.1 * sum(map(math.log, own)) / 4)
    with pytest.raises(RuntimeError, match="forward pass"):
        sim.guide(mask)


def test_the_guide_loss_draws_attention_to_the_own_language() -> None:
    sim, x = stirred(SimAdapter(DIM, N, R)), hidden()

    def own() -> float:
        sim(x, LANG)
        return float(sim.attention[torch.arange(5), :, LANG].mean().detach())

    before = own()
    optimizer = torch.optim.Adam([sim.query.weight, sim.query.bias], lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        sim(x, LANG)
        sim.guide().backward()
        optimizer.step()
    assert own() > before + 0.2


KINDS = [Adapter(DIM, R), LanguageAdapters(DIM, N, R), SimAdapter(DIM, N, R)]


@pytest.mark.parametrize("module", KINDS, ids=lambda module: type(module).__name__)
def test_padding_and_batch_mates_change_no_row(module: nn.Module) -> None:
    module = stirred(module).float()
    x = hidden().float()
    together = module(torch.nn.functional.pad(x, (0, 0, 0, 17), value=5.0), LANG)
    for row in range(5):
        alone = module(x[row : row + 1, :4], LANG[row : row + 1])
        assert float((alone[0] - together[row, :4]).abs().max().detach()) < 1e-5


@pytest.mark.parametrize("module", KINDS, ids=lambda module: type(module).__name__)
def test_mixed_precision_is_close(module: nn.Module) -> None:
    module = stirred(module).float()
    x = hidden().float()
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(x, LANG)
    exact = module(x, LANG)
    assert float((rough.float() - exact).abs().max().detach()) < 0.05 * float(exact.abs().max().detach())

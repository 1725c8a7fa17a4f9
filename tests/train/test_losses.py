"""Contrasts between languages and modalities, against loops written by hand from the equations."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from corpusforge.train.losses import Contrast, Negatives, infonce, lcl, mcl, ntxent, pooled, total

TAU = 0.3


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def by_hand(a: Tensor, b: Tensor, tau: float, contrast: Contrast = "ntxent") -> float:
    """Eq. 6 with k in the sum, one number after the other."""
    z, size = [*a, *b], len(a)
    losses = []
    for i in range(2 * size):
        partner = (i + size) % (2 * size)
        rivals = [k for k in range(2 * size) if k != i and (contrast == "ntxent" or (k < size) != (i < size))]
        below = sum(math.exp(cosine(z[i], z[k]) / tau) for k in rivals)
        losses.append(-math.log(math.exp(cosine(z[i], z[partner]) / tau) / below))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("tau", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_both_contrasts_equal_a_hand_written_loop(size: int, tau: float) -> None:
    a, b = vectors(size, 7), vectors(size, 7, seed=1)
    assert float(ntxent(a, b, tau)) == pytest.approx(by_hand(a, b, tau), abs=1e-10)
    assert float(infonce(a, b, tau)) == pytest.approx(by_hand(a, b, tau, "infonce"), abs=1e-10)


def test_ntxent_equals_the_textbook_form() -> None:
    """mlcl.md: z = [a; b] normalised, S with its diagonal at -inf, cross entropy with the partner's index."""
    a, b = vectors(6, 5), vectors(6, 5, seed=1)
    z = functional.normalize(torch.cat((a, b)), dim=-1)
    scores = (z @ z.T / TAU).fill_diagonal_(-torch.inf)
    expected = functional.cross_entropy(scores, (torch.arange(12) + 6) % 12)
    assert torch.allclose(ntxent(a, b, TAU), expected, atol=1e-12)


@pytest.mark.parametrize("loss", [ntxent, infonce])
def test_the_gradient_is_that_of_finite_differences(loss) -> None:
    a, b = vectors(3, 4).requires_grad_(), vectors(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, TAU), (a, b))


def test_eq_6_read_literally_has_no_gradient_and_ours_has() -> None:
    a, b = vectors(4, 5).requires_grad_(), vectors(4, 5, seed=1)
    z = functional.normalize(torch.cat((a, b)), dim=-1)
    own = ((z @ z.T) / TAU)[torch.arange(8), (torch.arange(8) + 4) % 8].exp()
    # As printed, the summand over k != i has no k in it: 2N - 1 times the numerator.
    literal = -(own / sum(own for _ in range(7))).log().mean()
    assert float(literal.detach()) == pytest.approx(math.log(7))
    assert float(torch.autograd.grad(literal, a)[0].abs().max()) < 1e-15
    assert float(torch.autograd.grad(ntxent(a, b, TAU), a)[0].abs().max()) > 1e-2


@pytest.mark.parametrize("loss", [ntxent, infonce])
def test_a_single_pair_has_no_negatives_and_no_pair_no_loss(loss) -> None:
    for size in (1, 0):
        a = vectors(size, 5).requires_grad_()
        found = loss(a, vectors(size, 5, seed=1), TAU)
        found.backward()
        assert float(found.detach()) == 0 and torch.equal(a.grad, torch.zeros_like(a))


def test_a_cosine_has_no_size() -> None:
    a, b = vectors(4, 5), vectors(4, 5, seed=1)
    assert torch.allclose(ntxent(a, b, TAU), ntxent(a * 7, b * 0.1, TAU))


@pytest.mark.parametrize("loss", [ntxent, infonce])
def test_two_shards_with_gathered_negatives_are_one_process(loss) -> None:
    a, b = vectors(6, 5).requires_grad_(), vectors(6, 5, seed=1).requires_grad_()
    whole = loss(a, b, TAU)
    first, second = slice(0, 3), slice(3, 6)
    shards = [
        loss(a[own], b[own], TAU, negatives=(a[rest], b[rest])) for own, rest in ((first, second), (second, first))
    ]
    parts = torch.stack(shards).mean()
    assert torch.allclose(whole, parts, atol=1e-12)
    for one, other in zip(torch.autograd.grad(whole, (a, b)), torch.autograd.grad(parts, (a, b)), strict=True):
        assert torch.allclose(one, other, atol=1e-12)


# Groups 0 to 3 in languages 0, 1, 2; group 2 lacks language 1, group 3 has language 0 alone. Rows in no order.
ROWS = [(0, 0), (2, 2), (1, 0), (0, 1), (3, 0), (1, 2), (2, 0), (0, 2), (1, 1)]
GROUP = torch.tensor([group for group, _ in ROWS])
LANG = torch.tensor([lang for _, lang in ROWS])


def pair(e: Tensor, x: int, y: int, groups: list[int]) -> tuple[Tensor, Tensor]:
    return e[[ROWS.index((g, x)) for g in groups]], e[[ROWS.index((g, y)) for g in groups]]


@pytest.mark.parametrize("contrast", ["ntxent", "infonce"])
def test_lcl_is_the_mean_over_pairs_of_languages_of_the_groups_that_have_both(contrast: Contrast) -> None:
    e = vectors(9, 5)
    pairs = {(0, 1): [0, 1], (0, 2): [0, 1, 2], (1, 2): [0, 1]}
    expected = sum(by_hand(*pair(e, x, y, groups), TAU, contrast) for (x, y), groups in pairs.items()) / 3
    assert float(lcl(e, GROUP, LANG, TAU, contrast)) == pytest.approx(expected, abs=1e-10)
    assert float(lcl(e, GROUP, LANG, TAU, contrast, languages=5)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("contrast", ["ntxent", "infonce"])
def test_mcl_is_the_mean_over_languages(contrast: Contrast) -> None:
    text, speech = vectors(9, 5), vectors(9, 5, seed=1)
    present = torch.ones(9, dtype=torch.bool)
    present[4] = False  # the row of group 3
    expected = sum(by_hand(text[LANG.eq(x) & present], speech[LANG.eq(x) & present], TAU, contrast) for x in range(3))
    found = mcl(text, speech, GROUP, LANG, TAU, contrast, languages=4, present=present)
    assert float(found) == pytest.approx(expected / 3, abs=1e-10)


def test_rows_without_a_partner_are_left_out_entirely() -> None:
    e = vectors(9, 5).requires_grad_()
    (gradient,) = torch.autograd.grad(lcl(e, GROUP, LANG, TAU), e)
    assert torch.equal(gradient[4], torch.zeros(5, dtype=torch.float64))
    assert bool((gradient[torch.arange(9) != 4].abs().amax(1) > 0).all())
    poisoned = e.detach().clone()
    poisoned[4] = 1e6
    assert torch.equal(lcl(poisoned, GROUP, LANG, TAU), lcl(e, GROUP, LANG, TAU))


def test_one_group_alone_is_no_loss_but_a_gradient_of_zero() -> None:
    e, s = vectors(3, 5).requires_grad_(), vectors(3, 5, seed=1).requires_grad_()
    group, lang = torch.zeros(3, dtype=torch.int64), torch.arange(3)
    for loss in (lcl(e, group, lang, TAU), mcl(e, s, group, lang, TAU)):
        assert float(loss.detach()) == 0
        assert torch.equal(torch.autograd.grad(loss, e)[0], torch.zeros_like(e))


def test_one_language_alone_has_no_lcl() -> None:
    e = vectors(3, 5).requires_grad_()
    loss = lcl(e, torch.arange(3), torch.zeros(3, dtype=torch.int64), TAU)
    loss.backward()
    assert float(loss.detach()) == 0 and torch.equal(e.grad, torch.zeros_like(e))


def shards(cut: set[int]) -> Iterator[tuple[Tensor, Tensor]]:
    mine = torch.tensor([group in cut for group, _ in ROWS])
    yield mine, ~mine
    yield ~mine, mine


@pytest.mark.parametrize("contrast", ["ntxent", "infonce"])
@pytest.mark.parametrize("cut", [{0}, {0, 3}, {3}, {1, 2}])
def test_uneven_shards_of_a_batch_are_one_process(cut: set[int], contrast: Contrast) -> None:
    """Values and gradients, though ranks hold unequal numbers of groups, and one may hold no pair at all."""
    text, speech = vectors(9, 5).requires_grad_(), vectors(9, 5, seed=1).requires_grad_()
    whole = lcl(text, GROUP, LANG, TAU, contrast), mcl(text, speech, GROUP, LANG, TAU, contrast)
    parts: list[list[Tensor]] = [[], []]
    for own, rest in shards(cut):
        others = Negatives(text[rest], GROUP[rest], LANG[rest], 2, speech[rest])
        parts[0].append(lcl(text[own], GROUP[own], LANG[own], TAU, contrast, others))
        parts[1].append(mcl(text[own], speech[own], GROUP[own], LANG[own], TAU, contrast, others))
    for one, several in zip(whole, parts, strict=True):
        mean = torch.stack(several).mean()
        assert torch.allclose(one, mean, atol=1e-12)
        (there,), (here,) = (torch.autograd.grad(loss, text, retain_graph=True) for loss in (one, mean))
        assert torch.allclose(there, here, atol=1e-12)


def test_negatives_of_mcl_need_speech() -> None:
    e = vectors(9, 5)
    with pytest.raises(ValueError, match="speech"):
        mcl(e, e, GROUP, LANG, TAU, negatives=Negatives(e, GROUP, LANG, 2))


def test_an_unknown_contrast_is_named() -> None:
    with pytest.raises(ValueError, match="'triplet'"):
        lcl(vectors(9, 5), GROUP, LANG, TAU, "triplet")  # type: ignore[arg-type]


def test_mixed_precision_does_not_reach_the_similarities() -> None:
    """At tau 0.01 a bf16 product of the same vectors is off by tenths."""
    a = vectors(8, 64).float()
    b = a + 0.3 * vectors(8, 64, seed=1).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = ntxent(a, b, 0.01)
        naive = functional.normalize(a, dim=-1) @ functional.normalize(b, dim=-1).T / 0.01
    assert found.dtype == torch.float32 and torch.equal(found, ntxent(a, b, 0.01))
    exact = functional.normalize(a, dim=-1) @ functional.normalize(b, dim=-1).T / 0.01
    assert float((naive.float() - exact).abs().max()) > 0.1
    assert ntxent(a.bfloat16(), b.bfloat16(), 0.01).dtype == torch.float32


def test_pooling_is_the_mean_of_what_is_real() -> None:
    hidden = vectors(3, 4, 5)
    mask = torch.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    hidden[0, 2:] = torch.nan
    found = pooled(hidden, mask)
    assert torch.allclose(found[0], hidden[0, :2].mean(0)) and torch.allclose(found[1], hidden[1].mean(0))
    assert torch.equal(found[2], torch.zeros(5, dtype=torch.float64))
    assert torch.equal(pooled(hidden, mask, "cls"), hidden[:, 0])


def test_total_is_eq_13() -> None:
    ce, between_modalities, between_languages = torch.tensor([2.0, 3.0, 5.0]).double()
    assert float(total(ce, between_modalities, between_languages, 0.2, 0.3)) == pytest.approx(
        0.5 * 2 + 0.2 * 3 + 0.3 * 5
    )
    for alpha, beta in ((-0.1, 0.1), (0.1, -0.1), (0.5, 0.5)):
        with pytest.raises(ValueError, match="alpha and beta"):
            total(ce, between_modalities, between_languages, alpha, beta)

"""FGM and PGD on a model small enough to be computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from corpusforge.train.adversary import Fgm, Norm, Pgd

TOKENS = torch.tensor([[1, 2, 2], [3, 1, 0]])
TARGET = torch.tensor([0.5, -1.5], dtype=torch.float64)
NORMS: list[Norm] = ["table_l2", "example_l2", "linf"]


class Tiny(nn.Module):
    """tanh of a sum of embeddings, squared error; token 4 never occurs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(5, 4).double()
        self.head = nn.Linear(4, 1).double()

    def backward(self) -> None:
        out = self.head(self.embedding(TOKENS).tanh().sum(1)).squeeze(-1)
        ((out - TARGET) ** 2).mean().backward()

    def gradients(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Of the loss at given embeddings [2, 3, 4]: with respect to them, and to the head's weight."""
        embedded = embedded.detach().requires_grad_()
        loss = ((self.head(embedded.tanh().sum(1)).squeeze(-1) - TARGET) ** 2).mean()
        first, second = torch.autograd.grad(loss, (embedded, self.head.weight))
        return first, second


def to_table(places: Tensor) -> Tensor:
    return torch.zeros(5, 4, dtype=torch.float64).index_add(0, TOKENS.flatten(), places.flatten(0, 1))


def uphill(gradient: Tensor, norm: Norm, size: float) -> Tensor:
    """By hand: [5, 4] for the table's norms, [2, 3, 4] for the example's."""
    if norm == "linf":
        return size * gradient.sign()
    if norm == "table_l2":
        return size * gradient / gradient.norm()
    return torch.stack([size * one / one.norm() for one in gradient])


def within(moved: Tensor, norm: Norm, bound: float) -> Tensor:
    if norm == "linf":
        return moved.clamp(-bound, bound)
    if norm == "table_l2":
        return moved * min(1.0, bound / float(moved.norm()))
    return torch.stack([one * min(1.0, bound / float(one.norm())) for one in moved])


def places(disturbance: Tensor, norm: Norm, table: Tensor) -> Tensor:
    """The disturbed embeddings as the model sees them."""
    return table[TOKENS] + disturbance if norm == "example_l2" else (table + disturbance)[TOKENS]


@pytest.mark.parametrize("norm", NORMS)
def test_fgm_equals_a_hand_computation(norm: Norm) -> None:
    model = Tiny()
    table = model.embedding.weight.detach().clone()
    fgm = Fgm(model.embedding, epsilon=0.3, norm=norm)
    model.backward()
    fgm.train(model.backward)

    clean, clean_head = model.gradients(table[TOKENS])
    direction = clean if norm == "example_l2" else to_table(clean)
    disturbed, disturbed_head = model.gradients(places(uphill(direction, norm, 0.3), norm, table))
    assert float((disturbed - clean).abs().max()) > 1e-3
    assert torch.allclose(model.embedding.weight.grad, to_table(clean + disturbed), atol=1e-12)
    assert torch.allclose(model.head.weight.grad, clean_head + disturbed_head, atol=1e-12)
    assert torch.equal(model.embedding.weight, table)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("epsilon", "alpha", "steps"), [(0.3, 0.1, 2), (0.3, 0.2, 4), (0.1, 0.5, 1)])
def test_pgd_equals_a_hand_computation(norm: Norm, epsilon: float, alpha: float, steps: int) -> None:
    model = Tiny()
    table = model.embedding.weight.detach().clone()
    pgd = Pgd(model.embedding, model.parameters(), epsilon=epsilon, alpha=alpha, steps=steps, norm=norm)
    model.backward()
    pgd.train(model.backward)

    clean, clean_head = model.gradients(table[TOKENS])
    last, last_head = clean, clean_head
    moved = torch.zeros_like(clean if norm == "example_l2" else table)
    for _ in range(steps):
        direction = last if norm == "example_l2" else to_table(last)
        moved = within(moved + uphill(direction, norm, alpha), norm, epsilon)
        last, last_head = model.gradients(places(moved, norm, table))
    assert torch.allclose(model.embedding.weight.grad, to_table(clean + last), atol=1e-12)
    assert torch.allclose(model.head.weight.grad, clean_head + last_head, atol=1e-12)
    assert torch.equal(model.embedding.weight, table)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["fgm", "pgd"])
def test_embeddings_are_restored_bit_for_bit_also_after_an_error(kind: str, norm: Norm) -> None:
    model = Tiny().float()
    with torch.no_grad():
        model.embedding.weight.mul_(torch.tensor([1e-20, 1e-3, 1.0, 1e8, 3.0])[:, None])
    table = model.embedding.weight.detach().clone()
    seen = []

    def broken() -> None:
        seen.append(model.embedding(TOKENS).detach().clone())
        raise KeyboardInterrupt

    calls: list[Callable[[], None]] = [lambda: seen.append(model.embedding(TOKENS).detach().clone()), broken]
    for call in calls:
        one = (
            Fgm(model.embedding, norm=norm)
            if kind == "fgm"
            else Pgd(model.embedding, model.parameters(), steps=1, norm=norm)
        )
        model.embedding.weight.grad = None
        # Uphill is the same however large a row is, so that the small ones lose their last bits.
        (model.embedding(TOKENS) * torch.arange(1.0, 25.0).view(2, 3, 4)).sum().backward()
        if call is broken:
            with pytest.raises(KeyboardInterrupt):
                one.train(call)
        else:
            one.train(call)
        assert torch.equal(model.embedding.weight, table)
        assert not torch.equal(seen[-1], table[TOKENS])
        one.close()
        assert torch.equal(model.embedding(TOKENS), table[TOKENS])


def test_a_whole_table_norm_moves_the_table_by_epsilon_and_linf_every_entry() -> None:
    for norm, length in (("table_l2", lambda d: float(d.norm())), ("linf", lambda d: float(d.abs().max()))):
        model = Tiny()
        table = model.embedding.weight.detach().clone()
        model.backward()
        fgm = Fgm(model.embedding, epsilon=0.03, norm=norm)
        with fgm.disturbed(fgm.epsilon):
            moved = model.embedding.weight.detach() - table
        assert length(moved) == pytest.approx(0.03) and float(moved[4].abs().max()) == 0


def test_example_l2_moves_each_row_by_epsilon_and_a_token_differently_in_each() -> None:
    model = Tiny()
    fgm = Fgm(model.embedding, epsilon=0.03, norm="example_l2")
    clean = model.embedding(TOKENS).detach()
    model.backward()
    with fgm.disturbed(0.03):
        moved = model.embedding(TOKENS).detach() - clean
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([0.03, 0.03])
    assert not torch.allclose(moved[0, 0], moved[1, 1])  # token 1 in both rows


def test_an_example_without_a_gradient_stays() -> None:
    model = Tiny()
    fgm = Fgm(model.embedding, norm="example_l2")
    model.embedding(TOKENS)[0].sum().backward()
    with fgm.disturbed(0.03):
        moved = model.embedding(TOKENS).detach() - model.embedding.weight.detach()[TOKENS]
    assert float(moved[1].abs().max()) == 0 and float(moved[0].norm()) == pytest.approx(0.03)


def test_evaluation_is_never_disturbed() -> None:
    model = Tiny()
    fgm = Fgm(model.embedding, norm="example_l2")
    model.backward()
    with fgm.disturbed(0.03), torch.no_grad():
        assert torch.equal(model.embedding(TOKENS), model.embedding.weight[TOKENS])


@pytest.mark.parametrize("kind", ["fgm", "pgd"])
def test_accumulated_gradients_do_not_turn_the_direction(kind: str) -> None:
    found = []
    for earlier in (0.0, 1.0):
        model = Tiny()
        before = earlier * torch.randn(5, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        model.embedding.weight.grad = before.clone()
        model.backward()
        one = (
            Fgm(model.embedding, epsilon=0.3)
            if kind == "fgm"
            else Pgd(model.embedding, model.parameters(), epsilon=0.3, alpha=0.2, steps=3)
        )
        one.train(model.backward, before)
        found.append(model.embedding.weight.grad - before)
    assert torch.allclose(found[0], found[1], atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_an_attack_without_a_backward_pass_is_refused(norm: Norm) -> None:
    model = Tiny()
    with pytest.raises(RuntimeError, match="run backward"):
        Fgm(model.embedding, norm=norm).train(model.backward)


def test_a_gradient_that_is_no_number_moves_nothing() -> None:
    for norm in ("table_l2", "linf"):
        model = Tiny()
        table = model.embedding.weight.detach().clone()
        model.embedding.weight.grad = torch.full_like(table, torch.nan)
        fgm = Fgm(model.embedding, norm=norm)
        with fgm.disturbed(0.03):
            assert torch.equal(model.embedding.weight, table)


def test_settings_that_cannot_be_are_refused() -> None:
    model = Tiny()
    with pytest.raises(ValueError, match="'l1'"):
        Fgm(model.embedding, norm="l1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sparse"):
        Fgm(nn.Embedding(3, 3, sparse=True))
    with pytest.raises(ValueError, match="the embeddings among them"):
        Pgd(model.embedding, model.head.parameters())
    with pytest.raises(ValueError, match="at least one step"):
        Pgd(model.embedding, model.parameters(), steps=0)

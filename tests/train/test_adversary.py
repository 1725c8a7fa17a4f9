"""FGM and PGD on a model small enough to be computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from corpusforge.train.adversary import Adversary, Norm

TOKENS = torch.tensor([[1, 2, 2], [3, 1, 0]])
TARGET = torch.tensor([0.5, -1.5], dtype=torch.float64)
NORMS: list[Norm] = ["table_l2", "example_l2", "linf"]


class Tiny(nn.Module):
    """tanh of a sum of embeddings, squared error; token 4 never occurs."""

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(5, 4).double().requires_grad_(not frozen)
        self.head = nn.Linear(4, 1).double()
        self.seen: list[Tensor] = []

    def forward(self) -> tuple[Tensor, int]:
        """The loss, and how many passes there were before."""
        embedded = self.embedding(TOKENS)
        self.seen.append(embedded.detach().clone())
        return self.loss(embedded), len(self.seen) - 1

    def loss(self, embedded: Tensor) -> Tensor:
        loss: Tensor = ((self.head(embedded.tanh().sum(1)).squeeze(-1) - TARGET) ** 2).mean()
        return loss

    def gradients(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Of the loss at given embeddings [2, 3, 4]: with respect to them, and to the head's weight."""
        embedded = embedded.detach().requires_grad_()
        first, second = torch.autograd.grad(self.loss(embedded), (embedded, self.head.weight))
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


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("norm", NORMS)
def test_fgm_equals_a_hand_computation(norm: Norm, frozen: bool) -> None:
    model = Tiny(frozen=frozen)
    table = model.embedding.weight.detach().clone()
    assert Adversary(model.embedding, size=0.3, norm=norm).train(TOKENS, model) == 0

    clean, clean_head = model.gradients(table[TOKENS])
    direction = clean if norm == "example_l2" else to_table(clean)
    disturbed, disturbed_head = model.gradients(places(uphill(direction, norm, 0.3), norm, table))
    assert float((disturbed - clean).abs().max()) > 1e-3
    assert torch.allclose(model.head.weight.grad, clean_head + disturbed_head, atol=1e-12)
    if frozen:
        assert model.embedding.weight.grad is None
    else:
        assert torch.allclose(model.embedding.weight.grad, to_table(clean + disturbed), atol=1e-12)
    assert torch.equal(model.embedding.weight, table)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("epsilon", "alpha", "steps"), [(0.3, 0.1, 2), (0.3, 0.2, 4), (0.1, 0.5, 1)])
def test_pgd_equals_a_hand_computation(norm: Norm, epsilon: float, alpha: float, steps: int, frozen: bool) -> None:
    model = Tiny(frozen=frozen)
    table = model.embedding.weight.detach().clone()
    pgd = Adversary(model.embedding, size=alpha, steps=steps, bound=epsilon, norm=norm)
    assert pgd.train(TOKENS, model) == 0 and len(model.seen) == 1 + steps

    clean, clean_head = model.gradients(table[TOKENS])
    last, last_head = clean, clean_head
    moved = torch.zeros_like(clean if norm == "example_l2" else table)
    for _ in range(steps):
        direction = last if norm == "example_l2" else to_table(last)
        moved = within(moved + uphill(direction, norm, alpha), norm, epsilon)
        last, last_head = model.gradients(places(moved, norm, table))
    assert torch.allclose(model.head.weight.grad, clean_head + last_head, atol=1e-12)
    if frozen:
        assert model.embedding.weight.grad is None
    else:
        assert torch.allclose(model.embedding.weight.grad, to_table(clean + last), atol=1e-12)
    assert torch.equal(model.embedding.weight, table)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("settings", [{"size": 0.03}, {"size": 0.01, "steps": 3, "bound": 0.01}], ids=["fgm", "pgd"])
def test_embeddings_are_the_same_to_the_bit_also_after_an_error(settings: dict[str, Any], norm: Norm) -> None:
    model = Tiny().float()
    with torch.no_grad():
        model.embedding.weight.mul_(torch.tensor([1e-20, 1e-3, 1.0, 1e8, 3.0])[:, None])
    table = model.embedding.weight.detach().clone()
    for fails in (False, True):
        seen: list[Tensor] = []

        def forward(fails: bool = fails, seen: list[Tensor] = seen) -> tuple[Tensor, None]:
            given = model.embedding(TOKENS)
            seen.append(given.detach().clone())
            if fails and len(seen) > 1:
                raise KeyboardInterrupt
            return (given * torch.arange(1.0, 25.0).view(2, 3, 4)).sum(), None

        adversary = Adversary(model.embedding, norm=norm, **settings)
        if fails:
            with pytest.raises(KeyboardInterrupt):
                adversary.train(TOKENS, forward)
        else:
            adversary.train(TOKENS, forward)
        assert torch.equal(seen[0], table[TOKENS]) and not torch.equal(seen[-1], table[TOKENS])
        assert torch.equal(model.embedding.weight, table)
        assert torch.equal(model.embedding(TOKENS), table[TOKENS])  # as evaluation, after it, sees it
        adversary.close()


@pytest.mark.parametrize("norm", ["table_l2", "linf"])
def test_norms_of_the_table_move_each_token_alike_wherever_it_is(norm: Norm) -> None:
    model = Tiny()
    Adversary(model.embedding, size=0.03, norm=norm).train(TOKENS, model)
    moved = model.seen[1] - model.seen[0]
    assert torch.allclose(moved[0, 0], moved[1, 1], atol=1e-15)  # token 1 in both rows
    assert torch.allclose(moved[0, 1], moved[0, 2], atol=1e-15)  # token 2 in two places
    tokens = torch.stack([moved[0, 0], moved[0, 1], moved[1, 0], moved[1, 2]])
    assert float(tokens.norm() if norm == "table_l2" else tokens.abs().min()) == pytest.approx(0.03)
    assert float(tokens.abs().max()) <= 0.03 + 1e-12


def test_example_l2_moves_each_row_by_epsilon_and_a_token_differently_in_each() -> None:
    model = Tiny()
    Adversary(model.embedding, size=0.03, norm="example_l2").train(TOKENS, model)
    moved = model.seen[1] - model.seen[0]
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([0.03, 0.03])
    assert not torch.allclose(moved[0, 0], moved[1, 1])  # token 1 in both rows


def test_an_example_without_a_gradient_stays() -> None:
    model = Tiny()

    def forward() -> tuple[Tensor, int]:
        _, found = model()
        return model.embedding(TOKENS)[0].sum(), found

    Adversary(model.embedding, size=0.03, norm="example_l2").train(TOKENS, forward)
    moved = model.seen[1] - model.seen[0]
    assert float(moved[1].abs().max()) == 0 and float(moved[0].norm()) == pytest.approx(0.03)


@pytest.mark.parametrize("norm", ["table_l2", "linf"])
def test_padding_is_not_disturbed(norm: Norm) -> None:
    model = Tiny()
    model.embedding.padding_idx = 0
    Adversary(model.embedding, size=0.03, norm=norm).train(TOKENS, model)
    moved = model.seen[1] - model.seen[0]
    assert float(moved[1, 2].abs().max()) == 0 and float(moved[0].abs().min()) > 0
    assert float(model.embedding.weight.grad[0].abs().max()) == 0


@pytest.mark.parametrize("settings", [{"size": 0.3}, {"size": 0.2, "steps": 3, "bound": 0.3}], ids=["fgm", "pgd"])
def test_accumulated_gradients_do_not_turn_the_direction(settings: dict[str, Any]) -> None:
    found = []
    for earlier in (0.0, 1.0):
        model = Tiny()
        before = earlier * torch.randn(5, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        model.embedding.weight.grad = before.clone()
        Adversary(model.embedding, **settings).train(TOKENS, model)
        found.append(model.embedding.weight.grad - before)
    assert torch.allclose(found[0], found[1], atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_a_loss_without_the_embedding_is_refused(norm: Norm) -> None:
    model = Tiny()
    with pytest.raises(RuntimeError, match="the loss must depend on it"):
        Adversary(model.embedding, size=0.1, norm=norm).train(TOKENS, lambda: (model.head.weight.sum(), None))


@pytest.mark.parametrize("norm", NORMS)
def test_a_gradient_that_is_no_number_moves_nothing(norm: Norm) -> None:
    model = Tiny()

    def forward() -> tuple[Tensor, int]:
        loss, found = model()
        return loss * torch.nan, found

    Adversary(model.embedding, size=0.1, steps=2, bound=0.1, norm=norm).train(TOKENS, forward)
    assert torch.equal(model.seen[0], model.seen[-1])


def test_settings_that_cannot_be_are_refused() -> None:
    model = Tiny()
    with pytest.raises(ValueError, match="'l1'"):
        Adversary(model.embedding, size=0.1, norm="l1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one step"):
        Adversary(model.embedding, size=0.1, steps=0)

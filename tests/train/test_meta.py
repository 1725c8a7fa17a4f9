"""MetaAdapter's outer step on quadratics, whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from corpusforge.errors import Diverged
from corpusforge.train.meta import Task, meta_step

START = torch.tensor([0.3, -2.0, 5.0], dtype=torch.float64)
CENTRES = [torch.tensor(c, dtype=torch.float64) for c in ([1.0, 0.5, 4.0], [-1.0, -3.0, 7.0], [0.0, 0.0, 0.0])]
LR, V = 0.1, 0.999


def quadratic(theta: nn.Parameter, centre: Tensor) -> Task:
    """Support pulls to the centre, query to twice the centre."""
    return (lambda: ((theta - centre) ** 2).sum() / 2), (lambda: ((theta - 2 * centre) ** 2).sum() / 2)


def delta_by_hand(centre: Tensor, clip: float) -> Tensor:
    """theta'' - theta' from Adam's own definition with beta1 = 0."""
    g = START - centre
    g = g * min(1.0, clip / (float(g.norm()) + 1e-6))
    v = (1 - V) * g**2
    halfway = START - LR * g / ((v / (1 - V)).sqrt() + 1e-8)
    g = halfway - 2 * centre
    g = g * min(1.0, clip / (float(g.norm()) + 1e-6))
    v = V * v + (1 - V) * g**2
    return -LR * g / ((v / (1 - V**2)).sqrt() + 1e-8)


@pytest.mark.parametrize("clip", [5.0, 1e9])
@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_outer_step_on_quadratics_is_the_known_one(progress: float, clip: float) -> None:
    theta = nn.Parameter(START.clone())
    meta_step([theta], [quadratic(theta, c) for c in CENTRES], progress, meta_lr=0.7, lr=LR, clip=clip)
    mean = sum(delta_by_hand(c, clip) for c in CENTRES) / 3
    assert torch.allclose(theta.detach(), START + 0.7 * (1 - progress) * mean, atol=1e-12)


def test_the_order_of_languages_does_not_matter() -> None:
    found = []
    for centres in (CENTRES, CENTRES[::-1]):
        theta = nn.Parameter(START.clone())
        meta_step([theta], [quadratic(theta, c) for c in centres], 0.0, lr=LR)
        found.append(theta.detach())
    assert torch.allclose(found[0], found[1], atol=1e-14)


def test_it_finds_where_all_languages_are_near() -> None:
    theta = nn.Parameter(START.clone())
    tasks: list[Task] = [
        ((lambda c=c: ((theta - c) ** 2).sum()), (lambda c=c: ((theta - c) ** 2).sum())) for c in CENTRES
    ]
    steps = 2000
    for step in range(steps):
        meta_step([theta], tasks, step / steps, lr=0.02)
    # Adam's steps have one size, whatever the distance: the median of the centres, and not their mean.
    assert torch.allclose(theta.detach(), torch.stack(CENTRES).median(0).values, atol=0.1)


def test_the_query_loss_is_that_after_the_support_step() -> None:
    theta = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    losses = meta_step([theta], [((lambda: theta.sum()), (lambda: theta.sum() * 3))], 1.0, lr=LR)
    assert losses == pytest.approx([-0.3]) and float(theta.detach()) == 0


def test_nothing_but_the_parameters_is_touched() -> None:
    theta, head, unused = (nn.Parameter(START.clone()) for _ in range(3))
    theta.grad = torch.ones_like(theta)
    head.grad = torch.full_like(head, 2.0)
    task = ((lambda: (theta * head).sum()), (lambda: (theta * head).square().sum()))
    meta_step([theta, unused], [task], 0.0)
    assert torch.equal(theta.grad, torch.ones_like(theta)) and torch.equal(head.grad, torch.full_like(head, 2.0))
    assert torch.equal(head, START) and torch.equal(unused, START) and not torch.equal(theta, START)


def test_a_loss_that_is_no_number_leaves_theta_and_says_so() -> None:
    theta = nn.Parameter(START.clone())
    bad: Task = (lambda: theta.sum()), (lambda: theta.sum() * torch.nan)
    with pytest.raises(Diverged, match="not finite"):
        meta_step([theta], [quadratic(theta, CENTRES[0]), bad], 0.0)
    assert torch.equal(theta, START)


def test_an_interrupted_step_leaves_theta() -> None:
    theta = nn.Parameter(START.clone())

    def broken() -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        meta_step([theta], [((lambda: theta.sum()), broken)], 0.0)
    assert torch.equal(theta, START) and theta.grad is None


@pytest.mark.parametrize("progress", [1.5, -0.1])
def test_a_progress_out_of_range_is_refused(progress: float) -> None:
    theta = nn.Parameter(START.clone())
    with pytest.raises(ValueError, match="meta step"):
        meta_step([theta], [quadratic(theta, CENTRES[0])], progress)


def test_without_a_task_nothing_changes() -> None:
    theta = nn.Parameter(START.clone())
    assert meta_step([theta], [], 0.0) == []
    assert torch.equal(theta, START)


def test_parameters_that_share_a_gradient_are_clipped_once() -> None:
    one, other = nn.Parameter(START.clone()), nn.Parameter(START.clone())
    alone = nn.Parameter(torch.cat((START, START)))
    meta_step([one, other], [(lambda: (one + other).sum(), lambda: ((one + other) ** 2).sum())], 0.0, clip=0.1)
    halves = lambda: alone[:3] + alone[3:]  # noqa: E731
    meta_step([alone], [(lambda: halves().sum(), lambda: (halves() ** 2).sum())], 0.0, clip=0.1)
    assert torch.allclose(torch.cat((one, other)), alone, atol=1e-14)

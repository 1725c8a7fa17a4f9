"""MetaAdapter (Hou et al. 2021a): adapters that start where a step or two lead to any of the languages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from corpusforge.errors import Diverged
from corpusforge.train.distributed import World

Task = tuple[Callable[[], Tensor], Callable[[], Tensor]]
"""The loss of one language on the support half of its batch, and on the query half; with the parameters of then."""


def meta_step(
    parameters: Sequence[nn.Parameter],
    tasks: Sequence[Task],
    progress: float,
    *,
    meta_lr: float = 1.0,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.0, 0.999),
    clip: float = 5.0,
    world: World | None = None,
) -> list[float]:
    """One outer step: first-order MAML inside, Reptile outside (mlcl.md, Adapters, MetaAdapter; ambiguities 7 and 8).

    For each language, from the same theta: one Adam step on support gives theta', one more on query theta''; its delta
    is theta'' - theta', the query step alone. Then `theta += meta_lr (1 - progress) mean delta`. Adam starts afresh
    for every language, so that their order does not matter and a resumed run needs no state. (The released code keeps
    one Adam for all, hence a state that depends on the order.) The inner loss is the caller's: CE + MCL, since LCL
    needs two languages.

    Args:
        parameters: theta, what is adapted. No other parameter changes or is given a gradient.
        tasks: One for each language of the batch; of this process, where several share them.
        progress: Share of the training that is done, in [0, 1].
        meta_lr: Rate of the outer step.
        lr: Of the inner Adam.
        betas: Of the inner Adam.
        clip: Largest norm of an inner gradient.
        world: The processes that share the tasks, from the same theta to the same theta; some may have no task.

    Returns:
        The query loss of each language, at theta', over all processes. Without a task nothing changes.

    Raises:
        Diverged: A loss is not finite; theta is as it was.
        ValueError: Progress outside [0, 1].
    """
    if not 0 <= progress <= 1:
        raise ValueError(f"a meta step needs a progress in [0, 1], found {progress}")
    world = world or World()
    origin = [parameter.detach().clone() for parameter in parameters]
    deltas = [torch.zeros_like(parameter) for parameter in origin]
    gradients = [parameter.grad for parameter in parameters]
    losses = []
    try:
        for support, query in tasks:
            adam = torch.optim.Adam(parameters, lr=lr, betas=betas)
            _adam_step(adam, parameters, support(), clip)
            halfway = [parameter.detach().clone() for parameter in parameters]
            loss = query()
            _adam_step(adam, parameters, loss, clip)
            losses.append(loss.detach())
            for delta, parameter, before in zip(deltas, parameters, halfway, strict=True):
                delta += parameter.detach() - before
            _put(parameters, origin)
    finally:
        _put(parameters, origin)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
    found = [loss for some in world.gather([float(loss) for loss in losses]) for loss in some]
    if not all(map(math.isfinite, found)):
        raise Diverged(f"a loss of the meta step is not finite ({found}): set precision to fp32, or adapter to single")
    world.average(deltas)
    with torch.no_grad():
        for parameter, delta in zip(parameters, deltas, strict=True):
            # The mean over processes, times their number, is the sum over all tasks.
            parameter.add_(delta, alpha=meta_lr * (1 - progress) * world.size / max(1, len(found)))
    return found


def _adam_step(adam: torch.optim.Adam, parameters: Sequence[nn.Parameter], loss: Tensor, clip: float) -> None:
    """One clipped step down `loss`. Gradients of other parameters are not touched, as `backward` would."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, found, strict=True):
        # A copy: autograd may hand out one tensor twice, or an expanded one, and clipping writes into it.
        parameter.grad = None if gradient is None else gradient.clone(memory_format=torch.contiguous_format)
    nn.utils.clip_grad_norm_(parameters, clip)
    adam.step()


def _put(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)

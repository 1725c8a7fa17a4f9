"""FGM and PGD: adversarial training on the word embeddings (the baselines of Table 2).

A batch's own pass is followed by others in which what the encoder reads is disturbed uphill; the gradients of the last
of them are added to the batch's own. The disturbance is a tensor beside the table of embeddings, which is never
touched. Norms of the disturbance (mlcl.md, Baselines):

- `table_l2`, as the baselines' code has it: of the whole table's gradient. A token moves about 0.02 % of its norm.
- `example_l2`, as Miyato et al. 2017 wrote it: of each example by itself. The disturbance belongs to a place in a row,
  not to a token.
- `linf`: every entry that has a gradient moves by the full step, uphill.

Only tokens that a batch has can have a gradient: for the table's norms the disturbance has a row for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpusforge.train.distributed import World

Norm = Literal["table_l2", "example_l2", "linf"]
T = TypeVar("T")


class Adversary:
    """Disturbs what an embedding gives out (mlcl.md, Baselines).

    FGM, `E += eps g / ||g||_2`, is one step of `size` eps without a bound. PGD is `steps` steps of `size` alpha, each
    projected to `||E - E0||_2 <= bound` and uphill by the gradient of the pass before it.

    Args:
        embedding: Called with token ids; for `example_l2` once a forward pass, with all of them.
        size: Of a step, in the norm.
        steps: K.
        bound: Largest disturbance, in the norm; None bounds nothing.
        norm: See the module.
        world: The processes that train together, which disturb alike.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        *,
        size: float,
        steps: int = 1,
        bound: float | None = None,
        norm: Norm = "table_l2",
        world: World | None = None,
    ) -> None:
        if norm not in ("table_l2", "example_l2", "linf"):
            raise ValueError(f"norm must be 'table_l2', 'example_l2' or 'linf', found {norm!r}")
        if steps < 1:
            raise ValueError(f"an adversary takes at least one step, found {steps}")
        self.embedding, self.size, self.steps, self.bound, self.norm = embedding, size, steps, bound, norm
        self.world = world or World()
        # [R, L, E] for example_l2, else [tokens of the batch, E]; None while nothing is disturbed, as in evaluation.
        self._disturbance: Tensor | None = None
        # [V]: row of each token in the disturbance, of those that the batch has.
        self._rows: Tensor | None = None
        self._hook = embedding.register_forward_hook(self._output)

    def train(self, tokens: Tensor, forward: Callable[[], tuple[Tensor, T]]) -> T:
        """Add a batch's gradient and that of its last disturbed pass to the parameters' gradients.

        Args:
            tokens: [R, L], the batch's.
            forward: Makes the batch's loss, and what else the caller wants of it.

        Returns:
            What else the pass without a disturbance made.

        Raises:
            RuntimeError: The loss does not depend on the embedding.
        """
        disturbance = self._begin(tokens)
        try:
            loss, found = forward()
            torch.autograd.backward(loss)
            gradient = disturbance.grad
            if gradient is None:
                raise RuntimeError("no gradient reached the embedding: the loss must depend on it")
            for step in range(1, self.steps + 1):
                disturbance = self._disturbance = self._moved(disturbance.detach(), gradient)
                if step < self.steps:
                    disturbance.requires_grad_()
                    (gradient,) = torch.autograd.grad(forward()[0], disturbance)
                else:  # a constant: nothing goes back through layers that are frozen
                    torch.autograd.backward(forward()[0])
            return found
        finally:
            self._disturbance = self._rows = None

    def close(self) -> None:
        """Leave the embedding."""
        self._hook.remove()

    def _begin(self, tokens: Tensor) -> Tensor:
        """A disturbance of nothing, whose gradient is the direction of the first step."""
        table = self.embedding.weight
        shape = tuple(tokens.shape)
        if self.norm != "example_l2":
            here = torch.zeros(len(table), dtype=torch.int32, device=table.device)
            there = self.world.sum(here.index_fill_(0, tokens.flatten(), 1)) > 0
            self._rows = there.cumsum(0) - 1
            shape = (int(there.sum()),)
        self._disturbance = table.new_zeros((*shape, table.shape[1]), requires_grad=True)
        return self._disturbance

    @torch.no_grad()
    def _moved(self, disturbance: Tensor, gradient: Tensor) -> Tensor:
        """One step uphill from a disturbance, and back to within the bound."""
        if self._rows is not None:
            self.world.average([gradient])
        moved = disturbance + _step(gradient, self.size, self.norm)
        return moved if self.bound is None else _project(moved, self.bound, self.norm)

    def _output(self, embedding: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if self._disturbance is None:
            return output
        added = self._disturbance
        if self._rows is not None:
            added = functional.embedding(self._rows[inputs[0]], added)
            if self.embedding.padding_idx is not None:  # which has no gradient in the table either
                added = added.masked_fill((inputs[0] == self.embedding.padding_idx)[..., None], 0)
        return output + added.to(output.dtype)


def _lengths(tensor: Tensor, norm: Norm) -> Tensor:
    """L2 norm of the whole table, or of each example [R, 1, 1], in float32 at least."""
    square = tensor.to(torch.promote_types(tensor.dtype, torch.float32)).square()
    return square.sum().sqrt() if norm == "table_l2" else square.flatten(1).sum(1).sqrt()[:, None, None]


def _step(gradient: Tensor, size: float, norm: Norm) -> Tensor:
    """`size` uphill in the norm; no move where the gradient is zero or not finite."""
    if norm == "linf":
        return size * gradient.nan_to_num(0, 0, 0).sign()
    length = _lengths(gradient, norm)
    usable = (length > 0) & length.isfinite()
    return torch.where(usable, size * gradient / length, 0).to(gradient.dtype)


def _project(moved: Tensor, bound: float, norm: Norm) -> Tensor:
    """The nearest disturbance within `bound`."""
    if norm == "linf":
        return moved.clamp(-bound, bound)
    return (moved * (bound / _lengths(moved, norm).clamp(min=1e-30)).clamp(max=1)).to(moved.dtype)

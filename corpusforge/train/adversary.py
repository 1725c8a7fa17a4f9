"""FGM and PGD: adversarial training on the word embeddings (the baselines of Table 2).

After a batch's own backward pass, `train` disturbs the embeddings uphill, runs backward again so that both gradients
add up, and puts the embeddings back, bit for bit. Norms of the disturbance (mlcl.md, Baselines):

- `table_l2`, as the baselines' code has it: of the whole table's gradient. A token moves about 0.02 % of its norm.
- `example_l2`, as Miyato et al. 2017 wrote it: of each example by itself. The disturbance belongs to a place in a row,
  not to a token, so it is added to what the embedding gives out; the table is never touched.
- `linf`: every entry that has a gradient moves by the full step, uphill.

In data parallel, gradients must have been averaged when `train` is called for ranks to disturb alike; the weights stay
equal in any case, since the table is restored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

Norm = Literal["table_l2", "example_l2", "linf"]


class _Adversary(ABC):
    """What FGM and PGD share: a disturbance of an embedding, and the way back.

    Args:
        embedding: Whose output is disturbed; called once a forward pass.
        norm: See the module.
    """

    def __init__(self, embedding: nn.Embedding, norm: Norm) -> None:
        if norm not in ("table_l2", "example_l2", "linf"):
            raise ValueError(f"norm must be 'table_l2', 'example_l2' or 'linf', found {norm!r}")
        if embedding.sparse:
            raise ValueError("an embedding with sparse gradients cannot be disturbed: make it with sparse=False")
        self.embedding, self.norm = embedding, norm
        self._original: Tensor | None = None
        # example_l2: what is added to the embedding's output, and the gradient there.
        self._added: Tensor | None = None
        self._seen: Tensor | None = None
        self._hook = embedding.register_forward_hook(self._output) if norm == "example_l2" else None

    @abstractmethod
    def train(self, backward: Callable[[], Any], before: Tensor | None = None) -> None:
        """Add the gradients of disturbed passes to those of the batch's own.

        Args:
            backward: Runs forward and backward on the batch, which has been done once when this is called.
            before: The table's gradient before the batch's own backward pass, where batches are accumulated; it is no
                part of this batch's direction. None where it was empty. `example_l2` has no need of it.

        Raises:
            RuntimeError: The batch's own backward pass left no gradient.
        """

    def restore(self) -> None:
        """Put the embeddings back exactly as they were before the first attack. Does nothing when there was none."""
        self._added = None
        if self._original is not None:
            with torch.no_grad():
                self.embedding.weight.copy_(self._original)
            self._original = None

    @contextmanager
    def disturbed(self, size: float, bound: float | None = None, before: Tensor | None = None) -> Iterator[None]:
        """Attack once; restore at the end, also after an error."""
        try:
            self.attack(size, bound, before)
            yield
        finally:
            self.restore()

    @torch.no_grad()
    def attack(self, size: float, bound: float | None = None, before: Tensor | None = None) -> None:
        """Move the embeddings by `size` along the last gradient, and back to within `bound` of where they were.

        Raises:
            RuntimeError: There is no gradient.
        """
        if self.norm == "example_l2":
            if self._seen is None:
                raise RuntimeError("no gradient reached the embedding: run backward before the attack")
            moved = _step(self._seen, size, "example_l2")
            moved = moved if self._added is None else self._added + moved
            self._added = moved if bound is None else _project(moved, bound, "example_l2")
            return
        weight = self.embedding.weight
        if weight.grad is None:
            raise RuntimeError("no gradient reached the embedding: run backward before the attack")
        if self._original is None:
            self._original = weight.detach().clone()
        gradient = weight.grad if before is None else weight.grad - before
        weight.add_(_step(gradient, size, self.norm))
        if bound is not None:
            weight.copy_(self._original + _project(weight - self._original, bound, self.norm))

    def close(self) -> None:
        """Restore, and take the hook off the embedding."""
        self.restore()
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _output(self, embedding: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not output.requires_grad:  # evaluation
            return output
        disturbed = output if self._added is None else output + self._added.to(output.dtype)
        disturbed.register_hook(self._keep)  # type: ignore[no-untyped-call]
        return disturbed

    def _keep(self, gradient: Tensor) -> None:
        self._seen = gradient.detach()


class Fgm(_Adversary):
    """Fast gradient method: `E += eps g / ||g||_2`, forward and backward again, restore `E` (mlcl.md, Baselines).

    Args:
        embedding: The word embeddings.
        epsilon: Size of the disturbance, in the norm.
        norm: See the module.
    """

    def __init__(self, embedding: nn.Embedding, *, epsilon: float = 0.03, norm: Norm = "table_l2") -> None:
        super().__init__(embedding, norm)
        self.epsilon = epsilon

    def train(self, backward: Callable[[], Any], before: Tensor | None = None) -> None:
        """See `_Adversary.train`; gradients are then those of the batch plus those of the disturbed pass."""
        with self.disturbed(self.epsilon, before=before):
            backward()


class Pgd(_Adversary):
    """Projected gradient descent in K steps (mlcl.md, Baselines).

    Keep the gradients G; K times: `E += alpha g / ||g||_2`, project to `||E - E0||_2 <= eps`, empty the gradients (in
    the last step put G back instead), forward and backward; restore `E`. So what is added to G is the last pass's
    gradient alone.

    Args:
        embedding: The word embeddings.
        parameters: All that the backward pass gives a gradient, the embeddings among them.
        epsilon: Largest disturbance, in the norm.
        alpha: Size of a step, in the norm.
        steps: K.
        norm: See the module.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        parameters: Iterable[nn.Parameter],
        *,
        epsilon: float = 0.01,
        alpha: float = 0.01,
        steps: int = 10,
        norm: Norm = "table_l2",
    ) -> None:
        super().__init__(embedding, norm)
        self.parameters = list(parameters)
        if not any(parameter is embedding.weight for parameter in self.parameters):
            raise ValueError("the parameters must be all that the loss reaches, the embeddings among them")
        if steps < 1:
            raise ValueError(f"PGD takes at least one step, found {steps}")
        self.epsilon, self.alpha, self.steps = epsilon, alpha, steps

    def train(self, backward: Callable[[], Any], before: Tensor | None = None) -> None:
        """See `_Adversary.train`; gradients are then those of the batch plus those of the last disturbed pass."""
        kept = [parameter.grad for parameter in self.parameters]
        try:
            for step in range(self.steps):
                self.attack(self.alpha, self.epsilon, before if step == 0 else None)
                last = step == self.steps - 1
                for parameter, gradient in zip(self.parameters, kept, strict=True):
                    parameter.grad = gradient if last else None
                backward()
        finally:
            self.restore()


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

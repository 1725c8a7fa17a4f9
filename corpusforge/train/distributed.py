"""Processes that train together, one GPU each, as `torchrun` starts them: data parallel.

Gradients are averaged once an optimizer step and not by a wrapper, which would do so in every backward pass of FGM,
PGD and of batches that are accumulated.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.train.losses import Negatives

T = TypeVar("T")


class World:
    """The processes of a run.

    Attributes:
        rank: Of this one, from 0.
        size: How many.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def sum(self, value: Tensor) -> Tensor:
        """Of all processes; without gradient."""
        if self.size == 1:
            return value
        summed = value.detach().clone()
        dist.all_reduce(summed)
        return summed

    def mean(self, value: Tensor) -> Tensor:
        """Over processes; without gradient."""
        return value.detach() if self.size == 1 else self.sum(value) / self.size

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the mean of all gradients; a process without one counts with 0."""
        if self.size == 1:
            return
        wanted = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in wanted:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._average([parameter.grad for parameter in wanted if parameter.grad is not None])

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the mean of all; in place."""
        if self.size > 1 and tensors:
            self._average(tensors)

    def share(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the parameters of the first."""
        if self.size > 1:
            for parameter in parameters:
                dist.broadcast(parameter.data, 0)

    def _average(self, tensors: Sequence[Tensor]) -> None:
        """In one message for each kind of number."""
        for dtype in {tensor.dtype for tensor in tensors}:
            same = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.flatten() for tensor in same])
            dist.all_reduce(flat)
            flat /= self.size
            for tensor, part in zip(same, torch.split(flat, [tensor.numel() for tensor in same]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def negatives(self, text: Tensor, speech: Tensor, group: Tensor, lang: Tensor) -> Negatives | None:
        """What the other processes hold, with a gradient that reaches them; None where there is no other.

        Args:
            text: [R, D] of this process.
            speech: [R, D].
            group: [R].
            lang: [R].
        """
        if self.size == 1:
            return None
        counts: list[int] = self.gather(len(text))
        both = torch.cat((text, speech), 1).float()
        padded = torch.cat((both, both.new_zeros(max(counts) - len(both), both.shape[1])))
        # The one gathering that autograd knows: a loss here depends on vectors there.
        vectors = torch.distributed.nn.functional.all_gather(padded)  # type: ignore[attr-defined]
        numbers = torch.stack((group, lang), 1)
        numbers = torch.cat((numbers, numbers.new_zeros(max(counts) - len(numbers), 2)))
        found = [torch.empty_like(numbers) for _ in counts]
        dist.all_gather(found, numbers)
        others = [rank for rank in range(self.size) if rank != self.rank]
        vectors_there = torch.cat([vectors[rank][: counts[rank]] for rank in others])
        numbers_there = torch.cat([found[rank][: counts[rank]] for rank in others])
        text_there, speech_there = torch.split(vectors_there, [text.shape[1], speech.shape[1]], 1)
        return Negatives(text_there, numbers_there[:, 0], numbers_there[:, 1], self.size, speech_there)

    def gather(self, value: T) -> list[T]:
        """The value of every process, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def first(self, value: T) -> T:
        """The value of the first process."""
        if self.size == 1:
            return value
        found: list[Any] = [value]
        dist.broadcast_object_list(found, 0)
        return cast(T, found[0])

    def wait(self) -> None:
        """Until every process has come here."""
        if self.size > 1:
            dist.barrier()

    def close(self) -> None:
        """Leave."""
        if self.size > 1:
            dist.destroy_process_group()


def join(device: torch.device) -> World:
    """The processes that `torchrun` started this one among; alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return World(dist.get_rank(), size)


def device_of(name: str | None) -> torch.device:
    """The device that a setting names; without one the GPU of this process, else the CPU.

    Raises:
        RecipeError: No such device.
        MissingDependency: This machine has none.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError(f"no device '{name}': expected cpu, cuda, or cuda:1 for the second GPU") from None
    if name == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    try:
        torch.zeros(1, device=device).tolist()
    except (AssertionError, RuntimeError, ImportError) as error:  # torch has a kind for each way to lack a device
        lines = str(error).strip().splitlines()
        raise MissingDependency(
            f"the device '{name}' cannot be used here ({lines[0] if lines else type(error).__name__}): name another "
            "with --device, such as cpu, or leave it out"
        ) from None
    return device

"""Checkpoints: everything that the next step depends on, in safetensors and JSON, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from corpusforge.errors import CorpusforgeError
from corpusforge.train.distributed import World
from corpusforge.train.models import Model, trained

STATE = "state.json"
ENCODERS = ("text", "speech")
"""Attributes of a model that hold encoders."""


@dataclass(slots=True)
class Progress:
    """How far training has come.

    Attributes:
        stage: Number of the stage (adapters, MLCL).
        epoch, batch: Of the stage: epoch, and batches of it that are done.
        step: Optimizer steps in all.
        best: Best dev score so far, and `best_epoch` when it was.
        waited: Epochs since.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = float("-inf")
    best_epoch: int = -1
    waited: int = 0


def save(folder: Path, model: Model, optimizer: torch.optim.Optimizer, progress: Progress, world: World) -> None:
    """Replace the checkpoint in `folder`. A kill leaves the old one or the new one.

    All processes come here: the first writes, with the random states of every one.
    """
    states = world.gather(_random_states(model))
    if world.rank:
        return
    temporary, old = folder.with_name(folder.name + ".tmp"), folder.with_name(folder.name + ".old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(trained_weights(model), temporary / "weights.safetensors")
    tensors, plain = _flat(optimizer.state_dict())
    for rank, (host, device) in enumerate(states):
        tensors |= {f"random.{rank}.host": host, f"random.{rank}.device": device}
    save_file(tensors, temporary / "optimizer.safetensors")
    body = {"progress": asdict(progress), "optimizer": plain, "processes": world.size}
    (temporary / STATE).write_text(json.dumps(body), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def progress(folder: Path) -> Progress | None:
    """How far the checkpoint in `folder` had come; None if there is none.

    Raises:
        CorpusforgeError: It is damaged.
    """
    old = folder.with_name(folder.name + ".old")
    if not (folder / STATE).is_file() and (old / STATE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        old.rename(folder)  # a kill between two renames
    if not (folder / STATE).is_file():
        return None
    try:
        return Progress(**json.loads((folder / STATE).read_text(encoding="utf-8"))["progress"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def load(folder: Path, model: Model, optimizer: torch.optim.Optimizer, stage: int, world: World) -> bool:
    """Bring model, optimizer and random states to where a checkpoint left them, if it is of this stage.

    Raises:
        CorpusforgeError: It is damaged, of another model, or of another number of processes.
    """
    found = progress(folder)
    if found is None or found.stage != stage:
        return False
    try:
        body = json.loads((folder / STATE).read_text(encoding="utf-8"))
        processes = int(body["processes"])
        if processes != world.size:
            raise CorpusforgeError(
                f"{folder} is of a run of {processes} processes, and {world.size} would draw other dropout: go on "
                f"with {processes} (torchrun --nproc-per-node={processes}), or name another run with --name"
            )
        load_weights(folder / "weights.safetensors", model)
        tensors = load_file(folder / "optimizer.safetensors")
        random = {name: tensors.pop(name) for name in list(tensors) if name.startswith("random.")}
        optimizer.load_state_dict(_unflat(tensors, body["optimizer"]))
        _set_random_states(model, random[f"random.{world.rank}.host"], random[f"random.{world.rank}.device"])
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    return True


def _damaged(folder: Path, error: Exception) -> CorpusforgeError:
    return CorpusforgeError(f"{folder}: cannot go on from this checkpoint ({error}): delete it to begin anew")


def trained_weights(model: Model) -> dict[str, Tensor]:
    """All parameters and buffers by name, but those of an encoder that are frozen: its own checkpoint has them."""
    learning = {id(parameter) for parameter in trained(model)}
    frozen = {
        name
        for name, parameter in model.named_parameters()
        if id(parameter) not in learning and name.partition(".")[0] in ENCODERS
    }
    return {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
        if name not in frozen
    }


def save_weights(path: Path, model: Model) -> None:
    """Write `trained_weights`, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    save_file(trained_weights(model), temporary)
    temporary.replace(path)


def load_weights(path: Path, model: Model) -> None:
    """Load what `trained_weights` gave.

    Raises:
        ValueError: Weights that the model lacks, or lacks weights.
    """
    found = load_file(path)
    wanted = trained_weights(model)
    if found.keys() != wanted.keys():
        differing = sorted(found.keys() ^ wanted.keys())
        raise ValueError(f"weights of another model: {', '.join(differing[:3])}")
    model.load_state_dict(found, strict=False)


def _flat(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], Any]:
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {"param_groups": state["param_groups"], "state": {}}
    for number, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{number}.{name}"] = value.detach().cpu().contiguous().clone()
            else:
                plain["state"].setdefault(str(number), {})[name] = value
    return tensors, plain


def _unflat(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(number): dict(values) for number, values in plain["state"].items()}
    for name, tensor in tensors.items():
        number, _, field = name.partition(".")
        state.setdefault(int(number), {})[field] = tensor
    return {"state": state, "param_groups": plain["param_groups"]}


def _random_states(model: Model) -> tuple[Tensor, Tensor]:
    """Of the host, and of the GPU that the model is on; without a GPU the second is empty."""
    device = next(model.parameters()).device
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.empty(0)


def _set_random_states(model: Model, host: Tensor, device: Tensor) -> None:
    torch.set_rng_state(host)
    if len(device):
        torch.cuda.set_rng_state(device, next(model.parameters()).device)

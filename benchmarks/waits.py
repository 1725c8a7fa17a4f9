"""Where a training step would wait for a GPU, as its operations' names say where there is no GPU."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Waits(TorchDispatchMode):
    """Counts operations, and those that would make the CPU wait for a GPU, with their places.

    A mask as index asks how many are true; `torch.tensor(number, device=…)` waits for its copy.
    """

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "lift_fresh")

    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[str] = Counter()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        views = {"view", "transpose", "t", "expand", "slice", "select", "unsqueeze", "detach", "_unsafe_view", "alias"}
        self.operations += name not in views
        masked = name in ("index", "index_put_", "index_put") and any(
            one is not None and one.dtype == torch.bool for one in args[1]
        )
        if name in self.NAMES or masked:
            frames = [f for f in traceback.extract_stack() if "/corpusforge/" in f.filename]
            inner = [f for f in traceback.extract_stack() if "/transformers/" in f.filename][-1:]
            where = (inner or frames[-1:])[0]
            if "from_numpy" in (where.line or ""):  # of the loader, on the host
                return func(*args, **(kwargs or {}))
            place = "/".join(Path(where.filename).parts[-2:])
            self.places[f"{name} at {place}:{where.lineno}: {(where.line or '').strip()[:90]}"] += 1
        return func(*args, **(kwargs or {}))

"""The folder of a training run: what was asked, where it ran, how it went.

```
runs/<name>/
  config.json            settings, and what else decides the run: data, encoders
  environment.json       versions and machine
  data.json              what it was given: groups, unknown tokens, padding, parameters
  metrics.jsonl          a line a step ({"step", "epoch", "stage", "total", "ce", ...}) and a line an epoch
                         ({"step", "epoch", "dev": {language: accuracy}, "M", "G", "best"})
  tensorboard/           the same for TensorBoard
  checkpoints/           last/ to go on from, best.safetensors
  model/                 the best weights with all that is needed to use them
  predictions-dev.jsonl, predictions-test.jsonl, results.json
```
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusforge.errors import CorpusforgeError, WorkspaceError
from corpusforge.train.config import TrainConfig

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

CONFIG, ENVIRONMENT, DATA, METRICS = "config.json", "environment.json", "data.json", "metrics.jsonl"
_FIRST = {ENVIRONMENT, f"{ENVIRONMENT}.tmp", f"{CONFIG}.tmp"}  # what a run that is killed in its first moment leaves
PACKAGES = ("corpusforge", "torch", "transformers", "tokenizers", "numpy", "safetensors", "scikit-learn", "gensim")


class Run:
    """An open run folder.

    Args:
        folder: `runs/<name>`; made if it is not there.
        config: Settings; those of a run that is there already must be the same.
        about: What else decides the run: digest of the dataset, encoders.
        writes: False for all processes of a run but one: they write nothing.
        board: Whether TensorBoard's files are written.

    Attributes:
        threads: torch's threads when the run began, on which the last digits of what a CPU computes depend.

    Raises:
        CorpusforgeError: The folder holds a run with other settings or data, or something else.
        WorkspaceError: The folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        about: Mapping[str, Any],
        *,
        writes: bool = True,
        board: bool = False,
    ) -> None:
        self.folder, self.writes = folder, writes
        self.threads = _threads(folder / ENVIRONMENT)
        self._board: SummaryWriter | None = None
        if not writes:
            return
        self._wants_board = board
        wanted = {"config": config.model_dump(mode="json"), **about}
        with written(folder, "--runs or --name"):
            _begin(folder, wanted)

    def log(self, **values: Any) -> None:
        """Append a line to metrics.jsonl."""
        if not self.writes:
            return
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
        if self._wants_board:
            self._show(values)

    def _show(self, values: Mapping[str, Any]) -> None:
        """The same for TensorBoard."""
        if self._board is None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._board = SummaryWriter(self.folder / "tensorboard", purge_step=values["step"])
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, values["step"])
            elif name == "dev":
                for lang, accuracy in value.items():
                    self._board.add_scalar(f"dev/{lang}", accuracy, values["step"])

    def rewind(self, step: int, epoch: int) -> None:
        """Drop what was logged after a step, and what dev gave from an epoch on: it is about to happen again.

        Dev is scored after the last step of an epoch, which may be the last in a checkpoint.
        """
        path = self.folder / METRICS
        if not self.writes or not path.is_file():
            return
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _whole(line)]
        found = [(line, json.loads(line)) for line in lines]
        kept = [line for line, one in found if one["step"] <= step and not ("dev" in one and one["epoch"] >= epoch)]
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        temporary.replace(path)

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file of the run."""
        if self.writes:
            write_json(self.folder / name, value)

    def close(self) -> None:
        """End TensorBoard's files."""
        if self._board is not None:
            self._board.close()


def read_config(folder: Path) -> tuple[TrainConfig, dict[str, Any]]:
    """Settings of a run, and what else decided it.

    Raises:
        CorpusforgeError: It is no run, or its config.json is damaged.
    """
    path = folder / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return TrainConfig.model_validate(found.pop("config")), found
    except FileNotFoundError:
        raise CorpusforgeError(f"{folder} is no training run: it has no {CONFIG}") from None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CorpusforgeError(f"{path} is damaged ({error}): train again under another --name") from None


@contextmanager
def written(folder: Path, option: str) -> Iterator[None]:
    """Say so where a folder cannot be made or written inside, and which option names another.

    Raises:
        WorkspaceError: That.
    """
    try:
        yield
    except OSError as error:
        raise WorkspaceError(
            f"the folder {folder} cannot be written ({error.strerror}: {error.filename}): name another with {option}"
        ) from error


def _begin(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Make the folder of a run, or see that it holds the same one."""
    path = folder / CONFIG
    if path.is_file():
        _check_same(path, json.loads(json.dumps(wanted)))
    elif folder.is_dir() and any(found.name not in _FIRST for found in folder.iterdir()):
        raise CorpusforgeError(f"{folder} is there already and is no training run: name another with --name")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / ENVIRONMENT, environment())
        write_json(path, wanted)
    (folder / "checkpoints").mkdir(exist_ok=True)


def _check_same(path: Path, wanted: Mapping[str, Any]) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        # A run of an earlier version has the defaults of settings that were not there yet.
        known = TrainConfig.model_validate(found["config"]).model_dump(mode="json")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CorpusforgeError(f"{path} is damaged ({error}): train again under another --name") from None
    differing = [name for name in wanted["config"] if known[name] != wanted["config"][name]]
    differing += [name for name in wanted if name != "config" and found.get(name) != wanted[name]]
    if differing:
        raise CorpusforgeError(
            f"{path.parent} holds a run with other settings ({', '.join(differing)} differ): name another with --name"
        )


def _threads(path: Path) -> int:
    """What environment.json says; this process' own number where no run has begun, or it does not say."""
    import torch

    try:
        return max(1, int(json.loads(path.read_text(encoding="utf-8"))["threads"]))
    except (OSError, ValueError, KeyError, TypeError):
        return torch.get_num_threads()


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def environment() -> dict[str, Any]:
    """What a run's speed and last digits may depend on."""
    import torch

    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "packages": packages,
        "arguments": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def write_json(path: Path, value: Any) -> None:
    """A JSON file that is there whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)

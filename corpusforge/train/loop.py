"""The training loop, from the first batch to the best weights: one file that reads top to bottom."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from corpusforge.errors import CorpusforgeError, Diverged
from corpusforge.train import checkpoint
from corpusforge.train.adversary import Adversary
from corpusforge.train.batch import Batch
from corpusforge.train.checkpoint import Progress
from corpusforge.train.config import Stage, TrainConfig
from corpusforge.train.distributed import World
from corpusforge.train.loader import Loader
from corpusforge.train.meta import meta_step
from corpusforge.train.metrics import accuracy_by_language, gini, mean_accuracy
from corpusforge.train.models import Model, parameter_counts, trained
from corpusforge.train.runs import Run

SAVE_EVERY = 60.0
"""Seconds between two checkpoints within an epoch."""
LOG_EVERY = 20
"""Steps between two looks at the losses: to look is to wait for the GPU."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How a split was answered: accuracy by language, its mean M and its Gini coefficient G (Algorithm 1)."""

    accuracy: dict[str, float]
    mean: float
    balance: float


class Pruned(Exception):
    """Whoever watches the training has seen enough of it."""


class Trainer:
    """Trains a model on the batches of a loader.

    Args:
        model: On its device; not in any stage yet.
        loader: Makes the batches.
        config: Settings.
        run: Where it is written down.
        tell: Told a line an epoch.
        watch: Given the number of an epoch of the last stage and its dev scores; may raise `Pruned`.
        bar: Whether a progress bar is drawn.
    """

    def __init__(
        self,
        model: Model,
        loader: Loader,
        config: TrainConfig,
        run: Run,
        *,
        tell: Callable[[str], None] = print,
        watch: Callable[[int, Scores], None] | None = None,
        bar: bool = False,
    ) -> None:
        self.model, self.loader, self.config, self.run = model, loader, config, run
        self.tell, self.watch, self.bar = tell, watch, bar
        self.world = model.world
        self.device = next(model.parameters()).device
        self._adversary: Adversary | None = None
        self._waiting: list[tuple[int, Mapping[str, Tensor | float]]] = []
        if config.compile:
            model.compile(dynamic=True)

    def train(self) -> Scores:
        """Train to the end, from wherever a checkpoint left off, and leave the model with its best weights.

        Returns:
            Dev scores of the best epoch.

        Raises:
            Diverged: A loss is not finite; the last checkpoint is kept.
        """
        folder = self.run.folder / "checkpoints"
        last, best = folder / "last", folder / "best.safetensors"
        # One process looks: to look may be to put a checkpoint in its place.
        progress = self.world.first(checkpoint.progress(last) if not self.world.rank else None) or Progress()
        if self.world.rank:  # all have the same weights, and each its own dropout; the first draws as one alone would
            torch.manual_seed(self.config.seed + self.world.rank)
        stages = self.config.stages
        for stage in stages[: progress.stage]:
            self._enter(stage)
        for number, stage in enumerate(stages[progress.stage :], progress.stage):
            self._enter(stage)
            if number > progress.stage:
                progress = Progress(stage=number, step=progress.step)
            self._stage(stage, progress)
        self._enter("main")
        checkpoint.load_weights(best, self.model)
        return self.score("dev")

    def _enter(self, stage: Stage) -> None:
        """Bring the model into a stage, with the same new adapters in every process."""
        self.model.enter(stage)
        self.world.share(self.model.adapters.parameters())
        # Each task of MetaAdapter is one process's alone.
        self.model.world = World() if stage == "meta" else self.world

    def _stage(self, stage: Stage, progress: Progress) -> None:
        """Train one stage to its end."""
        config, last = self.config, self.run.folder / "checkpoints" / "last"
        epochs = config.epochs if stage == "main" else config.adapter_epochs
        batches = self.loader.steps("train")
        steps = math.ceil(batches / config.accumulate)
        counts = parameter_counts(self.model)
        self.tell(f"{stage}: {counts['trained']:,} of {counts['all']:,} parameters are trained")
        optimizer = self._optimizer()
        checkpoint.load(last, self.model, optimizer, progress.stage, self.world)
        self.run.rewind(progress.step, progress.epoch)
        before = progress.step - progress.epoch * steps - math.ceil(progress.batch / config.accumulate)
        self._adversary = self._disturber()
        saved = time.monotonic()
        while progress.epoch < epochs and not self._tired(progress):
            self.model.train()
            done = math.ceil(progress.batch / config.accumulate)
            name = f"{stage} {progress.epoch + 1}/{epochs}"
            with tqdm(total=steps, initial=done, desc=name, disable=not self.bar, unit="step") as bar:
                for losses in self._updates(stage, progress, optimizer, before, steps * epochs):
                    progress.step += 1
                    progress.batch = min(progress.batch + config.accumulate, batches)
                    self._log(progress, stage, losses)
                    bar.update()
                    # Clocks differ, and either all processes save or none; to ask is to wait for the GPU.
                    asked = self.world.size == 1 or progress.step % LOG_EVERY == 0
                    if asked and self.world.first(time.monotonic() - saved > SAVE_EVERY):
                        self._save(optimizer, progress)
                        saved = time.monotonic()
            self._flush(progress, stage)
            if stage == "main":
                self._judge(progress)
            progress.epoch, progress.batch = progress.epoch + 1, 0
            self._save(optimizer, progress)
            saved = time.monotonic()
        if self._adversary is not None:
            self._adversary.close()

    def _updates(
        self, stage: Stage, progress: Progress, optimizer: torch.optim.Optimizer, before: int, steps: int
    ) -> Iterator[dict[str, Tensor | float]]:
        """Make the optimizer steps that are left of the epoch, one a turn; their losses.

        There were `before` steps in the stages before this one, which has `steps`.
        """
        if stage == "meta":
            for tasks in self.loader.tasks(
                "train",
                shuffle_seed=self.config.seed,
                epoch=_epoch(progress),
                skip=progress.batch,
                accumulate=self.config.accumulate,
            ):
                yield self._meta_step(tasks, (progress.step - before) / steps)
        else:
            for batches in self._steps(progress):
                yield self._step(batches, optimizer, progress.step - before, steps)

    def _judge(self, progress: Progress) -> None:
        """Score dev, and keep the weights if they are the best so far."""
        scores = self.score("dev")
        value = scores.mean - self.config.balance * scores.balance
        better = value > progress.best
        if better:
            if self.world.rank == 0:
                checkpoint.save_weights(self.run.folder / "checkpoints" / "best.safetensors", self.model)
            progress.best, progress.best_epoch, progress.waited = value, progress.epoch, 0
        else:
            progress.waited += 1
        self.run.log(
            step=progress.step, epoch=progress.epoch, dev=scores.accuracy, M=scores.mean, G=scores.balance, best=better
        )
        star = " *" if better else ""
        self.tell(f"epoch {progress.epoch + 1}: dev M {scores.mean:.4f}, G {scores.balance:.4f}{star}")
        if self.watch is not None:
            self.watch(progress.epoch, scores)

    def _tired(self, progress: Progress) -> bool:
        return self.config.patience is not None and progress.waited >= self.config.patience

    def _steps(self, progress: Progress) -> Iterator[list[Batch]]:
        """The batches of every optimizer step that is left of the epoch."""
        held: list[Batch] = []
        for batch in self.loader.batches(
            "train", shuffle_seed=self.config.seed, epoch=_epoch(progress), skip=progress.batch
        ):
            held.append(batch)
            if len(held) == self.config.accumulate:
                yield held
                held = []
        if held:
            yield held

    def _step(
        self, batches: list[Batch], optimizer: torch.optim.Optimizer, step: int, steps: int
    ) -> dict[str, Tensor | float]:
        """One optimizer step; the mean of its losses, over processes too."""
        rate = self._rate(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        optimizer.zero_grad(set_to_none=True)
        means: dict[str, Tensor | float] = {}
        for held in batches:
            batch = held.to(self.device)

            def forward(batch: Batch = batch) -> tuple[Tensor, dict[str, Tensor]]:
                whole, losses = self._losses(batch)
                return whole / len(batches), losses

            if self._adversary is not None and batch.tokens is not None:
                losses = self._adversary.train(batch.tokens, forward)
            else:
                whole, losses = forward()
                torch.autograd.backward(whole)
            for name, value in losses.items():
                means[name] = means.get(name, 0.0) + self.world.mean(value) / len(batches)
        self.world.average_gradients(self.model.parameters())
        means["gradient"] = nn.utils.clip_grad_norm_(trained(self.model), self.config.clip)
        optimizer.step()
        return {**means, "rate": rate}

    def _meta_step(self, halves: list[tuple[Batch, Batch]], progress: float) -> dict[str, Tensor | float]:
        """One outer step of MetaAdapter; no losses where no process has a task, as in a last step of one group."""

        def loss(held: Batch) -> Callable[[], Tensor]:
            return lambda: self._losses(held.to(self.device))[0]

        tasks = [(loss(support), loss(query)) for support, query in halves]
        found = meta_step(trained(self.model), tasks, progress, world=self.world)
        return {"total": float(np.mean(found))} if found else {}

    def _losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimised, and the losses by name."""
        with self._autocast():
            losses = self.model.losses(self.model(batch), batch)
        return losses["total"] + losses["alone"] if "alone" in losses else losses["total"], losses

    def _rate(self, step: int, steps: int) -> float:
        """Share of the learning rate: rises over the warm-up, then falls to 0 in a straight line."""
        warmup = self.config.warmup * steps
        if step < warmup:
            return (step + 1) / max(1.0, warmup)
        return max(0.0, (steps - step) / max(1.0, steps - warmup))

    def _optimizer(self) -> torch.optim.Optimizer:
        """AdamW; biases and norms do not decay, and what no checkpoint brought has a rate of its own."""
        config = self.config
        old = {id(parameter) for parameter in self.model.encoded()}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in trained(self.model):
            rate = config.learning_rate if id(parameter) in old else (config.head_rate or config.learning_rate)
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        settings = [
            {"params": parameters, "lr": rate, "initial_lr": rate, "weight_decay": decay}
            for (rate, decay), parameters in groups.items()
        ]
        return torch.optim.AdamW(settings, fused=True)

    def _disturber(self) -> Adversary | None:
        """What disturbs the word embeddings; None for models that are not disturbed."""
        config, world = self.config, self.world
        if not config.disturbs or self.model.text is None:
            return None
        words, size = self.model.text.word_embeddings, config.disturbance
        if config.model == "fgm":
            return Adversary(words, size=size, norm=config.norm, world=world)
        return Adversary(words, size=config.step, steps=config.steps, bound=size, norm=config.norm, world=world)

    def _autocast(self) -> AbstractContextManager[Any]:
        wanted = self.config.precision == "bf16" or (self.config.precision == "auto" and self.device.type == "cuda")
        return torch.autocast(self.device.type, torch.bfloat16) if wanted else nullcontext()

    def _log(self, progress: Progress, stage: Stage, losses: Mapping[str, Tensor | float]) -> None:
        if losses:
            self._waiting.append((progress.step, losses))
        if len(self._waiting) >= LOG_EVERY:
            self._flush(progress, stage)

    def _flush(self, progress: Progress, stage: Stage) -> None:
        """Write down the losses that wait.

        Raises:
            Diverged: One is not finite.
        """
        waiting, self._waiting = self._waiting, []
        tensors = [value for _, losses in waiting for value in losses.values() if isinstance(value, Tensor)]
        # All at once: the GPU would be waited for once a number.
        found = iter(torch.stack(tensors).tolist() if tensors else ())
        for step, losses in waiting:
            values = {name: next(found) if isinstance(value, Tensor) else value for name, value in losses.items()}
            if not math.isfinite(values["total"]):
                raise Diverged(
                    f"the loss of step {step} is {values['total']}: lower learning_rate (now "
                    f"{self.config.learning_rate:g}), or set precision to fp32"
                )
            self.run.log(step=step, epoch=progress.epoch, stage=stage, **values)

    def _save(self, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        self._flush(progress, self.config.stages[progress.stage])
        checkpoint.save(self.run.folder / "checkpoints" / "last", self.model, optimizer, progress, self.world)
        self.world.wait()

    @torch.inference_mode()
    def probabilities(self, split: str) -> tuple[list[str], np.ndarray]:
        """Ids and class probabilities [n, C] of a split."""
        self.model.eval()
        ids: list[str] = []
        found: list[np.ndarray] = []
        for batch in self.loader.batches(split):
            with self._autocast():
                output = self.model(batch.to(self.device))
            found.append(output.logits.float().softmax(-1).cpu().numpy())
            ids += batch.ids
        parts = self.world.gather((ids, np.concatenate(found)))
        return [id for some, _ in parts for id in some], np.concatenate([values for _, values in parts])

    def score(self, split: str) -> Scores:
        """Accuracy by language, M and G of a split."""
        ids, probabilities = self.probabilities(split)
        examples = {e.id: e for group in self.loader.dataset.examples[split] for e in group}
        known = [number for number, id in enumerate(ids) if examples[id].label is not None]
        labels = np.array([examples[ids[number]].label for number in known])
        langs = [examples[ids[number]].lang for number in known]
        accuracy = accuracy_by_language(labels, probabilities[known].argmax(-1), langs)
        return Scores(accuracy, mean_accuracy(accuracy), gini(accuracy))


def _epoch(progress: Progress) -> int:
    """What the order of the groups is drawn by: stages do not see them in the same order."""
    return 1000 * progress.stage + progress.epoch


def check(config: TrainConfig, world: World) -> None:
    """Refuse settings with which training would not be what they say.

    Raises:
        CorpusforgeError: Processes cannot share the groups, or no step would have a task for MetaAdapter.
    """
    if config.groups % world.size:
        raise CorpusforgeError(
            f"groups is {config.groups}, which {world.size} processes cannot share evenly: set groups to a multiple of "
            f"{world.size}, or start another number of processes"
        )
    if "meta" in config.stages and config.groups * config.accumulate < 2:
        raise CorpusforgeError(
            "adapter meta halves the rows that a language has in a step, and with groups 1 it has a single one: set "
            "groups or accumulate to 2 at least, or adapter to single"
        )


def seed_everything(seed: int, deterministic: bool = False) -> None:
    """Seed all that draws, and ask for deterministic kernels where wanted."""
    torch.manual_seed(seed)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False

"""VITS of transformers' parts, with noise that belongs to a sentence, and padding that no sentence hears.

`VitsModel.forward` draws its noise from the global generator for a whole batch at once, and its vocoder has no mask, so
that what a sentence sounds like depends on its neighbours: on their number, and on how much longer the longest is.
Here

- each sentence has a generator of its own on the CPU, seeded with its seed; a sentence comes out as
  `set_seed(seed); model(input_ids)` makes it;
- durations are found for each sentence alone: they are rounded up to whole frames, and a difference in the last bit,
  which a batch makes, would now and then add one;
- on the CPU a batch's sentences are spoken side by side, each by one thread: no sentence is padded, and neither the
  batch nor the number of cores changes a bit. (Padded batches are slower there: `benchmarks/neural.py`.)
- on a GPU a batch is padded and goes through flow and vocoder at once; what lies beyond a sentence's end is zeroed
  before every convolution, so that its end sounds as if it were alone.

Kim, Kong and Son, Conditional Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech (2021).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusforge.errors import RecipeError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

VITS = 1
"""Raised when the same ids, seed and settings become other samples."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a sentence is spoken.

    Attributes:
        noise: Scale of the noise of the prior: how much the voice varies. None is the checkpoint's own, as below.
        duration_noise: Scale of the noise of the duration predictor: how much the rhythm varies.
        rate: Speaking rate.
        faster: By how much the speaking rate is multiplied.
    """

    noise: float | None = None
    duration_noise: float | None = None
    rate: float | None = None
    faster: float = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """One sentence to be spoken: ids of the alphabet, seed of its noise, manner."""

    ids: tuple[int, ...]
    seed: int
    manner: Manner = Manner()


class Vits:
    """A checkpoint that has been loaded. `speak` is called by one thread at a time."""

    def __init__(self, folder: Path, device: str, half: bool, label: str) -> None:
        """Load the checkpoint in `folder` to `device` (`cpu`, `cuda`).

        Args:
            folder: With config.json and model.safetensors.
            device: Where it runs.
            half: Whether flow and vocoder compute in float16.
            label: Its name in messages.

        Raises:
            RecipeError: It is no VITS of one speaker.
        """
        import torch
        from torch.nn.utils import parametrize
        from transformers import VitsConfig, VitsModel
        from transformers.utils import logging as transformers_logging

        config = VitsConfig.from_pretrained(folder)
        if config.model_type != "vits" or config.num_speakers > 1:
            what = (
                f"{config.num_speakers} speakers" if config.num_speakers > 1 else f"a model of type {config.model_type}"
            )
            raise RecipeError(f"{label}: {what}; mms_tts speaks with VITS checkpoints of one speaker")
        logging: Any = transformers_logging
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            model: Any = VitsModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        finally:
            if bars:
                logging.enable_progress_bar()
        del model.posterior_encoder  # for training only
        for module in model.modules():
            # Weight normalization is computed anew in each forward pass, to the same values.
            if parametrize.is_parametrized(module):
                for name in list(module.parametrizations):
                    parametrize.remove_parametrizations(module, name)
        self.device = torch.device(device)
        model.eval().requires_grad_(False).to(self.device)
        self._precision = torch.float16 if half else torch.float32
        model.flow.to(self._precision)
        model.decoder.to(self._precision)
        self.model = model
        self.sample_rate = int(config.sampling_rate)
        self._label = label
        self._config: Any = config
        self._hop = 1
        for factor in config.upsample_rates:
            self._hop *= factor
        self._pool: ThreadPoolExecutor | None = None

    def speak(self, jobs: Sequence[Job]) -> list[NDArray[np.float32]]:
        """The samples of each sentence, in order."""
        import torch

        if self.device.type == "cpu":
            if self._pool is None:
                threads = torch.get_num_threads()
                self._pool = ThreadPoolExecutor(cores(), "vits", initializer=_work_alone, initargs=(threads,))
            # The longest first: else one core would still be busy with it when the others have nothing left.
            order = sorted(range(len(jobs)), key=lambda place: -len(jobs[place].ids))
            spoken = dict(zip(order, self._pool.map(self._alone, [jobs[place] for place in order]), strict=True))
            return [spoken[place] for place in range(len(jobs))]
        return self.together(jobs)

    def together(self, jobs: Sequence[Job]) -> list[NDArray[np.float32]]:
        """The samples of each sentence, with all of them in one pass through flow and vocoder.

        A batch that does not fit the GPU's memory is halved until it does.
        """
        import torch

        try:
            with torch.inference_mode():
                latents = [self._latents(job) for job in jobs]
                frames = [latent.shape[2] for latent in latents]
                padded = torch.zeros(len(jobs), latents[0].shape[1], max(frames), device=self.device)
                for row, latent in zip(padded, latents, strict=True):
                    row[:, : latent.shape[2]] = latent[0]
                waves = self._sound(padded, frames)
                return [
                    wave[: count * self._hop].float().cpu().numpy() for wave, count in zip(waves, frames, strict=True)
                ]
        except torch.OutOfMemoryError:
            if len(jobs) == 1:
                raise
        torch.cuda.empty_cache()
        middle = len(jobs) // 2
        return [*self.together(jobs[:middle]), *self.together(jobs[middle:])]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _alone(self, job: Job) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            latent = self._latents(job)
            samples: NDArray[np.float32] = self._sound(latent, [latent.shape[2]])[0].numpy()
            return samples

    def _latents(self, job: Job) -> torch.Tensor:
        """A draw of the prior, stretched to the drawn durations: 1 x channels x frames."""
        import torch

        if max(job.ids) >= self._config.vocab_size:
            raise RecipeError(
                f"{self._label}: vocab.json has an id {max(job.ids)}, but the weights are for "
                f"{self._config.vocab_size} characters: the files are of different checkpoints"
            )
        model, manner = self.model, job.manner
        noise_scale, duration_scale, rate = (
            own if given is None else given
            for given, own in (
                (manner.noise, self._config.noise_scale),
                (manner.duration_noise, self._config.noise_scale_duration),
                (manner.rate, self._config.speaking_rate),
            )
        )
        generator = torch.Generator().manual_seed(job.seed % 2**64)
        ids = torch.tensor([job.ids], device=self.device)
        everywhere = torch.ones(1, 1, len(job.ids), device=self.device)
        encoded = model.text_encoder(input_ids=ids, padding_mask=everywhere.transpose(1, 2), return_dict=True)
        hidden = encoded.last_hidden_state.transpose(1, 2)
        if self._config.use_stochastic_duration_prediction:
            noise = torch.randn(1, 2, len(job.ids), generator=generator).to(self.device) * duration_scale
            log_durations = self._durations(hidden, everywhere, noise)
        else:
            log_durations = model.duration_predictor(hidden, everywhere)
        durations = torch.ceil(torch.exp(log_durations) * (1.0 / (rate * manner.faster)))[0, 0].long()
        if not durations.any():
            durations[0] = 1
        # `forward` multiplies by a matrix of zeros and ones; repeating picks the same numbers.
        means = encoded.prior_means[0].repeat_interleave(durations, dim=0)
        deviations = torch.exp(encoded.prior_log_variances[0].repeat_interleave(durations, dim=0))
        # In the memory order of the tensor that `forward` fills: another order would be another draw.
        noise = torch.empty(1, *means.shape).transpose(1, 2).normal_(generator=generator)[0].T.to(self.device)
        latents: torch.Tensor = (means + noise * deviations * noise_scale).T[None]
        return latents

    def _durations(self, hidden: torch.Tensor, everywhere: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The logarithms of the durations in frames, as `VitsStochasticDurationPredictor.forward` in reverse."""
        import torch

        predictor = self.model.duration_predictor
        inputs = predictor.conv_proj(predictor.conv_dds(predictor.conv_pre(hidden), everywhere))
        flows = list(reversed(predictor.flows))
        for flow in [*flows[:-2], flows[-1]]:  # the last but one has no use, as the authors say
            latents, _ = flow(torch.flip(latents, [1]), everywhere, global_conditioning=inputs, reverse=True)
        return latents[:, :1]

    def _sound(self, latents: torch.Tensor, frames: Sequence[int]) -> torch.Tensor:
        """Samples of a batch of latents, padded to one length: batch x (frames * hop).

        The vocoder is `VitsHifiGan.forward` with a mask: a convolution with a bias makes something of nothing, which
        the next one would carry back over the sentence's end.
        """
        import torch
        from torch.nn.functional import leaky_relu

        vocoder, config = self.model.decoder, self._config
        latents = latents.to(self._precision)
        lengths = torch.tensor(list(frames), device=self.device)[:, None]
        mask = (torch.arange(latents.shape[2], device=self.device)[None] < lengths)[:, None].to(self._precision)
        even = min(frames) == latents.shape[2]

        def cut(values: torch.Tensor) -> torch.Tensor:
            return values if even else values.mul_(mask)

        states = cut(vocoder.conv_pre(cut(self.model.flow(latents, mask, reverse=True))))
        for stage, upsampler in enumerate(vocoder.upsampler):
            mask = mask.repeat_interleave(config.upsample_rates[stage], dim=2)
            states = cut(upsampler(leaky_relu(states, config.leaky_relu_slope)))
            total = None
            for block in vocoder.resblocks[stage * vocoder.num_kernels : (stage + 1) * vocoder.num_kernels]:
                one = states
                for first, second in zip(block.convs1, block.convs2, strict=True):
                    inner = cut(first(leaky_relu(one, block.leaky_relu_slope)))
                    one = cut(second(leaky_relu(inner, block.leaky_relu_slope))) + one
                total = one if total is None else total + one
            states = total / vocoder.num_kernels
        waves: torch.Tensor = torch.tanh(vocoder.conv_post(leaky_relu(states)))[:, 0]
        return waves


def _work_alone(others: int) -> None:
    """Let torch use no thread but this one in it, and `others` wherever else it is used in this process."""
    import torch

    torch.get_num_threads()  # else it would count them when it is first used here, after all
    torch.set_num_threads(1)
    # That is now what it gives to every new thread. Set elsewhere, the number does not change here.
    elsewhere = threading.Thread(target=torch.set_num_threads, args=(others,))
    elsewhere.start()
    elsewhere.join()


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_devices = threading.Lock()


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda` for a setting of `auto`, `cpu` or `cuda`.

    Raises:
        RecipeError: `cuda` is wanted, and torch sees no GPU.
    """
    import torch

    with _devices:
        there = torch.cuda.is_available()
        if wanted == "cuda" and not there:
            raise RecipeError(
                "synthesize.engines.mms_tts.device: cuda is wanted, but torch "
                f"{torch.__version__} sees no CUDA device here: use auto or cpu"
            )
        if there:
            # TF32 would round every product to 10 bits of mantissa.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
    return "cuda" if wanted != "cpu" and there else "cpu"

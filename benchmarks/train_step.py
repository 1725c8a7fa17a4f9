"""Time of a training step of MLCL, beside the plain way to write one: transformers' Trainer, audio in the collator.

    python benchmarks/train_step.py --size paper --device cuda     # targets: 35 ms on an H200, busy 85 %, 4 x faster
    python benchmarks/train_step.py --size thin --same-dropout     # the same on a CPU, scaled down; target: 4 x faster
    python benchmarks/train_step.py --size small                   # less scaled down
    python benchmarks/train_step.py --size tiny --profile          # which operations take the time

Both ways train the same model, with the same weights at the start, losses, fusion, adapters and optimizer, on batches
of 8 groups in 3 languages, and take turns in one run; steps that warm up are left out.

    ours    `corpusforge.train.loop.Trainer` on `Loader`: the front end's output from the cache, one forward of all rows
    plain   `transformers.Trainer`: its collator decodes FLAC, resamples and tokenises; wav2vec 2.0 from its waveform to
            its last layer on a padded batch, one forward a language

LayerDrop and SpecAugment are off in both; the losses of both ways on one batch are compared first, without dropout.
While it is trained, the plain way has dropout in the frozen wav2vec 2.0 too, as a model in training mode has, and ours
has not; `--same-dropout` takes it from the plain way as well. Weights are random and nothing is downloaded: `paper` has
the shapes of bert-base-multilingual-uncased and wav2vec2-base, `small` and `tiny` about the same share of work in the
front end. In `thin` a CPU takes about as long for a step as the target allows an H200, so that what the host does for
it, decoding above all, weighs as much as it would there; the wider the model, the more a CPU's step is arithmetic that
both ways share, and the smaller the ratio. The corpus is made of the sample: clips of 12 s as FLAC at 22,050 Hz
(`--rate`), each sentence as long as `max_length` allows; or `--corpus` names one.

A window is timed from one emptied GPU to the next. GPU busy: the time in which at least one kernel runs, from
torch.profiler's record of some steps, over the wall time of as many steps that are not profiled.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soxr
import torch
import transformers
from made import made_corpus
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from waits import Waits

from corpusforge import Corpus
from corpusforge.corpus.read import Record
from corpusforge.train.batch import Batch
from corpusforge.train.checkpoint import Progress
from corpusforge.train.config import TrainConfig, preset
from corpusforge.train.data import Dataset, read_dataset
from corpusforge.train.encoders.hf_speech import RATE, TransformerSpeech
from corpusforge.train.encoders.hf_text import TransformerText
from corpusforge.train.encoders.tiny import tiny_text
from corpusforge.train.features import FeatureCache, open_features
from corpusforge.train.loader import Loader
from corpusforge.train.loop import Trainer
from corpusforge.train.losses import pooled
from corpusforge.train.models import Mlcl, Output, build_model, parameter_counts
from corpusforge.train.pack import open_pack
from corpusforge.train.runs import Run

TARGET_MS, TARGET_BUSY, TARGET_RATIO = 35.0, 0.85, 4.0
WARM = 3
"""Steps before each window that do not count."""


@dataclass(frozen=True)
class Size:
    """Shapes of both encoders."""

    dim: int
    layers: int
    heads: int
    convolutions: int
    positional: int
    vocabulary: int
    adapter: int


SIZES = {
    "paper": Size(768, 12, 12, 512, 128, 105_879, 64),
    "small": Size(128, 4, 4, 64, 128, 6_000, 16),
    "tiny": Size(32, 2, 2, 16, 16, 6_000, 8),
    "thin": Size(16, 1, 1, 8, 16, 6_000, 4),
}


def encoders(size: Size, texts: Sequence[str]) -> tuple[TransformerText, TransformerSpeech]:
    """With random weights; a token is a character."""
    small = tiny_text(texts=texts)
    torch.manual_seed(0)
    bert = transformers.BertConfig(
        vocab_size=max(size.vocabulary, small.word_embeddings.num_embeddings),
        hidden_size=size.dim,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.dim,
        pad_token_id=small.pad_id,
        attn_implementation="sdpa",
    )
    wave = transformers.Wav2Vec2Config(
        hidden_size=size.dim,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.dim,
        conv_dim=(size.convolutions,) * 7,
        num_conv_pos_embeddings=size.positional,
        layerdrop=0.0,
        apply_spec_augment=False,
        attn_implementation="sdpa",
    )
    text = transformers.BertModel(bert, add_pooling_layer=False)
    speech = transformers.Wav2Vec2Model(wave)
    return (
        TransformerText(text.eval(), small.tokenizer, small.special, "bert"),
        TransformerSpeech(speech.eval(), "wav2vec2"),
    )


class Ours:
    """The training loop, a window of steps at a time."""

    def __init__(
        self, model: Mlcl, loader: Loader, config: TrainConfig, folder: Path, device: torch.device, steps: int
    ) -> None:
        self.device = device
        run = Run(folder / "run", config, {})
        self.trainer = Trainer(model, loader, config, run, tell=lambda words: None)
        self.optimizer, self.progress, self.steps = self.trainer._optimizer(), Progress(), steps
        self._taken = self._all()

    def _all(self) -> Iterator[None]:
        """Steps without end, as `Trainer._stage` makes them."""
        trainer, progress = self.trainer, self.progress
        trainer.model.train()
        while True:
            for batches in trainer._steps(progress):
                losses = trainer._step(batches, self.optimizer, progress.step, self.steps)
                progress.step += 1
                progress.batch += len(batches)
                trainer._log(progress, "main", losses)
                yield
            progress.epoch, progress.batch = progress.epoch + 1, 0

    def take(self, steps: int) -> None:
        for _ in range(steps):
            next(self._taken)

    def window(self, steps: int) -> float:
        """Seconds a step."""
        self.take(WARM)
        settle(self.device)
        start = time.perf_counter()
        self.take(steps)
        settle(self.device)
        return (time.perf_counter() - start) / steps


class Plain(nn.Module):
    """The same model as its parts' own examples would have it: waveforms in, one forward a language."""

    def __init__(self, model: Mlcl, frozen_dropout: bool) -> None:
        super().__init__()
        self.mlcl, self.frozen_dropout = model, frozen_dropout
        assert isinstance(model.text, TransformerText) and isinstance(model.speech, TransformerSpeech)
        self.text, self.speech = model.text.model, model.speech.model
        self._lang: Tensor | None = None
        model.speech.attach([])
        for layer, adapter in zip(self.speech.encoder.layers, model.adapters, strict=True):
            layer.register_forward_hook(lambda module, given, out, adapter=adapter: adapter(out, self._lang))

    def train(self, mode: bool = True) -> Plain:
        super().train(mode)
        self.speech.train(mode and self.frozen_dropout)
        return self

    def forward(self, parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        model, outputs = self.mlcl, []
        for part in parts:
            self._lang = part["lang"]
            hidden = self.text(part["input_ids"], part["attention_mask"]).last_hidden_state
            frames = self.speech(part["input_values"], part["sample_mask"]).last_hidden_state
            mask = self.speech._get_feature_vector_attention_mask(frames.shape[1], part["sample_mask"])
            frames, tokens = model.bridge(frames), part["attention_mask"].bool()
            fused = model.fusion(hidden, tokens, frames, mask)
            outputs.append((model.head(fused), pooled(hidden, tokens), pooled(frames, mask)))
        logits, text, speech = (torch.cat(some) for some in zip(*outputs, strict=True))
        rows = Batch([], *(torch.cat([part[name] for part in parts]) for name in ("group", "lang", "label")))
        losses = model.losses(Output(logits, text, speech), rows)
        return {"loss": losses["total"] + losses["alone"], "total": losses["total"]}


class Collator:
    """Parallel groups from their files: decoded, resampled, padded, tokenised; the rows of one language together."""

    def __init__(self, text: TransformerText, dataset: Dataset, max_length: int) -> None:
        self.tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=text.tokenizer, **text.special)
        self.waves = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
        self.languages, self.labels, self.max_length = dataset.languages, dataset.labels, max_length

    def __call__(self, groups: list[list[Record]]) -> dict[str, list[dict[str, Tensor]]]:
        parts = []
        for number, lang in enumerate(self.languages):
            rows = [(group, one) for group, some in enumerate(groups) for one in some if one.lang == lang]
            sounds = []
            for _, row in rows:
                samples, rate = row.load()
                sounds.append(samples if rate == RATE else soxr.resample(samples, rate, RATE))
            waves = self.waves(sounds, sampling_rate=RATE, padding=True, return_tensors="pt")
            tokens = self.tokenizer(
                [row.text for _, row in rows],
                truncation=True,
                max_length=self.max_length,
                padding=True,
                return_tensors="pt",
            )
            part = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
            part |= {"input_values": waves["input_values"], "sample_mask": waves["attention_mask"]}
            part |= {"lang": torch.full((len(rows),), number), "group": torch.tensor([group for group, _ in rows])}
            part["label"] = torch.tensor([self.labels.index(row.label or "") for _, row in rows])
            parts.append(part)
        return {"parts": parts}


class Window(transformers.TrainerCallback):
    """When the step before the window and the last one of it ended."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.start, self.end = device, 0.0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step in (WARM, state.max_steps):
            settle(self.device)
            self.start, self.end = self.end, time.perf_counter()


def plain_window(
    model: Plain,
    groups: list[list[Record]],
    collator: Collator,
    config: TrainConfig,
    device: torch.device,
    steps: int,
    workers: int,
    folder: Path,
) -> float:
    """Seconds a step of `transformers.Trainer`."""
    settings = transformers.TrainingArguments(
        output_dir=str(folder / "plain"),
        per_device_train_batch_size=config.groups,
        max_steps=WARM + steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        bf16=device.type == "cuda",
        use_cpu=device.type == "cpu",
        dataloader_num_workers=workers,
        dataloader_persistent_workers=workers > 0,
        remove_unused_columns=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    window = Window(device)
    trainer = transformers.Trainer(model, settings, data_collator=collator, train_dataset=groups, callbacks=[window])  # type: ignore[arg-type]
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return (window.end - window.start) / steps


def settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def autocast(device: torch.device) -> Any:
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def compare(
    ours: Mlcl, plain: Plain, loader: Loader, collator: Collator, records: dict[str, Record], device: torch.device
) -> tuple[float, float]:
    """The loss of both ways on one batch, without dropout."""
    batch = next(iter(loader.batches("dev")))
    groups: dict[int, list[Record]] = {}
    for id, group in zip(batch.ids, batch.group.tolist(), strict=True):
        groups.setdefault(group, []).append(records[id])
    parts = [
        {name: value.to(device) for name, value in part.items()} for part in collator(list(groups.values()))["parts"]
    ]
    ours.eval(), plain.eval()
    with torch.no_grad(), autocast(device):
        there = batch.to(device)
        return float(ours.losses(ours(there), there)["total"]), float(plain(parts)["total"])


def seconds(work: Any, device: torch.device, times: int = 5) -> float:
    """Median of several, after one that does not count."""
    work()
    found = []
    for _ in range(times):
        settle(device)
        start = time.perf_counter()
        work()
        settle(device)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def busy(ours: Ours, steps: int) -> tuple[float, int]:
    """Seconds a step in which a kernel runs, and the number of kernels a step."""
    ours.take(WARM)
    settle(ours.device)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        ours.take(steps)
        settle(ours.device)
    kernels = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
        and not event.is_user_annotation
        and not event.name.startswith(("Memcpy", "Memset"))
    )
    total, until = 0.0, float("-inf")
    for start, end in kernels:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total / 1e6 / steps, len(kernels) // steps


def waits(ours: Ours) -> None:
    """Print where a step waits for the GPU: as CUDA itself says, or by name of the operation where there is none."""
    if ours.device.type == "cuda":
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            ours.take(20)
            torch.cuda.set_sync_debug_mode("default")
        places = Counter(f"{'/'.join(Path(one.filename).parts[-2:])}:{one.lineno}" for one in found)
        print(f"waits for the GPU in 20 steps: {sum(places.values())}")
    else:
        ours.trainer._flush(ours.progress, "main")  # so that the step below is not one that looks at the losses
        with Waits() as seen:
            ours.take(1)
        places = seen.places
        print(f"{seen.operations:,} operations a step without views; {sum(places.values())} would wait for a GPU")
    for place, count in places.most_common():
        print(f"  {count} x {place}")


def table(ours: Ours, steps: int) -> None:
    """Print the slowest operations of a step."""
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (ours.device.type == "cuda")
    with profile(activities=activities) as found:
        ours.take(steps)
        settle(ours.device)
    by = "self_device_time_total" if ours.device.type == "cuda" else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=48))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--steps", type=int, default=None, help="in a window [20 on a GPU or of thin, else 3]")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each way")
    parser.add_argument("--groups", type=int, default=8, help="parallel groups a batch")
    parser.add_argument("--clips", type=int, default=240, help="of the corpus that is made")
    parser.add_argument("--rate", type=int, default=22_050, help="Hz of the corpus that is made")
    parser.add_argument("--workers", type=int, default=0, help="of the plain way's data loader, as Trainer's default")
    parser.add_argument("--same-dropout", action="store_true", help="none in the plain way's frozen encoder either")
    parser.add_argument("--compile", action="store_true", help="torch.compile for ours")
    parser.add_argument("--profile", action="store_true", help="print the slowest operations and the waits; no rival")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    device = torch.device(given.device)
    steps = given.steps or (20 if device.type == "cuda" or given.size == "thin" else 3)
    size = SIZES[given.size]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = Corpus(given.corpus or made_corpus(folder, given.clips, 12.0, given.rate))
        dataset = read_dataset(corpus)
        texts = [one.text for group in dataset.examples["train"] for one in group]
        text, speech = encoders(size, texts)
        config = preset("paper", groups=given.groups, adapter_dim=size.adapter, adapter_epochs=0, compile=given.compile)
        torch.manual_seed(1)
        model = build_model(config, len(dataset.languages), len(dataset.labels), text, speech)
        assert isinstance(model, Mlcl)
        model.enter("main")
        for adapter in model.adapters:  # they start as the identity: the comparison below would not see them
            nn.init.normal_(adapter.up, std=0.1)
        copy = Plain(deepcopy(model), not given.same_dropout).to(device)
        model.to(device)
        cache = features(corpus, speech, folder, device)
        loader = Loader(dataset, text=text, cache=cache, groups=given.groups, max_length=128, device=device)
        collator = Collator(text, dataset, 128)
        records = {record.id: record for record in corpus}
        groups = [[records[one.id] for one in group] for group in dataset.examples["train"]]
        counts = parameter_counts(model)
        batch = next(iter(loader.batches("train", shuffle_seed=0)))
        assert batch.tokens is not None and batch.features is not None
        print(
            f"{given.size} on {device}: {counts['all']:,} parameters, {counts['trained']:,} trained; {len(batch)} rows "
            f"of {batch.tokens.shape[1]} tokens and {batch.features.shape[1]} frames"
        )
        mine = Ours(model, loader, config, folder, device, steps=100_000)
        if given.profile:
            mine.take(WARM)
            waits(mine)
            table(mine, steps)
            return
        a, b = compare(model, copy, loader, collator, records, device)
        print(f"loss of one batch: ours {a:.5f}, plain {b:.5f}")
        if given.corpus is None and abs(a - b) > 0.01 * abs(a):
            raise SystemExit("the two ways do not compute the same: their times cannot be compared")
        ours, plain = [], []
        for number in range(given.rounds):
            model.train()
            ours.append(mine.window(steps))
            plain.append(plain_window(copy, groups, collator, config, device, steps, given.workers, folder))
            print(f"round {number + 1}: ours {1e3 * ours[-1]:,.1f} ms a step, plain {1e3 * plain[-1]:,.1f} ms")
        step, other = statistics.median(ours), statistics.median(plain)
        some = groups[: given.groups]
        decoding = seconds(lambda: collator(some), device)
        waves = [part["input_values"].to(device) for part in collator(some)["parts"]]

        def front() -> None:
            with torch.no_grad(), autocast(device):
                for wave in waves:
                    copy.speech.feature_extractor(wave)

        made = iter(replaced(loader))
        loading = seconds(lambda: next(made), device)
        print(
            f"plain: {1e3 * decoding:,.1f} ms a step in the collator, {1e3 * seconds(front, device):,.1f} ms in the "
            f"front end; ours: {1e3 * loading:,.1f} ms to make a batch"
        )
        gpu = device.type == "cuda"
        print(f"a step: ours {1e3 * step:,.1f} ms" + (f" (target on an H200: {TARGET_MS:.0f} ms)" if gpu else ""))
        print(f"plain {1e3 * other:,.1f} ms: {other / step:.2f} x as long (target: {TARGET_RATIO:.0f} x)")
        if gpu:
            running, kernels = busy(mine, steps)
            print(f"GPU busy {running / step:.1%} of a step (target: {TARGET_BUSY:.0%}), {kernels:,} kernels a step")
            waits(mine)


def features(corpus: Corpus, speech: TransformerSpeech, folder: Path, device: torch.device) -> FeatureCache:
    start = time.perf_counter()
    cache = open_features(open_pack(corpus, folder / "cache"), speech, folder / "cache", device=device)
    print(f"{len(cache):,} clips packed and their features cached in {time.perf_counter() - start:.1f} s, once")
    return cache


def replaced(loader: Loader) -> Iterator[Batch]:
    """Batches without end, made when they are asked for."""
    rows = loader._of("train")
    for epoch in range(1_000_000):
        for step in loader._plan(rows, "train", 0, epoch):
            yield loader._batch(rows, rows.of(step))


if __name__ == "__main__":
    main()

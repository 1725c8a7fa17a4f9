"""A whole training run: a corpus and settings in, a run folder out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from corpusforge.corpus.read import Corpus
from corpusforge.corpus.stats import table
from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json
from corpusforge.train.baselines import BASELINES
from corpusforge.train.config import TrainConfig
from corpusforge.train.data import Dataset, dataset_of
from corpusforge.train.distributed import World, device_of
from corpusforge.train.encoders import SpeechEncoder, TextEncoder, speech_encoder, text_encoder
from corpusforge.train.encoders.vocab import extend, unknown_shares, warning
from corpusforge.train.evaluation import RESULTS, evaluate_run
from corpusforge.train.features import FeatureCache, open_features
from corpusforge.train.loader import Loader
from corpusforge.train.loop import Scores, Trainer, check, seed_everything
from corpusforge.train.lower import open_lower
from corpusforge.train.models import build_model, parameter_counts
from corpusforge.train.pack import open_pack
from corpusforge.train.predictions import (
    predictions_of,
    predictions_path,
    read_predictions,
    widened,
    write_predictions,
)
from corpusforge.train.runs import DATA, Run, write_json, written
from corpusforge.train.saved import save_model, save_parts

JUDGED = ("dev", "test")
"""Splits that a run predicts when it ends, unless others are named."""


@dataclass(frozen=True)
class Place:
    """Where and how runs are made: nothing in it changes what comes out of them.

    Attributes:
        cache: Folder of packed audio and features, shared by runs.
        device: As torch names it; the GPU of this process, else the CPU, where it is not said.
        tell: Told a line now and then.
        warn: Told what the user should think about.
        watch: Given the number of an epoch and its dev scores; may raise `Pruned`.
        bar: Whether progress bars are drawn.
        board: Whether TensorBoard's files are written.
        world: The processes that train together.
    """

    cache: Path
    device: str | None = None
    tell: Callable[[str], None] = print
    warn: Callable[[str], None] = print
    watch: Callable[[int, Scores], None] | None = None
    bar: bool = False
    board: bool = True
    world: World = field(default_factory=World)


def train(
    corpus: Corpus | Path | str,
    config: TrainConfig,
    folder: Path,
    place: Place,
    *,
    judged: Sequence[str] = JUDGED,
) -> dict[str, Json]:
    """Train a model on a corpus, from wherever a run of the same name left off, and measure it.

    Args:
        corpus: What to train on.
        config: Settings.
        folder: `runs/<name>`; made if it is not there.
        place: Where and how.
        judged: Splits to predict when it ends.

    Returns:
        What `results.json` of the run says: what was measured on those splits, but those without a labelled row.

    Raises:
        CorpusError: The corpus cannot be trained on.
        MissingDependency: An encoder or a package is not here.
        CorpusforgeError: The folder holds another run, or training failed.
        Pruned: `place.watch` has seen enough.
    """
    started = time.monotonic()
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    warn = _once(place.warn, place.world)
    dataset = dataset_of(config, corpus, warn)
    asked = [split for split in judged if dataset.examples[split]]
    labelled = [split for split in asked if any(row.label is not None for row in dataset.rows(split))]
    for split in judged:
        if split not in labelled:
            lack = "utterance with a label" if split in asked else "utterance"
            warn(f"{split} has no {lack}: the model is not judged by it")
    if config.model == "unique":
        _train_unique(corpus, config, folder, place, dataset, asked)
    elif config.model in BASELINES:
        _train_baseline(config, folder, place, dataset, asked)
    else:
        with _own_threads():
            _train_network(corpus, config, folder, place, dataset, asked, started)
    results: dict[str, Json] = {}
    if place.world.rank == 0:
        results = evaluate_run(folder, splits=labelled)
    place.world.wait()
    return results


def train_seeds(
    corpus: Corpus | Path | str, config: TrainConfig, folder: Path, place: Place, seeds: int
) -> dict[str, Json]:
    """Train with several seeds, from `config.seed` on, each in a folder of its own; mean and deviation of all metrics.

    Returns:
        `results.json` of the folder: `{"seeds", "splits": {split: {"metrics": {name: {"mean", "sd", "values"}}}}}`.
    """
    found = []
    for seed in range(config.seed, config.seed + seeds):
        place.tell(f"seed {seed}")
        changed = config.model_copy(update={"seed": seed})
        found.append(train(corpus, changed, folder / f"seed-{seed}", place))
    if place.world.rank:
        return {}
    results: dict[str, Json] = {
        "run": folder.name,
        "seeds": list(range(config.seed, config.seed + seeds)),
        "splits": {},
    }
    for split in found[0]["splits"]:
        rows = [one["splits"][split]["metrics"] for one in found]
        values = {name: [row[name]["value"] for row in rows] for name in rows[0]}
        results["splits"][split] = {"metrics": {name: _spread(some) for name, some in values.items()}}
    write_json(folder / RESULTS, results)
    return results


def seeds_table(results: Mapping[str, Json]) -> str:
    """What `train_seeds` found as a table for a terminal."""
    rows = [
        (split, name, f"{row['mean']:.4f}", "" if row["sd"] is None else f"{row['sd']:.4f}")
        for split, found in results["splits"].items()
        for name, row in found["metrics"].items()
        if row["mean"] is not None
    ]
    return table(("split", "metric", f"mean of {len(results['seeds'])} seeds", "standard deviation"), rows)


def _spread(values: Sequence[float | None]) -> dict[str, Json]:
    """Mean and sample standard deviation; null where a value is."""
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    mean = float(np.mean(known)) if whole else None
    deviation = float(np.std(known, ddof=1)) if whole and len(known) > 1 else None
    return {"mean": mean, "sd": deviation, "values": list(values)}


@contextlib.contextmanager
def _own_threads() -> Iterator[None]:
    """Whatever number of threads torch takes inside, it has its former one afterwards."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_network(
    corpus: Corpus,
    config: TrainConfig,
    folder: Path,
    place: Place,
    dataset: Dataset,
    judged: Sequence[str],
    started: float,
) -> None:
    world, tell = place.world, _once(place.tell, place.world)
    device = device_of(place.device)
    check(config, world)
    seed_everything(config.seed, config.deterministic)
    text, shares = _text(config, dataset, tell, _once(place.warn, world))
    speech = speech_encoder(config.speech, seed=config.seed) if config.uses_speech else None
    about = {"corpus": corpus.name, "data": dataset.digest, "audio": dataset.audio if speech else None}
    about |= {"text": text.name if text else None, "speech": speech.name if speech else None}
    run = Run(folder, config, about, writes=world.rank == 0, board=place.board)
    torch.set_num_threads(run.threads)
    if world.rank:
        world.wait()  # one process makes what all of them read
    features = _features(corpus, speech, place, device) if speech else None
    lower = None
    if text is not None and config.freeze and not config.disturbs:
        tell(f"the lowest {config.freeze} layers of {text.name} are frozen: what they make of the text is kept")
        lower = open_lower(dataset, text.to(device).eval(), config.freeze, config.max_length, place.cache, device)
    if not world.rank:
        world.wait()
    loader = Loader(
        dataset,
        text=text,
        cache=features,
        groups=max(1, config.groups // world.size),
        max_length=config.max_length,
        rank=world.rank,
        world=world.size,
        device=device,
        lower=lower,
    )
    for split in ("train", "dev", *judged):
        loader.steps(split)  # complains, before hours of training, of what would be complained of after them
    seed_everything(config.seed)
    model = build_model(config, len(dataset.languages), len(dataset.labels), text, speech, world).to(device)
    trainer = Trainer(model, loader, config, run, tell=tell, watch=place.watch, bar=place.bar and world.rank == 0)
    padding = loader.padding("train", shuffle_seed=config.seed)
    tell(
        f"{len(dataset.examples['train']):,} groups of {len(dataset.languages)} languages, {loader.steps('train'):,} "
        f"steps an epoch on {device}; {padding}; ready after {time.monotonic() - started:.1f} s"
    )
    try:
        trainer.train()
        counts = parameter_counts(model)
        run.write(DATA, _about_data(dataset) | {"unknown": shares, "padding": str(padding), "parameters": counts})
        if world.rank == 0:  # before anything else can fail
            save_model(folder / "model", config, dataset, model.cpu())
            model.to(device)
        for split in judged:
            ids, probabilities = trainer.probabilities(split)
            if world.rank == 0:
                _write(folder, dataset, split, ids, probabilities)
    finally:
        run.close()


def _text(
    config: TrainConfig, dataset: Dataset, tell: Callable[[str], None], warn: Callable[[str], None]
) -> tuple[TextEncoder | None, dict[str, float]]:
    """The text encoder with its vocabulary extended, and the share of unknown tokens in each language of train."""
    if not config.uses_text:
        return None, {}
    lines: dict[str, list[str]] = {lang: [] for lang in dataset.languages}
    for group in dataset.examples["train"]:
        for example in group:
            lines[example.lang].append(example.text)
    every = [text for some in lines.values() for text in some]
    text = text_encoder(config.text, seed=config.seed, texts=every)
    _fits(config, text)
    if config.extend_vocab:
        extend(text, every, config.extend_vocab)
    shares = unknown_shares(text, lines)
    tell("unknown tokens: " + ", ".join(f"{share:.1%} of {lang}" for lang, share in shares.items()))
    if words := warning(text, shares):
        warn(words)
    return text, shares


def _fits(config: TrainConfig, text: TextEncoder) -> None:
    """Raise if the encoder lacks the position that the settings let stand for a sentence.

    XLNet has its [CLS] at the end, and the first position of a model that only looks back has read nothing.
    """
    fuses = config.model == "mlcl" and config.fusion == "cmbert"
    if config.pooling != "cls" and not fuses:
        return
    begins, ends = text.framed
    if not begins:
        trouble = f"{text.name} begins a text with no [CLS]"
    elif not _looks_ahead(text):
        trouble = f"the first position of {text.name} sees nothing of the text behind it"
    elif fuses and not ends:
        trouble = f"{text.name} ends a text with no [SEP]"
    else:
        return
    asked = "--fusion cmbert" if fuses else "pooling=cls"
    others = ["--fusion concat or mean"] * fuses + ["--set pooling=mean"] * (config.pooling == "cls")
    raise CorpusforgeError(f"{trouble}, which {asked} needs: choose {' and '.join(others)}")


@torch.inference_mode()
def _looks_ahead(text: TextEncoder) -> bool:
    """Whether the hidden state of the first position depends on the next."""
    first, *_ = text.tokenize(["a b"], 8)[0]
    tokens = torch.tensor([[first, 1], [first, 2]])
    training = text.training
    text.eval()
    one, other = text(tokens, torch.ones_like(tokens, dtype=torch.bool))[:, 0]
    text.train(training)
    return not torch.allclose(one, other, rtol=0, atol=1e-5)


def _features(corpus: Corpus, speech: SpeechEncoder, place: Place, device: torch.device) -> FeatureCache:
    """The front end's output for every clip of the corpus, from the cache if it is there."""
    with written(place.cache, "--cache"):
        place.cache.mkdir(parents=True, exist_ok=True)
    pack = open_pack(corpus, place.cache)
    speech.to(device)
    return open_features(pack, speech, place.cache, device=device)


def _train_unique(
    corpus: Corpus, config: TrainConfig, folder: Path, place: Place, dataset: Dataset, judged: Sequence[str]
) -> None:
    """One model a language, each in a folder of its own; their predictions and models together are the run's."""
    alone = {lang: config.model_copy(update={"model": "combined", "languages": (lang,)}) for lang in dataset.languages}
    for changed in alone.values():  # what one of them cannot learn from is said before the first is trained
        dataset_of(changed, corpus, lambda words: None)
    run = Run(folder, config, {"corpus": corpus.name, "data": dataset.digest}, writes=place.world.rank == 0)
    for lang, changed in alone.items():
        place.tell(f"unique: {lang}")
        train(corpus, changed, folder / lang, place, judged=judged)
    if place.world.rank:
        return
    run.write(DATA, _about_data(dataset))
    save_parts(folder / "model", config, dataset, {lang: folder / lang / "model" for lang in dataset.languages})
    for split in judged:
        said = [read_predictions(predictions_path(folder / lang, split)) for lang in dataset.languages]
        ids = [id for one in said for id in one.ids]
        chances = [widened(one.probabilities, one.labels, dataset.labels) for one in said]
        _write(folder, dataset, split, ids, np.concatenate(chances))


def _train_baseline(config: TrainConfig, folder: Path, place: Place, dataset: Dataset, judged: Sequence[str]) -> None:
    if place.world.rank:
        return
    run = Run(folder, config, {"data": dataset.digest})
    baseline = BASELINES[config.model](config.seed)
    baseline.fit(dataset)
    run.write(DATA, _about_data(dataset) | {"chosen": baseline.chosen})
    save_model(folder / "model", config, dataset, baseline)
    for split in judged:
        rows = dataset.rows(split)
        write_predictions(predictions_path(folder, split), predictions_of(dataset, rows, baseline.probabilities(rows)))


def _write(folder: Path, dataset: Dataset, split: str, ids: Sequence[str], probabilities: np.ndarray) -> None:
    """Predictions in the manifest's order, whatever batches they came from."""
    place_of = {id: number for number, id in enumerate(ids)}
    rows = dataset.rows(split)
    ordered = probabilities[[place_of[row.id] for row in rows]]
    write_predictions(predictions_path(folder, split), predictions_of(dataset, rows, ordered))


def _about_data(dataset: Dataset) -> dict[str, Json]:
    groups = {split: len(found) for split, found in dataset.examples.items()}
    return {"languages": list(dataset.languages), "labels": list(dataset.labels), "groups": groups}


def _once(tell: Callable[[str], None], world: World) -> Callable[[str], None]:
    """Only the first process speaks."""
    return tell if world.rank == 0 else lambda words: None

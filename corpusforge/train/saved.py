"""A trained model as a folder, and back: `model/` of a run, or what was published of it.

```
model.json             settings, languages, labels
trained.json           a digest of every sentence of train, by which what was trained on is known again
text/, speech/         encoders, as transformers reads them
weights.safetensors    all else
baseline.json          instead of those, for a baseline: the sentences it learned from, since it is fitted in seconds
                       and a pickle would run whatever its author likes
<language>/            a model of each language, for `unique`
```
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from corpusforge.errors import CorpusforgeError
from corpusforge.train.baselines import BASELINES, Baseline
from corpusforge.train.config import TrainConfig
from corpusforge.train.data import Dataset, Example
from corpusforge.train.encoders import SpeechEncoder, TextEncoder, speech_encoder, text_encoder
from corpusforge.train.models import Model, build_model

MODEL, TRAINED, WEIGHTS, BASELINE = "model.json", "trained.json", "weights.safetensors", "baseline.json"
FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """A model that was loaded.

    Attributes:
        config: Its settings.
        languages, labels: What it was trained on, in its order.
        model: The neural network; None for a baseline and for `unique`.
        baseline: The baseline; None for a neural network.
        parts: One for each language, of `unique`.
        trained: `sentence_digest` of all that it was trained on; empty for models of earlier versions.
    """

    config: TrainConfig
    languages: tuple[str, ...]
    labels: tuple[str, ...]
    model: Model | None = None
    baseline: Baseline | None = None
    parts: Mapping[str, Saved] | None = None
    trained: frozenset[str] = frozenset()


def sentence_digest(example: Example) -> str:
    """What a sentence of a language is known by, in 16 hex digits, whatever its id and corpus."""
    body = f"{example.lang}\n{example.text}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(body).hexdigest()[:16]


def save_model(folder: Path, config: TrainConfig, dataset: Dataset, model: Model | Baseline) -> None:
    """Write a model of `dataset`, whole or not at all."""
    temporary = _begin(folder)
    _describe(temporary, config, dataset)
    if isinstance(model, Model):
        own = {
            name: tensor.detach().cpu().contiguous().clone()
            for name, tensor in model.state_dict().items()
            if name.partition(".")[0] not in ("text", "speech")
        }
        save_file(own, temporary / WEIGHTS)
        for name, encoder in (("text", model.text), ("speech", model.speech)):
            if encoder is not None:
                encoder.save(temporary / name)
    else:
        rows = [asdict(example) for group in dataset.examples["train"] for example in group]
        body = {"chosen": model.chosen, "seed": model.seed, "train": rows}
        (temporary / BASELINE).write_text(json.dumps(body, ensure_ascii=False) + "\n", encoding="utf-8")
    _finish(temporary, folder)


def save_parts(folder: Path, config: TrainConfig, dataset: Dataset, parts: Mapping[str, Path]) -> None:
    """Write `unique`'s model out of those of its languages."""
    temporary = _begin(folder)
    _describe(temporary, config, dataset)
    for lang, part in parts.items():
        shutil.copytree(part, temporary / lang)
    _finish(temporary, folder)


def load_model(folder: Path) -> Saved:
    """The model of a folder, on the CPU and in evaluation mode.

    Raises:
        CorpusforgeError: There is none, or it is damaged.
    """
    path = folder / MODEL
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise CorpusforgeError(f"{path} is of format {said['format']}, expected {FORMAT}: train again, or update")
        config = TrainConfig.model_validate(said["config"])
        languages, labels = tuple(said["languages"]), tuple(said["labels"])
        saved = Saved(config, languages, labels, trained=_trained(folder / TRAINED))
        if config.model == "unique":
            return replace(saved, parts={lang: load_model(folder / lang) for lang in languages})
        if config.model in BASELINES:
            return replace(saved, baseline=_baseline(folder, config, languages, labels))
        return replace(saved, model=_network(folder, config, languages, labels))
    except FileNotFoundError as error:
        # safetensors names the file in its words alone.
        lacking = WEIGHTS if path.is_file() and not error.filename else Path(error.filename or path).name
        raise CorpusforgeError(f"{folder} holds no whole model: {lacking} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CorpusforgeError(f"{folder}: this model cannot be read ({error}): copy or train it again") from None


def _network(folder: Path, config: TrainConfig, languages: Sequence[str], labels: Sequence[str]) -> Model:
    text: TextEncoder | None = text_encoder(str(folder / "text")) if config.uses_text else None
    speech: SpeechEncoder | None = speech_encoder(str(folder / "speech")) if config.uses_speech else None
    model = build_model(config, len(languages), len(labels), text, speech)
    for stage in config.stages:
        model.enter(stage)
    found = load_file(folder / WEIGHTS)
    wanted = {name for name in model.state_dict() if name.partition(".")[0] not in ("text", "speech")}
    if found.keys() != wanted:
        raise ValueError(f"weights of another model: {', '.join(sorted(found.keys() ^ wanted)[:3])}")
    model.load_state_dict(found, strict=False)
    return model.eval()


def _baseline(folder: Path, config: TrainConfig, languages: tuple[str, ...], labels: tuple[str, ...]) -> Baseline:
    body = json.loads((folder / BASELINE).read_text(encoding="utf-8"))
    examples = tuple((Example(**row),) for row in body["train"])
    baseline = BASELINES[config.model](body["seed"])
    baseline.fit(Dataset(languages, labels, {"train": examples}, "", ""), chosen=body["chosen"])
    return baseline


def _describe(folder: Path, config: TrainConfig, dataset: Dataset) -> None:
    body = {
        "format": FORMAT,
        "config": config.model_dump(mode="json"),
        "languages": list(dataset.languages),
        "labels": list(dataset.labels),
    }
    (folder / MODEL).write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    trained = {sentence_digest(example) for group in dataset.examples["train"] for example in group}
    (folder / TRAINED).write_text(json.dumps(sorted(trained)) + "\n", encoding="utf-8")


def _trained(path: Path) -> frozenset[str]:
    return frozenset(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else frozenset()


def _begin(folder: Path) -> Path:
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def _finish(temporary: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)

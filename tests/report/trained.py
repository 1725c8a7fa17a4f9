"""Run folders as the trainer leaves them: predictions and results by its own writers, a log line by line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from corpusforge.train.evaluation import evaluate_run
from corpusforge.train.predictions import predictions_of, predictions_path, write_predictions
from tests.train.flores import dataset

LANGUAGES = ("bod_Tibt", "mya_Mymr", "zho_Hans")


def train(folder: Path, skill: float = 1.0, *, labels: str = "abc", measured: bool = True, epochs: int = 4) -> Path:
    """A run of three languages; the greater its skill, the more often it is right."""
    folder.mkdir(parents=True)
    data = dataset(
        (f"g{number:03}", f"d{number // 3}", lang, "字", labels[number % len(labels)], "test")
        for number in range(90)
        for lang in LANGUAGES
    )
    random = np.random.default_rng(1)
    examples = [example for group in data.examples["test"] for example in group]
    chances = random.dirichlet([1] * len(data.labels), len(examples))
    chances[range(len(examples)), [example.label for example in examples]] += skill * random.random(len(examples))
    predictions = predictions_of(data, examples, chances / chances.sum(axis=1, keepdims=True))
    write_predictions(predictions_path(folder, "test"), predictions)
    config = {"model": "mlcl", "text": "tiny", "speech": "tiny", "epochs": epochs, "learning_rate": 3e-5}
    (folder / "config.json").write_text(json.dumps({"config": config, "dataset": data.digest}))
    (folder / "environment.json").write_text(json.dumps({"python": "3.11.9", "packages": {"torch": "2.13"}}))
    with (folder / "metrics.jsonl").open("w") as log:
        for epoch in range(epochs):
            for step in range(30 * epoch, 30 * (epoch + 1)):
                ce = 1.1 * float(np.exp(-step * skill / 80)) + 0.05 * random.random()
                losses = {"total": ce + 0.4, "ce": ce, "mcl": 0.3 + 0.1 * random.random(), "lcl": 0.2}
                line = {"step": step + 1, "epoch": epoch, **losses, "gradient": random.random(), "rate": 1 - step / 120}
                log.write(json.dumps(line) + "\n")
            dev = {lang: min(1.0, (0.4 + 0.1 * place + 0.05 * epoch) * skill) for place, lang in enumerate(LANGUAGES)}
            scores = {"dev": dev, "M": sum(dev.values()) / 3, "G": 0.1 / skill}
            log.write(json.dumps({"step": 30 * (epoch + 1), "epoch": epoch, **scores}) + "\n")
    if measured:
        evaluate_run(folder, replicates=50)
    return folder

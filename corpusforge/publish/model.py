"""Publishes the model of a training run: the files of `model/` as they are, and a card with what it was measured to do.

A run folder is read as plain files: `config.json`, `environment.json`, `data.json`, `results.json` and `model/`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from corpusforge.errors import CorpusforgeError, WorkspaceError
from corpusforge.items import Json
from corpusforge.net.policy import Policy
from corpusforge.net.secrets import redact
from corpusforge.publish.card import iso
from corpusforge.publish.hub import CARD, GENTLE, Committed, Target, Upload
from corpusforge.publish.markers import memory, merged, table
from corpusforge.publish.plan import Plan
from corpusforge.publish.revision import package_revision

MODEL = "model"
Splits = Mapping[str, Mapping[str, Json]]


def is_run(folder: Path) -> bool:
    """Whether a folder looks like a training run's, finished or not."""
    return any((folder / name).exists() for name in (MODEL, "config.json", "results.json"))


def publish_run(
    run: Path, target: Target, policy: Policy = GENTLE, note: Callable[[str], None] = lambda words: None
) -> Committed:
    """Bring the repository to what the run's model is: files, card, tag; then compare all hashes.

    Args:
        run: Its folder.
        target: Where to.
        policy: When a request is tried again.
        note: Told of every step.

    Raises:
        CorpusforgeError: The folder is no finished run.
        PublishError: The Hub refuses, is not reached, or holds something else afterwards.
        CardError: The card that is there cannot be brought up to date.
    """
    model_card(run, None, target.repo)  # what is wrong with the run is said before anything is sent
    files = _files(run)
    large = [path for path in files if _is_large(run / MODEL / path)]
    small = {path: (run / MODEL / path).read_bytes() for path in files if path not in large}
    with Upload(target, policy) as upload:
        upload.prepare()
        new = upload.send(run / MODEL, large)
        note(f"{len(large)} large files are there: {new} had to be sent")
        committed = upload.commit(
            f"{run.resolve().name}: model and card",
            lambda old: model_card(run, old, target.repo),
            small,
            lambda path, old: path in memory(old or "").get("files", []),
        )
        committed = upload.tag(committed)
        count = upload.compare(committed.revision)
        note(f"{count:,} files on the Hub have the hashes of ours")
    return committed


def write_run(run: Path, folder: Path, repo: str) -> None:
    """Everything that `publish_run` would send, in a folder; a card that is there keeps what people wrote.

    Raises:
        CorpusforgeError: The folder is no finished run, or `folder` cannot be written.
    """
    there = folder / CARD
    try:
        text = model_card(run, there.read_text(encoding="utf-8") if there.is_file() else None, repo)
        for path in _files(run):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / MODEL / path, target.with_name(target.name + ".tmp"))
            os.replace(target.with_name(target.name + ".tmp"), target)
        temporary = there.with_name(CARD + ".tmp")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, there)
    except OSError as error:
        raise WorkspaceError(f"{folder} cannot be written ({error.strerror}): choose a folder that can be") from error


def plan_run(run: Path, target: Target) -> Plan:
    """What `publish_run` would send. Nobody is asked."""
    text = model_card(run, None, target.repo)
    sizes = [(path, (run / MODEL / path).stat().st_size) for path in _files(run)]
    return Plan(target.repo, "model", ((CARD, len(text.encode())), *sizes), text)


def model_card(run: Path, existing: str | None, repo: str) -> str:
    """The card, with what people wrote in the one that is there kept.

    Raises:
        CorpusforgeError: The folder is no finished run, or one of its files is damaged.
        CardError: The existing card cannot be read.
    """
    files = _files(run)
    about, environment, results = (_read(run / name) for name in ("config.json", "environment.json", "results.json"))
    splits: Splits = results.get("splits") or {}
    if not splits:
        raise CorpusforgeError(f"{run / 'results.json'} has no results: run `corpusforge evaluate {run}` first")
    langs = list(dict.fromkeys(lang for split in splits.values() for lang in split["languages"]))
    name = run.resolve().name
    proposed = {
        "library_name": "corpusforge",
        "pipeline_tag": "text-classification",
        "tags": ["corpusforge", "speech", "synthetic-speech"],
    }
    fixed = {
        "language": sorted({iso(lang) for lang in langs}),
        "model-index": [{"name": name, "results": [_index(part, split, about) for part, split in splits.items()]}],
    }
    blocks = {
        "summary": _summary(about, langs, splits),
        "use": f"## Use\n\n```\ncorpusforge predict --model {repo} --lang {langs[0]} --text SENTENCE\n```",
        "results": _results(splits),
        "data": _data(run, about),
        "training": _training(about, environment),
        "limits": _limits(splits, files),
    }
    return merged(existing, title=name, facts=fixed, proposed=proposed, blocks=blocks, noted={"files": files})


def _files(run: Path) -> list[str]:
    folder = run / MODEL
    found = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    found = [path for path in found if path != CARD and not path.endswith(".tmp")]
    if not found:
        seeds = sorted(one.name for one in run.glob("seed-*") if (one / MODEL).is_dir())
        mend = f"it has several: give one, {run / seeds[0]}" if seeds else "let `corpusforge train` end"
        raise CorpusforgeError(f"{run} has no model in {MODEL}/: {mend}")
    return found


def _is_large(file: Path) -> bool:
    return file.stat().st_size > 1_000_000 or file.suffix in {".safetensors", ".bin", ".pt"}


def _read(path: Path) -> Mapping[str, Json]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        mend = f"run `corpusforge evaluate {path.parent}`" if path.name == "results.json" else "train again"
        raise CorpusforgeError(f"{path} is missing: {mend}") from None
    except (OSError, ValueError) as error:
        raise CorpusforgeError(f"{path} cannot be read ({error}): train or evaluate again") from error
    if not isinstance(found, dict):
        raise CorpusforgeError(f"{path} holds no JSON object: train or evaluate again")
    return found


def _index(part: str, split: Mapping[str, Json], about: Mapping[str, Json]) -> dict[str, Json]:
    metrics = [
        {"type": name.partition("/")[0], "name": name, "value": row["value"]}
        for name, row in split["metrics"].items()
        if row["value"] is not None
    ]
    dataset = {"name": str(about.get("corpus", "corpus")), "type": "corpusforge", "split": part}
    return {"task": {"type": "text-classification"}, "dataset": dataset, "metrics": metrics}


def _summary(about: Mapping[str, Json], langs: list[str], splits: Splits) -> str:
    labels = next(iter(splits.values()))["labels"]
    kind, corpus = about.get("config", {}).get("model", "unknown"), about.get("corpus", "unknown")
    return (
        f"A classifier (`{kind}`) of sentences in {', '.join(langs)}, trained on the corpus `{corpus}`. Classes: "
        f"{', '.join(map(str, labels))}. Published by {package_revision()}."
    )


def _results(splits: Splits) -> str:
    parts = ["## Results"]
    for part, split in splits.items():
        metrics, drawn = split["metrics"], split["bootstrap"]
        rows = []
        for scope in (*split["languages"], "all"):
            cells = [_interval(metrics.get(f"{name}/{scope}")) for name in ("accuracy", "macro_f1", "ece")]
            rows.append([scope, split["scopes"][scope]["utterances"], *cells])
        parts.append(
            f"**{part}**: M = {_interval(metrics.get('M'))} (mean accuracy of the languages), "
            f"G = {_interval(metrics.get('G'))} (their Gini coefficient); {drawn['level']:.0%} intervals from "
            f"{drawn['replicates']:,} samples of {drawn['units']:,} {drawn['unit']}s."
        )
        parts.append(table(["language", "utterances", "accuracy", "macro F1", "ECE"], rows))
    return "\n\n".join(parts)


def _interval(row: Mapping[str, Json] | None) -> str | None:
    if row is None or row["value"] is None:
        return None
    low, high = row.get("low"), row.get("high")
    return f"{row['value']:.4f}" + ("" if low is None or high is None else f" [{low:.4f}, {high:.4f}]")


def _data(run: Path, about: Mapping[str, Json]) -> str:
    known = {name: value for name, value in about.items() if name != "config" and value is not None}
    if (run / "data.json").is_file():
        known |= _read(run / "data.json")
    return "## Data and encoders\n\n" + table(["", "value"], [[name, _plain(value)] for name, value in known.items()])


def _training(about: Mapping[str, Json], environment: Mapping[str, Json]) -> str:
    rows = [[name, _plain(value)] for name, value in about.get("config", {}).items()]
    packages = ", ".join(
        f"{name} {version}" for name, version in sorted((environment.get("packages") or {}).items()) if version
    )
    gpus = ", ".join(environment.get("gpus") or ()) or "no GPU"
    return (
        f"## Training\n\nWith {packages or 'unknown versions'}, Python {environment.get('python', '?')}, {gpus}.\n\n"
        f"<details><summary>All settings</summary>\n\n{table(['setting', 'value'], rows)}\n\n</details>"
    )


def _limits(splits: Splits, files: list[str]) -> str:
    points = [
        "Speech in the training corpus may be synthetic: see the card of the corpus. What is measured on it does not "
        "carry over to recorded speech as it stands.",
        "It knows the classes above and no other: whatever it is given gets one of them.",
    ]
    for part, split in splits.items():
        by_lang = {lang: split["metrics"].get(f"accuracy/{lang}", {}).get("value") for lang in split["languages"]}
        scores = {lang: value for lang, value in by_lang.items() if value is not None}
        if len(scores) > 1:
            worst = min(scores, key=lambda lang: scores[lang])
            points.append(f"Languages differ: on {part}, {worst} is the worst with an accuracy of {scores[worst]:.4f}.")
    if any(path.rpartition("/")[2] == "baseline.json" for path in files):
        points.append("It holds the sentences that it was trained on, under the licences of the corpus.")
    return "## Limits\n\n" + "\n".join(f"- {point}" for point in points)


def _plain(value: Json) -> str:
    """A value for a table: paths of this machine become the last part of them, and no secret is shown."""
    if isinstance(value, str):
        return redact(Path(value).name if value.startswith(("/", "~")) else value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)

"""Writes the page of a corpus or of a run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from corpusforge.corpus.layout import COMMIT, INFO
from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json
from corpusforge.report.folder import replacing
from corpusforge.report.groups import write_groups
from corpusforge.report.runs import (
    CONFIG,
    ENVIRONMENT,
    METRICS,
    RESULTS,
    RunFiles,
    comparisons,
    curves,
    is_run,
    mistakes,
    read_run,
    splits,
)
from corpusforge.report.summary import crossed, tongue

PAGE = "report"
"""Folder of the page, in the corpus's or the run's own."""

Audio = Literal["refer", "link", "copy"]


@dataclass(frozen=True, slots=True)
class Work:
    """Results of a stage that a corpus went through, and the seconds that workers spent on them."""

    stage: str
    results: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Effort:
    """What a workspace knows of the making of a corpus.

    Attributes:
        work: By stage.
        requests, tokens_in, tokens_out, usd: Paid to models, over all builds.
    """

    work: Sequence[Work]
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Made:
    """A page that was written.

    Attributes:
        index: The file to open.
        silent: One line about each clip that could not be read.
    """

    index: Path
    silent: Sequence[str]


def kind_of(folder: Path) -> Literal["corpus", "run"]:
    """What a folder holds.

    Raises:
        CorpusforgeError: Neither a corpus nor a run.
    """
    if (folder / INFO).is_file() or (folder / COMMIT / INFO).is_file():
        return "corpus"
    if is_run(folder):
        return "run"
    what = "holds neither" if folder.is_dir() else "is no folder, let alone"
    raise CorpusforgeError(
        f"{folder} {what} a corpus ({INFO}) nor a training run ({CONFIG}): name a folder that `corpusforge build` or "
        "`corpusforge train` has made, such as manifests/flores200 or runs/mlcl"
    )


def write_corpus_page(
    folder: Path,
    out: Path | None = None,
    *,
    audio: Audio = "refer",
    compare: Sequence[Path] = (),
    effort: Effort | None = None,
    spectrograms: bool = True,
    jobs: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> Made:
    """Write the page of a corpus.

    Args:
        folder: The corpus's.
        out: Where the page goes; `report` in the corpus by default. A page that is there is replaced.
        audio: `refer` to the corpus's own files by a relative path, or `link` or `copy` them into the page's folder.
        compare: Runs that were trained on the corpus.
        effort: What the workspace knows of its making.
        spectrograms: Whether there are any; they are most of the page's size and of the time it takes.
        jobs: Processes that make pictures of clips.
        progress: Told how many groups are done, again and again.

    Raises:
        CorpusforgeError: The corpus or a run is damaged, or the folder cannot be written.
    """
    corpus = Corpus(folder)
    out = out or folder / PAGE
    runs = [read_run(run) for run in compare]
    base = _way(out, folder) if audio == "refer" else "./"
    facts: dict[str, Json] = {"kind": "corpus", "name": corpus.name, "made_from": made_from(folder), "base": base}
    facts["settings"] = {"spectrograms": spectrograms, "audio": audio, "compare": [_way(out, run) for run in compare]}
    with replacing(out, facts) as fresh:
        if audio != "refer":
            _take_audio(corpus, fresh, audio)
        written = write_groups(corpus, fresh, out, base=base, spectrograms=spectrograms, jobs=jobs, progress=progress)
        info = corpus.info
        values: dict[str, Any] = {
            "kind": "Speech-text corpus",
            "name": corpus.name,
            "lede": info["recipe"].get("description") or ", ".join(tongue(code).name for code in corpus.languages),
            "info": info,
            "by_split": crossed(info, "language", "split"),
            "by_label": crossed(info, "label", "split"),
            "by_language": crossed(info, "language", "label"),
            "languages": [tongue(code) for code in corpus.languages],
            "splits": sorted({row["split"] for row in info["by_language_split_label"]}),
            "labels": corpus.labels,
            "histograms": written.gathered.histograms(),
            "bills": sorted(written.gathered.bills.items()),
            "effort": effort,
            "silent": written.silent,
            "runs": runs,
            "comparisons": comparisons(runs),
            "recipe": _yaml(info["recipe"]),
            "versions": _yaml(info["versions"]),
        }
        values["contents"] = [
            ("totals", "Totals"),
            ("groups", "Parallel groups"),
            ("speech", "Speech"),
            ("refused", "Rejected and failed"),
            ("cost", "Cost and time"),
            ("licences", "Licences"),
            *([("runs", "Training runs")] if values["comparisons"] else []),
            ("recipe", "Recipe"),
        ]
        _render("corpus.html", fresh, values)
    return Made(out / "index.html", written.silent)


def write_run_page(folder: Path, out: Path | None = None, *, compare: Sequence[Path] = ()) -> Made:
    """Write the page of a training run.

    Args:
        folder: The run's.
        out: Where the page goes; `report` in the run's folder by default. A page that is there is replaced.
        compare: Other runs to set beside it.

    Raises:
        CorpusforgeError: A run is damaged, or the folder cannot be written.
    """
    run, others = read_run(folder), [read_run(one) for one in compare]
    out = out or folder / PAGE
    runs = [run, *others]
    facts: dict[str, Json] = {"kind": "run", "name": run.name, "made_from": made_from(folder), "base": None}
    facts["settings"] = {"compare": [_way(out, one) for one in compare]}
    measured = splits(run)
    values: dict[str, Any] = {
        "kind": "Training run",
        "name": run.name,
        "lede": _about(run),
        "splits": measured,
        "against": (run.results or {}).get("against"),
        "curves": curves(run, others),
        "runs": runs,
        "comparisons": comparisons(runs),
        "unmeasured": [one.name for one in runs if one.results is None],
        "mistakes": mistakes(run),
        "settings": _yaml(run.settings),
        "about": _yaml(run.about) if run.about else "",
        "environment": _yaml(run.environment) if run.environment else "",
    }
    values["contents"] = [
        ("scores", "Scores"),
        ("curves", "Curves"),
        *([("classes", "Classes and confusion")] if measured else []),
        *([("compared", "Beside other runs")] if others else []),
        *([("mistakes", "Mistakes")] if values["mistakes"] else []),
        ("settings", "Settings"),
    ]
    with replacing(out, facts) as fresh:
        _render("run.html", fresh, values)
    return Made(out / "index.html", ())


def made_from(folder: Path) -> str:
    """Changes when a page of the folder would: the fingerprint of a corpus, a digest of a run's files."""
    if kind_of(folder) == "corpus":
        return str(Corpus(folder).info["fingerprint"])
    names = [CONFIG, ENVIRONMENT, METRICS, RESULTS, *sorted(path.name for path in folder.glob("predictions-*.jsonl"))]
    digest = hashlib.sha256()
    for name in names:
        if (folder / name).is_file():
            digest.update(json.dumps([name, hashlib.sha256((folder / name).read_bytes()).hexdigest()]).encode())
    return digest.hexdigest()


def _about(run: RunFiles) -> str:
    said = [str(run.settings.get("model") or "model")]
    said += [f"{name}: {run.settings[name]}" for name in ("text", "speech") if run.settings.get(name)]
    if run.epochs:
        said.append(f"{len(run.epochs)} epochs")
    return " · ".join(said)


def _way(page: Path, folder: Path) -> str:
    """The relative path from the page's folder to another, with a slash at its end."""
    return os.path.relpath(folder.resolve(), page.resolve()).replace(os.sep, "/") + "/"


def _take_audio(corpus: Corpus, folder: Path, how: Audio) -> None:
    """Bring the audio into the page's folder, under the paths of the manifest."""
    for record in corpus:
        target = folder / record.audio
        if target.exists() or not record.path.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "copy":
            shutil.copyfile(record.path, target)
            continue
        try:
            os.link(record.path, target)
        except OSError as error:
            raise CorpusforgeError(
                f"{record.path} cannot be linked into {folder.parent} ({error.strerror}): they may be on two disks. "
                "Use --audio copy"
            ) from error


def _yaml(value: Mapping[str, Json]) -> str:
    import yaml

    plain = json.loads(json.dumps(value))
    return str(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=100)).rstrip()


def _hours(value: float) -> str:
    """A length that is given in hours, in the unit that suits it."""
    seconds = 3600 * value
    return _span(seconds) if seconds < 3600 else f"{value:,.2f} h" if value < 100 else f"{value:,.0f} h"


def _span(seconds: float) -> str:
    return (
        f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min" if seconds < 3600 else _hours(seconds / 3600)
    )


def _fixed(value: float | None, digits: int = 4) -> str:
    """A number with digits after the point, a true minus and no negative zero; a dash where there is none."""
    if value is None:
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _named(value: Json) -> str:
    return "(none)" if value is None else tongue(str(value)).name


def _render(template: str, folder: Path, values: Mapping[str, Any]) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(version=_version(), hours=_hours, span=_span, named=_named, fixed=_fixed)
    text = environment.get_template(template).render(values)
    (folder / "index.html").write_text(text, encoding="utf-8", errors="replace")


def _version() -> str:
    try:
        return version("corpusforge")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "(not installed)"

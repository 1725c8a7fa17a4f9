"""The paper's evaluation, run again: its rows, what is done of them, and the report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from corpusforge.errors import CorpusError, CorpusforgeError, RecipeError
from corpusforge.train.baselines import BASELINES
from corpusforge.train.paper.printed import LANGUAGES, figures, printed
from corpusforge.train.paper.rows import HOURS, PRINTED, ROWS, chosen, plan
from corpusforge.train.paper.run import Paper
from corpusforge.train.training import Place
from tests.cli.program import run as program

SHORT = {"epochs": 1, "steps": 2, "romanize": True}
FLORES_TABLES = ("table2", "table4", "table5")
TABLES = {table: name for table, name in PRINTED.items() if table != "figures"}


def quiet(words: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(cache: Path) -> Place:
    return Place(cache, device="cpu", tell=quiet, warn=quiet, board=False)


def tiny(sample: Path, folder: Path, **options: Any) -> Paper:
    return Paper({"flores200": sample}, "tiny", folder, overrides=SHORT, **options)


@pytest.fixture(scope="module")
def finished(sample_corpus: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every row of Tables 2, 4 and 5, and of Table 3 one that is quick."""
    folder = tmp_path_factory.mktemp("runs") / "paper-tiny"
    corpora = {"flores200": sample_corpus, "mms": sample_corpus}
    paper = Paper(corpora, "tiny", folder, overrides=SHORT, only=(*FLORES_TABLES, "mms-ngram"))
    paper.run(Place(cache, device="cpu", tell=quiet, warn=quiet, board=False))
    return folder


# What the paper printed, and the rows


def test_printed_figures_are_those_of_the_reference(shared_data: Path) -> None:
    reference = json.loads((shared_data.parent / "reference" / "paper_tables.json").read_text(encoding="utf-8"))
    assert {name: value for name, value in printed().items() if name != "citation"} == reference


def test_every_printed_row_is_a_row() -> None:
    for table, name in TABLES.items():
        ours = [row.name for row in ROWS if row.table == table and row.figures]
        assert ours == list(printed()[name])
    points = {(row.changes["hours"], row.changes["adapter"]) for row in ROWS if row.table == "figures" and row.figures}
    assert points == {(int(hours), adapter) for hours in printed()[PRINTED["figures"]] for adapter in ("sim", "meta")}
    assert figures(PRINTED["figures"], "50", "SimAdapter") is not None
    assert figures(PRINTED["figures"], "20", "SimAdapter") is None


def test_no_table_is_without_trivial_baselines() -> None:
    for table in TABLES:
        assert {"majority", "ngram", "word2vec"} <= {row.slug for row in ROWS if row.table == table}


def test_a_run_that_several_tables_show_is_planned_once() -> None:
    planned = {one.slug: one for one in plan("paper", {}, {})}
    shown = [(row.table, row.name) for row in planned["flores200-mlcl"].rows]
    assert shown == [("table2", "MLCL"), ("table4", "MetaAdapter"), ("table5", "MLCL")]
    assert sum(len(one.rows) for one in planned.values()) == len(ROWS)
    with_sim = {one.slug: one for one in plan("paper", {"adapter": "sim"}, {})}
    shown = [(row.table, row.name) for row in with_sim["flores200-mlcl"].rows]
    assert shown == [("table2", "MLCL"), ("table4", "SimAdapter"), ("table5", "MLCL")]


def test_points_with_more_hours_than_there_are_take_all_of_them() -> None:
    planned = {row: one for one in plan("paper", {}, {"mms": 48.0}) for row in one.rows}
    slugs = {row.slug: one.slug for row, one in planned.items() if row.table == "figures"}
    assert slugs["meta-50h"] == slugs["meta-60h"] == "mms-mlcl"
    assert slugs["sim-50h"] == slugs["sim-60h"] != slugs["sim-40h"]
    found = [one.config.hours for row, one in planned.items() if row.slug.startswith("sim-") and one.config]
    assert found == [*map(float, HOURS[:4]), None, None]


@pytest.mark.parametrize(
    ("overrides", "only", "message"),
    [
        ({"epoch": 1}, (), "no setting 'epoch': did you mean 'epochs'"),
        ({"epochs": 0}, (), "epochs: .*greater than or equal to 1, found 0"),
        ({"model": "mlcl"}, (), "'model' is what the rows differ in"),
        ({}, ("tabel2",), "no table or row 'tabel2': did you mean 'table2'"),
    ],
)
def test_what_cannot_be_meant_is_refused(overrides: dict[str, Any], only: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        chosen(plan("tiny", overrides, {}), only)


def test_a_row_whose_settings_do_not_fit_each_other_is_no_obstacle_to_the_rest() -> None:
    planned = {one.slug: one for one in plan("tiny", {"adapter_epochs": 0}, {})}
    assert "adapter_epochs must be at least 1" in (planned["flores200-sim"].problem or "")
    assert planned["flores200-mlcl"].config is not None


def test_a_corpus_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is not a corpus"):
        Paper({"flores200": tmp_path / "nothing"}, "tiny", tmp_path / "runs")


# Runs


def test_every_row_is_run_and_reported(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    for table in FLORES_TABLES:
        for row in results["tables"][table]:
            metrics = results["runs"][row["run"]]["metrics"]
            accuracy = [metrics[f"accuracy/{lang}"]["mean"] for lang in LANGUAGES]
            assert metrics["M"]["mean"] == pytest.approx(sum(accuracy) / 3)
            assert metrics["M"]["low"] <= metrics["M"]["mean"] <= metrics["M"]["high"]
    runs = json.loads((finished / "flores200-mlcl" / "seed-42" / "results.json").read_text(encoding="utf-8"))
    own = runs["splits"]["test"]["metrics"]
    for name, found in results["runs"]["flores200-mlcl"]["metrics"].items():
        bounds = [own[name][field] for field in ("value", "low", "high")]
        assert [found[field] for field in ("mean", "low", "high")] == pytest.approx(bounds)
    mlcl, ngram = (results["runs"][f"flores200-{slug}"]["metrics"]["M"]["mean"] for slug in ("mlcl", "ngram"))
    compared = results["compared"]["table2"][0]
    assert (compared["ours"], compared["theirs"]) == ("mlcl", "ngram")
    assert compared["metrics"]["M"]["difference"] == pytest.approx(mlcl - ngram)
    for name in ("balance-flores200", "balance-mms", "hours-mms"):
        assert (finished / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (finished / f"{name}.svg").read_text(encoding="utf-8")


def test_the_report_has_every_printed_figure(finished: Path) -> None:
    report = (finished / "RESULTS.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (Table \d|Figures|[A-Z]\w+)(.*?)(?=^## |\Z)", report, re.S | re.M))

    def cells(section: str, row: str, whose: str) -> list[str]:
        [line] = re.findall(rf"^\| {re.escape(row)} \| {whose} \| (.*) \|$", sections[section], re.M)
        return [cell for cell in line.split(" | ") if cell.strip()]

    for table, name in TABLES.items():
        for row, there in printed()[name].items():
            accuracy = [f"{there[lang]:.2f}" for lang in LANGUAGES]
            expected = [*accuracy, f"{there['M']:.4f}", f"{there['G']:.4f}", "1"]
            assert cells(f"Table {table[-1]}", row, "printed") == expected
    for hours, adapters in printed()[PRINTED["figures"]].items():
        for adapter, there in adapters.items():
            values = [f"{there[name]:.4f}" for name in ("M", "G") if name in there]
            assert cells("Figures", f"{adapter}, {hours} h", "printed") == [*values, "1"]
    for corpus, there in printed()["datasets"].items():
        sizes = [str(there["texts"]), str(there["average_words"]), f"{there['speech_hours']:.2f}"]
        assert cells("Corpora", corpus, "printed")[:3] == sizes
    ours = cells("Table 2", "char n-grams", "ours")
    assert len(ours) == 8 and ours[-1] == "1 of 1"
    # Every point of the sweep has more hours than the sample, and is the whole of it.
    assert cells("Figures", "char n-grams, 10 h", "ours") == cells("Table 3", "char n-grams", "ours")


def test_what_is_done_is_not_done_again(finished: Path, sample_corpus: Path, place: Place) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("*/**/*") if path.is_file()}
    tiny(sample_corpus, finished, only=FLORES_TABLES).run(place)
    assert {path: path.stat().st_mtime_ns for path in finished.glob("*/**/*") if path.is_file()} == before


def test_another_seed_adds_to_what_is_there(finished: Path, sample_corpus: Path, place: Place) -> None:
    results = tiny(sample_corpus, finished, seeds=(42, 43), only=("combined",)).run(place)
    found = results["runs"]["flores200-combined"]["metrics"]["M"]
    assert found["mean"] == pytest.approx(sum(found["values"]) / 2) and len(found["values"]) == 2
    assert found["sd"] is not None
    assert results["runs"]["flores200-mlcl"]["seeds"]["43"] == {"state": "waiting", "why": "left out by --only"}
    assert "| MLCL | ours |" in (finished / "RESULTS.md").read_text(encoding="utf-8")


def test_other_settings_are_refused_before_anything_is_trained(
    finished: Path, sample_corpus: Path, place: Place
) -> None:
    paper = Paper({"flores200": sample_corpus}, "tiny", finished, overrides={**SHORT, "tau": 0.5})
    with pytest.raises(CorpusforgeError, match=r"holds a run with other settings \(tau differ\): give another --name"):
        paper.run(place)


def test_a_killed_run_goes_on_and_ends_as_if_undisturbed(
    finished: Path, sample_corpus: Path, cache: Path, place: Place, tmp_path: Path
) -> None:
    options = ["--corpus", sample_corpus, "--preset", "tiny", "--only", "flores200-mlcl", "--name", "killed"]
    options += ["--runs", tmp_path, "--cache", cache, "--device", "cpu", "--epochs", "1", "--set", "steps=2"]
    options += ["--set", "romanize=true"]
    command = [str(Path(sys.executable).parent / "corpusforge"), "paper", *map(str, options)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = tmp_path / "killed" / "flores200-mlcl" / "seed-42"
    while not (run / "checkpoints" / "last" / "state.json").exists():
        assert process.poll() is None
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    paper = tiny(sample_corpus, tmp_path / "killed", only=("flores200-mlcl",))
    assert [step.what for step in paper.steps()] == ["begun"]
    paper.run(place)
    assert [step.what for step in paper.steps()] == ["done"]
    whole = finished / "flores200-mlcl" / "seed-42"
    for name in ("predictions-test.jsonl", "metrics.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_that_was_killed_in_its_first_moment_is_made(sample_corpus: Path, place: Place, tmp_path: Path) -> None:
    run = tmp_path / "flores200-majority" / "seed-42"
    run.mkdir(parents=True)
    (run / "environment.json").write_text("{}")
    (run / "config.json.tmp").write_text('{"con')
    paper = tiny(sample_corpus, tmp_path, only=("flores200-majority",))
    paper.run(place)
    assert [step.what for step in paper.steps()] == ["done"]


def test_a_failing_row_does_not_stop_the_rest(
    sample_corpus: Path, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = ("combined", "majority", "ngram", "word2vec")
    folder = tmp_path / "runs"
    (folder / "flores200-majority").mkdir(parents=True)
    (folder / "flores200-majority" / "seed-42").write_text("in the way")
    settings = {**SHORT, "text": "./no-such-encoder"}
    paper = Paper({"flores200": sample_corpus}, "tiny", folder, overrides=settings, only=only)
    with monkeypatch.context() as patched:
        patched.setattr(BASELINES["word2vec"], "fit", out_of_memory)
        paper.run(place)
    found = {step.planned.slug: step for step in paper.steps()}
    assert {slug: step.what for slug, step in found.items() if slug.startswith("flores200")} == {
        "flores200-combined": "failed",
        "flores200-majority": "failed",
        "flores200-ngram": "done",
        "flores200-word2vec": "failed",
    }
    report = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert "- failed: there is no folder no-such-encoder: give the folder of a checkpoint" in report
    assert "flores200-majority/seed-42 cannot be written (File exists" in report
    assert "MemoryError: 7 TB (flores200-word2vec/traceback.txt has more)" in report
    assert "- needs the mms corpus: `corpusforge build mms`" in report

    (folder / "flores200-majority" / "seed-42").unlink()
    paper.run(place)
    found = {step.planned.slug: step for step in paper.steps()}
    whats = [found[f"flores200-{name}"].what for name in ("majority", "word2vec", "combined")]
    assert whats == ["done", "done", "failed"]


def out_of_memory(*_: object) -> None:
    raise MemoryError("7 TB")


def test_cheap_runs_go_first_if_asked(sample_corpus: Path, tmp_path: Path) -> None:
    steps = tiny(sample_corpus, tmp_path, seeds=(42, 43), only=("table2",), fast_first=True).steps()
    order = [(step.planned.slug.removeprefix("flores200-"), step.seed) for step in steps]
    assert order[:3] == [("majority", 42), ("ngram", 42), ("word2vec", 42)]
    assert {seed for _, seed in order[: len(order) // 2]} == {42}
    assert order.index(("combined", 42)) < order.index(("fgm", 42)) < order.index(("mlcl", 42))


# The command line


def test_a_dry_run_lists_what_is_done_and_what_is_missing(finished: Path, sample_corpus: Path, tmp_path: Path) -> None:
    options = ["--corpus", sample_corpus, "--preset", "tiny", "--runs", finished.parent, "--set", "steps=2"]
    options += ["--epochs", 1, "--set", "romanize=true", "--dry-run"]
    before = set(finished.rglob("*"))
    listed = program("paper", *options, cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.search(
        r"^flores200-mlcl +42 +table2: MLCL; table4: MetaAdapter; table5: MLCL +done$", listed.stdout, re.M
    )
    assert "needs the mms corpus: `corpusforge build mms`" in listed.stdout
    found = json.loads(program("paper", *options, "--json", cwd=tmp_path).stdout)
    states = {step["run"]: step["state"] for step in found}
    assert states["flores200-pgd"] == "done" and states["mms-pgd"] == "impossible"
    assert set(finished.rglob("*")) == before


def test_looking_and_reporting_import_no_torch(finished: Path, sample_corpus: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from corpusforge.train.paper.run import Paper\n"
        f"paper = Paper({{'flores200': Path({str(sample_corpus)!r})}}, 'tiny', Path({str(finished)!r}),\n"
        f"              overrides={SHORT!r}, only=('mlcl',))\n"
        "assert 'done' in {step.what for step in paper.steps()}; paper.report()\n"
        "print(sorted({'torch', 'transformers', 'sklearn', 'gensim'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"

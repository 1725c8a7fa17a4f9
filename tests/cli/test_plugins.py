"""An engine of another package, as users install one: it crashes, hangs, raises, is not available."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import PROGRAM, Done, fingerprint, rows, run, source
from tests.patience import until

ENGINE = '''
import os, signal, time
import numpy as np
from corpusforge.speech.engine import CannotSpeak, EngineConfig, LocalEngine, Speech

class Config(EngineConfig):
    here: bool = True
    on: str = "nothing"
    does: str = "nothing"

class Moody(LocalEngine):
    """Hums a tone; at the chosen text it misbehaves."""
    name, license, network, Config = "moody", "CC0-1.0", False, Config

    def __init__(self, config):
        self.config = config

    def languages(self):
        return {lang: "tone" for lang in ("zho_Hans", "bod_Tibt", "mya_Mymr", "eng_Latn")}

    def revision(self, lang):
        return {"moody": 1}

    def available(self):
        return None if self.config.here else "the moody machine is not installed: pip install moody-machine"

    def close(self):
        pass

    def synthesize(self, text, lang, voice, prosody):
        if self.config.on in text:
            match self.config.does:
                case "abort":
                    os.abort()
                case "hang":
                    time.sleep(600)
                case "raise":
                    raise RuntimeError("in no mood today")
                case "refuse":
                    raise CannotSpeak("no words for it")
                case "silence":
                    return Speech(np.zeros(16000, np.float32), 16000, "tone", 4, 0)
        tone = 0.3 * np.sin(np.arange(16000) * (0.1 + len(text) / 1000))
        return Speech(tone.astype(np.float32), 16000, "tone", 4, 0)
'''


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package that registers the engine `moody`."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "moody_engine.py").write_text(ENGINE, "utf8")
    info = folder / "moody_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moody-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[corpusforge.engines]\nmoody = moody_engine:Moody\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With 6 groups in `text/`; the Tibetan of dev-0002 holds the word that moody minds."""
    source(tmp_path / "text", groups=3)
    path = tmp_path / "text" / "dev" / "bod_Tibt.dev"
    first, _, third = path.read_text("utf8").splitlines()
    path.write_text(f"{first}\nMOOD\n{third}\n", "utf8")
    return tmp_path


def moody(folder: Path, package: Path, does: str, *arguments: object, **settings: Any) -> Done:
    engine = json.dumps({"moody": {"on": "MOOD", "does": does, **settings}})
    return run(
        *["build", "flores200", "--source", "text", "--set", "synthesize.engine=moody"],
        *["--set", f"synthesize.engines={engine}", *arguments],
        cwd=folder,
        PYTHONPATH=os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")])),
    )


def test_an_engine_of_another_package_speaks(folder: Path, package: Path) -> None:
    done = moody(folder, package, "nothing", "--json")
    assert json.loads(done.stdout)["built"] == 18, done.stderr
    assert {(row["engine"], row["voice"], row["voice_license"]) for row in rows(folder / "manifests/flores200")} == {
        ("moody", "tone", "CC0-1.0")
    }


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("abort", "the worker process died twice on this item (SIGABRT)"),
        ("hang", "took longer than 1.5 s, given up"),
        ("raise", "in no mood today"),
    ],
)
def test_an_item_that_fails_costs_one_utterance(folder: Path, package: Path, does: str, words: str) -> None:
    limit = ["--set", "synthesize.time_limit=1.5"]
    done = moody(folder, package, does, *limit)
    assert done.returncode == 1
    assert "failed  dev-0002.bod_Tibt at synthesize: " in done.stdout
    assert words in done.stdout
    assert "1 of 18 items failed (synthesize), --max-failures is 0" in done.stderr
    corpus = folder / "manifests" / "flores200"
    assert len(rows(corpus)) == 17
    (left_out,) = rows(corpus, "rejected.jsonl")
    assert (left_out["id"], left_out["kind"], words in left_out["reason"]) == ("dev-0002.bod_Tibt", "failed", True)
    assert words in run("status", cwd=folder).stdout
    again = json.loads(moody(folder, package, "nothing", "--json").stdout)
    assert (again["utterances"], again["failed"]) == (18, [])


def test_failures_that_are_accepted(folder: Path, package: Path) -> None:
    done = moody(folder, package, "raise", "--max-failures", 1)
    assert (done.returncode, "failed 1" in done.stdout) == (0, True), done.stderr


def test_a_failed_item_is_tried_again_and_nothing_else(folder: Path, package: Path) -> None:
    moody(folder, package, "raise")
    again = json.loads(moody(folder, package, "raise", "--json").stdout)
    assert (again["cached"], again["made"], len(again["failed"])) == (17, {}, 1)
    seen = moody(folder, package, "raise", "--dry-run").stdout
    assert "1 × failed last time: RuntimeError: in no mood today" in seen


def test_fail_fast_stops_at_the_first_failure_and_writes_no_manifest(folder: Path, package: Path) -> None:
    for path in (folder / "text").glob("*/*_*.*"):
        path.write_text("".join(f"MOOD {line}" for line in path.read_text("utf8").splitlines(keepends=True)), "utf8")
    done = moody(folder, package, "raise", "--fail-fast", "--jobs", "1")
    assert (done.returncode, "--max-failures is 0" in done.stderr) == (1, True), done.stderr
    assert "Stopped after" in done.stdout
    assert not (folder / "manifests" / "flores200" / "corpus.json").exists()


def test_what_an_engine_cannot_speak_is_rejected_for_good(folder: Path, package: Path) -> None:
    first = json.loads(moody(folder, package, "refuse", "--json").stdout)
    assert (first["utterances"], first["rejected"], first["failed"]) == (17, 1, [])
    (left_out,) = rows(folder / "manifests" / "flores200", "rejected.jsonl")
    assert (left_out["stage"], left_out["kind"], left_out["reason"]) == ("synthesize", "rejected", "no words for it")
    assert json.loads(moody(folder, package, "refuse", "--json").stdout)["made"] == {}


def test_silence_is_rejected_by_the_gates_or_before(folder: Path, package: Path) -> None:
    done = json.loads(moody(folder, package, "silence", "--json").stdout)
    assert (done["utterances"], done["rejected"], done["failed"]) == (17, 1, [])


def test_an_engine_that_is_not_installed_here_ends_the_build_before_it_begins(folder: Path, package: Path) -> None:
    done = moody(folder, package, "nothing", here=False)
    assert (done.returncode, "pip install moody-machine" in done.stderr) == (5, True), done.stderr
    assert not (folder / "manifests").exists()


def test_espeak_that_is_not_installed_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['espeakng_loader'] = None\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    work = tmp_path / "work"
    work.mkdir()
    done = run("build", "flores200", "--sample", "--limit", "3", cwd=work, PYTHONPATH=path)
    assert (done.returncode, "pip install 'corpusforge[espeak]'" in done.stderr) == (5, True), done.stderr
    doctor = run("doctor", "--json", cwd=work, PYTHONPATH=path)
    assert doctor.returncode == 5
    assert {check["name"]: check["mend"] for check in json.loads(doctor.stdout)}["engine espeak"] is not None
    assert "pip install 'corpusforge[espeak]'" in run("engines", cwd=work, PYTHONPATH=path).stdout


def test_a_rebuild_with_nothing_to_do_needs_no_engine(built: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['espeakng_loader'] = None\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    before = fingerprint(built / "manifests")
    done = run("build", "flores200", "--source", "text", "--json", cwd=built, PYTHONPATH=path)
    assert (done.returncode, json.loads(done.stdout)["cached"]) == (0, 36), done.stderr
    assert fingerprint(built / "manifests") == before


def test_a_hanging_engine_is_no_obstacle_to_ctrl_c(folder: Path, package: Path) -> None:
    engine = json.dumps({"moody": {"on": "MOOD", "does": "hang"}})
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    command = [PROGRAM, "build", "flores200", "--source", "text", "--set", "synthesize.engine=moody"]
    process = subprocess.Popen(
        [*command, "--set", f"synthesize.engines={engine}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = folder / ".corpusforge" / "results.jsonl"
    until(lambda: journal.exists() and "synthesize" in journal.read_text(), process=process)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)  # before the stage's own limit of 120 s gives the item up
    assert (process.returncode, "the same command goes on" in out, "Traceback" in err) == (130, True, False), err

"""Whole builds on Dask clusters: the same bytes as on one machine, and workers that lack what a recipe needs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'corpusforge[dask]'")

from tests.cli.program import build, fingerprint, run, source
from tests.pipeline.clusters import ROOT, Cluster
from tests.servers.marytts import LHASA, STOCK, MaryServer


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "dask").mkdir()
    with Cluster(tmp_path / "dask") as started:
        yield started


@pytest.fixture(scope="session")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The corpus of the sample, as one process of this machine makes it."""
    folder = tmp_path_factory.mktemp("one")
    assert build("--sample", "--jobs", "1", cwd=folder)["utterances"] == 135
    return fingerprint(folder / "manifests")


@pytest.mark.parametrize(
    "options",
    [
        ("--jobs", "4"),
        ("--executor", "dask", "--jobs", "1"),
        ("--executor", "dask", "--jobs", "2"),
        ("--executor", "dask", "--jobs", "4"),
    ],
    ids=" ".join,
)
def test_how_it_is_built_changes_no_byte(tmp_path: Path, options: tuple[str, ...], one_process: dict[str, str]) -> None:
    report = build("--sample", *options, cwd=tmp_path)
    assert (report["made"], report["failed"]) == ({"synthesize": 135, "measure": 135}, [])
    assert fingerprint(tmp_path / "manifests") == one_process


def test_what_dask_made_is_cached_for_everybody(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=2)
    build("--source", "text", "--executor", "dask", "--jobs", "2", cwd=tmp_path)
    assert build("--source", "text", cwd=tmp_path)["cached"] == 12


def test_sixty_requests_a_minute_are_sixty_with_eight_workers(tmp_path: Path) -> None:
    with MaryServer(voices=[*STOCK, LHASA]) as server:
        engine = "synthesize.engine={bod_Tibt: marytts, default: espeak}"
        settings = f"synthesize.engines={{marytts: {{url: '{server.url}', network: {{requests_per_minute: 60}}}}}}"
        options = ("--sample", "--limit", "9", "--set", engine, "--set", settings)
        report = build(*options, "--executor", "dask", "--jobs", "8", cwd=tmp_path)
    assert report["failed"] == []
    times = sorted(request.at for request in server.requests if request.path == "/process")
    assert len(times) >= 6
    # The first second's may go at once; from then on one a second.
    assert all(at - times[0] > 0.95 * (number - 1) for number, at in enumerate(times))


def without(folder: Path, package: str) -> str:
    """A folder with all installed packages but one, for PYTHONPATH under `python -S`."""
    folder.mkdir()
    for place in [Path(entry) for entry in sys.path if entry.endswith("site-packages")]:
        for entry in place.iterdir():
            if not entry.name.startswith(package) and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return f"{folder}{os.pathsep}{ROOT}"


def test_a_worker_without_the_engine_is_named_and_gets_no_work(tmp_path: Path, cluster: Cluster) -> None:
    source(tmp_path / "text", groups=2)
    cluster.worker(flags=["-S"], PYTHONPATH=without(tmp_path / "less", "espeakng_loader"))
    cluster.wait(1)
    command = ("build", "flores200", "--source", "text", "--dask", cluster.address)
    refused = run(*command, cwd=tmp_path)
    assert refused.returncode == 5, refused.stderr
    assert "error: no worker can run stage 'synthesize': tcp://127.0.0.1:" in refused.stderr
    assert "espeakng_loader" in refused.stderr and "pip install 'corpusforge[espeak]'" in refused.stderr
    cluster.worker()
    cluster.wait(2)
    done = run(*command, cwd=tmp_path)
    assert (done.returncode, "12 utterances" in done.stdout) == (0, True), done.stderr
    assert "gets no 'synthesize'" in done.stderr


def test_no_scheduler_is_told_with_the_exit_status_of_a_stopped_build(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=1)
    done = run("build", "flores200", "--source", "text", "--dask", "tcp://127.0.0.1:9", cwd=tmp_path)
    assert (done.returncode, "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr) == (7, True)


@pytest.mark.parametrize(
    "options", [("--executor", "local", "--dask", "tcp://h:1"), ("--dask", "tcp://h:1", "--jobs", "2")], ids=" ".join
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run("build", "flores200", "--sample", *options, cwd=tmp_path).returncode == 2


def test_voices_on_gpu_workers_speak_as_those_of_the_driver(tmp_path: Path, cluster: Cluster) -> None:
    pytest.importorskip("torch", reason="needs the extra neural: pip install 'corpusforge[neural]'")
    pytest.importorskip("transformers", reason="needs the extra neural: pip install 'corpusforge[neural]'")
    from tests.speech.mms_tts_tools import save_checkpoint

    checkpoint = save_checkpoint(tmp_path / "voice")
    chains = {"default": "espeak", "bod_Tibt": "mms_tts"}
    engines = {"mms_tts": {"checkpoints": {"bod_Tibt": str(checkpoint)}, "device": "cpu", "batch": 4}}
    options = [
        *("--sample", "--limit", "8", "--languages", "bod_Tibt,zho_Hans"),
        *("--set", f"synthesize.engine={json.dumps(chains)}", "--set", f"synthesize.engines={json.dumps(engines)}"),
    ]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    expected = build(*options, cwd=here)
    cluster.worker()
    cluster.wait(1)
    refused = run("build", "flores200", *options, "--dask", cluster.address, cwd=there)
    assert (refused.returncode, "offers one" in refused.stderr) == (5, True), refused.stderr
    cluster.worker("--resources", "GPU=1")
    cluster.wait(2)
    report = build(*options, "--dask", cluster.address, cwd=there)
    assert (report["made"], report["made"]["speak"]) == (expected["made"], 8)
    assert fingerprint(there / "manifests") == fingerprint(here / "manifests")


def test_workers_put_blobs_into_an_object_store(tmp_path: Path, one_process: dict[str, str]) -> None:
    pytest.importorskip("s3fs", reason="needs the extra s3: pip install 'corpusforge[s3]'")
    pytest.importorskip("moto", reason="needs moto[server]")
    from tests.servers.s3 import BUCKET, s3_server

    options = ("build", "flores200", "--sample", "--json", "--blobs", f"s3://{BUCKET}/sample")
    with s3_server() as environment:
        done = run(*options, "--executor", "dask", "--jobs", "2", cwd=tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        again = run(*options, cwd=tmp_path, **environment)
    assert not (tmp_path / ".corpusforge" / "blobs").exists()
    assert fingerprint(tmp_path / "manifests") == one_process
    assert (json.loads(again.stdout)["cached"], json.loads(again.stdout)["made"]) == (135, {})

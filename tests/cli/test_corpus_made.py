"""What a build leaves: real speech for every utterance, in a manifest that keeps its contract."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile

from corpusforge import Corpus
from tests.cli.program import build, fingerprint, rows, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    report = build("--sample", cwd=folder)
    assert (report["utterances"], report["rejected"], report["failed"]) == (135, 0, [])
    return folder / "manifests" / "flores200-sample"


def test_every_utterance_of_the_sample_has_real_speech(sample: Path) -> None:
    for row in rows(sample):
        content = (sample / row["audio"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        samples, rate = soundfile.read(sample / row["audio"])
        assert (rate, samples.ndim, len(samples)) == (16000, 1, row["num_samples"])
        assert soundfile.info(sample / row["audio"]).format == "FLAC"
        assert row["duration"] == pytest.approx(len(samples) / rate)
        assert row["duration"] > 1.0
        assert np.sqrt(np.mean(samples**2)) > 0.02
        assert row["metrics"]["unreadable"] == 0


def test_rows_keep_the_schema(sample: Path) -> None:
    schema = json.loads((ROOT / "manifests" / "schema.json").read_text("utf8"))
    validator = jsonschema.Draft202012Validator(schema)
    for row in rows(sample):
        validator.validate(row)


def test_no_group_or_document_straddles_splits_and_every_split_has_every_label(sample: Path) -> None:
    splits: dict[str, set[str]] = {}
    labels: dict[str, set[str]] = {}
    for row in rows(sample):
        splits.setdefault(row["document"], set()).add(row["split"])
        splits.setdefault(row["group"], set()).add(row["split"])
        labels.setdefault(row["split"], set()).add(row["label"])
    assert all(len(found) == 1 for found in splits.values())
    assert set(labels) == {"train", "dev", "test"}
    assert all(found == {"wikinews", "wikibooks", "wikivoyage"} for found in labels.values())


def test_the_corpus_reads_in_python_and_after_a_move(sample: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(sample, moved)
    corpus = Corpus(moved)
    assert (len(corpus), len(list(corpus.groups()))) == (135, 45)
    samples, rate = next(iter(corpus.split("test"))).load()
    assert (rate, samples.dtype) == (16000, np.float32)


def test_two_builds_are_byte_identical_whatever_the_folder_and_the_jobs(sample: Path, tmp_path: Path) -> None:
    build("--sample", "--jobs", "1", cwd=tmp_path)
    assert fingerprint(tmp_path / "manifests" / "flores200-sample") == fingerprint(sample)


def test_rows_are_in_order_of_group_and_language(sample: Path) -> None:
    order = [(row["group"], row["lang"]) for row in rows(sample)]
    assert order == sorted(order)


def test_audio_settings(tmp_path: Path) -> None:
    settings = ["--set", "synthesize.audio.format=wav", "--set", "synthesize.audio.sample_rate=22050"]
    build("--sample", "--limit", "3", *settings, cwd=tmp_path)
    folder = tmp_path / "manifests" / "flores200-sample"
    for row in rows(folder):
        assert (row["sample_rate"], Path(row["audio"]).suffix) == (22050, ".wav")
        assert soundfile.info(folder / row["audio"]).samplerate == 22050


def test_other_languages_and_the_limit(tmp_path: Path) -> None:
    build("--sample", "--languages", "eng_Latn,zho_Hans", "--limit", "3", cwd=tmp_path)
    small = rows(tmp_path / "manifests" / "flores200-sample")
    assert {row["lang"] for row in small} == {"eng_Latn", "zho_Hans"}
    assert {row["label"] for row in small} == {"wikinews", "wikibooks", "wikivoyage"}
    report = build("--sample", "--languages", "eng_Latn,zho_Hans", "--limit", "5", cwd=tmp_path)
    larger = rows(tmp_path / "manifests" / "flores200-sample")
    assert {row["id"] for row in small} < {row["id"] for row in larger}
    assert (report["cached"], report["built"]) == (6, 4)


def test_sib200_labels(shared_data: Path, tmp_path: Path) -> None:
    data = [
        "--source",
        shared_data / "flores200",
        "--labels",
        "sib200",
        "--set",
        f"source.sib200={shared_data / 'sib200'}",
    ]
    build(*data, "--limit", "7", cwd=tmp_path)
    labels = {row["label"] for row in rows(tmp_path / "manifests" / "flores200")}
    assert len(labels) == 7
    assert "science/technology" in labels


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_of_ones_own(tmp_path: Path, suffix: str) -> None:
    assert run("new", "mine", cwd=tmp_path).returncode == 0
    recipe = tmp_path / "recipes" / "mine.yaml"
    recipe.write_text(recipe.read_text("utf8").replace("mine.csv", f"mine.{suffix}"), "utf8")
    table = [
        {"id": f"row{n}", "zho_Hans": f"你好{n}。", "bod_Tibt": f"བཀྲ་ཤིས་བདེ་ལེགས་{n}", "mya_Mymr": f"မင်္ဂလာပါ {n}"}
        for n in range(4)
    ]
    path = tmp_path / "recipes" / f"mine.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table), "utf8")
    elif suffix == "csv":
        path.write_text("\n".join([",".join(table[0]), *(",".join(row.values()) for row in table)]) + "\n", "utf8")
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), path)
    done = run("build", "mine", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterances"] == 12

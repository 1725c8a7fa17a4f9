"""Every form read by the tool it is for: rows and samples compared with the corpus."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError
from corpusforge.export.base import export

TAGS = {"bod_Tibt": "bo", "mya_Mymr": "my", "zho_Hans": "zh-Hans"}


def silent(words: str) -> None:
    pass


def same_audio(samples: np.ndarray, rate: int, record: Record) -> bool:
    """Bit for bit: float32 holds every 16-bit sample."""
    expected, expected_rate = record.load()
    return rate == expected_rate and samples.dtype == np.float32 and np.array_equal(samples, expected)


@pytest.mark.parametrize("audio", ["link", "copy"])
def test_lhotse_reads_cuts_recordings_and_supervisions(corpus, tmp_path, audio):
    lhotse = pytest.importorskip("lhotse", reason="needs the extra export: pip install 'corpusforge[export]'")
    from lhotse.qa import validate_recordings_and_supervisions
    from lhotse.recipes.utils import read_manifests_if_cached

    export(corpus, "lhotse", tmp_path / "out", audio, silent)
    kinds = ("cuts", "recordings", "supervisions")
    parts = ("train", "dev", "test")
    found = read_manifests_if_cached(parts, tmp_path / "out", prefix="small", types=kinds)
    for split in parts:
        rows = {record.id: record for record in corpus.split(split)}
        cuts = list(found[split]["cuts"])
        assert [cut.id for cut in cuts] == list(rows)
        lhotse.validate(found[split]["cuts"], read_data=True)
        validate_recordings_and_supervisions(
            found[split]["recordings"].to_eager(), found[split]["supervisions"].to_eager()
        )
        assert [supervision.id for supervision in found[split]["supervisions"]] == list(rows)
        for cut in cuts:
            row, (said,) = rows[cut.id], cut.supervisions
            assert (said.text, said.speaker, said.language) == (row.text, f"espeak-{row.voice}", TAGS[row.lang])
            assert (said.label, said.group, said.document, said.split) == (row.label, row.group, row.document, split)
            assert (said.custom["lang"], said.custom["translation"]) == (row.lang, row.translation)
            assert (cut.num_samples, cut.duration) == (row.num_samples, row.num_samples / row.sample_rate)
            samples = cut.load_audio()
            assert samples.shape[0] == 1 and same_audio(samples[0], cut.sampling_rate, row)


def nemo_entries(manifest: Path) -> list[dict[str, object]]:
    """The rules of NeMo's documentation for a manifest: it is too big to be installed for a test.

    A line of JSON an entry; audio_filepath, beside the manifest if it is not absolute; a text; a duration that the
    audio has.
    """
    entries = []
    with manifest.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            path = Path(entry["audio_filepath"])
            entry["audio_filepath"] = path if path.is_absolute() else manifest.parent / path
            assert entry["audio_filepath"].is_file() and isinstance(entry["text"], str)
            assert isinstance(entry["duration"], float) and entry["duration"] > 0
            entries.append(entry)
    return entries


def test_nemo_manifests_follow_its_rules_also_when_moved(corpus, tmp_path):
    export(corpus, "nemo", tmp_path / "out", note=silent)
    (tmp_path / "out").rename(tmp_path / "moved")
    for split in ("train", "dev", "test"):
        entries = nemo_entries(tmp_path / "moved" / f"{split}_manifest.json")
        rows = list(corpus.split(split))
        assert len(entries) == len(rows)
        for entry, row in zip(entries, rows, strict=True):
            assert (entry["text"], entry["duration"], entry["id"]) == (row.text, row.duration, row.id)
            assert (entry["label"], entry["group"], entry["flores_code"]) == (row.label, row.group, row.lang)
            assert entry["lang"] == TAGS[row.lang]
            samples, rate = soundfile.read(entry["audio_filepath"], dtype="float32")
            assert same_audio(samples, rate, row)
            assert round(entry["duration"] * rate) == len(samples)


def test_webdataset_reads_the_shards(corpus, tmp_path):
    wds = pytest.importorskip("webdataset", reason="needs the extra export: pip install 'corpusforge[export]'")
    from corpusforge.export.webdataset import WebdatasetExporter

    WebdatasetExporter(shard_bytes=100_000).write(corpus, tmp_path / "out", "link", silent)
    for split in ("train", "dev", "test"):
        shards = sorted(map(str, (tmp_path / "out").glob(f"{split}-*.tar")))
        assert len(shards) > 1 or split != "train"
        samples = list(wds.WebDataset(shards, shardshuffle=False))
        rows = list(corpus.split(split))
        assert len({sample["__key__"] for sample in samples}) == len(samples) == len(rows)
        for sample, row in zip(samples, rows, strict=True):
            assert sample["flac"] == row.path.read_bytes()
            assert sample["txt"].decode() == row.text
            kept = json.loads(sample["json"])
            names = set(Record.__slots__) - {"folder", "audio"}
            assert {name: kept[name] for name in names} == {name: getattr(row, name) for name in names}


TYPES = {"duration": "float64", "sample_rate": "int64", "num_samples": "int64"}


def test_datasets_reads_the_csv(corpus, tmp_path):
    import datasets

    from corpusforge.export.table import COLUMNS

    export(corpus, "csv", tmp_path / "out", note=silent)
    features = datasets.Features({name: datasets.Value(TYPES.get(name, "string")) for name in COLUMNS})
    for split in ("train", "dev", "test"):
        loaded = datasets.load_dataset(
            "csv",
            data_files={split: str(tmp_path / "out" / f"{split}.csv")},
            features=features,
            keep_default_na=False,
            cache_dir=str(tmp_path / "cache"),
        )[split]
        rows = list(corpus.split(split))
        assert len(loaded) == len(rows)
        for found, row in zip(loaded, rows, strict=True):
            for name in ("id", "group", "document", "lang", "text", "engine", "voice", "license", *TYPES):
                assert found[name] == getattr(row, name)
            assert (found["label"] or None) == row.label
            assert (json.loads(found["translation"]) if found["translation"] else None) == row.translation
            samples, rate = soundfile.read(tmp_path / "out" / found["audio"], dtype="float32")
            assert same_audio(samples, rate, row)


def test_pandas_reads_the_csv_as_the_documentation_says(corpus, tmp_path):
    pandas = pytest.importorskip("pandas")

    export(corpus, "csv", tmp_path / "out", note=silent)
    for split in ("train", "dev", "test"):
        table = pandas.read_csv(tmp_path / "out" / f"{split}.csv", dtype=str, keep_default_na=False)
        for name in ("id", "group", "document", "lang", "text", "sha256"):
            assert list(table[name]) == [getattr(row, name) for row in corpus.split(split)]


def test_lj_speech_is_read_by_lhotse(corpus, tmp_path):
    pytest.importorskip("lhotse", reason="needs the extra export: pip install 'corpusforge[export]'")
    from lhotse.recipes.ljspeech import prepare_ljspeech

    export(corpus, "ljspeech", tmp_path / "out", note=silent)
    seen = 0
    for lang in corpus.languages:
        folder = tmp_path / "out" / lang
        with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))
        rows = [row for row in corpus if row.lang == lang]
        assert [line[1:] for line in lines] == [[row.text, row.text] for row in rows]
        rows_of = dict(zip([line[0] for line in lines], rows, strict=True))
        manifests = prepare_ljspeech(folder)
        recordings = {recording.id: recording for recording in manifests["recordings"]}
        supervisions = list(manifests["supervisions"])
        assert len(supervisions) == len(rows)
        for said in supervisions:
            row = rows_of[said.recording_id]
            assert said.text == row.text
            assert same_audio(recordings[said.id].load_audio()[0], recordings[said.id].sampling_rate, row)
            wav = soundfile.info(folder / "wavs" / f"{said.id}.wav")
            assert (wav.format, wav.subtype, wav.channels) == ("WAV", "PCM_16", 1)
        for split in ("train", "dev", "test"):
            part = folder / f"metadata_{split}.csv"
            texts = [line.split("|")[1] for line in part.read_text().split("\n")[:-1]] if part.exists() else []
            assert texts == [row.text for row in rows if row.split == split]
        seen += len(rows)
    assert seen == len(corpus)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *(("ljspeech", text) for text in ("a|b", "a\nb", "a\rb", " ")),
        *(("kaldi", text) for text in ("a <s> b", "#0", " \t")),
        ("csv", "a\0b"),
    ],
)
def test_what_a_form_cannot_hold_is_refused(shop, tmp_path, form, text):
    shop.write(tmp_path / "odd", [shop.item("a"), shop.item("b", hertz=330, text=text)])
    with pytest.raises(CorpusError, match=r"cannot hold .*: b\. "):
        export(Corpus(tmp_path / "odd"), form, tmp_path / "out", note=silent)
    assert not (tmp_path / "out").exists()

"""Folders as others write them: Kaldi's, lhotse's own, and datasets as `datasets` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpusforge.corpus.read import Corpus
from corpusforge.errors import SourceError
from corpusforge.imports.forms import Hub, importing
from corpusforge.imports.rules import Rules
from corpusforge.imports.run import Imported, import_corpus
from tests.corpus.conftest import encoded, tone
from tests.imports.test_rules import bring, rejected

RAMP = (np.arange(32000) / 40000).astype(np.float32)
NEEDS = "needs the extra export: pip install 'corpusforge[export]'"


def kaldi(folder: Path, **lists: str) -> Path:
    folder.mkdir(parents=True)
    for name, content in lists.items():
        (folder / name.replace("_scp", ".scp")).write_text(content, encoding="utf-8")
    return folder


def test_kaldi_segments(tmp_path):
    (tmp_path / "r.wav").write_bytes(encoded(RAMP, format="WAV"))
    folder = kaldi(
        tmp_path / "data" / "train",
        wav_scp=f"rec {tmp_path}/r.wav\n",
        segments="s-1 rec 0.25 1.0\ns-2 rec 1.0 -1\ns-3 rec 3 4\n",
        text="s-1 བོད་ ཡིག\ns-2\tམི \tའདི\ns-3 ཟ\n",
        utt2spk="s-1 s\ns-2 s\ns-3 s\n",
        utt2topic="s-1 news\ns-2 travel\n",
    )
    done = bring(folder.parent, "kaldi")
    one, two = Corpus(done.folder)
    content = soundfile.read(tmp_path / "r.wav", dtype="float32")[0]
    assert np.array_equal(one.load()[0], content[4000:16000]) and np.array_equal(two.load()[0], content[16000:])
    assert (one.id, one.text, one.voice, one.document, one.split) == ("s-1", "བོད་ ཡིག", "s", "rec", "train")
    assert two.text == "མི \tའདི"
    assert rejected(done)["s-3"].startswith("bad segment")
    with pytest.raises(SourceError, match="s-3: no field 'topic'"):
        bring(folder, "kaldi", label_field="topic")
    (folder / "utt2topic").write_text("s-1 news\ns-2 travel\ns-3 news\n")
    assert [row.label for row in Corpus(bring(folder, "kaldi", label_field="topic").folder)] == ["news", "travel"]


def test_kaldi_runs_no_program(tmp_path):
    (tmp_path / "r.wav").write_bytes(encoded(RAMP, format="WAV"))
    folder = kaldi(
        tmp_path / "in",
        wav_scp=f"a touch {tmp_path}/ran; cat {tmp_path}/r.wav |\nb {tmp_path}/r.wav\n",
        text="a x\nb y\n",
    )
    done = bring(folder, "kaldi")
    assert rejected(done)["a"].startswith("program in wav.scp: ") and done.utterances == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"text": "a x\na y\n"}, "text:2: 'a' a second time"),
        ({"text": "a x\n\n"}, "text:2: an empty line"),
        ({"segments": "a rec 1\n"}, "segments: expected `a RECORDING START END`"),
        ({"utt2info": "a {\n"}, "utt2info: the line of a is damaged"),
    ],
)
def test_damaged_kaldi_lists_name_file_and_line(tmp_path, lists, message):
    with pytest.raises(SourceError, match=message):
        bring(kaldi(tmp_path / "in", wav_scp="a a.wav\n", **lists), "kaldi")


def test_a_text_changed_in_an_export_is_the_one_imported(tmp_path):
    (tmp_path / "r.wav").write_bytes(encoded(RAMP, format="WAV"))
    info = '{"id": "one", "text": " x  y ", "label": "news"}'
    folder = kaldi(tmp_path / "in", wav_scp=f"a {tmp_path}/r.wav\n", text="a x y\n", utt2info=f"a {info}\n")
    (row,) = Corpus(bring(folder, "kaldi").folder)
    assert (row.id, row.text, row.label) == ("one", " x  y ", "news")
    (folder / "text").write_text("a x z\n")
    (row,) = Corpus(bring(folder, "kaldi").folder)
    assert (row.id, row.text) == ("one", "x z")


def test_lhotses_own_manifests(tmp_path):
    lhotse = pytest.importorskip("lhotse", reason=NEEDS)
    (tmp_path / "r.wav").write_bytes(encoded(np.stack([RAMP, RAMP], 1), format="WAV"))
    said = [
        lhotse.SupervisionSegment(
            f"s{n}", "r", start, 0.5, channel=[0, 1], text="ཀ", speaker="Pema", custom={"topic": "t"}
        )
        for n, start in enumerate((0.25, 1.5))
    ]
    folder = tmp_path / "in"
    folder.mkdir()
    recordings = lhotse.RecordingSet.from_recordings([lhotse.Recording.from_file(tmp_path / "r.wav")])
    recordings.to_file(folder / "x_recordings_train.jsonl.gz")
    with pytest.raises(SourceError, match=r"expected x_supervisions_train.jsonl.gz beside it"):
        bring(folder, "lhotse")
    lhotse.SupervisionSet.from_segments(said).to_file(folder / "x_supervisions_train.jsonl.gz")
    one, two = Corpus(bring(folder, "lhotse", label_field="topic").folder)
    content = soundfile.read(tmp_path / "r.wav", dtype="float32")[0].mean(axis=1)
    assert np.array_equal(one.load()[0], content[4000:12000]) and np.array_equal(two.load()[0], content[24000:])
    assert (one.id, one.voice, one.label, one.document, one.split) == ("s0", "Pema", "t", "r", "train")


def test_lhotse_runs_no_program(tmp_path):
    lhotse = pytest.importorskip("lhotse", reason=NEEDS)
    from lhotse.audio import AudioSource

    source = AudioSource("command", [0], f"touch {tmp_path}/ran")
    recording = lhotse.Recording("c", [source], 16000, 16000, 1.0)
    said = [lhotse.SupervisionSegment("c", "c", 0, 1, text="x")]
    (tmp_path / "in").mkdir()
    cuts = lhotse.CutSet.from_cuts([lhotse.MonoCut("c", 0, 1, 0, recording=recording, supervisions=said)])
    cuts.to_file(tmp_path / "in" / "cuts.jsonl")
    with pytest.raises(SourceError, match="audio from a command: it is not run"):
        bring(tmp_path / "in", "lhotse")
    assert not (tmp_path / "ran").exists()


def test_damaged_lhotse_manifests_are_one_line(tmp_path):
    pytest.importorskip("lhotse", reason=NEEDS)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cuts.jsonl").write_text('{"id": "x"')
    with pytest.raises(SourceError, match=r"cuts.jsonl: lhotse cannot read it"):
        bring(tmp_path / "in", "lhotse")


def dataset(folder: Path, split: str = "train", hertz: int = 200) -> None:
    """Three clips in a file of Parquet, as `datasets` writes it."""
    import datasets

    clips = [encoded(tone(0.3, hertz=hertz + 7 * number)) for number in range(3)]
    columns = {
        "audio": [{"bytes": clip, "path": f"{number}.flac"} for number, clip in enumerate(clips)],
        "sentence": ["ཀ", "ཁ", "ག"],
        "topic": [0, 1, -1],
        "client_id": ["a", "b", "c"],
    }
    features = {name: datasets.Value("string") for name in columns}
    features["audio"] = datasets.Audio(sampling_rate=16000)
    features["topic"] = datasets.ClassLabel(names=["news", "travel"])
    folder.mkdir(parents=True, exist_ok=True)
    data = datasets.Dataset.from_dict(columns).cast(datasets.Features(features))
    data.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def from_hub(folder: Path, hub: Hub | None = None) -> Imported:
    found, origin = importing(str(folder), "huggingface", hub)
    rules = Rules("bod_Tibt", "CC0-1.0", "x", label_field="topic")
    work = folder.parent / "work"
    return import_corpus(found, origin, rules, "c", work, work / "manifests" / "c")


def test_a_dataset_of_parquet(tmp_path):
    for split, hertz in (("train", 200), ("validation", 300), ("test", 400)):
        dataset(tmp_path / "in", split, hertz)
    corpus = Corpus(from_hub(tmp_path / "in").folder)
    assert [(row.split, row.label) for row in corpus.split("dev")] == [
        ("dev", "news"),
        ("dev", "travel"),
        ("dev", None),
    ]
    found = {row.id: row for row in corpus}
    assert len(found) == 9 and {row.engine for row in corpus} == {"recorded"}
    row = found["validation:1"]
    assert (row.text, row.voice, row.label) == ("ཁ", "b", "travel")
    assert row.path.read_bytes() == encoded(tone(0.3, hertz=307))


def test_configurations_are_named(tmp_path):
    for config, hertz in (("bo", 200), ("my", 300)):
        dataset(tmp_path / "in" / config, hertz=hertz)
    configs = "\n".join(f"- config_name: {name}\n  data_files: {name}/*.parquet" for name in ("bo", "my"))
    (tmp_path / "in" / "README.md").write_text(f"---\nconfigs:\n{configs}\n---\n")
    with pytest.raises(SourceError, match="has 2 configurations: name those to read with --config A,B: bo, my"):
        from_hub(tmp_path / "in")
    with pytest.raises(SourceError, match="no configuration 'mi': "):
        from_hub(tmp_path / "in", Hub(["mi"]))
    done = from_hub(tmp_path / "in", Hub(["bo", "my"]))
    assert [row.id for row in Corpus(done.folder)] == [f"{c}/train:{n}" for c in ("bo", "my") for n in range(3)]


def test_what_is_no_dataset_of_speech_is_said(tmp_path):
    import datasets

    (tmp_path / "text").mkdir()
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "text" / "train.parquet")
    with pytest.raises(SourceError, match="expected one column of audio, found none: name it with --audio-field"):
        from_hub(tmp_path / "text")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="datasets cannot read it"):
        from_hub(tmp_path / "damaged")

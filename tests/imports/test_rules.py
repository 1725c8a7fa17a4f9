"""What a manifest demands and a folder may lack: the rule, or the error, for each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpusforge.corpus.read import Corpus
from corpusforge.errors import SourceError
from corpusforge.imports.forms import importing
from corpusforge.imports.found import Found, split_named
from corpusforge.imports.rules import Rules, language
from corpusforge.imports.run import Imported, import_corpus
from corpusforge.text.languages import LANGUAGES
from tests.corpus.conftest import encoded, tone

PLAIN = {"lang": "bod_Tibt", "license": "CC-BY-4.0", "source": "a village"}


def nemo(folder: Path, lists: dict[str, list[dict[str, object]]]) -> Path:
    """A folder of manifests; every row gets a clip of its own, unless it names one."""
    folder.mkdir(parents=True)
    for name, rows in lists.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            for number, row in enumerate(rows):
                path = f"{name}-{number}.wav"
                if "audio_filepath" not in row:
                    (folder / path).write_bytes(encoded(tone(0.3, hertz=200 + 11 * number), format="WAV"))
                file.write(json.dumps({"audio_filepath": path, "duration": 0.3, "text": "བོད།"} | row) + "\n")
    return folder


def bring(folder: Path, form: str = "nemo", splits: str | None = None, **rules: object) -> Imported:
    found, origin = importing(str(folder), form)
    work = folder.parent / "work"
    return import_corpus(found, origin, Rules(**{**PLAIN, **rules}), "c", work, work / "manifests" / "c", splits)


def rejected(done: Imported) -> dict[str, str]:
    lines = (done.folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row["reason"] for row in map(json.loads, lines)}


def test_recorded_speech_of_a_plain_folder(tmp_path):
    done = bring(nemo(tmp_path / "in", {"all.json": [{"speaker": "Pema"}, {"label": "news", "license": "CC0-1.0"}]}))
    first, second = Corpus(done.folder)
    assert (first.engine, first.voice, first.voice_license, first.translation) == ("recorded", "Pema", None, None)
    assert (second.voice, second.label, second.license) == ("unknown", "news", "CC0-1.0")
    assert (first.lang, first.license, first.source, first.label) == ("bod_Tibt", "CC-BY-4.0", "a village", None)
    assert (first.id, first.group, first.document) == ("all.json:1", "all.json:1", "all.json-0.wav")
    assert (first.sample_rate, first.num_samples, first.duration) == (16000, 4800, 0.3)
    assert first.metrics["syllables"] is None and -14 < first.metrics["rms_dbfs"] < -13
    assert done.splits == "document"


def test_audio_becomes_flac_of_16_khz_mono(tmp_path):
    stereo = np.stack([tone(0.5, 44100, level=0.2), tone(0.5, 44100, level=0.4)], axis=1)
    (tmp_path / "a.ogg").write_bytes(encoded(stereo, 44100, "OGG", "VORBIS"))
    folder = nemo(tmp_path / "in", {"all.json": [{"audio_filepath": str(tmp_path / "a.ogg"), "duration": 0.5}]})
    (row,) = Corpus(bring(folder).folder)
    info = soundfile.info(row.path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16000, 1)
    samples, _ = row.load()
    assert len(samples) == 8000 and abs(np.abs(samples[1000:-1000]).max() - 0.3) < 0.02


def test_a_part_of_a_recording_is_cut_out_to_the_sample(tmp_path):
    long = (np.arange(16000) / 16000).astype(np.float32)
    (tmp_path / "long.flac").write_bytes(encoded(long))
    row = {"audio_filepath": str(tmp_path / "long.flac"), "duration": 0.25}
    folder = nemo(tmp_path / "in", {"all.json": [row | {"offset": offset} for offset in (0.1, 0.9, 0.5, -0.1)]})
    done = bring(folder)
    one, two = Corpus(done.folder)
    assert np.array_equal(one.load()[0], soundfile.read(tmp_path / "long.flac", dtype="float32")[0][1600:5600])
    assert one.document == two.document == str(tmp_path / "long.flac")  # never in two splits
    assert rejected(done)["all.json:2"].startswith("bad segment: 0.900 s to 1.150 s of ")
    assert rejected(done)["all.json:4"].startswith("bad segment: -0.100 s to ")


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path):
    whole = encoded(tone(0.5, hertz=333))
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page.wav").write_text("<html>404</html>")
    rows = [
        {},
        {"audio_filepath": "missing.wav"},
        {"audio_filepath": str(tmp_path / "page.wav")},
        {"audio_filepath": str(tmp_path / "cut.flac"), "duration": 0.5},
        {"text": " "},
        {"text": None},
    ]
    folder = nemo(tmp_path / "in", {"all.json": rows})
    with (folder / "all.json").open("a") as file:
        file.write('{"audio_filepath": \n[1]\n')
    done = bring(folder)
    assert (done.utterances, done.rejected) == (1, 7)
    reasons = rejected(done)
    assert "no audio: " in reasons["all.json:2"] and reasons["all.json:2"].endswith("No such file or directory")
    assert reasons["all.json:3"].startswith("not audio: ") and reasons["all.json:4"].startswith("not audio: ")
    assert reasons["all.json:5"] == reasons["all.json:6"] == "no text"
    assert reasons["all.json:7"].startswith("damaged line: not JSON")
    assert reasons["all.json:8"] == "damaged line: no audio_filepath"
    counted = Counter()
    for entry in Corpus(done.folder).info["refused"]["reasons"]:
        counted[entry["stage"], entry["reason"]] += entry["utterances"]
    assert counted == {
        ("import", "no audio"): 1,
        ("import", "not audio"): 2,
        ("import", "no text"): 2,
        ("import", "damaged line"): 2,
    }


def test_nothing_to_import_says_why(tmp_path):
    with pytest.raises(SourceError, match=r"nothing can be imported from in: all.json:1: no audio: .*gone"):
        bring(nemo(tmp_path / "in", {"all.json": [{"audio_filepath": "gone.wav"}]}))
    assert not (tmp_path / "work" / "manifests").exists()


@pytest.mark.parametrize(
    ("row", "rules", "message"),
    [
        ({}, {"license": None}, "no licence is known: give the SPDX id"),
        ({}, {"lang": None}, "no language is known: give its FLORES-200 code with --lang"),
        ({"lang": "tibetan"}, {"lang": None}, r"did you mean 'bod_Tibt'.*Give the code with --lang"),
        ({"topic": 1}, {"label_field": "tropic"}, "all.json:1: no field 'tropic': did you mean 'topic'"),
        ({}, {"text_field": "words"}, "no field 'words'"),
    ],
)
def test_what_is_not_known_is_asked_for(tmp_path, row, rules, message):
    with pytest.raises(SourceError, match=message):
        bring(nemo(tmp_path / "in", {"all.json": [row]}), **rules)
    assert not (tmp_path / "work" / ".corpusforge" / "import").exists()


def test_a_wrong_language_is_said_at_once():
    with pytest.raises(SourceError, match=r"--lang: 'bo' is not a FLORES-200 code.*bod_Tibt"):
        Rules(**{**PLAIN, "lang": "bo"})


def test_fields_by_other_names(tmp_path):
    row = {"said": "ཀ", "topic": 3, "sentence_id": 17, "article": "x", "nr": "u1", "locale": "my"}
    done = bring(
        nemo(tmp_path / "in", {"all.json": [row]}),
        text_field="said",
        label_field="topic",
        group_field="sentence_id",
        document_field="article",
        id_field="nr",
    )
    (found,) = Corpus(done.folder)
    assert (found.text, found.label, found.group, found.document, found.id) == ("ཀ", "3", "17", "x", "u1")
    assert found.lang == "mya_Mymr"


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_every_language_is_known_by_its_code_and_by_its_tag(code):
    for said in (code, LANGUAGES[code].bcp47, LANGUAGES[code].bcp47.upper().replace("-", "_")):
        found = Found("x", {"lang": said}, "x", None, lambda: b"")
        assert language(found, Rules(None, None, "x")) == code


def test_splits_of_the_folder_are_kept(tmp_path):
    lists = {"train_manifest.json": [{}, {}], "valid.json": [{}], "x-test.jsonl": [{}]}
    done = bring(nemo(tmp_path / "in", lists))
    assert done.splits == "folder"
    assert [(row.id, row.split) for row in Corpus(done.folder)] == [
        ("train_manifest.json:1", "train"),
        ("train_manifest.json:2", "train"),
        ("valid.json:1", "dev"),
        ("x-test.jsonl:1", "test"),
    ]


def test_splits_are_decided_by_document_where_the_folder_has_none(tmp_path):
    rows = [{"document": f"d{number // 4}", "split": "train"} for number in range(80)]
    done = bring(nemo(tmp_path / "in", {"all.json": rows}), splits="document")
    split_of: dict[str, set[str]] = {}
    for row in Corpus(done.folder):
        split_of.setdefault(row.document, set()).add(row.split)
    assert all(len(found) == 1 for found in split_of.values())
    counts = Counter(split for found in split_of.values() for split in found)
    assert counts == {"dev": 2, "test": 2, "train": 16}


def test_splits_that_cannot_be_kept_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"is in no split of the folder.*--splits document"):
        bring(nemo(tmp_path / "one", {"all.json": [{}]}), splits="folder")
    same = {"train.json": [{"document": "d"}], "test.json": [{"document": "d"}]}
    with pytest.raises(SourceError, match=r"'d' is in more than one split.*trained on"):
        bring(nemo(tmp_path / "two", same))
    assert bring(tmp_path / "two", splits="document").splits == "document"


def test_a_group_stays_in_one_document(tmp_path):
    rows = [{"group": "g", "document": "d1"}, {"group": "g", "document": "d2"}]
    with pytest.raises(SourceError, match="group 'g' is in document 'd2' here and in 'd1' before"):
        bring(nemo(tmp_path / "in", {"all.json": rows}))


def test_ids_given_twice_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"'same' is the id of more than one utterance.*--id-field"):
        bring(nemo(tmp_path / "in", {"all.json": [{"id": "same"}, {"id": "same"}]}))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train_manifest.json", "train"),
        ("small_cuts_dev.jsonl.gz", "dev"),
        ("validation", "dev"),
        ("devtest", "test"),
        ("latest", None),
        ("train-and-test", None),
        ("trainer", None),
    ],
)
def test_lists_are_named_after_splits(name, split):
    assert split_named(name) == split


def test_no_folder_and_no_manifest(tmp_path):
    (tmp_path / "empty").mkdir()
    for form, words in (("nemo", "no NeMo manifest"), ("kaldi", "no Kaldi data directory")):
        with pytest.raises(SourceError, match=words):
            bring(tmp_path / "empty", form)
        with pytest.raises(SourceError, match="no such folder"):
            bring(tmp_path / "nowhere", form)

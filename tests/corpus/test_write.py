"""What a commit leaves in the folder, and what an error leaves."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import pytest

from corpusforge.corpus.layout import LISTS
from corpusforge.corpus.schema import Refused, Row, json_schema
from corpusforge.corpus.write import intact
from corpusforge.errors import CorpusError, SourceError, WorkspaceError

from .conftest import encoded, tone


def rows_of(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def audio_of(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in (folder / "audio").rglob("*") if file.is_file()}


def in_child(action) -> str:
    """Run `action` in a forked child; the message of the WorkspaceError that it must end with."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        message = "no error"
        try:
            action()
        except WorkspaceError as error:
            message = f"WorkspaceError {error}"
        except BaseException as error:
            message = repr(error)
        os.write(writer, message.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        message = pipe.read()
    os.waitpid(child, 0)
    assert message.startswith("WorkspaceError "), message
    return message


def test_rows_keep_to_the_schema_and_to_the_items(shop, tmp_path):
    items = shop.corpus()
    translated = shop.item(
        "dev-9999.mya_Mymr",
        "mya_Mymr",
        label=None,
        document="doc-0",
        translation={"model": "m", "prompt": "p", "from": "eng_Latn"},
    )
    shop.write(tmp_path / "out", [*items, translated])
    rows = rows_of(tmp_path / "out" / "manifest.jsonl")
    validator = jsonschema.Draft202012Validator(json_schema())
    for row in rows:
        validator.validate(row)
        assert Row.model_validate(row).model_dump(by_alias=True) == row
        assert list(row) == list(Row.model_fields)
    by_id = {row["id"]: row for row in rows}
    assert set(by_id) == {item.id for item in [*items, translated]}
    for item in [*items, translated]:
        row = by_id[item.id]
        for name in ("group", "document", "lang", "text", "label", "source", "license"):
            assert row[name] == getattr(item, name)
        for name in ("sample_rate", "num_samples", "engine", "voice", "voice_license", "metrics"):
            assert row[name] == item.fields[name]
        assert row["sha256"] == item.fields["audio"]
        assert row["duration"] == round(item.fields["num_samples"] / 16000, 6)
        content = (tmp_path / "out" / row["audio"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
    assert by_id["dev-9999.mya_Mymr"]["translation"] == {"model": "m", "prompt": "p", "from": "eng_Latn"}


def test_rows_are_in_code_point_order_of_group_language_and_id(shop, tmp_path):
    groups = ["b", "a", "Z", "é", "中", "a\0b", "a b", "😀", "\uffee", "10", "9"]
    items = [shop.item(f"{group}.{lang}", lang, group=group) for group in groups for lang in ("zho_Hans", "bod_Tibt")]
    shop.write(tmp_path / "out", items)
    keys = [(row["group"], row["lang"], row["id"]) for row in rows_of(tmp_path / "out" / "manifest.jsonl")]
    assert keys == sorted(keys) and len(keys) == len(items)


def test_splits_hold_the_same_lines_and_keep_documents_and_groups_whole(shop, tmp_path):
    shop.write(tmp_path / "out", shop.corpus(24))
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for split in ("train", "dev", "test"):
        own = (tmp_path / "out" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        assert own == [line for line in manifest if json.loads(line)["split"] == split]
        assert own
    for name in ("group", "document"):
        found = {(json.loads(line)[name], json.loads(line)["split"]) for line in manifest}
        assert len(found) == len({value for value, _ in found})


def test_two_builds_are_byte_identical(shop, tmp_path, snapshot):
    items = shop.corpus()
    shop.write(tmp_path / "first", items)
    shuffled = list(items)
    random.Random(3).shuffle(shuffled)
    other = type(shop)(tmp_path / "elsewhere")
    for item in items:
        other.blobs.put(shop.blobs.read(item.fields["audio"]))
    # Over another corpus that was there before, from another store, in another order.
    other.write(tmp_path / "second", [shop.item("old.bod_Tibt", "bod_Tibt")], blob_path=shop.blobs.path)
    other.write(tmp_path / "second", shuffled)
    first = snapshot(tmp_path / "first")
    assert first == snapshot(tmp_path / "second")
    assert set(LISTS) | {"corpus.json"} < set(first)
    for name, content in first.items():
        assert str(tmp_path).encode() not in content, name


def test_audio_is_a_read_only_link_to_the_blob(shop, tmp_path):
    item = shop.item("one.zho_Hans")
    shop.write(tmp_path / "out", [item])
    (audio,) = audio_of(tmp_path / "out")
    assert audio == f"audio/zho_Hans/one.zho_Hans.{item.fields['audio'][:8]}.flac"
    assert (tmp_path / "out" / audio).samefile(shop.blobs.path(item.fields["audio"]))
    assert (tmp_path / "out" / audio).stat().st_mode & 0o777 == 0o444


def test_audio_is_copied_to_another_file_system(shop):
    shared_memory = Path("/dev/shm")
    if not os.access(shared_memory, os.W_OK) or shared_memory.stat().st_dev == shop.root.stat().st_dev:
        pytest.skip("no second file system to write to at /dev/shm")
    item = shop.item("one.zho_Hans")
    with tempfile.TemporaryDirectory(dir=shared_memory) as folder:
        shop.write(Path(folder) / "out", [item])
        (audio,) = audio_of(Path(folder) / "out")
        copy = Path(folder) / "out" / audio
        assert copy.read_bytes() == shop.blobs.read(item.fields["audio"])
        assert copy.stat().st_mode & 0o777 == 0o444
        assert intact(Path(folder) / "out", "one")


def test_a_second_commit_touches_only_what_changed(shop, tmp_path):
    items = shop.corpus()
    shop.write(tmp_path / "out", items)
    before = {name: (tmp_path / "out" / name).stat() for name in audio_of(tmp_path / "out")}
    folders = {name: (tmp_path / "out" / "audio" / name).stat().st_mtime_ns for name in ("bod_Tibt", "mya_Mymr")}
    items[0] = items[0].having({"audio": shop.blobs.put(encoded(tone(0.7, hertz=999)))})
    shop.write(tmp_path / "out", items)
    after = audio_of(tmp_path / "out")
    assert len(after) == len(before) and len(after - set(before)) == 1
    for name in after & set(before):
        assert (tmp_path / "out" / name).stat().st_ino == before[name].st_ino
    assert folders == {name: (tmp_path / "out" / "audio" / name).stat().st_mtime_ns for name in folders}


def test_audio_that_nothing_names_goes_and_other_files_stay(shop, tmp_path):
    items = shop.corpus()
    out = tmp_path / "out"
    shop.write(out, items)
    (out / "report.html").write_text("mine")
    (out / "audio" / "zho_Hans" / "notes.txt").write_text("mine")
    (out / "audio" / "zho_Hans" / "left.01234567.flac.tmp").write_text("of a copy that was killed")
    chinese = [item for item in items if item.lang == "zho_Hans"]
    shop.write(out, chinese[:3])
    assert {Path(name).name for name in audio_of(out)} - {"notes.txt"} == {
        Path(row["audio"]).name for row in rows_of(out / "manifest.jsonl")
    }
    assert [folder.name for folder in (out / "audio").iterdir()] == ["zho_Hans"]
    assert (out / "report.html").exists() and (out / "audio" / "zho_Hans" / "notes.txt").exists()
    assert intact(out, "one")
    shop.write(out, [])
    assert rows_of(out / "manifest.jsonl") == []
    assert intact(out, "one")


def test_ids_from_hell(shop, tmp_path):
    ids = [
        "../../../etc/passwd",
        "a/b",
        "a\0b",
        "x" * 300,
        "x" * 301,
        "CON",
        ".",
        "..",
        "བོད་" * 60,
        "a\nb",
        "\u2028",
        "%2E",
    ]
    items = [shop.item(item_id, group=str(number)) for number, item_id in enumerate(ids)]
    shop.write(tmp_path / "deep" / "out", items)
    rows = rows_of(tmp_path / "deep" / "out" / "manifest.jsonl")
    assert [row["id"] for row in sorted(rows, key=lambda row: int(row["group"]))] == ids
    assert audio_of(tmp_path / "deep" / "out") == {row["audio"] for row in rows}
    assert sorted(entry.name for entry in (tmp_path / "deep").iterdir()) == ["out"]


def test_refusals_are_listed_with_their_reasons_and_counted(shop, tmp_path):
    items = shop.corpus(4)
    with shop.writer(tmp_path / "out", items) as writer:
        writer.refuse(items[5], "gates", "near-silent: rms -71.2 dBFS is under -50.0")
        writer.refuse(items[2], "gates", "near-silent: rms -60.0 dBFS is under -50.0")
        writer.refuse(items[0], "synthesize", "HTTP 429: too many requests", kind="failed")
        for item in items:
            if item not in (items[0], items[2], items[5]):
                writer.add(item)
        info = writer.commit("one")
    refused = rows_of(tmp_path / "out" / "rejected.jsonl")
    for row in refused:
        assert Refused.model_validate(row).model_dump() == row
    assert [row["id"] for row in refused] == ["dev-0000.mya_Mymr", "dev-0000.zho_Hans", "dev-0001.mya_Mymr"]
    assert refused[1]["reason"] == "HTTP 429: too many requests" and refused[1]["kind"] == "failed"
    assert (info["refused"]["rejected"], info["refused"]["failed"]) == (2, 1)
    assert info["refused"]["reasons"] == [
        {"kind": "failed", "stage": "synthesize", "reason": "HTTP 429", "language": "zho_Hans", "utterances": 1},
        {"kind": "rejected", "stage": "gates", "reason": "near-silent", "language": "mya_Mymr", "utterances": 2},
    ]
    assert (info["groups"], info["complete_groups"]) == (4, 2)


def test_a_language_that_was_refused_altogether_leaves_no_group_complete(shop, tmp_path):
    items = shop.corpus(2)
    with shop.writer(tmp_path / "out", items) as writer:
        for item in items:
            if item.lang == "bod_Tibt":
                writer.refuse(item, "synthesize", "no voice")
            else:
                writer.add(item)
        assert writer.commit("one")["complete_groups"] == 0


def test_corpus_json_counts_what_is_there(shop, tmp_path):
    items = shop.corpus(24)
    info = shop.write(tmp_path / "out", items, fingerprint="f" * 64)
    assert info == json.loads((tmp_path / "out" / "corpus.json").read_text(encoding="utf-8"))
    rows = rows_of(tmp_path / "out" / "manifest.jsonl")
    assert (info["schema_version"], info["name"], info["fingerprint"]) == (1, "small", "f" * 64)
    assert (info["utterances"], info["groups"], info["complete_groups"], info["documents"]) == (72, 24, 24, 12)
    assert info["hours"] == pytest.approx(sum(row["duration"] for row in rows) / 3600, abs=1e-6)
    for name in LISTS:
        content = (tmp_path / "out" / name).read_bytes()
        assert info["files"][name] == {
            "lines": content.count(b"\n"),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    for cell in info["by_language_split_label"]:
        own = [
            r for r in rows if (r["lang"], r["split"], r["label"]) == (cell["language"], cell["split"], cell["label"])
        ]
        assert cell["utterances"] == len(own)
        assert cell["mean_duration"] == pytest.approx(sum(row["duration"] for row in own) / len(own), abs=1e-4)
    assert sum(cell["utterances"] for cell in info["by_language_split_label"]) == 72
    assert [row["split"] for row in info["by_split"]] == ["train", "dev", "test"]
    assert [(row["label"], row["utterances"]) for row in info["by_label"]] == [("news", 36), ("travel", 36)]
    assert info["licenses"] == {
        "texts": [{"license": "CC-BY-SA-4.0", "source": "FLORES-200", "utterances": 72}],
        "voices": [{"license": "GPL-3.0-or-later", "utterances": 72}],
    }
    (engine,) = info["engines"]
    assert (engine["engine"], engine["voice"], engine["utterances"]) == ("espeak", "cmn", 72)
    assert engine["languages"] == ["bod_Tibt", "mya_Mymr", "zho_Hans"]
    for summary in info["metrics"]:
        own = [row for row in rows if row["lang"] == summary["language"]]
        assert (summary["syllables"], summary["unreadable"], summary["unreadable_share"]) == (96, 24, 0.25)
        assert summary["seconds_per_syllable"] == pytest.approx(sum(r["duration"] for r in own) / 96, abs=1e-4)
        levels = [row["metrics"]["rms_dbfs"] for row in own]
        assert summary["rms_dbfs"] == {
            "min": min(levels),
            "mean": pytest.approx(sum(levels) / len(levels), abs=1e-6),
            "max": max(levels),
        }


def test_rows_without_measurements_or_labels(shop, tmp_path):
    items = [shop.item("a.zho_Hans", label=None).having({"metrics": None, "voice_license": None})]
    info = shop.write(tmp_path / "out", items)
    assert info["metrics"] == [] and [row["label"] for row in info["by_label"]] == [None]
    assert info["licenses"]["voices"] == [{"license": None, "utterances": 1}]
    jsonschema.validate(rows_of(tmp_path / "out" / "manifest.jsonl")[0], json_schema())


@pytest.mark.parametrize("name", ["audio", "voice", "num_samples"])
def test_an_item_that_is_not_finished_is_named(shop, tmp_path, name):
    item = shop.item("one.zho_Hans")
    short = type(item)(
        **{a: getattr(item, a) for a in ("id", "group", "document", "lang", "text", "label", "source", "license")},
        fields={key: value for key, value in item.fields.items() if key != name},
    )
    with shop.writer(tmp_path / "out", [item]) as writer, pytest.raises(CorpusError, match=f"one.zho_Hans.*'{name}'"):
        writer.add(short)


def test_a_document_without_a_split_is_named(shop, tmp_path):
    item = shop.item("one.zho_Hans", document="unknown article")
    with shop.writer(tmp_path / "out", []) as writer, pytest.raises(CorpusError, match="unknown article"):
        writer.add(item)


def test_half_a_surrogate_pair_is_an_error_of_the_source(shop, tmp_path):
    with shop.writer(tmp_path / "out", []) as writer, pytest.raises(SourceError, match=r"one.zho_Hans.*U\+D800"):
        writer.refuse(shop.item("one.zho_Hans", text="a\ud800"), "gates", "no")


def test_an_id_given_twice_is_an_error_of_the_source(shop, tmp_path):
    items = [shop.item("same", group="a"), shop.item("same", group="b", hertz=300)]
    with pytest.raises(SourceError, match="same"):
        shop.write(tmp_path / "out", items)
    assert not (tmp_path / "out").exists()


def test_without_commit_nothing_changes(shop, tmp_path, snapshot):
    with shop.writer(tmp_path / "new", []) as writer:
        writer.refuse(shop.item("one.zho_Hans"), "gates", "no")
    assert not (tmp_path / "new").exists()
    shop.write(tmp_path / "out", shop.corpus(3))
    before = snapshot(tmp_path / "out")
    items = shop.corpus(5)
    with shop.writer(tmp_path / "out", items) as writer:
        for item in items:
            writer.add(item)
    assert snapshot(tmp_path / "out") == before


def test_a_blob_that_is_gone_leaves_the_corpus_as_it_was(shop, tmp_path, snapshot):
    shop.write(tmp_path / "out", shop.corpus(3))
    before = snapshot(tmp_path / "out")
    items = shop.corpus(5)
    shop.blobs.remove(items[-1].fields["audio"])
    with pytest.raises(WorkspaceError, match="not in the store"):
        shop.write(tmp_path / "out", items)
    assert snapshot(tmp_path / "out") == before
    with pytest.raises(WorkspaceError, match="not in the store"):
        shop.write(tmp_path / "new", items)
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_is_named(shop, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WorkspaceError, match="something else has that name"):
        shop.write(tmp_path / "out", [shop.item("one.zho_Hans")])


def test_a_folder_that_may_not_be_written_is_named_before_the_work(shop):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)

        def build() -> None:
            if os.geteuid() == 0:
                os.setuid(65534)
            shop.writer(Path(folder) / "deep" / "out", [])

        message = in_child(build)
        os.chmod(folder, 0o755)
    assert "Permission denied" in message and "make it writable" in message


def test_a_list_that_cannot_be_written_to_its_end_leaves_the_corpus_as_it_was(shop, tmp_path, snapshot):
    """A limit on the size of files stops the manifest in its middle, as a full disk does."""
    shop.write(tmp_path / "out", shop.corpus(2))
    before = snapshot(tmp_path / "out")
    items = shop.corpus(20)

    def build() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        shop.write(tmp_path / "out", items)

    assert "cannot write the corpus" in in_child(build)
    assert snapshot(tmp_path / "out") == before
    assert intact(tmp_path / "out", "one")


def test_a_full_disk(shop, tmp_path, snapshot):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        small = shop.corpus(2)
        shop.write(disk / "out", small)
        before = snapshot(disk / "out")
        with pytest.raises(WorkspaceError, match="free some space"):
            shop.write(disk / "out", shop.corpus(60))
        assert snapshot(disk / "out") == before
        assert intact(disk / "out", "one")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_intact_sees_what_is_wrong(shop, tmp_path):
    out = tmp_path / "out"
    items = shop.corpus(24)
    assert not intact(out, "one")
    shop.write(out, items)
    assert intact(out, "one")
    assert not intact(out, "two")

    def damaged(damage) -> bool:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(out, tmp_path / "copy")
        assert intact(tmp_path / "copy", "one")
        damage(tmp_path / "copy")
        return not intact(tmp_path / "copy", "one")

    audio = sorted(audio_of(out))[0]
    manifest = (out / "manifest.jsonl").read_bytes()
    assert damaged(lambda copy: (copy / "manifest.jsonl").write_bytes(manifest.replace(b"0", b"1", 1)))
    assert damaged(lambda copy: (copy / "dev.jsonl").write_bytes(b""))
    assert damaged(lambda copy: (copy / "rejected.jsonl").unlink())
    assert damaged(lambda copy: (copy / "corpus.json").write_text("{"))
    assert damaged(lambda copy: (copy / "corpus.json").write_text("[]"))
    assert damaged(lambda copy: (copy / audio).unlink())
    assert damaged(lambda copy: shutil.rmtree(copy / "audio"))
    assert damaged(lambda copy: (copy / "audio" / "bod_Tibt" / "more.01234567.flac").write_bytes(b""))
    assert damaged(lambda copy: (copy / ".commit").mkdir())


_MANY = """
import resource, sys
from pathlib import Path
from corpusforge.corpus.write import CorpusWriter
from corpusforge.items import Utterance
root, count = Path(sys.argv[1]), int(sys.argv[2])
fields = {"audio": "ab" * 32, "sample_rate": 16000, "num_samples": 16000, "engine": "e", "voice": "v",
          "voice_license": None}
(root / "blob").write_bytes(b"audio")
with CorpusWriter(root / "out", name="n", recipe={}, splits={"d": "train"}, blob_path=lambda sha256: root / "blob",
                  suffix="wav", versions={}) as writer:
    for number in range(count):
        group = f"{number * 7919 % count:07d}"
        writer.add(Utterance(group + ".x", group, "d", "x", "text " * 60, None, "s", "l", fields))
    writer.commit("f")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    peaks = []
    for count in (15_000, 60_000):
        root = tmp_path / str(count)
        root.mkdir()
        made = subprocess.run(
            [sys.executable, "-c", _MANY, root, str(count)], capture_output=True, text=True, check=True, timeout=120
        )
        peaks.append(int(made.stdout) / 1024)
        assert (root / "out" / "manifest.jsonl").stat().st_size > 400 * count
    # 45,000 more rows are 30 MB more of manifest.
    assert peaks[1] - peaks[0] < 8, peaks

"""Parquet shards: what `datasets` makes of them, and how little of them changes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soundfile
from datasets import Audio, ClassLabel, Value, load_dataset

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusError, WorkspaceError
from corpusforge.export.parquet import ROWS, layout, write_parquet
from corpusforge.items import Utterance
from corpusforge.publish.dataset import write_dataset
from corpusforge.publish.hub import PublishError
from corpusforge.publish.verify import compare_rows
from tests.corpus.conftest import LANGUAGES, Shop

SMALL = 60_000


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def hashes(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*.parquet")
    }


def written(shop: Shop, name: str, items: list[Utterance], size: int = SMALL) -> tuple[Corpus, dict[str, str]]:
    shop.write(shop.root / f"corpus-{name}", items)
    corpus = Corpus(shop.root / f"corpus-{name}")
    write_parquet(corpus, shop.root / name, max_shard_size=size)
    return corpus, hashes(shop.root / name)


def test_datasets_reads_every_row_and_clip(shop: Shop) -> None:
    corpus, _ = written(shop, "out", shop.corpus(24))
    files = {s: str(shop.root / "out/data/bod_Tibt" / f"{s}*.parquet") for s in ("train", "validation", "test")}
    loaded = load_dataset("parquet", data_files=files, cache_dir=str(shop.root / "cache"))
    seen = {}
    for split, rows in loaded.items():
        assert rows.features["audio"] == Audio(sampling_rate=16000)
        assert rows.features["label"] == ClassLabel(names=["news", "travel"])
        assert rows.features["text"] == Value("string")
        for row in rows.cast_column("audio", Audio(decode=False)):
            seen[row["id"]] = (split, row)
    ours = [record for record in corpus if record.lang == "bod_Tibt"]
    assert seen.keys() == {record.id for record in ours}
    for record in ours:
        split, row = seen[record.id]
        assert split == {"dev": "validation"}.get(record.split, record.split)
        assert (row["text"], row["group"], row["voice"]) == (record.text, record.group, record.voice)
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        assert (samples == record.load()[0]).all() and rate == 16000
        assert row["audio"]["path"] == record.path.name


def test_a_row_of_parallel_has_every_language_and_null_where_one_is_missing(shop: Shop) -> None:
    items = [item for item in shop.corpus(12) if item.id != "dev-0003.mya_Mymr"]
    corpus, _ = written(shop, "out", items)
    rows = [row for file in (shop.root / "out/data/parallel").iterdir() for row in pq.read_table(file).to_pylist()]
    assert sorted(row["group"] for row in rows) == [f"dev-{number:04d}" for number in range(12)]
    lacking = next(row for row in rows if row["group"] == "dev-0003")
    assert lacking["text_mya_Mymr"] is None and lacking["audio_mya_Mymr"] is None
    ours = next(record for record in corpus if record.id == "dev-0003.bod_Tibt")
    assert lacking["audio_bod_Tibt"] == {"bytes": ours.path.read_bytes(), "path": ours.path.name}
    assert layout(corpus, SMALL).configs == ("parallel", *sorted(LANGUAGES))


def test_a_corpus_in_one_language_has_no_parallel_configuration(shop: Shop) -> None:
    corpus, files = written(shop, "out", shop.corpus(6, ("zho_Hans",)))
    assert layout(corpus, SMALL).configs == ("zho_Hans",)
    assert {path.split("/")[1] for path in files} == {"zho_Hans"}


def test_the_same_corpus_gives_the_same_bytes(shop: Shop) -> None:
    corpus, first = written(shop, "one", shop.corpus(24))
    write_parquet(corpus, shop.root / "two", max_shard_size=SMALL)
    assert first == hashes(shop.root / "two") and len(first) > 12


def test_a_changed_sentence_changes_the_two_shards_that_it_is_in(shop: Shop) -> None:
    items = shop.corpus(40)
    _, before = written(shop, "before", items)
    old = items[60]
    changed = [*items]
    changed[60] = shop.item(old.id, old.lang, 999, document=old.document, label=old.label, text="改")
    _, after = written(shop, "after", changed)
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path.split("/")[1] for path in differing} == {"parallel", old.lang}
    assert len(differing) == 2 and len(before) > 20


def test_an_added_sentence_changes_its_own_shards_and_no_other(shop: Shop) -> None:
    items = shop.corpus(40)
    more = [*items, *(shop.item(f"dev-9999.{lang}", lang, 300, document="doc-0", label="news") for lang in LANGUAGES)]
    _, before = written(shop, "before", items)
    _, after = written(shop, "after", more)
    gone = {path for path in before if before[path] != after.get(path)}
    assert len(gone) <= 1 + len(LANGUAGES) and len(before) > 20


@pytest.mark.parametrize("size", [40_000, 100_000, 10_000_000])
def test_no_shard_is_larger_than_asked_for(shop: Shop, size: int) -> None:
    corpus, _ = written(shop, "out", shop.corpus(60), size)
    shards = write_parquet(corpus, shop.root / "out", max_shard_size=size)
    assert all(shard.size <= size for shard in shards if shard.rows > 1)
    assert all(shard.size == (shop.root / "out" / shard.path).stat().st_size for shard in shards)
    assert sum(shard.rows for shard in shards) == 60 * 4


def test_a_row_group_has_a_hundred_rows(shop: Shop) -> None:
    items = [
        shop.item(item.id, item.lang, 0, document="doc-1", label="news") for item in shop.corpus(150, ("zho_Hans",))
    ]
    shop.write(shop.root / "corpus", items, splits={"doc-1": "train"})
    write_parquet(Corpus(shop.root / "corpus"), shop.root / "out", max_shard_size=10_000_000)
    [file] = (shop.root / "out/data/zho_Hans").glob("train*.parquet")
    about = pq.ParquetFile(file).metadata
    assert [about.row_group(number).num_rows for number in range(about.num_row_groups)] == [ROWS, 50]


def test_a_row_lost_or_changed_on_the_way_is_found(shop: Shop) -> None:
    shop.write(shop.root / "corpus", shop.corpus(12))
    corpus = Corpus(shop.root / "corpus")
    write_dataset(corpus, shop.root / "out", "me/small")
    planned = layout(corpus, 10_000_000)
    assert compare_rows(corpus, planned, str(shop.root / "out")) == 12 * 4
    file = next((shop.root / "out/data/zho_Hans").glob("train*.parquet"))
    table = pq.read_table(file)
    for wrong, words in (
        (table.slice(1), "is not what the corpus has"),
        (table.slice(0, len(table) - 1), "fewer rows"),
    ):
        pq.write_table(wrong, file)
        with pytest.raises(PublishError, match=words):
            compare_rows(corpus, planned, str(shop.root / "out"))


def test_shards_of_an_earlier_corpus_go_and_other_files_stay(shop: Shop) -> None:
    written(shop, "out", shop.corpus(40))
    (shop.root / "out/data/zho_Hans/mine.parquet").write_bytes(b"mine")
    _, files = written(shop, "out", shop.corpus(4), 10_000_000)
    assert "data/zho_Hans/mine.parquet" in files and len(files) < 15


def test_audio_that_is_not_the_manifests_is_refused(shop: Shop) -> None:
    shop.write(shop.root / "corpus", shop.corpus(4))
    corpus = Corpus(shop.root / "corpus")
    clip = corpus[5].path
    content = clip.read_bytes()
    clip.unlink()
    with pytest.raises(CorpusError, match=rf"{corpus[5].id}: no audio at"):
        write_parquet(corpus, shop.root / "out", max_shard_size=SMALL)
    clip.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CorpusError, match=r"is not the file that the manifest names"):
        write_parquet(corpus, shop.root / "out", max_shard_size=SMALL)
    assert not list((shop.root / "out").rglob("*.tmp"))


def test_two_utterances_of_a_group_in_one_language_are_refused(shop: Shop) -> None:
    twice = [shop.item("dev-1.a", "zho_Hans", group="dev-1"), shop.item("dev-1.b", "zho_Hans", group="dev-1")]
    shop.write(shop.root / "corpus", twice)
    with pytest.raises(CorpusError, match="dev-1 has more than one utterance in zho_Hans"):
        layout(Corpus(shop.root / "corpus"), SMALL)


@pytest.mark.parametrize("small_disk", ["64k"], indirect=True)
def test_a_full_disk_is_one_line(shop: Shop, small_disk: Path) -> None:
    shop.write(shop.root / "corpus", shop.corpus(12))
    with pytest.raises(WorkspaceError, match="cannot be written"):
        write_parquet(Corpus(shop.root / "corpus"), small_disk, max_shard_size=SMALL)

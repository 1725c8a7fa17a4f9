"""The audio pack: what the files hold, made once, whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpusforge import Corpus
from corpusforge.errors import CorpusError, WorkspaceError
from corpusforge.train import pack as packing
from corpusforge.train.pack import open_pack
from tests.corpus.conftest import encoded, tone
from tests.train.conftest import whole


def damage(corpus: Path, number: int, content: bytes | None) -> Path:
    path = Corpus(corpus)[number].path
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    return path


def test_every_clip_is_sample_for_sample_what_the_file_holds(pack, corpus):
    assert len(pack) == len(Corpus(corpus)) == 60
    assert whole(pack, corpus)


def test_clips_cannot_be_written(pack):
    with pytest.raises(ValueError, match="read-only"):
        pack.clip(0)[0] = 1


@pytest.mark.parametrize("number", [-1, 60])
def test_there_are_no_clips_beyond_the_ends(pack, number):
    with pytest.raises(IndexError, match=f"clip {number} of a pack of 60"):
        pack.clip(number)


def test_the_number_of_workers_changes_no_byte(corpus, tmp_path):
    one, many = (open_pack(corpus, tmp_path / str(count), workers=count) for count in (1, 5))
    assert (one.folder / "audio.i16").read_bytes() == (many.folder / "audio.i16").read_bytes()


def test_a_second_start_needs_no_audio(pack, corpus, tmp_path):
    shutil.rmtree(corpus / "audio")
    again = open_pack(corpus, tmp_path / "cache")
    assert np.array_equal(again.clip(7), pack.clip(7)) and again.numbers == pack.numbers


def test_new_ids_and_texts_use_the_same_pack(pack, corpus, shop, tmp_path):
    items = [item.having({"id": f"x{item.id}", "text": "新"}) for item in shop.corpus(20)]
    shop.write(tmp_path / "other", items)
    other = open_pack(tmp_path / "other", tmp_path / "cache")
    assert other.folder == pack.folder and other.numbers == {f"x{id}": clip for id, clip in pack.numbers.items()}


def test_other_audio_is_another_pack(pack, shop, tmp_path):
    shop.write(tmp_path / "other", shop.corpus(19))
    assert open_pack(tmp_path / "other", tmp_path / "cache").folder != pack.folder


def test_clips_that_utterances_share_are_packed_once(shop, tmp_path):
    shop.write(tmp_path / "twins", [shop.item(f"dev-{n}.zho_Hans", hertz=300) for n in range(3)])
    pack = open_pack(tmp_path / "twins", tmp_path / "cache")
    assert len(pack) == 1 and set(pack.numbers.values()) == {0}


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "PCM_U8"])
def test_other_sample_formats_are_brought_to_16_bits(shop, tmp_path, subtype):
    samples = tone(0.3, level=0.9)
    blob = shop.blobs.put(encoded(samples, format="WAV", subtype=subtype))
    item = shop.item("dev-1.zho_Hans", audio=blob, num_samples=len(samples))
    shop.write(tmp_path / "wav", [item], suffix="wav")
    clip = open_pack(tmp_path / "wav", tmp_path / "cache").clip(0)
    step = 1 / 128 if subtype == "PCM_U8" else 1 / 32768
    assert np.abs(clip / 32768 - samples).max() <= step


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_rates_are_resampled(shop, tmp_path, rate):
    samples = tone(0.5001, rate=rate)
    item = shop.item("dev-1.zho_Hans", audio=shop.blobs.put(encoded(samples, rate)))
    item = item.having({"num_samples": len(samples), "sample_rate": rate})
    shop.write(tmp_path / "slow", [item])
    clip = open_pack(tmp_path / "slow", tmp_path / "cache").clip(0)
    assert len(clip) == round(len(samples) * 16000 / rate)
    expected = tone(len(clip) / 16000)[1000:-1000]
    assert np.abs(clip[1000:-1000] / 32768 - expected).max() < 0.002


def test_a_missing_file_is_named(corpus, tmp_path):
    path = damage(corpus, 5, None)
    with pytest.raises(CorpusError) as caught:
        open_pack(corpus, tmp_path / "cache")
    message = str(caught.value)
    assert message.startswith("1 of 60 clips cannot be used: ")
    assert f"{Corpus(corpus)[5].id}: no audio at {path} (No such file or directory)" in message
    assert "build the corpus again" in message


def test_a_damaged_file_is_named(corpus, tmp_path):
    whole_file = Corpus(corpus)[5].path.read_bytes()
    path = damage(corpus, 5, whole_file[:-9])
    with pytest.raises(CorpusError, match=rf"{path} is not the file that the manifest names"):
        open_pack(corpus, tmp_path / "cache")


def test_a_file_that_is_no_audio_is_named(shop, tmp_path):
    item = shop.item("dev-1.zho_Hans").having({"audio": shop.blobs.put(b"no audio")})
    shop.write(tmp_path / "corpus", [item])
    with pytest.raises(CorpusError, match=r"dev-1\.zho_Hans: .* cannot be decoded"):
        open_pack(tmp_path / "corpus", tmp_path / "cache")


def test_audio_of_another_length_than_the_manifest_says_is_named(shop, tmp_path):
    shop.write(tmp_path / "corpus", [shop.item("dev-1.zho_Hans").having({"num_samples": 77})])
    with pytest.raises(CorpusError, match=r"holds samples of shape \(\d+,\) at 16000 Hz, the manifest says \(77,\)"):
        open_pack(tmp_path / "corpus", tmp_path / "cache")


def test_of_many_bad_files_five_are_named_and_the_rest_is_kept(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "PORTION", 4)
    rows = list(Corpus(corpus))
    kept = {record.path: record.path.read_bytes() for record in rows[:8]}
    for path in kept:
        path.unlink()
    with pytest.raises(CorpusError, match=r"^8 of 60 clips cannot be used: .*; and 3 more$"):
        open_pack(corpus, tmp_path / "cache")
    for path, content in kept.items():
        path.write_bytes(content)
    seen = []
    pack = open_pack(corpus, tmp_path / "cache", progress=lambda done, total: seen.append((done, total)))
    assert seen[0][0] > 52 and seen[-1] == (60, 60) and whole(pack, corpus)


def test_a_pack_that_was_cut_short_is_refused(pack, corpus, tmp_path):
    os.truncate(pack.folder / "audio.i16", 1000)
    with pytest.raises(WorkspaceError, match=r"has 1,000 bytes, expected .* Delete the folder; it is made again"):
        open_pack(corpus, tmp_path / "cache")


def test_a_full_disk_is_found_before_the_first_clip(corpus, small_disk):
    (small_disk / "filler").write_bytes(bytes(900_000))
    with pytest.raises(WorkspaceError, match=r"needs 0\.\d GB in .* free"):
        open_pack(corpus, small_disk)


def test_a_cache_folder_that_cannot_be_made_is_named(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"file.* cannot be written"):
        open_pack(corpus, tmp_path / "file" / "cache")


def test_two_that_start_at_once_make_one_pack(corpus, tmp_path):
    counts: Counter[str] = Counter()
    packs = []

    def start(name: str) -> None:
        packs.append(open_pack(corpus, tmp_path / "cache", progress=lambda *_: counts.update([name])))

    threads = [threading.Thread(target=start, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(packs) == 3 and all(whole(pack, corpus) for pack in packs)
    assert len(counts) == 1


EVENTS = {"open", "os.mkdir", "os.rename", "os.truncate"}


def killed_at(step: int, corpus: Path, cache: Path) -> bool:
    """Pack in a child that kills itself before its `step`-th look at audio or change of the cache."""
    child = os.fork()
    if child == 0:
        left = step

        def watch(event: str, arguments: tuple) -> None:
            nonlocal left
            if event in EVENTS and any(str(folder) in str(arguments) for folder in (cache, corpus / "audio")):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(watch)
            open_pack(corpus, cache, workers=1)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_killed_anywhere_it_leaves_nothing_half_valid_and_goes_on(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "PORTION", 2)
    corpus = tmp_path / "corpus"
    shop.write(corpus, shop.corpus(4))
    first_reports = []
    step = 0
    while killed_at(step, corpus, cache := tmp_path / "caches" / str(step)):
        seen = []
        pack = open_pack(corpus, cache, progress=lambda done, total, seen=seen: seen.append(done))
        assert whole(pack, corpus)
        assert {path.name for path in cache.iterdir()} == {pack.folder.name, f"{pack.folder.name}.lock"}
        first_reports.append(seen[0] if seen else 12)
        step += 1
    assert step > 18
    assert first_reports[0] <= 6 and first_reports[-1] == 12  # three portions run at once, at most


def test_killed_over_and_over_it_still_gets_there(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "PORTION", 1)
    corpus = tmp_path / "corpus"
    shop.write(corpus, shop.corpus(4))
    starts = 0
    while killed_at(9, corpus, tmp_path / "cache"):
        starts += 1
        assert starts < 12
    assert starts > 1 and whole(open_pack(corpus, tmp_path / "cache"), corpus)

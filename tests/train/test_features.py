"""The cache of a frozen front end: each clip as it is by itself, once, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from corpusforge.errors import CorpusError, WorkspaceError
from corpusforge.train import features as caching
from corpusforge.train.features import open_features
from corpusforge.train.pack import open_pack
from tests.train.conftest import Bands, Strided


def alone(encoder, pack, number):
    with torch.no_grad():
        return encoder.front(torch.from_numpy(pack.clip(number) / np.float32(32768))).half().numpy()


@pytest.mark.parametrize("encoder", [Strided(), Bands()], ids=["convolution", "mel bands"])
def test_every_clip_has_the_features_that_it_has_by_itself(encoder, pack, tmp_path):
    cache = open_features(pack, encoder, tmp_path / "cache")
    assert len(cache) == len(pack) and cache.dim == encoder.front_dim
    for number in range(len(pack)):
        assert cache.features(number).dtype == np.float16
        assert np.array_equal(cache.features(number), alone(encoder, pack, number))


def test_a_second_start_asks_the_encoder_nothing(pack, tmp_path):
    first = open_features(pack, Strided(), tmp_path / "cache")
    encoder = Strided()
    again = open_features(pack, encoder, tmp_path / "cache")
    assert encoder.seen == 0 and again.folder == first.folder
    assert np.array_equal(again.features(11), first.features(11))


def test_another_front_end_or_pack_has_another_cache(pack, shop, tmp_path):
    shop.write(tmp_path / "other", shop.corpus(3))
    other = open_pack(tmp_path / "other", tmp_path / "cache")
    caches = [
        open_features(audio, encoder, tmp_path / "cache")
        for audio, encoder in [(pack, Strided(0)), (pack, Strided(1)), (pack, Bands()), (other, Strided(0))]
    ]
    assert len({cache.folder for cache in caches}) == 4


def test_portions_change_no_byte(pack, tmp_path, monkeypatch):
    whole = open_features(pack, Strided(), tmp_path / "whole")
    monkeypatch.setattr(caching, "PORTION", 5000)
    reports = []
    small = open_features(pack, Strided(), tmp_path / "small", progress=lambda *seen: reports.append(seen))
    for name in ("features.f16", "lengths.i64"):
        assert (whole.folder / name).read_bytes() == (small.folder / name).read_bytes()
    assert len(reports) > 10 and reports == sorted(reports) and reports[-1] == (60, 60)


def test_features_cannot_be_written_and_end_with_the_last_clip(pack, tmp_path):
    cache = open_features(pack, Bands(), tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        cache.features(0)[0] = 1
    with pytest.raises(IndexError, match="clip 60 of a cache of 60"):
        cache.features(60)


class Interrupted(Exception):
    pass


class Interrupting(Strided):
    """Breaks off before its `at`-th clip."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def front(self, samples):
        if self.seen == self.at:
            raise Interrupted
        return super().front(samples)


@pytest.mark.parametrize("lost", ["nothing", "lengths cut", "features cut", "features ahead"])
def test_it_goes_on_from_what_is_whole(pack, tmp_path, monkeypatch, lost):
    whole = open_features(pack, Strided(), tmp_path / "whole")
    monkeypatch.setattr(caching, "PORTION", 3000)
    with pytest.raises(Interrupted):
        open_features(pack, Interrupting(33), tmp_path / "cache")
    [part] = (tmp_path / "cache").glob("features-*.part")
    values, lengths = part / "features.f16", part / "lengths.i64"
    done = lengths.stat().st_size // 8
    assert 27 < done <= 33
    if lost == "lengths cut":
        os.truncate(lengths, 8 * done - 3)
        done -= 1
    elif lost == "features cut":
        os.truncate(values, values.stat().st_size - 1)
        done -= 1
    elif lost == "features ahead":
        with values.open("ab") as file:
            file.write(b"not yet counted")
    encoder = Strided()
    resumed = open_features(pack, encoder, tmp_path / "cache")
    assert encoder.seen == 60 - done
    assert (resumed.folder / "features.f16").read_bytes() == (whole.folder / "features.f16").read_bytes()
    assert not part.exists()


KILLED = """
import os, signal, sys
from corpusforge.train import features
from corpusforge.train.pack import open_pack
from tests.train.conftest import Strided

class Killing(Strided):
    def front(self, samples):
        if self.seen == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().front(samples)

features.PORTION = 3000
features.open_features(open_pack(sys.argv[1], sys.argv[2]), Killing(), sys.argv[2])
"""


def test_killed_it_leaves_nothing_half_valid_and_goes_on(corpus, pack, tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, corpus, tmp_path / "cache"])
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in (tmp_path / "cache").glob("features-*") if path.is_dir()] == [".part"]
    encoder = Strided()
    cache = open_features(pack, encoder, tmp_path / "cache")
    assert 40 <= encoder.seen < 46
    assert all(np.array_equal(cache.features(number), alone(encoder, pack, number)) for number in range(60))


@pytest.mark.parametrize("file", ["features.f16", "lengths.i64", "header.json"])
def test_a_damaged_cache_is_refused(pack, tmp_path, file):
    cache = open_features(pack, Bands(), tmp_path / "cache")
    os.truncate(cache.folder / file, 10)
    with pytest.raises(WorkspaceError, match=rf"{cache.folder}.* Delete the folder; it is made again"):
        open_features(pack, Bands(), tmp_path / "cache")


class Loud(Bands):
    front_id = "loud"

    def front(self, samples):
        return super().front(samples) + 70000


class Slow(Bands):
    front_id = "slow"

    def front(self, samples):
        return super().front(samples)[:0]


@pytest.mark.parametrize(("encoder", "words"), [(Loud(), "not finite in 16 bits"), (Slow(), "no frame")])
def test_a_clip_without_usable_features_is_named(pack, tmp_path, encoder, words):
    with pytest.raises(CorpusError, match=words) as caught:
        open_features(pack, encoder, tmp_path / "cache")
    assert pack.numbers[str(caught.value).partition(":")[0]] == 0


def test_a_full_disk_is_found_after_the_first_portion(pack, small_disk, monkeypatch):
    monkeypatch.setattr(caching, "PORTION", 1000)
    (small_disk / "filler").write_bytes(bytes(960_000))
    encoder = Strided()
    with pytest.raises(WorkspaceError, match="the speech features of this corpus needs"):
        open_features(pack, encoder, small_disk)
    assert encoder.seen == 1

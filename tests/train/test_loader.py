"""Batches: whole groups, every one once, the same for the same seed, whatever the number of processes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusforge.errors import CorpusError
from corpusforge.train import loader as loading
from corpusforge.train.batch import Batch
from corpusforge.train.data import Dataset, Example, read_dataset
from corpusforge.train.features import open_features
from corpusforge.train.loader import Loader, ahead
from corpusforge.train.pack import open_pack
from tests.train.conftest import Bands, Strided, Syllables


def batches(dataset, split, shuffle_seed=None, **settings):
    """One pass of a loader that is used once."""
    return Loader(dataset, **settings).batches(split, shuffle_seed=shuffle_seed)


@pytest.fixture
def dataset(corpus):
    return read_dataset(corpus)


@pytest.fixture
def cache(pack, tmp_path):
    return open_features(pack, Strided(), tmp_path / "cache")


def made(sizes: list[int], lengths: list[int]) -> Dataset:
    """Groups of `sizes` rows, whose texts are as long as `lengths` says."""
    groups = tuple(
        tuple(
            Example(f"g{number}.{row}", f"g{number}", "d", f"l{row}", "x" * length, row % 2, "train", 0)
            for row in range(size)
        )
        for number, (size, length) in enumerate(zip(sizes, lengths, strict=True))
    )
    return Dataset(tuple(f"l{row}" for row in range(9)), ("a", "b"), {"train": groups}, "digest", "audio")


def ids(found) -> list[list[str]]:
    return [batch.ids for batch in found]


def test_a_batch_has_the_rows_tokens_and_features_of_its_utterances(dataset, cache):
    text = Syllables()
    rows = {example.id: example for group in dataset.examples["train"] for example in group}
    seen = []
    for batch in batches(dataset, "train", text=text, cache=cache, groups=3, shuffle_seed=1):
        assert len(batch) == len(batch.ids) == len(batch.group)
        for row, id in enumerate(batch.ids):
            example = rows[id]
            assert dataset.languages[batch.lang[row]] == example.lang
            assert batch.label[row] == example.label
            assert dataset.examples["train"][int(batch.group[row])][0].group == example.group
            [expected] = text.tokenize([example.text], 128)
            assert batch.tokens[row][batch.token_mask[row]].tolist() == expected
            assert batch.token_mask[row].tolist() == sorted(batch.token_mask[row].tolist(), reverse=True)
            assert (batch.tokens[row][~batch.token_mask[row]] == text.pad_id).all()
            length = int(batch.feature_lengths[row])
            assert np.array_equal(batch.features[row, :length].numpy(), cache.features(example.clip))
            assert not batch.features[row, length:].any()
        assert batch.token_mask.any(0).all() and batch.features.shape[1] == batch.feature_lengths.max()
        seen += batch.ids
    assert sorted(seen) == sorted(rows)


def test_the_types_are_those_of_the_contract(dataset, cache):
    batch = next(batches(dataset, "train", text=Syllables(), cache=cache, groups=2))
    found = {name: getattr(batch, name).dtype for name in Batch.__slots__ if name not in ("ids", "lower")}
    integers = dict.fromkeys(("group", "lang", "label", "tokens", "feature_lengths"), torch.int64)
    assert found == {**integers, "token_mask": torch.bool, "features": torch.float16}


def test_a_row_without_label_has_minus_one():
    dataset = made([1], [3])
    group = dataset.examples["train"][0]
    unlabelled = Example(*(getattr(group[0], name) if name != "label" else None for name in Example.__slots__))
    dataset = Dataset(dataset.languages, dataset.labels, {"train": ((unlabelled,),)}, "", "")
    assert next(batches(dataset, "train", text=None, cache=None, groups=1)).label.tolist() == [-1]


def test_models_of_one_modality_get_one(dataset, cache):
    silent = next(batches(dataset, "dev", text=Syllables(), cache=None, groups=2))
    assert silent.features is None and silent.feature_lengths is None and silent.tokens is not None
    mute = next(batches(dataset, "dev", text=None, cache=cache, groups=2))
    assert mute.tokens is None and mute.token_mask is None and mute.features is not None


def test_a_batch_moves_and_keeps_what_it_has_not(dataset):
    batch = next(batches(dataset, "dev", text=Syllables(), cache=None, groups=2)).to("meta")
    assert batch.tokens.device.type == "meta" and batch.features is None and len(batch) == len(batch.ids)


def test_the_order_is_that_of_seed_and_epoch(dataset, cache):
    loader = Loader(dataset, text=Syllables(), cache=cache, groups=2)

    def order(seed, epoch):
        return ids(loader.batches("train", shuffle_seed=seed, epoch=epoch))

    assert order(1, 0) == order(1, 0)
    assert len({str(order(seed, epoch)) for seed, epoch in [(1, 0), (1, 1), (2, 0), (2, 1), (0, 1)]}) == 5
    assert ids(loader.batches("train")) == ids(loader.batches("train", epoch=5))


def test_without_buckets_and_seed_the_order_is_the_manifests(dataset):
    found = ids(batches(dataset, "train", text=Syllables(), cache=None, groups=4, buckets=False))
    assert [id for batch in found for id in batch] == [
        example.id for group in dataset.examples["train"] for example in group
    ]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=60),
    groups=st.integers(1, 7),
    world=st.integers(1, 4),
    seed=st.none() | st.integers(0, 99),
    buckets=st.booleans(),
    data=st.data(),
)
@settings(max_examples=150)
def test_every_group_comes_once_and_whole_to_one_rank(sizes, groups, world, seed, buckets, data):
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=len(sizes), max_size=len(sizes)))
    dataset = made(sizes, lengths)
    text = Syllables()

    def run(groups: int, rank: int, world: int) -> list[Batch]:
        loader = Loader(
            dataset, text=text, cache=None, groups=groups, max_length=64, rank=rank, world=world, buckets=buckets
        )
        found = list(loader.batches("train", shuffle_seed=seed, epoch=3))
        assert len(found) == loader.steps("train")
        return found

    if len(sizes) < world:
        with pytest.raises(CorpusError, match=rf"train has {len(sizes)} parallel groups, {world} processes need one"):
            run(groups, 0, world)
        return
    # One group a rank, and some left over: some steps have one more, since no rank may be without.
    most = groups + (groups == 1 and len(sizes) % world > 0)
    by_rank = [run(groups, rank, world) for rank in range(world)]
    assert len({len(found) for found in by_rank}) == 1
    seen = Counter(id for found in by_rank for batch in found for id in batch.ids)
    assert seen == Counter(example.id for group in dataset.examples["train"] for example in group)
    for batch in (batch for found in by_rank for batch in found):
        counts = Counter(batch.group.tolist())
        assert all(sizes[group] == count for group, count in counts.items()) and 1 <= len(counts) <= most
    if most > groups:
        return
    # The steps of several processes have the rows of those of one with batches as large as all theirs together.
    together = [sorted(id for batch in step for id in batch.ids) for step in zip(*by_rank, strict=True)]
    assert together == [sorted(batch.ids) for batch in run(groups * world, 0, 1)]


def test_the_groups_of_a_pass_are_shared_out_evenly():
    dataset = made([1] * 33, [5] * 33)
    found = [len(batch) for batch in batches(dataset, "train", text=Syllables(), cache=None, groups=8, shuffle_seed=1)]
    assert sorted(found) == [6, 6, 7, 7, 7]


@pytest.mark.parametrize("skip", [0, 1, 3, 99])
def test_skipping_leaves_the_rest_as_it_was_and_makes_nothing(dataset, cache, skip, monkeypatch):
    loader = Loader(dataset, text=Syllables(), cache=cache, groups=2)
    every = list(loader.batches("train", shuffle_seed=1, epoch=2))
    built = []
    build = Loader._batch
    monkeypatch.setattr(Loader, "_batch", lambda self, rows, chosen: built.append(1) or build(self, rows, chosen))
    rest = list(loader.batches("train", shuffle_seed=1, epoch=2, skip=skip))
    assert ids(rest) == ids(every[skip:]) and len(built) == len(rest)
    assert all(torch.equal(one.features, other.features) for one, other in zip(rest, every[skip:], strict=True))


def test_text_is_tokenised_once_a_split(dataset):
    text = Syllables()
    loader = Loader(dataset, text=text, cache=None, groups=2)
    for epoch in range(3):
        list(loader.batches("train", shuffle_seed=1, epoch=epoch))
        list(loader.batches("dev"))
    assert text.calls == 2


def test_texts_are_cut_at_the_longest_length(dataset):
    [batch] = batches(made([1], [100]), "train", text=Syllables(), cache=None, groups=1, max_length=10)
    assert batch.tokens.shape == (1, 10)


def test_buckets_pad_less_and_mix_anew_each_epoch():
    lengths = np.random.default_rng(1).integers(5, 120, 800).tolist()
    dataset = made([1] * 800, lengths)
    plain, bucketed = (
        Loader(dataset, text=Syllables(), cache=None, groups=8, buckets=buckets) for buckets in (False, True)
    )
    loose = plain.padding("train", shuffle_seed=1)
    tight = bucketed.padding("train", shuffle_seed=1)
    assert loose.features is None and loose.tokens > 0.3 and tight.tokens < 0.04
    assert str(tight) == f"padding: {tight.tokens:.1%} of tokens"
    cells = [batch.token_mask for batch in bucketed.batches("train", shuffle_seed=1)]
    real, positions = sum(int(mask.sum()) for mask in cells), sum(mask.numel() for mask in cells)
    assert tight.tokens == pytest.approx(1 - real / positions)
    first, second = (
        {frozenset(one) for one in ids(bucketed.batches("train", shuffle_seed=1, epoch=e))} for e in (0, 1)
    )
    assert len(first & second) < 5
    widths = [mask.shape[1] for mask in cells]
    assert widths not in (sorted(widths), sorted(widths, reverse=True))


def test_speech_decides_the_buckets(dataset, cache, monkeypatch):
    monkeypatch.setattr(loading, "WINDOW", 1000)
    loader = Loader(dataset, text=Syllables(), cache=cache, groups=2)
    spans = sorted(
        tuple(sorted(batch.feature_lengths.view(-1, 3).amax(1).tolist()))
        for batch in loader.batches("train", shuffle_seed=1)
    )
    assert all(before[-1] <= after[0] for before, after in pairwise(spans))


def test_features_of_another_corpus_are_refused(dataset, shop, tmp_path):
    shop.write(tmp_path / "other", shop.corpus(3))
    other = open_features(open_pack(tmp_path / "other", tmp_path / "cache"), Bands(), tmp_path / "cache")
    with pytest.raises(CorpusError, match="has the features of another corpus"):
        Loader(dataset, text=None, cache=other, groups=2)


def test_an_unknown_split_gets_the_nearest(dataset):
    with pytest.raises(CorpusError, match="no split 'tset': did you mean 'test'"):
        batches(dataset, "tset", text=None, cache=None, groups=2)


def test_made_ahead_the_items_are_the_same():
    assert list(ahead(iter(range(100)), 2)) == list(range(100))
    assert list(ahead(iter(()), 2)) == []


def test_what_the_thread_raises_arrives_after_what_it_made():
    def items():
        yield 1
        raise CorpusError("broken")

    taken = ahead(items(), 2)
    assert next(taken) == 1
    with pytest.raises(CorpusError, match="broken"):
        next(taken)


def test_it_is_no_more_than_so_many_ahead_and_ends_with_its_taker():
    produced = []
    threads = threading.active_count()

    def items():
        for number in range(1000):
            produced.append(number)
            yield number

    taken = ahead(items(), 3)
    assert next(taken) == 0
    for _ in range(500):
        if len(produced) == 5:
            break
        time.sleep(0.01)
    # One taken, three waiting, one in the thread's hand.
    assert len(produced) == 5
    taken.close()
    assert threading.active_count() == threads


def test_the_built_sample_makes_batches(sample_corpus, tmp_path):
    dataset = read_dataset(sample_corpus)
    cache = open_features(open_pack(sample_corpus, tmp_path), Bands(), tmp_path)
    loader = Loader(dataset, text=Syllables(), cache=cache, groups=4)
    found = list(loader.batches("train", shuffle_seed=7))
    assert sum(map(len, found)) == sum(map(len, dataset.examples["train"]))
    assert all(torch.isfinite(batch.features).all() for batch in found)
    assert loader.padding("train", shuffle_seed=7).features < 0.4

"""The dataset of a corpus, and what cannot be trained on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from corpusforge import Corpus
from corpusforge.errors import CorpusError
from corpusforge.train.data import read_dataset
from tests.corpus.conftest import LANGUAGES


def rows(dataset):
    return [example for groups in dataset.examples.values() for group in groups for example in group]


def test_it_has_every_utterance_of_the_manifest_in_its_split(corpus, pack):
    dataset = read_dataset(corpus)
    found = {example.id: example for example in rows(dataset)}
    assert len(found) == len(rows(dataset)) == 60
    for record in Corpus(corpus):
        example = found[record.id]
        assert (example.group, example.document, example.lang, example.text, example.split) == (
            record.group,
            record.document,
            record.lang,
            record.text,
            record.split,
        )
        assert dataset.labels[example.label] == record.label
        assert example.clip == pack.numbers[record.id]
    assert dataset.audio == pack.digest
    for split, groups in dataset.examples.items():
        assert all(example.split == split for group in groups for example in group)
        assert all(len({example.group for example in group}) == 1 for group in groups)
        assert [[example.id for example in group] for group in groups] == [
            [record.id for record in group] for group in Corpus(corpus).split(split).groups()
        ]


def test_labels_are_sorted_and_languages_are_in_the_manifests_order(corpus):
    dataset = read_dataset(corpus, languages=["zho_Hans", "bod_Tibt"])
    assert dataset.labels == ("news", "travel")
    assert dataset.languages == ("bod_Tibt", "zho_Hans")
    assert {example.lang for example in rows(dataset)} == {"bod_Tibt", "zho_Hans"}
    assert read_dataset(corpus).languages == tuple(sorted(LANGUAGES))


def test_fewer_languages_count_clips_in_the_same_pack(corpus):
    every = {example.id: example.clip for example in rows(read_dataset(corpus))}
    one = read_dataset(corpus, languages=["mya_Mymr"])
    assert all(every[example.id] == example.clip for example in rows(one))
    assert one.audio == read_dataset(corpus).audio and one.digest != read_dataset(corpus).digest


def test_the_digest_knows_texts_and_splits(corpus, shop, tmp_path):
    shop.write(tmp_path / "same", shop.corpus(20))
    assert read_dataset(tmp_path / "same").digest == read_dataset(corpus).digest
    shop.write(tmp_path / "other", [item.having({"text": item.text + "。"}) for item in shop.corpus(20)])
    assert read_dataset(tmp_path / "other").digest != read_dataset(corpus).digest
    assert read_dataset(corpus, split="random", note=lambda _: None).digest != read_dataset(corpus).digest


@pytest.mark.parametrize(("given", "hint"), [("bod_Tib", "did you mean 'bod_Tibt'?"), ("fra", "known: 'bod_Tibt'")])
def test_an_unknown_language_gets_the_nearest(corpus, given, hint):
    with pytest.raises(CorpusError) as caught:
        read_dataset(corpus, languages=["zho_Hans", given])
    assert str(caught.value).startswith(f"{corpus} has no language '{given}': {hint}")


def test_no_language_at_all_is_refused(corpus):
    with pytest.raises(CorpusError, match="no language was chosen: known: 'bod_Tibt'"):
        read_dataset(corpus, languages=[])


def test_a_language_that_train_lacks_is_named_with_counts(shop, tmp_path):
    items = shop.corpus(20)
    shop.write(tmp_path / "all", items)
    train = {record.id for record in Corpus(tmp_path / "all").split("train")}
    items = [item for item in items if item.lang != "mya_Mymr" or item.id not in train]
    shop.write(tmp_path / "corpus", items)
    with pytest.raises(CorpusError, match=r"train has no utterance of mya_Mymr \(\d+ of bod_Tibt, 0 of mya_Mymr"):
        read_dataset(tmp_path / "corpus")
    assert read_dataset(tmp_path / "corpus", languages=["zho_Hans", "bod_Tibt"]).examples["train"]


def test_a_label_in_one_split_only_is_refused_with_counts(shop, tmp_path):
    items = [item.having({"label": "rare"}) if item.document == "doc-3" else item for item in shop.corpus(20)]
    shop.write(tmp_path / "corpus", items)
    with pytest.raises(CorpusError) as caught:
        read_dataset(tmp_path / "corpus")
    assert "label 'rare' is in train only (6 in train, 0 in dev, 0 in test)" in str(caught.value)


def test_a_corpus_without_labels_says_how_to_get_them(shop, tmp_path):
    shop.write(tmp_path / "corpus", [item.having({"label": None}) for item in shop.corpus(20)])
    with pytest.raises(CorpusError, match=r"has no labels to learn: build it with `source\.labels: domain`"):
        read_dataset(tmp_path / "corpus")


def test_rows_without_a_label_are_kept(shop, tmp_path):
    items = [item.having({"label": None}) if item.id == "dev-0004.bod_Tibt" else item for item in shop.corpus(20)]
    shop.write(tmp_path / "corpus", items)
    assert [example.id for example in rows(read_dataset(tmp_path / "corpus")) if example.label is None] == [
        "dev-0004.bod_Tibt"
    ]


def test_a_group_in_two_splits_is_refused(corpus):
    path = corpus / "manifest.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[1])
    other = "dev" if row["split"] != "dev" else "now"
    lines[1] = lines[1].replace(f'"split":"{row["split"]}"', f'"split":"{other:{len(row["split"])}}"')
    path.write_text("\n".join(lines) + "\n")
    info = json.loads((corpus / "corpus.json").read_text())
    info["files"]["manifest.jsonl"]["bytes"] = path.stat().st_size
    (corpus / "corpus.json").write_text(json.dumps(info))
    with pytest.raises(CorpusError, match=r"the rest of its group dev-0000 in .* the manifest was edited"):
        read_dataset(corpus)


def test_a_manifest_of_another_version_is_refused(corpus):
    info = json.loads((corpus / "corpus.json").read_text())
    (corpus / "corpus.json").write_text(json.dumps({**info, "schema_version": 2}))
    with pytest.raises(CorpusError, match="is of schema version 2, this corpusforge reads 1"):
        read_dataset(corpus)


def test_random_splits_keep_groups_whole_and_say_how_many_articles_leak(shop, tmp_path):
    shop.write(tmp_path / "corpus", shop.corpus(60))
    notes: list[str] = []
    dataset = read_dataset(tmp_path / "corpus", split="random", note=notes.append)
    assert {split: len(groups) for split, groups in dataset.examples.items()} == {"train": 48, "dev": 6, "test": 6}
    assert all(len(group) == 3 for groups in dataset.examples.values() for group in groups)
    splits: dict[str, set[str]] = {}
    for example in rows(dataset):
        splits.setdefault(example.document, set()).add(example.split)
    leaking = sum(len(found) > 1 for found in splits.values())
    assert leaking > 3
    assert notes == [f"leaks: {leaking} of 30 articles are in more than one split"]


def test_random_splits_depend_on_the_seed_alone(shop, tmp_path):
    shop.write(tmp_path / "corpus", shop.corpus(60))
    shop.write(tmp_path / "fewer", shop.corpus(60, ("zho_Hans", "bod_Tibt")))

    def groups(folder: Path, seed: int) -> dict[str, list[str]]:
        dataset = read_dataset(folder, split="random", seed=seed, note=lambda _: None)
        return {split: [group[0].group for group in found] for split, found in dataset.examples.items()}

    assert groups(tmp_path / "corpus", 42) == groups(tmp_path / "fewer", 42) != groups(tmp_path / "corpus", 43)


def test_the_manifests_own_splits_are_taken_in_silence(corpus):
    notes: list[str] = []
    read_dataset(corpus, note=notes.append)
    assert notes == []


def test_the_built_sample_can_be_trained_on(sample_corpus):
    dataset = read_dataset(sample_corpus)
    counts = Counter(example.split for example in rows(dataset))
    assert dataset.labels == ("wikibooks", "wikinews", "wikivoyage")
    assert sum(counts.values()) == len(Corpus(sample_corpus)) and min(counts.values()) > 10


def groups_of(dataset, split="train"):
    return {examples[0].group for examples in dataset.examples[split]}


def test_fewer_hours_are_a_part_of_more_and_dev_and_test_stay(corpus):
    whole = read_dataset(corpus)
    seconds = Counter()
    for record in Corpus(corpus).split("train"):
        seconds[record.group] += record.duration
    before = set()
    for share in (0.3, 0.6, 0.9):
        hours = share * sum(seconds.values()) / 3600
        some = read_dataset(corpus, hours=hours)
        found = groups_of(some)
        assert before < found < groups_of(whole)
        assert hours * 3600 - max(seconds.values()) < sum(seconds[group] for group in found) <= hours * 3600
        assert some.digest != whole.digest and some.audio == whole.audio
        assert {split: some.examples[split] for split in ("dev", "test")} == {
            split: whole.examples[split] for split in ("dev", "test")
        }
        before = found
    assert read_dataset(corpus, hours=1.0).digest == whole.digest


def test_one_language_learns_from_the_hours_groups_of_all(corpus):
    hours = 0.5 * sum(record.duration for record in Corpus(corpus).split("train")) / 3600
    every = read_dataset(corpus, hours=hours)
    assert groups_of(read_dataset(corpus, hours=hours, languages=["bod_Tibt"])) == groups_of(every)


def test_too_few_hours_are_said(corpus):
    with pytest.raises(CorpusError, match=r"the first parallel group of train is longer than 1e-06 h.*give more"):
        read_dataset(corpus, hours=1e-6)


def of_language(dataset, lang):
    return {
        split: {e.id for group in groups for e in group if e.lang == lang} for split, groups in dataset.examples.items()
    }


@pytest.mark.parametrize("seed", [42, 43, 44])
def test_random_splits_are_those_of_the_whole_corpus_whatever_languages_are_used(shop, tmp_path, seed):
    items = [item for item in shop.corpus(60) if item.lang != "mya_Mymr" or int(item.id[4:8]) % 4 != 1]
    shop.write(tmp_path / "corpus", items)
    whole = read_dataset(tmp_path / "corpus", split="random", seed=seed, note=lambda _: None)
    alone = read_dataset(tmp_path / "corpus", languages=["mya_Mymr"], split="random", seed=seed, note=lambda _: None)
    assert of_language(alone, "mya_Mymr") == of_language(whole, "mya_Mymr")


def test_hours_are_the_same_groups_where_a_language_lacks_some(shop, tmp_path):
    items = [item for item in shop.corpus(20) if item.lang != "mya_Mymr" or int(item.id[4:8]) % 4 != 1]
    shop.write(tmp_path / "corpus", items)
    hours = 0.5 * sum(record.duration for record in Corpus(tmp_path / "corpus").split("train")) / 3600
    whole = read_dataset(tmp_path / "corpus", hours=hours)
    alone = read_dataset(tmp_path / "corpus", hours=hours, languages=["mya_Mymr"])
    assert of_language(alone, "mya_Mymr") == of_language(whole, "mya_Mymr")


def test_dev_without_a_label_is_refused(corpus, shop, tmp_path):
    dev = {record.id for record in Corpus(corpus).split("dev")}
    shop.write(
        tmp_path / "silent",
        [item.having({"label": None}) if item.id in dev else item for item in shop.corpus(20)],
        splits={record.document: record.split for record in Corpus(corpus)},
    )
    with pytest.raises(CorpusError, match="no utterance of dev has a label"):
        read_dataset(tmp_path / "silent")


def test_a_language_twice_in_a_group_is_refused(shop, tmp_path):
    again = shop.item("dev-0004.again", "bod_Tibt", 900, group="dev-0004", document="doc-2", label="news")
    shop.write(tmp_path / "corpus", [*shop.corpus(20), again])
    with pytest.raises(CorpusError, match=r"group dev-0004 has 2 utterances of bod_Tibt.*corpusforge lint"):
        read_dataset(tmp_path / "corpus")
    assert read_dataset(tmp_path / "corpus", languages=["zho_Hans", "mya_Mymr"]).examples["train"]


def test_what_is_only_asked_about_is_not_checked(shop, tmp_path):
    items = [item.having({"label": None}) for item in shop.corpus(8)]
    shop.write(tmp_path / "corpus", items, splits={item.document: "test" for item in items})
    dataset = read_dataset(tmp_path / "corpus", learn=False)
    assert dataset.labels == ()
    assert [len(dataset.examples[split]) for split in ("train", "dev", "test")] == [0, 0, 8]

"""Corpora that lack something, to train on and to ask a trained model about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from corpusforge import Corpus
from corpusforge.corpus.splits import Splits, assign
from corpusforge.errors import CorpusError, CorpusforgeError
from corpusforge.items import Utterance
from corpusforge.train.evaluation import evaluate_run
from corpusforge.train.predict import Predictor, model_folder, predict_corpus
from corpusforge.train.predictions import Predictions, predictions_path, read_predictions
from corpusforge.train.training import train, train_seeds
from tests.corpus.conftest import Shop
from tests.train.runs import learnable, learnable_items, place, quick

KINDS = ("news", "travel")


def rewritten(shop: Shop, folder: Path, change: Callable[[Utterance], Utterance | None], **splits: float) -> Path:
    """The learnable corpus with its items changed, those left out that become None, and split by other shares."""
    items = list(filter(None, map(change, learnable_items(shop))))
    shares = Splits(**{"dev": 0.2, "test": 0.2, **splits})
    shop.write(folder, items, splits=assign(((item.document, item.label) for item in items), shares))
    return folder


def only_test(shop: Shop, folder: Path, change: Callable[[Utterance], Utterance]) -> Path:
    """Eight groups of it, all in test."""
    items = [change(item) for item in learnable_items(shop, 8)]
    shop.write(folder, items, splits={item.document: "test" for item in items})
    return folder


def unlabelled(item: Utterance) -> Utterance:
    return item.having({"label": None})


def asked(run: Path, corpus: Path, notes: list[str] | None = None) -> Path:
    """Where the run's predictions for the corpus's test split are."""
    said: list[str] = [] if notes is None else notes
    return predict_corpus(run, corpus, ["test"], cache=run.parent / "cache", device="cpu", note=said.append)


def answers(folder: Path) -> Predictions:
    return read_predictions(predictions_path(folder, "test"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline that was trained on the learnable corpus, beside it."""
    root = tmp_path_factory.mktemp("trained")
    corpus = learnable(Shop(root), root / "corpus")
    train(corpus, quick(model="ngram"), root / "run", place(root))
    return root / "run"


@pytest.mark.parametrize("model", ["combined", "unique", "ngram"])
def test_a_corpus_without_a_test_split_gives_a_model_that_dev_judges(shop: Shop, tmp_path: Path, model: str) -> None:
    corpus = rewritten(shop, tmp_path / "corpus", lambda item: item, test=0)
    warned: list[str] = []
    run = tmp_path / "run"
    results = train(corpus, quick(model=model, epochs=1), run, place(tmp_path, warn=warned.append))
    assert list(results["splits"]) == ["dev"]
    assert [words for words in warned if "test" in words] == ["test has no utterance: the model is not judged by it"]
    assert Predictor(model_folder(run), "cpu").labels == KINDS
    with pytest.raises(CorpusError, match=r"has no utterance in test \(\d+ in train, \d+ in dev, 0 in test\)"):
        asked(run, corpus)
    notes: list[str] = []
    again = predict_corpus(run, corpus, ["dev", "test"], cache=tmp_path / "cache", device="cpu", note=notes.append)
    assert notes == ["small has no utterance in test: the model is not asked about it"]
    measured = evaluate_run(again, replicates=10)["splits"]
    assert measured["dev"]["metrics"]["M"]["value"] == results["splits"]["dev"]["metrics"]["M"]["value"]


def test_the_mean_of_seeds_is_over_the_splits_that_are_there(shop: Shop, tmp_path: Path) -> None:
    corpus = rewritten(shop, tmp_path / "corpus", lambda item: item, test=0)
    results = train_seeds(corpus, quick(model="majority"), tmp_path / "run", place(tmp_path), 2)
    assert list(results["splits"]) == ["dev"]


def test_a_test_split_without_labels_is_predicted_and_not_judged(shop: Shop, tmp_path: Path) -> None:
    corpus = learnable(shop, tmp_path / "labelled")
    test = {record.id for record in Corpus(corpus).split("test")}
    items = [unlabelled(item) if item.id in test else item for item in learnable_items(shop)]
    splits = {record.document: record.split for record in Corpus(corpus)}
    shop.write(tmp_path / "corpus", items, splits=splits)
    warned: list[str] = []
    run = tmp_path / "run"
    results = train(tmp_path / "corpus", quick(model="majority"), run, place(tmp_path, warn=warned.append))
    assert list(results["splits"]) == ["dev"]
    assert warned == ["test has no utterance with a label: the model is not judged by it"]
    assert set(answers(run).truth) == {-1}
    notes: list[str] = []
    assert list(evaluate_run(run, replicates=10, note=notes.append)["splits"]) == ["dev"]
    assert notes == ["test cannot be judged: no utterance there has a true label"]


def test_a_corpus_without_labels_is_predicted_and_cannot_be_judged(shop: Shop, tmp_path: Path, trained: Path) -> None:
    corpus = only_test(shop, tmp_path / "corpus", unlabelled)
    folder = asked(trained, corpus)
    said = answers(folder)
    assert said.labels == KINDS and len(said) == 24 and set(said.truth) == {-1}
    assert set(said.predicted) == {0, 1}
    with pytest.raises(CorpusforgeError, match=r"no utterance of test has a true label.*nothing to judge"):
        evaluate_run(folder)


def test_a_corpus_that_is_all_test_is_judged(shop: Shop, tmp_path: Path, trained: Path) -> None:
    folder = asked(trained, only_test(shop, tmp_path / "corpus", lambda item: item))
    assert evaluate_run(folder, replicates=10)["splits"]["test"]["utterances"] == 24


def test_every_label_of_the_model_counts_where_the_corpus_has_fewer(shop: Shop, tmp_path: Path, trained: Path) -> None:
    """Labels that the corpus lacks can be chosen, and are wrong then: half of the sentences are of another kind."""
    corpus = only_test(shop, tmp_path / "corpus", lambda item: item.having({"label": "travel"}))
    folder = asked(trained, corpus)
    said = answers(folder)
    assert said.labels == KINDS and set(said.truth) == {1} and set(said.predicted) == {0, 1}
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1, atol=1e-5)
    assert evaluate_run(folder, replicates=10)["splits"]["test"]["metrics"]["M"]["value"] < 0.8


def test_a_label_that_the_model_lacks_is_refused(shop: Shop, tmp_path: Path, trained: Path) -> None:
    corpus = only_test(shop, tmp_path / "corpus", lambda item: item.having({"label": "sport"}))
    with pytest.raises(CorpusforgeError, match="the model knows no label 'sport' of small"):
        asked(trained, corpus)


def test_sentences_that_were_trained_on_are_counted(shop: Shop, tmp_path: Path, trained: Path) -> None:
    """The same articles under other splits."""
    notes: list[str] = []
    asked(trained, trained.parent / "corpus", notes)
    assert notes == []
    other = rewritten(shop, tmp_path / "corpus", lambda item: item, seed=2)
    before = {record.text for record in Corpus(trained.parent / "corpus").split("train")}
    now = [record.text for record in Corpus(other).split("test")]
    count = sum(text in before for text in now)
    assert count > 0
    asked(trained, other, notes)
    assert len(notes) == 1 and f"was trained on {count} of the {len(now)} sentences in test of small" in notes[0]


def test_articles_that_leak_are_said_when_a_random_split_is_asked_again(tmp_path: Path, trained: Path) -> None:
    corpus = trained.parent / "corpus"
    train(corpus, quick(model="majority", split="random"), tmp_path / "run", place(tmp_path))
    notes: list[str] = []
    folder = asked(tmp_path / "run", corpus, notes)
    assert len(notes) == 1 and notes[0].startswith("leaks: ")
    assert answers(folder).ids == answers(tmp_path / "run").ids


def test_unique_whose_languages_lack_groups_has_the_random_splits_of_all(shop: Shop, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    items = learnable_items(shop, 40)
    shop.write(corpus, [item for item in items if item.lang != "mya_Mymr" or int(item.id[4:8]) % 4 != 1])
    for model in ("unique", "combined"):
        train(corpus, quick(model=model, epochs=1, split="random"), tmp_path / model, place(tmp_path))
    assert answers(tmp_path / "unique").ids == answers(tmp_path / "combined").ids


@pytest.mark.parametrize(
    "labels",
    [
        {"mya_Mymr": ("travel", "travel")},  # one is lacking
        {"mya_Mymr": ("travel", "sport")},  # as many, but others
    ],
)
def test_unique_whose_languages_have_other_labels_puts_them_together_by_name(
    shop: Shop, tmp_path: Path, labels: dict[str, tuple[str, str]]
) -> None:
    def change(item: Utterance) -> Utterance:
        return item.having({"label": labels.get(item.lang, KINDS)[KINDS.index(str(item.label))]})

    items = [change(item) for item in learnable_items(shop)]
    splits = assign(((item.document, item.label) for item in learnable_items(shop)), Splits(dev=0.2, test=0.2))
    shop.write(tmp_path / "corpus", items, splits=splits)
    run = tmp_path / "run"
    train(tmp_path / "corpus", quick(model="unique", epochs=1), run, place(tmp_path))
    said = answers(run)
    assert said.labels == tuple(sorted({*KINDS, *labels["mya_Mymr"]}))
    known = {lang: set(labels.get(lang, KINDS)) for lang in said.langs}
    for lang, chances in zip(said.langs, said.probabilities, strict=True):
        assert {label for label, chance in zip(said.labels, chances, strict=True) if chance} == known[lang]
    again = answers(asked(run, tmp_path / "corpus"))
    np.testing.assert_allclose(again.probabilities, said.probabilities, atol=2e-5)
    alone = Predictor(model_folder(run), "cpu").answer("mya_Mymr", text="သတင်း")
    assert alone.shape == (len(said.labels),) and alone[said.labels.index("news")] == 0


def test_unique_says_before_training_what_a_language_cannot_learn_from(shop: Shop, tmp_path: Path) -> None:
    corpus = learnable(shop, tmp_path / "labelled")
    train_only = next(record.id for record in Corpus(corpus).split("train") if record.lang == "zho_Hans")
    items = [item.having({"label": "sport"}) if item.id == train_only else item for item in learnable_items(shop)]
    other = {record.id for record in Corpus(corpus).split("dev") if record.lang == "bod_Tibt"}
    items = [item.having({"label": "sport"}) if item.id in other else item for item in items]
    shop.write(tmp_path / "corpus", items, splits={record.document: record.split for record in Corpus(corpus)})
    with pytest.raises(CorpusError, match="label 'sport' is in dev only"):
        train(tmp_path / "corpus", quick(model="unique", epochs=1), tmp_path / "run", place(tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_seeds_names_its_runs(tmp_path: Path, trained: Path) -> None:
    corpus, folder = trained.parent / "corpus", tmp_path / "several"
    train_seeds(corpus, quick(model="majority"), folder, place(tmp_path), 2)
    written = (folder / "results.json").read_bytes()
    for ask in (
        lambda: model_folder(folder),
        lambda: evaluate_run(folder),
        lambda: evaluate_run(folder, splits=["test"]),
        lambda: evaluate_run(trained, against=folder),
    ):
        with pytest.raises(CorpusforgeError, match=r"2 seeds \(seed-42, seed-43\): name one, .*several/seed-42"):
            ask()
    assert (folder / "results.json").read_bytes() == written


def test_models_without_digests_of_train_can_still_be_asked(tmp_path: Path, trained: Path) -> None:
    (model_folder(trained) / "trained.json").rename(tmp_path / "kept.json")
    try:
        assert len(answers(asked(trained, trained.parent / "corpus"))) > 0
    finally:
        (tmp_path / "kept.json").rename(model_folder(trained) / "trained.json")
    assert all(len(one) == 16 for one in json.loads((model_folder(trained) / "trained.json").read_text()))

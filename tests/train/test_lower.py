"""Frozen lower layers: the same as the whole encoder, computed once; and Tibetan in Latin letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusforgeError, RecipeError
from corpusforge.text.wylie import to_wylie
from corpusforge.train.config import preset
from corpusforge.train.data import read_dataset
from corpusforge.train.encoders import text_encoder
from corpusforge.train.lower import open_lower
from corpusforge.train.predict import Predictor, model_folder, predict_corpus
from corpusforge.train.predictions import predictions_path, read_predictions
from corpusforge.train.training import train
from tests.corpus.conftest import Shop
from tests.train.checkpoints import save_text, unigram
from tests.train.runs import learnable, losses, place, quick

TEXTS = ["今天天气很好", "ok", "a much longer line of text"]


@pytest.fixture
def corpus(shop: Shop, tmp_path: Path) -> Path:
    return learnable(shop, tmp_path / "corpus")


def padded(encoder: object, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = encoder.tokenize(texts, 32)
    tokens = torch.full((len(rows), max(map(len, rows))), encoder.pad_id)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
    return tokens, torch.arange(tokens.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_lower_and_upper_are_the_whole(layers: int) -> None:
    encoder = text_encoder("tiny", texts=TEXTS).eval()
    tokens, mask = padded(encoder, TEXTS)
    whole = encoder(tokens, mask)
    parts = encoder.upper(encoder.lower(tokens, mask, layers), mask, layers)
    torch.testing.assert_close(parts[mask], whole[mask], atol=1e-5, rtol=0)


def test_what_is_frozen_gets_no_gradient() -> None:
    encoder = text_encoder("tiny", texts=TEXTS).train()
    encoder.freeze(1)
    tokens, mask = padded(encoder, TEXTS)
    encoder.upper(encoder.lower(tokens, mask, 1), mask, 1).sum().backward()
    reached = {name for name, value in encoder.named_parameters() if value.grad is not None}
    assert reached
    assert all(".layer.1." in name for name in reached)
    assert encoder.word_embeddings.weight.grad is None


def test_the_cache_holds_what_the_layers_say(corpus: Path, tmp_path: Path) -> None:
    dataset = read_dataset(corpus)
    encoder = text_encoder("tiny", texts=["a"]).eval()
    cache = open_lower(dataset, encoder, 1, 32, tmp_path / "cache", torch.device("cpu"))
    for group in dataset.examples["dev"]:
        for example in group:
            tokens = torch.tensor(encoder.tokenize([example.text], 32))
            hidden = encoder.lower(tokens, torch.ones_like(tokens, dtype=torch.bool), 1)[0]
            np.testing.assert_allclose(cache.hidden(example.id), hidden.detach().numpy(), atol=2e-3)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    open_lower(dataset, encoder, 1, 32, tmp_path / "cache", torch.device("cpu"))
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    open_lower(dataset, encoder, 2, 32, tmp_path / "cache", torch.device("cpu"))
    assert len(list((tmp_path / "cache").glob("text-*.lock"))) == 2


def test_an_encoder_that_was_trained_further_has_states_of_its_own(corpus: Path, tmp_path: Path) -> None:
    train(corpus, quick(model="combined", freeze=1), tmp_path / "first", place(tmp_path))
    train(corpus, quick(model="combined", epochs=4, learning_rate=5e-3), tmp_path / "tuned", place(tmp_path))
    tuned = str(tmp_path / "tuned" / "model" / "text")
    config = quick(model="combined", epochs=1, freeze=1, text=tuned)
    train(corpus, config, tmp_path / "second", place(tmp_path))
    assert len(list((tmp_path / "cache").glob("text-*/"))) == 2
    train(corpus, config, tmp_path / "alone", place(tmp_path / "other"))
    assert losses(tmp_path / "second") == losses(tmp_path / "alone")
    again = predict_corpus(tmp_path / "second", corpus, ["test"], cache=tmp_path / "cache", device="cpu")
    said, repeated = (read_predictions(predictions_path(folder, "test")) for folder in (tmp_path / "second", again))
    np.testing.assert_allclose(said.probabilities, repeated.probabilities, atol=5e-3)


def test_a_run_on_other_weights_in_the_same_folder_is_another_run(corpus: Path, tmp_path: Path) -> None:
    encoder = text_encoder("tiny")
    encoder.save(tmp_path / "encoder")
    config = quick(model="combined", epochs=1, text=str(tmp_path / "encoder"))
    train(corpus, config, tmp_path / "run", place(tmp_path))
    text_encoder("tiny", seed=1).save(tmp_path / "encoder")
    with pytest.raises(CorpusforgeError, match=r"\(text differ\)"):
        train(corpus, config, tmp_path / "run", place(tmp_path))


def test_weights_and_settings_of_the_frozen_layers_decide_and_no_others() -> None:
    encoder, same = text_encoder("tiny"), text_encoder("tiny")
    before = {layers: encoder.lower_id(layers) for layers in (1, 2)}
    assert before[1] != before[2] and before[1] == same.lower_id(1)
    with torch.no_grad():
        next(encoder.model.encoder.layer[1].parameters()).add_(1)
    assert encoder.lower_id(1) == before[1] and encoder.lower_id(2) != before[2]
    encoder.settings.hidden_act = "relu"
    assert encoder.lower_id(1) != before[1]


def test_a_run_with_frozen_layers_and_latin_letters(corpus: Path, tmp_path: Path) -> None:
    config = quick(freeze=1, romanize=True)
    train(corpus, config, tmp_path / "run", place(tmp_path))
    again = predict_corpus(tmp_path / "run", corpus, ["test"], cache=tmp_path / "cache", device="cpu")
    said, repeated = (read_predictions(predictions_path(folder, "test")) for folder in (tmp_path / "run", again))
    np.testing.assert_allclose(said.probabilities, repeated.probabilities, atol=5e-3)
    train(corpus, config, tmp_path / "other", place(tmp_path))
    assert losses(tmp_path / "run") == losses(tmp_path / "other")
    predictor = Predictor(model_folder(tmp_path / "run"), "cpu")
    record = next(one for one in Corpus(corpus).split("test") if one.lang == "bod_Tibt")
    answer = predictor.answer("bod_Tibt", text=record.text, audio=record.path)
    np.testing.assert_allclose(answer, said.probabilities[said.ids.index(record.id)], atol=5e-3)


def test_wylie_is_for_tibetan_alone(corpus: Path) -> None:
    before = read_dataset(corpus)
    after = read_dataset(corpus, romanize=True)
    assert after.digest != before.digest
    for old, new in zip(before.examples["train"], after.examples["train"], strict=True):
        for mine, theirs in zip(old, new, strict=True):
            if mine.lang == "bod_Tibt":
                assert theirs.text.isascii()
            else:
                assert mine == theirs
    assert to_wylie("བོད་སྐད་") == "bod skad "


def test_what_cannot_be_frozen_says_so(tmp_path: Path) -> None:
    albert = text_encoder(str(save_text(tmp_path / "albert", "albert", unigram())))
    with pytest.raises(CorpusforgeError, match="of type albert, whose layers cannot be frozen"):
        albert.freeze(1)
    bert = text_encoder(str(save_text(tmp_path / "bert", "bert")))
    with pytest.raises(CorpusforgeError, match=r"freeze is 99, .* has \d+ layers"):
        bert.freeze(99)
    with pytest.raises(RecipeError, match="freeze keeps the embeddings"):
        preset("tiny", freeze=1, extend_vocab=10)


@pytest.mark.parametrize("norm", ["table_l2", "example_l2", "linf"])
@pytest.mark.parametrize("model", ["fgm", "pgd"])
def test_embeddings_that_are_frozen_are_disturbed_and_stay_what_they_were(
    corpus: Path, tmp_path: Path, model: str, norm: str
) -> None:
    config = quick(model=model, freeze=1, norm=norm, steps=2, epochs=1, groups=8)
    train(corpus, config, tmp_path / "run", place(tmp_path))
    undisturbed = config.model_copy(update={"model": "combined"})
    train(corpus, undisturbed, tmp_path / "plain", place(tmp_path))
    disturbed, plain = (load_file(tmp_path / name / "checkpoints" / "best.safetensors") for name in ("run", "plain"))
    assert disturbed.keys() == plain.keys()  # the same parameters learn
    assert not any("word_embeddings" in name for name in disturbed)
    assert any(not torch.equal(disturbed[name], plain[name]) for name in disturbed)
    whole = [load_file(tmp_path / name / "model" / "text" / "model.safetensors") for name in ("run", "plain")]
    words = "embeddings.word_embeddings.weight"
    assert torch.equal(whole[0][words], whole[1][words])

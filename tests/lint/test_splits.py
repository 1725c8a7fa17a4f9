"""Leakage and copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpusforge.lint import lint
from tests.lint.conftest import Rows, change, of, only, row

AUDIO = ("audio", "sha256", "num_samples", "duration", "metrics")


def test_a_group_in_two_splits(corpus: Path) -> None:
    def move(found: Rows) -> None:
        one = row(found, "dev-0001.zho_Hans")
        one["split"] = "test" if one["split"] != "test" else "dev"

    change(corpus, move)
    found = only(corpus, checks=["leakage"])
    assert (found.check, found.severity) == ("leakage", "error")
    assert found.rows == ("dev-0001.bod_Tibt", "dev-0001.mya_Mymr", "dev-0001.zho_Hans")
    assert found.message == "1 parallel group in more than one split"
    assert "corpusforge build flores200 --sample" in found.mend


def test_a_document_in_two_splits(corpus: Path) -> None:
    def move(found: Rows) -> None:
        train = of(found, split="train")[0]
        other = next(one for one in of(found, document=train["document"]) if one["group"] != train["group"])
        for one in of(found, group=other["group"]):
            one["split"] = "test"

    change(corpus, move)
    found = only(corpus, checks=["leakage"])
    assert found.message == "1 document in more than one split"
    assert found.counts["test"] == 3


def test_the_same_text_in_two_splits_however_it_is_typed(corpus: Path) -> None:
    ids: list[str] = []

    def copy(found: Rows) -> None:
        train, test = of(found, split="train", lang="zho_Hans")[0], of(found, split="test", lang="zho_Hans")[0]
        wide = {ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}
        test["text"] = " " + train["text"].replace("，", "、").translate(wide)
        assert test["text"] != train["text"]
        ids.extend([train["id"], test["id"]])

    change(corpus, copy)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("leakage", "error", tuple(sorted(ids)))
    assert found.message == "1 text in more than one split, in different parallel groups"


def test_the_same_clip_in_two_splits(corpus: Path) -> None:
    ids: list[str] = []

    def copy(found: Rows) -> None:
        train, test = of(found, split="train", lang="bod_Tibt")[0], of(found, split="test", lang="bod_Tibt")[0]
        test.update({name: train[name] for name in AUDIO})
        ids.extend([train["id"], test["id"]])

    change(corpus, copy)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("leakage", "error", tuple(sorted(ids)))
    assert "1 clip in more than one split" in found.message


def test_a_text_with_one_word_changed_in_another_split(corpus: Path) -> None:
    ids: list[str] = []

    def copy(found: Rows) -> None:
        for lang, words in (("bod_Tibt", ("གྲོང་", "ཡུལ་")), ("zho_Hans", ("的", "之"))):
            train = next(one for one in of(found, split="train", lang=lang) if words[0] in one["text"])
            test = of(found, split="test", lang=lang)[0]
            test["text"] = train["text"].replace(*words, 1)
            ids.extend([train["id"], test["id"]])

    change(corpus, copy)
    found = only(corpus, checks=["leakage", "near-text"])
    assert (found.check, found.severity, found.rows) == ("near-text", "warning", tuple(sorted(ids)))
    assert found.counts == {"bod_Tibt": 2, "zho_Hans": 2}


def test_texts_of_one_split_may_be_near_each_other(corpus: Path) -> None:
    def copy(found: Rows) -> None:
        first, second = of(found, split="train", lang="bod_Tibt")[:2]
        second["text"] = first["text"] + "ཡིན།"
        assert second["text"] != first["text"]

    change(corpus, copy)
    assert lint(corpus, checks=["leakage", "near-text", "duplicates"]) == []


@pytest.mark.parametrize("split", ["train", "dev"])
def test_the_same_text_twice_in_a_split(corpus: Path, split: str) -> None:
    ids: list[str] = []

    def copy(found: Rows) -> None:
        first, second = of(found, split=split, lang="mya_Mymr")[:2]
        second["text"] = first["text"] + "။"
        ids.extend([first["id"], second["id"]])

    change(corpus, copy)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("duplicates", "warning", tuple(ids))
    assert found.counts == {"mya_Mymr": 2}


def test_the_same_clip_twice_in_a_split(corpus: Path) -> None:
    ids: list[str] = []

    def copy(found: Rows) -> None:
        first, second = of(found, split="train", lang="mya_Mymr")[:2]
        second.update({name: first[name] for name in AUDIO})
        ids.extend([first["id"], second["id"]])

    change(corpus, copy)
    found = only(corpus)
    assert (found.check, found.rows) == ("duplicates", tuple(ids))
    assert "same audio" in found.message


def test_texts_of_different_languages_are_no_copies(corpus: Path) -> None:
    def copy(found: Rows) -> None:
        of(found, split="test", lang="zho_Hans")[0]["text"] = of(found, split="train", lang="bod_Tibt")[0]["text"]

    change(corpus, copy)
    assert lint(corpus, checks=["leakage", "near-text", "duplicates"]) == []

"""What a source wants to be cited reaches `corpus.json`, and no row of the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpusforge.sources.flores200 import Flores200, FloresConfig
from corpusforge.sources.mms import Mms, MmsConfig
from corpusforge.sources.table import Table, TableConfig
from tests.corpus.conftest import Shop


def test_flores200_with_and_without_sib200() -> None:
    [paper] = Flores200(FloresConfig()).citations()
    assert "2207.04672" in paper
    both = Flores200(FloresConfig(labels="sib200", sib200="sib")).citations()
    assert len(both) == 2 and "SIB}-200" in both[1]
    assert Flores200(FloresConfig(sample=True)).citations() == ()


def test_mms() -> None:
    assert "2306.07902" in Mms(MmsConfig()).citations()[0]


@pytest.mark.parametrize("entry", [None, "@misc{mine}"])
def test_a_table_says_what_its_recipe_says(entry: str | None) -> None:
    assert list(Table(TableConfig(path="a.csv", citation=entry)).citations()) == [entry] * bool(entry)


def test_citations_are_in_corpus_json_and_change_no_row(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write(tmp_path / "without", shop.corpus(4))
    shop.write(tmp_path / "with", shop.corpus(4), citations=["@misc{mine}"])
    assert json.loads((tmp_path / "with/corpus.json").read_bytes())["citations"] == ["@misc{mine}"]
    assert (tmp_path / "with/manifest.jsonl").read_bytes() == (tmp_path / "without/manifest.jsonl").read_bytes()

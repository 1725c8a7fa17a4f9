"""A corpus of awkward rows to export: quotes, white space, odd ids, three scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpusforge.corpus.read import Corpus
from tests.corpus.conftest import Shop

TEXTS = (
    ' ཨ་མ།  "བོད་སྐད"  ',
    "မြန်မာ၊ \u200bစာ\u00a0နှင့်",
    "他说：“好”，\u3000对；'no'",
    "NA",
    "1,5 %",
    "null",
)
IDS = ("a b", "ö/ü.1", "..", "x--y-", "%41", "t'~\"q")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


@pytest.fixture
def corpus(shop: Shop, tmp_path: Path) -> Corpus:
    """Plain groups, and awkward ones with two voices."""
    items = shop.corpus(8)
    for number, (name, text) in enumerate(zip(IDS, TEXTS, strict=True)):
        translation = {"model": "m", "prompt": "p-1", "from": "eng_Latn"} if number % 2 else None
        items.append(
            shop.item(
                name,
                ("bod_Tibt", "mya_Mymr", "zho_Hans")[number % 3],
                300 + 7 * number,
                group=f"group {number}",
                document=f"doc {number}",
                text=text,
                label=None,
                voice=f"voice {number % 2}",
                translation=translation,
            )
        )
    shop.write(tmp_path / "corpus", items)
    return Corpus(tmp_path / "corpus")

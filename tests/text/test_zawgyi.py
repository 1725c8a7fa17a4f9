"""Zawgyi told from Unicode, on real Burmese and on the same text converted to Zawgyi by another project's rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.text.zawgyi import is_zawgyi, probability

pytest.importorskip("myanmartools", reason="the extra translate is not installed")


@pytest.fixture(scope="module")
def flores(shared_data: Path) -> list[str]:
    files = [shared_data / "flores200" / split / f"mya_Mymr.{split}" for split in ("dev", "devtest")]
    return [line for file in files for line in file.read_text("utf8").splitlines()]


def test_no_real_burmese_is_taken_for_zawgyi(flores: list[str]) -> None:
    assert len(flores) == 2009
    assert not [line for line in flores if is_zawgyi(line)]


def test_zawgyi_is_found(flores: list[str]) -> None:
    converter = pytest.importorskip("myanmar.converter", reason="python-myanmar is not installed")
    converted = [converter.convert(line, "unicode", "zawgyi") for line in flores]
    assert sum(map(is_zawgyi, converted)) >= 0.99 * len(converted)


@pytest.mark.parametrize("text", ["ေက်ာင္းသားမ်ား", "ျမန္မာႏိုင္ငံ", "ဆဲလ္မ်ားကို အမ်ိဳးအစားအလိုက္"])
def test_words_in_zawgyi(text: str) -> None:
    assert is_zawgyi(text)


@pytest.mark.parametrize("text", ["ကျောင်းသားများ", "မြန်မာနိုင်ငံ", "မင်္ဂလာပါ", "", "JAS 39C", "བོད་ཡིག", "၂၀၂၀"])
def test_what_is_not_zawgyi(text: str) -> None:
    assert not is_zawgyi(text)


@given(st.text(alphabet=[chr(code) for code in range(0x1000, 0x10A0)]) | st.text())
def test_a_probability_of_every_text(text: str) -> None:
    assert 0 <= probability(text) <= 1

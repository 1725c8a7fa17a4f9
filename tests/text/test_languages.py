"""The languages of FLORES-200, and help with a wrong code."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import SourceError
from corpusforge.text.languages import LANGUAGES, check


def test_the_codes_are_the_official_list() -> None:
    """The digest is of the 204 codes in FLORES-200's own README, sorted."""
    assert len(LANGUAGES) == 204
    digest = hashlib.sha256("\n".join(sorted(LANGUAGES)).encode()).hexdigest()
    assert digest == "c6065db3c82c43a6f17dd172fbea9285a400cf8982a47442946385d91eea6aba"


def test_every_language_has_a_name_of_its_own_and_a_tag_of_its_own() -> None:
    for code, language in LANGUAGES.items():
        name, script = code.split("_")
        assert (len(name), len(script), language.code) == (3, 4, code)
    assert len({language.name for language in LANGUAGES.values()}) == 204
    assert len({language.bcp47 for language in LANGUAGES.values()}) == 204


@pytest.mark.parametrize(
    ("code", "name", "tag"),
    [
        ("bod_Tibt", "Standard Tibetan", "bo"),
        ("mya_Mymr", "Burmese", "my"),
        ("zho_Hans", "Chinese (Simplified)", "zh-Hans"),
        ("sat_Olck", "Santali", "sat"),
        ("kas_Deva", "Kashmiri (Devanagari script)", "ks-Deva"),
        ("arb_Latn", "Modern Standard Arabic (Romanized)", "ar-Latn"),
    ],
)
def test_names_and_tags(code: str, name: str, tag: str) -> None:
    language = check(code, "anywhere")
    assert (language.name, language.bcp47) == (name, tag)


@pytest.mark.parametrize("wrong", ["tibetan", "Tibetan", "bo", "bod", "bod_Tib", "Bod_tibt", "BOD_TIBT", "bo-CN"])
def test_a_wrong_code_is_answered_with_the_nearest(wrong: str) -> None:
    with pytest.raises(SourceError, match=rf"^recipe.yaml:3: '{wrong}' .*'bod_Tibt' \(Standard Tibetan\)"):
        check(wrong, "recipe.yaml:3")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("zh", "zho_Hans"),
        ("zh-CN", "zho_Hans"),
        ("zh_TW", "zho_Hant"),
        ("burmese", "mya_Mymr"),
        ("sat_Beng", "sat_Olck"),
    ],
)
def test_other_ways_to_name_a_language_lead_to_its_code(wrong: str, right: str) -> None:
    with pytest.raises(SourceError, match=f"did you mean .*'{right}'"):
        check(wrong, "x")


@given(st.text())
def test_any_text_is_a_code_or_an_error_with_help(text: str) -> None:
    if text in LANGUAGES:
        assert check(text, "x").code == text
        return
    with pytest.raises(SourceError, match=r"(?s)^x: .*(did you mean|known:)"):
        check(text, "x")


def test_the_list_costs_no_heavy_import() -> None:
    code = "import sys; from corpusforge.text import languages; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pydantic", "datasets", "espeakng_loader"} & set(loaded)

"""Text that is not what its row says."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from corpusforge.lint import lint
from corpusforge.lint.findings import compare_key
from tests.cli.program import rows
from tests.lint.conftest import Rows, change, only, row

ENGLISH = "The library is now open until nine in the evening on every day of the week."


def write(corpus: Path, id: str, text: str) -> None:
    def set_text(found: Rows) -> None:
        row(found, id)["text"] = text

    change(corpus, set_text)


def test_the_text_of_another_language_of_the_group(corpus: Path) -> None:
    write(corpus, "dev-0003.bod_Tibt", row(rows(corpus), "dev-0003.zho_Hans")["text"])
    found = only(corpus, checks=["untranslated"])
    assert found.severity == "warning"
    assert found.rows == ("dev-0003.bod_Tibt", "dev-0003.zho_Hans")
    assert found.counts == {"bod_Tibt = zho_Hans": 1}


def test_a_short_text_may_be_the_same_in_two_languages_of_one_script(corpus: Path) -> None:
    def same(found: Rows) -> None:
        for one in found:
            if one["lang"] == "bod_Tibt":
                one["lang"] = "zho_Hant"
        for id in ("dev-0003.bod_Tibt", "dev-0003.zho_Hans"):
            row(found, id)["text"] = "北京！"
        for id in ("dev-0004.bod_Tibt", "dev-0004.zho_Hans"):
            row(found, id)["text"] = "2024, 2025"

    change(corpus, same)
    assert lint(corpus, checks=["untranslated"]) == []


@pytest.mark.parametrize("id", ["dev-0003.bod_Tibt", "dev-0003.mya_Mymr", "dev-0003.zho_Hans"])
def test_text_in_another_script(corpus: Path, id: str) -> None:
    write(corpus, id, ENGLISH)
    found = only(corpus, checks=["script", "untranslated", "unicode"])
    assert (found.check, found.severity, found.rows) == ("script", "warning", (id,))
    assert found.counts == {id.partition(".")[2]: 1}


def test_a_list_of_foreign_names_is_no_other_script(corpus: Path) -> None:
    write(
        corpus,
        "dev-0003.zho_Hans",
        "被告的姓名分别是 Baba Kanjar、Bhutha Kanjar、Rampro Kanjar、Gaza Kanjar 和 Vishnu。",
    )
    assert lint(corpus, checks=["script"]) == []


def test_text_in_another_language_of_the_script(corpus: Path) -> None:
    write(corpus, "dev-0003.zho_Hans", "圖書館現在開放到晚上九點，這個學期每天都對學生開門。")
    found = only(corpus, checks=["script"])
    assert found.rows == ("dev-0003.zho_Hans",)
    assert "dev-0003.zho_Hans in traditional hanzi" in found.message


def test_text_without_a_letter(corpus: Path) -> None:
    write(corpus, "dev-0003.zho_Hans", "……！")
    found = only(corpus, checks=["script"])
    assert (found.severity, found.rows) == ("error", ("dev-0003.zho_Hans",))


def test_a_number_is_a_text(corpus: Path) -> None:
    write(corpus, "dev-0003.zho_Hans", "1984")
    assert lint(corpus, checks=["script"]) == []


def test_burmese_in_zawgyi(corpus: Path) -> None:
    pytest.importorskip("myanmartools", reason="the extra translate is not installed")
    write(corpus, "dev-0003.mya_Mymr", "ျမန္မာႏိုင္ငံသည္ အေရွ႕ေတာင္အာရွတြင္ တည္ရွိသည္။")
    found = only(corpus, checks=["zawgyi"])
    assert (found.severity, found.rows) == ("warning", ("dev-0003.mya_Mymr",))


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [("\ufffd", "replacement characters"), ("\x07", "control characters"), ("\ue123", "private-use characters")],
)
def test_characters_that_mean_nothing(corpus: Path, wrong: str, kind: str) -> None:
    write(corpus, "dev-0003.bod_Tibt", row(rows(corpus), "dev-0003.bod_Tibt")["text"] + wrong)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("unicode", "warning", ("dev-0003.bod_Tibt",))
    assert found.counts == {kind: 1}


@pytest.mark.parametrize(("wrong", "kind"), [("\u0f43", "not NFC"), ("\u200b", "zero-width characters")])
def test_spellings_that_are_not_canonical(corpus: Path, wrong: str, kind: str) -> None:
    write(corpus, "dev-0003.bod_Tibt", row(rows(corpus), "dev-0003.bod_Tibt")["text"] + wrong)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("unicode", "note", ("dev-0003.bod_Tibt",))
    assert found.counts == {f"bod_Tibt {kind}": 1}


def test_what_two_texts_are_compared_by() -> None:
    assert compare_key("Ｗi-Fi, 免费！", "zho_Hans") == compare_key("WI FI 免费", "zho_Hans") == "wifi免费"
    assert compare_key("བཀྲ་ཤིས། ", "bod_Tibt") == compare_key("བཀྲ༌ཤིས", "bod_Tibt")
    assert compare_key("café", "fra_Latn") == compare_key(unicodedata.normalize("NFD", "CAFÉ"), "fra_Latn")
    assert compare_key("5 km", "eng_Latn") != compare_key("7 km", "eng_Latn")
    assert compare_key("…!?", "eng_Latn") == ""

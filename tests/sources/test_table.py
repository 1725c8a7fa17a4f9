from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import SourceError
from corpusforge.items import Utterance
from corpusforge.registry import find
from corpusforge.sources.base import Outline
from corpusforge.sources.table import Table
from tests.sources.tables import COLUMNS, FORMATS, LONG, WIDE, Rows, complaint, csv, read, table, write

# Wide tables


def test_the_registry_knows_it() -> None:
    assert find("sources", "table") is Table


@FORMATS
def test_a_column_a_language(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t.{suffix}", WIDE)
    items = read(path, columns=COLUMNS, label="topic", document="article", license="CC0-1.0", source="mine")
    assert [item.id for item in items] == [
        "a.zho_Hans", "a.bod_Tibt", "b.zho_Hans", "b.bod_Tibt", "c.zho_Hans", "c.bod_Tibt",
    ]  # fmt: skip
    assert items[3] == Utterance("b.bod_Tibt", "b", "one", "bod_Tibt", "གཉིས", "numbers", "mine", "CC0-1.0")


@FORMATS
def test_outline_agrees_with_items(tmp_path: Path, suffix: str) -> None:
    one = table(write(tmp_path / f"t.{suffix}", WIDE), columns=COLUMNS, label="topic", document="article")
    assert list(one.outline()) == [
        Outline("a", "one", "numbers"), Outline("b", "one", "numbers"), Outline("c", "two", "colours"),
    ]  # fmt: skip
    assert [item.group for item in one.items()] == ["a", "a", "b", "b", "c", "c"]


@FORMATS
def test_columns_that_are_named_by_codes(tmp_path: Path, suffix: str) -> None:
    rows: Rows = [{"n": 1, "mya_Mymr": "တစ်", "zho_Hans": "一"}]
    path = write(tmp_path / f"t.{suffix}", rows)
    assert table(path).languages == ("mya_Mymr", "zho_Hans")
    assert [(item.lang, item.text) for item in read(path)] == [("mya_Mymr", "တစ်"), ("zho_Hans", "一")]
    assert [item.lang for item in read(path, languages=["zho_Hans"])] == ["zho_Hans"]


@FORMATS
def test_only_the_groups_asked_for(tmp_path: Path, suffix: str) -> None:
    one = table(write(tmp_path / f"t.{suffix}", WIDE), columns=COLUMNS)
    assert [item.id for item in one.items({"b"})] == ["b.zho_Hans", "b.bod_Tibt"]
    assert [item.id for item in one.items({"b"})] == ["b.zho_Hans", "b.bod_Tibt"]
    assert list(one.items(frozenset())) == []


def test_without_an_id_groups_are_counted(tmp_path: Path) -> None:
    path = csv(tmp_path, "zho_Hans\n一\n\n二\n")
    assert [(item.id, item.document) for item in read(path)] == [
        ("row-000001.zho_Hans", "row-000001"),
        ("row-000002.zho_Hans", "row-000002"),
    ]


def test_an_id_column_can_be_left_alone(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,zho_Hans\nx,一\nx,二\n")
    assert [item.group for item in read(path, id=None)] == ["row-000001", "row-000002"]


def test_defaults_where_the_table_says_nothing(tmp_path: Path) -> None:
    item = read(csv(tmp_path, "zho_Hans\n一\n"))[0]
    assert (item.label, item.license, item.source) == (None, "unknown", "t.csv")


def test_a_row_can_have_its_own_licence_and_source(tmp_path: Path) -> None:
    path = csv(tmp_path, "zho_Hans,license,source\n一,MIT,somebody\n二,,\n")
    items = read(path, license="CC0-1.0", source="me")
    assert [(item.license, item.source) for item in items] == [("MIT", "somebody"), ("CC0-1.0", "me")]
    items = read(path, license="CC0-1.0", license_column=None, source_column=None)
    assert {(item.license, item.source) for item in items} == {("CC0-1.0", "t.csv")}


def test_a_source_column_that_holds_the_text_is_no_source(tmp_path: Path) -> None:
    items = read(csv(tmp_path, "source,target\n一,གཅིག\n"), columns={"zho_Hans": "source", "bod_Tibt": "target"})
    assert [(item.text, item.source) for item in items] == [("一", "t.csv"), ("གཅིག", "t.csv")]


@pytest.mark.parametrize(("value", "label"), [(0, "0"), (1.5, "1.5"), (True, "true"), ("x", "x"), (None, None)])
def test_labels_of_any_plain_type(tmp_path: Path, value: object, label: str | None) -> None:
    path = write(tmp_path / "t.jsonl", [{"zho_Hans": "一", "label": value}])
    assert read(path)[0].label == label


def test_ids_are_data_whatever_they_look_like(tmp_path: Path) -> None:
    path = csv(tmp_path, 'id,zho_Hans\n../../etc/passwd,一\n"a ""b"" c:d\\e",二\n一二,三\n')
    assert [item.group for item in read(path)] == ["../../etc/passwd", 'a "b" c:d\\e', "一二"]


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = csv(tmp_path, b"\xef\xbb\xbfzho_Hans,label\r\n" + '"一,""二"""\r\n'.replace("\r\n", ",x\r\n").encode())
    assert [(item.text, item.label) for item in read(path)] == [('一,"二"', "x")]


def test_quotes_are_text_in_tsv_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('mya_Mymr\n"""က"""\n')
    assert read(path)[0].text == '"""က"""'
    assert read(path, quoting=True)[0].text == '"က"'


def test_the_format_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", WIDE).rename(tmp_path / "t.txt")
    assert len(read(path, format="jsonl", columns=COLUMNS)) == 6
    assert "no table format is known for '.txt'" in complaint(path, columns=COLUMNS)


def test_a_relative_path_is_meant_beside_the_recipe_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    beside = csv(tmp_path / "recipes", "zho_Hans\n一\n")
    csv(tmp_path, "zho_Hans\n二\n")
    monkeypatch.chdir(tmp_path)
    config = Table.Config.model_validate({"path": "t.csv"}, context={"folder": beside.parent})
    assert [item.text for item in Table(config).items()] == ["一"]
    assert [item.text for item in Table(Table.Config(path="t.csv")).items()] == ["二"]
    config = Table.Config.model_validate({"path": "../t.csv"}, context={"folder": beside.parent})
    assert [item.text for item in Table(config).items()] == ["二"]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda text: text.strip()),
        min_size=1,
        max_size=5,
    )
)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_any_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, suffix: str, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / f"t.{suffix}"
    if suffix == "csv":
        import csv as module

        with path.open("w", encoding="utf-8", newline="") as out:
            module.writer(out, quoting=module.QUOTE_ALL).writerows([["zho_Hans"], *([text] for text in texts)])
    else:
        write(path, [{"zho_Hans": text} for text in texts])
    assert [item.text for item in read(path)] == texts


# Long tables


@FORMATS
def test_a_row_an_utterance(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t.{suffix}", LONG)
    items = read(path, layout="long", languages=["zho_Hans", "bod_Tibt"])
    assert [(item.id, item.text) for item in items] == [
        ("a.zho_Hans", "一"), ("a.bod_Tibt", "གཅིག"), ("b.zho_Hans", "二"), ("b.bod_Tibt", "གཉིས"),
    ]  # fmt: skip


@FORMATS
def test_languages_of_a_long_table_are_found_in_order(tmp_path: Path, suffix: str) -> None:
    assert table(write(tmp_path / f"t.{suffix}", LONG), layout="long").languages == ("bod_Tibt", "zho_Hans")


def test_languages_that_are_not_asked_for_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", LONG)
    assert [item.id for item in read(path, layout="long", languages=["bod_Tibt"])] == ["a.bod_Tibt", "b.bod_Tibt"]


def test_long_columns_can_have_other_names(tmp_path: Path) -> None:
    path = csv(tmp_path, "code,sentence,key,kind\nzho_Hans,一,a,x\nbod_Tibt,གཅིག,a,x\n")
    items = read(path, layout="long", text="sentence", lang="code", group="key", label="kind")
    assert [(item.id, item.label) for item in items] == [("a.zho_Hans", "x"), ("a.bod_Tibt", "x")]


def test_without_a_group_column_every_row_is_its_own(tmp_path: Path) -> None:
    path = csv(tmp_path, "lang,text\nzho_Hans,一\nzho_Hans,二\nbod_Tibt,གསུམ\n")
    assert [item.id for item in read(path, layout="long")] == [
        "row-000001.zho_Hans", "row-000002.zho_Hans", "row-000003.bod_Tibt",
    ]  # fmt: skip


def test_rows_of_a_group_must_be_together(tmp_path: Path) -> None:
    path = csv(tmp_path, "group,lang,text\na,zho_Hans,一\nb,zho_Hans,二\na,bod_Tibt,གཅིག\n")
    message = complaint(path, layout="long", missing="skip")
    assert f"{path}:4: group 'a' was there before, at {path}:2; expected its rows together" in message


def test_a_language_twice_in_a_group(tmp_path: Path) -> None:
    path = csv(tmp_path, "group,lang,text\na,zho_Hans,一\na,zho_Hans,二\n")
    message = complaint(path, layout="long")
    assert f"{path}:3: group 'a' was there before, at {path}:2" in message and "both are zho_Hans" in message


@pytest.mark.parametrize("what", ["document", "label"])
def test_a_group_with_two_documents_or_labels(tmp_path: Path, what: str) -> None:
    path = csv(tmp_path, f"group,lang,text,{what}\na,zho_Hans,一,x\na,bod_Tibt,གཅིག,y\n")
    assert f"{path}:3: {what} 'y' of group 'a', but 'x' at {path}:2" in complaint(path, layout="long")


@pytest.mark.parametrize(("code", "words"), [("zh", "'zh' is not a FLORES code"), ("", "no language")])
def test_a_row_with_a_language_that_is_none(tmp_path: Path, code: str, words: str) -> None:
    path = csv(tmp_path, f"group,lang,text\na,zho_Hans,一\nb,{code},二\n")
    assert f"{path}:3: {words} in the column 'lang'" in complaint(path, layout="long")


def test_a_long_table_without_any_known_language(tmp_path: Path) -> None:
    path = csv(tmp_path, "group,lang,text\na,chinese,一\n")
    assert "no language found: expected FLORES codes" in complaint(path, layout="long")


# Sentences that are not there


@FORMATS
def test_a_missing_sentence_is_an_error_with_its_place(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t.{suffix}", [*WIDE[:1], {**WIDE[1], "tibetan": ""}])
    place = {"jsonl": f"{path}:2", "parquet": f"{path}: row 2"}.get(suffix, f"{path}:3")
    message = complaint(path, columns=COLUMNS)
    assert f"{place}: no sentence in bod_Tibt: 'tibetan' is empty; set source.missing to skip" in message
    with pytest.raises(SourceError, match="no sentence in bod_Tibt"):
        list(table(path, columns=COLUMNS).items())


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("nothing", [None, "", " \u3000"])
def test_a_missing_sentence_can_be_left_out(tmp_path: Path, suffix: str, nothing: str | None) -> None:
    rows: Rows = [{**WIDE[0], "tibetan": nothing}, {**WIDE[1], "chinese": nothing, "tibetan": nothing}, WIDE[2]]
    one = table(write(tmp_path / f"t.{suffix}", rows), columns=COLUMNS, missing="skip")
    one.check()
    assert [item.id for item in one.items()] == ["a.zho_Hans", "c.zho_Hans", "c.bod_Tibt"]
    assert [entry.group for entry in one.outline()] == ["a", "c"]


def test_nan_is_an_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"zho_Hans": "一", "bod_Tibt": NaN, "label": NaN}\n{"zho_Hans": "二", "bod_Tibt": "གཉིས"}\n')
    items = read(path, missing="skip")
    assert [(item.id, item.label) for item in items][:2] == [
        ("row-000001.zho_Hans", None),
        ("row-000002.zho_Hans", None),
    ]


def test_a_group_without_a_language(tmp_path: Path) -> None:
    path = csv(tmp_path, "group,lang,text\na,zho_Hans,一\nb,zho_Hans,二\nb,bod_Tibt,གཉིས\n")
    assert complaint(path, layout="long").startswith(f"{path}: {path}:2: group 'a' has no sentence in bod_Tibt")
    assert [item.id for item in read(path, layout="long", missing="skip")] == ["a.zho_Hans", "b.zho_Hans", "b.bod_Tibt"]


def test_an_empty_sentence_in_a_long_table_is_told_once(tmp_path: Path) -> None:
    path = csv(tmp_path, "group,lang,text\na,zho_Hans,一\na,bod_Tibt,\n")
    message = complaint(path, layout="long")
    assert f"{path}:3: no sentence in bod_Tibt" in message and message.count("no sentence") == 1


def test_a_language_without_any_sentence(tmp_path: Path) -> None:
    path = csv(tmp_path, "zho_Hans,bod_Tibt\n一,\n二,\n")
    assert "no sentence in bod_Tibt: expected at least one" in complaint(path, missing="skip")

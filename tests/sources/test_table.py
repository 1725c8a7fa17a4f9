from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.errors import CorpusforgeError, SourceError
from corpusforge.items import Utterance
from corpusforge.registry import find
from corpusforge.sources.base import Outline
from corpusforge.sources.table import Table

WIDE = [
    {"id": "a", "chinese": "一", "tibetan": "གཅིག", "topic": "numbers", "article": "one"},
    {"id": "b", "chinese": "二", "tibetan": "གཉིས", "topic": "numbers", "article": "one"},
    {"id": "c", "chinese": "红", "tibetan": "དམར་པོ", "topic": "colours", "article": "two"},
]
COLUMNS = {"zho_Hans": "chinese", "bod_Tibt": "tibetan"}
LONG = [
    {"group": "a", "lang": "bod_Tibt", "text": "གཅིག"},
    {"group": "a", "lang": "zho_Hans", "text": "一"},
    {"group": "b", "lang": "zho_Hans", "text": "二"},
    {"group": "b", "lang": "bod_Tibt", "text": "གཉིས"},
]
Rows = list[dict[str, Any]]


def write(path: Path, rows: Rows) -> Path:
    """The rows in the format that the file's name says."""
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        between = "," if path.suffix == ".csv" else "\t"
        lines = [between.join(rows[0]), *(between.join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(path: Path, **settings: object) -> Table:
    return Table(Table.Config.model_validate({"path": str(path), **settings}))


def read(path: Path, **settings: object) -> list[Utterance]:
    one = table(path, **settings)
    one.check()
    return list(one.items())


def complaint(path: Path, **settings: object) -> str:
    with pytest.raises(CorpusforgeError) as caught:
        table(path, **settings).check()
    return str(caught.value)


def csv(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FORMATS = pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])


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


# Bad input


def test_repeated_ids_name_both_lines(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,zho_Hans\na,一\nb,二\na,三\n")
    assert f"{path}:4: id 'a' was there before, at {path}:2" in complaint(path)


def test_lines_are_counted_through_quoted_line_ends(tmp_path: Path) -> None:
    path = csv(tmp_path, 'id,zho_Hans\na,"一\n一\n一"\n\nb,二\na,三\n')
    assert f"{path}:7: id 'a' was there before, at {path}:2" in complaint(path)


def test_an_empty_id(tmp_path: Path) -> None:
    assert ":3: empty 'id'" in complaint(csv(tmp_path, "id,zho_Hans\na,一\n,二\n"))


@pytest.mark.parametrize("character", ["\0", "\n", "\t", "\x7f", "\u2028", "\x85"])
@pytest.mark.parametrize("column", ["id", "label", "document", "license", "source"])
def test_control_characters_in_names(tmp_path: Path, column: str, character: str) -> None:
    path = write(tmp_path / "t.jsonl", [{"id": "a", "zho_Hans": "一", column: f"x{character}y"}])
    assert f"{path}:1: '{column}': control character" in complaint(path)


def test_half_a_surrogate_pair(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "\\ud800", "zho_Hans": "一"}\n{"id": "b", "zho_Hans": "二\\udc00"}\n')
    message = complaint(path)
    assert f"{path}:1: 'id': control character" in message
    assert f"{path}:2: 'zho_Hans': half a surrogate pair at 2" in message


def test_nul_in_a_sentence(tmp_path: Path) -> None:
    assert ":2: 'zho_Hans': NUL character at 2" in complaint(csv(tmp_path, "zho_Hans\n一\0二\n"))


@pytest.mark.parametrize("value", [5, 1.5, True, ["一"], {"a": 1}])
def test_a_sentence_that_is_no_text(tmp_path: Path, value: object) -> None:
    path = write(tmp_path / "t.jsonl", [{"zho_Hans": value}])
    assert f"{path}:1: 'zho_Hans': expected a text, found {type(value).__name__}" in complaint(path)


def test_a_label_that_is_a_list(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"zho_Hans": "一", "label": ["x"]}])
    assert "'label': expected a text or a number, found list" in complaint(path)


def test_invalid_utf8(tmp_path: Path) -> None:
    path = csv(tmp_path, b"zho_Hans\n\xe4\xb8\x80\n\xe4\xb8\n")
    assert f"{path}:3: not UTF-8: byte 0xe4 at byte 1" in complaint(path)


def test_utf16_is_not_utf8(tmp_path: Path) -> None:
    assert ":1: not UTF-8: byte 0xff" in complaint(
        csv(tmp_path, "zho_Hans\n一\n".encode("utf-16")), languages=["zho_Hans"]
    )


@pytest.mark.parametrize("row", ["一", "一,二,三"])
def test_rows_of_another_width(tmp_path: Path, row: str) -> None:
    path = csv(tmp_path, f"zho_Hans,label\n一,x\n{row}\n")
    assert f"{path}:3: {row.count(',') + 1} cells, expected 2" in complaint(path)


@pytest.mark.parametrize("row", ['"一', '"一"二'])
def test_broken_quotes(tmp_path: Path, row: str) -> None:
    path = csv(tmp_path, f"zho_Hans\n一\n{row}\n")
    assert f"{path}:3: not CSV: " in complaint(path)


@pytest.mark.parametrize("line", ["{", "[1]", '"text"', "一", "[" * 100_000, "1" * 5000])
def test_lines_that_are_no_json_object(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "t.jsonl", [{"zho_Hans": "一"}])
    path.write_text(path.read_text() + line + "\n")
    message = complaint(path)
    assert f"{path}:2: " in message and "object" in message


def test_blank_lines_in_jsonl_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('\n{"zho_Hans": "一"}\n  \n{"zho_Hans": "二"}\n\n')
    assert [item.group for item in read(path)] == ["row-000001", "row-000002"]


def test_keys_that_only_later_json_rows_have(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"zho_Hans": "一"}, {"zho_Hans": "二", "label": "x"}])
    assert [item.label for item in read(path)] == [None, "x"]
    assert [item.label for item in read(path, label="label")] == [None, "x"]


def test_five_problems_and_a_count(tmp_path: Path) -> None:
    message = complaint(csv(tmp_path, "zho_Hans,label\n" + ",x\n" * 9))
    assert "9 problems" in message and message.count("no sentence") == 5 and message.endswith("… and 4 more")


@pytest.mark.parametrize("setting", ["id", "label", "document", "license_column", "source_column"])
def test_a_column_that_is_named_must_be_there(tmp_path: Path, setting: str) -> None:
    path = csv(tmp_path, "id,topic,zho_Hans\na,x,一\n")
    assert f"{path}: no column 'topik': did you mean 'topic'?" in complaint(path, **{setting: "topik"})


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_text_column_that_is_not_there(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t.{suffix}", WIDE)
    assert "no column 'chinesse': did you mean 'chinese'?" in complaint(path, columns={"zho_Hans": "chinesse"})
    assert "no column 'text'" in complaint(path, layout="long", languages=["zho_Hans"])


def test_a_table_without_a_language(tmp_path: Path) -> None:
    message = complaint(csv(tmp_path, "chinese,tibetan\n一,གཅིག\n"))
    assert "no language found: expected source.columns" in message and "chinese, tibetan" in message


def test_an_unknown_language(tmp_path: Path) -> None:
    message = complaint(csv(tmp_path, "chinese\n一\n"), columns={"zho_Hant_CN": "chinese"})
    assert "zho_Hant_CN" in message and "zho_Hant" in message and "source.columns" in message


def test_a_column_name_twice(tmp_path: Path) -> None:
    assert ":1: two columns are named 'zho_Hans'" in complaint(csv(tmp_path, "zho_Hans,zho_Hans\n一,二\n"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_an_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_text("")
    words = {"jsonl": "no rows", "parquet": "not a whole Parquet file"}.get(suffix, "empty")
    assert complaint(path, languages=["zho_Hans"]).startswith(f"{path}: {words}")


def test_a_header_without_rows(tmp_path: Path) -> None:
    assert "no sentence in zho_Hans" in complaint(csv(tmp_path, "zho_Hans\n"))


def test_a_parquet_file_that_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", WIDE)
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path}: not a whole Parquet file" in complaint(path, columns=COLUMNS)


def test_a_parquet_file_with_damaged_pages(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", WIDE * 50)
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)
    assert f"{path}: damaged after row 0" in complaint(path, columns=COLUMNS, id=None)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "none.csv: does not exist" in complaint(tmp_path / "none.csv")
    assert "is a folder" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"columns": {}}, "at least one"),
        ({"languages": ["zho_Hans", "zho_Hans"]}, "each once"),
        ({"columns": COLUMNS, "languages": ["zho_Hans"]}, "leave languages out"),
        ({"text": "sentence"}, "text: belongs to layout: long"),
        ({"layout": "long", "columns": COLUMNS}, "columns: belongs to layout: wide"),
        ({"layout": "long", "id": "key"}, "id: belongs to layout: wide"),
        ({"missing": "ignore"}, "'error' or 'skip'"),
        ({"format": "xlsx"}, "'csv', 'tsv', 'jsonl' or 'parquet'"),
        ({"colums": COLUMNS}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        table(tmp_path / "t.csv", **settings)


# Size


def test_only_the_parquet_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    rows: Rows = [{"zho_Hans": str(number), "audio": bytes(100_000)} for number in range(100)]
    for number, row in enumerate(rows):
        row["audio"] = number.to_bytes(4) * 25_000
    path = write(tmp_path / "t.parquet", rows)
    import pyarrow

    one = table(path, languages=["zho_Hans"])
    pool = pyarrow.system_memory_pool()
    before = pool.bytes_allocated(), pyarrow.total_allocated_bytes()
    items = one.items()
    next(items)
    assert pyarrow.total_allocated_bytes() - before[1] < 1_000_000
    assert sum(1 for _ in items) == 99


def _csv(path: Path, rows: int) -> Path:
    path.write_text("id,zho_Hans\n" + "".join(f"{n:08d},{'一' * 30}\n" for n in range(rows)))
    return path


def _jsonl(path: Path, rows: int) -> Path:
    path.write_text("".join(f'{{"id": "{n:08d}", "zho_Hans": "{"一" * 30}"}}\n' for n in range(rows)))
    return path


@pytest.mark.parametrize("make", [_csv, _jsonl])
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path, make: Callable[[Path, int], Path]) -> None:
    peaks = []
    for rows in (1_000, 20_000):
        one = table(make(tmp_path / f"t{rows}.{make.__name__[1:]}", rows))
        one.check()
        tracemalloc.start()
        one.check()
        for _ in one.items():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 20 times the rows: their ids alone are 1 MB as Python strings.
    assert peaks[1] < peaks[0] + 100_000


def test_real_rows_of_mms(shared_data: Path) -> None:
    path = shared_data / "mms_zh" / "mms_zh.jsonl"
    with path.open(encoding="utf-8") as stream:
        first = json.loads(stream.readline())
    items = read(path, columns={"zho_Hans": "text"}, id=None, source="Brand24/mms", source_column=None)
    assert len(items) == 6162
    assert (items[0].text, items[0].label) == (first["text"], str(first["label"]))
    assert {item.source for item in items} == {"Brand24/mms"}

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.sources.tables import COLUMNS, WIDE, Rows, complaint, csv, read, table, write

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

from __future__ import annotations

import collections
import csv
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Utterance
from corpusforge.registry import find
from corpusforge.sources._mms_rows import LABELS, LANGUAGES
from corpusforge.sources._mms_select import folded
from corpusforge.sources.base import Outline
from corpusforge.sources.mms import Mms, MmsConfig
from corpusforge.text import languages
from tests.sources.tables import Rows, write

FORMATS = pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])


def row(
    id: int | str | None, text: str, label: Any = 0, source: str = "zh_hotels", language: str = "zh"
) -> dict[str, Any]:
    cells = {
        "_id": id,
        "text": text,
        "label": label,
        "original_dataset": source,
        "domain": "reviews",
        "language": language,
    }
    return cells if id is not None else {name: cell for name, cell in cells.items() if name != "_id"}


def many(counts: dict[tuple[int, str], int]) -> Rows:
    """So many rows of each label and source, each with a text of its own."""
    rows: Rows = []
    for (label, source), count in counts.items():
        rows += [row(len(rows) + n, f"第{len(rows) + n}条", label, source) for n in range(count)]
    return rows


def mms(path: Path, **settings: object) -> Mms:
    return Mms(MmsConfig.model_validate({"path": str(path), **settings}))


def read(path: Path, **settings: object) -> list[Utterance]:
    one = mms(path, **settings)
    one.check()
    return list(one.items())


def chosen(path: Path, **settings: object) -> set[str]:
    return {item.group for item in read(path, **settings)}


def complaint(path: Path, **settings: object) -> str:
    with pytest.raises(CorpusforgeError) as caught:
        mms(path, **settings).check()
    return str(caught.value)


class _Frozen(NamedTuple):
    group: str
    label: str | None
    source: str


def set_of(items: list[Utterance]) -> set[_Frozen]:
    return {_Frozen(item.group, item.label, item.source) for item in items}


def labels(items: list[Utterance]) -> dict[str | None, int]:
    return dict(collections.Counter(item.label for item in items))


def origins(items: list[Utterance]) -> dict[str, int]:
    return dict(collections.Counter(item.source.removeprefix("mms:") for item in items))


def jsonl(tmp_path: Path, rows: Rows, name: str = "mms.jsonl") -> Path:
    return write(tmp_path / name, rows)


THREE = [row(1, "很好", 2), row(2, "一般", 1), row(3, "不好", 0)]

# What it yields


def test_the_registry_knows_it() -> None:
    assert find("sources", "mms") is Mms


@FORMATS
def test_an_utterance_a_row(tmp_path: Path, suffix: str) -> None:
    items = {item.id: item for item in read(write(tmp_path / f"mms.{suffix}", THREE), license="MIT")}
    assert items["mms-1.zho_Hans"] == Utterance(
        "mms-1.zho_Hans", "mms-1", "mms-1", "zho_Hans", "很好", "positive", "mms:zh_hotels", "MIT"
    )
    assert {id: item.label for id, item in items.items()} == {
        "mms-1.zho_Hans": "positive", "mms-2.zho_Hans": "neutral", "mms-3.zho_Hans": "negative",
    }  # fmt: skip


@FORMATS
def test_outline_agrees_with_items_and_both_repeat(tmp_path: Path, suffix: str) -> None:
    one = mms(write(tmp_path / f"mms.{suffix}", THREE))
    outline = list(one.outline())
    assert outline == [Outline(item.group, item.document, item.label) for item in one.items()]
    assert outline == list(one.outline())
    assert one.languages == ("zho_Hans",)


def test_only_the_groups_asked_for(tmp_path: Path) -> None:
    assert [item.group for item in mms(jsonl(tmp_path, THREE)).items({"mms-2"})] == ["mms-2"]


def test_other_languages_are_left_out(tmp_path: Path) -> None:
    rows = [*THREE, row(4, "dobry", 2, "pl_hotels", "pl"), row(5, "好", 2, language="zho_Hans")]
    assert chosen(jsonl(tmp_path, rows)) == {"mms-1", "mms-2", "mms-3", "mms-5"}
    assert [item.id for item in read(jsonl(tmp_path, rows), language="pol_Latn")] == ["mms-4.pol_Latn"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_of_mms_is_one_of_flores(tmp_path: Path, code: str) -> None:
    language = languages.check(LANGUAGES[code], "")
    assert language.bcp47.partition("-")[0] == code
    assert mms(jsonl(tmp_path, [row(1, "…a", language=code)]), language=code).languages == (language.code,)
    assert MmsConfig(language=language.code).language == code


def test_every_language_that_the_card_lists() -> None:
    # The paper counts 27 languages, the card and the rows have 28 codes.
    assert len(LANGUAGES) == len(set(LANGUAGES.values())) == 28


def test_rows_without_an_id_are_named_by_their_content(tmp_path: Path) -> None:
    rows = [row(None, "很好", 2), row(None, "不好", 0)]
    names = chosen(jsonl(tmp_path, rows))
    assert names == chosen(jsonl(tmp_path, rows[::-1])) and len(names) == 2
    assert all(len(name) == len("mms-") + 16 for name in names)
    assert names.isdisjoint(chosen(jsonl(tmp_path, [row(None, "很好", 1), row(None, "不好", 1)])))


def test_a_licence_for_each_original_dataset(tmp_path: Path) -> None:
    rows = [row(1, "好"), row(2, "坏", source="zh_books")]
    assert {item.license for item in read(jsonl(tmp_path, rows))} == {"LicenseRef-mms"}
    items = read(jsonl(tmp_path, rows), license="CC-BY-4.0", licenses={"zh_books": "MIT"})
    assert {item.group: item.license for item in items} == {"mms-1": "CC-BY-4.0", "mms-2": "MIT"}


@pytest.mark.parametrize("label", [2, 2.0, "2", "positive", "Positive "])
def test_labels_by_number_or_name(tmp_path: Path, label: object) -> None:
    assert [item.label for item in read(jsonl(tmp_path, [row(1, "好", label)]))] == ["positive"]


def test_text_is_as_written(tmp_path: Path) -> None:
    (item,) = read(jsonl(tmp_path, [row(1, " 很 好\u3000吗\n")]))
    assert item.text == " 很 好\u3000吗\n"


# Choosing


def test_labels_have_equal_shares(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 50, (1, "a"): 40, (2, "a"): 30}))
    assert labels(read(path, sample=30)) == {"negative": 10, "neutral": 10, "positive": 10}
    assert labels(read(path, sample=31)) == {"negative": 11, "neutral": 10, "positive": 10}


def test_what_a_label_lacks_the_others_fill_up(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 50, (1, "a"): 2, (2, "a"): 9}))
    assert labels(read(path, sample=30)) == {"negative": 19, "neutral": 2, "positive": 9}
    assert len(read(path, sample=1000)) == 61
    assert len(read(path, sample=None)) == 61


def test_without_balance_rank_alone_decides(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 900, (2, "a"): 100}))
    found = labels(read(path, sample=500, balance=[]))
    assert 400 < found["negative"] < 490


def test_sources_take_turns_within_a_label(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 500, (0, "b"): 20, (2, "a"): 500, (2, "c"): 500}))
    items = read(path, sample=100, balance=["label", "source"])
    assert origins(items) == {"a": 30 + 25, "b": 20, "c": 25}
    assert labels(items) == {"negative": 50, "positive": 50}


def test_sources_take_turns_among_all(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 500, (0, "b"): 20, (2, "a"): 500, (2, "c"): 500}))
    assert origins(read(path, sample=90, balance=["source"])) == {"a": 35, "b": 20, "c": 35}


def test_a_source_has_its_limit(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 100, (0, "b"): 100, (2, "a"): 100, (2, "b"): 100}))
    assert origins(read(path, sample=100, sources={"a": 7})) == {"a": 7, "b": 93}
    assert origins(read(path, sample=100, sources={"a": "30%"})) == {"a": 30, "b": 70}
    assert origins(read(path, sample=100, sources={"a": 0})) == {"b": 100}
    assert origins(read(path, sample=100, sources={"*": 0, "a": "100%"})) == {"a": 100}
    assert origins(read(path, sample=100, sources={"*": "40%"})) == {"a": 40, "b": 40}
    assert origins(read(path, sample=None, sources={"b": 3})) == {"a": 200, "b": 3}


def test_a_limit_is_shared_by_the_labels_in_turn(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 100, (2, "a"): 100, (2, "b"): 100}))
    items = read(path, sample=60, sources={"a": 40}, balance=["label", "source"])
    assert origins(items) == {"a": 40, "b": 20}
    assert labels(items)["negative"] in (26, 27)  # of three rows of a, two are negative: positive has b as well


def test_lengths_count_a_run_of_blanks_as_one(tmp_path: Path) -> None:
    rows = [row(1, "好"), row(2, "好 好"), row(3, "好  \n\u3000好"), row(4, "好好好好")]
    path = jsonl(tmp_path, rows)
    assert chosen(path, min_length=2, max_length=3, deduplicate=False) == {"mms-2", "mms-3"}
    assert chosen(path, max_length=1) == {"mms-1"}


def test_another_seed_is_another_choice(tmp_path: Path) -> None:
    path = jsonl(tmp_path, many({(0, "a"): 100, (2, "a"): 100}))
    assert chosen(path, sample=50) == chosen(path, sample=50, seed=42)
    assert chosen(path, sample=50) != chosen(path, sample=50, seed=43)


@FORMATS
def test_the_order_of_the_table_does_not_matter(tmp_path: Path, suffix: str) -> None:
    rows = many({(0, "a"): 60, (1, "b"): 50, (2, "a"): 40})
    kept = read(write(tmp_path / f"one.{suffix}", rows), sample=60)
    random.Random(0).shuffle(rows)
    assert read(write(tmp_path / f"two.{suffix}", rows), sample=60) == kept


COUNTS = st.dictionaries(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b", "c"])), st.integers(1, 12), min_size=1)


@settings(max_examples=60)
@given(
    counts=COUNTS, sample=st.integers(1, 60), balance=st.sampled_from([["label"], ["label", "source"], ["source"], []])
)
def test_one_row_more_changes_one_choice_at_most(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[tuple[int, str], int], sample: int, balance: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("mms")
    rows = many(counts)
    label, source = next(iter(counts))
    before = chosen(jsonl(folder, rows), sample=sample, balance=balance)
    after = chosen(jsonl(folder, [row(9999, "新的", label, source), *rows]), sample=sample, balance=balance)
    assert len(before) == min(sample, len(rows))
    assert len(before - after) <= 1
    assert len(after - before) <= 1
    # And a larger sample only adds.
    assert before <= chosen(jsonl(folder, rows), sample=sample + 5, balance=balance)


@settings(max_examples=60)
@given(
    counts=COUNTS,
    sample=st.integers(1, 60),
    balance=st.sampled_from([["label"], ["label", "source"], ["source"], []]),
    limit=st.integers(1, 10),
)
def test_nor_does_a_limit_let_it_spread(
    tmp_path_factory: pytest.TempPathFactory,
    counts: dict[tuple[int, str], int],
    sample: int,
    balance: list[str],
    limit: int,
) -> None:
    folder = tmp_path_factory.mktemp("mms")
    rows = many(counts)
    label, source = next(iter(counts))
    asked = {"sample": sample, "balance": balance, "sources": {"*": limit}}
    before = read(jsonl(folder, rows), **asked)
    after = read(jsonl(folder, [row(9999, "新的", label, source), *rows]), **asked)
    for one, two in ((before, after), (after, before)):
        assert max(origins(one).values()) <= limit
        gone = collections.Counter((item.label, item.source) for item in set_of(one) - set_of(two))
        assert all(count == 1 for count in gone.values())


@settings(max_examples=60)
@given(counts=COUNTS, sample=st.integers(1, 60))
def test_labels_are_as_equal_as_they_can_be(
    tmp_path_factory: pytest.TempPathFactory, counts: dict[tuple[int, str], int], sample: int
) -> None:
    items = read(jsonl(tmp_path_factory.mktemp("mms"), many(counts)), sample=sample)
    found = labels(items)
    held: collections.Counter[str] = collections.Counter()
    for (label, _), count in counts.items():
        held[LABELS[label]] += count
    # A label has less than another's share, give or take one, only where it has no row left.
    most = max(found.values())
    assert all(found.get(name, 0) >= most - 1 or found.get(name, 0) == count for name, count in held.items())


# Duplicates


def test_the_same_text_is_taken_once(tmp_path: Path) -> None:
    rows = [row(1, "caf\u00e9 好"), row(2, "cafe\u0301  好"), row(3, "caf\u00e9\n好 "), row(4, "另")]
    assert len(chosen(jsonl(tmp_path, rows))) == 2
    assert chosen(jsonl(tmp_path, rows)) == chosen(jsonl(tmp_path, rows[::-1]))
    assert len(chosen(jsonl(tmp_path, rows), deduplicate=False)) == 4


def test_a_text_with_two_labels_is_left_out(tmp_path: Path) -> None:
    rows = [row(1, "还行", 1), row(2, "还 行", 2), row(3, "还行", 2), row(4, "好", 2), row(5, "好", 2, "zh_books")]
    assert len(chosen(jsonl(tmp_path, rows)) & {"mms-1", "mms-3"}) == 0
    assert "mms-2" in chosen(jsonl(tmp_path, rows))
    assert len(chosen(jsonl(tmp_path, rows))) == 2


def test_equal_rows_without_an_id_are_counted_where_they_are_kept(tmp_path: Path) -> None:
    (one,) = chosen(jsonl(tmp_path, [row(None, "好")] * 3))
    assert chosen(jsonl(tmp_path, [row(None, "好")] * 3), deduplicate=False) == {one, f"{one}-2", f"{one}-3"}


@given(st.text(), st.text())
def test_folding_is_its_own_and_forgets_blanks(one: str, two: str) -> None:
    assert folded(folded(one)) == folded(one)
    assert folded(f"{one} \t{two}") == folded(f"{one}\n{two}  ")


# Damage


def test_damaged_rows_are_named_by_line(tmp_path: Path) -> None:
    rows = [row(1, "好"), row(2, "好吗", 3), row(3, "", 0), row(4, "x", True), row(5, "好\0")]
    path = jsonl(tmp_path, rows)
    assert complaint(path) == (
        f"{path}: 4 problems:\n"
        f"  {path}:2: 'label': expected 0 (negative), 1 (neutral), 2 (positive); found 3\n"
        f"  {path}:3: 'text': empty; expected a text; found ''\n"
        f"  {path}:4: 'label': expected 0 (negative), 1 (neutral), 2 (positive); found True\n"
        f"  {path}:5: 'text': NUL character at 2; expected a text; found '好\\x00'"
    )


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("label", None, "found nothing"),
        ("label", "good", "found 'good'"),
        ("label", 0.5, "found 0.5"),
        ("text", 5, "'text': expected a text; found 5"),
        ("text", None, "'text': expected a text; found nothing"),
        ("text", " \u3000", "'text': empty"),
        ("text", "a\ud800", "half a surrogate pair at 2"),
        ("original_dataset", "", "expected the name of a dataset"),
        ("original_dataset", "a\nb", "expected the name of a dataset"),
        ("language", None, "expected a code such as 'zh'; found nothing"),
        ("_id", "../x", "expected a number, or letters, digits"),
        ("_id", -1, "expected a number, or letters, digits"),
        ("_id", True, "expected a number, or letters, digits"),
    ],
)
def test_every_cell_is_looked_at(tmp_path: Path, column: str, value: object, words: str) -> None:
    path = tmp_path / "mms.jsonl"
    path.write_text("".join(json.dumps(cells) + "\n" for cells in (row(1, "a"), row(2, "b") | {column: value})))
    said = complaint(path)
    assert f"{path}:2: '{column}'" in said and words in said


def test_a_line_that_is_no_json(tmp_path: Path) -> None:
    path = jsonl(tmp_path, THREE)
    path.write_text(path.read_text() + "{\n")
    assert f"{path}:4: not JSON" in complaint(path)


def test_a_repeated_id(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [row(1, "好"), row(2, "坏"), row(1, "别的")])
    assert complaint(path) == f"{path}: {path}:3: '_id' 1 was there before, at {path}:1; expected each once"


def test_items_complain_as_check_does(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [row(1, "好", 7)])
    with pytest.raises(CorpusforgeError, match="'label'"):
        next(mms(path).items())
    with pytest.raises(CorpusforgeError, match="'label'"):
        next(mms(path).outline())


def test_a_table_without_the_language_says_what_it_has(tmp_path: Path) -> None:
    rows = [row(1, "a", language="pl"), row(2, "b", language="de"), row(3, "c", language="de")]
    path = jsonl(tmp_path, rows)
    assert complaint(path) == f"{path}: no row in 'zh' (source.language); it has de (2 rows), pl (1 rows)"


def test_a_table_of_another_kind(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{"text": "好", "label": 1}])
    assert "no column 'original_dataset'; expected mms's columns _id, text, label" in complaint(path)


def test_nothing_left_to_choose(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [row(1, "好"), row(2, "好好好"), row(3, "吗吗", 1), row(4, "吗吗", 2)])
    assert complaint(path, min_length=2, max_length=2) == (
        f"{path}: no row in 'zh' is left to choose: 2 duplicates, or labelled in contradiction, 1 longer than "
        "max_length, 1 shorter than min_length; see source.min_length, max_length and sources"
    )


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    path = jsonl(tmp_path, THREE)
    assert "is of 'zh_hotel' (source.sources): did you mean 'zh_hotels'?" in complaint(path, sources={"zh_hotel": 3})


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"language": "xx"}, "'xx' is not a language of mms"),
        ({"language": "zho_Hant"}, "did you mean 'zho_Hans'"),
        ({"language": "my"}, "is not a language of mms"),
        ({"sample": 0}, "greater than or equal to 1"),
        ({"balance": ["label", "label"]}, "each once"),
        ({"sources": {"a": -1}}, "expected a number of rows, or a share"),
        ({"sources": {"a": "120%"}}, "expected a number of rows, or a share"),
        ({"sources": {"a": "many"}}, "expected a number of rows, or a share"),
        ({"sources": {"a": "5%"}, "sample": None}, "sample is null"),
        ({"min_length": 5, "max_length": 4}, "below min_length"),
        ({"path": "x.jsonl", "revision": "main"}, "leave one of them out"),
        ({"dataset": "../../etc"}, "not a dataset on the Hub"),
        ({"dataset": "mms"}, "not a dataset on the Hub"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + words):
        MmsConfig.model_validate(settings)


# Real data


def test_the_real_rows(shared_data: Path) -> None:
    path = shared_data / "mms_zh" / "mms_zh.jsonl"
    items = read(path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    distinct = {" ".join(cells["text"].split()) for cells in rows}
    assert len(items) == len(distinct)
    assert len({item.id for item in items}) == len(items)
    texts = {f"mms-{cells['_id']}": (cells["text"], LABELS[cells["label"]]) for cells in rows}
    assert all((item.text, item.label) == texts[item.group] for item in items)
    assert labels(read(path, sample=1000)) == {"negative": 500, "positive": 500}
    assert {item.group for item in read(path, sample=1000)} < {item.group for item in items}


def test_the_real_rows_as_csv_and_parquet(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "mms_zh" / "mms_zh.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = read(path, sample=500)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[1]))
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / "mms.csv").write_text(out.getvalue(), encoding="utf-8")
    assert read(tmp_path / "mms.csv", sample=500) == kept
    assert read(write(tmp_path / "mms.parquet", rows), sample=500) == kept


def test_a_table_of_text_needs_no_heavy_import(tmp_path: Path) -> None:
    path = jsonl(tmp_path, THREE)
    program = (
        "import sys; from corpusforge.sources.mms import Mms\n"
        f"one = Mms(Mms.Config(path={str(path)!r})); one.check(); assert len(list(one.items())) == 3\n"
        "print({'pyarrow', 'datasets', 'huggingface_hub', 'numpy', 'requests', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

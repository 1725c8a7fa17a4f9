from __future__ import annotations

import shutil
import tracemalloc
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.errors import CorpusforgeError, SourceError
from corpusforge.registry import find
from corpusforge.sources.base import Outline
from corpusforge.sources.flores200 import Flores200

LANGS = ("zho_Hans", "bod_Tibt", "mya_Mymr")
HEADER = "URL\tdomain\ttopic\thas_image\thas_hyperlink\n"


def make(folder: Path, dev: int = 4, devtest: int = 3, langs: tuple[str, ...] = LANGS) -> Path:
    """A FLORES-200 folder of a few lines, two to an article."""
    for split, lines in (("dev", dev), ("devtest", devtest)):
        (folder / split).mkdir(parents=True)
        for lang in langs:
            text = "".join(f"{lang} {split} {number}\n" for number in range(1, lines + 1))
            (folder / split / f"{lang}.{split}").write_text(text, encoding="utf-8")
        rows = "".join(
            f"https://a.org/{split}{n // 2}\twiki{'news' if n % 2 else 'books'}\tt\tyes\tno\n" for n in range(lines)
        )
        (folder / f"metadata_{split}.tsv").write_text(HEADER + rows, encoding="utf-8")
    return folder


@pytest.fixture
def flores(tmp_path: Path) -> Path:
    return make(tmp_path / "flores200_dataset")


def source(folder: Path, **settings: object) -> Flores200:
    return Flores200(Flores200.Config.model_validate({"path": str(folder), **settings}))


def complaint(folder: Path, **settings: object) -> str:
    """The message with which `check` refuses the folder."""
    with pytest.raises(CorpusforgeError) as caught:
        source(folder, **settings).check()
    return str(caught.value)


# What it yields


def test_the_registry_knows_it() -> None:
    assert find("sources", "flores200") is Flores200


def test_utterances_come_group_by_group_with_languages_in_order(flores: Path) -> None:
    items = list(source(flores, languages=["mya_Mymr", "zho_Hans"]).items())
    assert [item.id for item in items[:4]] == [
        "dev-0001.mya_Mymr",
        "dev-0001.zho_Hans",
        "dev-0002.mya_Mymr",
        "dev-0002.zho_Hans",
    ]
    assert [item.id for item in items[-2:]] == ["devtest-0003.mya_Mymr", "devtest-0003.zho_Hans"]
    assert len(items) == 14


def test_an_utterance_says_where_it_is_from(flores: Path) -> None:
    item = list(source(flores).items())[4]
    assert (item.id, item.group, item.lang) == ("dev-0002.bod_Tibt", "dev-0002", "bod_Tibt")
    assert (item.text, item.document, item.label) == ("bod_Tibt dev 2", "https://a.org/dev0", "wikinews")
    assert (item.source, item.license) == ("FLORES-200", "CC-BY-SA-4.0")


def test_languages_default_to_chinese_tibetan_and_burmese(flores: Path) -> None:
    assert source(flores).languages == LANGS


def test_splits_are_read_in_flores_order(flores: Path) -> None:
    outline = [entry.group for entry in source(flores, splits=["devtest", "dev"]).outline()]
    assert outline == ["dev-0001", "dev-0002", "dev-0003", "dev-0004", "devtest-0001", "devtest-0002", "devtest-0003"]
    assert {item.group for item in source(flores, splits=["devtest"]).items()} == set(outline[4:])


def test_outline_has_document_and_label(flores: Path) -> None:
    assert next(source(flores).outline()) == Outline("dev-0001", "https://a.org/dev0", "wikibooks")


def test_labels_can_be_left_out(flores: Path) -> None:
    assert {entry.label for entry in source(flores, labels=None).outline()} == {None}
    assert {item.label for item in source(flores, labels=None).items()} == {None}


def test_only_the_groups_asked_for(flores: Path) -> None:
    assert {item.group for item in source(flores).items({"dev-0003", "devtest-0001"})} == {"dev-0003", "devtest-0001"}
    assert list(source(flores).items(frozenset())) == []


def test_items_can_be_read_again(flores: Path) -> None:
    one = source(flores)
    assert list(one.items()) == list(one.items())


def test_text_is_taken_as_written(flores: Path) -> None:
    lines = ['"""quoted"""', "  blanks \t and a tab ", "a\u2028b\x0bc\x85d", "last without an end"]
    (flores / "dev" / "zho_Hans.dev").write_bytes("\n".join(lines).encode())
    chinese = source(flores, languages=["zho_Hans"], splits=["dev"])
    chinese.check()
    assert [item.text for item in chinese.items()] == lines


def test_windows_line_ends_and_a_byte_order_mark_are_no_text(flores: Path) -> None:
    (flores / "dev" / "zho_Hans.dev").write_bytes(b"\xef\xbb\xbf" + "一\r\n二\r\n三\r\n四\r\n".encode())
    metadata = flores / "metadata_dev.tsv"
    metadata.write_bytes(b"\xef\xbb\xbf" + metadata.read_bytes().replace(b"\n", b"\r\n"))
    chinese = source(flores, languages=["zho_Hans"], splits=["dev"])
    chinese.check()
    assert [item.text for item in chinese.items()] == ["一", "二", "三", "四"]
    assert next(entry.document for entry in chinese.outline()) == "https://a.org/dev0"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1).filter(
            lambda text: text.strip() and not text.endswith("\r") and not text.startswith("\ufeff")
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = make(tmp_path_factory.mktemp("any"), dev=len(texts), langs=("zho_Hans",))
    (folder / "dev" / "zho_Hans.dev").write_bytes("".join(f"{text}\n" for text in texts).encode())
    chinese = source(folder, languages=["zho_Hans"], splits=["dev"])
    chinese.check()
    assert [item.text for item in chinese.items()] == texts


# What check refuses


def test_check_passes_good_data(flores: Path) -> None:
    source(flores).check()


def test_an_unknown_language_gets_the_nearest(flores: Path) -> None:
    message = complaint(flores, languages=["bod_Tibet"])
    assert "bod_Tibet" in message and "bod_Tibt" in message and "source.languages" in message


def test_a_known_language_without_a_file(flores: Path) -> None:
    message = complaint(flores, languages=["zho_Hans", "kik_Latn"])
    assert f"{flores}/dev/kik_Latn.dev is missing; dev has these languages: bod_Tibt, mya_Mymr, zho_Hans" in message
    assert "devtest/kik_Latn.devtest is missing" in message


@pytest.mark.parametrize("code", ["../x", "a/b", "", "zho Hans", "zho_Hans\n", "."])
def test_a_language_that_is_a_path_is_refused(flores: Path, code: str) -> None:
    with pytest.raises(ValidationError, match="not a FLORES code"):
        source(flores, languages=[code])


def test_a_missing_line(flores: Path) -> None:
    path = flores / "dev" / "bod_Tibt.dev"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    assert complaint(flores).endswith(f"{path}: 3 lines, expected 4, one for each row of metadata_dev.tsv")


def test_an_extra_line(flores: Path) -> None:
    path = flores / "devtest" / "mya_Mymr.devtest"
    path.write_text(path.read_text() + "more\n")
    assert f"{path}: 4 lines, expected 3" in complaint(flores)


def test_metadata_with_a_row_less(flores: Path) -> None:
    path = flores / "metadata_dev.tsv"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    message = complaint(flores)
    assert "3 problems" in message
    assert all(f"{lang}.dev: 4 lines, expected 3" in message for lang in LANGS)


def test_reading_unchecked_files_that_are_not_parallel_stops(flores: Path) -> None:
    path = flores / "dev" / "bod_Tibt.dev"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    with pytest.raises(SourceError, match=r"bod_Tibt\.dev: ends after line 3"):
        list(source(flores).items())
    with pytest.raises(SourceError, match=r"metadata_dev\.tsv: at 4, more rows than lines of text"):
        list(source(flores, languages=["bod_Tibt"]).items())


def test_invalid_utf8(flores: Path) -> None:
    path = flores / "dev" / "mya_Mymr.dev"
    path.write_bytes(b"one\ntwo \xff two\nthree\nfour\n")
    assert f"{path}:2: not UTF-8: byte 0xff at byte 5 of the line" in complaint(flores)
    with pytest.raises(SourceError, match=r"mya_Mymr\.dev:2: not UTF-8"):
        list(source(flores).items())


@pytest.mark.parametrize("blank", ["", "  ", "\t", "\r", "\u3000"])
def test_an_empty_sentence(flores: Path, blank: str) -> None:
    path = flores / "dev" / "zho_Hans.dev"
    path.write_bytes(f"one\ntwo\n{blank}\nfour\n".encode())
    assert complaint(flores).endswith(f"{path}:3: empty sentence")


def test_a_nul_character(flores: Path) -> None:
    path = flores / "dev" / "zho_Hans.dev"
    path.write_bytes(b"one\ntwo\nth\0ree\nfour\n")
    assert complaint(flores).endswith(f"{path}:3: NUL character at column 3")


def test_many_problems_are_five_and_a_count(flores: Path) -> None:
    for lang in LANGS:
        (flores / "dev" / f"{lang}.dev").write_text("\n\n\n\n")
    message = complaint(flores)
    assert "12 problems" in message and message.count("empty sentence") == 5 and message.endswith("… and 7 more")


@pytest.mark.parametrize(("column", "settings"), [("URL", {}), ("domain", {})])
def test_a_metadata_column_that_is_missing(flores: Path, column: str, settings: dict[str, object]) -> None:
    path = flores / "metadata_dev.tsv"
    path.write_text(path.read_text().replace(column, "other", 1))
    assert f"{path}:1: no column '{column}'" in complaint(flores, **settings)


def test_the_domain_is_not_needed_without_labels(flores: Path) -> None:
    path = flores / "metadata_dev.tsv"
    path.write_text(path.read_text().replace("domain", "other", 1))
    source(flores, labels=None).check()


def test_an_empty_metadata_file(flores: Path) -> None:
    (flores / "metadata_dev.tsv").write_text("")
    assert "metadata_dev.tsv:1: no column 'URL' and 'domain'" in complaint(flores)


def test_a_metadata_row_of_another_width_or_without_its_article(flores: Path) -> None:
    path = flores / "metadata_dev.tsv"
    rows = path.read_text().splitlines(True)
    rows[1] = rows[1].replace("\tyes\tno", "")
    rows[2] = rows[2].replace("https://a.org/dev0", "")
    path.write_text("".join(rows))
    message = complaint(flores)
    assert f"{path}:2: 3 columns, expected 5" in message and f"{path}:3: empty URL" in message


def test_missing_metadata(flores: Path) -> None:
    (flores / "metadata_devtest.tsv").unlink()
    assert f"{flores}/metadata_devtest.tsv is missing" in complaint(flores)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"languages": []}, "at least one"),
        ({"languages": ["zho_Hans", "zho_Hans"]}, "each once"),
        ({"splits": []}, "at least one"),
        ({"splits": ["test"]}, "'dev' or 'devtest'"),
        ({"labels": "topic"}, "'domain' or 'sib200'"),
        ({"labels": "sib200"}, "belong together"),
        ({"sib200": "somewhere"}, "belong together"),
        ({"sample": True}, "exclude each other"),
        ({"sample": True, "path": None, "labels": "sib200", "sib200": "x"}, "no SIB-200 labels"),
        ({"langs": ["zho_Hans"]}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit(flores: Path, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        source(flores, **settings)


def test_a_relative_path_is_meant_beside_the_recipe_first(
    flores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    there = Flores200.Config.model_validate({"path": "flores200_dataset"}, context={"folder": tmp_path})
    assert Flores200(there).folder == flores
    monkeypatch.chdir(tmp_path)
    here = Flores200.Config.model_validate({"path": "flores200_dataset"}, context={"folder": elsewhere})
    assert Flores200(here).folder.resolve() == flores


# SIB-200


@pytest.fixture(scope="module")
def labelled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FLORES-200 and SIB-200 in their true sizes, with made-up text."""
    root = tmp_path_factory.mktemp("labelled")
    make(root / "flores", dev=997, devtest=1012)
    for lang in LANGS:
        (root / "sib" / lang).mkdir(parents=True)
        texts = [
            line
            for split in ("dev", "devtest")
            for line in (root / "flores" / split / f"{lang}.{split}").read_text().splitlines()
        ]
        index = iter(range(0, 2008, 2))
        for part, rows in (("train", 701), ("dev", 99), ("test", 204)):
            lines = [f'{n}\t{"sports" if n % 4 else "travel"}\t"{texts[n]} "\n' for n in islice(index, rows)]
            (root / "sib" / lang / f"{part}.tsv").write_text("index_id\tcategory\ttext\n" + "".join(lines))
    return root


@pytest.fixture
def labelled(labelled_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(labelled_once, tmp_path / "labelled"))


def sib(root: Path, **settings: object) -> dict[str, object]:
    return {"labels": "sib200", "sib200": str(root / "sib"), **settings}


def edit(path: Path, line: int, old: str, new: str) -> None:
    lines = path.read_text().splitlines(True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_text("".join(lines))


def test_sib200_keeps_the_labelled_groups_only(labelled: Path) -> None:
    one = source(labelled / "flores", **sib(labelled))
    one.check()
    outline = list(one.outline())
    assert len(outline) == 1004
    assert outline[:2] == [
        Outline("dev-0001", "https://a.org/dev0", "travel"),
        Outline("dev-0003", "https://a.org/dev1", "sports"),
    ]
    # 0-based index 998 of both is line 2 of devtest
    assert "devtest-0002" in {entry.group for entry in outline}
    assert [item.group for item in one.items()] == [entry.group for entry in outline for _ in LANGS]


def test_sib200_counts_through_dev_even_if_only_devtest_is_read(labelled: Path) -> None:
    both = list(source(labelled / "flores", **sib(labelled)).outline())
    one = source(labelled / "flores", **sib(labelled, splits=["devtest"]))
    one.check()
    assert list(one.outline()) == [entry for entry in both if entry.group.startswith("devtest")]


def test_sib200_with_another_row_count(labelled: Path) -> None:
    path = labelled / "sib" / "bod_Tibt" / "dev.tsv"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    assert f"{path}: 98 rows, SIB-200 has 99 in dev.tsv" in complaint(labelled / "flores", **sib(labelled))


def test_sib200_with_labels_that_differ_between_languages(labelled: Path) -> None:
    edit(labelled / "sib" / "bod_Tibt" / "dev.tsv", 2, "sports", "health")
    message = complaint(labelled / "flores", **sib(labelled))
    assert "bod_Tibt/dev.tsv:2: index_id" in message and "is 'health' here, 'sports' at" in message


def test_sib200_with_text_of_another_line(labelled: Path) -> None:
    edit(labelled / "sib" / "mya_Mymr" / "test.tsv", 5, "mya_Mymr", "something else")
    assert "mya_Mymr/test.tsv:5: its text is not line" in complaint(labelled / "flores", **sib(labelled))


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("2009\t", "index_id '2009' is not a line of dev and devtest: expected 0 to 2008"),
        ("-1\t", "index_id '-1' is not a line"),
        ("x\t", "index_id 'x' is not a line"),
        ("2\t", "index_id 2 was there before, at"),
        ("0\tmore\t", "expected index_id, category and text separated by tabs, found 4 columns"),
        ("0\t\t", "found 4 columns"),
    ],
)
def test_sib200_rows_that_are_wrong(labelled: Path, new: str, words: str) -> None:
    path = labelled / "sib" / "zho_Hans" / "train.tsv"
    edit(path, 2, "0\t", new)
    message = complaint(labelled / "flores", **sib(labelled))
    assert words in message and "zho_Hans/train.tsv:" in message


def test_sib200_with_another_header(labelled: Path) -> None:
    edit(labelled / "sib" / "zho_Hans" / "train.tsv", 1, "index_id", "id")
    assert "train.tsv:1: expected the columns index_id, category, text" in complaint(
        labelled / "flores", **sib(labelled)
    )


def test_sib200_without_a_language_or_a_folder(labelled: Path) -> None:
    shutil.rmtree(labelled / "sib" / "mya_Mymr")
    assert "mya_Mymr/train.tsv: cannot be read (No such file" in complaint(labelled / "flores", **sib(labelled))
    shutil.rmtree(labelled / "sib")
    assert "is not a folder: expected SIB-200's data/annotated" in complaint(labelled / "flores", **sib(labelled))


# The sample


def test_the_sample_says_what_it_is() -> None:
    sample = Flores200(Flores200.Config(sample=True))
    sample.check()
    items = list(sample.items())
    assert items and {(item.source, item.license) for item in items} == {("corpusforge sample", "CC0-1.0")}
    assert [item.lang for item in items[:3]] == list(LANGS)
    assert Counter(item.group for item in items) == Counter({entry.group: 3 for entry in sample.outline()})


# The real data


def test_the_real_data_is_whole(shared_data: Path) -> None:
    real = source(shared_data / "flores200", languages=[*LANGS, "eng_Latn"])
    real.check()
    outline = list(real.outline())
    assert Counter(entry.label for entry in outline) == {"wikinews": 689, "wikibooks": 652, "wikivoyage": 668}
    assert len({entry.document for entry in outline}) == 562
    assert sum(1 for _ in real.items()) == 4 * 2009


def test_real_quotes_are_text(shared_data: Path) -> None:
    burmese = source(shared_data / "flores200", languages=["mya_Mymr"], splits=["devtest"])
    assert next(iter(burmese.items())).text.startswith('"""ဆီးချို')


def test_the_real_sib200_fits_the_real_flores(shared_data: Path) -> None:
    real = source(shared_data / "flores200", labels="sib200", sib200=str(shared_data / "sib200"))
    real.check()
    labels = Counter(entry.label for entry in real.outline())
    assert len(labels) == 7 and sum(labels.values()) == 1004


def test_memory_does_not_grow_with_the_number_of_lines(tmp_path: Path) -> None:
    peaks = []
    for lines in (1_000, 20_000):
        folder = make(tmp_path / str(lines), dev=lines, devtest=1)
        one = source(folder)
        one.check()
        tracemalloc.start()
        one.check()
        for _ in one.items():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 20 times the lines: 1.2 MB of text would show.
    assert peaks[1] < peaks[0] + 100_000

"""Bad input that `test_bad_days` has not: tables, labels, recipes. One message, the right status, nothing written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.program import build, rows, run, source

RECIPE = """\
name: mine
source: {{type: table, path: {path}{more}}}
stages: [{{stage: synthesize}}, {{stage: measure}}]
"""


def refused(folder: Path, *arguments: object, code: int, words: str) -> None:
    done = run("build", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert words in done.stderr
    assert not (folder / ".corpusforge").exists()
    assert not (folder / "manifests").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "id,eng_Latn\na,one\nb,two\na,three\n", "t.csv:4: "),
        ("t.csv", "id,eng_Latn\na,one\nb\n", "t.csv:3: 1 cells, expected 2"),
        ("t.csv", 'id,eng_Latn\na,"one\nb,two\n', "t.csv:2: "),
        ("t.csv", "id,eng_Latn\na,one\nb,\n", "t.csv:3: no sentence in eng_Latn"),
        ("t.csv", "id,english\na,one\n", "no language found"),
        ("t.csv", "", "t.csv: empty"),
        ("t.csv", "id,eng_Latn\n", "no sentence in eng_Latn"),
        ("t.csv", b"id,eng_Latn\na,one\nb,\xff\xfe\n", "t.csv:3: not UTF-8"),
        ("t.jsonl", '{"eng_Latn": "one"}\n{"eng_Latn": \n', "t.jsonl:2: not JSON"),
        ("t.jsonl", '{"eng_Latn": "one"}\n{"eng_Latn": 7}\n', "t.jsonl:2: 'eng_Latn': expected a text, found int 7"),
        ("t.parquet", "not parquet", "t.parquet: not a whole Parquet file"),
        ("t.xlsx", "x", "no table format is known for '.xlsx'"),
    ],
)
def test_a_bad_table_is_named_by_file_and_line(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "mine.yaml").write_text(RECIPE.format(path=name, more=""))
    refused(tmp_path, "mine.yaml", code=3, words=words)


@pytest.mark.parametrize("code", ["../x", "eng_Lat"])
def test_a_table_with_a_language_that_is_none(tmp_path: Path, code: str) -> None:
    (tmp_path / "t.csv").write_text("id,words\na,one\n")
    (tmp_path / "mine.yaml").write_text(RECIPE.format(path="t.csv", more=f", columns: {{'{code}': words}}"))
    refused(tmp_path, "mine.yaml", code=3, words=f"'{code}'")


@pytest.mark.parametrize("name", ["../mine", "/tmp/mine", ".", "a/b", "..", "Mine"])
def test_a_recipe_whose_name_would_leave_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "t.csv").write_text("id,eng_Latn\na,one\n")
    (tmp_path / "mine.yaml").write_text(RECIPE.format(path="t.csv", more="").replace("name: mine", f"name: {name}"))
    refused(tmp_path, "mine.yaml", code=2, words="mine.yaml:1")


def test_a_recipe_that_is_no_yaml_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nsource: {type: table\nstages: []\n")
    refused(tmp_path, "mine.yaml", code=2, words="mine.yaml:")


def test_sib200_with_a_row_too_few(shared_data: Path, tmp_path: Path) -> None:
    labels = tmp_path / "sib200"
    shutil.copytree(shared_data / "sib200", labels)
    path = labels / "bod_Tibt" / "dev.tsv"
    path.write_text("".join(path.read_text("utf8").splitlines(keepends=True)[:-1]), "utf8")
    data = ["--source", shared_data / "flores200", "--labels", "sib200", "--set", f"source.sib200={labels}"]
    refused(tmp_path, "flores200", *data, code=3, words="bod_Tibt/dev.tsv: 98 rows, SIB-200 has 99")


def test_metadata_with_a_row_too_many(tmp_path: Path) -> None:
    path = source(tmp_path / "text", groups=3) / "metadata_dev.tsv"
    path.write_text(path.read_text("utf8") + path.read_text("utf8").splitlines()[-1] + "\n", "utf8")
    words = "dev/zho_Hans.dev: 3 lines, expected 4, one for each row of metadata_dev.tsv"
    refused(tmp_path, "flores200", "--source", "text", code=3, words=words)


def test_another_language_of_flores_is_read_where_the_data_has_it(tmp_path: Path) -> None:
    text = source(tmp_path / "text", groups=3)
    for split in ("dev", "devtest"):
        shutil.copy(text / split / f"zho_Hans.{split}", text / split / f"yue_Hant.{split}")
    build("--source", "text", "--languages", "yue_Hant", cwd=tmp_path)
    assert {(row["lang"], row["voice"]) for row in rows(tmp_path / "manifests" / "flores200")} == {("yue_Hant", "yue")}


def test_a_table_shares_the_speech_of_the_same_sentences(workspace: Path) -> None:
    lines = [
        (workspace / "text" / "dev" / f"{lang}.dev").read_text("utf8").splitlines()
        for lang in ("zho_Hans", "bod_Tibt", "mya_Mymr")
    ]
    table = ["zho_Hans\tbod_Tibt\tmya_Mymr", *("\t".join(row) for row in zip(*lines, strict=True))]
    (workspace / "t.tsv").write_text("\n".join(table) + "\n", "utf8")
    recipe = RECIPE.format(path="t.tsv", more="").replace("synthesize}", "synthesize, audio: {trim: true}}")
    (workspace / "mine.yaml").write_text(recipe)
    done = run("build", "mine.yaml", cwd=workspace)
    assert (done.returncode, "18 utterances" in done.stdout, "built 0, cached 18" in done.stdout) == (0, True, True)


@pytest.mark.parametrize("option", [["--workspace", "file"], ["--out", "file"]])
def test_a_file_where_a_folder_belongs(tmp_path: Path, option: list[str]) -> None:
    (tmp_path / "file").write_text("here")
    refused(tmp_path, "flores200", "--sample", *option, code=2, words="is a file")


def test_a_corpus_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "flores200-sample").write_text("a file in the way")
    done = run("build", "flores200", "--sample", "--limit", "3", cwd=tmp_path)
    assert (done.returncode, "manifests/flores200-sample" in done.stderr) == (4, True), done.stderr
    os.remove(tmp_path / "manifests" / "flores200-sample")
    assert build("--sample", "--limit", "3", cwd=tmp_path)["cached"] == 9

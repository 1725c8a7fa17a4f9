"""Whatever a corpus can hold comes back from an export as it was, or is refused."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusError
from corpusforge.export.base import export
from corpusforge.imports.forms import importing
from corpusforge.imports.rules import Rules
from corpusforge.imports.run import import_corpus
from tests.corpus.conftest import Shop

letters = st.characters(exclude_categories=["Cs"]) | st.sampled_from("|\n\r\t\0 \"',.%/\\~\x85\u2028\u3000\u200b་ཀ။မ")
words = st.text(letters, min_size=1, max_size=8)
rows_of_a_corpus = st.dictionaries(words, st.tuples(words, words, st.none() | words, words), min_size=1, max_size=4)
any_rows = settings(max_examples=25)


def silent(words: str) -> None:
    pass


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    """Corpora of given ids, texts, groups, labels and voices; the clip is the same."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    clip = shop.item("clip")

    def make(folder: Path, rows: dict[str, tuple[str, str, str | None, str]]) -> Corpus:
        items = [
            clip.having({"id": id, "text": text, "group": group, "document": group, "label": label, "voice": voice})
            for id, (text, group, label, voice) in rows.items()
        ]
        shop.write(folder, items)
        return Corpus(folder)

    return make


@any_rows
@given(rows_of_a_corpus)
def test_lists_hold_any_text(maker, rows):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        export(maker(root / "corpus", rows), "nemo", root / "nemo", note=silent)
        found = {}
        for path in (root / "nemo").glob("*_manifest.json"):
            with path.open(encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    found[row["id"]] = (row["text"], row["group"], row["label"], row["voice"])
        assert found == rows


@any_rows
@given(rows_of_a_corpus)
def test_tables_hold_any_text_but_the_null_character(maker, rows):
    pandas = pytest.importorskip("pandas")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        corpus = maker(root / "corpus", rows)
        if any("\0" in f"{id}{''.join(filter(None, row))}" for id, row in rows.items()):
            with pytest.raises(CorpusError, match=r"U\+0000"):
                export(corpus, "csv", root / "csv", note=silent)
            return
        export(corpus, "csv", root / "csv", note=silent)
        by_csv, by_pandas = {}, {}
        for path in (root / "csv").glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    by_csv[row["id"]] = (row["text"], row["group"], row["label"] or None, row["voice"])
            for row in pandas.read_csv(path, dtype=str, keep_default_na=False).to_dict("records"):
                by_pandas[row["id"]] = (row["text"], row["group"], row["label"] or None, row["voice"])
        assert by_csv == rows
        assert by_pandas == rows


@any_rows
@given(rows_of_a_corpus)
def test_shards_hold_any_text(maker, rows):
    wds = pytest.importorskip("webdataset", reason="needs the extra export: pip install 'corpusforge[export]'")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        export(maker(root / "corpus", rows), "webdataset", root / "wds", note=silent)
        shards = sorted(map(str, (root / "wds").glob("*.tar")))
        found = {}
        for sample in wds.WebDataset(shards, shardshuffle=False, empty_check=False):
            row = json.loads(sample["json"])
            assert sample["txt"].decode() == row["text"] and sample["flac"][:4] == b"fLaC"
            found[row["id"]] = (row["text"], row["group"], row["label"], row["voice"])
        assert found == rows


@any_rows
@given(rows_of_a_corpus)
@example({"0": ("<s>", "0", None, "0")})
def test_kaldi_holds_what_has_a_word_and_gives_it_back(maker, rows):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        corpus = maker(root / "corpus", rows)
        texts = [text for text, *_ in rows.values()]
        if any(not text.split() for text in texts):
            with pytest.raises(CorpusError, match="utterances without text"):
                export(corpus, "kaldi", root / "kaldi", note=silent)
            return
        if any(re.search(r"(?<!\w)(<s>|</s>|#0)(?!\w)", text, re.ASCII) for text in texts):  # Kaldi's own, by `grep -w`
            with pytest.raises(CorpusError, match="texts with '<s>'"):
                export(corpus, "kaldi", root / "kaldi", note=silent)
            return
        export(corpus, "kaldi", root / "kaldi", note=silent)
        for path in (root / "kaldi").glob("*/text"):
            for line in path.read_bytes().decode().split("\n")[:-1]:
                assert line.split() == line.split(" ") and len(line.split(" ")) > 1
        found, origin = importing(str(root / "kaldi"), "kaldi")
        done = import_corpus(found, origin, Rules(None, None, "x"), "back", root, root / "back")
        back = {row.id: (row.text, row.group, row.label, row.voice) for row in Corpus(done.folder)}
        assert (back, done.rejected) == (rows, 0)


@any_rows
@given(rows_of_a_corpus)
def test_lj_speech_holds_lines_without_a_bar(maker, rows):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        corpus = maker(root / "corpus", rows)
        if any(set("|\n\r") & set(text) or not text.strip() for text, *_ in rows.values()):
            with pytest.raises(CorpusError, match="cannot hold"):
                export(corpus, "ljspeech", root / "lj", note=silent)
            return
        export(corpus, "ljspeech", root / "lj", note=silent)
        folder = root / "lj" / "zho_Hans"
        with (folder / "metadata.csv").open(encoding="utf-8", newline="\n") as file:
            lines = [line.removesuffix("\n").split("|") for line in file]
        assert sorted(line[1] for line in lines) == sorted(text for text, *_ in rows.values())
        assert all((folder / "wavs" / f"{line[0]}.wav").is_file() for line in lines)

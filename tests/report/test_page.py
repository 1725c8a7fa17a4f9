"""The folder of a page: whole or not at all, quoted, and about what is there."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge import Corpus
from corpusforge.errors import CorpusError, CorpusforgeError
from corpusforge.report.folder import script
from corpusforge.report.page import Effort, Work, made_from, write_corpus_page, write_run_page
from tests.corpus.conftest import Shop
from tests.report.conftest import GROUPS, HOSTILE
from tests.report.trained import train


class Elements(HTMLParser):
    """Tags with their attributes, and the text outside of them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def opened(folder: Path) -> Elements:
    return Elements((folder / "index.html").read_text(encoding="utf-8"))


def words(folder: Path) -> str:
    return " ".join(opened(folder).text.split())


def data(folder: Path, name: str) -> Any:
    """What a script hands over, read without running it."""
    call = re.fullmatch(r'corpusforge\.put\("[^"]+",(".*")\);\n', (folder / f"{name}.js").read_text(encoding="utf-8"))
    assert call
    return json.loads(json.loads(call[1]))


def copied(corpus: Path, to: Path) -> Path:
    return Path(shutil.copytree(corpus, to, ignore=shutil.ignore_patterns("report")))


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=10))
def test_a_script_of_data_is_one_string_that_holds_no_code(value: object) -> None:
    made = script("rows-1", value)
    assert not re.search("[<>&\u2028\u2029]", made)
    assert json.loads(json.loads(made.removeprefix('corpusforge.put("rows-1",').removesuffix(");\n"))) == value


def test_hostile_text_is_text_in_the_page(corpus: Path) -> None:
    page = opened(corpus / "report")
    assert HOSTILE in page.text
    scripts = [attributes.get("src") for tag, attributes in page.tags if tag == "script"]
    assert scripts == ["page.js", "table.js"]
    code = {"onerror", "onload", "onclick"}
    assert not [tag for tag, attributes in page.tags if tag == "img" or code & set(attributes)]


def test_the_page_forbids_itself_every_address_but_its_own_folder(corpus: Path, tmp_path: Path) -> None:
    for page in (opened(corpus / "report"), opened(write_run_page(train(tmp_path / "mlcl")).index.parent)):
        [policy] = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy and policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy
        assert not [a for _, a in page.tags if "style" in a or (a.get("src") or a.get("href") or "").startswith("http")]


def test_all_rows_and_totals_are_there(corpus: Path) -> None:
    folder = corpus / "report"
    index = data(folder, "index")
    assert len(index["group"]) == GROUPS and index["refused"] == 30
    rows = [row for piece in range(3) for row in data(folder, f"rows-{piece}")]
    found = [(utterance[1], utterance[2], utterance[3]) for _, utterances in rows for utterance in utterances]
    assert found == [(record.id, record.text, record.audio) for record in Corpus(corpus)]
    waves = [group for name in index["waves"] for group in data(folder, name)]
    assert [len(group) for group in waves] == [len(utterances) for _, utterances in rows]
    text = words(folder)
    assert f"Parallel groups {GROUPS} Utterances {3 * GROUPS - 1}" in text
    assert "Groups that lack a language: 1." in text
    assert "CC-BY-SA-4.0" in text and "GPL-3.0-or-later" in text and "espeak-ng: '1.52'" in text


def test_pictures_that_are_there_are_taken_over(corpus: Path, tmp_path: Path) -> None:
    own = copied(corpus, tmp_path / "own")
    first = write_corpus_page(own)
    before = [path.stat().st_ino for path in sorted(first.index.parent.glob("waves-*.js"))]
    for path in {record.path for record in Corpus(own)}:
        path.unlink()  # could not be drawn again
    again = write_corpus_page(own)
    assert again.silent == []
    assert [path.stat().st_ino for path in sorted(again.index.parent.glob("waves-*.js"))] == before


def test_pieces_with_the_same_clips_share_their_pictures(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    first = shop.item("g-000.zho_Hans")
    items = [dataclasses.replace(first, id=f"g-{n:03}.zho_Hans", group=f"g-{n:03}") for n in range(200)]
    shop.write(tmp_path / "same", items)
    for _ in range(2):  # the second takes over what the first drew
        index = data(write_corpus_page(tmp_path / "same").index.parent, "index")
        assert len(index["waves"]) == 2 and len(set(index["waves"])) == 1


def test_audio_that_cannot_be_read_is_said_and_tried_again(corpus: Path, tmp_path: Path) -> None:
    own = copied(corpus, tmp_path / "own")
    lost = Corpus(own)[0]
    content = lost.path.read_bytes()
    lost.path.unlink()
    made = write_corpus_page(own, spectrograms=False, jobs=2)
    assert len(made.silent) == 1 and made.silent[0].startswith(f"{lost.id}: no audio at ")
    assert "Audio files that could not be read when this page was made: 1." in words(own / "report")
    lost.path.write_bytes(content)
    assert write_corpus_page(own, spectrograms=False).silent == []
    assert not list((own / "report").glob("*broken*"))


def test_cost_and_work_are_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    paid = {"model": "gpt-x", "prompt": "p", "from": "eng_Latn"}
    paid |= {"requests": 2, "tokens": {"in": 30, "out": 20}, "usd": 0.01}
    items = [item.having({"translation": paid}) if item.lang == "bod_Tibt" else item for item in shop.corpus(4)]
    shop.write(tmp_path / "paid", items)
    page = write_corpus_page(tmp_path / "paid", effort=Effort([Work("synthesize", 12, 90.0)], 9, 120, 80, 0.04)).index
    text = words(page.parent)
    assert "gpt-x 4 8 120 80 0.0400" in text
    assert "synthesize 12 1.5 min 7500.0 ms" in text
    assert "9 requests were paid for: 120 tokens in, 80 out, 0.0400 US dollars" in text


def test_a_folder_of_something_else_is_left_alone(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    for folder in (tmp_path / "thesis", corpus):
        with pytest.raises(CorpusforgeError, match="holds something that is no page of ours"):
            write_corpus_page(corpus, folder, spectrograms=False)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_a_page_that_cannot_be_made_leaves_the_one_before(corpus: Path, tmp_path: Path) -> None:
    own = copied(corpus, tmp_path / "own")
    write_corpus_page(own, spectrograms=False)
    before = (own / "report" / "index.html").read_bytes()
    rejected = (own / "rejected.jsonl").read_text()
    (own / "rejected.jsonl").write_text("x" + rejected[1:])
    with pytest.raises(CorpusError, match=r"rejected\.jsonl:1: expected a refused utterance"):
        write_corpus_page(own, spectrograms=False)
    assert (own / "report" / "index.html").read_bytes() == before
    assert [path.name for path in own.iterdir() if path.name.startswith(".")] == []


def test_a_run_is_shown_beside_others(tmp_path: Path) -> None:
    run, other = train(tmp_path / "mlcl"), train(tmp_path / "ngram", 0.5, measured=False)
    page = write_run_page(run, compare=[other]).index.parent
    text = words(page)
    split = json.loads((run / "results.json").read_text())["splits"]["test"]
    metrics, counts = split["metrics"], split["scopes"]["all"]["confusion"]
    assert f"M, mean accuracy {metrics['M']['value']:.4f} G, imbalance {metrics['G']['value']:.4f}" in text
    assert f"Standard Tibetan {100 * metrics['accuracy/bod_Tibt']['value']:.1f} %" in text
    assert "ngram was not measured: it has no results.json." in text
    assert f"a {' '.join(map(str, counts[0]))} b {' '.join(map(str, counts[1]))}" in text
    charts = [a["aria-label"] for tag, a in opened(page).tags if tag == "svg" and "aria-label" in a]
    assert "Losses: total, ce, mcl, lcl" in charts
    assert "M on dev: mean accuracy over languages: mlcl, ngram" in charts


def test_a_run_that_has_just_begun_or_lost_its_last_line_is_shown(tmp_path: Path) -> None:
    run = train(tmp_path / "mlcl", measured=False)
    log = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(log + '{"step": 121, "to')
    (run / "predictions-test.jsonl").unlink()
    assert "This run has not ended" in words(write_run_page(run).index.parent)
    (run / "metrics.jsonl").write_text(log.replace("{", "(", 1))
    with pytest.raises(CorpusforgeError, match=r"metrics\.jsonl:1: expected a JSON object"):
        write_run_page(run)


def test_labels_and_names_of_a_run_are_text(tmp_path: Path) -> None:
    page = opened(write_run_page(train(tmp_path / "<i>run", labels="<&>")).index.parent)
    assert "<i>run" in page.text and not [tag for tag, _ in page.tags if tag == "i"]


def test_what_a_page_was_made_from_tells_when_it_is_old(corpus: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "mlcl")
    before = made_from(run)
    assert before == json.loads((write_run_page(run).index.parent / "report.json").read_text())["made_from"]
    (run / "metrics.jsonl").write_text("")
    assert made_from(run) != before
    assert made_from(corpus) == "one"
    with pytest.raises(CorpusforgeError, match="holds neither a corpus"):
        made_from(tmp_path)

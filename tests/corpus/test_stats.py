"""The tables of `corpusforge stats`."""

from __future__ import annotations

from corpusforge.corpus.stats import tables


def cells(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return line.split()


def test_tables_show_the_counts(shop, tmp_path):
    items = shop.corpus(24)
    text = tables(shop.write(tmp_path / "out", items))
    assert text.splitlines()[0] == "small: 72 utterances, 0.02 h, 24 parallel groups (all complete), 12 documents"
    assert cells(text, "news ")[1] == "36"
    own = [item for item in items if item.lang == "bod_Tibt"]
    seconds = sum(item.fields["num_samples"] / 16000 for item in own)
    durations = next(line.split() for line in text.splitlines() if line.startswith("bod_Tibt"))
    assert durations == ["bod_Tibt", "24", f"{seconds / 3600:.2f}", f"{seconds / 24:.2f}"]
    assert "espeak" in text and "GPL-3.0-or-later" in text and "CC-BY-SA-4.0" in text
    assert "25.00%" in text
    assert text.endswith("nothing was rejected, nothing failed")


def test_columns_line_up(shop, tmp_path):
    items = [shop.item("a.x", label="新闻"), shop.item("b.x", label="travel", hertz=300)]
    text = tables(shop.write(tmp_path / "out", items))
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("label"))
    head, rule, first, second = lines[at : at + 4]
    assert first.startswith("travel  ") and second.startswith("新闻    ")
    assert len(head) == len(rule) == len(first) == len(second) + 2  # two characters that are two columns wide each
    assert not any(line.endswith(" ") for line in lines)


def test_refusals_and_missing_values_are_shown(shop, tmp_path):
    items = shop.corpus(4)
    with shop.writer(tmp_path / "out", items) as writer:
        writer.refuse(items[0], "gates", "near-silent: rms -71.2 dBFS is under -50.0")
        for item in items[1:]:
            writer.add(item.having({"metrics": None, "voice_license": None}))
        text = tables(writer.commit("one"))
    assert "4 parallel groups (1 incomplete)" in text
    assert cells(text, "rejected") == ["rejected", "gates", "near-silent", "zho_Hans", "1"]
    assert "s/syllable" not in text
    (engine,) = [line for line in text.splitlines() if line.startswith("espeak")]
    assert engine.split()[2] == "-"


def test_an_empty_corpus_has_tables(shop, tmp_path):
    assert tables(shop.write(tmp_path / "out", [])).startswith("small: 0 utterances, 0.00 h")

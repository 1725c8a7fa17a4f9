"""Pools of parallel sentences, and which of them a prompt shows."""

from __future__ import annotations

import json
import math
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpusforge.errors import SourceError
from corpusforge.text.languages import LANGUAGES
from corpusforge.translate.exemplars import (
    DIVERSE,
    Exemplar,
    ExemplarConfig,
    Nearest,
    Pool,
    Strategy,
    diverse,
    drawn,
    folded,
    read_pool,
)
from tests.sources.tables import write

NUMBERS = {
    "zho_Hans": ("一本书", "两本书", "三个人", "四个人", "五条鱼"),
    "bod_Tibt": ("དེབ་གཅིག", "དེབ་གཉིས", "མི་གསུམ", "མི་བཞི", "ཉ་ལྔ"),
    "mya_Mymr": ("စာအုပ်တစ်အုပ်", "စာအုပ်နှစ်အုပ်", "လူသုံးယောက်", "လူလေးယောက်", "ငါးငါးကောင်"),
    "fra_Latn": ("un livre", "deux livres", "trois personnes", "quatre personnes", "cinq poissons"),
    "arb_Arab": ("كتاب", "كتابان", "ثلاثة أشخاص", "أربعة أشخاص", "خمس سمكات"),
}


def pool(*languages: str) -> Pool:
    return Pool({lang: NUMBERS[lang] for lang in languages or NUMBERS})


def folder(path: Path, *languages: str) -> Path:
    (path / "dev").mkdir(parents=True)
    for lang in languages or NUMBERS:
        (path / "dev" / f"{lang}.dev").write_text("".join(f"{line}\n" for line in NUMBERS[lang]), "utf8")
    return path


# Pools


def test_a_folder_and_tables_of_every_format_give_the_same_pool(tmp_path: Path) -> None:
    wanted = ["zho_Hans", "bod_Tibt"]
    rows = [dict(zip(NUMBERS, line, strict=True)) for line in zip(*NUMBERS.values(), strict=True)]
    pools = [read_pool(folder(tmp_path / "flores"), wanted)]
    for end in ("csv", "tsv", "jsonl", "parquet"):
        pools.append(read_pool(write(tmp_path / f"table.{end}", rows), wanted))
    assert pools == [pool(*wanted)] * 5
    assert len({found.digest for found in pools}) == 1


def test_the_folder_that_the_official_tarball_unpacks_to_may_be_one_below(tmp_path: Path) -> None:
    folder(tmp_path / "flores200_dataset")
    assert read_pool(tmp_path, ["bod_Tibt"]) == pool("bod_Tibt")


def test_real_flores_is_read_whole(shared_data: Path) -> None:
    found = read_pool(shared_data / "flores200", ["zho_Hans", "bod_Tibt", "mya_Mymr"])
    assert {lang: len(lines) for lang, lines in found.lines.items()} == dict.fromkeys(found.lines, 997)
    assert found.lines["zho_Hans"][1].startswith("主要研究人员表示")
    assert len(read_pool(shared_data / "flores200", ["eng_Latn"], "devtest").lines["eng_Latn"]) == 1012


def test_a_language_that_a_folder_lacks_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"dev: no file for 'zho_Hant': did you mean 'zho_Hans'\?"):
        read_pool(folder(tmp_path / "flores"), ["zho_Hant", "bod_Tibt"])


def test_a_language_that_a_table_lacks_gets_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", [{"zho_Hans": "一", "bod_Tib": "གཅིག"}])
    with pytest.raises(SourceError, match=r"table\.csv: no column for 'bod_Tibt': did you mean 'bod_Tib'\?"):
        read_pool(path, ["zho_Hans", "bod_Tibt"])


def test_a_code_that_is_none_and_a_path_that_leads_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"translate\.exemplars: 'tibetan' is not a FLORES-200 code.*'bod_Tibt'"):
        read_pool(folder(tmp_path / "flores"), ["tibetan"])
    with pytest.raises(
        SourceError, match=r"gone\.csv: does not exist; expected a folder .* translate\.exemplars\.path"
    ):
        read_pool(tmp_path / "gone.csv", ["bod_Tibt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no file for 'bod_Tibt': there are none of the form <language>\.dev"):
        read_pool(tmp_path / "empty", ["bod_Tibt"])


def test_files_that_are_not_parallel_and_empty_sentences_are_refused_with_their_place(tmp_path: Path) -> None:
    path = folder(tmp_path / "flores")
    file = path / "dev" / "zho_Hans.dev"
    file.write_text("一本书\n\n", "utf8")
    with pytest.raises(SourceError, match=r"zho_Hans\.dev:2: empty sentence"):
        read_pool(path, ["zho_Hans", "bod_Tibt"])
    file.write_text("一本书\n", "utf8")
    with pytest.raises(SourceError, match=r"zho_Hans\.dev: 1 lines, but bod_Tibt\.dev has 5"):
        read_pool(path, ["zho_Hans", "bod_Tibt"])
    table = tmp_path / "table.jsonl"
    table.write_text(
        json.dumps({"zho_Hans": "一", "bod_Tibt": "གཅིག"}) + '\n{"zho_Hans": "二", "bod_Tibt": 2}\n', "utf8"
    )
    with pytest.raises(SourceError, match=r"table\.jsonl:2, bod_Tibt: expected a sentence, found int"):
        read_pool(table, ["zho_Hans", "bod_Tibt"])


def test_lines_of_unequal_number_are_no_pool() -> None:
    with pytest.raises(ValueError, match="not parallel"):
        Pool({"zho_Hans": ("一",), "bod_Tibt": ()})


SENTENCES = st.lists(st.text(alphabet="ab[], 1\n", max_size=4), max_size=4).map(tuple)


@given(SENTENCES, SENTENCES)
def test_digests_are_equal_exactly_where_sentences_are(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    one, two = Pool({"zho_Hans": first}), Pool({"zho_Hans": second})
    assert (one.digest == two.digest) == (first == second)
    assert one.digest != Pool({"zho_Hant": first}).digest


def test_the_order_of_languages_is_not_in_the_digest() -> None:
    assert pool("zho_Hans", "bod_Tibt").digest == pool("bod_Tibt", "zho_Hans").digest


# Nearest


def reference(sentences: list[str], text: str, k: int) -> list[int]:
    """BM25 as its formula says, sentence by sentence."""

    def grams(sentence: str) -> Counter[str]:
        flat = folded(sentence)
        return Counter(flat[at : at + size] for size in (1, 2, 3) for at in range(len(flat) - size + 1))

    documents = [grams(sentence) for sentence in sentences]
    mean = sum(document.total() for document in documents) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for gram, often in grams(text).items():
            having = sum(1 for other in documents if gram in other)
            idf = max(0.0, math.log((len(documents) - having + 0.5) / (having + 0.5)))
            count = document[gram]
            score += often * idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * document.total() / mean))
        scores.append(round(score, 3))
    order = sorted(range(len(sentences)), key=lambda index: (-scores[index], index))
    return [index for index in order if folded(sentences[index]) != folded(text)][:k]


@pytest.mark.parametrize("lang", ["zho_Hans", "bod_Tibt", "mya_Mymr", "eng_Latn"])
def test_on_real_sentences_it_is_bm25(shared_data: Path, lang: str) -> None:
    sentences = list(read_pool(shared_data / "flores200", [lang]).lines[lang][:60])
    index = Nearest(sentences)
    for text in [*sentences[:8], *read_pool(shared_data / "flores200", [lang], "devtest").lines[lang][:8]]:
        assert index.of(text, 4) == reference(sentences, text, 4)


def test_sentences_about_the_same_thing_are_near(shared_data: Path) -> None:
    chinese = read_pool(shared_data / "flores200", ["zho_Hans"]).lines["zho_Hans"]
    near = [chinese[index] for index in Nearest(chinese).of("这种癌症的早期诊断可以挽救许多患者。", 3)]
    assert any("癌症" in sentence for sentence in near)


def test_a_sentence_is_never_near_itself_however_it_is_written() -> None:
    sentences = ["The  red book", "the red book", "the red door", "a fish"]
    assert set(Nearest(sentences).of("THE RED\tBOOK ", 4)) == {2, 3}
    assert Nearest(sentences).of("the red book", 2, exclude_same=False) == [0, 1]


def test_equally_near_sentences_come_in_their_order() -> None:
    assert Nearest(["一二", "三四", "三四五", "三四"]).of("六", 3) == [0, 1, 2]
    many = ["书a", "书b", "鱼", "人", "山"] * 40
    assert Nearest(many).of("书", 80) == [at for at, text in enumerate(many) if "书" in text]
    assert Nearest(["鱼", "书a", "书b", "人", "山", "水"]).of("书", 2) == [1, 2]


@given(
    st.lists(st.text(alphabet="ab 书人", max_size=6), max_size=8),
    st.text(alphabet="ab 书人", max_size=6),
    st.integers(1, 9),
)
def test_as_many_as_asked_for_where_there_are_so_many(sentences: list[str], text: str, k: int) -> None:
    found = Nearest(sentences).of(text, k)
    others = [index for index, sentence in enumerate(sentences) if folded(sentence) != folded(text)]
    assert len(found) == len(set(found)) == min(k, len(others))
    assert set(found) <= set(others)


# Settings


def test_the_diverse_languages_are_codes_of_many_scripts() -> None:
    assert set(DIVERSE) <= set(LANGUAGES)
    assert len({code.partition("_")[2] for code in DIVERSE[:7]}) >= 5
    assert ExemplarConfig().languages == DIVERSE


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"languages": ["fra_Lat"]}, "'fra_Lat' is not a FLORES-200 code: did you mean 'fra_Latn'"),
        ({"languages": []}, "at least one, each once"),
        ({"languages": ["fra_Latn", "fra_Latn"]}, "at least one, each once"),
        ({"k": 0}, "greater than or equal to 1"),
        ({"strategy": "zero"}, "'plain', 'fewshot', 'diverse' or 'mined'"),
        ({"shots": 3}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ExemplarConfig.model_validate(settings)


def test_a_path_is_looked_for_beside_the_recipe(tmp_path: Path) -> None:
    folder(tmp_path / "mine")
    config = ExemplarConfig.model_validate({"strategy": "fewshot", "path": "mine"}, context={"folder": tmp_path})
    opened = config.open("zho_Hans", ["bod_Tibt"])
    assert opened == pool("bod_Tibt", "zho_Hans")


def test_without_a_path_it_is_flores_as_the_source_finds_it(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ExemplarConfig(strategy="fewshot")
    monkeypatch.setenv("CORPUSFORGE_FLORES200", str(shared_data / "flores200"))
    opened = config.open("zho_Hans", ["bod_Tibt"])
    assert opened is not None
    assert len(opened.lines["bod_Tibt"]) == 997
    with tarfile.open(tmp_path / "flores200_dataset.tar.gz", "w:gz") as tar:
        tar.add(shared_data / "flores200", "flores200_dataset")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    packed = ExemplarConfig(strategy="fewshot", path=str(tmp_path / "flores200_dataset.tar.gz"))
    assert packed.open("zho_Hans", ["bod_Tibt"]) == opened


def test_each_strategy_reads_what_it_needs_and_nothing_for_plain() -> None:
    def needs(targets: tuple[str, ...] = ("bod_Tibt",), **settings: object) -> set[str]:
        config = ExemplarConfig.model_validate({"languages": ["fra_Latn", "arb_Arab"], **settings})
        return set(config.needs("zho_Hans", targets))

    assert needs(strategy="plain") == set()
    assert ExemplarConfig().open("zho_Hans", ["bod_Tibt"]) is None
    assert needs(strategy="fewshot") == {"zho_Hans", "bod_Tibt"}
    assert needs(strategy="diverse") == {"zho_Hans", "fra_Latn", "arb_Arab"}
    assert needs(("fra_Latn",), strategy="diverse") == {"zho_Hans", "arb_Arab"}
    assert needs(strategy="mined") == {"zho_Hans", "bod_Tibt", "fra_Latn", "arb_Arab"}
    assert needs(strategy="mined", bootstrap="plain") == {"bod_Tibt"}
    assert needs(strategy="mined", bootstrap="plain", genuine="source") == {"zho_Hans"}


# Strategies


def strategy(name: str, *languages: str, mined: dict[str, Pool] | None = None, **settings: object) -> Strategy:
    config = ExemplarConfig.model_validate(
        {"strategy": name, "k": 2, "languages": ["fra_Latn", "arb_Arab"], **settings}
    )
    return Strategy(config, None if name == "plain" else pool(*languages), mined)


def test_plain_shows_nothing() -> None:
    assert strategy("plain").exemplars_for("六本书", "zho_Hans", "bod_Tibt") == ()


def test_a_strategy_that_chooses_needs_a_pool() -> None:
    with pytest.raises(ValueError, match="needs a pool"):
        Strategy(ExemplarConfig(strategy="fewshot"), None)


def test_fewshot_shows_the_nearest_pairs_with_the_nearest_last() -> None:
    shown = strategy("fewshot").exemplars_for("两本书。", "zho_Hans", "bod_Tibt")
    assert shown == (
        Exemplar("zho_Hans", "bod_Tibt", "一本书", "དེབ་གཅིག"),
        Exemplar("zho_Hans", "bod_Tibt", "两本书", "དེབ་གཉིས"),
    )


def test_fewshot_takes_the_same_sentences_for_every_target() -> None:
    chooser = strategy("fewshot")
    tibetan, burmese = (chooser.exemplars_for("六个人", "zho_Hans", lang) for lang in ("bod_Tibt", "mya_Mymr"))
    assert [shown.source for shown in tibetan] == [shown.source for shown in burmese]


@pytest.mark.parametrize("name", ["fewshot", "diverse"])
def test_no_real_sentence_is_shown_its_own_translation(shared_data: Path, name: str) -> None:
    real = read_pool(shared_data / "flores200", ["zho_Hans", "bod_Tibt", "eng_Latn", "mya_Mymr"])
    config = ExemplarConfig.model_validate({"strategy": name, "k": 3, "languages": ["eng_Latn", "mya_Mymr"]})
    chooser = Strategy(config, real)
    for text, answer in zip(real.lines["zho_Hans"], real.lines["bod_Tibt"], strict=True):
        shown = chooser.exemplars_for(text, "zho_Hans", "bod_Tibt")
        assert len(shown) == 3
        assert all(exemplar.source != text and exemplar.target != answer for exemplar in shown)


def test_diverse_shows_a_sentence_of_its_own_in_each_language_in_turn() -> None:
    shown = strategy("diverse", k=3).exemplars_for("六个人", "zho_Hans", "bod_Tibt")
    assert [exemplar.target_lang for exemplar in shown] == ["fra_Latn", "arb_Arab", "fra_Latn"]
    assert len({exemplar.source for exemplar in shown}) == 3
    for exemplar in shown:
        at = NUMBERS["zho_Hans"].index(exemplar.source)
        assert exemplar.target == NUMBERS[exemplar.target_lang][at]


def test_diverse_shows_every_text_the_same_but_the_text_itself() -> None:
    chooser = strategy("diverse")
    shown = chooser.exemplars_for("六个人", "zho_Hans", "bod_Tibt")
    assert chooser.exemplars_for("七条鱼", "zho_Hans", "bod_Tibt") == shown
    other = chooser.exemplars_for(shown[0].source, "zho_Hans", "bod_Tibt")
    assert shown[0].source not in {exemplar.source for exemplar in other}
    assert (
        len({strategy("diverse", seed=seed).exemplars_for("六个人", "zho_Hans", "bod_Tibt") for seed in range(9)}) > 1
    )


def test_diverse_never_stands_a_language_in_for_itself() -> None:
    shown = strategy("diverse").exemplars_for("六个人", "zho_Hans", "fra_Latn")
    assert {exemplar.target_lang for exemplar in shown} == {"arb_Arab"}


def test_diverse_can_stand_in_for_the_source() -> None:
    config = ExemplarConfig(strategy="diverse", k=2, languages=("fra_Latn", "arb_Arab"))
    shown = diverse(pool(), config, "མི་དྲུག", "bod_Tibt", "zho_Hans", varying="source")
    assert [(each.source_lang, each.target_lang) for each in shown] == [
        ("fra_Latn", "zho_Hans"),
        ("arb_Arab", "zho_Hans"),
    ]


def test_the_draw_depends_on_sentences_and_seed_but_not_on_places() -> None:
    lines = NUMBERS["fra_Latn"]
    names = [lines[index] for index in drawn(lines, 1)]
    assert [lines[::-1][index] for index in drawn(lines[::-1], 1)] == names
    less = [line for line in lines if line != names[0]]
    assert [less[index] for index in drawn(less, 1)] == names[1:]


def test_mined_shows_the_nearest_of_the_pairs_of_its_target() -> None:
    mined = {"bod_Tibt": pool("zho_Hans", "bod_Tibt")}
    shown = strategy("mined", mined=mined).exemplars_for("七条鱼", "zho_Hans", "bod_Tibt")
    assert shown[-1] == Exemplar("zho_Hans", "bod_Tibt", "五条鱼", "ཉ་ལྔ")
    with pytest.raises(ValueError, match="no pairs were mined for mya_Mymr"):
        strategy("mined", mined=mined).exemplars_for("七条鱼", "zho_Hans", "mya_Mymr")


# What goes into the key


def revision(name: str, target: str = "bod_Tibt", **settings: object) -> dict[str, object]:
    return dict(strategy(name, **settings).revision("zho_Hans", target))  # type: ignore[arg-type]


def test_the_key_of_plain_has_nothing_but_its_name() -> None:
    assert revision("plain") == revision("plain", k=3, seed=1) == {"strategy": "plain"}


@pytest.mark.parametrize(
    ("name", "matters", "does_not"),
    [
        ("fewshot", [{"k": 3}], [{"seed": 1}, {"languages": ["fra_Latn"]}, {"least_score": 1}, {"path": "elsewhere"}]),
        ("diverse", [{"k": 3}, {"seed": 1}, {"languages": ["arb_Arab", "fra_Latn"]}], [{"kept": 3}, {"path": "x"}]),
        ("mined", [{"k": 3}, {"seed": 1}, {"least_score": 1}, {"kept": 1}, {"bootstrap": "plain"}], [{"path": "x"}]),
    ],
)
def test_the_key_has_the_settings_that_apply_and_no_others(
    name: str, matters: list[dict[str, object]], does_not: list[dict[str, object]]
) -> None:
    for settings in matters:
        assert revision(name, **settings) != revision(name)
    for settings in does_not:
        assert revision(name, **settings) == revision(name)


def test_the_key_of_one_target_does_not_know_of_another() -> None:
    changed = Pool({**NUMBERS, "mya_Mymr": NUMBERS["mya_Mymr"][::-1]})
    config = ExemplarConfig(strategy="fewshot")
    before, after = Strategy(config, pool()), Strategy(config, changed)
    assert before.revision("zho_Hans", "bod_Tibt") == after.revision("zho_Hans", "bod_Tibt")
    assert before.revision("zho_Hans", "mya_Mymr") != after.revision("zho_Hans", "mya_Mymr")


def test_the_key_of_mined_is_the_same_before_and_after_mining() -> None:
    assert revision("mined", mined={"bod_Tibt": pool("zho_Hans", "bod_Tibt")}) == revision("mined")


def test_what_goes_into_the_key_is_json() -> None:
    for name in ("plain", "fewshot", "diverse", "mined"):
        assert json.loads(json.dumps(revision(name))) == revision(name)

"""Where a sentence is cut for Google Translate."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.speech.engines.gtts_parts import LIMIT, Unsplittable, speakable, split
from corpusforge.text.burmese import breaks, syllables


def squeezed(text: str) -> str:
    return "".join(text.split())


def lines(folder: Path, lang: str) -> list[str]:
    return (folder / "flores200" / "dev" / f"{lang}.dev").read_text(encoding="utf-8").splitlines()


REAL = ["mya_Mymr", "zho_Hans", "bod_Tibt", "eng_Latn"]


@pytest.mark.parametrize("lang", REAL)
def test_real_text_is_cut_without_loss(shared_data: Path, lang: str) -> None:
    for line in lines(shared_data, lang):
        parts = split(line)
        assert squeezed("".join(parts)) == squeezed(line)
        assert all(0 < len(part) <= LIMIT and speakable(part) and part == part.strip() for part in parts)


@pytest.mark.parametrize("spaces", [True, False])
def test_no_burmese_syllable_is_cut(shared_data: Path, spaces: bool) -> None:
    for line in lines(shared_data, "mya_Mymr"):
        text = line if spaces else squeezed(line)
        assert [one for part in split(text) for one in syllables(part)] == syllables(text)


def test_gtts_itself_cuts_burmese_inside_syllables(shared_data: Path) -> None:
    """Why there is a tokenizer of our own. FLORES has spaces in every stretch of 100; Burmese need not have any."""
    gtts = pytest.importorskip("gtts")
    cut = 0
    for line in map(squeezed, lines(shared_data, "mya_Mymr")):
        parts = gtts.gTTS(line, lang="my", lang_check=False)._tokenize(line)
        cut += [one for part in parts for one in syllables(part)] != syllables(line)
    assert cut > 100


@pytest.mark.parametrize("lang", REAL)
def test_no_number_and_no_latin_word_is_cut(shared_data: Path, lang: str) -> None:
    whole = re.compile(r"\d+(?:[.,:]\d+)+|[A-Za-z]+(?:['’][A-Za-z]+)*|\d+")
    for line in lines(shared_data, lang):
        assert [one for part in split(line) for one in whole.findall(part)] == whole.findall(line)


def test_a_text_that_fits_is_one_part() -> None:
    assert split("你好。再见！") == ["你好。再见！"]
    assert split(" 一\u3000二\n三 ") == ["一 二 三"]


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("今天天气很好，我们出去。明天下雨，我们在家。", 12, ["今天天气很好，我们出去。", "明天下雨，我们在家。"]),
        ("他说：“好的！”然后走了。", 8, ["他说：“好的！”", "然后走了。"]),
        ("今天天气很好我们出去，好", 8, ["今天天气很好", "我们出去，好"]),
        ("拼搏着,为的是结果", 6, ["拼搏着,", "为的是结果"]),
        ("ပထမ။ဒုတိယ၊တတိယ", 10, ["ပထမ။", "ဒုတိယ၊တတိယ"]),
        ("བོད་ཡིག །གཉིས་པ། །", 10, ["བོད་ཡིག །", "གཉིས་པ། །"]),
        ("བོད་ཡིག་གཉིས་པ", 9, ["བོད་ཡིག་", "གཉིས་པ"]),
        ("Mr. Smith is here. He sat.", 18, ["Mr. Smith is here.", "He sat."]),
        ("one two three", 8, ["one two", "three"]),
        ("It is 1,234,567.89 now", 13, ["It is", "1,234,567.89", "now"]),
        ("一共有三百五十六人", 7, ["一共有", "三百五十六人"]),
        ("共有三百五十六人在场", 7, ["共有三百五十六", "人在场"]),
    ],
)
def test_where_it_cuts(text: str, limit: int, parts: list[str]) -> None:
    found = split(text, limit)
    assert squeezed("".join(found)) == squeezed(text)
    assert found == parts


def test_a_word_longer_than_a_part_is_cut_between_letters() -> None:
    parts = split("https://example.org/" + "a" * 150)
    assert "".join(parts) == "https://example.org/" + "a" * 150
    assert all(len(part) <= LIMIT for part in parts)


@pytest.mark.parametrize("letter", ["क्ष", "ក្ក", "เก็", "กำ", "ක්\u200dෂ", "e\u0301"])
def test_one_written_letter_stays_whole(letter: str) -> None:
    for count in (61, 67, 71, 73):  # so that even parts would not happen to end with a letter
        for part in split(letter * count):
            assert part == letter * (len(part) // len(letter))


def test_marks_alone_are_nothing_to_say() -> None:
    assert split("……！？ ။ ། --- ") == []
    assert split("") == []


def test_a_heap_of_marks_is_left_out() -> None:
    assert split("甲" + "☆" * 250 + "乙") == ["甲" + "☆" * 83, "☆" * 83 + "乙"]


def test_a_letter_with_too_many_marks_is_refused() -> None:
    with pytest.raises(Unsplittable):
        split("a" + "\u0301" * 120)


def test_stacked_letters_stay_together() -> None:
    assert syllables("သတ္တ") == ["သတ်", "တ"]
    assert breaks("သတ္တ") == [0]
    assert breaks("သင်္ဘော") == [0]
    assert breaks("မြန်မာ x စာ") == [0, 4, 9]


PIECES = st.sampled_from(
    [
        *"好的一三百。，！？“”（） .,;:!?'\"-ab9\n",
        "မြန်",
        "မာ",
        "သတ္တ",
        "။",
        "၊",
        "༎",
        "བོད་",
        "ཡིག",
        "།",
        "é",
        "e\u0301",
        *["1,234.5", "၁၂၃", "U.S.", "👩\u200d👩", "🇨🇳", "กำ", "ක්\u200dෂ", "한국", "क्ष", "—", "…", "𠀀"],
    ]
)
TEXTS = st.lists(PIECES, max_size=120).map("".join)


@given(TEXTS, st.integers(12, 100))
def test_any_mixture_is_cut_without_loss(text: str, limit: int) -> None:
    parts = split(text, limit)
    said = [character for character in text if unicodedata.category(character)[0] in "LMN"]
    assert [character for part in parts for character in part if unicodedata.category(character)[0] in "LMN"] == said
    assert all(0 < len(part) <= limit and speakable(part) for part in parts)
    for part in parts:
        assert unicodedata.category(part[0])[0] != "M"


@given(TEXTS)
def test_no_more_parts_than_twice_what_is_needed(text: str) -> None:
    """Two neighbours that would fit into one part are not left apart."""
    parts = split(text)
    joined = " ".join(text.split())
    for one, two in pairwise(parts):
        assert f"{one}{two}" not in joined or len(one) + len(two) > LIMIT


@given(st.text(max_size=300))
def test_any_text_is_cut_or_refused(text: str) -> None:
    try:
        parts = split(text)
    except Unsplittable:
        return
    assert all(0 < len(part) <= LIMIT and speakable(part) for part in parts)
    assert [one for part in parts for one in part if speakable(one)] == [one for one in text if speakable(one)]

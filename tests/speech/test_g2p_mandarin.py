"""Chinese on its way to the voice cmn."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from corpusforge.speech.engine import Segment
from corpusforge.speech.g2p import speak as speak_any
from corpusforge.speech.g2p.mandarin import _PHONEMES, _READ, speak
from corpusforge.text.syllables import count_syllables
from tests.speech.probe import espeak, phonemes_of, speak_forked


def flores(shared_data: Path) -> list[str]:
    folder = shared_data / "flores200"
    return [
        line for split in ("dev", "devtest") for line in (folder / split / f"zho_Hans.{split}").open(encoding="utf8")
    ]


def test_numbers_are_written_out_and_the_rest_is_text() -> None:
    (segment,) = speak("2009年增长50%。").segments
    assert (segment.voice, segment.content, segment.phonemes) == ("cmn", "二零零九年增长百分之五十。", False)


def test_latin_words_are_read_in_english_in_reading_order() -> None:
    spoken = speak("乘坐 JAS 39C Gripen 战机")
    assert [(segment.voice, segment.content) for segment in spoken.segments] == [
        ("cmn", "乘坐"),
        ("en-us", "J A S"),
        ("cmn", "三十九"),
        ("en-us", "C Gripen"),
        ("cmn", "战机"),
    ]
    assert (spoken.syllables, spoken.unreadable) == (13, 0)


def test_hanzi_that_the_voice_spells_in_english_are_given_as_phonemes() -> None:
    """Both halves of the fault: the voice still has it, and the phonemes that stand in for it are spoken."""
    alone = espeak([*_PHONEMES, "兒"])
    assert all("(en)" in phonemes for phonemes, _ in alone)
    mended = espeak(list(_PHONEMES.values()))
    for given_as, (phonemes, samples) in zip(_PHONEMES.values(), mended, strict=True):
        assert given_as.strip("[]") in phonemes.replace("'", "").replace(",", "")
        assert samples > 5000
    assert speak("兒").segments[0].content == "儿"


def test_every_hanzi_that_is_called_readable_is_read_in_chinese() -> None:
    """Every one of 27,466: nothing but Mandarin syllables with a tone."""
    hanzi = [chr(code) for code in (0x3007, *range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]
    hanzi = [character for character in hanzi if _READ.match(character) and character not in {*_PHONEMES, "兒"}]
    assert len(hanzi) > 27_000
    (heard,) = speak_forked([Segment("cmn", "，".join(hanzi[:50]))])
    assert heard is not None and "(en)" not in heard.phonemes
    for start in range(0, len(hanzi), 2000):
        some = hanzi[start : start + 2000]
        run = zip(some, phonemes_of(some), strict=True)
        assert [c for c, heard in run if "(" in heard or not any(digit in heard for digit in "12345")] == []


def test_words_that_the_voice_reads_in_english_are_kept_from_its_dictionary() -> None:
    words = ["花儿", "这儿", "哪兒", "一点儿", "玩意儿的", "对儿童来说", "瓦德西"]
    assert all("(en)" in heard for heard, _ in espeak([word.replace("兒", "儿") for word in words]))
    mended = [speak(word).segments for word in words]
    assert all(len(segments) == 1 for segments in mended)
    for (segment,), heard in zip(mended, speak_forked(segments[0] for segments in mended), strict=True):
        assert heard is not None and "(en)" not in heard.phonemes
        assert heard.seconds < 0.4 * len(segment.content)


def test_no_sentence_of_real_text_is_read_in_english_by_the_voice(shared_data: Path) -> None:
    texts = [
        segment.content
        for line in flores(shared_data)
        for segment in speak(line).segments
        if segment.voice == "cmn" and not segment.phonemes
    ]
    assert len(texts) > 2000
    assert [text for text, heard in zip(texts, phonemes_of(texts), strict=True) if "(" in heard] == []


def test_a_character_outside_the_dictionary_is_counted_and_not_read_as_its_number() -> None:
    spoken = speak("我𠮷家龦")
    assert (spoken.syllables, spoken.unreadable, spoken.unread) == (4, 2, ("𠮷", "龦"))
    assert spoken.segments[0].content == "我家"
    ((named, _),) = espeak(["𠮷"])
    assert "(en)" in named or len(named.split("|")) > 4


def test_symbols_are_not_named_in_english() -> None:
    (segment,) = speak("你*好|世界↑。").segments
    assert segment.content == "你 好 世界 。"
    (heard,) = speak_forked([segment])
    assert heard is not None and "(en)" not in heard.phonemes


def test_letters_that_no_voice_reads_are_counted() -> None:
    spoken = speak("西藏（བོད་ལྗོངས།）")
    assert (spoken.syllables, spoken.unreadable) == (4, 2)
    assert spoken.unread == ("བོད་ལྗོངས།",)


def test_real_chinese_is_read_and_its_syllables_are_those_that_the_text_is_counted_to_have(shared_data: Path) -> None:
    for line in flores(shared_data):
        spoken = speak(line)
        assert spoken.segments
        assert spoken.unreadable == 0
        assert spoken.syllables == count_syllables(line, "zho_Hans")


def test_no_hanzi_of_real_text_is_spelled_in_english(shared_data: Path) -> None:
    hanzi = sorted({character for line in flores(shared_data) for character in line if _READ.match(character)})
    spoken = [speak(character).segments[0].content for character in hanzi]
    assert [content for content, (heard, _) in zip(spoken, espeak(spoken), strict=True) if "(en)" in heard] == []


def test_traditional_hanzi_are_read_the_same() -> None:
    simplified, traditional = speak_forked(
        [speak_any("兒子和熊貓", "zho_Hant", "cmn").segments[0], speak("儿子和熊猫").segments[0]]
    )
    assert simplified is not None and traditional is not None
    assert simplified.phonemes == traditional.phonemes


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("2009年5%[]兄熊𠮷ABC་'-ー")))
def test_any_text_gives_the_same_answer_twice(text: str) -> None:
    spoken = speak(text)
    assert 0 <= spoken.unreadable <= spoken.syllables
    assert (spoken.unreadable > 0) == bool(spoken.unread)
    assert speak(text) == spoken
    for segment in spoken.segments:
        assert segment.content == segment.content.strip() != ""
        assert segment.phonemes == ("[[" in segment.content)

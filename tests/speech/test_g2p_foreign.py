"""Words in another script than the sentence's own."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpusforge.speech.engine import Segment
from corpusforge.speech.g2p.foreign import VOICES, foreign_segment, phrases
from tests.speech.probe import speak_forked

WORDS = {
    "Latn": "Gripen",
    "Hani": "中文",
    "Cyrl": "привет",
    "Grek": "καλημέρα",
    "Arab": "سلام",
    "Hebr": "שָׁלוֹם",
    "Deva": "नमस्ते",
    "Beng": "বাংলা",
    "Hang": "한국어",
    "Jpan": "カタカナ",
    "Armn": "բարեւ",
    "Geor": "გამარჯობა",
    "Ethi": "ሰላም",
    "Guru": "ਪੰਜਾਬੀ",
    "Gujr": "ગુજરાતી",
    "Orya": "ଓଡ଼ିଆ",
    "Taml": "தமிழ்",
    "Telu": "తెలుగు",
    "Knda": "ಕನ್ನಡ",
    "Mlym": "മലയാളം",
    "Sinh": "සිංහල",
}


def latin(text: str) -> str:
    found = foreign_segment(text, "Latn")
    assert found is not None
    assert found[0].voice == "en-us"
    assert not found[0].phonemes
    return found[0].content


def test_every_script_with_a_voice_is_spoken_by_it_and_spelled_by_none() -> None:
    assert set(WORDS) == set(VOICES)
    found = {script: foreign_segment(word, script) for script, word in WORDS.items()}
    segments = [segment for pair in found.values() if pair for segment in (pair[0],)]
    assert [segment.voice for segment in segments] == [VOICES[script] for script in WORDS]
    for script, heard in zip(WORDS, speak_forked(segments), strict=True):
        pair = found[script]
        assert heard is not None and pair is not None
        assert "(en)" not in heard.phonemes, script
        assert 0.08 < heard.seconds / pair[1] < 0.7, script


@pytest.mark.parametrize(
    ("text", "script"),
    [("བོད", "Tibt"), ("မြန်", "Mymr"), ("ประเทศไทย", "Thai"), ("ខ្មែរ", "Zzzz"), ("…", "Latn"), ("", "Cyrl")],
)
def test_what_no_voice_reads_is_none(text: str, script: str) -> None:
    assert foreign_segment(text, script) is None


def test_why_no_voice_reads_burmese_shan_thai_and_tibetan() -> None:
    burmese = "မီးအသစ်သည် မီးအဟောင်းထက် လျှပ်စစ်ဓာတ်အား ၇၀ ရာခိုင်နှုန်း ပို၍ချွေတာနိုင်ပြီး သင်္ဘောသားများက ၂၅ ကီလိုမီတာအကွာမှ မြင်နိုင်သည်။"
    crashed, shan, thai, tibetan = speak_forked(
        [Segment("my", burmese), Segment("shn", "ႁွင်း"), Segment("th", "ที่"), Segment("cmn", "བོད")]
    )
    assert crashed is None
    assert shan is not None and "(en)" in shan.phonemes
    assert thai is not None and thai.phonemes == "ths"
    assert tibetan is not None and "(en)" in tibetan.phonemes


@pytest.mark.parametrize(
    ("text", "content", "syllables"),
    [
        ("BBC", "B B C", 3),
        ("WWF", "W W F", 7),
        ("km", "K M", 2),
        ("NASA", "N A S A", 4),
        ("UNESCO", "UNESCO", 3),
        ("Gripen", "Gripen", 2),
        ("x", "X", 1),
        ("I", "I", 1),
        ("Xzpfqrst", "X Z P F Q R S T", 8),
        ("DVDs", "D V D's", 4),
        ("Elizabeth II", "Elizabeth 2", 5),
        ("O’Neill", "O’Neill", 2),
        ("Qurʼan", "Qur'an", 2),
        ("Łódź", "Łódź", 1),
        ("Nguyễn", "Nguyen", 1),
        ("B. B. King", "B. B. King", 3),
    ],
)
def test_latin_is_read_in_english_or_spelled(text: str, content: str, syllables: int) -> None:
    assert latin(text) == content
    found = foreign_segment(text, "Latn")
    assert found is not None
    assert found[1] == syllables


def test_the_voice_would_name_the_letters_that_lose_their_marks() -> None:
    named, read = speak_forked([Segment("en-us", "Nguyễn"), Segment("en-us", latin("Nguyễn"))])
    assert named is not None and read is not None
    assert named.seconds > 2 * read.seconds


def test_a_phrase_stays_whole() -> None:
    text = "他说 O'Neill, J. R. 和 Anna-Lena 在 Формула 1 (BBC)"
    assert [run for run in phrases(text, {"Hani"}) if run[0] not in ("Common", "Hani")] == [
        ("Latn", "O'Neill, J. R"),
        ("Latn", "Anna-Lena"),
        ("Cyrl", "Формула"),
        ("Latn", "BBC"),
    ]


def test_scripts_that_have_no_class_of_their_own_are_named() -> None:
    found = list(phrases("a தமிழ் б ខ្មែរ コーヒー", {"Latn"}))
    assert [run for run in found if run[0] not in ("Common", "Latn")][:2] == [("Taml", "தமிழ்"), ("Cyrl", "б")]
    assert "Zzzz" in {script for script, _ in found}
    assert found[-1] == ("Jpan", "コーヒー")


@given(st.text(), st.sets(st.sampled_from(sorted(VOICES))))
def test_phrases_lose_nothing(text: str, own: set[str]) -> None:
    assert "".join(run for _, run in phrases(text, own)) == text


@given(st.text(), st.sampled_from([*sorted(VOICES), "Tibt", "Mymr", "Thai", "Common", "Zzzz"]))
@example("¼", "Latn")
def test_any_text_gives_an_answer(text: str, script: str) -> None:
    found = foreign_segment(text, script)
    if found is not None:
        segment, syllables = found
        assert segment.voice == VOICES[script]
        assert segment.content.strip()
        assert syllables > 0
        assert "[[" not in segment.content

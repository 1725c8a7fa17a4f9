"""Burmese to phonemes: what is read, how, and that espeak-ng speaks all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.speech.g2p import burmese
from corpusforge.speech.g2p.burmese import MOST_BYTES, phonemes, speak
from corpusforge.text.burmese import normalize, syllables, verbalize
from tests.speech.probe import espeak, spoken_syllables


@pytest.fixture(scope="module")
def sentences(shared_data: Path) -> list[str]:
    files = [shared_data / "flores200" / split / f"mya_Mymr.{split}" for split in ("dev", "devtest")]
    return [line for file in files for line in file.read_text("utf8").split("\n") if line]


@pytest.fixture(scope="module")
def spelled(sentences: list[str]) -> list[str]:
    """Every distinct syllable of FLORES-200."""
    return sorted({syllable for sentence in sentences for syllable in syllables(verbalize(normalize(sentence)))})


@pytest.mark.parametrize(
    ("syllable", "sound"),
    [
        ("က", "ka51"),
        ("ကာ", "ka21"),
        ("ကား", "ka53"),
        ("ကို", "kou21"),
        ("ကို့", "kou51"),
        ("ကိုး", "kou53"),
        ("ကော", "ko53"),
        ("ကော်", "ko21"),
        ("ကဲ", "kE53"),
        ("ကယ်", "kE21"),
        ("ကက်", "kE55?"),
        ("ကစ်", "ki55?"),
        ("ကတ်", "ka55?"),
        ("ကွတ်", "ku55?"),
        ("ကွက်", "kwE55?"),
        ("ကောက်", "kau55?"),
        ("ကိုက်", "kai55?"),
        ("ကင်", "ki21N"),
        ("ကင်း", "ki53N"),
        ("ကန့်", "ka51N"),
        ("ကွန်", "ku21N"),
        ("ကောင်း", "kau53N"),
        ("ကျ", "tS;a51"),
        ("ခြ", "tS;ha51"),
        ("ဂျ", "tS;a51"),
        ("မြန်", "mja21N"),
        ("မာ", "ma21"),
        ("ရှင်", "S;i21N"),
        ("လျှာ", "S;a21"),
        ("ညာ", "n^a21"),
        ("ဥ", "?u51"),
        ("ဧ", "?ei21"),
        ("ဩ", "?o53"),
        ("တမ်းစ်", "ta53N s@21"),
    ],
)
def test_syllables_are_read_by_the_rules_of_the_spelling(syllable: str, sound: str) -> None:
    assert phonemes(normalize(syllable)) == sound


def test_real_text_is_read(sentences: list[str]) -> None:
    spoken = [speak(sentence) for sentence in sentences]
    syllables_read = sum(s.syllables for s in spoken)
    assert len(sentences) == 2009
    assert sum(s.unreadable for s in spoken) <= 0.005 * syllables_read
    assert all(s.segments for s in spoken)


def test_espeak_speaks_every_syllable_as_it_was_asked_to(spelled: list[str]) -> None:
    asked = sorted({sound for syllable in spelled if (sound := phonemes(syllable))})
    assert len(asked) > 1000
    for sound, (heard, samples) in zip(asked, espeak([f"[[{sound}]]" for sound in asked]), strict=True):
        plain = [syllable.replace("'", "").replace(",", "") for syllable in spoken_syllables(heard)]
        assert plain == sound.split()
        assert samples > 1000


def test_whole_sentences_are_not_cut_by_espeak(sentences: list[str]) -> None:
    contents = [s.content for sentence in sentences[::40] for s in speak(sentence).segments if s.phonemes]
    for content, (heard, _) in zip(contents, espeak(contents), strict=True):
        assert len(spoken_syllables(heard)) == len(
            content.replace("[[", " ").replace("]]", " ").replace(",", " ").split()
        )


def test_epitran_agrees_on_how_syllables_end(spelled: list[str]) -> None:
    """An independent oracle for the final: stop, nasal or open.

    Left out, because epitran 1.35 is wrong: ော် (it reads a stop, not the low tone), letters without a vowel sign (it
    drops the vowel of အ), retroflex ဏ် and foreign finals (it reads "et").
    """
    epitran = pytest.importorskip("epitran", reason="the oracle is not installed")
    oracle = epitran.Epitran("mya-Mymr")
    compared = agreed = 0
    for syllable in spelled:
        sound = phonemes(syllable)
        if sound is None or len(syllable) == 1 or "ော်" in syllable or "ေါ်" in syllable:
            continue
        if any(final in syllable for final in ("ဏ်", "လ်", "ရ်", "ဟ်", "သ်", "ဝ်", "ျ်", "ှ်")) or " " in sound:
            continue
        heard = oracle.transliterate(syllable.replace("း", "").replace("့", "").replace("ါ", "ာ"))
        theirs = "stop" if heard.endswith("ʔ") else "nasal" if heard.endswith("ɴ") else "open"
        ours = "stop" if sound.endswith("?") else "nasal" if sound.endswith("N") else "open"
        compared += 1
        agreed += ours == theirs
    assert compared > 1000
    assert agreed / compared > 0.98


def test_words_in_other_scripts_are_spoken_by_their_own_voice() -> None:
    voices = [segment.voice for segment in speak("JAS ၃၉C Gripen သည်").segments]
    assert voices == ["en-us", "cmn", "en-us", "cmn"]


def test_a_script_that_no_voice_reads_is_counted() -> None:
    spoken = speak("မြန်မာ བོད")
    assert spoken.unreadable == len(spoken.unread) > 0


def test_letters_of_other_languages_of_the_script_are_counted() -> None:
    spoken = speak("ဢႃ မြန်")
    assert (spoken.syllables, spoken.unread) == (2, ("ဢ",))


def test_every_letter_of_the_alphabet_has_a_sound() -> None:
    letters = [chr(code) for code in (*range(0x1000, 0x1022), *range(0x1023, 0x102B), 0x103F)]
    assert [letter for letter in letters if speak(letter).unreadable] == []


@pytest.mark.parametrize("text", ["", "။ ၊ …", "့", " "])
def test_punctuation_alone_has_nothing_to_read(text: str) -> None:
    spoken = speak(text)
    assert (spoken.segments, spoken.syllables, spoken.unreadable) == ((), 0, 0)


def test_clauses_are_short_enough_for_espeak() -> None:
    (segment,) = speak("ကျောင်းသားများ" * 500).segments
    clauses = segment.content.split(", ")
    assert len(clauses) > 10
    assert all(len(clause) <= MOST_BYTES + 10 and clause.count(" ") < 100 for clause in clauses)


@given(st.text() | st.text(alphabet=[chr(code) for code in range(0x1000, 0x10A0)]))
def test_any_text_gives_an_answer(text: str) -> None:
    spoken = speak(text)
    assert 0 <= spoken.unreadable <= spoken.syllables
    assert speak(text) == spoken


def test_the_revision_is_known_without_loading_the_rules() -> None:
    from corpusforge.speech.g2p import rules_revision

    assert rules_revision("mya_Mymr") == burmese.REVISION

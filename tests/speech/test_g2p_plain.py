"""The languages that espeak-ng reads by itself, and which voice reads which language."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.speech.engine import Segment
from corpusforge.speech.g2p import RULES, default_voice, languages, rules_revision, speak
from corpusforge.text.languages import LANGUAGES
from tests.speech.probe import speak_forked

# Article 1 of the Universal Declaration of Human Rights (or its first sentence) in every language that has a voice.
ARTICLE_1 = dict(line.split("\t") for line in (Path(__file__).parent / "article1.tsv").read_text("utf8").splitlines())


def test_every_voice_speaks_its_language() -> None:
    """Each sentence through the real voice: no crash, at the pace of speech, nothing spelled or named in English."""
    assert set(ARTICLE_1) == set(languages())
    for lang, text in ARTICLE_1.items():
        voice = default_voice(lang)
        assert voice is not None
        spoken = speak(text, lang, voice)
        assert spoken.unreadable == 0, (lang, spoken.unread)
        seconds = 0.0
        for heard in speak_forked(spoken.segments):
            assert heard is not None, lang
            assert voice == "en-us" or "(en)" not in heard.phonemes, lang
            seconds += heard.seconds
        assert 0.1 < seconds / spoken.syllables < 0.4, (lang, seconds / spoken.syllables)


@pytest.mark.parametrize(
    ("lang", "voice", "text", "symptom"),
    [
        ("shn_Mymr", "shn", "ႁွင်း", "(en)"),
        ("jpn_Jpan", "ja", "日本", "(en)"),
        ("heb_Hebr", "he", "שָׁלוֹם", "(en)"),
        ("tha_Thai", "th", "น้ำ", "n s"),
    ],
)
def test_voices_that_cannot_be_used_are_left_out(lang: str, voice: str, text: str, symptom: str) -> None:
    assert default_voice(lang) is None
    (heard,) = speak_forked([Segment(voice, text)])
    assert heard is not None and symptom in heard.phonemes


def test_faroese_is_silent() -> None:
    assert default_voice("fao_Latn") is None
    (heard,) = speak_forked([Segment("fo", "Øll menniskju eru fødd fræls")])
    assert heard is None or heard.seconds < 0.2


def test_voices_are_of_known_languages_and_rule_revisions_are_in_step() -> None:
    assert set(languages()) <= set(LANGUAGES)
    for lang, module in RULES.items():
        assert rules_revision(lang) == importlib.import_module(f"corpusforge.speech.g2p.{module}").REVISION
    assert rules_revision("spa_Latn") == importlib.import_module("corpusforge.speech.g2p.plain").REVISION


def test_no_voice_for_a_language_without_one() -> None:
    assert default_voice("yor_Latn") is None
    assert default_voice("no such code") is None


def test_digits_and_symbols_are_left_to_the_voice() -> None:
    (segment,) = speak("El 50% llega a las 9:30.", "spa_Latn", "es-419").segments
    assert segment == Segment("es-419", "El 50% llega a las 9:30.")


def test_foreign_words_go_to_their_own_voice() -> None:
    spoken = speak("El tren llega a 北京 a las 9:30.", "spa_Latn", "es-419")
    assert [segment.voice for segment in spoken.segments] == ["es-419", "cmn", "es-419"]
    assert [segment.voice for segment in speak("Поезд BBC News в 9:30", "rus_Cyrl", "ru").segments] == [
        "ru",
        "en-us",
        "ru",
    ]


def test_words_of_a_script_that_no_voice_reads_are_counted() -> None:
    spoken = speak("Das ist བོད་ཡིག auf Deutsch", "deu_Latn", "de")
    assert (spoken.unreadable, spoken.unread) == (2, ("བོད་ཡིག",))
    assert spoken.syllables == 2 + 2 + 2


@pytest.mark.parametrize(
    ("lang", "voice", "text", "given_as", "sound"),
    [
        ("ory_Orya", "or", "ସ୍ୱାଧୀନ", "ସ୍ବାଧୀନ", "s'O:ad#,inO"),
        ("uzn_Latn", "uz", "maʼno", "ma'no", "m'&?nA"),
        ("bel_Cyrl", "be", "абʼяўлены", "аб'яўлены", "'abjawl;Eni\""),
        ("spa_Latn", "es-419", "Nguyễn", "Nguyen", None),
        ("mar_Deva", "mr", "ॲप", "ऍप", "'Ep"),
        ("urd_Arab", "ur", "كتاب", "کتاب", "kIt'a:b"),
        ("ukr_Cyrl", "uk", "Ельцын", "Ельцин", None),
    ],
)
def test_letters_that_the_voice_would_name_or_drop_are_given_as_others(
    lang: str, voice: str, text: str, given_as: str, sound: str | None
) -> None:
    (mended,) = speak(text, lang, voice).segments
    assert mended.content == given_as
    raw, heard = speak_forked([Segment(voice, text), mended])
    assert raw is not None and heard is not None
    assert raw.phonemes != heard.phonemes
    assert raw.seconds > 2 * heard.seconds or sound == heard.phonemes


def test_cantonese_numbers_are_written_out_and_hanzi_beyond_the_dictionary_are_counted() -> None:
    spoken = speak("𠮷野家加價50%。", "yue_Hant", "yue")
    assert [segment.content for segment in spoken.segments] == ["野家加價百分之五十。"]
    assert (spoken.syllables, spoken.unreadable, spoken.unread) == (10, 1, ("𠮷",))


def test_text_cannot_smuggle_in_phonemes() -> None:
    (segment,) = speak("uno [[h@l'oU]] dos", "spa_Latn", "es-419").segments
    assert "[[" not in segment.content


@given(st.text(), st.sampled_from(["spa_Latn", "arb_Arab", "kat_Geor", "kor_Hang", "yue_Hant", "tam_Taml", "vie_Latn"]))
def test_any_text_gives_the_same_answer_twice(text: str, lang: str) -> None:
    voice = default_voice(lang)
    assert voice is not None
    spoken = speak(text, lang, voice)
    assert 0 <= spoken.unreadable <= spoken.syllables
    assert (spoken.unreadable > 0) == bool(spoken.unread)
    assert speak(text, lang, voice) == spoken

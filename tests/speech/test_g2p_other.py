"""Chinese, foreign runs, and the languages that espeak-ng reads by itself."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.speech.g2p import RULES, default_voice, languages, rules_revision, speak
from corpusforge.speech.g2p.foreign import foreign_segment, spelled
from corpusforge.speech.g2p.mandarin import _PHONEMES
from corpusforge.text.languages import LANGUAGES
from tests.speech.probe import espeak


def test_chinese_is_read_as_text_after_numbers_are_written_out() -> None:
    (segment,) = speak("2009年增长50%。", "zho_Hans", "cmn").segments
    assert (segment.voice, segment.content, segment.phonemes) == ("cmn", "二零零九年增长百分之五十。", False)


def test_latin_words_in_chinese_are_read_in_english() -> None:
    spoken = speak("乘坐 JAS 39C Gripen 战机", "zho_Hans", "cmn")
    assert [(s.voice, s.content.strip()) for s in spoken.segments] == [
        ("cmn", "乘坐"),
        ("en-us", "J A S"),
        ("cmn", "三十九"),
        ("en-us", "C Gripen"),
        ("cmn", "战机"),
    ]


def test_hanzi_that_the_voice_spells_in_english_are_given_as_phonemes() -> None:
    """Both halves of the fault: the voice still has it, and the phonemes that stand in for it are spoken."""
    for hanzi, given_as in _PHONEMES.items():
        (plain, _), (mended, samples) = espeak([hanzi, given_as])
        assert "(en)" in plain
        assert given_as.strip("[]") in mended.replace("'", "").replace(",", "")
        assert samples > 5000
        break
    heard = espeak(list(_PHONEMES.values()))
    assert all("(en)" not in phonemes and samples > 5000 for phonemes, samples in heard)


def test_no_other_hanzi_of_real_text_is_spelled_in_english(shared_data: Path) -> None:
    text = "".join((shared_data / f"flores200/{s}/zho_Hans.{s}").read_text("utf8") for s in ("dev", "devtest"))
    hanzi = sorted({c for c in text if "\u4e00" <= c <= "\u9fff"} - set(_PHONEMES))
    assert [c for c, (heard, _) in zip(hanzi, espeak(hanzi), strict=True) if "(en)" in heard] == []


def test_a_character_outside_the_dictionary_is_counted_and_not_read_as_its_number() -> None:
    spoken = speak("我𠮷家龦", "zho_Hans", "cmn")
    assert (spoken.syllables, spoken.unreadable, spoken.unread) == (4, 2, ("𠮷", "龦"))
    assert spoken.segments[0].content == "我家"


def test_real_chinese_is_read(shared_data: Path) -> None:
    for split in ("dev", "devtest"):
        for line in (shared_data / f"flores200/{split}/zho_Hans.{split}").read_text("utf8").splitlines():
            spoken = speak(line, "zho_Hans", "cmn")
            assert spoken.segments
            assert spoken.unreadable == 0


@pytest.mark.parametrize(
    ("word", "letter_by_letter"),
    [
        ("BBC", True),
        ("NASA", True),
        ("UNESCO", False),
        ("HTML", True),
        ("Xzpfqrst", True),
        ("Gripen", False),
        ("I", False),
    ],
)
def test_what_english_cannot_pronounce_is_spelled(word: str, letter_by_letter: bool) -> None:
    assert spelled(word) == letter_by_letter


@pytest.mark.parametrize(
    ("text", "script", "voice"),
    [("привет", "Cyrl", "ru"), ("Gripen", "Latn", "en-us"), ("中文", "Hani", "cmn"), ("नमस्ते", "Deva", "hi")],
)
def test_a_script_has_a_voice(text: str, script: str, voice: str) -> None:
    found = foreign_segment(text, script)
    assert found is not None
    assert found[0].voice == voice
    assert found[1] > 0


@pytest.mark.parametrize(("text", "script"), [("བོད", "Tibt"), ("မြန်", "Mymr"), ("…", "Latn")])
def test_what_no_voice_reads_is_none(text: str, script: str) -> None:
    assert foreign_segment(text, script) is None


def test_other_languages_are_read_by_their_own_voice_and_foreign_words_by_theirs() -> None:
    spoken = speak("El tren llega a 北京 a las 9:30.", "spa_Latn", "es-419")
    assert [segment.voice for segment in spoken.segments] == ["es-419", "cmn", "es-419"]


@given(st.text(), st.sampled_from(["zho_Hans", "spa_Latn", "arb_Arab", "kat_Geor", "jpn_Jpan"]))
def test_any_text_gives_an_answer(text: str, lang: str) -> None:
    spoken = speak(text, lang, default_voice(lang) or "")
    assert 0 <= spoken.unreadable <= spoken.syllables
    assert speak(text, lang, default_voice(lang) or "") == spoken


def test_voices_are_of_known_languages_and_rule_revisions_are_in_step() -> None:
    assert set(languages()) <= set(LANGUAGES)
    for lang, module in RULES.items():
        assert rules_revision(lang) == importlib.import_module(f"corpusforge.speech.g2p.{module}").REVISION
    assert rules_revision("spa_Latn") == importlib.import_module("corpusforge.speech.g2p.plain").REVISION


def test_every_default_voice_is_there() -> None:
    code = """
import ctypes, espeakng_loader, sys
library = ctypes.CDLL(espeakng_loader.get_library_path())
assert library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0x8000) == 22050
print(*[voice for voice in sys.argv[1:] if library.espeak_SetVoiceByName(voice.encode()) != 0])
"""
    voices = sorted({default_voice(lang) or "" for lang in languages()})
    done = subprocess.run([sys.executable, "-c", code, *voices], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

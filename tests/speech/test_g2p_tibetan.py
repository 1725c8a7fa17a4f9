"""Tibetan to phonemes: what is read, how, and that espeak-ng speaks all of it."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusforge.speech.engine import Segment, Spoken
from corpusforge.text.tibetan import normalize, syllables, verbalize
from tests.speech.probe import espeak, phoneme_table, spoken_syllables

pytest.importorskip("bophono", reason="Tibetan speech needs bophono: pip install 'corpusforge[espeak]'")
from corpusforge.speech.g2p import tibetan, tibetan_letters
from corpusforge.speech.g2p.foreign import foreign_segment
from corpusforge.speech.g2p.sentence import MOST_BYTES
from corpusforge.speech.g2p.tibetan import MNEMONICS, read_syllable, read_unit, speak


@pytest.fixture(scope="module")
def sentences(shared_data: Path) -> list[str]:
    files = [shared_data / "flores200" / split / f"bod_Tibt.{split}" for split in ("dev", "devtest")]
    return [line for file in files for line in file.read_text("utf8").split("\n") if line]


def test_the_phoneme_table_reader_knows_what_is_in_and_what_is_not() -> None:
    assert struct.calcsize("<IIHBBBBBB") == 16
    table = phoneme_table("cmn")
    assert {"tS;h", "y&", "214"} <= table
    assert not {"t.", "d.", "W"} & table


def test_every_mnemonic_is_in_the_table_of_the_voice() -> None:
    assert phoneme_table("cmn") >= MNEMONICS


def test_every_mnemonic_makes_sound_of_its_own() -> None:
    """Each consonant before and behind, each vowel, tone and length: espeak reports it and it takes time."""
    tones = {mnemonic for mnemonic in MNEMONICS if mnemonic.isdigit()}
    vowels = {*tibetan._VOWELS.values(), *tibetan_letters._VOWELS.values(), "a"}
    consonants = MNEMONICS - tones - vowels - {":"}
    probes = [
        *(f"[[{consonant}a55]]" for consonant in sorted(consonants)),
        *(f"[[ta55{consonant}]]" for consonant in sorted(consonants)),
        *(f"[[t{vowel}55]]" for vowel in sorted(vowels)),
        *(f"[[ta{tone}]]" for tone in sorted(tones)),
        "[[ta:55]]",
    ]
    bare, plain, *heard = espeak(["[[a55]]", "[[ta55]]", *probes])
    for probe, (phonemes, samples) in zip(probes, heard, strict=True):
        assert spoken_syllables(phonemes) == spoken_syllables(probe)
        if re.fullmatch(r"\[\[ta(55\D+|:55)\]\]", probe):
            assert samples > plain[1], probe  # a closing consonant and length add to [ta]
        elif probe.endswith("a55]]"):
            assert samples > bare[1], probe  # an opening consonant adds to [a]
        else:
            assert samples > 0.8 * plain[1], probe  # a vowel or tone takes the place of [a]'s


def test_espeak_speaks_every_phoneme_of_flores(sentences: list[str]) -> None:
    """No mnemonic is dropped or taken apart, in any sentence; syllables are neither cut nor stretched."""
    contents = [
        segment.content for sentence in sentences[::7] for segment in speak(sentence).segments if segment.phonemes
    ]
    assert len(contents) > 250
    for content, (phonemes, samples) in zip(contents, espeak(contents), strict=True):
        asked = spoken_syllables(content)
        assert spoken_syllables(phonemes) == asked
        assert 0.12 < samples / 22050 / len(asked) < 0.45, content


def test_a_bracket_of_the_longest_clause_is_not_taken_apart() -> None:
    """600 bytes are read; espeak-ng 1.52 reads the mnemonics of 800 as English letters."""
    longest = speak("སྟྲཱནྚཀ་" * 150).segments[0].content
    clauses = longest.split(", ")
    assert max(len(clause) for clause in clauses) <= MOST_BYTES + len("[[]]")
    [(phonemes, _)] = espeak([longest])
    assert spoken_syllables(phonemes) == spoken_syllables(longest)


# --- coverage ----------------------------------------------------------------------------------------------------


def test_reads_all_of_flores(sentences: list[str]) -> None:
    spoken = [speak(sentence) for sentence in sentences]
    written = sum(sentence.syllables for sentence in spoken)
    unreadable = sum(sentence.unreadable for sentence in spoken)
    assert len(spoken) == 2009
    assert written > 70_000
    assert unreadable / written <= 0.001, [piece for sentence in spoken for piece in sentence.unread][:20]


def test_no_letter_of_a_foreign_word_is_swallowed(sentences: list[str]) -> None:
    """What is read letter by letter has every consonant, in order, and at least a nucleus for each vowel sign."""
    units = {unit for sentence in sentences for unit in syllables(verbalize(sentence)) if not read_syllable(unit)}
    assert len(units) > 500
    by_letters = 0
    for unit in units:
        stacks = tibetan_letters.stacks(unit)
        if not tibetan_letters._foreign_marks(stacks):
            continue
        by_letters += 1
        said = read_unit(unit)
        letters = [sound for stack in stacks for sound in (*tibetan_letters.consonants(stack.letters), *stack.after)]
        assert _consonants(said) == letters, unit
        assert len(said) >= sum(len(stack.vowels) or stack.long for stack in stacks), unit
    assert by_letters > 400


def _consonants(said: tuple[str, ...]) -> list[str]:
    known = sorted((*tibetan_letters.MNEMONICS,), key=len, reverse=True)
    vowels = {*tibetan_letters._VOWELS.values(), "a", "E", "@"}
    pattern = re.compile("|".join(map(re.escape, known)))
    parts = [part for syllable in said for piece in syllable.split("|") for part in pattern.findall(piece)]
    return [part for part in parts if part not in vowels and not part.isdigit() and part != ":"]


# --- how it sounds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "phonemes"),
    [
        ("བོད", ("py&214",)),
        ("བཀྲ", ("ts.a55",)),
        ("ཤིས", ("S;i51",)),
        ("ཁྱེད", ("c|hE51",)),
        ("པའི", ("pE:55",)),
        ("ལྷ", ("h|la55",)),
        ("སེནཊ", ("sE51n|t",)),
        ("ཕོརཌ", ("pho51r|d",)),
        ("མལེརིཡ", ("ma21", "le21", "ri21", "ja21")),
        ("ཨཡི", ("a55", "ji21")),
        ("ཨཐལནཊིཀ", ("a51th", "la21n", "ti51k")),
        ("མདྷགསཀར", ("ma214d", "ga21s", "ka55r")),
        ("ཨཕརིཀའི", ("a51ph", "ri21", "ka55", "i33")),
        ("ཧྥི", ("fi55",)),
        ("ཕྷེ", ("fe55",)),
        ("བྷ", ("ba21",)),
        ("ཀཱ", ("ka:55",)),
        ("ཧྭ", ("h|wa55",)),
        ("སིངྒཔུར", ("si55N", "ga21", "pu55r")),
        ("སྤྲིང྄བོཀ྄ས྄", ("s|p|ri55N", "bo21k|s")),
        ("མཧལ྄", ("ma21", "ha55l")),
        ("ཨོཾ", ("o55m",)),
        ("ཨཱཿ", ("a:55h",)),
        ("བྱེདཀྱི", ("tS;e21", "ci55")),
        ("ོཞིག", ("o55", "Z;i214g")),
        ("ཚོུད", ("tsho55", "u33d")),
    ],
)
def test_readings(written: str, phonemes: tuple[str, ...]) -> None:
    assert read_unit(written) == phonemes


def test_the_particle_after_an_open_syllable_is_wa() -> None:
    assert speak("ཟླ་བ").segments[0].content == "[[da21 wa21]]"
    assert speak("བ་ཟླ").segments[0].content.startswith("[[pa21 ")
    assert speak("ཟླ།བ").segments[0].content == "[[da21]], [[pa21]]"


def test_clauses_end_at_shad_and_where_a_space_stands_for_it() -> None:
    assert speak("བོད་ལ། ལ་ལ").segments[0].content.count("[[") == 2
    assert speak("བོད་འདུག ལ་ལ").segments[0].content.count("[[") == 2
    assert speak("བོད་ལ་ ལ་ལ").segments[0].content.count("[[") == 1


def test_clauses_have_at_most_a_hundredspoken_syllables() -> None:
    spoken = speak("ལ་" * 250)
    assert [clause.count(" ") + 1 for clause in spoken.segments[0].content.split(", ")] == [100, 100, 50]
    assert spoken.syllables == 250


def test_foreign_words_are_read_in_their_place() -> None:
    spoken = speak("བོད་ལ་BBC News ཟེར།")
    assert [segment.phonemes for segment in spoken.segments] == [True, False, True]
    assert (spoken.segments[1], spoken.syllables - 3) == foreign_segment("BBC News", "Latn")
    assert spoken.segments[0].voice == spoken.segments[2].voice == "cmn"
    assert spoken.unread == ()


def test_numbers_are_read_as_words() -> None:
    assert speak("21").segments == speak("ཉི་ཤུ་རྩ་གཅིག").segments
    assert speak("21").syllables == 4


@pytest.mark.parametrize("text", ["", "།།", "... !?", "༄༅། །", "\n\u0f0b"])
def test_punctuation_alone_is_nothing(text: str) -> None:
    assert speak(text) == Spoken((), 0)


@pytest.mark.parametrize("piece", ["ლექსი", "∑", "₿", "\u0f39"])
def test_what_no_rule_reads_is_counted_and_named(piece: str) -> None:
    spoken = speak(f"བོད {piece} ལ")
    assert spoken.unread == (piece,)
    assert spoken.unreadable >= 1
    assert spoken.syllables == 2 + spoken.unreadable


@settings(max_examples=300)
@given(
    st.text(
        st.one_of(
            st.characters(min_codepoint=0x0F00, max_codepoint=0x0FDA),
            st.sampled_from("ཀགངདནབམརལསའཡཊཌཧ྄ཱིེོུྲྱྒཾཿ་། "),
            st.characters(),
        ),
        max_size=60,
    )
)
def test_any_text_gives_a_spoken(text: str) -> None:
    spoken = speak(text)
    assert isinstance(spoken, Spoken)
    assert 0 <= spoken.unreadable <= spoken.syllables
    assert (spoken.unreadable > 0) == bool(spoken.unread)
    assert speak(text) == spoken
    for segment in _tibetan_segments(spoken):
        for syllable in spoken_syllables(segment.content):
            assert re.fullmatch(r"[A-Za-z;&.^?@:]+\d{2,3}[A-Za-z;.^?]*", syllable), syllable


def _tibetan_segments(spoken: Spoken) -> Iterator[Segment]:
    return (segment for segment in spoken.segments if segment.phonemes and segment.voice == "cmn")


def test_any_letters_that_are_read_are_spoken() -> None:
    """Not only those of FLORES: three thousand runs of letters, the same in every test run."""
    random = Random(0)
    alphabet = "ཀགངདནབམརལསའཡཊཌཧཛཆཤཞ྄ཱིེོུྲྱྒྷཾཿ"
    units = ["".join(random.choices(alphabet, k=random.randint(1, 7))) for _ in range(3000)]
    contents = [f"[[{' '.join(sounds)}]]" for unit in units if (sounds := read_unit(normalize(unit)))]
    assert len(contents) > 2000
    for content, (phonemes, _) in zip(contents, espeak(contents), strict=True):
        assert spoken_syllables(phonemes) == spoken_syllables(content)


def test_nothing_heavy_is_imported_before_it_speaks() -> None:
    code = "import sys, corpusforge.speech.g2p.tibetan; print([m for m in ('bophono', 'numpy') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    read_unit.cache_clear()
    read_syllable.cache_clear()
    speak("ཊོརནེཌོས་སྟྲཀ་བོད")
    assert capsys.readouterr().out == ""

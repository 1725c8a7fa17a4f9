"""Text for MMS-TTS: every letter a token, the blank letter too; what is not in the alphabet is counted."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.speech.engines.mms_tts_text import Alphabet, has_letters, read_alphabet, uroman_missing, write
from tests.speech.mms_tts_tools import ASAT, BURMESE, SENTENCES, TIBETAN, TSHEG

BO = Alphabet({symbol: number for number, symbol in enumerate(dict.fromkeys(TIBETAN))})
MY = Alphabet({symbol: number for number, symbol in enumerate(dict.fromkeys(BURMESE))})
EN = Alphabet({symbol: number for number, symbol in enumerate(" abcdefghijklmnopqrstuvwxyz'-")})


def test_a_tsheg_is_a_token_between_blanks_although_it_has_their_id() -> None:
    written = write("བོད་ཡིག་", "bod_Tibt", BO)
    assert written.text == "བོད་ཡིག་"
    assert written.ids[1::2] == tuple(BO.ids[symbol] for symbol in "བོད་ཡིག་")
    assert BO.ids[TSHEG] == 0
    # A boundary is three of them in a row, a blank is one.
    assert written.ids[6:9] == (0, 0, 0)
    assert written.ids[-3:] == (0, 0, 0)


def test_an_asat_is_a_token_too() -> None:
    written = write("တက်", "mya_Mymr", MY)
    assert MY.ids[ASAT] == 0
    assert written.ids == (0, MY.ids["တ"], 0, MY.ids["က"], 0, 0, 0)


def test_without_the_trap_ids_are_those_of_the_tokenizer_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps(BO.ids, ensure_ascii=False), encoding="utf-8")
    tokenizer = transformers.VitsTokenizer(
        str(vocabulary), pad_token=TSHEG, unk_token="<unk>", add_blank=True, normalize=True, phonemize=False
    )
    for text in ("བོད་ཡིག", "བོད", "ང་ཚོ་ཡིན"):
        assert tokenizer(text)["input_ids"] == list(write(text, "bod_Tibt", BO).ids)
    # It cuts the text at its pad token, and closes each piece by itself: a last tsheg loses a blank.
    assert tokenizer("བོད་")["input_ids"] == list(write("བོད་", "bod_Tibt", BO).ids)[:-1]
    assert TSHEG not in tokenizer.decode(tokenizer("བོད་ཡིག")["input_ids"], skip_special_tokens=True)


def test_numbers_are_read_in_words_before_characters_are_looked_up() -> None:
    assert write("5", "bod_Tibt", BO).text == "ལྔ"
    assert write("༥", "bod_Tibt", BO).text == "ལྔ"
    assert write("၅", "mya_Mymr", MY).text == "ငါး"
    assert write("5", "mya_Mymr", MY).unreadable == 0


def test_punctuation_outside_the_alphabet_is_a_space() -> None:
    assert write("བོད།ཡིག།", "bod_Tibt", BO).text == "བོད ཡིག"
    assert write("Hello,world!", "eng_Latn", EN).text == "hello world"
    assert write("don't", "eng_Latn", EN).text == "don't"


def test_without_a_space_in_the_alphabet_punctuation_is_left_out() -> None:
    bare = Alphabet({symbol: number for symbol, number in BO.ids.items() if symbol != " "})
    assert write("བོད། ཡིག", "bod_Tibt", bare).text == "བོདཡིག"


def test_syllables_with_a_letter_outside_the_alphabet_are_counted() -> None:
    written = write("བོད་ཊ་BBC་ཡིག", "bod_Tibt", BO)
    assert written.text == "བོད་་་ཡིག"
    assert (written.syllables, written.unreadable) == (6, 4)  # ཊ, and three letters spelled out
    assert write("မြန်မာ Google", "mya_Mymr", MY).unreadable == 2
    assert write("café 7", "eng_Latn", EN).unreadable == 2


def test_a_burmese_stack_without_virama_in_the_alphabet_is_counted() -> None:
    bare = Alphabet({symbol: number for symbol, number in MY.ids.items() if symbol != "\u1039"})
    assert write("သတ္တ", "mya_Mymr", MY).unreadable == 0
    assert write("သတ္တ", "mya_Mymr", bare).unreadable == 1


@pytest.mark.parametrize("lang", ["bod_Tibt", "mya_Mymr"])
def test_plain_sentences_are_read_whole(lang: str) -> None:
    for text in SENTENCES[lang]:
        written = write(text, lang, BO if lang == "bod_Tibt" else MY)
        assert written.unreadable == 0
        assert written.syllables > 0


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=40), st.sampled_from(["bod_Tibt", "mya_Mymr", "eng_Latn"])
)
def test_only_characters_of_the_alphabet_are_left_and_each_has_a_blank_on_either_side(text: str, lang: str) -> None:
    alphabet = {"bod_Tibt": BO, "mya_Mymr": MY, "eng_Latn": EN}[lang]
    written = write(text, lang, alphabet)
    assert set(written.text) <= set(alphabet.ids)
    assert written.ids[1::2] == tuple(alphabet.ids[symbol] for symbol in written.text)
    assert set(written.ids[::2]) == {0}
    assert written.text == written.text.strip()
    assert "  " not in written.text


@given(st.text(alphabet=TIBETAN, max_size=40))
def test_what_the_alphabet_holds_is_never_unreadable(text: str) -> None:
    assert write(text, "bod_Tibt", BO).unreadable == 0


def test_upper_case_is_kept_where_the_checkpoint_knows_it() -> None:
    both = Alphabet({symbol: number for number, symbol in enumerate(" abAB")}, lower=False)
    assert write("aB", "eng_Latn", both).text == "aB"


def test_romanian_t_with_comma_is_read_with_cedilla() -> None:
    alphabet = Alphabet({symbol: number for number, symbol in enumerate(" aţ")}, language="ron")
    assert write("ața", "ron_Latn", alphabet).text == "aţa"


def test_tshegs_and_spaces_alone_are_nothing_to_say() -> None:
    assert not has_letters("་ ་")
    assert has_letters("ང་")


@pytest.mark.skipif(uroman_missing() is None, reason="uroman is installed")
def test_romanized_checkpoints_need_uroman() -> None:
    with pytest.raises(MissingDependency, match="pip install uroman"):
        write("안녕", "kor_Hang", Alphabet(EN.ids, uroman=True))
    assert write("hello", "eng_Latn", Alphabet(EN.ids, uroman=True)).text == "hello"


def test_uroman_romanizes() -> None:
    pytest.importorskip("uroman", reason="pip install uroman")
    written = write("안녕", "kor_Hang", Alphabet(EN.ids, uroman=True))
    assert written.text.isascii()
    assert (written.syllables, written.unreadable) == (2, 0)


def test_alphabets_of_phonemes_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / "tokenizer_config.json").write_text('{"phonemize": true}')
    with pytest.raises(RecipeError, match="reads phonemes"):
        read_alphabet(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a":')
    with pytest.raises(RecipeError, match=r"vocab\.json: not readable as JSON"):
        read_alphabet(tmp_path)
    (tmp_path / "vocab.json").write_text('["a"]')
    with pytest.raises(RecipeError, match="expected a JSON object"):
        read_alphabet(tmp_path)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    accented = Alphabet({symbol: number for number, symbol in enumerate(" caéf")})
    assert write(unicodedata.normalize("NFD", "café"), "fra_Latn", accented) == write("café", "fra_Latn", accented)

"""Languages and script forms that share a script, told apart as far as the rules go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.text.identify import another_language
from corpusforge.text.languages import LANGUAGES

DZONGKHA = "འགྲོ་བ་མི་རིགས་ག་ར་དབང་ཆ་འདྲ་མཏམ་འབད་སྒྱེཝ་ལས་ག་ར་གིས་གཅིག་གིས་གཅིག་ལུ་སྤུན་ཆའི་དམ་ཚིག་བསྟན་དགོ།"
TRADITIONAL = "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。"
SIMPLIFIED = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。"
CANTONESE = "佢哋話呢間餐廳啲嘢好好食，但係我冇食過。"
SHAN = "ၵူၼ်းၵူႊၵေႃႉလႆႈမီးသုၼ်ႇလွတ်ႈလႅဝ်းၽဵင်ႇပဵင်းၵၼ်"
BURMESE = "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း၊ တူညီလွတ်လပ်သော အခွင့်အရေးများဖြင့် လည်းကောင်း၊ မွေးဖွားလာသူများ ဖြစ်သည်။"
ENGLISH = "All human beings are born free and equal in dignity and rights, and they are endowed with reason."
FRENCH = "Tous les êtres humains naissent libres et égaux en dignité et en droits, et ils sont doués de raison."
GERMAN = "Alle Menschen sind frei und gleich an Würde und Rechten geboren und mit Vernunft begabt."
DANISH = (
    "Alle mennesker er født frie og lige i værdighed og rettigheder, og de er udstyret med fornuft og samvittighed."
)
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах, чтобы быть вместе."
UKRAINIAN = "Всі люди народжуються вільними і рівними у своїй гідності та правах, вони наділені розумом."


@pytest.mark.parametrize(
    ("text", "lang", "seems"),
    [
        (DZONGKHA, "bod_Tibt", "Dzongkha"),
        (TRADITIONAL, "zho_Hans", "traditional hanzi"),
        (SIMPLIFIED, "zho_Hant", "simplified hanzi"),
        (SIMPLIFIED, "yue_Hant", "simplified hanzi"),
        (CANTONESE, "zho_Hant", "Cantonese"),
        (SHAN, "mya_Mymr", "Shan, Mon or Karen"),
        (BURMESE, "shn_Mymr", "Burmese"),
        (ENGLISH, "fra_Latn", "English"),
        (ENGLISH, "swh_Latn", "English"),
        (GERMAN, "eng_Latn", "no English"),
        (FRENCH, "eng_Latn", "no English"),
        (RUSSIAN, "ukr_Cyrl", "another Cyrillic language"),
        (UKRAINIAN, "rus_Cyrl", "another Cyrillic language"),
    ],
)
def test_another_language_is_named(text: str, lang: str, seems: str) -> None:
    assert (another_language(text, lang) or "").startswith(seems)


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (DZONGKHA, "dzo_Tibt"),
        (TRADITIONAL, "zho_Hant"),
        (SIMPLIFIED, "zho_Hans"),
        (CANTONESE, "yue_Hant"),
        (SHAN, "shn_Mymr"),
        (BURMESE, "mya_Mymr"),
        (ENGLISH, "eng_Latn"),
        (FRENCH, "fra_Latn"),
        (GERMAN, "deu_Latn"),
        (DANISH, "dan_Latn"),
        (RUSSIAN, "rus_Cyrl"),
        (UKRAINIAN, "ukr_Cyrl"),
    ],
)
def test_the_language_itself_passes(text: str, lang: str) -> None:
    assert another_language(text, lang) is None


def test_every_line_of_flores_is_in_its_own_language(shared_data: Path) -> None:
    for lang in ("zho_Hans", "bod_Tibt", "mya_Mymr", "eng_Latn"):
        for split in ("dev", "devtest"):
            lines = (shared_data / "flores200" / split / f"{lang}.{split}").read_text("utf8").splitlines()
            assert [line for line in lines if another_language(line, lang)] == []


def test_english_and_simplified_hanzi_are_found_where_they_should_not_be(shared_data: Path) -> None:
    english = (shared_data / "flores200/dev/eng_Latn.dev").read_text("utf8").splitlines()
    hanzi = (shared_data / "flores200/dev/zho_Hans.dev").read_text("utf8").splitlines()
    assert sum(another_language(line, "fra_Latn") is not None for line in english) > 0.85 * len(english)
    assert sum(another_language(line, "zho_Hant") is not None for line in hanzi) > 0.97 * len(hanzi)


@given(st.text(), st.sampled_from(sorted(LANGUAGES)))
def test_every_text_gets_an_answer(text: str, lang: str) -> None:
    assert another_language(text, lang) is None or another_language(text, lang)

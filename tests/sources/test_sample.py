"""The sample corpus: FLORES-200's layout, the counts its README states, and what a program can check of its text."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

import corpusforge
from corpusforge.sample import sample_folder
from corpusforge.text.scripts import share

SCRIPTS = {"zho_Hans": "Hani", "bod_Tibt": "Tibt", "mya_Mymr": "Mymr", "eng_Latn": "Latn"}
SPLITS = {"dev": 24, "devtest": 21}
DOMAINS = ("wikinews", "wikibooks", "wikivoyage")
HEADER = ["URL", "domain", "topic", "has_image", "has_hyperlink"]
PROJECT = Path(corpusforge.__file__).resolve().parents[1]

MONTHS = {
    "eng_Latn": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "mya_Mymr": ["ဇန်နဝါရီ", "ဖေဖော်ဝါရီ", "မတ်လ", "ဧပြီ", "မေလ", "ဇွန်လ", "ဇူလိုင်", "ဩဂုတ်", "စက်တင်ဘာ", "အောက်တိုဘာ", "နိုဝင်ဘာ", "ဒီဇင်ဘာ"],
}
NATIVE_DIGITS = {start + n: str(n) for start in (0x0F20, 0x1040) for n in range(10)}

# One written Burmese syllable or digit, in the order that Unicode Technical Note 11 gives the marks: initial with
# kinzi and stacked consonants, medials y r w h, then vowels, tone dot, asat, visarga; consonants with asat close it.
_INITIAL = "(?:\u1004\u103a\u1039)?[က-အဣ-ဧဩဪဿ၌-၏](?:\u1039[က-အ])*"
_MEDIALS = "\u103b?\u103c?\u103d?\u103e?"
_MARKS = "\u1031?[\u102d\u102e]?[\u102f\u1030]?\u1032?[\u102b\u102c]?\u1036?\u1037?\u103a?\u1038?"
_FINAL = "(?:[က-အ]\u1037?\u103a\u1038?)*"
BURMESE_WORD = re.compile(f"(?:{_INITIAL}{_MEDIALS}{_MARKS}{_FINAL}|[၀-၉])+")


def lines(lang: str, split: str) -> list[str]:
    return (sample_folder() / split / f"{lang}.{split}").read_text(encoding="utf-8").splitlines()


def sentences(lang: str) -> list[str]:
    return [line for split in SPLITS for line in lines(lang, split)]


def metadata(split: str) -> list[list[str]]:
    with (sample_folder() / f"metadata_{split}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def rows() -> list[list[str]]:
    return [row for split in SPLITS for row in metadata(split)[1:]]


def numbers(text: str, lang: str) -> Counter[str]:
    """Every number written in digits, and a month's name as its number: `12 May 2023, 8:15` → 12 5 2023 8:15."""
    for number, name in enumerate(MONTHS.get(lang, ()), start=1):
        text = text.replace(name, f" {number} ")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.translate(NATIVE_DIGITS))
    return Counter(re.findall(r"\d+(?:[:.]\d+)*", text))


def layout(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and (path.suffix == ".tsv" or path.parent.name in SPLITS)
    }


def test_layout_is_that_of_the_real_download(shared_data: Path) -> None:
    assert layout(sample_folder()) == layout(shared_data / "flores200")
    for split in SPLITS:
        with (shared_data / "flores200" / f"metadata_{split}.tsv").open(encoding="utf-8") as file:
            assert file.readline().rstrip("\n").split("\t") == HEADER


@pytest.mark.parametrize("split", SPLITS)
def test_every_file_has_one_line_a_group(split: str) -> None:
    assert {lang: len(lines(lang, split)) for lang in SCRIPTS} == dict.fromkeys(SCRIPTS, SPLITS[split])
    header, *body = metadata(split)
    assert header == HEADER
    assert len(body) == SPLITS[split]
    assert all(len(row) == len(HEADER) and all(row) for row in body)
    assert {tuple(row[3:]) for row in body} == {("no", "no")}


def test_each_domain_has_15_groups_and_is_in_both_splits() -> None:
    assert Counter(row[1] for row in rows()) == dict.fromkeys(DOMAINS, 15)
    for split in SPLITS:
        assert [domain for domain, _ in groupby(row[1] for row in metadata(split)[1:])] == list(DOMAINS)


def test_15_documents_of_three_adjacent_sentences_none_in_both_splits() -> None:
    runs = [(key, len(list(run))) for split in SPLITS for key, run in groupby(metadata(split)[1:], key=lambda r: r[:3])]
    ids = [url for (url, _, _), _ in runs]
    assert len(ids) == len(set(ids)) == 15
    assert {count for _, count in runs} == {3}
    for (url, domain, _), _ in runs:
        assert re.fullmatch(rf"corpusforge:sample/{domain}/[a-z]+(-[a-z]+)*", url)


@pytest.mark.parametrize("name", sorted(layout(sample_folder())))
def test_bytes_are_utf8_with_lf_and_no_mark(name: str) -> None:
    data = (sample_folder() / name).read_bytes()
    data.decode("utf-8")
    assert not data.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in data
    assert data.endswith(b"\n") and not data.endswith(b"\n\n")


@pytest.mark.parametrize("lang", SCRIPTS)
def test_lines_are_distinct_trimmed_and_normal(lang: str) -> None:
    found = sentences(lang)
    assert all(found)
    assert len(set(found)) == len(found) == 45
    for line in found:
        assert line == line.strip() and "  " not in line
        assert line == unicodedata.normalize("NFC", line)
        # one visible sentence: no control, no zero-width or private character, none that Unicode has not assigned
        assert not {unicodedata.category(character) for character in line} & {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(("lang", "script"), SCRIPTS.items())
def test_text_is_mostly_in_its_own_script(lang: str, script: str) -> None:
    shares = [share(line, script) for line in sentences(lang)]
    assert min(shares) > 0.6  # the least: a short sentence that gives a place name in Latin letters too
    assert sum(shares) / len(shares) > 0.95


@pytest.mark.parametrize("lang", ["zho_Hans", "bod_Tibt", "mya_Mymr"])
def test_some_lines_carry_a_latin_name_or_abbreviation(lang: str) -> None:
    assert sum(bool(re.search("[A-Za-z]{2,}", line)) for line in sentences(lang)) >= 5


@pytest.mark.parametrize(("lang", "native"), [("bod_Tibt", "[༠-༩]"), ("mya_Mymr", "[၀-၉]")])
def test_both_native_and_ascii_digits_occur(lang: str, native: str) -> None:
    assert sum(bool(re.search(native, line)) for line in sentences(lang)) >= 5
    assert sum(bool(re.search("[0-9]", line)) for line in sentences(lang)) >= 5


def test_the_number_check_sees_a_difference() -> None:
    assert numbers("On 3 May 2022 at 8:15, 1,264", "eng_Latn") == Counter(["3", "5", "2022", "8:15", "1264"])
    assert numbers("မေလ ၃", "mya_Mymr") == numbers("ཟླ་ ༥ ཚེས་ ༣", "bod_Tibt") != numbers("5月30日", "zho_Hans")


def test_numbers_are_the_same_in_all_languages() -> None:
    different = [
        group
        for group in zip(*(sentences(lang) for lang in SCRIPTS), strict=True)
        if len({frozenset(numbers(text, lang).items()) for lang, text in zip(SCRIPTS, group, strict=True)}) > 1
    ]
    assert different == []


def test_english_sentences_have_a_natural_length() -> None:
    assert {line: count for line in sentences("eng_Latn") if not 10 <= (count := len(line.split())) <= 28} == {}


def test_chinese_punctuation_is_full_width() -> None:
    for line in sentences("zho_Hans"):
        assert line.endswith("。")
        assert not re.search(r"[,;!?()]|[.](?!\d)|:(?!\d)", line)


def test_tibetan_syllables_are_spelled_as_tibetan_allows() -> None:
    bophono = pytest.importorskip("bophono", reason="bophono is in the extra corpusforge[espeak]")
    reader = bophono.UnicodeToApi(schema="MST", options={"aspirateLowTones": False})

    def unreadable(syllables: set[str]) -> list[str]:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the syllables that it cannot read
            return sorted(syllable for syllable in syllables if not reader.get_api(syllable + "་"))

    assert unreadable({"བཀྲ", "གཟགསཀ", "ཐལམ"}) == ["གཟགསཀ", "ཐལམ"]
    syllables = {syllable for line in sentences("bod_Tibt") for syllable in re.findall("[\u0f40-\u0fbc]+", line)}
    assert len(syllables) > 300
    assert unreadable(syllables) == []


def test_tibetan_tsheg_and_shad_are_in_place() -> None:
    for line in sentences("bod_Tibt"):
        assert line.endswith("།")
        assert not re.search("་་|།།", line)
        assert "ང།" not in line  # after nga a tsheg stands before the shad
        assert not re.search("(?<!ང)་།", line)  # and after no other letter
        assert not re.search("།(?! |$)", line)
        assert not re.search("[\u0f40-\u0fbc] ", line)  # a syllable before a space ends in a tsheg or a shad


def test_burmese_marks_are_in_canonical_order() -> None:
    assert BURMESE_WORD.fullmatch("မြန်မာ") and BURMESE_WORD.fullmatch("တနင်္လာ") and BURMESE_WORD.fullmatch("သင်္ဘော")
    assert not BURMESE_WORD.fullmatch("ေမ") and not BURMESE_WORD.fullmatch("မ\u103d\u103b")  # Zawgyi order, medials
    for line in sentences("mya_Mymr"):
        assert line.endswith("။")
        for word in re.findall("[က-၉၌-၏]+", line):
            assert BURMESE_WORD.fullmatch(word), (word, line)
        assert not re.search("[၀-၉]ဝ|ဝ[၀-၉]", line)  # the letter wa typed for the digit zero


@pytest.mark.parametrize("lang", SCRIPTS)
def test_no_sentence_is_from_flores200(lang: str, shared_data: Path) -> None:
    real = "\n".join(
        (shared_data / "flores200" / split / f"{lang}.{split}").read_text(encoding="utf-8") for split in SPLITS
    )
    assert [line for line in sentences(lang) if line in real or line.rstrip("。།။.") in real] == []


def test_readme_states_origin_review_licence_and_counts() -> None:
    text = " ".join((sample_folder() / "README.md").read_text(encoding="utf-8").split())
    assert "**No native speaker has reviewed it.**" in text
    assert "A language model wrote it for this project" in text
    assert "Do not judge a language" in text
    assert "CC0-1.0" in text
    for split, groups in SPLITS.items():
        table = Counter(row[1] for row in metadata(split)[1:])
        cells = " | ".join(f"{table[domain]} groups, {table[domain] // 3} documents" for domain in DOMAINS)
        assert f"| `{split}` | {groups} | {groups // 3} | {cells} |" in text


def test_an_installed_package_ships_the_files(tmp_path: Path) -> None:
    """Setuptools itself, on the project's own setup.cfg, decides what a wheel holds."""
    pytest.importorskip("setuptools")
    if not (PROJECT / "setup.cfg").is_file():
        pytest.skip("corpusforge is installed without its source tree: there is no setup.cfg to build from")
    copy = tmp_path / "project"
    shutil.copytree(PROJECT / "corpusforge", copy / "corpusforge", ignore=shutil.ignore_patterns("__pycache__"))
    # Only the metadata file: the long description and licence are not what is tested, and may not be written yet.
    config = (PROJECT / "setup.cfg").read_text(encoding="utf-8")
    config = re.sub(r"(?m)^(long_description|long_description_content_type|license_files) = .*\n", "", config)
    (copy / "setup.cfg").write_text(config, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build_py", "--build-lib", "out"],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    built = copy / "out" / "corpusforge" / "sample"
    assert layout(built) == layout(sample_folder())
    assert (built / "README.md").is_file()
    for name in layout(built):
        assert (built / name).read_bytes() == (sample_folder() / name).read_bytes()


def test_an_archive_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    archive = tmp_path / "corpusforge.zip"
    package = PROJECT / "corpusforge"
    with zipfile.ZipFile(archive, "w") as bundle:
        for name in ("__init__.py", "errors.py", "sample/__init__.py"):
            bundle.write(package / name, f"corpusforge/{name}")
    ran = subprocess.run(
        [sys.executable, "-c", "from corpusforge.sample import sample_folder; sample_folder()"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode != 0
    assert "SourceError" in ran.stderr and "corpusforge.zip" in ran.stderr and "install corpusforge" in ran.stderr

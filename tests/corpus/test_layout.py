"""File names: nothing that an id may hold escapes its folder, collides or breaks a file system."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.corpus.layout import audio_name, is_audio_name, safe_name

SHA = "0123456789abcdef" * 4
nasty = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="./\\~%:*?\0 \n\rcCoOnN1", max_size=12),
    st.text(alphabet="གནམ", min_size=20, max_size=60),
    st.integers(100, 300).map(lambda length: "a" * length),
    st.sampled_from(
        ["..", ".", "", "../../etc/passwd", "CON", "con.1", "NUL.zho", "com1", "lpt9.x", "~root", "-rf", "a\0b"]
    ),
)


@given(nasty)
def test_a_name_is_safe_everywhere(item_id):
    name = safe_name(item_id)
    assert re.fullmatch(r"[A-Za-z0-9_%~.-]{1,120}", name)
    assert name[0] != "."
    assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)", name)
    assert is_audio_name(audio_name(item_id, SHA, "flac"))


@given(nasty, nasty)
def test_two_ids_never_share_a_name(first, second):
    assert (safe_name(first) == safe_name(second)) == (first == second)


@pytest.mark.parametrize("plain", ["dev-0001.zho_Hans", "zho_Hans", "a", "console", "com10", "a" * 120])
def test_a_plain_id_is_its_own_name(plain):
    assert safe_name(plain) == plain


def test_long_ids_that_end_differently_have_different_names():
    assert safe_name("a" * 300) != safe_name("a" * 299 + "b")
    assert safe_name("ག" * 100) != safe_name("ག" * 101)
    assert len(safe_name("ག" * 100)) <= 120


@given(st.lists(nasty, unique=True, min_size=1, max_size=8))
def test_files_can_be_made_under_these_names(ids):
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "audio" / "zho_Hans"
        inside.mkdir(parents=True)
        for item_id in ids:
            (inside / audio_name(item_id, SHA, "wav")).write_text(
                item_id, encoding="utf-8", errors="surrogatepass", newline=""
            )
        assert len(list(inside.iterdir())) == len(ids)
        assert [entry.name for entry in Path(folder).iterdir()] == ["audio"]


@pytest.mark.parametrize("other", ["notes.txt", ".DS_Store", "a.flac", "a.0123456.flac", "a.01234567.mp3"])
def test_files_of_other_people_are_told_apart(other):
    assert not is_audio_name(other)

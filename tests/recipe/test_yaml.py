"""The part of YAML that recipes are written in, and where everything stands."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from corpusforge import recipe_yaml
from corpusforge.errors import RecipeError
from corpusforge.recipe_yaml import LARGEST, Node, Place, parse
from tests.recipe.parts import complaint, write


def parsed(text: str) -> Node:
    node = parse(text, lambda line, column: Place("x", line, column))
    assert node is not None
    return node


def refused(text: str) -> str:
    with pytest.raises(RecipeError) as error:
        parsed(text)
    return str(error.value)


def test_every_part_knows_its_place() -> None:
    root = parsed("a: 1\nb:\n  - x\n  - c: {d: 2}\n")
    assert root.plain() == {"a": 1, "b": ["x", {"c": {"d": 2}}]}
    places = [root.nearest_to(steps).place for steps in [("a",), ("b",), ("b", 0), ("b", 1, "c"), ("b", 1, "c", "d")]]
    assert [str(place) for place in places] == ["x:1:1", "x:2:1", "x:3:5", "x:4:5", "x:4:9"]
    assert root.nearest_to(("b", 7, "c")).place == ("x", 2, 1)  # the nearest part that is there


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("0", 0), ("-7", -7), ("+3", 3),
        ("1.5", 1.5), (".5", 0.5), ("-0.5", -0.5), ("1.", 1.0), ("1.0e+3", 1000.0), ("flac", "flac"),
        ("'5'", "5"), ('"no"', "no"), ("'010'", "010"), ("y", "y"), ("zho_Hans", "zho_Hans"), ("5 %", "5 %"),
        ("|\n  two\n  lines\n", "two\nlines\n"), (r'"\x41 ལ"', "A ལ"),
    ],
)  # fmt: skip
def test_words_are_read_as_every_version_of_yaml_reads_them(text: str, value: object) -> None:
    read = parsed(f"a: {text}").plain()["a"]
    assert read == value and type(read) is type(value)
    assert yaml.safe_load(f"a: {text}")["a"] == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yes", "'yes' is true to some readers of YAML, text to others: write true, or quotes around it"),
        ("Off", "'Off' is false to some readers"),
        ("010", "'010' is octal to some readers"),
        ("0x1F", "a number in another base"),
        ("0o17", "a number in another base"),
        ("1_000", "'1_000' is a number to some readers"),
        ("1:30", "'1:30' is a number to some readers of YAML, text to others: put it in quotes"),
        ("1e3", "'1e3' is text to some readers of YAML: write 1000"),
        ("2009-07-05", "'2009-07-05' is a date to some readers"),
        (".inf", "'.inf' is not a finite number"),
        ("-.INF", "not a finite number"),
        (".nan", "not a finite number"),
        ("1.0e+999", "not a finite number"),
        ("9" * 5000, "a number of 5000 digits"),
        ("=", "put it in quotes"),
        ("!!int abc", "tags (!) are not used in recipes"),
        ("!!python/object/apply:os.system [ls]", "tags (!) are not used"),
        ("! x", "tags (!) are not used"),
        ("&a x", "anchors (&) and aliases (*) are not used"),
        ("*a", "anchors (&) and aliases (*) are not used"),
        ("&a [x]", "anchors (&) and aliases (*) are not used"),
    ],
)
def test_words_on_which_readers_differ_are_refused(text: str, words: str) -> None:
    assert words in refused(f"b: 1\na: {text}")
    assert refused(f"b: 1\na: {text}").startswith("x:2:4: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no: 1", "x:1:1: a setting's name must be text, which 'no' is not to every reader of YAML: put it in quotes"),
        ("5: 1", "x:1:1: a setting's name must be text, which '5' is not"),
        ("~: 1", "x:1:1: a setting's name must be text, which '~' is not"),
        ("?\n: 1", "a setting without a name"),
        ("[a]: 1", "x:1:1: a setting's name must be text, found a list or mapping"),
        ("? {a: 1}\n: 1", "x:1:3: a setting's name must be text, found a list or mapping"),
        ("<<: {a: 1}", "x:1:1: merging (<<) is not used in recipes"),
        ("a: 1\nb: {c: 1, c: 2}", "x:2:11: 'c' is here a second time, the first is in line 2: delete one"),
        ("a: 1\n---\nb: 1", "x:2:1: a second document begins here"),
        (
            "a: 1\n\tb: 2",
            "x:2:1: not YAML: found a tab character that violates indentation (there is a tab in this line",
        ),
        ("a: {b: 1\nc: 2", "not YAML: did not find expected ',' or '}' (the { of line 1 is not closed)"),
        ('a: "b\nc: d', "not YAML: found unexpected end of stream (the quote that opens in line 1 is not closed)"),
        (
            "a: b: c",
            "x:1:5: not YAML: mapping values are not allowed in this context (names of one mapping begin in one",
        ),
        ("a: @b", "x:1:4: not YAML: found character that cannot start any token"),
        ("a: \0", "x:1:4: the character U+0000 cannot stand in a recipe: delete it"),
        ("a: 1\n# \u2028\nb: 1", "x:2:3: the character U+2028 cannot stand in a recipe"),
        ("a: \ufeffb", "x:1:4: the character U+FEFF cannot stand in a recipe"),
        ("a: " + "[" * 100 + "]" * 100, "nested more than 20 deep"),
    ],
)
def test_what_is_no_recipe_has_its_line(text: str, words: str) -> None:
    assert words in refused(text)


def test_several_wrong_words_are_told_at_once() -> None:
    assert [line.split(": ")[0] for line in refused("no: 1\na: yes\nb: 1\nb: 2\n").splitlines()] == [
        "x:1:1",
        "x:2:4",
        "x:4:1",
    ]
    assert refused("\n".join(f"{n}: 1" for n in range(30))).endswith("… and 20 more")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "[]", "just text", "- a\n- b", "3"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    assert complaint(write(tmp_path, text)).startswith("r.yaml:1: expected sections such as `name: my-corpus`, found ")


def test_bytes_that_are_no_recipe(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, b"name: test\nx: \xff\n"))
    assert message == "r.yaml:2:4: byte 0xff is not UTF-8: save the file as UTF-8"
    assert complaint(write(tmp_path, "name: x\n".encode("utf-16"))).startswith("r.yaml:1:1: byte 0xff is not UTF-8")
    assert "larger than 1,048,576 bytes" in complaint(write(tmp_path, b"#" * (LARGEST + 1)))
    assert "found nothing: the file is empty" in complaint(write(tmp_path, b"#" * LARGEST))


def test_a_file_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.touch()
    os.truncate(path, 1 << 40)  # sparse: takes no room, and would take a tebibyte of memory
    assert "larger than 1,048,576 bytes" in complaint(str(path))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.symlink_to(path)
    assert "does not exist" in complaint(str(path))


def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path) -> None:
    for text in (b"\xef\xbb\xbfname: X\n", b"# one\r\n# two\r\nname: X\r\n"):
        assert f"r.yaml:{1 + text.count(b'# ')}:1: 'X' cannot name a corpus" in complaint(write(tmp_path, text))


BOMBS = {
    "laughs": "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(50)),
    **{
        piece: piece * ((LARGEST - 1) // len(piece))
        for piece in ("[", "{", "- ", "? ", "a: ", "'", "[a,", "&a ", "!a ")
    },
    **{piece: piece * ((LARGEST - 1) // len(piece)) for piece in ("{a: b, ", "#", "\n", "\n ", '"', "|\n", "%", "a\n")},
    "long list": "k: [" + "x," * (LARGEST // 2 - 5) + "]",
    "long word": "a" * (LARGEST - 1),
    "escapes": '"' + r"\x41" * (LARGEST // 4 - 1) + '"',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=[repr(name) for name in BOMBS])
def test_a_bomb_is_refused_in_few_words(tmp_path: Path, bomb: str) -> None:
    assert len(complaint(write(tmp_path, bomb))) < 3000


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other)
    return type(one) is type(other) and bool(one == other)


@given(st.dictionaries(st.text(), plain, min_size=1), st.sampled_from([yaml.safe_dump, json.dumps]))
def test_what_is_written_is_what_is_read_or_refused(data: dict[str, Any], dump: Callable[[object], str]) -> None:
    text = dump(data)
    try:
        assert same(parsed(text).plain(), data)
    except RecipeError as error:  # each of these is refused wherever it stands
        reasons = ("reader", "anchors", "not YAML", "another base", "digits", "cannot stand", "without a name")
        assert any(reason in str(error) for reason in reasons)


@given(st.dictionaries(st.text("abc xyz:-#'\"[]{},&*!|>%@`\n", min_size=1), st.text("abc :-#'\"[]{},&*!|>%@`\n")))
def test_quoted_text_is_never_refused(data: dict[str, str]) -> None:
    text = yaml.safe_dump(data, default_style='"')
    assert parsed(text).plain() == data


@given(st.text())
@example("0\t")
@example("a: |#")
def test_without_libyaml_the_same_is_read_or_it_is_refused(text: str) -> None:
    """PyYAML's own loader refuses some tabs and comments that libyaml takes; neither reads another value."""

    def outcome() -> object:
        try:
            node = parse(text, lambda line, column: Place("x", line, column))
            return None if node is None else node.plain()
        except RecipeError:
            return RecipeError

    fast = outcome()
    loader, recipe_yaml._LOADER = recipe_yaml._LOADER, yaml.SafeLoader
    try:
        assert outcome() in (fast, RecipeError)
    finally:
        recipe_yaml._LOADER = loader

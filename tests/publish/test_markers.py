"""Cards: ours between markers, everything else as people wrote it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.publish.markers import CardError, is_ours, memory, merged, table

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=80)
PEOPLE = WORDS.filter(lambda text: "corpusforge:" not in text and not text.lstrip("\ufeff").startswith("---"))


def generated(existing: str | None, words: str = "ours", **proposed: Any) -> str:
    blocks = {"summary": words, "limits": f"limits of {words}"}
    return merged(existing, title="Title", facts={"configs": [words]}, proposed=proposed, blocks=blocks)


def front(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def body(card: str) -> str:
    return card[card.index("\n---\n") + 5 :]


def without_ours(card: str) -> str:
    block = r"<!-- corpusforge:begin ([a-z-]+) -->.*?<!-- corpusforge:end \1 -->"
    return re.sub(block, "", body(card), flags=re.DOTALL)


@given(PEOPLE, PEOPLE, PEOPLE, PEOPLE)
def test_what_stands_outside_of_the_markers_stays(before: str, between: str, after: str, words: str) -> None:
    card = generated(None)
    card = card.replace("# Title\n", f"{before}\n")
    card = card.replace("<!-- corpusforge:begin limits", f"{between}\n<!-- corpusforge:begin limits")
    card = card.replace("<!-- corpusforge:generated", f"{after}\n<!-- corpusforge:generated")
    new = generated(card, words)
    for part in (before, between, after):
        assert part.strip() in without_ours(new)
    assert f"limits of {words}".strip() in body(new)
    assert generated(new, words) == new


@given(st.text(max_size=60), st.lists(st.text(max_size=8), max_size=4, unique=True))
def test_any_value_is_remembered(name: str, tags: list[str]) -> None:
    card = generated(None, pretty_name=name, tags=tags)
    assert memory(card)["yaml"] == {"pretty_name": name, "tags": tags}
    assert generated(card, pretty_name=name, tags=tags) == card


def test_a_value_that_a_person_changed_stays_and_one_that_nobody_did_follows() -> None:
    card = generated(None, license="mit", pretty_name="old").replace("license: mit", "license: cc-by-4.0", 1)
    found = front(generated(card, license="gpl-3.0", pretty_name="new"))
    assert (found["license"], found["pretty_name"]) == ("cc-by-4.0", "new")


def test_a_value_that_a_person_took_out_stays_out_of_a_list_and_what_they_added_stays_in() -> None:
    card = generated(None, tags=["a", "b"]).replace("- a\n", "- mine\n", 1)
    assert front(generated(card, tags=["a", "b", "c"]))["tags"] == ["b", "c", "mine"]


def test_facts_are_ours() -> None:
    card = generated(None, "one").replace("- one", "- wrong", 1)
    assert front(generated(card, "two"))["configs"] == ["two"]


@pytest.mark.parametrize(
    "wrong",
    [
        "<!-- corpusforge:begin summary -->",
        "<!-- corpusforge:end summary -->",
        "<!-- corpusforge:end summary -->\n<!-- corpusforge:begin summary -->",
        "<!-- corpusforge:begin summary -->\n<!-- corpusforge:begin limits -->\n<!-- corpusforge:end summary -->\n"
        "<!-- corpusforge:end limits -->",
    ],
)
def test_markers_that_do_not_pair_are_an_error(wrong: str) -> None:
    with pytest.raises(CardError, match="half of the marker"):
        generated(wrong)


@pytest.mark.parametrize("wrong", ["---\na: [\n---\n", "---\n- a\n---\n"])
def test_yaml_that_cannot_be_read_is_an_error(wrong: str) -> None:
    with pytest.raises(CardError, match=r"README\.md"):
        generated(wrong)


def test_ours_is_recognised() -> None:
    assert is_ours(generated(None)) and not is_ours("# A card\n")


def test_a_table_escapes_what_would_break_it() -> None:
    lines = table(["a", "b"], [["x|y\nz", 1234], ["<b>", None]]).splitlines()
    assert lines[2:] == ["| x\\|y z | 1,234 |", "| &lt;b> | – |"]

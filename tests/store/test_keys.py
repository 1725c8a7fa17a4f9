"""Keys: equal for equal inputs, different for everything that may change a result, and stable for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.items import Json, Utterance
from corpusforge.store.keys import StageKeys, canonical, changes, digest
from tests.pipeline.toys import Speak, SpeakConfig, utterance

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def key(item: Utterance, config: SpeakConfig | None = None) -> bytes:
    return StageKeys(Speak(config or SpeakConfig())).key(item)


def test_a_key_is_what_it_was_when_this_was_written() -> None:
    """A changed key remakes every corpus of every user: whoever changes this must raise KEY_SCHEMA and mean it."""
    item = utterance(1, text="ང་བོད་པ་ཡིན།")
    assert key(item).hex() == "5d4b24bd67ca45f02559588bec70e274513d4e5bb0d4f34b78a53b27ae992948"


@given(json_values)
def test_canonical_json_says_the_same(value: Json) -> None:
    assert json.loads(canonical(value)) == value
    assert canonical(value).isascii()


@given(st.dictionaries(st.text(), json_values, min_size=2))
def test_canonical_json_does_not_depend_on_order(value: dict[str, Json]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_canonical_json_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@given(st.text(), st.text())
def test_the_key_is_a_function_of_the_text(one: str, other: str) -> None:
    assert (key(utterance(1, text=one)) == key(utterance(1, text=other))) == (one == other)


@pytest.mark.parametrize("name", ["id", "group", "document", "label", "source", "license"])
def test_what_a_stage_does_not_read_is_not_in_its_key(name: str) -> None:
    item = utterance(1)
    assert key(replace(item, **{name: "other"})) == key(item)


def test_language_settings_and_version_are_in_the_key() -> None:
    class Next(Speak):
        version: ClassVar[int] = 2

    item = utterance(1)
    keys = {
        key(item),
        key(replace(item, lang="zho_Hans")),
        key(item, SpeakConfig(rate=1)),
        StageKeys(Next(SpeakConfig())).key(item),
    }
    assert len(keys) == 4
    assert key(item, SpeakConfig(processes=9, pause=1.0)) == key(item)


@given(st.lists(st.text()), st.lists(st.text()))
def test_digests_of_different_lists_differ(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@given(
    st.dictionaries(st.text(max_size=3), json_values, max_size=4),
    st.dictionaries(st.text(max_size=3), json_values, max_size=4),
)
def test_changes_are_empty_only_for_equal_settings(old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    if changes(old, new) == []:
        # None stands for "has no such name": the only difference that is not one.
        assert {k: v for k, v in old.items() if v is not None} == {
            k: v for k, v in new.items() if v is not None
        } or any(isinstance(v, dict) for v in old.values())
    assert changes(old, old) == []


def test_changes_name_the_setting_by_its_path() -> None:
    old = {"audio": {"rate": 16000, "format": "flac"}, "voice": "cmn"}
    new = {"audio": {"rate": 22050, "format": "flac"}}
    assert changes(old, new) == [("audio.rate", 16000, 22050), ("voice", "cmn", None)]


def test_long_values_are_kept_as_digests() -> None:
    inputs = json.loads(StageKeys(Speak(SpeakConfig())).inputs(utterance(1, text="x" * 41)))
    assert inputs["lang"] == "bod_Tibt"
    assert inputs["text"].startswith("sha256:")

"""Recipes are strict, and say where and what was meant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import RecipeError
from corpusforge.recipe import Recipe, load
from corpusforge.recipe_files import STARTING_POINT, available, locate, shipped_folder
from corpusforge.recipe_schema import json_schema
from corpusforge.recipe_yaml import parse

GOOD = """\
name: test
source: {type: flores200, sample: true}
stages:
  - stage: synthesize
    rate: 5
    audio:
      format: flac
  - stage: measure
gates:
  silence: {max: 0.5}
splits: {seed: 7}
profiles:
  fast:
    synthesize: {rate: 30, audio: {sample_rate: 8000}}
    source: {languages: [eng_Latn]}
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> str:
        path = tmp_path / "r.yaml"
        path.write_text(text, "utf8")
        return str(path)

    return write


def complaint(ref: str, **options: Any) -> str:
    with pytest.raises(RecipeError) as error:
        load(ref, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("gates:", "gtes:", "r.yaml:9:1: unknown section 'gtes': did you mean 'gates'"),
        ("    rate: 5", "    rtae: 5", "r.yaml:5:5: unknown setting 'rtae': did you mean 'rate'?"),
        ("format: flac", "formt: flac", "r.yaml:7:7: unknown setting 'audio.formt': did you mean 'format'?"),
        ("format: flac", "format: mp3", "r.yaml:7:7: audio.format: expected 'flac' or 'wav', found \"mp3\""),
        ("    rate: 5", "    rate: fast", "r.yaml:5:5: rate: expected a valid number"),
        ("    rate: 5", "    engine: espeek", "r.yaml:5:5: unknown engine 'espeek': did you mean 'espeak'?"),
        ("stage: measure", "stage: mesure", "r.yaml:8:5: unknown stage 'mesure': did you mean 'measure'?"),
        ("stage: measure", "stage: synthesize", "r.yaml:8:5: stage 'synthesize' is here a second time"),
        ("type: flores200", "type: flores20", "r.yaml:2:10: unknown source 'flores20': did you mean 'flores200'?"),
        ("type: flores200, ", "", "r.yaml:2:1: no 'type'"),
        ("name: test", "name: ../test", 'r.yaml:1:1: "../test" cannot name a corpus'),
        ("name: test", "name: a/b", "cannot name a corpus"),
        ("name: test\n", "", "no 'name'"),
        ("seed: 7", "sed: 7", "r.yaml:11:10: unknown setting 'sed': did you mean 'seed'?"),
        (
            "silence: {max: 0.5}",
            "silence: {mx: 0.5}",
            "r.yaml:10:13: unknown setting 'silence.mx': did you mean 'max'?",
        ),
        ("name: test", "name: test\nname: again", "r.yaml:2:1: 'name' is here a second time, the first is at"),
        ("name: test", "no: test", "r.yaml:1:1: the name of a setting must be text"),
        ("name: test", "name: 2009-07-05", "is read as a date"),
        ("name: test", "name: [", "not YAML"),
        ("name: test", "\tname: test", "there is a tab"),
        ("sample: true", "languages: [../etc]", "'../etc' is not a FLORES code"),
        (
            "    source: {languages",
            "    sorce: {languages",
            "r.yaml:15:5: no stage or section 'sorce': did you mean 'source'?",
        ),
        ("name: test", "name: &a test", "anchors (&) and aliases (*) are not allowed"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(write: Write, old: str, new: str, words: str) -> None:
    assert old in GOOD
    assert words in complaint(write(GOOD.replace(old, new, 1)))


def test_several_problems_are_told_at_once(write: Write) -> None:
    message = complaint(write(GOOD.replace("rate: 5", "rtae: 5").replace("seed", "sed").replace("gates", "gtes")))
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize("text", ["", "[]", "just text", "- a\n- b"])
def test_a_file_that_is_no_mapping(write: Write, text: str) -> None:
    assert "expected settings such as `name: my-corpus`" in complaint(write(text))


def test_bytes_that_are_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"name: test\nx: \xff\n")
    assert "r.yaml:2: byte 0xff is not UTF-8" in complaint(str(path))
    path.write_bytes(b"#" * 1_000_001)
    assert "a recipe has at most 1,000,000" in complaint(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(str(path)).name == "test-sample"


def test_a_bomb_is_refused_at_once(write: Write) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    start = time.monotonic()
    assert "anchors" in complaint(write(bomb))
    assert "deep" in complaint(write("a: " + "[" * 100 + "]" * 100))
    assert time.monotonic() - start < 2


def test_a_recipe_of_10_000_lines_names_the_right_line(write: Write) -> None:
    lines = [f"# comment {n}" for n in range(8999)]
    start = time.monotonic()
    message = complaint(write(GOOD + "\n".join(lines) + "\nwrong: 1\n" + "\n".join(lines[:1000]) + "\n"))
    assert f"r.yaml:{GOOD.count(chr(10)) + 9000}:1: unknown section 'wrong'" in message
    assert time.monotonic() - start < 2


def config(recipe: Recipe, stage: str) -> Any:
    return next(use.config for use in recipe.stages if use.name == stage)


def test_overrides_and_profiles(write: Write) -> None:
    path = write(GOOD)
    recipe = load(
        path, overrides=["synthesize.rate=10", "synthesize.audio.format=wav", "gates.silence=null", "name=other"]
    )
    synthesize = config(recipe, "synthesize")
    assert (synthesize.rate, synthesize.audio.format, recipe.gates.silence, recipe.name) == (
        10,
        "wav",
        None,
        "other-sample",
    )
    fast = load(path, profile="fast")
    synthesize = config(fast, "synthesize")
    assert (synthesize.rate, synthesize.audio.format, synthesize.audio.sample_rate) == (30, "flac", 8000)
    assert fast.source_config.languages == ("eng_Latn",)  # type: ignore[attr-defined]
    assert config(load(path, profile="fast", overrides=["synthesize.rate=1"]), "synthesize").rate == 1


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("synthesize.rtae=1", "--set synthesize.rtae=1: unknown setting 'rtae': did you mean 'rate'?"),
        ("synthesise.rate=1", "no stage or section 'synthesise': did you mean 'synthesize'?"),
        ("synthesize.rate=fast", "--set synthesize.rate=fast: rate: expected a valid number"),
        ("synthesize.rate.x=1", "'rate' is a single value"),
        ("synthesize", "expected NAME=VALUE"),
        ("synthesize.rate=[", "the value is not YAML"),
    ],
)
def test_wrong_overrides(write: Write, override: str, words: str) -> None:
    assert words in complaint(write(GOOD), overrides=[override])


def test_an_unknown_profile_and_a_mistake_in_one(write: Write) -> None:
    assert "no profile 'fats': did you mean 'fast'?" in complaint(write(GOOD), profile="fats")
    assert "r.yaml:14:18: unknown setting 'rtae'" in complaint(
        write(GOOD.replace("{rate: 30", "{rtae: 30")), profile="fast"
    )


def test_the_resolved_recipe_has_every_default_and_fits_any_machine(write: Write, tmp_path: Path) -> None:
    path = write(GOOD.replace("sample: true", f"path: {tmp_path}/data"))
    resolved = load(path).resolved()
    assert resolved["source"]["path"] == "data"
    assert resolved["stages"][0]["audio"]["sample_rate"] == 16000
    assert resolved["splits"] == {"by": "document", "seed": 7, "dev": 0.1, "test": 0.1}
    assert str(tmp_path) not in json.dumps(resolved)
    assert (
        load(path).fingerprint()
        == load(path).fingerprint()
        != load(path, overrides=["synthesize.rate=6"]).fingerprint()
    )


def test_shipped_recipes_load_and_are_short() -> None:
    recipe = load("flores200")
    assert [use.name for use in recipe.stages] == ["synthesize", "measure"]
    assert "flores200" in available()
    assert len((shipped_folder() / "flores200.yaml").read_text("utf8").splitlines()) < 50
    with pytest.raises(RecipeError, match="did you mean 'flores200'"):
        locate("flores20")


def test_the_starting_point_loads(write: Write) -> None:
    recipe = load(write(STARTING_POINT.format(name="mine")), profile="slow")
    assert (recipe.name, recipe.source_type, config(recipe, "synthesize").rate) == ("mine", "table", -15)


def test_the_schema_is_valid_and_agrees_with_the_loader(write: Write) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in available().values():
        validator.validate(yaml.safe_load(path.read_text("utf8")))
    validator.validate(yaml.safe_load(GOOD))
    for old, new in (("format: flac", "formt: flac"), ("stage: measure", "stage: mesure"), ("gates:", "gtes:")):
        assert not validator.is_valid(yaml.safe_load(GOOD.replace(old, new)))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), plain, min_size=1))
def test_yaml_says_what_it_said(data: dict[str, Any]) -> None:
    try:
        assert parse(yaml.safe_dump(data), "x").data == data
    except RecipeError as error:
        assert "anchors" in str(error)


@given(st.text() | st.builds(lambda a, b: GOOD.replace(a, b), st.sampled_from(GOOD.split()), st.text(max_size=8)))
def test_any_text_is_a_recipe_or_a_recipe_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, "utf8", errors="replace")
    try:
        assert isinstance(load(str(path)), Recipe)
    except RecipeError as error:
        assert "any.yaml" in str(error)

"""Recipes are strict, and say where and what was meant."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from corpusforge import registry
from corpusforge.errors import RecipeError, nearest
from corpusforge.recipe import Recipe, load
from corpusforge.recipe_yaml import MOST_SHOWN
from corpusforge.sources.base import SourceConfig
from corpusforge.stage import StageConfig
from tests.recipe.parts import GOOD, complaint, config, write


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        # Names
        ("gates:", "gtes:", "r.yaml:9:1: unknown section 'gtes': did you mean 'gates' or"),
        ("    rate: 5", "    rtae: 5", "r.yaml:5:5: unknown setting 'rtae': did you mean 'rate'?"),
        ("format: flac", "formt: flac", "r.yaml:7:7: unknown setting 'audio.formt': did you mean 'format'?"),
        ("    rate: 5", "    format: wav", "r.yaml:5:5: unknown setting 'format': did you mean 'audio.format'?"),
        ("seed: 7", "sed: 7", "r.yaml:11:10: unknown setting 'sed': did you mean 'seed'?"),
        ("{max: 0.5}", "{mx: 0.5, max: 1}", "r.yaml:10:13: unknown setting 'silence.mx': did you mean 'max'?"),
        ("sample: true", "smaple: true", "r.yaml:2:27: unknown setting 'smaple': did you mean 'sample'?"),
        ("stage: measure", "stage: mesure", "r.yaml:8:5: unknown stage 'mesure': did you mean 'measure'?"),
        ("type: flores200", "type: flores20", "r.yaml:2:10: unknown source 'flores20': did you mean 'flores200'?"),
        ("    rate: 5", "    engine: espeek", "r.yaml:5:5: unknown engine 'espeek': did you mean 'espeak'?"),
        (
            "    rate: 5",
            "    engine:\n      default: espeak\n      bod_Tibt: espeek",
            "r.yaml:7:7: unknown engine 'espeek': did you mean 'espeak'?",
        ),
        ("    source: {lang", "    sorce: {lang", "r.yaml:15:5: no stage or section 'sorce': did you mean 'source'?"),
        # Types
        ("    rate: 5", "    rate: fast", "r.yaml:5:5: rate: expected a number or a mapping, found 'fast'"),
        ("    rate: 5", "    rate: '5'", "r.yaml:5:5: rate: expected a number or a mapping, found '5'"),
        ("    rate: 5", "    rate: true", "r.yaml:5:5: rate: expected a number or a mapping, found true"),
        ("    rate: 5", "    rate: {bod_Tibt: x}", "r.yaml:5:12: rate.bod_Tibt: expected a number, found 'x'"),
        ("    rate: 5", "    engine: [a]", "r.yaml:5:14: unknown engine 'a': known: 'command', 'espeak'"),
        ("    rate: 5", "    engine: 3", "r.yaml:5:5: engine: expected text"),
        ("    rate: 5", "    engine: []", "r.yaml:5:5: expected at least one engine, found an empty list"),
        ("    rate: 5", "    engine: [espeak, espeak]", "r.yaml:5:14: 'espeak' is in [espeak, espeak] twice"),
        ("    rate: 5", "    engine: [espeak, gtts]", "r.yaml:5:22: 'gtts' is a service and cannot follow an engine"),
        (
            "    rate: 5",
            "    speakers:\n      bod_Tibt: [{pitch: 5}, {pitch: 5}]",
            "r.yaml:4:5: speakers.bod_Tibt: expected at least one, each of them once",
        ),
        ("    rate: 5", "    speakers:\n      zh: [{pitch: 5}]", "r.yaml:6:7: speakers: 'zh' is not a language"),
        (
            "    rate: 5",
            "    speakers: {bod_Tibt: [{pitch: 5}, {ptich: 1}]}",
            "r.yaml:5:40: unknown setting 'speakers.bod_Tibt.1.ptich': did you mean 'pitch'?",
        ),
        # Settings of engines, used or not
        (
            "    rate: 5",
            "    engines: {espek: {}}",
            "r.yaml:5:15: engines: unknown engine 'espek': did you mean 'espeak'?",
        ),
        (
            "    rate: 5",
            "    engines:\n      espeak:\n        word_gapp: 1",
            "r.yaml:7:9: engines.espeak: unknown setting 'word_gapp': did you mean 'word_gap'?",
        ),
        (
            "    rate: 5",
            "    engines: {espeak: {word_gap: '1'}}",
            "r.yaml:5:24: engines.espeak: word_gap: expected a whole number, found '1'",
        ),
        (
            "    rate: 5",
            "    engines: {gtts: {network: {retry: 1}}}",
            "r.yaml:5:32: engines.gtts: unknown setting 'network.retry': did you mean 'retries'?",
        ),
        ("sample: true", "sample: 1", "r.yaml:2:27: sample: expected true or false, found 1"),
        ("seed: 7", "seed: 1.5", "r.yaml:11:10: seed: expected a whole number, found 1.5"),
        ("gates:\n  silence: {max: 0.5}", "gates: 3", "r.yaml:9:1: expected a mapping of settings, found 3"),
        ("    audio:\n      format: flac\n", "    audio:\n", "audio: expected a mapping of settings, found nothing"),
        ("name: test", "name: 2009", "r.yaml:1:1: name: expected text, found 2009: put it in quotes"),
        ("name: test", "name: test\ndescription: [a]", 'r.yaml:2:1: description: expected text, found ["a"]'),
        # Values
        ("format: flac", "format: flca", "r.yaml:7:7: audio.format: expected 'flac' or 'wav', found 'flca': did you"),
        ("format: flac", "sample_rate: 10", "r.yaml:7:7: audio.sample_rate: expected at least 4000, found 10"),
        ("seed: 7", "dev: 0.6, test: 0.5", "r.yaml:11:1: dev 0.6 and test 0.5 leave nothing to train on"),
        ("sample: true", "languages: [eng_Latn, ../etc]", "r.yaml:2:49: languages: '../etc' is not a FLORES code"),
        ("    rate: 5", "    rate: {bo: 5}", "r.yaml:5:12: rate: 'bo' is not a language"),
        ("name: test", "name: ../test", "r.yaml:1:1: '../test' cannot name a corpus: expected small letters"),
        ("name: test", "name: a/b", "r.yaml:1:1: 'a/b' cannot name a corpus"),
        ("name: test", f"name: {'a' * 101}", "at most 100 characters"),
        # What is missing, or here twice
        ("name: test\n", "", "r.yaml:1:1: no 'name': every recipe names its corpus"),
        ("source: {type: flores200, sample: true}\n", "", "r.yaml:1:1: source: expected settings with `type: …`"),
        ("type: flores200, ", "", "r.yaml:2:1: no 'type', which names the source: known: 'flores200', 'mms', 'table'"),
        ("stage: measure", "stge: measure", "r.yaml:8:5: no 'stage', which names the stage: 'stge' should be 'stage'"),
        ("- stage: measure", "- measure", "r.yaml:8:5: expected settings with `stage: measure`, found 'measure'"),
        ("{max: 0.5}", "{}", "r.yaml:10:3: 'silence.max' is missing: it has no default"),
        ("type: flores200, sample: true", "type: table", "r.yaml:2:1: 'path' is missing"),
        (
            "stage: measure",
            "stage: synthesize",
            "r.yaml:8:5: stage 'synthesize' is here a second time, the first is in",
        ),
        ("name: test", "name: test\nname: again", "r.yaml:2:1: 'name' is here a second time, the first is in line 1"),
        ("    rate: 5", "    rate: {a: 1, a: 2}", "r.yaml:5:18: 'a' is here a second time, the first is in line 5"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    message = complaint(write(tmp_path, GOOD.replace(old, new, 1)))
    assert words in message
    assert len(message.splitlines()) == 1


def test_several_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("rate: 5", "rtae: 5").replace("seed", "sed").replace("gates", "gtes").replace("true", "maybe")
    assert [line.split(": ")[0] for line in complaint(write(tmp_path, text)).splitlines()] == [
        "r.yaml:2:27",
        "r.yaml:5:5",
        "r.yaml:9:1",
        "r.yaml:11:10",
    ]


def test_ten_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    extra = "".join(f"    wrong{n}: 1\n" for n in range(25))
    lines = complaint(write(tmp_path, GOOD.replace("    rate: 5\n", extra))).splitlines()
    assert len(lines) == 11 and lines[-1] == "… and 15 more"
    assert lines[9].startswith("r.yaml:14:5: unknown setting 'wrong9'")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("synthesize.rtae=1", "--set synthesize.rtae=1: unknown setting 'rtae': did you mean 'rate'?"),
        ("synthesize.audio.formt=wav", "--set synthesize.audio.formt=wav: unknown setting 'audio.formt': did you mean"),
        ("synthesise.rate=1", "--set synthesise.rate=1: no stage or section 'synthesise': did you mean 'synthesize'?"),
        ("synthesize.rate=fast", "--set synthesize.rate=fast: rate: expected a number or a mapping, found 'fast'"),
        ("synthesize.engine=espeek", "--set synthesize.engine=espeek: unknown engine 'espeek'"),
        ("synthesize.rate.x=1", "'rate' is a single value, 5, and has no 'x' to change"),
        ("synthesize", "--set synthesize: expected NAME=VALUE, as in --set synthesize.rate=10"),
        ("synthesize..rate=1", "expected NAME=VALUE"),
        ("synthesize=1", "--set synthesize=1: expected the name of a setting after 'synthesize'"),
        ("stages=[]", "no stage or section 'stages'"),
        ("profiles.fast=1", "no stage or section 'profiles'"),
        ("synthesize.rate=[1", "--set synthesize.rate=[1: not YAML: did not find expected ',' or ']' (the [ is not"),
        ("synthesize.rate={a: 1, a: 2}", "'a' is here a second time, the first is in the same option"),
        ("synthesize.rate=&a 1", "anchors (&) and aliases (*) are not used"),
        ("synthesize.audio.trim=yes", "'yes' is true to some readers of YAML, text to others: write true, or quotes"),
        ("synthesize.voice=\udcff", "--set synthesize.voice=\\udcff: the character U+DCFF cannot stand in a recipe"),
        ("source.languages.0=eng_Latn", "languages: expected a list, found"),
        ("name=../x", "--set name=../x: '../x' cannot name a corpus"),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, words: str) -> None:
    assert words in complaint(write(tmp_path, GOOD), overrides=[override])


def test_a_list_has_no_settings(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("sample: true", "languages: [eng_Latn]"))
    assert "'languages' is a list, [\"eng_Latn\"], and has no '0'" in complaint(
        path, overrides=["source.languages.0=x"]
    )


def test_profiles_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert "r.yaml:12:1: no profile 'fats': did you mean 'fast'?" in complaint(path, profile="fats")
    none = write(tmp_path, GOOD.partition("profiles:")[0])
    assert "r.yaml: no profile 'fast': it has none" in complaint(none, profile="fast")
    wrong = write(tmp_path, GOOD.replace("{rate: 30", "{rtae: 30"))
    assert complaint(wrong, profile="fast") == "r.yaml:14:18: unknown setting 'rtae': did you mean 'rate'?"
    load(wrong)  # its settings are those of the day it is chosen: it may use an engine that is not here
    for value in ("3", "", "[a]"):
        text = GOOD.partition("profiles:")[0] + f"profiles:\n  fast: {value}\n"
        assert "r.yaml:13:3: expected what the profile changes" in complaint(write(tmp_path, text))
        assert "r.yaml:13:3: expected what the profile changes" in complaint(write(tmp_path, text), profile="fast")
    assert "profiles: expected profiles by name" in complaint(
        write(tmp_path, GOOD.partition("profiles:")[0] + "profiles: [a]")
    )


def test_problems_point_into_the_profile_that_brought_them(tmp_path: Path) -> None:
    text = GOOD + "  deep:\n    gates:\n      silence:\n        max: 1\n        mni: 3\n      clipping: {max: x}\n"
    assert complaint(write(tmp_path, text), profile="deep").splitlines() == [
        "r.yaml:20:9: unknown setting 'silence.mni': known: 'max'",
        "r.yaml:21:18: clipping.max: expected a number, found 'x'",
    ]


# Stages and sources of other packages


class Nested(BaseModel):
    model_config = {"extra": "forbid"}
    depth: int = 0


class Toy:
    class Config(StageConfig):
        """Shapes that no stage that ships has."""

        listed: tuple[Nested, ...] = ()
        named: dict[str, Nested | int] | None = None
        either: Nested | list[str] | None = None
        word: str = Field("a", pattern="^[a-z]$")

        @field_validator("word")
        @classmethod
        def _known(cls, word: str) -> str:
            if word not in "abc":
                raise ValueError(f"unknown word '{word}': {nearest(word, 'abc')}")
            return word


class NotBuiltRight:
    class Config(SourceConfig):
        pass


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("listed: [{depth: 1}, {dpeth: 1}]", "r.yaml:5:27: unknown setting 'listed.1.dpeth': did you mean 'depth'?"),
        ("listed: [1]", "r.yaml:5:14: listed.0: expected a mapping of settings, found 1"),
        ("named: {a: {depth: x}}", "r.yaml:5:17: named.a.depth: expected a whole number, found 'x'"),
        ("named: {a: x}", "r.yaml:5:13: named.a: expected a mapping of settings or a whole number, found 'x'"),
        ("named: {int: {dpth: 1}}", "r.yaml:5:19: unknown setting 'named.int.dpth': did you mean 'depth'?"),
        ("either: 3", "r.yaml:5:5: either: expected a mapping of settings or a list, found 3"),
        ("either: [3]", "r.yaml:5:14: either.0: expected text, found 3"),
        ("word: d", "r.yaml:5:5: unknown word 'd': known: 'a', 'b', 'c'"),
        ("word: dd", "r.yaml:5:5: word: String should match pattern '^[a-z]$', found 'dd'"),
    ],
)
def test_settings_of_every_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, words: str) -> None:
    monkeypatch.setitem(registry.SHIPPED["stages"], "toy", f"{__name__}:Toy")
    text = f"name: x\nsource: {{type: flores200}}\nstages:\n  - stage: toy\n    {settings}\n"
    assert complaint(write(tmp_path, text)) == words


def test_a_stage_that_is_not_built_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SHIPPED["stages"], "bad", f"{__name__}:NotBuiltRight")
    message = complaint(write(tmp_path, GOOD.replace("stage: measure", "stage: bad")))
    assert message == "r.yaml:8:5: the stage 'bad' cannot be used: its Config is not a StageConfig"


# Size


def test_a_recipe_of_10_000_lines_names_the_right_line(tmp_path: Path) -> None:
    settings = "".join(f"      lang{n}: espeak\n" for n in range(9990))
    head = "name: x\nsource: {type: flores200}\nstages:\n  - stage: synthesize\n    engines:\n"
    text = head + settings.replace("lang8994: espeak", "lang8994: a: b") + "  - stage: measure\n"
    assert "r.yaml:9000:18: not YAML: mapping values" in complaint(write(tmp_path, text))
    columns = "".join(f"    lang{n}: column{n}\n" for n in range(9990)).replace("column8995", "[column]")
    text = "name: x\nsource:\n  type: table\n  path: x.csv\n  columns:\n" + columns + "stages: [{stage: measure}]\n"
    assert complaint(write(tmp_path, text)).startswith(
        "r.yaml:9001:5: columns.lang8995: expected text, found"
    )  # a value


def test_of_a_hundred_thousand_problems_those_that_are_not_shown_are_only_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []

    class Search(difflib.SequenceMatcher[str]):
        """What takes time: the search for a name that is near the wrong one."""

        def __init__(self) -> None:
            super().__init__()
            searches.append(self)

    monkeypatch.setattr(difflib, "SequenceMatcher", Search)
    assert complaint(write(tmp_path, GOOD + "".join(f"k{n}:\n" for n in range(100_000)))).endswith("… and 99990 more")
    many = "".join(f"    k{n}: 1\n" for n in range(50_000))
    assert complaint(write(tmp_path, GOOD.replace("    rate: 5\n", many))).endswith("… and 49990 more")
    assert 0 < len(searches) <= 2 * MOST_SHOWN


pieces = st.one_of(
    st.builds(lambda a, b: GOOD.replace(a, b), st.sampled_from(GOOD.split()), st.text(max_size=8)),
    st.builds(
        lambda a, b: GOOD.replace(a, b), st.sampled_from(GOOD.split()), st.sampled_from(["[", "{a: ", "&a ", "~"])
    ),
    st.builds(lambda a, b: GOOD[:a] + GOOD[b:], st.integers(0, len(GOOD)), st.integers(0, len(GOOD))),
    st.text(),
)


@given(pieces)
@example(GOOD.replace("fast:", "|"))
def test_any_text_is_a_recipe_or_a_recipe_error_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf8", "surrogatepass"))
    try:
        assert isinstance(load(str(path)), Recipe)
    except RecipeError as error:
        assert all("any.yaml:" in line or line.startswith("… and ") for line in str(error).split("\n") if line)


@given(st.sampled_from(["synthesize.rate", "source.languages", "gates.silence.max", "splits", "name"]), st.text())
def test_any_override_is_taken_or_a_recipe_error(name: str, value: str) -> None:
    try:
        assert isinstance(load("flores200", overrides=[f"{name}={value}"]), Recipe)
    except RecipeError as error:
        assert str(error).startswith(f"--set {name}=")


@given(st.floats(-99, 500, allow_nan=False).map(lambda rate: round(rate, 3)))
def test_numbers_come_through_as_they_are(rate: float) -> None:
    recipe = load("flores200", overrides=[f"synthesize.rate={rate:f}"])
    assert config(recipe, "synthesize").rate == pytest.approx(rate, abs=1e-6)

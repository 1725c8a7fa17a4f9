"""What a recipe becomes: profiles, overrides, the resolved whole, the schema, time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import SecretStr

from corpusforge import registry
from corpusforge.errors import RecipeError
from corpusforge.recipe import load
from corpusforge.recipe_files import available, locate, shipped_folder
from corpusforge.recipe_schema import json_schema
from corpusforge.stage import StageConfig
from tests.recipe.parts import GOOD, complaint, config, write


def test_overrides_go_over_profiles_and_profiles_over_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    plain, fast = load(path), load(path, profile="fast")
    assert (config(plain, "synthesize").rate, config(fast, "synthesize").rate) == (5, 30)
    assert config(load(path, profile="fast", overrides=["synthesize.rate=1"]), "synthesize").rate == 1
    audio = config(fast, "synthesize").audio
    assert (audio.format, audio.sample_rate) == ("flac", 8000)  # mappings merge
    assert fast.source_config.languages == ("eng_Latn",)  # type: ignore[attr-defined]  # lists are replaced


def test_overrides_reach_every_depth(tmp_path: Path) -> None:
    overrides = ["synthesize.audio.trim.margin_ms=20", "gates.silence=null", "name=other", "splits={seed: 3, dev: 0}"]
    overrides += ["synthesize.rate={default: 0, bod_Tibt: -10}", "gates.duration.max=9", "source.languages=[eng_Latn]"]
    recipe = load(write(tmp_path, GOOD), overrides=overrides)
    synthesize = config(recipe, "synthesize")
    assert synthesize.audio.trim.margin_ms == 20
    assert synthesize.rate == {"default": 0, "bod_Tibt": -10}
    assert recipe.gates.silence is None
    assert recipe.gates.duration is not None and (recipe.gates.duration.min, recipe.gates.duration.max) == (None, 9)
    assert (recipe.name, recipe.splits.seed, recipe.splits.dev, recipe.splits.test) == ("other-sample", 3, 0, 0.1)


def test_a_later_override_changes_what_an_earlier_one_set(tmp_path: Path) -> None:
    overrides = ["synthesize.audio={format: wav}", "synthesize.audio.sample_rate=8000"]
    audio = config(load(write(tmp_path, GOOD), overrides=overrides), "synthesize").audio
    assert (audio.format, audio.sample_rate) == ("wav", 8000)


def test_extra_goes_over_everything_and_takes_values(tmp_path: Path) -> None:
    extra = {"source.sample": False, "source.path": tmp_path, "source.languages": ["eng_Latn"]}
    recipe = load(write(tmp_path, GOOD), profile="fast", overrides=["source.languages=[yue_Hant]"], extra=extra)
    assert recipe.source_config.languages == ("eng_Latn",)  # type: ignore[attr-defined]
    assert recipe.source_config.path == str(tmp_path)  # type: ignore[attr-defined]
    assert "with source.path=3: path: expected text, found 3" in complaint(
        write(tmp_path, GOOD), extra={"source.path": 3}
    )


def test_the_resolved_recipe_has_every_default_and_nothing_of_this_machine(tmp_path: Path) -> None:
    resolved = load(write(tmp_path, GOOD.replace("sample: true", f"path: {tmp_path}/data"))).resolved()
    assert "path" not in resolved["source"]
    assert str(tmp_path) not in json.dumps(resolved)
    assert resolved["source"]["languages"] == ["zho_Hans", "bod_Tibt", "mya_Mymr"]
    assert resolved["stages"][0]["audio"]["sample_rate"] == 16000
    assert [use["stage"] for use in resolved["stages"]] == ["synthesize", "measure"]
    assert resolved["gates"]["silence"] == {"max": 0.5} and resolved["gates"]["rms_dbfs"] == {"min": -50.0}
    assert resolved["splits"] == {"by": "document", "seed": 7, "dev": 0.1, "test": 0.1}


def test_the_fingerprint_changes_with_what_decides_and_only_with_that(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    own = load(path).fingerprint()
    assert len(own) == 64 and own == load(path).fingerprint()
    assert own == load(path, overrides=["synthesize.time_limit=9", "splits.dev=0.1"]).fingerprint()
    others = ["synthesize.rate=6", "splits.seed=1", "gates.silence.max=0.6", "source.languages=[eng_Latn]", "name=x"]
    assert len({own, *(load(path, overrides=[other]).fingerprint() for other in others)}) == len(others) + 1


def test_the_fingerprint_does_not_depend_on_how_the_recipes_path_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "own.yaml").write_text(GOOD.replace("type: flores200, sample: true", "type: table, path: own.csv"))
    (folder / "own.csv").write_text("zho_Hans\n一\n", "utf8")
    (tmp_path / "linked-folder").symlink_to(folder)
    (folder / "linked.yaml").symlink_to(folder / "own.yaml")
    monkeypatch.chdir(tmp_path)
    relative = ["own", "recipes/own.yaml", "./recipes/../recipes/own.yaml"]
    linked = ["linked-folder/own.yaml", "recipes/linked.yaml", "linked"]
    absolute = [str(folder / "own.yaml"), str(tmp_path / "linked-folder" / "own.yaml")]
    recipes = [load(ref) for ref in relative + linked + absolute]

    assert len({str(recipe.path) for recipe in recipes}) > 4
    assert all(Path(recipe.source_config.path).samefile(folder / "own.csv") for recipe in recipes)  # type: ignore[attr-defined]
    assert {recipe.fingerprint() for recipe in recipes} == {recipes[0].fingerprint()}
    monkeypatch.chdir(folder)
    assert load("own.yaml").fingerprint() == load("../linked-folder/own.yaml").fingerprint() == recipes[0].fingerprint()


def test_the_resolved_recipe_is_one_that_gives_itself(tmp_path: Path) -> None:
    first = load("flores200")
    again = load(write(tmp_path, json.dumps(first.resolved())))
    assert again.resolved() == first.resolved()


def test_secrets_and_paths_of_other_packages_stages_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.SHIPPED["stages"], "call", f"{__name__}:Call")
    text = GOOD.replace(
        "  - stage: measure", "  - stage: call\n    key: hush\n    cache: /tmp/x\n    model: m\n  - stage: measure"
    )
    recipe = load(write(tmp_path, text))
    assert config(recipe, "call").key.get_secret_value() == "hush"
    assert recipe.resolved()["stages"][1] == {"stage": "call", "model": "m"}


class Call:
    class Config(StageConfig):
        key: SecretStr | None = None
        cache: Path | None = None
        model: str = "x"


def test_what_ships_loads_and_can_be_read_in_a_minute() -> None:
    recipe = load("flores200")
    assert [use.name for use in recipe.stages] == ["synthesize", "measure"]
    assert recipe.source_config.languages == ("zho_Hans", "bod_Tibt", "mya_Mymr")  # type: ignore[attr-defined]
    assert len((shipped_folder() / "flores200.yaml").read_text("utf8").splitlines()) < 50


def test_own_recipes_hide_those_that_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("flores200").parent == shipped_folder()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "flores200.yaml").write_text(GOOD)
    assert locate("flores200") == Path("recipes/flores200.yaml") == available()["flores200"]
    assert load("flores200").name == "test-sample"


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("flores20", "no recipe 'flores20' here: did you mean 'flores200'? `corpusforge new flores20` writes one"),
        ("../flores200", "recipe file '../flores200' does not exist: did you mean the recipe 'flores200'?"),
        ("nowhere.yaml", "recipe file 'nowhere.yaml' does not exist"),
        ("here.yaml", "recipe file 'here.yaml' is a folder"),
        ("Flores 200", "no recipe 'Flores 200' here: did you mean 'flores200'?"),
        ("", "no recipe '' here"),
        ("a\0b.yaml", "does not exist"),
        ("x" * 5000 + ".yaml", ""),
    ],
)
def test_a_recipe_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ref: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.yaml").mkdir()
    with pytest.raises(RecipeError) as error:
        load(ref)
    assert words in str(error.value)


# The schema


@pytest.fixture(scope="module")
def schema() -> Any:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_takes_what_loads(schema: Any) -> None:
    for path in available().values():
        schema.validate(yaml.safe_load(path.read_text("utf8")))
    schema.validate(yaml.safe_load(GOOD))
    schema.validate(yaml.safe_load("name: x\nsource: {type: table, path: x.csv}\nstages: [{stage: measure}]\ngates:\n"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: flac", "formt: flac"),
        ("format: flac", "format: mp3"),
        ("stage: measure", "stage: mesure"),
        ("stage: measure", "frame: 0.1"),
        ("type: flores200", "type: table"),
        ("gates:", "gtes:"),
        ("name: test", "name: Test"),
        ("rate: 5", "pitch: fast"),
        ("rate: 30", "rtae: 30"),
        ("    source: {lang", "    sorce: {lang"),
        ("sample_rate: 8000", "sample_rate: 8"),
    ],
)
def test_the_schema_refuses_what_does_not_load(tmp_path: Path, schema: Any, old: str, new: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    assert not schema.is_valid(yaml.safe_load(text))
    complaint(write(tmp_path, text), profile="fast")


def test_the_schema_tells_editors_what_a_setting_is(schema: Any) -> None:
    synthesize = schema.schema["$defs"]["stage: synthesize"]
    assert synthesize["required"] == ["stage"]
    assert all(setting.get("description") for setting in synthesize["properties"].values())
    assert "flac" in schema.schema["$defs"]["AudioConfig"]["properties"]["format"]["description"]


# Start-up


def test_loading_imports_yaml_and_pydantic_and_nothing_heavy() -> None:
    code = """
import sys
from corpusforge.recipe import load
load("flores200")
print(*{name.partition(".")[0] for name in sys.modules})
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = run.stdout.split()
    heavy = {"numpy", "soundfile", "soxr", "pyarrow", "datasets", "torch", "click", "bophono", "requests", "openai"}
    assert {"yaml", "pydantic"} <= set(modules) and heavy.isdisjoint(modules)

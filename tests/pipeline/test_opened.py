"""A recipe opened: stages that are two, languages that a stage adds, and what is wrong with both in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from corpusforge import registry
from corpusforge.builder import build, explain, plan
from corpusforge.errors import RecipeError
from corpusforge.opened import BuildOptions, Opened
from corpusforge.recipe import load
from corpusforge.text.languages import LANGUAGES as KNOWN

RECIPE = """
name: toy
source: {{type: table, path: text.jsonl, columns: {columns}}}
stages:
{stages}
"""
Open = Callable[..., Opened]


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("render", "pair", "fetch", "weigh"):
        monkeypatch.setitem(registry.SHIPPED["stages"], name, f"tests.pipeline.toys:{name.capitalize()}")


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens a recipe of these stages, with two groups in Chinese and English."""

    def make(*stages: str, columns: str = "{zho_Hans: zh, eng_Latn: en}", **options: object) -> Opened:
        rows = [{"id": f"g{number}", "zh": f"第{number}句", "en": f"Sentence {number}"} for number in range(2)]
        (tmp_path / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf8")
        lines = "\n".join(f"  - {{stage: {stage}}}" for stage in stages)
        (tmp_path / "toy.yaml").write_text(RECIPE.format(columns=columns, stages=lines), "utf8")
        return Opened(load(str(tmp_path / "toy.yaml")), BuildOptions(workspace=tmp_path, **options))  # type: ignore[arg-type]

    return make


def test_a_stage_may_be_two_in_a_build(opened: Open) -> None:
    assert [stage.name for stage in opened("pair", "weigh").stages] == ["fetch", "pair", "weigh"]


def test_from_to_and_force_go_by_the_parts(opened: Open) -> None:
    found = opened("pair", "weigh", first="pair", last="pair")
    assert (found.first, found.last) == (1, 1)
    assert not found.whole()
    assert opened("pair", force=frozenset({"fetch"})).options.force == {"fetch"}
    with pytest.raises(RecipeError, match="'toy' has no stage 'render': known: 'fetch', 'pair', 'weigh'"):
        opened("pair", "weigh", first="render")
    with pytest.raises(RecipeError, match="has no stage 'fetsh': did you mean 'fetch'"):
        opened("pair", force=frozenset({"fetsh"}))
    with pytest.raises(RecipeError, match="--from weigh comes after --to fetch: the stages are fetch, pair, weigh"):
        opened("pair", "weigh", first="weigh", last="fetch")


TWO = "render, languages: [bod_Tibt, mya_Mymr]"


def test_every_utterance_of_the_one_language_gets_one_in_each_that_is_added(opened: Open) -> None:
    found = opened(TWO).read()
    assert found.languages == ("zho_Hans", "eng_Latn", "bod_Tibt", "mya_Mymr")
    items = list(found.items())
    assert [item.id for item in items if item.group == "g1"] == [
        *("g1.zho_Hans", "g1.bod_Tibt", "g1.mya_Mymr", "g1.eng_Latn")
    ]
    added = next(item for item in items if item.id == "g1.mya_Mymr")
    origin = next(item for item in items if item.id == "g1.zho_Hans")
    assert (added.text, added.lang) == ("", "mya_Mymr")
    assert dict(added.fields) == {"source_text": "第1句", "source_lang": "zho_Hans"}
    same = ("group", "document", "label", "source", "license")
    assert [added.value(name) for name in same] == [origin.value(name) for name in same]
    assert not origin.fields


def test_the_limit_counts_groups_and_not_translations(opened: Open) -> None:
    assert len(list(opened(TWO, limit=1).read().items())) == 4


@pytest.mark.parametrize(
    ("stages", "columns", "words"),
    [
        ([TWO, TWO.replace("render", "render2")], None, "'toy': two stages translate; one may"),
        (["render, languages: [eng_Latn]"], None, "render.targets: the source has eng_Latn already: leave it out"),
        ([TWO], "{zho_Hant: zh}", "render.source: the source has no zho_Hans: did you mean 'zho_Hant'?"),
    ],
)
def test_what_does_not_fit_is_said_in_the_recipes_words(
    opened: Open, monkeypatch: pytest.MonkeyPatch, stages: list[str], columns: str | None, words: str
) -> None:
    assert "zho_Hant" in KNOWN
    monkeypatch.setitem(registry.SHIPPED["stages"], "render2", "tests.pipeline.toys:Render")
    with pytest.raises(RecipeError) as caught:
        opened(*stages, **({"columns": columns} if columns else {}))
    assert words in str(caught.value)


def test_a_plan_counts_a_stage_only_where_it_has_something_to_do(opened: Open) -> None:
    found = opened("pair, languages: [eng_Latn]", "weigh")
    planned = plan(found.recipe, found.options)
    assert {entry.stage: dict(entry.states) for entry in planned.stages} == {
        "fetch": {"to do": 2},
        "pair": {"to do": 2, "pending": 2},
        "weigh": {"pending": 4},
    }


def test_a_build_with_both_and_why_says_so(opened: Open) -> None:
    found = opened("render, languages: [bod_Tibt]", "pair, languages: [bod_Tibt]", "weigh")
    report = build(found.recipe, BuildOptions(workspace=found.options.workspace, last="pair"))
    assert (report.made, report.waiting) == ({"render": 2, "fetch": 2, "pair": 6}, 6)
    steps = explain(found.recipe, found.options, "g0")
    assert [(step.stage, step.state) for step in steps["g0.eng_Latn"]] == [("pair", "cached"), ("weigh", "to do")]
    states = [(step.stage, step.state) for step in steps["g0.bod_Tibt"]]
    assert states == [("render", "cached"), ("fetch", "cached"), ("pair", "cached"), ("weigh", "to do")]

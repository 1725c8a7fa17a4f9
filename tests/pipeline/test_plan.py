"""The plan: what is cached, to do or pending, and the reason in words."""

from __future__ import annotations

from typing import ClassVar

import pytest

from corpusforge.items import Utterance
from corpusforge.pipeline.plan import Planner, Step
from corpusforge.stage import Stage
from corpusforge.store.workspace import Workspace
from tests.pipeline.conftest import RunToys
from tests.pipeline.toys import Speak, SpeakConfig, Weigh, utterance, utterances


class NextSpeak(Speak):
    version: ClassVar[int] = 2


class NewEngine(Speak):
    def settings(self, variant: str) -> dict:
        return {**super().settings(variant), "revision": {"toy": "1.52"}}


def steps(
    workspace: Workspace, item: Utterance, stages: list[Stage], force: frozenset[str] = frozenset()
) -> list[Step]:
    planner = Planner(workspace, "toy", stages, force)
    (progress,) = planner.advance([item])
    return planner.steps(progress)


def test_a_new_item_is_to_do_and_its_later_stages_are_pending(workspace: Workspace, stages: list[Stage]) -> None:
    first, second = steps(workspace, utterance(1), stages)
    assert (first.stage, first.state, first.reason) == ("speak", "to do", "new item")
    assert (second.stage, second.state, second.reason, second.key) == ("weigh", "pending", "waits for speak", None)


def test_a_built_item_is_cached_through_all_stages(
    run_toys: RunToys, workspace: Workspace, stages: list[Stage]
) -> None:
    run_toys([utterance(1)], stages)
    assert [step.state for step in steps(workspace, utterance(1), stages)] == ["cached", "cached"]


@pytest.mark.parametrize(
    ("item", "stage", "reason"),
    [
        (utterance(1, text="new words"), Speak(SpeakConfig()), "text changed"),
        (utterance(1), Speak(SpeakConfig(rate=10)), "config changed: rate 0 → 10"),
        (utterance(1), NextSpeak(SpeakConfig()), "stage version 1 → 2"),
        (utterance(1), NewEngine(SpeakConfig()), "engine toy 1.51 → 1.52"),
        (utterance(1, text="new"), Speak(SpeakConfig(rate=5)), "config changed: rate 0 → 5; text changed"),
    ],
)
def test_the_reason_says_what_changed(
    run_toys: RunToys, workspace: Workspace, item: Utterance, stage: Stage, reason: str
) -> None:
    run_toys([utterance(1)], [Speak(SpeakConfig())])
    (step,) = steps(workspace, item, [stage])
    assert (step.state, step.reason) == ("to do", reason)


def test_a_failed_item_says_how_it_failed(run_toys: RunToys, workspace: Workspace, stages: list[Stage]) -> None:
    run_toys([utterance(1, text="fail")], stages)
    assert steps(workspace, utterance(1, text="fail"), stages)[0].reason == "failed last time: not today"


def test_a_rejected_item_says_why(run_toys: RunToys, workspace: Workspace, stages: list[Stage]) -> None:
    run_toys([utterance(1, text="reject")], stages)
    (step,) = steps(workspace, utterance(1, text="reject"), stages)
    assert (step.state, step.reason) == ("rejected", "unspeakable")


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_blob_is_a_miss(run_toys: RunToys, workspace: Workspace, stages: list[Stage], damage: str) -> None:
    run_toys(utterances(3), stages)
    sha256 = next(iter(workspace.blobs))
    path = workspace.blobs.path(sha256)
    content = workspace.blobs.read(sha256)
    workspace.blobs.remove(sha256)
    if damage == "truncated":
        with open(path, "wb") as file:
            file.write(content[:-1])
    planner = Planner(workspace, "toy", stages)
    broken = [progress for progress in planner.advance(list(utterances(3))) if not progress.finished]
    assert [planner.steps(progress)[0].reason for progress in broken] == ["blob missing or damaged"]
    assert run_toys(utterances(3), stages).made == {"speak": 1}
    assert workspace.blobs.read(sha256) == content


def test_forced_stages_say_so(run_toys: RunToys, workspace: Workspace, stages: list[Stage]) -> None:
    run_toys([utterance(1)], stages)
    forced = steps(workspace, utterance(1), stages, frozenset({"weigh"}))
    assert [(step.state, step.reason) for step in forced] == [
        ("cached", "same inputs and settings"),
        ("to do", "forced"),
    ]


def test_a_stage_added_to_the_recipe_runs_alone(run_toys: RunToys, workspace: Workspace) -> None:
    run_toys([utterance(1)], [Speak(SpeakConfig())])
    both = [Speak(SpeakConfig()), Weigh(Weigh.Config())]
    assert [(s.state, s.reason) for s in steps(workspace, utterance(1), both)] == [
        ("cached", "same inputs and settings"),
        ("to do", "not finished last time"),
    ]
    assert run_toys([utterance(1)], both).made == {"weigh": 1}


def test_a_recorded_walk_whose_results_are_gone_is_walked_again(
    run_toys: RunToys, workspace: Workspace, stages: list[Stage]
) -> None:
    run_toys([utterance(1)], stages)
    (progress,) = Planner(workspace, "toy", stages).advance([utterance(1)])
    with workspace.index.transaction():
        workspace.index.drop_results([progress.keys[0]])
    assert [step.reason for step in steps(workspace, utterance(1), stages)] == [
        "result is no longer in the store",
        "waits for speak",
    ]

"""Stages that are awaited in the driver: bounded, idle for some items, stopped by what they ask, and ended once."""

from __future__ import annotations

import os
from typing import Any

import pytest

from corpusforge.errors import BuildStopped, MissingDependency, WorkspaceError
from corpusforge.items import Utterance
from corpusforge.pipeline.plan import Planner, Step
from corpusforge.stage import Stage
from corpusforge.store.keys import SKIPPED
from corpusforge.store.workspace import Workspace
from tests.pipeline.conftest import RunToys
from tests.pipeline.toys import Ask, Fetch, FetchConfig, Log, Speak, SpeakConfig, Weigh, utterance, utterances

TIBETAN = ("bod_Tibt",)


def fetch(**config: Any) -> Fetch:
    return Fetch(FetchConfig(**config))


def three(**config: Any) -> list[Stage]:
    """`fetch`, which by default has to do with Tibetan alone, and two stages of the machine's own."""
    return [fetch(**{"languages": TIBETAN, **config}), Speak(SpeakConfig()), Weigh(Weigh.Config())]


def steps(workspace: Workspace, item: Utterance, stages: list[Stage]) -> list[Step]:
    planner = Planner(workspace, "toy", stages)
    (progress,) = planner.advance([item])
    return planner.steps(progress)


def seen(workspace: Workspace, item: Utterance, stages: list[Stage]) -> list[tuple[str, str, str]]:
    return [(step.stage, step.state, step.reason) for step in steps(workspace, item, stages)]


CACHED = ("cached", "same inputs and settings")

# ---- Stages that have nothing to do with an item


def test_a_stage_runs_on_what_it_has_to_do_with(run_toys: RunToys) -> None:
    log = Log()
    tally = run_toys(utterances(10), three(), observer=log)
    assert (tally.built, tally.made) == (30, {"fetch": 10, "speak": 30, "weigh": 30})
    assert {progress.item.lang for progress in log.finished if "fetched" in progress.item.fields} == {"bod_Tibt"}


def test_a_second_run_makes_nothing_and_asks_nobody(run_toys: RunToys) -> None:
    run_toys(utterances(10), three())
    again = three()
    tally = run_toys(utterances(10), again)
    assert (tally.cached, tally.made) == (30, {})
    assert isinstance(again[0], Fetch) and again[0].asked == []


def test_an_item_that_no_stage_has_to_do_with_is_done(run_toys: RunToys) -> None:
    only: list[Stage] = [fetch(languages=())]
    assert run_toys(utterances(2), only).cached == 6
    assert run_toys(utterances(2), only).cached == 6


def test_one_stage_more_makes_only_its_own(run_toys: RunToys) -> None:
    run_toys(utterances(4), three()[1:])
    assert run_toys(utterances(4), three()).made == {"fetch": 4}
    assert run_toys(utterances(4), three(languages=("bod_Tibt", "zho_Hans"))).made == {"fetch": 4}
    assert run_toys(utterances(4), three(languages=())).made == {}
    assert run_toys(utterances(4), three()[1:]).made == {}


def test_a_changed_setting_makes_only_what_it_has_to_do_with_again(run_toys: RunToys) -> None:
    run_toys(utterances(4), three())
    assert run_toys(utterances(4), three(rate=3)).made == {"fetch": 4}


def test_why_names_only_the_stages_that_have_to_do_with_the_item(run_toys: RunToys, workspace: Workspace) -> None:
    tibetan, chinese = utterance(1), utterance(1, "zho_Hans")
    assert seen(workspace, chinese, three()) == [
        ("speak", "to do", "new item"),
        ("weigh", "pending", "waits for speak"),
    ]
    last = [*three()[1:], fetch(languages=TIBETAN)]
    assert [stage for stage, _, _ in seen(workspace, tibetan, last)] == ["speak", "weigh", "fetch"]
    assert [stage for stage, _, _ in seen(workspace, chinese, last)] == ["speak", "weigh"]
    run_toys([tibetan, chinese], three())
    assert seen(workspace, chinese, three()) == [("speak", *CACHED), ("weigh", *CACHED)]
    assert seen(workspace, tibetan, three()) == [("fetch", *CACHED), ("speak", *CACHED), ("weigh", *CACHED)]


def test_reasons_compare_a_stage_with_itself_wherever_it_stood(run_toys: RunToys, workspace: Workspace) -> None:
    chinese = utterance(1, "zho_Hans")
    run_toys([chinese], three())
    everyone = three(languages=("zho_Hans",))
    assert seen(workspace, chinese, everyone)[0] == ("fetch", "to do", "fetch had nothing to do with it last time")
    run_toys([chinese], three()[1:])
    assert seen(workspace, chinese, everyone)[0] == ("fetch", "to do", "not finished last time")
    faster: list[Stage] = [fetch(languages=()), Speak(SpeakConfig(rate=10))]
    assert seen(workspace, chinese, faster) == [("speak", "to do", "config changed: rate 0 → 10")]
    run_toys([chinese], everyone)
    assert seen(workspace, chinese, [Speak(SpeakConfig(rate=10))])[0][2] == "config changed: rate 0 → 10"


def test_what_a_result_remarks_is_in_why(run_toys: RunToys, workspace: Workspace) -> None:
    worse, plain = utterance(1, text="worse"), utterance(2)
    run_toys([worse, plain], three())
    assert seen(workspace, worse, three())[0][2] == "same inputs and settings; as well as it could"
    assert seen(workspace, plain, three())[0][2] == "same inputs and settings"


def test_gc_keeps_what_was_made_and_counts_no_skipped_stage(run_toys: RunToys, workspace: Workspace) -> None:
    run_toys(utterances(5), three())
    folder = workspace.folder / "manifests" / "toy"
    folder.mkdir(parents=True)
    (folder / "corpus.json").write_text("{}")
    (known,) = workspace.index.corpora()
    with workspace.index.transaction():
        workspace.index.set_complete(known.number, True)
    assert SKIPPED not in set(workspace.index.walked_keys([known.number]))
    found = workspace.collect()
    assert (found.results, found.kept) == (0, 5 + 15 + 15)
    assert run_toys(utterances(5), three()).made == {}


def test_a_lost_index_is_made_again_with_skipped_stages(run_toys: RunToys, workspace: Workspace) -> None:
    run_toys(utterances(5), three())
    workspace.close()
    os.unlink(workspace.root / "index.sqlite")
    tally = run_toys(utterances(5), three())
    assert (tally.cached, tally.made, workspace.rebuilt) == (15, {}, "index.sqlite is missing")


def test_verify_and_a_damaged_blob_after_a_skipped_stage(run_toys: RunToys, workspace: Workspace) -> None:
    log = Log()
    run_toys([utterance(1, "zho_Hans")], three(), observer=log)
    workspace.blobs.invalidate(log.finished[0].item.value("audio"))
    assert workspace.verify().lost == 1
    assert seen(workspace, utterance(1, "zho_Hans"), three())[0] == ("speak", "to do", "blob missing or damaged")
    assert run_toys([utterance(1, "zho_Hans")], three()).made == {"speak": 1}


def test_from_and_to_with_a_stage_that_is_not_for_all(run_toys: RunToys) -> None:
    upto = run_toys(utterances(5), three(), last=0)
    assert (upto.made, upto.waiting) == ({"fetch": 5}, 15)
    since = run_toys(utterances(6), three(), first=1)
    assert (since.made, since.waiting) == ({"speak": 17, "weigh": 17}, 1)


def test_force_of_one_stage_asks_or_does_not_ask(run_toys: RunToys) -> None:
    run_toys(utterances(3), three())
    assert run_toys(utterances(3), three(), force=frozenset({"fetch"})).made == {"fetch": 3}
    assert run_toys(utterances(3), three(), force=frozenset({"speak"})).made == {"speak": 9}


# ---- How many at once


def test_no_more_wait_inside_than_the_stage_says(run_toys: RunToys) -> None:
    stage = fetch(at_once=3)
    assert run_toys(utterances(40), [stage]).built == 120
    assert stage.most == 3


def test_two_stages_have_bounds_of_their_own(run_toys: RunToys) -> None:
    class Again(Fetch):
        name = "again"

    one, two = fetch(at_once=2), Again(FetchConfig(at_once=5))
    assert run_toys(utterances(40), [one, two]).built == 120
    assert (one.most, two.most) == (2, 2)  # what comes out of the first comes by twos


# ---- What is told


def test_what_happened_on_the_way_is_counted_with_the_first_reason(run_toys: RunToys, workspace: Workspace) -> None:
    items = [utterance(number, text=f"worse {number}" if number % 2 else None) for number in range(8)]
    tally = run_toys(items, [fetch(at_once=1)])
    assert tally.told == {"an answer was not its best": (4, "no time for dev-0001.bod_Tibt")}
    assert run_toys(items, [fetch()]).told == {}
    assert not any("no time" in str(result) for _, result in workspace.index.all_results())


# ---- What is checked before the first item


def test_only_what_is_needed_is_checked_and_once(run_toys: RunToys) -> None:
    chinese_first = sorted(utterances(3), key=lambda item: item.lang, reverse=True)
    checked: list[list[int]] = []

    async def note(numbers: range) -> None:
        checked.append(list(numbers))

    options = {"preflight": note}
    run_toys(chinese_first, three(), **options)
    assert checked == [[1, 2], [0]]
    checked.clear()
    run_toys(chinese_first, three(), **options)
    assert checked == []
    run_toys(chinese_first, [*three()[:1], Speak(SpeakConfig(rate=1)), three()[2]], **options)
    assert checked == [[1, 2]]
    checked.clear()
    run_toys(utterances(4), three(), last=1, **options)
    assert checked == [[0, 1]]


# ---- The end


def test_a_service_that_is_down_halts_the_run_and_what_is_done_is_kept(run_toys: RunToys) -> None:
    items = [utterance(number, text="down" if number == 10 else None) for number in range(200)]
    stages = three(at_once=1)
    tally = run_toys(items, stages)
    assert tally.stopped and tally.signal is None
    assert str(tally.halted) == "the service is down. What is done is kept"
    assert (tally.made["fetch"], tally.failed) == (10, [])
    mended = three(at_once=1)
    items[10] = utterance(10)
    assert run_toys(items, mended).built >= 190
    assert isinstance(mended[0], Fetch) and len(mended[0].asked) == 190


def test_items_that_share_an_answer_halt_together(run_toys: RunToys) -> None:
    items = [utterance(number, text="down") for number in range(20)]
    stage = fetch()
    tally = run_toys(items, [stage])
    assert (tally.halted is not None, tally.failed, len(stage.asked)) == (True, [], 1)


def test_what_is_on_its_way_is_waited_for_when_the_run_halts(run_toys: RunToys) -> None:
    stage = fetch(at_once=4)
    tally = run_toys([utterance(1, text="slow"), utterance(2, text="down")], [stage])
    assert tally.halted is not None
    assert stage.kept == ["dev-0001.bod_Tibt"]


def ended(stages: list[Stage]) -> list[list[str]]:
    return [stage.ends for stage in stages if isinstance(stage, Fetch)]


def test_a_stage_is_ended_once_however_the_run_ends(run_toys: RunToys) -> None:
    class Stopping(Log):
        def item_finished(self, progress: Any, fresh: bool) -> None:
            raise WorkspaceError("no more room")

    async def absent(numbers: range) -> None:
        raise MissingDependency("not here")

    once = [["finish", "close"]]
    for items in ([], [utterance(1)], [utterance(2, text="down")]):
        stages = three()
        run_toys(items, stages)
        assert ended(stages) == once
    stages = three()
    with pytest.raises(WorkspaceError, match="no more room"):
        run_toys([utterance(3)], stages, observer=Stopping())
    assert ended(stages) == once
    stages = three()
    with pytest.raises(MissingDependency, match="not here"):
        run_toys([utterance(4)], stages, preflight=absent)
    assert ended(stages) == once
    stages = [fetch(), Ask(SpeakConfig())]
    with pytest.raises(WorkspaceError, match="cannot be kept"):
        run_toys([utterance(5, text="unkept")], stages)
    assert ended(stages) == once


def test_a_stage_that_cannot_end_loses_nothing_and_ends_the_others(run_toys: RunToys) -> None:
    class Later(Fetch):
        name = "later"

    stages: list[Stage] = [fetch(ending="break"), Later(FetchConfig())]
    with pytest.raises(ConnectionError, match="the line broke"):
        run_toys(utterances(5), stages)
    assert ended(stages) == [["finish", "close"]] * 2
    assert run_toys(utterances(5), [fetch(), Later(FetchConfig())]).made == {}


def test_a_stage_that_is_stopped_while_it_ends_halts_the_run(run_toys: RunToys) -> None:
    tally = run_toys(utterances(2), [fetch(ending="stop")])
    assert (tally.stopped, str(tally.halted), tally.made) == (True, "the last answers did not come", {"fetch": 6})
    assert isinstance(tally.halted, BuildStopped)

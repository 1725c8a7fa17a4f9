"""What the samplers propose, without any training."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.train.config import PRESETS, TrainConfig, preset
from corpusforge.train.samplers import SAMPLERS, STARTUP, OptunaSampler, Trial
from corpusforge.train.space import HEAD_RATES, LARGEST, SEARCHED, TAUS, Range, Space

BOTH = pytest.mark.parametrize("name", list(SAMPLERS))


def trial(
    number: int, point: dict[str, float], score: float | None, epochs: Sequence[float] = (), **more: str
) -> Trial:
    state = more.get("state", "finished" if score is not None else "diverged")
    numbers = {"score": score, "M": score, "G": None if score is None else 0.0}
    return Trial(trial=number, state=state, point=point, settings={}, epochs=tuple(epochs), **numbers)


def searched(
    name: str, ranges: dict[str, Range], judge: Callable[[dict[str, float]], float], count: int
) -> list[Trial]:
    """A search whose score is a function."""
    done: list[Trial] = []
    for number in range(1, count + 1):
        point = SAMPLERS[name](ranges).propose(done, random.Random(number).getrandbits(32))
        done.append(trial(number, point, judge(point)))
    return done


@st.composite
def points(draw: st.DrawFn) -> tuple[TrainConfig, Space, dict[str, float]]:
    """Settings, a space and any point in it."""
    alpha = draw(st.floats(0, 0.89))
    config = preset("tiny", alpha=alpha, beta=draw(st.floats(0, 0.89 - alpha)))
    space = Space(tuple(draw(st.lists(st.sampled_from(SEARCHED), min_size=1, unique=True))))
    point: dict[str, float] = {}
    for name, one in space.ranges(config).items():
        whole = st.integers(int(one.low), int(one.high)).map(float)
        point[name] = draw(whole if one.kind == "grid" else st.floats(one.low, one.high))
    return config, space, point


@given(points())
def test_every_point_is_settings_of_a_run_that_keep_the_constraint(drawn: tuple[TrainConfig, Space, dict]) -> None:
    config, space, point = drawn
    found = space.settings(point)
    assert list(found) == [name for name in SEARCHED if name in space.over]
    changed = TrainConfig.model_validate({**config.model_dump(), **found})
    assert changed.alpha >= 0 and changed.beta >= 0 and changed.alpha + changed.beta < 1
    assert "tau" not in found or found["tau"] in TAUS
    assert "head_rate" not in found or HEAD_RATES[0] <= found["head_rate"] <= HEAD_RATES[1]
    assert {name for name, value in changed.model_dump().items() if value != config.model_dump()[name]} <= set(found)


@BOTH
@given(seed=st.integers(0, 2**32 - 1), scores=st.lists(st.none() | st.floats(0, 1), max_size=STARTUP + 4))
@settings(max_examples=15)
def test_every_proposal_is_in_range_and_a_function_of_seed_and_trials(
    name: str, seed: int, scores: list[float | None]
) -> None:
    ranges = Space(SEARCHED).ranges(preset("tiny"))
    drawn = random.Random(seed)
    done = []
    for number, score in enumerate(scores, 1):
        point = {
            key: float(drawn.randint(int(one.low), int(one.high)))
            if one.kind == "grid"
            else drawn.uniform(one.low, one.high)
            for key, one in ranges.items()
        }
        done.append(trial(number, point, score))
    found = SAMPLERS[name](ranges).propose(done, seed)
    again = [Trial.model_validate_json(one.model_dump_json()) for one in done]
    assert SAMPLERS[name](ranges).propose(again, seed) == found
    assert list(found) == list(ranges)
    for key, one in ranges.items():
        # exp(log(x)) is x but for the last digits
        assert one.low * (1 - 1e-12) <= found[key] <= one.high * (1 + 1e-12)
        assert one.kind != "grid" or found[key] == round(found[key])


@BOTH
def test_another_seed_proposes_something_else(name: str) -> None:
    sampler = SAMPLERS[name](Space(SEARCHED).ranges(preset("tiny")))
    assert len({json.dumps(sampler.propose([], seed)) for seed in range(20)}) == 20


@BOTH
def test_all_of_the_grid_is_drawn(name: str) -> None:
    sampler = SAMPLERS[name](Space(("tau",)).ranges(preset("tiny")))
    assert {Space.settings(sampler.propose([], seed))["tau"] for seed in range(200)} == set(TAUS)


def test_the_grid_is_the_papers(shared_data: Path) -> None:
    printed = json.loads((shared_data.parent / "reference" / "paper_tables.json").read_text(encoding="utf-8"))
    assert list(TAUS) == printed["settings"]["tau_grid"]


@BOTH
def test_what_was_good_is_sought(name: str) -> None:
    """After the random start proposals lie nearer to the optimum than chance would have them."""
    ranges = {"x": Range(0, 1), "rate": Range(1e-5, 1e-1, "log"), "tau": Range(0, 11, "grid")}

    def distance(point: dict[str, float]) -> float:
        return abs(point["x"] - 0.8) + abs(math.log10(point["rate"]) + 3) / 4 + abs(point["tau"] - 2) / 11

    done = searched(name, ranges, lambda point: 1 - distance(point), 40)
    apart = [distance(one.point) for one in done]
    assert sum(apart[-10:]) / 10 < 0.6 * sum(apart[:STARTUP]) / STARTUP


@BOTH
def test_what_diverged_is_avoided(name: str) -> None:
    ranges = {"x": Range(0, 1)}
    rows = [trial(number, {"x": number / 40}, None if number > 20 else 0.5) for number in range(1, 41)]
    found = [SAMPLERS[name](ranges).propose(rows, seed)["x"] for seed in range(20)]
    assert sum(x < 0.5 for x in found) > 15


@BOTH
def test_nothing_is_printed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    searched(name, {"x": Range(0, 1)}, lambda point: point["x"], STARTUP + 2)
    OptunaSampler({"x": Range(0, 1)}).prunes([], [0.1])
    assert capfd.readouterr() == ("", "")


def finished(epochs: Sequence[float], count: int = STARTUP) -> list[Trial]:
    return [trial(number, {"x": number / 100}, max(epochs), epochs) for number in range(1, count + 1)]


def test_optuna_prunes_what_is_worse_than_the_median() -> None:
    sampler = OptunaSampler({"x": Range(0, 1)})
    done = finished((0.4, 0.6, 0.8))
    assert sampler.prunes(done, (0.3, 0.5))
    assert not sampler.prunes(done, (0.3, 0.7))
    assert not sampler.prunes(done, (0.7, 0.5)), "its best epoch counts"
    assert sampler.prunes(done, (0.3, 0.7, 0.7))


def test_nothing_is_pruned_in_the_first_epoch_or_while_the_start_is_random() -> None:
    sampler = OptunaSampler({"x": Range(0, 1)})
    assert not sampler.prunes(finished((0.4, 0.6)), (0.1,))
    assert not sampler.prunes(finished((0.4, 0.6), STARTUP - 1), (0.1, 0.1))


def test_hyperopt_never_prunes() -> None:
    assert not SAMPLERS["hyperopt"]({"x": Range(0, 1)}).prunes(finished((0.4, 0.6)), (0.1, 0.1))


def test_a_pruned_trial_is_something_to_go_by() -> None:
    sampler = OptunaSampler({"x": Range(0, 1)})
    done = finished((0.4, 0.6))
    pruned = trial(len(done) + 1, {"x": 0.9}, None, (0.1, 0.1), state="pruned")
    found = sampler.propose([*done, pruned], 3)
    assert 0 <= found["x"] <= 1
    assert sampler.prunes([*done, pruned], (0.3, 0.5))


@BOTH
def test_a_missing_package_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependency, match=rf"{name} is not installed: pip install 'corpusforge\[train\]'"):
        SAMPLERS[name]({"x": Range(0, 1)})


@pytest.mark.parametrize(
    ("over", "changes", "words"),
    [
        (("tua",), {}, "'tua': did you mean 'tau'"),
        ((), {}, "search over each setting once"),
        (("tau", "tau"), {}, "search over each setting once"),
        (("alpha",), {"model": "combined"}, "combined contrasts nothing"),
        (("alpha",), {"mcl": False}, "turned off"),
        (("tau",), {"mcl": False, "lcl": False}, "turned off"),
        (("learning_rate",), {"model": "ngram"}, "ngram has no such setting"),
        (("learning_rate",), {"model": "speech-only", "head_rate": 1e-3}, "as long as head_rate is null"),
        (("learning_rate", "head_rate"), {"model": "speech-only"}, "as long as head_rate is null"),
        (("beta",), {"alpha": LARGEST, "beta": 0}, "leaves nothing"),
    ],
)
def test_what_cannot_be_searched_is_said(over: tuple[str, ...], changes: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        Space(over).ranges(preset("tiny", **changes))


@pytest.mark.parametrize("name", list(PRESETS))
def test_what_is_searched_by_default_matters_to_the_model(name: str) -> None:
    assert Space.of(preset(name)).over == ("alpha", "beta", "tau", "learning_rate")
    assert Space.of(preset(name, lcl=False)).over == ("alpha", "tau", "learning_rate")
    assert Space.of(preset(name, model="fgm")).over == ("learning_rate",)
    assert Space.of(preset(name, model="speech-only", head_rate=1e-3)).over == ("head_rate",)
    with pytest.raises(RecipeError):
        Space.of(preset(name, model="majority")).ranges(preset(name, model="majority"))

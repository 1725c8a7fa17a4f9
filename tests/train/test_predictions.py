"""Predictions as a file: written, read, and refused where damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusforge.errors import CorpusforgeError
from corpusforge.train.predictions import (
    Predictions,
    predicted_splits,
    predictions_of,
    predictions_path,
    read_predictions,
    write_predictions,
)
from tests.train.flores import dataset

DATA = dataset(
    (f"g{number}", f"d{number // 2}", lang, "字", (None, "a", "b")[number % 3], "test")
    for number in range(6)
    for lang in ("zho_Hans", "bod_Tibt")
)
EXAMPLES = [example for group in DATA.examples["test"] for example in group]


def some(seed: int = 0) -> Predictions:
    return predictions_of(DATA, EXAMPLES, np.random.default_rng(seed).dirichlet([1, 1], len(EXAMPLES)))


def test_a_line_has_strings_at_its_edges(tmp_path: Path) -> None:
    chances = np.tile([0.25, 0.75], (len(EXAMPLES), 1))
    path = predictions_path(tmp_path, "test")
    write_predictions(path, predictions_of(DATA, EXAMPLES, chances))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert path.name == "predictions-test.jsonl" and len(lines) == len(EXAMPLES)
    assert json.loads(lines[2]) == {
        "id": "g1.zho_Hans",
        "group": "g1",
        "document": "d0",
        "lang": "zho_Hans",
        "label": "a",
        "predicted": "b",
        "probabilities": {"a": 0.25, "b": 0.75},
    }
    assert json.loads(lines[0])["label"] is None
    assert predicted_splits(tmp_path) == ["test"] and [one.name for one in tmp_path.iterdir()] == [path.name]


@given(st.integers(0, 2**32))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    path = tmp_path_factory.mktemp("run") / "predictions-dev.jsonl"
    given_ = some(seed)
    write_predictions(path, given_)
    found = read_predictions(path)
    for name in ("labels", "ids", "groups", "documents", "langs"):
        assert getattr(found, name) == getattr(given_, name)
    assert (found.truth == given_.truth).all() and (found.predicted == given_.predicted).all()
    assert np.abs(found.probabilities - given_.probabilities).max() <= 5.1e-7


def test_only_the_labelled_ones_are_measured() -> None:
    given_ = some()
    assert len(given_.labelled()) == 8 and len(given_) == 12
    assert len(given_.outcomes().unit) == 8
    assert [given_.outcomes(unit).units for unit in ("document", "group", "utterance")] == [3, 4, 8]


def test_a_model_that_diverged_is_not_written() -> None:
    chances = np.full((len(EXAMPLES), 2), 0.5)
    chances[3, 0] = np.nan
    with pytest.raises(CorpusforgeError, match=r"g1\.bod_Tibt and 0 more are no finite numbers"):
        predictions_of(DATA, EXAMPLES, chances)
    with pytest.raises(ValueError, match="12 examples and 2 labels"):
        predictions_of(DATA, EXAMPLES, chances[:3])


def change(path: Path, **values: object) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), **values})
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"label": "c"}, "has the label 'c', which has no probability: expected one of a, b"),
        ({"predicted": "c"}, "has the label 'c'"),
        ({"probabilities": {"a": 1.0}}, "has probabilities of a, line 1 of a, b"),
        ({"probabilities": {"a": 1.5, "b": -0.5}}, "outside 0 to 1"),
        ({"id": "g0.zho_Hans"}, "g0.zho_Hans stands there for the second time"),
        ({"document": 3}, "document: Input should be a valid string"),
        ({"speaker": "x"}, "speaker: Extra inputs"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, values: dict[str, object], words: str) -> None:
    path = tmp_path / "predictions-test.jsonl"
    write_predictions(path, some())
    change(path, **values)
    with pytest.raises(CorpusforgeError) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path}:2: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "predictions-test.jsonl"
    write_predictions(path, some())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorpusforgeError, match=r"\.jsonl:12: .*cut short"):
        read_predictions(path)
    path.write_bytes(b"")
    with pytest.raises(CorpusforgeError, match="is empty"):
        read_predictions(path)
    with pytest.raises(CorpusforgeError, match="there is no"):
        read_predictions(tmp_path / "predictions-dev.jsonl")

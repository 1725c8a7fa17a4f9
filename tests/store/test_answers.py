"""Kept answers: found again, counted, and never lost without a word."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corpusforge.errors import WorkspaceError
from corpusforge.store.answers import FILE, Answers, PendingBatch, Spent

KEY = bytes(range(32))


def answer(text: str = "བོད་ཡིག", **more: Any) -> dict[str, Any]:
    return {"text": text, "tokens_in": 7, **more}


def test_an_answer_is_found_by_its_key_alone(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    assert answers.get(KEY) is None
    answers.put(KEY, "mine", "translate", answer(), Spent(1, 7, 3, 0.5))
    assert answers.get(KEY) == answer()
    assert answers.get(KEY[::-1]) is None
    answers.close()
    assert Answers(tmp_path).get(KEY) == answer()


def test_money_is_counted_by_corpus_over_all_builds(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.put(b"a", "mine", "k", answer(), Spent(2, 10, 5, 0.25))
    answers.put(b"b", "mine", "k", answer(), Spent(1, 20, 5, 0.5))
    answers.put(b"c", "yours", "k", answer(), Spent(9, 90, 90, 9.0))
    answers.waste("mine", 4)
    answers.waste("mine", 2)
    answers.close()
    assert Answers(tmp_path).spent("mine") == Spent(9, 30, 10, 0.75)
    assert Answers(tmp_path).spent("nobody's") == Spent()


def test_answers_that_had_no_price_are_valued_at_the_present_one(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.put(b"a", "mine", "k", answer(), Spent(1, 1000, 100))
    answers.put(b"b", "mine", "k", answer(), Spent(1, 10, 10, 2.0))
    assert answers.spent("mine").usd == 2.0
    assert answers.spent("mine", lambda sent, got: sent / 1000 + got / 100).usd == 4.0


def test_estimates_have_the_mean_of_a_kind(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    assert answers.mean_tokens("translate") == (0, 0.0, 0.0)
    for number in range(4):
        answers.put(bytes([number]), "mine", "translate", answer(), Spent(1, 10 * number, number))
    answers.put(b"x", "mine", "repair", answer(), Spent(1, 999, 999))
    assert answers.mean_tokens("translate") == (4, 15.0, 1.5)


def test_batches_are_remembered_until_they_are_dropped(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    one = PendingBatch("one", None, "mine", 2.5, ("aa", "bb"), Spent(2, 30, 40, 0.5))
    two = PendingBatch("two", "batch-2", "mine", 1.5, ("cc",))
    answers.put_batch("service", one)
    answers.put_batch("another", two)
    assert answers.batches("service") == [one]
    answers.put_batch("service", replace(one, id="batch-1"))
    assert Answers(tmp_path).batches("service") == [replace(one, id="batch-1")]
    answers.drop_batch("one")
    assert answers.batches("service") == []
    assert answers.batches("another") == [two]


def test_a_batch_is_taken_in_whole_or_not_at_all(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    batch = PendingBatch("one", "batch-1", "mine", 2.5, ("aa", "bb"))
    answers.put_batch("service", batch)
    good = (b"a", "batch", answer(), Spent(1, 7, 3, 0.5))
    with pytest.raises(WorkspaceError, match="cannot be kept"):
        answers.take_in(batch, [good, (None, "batch", answer(), Spent(1))], 1)  # type: ignore[list-item]
    assert (answers.get(b"a"), answers.spent("mine"), answers.batches("service")) == (None, Spent(), [batch])
    answers.take_in(batch, [good], 1)
    assert (answers.get(b"a"), answers.spent("mine")) == (answer(), Spent(2, 7, 3, 0.5))
    assert answers.batches("service") == []


def test_reading_makes_no_file_and_changes_none(tmp_path: Path) -> None:
    looking = Answers(tmp_path, reading=True)
    assert looking.get(KEY) is None
    assert looking.spent("mine") == Spent()
    looking.close()
    assert list(tmp_path.iterdir()) == []
    answers = Answers(tmp_path)
    answers.put(KEY, "mine", "k", answer(), Spent(1))
    answers.close()
    before = (tmp_path / FILE).read_bytes()
    looking = Answers(tmp_path, reading=True)
    assert looking.get(KEY) == answer()
    looking.close()
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("where", [0, 4096])
def test_a_damaged_file_is_named_with_what_deleting_it_costs(tmp_path: Path, where: int) -> None:
    answers = Answers(tmp_path)
    for number in range(200):
        answers.put(number.to_bytes(32), "mine", "k", answer("x" * 200), Spent(1))
    answers.close()
    path = tmp_path / FILE
    content = path.read_bytes()
    path.write_bytes(content[:where] + b"\xff" * (len(content) - where))
    with pytest.raises(WorkspaceError, match=r"answers\.sqlite.*delete it to go on.*paid for again"):
        Answers(tmp_path).get(KEY)


def test_a_full_disk_stops_with_words(small_disk: Path) -> None:
    answers = Answers(small_disk)
    with pytest.raises(WorkspaceError, match=r"answers\.sqlite: .*paid for cannot be kept"):
        for number in range(10_000):
            answers.put(number.to_bytes(32), "mine", "k", answer("x" * 1000), Spent(1))
    answers.close()


def test_two_processes_may_have_it_open(tmp_path: Path) -> None:
    first, second = Answers(tmp_path), Answers(tmp_path)
    first.put(KEY, "mine", "k", answer(), Spent(1))
    assert second.get(KEY) == answer()
    second.put(b"b", "mine", "k", answer(), Spent(1))
    assert first.spent("mine").requests == 2


def _put_and_die(folder: Path) -> None:
    answers = Answers(folder)
    for number in range(50):
        answers.put(number.to_bytes(32), "mine", "k", answer(), Spent(1))
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_put_outlives_kill_9(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_put_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert Answers(tmp_path).spent("mine").requests == 50
    with sqlite3.connect(tmp_path / FILE) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

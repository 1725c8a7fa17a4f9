"""The index: what a transaction that failed leaves behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusforge.errors import WorkspaceError
from corpusforge.store.index import DONE, Failure, Index, Result

SPEAK = '{"settings":{},"stage":"speak","version":1}'
WEIGH = '{"settings":{},"stage":"weigh","version":1}'


def rows(count: int, settings: str = SPEAK, inputs: str = "{}") -> list[tuple[bytes, Result]]:
    """Results without blobs."""
    result = Result(DONE, '{"blobs":{},"fields":{}}', settings, inputs, 0.01)
    return [(f"{settings[22:27]}{number}".encode().ljust(32, b"."), result) for number in range(count)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with contextlib.closing(Index(tmp_path / "index.sqlite")) as opened:
        yield opened


def test_results_that_are_stored_after_a_failed_transaction_have_their_settings(tmp_path: Path, index: Index) -> None:
    made = rows(5)
    with pytest.raises(KeyboardInterrupt), index.transaction():
        index.put_results(made)
        raise KeyboardInterrupt
    with index.transaction():
        index.put_results(made)
        index.put_failures([(b"f" * 32, Failure(1, "item", SPEAK, "no", 1))])
    with contextlib.closing(Index(tmp_path / "index.sqlite")) as other, other.transaction():
        other.put_results(rows(5, WEIGH))
    assert dict(index.all_results()) == {**dict(made), **dict(rows(5, WEIGH))}
    assert [failure.stage for failure in index.all_failures()] == ["speak"]


def test_a_full_disk_is_named_and_the_same_rows_go_in_when_there_is_room(small_disk: Path) -> None:
    made = rows(40, inputs="x" * 10_000)
    ballast = small_disk / "ballast"
    with contextlib.closing(Index(small_disk / "index.sqlite")) as index:
        ballast.write_bytes(bytes(700_000))
        for _ in range(2):
            with pytest.raises(WorkspaceError, match=r"No space left on device: free some space"), index.transaction():
                index.put_results(made)
        ballast.unlink()
        with index.transaction():
            index.put_results(made)
        assert dict(index.all_results()) == dict(made)

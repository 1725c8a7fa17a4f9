"""Kills, passing faults and other people's commits: a second try, or a second run, finishes what was begun."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import PROGRAM
from tests.corpus.conftest import Shop
from tests.patience import until
from tests.publish.conftest import Publish
from tests.servers.hub import Hub

QUICK = "--no-read-back"


def killed_when(reached: Callable[[], bool], corpus: Path, client: dict[str, str]) -> None:
    """Start a publication, and kill it -9 once the Hub has got so far."""
    command = [PROGRAM, "publish", str(corpus), "--repo", "me/small", "--max-shard-size", "60kB"]
    running = subprocess.Popen(command, env={**os.environ, **client}, stderr=subprocess.DEVNULL)
    until(reached, process=running)
    assert running.poll() is None
    os.kill(running.pid, signal.SIGKILL)
    running.wait()


def test_a_kill_in_the_middle_is_finished_by_a_second_run(
    publish: Publish, hub: Hub, corpus: Path, client: dict[str, str]
) -> None:
    release = threading.Event()
    held = hub.fail("PUT", "/_lfs/", after=5, times=1000, hold=release)
    killed_when(lambda: hub.count("PUT", "/_lfs/") >= 5 and held.times < 1000, corpus, client)
    arrived = {one.path for one in hub.asked if one.method == "PUT" and one.status == 200}
    assert len(arrived) == 5 and hub.count("POST", "/commit/") == 0 and hub.repo("me/small").tags == {}
    staged = [*Path(client["TMPDIR"]).glob("corpusforge-publish-*/*/data")]
    assert staged, "the kill came when nothing was on its way"
    held.times = 0
    release.set()
    already = len(hub.asked)
    assert publish().returncode == 0
    sent_again = {one.path for one in hub.asked[already:] if one.method == "PUT" and one.received > 0}
    assert sent_again and not sent_again & arrived
    assert not [*Path(client["TMPDIR"]).glob("corpusforge-publish-*/*/data")]
    assert list(hub.repo("me/small").tags) == ["v1"]


def test_a_kill_between_commit_and_tag_is_finished_by_a_second_run(
    publish: Publish, hub: Hub, corpus: Path, client: dict[str, str]
) -> None:
    release = threading.Event()
    held = hub.fail("POST", "/tag/", 503, hold=release)
    killed_when(lambda: held.times == 0, corpus, client)
    release.set()
    assert hub.count("POST", "/commit/") == 1 and hub.repo("me/small").tags == {}
    done = publish(QUICK)
    assert done.returncode == 0 and "nothing had changed" in done.stdout
    assert list(hub.repo("me/small").tags) == ["v1"]


@pytest.mark.parametrize("status", [409, 412, 429, 503])
def test_a_commit_that_gets_a_passing_answer_is_tried_again(publish: Publish, hub: Hub, status: int) -> None:
    hub.fail("POST", "/commit/", status, times=2, headers={"Retry-After": "0"})
    done = publish(QUICK)
    assert done.returncode == 0, done.stderr
    repo = hub.repo("me/small")
    assert hub.count("POST", "/commit/") == 3 and list(repo.tags) == ["v1"]
    assert hub.sent() == sum(file["size"] for path, file in repo.tree().items() if path.endswith(".parquet"))


def test_a_cut_connection_is_tried_again(publish: Publish, hub: Hub) -> None:
    hub.fail("POST", "/commit/", cut=True)
    hub.fail("POST", "/preupload/", cut=True)
    hub.fail("PUT", "/_lfs/", cut=True)
    done = publish(QUICK)
    assert done.returncode == 0, done.stderr
    assert list(hub.repo("me/small").tags) == ["v1"]


def test_an_edit_of_the_card_at_the_same_moment_is_kept(publish: Publish, hub: Hub, shop: Shop) -> None:
    assert publish(QUICK).returncode == 0
    repo = hub.repo("me/small")
    shop.write(shop.root / "corpus", shop.corpus(25), "two")
    release = threading.Event()
    held = hub.fail("POST", "/commit/", hold=release)  # then the commit goes on, on a head that is no longer there

    def edit() -> None:
        until(lambda: not held.times, "the request is held")
        card = hub.read("me/small", "README.md") + b"\nWritten at the same moment.\n"
        repo.commit("main", {**repo.tree(), "README.md": hub.store(card)}, "by hand", repo.refs["main"])
        release.set()

    editor = threading.Thread(target=edit, daemon=True)
    editor.start()
    assert publish(QUICK).returncode == 0
    assert [one.status for one in hub.asked if "/commit/" in one.path] == [200, 412, 200]
    assert b"Written at the same moment." in hub.read("me/small", "README.md")


def test_what_is_on_the_hub_is_compared_by_hash(publish: Publish, hub: Hub) -> None:
    release = threading.Event()
    held = hub.fail("POST", "/tag/", hold=release)

    def meddle() -> None:
        until(lambda: not held.times, "the request is held")
        repo = hub.repo("me/small")
        path = next(path for path in repo.tree() if path.endswith(".parquet"))
        other = hashlib.sha256(b"other").hexdigest()
        hub.blob(other).write_bytes(b"other")
        repo.tree()[path] = {"size": 5, "oid": "0" * 40, "lfs": other}
        release.set()

    threading.Thread(target=meddle, daemon=True).start()
    done = publish(QUICK)
    assert done.returncode == 7 and "are not what was sent" in done.stderr

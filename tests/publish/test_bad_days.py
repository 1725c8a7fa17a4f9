"""What can go wrong with a Hub: one readable line each, nothing that a second run does not finish."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.cli.program import Done
from tests.publish.conftest import Publish
from tests.servers.hub import READER, Hub

QUICK = "--no-read-back"


def line(done: Done, status: int = 7) -> str:
    errors = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
    assert done.returncode == status and len(errors) == 1, done.stderr
    return errors[0]


def test_no_token(publish: Publish, hub: Hub) -> None:
    said = line(publish(HF_TOKEN=""))
    assert "hf auth login" in said and "HF_TOKEN" in said and hub.asked == []


def test_a_wrong_token(publish: Publish, hub: Hub) -> None:
    said = line(publish(HF_TOKEN="hf_wrongwrongwrong"))
    assert "does not accept the token" in said and "/settings/tokens" in said
    assert hub.repos == {}


def test_no_write_access_to_the_namespace(publish: Publish, hub: Hub) -> None:
    said = line(publish(repo="somebody/small"))
    assert "may not write" in said and "me/" in said and hub.repos == {}


def test_no_write_access_to_the_repository(publish: Publish, hub: Hub) -> None:
    hub.make("me/small")
    said = line(publish(HF_TOKEN=READER))
    assert "may not write to the dataset me/small" in said and "--create-pr" in said
    done = publish("--create-pr", QUICK, HF_TOKEN=READER)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["models", "spaces"])
def test_a_name_that_is_something_else(publish: Publish, hub: Hub, kind: str) -> None:
    hub.make("me/small", kind)
    assert f"is a {kind[:-1]} on the Hub already" in line(publish())
    assert list(hub.repos) == [(kind, "me/small")]


def test_a_dataset_that_is_not_ours(publish: Publish, hub: Hub) -> None:
    hub.make("me/small", files={"README.md": b"# Mine\n", "train.csv": b"a,b\n"})
    before = dict(hub.repo("me/small").tree())
    said = line(publish())
    assert "holds something else (train.csv)" in said and hub.repo("me/small").tree() == before


def test_no_network(publish: Publish) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = line(publish("--retries", 1, HF_ENDPOINT=f"http://127.0.0.1:{port}"))
    assert "cannot be reached" in said and "tried 2 times" in said


def test_offline_mode(publish: Publish) -> None:
    assert "offline" in line(publish("--retries", 0, HF_HUB_OFFLINE="1")).lower()


def test_quota_and_then_room(publish: Publish, hub: Hub) -> None:
    hub.quota = 300_000
    said = line(publish())
    assert "has no room" in said and "upgrade" in said and "Run the same command again" in said
    hub.quota = None
    sent = hub.sent()
    assert publish(QUICK).returncode == 0
    assert hub.sent() > sent


def test_a_hub_that_stays_in_trouble(publish: Publish, hub: Hub) -> None:
    hub.fail("POST", "/commit/", 503, times=1000, headers={"Retry-After": "0"})
    said = line(publish(QUICK, "--retries", 2))
    assert "HTTP 503" in said and "tried 3 times" in said and "not sent twice" in said
    sent = hub.sent()
    hub.faults.clear()
    assert publish(QUICK).returncode == 0 and hub.sent() == sent


def test_a_card_with_half_a_marker(publish: Publish, hub: Hub) -> None:
    hub.make("me/small", files={"README.md": b"<!-- corpusforge:begin summary -->\nlost its end\n"})
    said = line(publish(QUICK), status=1)
    assert "lost half of the marker 'summary'" in said
    assert hub.count("POST", "/commit/") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--max-shard-size", "many"), "is no size such as 500MB"),
        (("--repo", "no slash"), "is no name of a repository such as user/name"),
        (("--gated", "perhaps"), "auto"),
    ],
)
def test_wrong_usage(publish: Publish, hub: Hub, arguments: tuple[str, ...], words: str) -> None:
    done = publish(*arguments)
    assert done.returncode == 2 and words in done.stderr and hub.asked == []


def test_a_folder_that_is_no_corpus(publish: Publish, tmp_path: Path) -> None:
    assert "is not a corpus" in line(publish(what=tmp_path / "nothing"), status=6)


def test_a_staging_folder_of_somebody_else(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / f"corpusforge-publish-{os.getuid()}").symlink_to(tmp_path / "hub")
    assert "belongs to somebody else" in line(publish(), status=4)

"""A Hub on loopback, a small corpus, and the real program between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.program import Done, run
from tests.corpus.conftest import Shop
from tests.servers.hub import TOKEN, Hub

BIBTEX = "@misc{small, title = {A small corpus}}"
Publish = Callable[..., Done]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def corpus(shop: Shop) -> Path:
    """A corpus of 24 groups in three languages, at `corpus` beside `shop`."""
    shop.write(shop.root / "corpus", shop.corpus(24), citations=[BIBTEX])
    return shop.root / "corpus"


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """The environment of a client of `hub`."""
    home = {"HF_HOME": str(tmp_path / "hf"), "TMPDIR": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
    return {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": "", **home, **quiet}


@pytest.fixture
def publish(corpus: Path, client: dict[str, str]) -> Publish:
    """Run `corpusforge publish corpus --repo me/small …` in small shards; keywords go over the environment."""

    def call(*arguments: object, what: Path = corpus, repo: str = "me/small", **environment: str) -> Done:
        fixed = ("--repo", repo, "--max-shard-size", "60kB")
        done = run("publish", what, *fixed, *arguments, cwd=corpus.parent, **{**client, **environment})
        assert "hf_" not in done.stdout + done.stderr, "a token was shown"
        return done

    return call

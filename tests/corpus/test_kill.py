"""kill -9 at every step of a commit leaves a corpus that is whole: the old one or the new one."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from corpusforge.corpus.read import Corpus
from corpusforge.corpus.write import intact
from corpusforge.errors import CorpusError

EVENTS = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}


def killed_at(step: int, folder: Path, shop, items, fingerprint: str) -> bool:
    """Commit in a child that kills itself before its `step`-th change of the file system; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = step

        def watch(event: str, arguments: tuple) -> None:
            nonlocal left
            if event in EVENTS and str(folder) in str(arguments):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            with shop.writer(folder, items) as writer:
                for item in items:
                    writer.add(item)
                sys.addaudithook(watch)
                writer.commit(fingerprint)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def check(folder: Path) -> tuple[str, tuple[str, ...]]:
    """The corpus that is there, having compared every list and every audio file with what names it."""
    corpus = Corpus(folder)
    rows = list(corpus)
    for record in rows:
        assert hashlib.sha256(record.path.read_bytes()).hexdigest() == record.sha256
        record.load()
    by_split = [record for split in ("train", "dev", "test") for record in corpus.split(split)]
    assert sorted(by_split, key=lambda record: (record.group, record.lang, record.id)) == rows
    assert len(rows) == corpus.info["utterances"] == len(corpus)
    return corpus.info["fingerprint"], tuple(record.sha256 for record in rows)


def test_killed_while_it_replaces_a_corpus(shop, tmp_path, snapshot):
    old = shop.corpus(4, ("zho_Hans", "bod_Tibt"))
    new = [*shop.corpus(3, ("zho_Hans", "mya_Mymr")), shop.item("dev-0000.bod_Tibt", "bod_Tibt", 700, document="doc-0")]
    shop.write(tmp_path / "old", old, "old")
    shop.write(tmp_path / "new", new, "new")
    whole = {"old": check(tmp_path / "old"), "new": check(tmp_path / "new")}
    seen = []
    for step in range(200):
        folder = tmp_path / "work" / str(step)
        shutil.copytree(tmp_path / "old", folder)
        killed = killed_at(step, folder, shop, new, "new")
        found = check(folder)
        assert found == whole[found[0]]
        seen.append(found[0])
        if killed:
            assert not intact(folder, "new") or snapshot(folder) == snapshot(tmp_path / "new")
        shop.write(folder, new, "new")
        assert snapshot(folder) == snapshot(tmp_path / "new")
        if not killed:
            break
        shutil.rmtree(folder)
    else:
        pytest.fail("the commit has no end")
    assert seen[0] == "old" and seen[-1] == "new" and seen == sorted(seen, reverse=True)
    assert seen.count("old") > 10 and seen.count("new") > 8


def test_killed_while_it_makes_the_first_corpus(shop, tmp_path, snapshot):
    items = shop.corpus(2)
    shop.write(tmp_path / "whole", items, "one")
    step = 0
    while killed_at(step, folder := tmp_path / "work" / str(step), shop, items, "one"):
        try:
            assert check(folder)[0] == "one"
        except CorpusError as error:
            assert "is not a corpus" in str(error)
            assert not intact(folder, "one")
        shop.write(folder, items, "one")
        assert snapshot(folder) == snapshot(tmp_path / "whole")
        step += 1
    assert step > 15

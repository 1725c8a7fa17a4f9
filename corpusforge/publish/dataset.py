"""Publishes a corpus: shards are packed, sent and dropped a few at a time, then one commit names them all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpusforge.corpus.read import Corpus
from corpusforge.errors import WorkspaceError
from corpusforge.export.parquet import Layout, Shard, is_shard, layout, pack, write_parquet
from corpusforge.net.policy import Policy
from corpusforge.publish.card import PLOT, card, facts, plot
from corpusforge.publish.croissant import FILE, croissant
from corpusforge.publish.hub import CARD, GENTLE, Committed, Target, Upload
from corpusforge.publish.plan import Plan, readable_size
from corpusforge.publish.revision import package_revision
from corpusforge.publish.verify import compare_rows

MAX_SHARD_SIZE = 500_000_000
BATCH_FILES, BATCH_BYTES = 16, 256_000_000
"""So much is packed before it is sent: what the disk has to hold."""
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a corpus is published.

    Attributes:
        max_shard_size: Bytes of a Parquet file, at most.
        croissant: Add `croissant.json`.
        read_back: Load what was published and compare every row and clip; the hashes are compared in any case.
        policy: When a request is tried again.
    """

    max_shard_size: int = MAX_SHARD_SIZE
    croissant: bool = False
    read_back: bool = True
    policy: Policy = GENTLE


def publish_corpus(
    corpus: Corpus, target: Target, settings: Settings | None = None, note: Note = lambda words: None
) -> Committed:
    """Bring the repository to what the corpus is: shards, card, tag; then compare.

    Args:
        corpus: To publish.
        target: Where to.
        settings: How.
        note: Told of every step.

    Raises:
        CorpusError: The corpus is damaged.
        PublishError: The Hub refuses, is not reached, or holds something else afterwards.
        CardError: The card that is there cannot be brought up to date.
        WorkspaceError: There is no room for the shards that are about to be sent.
    """
    settings = settings or Settings()
    with Upload(target, settings.policy) as upload, _staging(corpus.folder, target.repo) as folder:
        upload.prepare()
        contents = _Contents(corpus, layout(corpus, settings.max_shard_size), target.repo, target.tag)
        if "citations" not in corpus.info:
            note(f"{corpus.folder} was built by an earlier corpusforge and names no citations: build it again first")
        total = len(contents.planned.shards)
        done = 0
        for batch in _batches(pack(corpus, contents.planned, folder)):
            new = upload.send(folder, [shard.path for shard in batch])
            for shard in batch:
                (folder / shard.path).unlink()
            contents.shards += batch
            done += len(batch)
            size = readable_size(sum(shard.size for shard in batch))
            note(f"{done:,} of {total:,} shards are there: {new} of these {len(batch)} ({size}) had to be sent")
        committed = upload.commit(
            f"{corpus.name}: {len(corpus):,} utterances, {corpus.info['hours']:.2f} h",
            contents.card,
            contents.small(settings.croissant),
            lambda path, _: is_shard(path) or (path == FILE and not settings.croissant),
        )
        committed = upload.tag(committed)
        files = upload.compare(committed.revision)
        note(f"{files:,} files on the Hub have the hashes of ours")
    if settings.read_back:
        compare_rows(corpus, contents.planned, target.repo, committed.tag or committed.revision, note)
    return committed


def write_dataset(
    corpus: Corpus, folder: Path, repo: str, settings: Settings | None = None, note: Note = lambda words: None
) -> list[Shard]:
    """Everything that `publish_corpus` would send, in a folder; a card that is there keeps what people wrote.

    Args:
        corpus: To write.
        folder: Made if it is not there.
        repo: For the card's snippet.
        settings: How.
        note: Told of every step.

    Raises:
        CorpusError: The corpus is damaged.
        CardError: The card that is there cannot be brought up to date.
        WorkspaceError: The folder cannot be written.
    """
    settings = settings or Settings()
    contents = _Contents(corpus, layout(corpus, settings.max_shard_size), repo, None)
    contents.shards = write_parquet(corpus, folder, max_shard_size=settings.max_shard_size, note=note)
    there = folder / CARD
    old = there.read_text(encoding="utf-8") if there.is_file() else None
    for path, content in {**contents.small(settings.croissant), CARD: contents.card(old).encode()}.items():
        _write(folder / path, content)
    return contents.shards


def plan_corpus(corpus: Corpus, target: Target, settings: Settings | None = None) -> Plan:
    """What `publish_corpus` would send. Nobody is asked, nothing is written."""
    settings = settings or Settings()
    contents = _Contents(corpus, layout(corpus, settings.max_shard_size), target.repo, target.tag)
    contents.shards = [
        Shard(one.path, one.config, one.split, len(one.rows), one.size, one.size) for one in contents.planned.shards
    ]
    text = contents.card(None)
    small = {CARD: text.encode(), **contents.small(settings.croissant)}
    sizes = [(shard.path, shard.size) for shard in contents.shards] + [(path, len(own)) for path, own in small.items()]
    return Plan(target.repo, "dataset", tuple(sizes), text)


class _Contents:
    """What goes beside the shards, once they are known."""

    def __init__(self, corpus: Corpus, planned: Layout, repo: str, tag: str | None) -> None:
        self.corpus, self.planned, self.repo, self.tag = corpus, planned, repo, tag
        self.facts = facts(corpus)
        self.shards: list[Shard] = []

    def card(self, existing: str | None) -> str:
        return card(
            existing,
            self.corpus,
            self.facts,
            self.planned,
            self.shards,
            repo=self.repo,
            tag=self.tag,
            revision=package_revision(),
        )

    def small(self, with_croissant: bool) -> dict[str, bytes]:
        found = {PLOT: plot(self.facts)}
        if with_croissant:
            found[FILE] = croissant(self.corpus, self.facts, self.planned, self.repo)
        return found


def _batches(shards: Iterator[Shard]) -> Iterator[Sequence[Shard]]:
    batch: list[Shard] = []
    for shard in shards:
        batch.append(shard)
        if len(batch) == BATCH_FILES or sum(one.size for one in batch) >= BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(file.name + ".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkspaceError(f"{file} cannot be written ({error.strerror}): choose a folder that can be") from error


@contextlib.contextmanager
def _staging(corpus: Path, repo: str) -> Iterator[Path]:
    """A folder for shards on their way, the same one for the same publication: what a kill leaves goes next time."""
    root = Path(tempfile.gettempdir()) / f"corpusforge-publish-{os.getuid()}"
    name = hashlib.sha256(f"{corpus.resolve()}\n{repo}".encode()).hexdigest()[:16]
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        if root.is_symlink() or root.stat().st_uid != os.getuid():
            raise WorkspaceError(f"{root} belongs to somebody else: set TMPDIR to a folder of your own")
        lock = (root / f"{name}.lock").open("w")
    except OSError as error:
        raise WorkspaceError(f"{root} cannot be written ({error.strerror}): set TMPDIR to a folder that can") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WorkspaceError(f"{corpus} is being published to {repo} already: wait until that has ended") from None
        folder = root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

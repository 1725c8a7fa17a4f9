"""Sends files to a repository of the Hugging Face Hub so that a second run finishes what a first one did not.

Large files go up a few at a time, under the name of their content, and are in no repository yet; one commit then names
all of them. What the repository holds already is not sent, what arrived before a kill is known to the Hub by its hash,
and a commit is made of what is there at that moment, so that it can be tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from corpusforge.errors import CorpusforgeError
from corpusforge.net.faults import PASSING, Fault, describe, fault_of_status
from corpusforge.net.faults import fault_of as net_fault_of
from corpusforge.net.policy import Policy
from corpusforge.net.secrets import keep_secret, redact
from corpusforge.net.service import Service, ServiceDown, ServiceError
from corpusforge.publish.markers import is_ours

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

T = TypeVar("T")
Kind = Literal["dataset", "model"]
CARD = "README.md"
GENTLE = Policy(concurrency=1, backoff=1.0, timeout=7 * 24 * 3600.0)
"""A try may be the upload of some large files over a slow line; the connection has time limits of its own."""
SILENCE = 120.0
"""Seconds without a byte after which a connection is given up."""
_AGAIN = "Run the same command again: what has arrived is not sent twice"
_FULL = re.compile(r"storage|quota|limit reached|payment|upgrade your plan", re.IGNORECASE)


class PublishError(CorpusforgeError):
    """The Hub refuses, is not reached, or holds something else than it should."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class Target:
    """Where to publish, and how.

    Attributes:
        repo: `owner/name`.
        kind: `dataset` or `model`.
        private: Make the repository private; False leaves it as it is.
        gated: Who gets access: everybody who asks (`auto`), or whom the owner lets in (`manual`); None leaves it.
        revision: Branch to commit to; made if it is not there.
        tag: Name of the version; None: `v1`, `v2`, … whenever something else is published.
        create_pr: Open a pull request instead of committing; nothing is tagged then.
    """

    repo: str
    kind: Kind
    private: bool = False
    gated: Literal["auto", "manual"] | None = None
    revision: str = "main"
    tag: str | None = None
    create_pr: bool = False


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of the repository: `sha256` if it is a large one, else git's own hash in `blob`."""

    size: int
    sha256: str | None
    blob: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What a publication came to.

    Attributes:
        revision: The commit.
        changed: Whether there was anything to commit.
        tag: Its tag, None for a pull request.
        url: Of the repository at the tag, or of the pull request.
        sent: Large files that were not in the repository before.
        sent_bytes: Their bytes.
    """

    revision: str
    changed: bool
    tag: str | None
    url: str
    sent: int
    sent_bytes: int


class Upload:
    """One publication, from the first look at the Hub to the comparison of all hashes. A context manager.

    Use in this order: `prepare`, `send` (any number of times), `commit`, `tag`, `compare`.

    Args:
        target: Where to.
        policy: When a request is tried again.

    Raises:
        PublishError: There is no token.
    """

    def __init__(self, target: Target, policy: Policy = GENTLE) -> None:
        import httpx
        from huggingface_hub import HfApi, get_session, get_token
        from huggingface_hub.utils.tqdm import disable_progress_bars

        self.target = target
        self._api: HfApi = HfApi(library_name="corpusforge")
        self.endpoint = self._api.endpoint
        token = get_token()
        if not token:
            raise PublishError(
                f"no token for {self.endpoint}: run `hf auth login`, or set HF_TOKEN to a token that may write "
                f"(from {self.endpoint}/settings/tokens)"
            )
        keep_secret(token)
        get_session().timeout = httpx.Timeout(SILENCE, connect=policy.connect_timeout)  # the client has none
        disable_progress_bars()
        self._service = Service("the Hub", policy, meaning)
        self._loop = asyncio.new_event_loop()
        self._user = ""
        self._there: dict[str, Remote] = {}
        self._staged: dict[str, CommitOperationAdd] = {}
        self._expected: dict[str, str] = {}
        self._stale: Callable[[str, str | None], bool] = lambda path, card: False
        self._sent_bytes = 0
        self._pull: str | None = None

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()
        self._loop.close()

    # Before anything is sent

    def prepare(self) -> None:
        """Make sure that the repository is there, is ours to write, and is as private and gated as it shall be.

        Raises:
            PublishError: It cannot be made or written, or the name stands for something else.
        """
        target, api = self.target, self._api
        self._user = str(self._ask(lambda: api.whoami())["name"])
        if not self._exists(target.kind):
            for other in ("dataset", "model", "space"):
                if other != target.kind and self._exists(other):
                    raise PublishError(
                        f"{target.repo} is a {other} on the Hub already: publish the {target.kind} under another name"
                    )
            self._ask(
                lambda: api.create_repo(
                    target.repo, repo_type=target.kind, private=target.private or None, exist_ok=True
                )
            )
        self._refuse_strangers()
        if target.private or target.gated:
            self._ask(
                lambda: api.update_repo_settings(
                    target.repo,
                    repo_type=target.kind,
                    gated=target.gated,
                    visibility="private" if target.private else None,
                )
            )
        if target.revision != "main" and not target.create_pr:
            self._ask(
                lambda: api.create_branch(target.repo, branch=target.revision, repo_type=target.kind, exist_ok=True)
            )
            self._there = self._files(target.revision)

    def _exists(self, kind: str) -> bool:
        from huggingface_hub.errors import RepositoryNotFoundError

        def look() -> bool:
            try:
                self._api.repo_info(self.target.repo, repo_type=kind)
            except RepositoryNotFoundError:
                return False
            return True

        return self._ask(look)

    def _refuse_strangers(self) -> None:
        self._there = self._files("main")
        others = sorted(self._there.keys() - {CARD, ".gitattributes"})
        card = self._ask(lambda: self._card("main"))
        if others and not (card and is_ours(card)):
            raise PublishError(
                f"{self.target.repo} holds something else ({', '.join(others[:3])}{' …' if others[3:] else ''}), which "
                "corpusforge has not published: choose another name, or delete what is there"
            )

    def _card(self, revision: str) -> str | None:
        """The card as it is in the repository at a revision, of which `_there` has the files."""
        if CARD not in self._there:
            return None
        target = self.target
        file = self._api.hf_hub_download(target.repo, CARD, repo_type=target.kind, revision=revision)
        return Path(file).read_text(encoding="utf-8", errors="replace")

    # Large files

    def send(self, folder: Path, paths: Sequence[str]) -> int:
        """Send files unless the repository has them. They are not needed any more afterwards.

        Args:
            folder: They are in.
            paths: Relative to `folder`, and in the repository.

        Returns:
            How many the repository did not have.
        """
        from huggingface_hub import CommitOperationAdd

        new = []
        for path in paths:
            operation = CommitOperationAdd(path, folder / path)
            digest = self._expected[path] = operation.upload_info.sha256.hex()
            known = self._there.get(path)
            if known is None or known.sha256 != digest:
                new.append(operation)
        if new:
            target = self.target
            self._ask(
                lambda: self._api.preupload_lfs_files(
                    target.repo,
                    new,
                    repo_type=target.kind,
                    revision=target.revision if not target.create_pr else "main",
                    create_pr=target.create_pr,
                )
            )
        for operation in new:
            if isinstance(operation.path_or_fileobj, str | Path):  # a small one, which goes with the commit itself
                operation.path_or_fileobj = Path(operation.path_or_fileobj).read_bytes()
            self._staged[operation.path_in_repo] = operation
            self._sent_bytes += operation.upload_info.size
        return len(new)

    # The commit

    def commit(
        self,
        message: str,
        card: Callable[[str | None], str],
        small: Mapping[str, bytes],
        stale: Callable[[str, str | None], bool],
    ) -> Committed:
        """Make one commit of everything: what was sent, the card, small files, and what shall go.

        Args:
            message: Of the commit.
            card: The new card, given the one that is there.
            small: Contents by path.
            stale: Whether a file, that is there and was neither sent nor is in `small`, shall go; told the old card.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        target, api = self.target, self._api
        self._stale = stale
        base = "main" if target.create_pr else target.revision

        def once() -> tuple[str, bool]:
            head = str(api.repo_info(target.repo, repo_type=target.kind, revision=base).sha)
            self._there = self._list(head)
            old = self._card(head)
            contents = {**small, CARD: card(old).encode()}
            for path, content in contents.items():
                self._expected[path] = git_hash(content)
            operations: list[CommitOperationAdd | CommitOperationDelete] = [
                operation
                for path, operation in self._staged.items()
                if path not in self._there or self._there[path].sha256 != self._expected[path]
            ]
            operations += [
                CommitOperationAdd(path, content)
                for path, content in contents.items()
                if path not in self._there or self._there[path].blob != self._expected[path]
            ]
            gone = [path for path in self._there if path not in self._expected and stale(path, old)]
            operations += [CommitOperationDelete(path) for path in sorted(gone)]
            if not operations:
                return head, False
            made = api.create_commit(
                target.repo,
                operations,
                commit_message=message,
                repo_type=target.kind,
                revision=base,
                create_pr=target.create_pr,
                parent_commit=head,  # what somebody else commits meanwhile is looked at before it is built upon
            )
            self._pull = made.pr_url
            return made.oid, True

        revision, changed = self._ask(once)
        return Committed(revision, changed, None, self._pull or self._url(), len(self._staged), self._sent_bytes)

    def tag(self, committed: Committed) -> Committed:
        """Tag the commit; a tag that stands for the same files already is left where it is.

        Raises:
            PublishError: The name that was asked for stands for other files.
        """
        target, api = self.target, self._api
        if target.create_pr:
            return committed
        refs = self._ask(lambda: api.list_repo_refs(target.repo, repo_type=target.kind))
        tags = {tag.name: tag.target_commit for tag in refs.tags}
        name = target.tag or self._version(tags)
        if name not in tags:
            self._ask(
                lambda: api.create_tag(
                    target.repo, tag=name, revision=committed.revision, repo_type=target.kind, exist_ok=True
                )
            )
        elif not self._same(name):
            raise PublishError(
                f"the tag {name} of {target.repo} stands for other files, and tags are not moved: the new ones are at "
                f"{committed.revision[:12]}; give it another name with --tag"
            )
        return replace(committed, tag=name, url=self._url(name))

    def _version(self, tags: Mapping[str, str]) -> str:
        numbers = [int(name[1:]) for name in tags if re.fullmatch(r"v[1-9]\d{0,8}", name)]
        last = f"v{max(numbers)}" if numbers else None
        return last if last and self._same(last) else f"v{max(numbers, default=0) + 1}"

    def _same(self, revision: str) -> bool:
        """Whether a revision has what was sent now and nothing else of ours; of cards people write a part."""

        def look() -> bool:
            self._there = self._list(revision)
            card = self._card(revision)
            extra = [path for path in self._there if path not in self._expected and self._stale(path, card)]
            return not extra and not self._wrong(self._there, but=CARD)

        return self._ask(look)

    def compare(self, revision: str) -> int:
        """Compare every file's hash at a revision with what was sent; returns how many files.

        Raises:
            PublishError: One differs or is missing.
        """
        wrong = self._wrong(self._files(revision))
        if wrong:
            raise PublishError(
                f"{len(wrong)} files on the Hub are not what was sent, {wrong[0]} among them: somebody may have "
                f"changed them at this moment. {_AGAIN}"
            )
        return len(self._expected)

    def _wrong(self, there: Mapping[str, Remote], but: str | None = None) -> list[str]:
        return sorted(
            path
            for path, digest in self._expected.items()
            if path != but and (path not in there or digest not in (there[path].sha256, there[path].blob))
        )

    def _files(self, revision: str) -> dict[str, Remote]:
        return self._ask(lambda: self._list(revision))

    def _list(self, revision: str) -> dict[str, Remote]:
        from huggingface_hub import RepoFile

        target = self.target
        found = self._api.list_repo_tree(target.repo, repo_type=target.kind, revision=revision, recursive=True)
        return {
            file.path: Remote(file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
            for file in found
            if isinstance(file, RepoFile)
        }

    def _url(self, revision: str | None = None) -> str:
        prefix = "datasets/" if self.target.kind == "dataset" else ""
        return f"{self.endpoint}/{prefix}{self.target.repo}" + (f"/tree/{revision}" if revision else "")

    def _ask(self, send: Callable[[], T]) -> T:
        async def once() -> T:
            return send()  # in this thread: Ctrl-C reaches it

        try:
            return self._loop.run_until_complete(self._service.call(once))
        except ServiceError as error:
            if isinstance(error.__cause__, CorpusforgeError):  # our own, from within a try
                raise error.__cause__ from None
            raise PublishError(self._words(error.fault, error.attempts)) from error
        except ServiceDown as error:
            raise PublishError(redact(str(error))) from error

    def _words(self, fault: Fault, attempts: int) -> str:
        target, said = self.target, fault.words
        tried = "" if attempts == 1 else f" (tried {attempts} times)"
        if fault.status == 401:
            return (
                f"{self.endpoint} does not accept the token ({said}): run `hf auth login` again, or set HF_TOKEN to a "
                f"token that may write (from {self.endpoint}/settings/tokens)"
            )
        if fault.status in (402, 403, 413, 507) and _FULL.search(said):
            return f"{target.repo}: the Hub has no room for it ({said}): make room or upgrade. {_AGAIN}"
        if fault.status == 403:
            own = f"publish under {self._user}/, or " if self._user else ""
            return (
                f"the token may not write to the {target.kind} {target.repo} ({said}): {own}use a token that may write "
                f"there, or propose the change with --create-pr"
            )
        if fault.status is None and fault.passing:
            return f"{self.endpoint} cannot be reached ({said}){tried}: check the network. {_AGAIN}"
        return f"{target.repo}: {said}{tried}. {_AGAIN}"


def meaning(error: BaseException) -> Fault:
    """What an exception of `huggingface_hub` means.

    It wraps what went wrong in errors of its own, two deep. 412 is a commit that somebody else was faster than.
    """
    if isinstance(error, CorpusforgeError):
        return Fault(str(error), passing=False)
    for cause in _causes(error):
        response: Any = getattr(cause, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int) and status >= 300:
            fault = fault_of_status(status, response.headers, _said(response) or str(cause))
            passing = status == 412 or status in PASSING or (status >= 500 and fault.passing)
            return replace(fault, passing=passing, blocked=False)
    found = re.search(r"LFS batch API returned errors:(.*)", str(error), re.DOTALL)
    if found and _FULL.search(found.group(1)):
        return Fault(describe(error), passing=False, status=403)
    faults = [net_fault_of(cause) for cause in _causes(error)]
    best = next((fault for fault in faults if fault.passing), faults[0])
    return replace(best, blocked=False)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _said(response: Any) -> str:
    if response.headers.get("X-Error-Message"):
        return str(response.headers["X-Error-Message"])
    try:
        return str(response.text)
    except Exception:  # a stream that was not read
        return ""


def git_hash(content: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

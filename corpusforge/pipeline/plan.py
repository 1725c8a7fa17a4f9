"""The plan: for every item and stage, whether it is cached, to do or waiting, and why.

The planner never writes. `advance` walks a portion of items through the stages as far as the store goes; what is left
is the run's work. A walk that went through the same stages with the same inputs before is recognised by one digest,
so that a rebuild with nothing to do makes no key a second time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from corpusforge.items import Done, Json, Rejected, Utterance
from corpusforge.pipeline.reasons import explain
from corpusforge.stage import Stage
from corpusforge.store.index import DONE, Result
from corpusforge.store.keys import SKIPPED, StageKeys, digest
from corpusforge.store.workspace import Workspace

_decode = json.JSONDecoder().decode


@dataclass(slots=True)
class Progress:
    """How far an item has come.

    Attributes:
        item: With the fields of all stages that are behind it.
        done: Number of stages behind it.
        keys: Their keys; the last one is a rejection's if `rejected` is set.
        rejected: The stage and the reason that ended the walk.
        todo: The key of the next stage, None if the walk has ended.
        recorded: Whether the index holds exactly this walk.
        digest: Of everything the walk depends on; stored with it.
        before: The keys of this item's last walk, for reasons.
        outcomes: The stored outcomes it was moved on with, as JSON; what a stage has just made is not among them.
        start: The item as its source gave it.
    """

    item: Utterance
    digest: bytes
    done: int = 0
    keys: list[bytes] = field(default_factory=list)
    rejected: tuple[str, Rejected] | None = None
    todo: bytes | None = None
    recorded: bool = False
    before: bytes | None = None
    outcomes: list[str] = field(default_factory=list)
    start: Utterance | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.todo is None


class Step(NamedTuple):
    """One item at one stage, for `why` and for counting."""

    stage: str
    state: Literal["cached", "rejected", "to do", "pending"]
    reason: str
    key: bytes | None


class Planner:
    """Compares items with the store.

    Args:
        workspace: Its index and blobs are read.
        corpus: Name of the corpus, whose last walks give the reasons.
        stages: In order.
        force: Names of stages whose results are ignored.
    """

    def __init__(
        self, workspace: Workspace, corpus: str, stages: Sequence[Stage], force: frozenset[str] = frozenset()
    ) -> None:
        self.workspace = workspace
        self.stages = tuple(stages)
        self.keys = tuple(StageKeys(stage) for stage in stages)
        self.force = frozenset(index for index, stage in enumerate(stages) if stage.name in force)
        self.corpus = workspace.index.corpus_id(corpus)
        self._inputs = tuple(sorted({"lang", "text"}.union(*(stage.reads for stage in stages))))
        self._tails: dict[tuple[str, ...], str] = {}

    def advance(self, items: Sequence[Utterance]) -> list[Progress]:
        """Walk items as far as the store goes, in order. Reads the index a few times, however many items there are."""
        before = self.workspace.index.walks(self.corpus, [item.id for item in items]) if self.corpus else {}
        all_progress = []
        waiting: list[Progress] = []
        familiar: list[tuple[Progress, list[bytes]]] = []
        for item in items:
            progress = Progress(item, self._digest(item), start=item)
            last = before.get(item.id)
            if last is not None:
                progress.before = last[1]
            all_progress.append(progress)
            if last is not None and last[0] == progress.digest and not self.force:
                keys = last[1]
                familiar.append((progress, [keys[start : start + 32] for start in range(0, len(keys), 32)]))
            else:
                waiting.append(progress)
        waiting += self._replay(familiar)
        self._walk(waiting)
        return all_progress

    def _digest(self, item: Utterance) -> bytes:
        """Of the item's own values and all settings: equal digests mean equal walks."""
        variants = tuple([keys.variant(item) for keys in self.keys])
        tails = self._tails.get(variants)
        if tails is None:
            tails = digest(*(keys.tail(item).decode() if keys.variant(item) else "" for keys in self.keys)).hex()
            self._tails[variants] = tails
        return digest(tails, *[_text(item.value(name)) for name in self._inputs])

    def _replay(self, familiar: Sequence[tuple[Progress, list[bytes]]]) -> list[Progress]:
        """Follow recorded walks; those whose results are no longer all there come back unwalked."""
        outcomes = self.workspace.index.outcomes([key for _, keys in familiar for key in keys])
        broken = []
        for progress, keys in familiar:
            for key in keys:
                if key == SKIPPED:
                    self._skip(progress)
                elif not self._take(progress, key, outcomes.get(key)):
                    assert progress.start is not None
                    progress.item = progress.start
                    progress.done, progress.keys, progress.outcomes, progress.rejected = 0, [], [], None
                    broken.append(progress)
                    break
            else:
                progress.recorded = True
        return broken

    def _walk(self, waiting: Sequence[Progress]) -> None:
        waiting = [progress for progress in waiting if self._find(progress)]
        while waiting:
            outcomes = self.workspace.index.outcomes([progress.todo for progress in waiting if progress.todo])
            going = []
            for progress in waiting:
                key = progress.todo
                assert key is not None
                if progress.done in self.force or not self._take(progress, key, outcomes.get(key)):
                    continue
                progress.todo = None
                if progress.rejected is None and self._find(progress):
                    going.append(progress)
            waiting = going

    def _find(self, progress: Progress) -> bool:
        """Go on to the next stage that applies and make its key; False if there is none."""
        while progress.done < len(self.stages):
            stage = self.stages[progress.done]
            if stage.where == "cpu" or stage.applies(progress.item):
                progress.todo = self.keys[progress.done].key(progress.item)
                return True
            self._skip(progress)
        return False

    def _skip(self, progress: Progress) -> None:
        progress.keys.append(SKIPPED)
        progress.done += 1

    def _take(self, progress: Progress, key: bytes, found: tuple[int, str] | None) -> bool:
        """Move one stage on with a stored result; False if there is none, or its blobs are missing or cut short."""
        if found is None:
            return False
        status, text = found
        outcome = _decode(text)
        if status == DONE:
            fields = outcome["fields"]
            for name, size in outcome["blobs"].items():
                if self.workspace.blobs.size(fields[name]) != size:
                    return False
            progress.item = progress.item.having(fields)
        else:
            stage = self.stages[progress.done].name
            progress.rejected = (stage, Rejected(outcome["reason"], outcome["details"]))
        progress.keys.append(key)
        progress.outcomes.append(text)
        progress.done += 1
        return True

    def passed(self, progress: Progress, outcome: Done | Rejected) -> None:
        """Move one stage on with a fresh result. `follow` goes on from there."""
        assert progress.todo is not None
        progress.keys.append(progress.todo)
        progress.todo = None
        if isinstance(outcome, Rejected):
            progress.rejected = (self.stages[progress.done].name, outcome)
        else:
            progress.item = progress.item.having(outcome.fields)
        progress.done += 1

    def follow(self, all_progress: Sequence[Progress]) -> None:
        """Look up what the store already knows of the stages after those that items have just passed."""
        self._walk([progress for progress in all_progress if progress.rejected is None])

    def steps(self, progress: Progress) -> list[Step]:
        """The walk of one item in words: every stage with its state and reason."""
        steps = []
        for number, key in enumerate(progress.keys):
            if key == SKIPPED:
                continue
            rejected = progress.rejected is not None and number == len(progress.keys) - 1
            stage = self.stages[number]
            if rejected and progress.rejected:
                steps.append(Step(stage.name, "rejected", progress.rejected[1].reason, key))
                continue
            words = ("same inputs and settings", self._remark(stage, key))
            steps.append(Step(stage.name, "cached", "; ".join(filter(None, words)), key))
        if progress.todo is not None:
            name = self.stages[progress.done].name
            steps.append(Step(name, "to do", self.reason(progress), progress.todo))
            for keys in self.keys[progress.done + 1 :]:
                if keys.variant(progress.item):
                    steps.append(Step(keys.stage.name, "pending", f"waits for {name}", None))
        return steps

    def _remark(self, stage: Stage, key: bytes) -> str | None:
        result = self.workspace.index.result(key)
        if result is None or result.status != DONE:
            return None
        return stage.remark(_decode(result.outcome)["fields"])

    def reason(self, progress: Progress) -> str:
        """Why the next stage of an item has to run, in words."""
        key, number = progress.todo, progress.done
        assert key is not None
        index = self.workspace.index
        if number in self.force:
            return "forced"
        failure = index.failures([key]).get(key)
        if failure is not None:
            return f"failed last time: {failure.error}"
        known = index.result(key)
        if known is not None:
            return "blob missing or damaged"
        if progress.before is None:
            return "new item"
        keys = self.keys[number]
        last, previous = self._before(progress.before, number)
        if previous is None:
            if last == SKIPPED:
                return f"{keys.stage.name} had nothing to do with it last time"
            return "not finished last time" if not last else "result is no longer in the store"
        return explain(previous, json.loads(keys.settings(progress.item)), json.loads(keys.inputs(progress.item)))

    def _before(self, keys: bytes, number: int) -> tuple[bytes, Result | None]:
        """The key that stage `number` had in the last walk (empty if it did not come so far), and its result.

        The recipe may have had other stages then: a result of another one is not this one's, wherever it stands.
        """
        name, index = self.stages[number].name, self.workspace.index
        walk = [keys[start : start + 32] for start in range(0, len(keys), 32)]
        here = walk[number : number + 1]
        for key in (*here, *walk[:number], *walk[number + 1 :]):
            found = index.result(key) if key != SKIPPED else None
            if found is not None and json.loads(found.settings)["stage"] == name:
                return key, found
        if here and here[0] != SKIPPED and index.result(here[0]) is not None:
            return b"", None  # another stage stood here
        return b"".join(here), None


def _text(value: Json) -> str:
    """A value for a digest: most are text, or not written yet."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, sort_keys=True)

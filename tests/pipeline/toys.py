"""Small real stages, run by the real executor: they count syllables of nonsense, crash, hang and fail on demand."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from corpusforge.errors import BuildStopped, WorkspaceError
from corpusforge.items import Done, Failed, Json, Outcome, Rejected, Utterance
from corpusforge.pipeline.plan import Progress
from corpusforge.stage import ReadBlob, Stage, StageConfig, Where

LANGUAGES = ("bod_Tibt", "mya_Mymr", "zho_Hans")


def utterance(number: int, lang: str = "bod_Tibt", text: str | None = None, **attributes: str) -> Utterance:
    group = f"dev-{number:04d}"
    values = {
        "id": f"{group}.{lang}",
        "group": group,
        "document": f"article-{number // 3}",
        "lang": lang,
        "text": f"sentence {number} in {lang}" if text is None else text,
        "label": ("news", "books", "travel")[number % 3],
        "source": "toy",
        "license": "CC0-1.0",
    }
    return Utterance(**{**values, **attributes})


def utterances(count: int) -> Iterator[Utterance]:
    for number in range(count):
        for lang in LANGUAGES:
            yield utterance(number, lang)


class SpeakConfig(StageConfig):
    rate: int = 0
    rates: dict[str, int] = Field(default_factory=dict)
    processes: int = Field(1, json_schema_extra={"semantic": False})
    log: str = Field("", json_schema_extra={"semantic": False})
    size: int = 0
    pause: float = Field(0.0, json_schema_extra={"semantic": False})
    revised: bool = False


class Speak(Stage):
    """Makes "audio" out of text. Words in the text make it misbehave."""

    name: ClassVar[str] = "speak"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("audio",)
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = SpeakConfig

    def settings(self, variant: str) -> Mapping[str, Json]:
        config = self.config
        assert isinstance(config, SpeakConfig)
        revision = os.environ.get("TOY_REVISION", "1.51") if config.revised else "1.51"
        return {"rate": config.rates.get(variant, config.rate), "revision": {"toy": revision}}

    def time_limit(self) -> float:
        return 2.0

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome | Awaitable[Outcome]:
        config = self.config
        assert isinstance(config, SpeakConfig)
        if config.log:
            with open(config.log, "a") as file:
                file.write(f"{item.id}\n")
            if "TOY_NAME" in os.environ:
                with open(f"{config.log}.names", "a") as file:
                    file.write(f"{os.environ['TOY_NAME']}\n")
        time.sleep(config.pause)
        if "fell" in item.text:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(3600)
        if "crash-once" in item.text:
            mark = Path(config.log + ".crashed")
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGABRT)
        elif "crash" in item.text:
            os.kill(os.getpid(), signal.SIGABRT)
        if "hang" in item.text:
            time.sleep(3600)
        if "raise" in item.text:
            raise ValueError("nothing\nto say")
        if "fail" in item.text:
            return Failed("not today")
        if "reject" in item.text:
            return Rejected("unspeakable")
        if "infinite" in item.text:
            return Done({"syllables": float("inf")}, {"audio": b"0"})
        if "object" in item.text:
            return Done({"syllables": object()}, {"audio": b"0"})
        rate = self.settings(item.lang)["rate"]
        return Done(
            {"syllables": len(item.text)}, {"audio": f"{item.text} at {rate}".encode() * 50 + b"0" * config.size}
        )


class Weigh(Stage):
    """Reads the blob that `Speak` made."""

    name: ClassVar[str] = "weigh"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("audio",)
    writes: ClassVar[tuple[str, ...]] = ("metrics",)
    where: Where = "cpu"
    Config: ClassVar[type[StageConfig]] = StageConfig

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome | Awaitable[Outcome]:
        return Done({"metrics": {"bytes": len(read_blob(item.value("audio")))}})


class Spoil(Weigh):
    """Dies on some texts, after `Speak` has done its part in the same worker."""

    name: ClassVar[str] = "spoil"
    reads: ClassVar[tuple[str, ...]] = ("audio", "text")

    def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome | Awaitable[Outcome]:
        if "spoil" in item.text:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(item, read_blob)


class Ask(Speak):
    """The same, awaited in the driver."""

    name: ClassVar[str] = "ask"
    where: Where = "io"

    def run(self, item: Utterance, read_blob: ReadBlob) -> Awaitable[Outcome]:
        return self._ask(item, read_blob)

    async def _ask(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        await asyncio.sleep(3600 if "hang" in item.text else 0.001)
        config = self.config
        assert isinstance(config, SpeakConfig)
        if config.log:
            with open(config.log, "a") as file:
                file.write(f"{item.id}\n")
        if "raise" in item.text:
            raise ConnectionError("the line is dead")
        if "unkept" in item.text:
            raise WorkspaceError("what was paid for cannot be kept")
        return Done({"syllables": len(item.text)}, {"audio": item.text.encode() * 50})


class ModelConfig(SpeakConfig):
    at_once: int = Field(8, json_schema_extra={"semantic": False})


class Model(Speak):
    """As a voice on a GPU: loaded with the first item, and gathers items into batches. It notes both."""

    name: ClassVar[str] = "model"
    where: Where = "gpu"
    Config: ClassVar[type[StageConfig]] = ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.own = config
        self._loaded = False
        self._waiting: list[asyncio.Event] = []
        self._runner: asyncio.Task[None] | None = None

    @property
    def concurrency(self) -> int:
        return self.own.at_once

    def run(self, item: Utterance, read_blob: ReadBlob) -> Awaitable[Outcome]:
        return self._spoken(item)

    async def _spoken(self, item: Utterance) -> Outcome:
        done = asyncio.Event()
        self._waiting.append(done)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._batches())
        await done.wait()
        return Done({"syllables": len(item.text)}, {"audio": item.text.encode() * 50})

    async def _batches(self) -> None:
        while self._waiting:
            await asyncio.sleep(0.01)
            if not self._loaded:
                self._loaded = True
                self._note("load")
            batch, self._waiting = self._waiting, []
            self._note("batch", size=len(batch))
            for done in batch:
                done.set()

    def _note(self, what: str, **more: Json) -> None:
        line = {"what": what, "process": os.getpid(), "worker": os.environ.get("TOY_NAME"), **more}
        with open(self.own.log, "a") as file:
            file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        if self._loaded:
            self._note("close")


class FetchConfig(SpeakConfig):
    languages: tuple[str, ...] = LANGUAGES
    at_once: int = Field(4, json_schema_extra={"semantic": False})
    ending: str = Field("", json_schema_extra={"semantic": False})


class Fetch(Stage):
    """As a client of a service: awaited in the driver, a few at once, and idle for some languages."""

    name: ClassVar[str] = "fetch"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("fetched",)
    where: Where = "io"
    Config: ClassVar[type[StageConfig]] = FetchConfig

    def __init__(self, config: FetchConfig) -> None:
        super().__init__(config)
        self.own = config
        self.asked: list[str] = []
        self.kept: list[str] = []
        self.inside = self.most = 0
        self.ends: list[str] = []
        self._on_the_way: set[asyncio.Task[None]] = set()

    @property
    def concurrency(self) -> int:
        return self.own.at_once

    def applies(self, item: Utterance) -> bool:
        return item.lang in self.own.languages

    def settings(self, variant: str) -> Mapping[str, Json]:
        return {"rate": self.own.rate}

    def remark(self, fields: Mapping[str, Json]) -> str | None:
        return "as well as it could" if fields.get("worse") else None

    async def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        self.asked.append(item.id)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            if "slow" in item.text:
                task = asyncio.create_task(self._answered(item))
                self._on_the_way.add(task)
                await asyncio.shield(task)
            await asyncio.sleep(0.002)
        finally:
            self.inside -= 1
        if "down" in item.text:
            raise BuildStopped("the service is down. What is done is kept")
        worse = "worse" in item.text
        told = {"an answer was not its best": f"no time for {item.id}"} if worse else {}
        return Done({"fetched": item.text.upper(), "worse": worse}, told=told)

    async def _answered(self, item: Utterance) -> None:
        await asyncio.sleep(0.05)
        self.kept.append(item.id)

    async def finish(self) -> None:
        await asyncio.gather(*self._on_the_way)
        self.ends.append("finish")
        if self.own.ending == "stop":
            raise BuildStopped("the last answers did not come")
        if self.own.ending == "break":
            raise ConnectionError("the line broke")

    def close(self) -> None:
        self.ends.append("close")


class Render(Fetch):
    """Adds languages."""

    name: ClassVar[str] = "render"
    reads: ClassVar[tuple[str, ...]] = ("source_text", "lang")
    writes: ClassVar[tuple[str, ...]] = ("text",)

    def translates(self) -> tuple[str, tuple[str, ...]] | None:
        return "zho_Hans", self.own.languages

    async def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        return Done({"text": f"{item.value('source_text')} in {item.lang}"})


class Pair(Speak):
    """A stage that is two in a build."""

    name: ClassVar[str] = "pair"
    Config: ClassVar[type[StageConfig]] = FetchConfig

    @classmethod
    def parts(cls, config: StageConfig) -> tuple[Stage, ...]:
        assert isinstance(config, FetchConfig)
        return (Fetch(config), cls(config))


class Log:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.finished: list[Progress] = []
        self.failed: list[tuple[str, str]] = []

    def item_finished(self, progress: Progress, fresh: bool) -> None:
        self.finished.append(progress)

    def item_failed(self, progress: Progress, failed: Failed) -> None:
        self.failed.append((progress.item.id, failed.error))

    def stage_made(self, stage: str, seconds: float) -> None:
        pass

"""The stage that translates: prompt, answer, checks, one request to mend, and what it all cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Literal

from corpusforge.errors import MissingDependency
from corpusforge.items import Done, Json, Outcome, Rejected, Utterance
from corpusforge.net.secrets import endpoint
from corpusforge.net.service import ServiceError
from corpusforge.stage import Place, ReadBlob, Stage, StageConfig, Where
from corpusforge.store.answers import Answers
from corpusforge.translate.asker import Asker, Live, Sender
from corpusforge.translate.batch import Batches, service_name
from corpusforge.translate.budget import ENOUGH, Purse, expected_answer, rule_of_thumb
from corpusforge.translate.checks import Complaint, clean, complaints
from corpusforge.translate.config import TranslateConfig
from corpusforge.translate.exemplars import Exemplar, Pool, Strategy
from corpusforge.translate.llm import Answer, Llm, Request
from corpusforge.translate.mining import Mining
from corpusforge.translate.prompts import Message, Prompt, answer_schema, load_prompt, messages, parse_answer, repair


@dataclass(slots=True)
class _Attempt:
    """One answer, looked at."""

    asked: list[Message]
    answer: Answer
    text: str = ""
    wrong: tuple[Complaint, ...] = ()


@dataclass(slots=True)
class _Bill:
    """What one utterance's requests used."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0

    def add(self, answer: Answer, sharers: int) -> None:
        """An answer that so many utterances share is counted to each by its share."""
        self.requests += answer.requests
        self.tokens_in += round(answer.tokens_in / sharers)
        self.tokens_out += round(answer.tokens_out / sharers)
        self.cached += round(answer.cached / sharers)

    def plain(self) -> dict[str, Json]:
        """As JSON values."""
        tokens = {"in": self.tokens_in, "out": self.tokens_out, "cached": self.cached}
        return {"requests": self.requests, "tokens": tokens}


class Translate(Stage):
    """Gives every utterance that has a source text but no text yet its translation."""

    name: ClassVar[str] = "translate"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("source_text", "source_lang", "lang")
    writes: ClassVar[tuple[str, ...]] = ("text", "translation")
    where: Where = "io"
    Config: ClassVar[type[StageConfig]] = TranslateConfig

    def __init__(self, config: TranslateConfig) -> None:
        super().__init__(config)
        self._config = config
        self._prompt: Prompt = load_prompt(config.prompt)
        self._keyed: Strategy | None = None
        self._mining: dict[str, asyncio.Task[Strategy]] = {}
        self._llm: Llm | None = None
        self._answers: Answers | None = None
        self._purse: Purse | None = None
        self._asker: Asker | None = None

    # What the planner asks

    def translates(self) -> tuple[str, tuple[str, ...]]:
        """See `Stage.translates`."""
        return self._config.source, self._config.targets

    def applies(self, item: Utterance) -> bool:
        """Whether the item is to be translated."""
        return item.value("source_text") is not None and item.lang in self._config.targets

    def settings(self, variant: str) -> Mapping[str, Json]:
        """What decides a translation into one language; with `together` the other targets are in the prompt, too."""
        config = self._config
        if variant not in config.targets:
            return {}
        together = self._targets(variant)
        return {
            **config.semantic(),
            "targets": list(together),
            "endpoint": endpoint(config.url()),
            "prompt": {"name": self._prompt.name, "digest": self._prompt.digest},
            "exemplars": {lang: dict(self._strategy().revision(config.source, lang)) for lang in together},
        }

    @property
    def concurrency(self) -> int:
        """Utterances that wait for an answer, or for another try: several times what may be on the wire."""
        config = self._config
        if config.mode == "batch":
            return config.batch.size * config.batch.parallel * (len(config.targets) if config.together else 1)
        return 4 * config.network.concurrency + 32

    def time_limit(self) -> float:
        """None of its own: the policy bounds every try, and the service the time of a batch."""
        return 14 * 24 * 3600.0

    def preflight(self, languages: frozenset[str]) -> None:
        """See `Stage.preflight`."""
        config = self._config
        missing = self._new_llm().missing()
        if missing:
            raise MissingDependency(f"translate: {missing}")
        scored = config.back_translation is not None or config.exemplars.strategy == "mined"
        burmese = any(lang.endswith("_Mymr") for lang in (*config.targets, *((config.source,) if scored else ())))
        for needed, package, what in (
            (scored, "sacrebleu", "back_translation and exemplars: {strategy: mined}"),
            (burmese, "myanmartools", "answers in Burmese letters, which may be in Zawgyi,"),
        ):
            if needed and find_spec(package) is None:
                mend = "pip install 'corpusforge[translate]'"
                raise MissingDependency(f"translate: {what} need {package}: {mend}")

    def estimate(self, item: Utterance) -> Mapping[str, float]:
        """Requests, tokens and cost, by the mean of earlier answers or else by rule; see `estimated_by`."""
        config = self._config
        if not self.applies(item):
            return {}
        targets = self._targets(item.lang)
        sharers = len(targets)
        count, tokens_in, tokens_out = 0, 0.0, 0.0
        if self._answers is not None:
            count, tokens_in, tokens_out = self._answers.mean_tokens(self._kind("translate", targets))
        if count < ENOUGH:
            source = item.value("source_text")
            strategies = dict.fromkeys(targets, self._strategy())
            asked = self._messages(item, self._chosen(source, targets, strategies) if self._can_choose() else ())
            tokens_in = sum(rule_of_thumb(message["content"]) for message in asked)
            tokens_out = expected_answer(source, config.source, targets)
        amounts = {"requests": 1 / sharers, "tokens in": tokens_in / sharers, "tokens out": tokens_out / sharers}
        if config.prices is not None:
            amounts["USD"] = config.prices.usd(tokens_in, tokens_out, batch=config.mode == "batch") / sharers
        return amounts

    def estimated_by(self) -> str | None:
        """Where the estimate comes from."""
        prices = self._config.prices
        priced = "no price is given, so no cost is shown (translate.prices)"
        if prices is not None:
            priced = f"prices as of {prices.as_of}" if prices.as_of else "prices as the recipe gives them, undated"
        mined = "; mining asks more" if self._config.exemplars.strategy == "mined" else ""
        return (
            f"tokens by the mean of earlier answers, before there are {ENOUGH} by rule: 1 for 4 Latin letters or "
            f"marks, 1 a hanzi, 2 a character of another script; {priced}; requests to mend an answer are not in "
            f"it{mined}"
        )

    def shown(self, item: Utterance) -> list[Message] | None:
        """The messages that would be sent for an item, None if nothing would."""
        if not self.applies(item):
            return None
        if not self._can_choose():
            note = "(exemplars that the model makes itself stand here once the build has mined them)"
            asked = self._messages(item, ())
            return [*asked, {"role": "note", "content": note}]
        targets = self._targets(item.lang)
        strategies = dict.fromkeys(targets, self._strategy())
        return self._messages(item, self._chosen(item.value("source_text"), targets, strategies))

    # The run

    def open(self, place: Place) -> None:
        """Open the kept answers; see what is left of the budget."""
        config = self._config
        self._answers = Answers(place.folder, reading=place.reading)
        if place.reading:
            return
        self._llm = self._new_llm()
        batch = config.mode == "batch"
        spent = self._answers.spent(place.corpus)
        if config.prices is not None:
            prices = config.prices
            spent = self._answers.spent(place.corpus, lambda sent, got: prices.usd(sent, got, batch=batch))
        self._purse = Purse(config.budget, config.prices, spent, batch)
        sender: Sender
        if config.mode == "batch":
            sender = Batches(
                self._llm, self._purse, self._answers, place.corpus, config.max_tokens, config.batch, place.note
            )
        else:
            sender = Live(self._llm, self._purse, self._answers, place.corpus, config.max_tokens)
            on_the_way = sum(len(pending.keys) for pending in self._answers.batches(service_name(self._llm)))
            if on_the_way:
                words = "requests of an earlier build are on their way in batches; what is asked now, one by one, is"
                place.note(f"translate: {on_the_way:,} {words} paid for twice. mode: batch takes them up")
        self._asker = Asker(self._llm, sender, self._answers, self._purse, place.corpus)

    async def run(self, item: Utterance, read_blob: ReadBlob) -> Outcome:
        """Ask, check, have it mended, check again."""
        config = self._config
        source: str = item.value("source_text")
        targets = self._targets(item.lang)
        bill = _Bill()
        strategies = {lang: await self._mined(lang) for lang in targets}
        asked = self._messages(item, self._chosen(source, targets, strategies))
        attempt = await self._attempt("translate", asked, source, item.lang, targets, bill)
        attempts = [attempt]
        while attempt.wrong and len(attempts) <= config.repair:
            wrong = [complaint.words for complaint in attempt.wrong]
            own = (item.lang,)
            again = repair(self._prompt, attempt.asked, attempt.answer.text, wrong, own, output=self._form())
            attempt = await self._attempt("repair", again, source, item.lang, own, bill)
            attempts.append(attempt)
        said = [attempt.answer.text or attempt.answer.refusal or "" for attempt in attempts]
        if attempt.wrong:
            reason = "; ".join(f"{complaint.name}: {complaint.words}" for complaint in attempt.wrong)
            return Rejected(reason, {"answers": said, **bill.plain()})
        translation: dict[str, Json] = {
            "model": attempt.answer.model,
            "prompt": f"{self._prompt.name}@{self._prompt.digest[:8]}",
            "from": config.source,
            "strategy": config.exemplars.strategy,
            "repaired": len(attempts) - 1,
        }
        if config.back_translation is not None:
            score, back = await self._score_back(attempt.text, source, item.lang, bill)
            if score < config.back_translation.least:
                words = f"back_translation: chrF {score:.2f}, expected at least {config.back_translation.least:g}"
                return Rejected(words, {"answers": [*said, back], **bill.plain()})
            translation["chrf"] = round(score, 2)
        translation |= bill.plain()
        if config.prices is not None:
            usd = config.prices.usd(bill.tokens_in, bill.tokens_out, bill.cached, config.mode == "batch")
            translation["usd"] = round(usd, 8)
        return Done({"text": attempt.text, "translation": translation})

    async def finish(self) -> None:
        """Wait for the answers that are on their way."""
        for task in self._mining.values():
            task.cancel()
        await asyncio.gather(*self._mining.values(), return_exceptions=True)
        if self._asker is not None:
            await self._asker.finish()
        if self._llm is not None:
            await self._llm.aclose()

    def close(self) -> None:
        """Close the kept answers."""
        if self._answers is not None:
            self._answers.close()
            self._answers = None

    # Pieces

    def _new_llm(self) -> Llm:
        config = self._config
        return Llm(
            config.url(),
            config.model,
            api=config.api,
            structured=config.output,
            sampling=config.sampling(),
            key_variable=config.key_variable,
            policy=config.network,
        )

    def _targets(self, lang: str) -> tuple[str, ...]:
        """Languages that the request asks for, in an order of their own: the recipe's makes no other request."""
        return tuple(sorted(self._config.targets)) if self._config.together else (lang,)

    def _strategy(self) -> Strategy:
        """Exemplars as keys know them: what `mined` ones are made of, not what came of it."""
        if self._keyed is None:
            exemplars = self._config.exemplars
            self._keyed = Strategy(exemplars, exemplars.open(self._config.source, self._config.targets))
        return self._keyed

    def _can_choose(self) -> bool:
        return self._config.exemplars.strategy != "mined"

    def _form(self) -> Literal["json", "text"]:
        return "text" if self._config.output == "text" else "json"

    def _kind(self, what: str, targets: Sequence[str]) -> str:
        config = self._config
        return f"{what} {','.join(targets)} {config.exemplars.strategy} {self._prompt.digest[:8]} {config.model}"

    def _chosen(self, source: str, targets: Sequence[str], strategies: Mapping[str, Strategy]) -> tuple[Exemplar, ...]:
        origin = self._config.source
        return tuple(exemplar for lang in targets for exemplar in strategies[lang].exemplars_for(source, origin, lang))

    def _messages(self, item: Utterance, chosen: Sequence[Exemplar]) -> list[Message]:
        source, targets = item.value("source_text"), self._targets(item.lang)
        return messages(self._prompt, source, self._config.source, targets, chosen, output=self._form())

    async def _ask(self, what: str, asked: Sequence[Message], targets: Sequence[str]) -> Answer:
        assert self._asker is not None
        schema = json.dumps(answer_schema(targets), ensure_ascii=False) if self._form() == "json" else None
        sent = tuple((message["role"], message["content"]) for message in asked)
        return await self._asker.ask(Request(sent, schema, "translations"), self._kind(what, targets))

    async def _attempt(
        self, what: str, asked: list[Message], source: str, lang: str, targets: Sequence[str], bill: _Bill
    ) -> _Attempt:
        answer = await self._ask(what, asked, targets)
        bill.add(answer, len(targets))
        attempt = _Attempt(asked, answer)
        finished = "content_filter" if answer.refusal else answer.finish_reason
        origin = self._config.source
        try:
            attempt.text = clean(parse_answer(answer.text, targets, self._form())[lang], source)
        except ValueError as error:
            cut = complaints(answer.text, source, origin, lang, self._config.checks, finish_reason=finished)
            final = tuple(complaint for complaint in cut if complaint.name in {"empty", "truncated", "refusal"})
            attempt.wrong = final or (Complaint("form", str(error)),)
            return attempt
        attempt.wrong = complaints(attempt.text, source, origin, lang, self._config.checks, finish_reason=finished)
        return attempt

    async def _score_back(self, text: str, source: str, lang: str, bill: _Bill) -> tuple[float, str]:
        """How near a translation back is to the source, and what the model answered."""
        from corpusforge.translate.score import chrf

        back = self._config.source
        asked = messages(self._prompt, text, lang, (back,), (), output=self._form())
        answer = await self._ask("back", asked, (back,))
        bill.add(answer, 1)
        try:
            return chrf(clean(parse_answer(answer.text, (back,), self._form())[back], text), source), answer.text
        except ValueError as error:  # no translation back is as unlike the source as can be
            return 0.0, f"({error}) {answer.text}"

    async def _mined(self, lang: str) -> Strategy:
        """The strategy of one target, its exemplars mined first where they have to be."""
        if self._can_choose():
            return self._strategy()
        task = self._mining.get(lang)
        if task is None:
            task = self._mining[lang] = asyncio.create_task(self._mine(lang))
        return await asyncio.shield(task)

    async def _mine(self, lang: str) -> Strategy:
        from corpusforge.translate.score import chrf

        config = self._config
        pool = self._strategy().pool

        def bad(pair: Exemplar) -> str | None:
            found = complaints(pair.target, pair.source, pair.source_lang, pair.target_lang, config.checks)
            return found[0].name if found else None

        mining = Mining(config.exemplars, pool, config.source, lang, score=chrf, check=bad)

        async def translate(texts: Sequence[str], origin: str, target: str) -> list[str | None]:
            async def one(text: str) -> str | None:
                shown = mining.exemplars_for(text, origin, target)
                asked = messages(self._prompt, text, origin, (target,), shown, output=self._form())
                try:
                    answer = await self._ask("mine", asked, (target,))
                    return clean(parse_answer(answer.text, (target,), self._form())[target], text)
                except (ValueError, ServiceError):
                    return None

            return list(await asyncio.gather(*map(one, texts)))

        mined: Pool = await mining.pool(translate)
        return Strategy(config.exemplars, pool, {lang: mined})

"""Exemplars that a model makes itself, without a parallel corpus: strategy `mined`.

After Nguyen et al. (ACL 2024, https://arxiv.org/abs/2306.11372), who prompt a model with diverse high-resource
languages, translate monolingual sentences of a low-resource language with it, and turn the pairs round into exemplars
for the direction that is hard; and after El Mekki and Abdul-Mageed (Findings of NAACL 2025,
https://arxiv.org/abs/2410.11006), who back-translate unlabelled sentences, filter the pairs, and choose among the
rest by similarity and BM25. What differs here: no dictionary is mined first, since chat models translate sentences
from the start; and the filter is the caller's checks and the chrF of a round trip, not the likeness of sentence
embeddings, which no encoder has for every language.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from corpusforge.errors import SourceError
from corpusforge.translate.exemplars import Exemplar, ExemplarConfig, Pool, diverse, drawn

Translate: TypeAlias = Callable[[Sequence[str], str, str], Awaitable[Sequence[str | None]]]
"""Translates texts from one language into another; None for a text that could not be translated."""


@dataclass(frozen=True, slots=True)
class Mined:
    """What mining has made.

    Attributes:
        pool: The pairs that were kept, best first.
        scores: Their chrF, in the same order.
        dropped: How many candidates were dropped, by reason.
    """

    pool: Pool
    scores: tuple[float, ...]
    dropped: Mapping[str, int]


class Mining:
    """Plans the mining of one direction, and filters what comes of it. Asks no model itself.

    Args:
        config: Settings.
        pool: Sentences of the genuine side, and what `bootstrap: diverse` needs.
        source_lang, target_lang: The direction in which the exemplars will be shown.
        score: chrF, 0 to 100, of a text against the sentence that it should be.
        check: Why a pair is no good (`length`, `script`, …), or None. Asked before the way back is paid for.
    """

    def __init__(
        self,
        config: ExemplarConfig,
        pool: Pool,
        source_lang: str,
        target_lang: str,
        *,
        score: Callable[[str, str], float],
        check: Callable[[Exemplar], str | None] = lambda pair: None,
    ) -> None:
        self.config = config
        self.parallel = pool
        self.source_lang, self.target_lang = source_lang, target_lang
        self.score = score
        self.check = check
        ends = (source_lang, target_lang)
        self.own, self.other = ends if config.genuine == "source" else ends[::-1]

    def candidates(self) -> tuple[str, ...]:
        """Sentences of the genuine side to try, drawn by seed; each once."""
        lines = self.parallel.lines[self.own]
        return tuple(dict.fromkeys(lines[index] for index in drawn(lines, self.config.seed)))[: self.config.candidates]

    def exemplars_for(self, text: str, source_lang: str, target_lang: str) -> tuple[Exemplar, ...]:
        """What the prompt shows that translates `text` while mining, in either direction.

        No sentence of the low-resource language is ever in it: high-resource ones stand in for it.
        """
        if self.config.bootstrap == "plain":
            return ()
        varying: Literal["source", "target"] = "target" if target_lang == self.target_lang else "source"
        return diverse(self.parallel, self.config, text, source_lang, target_lang, varying=varying)

    def pair(self, genuine: str, made: str) -> Exemplar:
        """A genuine sentence and its translation as they will be shown."""
        ends = (genuine, made) if self.own == self.source_lang else (made, genuine)
        return Exemplar(self.source_lang, self.target_lang, *ends)

    async def mine(self, translate: Translate) -> Mined:
        """Translate candidates there and back, and keep the pairs that pass.

        Raises:
            SourceError: Nothing passed.
        """
        dropped: dict[str, int] = {}

        def drop(reason: str) -> None:
            dropped[reason] = dropped.get(reason, 0) + 1

        candidates = self.candidates()
        there: list[tuple[str, str]] = []
        for genuine, made in zip(candidates, await translate(candidates, self.own, self.other), strict=True):
            if made is None or not made.strip():
                drop("not translated")
            elif (reason := self.check(self.pair(genuine, made))) is not None:
                drop(reason)
            else:
                there.append((genuine, made))
        back = await translate([made for _, made in there], self.other, self.own) if there else []
        kept: list[tuple[float, int, Exemplar]] = []
        for place, ((genuine, made), again) in enumerate(zip(there, back, strict=True)):
            if again is None or not again.strip():
                drop("not translated back")
            elif (score := self.score(again, genuine)) < self.config.least_score:
                drop(f"chrF below {self.config.least_score:g}")
            else:
                kept.append((-score, place, self.pair(genuine, made)))
        kept.sort(key=lambda entry: entry[:2])
        if len(kept) > self.config.kept:
            dropped["not among the best"] = len(kept) - self.config.kept
            del kept[self.config.kept :]
        if not kept:
            reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "there were none"
            raise SourceError(
                f"translate.exemplars: none of {len(candidates)} candidates became an exemplar for "
                f"{self.source_lang} to {self.target_lang} ({reasons}); lower least_score, raise candidates, or "
                "choose another strategy"
            )
        pool = Pool(
            {
                self.source_lang: tuple(pair.source for _, _, pair in kept),
                self.target_lang: tuple(pair.target for _, _, pair in kept),
            }
        )
        return Mined(pool, tuple(-score for score, _, _ in kept), dropped)

    async def pool(self, translate: Translate) -> Pool:
        """The pairs that `mine` keeps, for `Strategy`."""
        return (await self.mine(translate)).pool

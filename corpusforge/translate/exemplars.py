"""Exemplars for a prompt: which translated sentences a model is shown before the one that it shall translate.

Four strategies:

- `plain`: none.
- `fewshot`: the k pairs of a parallel corpus whose source sentences are nearest to the text (`Nearest`).
- `diverse`: pairs of the source language with a diverse set of high-resource languages, after the linguistically
  diverse prompts (LDP) of Nguyen et al. (ACL 2024, https://arxiv.org/abs/2306.11372). LDP shows a model synthetic
  pairs of several high-resource languages with English, so that it translates any language from or into English
  without one parallel sentence in it. Here the side that stays is the recipe's source language, and the pairs are
  those of a parallel corpus. They are the same for every text.
- `mined`: pairs that the model made itself and a filter kept (`Mining`, in `mining.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from corpusforge.errors import SourceError, nearest
from corpusforge.items import Json
from corpusforge.sources._files import from_recipe, read_lines, refuse
from corpusforge.sources._rows import TableFile
from corpusforge.text import languages as flores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALGORITHM = 1
"""Raised when the same settings and pool begin to give other exemplars."""

NGRAMS = (1, 2, 3)
_K1, _B = 1.2, 0.75  # the usual constants of BM25
_UNIT = 1 << 20  # BM25 weights are kept as whole multiples of 1/_UNIT, so that sums are exact and ties are ties

DIVERSE = (
    "fra_Latn",  # Indo-European, Romance
    "arb_Arab",  # Afro-Asiatic
    "vie_Latn",  # Austroasiatic
    "hin_Deva",  # Indo-European, Indo-Aryan
    "jpn_Jpan",  # Japonic
    "tur_Latn",  # Turkic
    "rus_Cyrl",  # Indo-European, Slavic
    "ind_Latn",  # Austronesian
    "kor_Hang",  # Koreanic
    "swh_Latn",  # Atlantic-Congo
)
"""High-resource languages, so ordered that the first few already differ in family, script and word order."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A sentence and its translation, shown to the model. Languages are FLORES codes."""

    source_lang: str
    target_lang: str
    source: str
    target: str


@dataclass(frozen=True)
class Pool:
    """Parallel sentences in memory.

    Attributes:
        lines: Sentences by language; line n of one language translates line n of every other.
    """

    lines: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if len({len(lines) for lines in self.lines.values()}) > 1:
            raise ValueError(f"not parallel: {', '.join(f'{lang} {len(x)}' for lang, x in self.lines.items())} lines")

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """sha256 of each language's sentences, by language: of their content, not of paths or names of files."""
        # The lengths before the text make the text's parts unambiguous, whatever characters are in them.
        return {
            lang: hashlib.sha256(
                f"{[len(line) for line in lines]}{''.join(lines)}".encode("utf-8", "surrogatepass")
            ).hexdigest()
            for lang, lines in sorted(self.lines.items())
        }

    @cached_property
    def digest(self) -> str:
        """sha256 of all of it."""
        return hashlib.sha256(repr(sorted(self.digests.items())).encode()).hexdigest()


def read_pool(path: Path, languages: Collection[str], split: str = "dev") -> Pool:
    """Read parallel sentences.

    Args:
        path: A folder of FLORES-200's layout (`dev/bod_Tibt.dev`), or a table (CSV, TSV, JSONL, Parquet) that has a
            column for each language, named by its code.
        languages: FLORES codes to read.
        split: Of a folder.

    Raises:
        SourceError: No such file, a language that it lacks, lines that are not parallel, empty or not text.
    """
    wanted = sorted(set(languages))
    for code in wanted:
        flores.check(code, "translate.exemplars")
    lines = _read_folder(path, wanted, split) if path.is_dir() else _read_table(path, wanted)
    for lang, found in lines.items():
        if not found:
            raise SourceError(f"{path}: no sentences in '{lang}'; expected parallel sentences, one a line or row")
    return Pool({lang: tuple(found) for lang, found in lines.items()})


def _read_folder(path: Path, languages: Sequence[str], split: str) -> dict[str, list[str]]:
    inner = path / "flores200_dataset"  # as the official tarball unpacks
    if not (path / split).is_dir() and (inner / split).is_dir():
        path = inner
    here = [file.name.removesuffix(f".{split}") for file in path.glob(f"{split}/*.{split}")]
    _must_have(f"{path / split}", "no file", languages, here, f"of the form <language>.{split}")
    lines = {}
    for lang in languages:
        file = path / split / f"{lang}.{split}"
        lines[lang] = [line or "" for line in read_lines(file, refuse)]
        for number, line in enumerate(lines[lang], start=1):
            _must_be_text(line, f"{file}:{number}")
        if len(lines[lang]) != len(lines[languages[0]]):
            raise SourceError(
                f"{file}: {len(lines[lang])} lines, but {languages[0]}.{split} has {len(lines[languages[0]])}; "
                "expected the same sentences in every language, one a line"
            )
    return lines


def _read_table(path: Path, languages: Sequence[str]) -> dict[str, list[str]]:
    if not path.is_file():
        raise SourceError(
            f"{path}: does not exist; expected a folder of FLORES-200's layout or a table file at "
            "translate.exemplars.path"
        )
    table = TableFile(path)
    _must_have(f"{path}", "no column", languages, table.columns(), "named by their FLORES codes")
    lines: dict[str, list[str]] = {lang: [] for lang in languages}
    for place, row in table.rows(refuse, languages):
        for lang in languages:
            _must_be_text(row.get(lang), f"{table.at(place)}, {lang}")
            lines[lang].append(row[lang])
    return lines


def _must_have(where: str, what: str, wanted: Sequence[str], here: Collection[str], form: str) -> None:
    missing = [code for code in wanted if code not in here]
    if missing:
        hint = nearest(missing[0], here) if here else f"there are none {form}"
        raise SourceError(f"{where}: {what} for {', '.join(map(repr, missing))}: {hint}")


def _must_be_text(value: object, where: str) -> None:
    if not isinstance(value, str):
        raise SourceError(f"{where}: expected a sentence, found {type(value).__name__}")
    if not value.strip():
        raise SourceError(f"{where}: empty sentence; expected a sentence in every language")


def folded(text: str) -> str:
    """What sentences are compared as: case and blanks make no difference."""
    return " ".join(text.casefold().split())


class Nearest:
    """Finds the sentences that are nearest to a text, by BM25 over character n-grams.

    Characters, because neither Chinese nor Tibetan nor Burmese puts blanks between words. N-grams that half of the
    sentences have weigh nothing, as their inverse frequency (Robertson and Sparck Jones) is not positive. BM25 is
    what Agrawal et al. (2023, https://arxiv.org/abs/2212.02437) choose translation exemplars by.

    Args:
        sentences: What to find among.
        ngrams: Lengths of the n-grams in characters.
    """

    def __init__(self, sentences: Sequence[str], ngrams: Sequence[int] = NGRAMS) -> None:
        import numpy as np

        self._ngrams = tuple(ngrams)
        self._folded = [folded(sentence) for sentence in sentences]
        counts = [Counter(self._grams(sentence)) for sentence in self._folded]
        lengths = [sum(count.values()) for count in counts]
        mean = sum(lengths) / len(lengths) if lengths else 0.0
        found: dict[str, list[int]] = {}
        for index, count in enumerate(counts):
            for gram in count:
                found.setdefault(gram, []).append(index)
        self._postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for gram, places in found.items():
            rarity = math.log((len(counts) - len(places) + 0.5) / (len(places) + 0.5))
            if rarity <= 0:
                continue
            weights = []
            for place in places:
                often = counts[place][gram]
                damped = often * (_K1 + 1) / (often + _K1 * (1 - _B + _B * lengths[place] / mean))
                weights.append(float(round(rarity * damped * _UNIT)))
            self._postings[gram] = np.array(places, np.int64), np.array(weights, np.float64)

    def _grams(self, text: str) -> Iterator[str]:
        for size in self._ngrams:
            for start in range(len(text) - size + 1):
                yield text[start : start + size]

    def of(self, sentence: str, k: int, *, exclude_same: bool = True) -> list[int]:
        """Indices of the k nearest sentences, nearest first; of equally near ones the first.

        Args:
            sentence: The text.
            k: How many; fewer only where there are not so many.
            exclude_same: Leave out the sentence itself (but for case and blanks): its translation is the answer.
        """
        import numpy as np

        own = folded(sentence)
        found = [
            (self._postings[gram], often) for gram, often in Counter(self._grams(own)).items() if gram in self._postings
        ]
        places = np.concatenate([posting[0] for posting, _ in found] or [np.zeros(0, np.int64)])
        weights = np.concatenate([posting[1] * often for posting, often in found] or [np.zeros(0, np.float64)])
        total = np.bincount(places, weights, minlength=len(self._folded))
        # A stable sort keeps equal scores in the order of the sentences.
        order = np.argsort(-total, kind="stable")
        kept: list[int] = []
        for index in order.tolist():
            if len(kept) >= k:
                break
            if not (exclude_same and self._folded[index] == own):
                kept.append(index)
        return kept


def drawn(sentences: Sequence[str], seed: int) -> list[int]:
    """Indices in an order that depends on the seed and on each sentence alone, not on its place."""

    def rank(index: int) -> tuple[bytes, int]:
        return hashlib.sha256(f"{seed}\0{sentences[index]}".encode("utf-8", "surrogatepass")).digest(), index

    return sorted(range(len(sentences)), key=rank)


class ExemplarConfig(BaseModel):
    """Which exemplars a prompt shows.

    Attributes:
        strategy: `plain` (none), `fewshot` (the nearest pairs of a parallel corpus), `diverse` (pairs with a diverse
            set of high-resource languages) or `mined` (pairs that the model made itself and a filter kept).
        path: Parallel corpus: a folder of FLORES-200's layout, its tarball, or a table with a column a language;
            null means FLORES-200, found as the source `flores200` finds it.
        split: Which part of a FLORES-200 folder. Exemplars of `devtest` spoil it as a test.
        k: Exemplars a prompt.
        languages: High-resource languages, for `diverse` and for the first translations of `mined`.
        seed: Decides which sentences `diverse` shows and `mined` tries.
        genuine: `mined`: the side of a pair on which sentences as people wrote them stand. `target` (back-translation)
            needs sentences in the target language, and shows the model nothing of its own in it.
        bootstrap: `mined`: exemplars of the prompts that mine: `diverse`, or `plain`.
        candidates: `mined`: sentences to try, each at the price of two translations.
        kept: `mined`: pairs to keep, the best ones, at most.
        least_score: `mined`: chrF, 0 to 100, between a sentence and itself translated there and back. A default
            without a source: look at what your model's pairs score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Literal["plain", "fewshot", "diverse", "mined"] = "plain"
    path: str | None = Field(None, json_schema_extra={"semantic": False})
    split: Literal["dev", "devtest"] = "dev"
    k: int = Field(4, ge=1, le=64)
    languages: tuple[str, ...] = DIVERSE
    seed: int = 0
    genuine: Literal["target", "source"] = "target"
    bootstrap: Literal["diverse", "plain"] = "diverse"
    candidates: int = Field(200, ge=1)
    kept: int = Field(100, ge=1)
    least_score: float = Field(30.0, ge=0, le=100)

    @field_validator("path")
    @classmethod
    def _from_recipe(cls, value: str | None, info: ValidationInfo) -> str | None:
        return value and from_recipe(value, info)

    @field_validator("languages")
    @classmethod
    def _are_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if code not in flores.LANGUAGES:
                raise ValueError(f"'{code}' is not a FLORES-200 code: {nearest(code, flores.LANGUAGES)}")
        if not codes or len(set(codes)) < len(codes):
            raise ValueError(f"expected at least one, each once; found {list(codes)}")
        return codes

    def needs(self, source_lang: str, targets: Collection[str]) -> tuple[str, ...]:
        """Languages that the pool must have for translations of one language into others, in a fixed order."""
        stand_ins = {source_lang}
        for target_lang in targets:
            stand_ins.update(self.stand_ins(source_lang, target_lang))
        found: set[str] = set()
        if self.strategy == "fewshot":
            found = {source_lang, *targets}
        elif self.strategy == "diverse":
            found = stand_ins
        elif self.strategy == "mined":
            found = set(targets) if self.genuine == "target" else {source_lang}
            found |= stand_ins if self.bootstrap == "diverse" else set()
        return tuple(sorted(found))

    def stand_ins(self, source_lang: str, target_lang: str) -> tuple[str, ...]:
        """The high-resource languages that `diverse` shows, in turn: never one of the two translated between."""
        return tuple(code for code in self.languages if code not in (source_lang, target_lang))

    def open(self, source_lang: str, targets: Collection[str]) -> Pool | None:
        """The pool for one source language, None for `plain`. May unpack or download FLORES-200, as the source does.

        Raises:
            SourceError: As `read_pool`.
        """
        wanted = self.needs(source_lang, targets)
        if not wanted:
            return None
        path = Path(self.path) if self.path else None
        if path is None or (path.is_file() and ".tar" in "".join(path.suffixes[-2:])):
            from corpusforge.sources.flores200_fetch import locate

            path = Path(locate(self.path))
        return read_pool(path, wanted, self.split)


class Strategy:
    """Chooses the exemplars of every text.

    Args:
        config: Settings.
        pool: Parallel sentences; None for `plain`.
        mined: For `mined`: what `Mining` has made, by target language.
    """

    def __init__(self, config: ExemplarConfig, pool: Pool | None, mined: Mapping[str, Pool] | None = None) -> None:
        if pool is None and config.strategy != "plain":
            raise ValueError(f"strategy {config.strategy} needs a pool")
        self.config = config
        self.pool = pool or Pool({})
        self.mined = dict(mined or {})
        self._nearest: dict[str, Nearest] = {}
        self._order: dict[str, list[int]] = {}

    def revision(self, source_lang: str, target_lang: str) -> Mapping[str, Json]:
        """All that decides the exemplars besides the text, for the key: settings that apply, digests of sentences.

        Another target's sentences are not in it. Of `mined` it holds what the pairs are made of, not the pairs: a key
        must be known before anything is asked, and be the same afterwards. Model, prompt and checks are the caller's.
        """
        config = self.config
        if config.strategy == "plain":
            return {"strategy": "plain"}
        found: dict[str, Json] = {"strategy": config.strategy, "algorithm": ALGORITHM, "k": config.k}
        if config.strategy == "diverse" or (config.strategy == "mined" and config.bootstrap == "diverse"):
            found |= {"languages": list(config.languages)}
        if config.strategy != "fewshot":
            found |= {"seed": config.seed}
        if config.strategy == "mined":
            names = ("genuine", "bootstrap", "candidates", "kept", "least_score")
            found |= {name: getattr(config, name) for name in names}
        used = config.needs(source_lang, [target_lang])
        return found | {"pool": {lang: self.pool.digests[lang] for lang in used}}

    def exemplars_for(self, text: str, source_lang: str, target_lang: str) -> tuple[Exemplar, ...]:
        """The exemplars to show before `text`; nearest last, so that it stands right before the text.

        The text itself is never among them. Fewer than `k` only where there are not so many.
        """
        strategy = self.config.strategy
        if strategy == "plain":
            return ()
        if strategy == "diverse":
            return diverse(self.pool, self.config, text, source_lang, target_lang, order=self._drawn(source_lang))
        if strategy == "fewshot":
            return self._near(text, source_lang, target_lang, self.pool, source_lang)
        if target_lang not in self.mined:
            raise ValueError(f"no pairs were mined for {target_lang}: give Strategy what Mining.pool returns")
        return self._near(text, source_lang, target_lang, self.mined[target_lang], f"{source_lang} {target_lang}")

    def _near(self, text: str, source_lang: str, target_lang: str, pool: Pool, name: str) -> tuple[Exemplar, ...]:
        sources, targets = pool.lines[source_lang], pool.lines[target_lang]
        if name not in self._nearest:
            self._nearest[name] = Nearest(sources)
        chosen = self._nearest[name].of(text, self.config.k)
        return tuple(Exemplar(source_lang, target_lang, sources[n], targets[n]) for n in reversed(chosen))

    def _drawn(self, lang: str) -> list[int]:
        if lang not in self._order:
            self._order[lang] = drawn(self.pool.lines[lang], self.config.seed)
        return self._order[lang]


def diverse(
    pool: Pool,
    config: ExemplarConfig,
    text: str,
    source_lang: str,
    target_lang: str,
    *,
    varying: Literal["source", "target"] = "target",
    order: Sequence[int] | None = None,
) -> tuple[Exemplar, ...]:
    """Exemplars in which high-resource languages stand in for the low-resource one, a sentence of its own for each.

    Args:
        pool: Must have the language that stays, and the stand-ins.
        config: `k`, `languages` (in turn, from the first, but for the two that are translated between), `seed`.
        text: To be translated; never shown.
        source_lang: What `text` is translated from.
        target_lang: What it is translated into.
        varying: The low-resource side, which the stand-ins take: `target` shows zh → fr, zh → ar, … before zh → bo;
            `source` shows fr → zh, ar → zh, … before bo → zh.
        order: `drawn` of the language that stays, if it is known already.
    """
    stays = source_lang if varying == "target" else target_lang
    others = config.stand_ins(source_lang, target_lang)
    kept = pool.lines[stays]
    order = drawn(kept, config.seed) if order is None else order
    own = folded(text)
    chosen: list[Exemplar] = []
    for index in order:
        if len(chosen) >= config.k or not others:
            break
        other = others[len(chosen) % len(others)]
        there, here = pool.lines[other][index], kept[index]
        found = Exemplar(other, stays, there, here) if varying == "source" else Exemplar(stays, other, here, there)
        if own not in (folded(found.source), folded(found.target)):
            chosen.append(found)
    return tuple(chosen)

"""mms: reviews and posts in 27 languages with their sentiment, from the Hub or from a file with its columns.

Augustyniak et al. (2023), Massively Multilingual Corpus of Sentiment Datasets and Multi-faceted Sentiment
Classification Benchmark, https://arxiv.org/abs/2306.07902. The Hub's copy, `Brand24/mms`, is gated.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from corpusforge.errors import SourceError
from corpusforge.items import Utterance
from corpusforge.sources import _mms_rows
from corpusforge.sources._files import Problems, from_recipe
from corpusforge.sources._mms_rows import COLUMNS, LABELS, LANGUAGES, NEEDED, Row
from corpusforge.sources._mms_select import Rule, Selection, Words, select
from corpusforge.sources._rows import TableFile
from corpusforge.sources.base import Outline, Source, SourceConfig

CITATION = """@inproceedings{augustyniak2023massively,
  author = {Łukasz Augustyniak and Szymon Woźniak and Marcin Gruza and Piotr Gramacki and Krzysztof Rajda and
    Mikołaj Morzy and Tomasz Kajdanowicz},
  title = {Massively Multilingual Corpus of Sentiment Datasets and Multi-faceted Sentiment Classification Benchmark},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2023},
  url = {https://arxiv.org/abs/2306.07902}
}"""
_SHARE = re.compile(r"(\d{1,3})%")


class MmsConfig(SourceConfig):
    """Settings of the source `mms`.

    Rows are chosen by the rank of a hash of the seed and of the row itself (its `_id`, or its content where it has
    none), so that their order in the table does not matter, and a row more or less changes at most one choice for each
    label and source. They come in the order of their ranks, which is a shuffled one.

    Attributes:
        path: JSONL, CSV, TSV or Parquet file with mms's columns `text`, `label` (0, 1, 2 or their names),
            `original_dataset`, `language` and, if it has ids, `_id`. None: the dataset on the Hub. Damaged rows of a
            file are errors; those of the Hub's, which nobody here can mend, are left out with a warning.
        dataset: Repository on the Hub. `Brand24/mms` is gated: ask for access on its page, and set `HF_TOKEN`. Only
            the language's rows are downloaded, once; they stay in `~/.cache/corpusforge/mms` (`$XDG_CACHE_HOME`).
        revision: Branch, tag or commit of the repository; None is `main`, as it was when it was downloaded.
        language: The language to read, as mms calls it (`zh`) or by its FLORES code (`zho_Hans`).
        sample: How many rows to choose, where there are as many; None chooses all.
        balance: `label`: negative, neutral and positive take turns, so that each has an equal share as far as it has
            rows, and the others fill up what it lacks. `source`: the original datasets take turns in the same way
            within a label, or among all rows without `label`. [] chooses by rank alone.
        sources: The most rows of an original dataset, by its name: a number, or a share of the sample such as `30%`
            (rounded down). 0 leaves it out. `*` is for each one that is not named.
        min_length: Fewest characters of a text, with every run of blanks counted as one; shorter ones are left out.
        max_length: Most characters of a text, counted likewise; None is no limit.
        seed: Another seed is another choice.
        deduplicate: Of rows with the same text (after Unicode NFC, every run of blanks one space) keep one. Where
            they have different labels, all of them are left out, since nobody knows which is right.
        license: SPDX id of the texts' licence. mms has none of its own: each original dataset keeps its licence,
            which mms's page lists. Look there before you publish, and name it in `licenses`.
        licenses: SPDX ids by original dataset, which go before `license`.
    """

    path: str | None = None
    dataset: str = "Brand24/mms"
    revision: str | None = None
    language: str = "zh"
    sample: int | None = Field(6162, ge=1)
    balance: tuple[Literal["label", "source"], ...] = ("label",)
    sources: dict[str, int | str] = Field(default_factory=dict)
    min_length: int = Field(1, ge=1)
    max_length: int | None = Field(None, ge=1)
    seed: int = 42
    deduplicate: bool = True
    license: str = "LicenseRef-mms"
    licenses: dict[str, str] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _from_recipe(cls, value: str | None, info: ValidationInfo) -> str | None:
        return value and from_recipe(value, info)

    @field_validator("dataset")
    @classmethod
    def _is_repository(cls, value: str) -> str:
        # It becomes the name of a folder.
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", value, re.ASCII):
            raise ValueError(f"'{value}' is not a dataset on the Hub such as 'Brand24/mms'")
        return value

    @field_validator("language")
    @classmethod
    def _is_language(cls, value: str) -> str:
        return _mms_rows.code_of(value)

    @field_validator("balance")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"expected label and source each once; found {list(value)}")
        return value

    @field_validator("sources")
    @classmethod
    def _are_limits(cls, value: dict[str, int | str]) -> dict[str, int | str]:
        for source, limit in value.items():
            share = _SHARE.fullmatch(limit) if isinstance(limit, str) else None
            if int(share[1]) > 100 if share else isinstance(limit, str) or limit < 0:
                raise ValueError(f"{source}: expected a number of rows, or a share such as '30%'; found {limit!r}")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> MmsConfig:
        if self.path is not None and {"dataset", "revision"} & {
            name for name in self.model_fields_set if getattr(self, name) is not None
        }:
            raise ValueError("path is a file, dataset and revision are the Hub's: leave one of them out")
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(f"max_length {self.max_length} is below min_length {self.min_length}")
        if self.sample is None and any(isinstance(limit, str) for limit in self.sources.values()):
            raise ValueError("sources: a share is one of the sample, and sample is null: give numbers of rows")
        return self

    @property
    def rule(self) -> Rule:
        """What is asked of the selection; no two settings that choose otherwise have the same."""
        limits = {
            source: limit if isinstance(limit, int) else (self.sample or 0) * int(limit.rstrip("%")) // 100
            for source, limit in self.sources.items()
        }
        return Rule(
            self.sample,
            tuple(sorted(self.balance)),
            limits,
            self.min_length,
            self.max_length,
            self.seed,
            self.deduplicate,
        )


class Mms(Source):
    """Yields the chosen rows in their own language; a row is a group and a document of its own, `mms-6014593`.

    The selection is made when it is first asked for, and kept: a file is read once.
    """

    name = "mms"
    Config: ClassVar[type[MmsConfig]] = MmsConfig

    def __init__(self, config: MmsConfig) -> None:
        super().__init__(config)
        self.config: MmsConfig = config

    @property
    def languages(self) -> tuple[str, ...]:
        return (LANGUAGES[self.config.language],)

    def citations(self) -> Sequence[str]:
        """The paper of mms, which asks for it; its page lists those of the original datasets."""
        return (CITATION,)

    def files(self) -> Sequence[Path]:
        """The local file, or the selection that is kept of the Hub's rows."""
        if self.config.path is not None:
            return (Path(self.config.path),)
        from corpusforge.sources import _mms_hub

        copy = _mms_hub.Copy(self.config.dataset, self.config.revision, self.config.language)
        return (copy.selection(self.config.rule.digest),)

    def check(self) -> None:
        """Raise on damaged rows, repeated ids, a table without the language, and where the Hub does not give it.

        Raises:
            CorpusforgeError: The first problems with file and line, and how many there are.
        """
        len(self._selection)

    def outline(self) -> Iterator[Outline]:
        for group, label in self._selection.outline():
            yield Outline(group, group, LABELS[label])

    def items(self, groups: Container[str] | None = None) -> Iterator[Utterance]:
        (lang,) = self.languages
        licenses, license = self.config.licenses, self.config.license
        for group, label, origin, text in self._selection.rows():
            if groups is None or group in groups:
                right = licenses.get(origin, license)
                yield Utterance(f"{group}.{lang}", group, group, lang, text, LABELS[label], f"mms:{origin}", right)

    @cached_property
    def _selection(self) -> Selection:
        if self.config.path is not None:
            return self._select(TableFile(Path(self.config.path)), None)
        from corpusforge.sources import _mms_hub

        copy = _mms_hub.Copy(self.config.dataset, self.config.revision, self.config.language)
        kept = copy.selection(self.config.rule.digest)
        if not kept.is_file():
            return self._select(TableFile(copy.rows(self.progress)), kept)
        return Selection.open(kept)

    def _select(self, table: TableFile, into: Path | None) -> Selection:
        missing = [column for column in NEEDED if column not in table.columns()]
        if missing:
            raise SourceError(
                f"{table.path}: no column '{missing[0]}'; expected mms's columns {', '.join(COLUMNS)}, found "
                f"{', '.join(table.columns())}"
            )
        problems = Problems()
        what = Words(str(table.path), f"'{self.config.language}'", table.at)
        return select(self._rows(table, problems), self.config.rule, what, into)

    def _rows(self, table: TableFile, problems: Problems) -> Iterator[tuple[int, Row]]:
        """The language's rows. What is wrong with them is raised behind the last one, so that all of it is told."""
        reader = _mms_rows.Reader(self.config.language, table.at, problems.add)
        found = False
        for place, cells in table.rows(problems.add, COLUMNS):
            row = reader.read(cells, place)
            if row is not None:
                found = True
                yield place, row
        problems.raise_if_any(str(table.path))
        if not found:
            held = ", ".join(f"{code} ({count} rows)" for code, count in sorted(reader.others.items()))
            raise SourceError(
                f"{table.path}: no row in '{self.config.language}' (source.language); it has {held or 'no rows at all'}"
            )

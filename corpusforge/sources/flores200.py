"""FLORES-200: the same 2,009 sentences in 204 languages, from 562 articles, as text files with a line a sentence.

Layout of the official tarball: `dev/<language>.dev` and `devtest/<language>.devtest`, parallel line by line, and
`metadata_<split>.tsv` with the article of each line. The NLLB Team (2022), https://arxiv.org/abs/2207.04672.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from pydantic import ValidationInfo, field_validator, model_validator

from corpusforge.errors import SourceError
from corpusforge.items import Utterance
from corpusforge.sources import _sib200
from corpusforge.sources._files import Problems, Report, decode, from_recipe, not_utf8, read_lines, refuse, strip_end
from corpusforge.sources.base import Outline, Source, SourceConfig
from corpusforge.sources.flores200_fetch import Progress, locate

CITATION = """@article{nllb2022,
  author = {{NLLB Team} and Marta R. Costa-jussà and others},
  title = {No Language Left Behind: Scaling Human-Centered Machine Translation},
  journal = {arXiv preprint arXiv:2207.04672},
  year = {2022},
  url = {https://arxiv.org/abs/2207.04672}
}"""
Split: TypeAlias = Literal["dev", "devtest"]
_ORDER: tuple[Split, ...] = ("dev", "devtest")


class FloresConfig(SourceConfig):
    """Settings of the source `flores200`.

    Attributes:
        languages: FLORES codes, in the order of the corpus.
        path: Folder or tarball; None looks at `$CORPUSFORGE_FLORES200`, the user's cache, then downloads.
        splits: FLORES-200's own splits to read. They are not the corpus's: those are drawn when it is written.
        labels: `domain` (wikinews, wikibooks, wikivoyage), `sib200` (topics of SIB-200, for the sentences that have
            one; the others are left out), or None.
        sib200: Folder of SIB-200's `<language>/{train,dev,test}.tsv`, for `labels: sib200`.
        sample: The small sample that ships with corpusforge, in place of FLORES-200.
    """

    languages: tuple[str, ...] = ("zho_Hans", "bod_Tibt", "mya_Mymr")
    path: str | None = None
    splits: tuple[Split, ...] = _ORDER
    labels: Literal["domain", "sib200"] | None = "domain"
    sib200: str | None = None
    sample: bool = False

    @field_validator("languages")
    @classmethod
    def _are_codes(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for code in languages:
            # They become parts of file names, so nothing but a plain word may pass.
            if not re.fullmatch(r"[A-Za-z0-9_-]+", code):
                raise ValueError(f"'{code}' is not a FLORES code such as 'bod_Tibt'")
        return _no_repeats(languages)

    @field_validator("splits")
    @classmethod
    def _in_order(cls, splits: tuple[Split, ...]) -> tuple[Split, ...]:
        _no_repeats(splits)
        return tuple(split for split in _ORDER if split in splits)

    @field_validator("path", "sib200")
    @classmethod
    def _from_recipe(cls, value: str | None, info: ValidationInfo) -> str | None:
        return value and from_recipe(value, info)

    @model_validator(mode="after")
    def _fit_together(self) -> FloresConfig:
        if self.sample and self.path:
            raise ValueError("sample and path exclude each other: leave one out")
        if self.sample and self.labels == "sib200":
            raise ValueError("the sample has no SIB-200 labels: set labels to domain or null")
        if (self.labels == "sib200") != (self.sib200 is not None):
            raise ValueError("labels: sib200 and the folder sib200 belong together: set both or neither")
        return self


def _no_repeats(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"expected at least one, each once; found {list(values)}")
    return values


class Flores200(Source):
    """Groups are named by split and line, `dev-0001`; a document is the address of its article.

    Args:
        config: Settings.
        progress: Told of a download, as `Source.progress`.
    """

    name = "flores200"
    Config: ClassVar[type[FloresConfig]] = FloresConfig

    def __init__(self, config: FloresConfig, progress: Progress | None = None) -> None:
        super().__init__(config)
        self.config: FloresConfig = config
        self.progress = progress

    @property
    def languages(self) -> tuple[str, ...]:
        return self.config.languages

    def citations(self) -> Sequence[str]:
        """The paper of FLORES-200, and SIB-200's for its labels; the sample wants none."""
        if self.config.sample:
            return ()
        return (CITATION, _sib200.CITATION) if self.config.labels == "sib200" else (CITATION,)

    @cached_property
    def folder(self) -> Path:
        """Where the text is. The first look may unpack or download it, and raise `SourceError`."""
        if self.config.sample:
            from corpusforge.sample import sample_folder

            return Path(sample_folder())
        return locate(self.config.path, self.progress)

    def files(self) -> Sequence[Path] | None:
        """Texts, metadata and labels; None where they are still in an archive or not here at all."""
        config = self.config
        if not config.sample and (config.path is None or not Path(config.path).is_dir()):
            return None
        files = [self.folder / f"metadata_{split}.tsv" for split in _ORDER]
        files += [self._text_file(split, lang) for split in config.splits for lang in config.languages]
        if config.labels == "sib200":
            labels = Path(config.sib200 or "")
            files += [labels / lang / f"{part}.tsv" for lang in config.languages for part in ("train", "dev", "test")]
        return files

    def check(self) -> None:
        """Raise on unknown or missing languages, on files that are not parallel, and on text that is no text.

        Raises:
            CorpusforgeError: The first problems with file and line, and how many there are.
        """
        from corpusforge.text import languages

        for code in self.languages:
            languages.check(code, "source.languages")
        self._check_files()
        counts, lines = Problems(), Problems()
        labels = self._check_sib200(lines.add)
        for split in self.config.splits:
            rows = sum(1 for _ in self._metadata(split, lines.add))
            offset = self._offset(split) if labels else 0
            for lang in self.languages:
                path = self._text_file(split, lang)
                count = 0
                texts: list[str | None] = []
                for count, text in enumerate(read_lines(path, lines.add), start=1):
                    if text is not None and not text.strip():
                        lines.add(f"{path}:{count}: empty sentence")
                    elif text is not None and "\0" in text:
                        lines.add(f"{path}:{count}: NUL character at column {text.index(chr(0)) + 1}")
                    if labels:
                        texts.append(text)
                if count != rows:
                    counts.add(f"{path}: {count} lines, expected {rows}, one for each row of metadata_{split}.tsv")
                elif labels:
                    _sib200.compare_text(labels[lang], texts, offset, lines.add)
        # A file with a line too many or too few explains most of the rest, so it comes first.
        counts.raise_if_any("FLORES-200 is not parallel")
        lines.raise_if_any("FLORES-200 is damaged")

    def outline(self) -> Iterator[Outline]:
        for split in self.config.splits:
            for number, (document, label, kept) in enumerate(self._rows(split), start=1):
                if kept:
                    yield Outline(f"{split}-{number:04d}", document, label)

    def items(self, groups: Container[str] | None = None) -> Iterator[Utterance]:
        source, license = ("corpusforge sample", "CC0-1.0") if self.config.sample else ("FLORES-200", "CC-BY-SA-4.0")
        for split in self.config.splits:
            for number, (row, raws) in enumerate(zip_longest(self._rows(split), self._parallel(split)), start=1):
                if row is None or raws is None:
                    more, less = ("rows", "lines of text") if raws is None else ("lines of text", "rows")
                    raise SourceError(f"{self.folder / f'metadata_{split}.tsv'}: at {number}, more {more} than {less}")
                document, label, kept = row
                group = f"{split}-{number:04d}"
                if kept and (groups is None or group in groups):
                    for lang, raw in zip(self.languages, raws, strict=True):
                        try:
                            text = strip_end(decode(raw, number))
                        except UnicodeDecodeError as error:
                            refuse(f"{self._text_file(split, lang)}:{number}: {not_utf8(error)}")
                        yield Utterance(f"{group}.{lang}", group, document, lang, text, label, source, license)

    def _parallel(self, split: Split) -> Iterator[tuple[bytes, ...]]:
        """The language files in lock-step: a line of each language, as bytes."""
        paths = [self._text_file(split, lang) for lang in self.languages]
        with ExitStack() as stack:
            try:
                files = [stack.enter_context(path.open("rb")) for path in paths]
            except OSError as error:
                raise SourceError(f"{error.filename}: cannot be read ({error.strerror})") from error
            for number, raws in enumerate(zip_longest(*files), start=1):
                if None in raws:
                    short = paths[raws.index(None)]
                    raise SourceError(f"{short}: ends after line {number - 1}, other languages go on")
                yield raws

    def _rows(self, split: Split) -> Iterator[tuple[str, str | None, bool]]:
        """Document and label of every line of a split, and whether the corpus has it."""
        rows = self._metadata(split, refuse)
        if self.config.labels == "sib200":
            labels = self._labels(self.languages[0], refuse)
            for index, (document, _) in enumerate(rows, start=self._offset(split)):
                row = labels.get(index)
                yield document, row.category if row else None, row is not None
        else:
            for document, domain in rows:
                yield document, domain, True

    def _metadata(self, split: Split, report: Report) -> Iterator[tuple[str, str | None]]:
        """Article and domain (None if domains are not asked for) of every line of a split."""
        path = self.folder / f"metadata_{split}.tsv"
        rows = read_lines(path, report)
        header = (next(rows, "") or "").split("\t")
        needed = ["URL", *(["domain"] if self.config.labels == "domain" else [])]
        missing = [column for column in needed if column not in header]
        if missing:
            raise SourceError(
                f"{path}:1: no column {' and '.join(map(repr, missing))}; expected URL, domain, topic, has_image and "
                f"has_hyperlink separated by tabs, found {', '.join(header) or 'an empty line'}"
            )
        at = [header.index(column) for column in needed]
        for number, row in enumerate(rows, start=2):
            # Never the csv module: quotes are text here.
            cells = [] if row is None else row.split("\t")
            if row is not None and len(cells) != len(header):
                report(f"{path}:{number}: {len(cells)} columns, expected {len(header)} separated by tabs")
            values = [cells[place] if place < len(cells) else "" for place in at]
            if row is not None and not all(values):
                report(f"{path}:{number}: empty {needed[values.index('')]}")
            yield values[0], values[1] if len(values) > 1 else None

    def _text_file(self, split: Split, lang: str) -> Path:
        return self.folder / split / f"{lang}.{split}"

    def _offset(self, split: Split) -> int:
        """SIB-200 counts through dev and devtest, whether both are read or not."""
        return 0 if split == "dev" else sum(1 for _ in self._metadata("dev", refuse))

    def _labels(self, lang: str, report: Report) -> dict[int, _sib200.Row]:
        lines = sum(1 for split in _ORDER for _ in self._metadata(split, refuse))
        return _sib200.read(Path(self.config.sib200 or ""), lang, lines, report)

    def _check_sib200(self, report: Report) -> dict[str, dict[int, _sib200.Row]]:
        """The labels by language, where they are asked for; every language must have the same."""
        if self.config.labels != "sib200":
            return {}
        labels = {lang: self._labels(lang, report) for lang in self.languages}
        for lang in self.languages[1:]:
            _sib200.compare(labels[self.languages[0]], labels[lang], report)
        return labels

    def _check_files(self) -> None:
        """Every file of every language, before any is read: what lacks, and what the folder has instead."""
        problems = Problems()
        for split in self.config.splits:
            if not (self.folder / f"metadata_{split}.tsv").is_file():
                problems.add(f"{self.folder / f'metadata_{split}.tsv'} is missing")
            here = sorted(path.name.removesuffix(f".{split}") for path in self.folder.glob(f"{split}/*_*.{split}"))
            for lang in self.languages:
                if not self._text_file(split, lang).is_file():
                    shown = ", ".join(here[:12]) + (f" and {len(here) - 12} more" if len(here) > 12 else "")
                    problems.add(
                        f"{self._text_file(split, lang)} is missing; {split} has these languages: {shown or 'none'}"
                    )
        problems.raise_if_any(f"FLORES-200 in {self.folder}")

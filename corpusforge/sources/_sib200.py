"""SIB-200's topic labels for FLORES-200's sentences (Adelani et al. 2024, github.com/dadelani/sib-200)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from corpusforge.errors import SourceError
from corpusforge.sources._files import Report, read_lines, refuse

CITATION = """@inproceedings{adelani-etal-2024-sib,
  author = {David Ifeoluwa Adelani and Hannah Liu and Xiaoyu Shen and others},
  title = {{SIB}-200: A Simple, Inclusive, and Big Evaluation Dataset for Topic Classification in 200+ Languages and
    Dialects},
  booktitle = {Proceedings of EACL 2024},
  year = {2024},
  url = {https://aclanthology.org/2024.eacl-long.14}
}"""
ROWS = {"train": 701, "dev": 99, "test": 204}
_HEADER = ["index_id", "category", "text"]
# SIB-200's texts are FLORES-200's with quotes doubled or dropped and blanks trimmed.
_NOT_COMPARED = re.compile(r'["\s]')


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled sentence: `text` without quotes and blanks, `where` is `file:line`."""

    category: str
    text: str
    where: str


def letters(text: str) -> str:
    """What SIB-200 and FLORES-200 have in common of a sentence."""
    return _NOT_COMPARED.sub("", text)


def read(folder: Path, lang: str, lines: int, report: Report = refuse) -> dict[int, Row]:
    """One language's rows by their index into dev and devtest, 0-based.

    Args:
        folder: Holds `<lang>/train.tsv`, `dev.tsv` and `test.tsv`.
        lang: FLORES code.
        lines: How many lines FLORES-200's dev and devtest have together.
        report: Takes each problem.
    """
    rows: dict[int, Row] = {}
    if not folder.is_dir():
        raise SourceError(
            f"source.sib200 is {folder}, which is not a folder: expected SIB-200's data/annotated, "
            "which holds <language>/{train,dev,test}.tsv"
        )
    for part, expected in ROWS.items():
        path = folder / lang / f"{part}.tsv"
        count = 0
        for number, line in enumerate(read_lines(path, report), start=1):
            cells = [] if line is None else line.split("\t")
            where = f"{path}:{number}"
            if number == 1:
                if cells != _HEADER:
                    report(f"{where}: expected the columns {', '.join(_HEADER)} separated by tabs, found {line!r}")
                    break
                continue
            count += 1
            if line is None:
                continue
            if len(cells) != 3 or not cells[1]:
                report(f"{where}: expected index_id, category and text separated by tabs, found {len(cells)} columns")
            elif not (cells[0].isascii() and cells[0].isdigit() and int(cells[0]) < lines):
                report(f"{where}: index_id '{cells[0]}' is not a line of dev and devtest: expected 0 to {lines - 1}")
            elif int(cells[0]) in rows:
                report(f"{where}: index_id {cells[0]} was there before, at {rows[int(cells[0])].where}")
            else:
                rows[int(cells[0])] = Row(cells[1], letters(cells[2]), where)
        else:
            if count != expected:
                report(f"{path}: {count} rows, SIB-200 has {expected} in {part}.tsv")
    return rows


def compare(first: dict[int, Row], other: dict[int, Row], report: Report) -> None:
    """Report every index that two languages label differently."""
    for index in sorted(first.keys() | other.keys()):
        one, two = first.get(index), other.get(index)
        if one is None or two is None:
            there = one or two
            assert there is not None
            report(f"{there.where}: index_id {index} is labelled in one language only; expected the same rows in all")
        elif one.category != two.category:
            report(f"{two.where}: index_id {index} is '{two.category}' here, '{one.category}' at {one.where}")


def compare_text(rows: dict[int, Row], texts: Sequence[str | None], offset: int, report: Report) -> None:
    """Report every row whose text is not the line of FLORES-200 that its index names: labels of another order."""
    for index, row in rows.items():
        if offset <= index < offset + len(texts):
            text = texts[index - offset]
            if text is not None and letters(text) != row.text:
                report(
                    f"{row.where}: its text is not line {index + 1} of dev and devtest; are the labels of this data?"
                )

"""What is wrong with a corpus, or may be: each finding names the rows, says why it matters and what mends it.

The manifest is read once, a row at a time; every check keeps what it needs of a row. The audio is read by the check
`files` alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusforgeError, nearest
from corpusforge.lint.files import Files, Licenses
from corpusforge.lint.findings import SEVERITIES, CheckMaker, Finding, Row, Settings, Severity, Tokenizer
from corpusforge.lint.groups import Labels, Languages
from corpusforge.lint.leakage import Copies, Leakage, NearSame
from corpusforge.lint.sound import Clipping, Duration, Silence, Unreadable
from corpusforge.lint.texts import Script, Unicode, Untranslated, Zawgyi
from corpusforge.lint.tokens import Encoder

CHECKS: Mapping[str, tuple[CheckMaker, str]] = MappingProxyType(
    {
        "leakage": (Leakage, "a group, document, text or clip in more than one split"),
        "near-text": (NearSame, "a text nearly the same as one of another split"),
        "duplicates": (Copies, "a text or clip more than once in a split"),
        "labels": (Labels, "a label missing from a split, labels out of balance, two labels in a group"),
        "languages": (Languages, "a parallel group without one of the languages"),
        "untranslated": (Untranslated, "a text that is the same in two languages of its group"),
        "script": (Script, "a text in another script or language, or without letters"),
        "zawgyi": (Zawgyi, "Burmese in the encoding of old fonts"),
        "unicode": (Unicode, "broken characters, spellings that are not canonical"),
        "silence": (Silence, "clips that are silent, or silent for too long"),
        "clipping": (Clipping, "clips cut off at full scale"),
        "duration": (Duration, "clips too short or too long for their text"),
        "unreadable": (Unreadable, "texts of which much was not spoken"),
        "encoder": (Encoder, "texts too long for the text encoder, or unknown to it (needs --encoder)"),
        "files": (Files, "files missing, or changed since the build"),
        "licenses": (Licenses, "texts and voices whose licence is not known"),
    }
)
"""Name: what makes the check, and what it looks for."""


def lint(
    corpus: Corpus | str | os.PathLike[str],
    *,
    checks: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    encoder: Callable[[], Tokenizer] | None = None,
    max_length: int = 128,
    quick: bool = False,
) -> list[Finding]:
    """Look for what is wrong with a corpus.

    Args:
        corpus: It, or its folder.
        checks: Names of `CHECKS`; all by default.
        skip: Those that are left out.
        encoder: Opens the text encoder that will be trained, as `corpusforge.train.encoders.text_encoder` does; without
            one, the check `encoder` says that it was not run.
        max_length: Tokens that the trainer will take of a text.
        quick: Do not hash the files; of audio, compare the length and rate in its header.

    Returns:
        Errors first, then warnings and notes; each by the order of `CHECKS`.

    Raises:
        CorpusError: There is no corpus, or it cannot be read.
        CorpusforgeError: No such check; the encoder cannot be opened, or reads fewer tokens than `max_length`.
    """
    opened = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    settings = Settings(encoder, max_length, quick)
    running = [CHECKS[name][0](opened, settings) for name in chosen(checks, skip)]
    for number, record in enumerate(opened):
        row = Row(number, record)
        for check in running:
            check.add(row)
    found = [finding for check in running for finding in check.end()]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def chosen(checks: Iterable[str] | None, skip: Iterable[str]) -> list[str]:
    """The names of the checks to run, in their order.

    Raises:
        CorpusforgeError: No such check.
    """
    only, without = None if checks is None else set(checks), set(skip)
    for name in sorted((only or set()) | without):
        if name not in CHECKS:
            raise CorpusforgeError(f"no check '{name}': {nearest(name, CHECKS)}")
    return [name for name in CHECKS if (only is None or name in only) and name not in without]


__all__ = ["CHECKS", "SEVERITIES", "Finding", "Severity", "Tokenizer", "chosen", "lint"]

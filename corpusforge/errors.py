"""The one family of errors that a user can meet, and the exit code of each.

Every message says what was wrong, where, what was expected and what mends it. The command line prints the message
and exits with `exit_code`; no traceback is shown for any of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CorpusforgeError(Exception):
    """Base of everything that corpusforge raises on purpose."""

    exit_code = 1


class BuildIncomplete(CorpusforgeError):
    """A build ended, but more items failed than `--max-failures` allows."""

    exit_code = 1


class RecipeError(CorpusforgeError):
    """A recipe, a profile or an override that does not fit the recipe's schema."""

    exit_code = 2


class SourceError(CorpusforgeError):
    """Source text that is missing, damaged or inconsistent."""

    exit_code = 3


class WorkspaceError(CorpusforgeError):
    """A workspace that is locked by another build, not writable, full or damaged."""

    exit_code = 4


class MissingDependency(CorpusforgeError):
    """An engine, extra or program that this machine lacks."""

    exit_code = 5


class CorpusError(CorpusforgeError):
    """A corpus folder that is missing, damaged or of another schema version."""

    exit_code = 6


class Diverged(CorpusforgeError):
    """A training whose numbers are finite no more: its learning rate is too high."""


class BuildStopped(CorpusforgeError):
    """A build cannot go on for now: a service is down or has blocked us, or a budget is spent. What is done is kept."""

    exit_code = 7


def nearest(wrong: str, known: Iterable[str], count: int = 3) -> str:
    """The end of a message about an unknown name: the nearest known names, or all of them if none is near.

    Returns:
        `"did you mean 'bod_Tibt'?"`, or `"known: 'a', 'b'"` when nothing resembles `wrong` and the list is short.
    """
    names = sorted(set(known))
    folded = {name.casefold(): name for name in names}
    near = [folded[hit] for hit in difflib.get_close_matches(wrong.casefold(), folded, n=count, cutoff=0.6)]
    if near:
        return "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return f"known: {shown}{', …' if len(names) > 12 else ''}"

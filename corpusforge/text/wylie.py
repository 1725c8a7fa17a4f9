"""Tibetan in Wylie transliteration (extended, THL), which encoders that lack Tibetan letters can read."""

from __future__ import annotations

from functools import cache
from typing import Any

from corpusforge.errors import MissingDependency

SCRIPT = "Tibt"


def to_wylie(text: str) -> str:
    """Transliterate what is in Tibetan letters; all else is left as pyewts leaves it, in brackets.

    Raises:
        MissingDependency: pyewts is not installed.
    """
    written: str = _converter().toWylie(text)
    return written


@cache
def _converter() -> Any:
    try:
        import pyewts
    except ImportError as error:
        raise MissingDependency("Wylie transliteration needs pyewts: pip install 'pyewts==1.0.0'") from error
    return pyewts.pyewts()

"""Builds synthetic speech-text corpora for languages that have too little data, and trains on them.

The Python API; everything is imported when it is first used:

    >>> import corpusforge
    >>> recipe = corpusforge.load_recipe("flores200", overrides=["source.sample=true"])
    >>> report = corpusforge.build(recipe)
    >>> corpus = corpusforge.Corpus(report.folder)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from corpusforge.builder import build, plan
    from corpusforge.corpus.read import Corpus
    from corpusforge.errors import CorpusforgeError
    from corpusforge.opened import BuildOptions
    from corpusforge.recipe import load as load_recipe

_PUBLIC = {
    "BuildOptions": ("corpusforge.opened", "BuildOptions"),
    "Corpus": ("corpusforge.corpus.read", "Corpus"),
    "CorpusforgeError": ("corpusforge.errors", "CorpusforgeError"),
    "build": ("corpusforge.builder", "build"),
    "load_recipe": ("corpusforge.recipe", "load"),
    "plan": ("corpusforge.builder", "plan"),
}

__all__ = ["BuildOptions", "Corpus", "CorpusforgeError", "build", "load_recipe", "plan"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        module, attribute = _PUBLIC[name]
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'corpusforge' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

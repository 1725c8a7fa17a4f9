"""Engines, stages, sources and exporters by name: what ships, and what other packages add by entry points.

Nothing is imported until it is asked for, and entry points are read only for a name that does not ship: scanning
every installed package costs more than a rebuild that has nothing to do.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from corpusforge.errors import RecipeError, nearest

Kind = Literal["stages", "engines", "sources", "exporters"]

SHIPPED: dict[Kind, dict[str, str]] = {
    "stages": {
        "translate": "corpusforge.translate.stage:Translate",
        "synthesize": "corpusforge.speech.stage:Synthesize",
        "measure": "corpusforge.quality.measure:Measure",
    },
    "engines": {
        "espeak": "corpusforge.speech.engines.espeak:EspeakEngine",
        "gtts": "corpusforge.speech.engines.gtts:GttsEngine",
        "command": "corpusforge.speech.engines.command:CommandEngine",
        "marytts": "corpusforge.speech.engines.marytts:MaryttsEngine",
        "mms_tts": "corpusforge.speech.engines.mms_tts:MmsTtsEngine",
    },
    "sources": {
        "flores200": "corpusforge.sources.flores200:Flores200",
        "mms": "corpusforge.sources.mms:Mms",
        "table": "corpusforge.sources.table:Table",
    },
    "exporters": {
        "csv": "corpusforge.export.table:CsvExporter",
        "huggingface": "corpusforge.export.hub:ParquetExporter",
        "kaldi": "corpusforge.export.kaldi:KaldiExporter",
        "lhotse": "corpusforge.export.lhotse:LhotseExporter",
        "ljspeech": "corpusforge.export.ljspeech:LjspeechExporter",
        "nemo": "corpusforge.export.nemo:NemoExporter",
        "parquet": "corpusforge.export.hub:ParquetExporter",
        "webdataset": "corpusforge.export.webdataset:WebdatasetExporter",
    },
}


def names(kind: Kind) -> list[str]:
    """Every known name of a kind: what ships, then what other packages registered."""
    return sorted({*SHIPPED[kind], *(point.name for point in _entry_points(kind))})


def find(kind: Kind, name: str) -> Any:
    """The class registered as `name`.

    Raises:
        RecipeError: No such name; the message gives the nearest ones.
    """
    target = SHIPPED[kind].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    for point in _entry_points(kind):
        if point.name == name:
            return point.load()
    raise RecipeError(f"unknown {kind[:-1]} '{name}': {nearest(name, names(kind))}")


def _entry_points(kind: Kind) -> list[EntryPoint]:
    return list(entry_points(group=f"corpusforge.{kind}"))

"""The manifest's contract: the shape of a row.

`python -m corpusforge.corpus.schema` prints the JSON Schema that is kept as `manifests/schema.json`. Rows are written
without these models, which would cost more than everything else in a build that has nothing to do; tests hold what
is written to the schema.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusforge.corpus.layout import SCHEMA_VERSION as SCHEMA_VERSION
from corpusforge.items import Json


class Translation(BaseModel):
    """Where a translated text came from."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    model: str = Field(description="Model that translated, as its provider names it")
    prompt: str = Field(description="Name or digest of the prompt that was used")
    from_: str = Field(alias="from", description="FLORES-200 code of the language that was translated from")


class Metrics(BaseModel):
    """What was measured on the audio. Further measurements may be added without a new schema version."""

    model_config = ConfigDict(extra="allow")

    rms_dbfs: float = Field(ge=-120, le=0, description="Level of the whole clip, dBFS; -120 is digital silence")
    peak_dbfs: float = Field(ge=-120, le=0, description="Level of the loudest sample, dBFS")
    dc_offset: float = Field(ge=-1, le=1, description="Mean of the samples as a share of full scale")
    clipping: float = Field(ge=0, le=1, description="Share of the samples that are at full scale")
    silence: float = Field(ge=0, le=1, description="Share of the frames (20 ms by default) that are silent")
    leading_silence: float = Field(ge=0, description="Seconds of silence before the first frame that sounds")
    trailing_silence: float = Field(ge=0, description="Seconds of silence after the last frame that sounds")
    longest_pause: float = Field(ge=0, description="Seconds of the longest silence between two frames that sound")
    seconds_per_syllable: float | None = Field(
        ge=0, description="Duration over syllables; null where there are none or the engine does not count them"
    )
    syllables: int | None = Field(ge=0, description="Syllables of the sentence as read aloud, read or not")
    unreadable: int | None = Field(ge=0, description="Syllables of those that the engine could not read")
    unreadable_share: float | None = Field(ge=0, description="`unreadable` over `syllables`")


class Row(BaseModel):
    """One line of `manifest.jsonl`, `train.jsonl`, `dev.jsonl` or `test.jsonl`: one utterance."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, description="Unique in the corpus")
    group: str = Field(description="Parallel group: the same sentence in every language shares it; never in two splits")
    document: str = Field(description="The article the sentence came from; never in two splits")
    lang: str = Field(description="FLORES-200 code of the language, such as bod_Tibt")
    text: str = Field(description="The sentence as written")
    label: str | None = Field(description="Class name for classification; null where the source has none")
    split: Literal["train", "dev", "test"] = Field(description="Decided by document, within each label")
    audio: str = Field(description="Audio file, relative to the corpus folder, with forward slashes")
    duration: float = Field(ge=0, description="num_samples / sample_rate in seconds, rounded to 6 digits")
    sample_rate: int = Field(gt=0, description="Hz")
    num_samples: int = Field(ge=0, description="Samples of the (mono) audio")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the audio file's content")
    engine: str = Field(description="Speech engine")
    voice: str = Field(description="The engine's voice")
    voice_license: str | None = Field(description="SPDX id, or words, of the licence of the voice; null if not known")
    source: str = Field(description="Where the text came from")
    license: str = Field(description="SPDX id of the licence of the text")
    translation: Translation | None = Field(
        description="How the text was translated; null where it is the source's own"
    )
    metrics: Metrics | None = Field(description="What was measured; null where the recipe measures nothing")


class Refused(BaseModel):
    """One line of `rejected.jsonl`: an utterance that is not in the corpus."""

    model_config = ConfigDict(extra="forbid")

    id: str
    group: str
    lang: str
    text: str = Field(description="The sentence, or what was to be translated into it")
    stage: str = Field(description="The stage, or `gates`, that refused it")
    reason: str = Field(description="In words: `class: details`")
    kind: Literal["rejected", "failed"] = Field(description="`failed` items are tried again by the next build")
    details: dict[str, Json] | None = Field(description="What the stage kept of it, such as a model's raw answers")


def json_schema() -> dict[str, Json]:
    """JSON Schema (draft 2020-12) of a row."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"corpusforge manifest row, schema version {SCHEMA_VERSION}",
        **{name: value for name, value in Row.model_json_schema(by_alias=True).items() if name != "title"},
    }


def schema_text() -> str:
    """`manifests/schema.json`, to the byte."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")

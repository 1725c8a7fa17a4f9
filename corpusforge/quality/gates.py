"""Which measured clips a corpus takes: the `gates:` section of a recipe, and the verdict on one item.

Judging is apart from measuring, and from the store: a new threshold re-judges every item and re-makes none.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from corpusforge.errors import RecipeError
from corpusforge.items import Json, Utterance


class _Bounds(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AtLeast(_Bounds):
    """A lower bound.

    Attributes:
        min: The lowest value that passes.
    """

    min: float


class AtMost(_Bounds):
    """An upper bound.

    Attributes:
        max: The highest value that passes.
    """

    max: float


class Between(_Bounds):
    """A lower and an upper bound.

    Attributes:
        min: The lowest value that passes; None is no lower bound.
        max: The highest value that passes; None is no upper bound.
    """

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Between:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is over max {self.max}: nothing could pass")
        return self


class Band(Between):
    """Plausible speeds of speech, in seconds per syllable.

    A clip of `n` syllables passes if it lasts from `n * min` to `n * max + edges` seconds: what a voice adds around a
    sentence does not grow with the sentence, and must not condemn a sentence of two syllables.

    Attributes:
        min: Seconds per syllable under which speech is too fast; None is no lower bound.
        max: Seconds per syllable over which speech is too slow; None is no upper bound.
        edges: Seconds of silence around the speech that the upper bound forgives.
    """

    edges: float = Field(0.5, ge=0)


SPEEDS: Mapping[str, Mapping[str, Band]] = {
    "espeak": {
        "zho_Hans": Band(min=0.14, max=0.44),
        "bod_Tibt": Band(min=0.14, max=0.39),
        "mya_Mymr": Band(min=0.14, max=0.40),
    },
    "gtts": {
        "zho_Hans": Band(min=0.18, max=0.49),
    },
}
"""Default speeds by engine and language, at the voice's own rate. Each is the range that was measured, made a third
wider on both sides and rounded outwards:

======  ========  =============================  =======================================================
engine  language  seconds per syllable measured  on
======  ========  =============================  =======================================================
espeak  zho_Hans  0.221 to 0.329, median 0.264   the 2,009 sentences of FLORES-200 (benchmarks/bands.py)
espeak  bod_Tibt  0.216 to 0.286, median 0.251   the same
espeak  mya_Mymr  0.219 to 0.295, median 0.256   the same
gtts    zho_Hans  0.279 to 0.364, median 0.304   20 MP3s that gTTS made in 2018
======  ========  =============================  =======================================================

An engine or language without an entry has no default band: a recipe can give one.
"""


class Gates(BaseModel):
    """The bounds a clip must keep to. Each can be changed, or switched off with null.

    `seconds_per_syllable` is by engine and language, and what a recipe gives goes over the defaults of `SPEEDS`. Bands
    hold for a voice's own rate; for speech at another rate they are scaled with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    rms_dbfs: AtLeast | None = Field(AtLeast(min=-50.0), description="Level of the whole clip, dBFS")
    clipping: AtMost | None = Field(AtMost(max=0.001), description="Share of samples at full scale")
    silence: AtMost | None = Field(AtMost(max=0.6), description="Share of frames that are silent")
    unreadable_share: AtMost | None = Field(AtMost(max=0.2), description="Share of syllables that were not read")
    duration: Between | None = Field(Between(min=0.2, max=120.0), description="Length of the clip, seconds")
    seconds_per_syllable: Mapping[str, Mapping[str, Band | None] | None] | None = Field(
        default={}, description="Speed of speech, by engine and language"
    )

    @field_validator("seconds_per_syllable")
    @classmethod
    def _over_the_defaults(
        cls, given: Mapping[str, Mapping[str, Band | None] | None] | None
    ) -> Mapping[str, Mapping[str, Band | None] | None] | None:
        if given is None:
            return None
        merged: dict[str, Mapping[str, Band | None] | None] = {}
        for engine in sorted({*SPEEDS, *given}):
            own = given.get(engine, {})
            merged[engine] = None if own is None else {**SPEEDS.get(engine, {}), **own}
        return merged


def judge(item: Utterance, gates: Gates) -> list[str]:
    """Every reason why `item` cannot be part of the corpus, `class: what was measured and the bound`; empty if it can.

    A value that is not known (the syllables of an engine that does not count them) is not judged.

    Raises:
        RecipeError: The item was not spoken, or a gate needs a measurement and it was not measured.
    """
    fields = item.fields
    if "num_samples" not in fields:
        raise RecipeError(
            f"{item.id} has no speech: add a stage that speaks, such as synthesize, to the recipe's stages"
        )
    metrics: Mapping[str, Json] | None = fields.get("metrics")
    reasons: list[str] = []
    duration: float = fields["num_samples"] / fields["sample_rate"]
    if (length := gates.duration) is not None:
        if length.min is not None and duration < length.min:
            reasons.append(f"too short: {duration:.2f} s is under {length.min:.2f}")
        if length.max is not None and duration > length.max:
            reasons.append(f"too long: {duration:.2f} s is over {length.max:.2f}")
    if metrics is None:
        _need_no_metrics(item, gates)
        return reasons
    if (level := gates.rms_dbfs) is not None and metrics["rms_dbfs"] < level.min:
        reasons.append(f"near-silent: rms {metrics['rms_dbfs']:.1f} dBFS is under {level.min:.1f}")
    if (clipping := gates.clipping) is not None and metrics["clipping"] > clipping.max:
        reasons.append(f"clipped: {metrics['clipping']:.4%} of the samples is over {clipping.max:.4%}")
    if (silence := gates.silence) is not None and metrics["silence"] > silence.max:
        reasons.append(f"mostly silence: {metrics['silence']:.1%} of the frames is over {silence.max:.1%}")
    unread: float | None = metrics["unreadable_share"]
    if unread is not None and (readable := gates.unreadable_share) is not None and unread > readable.max:
        reasons.append(
            f"unreadable: {metrics['unreadable']} of {metrics['syllables']} syllables ({unread:.1%}) is over "
            f"{readable.max:.1%}"
        )
    pace: float | None = metrics["seconds_per_syllable"]
    if pace is not None and gates.seconds_per_syllable is not None:
        bands = gates.seconds_per_syllable.get(fields["engine"])
        band = bands.get(item.lang) if bands else None
        if band is not None:
            tempo = 1.0 + fields.get("rate", 0.0) / 100.0
            if band.min is not None and pace < band.min / tempo:
                reasons.append(f"too fast: {pace:.3f} s per syllable is under {band.min / tempo:.3f}")
            if band.max is not None and pace > band.max / tempo + band.edges / metrics["syllables"]:
                reasons.append(
                    f"too slow: {pace:.3f} s per syllable is over {band.max / tempo:.3f}, {band.edges:.2f} s of edges "
                    "allowed"
                )
    return reasons


def _need_no_metrics(item: Utterance, gates: Gates) -> None:
    on = [
        name
        for name in ("rms_dbfs", "clipping", "silence", "unreadable_share", "seconds_per_syllable")
        if getattr(gates, name) is not None
    ]
    if on:
        raise RecipeError(
            f"{item.id} was not measured, but the gates {', '.join(on)} need it: add the stage `measure` to the "
            "recipe, or switch them off with null"
        )

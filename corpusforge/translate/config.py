"""Settings of the stage `translate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from corpusforge.errors import RecipeError, nearest
from corpusforge.items import Json
from corpusforge.net.policy import Policy, left_out_as
from corpusforge.net.secrets import endpoint
from corpusforge.stage import StageConfig
from corpusforge.text.languages import LANGUAGES
from corpusforge.translate.batch import BatchSettings
from corpusforge.translate.budget import Budget, Prices
from corpusforge.translate.checks import Checks
from corpusforge.translate.exemplars import ExemplarConfig
from corpusforge.translate.llm import OFFICIAL, base_url, wrong_url
from corpusforge.translate.prompts import load_prompt

MANY = Policy(concurrency=32)
_SPEED: dict[str, Json] = {"semantic": False}
_OWN_FIELDS = {
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "max_output_tokens"), "give max_tokens, which bounds costs"
    ),
    **{name: f"give {name} beside it" for name in ("model", "temperature", "top_p", "seed")},
    **dict.fromkeys(("messages", "input", "instructions"), "they come from the prompt"),
    **dict.fromkeys(("response_format", "text"), "it comes from output"),
    **dict.fromkeys(("n", "stream", "background"), "one whole answer is asked for"),
}
"""Fields of a request that other settings decide."""


class BackTranslation(BaseModel):
    """A translation back into the source language, compared with the source.

    Attributes:
        least: chrF, 0 to 100, below which a translation is rejected; 0 only measures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: float = Field(0.0, ge=0, le=100)


class TranslateConfig(StageConfig):
    """Translates every utterance of one language into others, by a large language model.

    Attributes:
        source: FLORES code of the language that is translated from: one that the recipe's source has.
        targets: FLORES codes that are translated into.
        model: The model, as its endpoint names it.
        base_url: OpenAI-compatible endpoint; null is the environment's `OPENAI_BASE_URL`, else OpenAI's own. The API
            key is the environment's `OPENAI_API_KEY` and nothing else's.
        key_variable: Environment variable that holds the API key.
        api: `chat` (chat completions) or `responses`.
        output: `json` demands structured output, `text` plain text; `auto` demands structured output until the endpoint
            says that it has none.
        together: Whether one request asks for all target languages, or each has its own.
        prompt: A shipped prompt (`translate-1`, `reviews-1`), or a file of your own that ends in `.txt`.
        exemplars: Which translated sentences the prompt shows.
        temperature, top_p, seed: Sampling; null leaves it to the model.
        max_tokens: Tokens of an answer at most.
        parameters: Other fields of the request, as the endpoint names them: `{reasoning_effort: low}`.
        checks: What an answer is checked for.
        repair: How often a model is shown what is wrong with its answer before the utterance is rejected.
        back_translation: Translates back and compares; null does not.
        prices: What the service takes; null is unknown, and no cost is shown.
        budget: What the corpus may cost in all.
        mode: `live`, a request an utterance, or `batch`, by the Batch API.
        batch: Of `mode: batch`.
        network: Concurrency, rates and patience.
    """

    source: str
    targets: tuple[str, ...]
    model: str = Field(min_length=1)
    base_url: str | None = Field(None, json_schema_extra=_SPEED)
    key_variable: str = Field("OPENAI_API_KEY", json_schema_extra=_SPEED)
    api: Literal["chat", "responses"] = "chat"
    output: Literal["auto", "json", "text"] = "auto"
    together: bool = False
    prompt: str = Field("translate-1", json_schema_extra=_SPEED)
    exemplars: ExemplarConfig = ExemplarConfig()
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = None
    max_tokens: int = Field(2048, ge=1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    checks: Checks = Checks()
    repair: int = Field(1, ge=0, le=3)
    back_translation: BackTranslation | None = None
    prices: Prices | None = Field(None, json_schema_extra=_SPEED)
    budget: Budget = Field(Budget(), json_schema_extra=_SPEED)
    mode: Literal["live", "batch"] = Field("live", json_schema_extra=_SPEED)
    batch: BatchSettings = Field(BatchSettings(), json_schema_extra=_SPEED)
    network: Annotated[Policy, left_out_as(MANY)] = Field(MANY, json_schema_extra=_SPEED)

    @field_validator("source", "targets")
    @classmethod
    def _are_codes(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        codes = (value,) if isinstance(value, str) else value
        for code in codes:
            if code not in LANGUAGES:
                raise ValueError(f"'{code}' is not a FLORES-200 code: {nearest(code, LANGUAGES)}")
        if not codes or len(set(codes)) < len(codes):
            raise ValueError(f"expected at least one language, each once; found {list(codes)}")
        return value

    @field_validator("prompt")
    @classmethod
    def _is_a_prompt(cls, value: str, info: ValidationInfo) -> str:
        folder: Path | None = (info.context or {}).get("folder")
        try:
            load_prompt(value, folder)
        except RecipeError as error:
            raise ValueError(str(error)) from None
        if folder is not None and value.endswith(".txt") and (folder / value).is_file():
            return str(folder / value)
        return value

    @field_validator("base_url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        wrong = None if value is None else wrong_url(value)
        if wrong:
            raise ValueError(wrong)
        return value

    @field_validator("parameters")
    @classmethod
    def _are_others(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _OWN_FIELDS.keys() & value.keys():
            raise ValueError(f"'{name}' is not one of the other fields: {_OWN_FIELDS[name]}")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> TranslateConfig:
        if self.source in self.targets:
            raise ValueError(f"targets: {self.source} is the source language; leave it out")
        if self.budget.usd is not None and self.prices is None:
            raise ValueError("budget.usd needs prices: give prices: {input: …, output: …} in USD for a million tokens")
        return self

    def url(self) -> str:
        """The endpoint, as the recipe or the environment says."""
        return base_url(self.base_url)

    def sampling(self) -> dict[str, Json]:
        """The fields of every request besides model, messages and format."""
        limit = "max_output_tokens" if self.api == "responses" else "max_tokens"
        if limit == "max_tokens" and endpoint(self.url()) == OFFICIAL:
            limit = "max_completion_tokens"  # its newer models know no other
        named = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed, limit: self.max_tokens}
        return {**{name: value for name, value in named.items() if value is not None}, **self.parameters}

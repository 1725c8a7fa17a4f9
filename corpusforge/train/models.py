"""The models that are trained: MLCL, and its parts by themselves as baselines.

One forward serves all languages of a batch at once: rows are utterances, whatever their language.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpusforge.train.adapters import Adapter, LanguageAdapters, SimAdapter
from corpusforge.train.batch import Batch
from corpusforge.train.config import Stage, TrainConfig
from corpusforge.train.distributed import World
from corpusforge.train.encoders import SpeechEncoder, TextEncoder
from corpusforge.train.fusion import CmBertFusion, ConcatFusion, MeanFusion
from corpusforge.train.losses import lcl, mcl, pooled, total

DROPOUT = 0.1
PART = 8
"""Rows of text, at least, that a CPU reads at once."""
FUSIONS = {"cmbert": CmBertFusion, "concat": ConcatFusion, "mean": MeanFusion}


class Output(NamedTuple):
    """What a model makes of a batch of R rows.

    Attributes:
        logits: [R, C].
        text, speech: Sentence and utterance vectors [R, D], for the contrasts; None without that modality.
        frames: Mask [R, F] of the speech frames; None without speech.
    """

    logits: Tensor
    text: Tensor | None = None
    speech: Tensor | None = None
    frames: Tensor | None = None


class Model(nn.Module, ABC):
    """Base of all models: encoders that may be absent, adapters, and a loss.

    Args:
        config: Settings.
        languages, labels: Numbers of them.
        text, speech: Encoders, as far as the model uses them.
        world: The processes that train together.
    """

    head: nn.Module

    def __init__(
        self,
        config: TrainConfig,
        languages: int,
        labels: int,
        text: TextEncoder | None = None,
        speech: SpeechEncoder | None = None,
        world: World | None = None,
    ) -> None:
        super().__init__()
        self.config, self.languages, self.labels = config, languages, labels
        self.text, self.speech = text, speech
        self.world = world or World()
        self.adapters = nn.ModuleList()
        self.stage: Stage = "main"

    @abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Logits and vectors of a batch."""

    def enter(self, stage: Stage) -> None:
        """Make the adapters of a stage out of those of the stage before, and choose what is trained.

        Before `main` the text encoder rests: adapters, fusion and head learn. In `main` all is trained but the speech
        encoder's own weights and the adapters that SimAdapter attends to (mlcl.md, ambiguity 7).
        """
        self.stage = stage
        if self.speech is not None and self.config.adapter != "none":
            made = list(self._adapters(stage, self.speech))
            self.adapters = nn.ModuleList(made).to(next(self.head.parameters()).device)
            self.speech.attach(made)
        if self.text is not None:
            self.text.requires_grad_(stage == "main")
            self.text.freeze(self.config.freeze)

    def _adapters(self, stage: Stage, speech: SpeechEncoder) -> Iterator[nn.Module]:
        """The adapters of a stage, one a layer."""
        dim, r, n = speech.dim, self.config.adapter_dim, self.languages
        for layer in range(len(speech.layers)):
            before = self.adapters[layer] if len(self.adapters) else None
            if stage == "meta":
                yield Adapter(dim, r)
            elif self.config.adapter == "sim" and stage != "adapters":
                if isinstance(before, SimAdapter):
                    yield before
                    continue
                similar = SimAdapter(dim, n, r)
                if before is not None:
                    similar.adapters.load_state_dict(before.state_dict())
                yield similar
            elif isinstance(before, LanguageAdapters):
                yield before
            else:
                own = LanguageAdapters(dim, n, r)
                if isinstance(before, Adapter):
                    own.start_from(before)
                yield own

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Named losses; `total` is what is minimised.

        Their means over all processes are the losses of one process that has all rows.
        """
        ce = self._cross_entropy(output.logits, batch.label)
        return {"total": ce + self._similar(output), "ce": ce}

    def _cross_entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        """Eq. 12 over the rows with a label; 0 where none has one."""
        count = self.world.sum((label >= 0).sum())
        summed = functional.cross_entropy(logits.float(), label, ignore_index=-1, reduction="sum")
        return summed * self.world.size / count.clamp(min=1)

    def _similar(self, output: Output) -> Tensor:
        """What SimAdapters add to the loss; 0 without them."""
        extra = output.logits.new_zeros((), dtype=torch.float32)
        similar = [adapter for adapter in self.adapters if isinstance(adapter, SimAdapter)]
        if output.frames is None or not similar:
            return extra
        rows = extra.new_full((), len(output.frames))  # filled there: a number of the host would be waited for
        share = rows * self.world.size / self.world.sum(rows)
        for adapter in similar:
            extra = extra + adapter.regulariser() + share * adapter.guide(output.frames)
        return extra

    def encoded(self) -> list[nn.Parameter]:
        """Parameters that came with a checkpoint, which take the lower learning rate."""
        return [parameter for encoder in (self.text, self.speech) if encoder for parameter in encoder.parameters()]

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states [R, L, D] of the text, and their mask."""
        assert self.text is not None and batch.tokens is not None and batch.token_mask is not None
        text, frozen, mask = self.text, self.config.freeze, batch.token_mask

        def whole(tokens: Tensor, part: Tensor) -> Tensor:
            return text.upper(text.lower(tokens, part, frozen), part, frozen) if frozen else text(tokens, part)

        def upper(hidden: Tensor, part: Tensor) -> Tensor:
            return text.upper(hidden, part, frozen)

        if batch.lower is not None:
            return _in_parts(upper, batch.lower, mask), mask
        if self.config.disturbs and self.config.norm == "example_l2":  # disturbs the rows of one call
            return whole(batch.tokens, mask), mask
        return _in_parts(whole, batch.tokens, mask), mask

    def _hear(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Frames [R, F, D] of the speech, and their mask."""
        assert self.speech is not None and batch.features is not None and batch.feature_lengths is not None
        self.speech.set_languages(batch.lang)
        frames, mask = self.speech(batch.features, batch.feature_lengths)
        return frames, mask


class TextClassifier(Model):
    """Text only: `combined`, `unique`, `fgm` and `pgd` differ in what they are trained on and how."""

    def __init__(self, config: TrainConfig, languages: int, labels: int, text: TextEncoder, world: World) -> None:
        super().__init__(config, languages, labels, text, world=world)
        self.head = _head(text.dim, labels)

    def forward(self, batch: Batch) -> Output:
        """Logits from the mean, or the first, of the last hidden states."""
        vector = pooled(*self._read(batch), self.config.pooling)
        return Output(self.head(vector), text=vector)


class SpeechClassifier(Model):
    """Speech only."""

    def __init__(self, config: TrainConfig, languages: int, labels: int, speech: SpeechEncoder, world: World) -> None:
        super().__init__(config, languages, labels, speech=speech, world=world)
        self.head = _head(speech.dim, labels)

    def forward(self, batch: Batch) -> Output:
        """Logits from the mean of the frames."""
        frames, mask = self._hear(batch)
        vector = pooled(frames, mask)
        return Output(self.head(vector), speech=vector, frames=mask)


class Mlcl(Model):
    """Text and speech, fused (Eq. 11), with both contrasts (Eq. 5 to 10).

    Beside the head on the fused vector there is one on each modality's own vector, for utterances that have only one.
    They learn from vectors without gradient, so that nothing else learns from them; but their gradients count in the
    norm that is clipped, which makes the steps of the rest a little shorter where it is.
    """

    def __init__(
        self,
        config: TrainConfig,
        languages: int,
        labels: int,
        text: TextEncoder,
        speech: SpeechEncoder,
        world: World,
    ) -> None:
        super().__init__(config, languages, labels, text, speech, world)
        dim = text.dim
        self.bridge: nn.Module = nn.Identity() if speech.dim == dim else nn.Linear(speech.dim, dim)
        self.fusion = FUSIONS[config.fusion](dim)
        self.head = _head(dim, labels)
        self.text_head, self.speech_head = nn.Linear(dim, labels), nn.Linear(dim, labels)

    def forward(self, batch: Batch) -> Output:
        """Logits from fused text and speech, or from the one that a batch has; vectors for the contrasts."""
        if batch.features is None:
            vector = pooled(*self._read(batch), self.config.pooling)
            return Output(self.text_head(vector), text=vector)
        frames, mask = self._hear(batch)
        frames = self.bridge(frames)
        heard = pooled(frames, mask)
        if batch.tokens is None:
            return Output(self.speech_head(heard), speech=heard, frames=mask)
        hidden, token_mask = self._read(batch)
        fused = self.fusion(hidden, token_mask, frames, mask)
        return Output(self.head(fused), pooled(hidden, token_mask, self.config.pooling), heard, mask)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Eq. 13; before `main` CE + MCL (mlcl.md, ambiguity 8)."""
        assert output.text is not None and output.speech is not None
        config = self.config
        ce = self._cross_entropy(output.logits, batch.label)
        before = self.stage != "main"
        alpha, beta = (config.alpha if config.mcl else 0.0), (config.beta if config.lcl else 0.0)
        between_modalities = between_languages = output.logits.new_zeros((), dtype=torch.float32)
        negatives = self.world.negatives(output.text, output.speech, batch.group, batch.lang)
        if alpha or (before and config.mcl):
            between_modalities = mcl(
                output.text,
                output.speech,
                batch.group,
                batch.lang,
                config.tau,
                config.contrast,
                negatives,
                self.languages,
            )
        if beta and not before:
            for number, vectors in enumerate((output.text, output.speech)):
                others = negatives
                if negatives is not None and number:
                    assert negatives.speech is not None
                    others = negatives._replace(vectors=negatives.speech)
                between_languages = between_languages + lcl(
                    vectors, batch.group, batch.lang, config.tau, config.contrast, others, self.languages
                )
        loss = ce + between_modalities if before else total(ce, between_modalities, between_languages, alpha, beta)
        alone = self._cross_entropy(self.text_head(output.text.detach()), batch.label)
        alone = alone + self._cross_entropy(self.speech_head(output.speech.detach()), batch.label)
        found = {"total": loss + self._similar(output), "ce": ce, "mcl": between_modalities, "lcl": between_languages}
        return {**found, "alone": alone}


def _in_parts(read: Callable[[Tensor, Tensor], Tensor], given: Tensor, mask: Tensor) -> Tensor:
    """`read(given, mask)` [R, L, D]; on a CPU rows of about one length by themselves.

    Languages take very different numbers of tokens. A CPU pays for the padding, and a GPU for every kernel.
    """
    rows = len(mask)
    if given.device.type != "cpu" or rows < 2 * PART or torch.compiler.is_compiling():  # their number is no constant
        return read(given, mask)
    order = mask.sum(1).argsort(stable=True)
    found = []
    for some in order.tensor_split(rows // PART):
        width = int(mask[some].sum(1).max())
        found.append(functional.pad(read(given[some, :width], mask[some, :width]), (0, 0, 0, mask.shape[1] - width)))
    return torch.cat(found)[order.argsort()]


def _head(dim: int, labels: int) -> nn.Module:
    return nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(dim, labels))


def build_model(
    config: TrainConfig,
    languages: int,
    labels: int,
    text: TextEncoder | None,
    speech: SpeechEncoder | None,
    world: World | None = None,
) -> Model:
    """The model that the settings name, before its first stage, with new weights drawn from torch's current seed."""
    world = world or World()
    if config.model == "speech-only":
        assert speech is not None
        return SpeechClassifier(config, languages, labels, speech, world)
    assert text is not None
    if config.model == "mlcl":
        assert speech is not None
        return Mlcl(config, languages, labels, text, speech, world)
    return TextClassifier(config, languages, labels, text, world)


def parameter_counts(model: Model) -> dict[str, int]:
    """Parameters in all, and those that are trained."""
    return {
        "all": sum(parameter.numel() for parameter in model.parameters()),
        "trained": sum(parameter.numel() for parameter in trained(model)),
    }


def trained(model: Model) -> Sequence[nn.Parameter]:
    """The parameters that are trained now."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]

"""The models: what is frozen, what padding and batch mates change (nothing), and whether they can learn at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from corpusforge.corpus.read import Corpus
from corpusforge.train.adversary import Adversary
from corpusforge.train.batch import Batch
from corpusforge.train.config import TrainConfig
from corpusforge.train.data import read_dataset
from corpusforge.train.encoders import speech_encoder, text_encoder
from corpusforge.train.features import open_features
from corpusforge.train.loader import Loader
from corpusforge.train.models import Mlcl, Model, build_model, parameter_counts, trained
from corpusforge.train.pack import open_pack
from tests.corpus.conftest import Shop
from tests.train.runs import learnable, quick

ADAPTERS = ("none", "single", "meta", "sim")


@pytest.fixture
def corpus(shop: Shop, tmp_path: Path) -> Path:
    return learnable(shop, tmp_path / "corpus")


def made(corpus: Path, cache: Path, config: TrainConfig, groups: int = 4) -> tuple[Model, Loader]:
    """A model in its last stage, and a loader of its batches."""
    dataset = read_dataset(corpus)
    texts = [example.text for group in dataset.examples["train"] for example in group]
    text = text_encoder("tiny", texts=texts) if config.uses_text else None
    speech = speech_encoder("tiny") if config.uses_speech else None
    features = open_features(open_pack(Corpus(corpus), cache), speech, cache) if speech else None
    torch.manual_seed(0)
    model = build_model(config, len(dataset.languages), len(dataset.labels), text, speech)
    for stage in config.stages:
        model.enter(stage)
    return model, Loader(dataset, text=text, cache=features, groups=groups, max_length=64)


def logits(model: Model, batches: list[Batch]) -> dict[str, Tensor]:
    model.eval()
    with torch.inference_mode():
        return {id: row for batch in batches for id, row in zip(batch.ids, model(batch).logits, strict=True)}


@pytest.mark.parametrize("fusion", ["cmbert", "concat", "mean"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_batch_mates_and_padding_do_not_change_logits(corpus: Path, tmp_path: Path, adapter: str, fusion: str) -> None:
    model, together = made(corpus, tmp_path, quick(adapter=adapter, fusion=fusion), groups=8)
    alone = Loader(together.dataset, text=together.text, cache=together.cache, groups=1, max_length=64)
    some, others = logits(model, list(together.batches("train"))), logits(model, list(alone.batches("train")))
    assert some.keys() == others.keys()
    widest = max(len(batch.tokens[0]) for batch in together.batches("train"))
    assert any(len(batch.tokens[0]) < widest for batch in alone.batches("train"))  # or nothing was padded
    for id, row in some.items():
        torch.testing.assert_close(row, others[id], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "mlcl", "adapter": "single"},
        {"model": "mlcl", "adapter": "meta"},
        {"model": "mlcl", "adapter": "sim"},
        {"model": "mlcl", "adapter": "meta", "precision": "bf16"},
        {"model": "speech-only", "adapter": "single"},
        {"model": "combined"},
        {"model": "fgm"},
        {"model": "pgd"},
        {"model": "combined", "precision": "bf16"},
    ],
    ids=lambda changes: "-".join(changes.values()),
)
def test_a_batch_is_overfitted(corpus: Path, tmp_path: Path, changes: dict[str, str]) -> None:
    config = quick(**changes)
    model, loader = made(corpus, tmp_path, config, groups=8)
    batch = next(loader.batches("train"))
    optimizer = torch.optim.AdamW(trained(model), lr=5e-3)
    adversary = None
    if config.disturbs:
        assert model.text is not None
        words, bound = model.text.word_embeddings, config.disturbance
        adversary = (
            Adversary(words, size=bound)
            if config.model == "fgm"
            else Adversary(words, size=config.step, steps=config.steps, bound=bound)
        )

    def forward() -> tuple[Tensor, None]:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            return model.losses(model(batch), batch)["total"], None

    for _ in range(150):
        model.train()
        optimizer.zero_grad()
        if adversary is None:
            forward()[0].backward()
        else:
            adversary.train(batch.tokens, forward)
        optimizer.step()
        model.eval()
        with torch.inference_mode():
            right = (model(batch).logits.argmax(1) == batch.label).float().mean()
        if right == 1:
            return
    pytest.fail(f"{right:.0%} of one batch after 150 steps")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_frozen_means_frozen(corpus: Path, tmp_path: Path, adapter: str) -> None:
    model, loader = made(corpus, tmp_path, quick(adapter=adapter))
    before = {name: value.clone() for name, value in model.named_parameters()}
    batch = next(loader.batches("train"))
    optimizer = torch.optim.AdamW(trained(model), lr=1e-2, weight_decay=0.1)
    for _ in range(2):  # the second step reaches what the first made different from zero
        optimizer.zero_grad()
        model.train()
        losses = model.losses(model(batch), batch)
        (losses["total"] + losses["alone"]).backward()
        optimizer.step()
    changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert not [name for name in changed if name.startswith("speech.")]
    if adapter == "sim":
        assert not [name for name in changed if ".adapters." in name.removeprefix("adapters")]
        assert any("value.weight" in name for name in changed)
    if adapter != "none":
        assert any(name.startswith("adapters.") for name in changed)
    assert any(name.startswith("text.") for name in changed)


def test_before_the_last_stage_the_text_encoder_rests(corpus: Path, tmp_path: Path) -> None:
    model, _ = made(corpus, tmp_path, quick(adapter="sim"))
    for stage in ("adapters", "fusion"):
        model.enter(stage)
        assert not [
            name for name, value in model.named_parameters() if name.startswith("text.") and value.requires_grad
        ]
    model.enter("main")
    assert all(value.requires_grad for name, value in model.named_parameters() if name.startswith("text."))


def test_stages_hand_their_adapters_on(corpus: Path, tmp_path: Path) -> None:
    model, _ = made(corpus, tmp_path, quick(adapter="sim"))
    model.enter("adapters")
    with torch.no_grad():
        for parameter in model.adapters.parameters():
            parameter.uniform_()
    own = {name: value.clone() for name, value in model.adapters[1].state_dict().items()}
    model.enter("fusion")
    for name, value in model.adapters[1].adapters.state_dict().items():
        assert torch.equal(value, own[name])
    fused = model.adapters[1]
    model.enter("main")
    assert model.adapters[1] is fused

    meta, _ = made(corpus, tmp_path, quick(adapter="meta"))
    meta.enter("meta")
    with torch.no_grad():
        meta.adapters[0].up.weight.fill_(0.5)
    meta.enter("main")
    assert meta.adapters[0].up.shape[0] == 3
    assert torch.equal(meta.adapters[0].up, torch.full_like(meta.adapters[0].up, 0.5))


def test_speech_reaches_the_answer_and_its_gradient_the_adapters(corpus: Path, tmp_path: Path) -> None:
    model, loader = made(corpus, tmp_path, quick(adapter="single", alpha=0.0, beta=0.0))
    batch = next(loader.batches("train"))
    model.train()
    # Adapters begin as the identity, whose gradient reaches `up` alone.
    model.losses(model(batch), batch)["total"].backward()
    assert all(adapter.up.grad.abs().max() > 0 for adapter in model.adapters)
    before = logits(model, [batch])
    batch.features = batch.features.flip(0)
    assert any((before[id] - row).abs().max() > 1e-6 for id, row in logits(model, [batch]).items())


def test_ablations_leave_their_loss_out(corpus: Path, tmp_path: Path) -> None:
    for changes, zero, other in (({"lcl": False}, "lcl", "mcl"), ({"mcl": False}, "mcl", "lcl")):
        model, loader = made(corpus, tmp_path, quick(adapter="none", **changes))
        batch = next(loader.batches("train"))
        found = model.losses(model(batch), batch)
        assert found[zero].item() == 0
        assert found[other].item() > 0
        config = model.config
        weight = 1 - config.alpha * config.mcl - config.beta * config.lcl
        expected = weight * found["ce"] + (config.alpha if other == "mcl" else config.beta) * found[other]
        torch.testing.assert_close(found["total"], expected)


def test_rows_without_label_are_no_part_of_the_cross_entropy(corpus: Path, tmp_path: Path) -> None:
    model, loader = made(corpus, tmp_path, quick(model="combined"))
    model.eval()
    batch = next(loader.batches("train"))
    output = model(batch)
    kept = torch.arange(len(batch)) % 3 != 0
    expected = torch.nn.functional.cross_entropy(output.logits[kept], batch.label[kept])
    batch.label = batch.label.masked_fill(~kept, -1)
    torch.testing.assert_close(model.losses(output, batch)["ce"], expected)
    batch.label = torch.full_like(batch.label, -1)
    assert model.losses(output, batch)["total"].item() == 0


def test_one_modality_alone_is_answered_by_its_own_head(corpus: Path, tmp_path: Path) -> None:
    model, loader = made(corpus, tmp_path, quick(adapter="none"))
    assert isinstance(model, Mlcl)
    model.eval()
    batch = next(loader.batches("train"))
    both = model(batch)
    features, tokens = batch.features, batch.tokens
    batch.features = None
    torch.testing.assert_close(model(batch).logits, model.text_head(both.text))
    batch.features, batch.tokens = features, None
    torch.testing.assert_close(model(batch).logits, model.speech_head(both.speech))
    # And those heads change nothing else: the gradient of their loss stops at the vectors.
    batch.tokens = tokens
    model.losses(model(batch), batch)["alone"].backward()
    reached = {
        name for name, value in model.named_parameters() if value.grad is not None and value.grad.abs().max() > 0
    }
    assert {name.partition(".")[0] for name in reached} == {"text_head", "speech_head"}


def test_the_first_position_may_stand_for_a_sentence(corpus: Path, tmp_path: Path) -> None:
    model, loader = made(corpus, tmp_path, quick(model="combined", pooling="cls"))
    model.eval()
    batch = next(loader.batches("train"))
    first = model.text(batch.tokens, batch.token_mask)[:, 0]
    torch.testing.assert_close(model(batch).text, first)


def test_counts(corpus: Path, tmp_path: Path) -> None:
    model, _ = made(corpus, tmp_path, quick(adapter="none", fusion="mean"))
    counts = parameter_counts(model)
    frozen = sum(value.numel() for value in model.speech.parameters())
    assert counts["all"] - counts["trained"] == frozen

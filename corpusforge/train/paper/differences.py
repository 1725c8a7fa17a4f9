"""What a reader has to know before comparing our figures with the printed ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from corpusforge.items import Json
from corpusforge.train.paper.printed import printed
from corpusforge.train.paper.rows import FLORES, HOURS, MMS

DECISIONS = "[docs/mlcl.md](../../docs/mlcl.md)"
"""From where the report is by default."""


def differences(results: Mapping[str, Json]) -> Iterator[str]:
    """A sentence or two each, in Markdown."""
    ours, there = results["settings"], printed()["settings"]
    yield from _splits(ours["split"])
    encoders = {"text": there["text_encoder"], "speech": there["speech_encoder"]}
    for kind, name in encoders.items():
        if not str(ours[kind]).endswith(name):
            yield f"Encoder of {kind}: `{ours[kind]}` in place of `{name}`."
    for corpus, shares in results["unknown"].items():
        spread = ", ".join(f"{lang} {share:.1%}" for lang, share in shares.items())
        yield f"Tokens of {corpus}'s text that the text encoder does not know: {spread}."
    for name in (FLORES, MMS):
        yield from _corpus(name, results["corpora"][name])
    tuned = ", ".join(f"{name} {ours[name]:g}" for name in ("alpha", "beta", "tau"))
    yield (
        f"The paper searched α, β and τ and does not print what it found; here {tuned}. `corpusforge tune` searches "
        "on dev, and `--set` takes its finding."
    )
    yield (
        "Eq. 6 and 9 have no gradient as printed: the contrasts are NT-Xent over cosines"
        + (" here" if ours["contrast"] == "ntxent" else ", or InfoNCE as here")
        + f". This and thirteen more ambiguities, and what was decided, are in {DECISIONS}."
    )
    yield (
        f"The prose says that FLORES-200 took SimAdapter, but Table 2's MLCL is Table 4's MetaAdapter. MLCL here has "
        f"adapter `{ours['adapter']}`; `--set adapter=` takes the other."
    )
    yield (
        "PGD and FGM disturb the word embeddings with the norm "
        f"`{ours['norm']}`; over the whole table, a token moves by about 0.02 % of its length."
    )
    yield "Table 3's mBERT-Unique prints G 0.2216 and M 0.4656; its own accuracies give 0.2214 and 0.4654."
    yield "Majority, n-grams, word2vec and speech only are not in the paper."


def _splits(split: str) -> Iterator[str]:
    if split == "random":
        yield (
            "Splits: at random by parallel group, as the paper seems to have done, so that articles have sentences in "
            "train and in test; every seed has a test split of its own, and there are no intervals over several."
        )
    else:
        yield (
            "Splits: the paper does not state them. Here no article has sentences in two splits, which is harder: "
            "`--set split=random` lets articles leak."
        )


def _corpus(name: str, corpus: Mapping[str, Json]) -> Iterator[str]:
    if "problem" in corpus:
        return
    there = printed()["settings"]["tts"]
    voices = ", ".join(
        f"{', '.join(row['languages'])} by {row['engine']} ({row['voice']})" for row in corpus["engines"]
    )
    paper = ", ".join(f"{lang} by {engine}" for lang, engine in there.items())
    yield f"Speech of {name}: {voices}. The paper's: {paper}."
    yield f"Labels of {name}: {', '.join(corpus['labels'])}."
    if name == MMS and corpus["train_hours"] < HOURS[-1]:
        yield (
            f"Hours of mms count speech of the train split, which has {corpus['train_hours']:.1f}: points above that "
            "are all of it. Dev and test are the same for every point. The paper does not say what its hours count."
        )

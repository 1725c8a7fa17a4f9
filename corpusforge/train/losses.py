"""The contrasts between languages (LCL) and modalities (MCL), and what is minimised in all.

Whatever the mixed precision around them, similarities and their softmax are computed in float32 at least: at tau =
0.01 a bfloat16 cosine would be off by half a logit. Nothing here waits for the device: rows are chosen by masks, not
by lookups.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Contrast = Literal["ntxent", "infonce"]
_NEVER = -1e9
"""Logit of what is no candidate: its probability is 0 in float32, and unlike -inf it leaves no NaN in empty rows."""


class Negatives(NamedTuple):
    """What the other ranks of a data-parallel run hold, already gathered, for `lcl` and `mcl`.

    The loss of a rank is then scaled so that the mean over ranks, which data parallelism takes of gradients, is the
    loss of one process that sees every row, however unevenly rows are dealt. For its gradient to be the same too,
    gather with an operation that autograd knows (`torch.distributed.nn.functional.all_gather`).

    Attributes:
        vectors: [M, D] of all other ranks; for `mcl` the text vectors.
        group: [M]. A number means the same group on every rank; a group is never split over ranks.
        lang: [M].
        world: Ranks in all.
        speech: [M, D], for `mcl` only.
        present: [M] bool, for `mcl` only: rows with both modalities; None where all have them.
    """

    vectors: Tensor
    group: Tensor
    lang: Tensor
    world: int
    speech: Tensor | None = None
    present: Tensor | None = None


def wide(tensor: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def pooled(hidden: Tensor, mask: Tensor, how: Literal["mean", "cls"] = "mean") -> Tensor:
    """Sentence vectors e^T and utterance vectors e^A: the masked mean, or the first position (mlcl.md, ambiguity 4).

    Args:
        hidden: [R, L, D]; what `mask` hides may hold anything.
        mask: [R, L] bool, True on what is no padding.
        how: `mean`, or `cls` for the first position.

    Returns:
        [R, D] in float32 at least; zeros for a row without a position.
    """
    if how == "cls":
        return wide(hidden[:, 0])
    total = wide(hidden).masked_fill(~mask[..., None], 0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def ntxent(a: Tensor, b: Tensor, tau: float, negatives: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """NT-Xent over the 2N vectors of two views (Eq. 5, 6, 8, 9 as decided: mlcl.md, ambiguities 1 and 2).

    z = [a; b] normalised, S = z z^T / tau without its diagonal, cross entropy with the partner's place. Similarity is
    the cosine that the paper's text names, not Eq. 5's dot product. Eq. 6 as printed has no k in its sum and is
    constant, so it cannot be meant. A single pair has nothing to be told from: its loss and gradient are 0; so are
    those of none.

    Args:
        a: [N, D].
        b: [N, D]; row i of one is the partner of row i of the other.
        tau: Temperature.
        negatives: More of `a` and of `b` [M, D], as candidates but not as anchors (those of other ranks).

    Returns:
        Mean over the 2N anchors.
    """
    return _views(a, b, tau, "ntxent", negatives)


def infonce(a: Tensor, b: Tensor, tau: float, negatives: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Symmetric InfoNCE, the option of mlcl.md, ambiguity 2: candidates are the N vectors of the other view alone.

    Arguments, cosine, the case of a single pair and the mean over 2N anchors are those of `ntxent`.
    """
    return _views(a, b, tau, "infonce", negatives)


def lcl(
    vectors: Tensor,
    group: Tensor,
    lang: Tensor,
    tau: float,
    contrast: Contrast = "ntxent",
    negatives: Negatives | None = None,
    languages: int | None = None,
) -> Tensor:
    """Contrast of languages within one modality (Eq. 5 to 7): the mean over pairs of languages (mlcl.md, ambiguity 3).

    For a pair of languages, only rows whose group has both take part, as anchors and as candidates. A pair that no
    group has does not count in the mean. One group alone has no negatives: 0.

    Args:
        vectors: [R, D] of one modality.
        group: [R].
        lang: [R]; at most one row of a language in a group.
        tau: Temperature.
        contrast: `ntxent` or `infonce`.
        negatives: Rows of other ranks.
        languages: How many there are; without it the device is asked for the largest number in `lang`.
    """
    others = negatives if negatives is not None else Negatives(vectors[:0], group[:0], lang[:0], 1)
    every_group, every_lang = torch.cat((group, others.group)), torch.cat((lang, others.lang))
    count = _languages(every_lang, languages)
    same = every_group[:, None] == every_group[None, :]
    spoken = every_lang[:, None] == torch.arange(count, device=lang.device)
    # has[k, l]: the group of row k has a row in language l.
    has = (same[:, :, None] & spoken[None, :, :]).any(1)
    other = every_lang[:, None] != every_lang[None, :]
    rows = len(vectors)
    scores = _scores(vectors, torch.cat((vectors, others.vectors)), tau)
    x, y = torch.triu_indices(count, count, 1, device=lang.device)
    member = ((spoken[:, x] & has[:, y]) | (spoken[:, y] & has[:, x])).T
    return _mean(scores, (same & other)[:rows], other[:rows], member, contrast, others.world)


def mcl(
    text: Tensor,
    speech: Tensor,
    group: Tensor,
    lang: Tensor,
    tau: float,
    contrast: Contrast = "ntxent",
    negatives: Negatives | None = None,
    languages: int | None = None,
    present: Tensor | None = None,
) -> Tensor:
    """Contrast of text and speech within one language (Eq. 8 to 10): the mean over languages (mlcl.md, ambiguity 3).

    A language without a row does not count in the mean. A single row of a language has no negatives: 0.

    Args:
        text: [R, D].
        speech: [R, D]; row i of one is the partner of row i of the other.
        group: [R]. Not needed for partners; taken so that both contrasts are called alike.
        lang: [R].
        tau: Temperature.
        contrast: `ntxent` or `infonce`.
        negatives: Rows of other ranks, with `speech`.
        languages: As in `lcl`.
        present: [R] bool, False on rows that lack a modality, which are left out; None where all have both.
    """
    if negatives is not None and negatives.speech is None:
        raise ValueError("negatives of mcl need the speech vectors of the other ranks")
    rows = len(text)
    empty = Negatives(text[:0], group[:0], lang[:0], 1, speech[:0])
    others = negatives if negatives is not None else empty
    assert others.speech is not None
    every_lang = torch.cat((lang, lang, others.lang, others.lang))
    here = _all_of(lang) if present is None else present
    there = _all_of(others.lang) if others.present is None else others.present
    every_present = torch.cat((here, here, there, there))
    number = torch.arange(rows + len(others.lang), device=lang.device)
    row = torch.cat((number[:rows], number[:rows], number[rows:], number[rows:]))
    side = torch.cat((lang * 0, lang * 0 + 1, others.lang * 0, others.lang * 0 + 1))
    anchors = torch.cat((text, speech))
    scores = _scores(anchors, torch.cat((anchors, others.vectors, others.speech)), tau)
    other = side[: 2 * rows, None] != side[None, :]
    partner = (row[: 2 * rows, None] == row[None, :]) & other
    count = _languages(every_lang, languages)
    member = (torch.arange(count, device=lang.device)[:, None] == every_lang) & every_present
    return _mean(scores, partner, other, member, contrast, others.world)


def total(ce: Tensor, mcl: Tensor, lcl: Tensor, alpha: float, beta: float) -> Tensor:
    """What is minimised (Eq. 13): (1 - alpha - beta) CE + alpha MCL + beta LCL.

    Raises:
        ValueError: Not alpha, beta >= 0 and alpha + beta < 1 (mlcl.md, ambiguity 10).
    """
    if alpha < 0 or beta < 0 or alpha + beta >= 1:
        raise ValueError(f"alpha and beta must be at least 0 and below 1 together, found {alpha:g} and {beta:g}")
    return (1 - alpha - beta) * ce + alpha * mcl + beta * lcl


def _views(a: Tensor, b: Tensor, tau: float, contrast: Contrast, negatives: tuple[Tensor, Tensor] | None) -> Tensor:
    more_a, more_b = negatives if negatives is not None else (a[:0], b[:0])
    anchors, candidates = torch.cat((a, b)), torch.cat((a, b, more_a, more_b))
    size, more = len(a), len(more_a)
    row = torch.arange(size + more, device=a.device)
    row = torch.cat((row[:size], row[:size], row[size:], row[size:]))
    side = torch.zeros_like(row)
    side[size : 2 * size] = 1
    side[2 * size + more :] = 1
    other = side[: 2 * size, None] != side[None, :]
    partner = (row[: 2 * size, None] == row[None, :]) & other
    scores = _scores(anchors, candidates, tau)
    member = torch.cat((_all_of(row[: 2 * size]), _all_of(row[2 * size :])))
    terms = _terms(scores, partner, other, member, contrast)
    return terms.sum() / max(1, 2 * size)


def _scores(anchors: Tensor, candidates: Tensor, tau: float) -> Tensor:
    """Cosines [A, C] over the temperature; the first A candidates are the anchors."""
    with torch.autocast(anchors.device.type, enabled=False):
        a = functional.normalize(wide(anchors), dim=-1)
        c = functional.normalize(wide(candidates), dim=-1)
        return a @ c.T / tau


def _terms(scores: Tensor, partner: Tensor, other: Tensor, member: Tensor, contrast: Contrast) -> Tensor:
    """-log softmax at the partner, for each anchor [..., A]; 0 for those that are no members.

    Args:
        scores: [A, C].
        partner: [A, C] bool: the anchor's partner, as far as it is a member.
        other: [A, C] bool: on the other side (language, modality, view).
        member: [..., C] bool: who takes part; the first A are the anchors.
        contrast: NT-Xent has candidates on both sides, InfoNCE on the other alone.
    """
    if contrast not in ("ntxent", "infonce"):
        raise ValueError(f"contrast must be 'ntxent' or 'infonce', found {contrast!r}")
    itself = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
    among = member[..., None, :]
    candidate = among & (other if contrast == "infonce" else ~itself)
    # A sum over one term: the partner's score.
    found = scores.masked_fill(~(partner & among), 0).sum(-1)
    every = scores.masked_fill(~candidate, _NEVER).logsumexp(-1)
    return (every - found).masked_fill(~member[..., : len(scores)], 0)


def _mean(scores: Tensor, partner: Tensor, other: Tensor, member: Tensor, contrast: Contrast, world: int) -> Tensor:
    """Mean over contrasts, of which each has its members [K, C]; those that nobody is a member of do not count.

    Of each contrast, the mean over the anchors of all ranks of this rank's terms, times `world`: see `Negatives`.
    """
    sizes = member.sum(-1)
    means = _terms(scores, partner, other, member, contrast).sum(-1) / sizes.clamp(min=1)
    return world * means.sum() / (sizes > 0).sum().clamp(min=1)


def _languages(lang: Tensor, languages: int | None) -> int:
    if languages is not None:
        return languages
    return int(lang.max()) + 1 if len(lang) else 0


def _all_of(like: Tensor) -> Tensor:
    return torch.ones_like(like, dtype=torch.bool)

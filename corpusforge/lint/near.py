"""Near-same texts: an exact join by the Jaccard index of their character shingles.

Two sets whose index is at least t share an element among the rarest `n - ceil(t n) + 1` of each (prefix filter:
Chaudhuri, Ganti and Kaushik, 2006; Bayardo, Ma and Srikant, 2007), and one has at least t times the size of the other.
Only pairs that pass both are compared. The shingles are numbers without collisions, all arithmetic is of integers:
the result is that of comparing every text with every other, in any order and on any machine.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = Fraction(7, 10)
"""Jaccard index from which on two texts count as near-same. In the 3 x 2,009 sentences of FLORES-200 in Chinese,
Tibetan and Burmese every pair above it is one sentence twice (two Burmese pairs with another spelling of a name, 0.71
and 0.76, and four Tibetan copies, 1.0); below it are first a repeated phrase (0.52) and a repeated clause (0.48). One
word changed in a sentence of twenty gives 0.7 to 0.85."""
LETTERS_OF_SYLLABLES = frozenset({"Hans", "Hant", "Jpan", "Hang"})
"""Scripts with a character a syllable: shingles of 2 characters; of all others, 5."""
FEWEST = 8
"""Shingles under which a text is too short to be called near-same: `Page 12` and `Page 13` are two texts."""
_PAIRS = 200_000
"""Candidates looked at together: bounds the memory."""
_ROOM = 2**63


@dataclass(frozen=True, slots=True)
class Match:
    """A text with a near-same one in another part.

    Attributes:
        index: Position of the text.
        other: Position of one that is near-same; there may be more.
        similarity: Their Jaccard index.
    """

    index: int
    other: int
    similarity: float


def shingle_size(lang: str) -> int:
    """Characters of a shingle of texts in a language."""
    return 2 if lang.partition("_")[2] in LETTERS_OF_SYLLABLES else 5


def near_same(
    texts: Sequence[str], parts: Sequence[int], size: int, threshold: Fraction = THRESHOLD, fewest: int = FEWEST
) -> list[Match]:
    """Every text that is near-same to one of another part, each with one such.

    Args:
        texts: Normalised: every character counts.
        parts: A number for each text; only texts of different parts are compared.
        size: Characters of a shingle; fewer where an alphabet is so large that numbers of 63 bits do not hold as many.
        threshold: Jaccard index, in (0, 1].
        fewest: Texts of fewer different shingles match nothing.

    Returns:
        By position.
    """
    import numpy as np

    sets = _Sets.of(texts, size)
    if sets is None:
        return []
    part = np.asarray(parts, dtype=np.int64)
    sizes = sets.sizes
    need = -(-sizes * threshold.numerator // threshold.denominator)
    prefix = np.where(sizes >= fewest, sizes - need + 1, 0)
    # The postings: the tokens in the prefixes, by token, then by size of the set, then by text.
    place = np.arange(len(sets.tokens)) - np.repeat(sets.starts[:-1], sizes)
    rows = np.repeat(np.arange(len(texts)), sizes)
    chosen = place < prefix[rows]
    tokens, rows, place = sets.tokens[chosen], rows[chosen], place[chosen]
    span = int(sizes.max()) + 1
    address = tokens * span + sizes[rows]
    order = np.argsort(address, kind="stable")
    address, tokens, rows, place = address[order], tokens[order], rows[order], place[order]
    largest = np.minimum(sizes[rows] * threshold.denominator // threshold.numerator, span - 1)
    upper = np.searchsorted(address, tokens * span + largest, side="right")
    found = np.full(len(texts), -1, dtype=np.int64)
    index = np.zeros(len(texts))
    total = np.concatenate([[0], np.cumsum(upper - np.arange(len(rows)) - 1)])
    begin = 0
    while begin < len(rows):
        end = max(begin + 1, int(np.searchsorted(total, total[begin] + _PAIRS, side="right")) - 1)
        _look(slice(begin, end), upper, rows, place, part, sets, threshold, found, index)
        begin = end
    return [Match(int(row), int(found[row]), float(index[row])) for row in np.flatnonzero(found >= 0)]


@dataclass(frozen=True)
class _Sets:
    """The shingles of every text, without repetition, as numbers by frequency: a text's rarest come first."""

    tokens: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    count: int
    keys: NDArray[np.int64]
    """row * count + token, ascending: to look up whether a text has a token."""

    @classmethod
    def of(cls, texts: Sequence[str], size: int) -> _Sets | None:
        import numpy as np

        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        known = np.zeros(sys.maxunicode + 1, dtype=np.int64)
        known[codes] = 1
        alphabet = int(known.sum())
        ranks = (np.cumsum(known) - 1)[codes]
        while alphabet**size >= _ROOM:
            size -= 1
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        inside = np.maximum(lengths - size + 1, 0)
        rows = np.repeat(np.arange(len(texts)), inside)
        if not len(rows):
            return None
        firsts = np.cumsum(lengths) - lengths
        at = np.arange(len(rows)) - np.repeat(np.cumsum(inside) - inside, inside) + firsts[rows]
        shingles = np.zeros(len(at), dtype=np.int64)
        for step in range(size):
            shingles = shingles * alphabet + ranks[at + step]
        del at
        order = np.argsort(shingles)
        ids = np.cumsum(_first_of_each(shingles[order])) - 1
        count = int(ids[-1]) + 1
        shingles[order] = ids
        del order, ids
        keys = _distinct(rows * count + shingles)
        rows, shingles = np.divmod(keys, count)
        frequency = np.bincount(shingles, minlength=count)
        rank = np.empty(count, dtype=np.int64)
        rank[np.argsort(frequency, kind="stable")] = np.arange(count)
        keys = np.sort(rows * count + rank[shingles])
        sizes = np.bincount(rows, minlength=len(texts))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        return cls(keys % count, starts, sizes, count, keys)

    def common(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many tokens the texts of each pair share."""
        import numpy as np

        sizes = self.sizes[left]
        pair = np.repeat(np.arange(len(left)), sizes)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        wanted = right[pair] * self.count + self.tokens[self.starts[left][pair] + within]
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.bincount(pair, weights=self.keys[at] == wanted, minlength=len(left)).astype(np.int64)


def _first_of_each(ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    import numpy as np

    return np.concatenate([[True], ascending[1:] != ascending[:-1]])


def _distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ascending, each once. `np.unique` hashes first, which takes ten times as long on millions of them."""
    import numpy as np

    ascending = np.sort(values)
    found: NDArray[np.int64] = ascending[_first_of_each(ascending)]
    return found


def _look(
    some: slice,
    upper: NDArray[np.int64],
    rows: NDArray[np.int64],
    place: NDArray[np.int64],
    part: NDArray[np.int64],
    sets: _Sets,
    threshold: Fraction,
    found: NDArray[np.int64],
    index: NDArray[np.float64],
) -> None:
    """Compare the texts of some postings with those that come after them in their lists.

    A pair of which both have their match already is left out: many copies of one text cost no more than one each.
    """
    import numpy as np

    first = np.arange(some.start, some.stop)
    top = int(upper[some].max())
    pending = np.concatenate([[0], np.cumsum(found[rows[some.start : top]] < 0)])
    waits = pending[upper[some] - some.start] - pending[first - some.start]  # of those from the posting itself on
    first = first[waits > 0]
    counts = upper[first] - first - 1
    left = np.repeat(first, counts)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    a, b = rows[left], rows[right]
    sizes = sets.sizes
    need = -(-(sizes[a] + sizes[b]) * threshold.numerator // (threshold.numerator + threshold.denominator))
    # A pair comes once for each token of its prefixes that it shares. The first of these is the first that the sets
    # share at all, and there this bound holds: they have in common what is not before it in either.
    most = np.minimum(sizes[a] - place[left], sizes[b] - place[right])
    keep = (part[a] != part[b]) & ((found[a] < 0) | (found[b] < 0)) & (most >= need)
    if not keep.any():
        return
    a, b = np.divmod(_distinct(a[keep] * len(sizes) + b[keep]), len(sizes))
    shared = sets.common(a, b)
    union = sizes[a] + sizes[b] - shared
    same = shared * threshold.denominator >= union * threshold.numerator
    for one, other, value in zip(a[same].tolist(), b[same].tolist(), (shared / union)[same].tolist(), strict=True):
        for row, match in ((one, other), (other, one)):
            if value > index[row]:
                found[row], index[row] = match, value

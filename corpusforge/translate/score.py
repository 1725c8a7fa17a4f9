"""How near a translation is to a reference."""

from __future__ import annotations

from corpusforge.errors import MissingDependency


def chrf(hypothesis: str, reference: str) -> float:
    """chrF2, 0 to 100: F-score (beta 2) over character n-grams up to six, spaces aside (Popović, 2015).

    It is sacreBLEU's sentence score, which needs no words and so works for languages that are written without spaces.

    Raises:
        MissingDependency: sacrebleu is not installed.
    """
    try:
        from sacrebleu import sentence_chrf
    except ImportError as error:
        raise MissingDependency("chrF needs sacrebleu: pip install 'corpusforge[translate]'") from error
    return float(sentence_chrf(hypothesis, [reference]).score)

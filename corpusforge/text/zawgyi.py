"""Burmese in Zawgyi, the encoding of old fonts that puts other letters on the code points of Unicode.

Told by Google's myanmar-tools (Apache-2.0, `myanmartools` on PyPI): two Markov chains over neighbouring characters, one
of Unicode text in Burmese, Shan, Mon and Karen, one of Zawgyi.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from corpusforge.errors import MissingDependency

if TYPE_CHECKING:
    from myanmartools import ZawgyiDetector

LIKELY = 0.95
"""From this probability on a text counts as Zawgyi: the authors' own bound."""
_MYANMAR = re.compile("[\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f]")


@lru_cache(maxsize=1)
def _detector() -> ZawgyiDetector:
    try:
        from myanmartools import ZawgyiDetector
    except ImportError as error:
        raise MissingDependency(
            "telling Zawgyi from Unicode needs myanmartools: pip install 'corpusforge[translate]'"
        ) from error
    with warnings.catch_warnings():  # it opens its model with a function that Python 3.11 and 3.12 call deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        return ZawgyiDetector()


def probability(text: str) -> float:
    """How likely a text is in Zawgyi, 0 for one without a Myanmar letter.

    Raises:
        MissingDependency: The text has Myanmar letters and myanmartools is not installed.
    """
    if not _MYANMAR.search(text):
        return 0.0
    return max(0.0, float(_detector().get_zawgyi_probability(text)))  # -inf where nothing tells


def is_zawgyi(text: str) -> bool:
    """Whether a text is in Zawgyi rather than in Unicode.

    Raises:
        MissingDependency: As `probability`.
    """
    return probability(text) >= LIKELY

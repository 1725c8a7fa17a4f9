"""Unicode scripts: which one a character belongs to, and the runs of one script in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

# One named class a script that a voice exists for. Digits, punctuation, symbols and spaces are "Common".
_RANGES = {
    "Latn": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02b8\u1e00-\u1eff"
    "\ua722-\ua787\uab30-\uab64\uff21-\uff3a\uff41-\uff5a",
    "Hani": "\u3005\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af",
    "Tibt": "\u0f00-\u0fda",
    "Mymr": "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f",
    "Cyrl": "\u0400-\u052f\u1c80-\u1c8a\u2de0-\u2dff\ua640-\ua69f",
    "Grek": "\u0370-\u03e1\u03f0-\u03ff\u1f00-\u1fff",
    "Arab": "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Hebr": "\u0591-\u05f4\ufb1d-\ufb4f",
    "Deva": "\u0900-\u0963\u0970-\u097f\ua8e0-\ua8ff",
    "Beng": "\u0980-\u09e5\u09f0-\u09fe",
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Hang": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3",
    "Jpan": "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9f",
}
_RUN = re.compile("|".join(f"(?P<{name}>[{ranges}]+)" for name, ranges in _RANGES.items()))


def runs(text: str) -> Iterator[tuple[str, str]]:
    """The text cut into runs of one script, in order and without loss: `("Latn", "BBC")`, `("Common", " 9:30")`.

    Letters of a script that no class above names, and everything that is not a letter, come as `Common`.
    """
    end = 0
    for match in _RUN.finditer(text):
        if match.start() > end:
            yield "Common", text[end : match.start()]
        yield match.lastgroup or "Common", match.group()
        end = match.end()
    if end < len(text):
        yield "Common", text[end:]


def share(text: str, script: str) -> float:
    """Share of the text's letters (characters of any named script) that belong to `script`, 0 if it has none."""
    letters = own = 0
    for name, run in runs(text):
        if name != "Common":
            letters += len(run)
            own += len(run) if name == script else 0
    return own / letters if letters else 0.0

"""Brackets and quotation marks that should come in pairs."""

from __future__ import annotations

# Wide and narrow forms of one bracket pair with each other: translators mix them.
_PAIRS = ("()", "（）", "[]", "［］", "【】", "{}", "《》", "〈〉", "「」", "『』", "༺༻", "༼༽", "“”")
_CLASS = {"（": "(", "）": ")", "［": "[", "］": "]"}
_CLOSES = {pair[0]: pair[1] for pair in _PAIRS if pair[0] not in _CLASS}
_OPENS = {closing: opening for opening, closing in _CLOSES.items()}


def unbalanced(text: str) -> str | None:
    """The first bracket or quotation mark that has no partner, None where all have one.

    Each kind is counted by itself: what crosses another kind is no fault here. “ ” are left out where „ or two ” in a
    row of openings show that the language closes with “ or opens with ” (German „…“, Swedish ”…”).
    """
    plain = "".join(_CLASS.get(character, character) for character in text)
    curly = "„" not in plain and "“" in plain
    first: tuple[int, str] | None = None
    for opening, closing in _CLOSES.items():
        if opening == "“" and not curly:
            continue
        opened: list[int] = []
        for place, character in enumerate(plain):
            if character == opening:
                opened.append(place)
            elif character == closing:
                if opened:
                    opened.pop()
                    continue
                opened = [place]
                break
        if opened and (first is None or opened[0] < first[0]):
            first = (opened[0], text[opened[0]])
    return first[1] if first else None

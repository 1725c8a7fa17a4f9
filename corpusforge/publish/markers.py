"""Cards that are written by people and by us: what we generate lives between markers, everything else is left alone.

The body has blocks between `<!-- corpusforge:begin NAME -->` and `<!-- corpusforge:end NAME -->`. YAML has no such
places that survive the Hub's own editor, so that one line in the body remembers which values we gave last time: a value
that differs from it is a person's, and stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from corpusforge.errors import CorpusforgeError
from corpusforge.items import Json

_BEGIN, _END = "<!-- corpusforge:begin {} -->", "<!-- corpusforge:end {} -->"
_MARK = re.compile(r"<!-- corpusforge:(begin|end) ([a-z-]+) -->")
_MEMORY = re.compile(r"^<!-- corpusforge:generated (\{.*\}) -->\n?", re.MULTILINE)
_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


class CardError(CorpusforgeError):
    """A card on the Hub that cannot be brought up to date without losing what somebody wrote."""


def is_ours(text: str) -> bool:
    """Whether a card has parts that we generated."""
    return _MARK.search(text) is not None


def memory(text: str) -> dict[str, Json]:
    """What the last generation noted in the card: `yaml`, and whatever else was given to `merged`; empty if nothing."""
    found = _MEMORY.search(text)
    try:
        noted = json.loads(found.group(1)) if found else {}
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) else {}


def merged(
    existing: str | None,
    *,
    title: str,
    facts: Mapping[str, Json],
    proposed: Mapping[str, Json],
    blocks: Mapping[str, str],
    noted: Mapping[str, Json] | None = None,
) -> str:
    """A card with our parts brought up to date and everything else as it was.

    Args:
        existing: The card so far, None if there is none.
        title: Heading of a new card.
        facts: YAML that follows from the files and is always ours, such as `configs`.
        proposed: YAML that a person may change: what differs from our last proposal is kept. Of lists, what a person
            added or took out stays so.
        blocks: Parts of the body by name, in the order of a new card. A part that is missing is added at the end.
        noted: To remember for `memory`.

    Raises:
        CardError: Its YAML cannot be read, or a marker has lost its other half.
    """
    front, body = _parts(existing or "")
    before = memory(body).get("yaml", {})
    values = dict(front)
    for name, value in proposed.items():
        values[name] = _chosen(front.get(name), before.get(name), value)
    for name in before.keys() - proposed.keys():
        if front.get(name) == before[name]:
            values.pop(name, None)
    values = {name: value for name, value in {**values, **facts}.items() if value is not None}
    body = _MEMORY.sub("", body)
    if not body.strip():
        body = f"\n# {title}\n\n"
    for name, content in blocks.items():
        body = _with_block(body, name, content)
    note = json.dumps({"yaml": proposed, **(noted or {})}, ensure_ascii=True, sort_keys=True).replace("--", "-\\u002d")
    return f"---\n{_yaml(values)}---\n{body.rstrip()}\n\n<!-- corpusforge:generated {note} -->\n"


def _parts(text: str) -> tuple[dict[str, Json], str]:
    import yaml

    found = _FRONT.match(text)
    if found is None:
        return {}, text
    try:
        values = yaml.safe_load(found.group(1)) or {}
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise CardError(f"the YAML at the top of README.md cannot be read ({words}): mend it on the Hub") from error
    if not isinstance(values, dict):
        raise CardError("the YAML at the top of README.md is no mapping of names to values: mend it on the Hub")
    return values, text[found.end() :]


def _chosen(now: Json, before: Json, ours: Json) -> Json:
    if before is None and now is None:
        return ours
    if isinstance(ours, list) and isinstance(now, list):
        last = before if isinstance(before, list) else []
        taken_out = [value for value in last if value not in now]
        added = [value for value in now if value not in last and value not in ours]
        return [value for value in ours if value not in taken_out] + added
    return ours if now == before else now


def _with_block(body: str, name: str, content: str) -> str:
    begin, end = _BEGIN.format(name), _END.format(name)
    block = f"{begin}\n{content.strip()}\n{end}"
    if (body.count(begin), body.count(end)) == (0, 0):
        return f"{body.rstrip()}\n\n{block}\n"
    start, stop = body.find(begin), body.find(end)
    inside = _MARK.search(body, start + len(begin)) if start >= 0 else None
    if (body.count(begin), body.count(end)) != (1, 1) or inside is None or inside.start() != stop:
        raise CardError(
            f"README.md has lost half of the marker '{name}' ({begin} … {end}): put it back, or remove both of them"
        )
    return body[:start] + block + body[stop + len(end) :]


def _yaml(values: Mapping[str, Json]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False, width=120)
    if yaml.safe_load(text) != values:  # a line separator of Unicode, which only survives as an escape
        text = yaml.safe_dump(dict(values), sort_keys=False, width=120)
    return text


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of Markdown; numbers are set right, what would break a cell is escaped."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [bool(rows) and all(isinstance(row[column], int | float) for row in rows) for column in range(len(heads))]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(heads), rule, *cells])


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")

"""Why a stage has to run again, in words a user can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping

from corpusforge.items import Json
from corpusforge.store.index import Result
from corpusforge.store.keys import changes


def explain(previous: Result, settings: Mapping[str, Json], inputs: Mapping[str, Json]) -> str:
    """What changed between the result of the last walk and what is wanted now.

    Args:
        previous: The result that the item had at this stage last time.
        settings: `{"stage": ..., "version": ..., "settings": {...}}` as wanted now.
        inputs: Values as `StageKeys.inputs` shows them.

    Returns:
        For example `text changed; config changed: rate 0 → 10`.
    """
    before = json.loads(previous.settings)
    found = []
    if before["version"] != settings["version"]:
        found.append(f"stage version {before['version']} → {settings['version']}")
    config = []
    for name, old, new in changes(before["settings"], settings["settings"]):
        parent, _, last = name.rpartition(".")
        if parent == "revision" or name == "revision":
            found.append(f"engine {last} {_shown(old)} → {_shown(new)}")
        else:
            config.append(f"{name} {_shown(old)} → {_shown(new)}")
    if config:
        found.append("config changed: " + ", ".join(config))
    found += [f"{name} changed" for name, _, _ in changes(json.loads(previous.inputs), inputs)]
    return "; ".join(found) or "key schema changed"


def _shown(value: Json) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""A service's own defaults hold for whatever a recipe leaves out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from corpusforge.net.policy import Policy
from corpusforge.registry import SHIPPED, find

OWNERS: dict[str, Any] = {
    **{f"engine {name}": find("engines", name).Config for name in SHIPPED["engines"]},
    **{f"stage {name}": find("stages", name).Config for name in SHIPPED["stages"]},
}
ASKING = {name: kind for name, kind in OWNERS.items() if "network" in kind.model_fields}


def network(kind: type[BaseModel], given: dict[str, Any] | None) -> Policy:
    needed = {"source": "zho_Hans", "targets": ["bod_Tibt"], "model": "m"} if "targets" in kind.model_fields else {}
    settings = needed if given is None else {**needed, "network": given}
    found = kind.model_validate_json(json.dumps(settings), strict=True).network  # type: ignore[attr-defined]
    assert isinstance(found, Policy)
    return found


def test_the_clients_of_services_are_known() -> None:
    assert {"engine gtts", "engine marytts", "stage translate"} <= set(ASKING)


@pytest.mark.parametrize("name", ASKING)
def test_one_setting_leaves_the_others_as_they_are(name: str) -> None:
    own = network(ASKING[name], None)
    assert network(ASKING[name], {"retries": 1}) == own.model_copy(update={"retries": 1})
    assert network(ASKING[name], {}) == own


@pytest.mark.parametrize("name", ASKING)
def test_settings_of_the_network_are_in_no_key(name: str) -> None:
    extra = ASKING[name].model_fields["network"].json_schema_extra
    assert extra == {"semantic": False}


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("wrong", [{"retry": 1}, {"concurrency": 0}, {"retries": "1"}, 3, None, [1]])
def test_what_is_no_policy_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ValidationError, match="network"):
        network(ASKING[name], wrong) if wrong is not None else ASKING[name].model_validate({"network": None})

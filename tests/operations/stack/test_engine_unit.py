"""What the engine's events mean to a person."""

from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from operations.stack.engine import _Events


def removal(type: str, by: str = "delete", **old: Any) -> EngineEvent:
    step = {"op": by, "type": type, "urn": f"urn:pulumi:staging::paintshare::{type}::gone", "old": old}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 0, "resourcePreEvent": {"metadata": step}})


STEPS = ("create-replacement", "replace", "delete-replaced")


@pytest.mark.parametrize("steps", [STEPS, STEPS[::-1]])
@pytest.mark.parametrize(("retained", "op"), [(True, "renew"), (False, "replace")])
def test_a_replacement_of_what_stays_is_told_as_a_new_one_beside_it(
    steps: tuple[str, ...], retained: bool, op: str
) -> None:
    events = _Events()
    for step in steps:
        events(removal("docker:index/volume:Volume", step, retainOnDelete=retained))
    assert [change.op for change in events.changes.values()] == [op]


@pytest.mark.parametrize(
    ("type", "retained", "op"),
    [
        ("docker:index/volume:Volume", True, "forget"),
        ("docker:index/volume:Volume", False, "delete"),
        ("vercel:index/deployment:Deployment", False, "forget"),
    ],
)
def test_the_removal_of_what_stays_is_told_as_forgetting_it(type: str, retained: bool, op: str) -> None:
    events = _Events()
    events(removal(type, retainOnDelete=retained))
    assert [change.op for change in events.changes.values()] == [op]

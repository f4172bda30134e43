"""What a list of changes says of a step whose plugin names properties and gives no path."""

from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from operations.stack.engine import _Events
from operations.stack.plans import changed_paths
from tests.operations.verbs.test_drift import PUBLIC, named


@pytest.mark.parametrize("event", ["resourcePreEvent", "resOutputsEvent"])
def test_a_list_of_changes_holds_no_property_that_nobody_stated(event: str) -> None:
    step = named(PUBLIC, {"value": "https://b"}, "comment")
    metadata = {
        "op": "update",
        "urn": PUBLIC["urn"],
        "type": PUBLIC["type"],
        "diffs": step["diffReasons"],
        "old": step["oldState"],
        "new": step["newState"],
    }
    events = _Events()
    events(EngineEvent.from_json({"sequence": 1, "timestamp": 1, event: {"metadata": metadata}}))
    [change] = events.changes.values()
    assert change.properties == ("value",)


def test_paths_are_taken_as_they_are_where_the_plugin_gives_them() -> None:
    detail: dict[str, Any] = {"rules.deletion": {}, "bypassActors[0]": {}}
    assert changed_paths(detail, ["rules", "etag"], {"rules"}) == tuple(detail)
    assert changed_paths({}, ["rules.deletion", "labels[0].value", "etag"], {"rules", "labels"}) == (
        "rules.deletion",
        "labels[0].value",
    )

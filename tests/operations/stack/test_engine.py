"""What the engine is asked to do, with the Automation API in its place."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pulumi.automation import CommandError

from operations.stack.engine import Engine, _Events
from operations.stack.workspace import OperationError, Workspace
from tests.builders import ROOT


@pytest.fixture
def asked() -> tuple[Engine, list[tuple[str, dict[str, Any]]]]:
    """An engine, and the options of each call that it makes."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def call(name: str) -> Any:
        return lambda **options: calls.append((name, options))

    engine = Engine(Workspace(folder=ROOT, stack="staging", env={}))
    engine.__dict__["_stack"] = SimpleNamespace(**{n: call(n) for n in ("preview", "up", "refresh")})
    return engine, calls


def test_whatever_reads_what_is_there_runs_the_program_with_todays_credentials(
    asked: tuple[Engine, list[tuple[str, dict[str, Any]]]],
) -> None:
    """By itself a refresh asks with the key in the state, which was revoked after a leak."""
    engine, calls = asked
    engine.preview(refresh=True)
    engine.up("", refresh=True)
    engine.preview()
    engine.up("")
    assert [options["run_program"] for _, options in calls] == [True, True, None, None]


def test_a_refresh_that_fails_with_the_credentials_in_the_state_is_tried_with_todays(
    asked: tuple[Engine, list[tuple[str, dict[str, Any]]]],
) -> None:
    engine, calls = asked

    def revoked(**options: Any) -> None:
        calls.append(("refresh", options))
        if not options["run_program"]:
            raise OperationError("unauthorized")

    engine.__dict__["_stack"] = SimpleNamespace(refresh=revoked)
    engine.refresh()
    assert [options["run_program"] for _, options in calls] == [None, True]
    with pytest.raises(OperationError, match="unauthorized"):
        engine.refresh(clear_pending=True)  # asks nobody: only the root of the stack is its target


def test_after_a_failure_only_a_rotation_goes_on(
    asked: tuple[Engine, list[tuple[str, dict[str, Any]]]],
) -> None:
    engine, calls = asked
    engine.up("", onward=True)
    engine.up("")
    assert [options["continue_on_error"] for _, options in calls] == [True, None]


def test_the_traceback_of_a_run_that_went_on_after_a_failure_is_not_told() -> None:
    events = _Events()
    events.failures += [
        "web-release-a: deployment canceled",
        "Program failed\nTraceback\nResourceRegistrationFailed: x",
    ]
    with pytest.raises(OperationError) as told, events.errors("the update failed", "production"):
        raise CommandError(cast("Any", SimpleNamespace(stdout="", stderr="", code=255)))
    assert str(told.value) == "the update failed:\nweb-release-a: deployment canceled"

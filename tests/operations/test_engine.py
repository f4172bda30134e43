"""What the engine is asked to do, with the Automation API in its place."""

from types import SimpleNamespace
from typing import Any

import pytest

from operations.engine import Engine
from operations.workspace import Workspace
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
    engine.refresh()
    assert [(name, options["run_program"]) for name, options in calls] == [
        ("preview", True), ("up", True), ("refresh", True)
    ]  # fmt: skip
    calls.clear()
    engine.preview()
    engine.up("")
    engine.refresh(clear_pending=True)  # reads nothing: only the root of the stack is its target
    assert [options["run_program"] for _, options in calls] == [None, None, None]


def test_after_a_failure_only_a_rotation_goes_on(
    asked: tuple[Engine, list[tuple[str, dict[str, Any]]]],
) -> None:
    engine, calls = asked
    engine.up("", onward=True)
    engine.up("")
    assert [options["continue_on_error"] for _, options in calls] == [True, None]

"""A verb that is told to end in the middle of an `up`: its engine ends what it has begun, then it does."""

import os
import signal
import time
from pathlib import Path

import pytest

from rehearsal.docker_engine import processes
from tests.harness import RehearsalHome


def at_work(home: RehearsalHome) -> list[str]:
    """Processes that run with the home's environment: engine, language host, plugins, the verb."""
    found = []
    for pid, words in processes.running():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(home.folder) in environment:
            found.append(" ".join(words))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_up_that_is_told_to_end_finishes_what_it_has_begun_and_leaves_nothing_at_work(
    applied_home: RehearsalHome, number: signal.Signals
) -> None:
    applied_home.operations(
        "set", "PREVIEW_SENTRY_DSN", "--stack", "staging", stdin="https://p@sentry.example/9"
    ).ok()
    words = ("python", "-m", "operations", "up", "--stack", "staging", "--yes")
    with applied_home.hanging("create", "ProjectEnvironmentVariable", *words) as running:
        os.kill(running.pid, number)
        time.sleep(0.5)
        os.kill(running.pid, number)
        os.kill(running.pid, signal.SIGINT)
        said = running.finish()
    assert said.code == 128 + number, said.text
    assert "pulumi ends what it has begun; to cut it off: kill " in said.text
    assert "never half-written" in said.text
    assert "Traceback" not in said.text
    assert at_work(applied_home) == []
    assert not [*(applied_home.folder / "state").rglob("locks/**/*.json")]
    variable = applied_home.account("vercel").find("variable", key="SENTRY_DSN", targets=["preview"])
    assert [one["value"] for _, one in variable] == ["https://p@sentry.example/9"]
    assert "web-variable-SENTRY_DSN-preview" in applied_home.resources("staging")

"""Whether the process still runs that a lock file names, or that began a draft."""

import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error

from operations.stack.engine import Engine, Lock, LockedError
from operations.stack.workspace import Workspace, sweep


def lock(pid: int, host: str = "", since: datetime | None = None) -> Lock:
    return Lock(
        user="anna",
        host=host or socket.gethostname(),
        pid=pid,
        since=since or datetime.now(UTC),
    )


def test_a_process_that_runs_is_alive_and_one_of_another_machine_cannot_be_asked() -> None:
    assert lock(os.getpid()).alive is True
    assert lock(os.getpid(), host="elsewhere").alive is None


def test_a_killed_process_that_nobody_has_waited_for_is_gone() -> None:
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    held = lock(killed.pid)
    assert held.alive is True
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended; its parent does not take note
    assert held.alive is False
    killed.wait()
    assert held.alive is False


def test_another_process_that_has_the_number_by_now_is_not_the_one_that_took_the_lock() -> None:
    assert lock(os.getpid(), since=datetime.now(UTC) - timedelta(days=30)).alive is False


class Somewhere(Engine):
    """An engine whose lock is given."""

    def __init__(self, held: Lock | None) -> None:
        super().__init__(Workspace(folder=Path("/nowhere"), stack="production", env={}))
        self.held = held

    def lock(self) -> Lock | None:
        return self.held


CANCEL = "Only if it is certainly over .*: pulumi cancel --stack production$"


def test_a_lock_whose_process_cannot_be_asked_names_the_command_that_frees_it_and_when() -> None:
    with pytest.raises(LockedError, match=CANCEL):
        Somewhere(lock(1, host="elsewhere")).ensure_unlocked()
    with pytest.raises(LockedError) as told:
        Somewhere(lock(os.getpid())).ensure_unlocked()
    assert "cancel" not in str(told.value)


def test_so_does_a_backend_that_tells_of_its_lock_when_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Somewhere(None)
    said = "error: the stack is currently locked by 1 lock(s)"
    stack = SimpleNamespace(refresh=lambda **_: _refuse(said))
    monkeypatch.setitem(engine.__dict__, "_stack", stack)
    with pytest.raises(LockedError, match=rf"(?s){re.escape(said)}.*{CANCEL}"):
        engine.refresh()


def _refuse(stderr: str) -> None:
    raise create_command_error(CommandResult("", stderr, 255))


def test_the_draft_of_a_killed_process_is_removed_by_the_next_and_that_of_a_running_one_stays(
    tmp_path: Path,
) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    left = tmp_path / f".Pulumi.{killed.pid}.a.yaml"
    own, strange = tmp_path / f".Pulumi.{os.getpid()}.b.yaml", tmp_path / ".Pulumi.mine.yaml"
    for draft in (left, own, strange):
        draft.touch()
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    sweep(tmp_path)
    killed.wait()
    assert {path.name for path in tmp_path.iterdir()} == {own.name, strange.name}

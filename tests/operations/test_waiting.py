"""`--wait`: a verb that meets a lock says whose it is, begins again once it is free, and gives up in time."""

import io
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error
from typer.main import get_command

from operations.__main__ import app
from operations.cli.console import read_input
from operations.cli.waiting import Patience
from operations.stack.engine import Engine, LockedError
from operations.stack.workspace import OperationError, Workspace

SINCE = datetime.now(UTC).isoformat()


@dataclass
class Waiting:
    """A stack whose backend is a folder, a verb that needs its lock, and time that passes by pauses alone."""

    root: Path
    backend: str = ""
    said: list[str] = field(default_factory=list)
    verbs: int = 0
    now: float = 0.0
    during: Callable[[], None] = lambda: None

    @property
    def engine(self) -> Engine:
        env = {"PULUMI_BACKEND_URL": self.backend or f"file://{self.root}"}
        return Engine(Workspace(folder=self.root, stack="staging", env=env))

    @property
    def _lock(self) -> Path:
        return self.root / ".pulumi" / "locks" / "organization" / "paintshare" / "staging" / "1.json"

    def locked_by(self, user: str, pid: int, host: str = "") -> None:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        at = {"pid": pid, "username": user, "hostname": host or socket.gethostname(), "timestamp": SINCE}
        self._lock.write_text(json.dumps(at))

    def free(self) -> None:
        self._lock.unlink()

    def verb(self) -> None:
        self.verbs += 1
        self.engine.ensure_unlocked()

    def carry(
        self, minutes: float, verb: Callable[[], None] | None = None, engine: Engine | None = None
    ) -> None:
        def pause(seconds: float) -> None:
            assert seconds > 0
            self.now += seconds
            self.during()

        patience = Patience(seconds=minutes * 60, tell=self.said.append, clock=lambda: self.now, pause=pause)
        patience.carry(verb or self.verb, lambda: engine or self.engine)


@pytest.fixture
def waiting(tmp_path: Path) -> Waiting:
    return Waiting(tmp_path)


def test_it_says_who_holds_the_lock_and_since_when_and_begins_again_when_it_is_free(waiting: Waiting) -> None:
    waiting.locked_by("anna", os.getpid())
    waiting.during = waiting.free
    waiting.carry(15)
    assert waiting.verbs == 2
    since = SINCE[:16].replace("T", " ")
    assert waiting.said == [
        f"locked by anna@{socket.gethostname()} (process {os.getpid()}) since {since} UTC"
        "; waiting for at most 15 minutes",
        "the lock is free; beginning again",
    ]


def test_by_hand_it_does_not_wait(waiting: Waiting) -> None:
    waiting.locked_by("anna", os.getpid())
    with pytest.raises(LockedError, match=r"is locked by anna.*Nothing was changed"):
        waiting.carry(0)
    assert (waiting.verbs, waiting.now, waiting.said) == (1, 0.0, [])


def test_of_a_lock_that_stays_it_says_how_long_it_has_waited_and_when_another_takes_it(
    waiting: Waiting,
) -> None:
    waiting.locked_by("anna", os.getpid())
    waiting.during = lambda: waiting.locked_by("ben", 1, "elsewhere")
    with pytest.raises(
        LockedError, match=r"(?s)^waited 2 minutes; .*by ben@elsewhere .*pulumi cancel --stack"
    ):
        waiting.carry(2)
    assert (waiting.verbs, waiting.now) == (1, 120.0)
    assert ["anna" in waiting.said[0], "ben" in waiting.said[1], len(waiting.said)] == [True, True, 2]


def test_nobody_waits_for_a_process_that_is_gone_and_is_told_what_frees_its_lock(waiting: Waiting) -> None:
    gone = 2**22 + 1  # above the kernel's largest number of a process
    waiting.locked_by("anna", gone)
    with pytest.raises(
        LockedError, match=r"That process is gone.*pulumi cancel --stack staging\n.*operations up"
    ):
        waiting.carry(15)
    assert waiting.now == 0
    waiting.locked_by("anna", os.getpid())
    waiting.during = lambda: waiting.locked_by("anna", gone)  # it dies meanwhile
    with pytest.raises(LockedError, match="That process is gone"):
        waiting.carry(15)
    assert waiting.now == 1


BUCKET = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or"
    " delete the lock file with `pulumi cancel`."
    "\n  s3://state/.pulumi/locks/organization/paintshare/staging/1.json: "
    f"created by runner@{{host}} (pid {{pid}}) at {SINCE[:19]}Z"
)
CLOUD = "error: [409] Conflict: Another update is currently in progress."


def refusing(waiting: Waiting, answers: list[str]) -> Engine:
    """An engine on a backend that tells of its lock when a run begins: by each of `answers` once."""
    waiting.backend = "s3://state"
    engine = waiting.engine

    def refresh(**_: object) -> None:
        if answers:
            raise create_command_error(CommandResult("", answers.pop(0), 255))

    engine.__dict__["_stack"] = SimpleNamespace(refresh=refresh)
    return engine


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (BUCKET.format(host="elsewhere", pid=7), "locked by runner@elsewhere (process 7) since "),
        (CLOUD, "another run holds the lock; this backend does not say who, nor since when"),
    ],
    ids=["bucket", "cloud"],
)
def test_another_backend_is_asked_by_a_run_that_changes_nothing(
    waiting: Waiting, answer: str, told: str
) -> None:
    answers = [answer, answer, answer]
    engine = refusing(waiting, answers)

    def verb() -> None:
        waiting.verbs += 1
        engine.refresh()

    waiting.carry(15, verb, engine)
    assert (waiting.verbs, waiting.now, answers) == (2, 45.0, [])
    assert waiting.said[0].startswith(told)
    assert len(waiting.said) == 2


def test_a_bucket_that_names_a_process_of_this_machine_that_is_gone_is_not_waited_for(
    waiting: Waiting,
) -> None:
    engine = refusing(waiting, [BUCKET.format(host=socket.gethostname(), pid=2**22 + 1)])
    with pytest.raises(LockedError, match="That process is gone"):
        waiting.carry(15, engine.refresh, engine)
    assert waiting.now == 0


def test_another_failure_is_no_lock(waiting: Waiting) -> None:
    def verb() -> None:
        raise OperationError("no such stack")

    with pytest.raises(OperationError, match="no such stack"):
        waiting.carry(15, verb)
    assert waiting.now == 0


def test_values_of_standard_input_are_there_when_the_verb_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for text in ("one", "two"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert [read_input(), read_input()] == [text, text]


def test_every_verb_that_needs_the_lock_takes_the_option_and_by_default_waits_for_nobody() -> None:
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    taking = {n: p.default for n, v in verbs.items() for p in v.params if p.name == "wait"}
    assert taking == dict.fromkeys(("up", "promote", "rollback", "stage", "rotate", "drift"), 0.0)

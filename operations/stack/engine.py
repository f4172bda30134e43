"""The Pulumi engine at work on one stack, by the Automation API: preview, up, refresh, the lock's holder.

Owns what the engine's events mean to a person: changes by logical name, errors in its own words. Settings and
secrets never pass through here; they are in the stack file (`operations.stack.workspace`).
"""

import json
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pulumi import automation
from pulumi.automation.events import EngineEvent, StepEventMetadata

from operations.stack.plans import LEFT, changed_paths, stays, top
from operations.stack.workspace import OperationError, Workspace, runs
from plan.settings import PROJECT

# The engine's words for one step; a replacement comes as three of them and is shown as one.
_OPS: Final = {
    "create": "create", "update": "update", "delete": "delete", "import": "import",
    "replace": "replace", "create-replacement": "replace", "delete-replaced": "replace",
    "import-replacement": "replace", "discard": "forget", "discard-replaced": "forget",
}  # fmt: skip
_UNREGISTERED: Final = "ResourceRegistrationFailed"
_COLOR: Final = re.compile(r"<\{%[^%]*%\}>")
# What a bucket's lock says of its holder (the engine's pkg/backend/diy/lock.go).
_HOLDER: Final = re.compile(r"created by (?P<user>.*)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)")
_NOISE: Final = re.compile(r"^(update|preview|refresh) failed$|^\s*$")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource that a run changes, or would change."""

    op: str
    name: str
    type: str
    urn: str
    properties: tuple[str, ...]


@dataclass(kw_only=True)
class Plan:
    """What a preview says."""

    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who holds a stack's lock, as the backend's lock file says."""

    user: str
    host: str
    pid: int
    since: datetime

    @property
    def alive(self) -> bool | None:
        """Whether the process still runs; None for another machine's, which cannot be asked."""
        return runs(self.pid, self.since.timestamp()) if self.host == socket.gethostname() else None

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}) since {self.since:%Y-%m-%d %H:%M} UTC"


class LockedError(OperationError):
    """Another run holds the stack's lock; nothing was changed. `held` where the backend says by whom."""

    def __init__(self, text: str, held: Lock | None = None) -> None:
        super().__init__(text)
        self.held = held


Listener = Callable[[str, Change], None]
"""Called with "start", "done" or "failed" as each resource's change goes on."""


class _Project(automation.LocalWorkspace):
    def select_stack(self, stack_name: str) -> None:
        """Nothing: each command names its stack, and the one a person has selected stays selected."""
        del stack_name


class Engine:
    """The engine on one stack. Every failure is an OperationError in the engine's own words.

    By itself a refresh asks with the credentials in the state, which after a leak are the revoked ones; where
    the program runs first it asks with the new ones (docs/hazards.md, `refresh-with-old-key`).
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def _stack(self) -> automation.Stack:
        try:
            project = _Project(work_dir=str(self._workspace.folder), env_vars=self._workspace.env)
        except FileNotFoundError:
            raise OperationError("pulumi is not on PATH: https://www.pulumi.com/docs/install/") from None
        except automation.InvalidVersionError as error:
            raise OperationError(str(error)) from None
        return automation.Stack.select(self._workspace.stack, project)

    def preview(
        self, config_file: Path | None = None, targets: Sequence[str] = (), *, refresh: bool = False
    ) -> Plan:
        """What an `up` would change, with `config_file` in place of the stack file."""
        events = _Events()
        with events.errors("the preview failed", self._workspace.stack):
            self._stack.preview(
                config_file=str(config_file) if config_file else None,
                target=list(targets) or None, refresh=refresh or None, run_program=refresh or None,
                color="never", suppress_outputs=True, on_event=events, on_error=events.stderr.append,
            )  # fmt: skip
        return Plan(changes=list(events.changes.values()), warnings=events.warnings)

    def up(
        self,
        message: str,
        targets: Sequence[str] = (),
        *,
        refresh: bool = False,
        listener: Listener | None = None,
        onward: bool = False,
    ) -> Plan:
        """Apply the stack file. Raises LockedError when another run holds the lock.

        `onward`: after a failure go on with what does not need the resource that failed.
        """
        events = _Events(listener)
        with events.errors("the update failed", self._workspace.stack):
            self._stack.up(
                message=message, target=list(targets) or None, refresh=refresh or None,
                run_program=refresh or None, continue_on_error=onward or None, color="never",
                suppress_outputs=True, suppress_progress=True, on_event=events,
                on_error=events.stderr.append,
            )  # fmt: skip
        return Plan(changes=list(events.changes.values()), warnings=events.warnings)

    def refresh(self, targets: Sequence[str] = (), *, clear_pending: bool = False) -> None:
        """Read what is really there into the state. `clear_pending` forgets creates that never answered.

        The program is run only where it fails without: one that finds a release taken back ends in an error.
        """
        try:
            self._refresh(targets, clear_pending=clear_pending)
        except LockedError:
            raise
        except OperationError:
            if clear_pending:
                raise
            self._refresh(targets, run_program=True)

    def _refresh(
        self, targets: Sequence[str], *, clear_pending: bool = False, run_program: bool = False
    ) -> None:
        events = _Events()
        with events.errors("the refresh failed", self._workspace.stack):
            self._stack.refresh(
                target=list(targets) or None, clear_pending_creates=clear_pending or None,
                run_program=run_program or None, color="never",
                suppress_outputs=True, on_event=events, on_error=events.stderr.append,
            )  # fmt: skip

    def cancel(self) -> None:
        """Free the lock. Only for a run that is certainly over."""
        with _Events().errors("the lock cannot be freed", self._workspace.stack):
            self._stack.cancel()

    def lock(self) -> Lock | None:
        """Who holds the lock, where the backend is a folder; None when nobody does or it cannot be told.

        Other backends say so when a run begins (LockedError), and there a person has to free it. Place and
        shape of the file: the engine's pkg/backend/diy/lock.go.
        """
        root = self._state_folder
        if root is None:
            return None
        places = (f"organization/{PROJECT}/{self._workspace.stack}", self._workspace.stack)
        for place in places:
            for file in sorted((root / ".pulumi" / "locks" / place).glob("*.json")):
                try:
                    held = json.loads(file.read_text())
                except (OSError, ValueError):  # freed this very moment, or not yet written
                    continue
                return Lock(
                    user=held["username"], host=held["hostname"], pid=held["pid"],
                    since=datetime.fromisoformat(held["timestamp"]).astimezone(UTC),
                )  # fmt: skip
        return None

    @cached_property
    def _state_folder(self) -> Path | None:
        """The folder that is the backend; None where the backend is none."""
        url = urlsplit(self._workspace.env.get("PULUMI_BACKEND_URL") or self._backend())
        return Path(unquote(url.netloc + url.path)).expanduser() if url.scheme == "file" else None

    @property
    def looks_by_a_run(self) -> bool:
        """Whether `ensure_free` starts the engine."""
        return self._state_folder is None

    def ensure_unlocked(self) -> None:
        """Raise LockedError while another run holds the lock, with its holder's name."""
        if held := self.lock():
            stack = self._workspace.stack
            raise LockedError(f"stack `{stack}` is locked by {held}. {_freeing(stack, held)}", held)

    def ensure_free(self) -> None:
        """As `ensure_unlocked`, of every backend: one that only says so when a run begins is asked by a run.

        That is a refresh of the stack's root, which reads nothing and writes the state as it was. What else
        it fails by is for the verb to tell.
        """
        self.ensure_unlocked()
        if self.looks_by_a_run:
            stack = self._workspace.stack
            try:
                self._refresh([f"urn:pulumi:{stack}::{PROJECT}::pulumi:pulumi:Stack::{PROJECT}-{stack}"])
            except LockedError:
                raise
            except OperationError:
                return

    def _backend(self) -> str:
        with _Events().errors("the backend cannot be read", self._workspace.stack):
            return str(self._stack.workspace.who_am_i().url or "")


class _Events:
    """Collects a run's events: changes by resource, warnings, errors."""

    def __init__(self, listener: Listener | None = None) -> None:
        self.changes: dict[str, Change] = {}
        self.warnings: list[str] = []
        self.failures: list[str] = []
        self.program: list[str] = []
        self.stderr: list[str] = []
        self._listener = listener or (lambda _, __: None)

    def __call__(self, event: EngineEvent) -> None:
        if event.resource_pre_event:
            self._note("start", event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._note("done", event.res_outputs_event.metadata)
        elif event.res_op_failed_event:
            self._note("failed", event.res_op_failed_event.metadata)
        elif event.diagnostic_event:
            said = event.diagnostic_event
            text = _COLOR.sub("", said.message).strip()
            if _NOISE.match(text):
                return
            place = f"{_name(said.urn)}: " if said.urn and "pulumi:pulumi:Stack" not in said.urn else ""
            if said.severity == "error":
                self.failures.append(place + text)
            elif said.severity == "info#err":  # the program's standard error, line by line
                self.program.append(_COLOR.sub("", said.message).rstrip().removeprefix("error: "))
            elif said.severity == "warning":
                self.warnings.append(place + text)

    def _note(self, stage: str, step: StepEventMetadata) -> None:
        op = _OPS.get(step.op.value)
        if op is None or step.type == "pulumi:pulumi:Stack":
            return
        if stays(step.type, bool(step.old and step.old.retain_on_delete)):
            op = LEFT.get(op, op)
        stated = {name for side in (step.old, step.new) for name in (side and side.inputs) or ()}
        changed = {top(path) for path in changed_paths(step.detailed_diff, step.diffs, stated)}
        change = Change(
            op=op, name=_name(step.urn), type=step.type.rsplit(":", 1)[-1], urn=step.urn,
            properties=tuple(sorted(changed - {"__provider"})),
        )  # fmt: skip
        known = self.changes.get(step.urn)
        if known and (known.op == "import" or (op == "replace" and not change.properties)):
            change = known
        self.changes[step.urn] = change
        if step.op.value not in ("replace", "delete-replaced", "discard-replaced"):  # its creation is told
            self._listener(stage, change)

    def errors(self, what: str, stack: str) -> "_Raising":
        return _Raising(self, what, stack)


class _Raising:
    """Turns the Automation API's errors into OperationErrors with what the engine said."""

    def __init__(self, events: _Events, what: str, stack: str) -> None:
        self._events, self._what, self._stack = events, what, stack

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, automation.CommandError):
            return
        printed, _, last = str(error).partition("stderr:")
        stderr = "\n".join(self._events.stderr).strip() or last.strip()
        if isinstance(error, automation.ConcurrentUpdateError):
            held = _holder(stderr)
            text = f"another run holds the lock:\n{stderr}\n{_freeing(self._stack, held)}"
            raise LockedError(text, held) from None
        said = list(dict.fromkeys(self._events.failures)) or self._events.program or [stderr]
        if self._events.failures:
            found = _diagnostics(printed)
            said += [text for text in found if not any(text.splitlines()[0] in known for known in said)]
        # Where a run goes on after a failure, the program learns of it and ends in a traceback of the SDK.
        said = [text for text in said if _UNREGISTERED not in text] or said
        raise OperationError(f"{self._what}:\n" + "\n".join(said)) from None


def _holder(said: str) -> Lock | None:
    """The holder that a bucket's refusal names; Pulumi Cloud's names none."""
    found = _HOLDER.search(said)
    if not found:
        return None
    since = datetime.fromisoformat(found["since"]).astimezone(UTC)
    return Lock(user=found["user"], host=found["host"], pid=int(found["pid"]), since=since)


def _freeing(stack: str, held: Lock | None) -> str:
    """What to do about a lock, by whether its process runs, is gone, or cannot be asked."""
    cancel = f"pulumi cancel --stack {stack}"
    if held and held.alive:
        return "Nothing was changed"
    if held and held.alive is False:
        return (
            f"That process is gone. Nothing was changed. This frees the lock: {cancel}\n"
            f"and this also recovers what it left behind: python -m operations up --stack {stack}"
        )
    return (
        "Nothing was changed.\nWait for that run. Only if it is certainly over (its job has ended, its"
        f" machine or process is gone): {cancel}"
    )


def _diagnostics(printed: str) -> list[str]:
    """The errors that the engine printed below `Diagnostics:`.

    The Automation API stops reading events when the engine has ended, and loses those of the last tenth of a
    second (`_watch_logs` of the SDK): which release still serves, for one, is said last.
    """
    section = re.search(r"^Diagnostics:\n(.*?)^(?=\S)", printed + "\n.", re.MULTILINE | re.DOTALL)
    found = re.split(r"^    error: ", section[1] if section else "", flags=re.MULTILINE)[1:]
    texts = [re.split(r"\n\s*\n|\n  \S", text)[0] for text in found]
    clean = ["\n".join(line.strip() for line in text.strip().splitlines()) for text in texts]
    return [text for text in clean if not _NOISE.match(text)]


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]

"""The course of every verb that changes a stack: preview, question, record, update.

The edit is previewed in a copy of the stack file, so a "no" leaves everything as it was. It is recorded
(stack file, git commit) before it is applied: whatever ends the command half-way, the same command again, or
the next `up`, goes on to the same end. The lock is the engine's own.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import typer
from rich.markup import escape

from operations.cli import upstream
from operations.cli.console import out
from operations.parts import Finding
from operations.parts.release import ways_on
from operations.stack import record
from operations.stack.engine import Change, Engine, LockedError, Plan
from operations.stack.workspace import OperationError, Workspace

_COLORS: Final = {
    "create": "green",
    "update": "yellow",
    "replace": "magenta",
    "renew": "magenta",
    "delete": "red",
}
_DONE: Final = {
    "create": "created", "update": "updated", "replace": "replaced", "delete": "deleted",
    "import": "imported", "forget": "forgotten", "renew": "made anew",
}  # fmt: skip


def _unchanged(_: dict[str, Any]) -> None:
    """The edit of a verb that applies the stack file as it is."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What a verb writes into the stack file. `subject` is its commit's line; `urgent` as in `record`."""

    subject: str
    urgent: bool = False
    change: Callable[[dict[str, Any]], None] = _unchanged
    secrets: Mapping[str, str] = field(default_factory=dict)


def carry_out(
    workspace: Workspace,
    edit: Edit,
    *,
    yes: bool,
    targets: Sequence[str] = (),
    refresh: bool = False,
    question: str = "Apply this?",
    look: bool = False,
    judge: Callable[[Plan], None] = lambda _: None,
    first: Callable[[], None] = lambda: None,
    onward: bool = False,
) -> bool:
    """Preview the edit, ask, record it, apply it. False when there was nothing to do, or only to `look`.

    `judge` raises where the plan must not be carried out. `first` is done between record and update, where
    the order of the engine would be wrong. `onward`: what does not need a resource that failed is done too.

    Raises LockedError when another run holds the lock, OperationError when the record fails: the stack file
    is as it was. OperationError for everything else that failed, with the edit in place for the next attempt;
    typer.Exit for a "no".
    """
    engine = Engine(workspace)
    engine.ensure_unlocked()
    with workspace.draft(edit.change, edit.secrets) as draft:
        with out.status("previewing…"):
            plan = engine.preview(draft.path, targets, refresh=refresh)
        show(plan)
        judge(plan)
        if look:
            return False
        if not plan.changes and not draft.changes:
            if refresh:  # what was read belongs into the state, or the next preview shows it again
                engine.up(edit.subject, targets, refresh=True)
            return False
        confirm(question, yes=yes)
        engine.ensure_unlocked()
        before = draft.base
        draft.land()
    after = workspace.stack_file.read_text()
    try:
        made = record.commit(workspace, edit.subject, urgent=edit.urgent)
    except OperationError as error:
        workspace.restore(before, instead_of=after)
        raise OperationError(f"{error}\nThe stack file is as it was") from None
    upstream.recorded(workspace, made)
    if not plan.changes and not refresh:  # else what was read belongs into the state, as above
        return True
    try:
        first()
        with Progress() as progress:
            engine.up(edit.subject, targets, refresh=refresh, listener=progress, onward=onward)
    except LockedError as error:
        workspace.restore(before, instead_of=after)
        undo = f"Undo: {edit.subject} (another run held the lock)"
        record.commit(workspace, undo, urgent=edit.urgent)
        raise LockedError(f"{error}\nThe stack file is as it was", error.held) from None
    except OperationError as error:
        raise OperationError(f"{error}\n{_way_on(workspace, str(error))}") from None
    return True


def show(plan: Plan) -> None:
    """The changes of a preview, one line each, and its warnings."""
    for warning in plan.warnings:
        out.print(f"[yellow]warning:[/yellow] {escape(warning)}")
    if not plan.changes:
        out.print("  no resource changes")
        return
    width = max(len(change.name) for change in plan.changes)
    for change in plan.changes:
        color = _COLORS.get(change.op, "default")
        what = ", ".join(change.properties) if change.op in ("update", "replace", "renew") else change.type
        out.print(
            f"  [{color}]{change.op:9}[/{color}] {escape(change.name):{width}}  [dim]{escape(what)}[/dim]"
        )


def confirm(question: str, *, yes: bool) -> None:
    """Go on only after a yes. Without a terminal a missing `--yes` is an error, never a guess."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise OperationError("this asks before it changes anything; without a terminal say --yes")
    if not typer.confirm(question):
        out.print("Nothing was changed.")
        raise typer.Exit(1)


class Progress:
    """One line a finished change; what is at work meanwhile, on a terminal, below."""

    def __init__(self) -> None:
        self._status = out.status("applying…")
        self._running: dict[str, str] = {}

    def __enter__(self) -> "Progress":
        self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._status.stop()

    def __call__(self, stage: str, change: Change) -> None:
        if stage == "start":
            self._running[change.urn] = change.name
        else:
            if self._running.pop(change.urn, None) is None:
                return  # an import that also updates is done twice
            word = "[red]failed[/red]" if stage == "failed" else _DONE.get(change.op, change.op)
            out.print(f"  {word:9} {escape(change.name)}")
        self._status.update(f"applying: {', '.join(self._running.values())}"[:90])


def _way_on(workspace: Workspace, failure: str) -> str:
    meant = "The stack file holds what was meant."
    if ways := ways_on(workspace.in_the_clear().settings, failure):
        return "\n".join([meant, *ways])
    return f"{meant} Go on with: python -m operations up --stack {workspace.stack}"


def tell(finding: Finding) -> None:
    """One line for one check."""
    marks = {True: "[green]ok[/green]  ", False: "[red]FAIL[/red]", None: "[yellow]?[/yellow]   "}
    out.print(f"  {marks[finding.ok]}  {escape(finding.what)}: {escape(finding.text)}")


def conclude(findings: Sequence[Finding]) -> None:
    """Say what really serves, and end with exit code 1 unless all of it is as it should be."""
    for finding in findings:
        tell(finding)
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)

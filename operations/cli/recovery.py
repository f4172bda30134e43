"""Going on after a killed run, for every verb that changes a stack: its lock, its creates, its other half.

`up` finishes a killed run because that is what it is for; `promote` and `rotate` finish it before they do
their own. `rollback` only clears the way: what a killed run was about to deploy may be what is rolled back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from rich.markup import escape

from operations.cli.console import accounts_of, err, github_account, out, vercel_account
from operations.cli.course import Edit, carry_out, confirm
from operations.parts import PARTS, Access
from operations.stack.engine import Engine, Plan
from operations.stack.workspace import OperationError
from operations.verbs import recover
from operations.verbs.recover import Recovery


@contextmanager
def recovery(stack: str, rehearsal: bool) -> Iterator[Recovery]:
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        settings = workspace.load().settings
        yield Recovery(
            workspace=workspace,
            engine=Engine(workspace),
            settings=settings,
            vercel=vercel_account(workspace, vercel_url, settings),
            github=lambda: github_account(workspace, github_url, settings),
        )


class Traces(NamedTuple):
    """What a killed run had left, and what is cleared away now."""

    lock: bool
    creates: bool


def clear(found: Recovery, *, yes: bool, hosts: bool = True) -> Traces:
    """Free the lock of a run that is gone, forget creates that never answered.

    `hosts` False: no Docker host is asked for what they left. Raises LockedError while somebody may still be
    running.
    """
    ask = partial(confirm, yes=yes)
    unlocked = found.unlock(ask, _warn)
    pending = found.pending()
    if pending:
        _warn(f"creates that never answered: {', '.join(pending)}")
        if hosts:
            found.clear_hosts(ask, _warn)
        found.forget_pending()
    return Traces(unlocked, bool(pending))


def apply(found: Recovery, *, yes: bool, refresh: bool = False, lost: bool = False) -> bool:
    """Apply the stack file; adopt what exists unknown to the state where that stops it. False: no change.

    `lost`: creates may have been lost, so look for them first.
    """
    edit = (_adopting(found) if lost else None) or Edit(subject=f"Apply {found.workspace.stack}")
    judge = (lambda _: None) if refresh else partial(_leave_what_serves, found)
    try:
        return carry_out(found.workspace, edit, yes=yes, refresh=refresh, judge=judge)
    except OperationError as error:
        again = _adopting(found)
        if again is None:
            raise
        what = "failed, because something exists that the state does not know:"
        err.print(f"[yellow]{what}[/yellow] {escape(str(error))}")
        return carry_out(found.workspace, again, yes=yes, refresh=refresh)


def _leave_what_serves(found: Recovery, plan: Plan) -> None:
    """Raise where a plan takes back what somebody did to what serves, by hand."""
    changes = {change.name for change in plan.changes}
    if changes.isdisjoint(name for part in PARTS for name in part.targets):
        return
    access, state = Access(settings=found.settings, vercel=found.vercel), found.workspace.state()
    if moved := [text for part in PARTS if (text := part.moved(access, changes, state))]:
        raise OperationError("\n".join([*moved[:-1], f"{moved[-1]}: nothing was changed"]))


def drop_import_ids(found: Recovery) -> None:
    """Take import ids out of the stack file whose objects the state knows by now."""
    if done := found.leftover():
        subject = f"Drop import ids of {found.workspace.stack}"
        carry_out(found.workspace, Edit(subject=subject, change=recover.drop_ids(done)), yes=True)


def take_up(stack: str, rehearsal: bool, *, yes: bool) -> None:
    """Finish what a killed run of this stack began, if there is one. Raises as `clear` and `apply` do."""
    with recovery(stack, rehearsal) as found:
        traces = clear(found, yes=yes)
        if not any(traces):
            return
        out.print("first what the killed run began:")
        apply(found, yes=yes, lost=traces.creates)
    with recovery(stack, rehearsal) as found:
        drop_import_ids(found)


def _warn(text: str) -> None:
    err.print(f"[yellow]{escape(text)}[/yellow]")


def _adopting(found: Recovery) -> Edit | None:
    """The edit that adopts what exists unknown to the state; None where nothing does."""
    lost = found.lost()
    if not lost.ids:
        return None
    for name, id in sorted(lost.ids.items()):
        out.print(f"  adopt   {lost.labels[name]}  [dim]{id}[/dim]")
    return Edit(
        subject=f"Apply {found.workspace.stack}, adopting what a killed run made",
        change=recover.adopt_ids(lost.ids),
    )

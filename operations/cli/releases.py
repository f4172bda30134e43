"""`up`, `promote` and `rollback`: what carries a stack from one release to the next."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Annotated

import typer
from rich.markup import escape

from operations.cli.console import (
    Rehearsal,
    Stack,
    Yes,
    accounts_of,
    github_account,
    out,
    vercel_account,
    workspace_of,
)
from operations.cli.course import Edit, carry_out, conclude
from operations.cli.recovery import apply, clear, drop_import_ids, recovery, take_up
from operations.cli.upstream import ensure_current
from operations.parts import serving
from operations.services import approval, monitor
from operations.services.accounts import VercelAccount
from operations.stack.engine import Engine, LockedError
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import promote as promotion
from operations.verbs.promote import Part, Source, Watch
from plan.promotion import Line, Point
from plan.settings import Settings
from plan.web import names

Refresh = Annotated[bool, typer.Option("--refresh", help="Read what is really there first, and mend it.")]


def up(stack: Stack, refresh: Refresh = False, rehearsal: Rehearsal = False, yes: Yes = False) -> None:
    """Apply a stack, and recover what a killed run left behind."""
    with recovery(stack, rehearsal) as found:
        ensure_current(found.workspace)
        traces = clear(found, yes=yes)
        if not apply(found, yes=yes, refresh=refresh, lost=traces.creates):
            out.print("nothing to change")
    with recovery(stack, rehearsal) as found:
        drop_import_ids(found)
        conclude(serving.verify(found.settings, found.vercel, state=found.workspace.state()))


def promote(
    stack: Stack,
    release: Annotated[
        str | None, typer.Option("--release", help="Git SHA; refuse unless the other stack runs just this.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show list and preview, no more.")] = False,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Take the release that the other stack runs now. Shows the Go/No-Go list first."""
    if not dry_run:
        ensure_current(workspace_of(stack, rehearsal))
        take_up(stack, rehearsal, yes=yes)
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        Engine(workspace).ensure_unlocked()
        loaded = workspace.load()
        target = loaded.settings
        vercel = vercel_account(workspace, vercel_url, target)
        with _source(workspace, promotion.source_of(target), vercel) as source, _watch(target) as watch:
            new, served = source.release, serving.web(target, vercel)
            now = served.sha if served else ""
            runs, trouble = _runs(target)
            state = workspace.state()
            built = names("release", target.release) in state
            edit = promotion.promoting(target, new, now, runs, built=built)
            judge = promotion.Judge(
                target=target, source=source, vercel=vercel, watch=watch, served=now, runs=runs,
                trouble=trouble, built=built, state=state,
                github=github_account(workspace, github_url, target),
            )  # fmt: skip
            if dry_run:
                for run in approval.waiting(judge.github, target):
                    out.print(f"[yellow]{run}[/yellow]")
            parts = promotion.changed(promotion.current(target), new)
            old = promotion.Release(
                web=now or target.release,
                socket=runs.sha if runs else target.socket_release,
            )
            moves = f"{old.told(parts)} -> {new.told(parts)}" if parts else str(new)
            out.print(f"[bold]{moves}[/bold] in {stack}")
            if parts or release:
                lines = list(judge.lines(promotion.proposed(loaded, edit), date.today(), release))
                show_lines(lines)
                if not promotion.go(lines):
                    raise OperationError(f"No-Go: {stack} stays as it is")
        words = " and ".join(parts) or "what is recorded"
        subject = f"Promote {new.told(parts) or new} to {stack}: {words}"
        if dry_run:
            carry_out(workspace, Edit(subject=subject, change=edit), yes=False, look=True)
            return
        _serve(
            workspace, target, vercel, promotion.PARTS, yes=yes,
            edit=Edit(subject=subject, change=edit),
            question=f"Go: promote {new} to {stack}?",
        )  # fmt: skip


def rollback(
    stack: Stack,
    part: Annotated[Part | None, typer.Option("--part", help="web or socket alone.")] = None,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Go back to N-1, which is built already. Needs neither GitHub nor the monitor nor young keys."""
    with recovery(stack, rehearsal) as found:
        ensure_current(found.workspace, refuse=False)
        clear(found, yes=yes, hosts=False)
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, _):
        target = workspace.load().settings
        vercel = vercel_account(workspace, vercel_url, target)
        parts = promotion.to_take_back(target, part)
        asked: tuple[Part, ...] = (part,) if part else target.promoted_parts or promotion.PARTS
        state = workspace.state()
        if reasons := promotion.restorable(target, parts, state, vercel, serving.refusal):
            raise OperationError("\n".join(reasons))
        old, new, moved = promotion.current(target), promotion.previous(target), parts or asked
        if parts:
            out.print(
                f"[bold]{' and '.join(parts)} of {stack}: {old.told(parts)} -> {new.told(parts)}[/bold]"
            )
        else:
            there = f"N-1 is {new.told(asked)}" if any(new.of(p).sha for p in asked) else "there is no N-1"
            out.print(f"{stack} was taken back already ({there}); seeing to it that {old.told(asked)} serves")
        current_of = {"web": old.web, "socket": old.socket}
        serving_by = {"web": names("live"), "socket": "socket-service"}
        _serve(
            workspace, target, vercel, asked, yes=yes,
            edit=Edit(
                subject=f"Roll {' and '.join(moved)} of {stack} back from {old.told(moved)}",
                change=promotion.rolling_back(target, parts, built=names("release", old.web) in state),
                urgent=True,
            ),
            question=f"Roll {stack} back?",
            # A killed run may have changed what the state does not know yet.
            refresh=True,
            # Nothing but these is asked or touched: what else is down does not matter. By name, as the alias
            # does not exist yet when it is the first promotion that failed.
            targets=[f"**::{serving_by[each]}" for each in asked if current_of[each]],
        )  # fmt: skip


def _serve(
    workspace: Workspace,
    before: Settings,
    vercel: VercelAccount,
    parts: tuple[Part, ...],
    *,
    edit: Edit,
    yes: bool,
    question: str,
    targets: Sequence[str] = (),
    refresh: bool = False,
) -> None:
    """Carry the edit out, then ask the services what they serve. A failure says which release still does."""
    try:
        if not carry_out(workspace, edit, yes=yes, targets=targets, question=question, refresh=refresh):
            out.print("nothing to change")
    except LockedError:
        raise
    except OperationError as error:
        serves = "\n".join(_serving(before, vercel, parts))
        raise OperationError(f"{error}\nWhat serves now:\n{serves}") from None
    conclude(serving.verify(workspace.load().settings, vercel, parts, workspace.state()))


def _serving(settings: Settings, vercel: VercelAccount, parts: tuple[Part, ...]) -> Iterator[str]:
    """One line a part, whatever can be asked."""
    if "web" in parts:
        web = serving.web(settings, vercel)
        yield f"  web: {settings.web_domain} serves {web.sha[:7] if web else 'nothing'}"
    if "socket" in parts and settings.socket_release:
        try:
            running = serving.socket(settings)
            yield f"  socket: {running.text if running else 'no such service'}"
        except OperationError as error:
            yield f"  socket: not known, {error}"


def _runs(settings: Settings) -> tuple[Point | None, str]:
    """What the socket service of a stack runs, or why it cannot be asked."""
    if not settings.socket_release:
        return Point(), ""
    try:
        return serving.point(serving.socket(settings, settled=True)), ""
    except OperationError as error:
        return None, str(error)


@contextmanager
def _source(workspace: Workspace, stack: str, vercel: VercelAccount) -> Iterator[Source]:
    other = replace(workspace, stack=stack)
    try:
        settings = other.load().settings
    except OperationError as error:  # without a monitor, what is asked here may be in the clear
        settings = other.in_the_clear().settings
        _ensure_readable(settings, error)
    trouble, socket = "", None
    try:
        socket = serving.socket(settings)
    except OperationError as error:
        trouble = str(error)
    with _watch(settings) as watch:
        yield Source(
            settings=settings, web=serving.web(settings, vercel), socket=socket, watch=watch, trouble=trouble
        )


def _ensure_readable(settings: Settings, error: OperationError) -> None:
    """Raise where a stack is asked with its secrets, which could not be decrypted: `error` says why."""
    over_tls = settings.socket_release and settings.socket_host.startswith("tcp://")
    keys = ["MONITOR_PASSWORD"] if settings.monitor_host else []
    keys += ["SOCKET_HOST_KEY"] if over_tls else []
    if keys:
        raise OperationError(
            f"promotion needs {' and '.join(keys)} of stack {settings.stack}, whose secrets cannot be "
            "decrypted here. Let whoever promotes decrypt with that stack's key too (docs/delivery.md, The "
            f"key of the other stack), and try: python -m operations doctor --stack {settings.stack}\n{error}"
        )


@contextmanager
def _watch(settings: Settings) -> Iterator[Watch | None]:
    """The stack's monitor; None where it declares none."""
    if not settings.monitor_host:
        yield None
        return
    with monitor.connected(settings) as found:
        yield found


def show_lines(lines: Sequence[Line]) -> None:
    """The Go/No-Go list: mark, what, evidence, and below a No-Go the command that mends it."""
    width = max(len(line.what) for line in lines)
    marks = {True: "[green]Go[/green]   ", False: "[red]No-Go[/red]", None: "[yellow]?[/yellow]    "}
    for line in lines:
        out.print(f"  {marks[line.ok]}  {line.what:{width}}  {escape(line.evidence)}")
        if line.ok is False and line.fix:
            out.print(f"         {'':{width}}  [dim]-> {escape(line.fix)}[/dim]")

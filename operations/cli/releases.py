"""`up`, `promote` and `rollback`: what carries a stack from one release to the next."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Annotated, Final

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
from operations.parts import PARTS, Access, Part, Served, State, part_of, verify
from operations.parts.release import (
    Release,
    changed,
    current,
    names,
    previous,
    promoting,
    proposed,
    restorable,
    rolling_back,
    to_take_back,
)
from operations.services import approval, monitor
from operations.services.accounts import VercelAccount
from operations.stack.engine import Engine, LockedError
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import promote as promotion
from operations.verbs.promote import Source, Watch
from plan.config import Loaded
from plan.promotion import Line, Point
from plan.settings import Settings

_NAMES: Final = "|".join(part.name for part in PARTS)
Refresh = Annotated[bool, typer.Option("--refresh", help="Read what is really there first, and mend it.")]


def _one(name: str) -> Part:
    if name not in _NAMES.split("|"):
        raise typer.BadParameter(f"no part of a release, which are {_NAMES}")
    return part_of(name)


def up(stack: Stack, refresh: Refresh = False, rehearsal: Rehearsal = False, yes: Yes = False) -> None:
    """Apply a stack, and recover what a killed run left behind."""
    with recovery(stack, rehearsal) as found:
        ensure_current(found.workspace)
        traces = clear(found, yes=yes)
        if not apply(found, yes=yes, refresh=refresh, lost=traces.creates):
            out.print("nothing to change")
    with recovery(stack, rehearsal) as found:
        drop_import_ids(found)
        access = Access(settings=found.settings, vercel=found.vercel)
        conclude(verify(access, state=found.workspace.state()))


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
        target, state = loaded.settings, workspace.state()
        access = Access(settings=target, vercel=vercel_account(workspace, vercel_url, target))
        with (
            _source(workspace, promotion.source_of(target), access.vercel) as source,
            _watch(target) as watch,
        ):
            found, troubles = _asked(access, settled=True)
            served = _points(found, troubles)
            judge = promotion.Judge(
                target=target, source=source, watch=watch, state=state, served=served, troubles=troubles,
                built=_built(access, state), github=github_account(workspace, github_url, target),
            )  # fmt: skip
            change = promoting(target, source.release, served, judge.built)
            if dry_run:
                for run in approval.waiting(judge.github, target):
                    out.print(f"[yellow]{run}[/yellow]")
            parts = changed(current(target), source.release)
            _judge(judge, proposed(loaded, change), parts, release)
        new, words = source.release, names(parts) or "what is recorded"
        edit = Edit(subject=f"Promote {new.told(parts) or new} to {stack}: {words}", change=change)
        if dry_run:
            carry_out(workspace, edit, yes=False, look=True)
            return
        _apply(workspace, access, edit, PARTS, yes=yes, question=f"Go: promote {new} to {stack}?")
        _verify(workspace, access, PARTS)


def rollback(
    stack: Stack,
    part: Annotated[
        Part | None,
        typer.Option("--part", parser=_one, metavar=_NAMES, help="One part of the release alone."),
    ] = None,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Go back to N-1, which is built already. Needs neither GitHub nor the monitor nor young keys."""
    with recovery(stack, rehearsal) as found:
        ensure_current(found.workspace, refuse=False)
        clear(found, yes=yes, hosts=False)
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, _):
        target, state = workspace.load().settings, workspace.state()
        access = Access(settings=target, vercel=vercel_account(workspace, vercel_url, target))
        back = to_take_back(target, part)
        promoted = tuple(each for each in PARTS if each.name in target.promoted_parts)
        asked = (part,) if part else promoted or PARTS
        if reasons := restorable(access, back, state):
            raise OperationError("\n".join(reasons))
        _show_way_back(target, back, asked)
        moved, old = back or asked, current(target)
        edit = Edit(
            subject=f"Roll {names(moved)} of {stack} back from {old.told(moved)}",
            change=rolling_back(target, back, _built(access, state)),
            urgent=True,
        )
        _apply(
            workspace, access, edit, asked, yes=yes, question=f"Roll {stack} back?",
            # A killed run may have changed what the state does not know yet.
            refresh=True,
            # Nothing but these is asked or touched: what else is down does not matter. By name, as the alias
            # does not exist yet when it is the first promotion that failed.
            targets=[f"**::{name}" for each in asked if old.of(each).sha for name in each.targets],
        )  # fmt: skip
        _verify(workspace, access, asked)


def _judge(judge: promotion.Judge, after: Loaded, parts: Sequence[Part], expected: str | None) -> None:
    """Show what moves, and the Go/No-Go list where anything does, was asked for, or could not be asked.

    What is not known is not nothing. Raises OperationError on a No-Go.
    """
    target, new = judge.target, judge.source.release
    old = current(target)
    served = {part: each for part, each in judge.served.items() if each is not None}
    serves = Release({**old.points, **served})
    moves = f"{serves.told(parts)} -> {new.told(parts)}" if parts else str(new)
    out.print(f"[bold]{moves}[/bold] in {target.stack}")
    if not parts and not expected and not judge.source.troubles:
        return
    lines = list(judge.lines(after, date.today(), expected))
    show_lines(lines)
    if any(line.ok is False for line in lines):
        raise OperationError(f"No-Go: {target.stack} stays as it is")


def _show_way_back(target: Settings, back: Sequence[Part], asked: Sequence[Part]) -> None:
    old, new, stack = current(target), previous(target), target.stack
    if back:
        out.print(f"[bold]{names(back)} of {stack}: {old.told(back)} -> {new.told(back)}[/bold]")
        return
    there = f"N-1 is {new.told(asked)}" if any(new.of(each).sha for each in asked) else "there is no N-1"
    out.print(f"{stack} was taken back already ({there}); seeing to it that {old.told(asked)} serves")


def _apply(
    workspace: Workspace,
    access: Access,
    edit: Edit,
    parts: Sequence[Part],
    *,
    yes: bool,
    question: str,
    targets: Sequence[str] = (),
    refresh: bool = False,
) -> None:
    """Record the edit and apply it. A failure says which release still serves."""
    try:
        if not carry_out(workspace, edit, yes=yes, targets=targets, question=question, refresh=refresh):
            out.print("nothing to change")
    except LockedError:
        raise
    except OperationError as error:
        serves = "\n".join(_serving(access, parts))
        raise OperationError(f"{error}\nWhat serves now:\n{serves}") from None


def _verify(workspace: Workspace, access: Access, parts: tuple[Part, ...]) -> None:
    """Ask the services what they serve; ends with exit code 1 unless it is what the stack file names."""
    conclude(verify(replace(access, settings=workspace.load().settings), parts, workspace.state()))


def _serving(access: Access, parts: Sequence[Part]) -> Iterator[str]:
    """One line a part, whatever can be asked."""
    for part in parts:
        if part.declared(access.settings):
            try:
                yield f"  {part.name}: {part.told(access)}"
            except OperationError as error:
                yield f"  {part.name}: not known, {error}"


def _asked(access: Access, *, settled: bool = False) -> tuple[dict[str, Served | None], dict[str, str]]:
    """What serves of each part, None where nothing does or it could not be asked; and why it could not."""
    served: dict[str, Served | None] = {}
    troubles: dict[str, str] = {}
    for part in PARTS:
        try:
            served[part.name] = part.served(access, settled=settled)
        except OperationError as error:
            served[part.name], troubles[part.name] = None, str(error)
    return served, troubles


def _points(served: Mapping[str, Served | None], troubles: Mapping[str, str]) -> dict[str, Point | None]:
    """The releases that serve, by part; None for what could not be asked."""
    points = {part: each.point if each else Point() for part, each in served.items()}
    return {part: None if part in troubles else each for part, each in points.items()}


def _built(access: Access, state: State) -> dict[str, bool]:
    """Of each part: whether the stack has built what its record names."""
    return {part.name: part.built(access.settings, state) for part in PARTS}


@contextmanager
def _source(workspace: Workspace, stack: str, vercel: VercelAccount) -> Iterator[Source]:
    other = replace(workspace, stack=stack)
    try:
        settings = other.load().settings
    except OperationError as error:  # without a monitor, what is asked here may be in the clear
        settings = other.in_the_clear().settings
        _ensure_readable(settings, error)
    served, troubles = _asked(Access(settings=settings, vercel=vercel))
    with _watch(settings) as watch:
        yield Source(settings=settings, served=served, watch=watch, troubles=troubles)


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

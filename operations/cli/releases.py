"""`up`, `promote` and `rollback`: what carries a stack from one release to the next."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape

from operations import recover, serving
from operations.cli.console import (
    Rehearsal,
    Stack,
    Yes,
    accounts_of,
    err,
    github_account,
    out,
    vercel_account,
)
from operations.cli.course import Edit, carry_out, confirm
from operations.engine import Engine
from operations.recover import Recovery
from operations.serving import Finding
from operations.workspace import OperationError

Refresh = Annotated[bool, typer.Option("--refresh", help="Read what is really there first, and mend it.")]


def up(stack: Stack, refresh: Refresh = False, rehearsal: Rehearsal = False, yes: Yes = False) -> None:
    """Apply a stack, and recover what a killed run left behind."""
    with _recovery(stack, rehearsal) as found:
        found.unlock(partial(confirm, yes=yes), lambda text: err.print(f"[yellow]{escape(text)}[/yellow]"))
        edit = Edit(subject=f"Apply {stack}")
        if pending := found.pending():
            err.print(f"[yellow]creates that never answered:[/yellow] {', '.join(pending)}")
            found.forget_pending()
            edit = _adopting(found) or edit
        try:
            changed = carry_out(found.workspace, edit, yes=yes, refresh=refresh)
        except OperationError as error:
            again = _adopting(found)
            if again is None:
                raise
            err.print(
                f"[yellow]failed, because something exists that the state does not know:[/yellow] {error}"
            )
            changed = carry_out(found.workspace, again, yes=yes, refresh=refresh)
        if not changed:
            out.print("nothing to change")
    with _recovery(stack, rehearsal) as found:
        if done := found.leftover():
            carry_out(
                found.workspace,
                Edit(subject=f"Drop import ids of {stack}", change=recover.drop_ids(done)),
                yes=True,
            )
        conclude([serving.verify_web(found.settings, found.vercel)])


@contextmanager
def _recovery(stack: str, rehearsal: bool) -> Iterator[Recovery]:
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        settings = workspace.load().settings
        yield Recovery(
            workspace=workspace,
            engine=Engine(workspace),
            settings=settings,
            vercel=vercel_account(workspace, vercel_url, settings),
            github=github_account(workspace, github_url, settings),
        )


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


def conclude(findings: Sequence[Finding]) -> None:
    """Say what really serves, and end with exit code 1 unless all of it is as it should be."""
    marks = {True: "[green]ok[/green]  ", False: "[red]FAIL[/red]", None: "[yellow]?[/yellow]   "}
    for finding in findings:
        out.print(f"  {marks[finding.ok]}  {finding.what}: {escape(finding.text)}")
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)

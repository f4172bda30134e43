"""`drift`: what was changed by hand, and taking it back."""

import json
from functools import partial
from typing import Annotated

import typer

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
from operations.cli.course import Progress, confirm
from operations.stack.engine import Engine
from operations.stack.workspace import OperationError
from operations.verbs import drift as drifts
from plan.hosts import docker_hosts

DRIFTED = 3  # exit code; 1 is an error or something not checked, 2 a wrong command line


def drift(
    stack: Stack,
    mend: Annotated[
        list[str] | None, typer.Option("--mend", metavar="NAME", help="Take this change back. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Show what was changed by hand behind the program's back. Reads only, unless told to mend.

    Exit code: 0 nothing was changed, 3 something was, 1 something could not be checked. What GitHub does not
    tell a token that only reads is named, and no failure.
    """
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        settings = workspace.load().settings
        vercel = vercel_account(workspace, vercel_url, settings)
        github = github_account(workspace, github_url, settings)
        look = partial(drifts.inspect, workspace, vercel, github, docker_hosts(settings))
        found = look()
        if mend:
            chosen = [f for f in found.findings if f.name in mend]
            if unknown := sorted(set(mend) - {f.name for f in chosen}):
                names = ", ".join(f.name for f in found.findings) or "nothing"
                raise OperationError(f"no change by hand is named {', '.join(unknown)}. Found: {names}")
            console = err if as_json else out
            for finding in chosen:
                console.print(f"  mend    {finding.where}: {finding.what}", markup=False)
            Engine(workspace).ensure_unlocked()
            confirm("Write what was applied again?", yes=yes)
            with Progress() as progress:
                drifts.mend(workspace, github, chosen, progress)
            found = look()
            if left := [f.where for f in found.findings if f.name in mend]:
                raise OperationError(f"written, and it differs again: {', '.join(left)}")
            console.print(f"Mended: {', '.join(mend)}.", markup=False)
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        _show(found)
    if found.findings and not mend:
        raise typer.Exit(DRIFTED)
    if found.unchecked:
        raise typer.Exit(1)


def _show(found: drifts.Drift) -> None:
    for finding in found.findings:
        out.print(finding.where, style="bold", markup=False)
        out.print(f"  {finding.what}", markup=False)
        if finding.keep:
            out.print(f"  {finding.keep}", markup=False)
        out.print(f"  -> {found.mend_command(finding)}", markup=False)
    count = len(found.findings)
    told = "nothing was" if not count else "1 thing was" if count == 1 else f"{count} things were"
    out.print(f"{found.stack}: {told} changed by hand.")
    for text in found.untold:
        err.print(f"not told to this token: {text}", markup=False)
    for text in found.unchecked:
        err.print(f"not checked: {text}", markup=False)
    if found.pending:
        out.print(
            f"Beside that, {found.pending} declared changes are not applied yet: "
            f"pulumi preview --stack {found.stack}"
        )

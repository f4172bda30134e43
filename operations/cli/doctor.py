"""`doctor`: one line a check, a fix below each finding, exit code 1 if there is one."""

import json
import socket
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from operations.cli.console import Rehearsal, Stack, accounts_of, out
from operations.services.practice import ACCOUNT, practice
from operations.verbs import doctor as examination


def doctor(
    stack: Stack,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    rehearsal: Rehearsal = False,
) -> None:
    """Check this machine and the accounts before a live run. Changes nothing."""
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        found: list[examination.Check] = []
        resolve = _resolver(workspace.env.get(ACCOUNT))
        for check in examination.examine(workspace, vercel_url, github_url, resolve, datetime.now(UTC)):
            found.append(check)
            if not as_json:
                _show(check)
    count = len(examination.faults(found))
    if as_json:
        checks = [asdict(check) for check in found]
        print(json.dumps({"stack": stack, "findings": count, "checks": checks}, indent=2))
    elif count:
        out.print(f"\n[bold]{count} {'finding' if count == 1 else 'findings'}[/bold]")
    else:
        out.print("\nnothing found")
    if count:
        raise typer.Exit(1)


def _show(check: examination.Check) -> None:
    what, fault, fix = escape(check.what), escape(check.fault), escape(check.fix)
    if check.fault:
        out.print(f"  [red]fault[/red]  {what}: {fault}\n         -> {fix}")
    elif check.skipped:
        out.print(f"  [yellow]skip[/yellow]   {what}: {escape(check.skipped)}")
    else:
        out.print(f"  [green]ok[/green]     {what}")


def _resolver(account: str | None) -> examination.Resolve:
    """The machine's own DNS; in the rehearsal the demo account's, whose domains are nobody's."""
    if account:
        rehearsed = practice()
        return lambda domain: rehearsed.addresses(Path(account), domain)
    return _addresses


def _addresses(domain: str) -> Sequence[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(domain, 443)})
    except OSError:
        return []

"""`status`: keys and their age, releases, health, alerts and drift of every stack."""

import json
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operations.cli.console import Rehearsal, accounts_of, github_account, out, vercel_account
from operations.parts import PARTS
from operations.stack.workspace import TO_DECRYPT, OperationError, Workspace
from operations.verbs import status as states
from operations.verbs.status import Key, StackStatus
from plan.config import read_siblings
from plan.settings import Settings
from plan.variables import MATRIX

_WORDS = {
    "missing": "[red]missing[/red]", "not known": "[red]not known[/red]", "not set": "[dim]not set[/dim]",
    "refused": "[dim]–[/dim]",
    "platform": "[dim]Vercel's[/dim]", "derived": "[dim]derived[/dim]", "made": "[dim]made[/dim]",
}  # fmt: skip
_DUE = {"": "", "soon": "yellow", "overdue": "bold red"}


def status(
    stack: Annotated[str | None, typer.Option("--stack", "-s", help="One stack alone; all without.")] = None,
    drift: Annotated[bool, typer.Option(help="Look for drift, which takes the longest.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    rehearsal: Rehearsal = False,
) -> None:
    """Show keys with their age, releases, health, alerts, drift. Never a value. Exit code 1: not healthy."""
    keys: list[Key] = []
    stacks: list[StackStatus] = []
    with accounts_of(stack or "", rehearsal) as (workspace, vercel_url, github_url):
        names = [stack] if stack else [file.stack for file in read_siblings(workspace.folder, "")][::-1]
        for name in names:
            one = replace(workspace, stack=name)
            settings, locked = _read(one)
            keys += states.keys(settings, date.today(), locked=bool(locked))
            vercel = vercel_account(one, vercel_url, settings)
            github = github_account(one, github_url, settings)
            stacks.append(states.stack_status(one, settings, vercel, github, drift=drift, locked=locked))
    if as_json:
        shown = {"keys": [asdict(key) for key in keys], "stacks": [each.as_json() for each in stacks]}
        out.print_json(json.dumps(shown))
    else:
        show(out, keys, stacks)
    if not all(each.good for each in stacks) or any(key.state == "missing" for key in keys):
        raise typer.Exit(1)


def _read(workspace: Workspace) -> tuple[Settings, str]:
    """The stack's settings; where its secrets cannot be decrypted without them, and why."""
    try:
        return workspace.load().settings, ""
    except OperationError as error:
        why = str(error).splitlines()[-1].strip().removeprefix("error: ")
        return workspace.in_the_clear().settings, f"cannot be decrypted: {why}; {TO_DECRYPT}"


def show(console: Console, keys: list[Key], stacks: list[StackStatus]) -> None:
    """Both tables, at 100 columns or less."""
    environments = list(dict.fromkeys(key.environment for key in keys))
    environments.sort(key=lambda name: name != "preview")  # as a change travels
    cells = {(key.key, key.environment): key for key in keys}
    table = Table(title="Keys", title_justify="left", width=min(console.width, 100))
    for heading in ("key", *environments):
        table.add_column(heading, no_wrap=True)
    for row in MATRIX:
        table.add_row(row.key, *(_cell(cells[row.key, environment]) for environment in environments))
    console.print(table)
    table = Table(title="Stacks", title_justify="left", width=min(console.width, 100))
    table.add_column("")
    for each in stacks:
        table.add_column(each.stack, overflow="fold")
    lines = {
        "secrets": [each.secrets for each in stacks],
        "stack file names": [each.release for each in stacks],
        "N-1": [each.previous for each in stacks],
        **{part.name: [each.serves[part.name] for each in stacks] for part in PARTS},
        "health": ["\n".join(f"{part}: {text}" for part, text in each.healthy.items()) for each in stacks],
        "open alerts": ["\n".join(each.alerts) or "none" for each in stacks],
        "battle": [each.battle for each in stacks],
        "drift": [each.drift for each in stacks],
        "healthy": ["[green]yes[/green]" if each.good else "[red]NO[/red]" for each in stacks],
    }
    for what, texts in lines.items():
        table.add_row(what, *(text if what == "healthy" else escape(text) for text in texts))
    console.print(table)


def _cell(key: Key) -> str:
    if key.state != "set":
        return _WORDS[key.state]
    if key.age is None:
        return "set"
    text, style = f"set, {key.age} days" + (f", {key.due}" if key.due else ""), _DUE[key.due]
    return f"[{style}]{text}[/{style}]" if style else text

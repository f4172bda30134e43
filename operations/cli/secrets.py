"""`set`, `stamp` and `rotate`: secrets with the records beside them."""

import secrets as random
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Annotated

import typer

from operations import rotate as rotation_of
from operations import secrets
from operations.cli.console import (
    Rehearsal,
    Stack,
    Yes,
    accounts_of,
    github_account,
    out,
    read_value,
    vercel_account,
    workspace_of,
)
from operations.cli.course import Edit, carry_out, conclude
from operations.engine import Engine
from plan.settings import Settings
from plan.variables import overlap_of, row_of


def set_(
    key: Annotated[str, typer.Argument(help="A secret of the matrix, or fingerprintKey.")],
    stack: Stack,
    generate: Annotated[bool, typer.Option("--generate", help="Make a random value.")] = False,
    rehearsal: Rehearsal = False,
) -> None:
    """Set a secret with its date and HMAC. The value is asked for, or read from standard input."""
    workspace = workspace_of(stack, rehearsal)
    value = random.token_urlsafe(32) if generate else read_value(key)
    secrets.set_secret(workspace, key, value, date.today())
    out.print(f"{key} is set in {workspace.stack_file.name}. Next: pulumi preview --stack {stack}")


def stamp(
    stack: Stack,
    keys: Annotated[list[str] | None, typer.Argument(help="Secrets; all that need it when left out.")] = None,
    rehearsal: Rehearsal = False,
) -> None:
    """Write today's date and the HMAC beside secrets that were set with `pulumi config set`."""
    workspace = workspace_of(stack, rehearsal)
    stamped = secrets.stamp(workspace, keys or (), date.today())
    out.print(f"stamped: {', '.join(stamped)}" if stamped else "every record fits its value; nothing changed")


def rotate(
    key: Annotated[str, typer.Argument(help="A secret of the matrix.")],
    stack: Stack,
    *,
    generate: Annotated[bool, typer.Option("--generate", help="Make a random value.")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="End the overlap: the value before is valid no more.")
    ] = False,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Give a secret a new value in every store, redeploy what carries it, and see that it is live.

    The value is asked for, or read from standard input.
    """
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        Engine(workspace).ensure_unlocked()
        settings = workspace.load().settings
        if finish:
            rotation = rotation_of.finish(settings, key)
            checked = overlap_of(key) or key
        else:
            value = rotation_of.generated(key) if generate else read_value(key)
            rotation, checked = rotation_of.begin(settings, key, value, date.today()), key
        vercel = vercel_account(workspace, vercel_url, settings)
        github = github_account(workspace, github_url, settings)
        carriers = rotation_of.Carriers(key=checked, vercel=vercel, github=github)
        verb = "End the overlap of" if finish else "Rotate"
        edit, before = Edit(subject=f"{verb} {key} in {stack}"), None
        if rotation:
            edit = replace(edit, change=rotation.change, secrets=rotation.secrets)
            changed = rotation_of.services_between(settings, rotation.applied(settings))
            before = carriers.stores(settings, workspace.state(), changed)
        else:
            out.print(f"{key} is {'finished' if finish else 'set so'} already; seeing to the stores")
            changed = rotation_of.services_between(Settings(stack=stack), settings)
        ended = before if finish else None
        first = partial(rotation_of.remove, ended, vercel) if ended else lambda: None
        carry_out(workspace, edit, yes=yes, question=f"{verb} {key} in {stack}?", first=first)

        settings, state = workspace.load().settings, workspace.state()
        after = carriers.stores(settings, state, changed)
        found = list(rotation_of.verify(before, after))
        if ended:
            found += rotation_of.verify_gone(ended, vercel)
        conclude([*found, *rotation_of.verify_builds(settings, key, after, state, vercel)])
        _afterwards(key, stack, rotation_of.still_old(settings, checked, after, vercel), finish=finish)


def _afterwards(key: str, stack: str, branches: list[str], *, finish: bool) -> None:
    if branches:
        out.print(f"  still with the old value: previews of {', '.join(branches)}, until their next push")
    if finish:
        return
    if kept := overlap_of(key):
        out.print(
            f"  {kept} keeps the old value valid. Once nobody needs it: "
            f"python -m operations rotate {key} --finish --stack {stack}"
        )
    elif row_of(key).issued:
        out.print("  Look at the app, then revoke the old value at its issuer.")

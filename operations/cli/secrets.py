"""`set`, `stamp` and `rotate`: secrets with the records beside them."""

import secrets as random
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from operations.cli.console import (
    Rehearsal,
    Stack,
    Yes,
    accounts_of,
    github_account,
    out,
    read_input,
    read_value,
    vercel_account,
    workspace_of,
)
from operations.cli.course import Edit, carry_out, conclude, tell
from operations.cli.recovery import take_up
from operations.cli.upstream import ensure_current
from operations.parts import PARTS, Access, Finding, verify
from operations.stack import secrets
from operations.stack.engine import Engine, LockedError
from operations.stack.workspace import OperationError
from operations.verbs import rotate as rotation_of
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
    ensure_current(workspace)
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
    ensure_current(workspace)
    stamped = secrets.stamp(workspace, keys or (), date.today())
    out.print(f"stamped: {', '.join(stamped)}" if stamped else "every record fits its value; nothing changed")


def rotate(
    stack: Stack,
    keys: Annotated[list[str] | None, typer.Argument(help="Secrets of the matrix.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every secret that the stack has.")] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make random values of those that nobody issues.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="End the overlap: the value before is valid no more.")
    ] = False,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Give secrets new values in every store, redeploy what carries them once, and see that they are live.

    Values are asked for, or read from standard input: one secret alone as it is, several as KEY=VALUE lines.
    """
    if bool(keys) == every or (finish and len(keys or ()) != 1):
        raise OperationError("rotate KEY…, or rotate --all; --finish takes one KEY")
    ensure_current(workspace_of(stack, rehearsal))
    take_up(stack, rehearsal, yes=yes)
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        Engine(workspace).ensure_unlocked()
        settings, wanted = workspace.load().settings, list(dict.fromkeys(keys or ()))
        if every:
            wanted, left = rotation_of.all_keys(settings)
            if left:
                out.print(f"[yellow]not among them, rotate each alone:[/yellow] {', '.join(left)}")
        if finish:
            rotation = rotation_of.finish(settings, wanted[0])
            checked = [overlap_of(wanted[0]) or wanted[0]]
        else:
            rotation = rotation_of.begin_all(settings, _values(settings, wanted, generate), date.today())
            # Of what an interrupted rotation has set already, only the present can be judged.
            checked = [key for key in wanted if rotation is None or key in rotation.secrets]
        vercel = vercel_account(workspace, vercel_url, settings)
        github = github_account(workspace, github_url, settings)
        access = Access(settings=settings, vercel=vercel)
        carriers = rotation_of.Carriers(keys=tuple(checked), vercel=vercel, github=github)
        verb, named = "End the overlap of" if finish else "Rotate", ", ".join(wanted)
        edit, before = Edit(subject=f"{verb} {named} in {stack}"), None
        if rotation:
            edit = replace(edit, change=rotation.change, secrets=rotation.secrets)
            changed = rotation_of.services_between(settings, rotation.applied(settings))
            _ensure_settled(access, checked, changed)
            before = carriers.stores(settings, workspace.state(), changed)
        else:
            out.print(f"{named}: {'finished' if finish else 'set so'} already; seeing to the stores")
            changed = rotation_of.services_between(Settings(stack=stack), settings)
        ended = before if finish else None
        first = partial(rotation_of.remove, ended, vercel) if ended else lambda: None
        for text in rotation_of.skipping(settings, checked, vercel):
            out.print(f"[yellow]warning:[/yellow] {escape(text)}")
        question = f"{verb} {named} in {stack}?"
        failure = _failure(
            lambda: carry_out(workspace, edit, yes=yes, question=question, first=first, onward=True)
        )
        settings, state = workspace.load().settings, workspace.state()
        access = replace(access, settings=settings)
        if failure and not rotation_of.landed(settings, rotation):
            raise failure
        after = carriers.stores(settings, state, changed)
        found = [
            *rotation_of.verify(before, after),
            *(rotation_of.verify_gone(ended, vercel) if ended else ()),
        ]
        found += rotation_of.verify_builds(access, checked, after, state)
        written = tuple(part for part in PARTS if part.written(settings, changed))
        found += [each for each in verify(access, written, state) if each.ok is False]
        if failure or any(each.ok is False for each in found):
            _unfinished(found, failure, rotation_of.not_yet(settings, wanted))
        conclude(found)
        _afterwards(wanted, stack, rotation_of.still_old(settings, checked, after, vercel), finish=finish)


def _failure(run: Callable[[], object]) -> OperationError | None:
    """How a run failed; None where it did not. Raises LockedError: nothing was changed then."""
    try:
        run()
    except LockedError:
        raise
    except OperationError as error:
        return error
    return None


def _unfinished(found: list[Finding], failure: OperationError | None, advice: str) -> NoReturn:
    """Tell what every store and build has, and raise with what not to do yet."""
    for each in found:
        tell(each)
    raise OperationError(f"{failure}\n{advice}" if failure else advice)


def _ensure_settled(access: Access, keys: list[str], services: Collection[str]) -> None:
    """Raise where the record and what serves differ in what a rotation writes again."""
    if reasons := rotation_of.unsettled(access, keys, services):
        raise OperationError("\n".join([*reasons, "Settle that first: nothing was changed"]))


def _values(settings: Settings, keys: list[str], generate: bool) -> dict[str, str]:
    """A new value for each key: made here, or entered. What was made lately stays: it is under way."""
    found: dict[str, str] = {}
    for key in [k for k in keys if generate and (len(keys) == 1 or rotation_of.made_here(k))]:
        if rotation_of.under_way(settings, key, date.today()):
            found[key] = settings.values[key].get_secret_value()
        else:
            found[key] = rotation_of.generated(key)
    asked = [key for key in keys if key not in found]
    if len(keys) > 1 and not sys.stdin.isatty():
        return found | (rotation_of.parse_lines(read_input(), asked) if asked else {})
    return found | {key: read_value(key) for key in asked}


def _afterwards(keys: list[str], stack: str, branches: list[str], *, finish: bool) -> None:
    if branches:
        out.print(f"  still with the old value: previews of {', '.join(branches)}, until their next push")
    if finish:
        return
    for key in keys:
        if kept := overlap_of(key):
            out.print(
                f"  {kept} keeps the old value valid. Once nobody needs it: "
                f"python -m operations rotate {key} --finish --stack {stack}"
            )
    if issued := [key for key in keys if row_of(key).issued]:
        out.print(f"  Look at the app, then revoke the old value at its issuer: {', '.join(issued)}")

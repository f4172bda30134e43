"""Command line of the operations: `python -m operations VERB --stack STACK`.

Owns questions, progress and exit codes; the work is done by one module a verb.
"""

import os
import secrets as random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from operations import adopt as adoption
from operations import secrets
from operations.accounts import GITHUB_URL, VERCEL_URL, GitHubAccount, VercelAccount
from operations.workspace import OperationError, Workspace
from plan.preflight import blocking_for_adoption

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: staging or production.")]
Rehearsal = Annotated[bool, typer.Option("--rehearsal", help="Work on the rehearsal, not on live accounts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback()
def main() -> None:
    """Operate PaintShare's stacks: secrets, adoption of what exists."""


@app.command()
def adopt(stack: Stack, rehearsal: Rehearsal = False, yes: Yes = False) -> None:
    """Compare the stack with the live accounts and write import ids to its stack file."""
    with _accounts(stack, rehearsal) as (workspace, vercel_url, github_url):
        loaded = workspace.load()
        blocking = blocking_for_adoption(loaded)
        if blocking:
            raise OperationError("\n".join(f"{p.key}: {p.text}\n  -> {p.fix}" for p in blocking))
        settings = loaded.settings
        vercel = VercelAccount(
            workspace.env.get("VERCEL_API_TOKEN"),
            settings.vercel_team,
            settings.vercel_project_id,
            vercel_url,
        )
        github = GitHubAccount(workspace.env.get("GITHUB_TOKEN"), settings.github_owner, github_url)
        found = adoption.inspect(settings, workspace.resources(), vercel, github)
        _show(found, leaving=sorted(set(settings.adopt) - set(found.ids)))
        if not yes and not typer.confirm("Write this to the stack file?"):
            raise typer.Exit(1)
        adoption.apply(workspace, found, vercel, date.today())
        out.print(f"Written: {workspace.stack_file.name}. Next: pulumi preview --stack {stack}")


@app.command("set")
def set_(
    key: Annotated[str, typer.Argument(help="A secret of the matrix, or fingerprintKey.")],
    stack: Stack,
    generate: Annotated[bool, typer.Option("--generate", help="Make a random value.")] = False,
    rehearsal: Rehearsal = False,
) -> None:
    """Set a secret with its date and HMAC. The value is asked for, or read from standard input."""
    workspace = _workspace(stack, rehearsal)
    value = random.token_urlsafe(32) if generate else _read_value(key)
    secrets.set_secret(workspace, key, value, date.today())
    out.print(f"{key} is set in {workspace.stack_file.name}. Next: pulumi preview --stack {stack}")


@app.command()
def stamp(
    stack: Stack,
    keys: Annotated[list[str] | None, typer.Argument(help="Secrets; all that need it when left out.")] = None,
    rehearsal: Rehearsal = False,
) -> None:
    """Write today's date and the HMAC beside secrets that were set with `pulumi config set`."""
    workspace = _workspace(stack, rehearsal)
    stamped = secrets.stamp(workspace, keys or (), date.today())
    out.print(f"stamped: {', '.join(stamped)}" if stamped else "every record fits its value; nothing changed")


def _show(found: adoption.Adoption, leaving: list[str]) -> None:
    for name, id in sorted(found.ids.items()):
        out.print(f"  adopt   {found.labels[name]}  [dim]{id}[/dim]")
    for key, value in sorted(found.project.items()):
        out.print(f"  keep    project setting {key} = {value}")
    for index, number in found.reviewers.items():
        out.print(f"  fill    reviewers[{index}].id = {number}")
    for split in found.splits:
        copy = "gets a copy" if split.value is not None else "is made by the next `up`"
        out.print(f"  split   {split.key}: the record keeps {', '.join(split.keep)}; {split.target} {copy}")
    for deletion in found.deletions:
        out.print(
            f"  [bold]delete[/bold]  variable {deletion.label}: it must become sensitive, which Vercel does "
            "for a new one only; running deployments keep its value, the next `up` makes it again"
        )
    for name in leaving:
        out.print(f"  done    {name}: no import id needed any more")
    if not (found.ids or found.project or found.reviewers or found.splits or found.deletions or leaving):
        out.print("  nothing to adopt: no declared object exists in the accounts outside this stack's state")


def _read_value(key: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"New value of {key}", hide_input=True, confirmation_prompt=True))
    return sys.stdin.read().removesuffix("\n")


def _workspace(stack: str, rehearsal: bool) -> Workspace:
    env = dict(os.environ)
    if rehearsal and "PAINTSHARE_ACCOUNT" not in env:  # else `python -m rehearsal env` was evaluated already
        from rehearsal import home  # noqa: PLC0415  only the rehearsal needs it

        env = home.ensure().env()
    folder = Path(env.get("PULUMI_OPTION_CWD") or Path.cwd())
    return Workspace(folder=folder.resolve(), stack=stack, env=env)


@contextmanager
def _accounts(stack: str, rehearsal: bool) -> Iterator[tuple[Workspace, str, str]]:
    """The workspace and the addresses of the two services; in the rehearsal the stand-ins' own."""
    workspace = _workspace(stack, rehearsal)
    account = workspace.env.get("PAINTSHARE_ACCOUNT")  # set by `python -m rehearsal env`
    if not account:
        yield workspace, VERCEL_URL, GITHUB_URL
        return
    from rehearsal.standin.api import AccountApi  # noqa: PLC0415  only the rehearsal needs it

    with AccountApi(Path(account)) as api:
        yield workspace, api.vercel_url, api.github_url


def run() -> None:
    """Entry point: an OperationError ends in its message and exit code 1, never in a traceback."""
    try:
        app()
    except OperationError as error:
        err.print(f"[red]error:[/red] {error}", markup=True)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("interrupted; the stack file is as it was or complete, never half-written")
        sys.exit(130)


if __name__ == "__main__":
    run()

"""What every verb shares: its options, the two consoles, the workspace, the addresses of the accounts."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from operations.services.accounts import GITHUB_URL, VERCEL_URL, GitHubAccount, VercelAccount
from operations.services.practice import ACCOUNT, practice
from operations.stack.workspace import OperationError, Workspace
from plan.settings import Settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: staging or production.")]
Rehearsal = Annotated[bool, typer.Option("--rehearsal", help="Work on the rehearsal, not on live accounts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


_read: dict[str, object] = {}


def read_value(key: str) -> str:
    """A secret from a prompt or from standard input, never from arguments."""
    if sys.stdin.isatty():
        return str(typer.prompt(f"New value of {key}", hide_input=True, confirmation_prompt=True))
    return read_input()


def read_input() -> str:
    """Standard input, once and for all: a verb that waited for a lock begins again and asks again.

    Raises OperationError where it is no text: a shell may write UTF-16 into a pipe.
    """
    try:
        if _read.get("from") is not sys.stdin:
            _read.update({"from": sys.stdin, "text": sys.stdin.read()})
        return str(_read["text"])
    except UnicodeDecodeError:
        raise OperationError("standard input is no UTF-8 text; nothing was changed") from None


def workspace_of(stack: str, rehearsal: bool) -> Workspace:
    env = dict(os.environ)
    if rehearsal and ACCOUNT not in env:  # else `python -m rehearsal env` was evaluated already
        env = dict(practice().environment())
    folder = Path(env.get("PULUMI_OPTION_CWD") or Path.cwd())
    return Workspace(folder=folder.resolve(), stack=stack, env=env)


@contextmanager
def accounts_of(stack: str, rehearsal: bool) -> Iterator[tuple[Workspace, str, str]]:
    """The workspace and the addresses of the two services; in the rehearsal the stand-ins' own."""
    workspace = workspace_of(stack, rehearsal)
    account = workspace.env.get(ACCOUNT)  # set by `python -m rehearsal env`
    if not account:
        yield workspace, VERCEL_URL, GITHUB_URL
        return
    with practice().accounts(Path(account)) as (vercel_url, github_url):
        yield workspace, vercel_url, github_url


def vercel_account(workspace: Workspace, url: str, settings: Settings) -> VercelAccount:
    token = workspace.env.get("VERCEL_API_TOKEN")
    return VercelAccount(token, settings.vercel_team, settings.vercel_project_id, url)


def github_account(workspace: Workspace, url: str, settings: Settings) -> GitHubAccount:
    return GitHubAccount(workspace.env.get("GITHUB_TOKEN"), settings.github_owner, url)

"""`set` and `stamp`: secrets with the records beside them."""

import secrets as random
from datetime import date
from typing import Annotated

import typer

from operations import secrets
from operations.cli.console import Rehearsal, Stack, out, read_value, workspace_of


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

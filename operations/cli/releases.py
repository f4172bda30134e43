"""`up`: what carries a stack from one release to the next."""

from operations.cli.console import Rehearsal, Stack, Yes, out, workspace_of
from operations.cli.course import Edit, carry_out


def up(stack: Stack, rehearsal: Rehearsal = False, yes: Yes = False) -> None:
    """Apply a stack, and recover what a killed run left behind."""
    workspace = workspace_of(stack, rehearsal)
    if not carry_out(workspace, Edit(subject=f"Apply {stack}"), yes=yes):
        out.print("nothing to change")

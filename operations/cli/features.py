"""`features`: switch a feature off and on, at once and without a deployment."""

from typing import Annotated

import typer
from rich.markup import escape

from operations.cli import upstream
from operations.cli.console import Rehearsal, Stack, Yes, accounts_of, err, out
from operations.cli.course import confirm
from operations.services.accounts import VercelAccount
from operations.stack import record
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import features as switches
from plan.web import names


def features(
    states: Annotated[list[str], typer.Argument(help="battle=off or battle=on.")],
    stack: Stack,
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Switch a feature at once. Works while another run holds the stack's lock."""
    wanted = switches.parse(states)
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, _):
        stated = workspace.stated()
        for feature, state in wanted.items():
            out.print(f"  {feature} of {stack}: {stated.get(feature)} -> [bold]{state}[/bold]")
        confirm("Switch it now?", yes=yes)
        token = workspace.env.get("VERCEL_API_TOKEN")
        vercel = VercelAccount(token, stated["vercelTeam"], stated["vercelProjectId"], vercel_url)
        switches.switch(workspace, vercel, wanted)
        out.print("  switched: readers see it within seconds")
        said = ", ".join(f"{feature} {state}" for feature, state in wanted.items())
        try:
            made = record.commit(workspace, f"Switch {said} in {stack}")
        except OperationError as error:  # the switch is thrown; a record that fails must not hide that
            err.print(f"[yellow]not recorded:[/yellow] {escape(str(error))}")
        else:
            upstream.recorded(workspace, made)
        upstream.ensure_current(workspace, refuse=False)  # not before: the switch waits for nobody
        _align(workspace, list(wanted))


def _align(workspace: Workspace, names_of: list[str]) -> None:
    """Read the items into the state, so that the next preview shows nothing; not while another run works."""
    from operations.stack.engine import Engine  # noqa: PLC0415  the switch itself needs no engine

    try:
        engine = Engine(workspace)
        engine.ensure_unlocked()
        state = workspace.state()
        items = [names("feature", feature) for feature in names_of]
        urns = [state[item]["urn"] for item in items if item in state]
        if urns:
            engine.refresh(urns)
    except OperationError as error:
        err.print(
            f"[dim]the state was left as it is ({escape(str(error).splitlines()[0])}); "
            "the next `up` brings it up to date[/dim]"
        )

"""`smoke` and `watch`: whether a release works, asked from outside."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from operations.cli.console import Rehearsal, Stack, err, out, workspace_of
from operations.cli.course import tell
from operations.parts import Finding
from operations.services.monitor import connected
from operations.services.network import Network
from operations.services.practice import ACCOUNT, practice
from operations.stack.workspace import OperationError, Workspace
from operations.verbs import watch as watching
from operations.verbs.smoke import smoke as ask
from plan.settings import Settings

UNJUDGED = 4  # exit code of a watch; 1 is an error or trouble, 2 a wrong command line


def smoke(stack: Stack, rehearsal: Rehearsal = False) -> None:
    """Ask for the pages of the web app and open a connection to the socket server."""
    workspace = workspace_of(stack, rehearsal)
    with _network(workspace) as network:
        found = list(_shown(ask(_settings(workspace), network)))
    failed = [finding.what for finding in found if finding.ok is False]
    if failed:
        raise OperationError(f"the smoke test of {stack} failed: {', '.join(failed)}")
    if unjudged := [f.what for f in found if f.ok is None and f.what.startswith("/")]:
        out.print(f"[yellow]not judged:[/yellow] {', '.join(unjudged)}; what is named above answered instead")


def watch(
    stack: Stack,
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="How long.")] = 15,
    rehearsal: Rehearsal = False,
) -> None:
    """Watch a release: probes, and the monitor's P1 alerts. Ends at the first sign of trouble.

    Exit code: 0 healthy, 1 not healthy, 4 not judged, because something else answered in the app's place.
    """
    workspace = workspace_of(stack, rehearsal)
    settings = _settings(workspace)
    with _network(workspace) as network:
        verdict = watching.watch(
            lambda: ask(settings, network),
            lambda: _pages(settings),
            minutes,
            lambda said: out.print(escape(said)),
        )
    if verdict.trouble:
        raise OperationError(f"{stack} is not healthy: {verdict.trouble}")
    if verdict.unjudged:
        err.print(
            f"[bold red]{stack} was not judged:[/bold red] {', '.join(verdict.unjudged)} could not be "
            "asked to the end. That is no reason to roll back: look at the pages yourself, and mend what is "
            "named above"
        )
        raise typer.Exit(UNJUDGED)
    unheard = f"; the monitor was silent in {verdict.unheard}" if verdict.unheard else ""
    out.print(f"{stack} was healthy in {verdict.rounds} rounds of probes{unheard}")


def _shown(findings: Iterable[Finding]) -> Iterator[Finding]:
    for finding in findings:
        tell(finding)
        yield finding


def _settings(workspace: Workspace) -> Settings:
    return workspace.load().settings


def _pages(settings: Settings) -> Iterable[str]:
    """The open P1 alerts of the stack's monitor. Raises OperationError when it cannot say."""
    with connected(settings) as monitor:
        return [alert.text for alert in monitor.open_alerts() if alert.page]


@contextmanager
def _network(workspace: Workspace) -> Iterator[Network]:
    """The internet; in the rehearsal the demo account's site and the home's own socket host."""
    account = workspace.env.get(ACCOUNT)
    if not account:
        yield Network()
        return
    with practice().network(Path(account), workspace.folder, _settings(workspace)) as network:
        yield network

"""`prune`: what keeps a Docker host from filling up with old releases."""

from dataclasses import replace
from typing import Annotated

import typer

from operations.cli.console import Rehearsal, Stack, Yes, out, workspace_of
from operations.cli.course import confirm
from operations.services import hosts
from operations.stack.workspace import OperationError
from operations.verbs import prune as pruning
from plan.hosts import socket_host
from plan.socket import service_name

Keep = Annotated[int, typer.Option("--keep", min=2, help="Releases that the stack keeps, N-1 among them.")]
Node = Annotated[
    str, typer.Option("--node", help="Docker address of another node of the swarm, pruned instead.")
]


def prune(
    stack: Stack,
    keep: Keep = pruning.KEEP,
    node: Node = "",
    rehearsal: Rehearsal = False,
    yes: Yes = False,
) -> None:
    """Remove old images of the socket server from the stack's Docker host."""
    workspace = workspace_of(stack, rehearsal)
    settings = workspace.load().settings
    if not settings.socket_release:
        raise OperationError(f"stack `{stack}` names no socketRelease, so nothing says what it needs")
    access = socket_host(settings)
    with (
        hosts.connected(access) as manager,
        hosts.connected(replace(access, address=node or access.address), manager=False) as target,
    ):
        running = manager.service(service_name(stack))
        if running is None or not running.settled:
            what = running.text if running else f"{access.address} does not run it"
            raise OperationError(f"{stack} is in the middle of something, so its way back must stay: {what}")
        verdicts = pruning.judge(
            target.images(settings.socket_image),
            stack, keep, pruning.histories(settings, workspace, manager), manager.used(),
        )  # fmt: skip
        _show(verdicts)
        _say_what_is_not_seen(manager.nodes(), node)
        going = [v for v in verdicts if not v.kept]
        if not going:
            out.print("nothing to remove")
            return
        confirm(f"Remove {_count(len(going))}?", yes=yes)
        gone = pruning.remove(target, verdicts)
        after = manager.service(service_name(stack))
        if after is None or not after.settled or after.image != running.image:
            raise OperationError(f"{stack} does not run as before: {after.text if after else 'it is gone'}")
        size = sum(v.image.size for v in gone) / 1e6
        out.print(f"removed {_count(len(gone))}, at most {size:.0f} MB (layers that others use stay)")


def _show(verdicts: list[pruning.Verdict]) -> None:
    for verdict in verdicts:
        name = verdict.image.names[0]
        if verdict.kept:
            out.print(f"  keep    {name}  [dim]{verdict.kept}[/dim]")
        else:
            out.print(f"  [red]remove[/red]  {name}")


def _say_what_is_not_seen(nodes: list[str], node: str) -> None:
    others = nodes[1:]
    if others and not node:
        out.print(
            f"  seen is {nodes[0]} alone: the engine tells of no other node's images. For "
            f"{', '.join(others)}: again with --node ADDRESS"
        )


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"

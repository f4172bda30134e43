"""What a person's machine and accounts lack before a live run: one line a check, a fix for each finding.

Reads only. A check that needs what another one found missing is skipped and says so. Whether a token may
*write* is seen where the service tells (roles, scopes, refusals); GitHub lists no permissions of a
fine-grained token, so for one of those only what it may read is proven.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from operations.stack.workspace import OperationError, Workspace
from operations.verbs.doctor.checks import Check, faults, last_words
from operations.verbs.doctor.dns import Resolve, dns
from operations.verbs.doctor.github import github
from operations.verbs.doctor.hosts import docker
from operations.verbs.doctor.machine import machine
from operations.verbs.doctor.stack import backend, stack_file
from operations.verbs.doctor.vercel import vercel

__all__ = [
    "Check", "Resolve", "backend", "dns", "docker", "examine", "faults", "github", "machine",
    "stack_file", "vercel",
]  # fmt: skip


def examine(
    workspace: Workspace, vercel_url: str, github_url: str, resolve: Resolve, now: datetime
) -> Iterator[Check]:
    """Every check, in an order in which a fix helps the next one."""
    first = list(machine(workspace))
    yield from first
    if first[0].fault:
        yield Check(what="everything else", skipped="it needs pulumi")
        return
    second = list(backend(workspace))
    yield from second
    if faults(second):
        yield Check(what="accounts, hosts and domains", skipped="the stack file cannot be read")
        return
    loaded = workspace.load()
    settings = loaded.settings
    env: Any = workspace.env
    parts: tuple[Callable[[], Iterator[Check]], ...] = (
        lambda: stack_file(loaded, now.date()),
        lambda: vercel(settings, env.get("VERCEL_API_TOKEN"), vercel_url, now),
        lambda: github(settings, env.get("GITHUB_TOKEN"), github_url, now, workspace.state()),
        lambda: docker(settings, now),
        lambda: dns(settings, resolve),
    )
    for part in parts:
        try:
            yield from part()
        except OperationError as error:  # a service that cannot be reached at all
            yield Check(
                what="it answers", fault=last_words(error), fix="check the network, then run doctor again"
            )

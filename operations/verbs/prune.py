"""Which images of the socket server a Docker host may lose: what no stack keeps.

An image is removed only if this stack once named or ran it, it is not among the last N of any stack, no stack
file names it and no service or container uses it. Whatever nobody knows stays: a host may be shared, and a
pruning that is generous with one stack takes another's way back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from operations.services.hosts import Host, LocalImage
from operations.stack import record
from operations.stack.workspace import OperationError, Workspace
from plan.settings import Settings
from plan.socket import service_name

KEEP: Final = 3  # releases a stack can go back to without its registry, N-1 among them


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One image and why it stays; `kept` is "" for one that goes."""

    image: LocalImage
    kept: str


def histories(settings: Settings, workspace: Workspace, host: Host) -> dict[str, list[str]]:
    """By stack: digests that it named or ran, newest first, as far as anybody remembers.

    The stack file as it is, then its versions in git, then the tasks that Swarm still lists of its service.
    Raises OperationError where another stack's file cannot be read: what it names would be lost.
    """
    for fault in (sibling.fault for sibling in settings.siblings if sibling.fault):
        raise OperationError(f"{fault.key}: {fault.text}; nothing was removed: {fault.fix}")
    keys = ("socketDigest", "previousSocketDigest")
    named = {settings.stack: [settings.socket_digest, settings.previous_socket_digest]}
    named |= {s.stack: [str(s.stated.get(key) or "") for key in keys] for s in settings.siblings}
    return {
        stack: _distinct([*digests, *record.socket_digests(workspace, stack), *host.ran(service_name(stack))])
        for stack, digests in named.items()
    }


def judge(
    images: Iterable[LocalImage],
    stack: str,
    keep: int,
    histories: Mapping[str, Sequence[str]],
    used: Mapping[str, str],
) -> list[Verdict]:
    """Which images go. `used`: digest -> what uses it now; `histories`: see there.

    Other stacks keep `KEEP` at least, however little this one keeps.
    """
    return [Verdict(image=image, kept=_kept(image, stack, keep, histories, used)) for image in images]


def _kept(
    image: LocalImage,
    stack: str,
    keep: int,
    histories: Mapping[str, Sequence[str]],
    used: Mapping[str, str],
) -> str:
    for digest in image.digests:
        if digest in used:
            return used[digest]
    for name, history in histories.items():
        last = history[: keep if name == stack else max(keep, KEEP)]
        if image.digests & set(last):
            return f"one of the last {len(last)} of {name}"
    if not image.digests & set(histories[stack]):
        known = [name for name, history in histories.items() if image.digests & set(history)]
        return f"of {known[0]}" if known else f"not known to be of {stack}"
    return ""


def remove(host: Host, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Remove what goes, never by force; what is still used after all stays. Returns what went.

    Raises OperationError when something that had to stay is not there afterwards.
    """
    verdicts = list(verdicts)
    for verdict in verdicts:
        if not verdict.kept:
            all(host.remove(name) for name in verdict.image.names)  # no further where it is in use
    there = {name for image in host.images(None) for name in image.names}
    lost = [v for v in verdicts if v.kept and not there.issuperset(v.image.names)]
    if lost:
        names = ", ".join(name for v in lost for name in v.image.names)
        raise OperationError(f"{host.access.address} lost images that had to stay: {names}")
    return [v for v in verdicts if not v.kept and there.isdisjoint(v.image.names)]


def _distinct(digests: Iterable[str]) -> list[str]:
    return [digest for digest in dict.fromkeys(digests) if digest]

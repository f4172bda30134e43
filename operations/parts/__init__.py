"""What a release consists of, and what of it really serves: a part a file, behind one protocol."""

from typing import Final

from operations.parts.part import Access, Finding, Part, Served, State
from operations.parts.socket import SOCKET
from operations.parts.web import WEB
from plan.promotion import Point

__all__ = ["PARTS", "Access", "Finding", "Part", "Served", "State", "part_of", "point", "verify"]

PARTS: Final[tuple[Part, ...]] = (WEB, SOCKET)
"""In the order in which a release is told. A new part is a file, a name here, and its keys in
`plan.settings` and Pulumi.yaml."""


def part_of(name: str) -> Part:
    """The part that the record calls so."""
    return next(part for part in PARTS if part.name == name)


def point(part: Part, access: Access) -> Point:
    """The release that really serves of a part, once it has settled; without SHA where none does."""
    served = part.served(access, settled=True)
    return served.point if served else Point()


def verify(access: Access, parts: tuple[Part, ...] = PARTS, state: State | None = None) -> list[Finding]:
    """Everything that the stack file says is served, asked where it is served; with `state` N-1 too."""
    return [finding for part in parts for finding in part.verify(access, state)]

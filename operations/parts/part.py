"""What a part of a release is to the verbs: where the record names it, what serves, what it can be asked.

A verb goes over `operations.parts.PARTS` and knows none of them by name. A part owns everything that differs:
keys of the stack file, the service that is asked, the words of its answers, the commands that mend it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from operations.services.accounts import VercelAccount
from operations.services.network import Network
from plan.promotion import Line, Point
from plan.settings import Settings

State = Mapping[str, Mapping[str, Any]]
"""Logical name -> resource, of a stack's state."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check of what serves: `ok` None where it could not be made, and `text` says why."""

    ok: bool | None
    what: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of the stack file that name a part's current release and N-1; "" for one that it has not.

    `follows`: the one that says that a branch is followed, which a promotion ends.
    """

    sha: str
    previous: str
    digest: str = ""
    previous_digest: str = ""
    follows: str = ""


@dataclass(frozen=True, kw_only=True)
class Access:
    """A stack's settings, and the account that its parts ask. Docker hosts are reached by the settings."""

    settings: Settings
    vercel: VercelAccount


@dataclass(frozen=True, kw_only=True)
class Served:
    """What really serves of a part.

    `point`: the release that answers; without SHA where that is of no commit. `wanted`: what the service
    works towards, the same once it is `settled`. `since`: when it was changed. `text`: a line for people.
    """

    point: Point
    wanted: Point
    settled: bool
    since: datetime
    text: str


def rollback(part: str, stack: str) -> str:
    """The command that takes one part of a release back."""
    return f"python -m operations rollback --part {part} --stack {stack}"


class Part(Protocol):
    """One part of a release. What asks a service raises OperationError where that cannot be asked."""

    @property
    def name(self) -> str:
        """As the record has it in promotedParts and rolledBack, and `--part` on the command line."""
        ...

    @property
    def keys(self) -> Keys: ...

    @property
    def targets(self) -> tuple[str, ...]:
        """Logical names of the resources that a rollback touches, and no other."""
        ...

    def place(self, settings: Settings) -> str:
        """Where it serves: a domain, a service."""
        ...

    def declared(self, settings: Settings) -> bool:
        """Whether the stack has this part at all."""
        ...

    def built(self, settings: Settings, state: State) -> bool:
        """Whether the stack has ever built what its record names as current."""
        ...

    def served(self, access: Access, *, settled: bool = False) -> Served | None:
        """What serves; None where nothing is there. `settled`: wait for the end of what is under way."""
        ...

    def unfit(self, settings: Settings, served: Served | None, trouble: str) -> Line | None:
        """The No-Go line where a release cannot be taken from what serves; None where it can.

        `trouble`: why it could not be asked, or "".
        """
        ...

    def verify(self, access: Access, state: State | None = None) -> Iterator[Finding]:
        """Whether what the record names is what serves; with `state` whether N-1 is still there, too."""
        ...

    def status(self, access: Access) -> tuple[str, str]:
        """What serves in a few words, and what is wrong with it ("" where nothing is)."""
        ...

    def told(self, access: Access) -> str:
        """What serves, in a line, after a run that failed."""
        ...

    def obstacle(self, access: Access, state: State) -> str:
        """What keeps N-1 from being restored, with the commands that go on; "" where nothing does."""
        ...

    def failed(self, settings: Settings, failure: str) -> str:
        """What a failed run says of the current release ("was not built"); "" where it says nothing."""
        ...

    def previous_failed(self, settings: Settings, failure: str) -> bool:
        """Whether a failed run says that N-1 could not be made."""
        ...

    def unsettled(self, access: Access, keys: Collection[str], services: Collection[str]) -> str:
        """Why a rotation of `keys`, which writes `services` again, must not begin; "" where it may."""
        ...

    def written(self, settings: Settings, services: Collection[str]) -> bool:
        """Whether a run that wrote these services anew has touched this part."""
        ...

    def rebuilt(self, access: Access, written: int, state: State) -> Iterator[Finding]:
        """Whether what serves, and N-1, are built after a variable was written (milliseconds since 1970)."""
        ...

    def moved(self, access: Access, changes: Collection[str], state: State) -> str:
        """Why a plan that changes these resources would undo what somebody did by hand; "" where not."""
        ...

    def probe(self, settings: Settings, network: Network) -> Iterator[Finding]:
        """The smoke test of it: asked from outside, as a user would. Never raises for what it is told."""
        ...

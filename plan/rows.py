"""The words of the matrix (deployment plan §3): what a row says of one variable or secret.

The rows themselves stand in `plan.variables`.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import Final

from plan.settings import Settings


class Class(StrEnum):
    """Who may see a value (plan §3)."""

    PUBLIC = "public"  # compiled into the browser bundle
    SECRET = "secret"  # noqa: S105  servers, CI and the socket runtime only
    CONFIG = "config"  # not secret, but servers only


class Store(StrEnum):
    """Where a variable lives."""

    VERCEL = "vercel"
    SOCKET = "socket host"
    GITHUB = "github"
    MONITOR = "monitoring"
    PROGRAM = "this program"  # used to deploy, given to no service


class Need(StrEnum):
    """What an environment does with a key."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    REFUSED = "refused"
    PLATFORM = "platform"  # left to the platform's own value; the program sets none
    SHARED = "shared"  # Preview: the value of the stack that owns it, where that has one


class Source(StrEnum):
    """Where a value comes from."""

    STACK_FILE = "stack file"
    DERIVED = "derived"  # computed from other settings, so that no fact is typed twice
    RESOURCE = "resource"  # made by a resource of this program


PREVIEW_PREFIX: Final = "PREVIEW_"


@dataclass(frozen=True)
class Row:
    """One key. `stack` is the need of a stack's own environment, `preview` that of Preview.

    In Preview a required key shares the value of the stack that owns Preview (plan §1.2: same data
    source); an optional one has a value of its own under `PREVIEW_<KEY>`, or none.
    """

    key: str
    kind: Class
    preview: Need
    stack: Need
    stores: tuple[Store, ...]
    _: KW_ONLY
    meaning: str
    derive: Callable[[Settings], str] | None = None
    from_resource: bool = False
    one_of: str | None = None  # of the rows with the same name here, at least one must be set
    plan: bool = True  # False: not in the plan's table, the program itself needs it
    issued: bool = True  # False: nobody issues this secret, `--generate` makes it
    previous_of: str | None = None  # the key whose old value this row keeps valid for a while

    @property
    def source(self) -> Source:
        if self.derive:
            return Source.DERIVED
        return Source.RESOURCE if self.from_resource else Source.STACK_FILE

    @property
    def stack_file_keys(self) -> tuple[str, ...]:
        """Keys of the stack file that hold this row's values."""
        if self.source is not Source.STACK_FILE:
            return ()
        own = (PREVIEW_PREFIX + self.key,) if self.preview is Need.OPTIONAL else ()
        return (self.key, *own)

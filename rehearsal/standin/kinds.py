"""What one resource type of a stand-in is: its checks, what replaces it, how the service answers.

A kind works on plain dictionaries with the provider's property names (camelCase). `UNKNOWN` stands for
a value that is not known yet in a preview. Secrets arrive unwrapped; the server wraps them again.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account

Properties = dict[str, Any]


class _Unknown:
    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True)
class Failure:
    """One input the plugin refuses in its check, before anything is written."""

    property: str
    reason: str


class ServiceError(Exception):
    """The service refused a call: HTTP status, its error code, its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


class Kind(ABC):
    """One resource type, as its real plugin and service treat it."""

    type: ClassVar[str]  # Pulumi token, such as "vercel:index/project:Project"
    replace_on: ClassVar[frozenset[str]] = frozenset()  # a change of these replaces the object
    computed: ClassVar[frozenset[str]] = frozenset()  # outputs that are unknown while a create is previewed

    def defaults(self, inputs: Properties) -> Properties:
        """Inputs with the schema defaults the plugin fills in."""
        return inputs

    def check(self, inputs: Properties) -> list[Failure]:
        """Rules the plugin checks without asking the service. Values may be UNKNOWN."""
        del inputs
        return []

    def unseen(self) -> frozenset[str]:
        """Properties the service never returns: read keeps what the state holds."""
        return frozenset()

    @abstractmethod
    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Create; returns id and outputs. Raises ServiceError."""

    @abstractmethod
    def read(self, account: Account, id: str, state: Properties) -> tuple[str, Properties, Properties] | None:
        """(canonical id, inputs, outputs), or None when gone. `state` is empty during an import."""

    @abstractmethod
    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        """Update in place; returns the outputs. Raises ServiceError."""

    @abstractmethod
    def delete(self, account: Account, id: str, state: Properties) -> None:
        """Delete. Raises ServiceError."""

"""What one resource type of a stand-in is: its checks, what replaces it, how the service answers.

A kind works on plain dictionaries with the provider's property names (camelCase). `UNKNOWN` stands for
a value that is not known yet in a preview. Secrets arrive unwrapped; the server wraps them again.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account

Properties = dict[str, Any]
# Of a read: the canonical id, inputs and outputs.
Read = tuple[str, Properties, Properties]


class _Unknown:
    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = _Unknown()


def is_known(value: Any) -> bool:
    """False for a value that holds an unknown anywhere."""
    if value is UNKNOWN:
        return False
    if isinstance(value, dict):
        return all(is_known(item) for item in value.values())
    if isinstance(value, list):
        return all(is_known(item) for item in value)
    return True


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


class UnfinishedError(ServiceError):
    """Written, but it did not come up: the state keeps what was asked for, the next `up` tries again.

    The engine calls it a partial failure (ErrorResourceInitFailed in its provider.proto).
    """

    def __init__(self, message: str, id: str, inputs: Properties, outputs: Properties) -> None:
        super().__init__(0, "unfinished", message)
        self.id, self.inputs, self.outputs = id, inputs, outputs

    def __str__(self) -> str:
        return self.message


class Kind(ABC):
    """One resource type, as its real plugin and service treat it."""

    type: ClassVar[str]  # Pulumi token, such as "vercel:index/project:Project"
    replace_on: ClassVar[frozenset[str]] = frozenset()  # a change of these replaces the object
    computed: ClassVar[frozenset[str]] = frozenset()  # outputs that are unknown while a create is previewed
    kept: ClassVar[frozenset[str]] = frozenset()  # inputs (or paths): left out, the service's value stays

    recomputed: ClassVar[frozenset[str]] = (
        frozenset()
    )  # computed anew with any change, where nobody states them

    direct: ClassVar[bool] = False  # asks a real service: no lock, no transaction of the account around it

    def defaults(self, inputs: Properties) -> Properties:
        """Inputs with the schema defaults the plugin fills in."""
        return inputs

    def check(self, inputs: Properties) -> list[Failure]:
        """Rules the plugin checks without asking the service. Values may be UNKNOWN."""
        del inputs
        return []

    def replaces(self, changed: frozenset[str]) -> frozenset[str]:
        """Which of the changed inputs force a replacement."""
        return changed & self.replace_on

    def replaced(self, paths: Iterable[str]) -> frozenset[str]:
        """The same by path, for a kind whose nested properties differ in this."""
        return self.replaces(frozenset(path.partition(".")[0].partition("[")[0] for path in paths))

    def keeps(self, path: str) -> bool:
        """Whether a value that is left out at this path stays the service's."""
        return any(f"{path}.".startswith(f"{name}.") for name in self.kept)

    def compared(self, inputs: Properties, outputs: Properties) -> Properties:
        """What a diff compares new inputs with. Both arguments are the state's."""
        del outputs
        return inputs

    def noise(self, outputs: Properties, inputs: Properties) -> frozenset[str]:
        """What a diff names beside the changed properties. `outputs`: the state's; `inputs`: the new."""
        del outputs
        return self.recomputed - inputs.keys()

    def unseen(self) -> frozenset[str]:
        """Properties the service never returns: read keeps what the state holds."""
        return frozenset()

    @abstractmethod
    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Create; returns id and outputs. Raises ServiceError."""

    @abstractmethod
    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        """(canonical id, inputs, outputs), or None when gone. `state` is empty during an import."""

    @abstractmethod
    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        """Update in place; returns the outputs. Raises ServiceError."""

    @abstractmethod
    def delete(self, account: Account, id: str, state: Properties) -> None:
        """Delete. Raises ServiceError."""

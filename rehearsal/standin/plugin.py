"""One service's plugin without the wire: what the engine asks of it, answered by the kinds.

Owned here, for every service alike: the order of checks, the detailed diff, previews, what a refresh
keeps, and planned faults. The rules of a service are in its package.
"""

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from rehearsal.standin import schema
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import UNKNOWN, Failure, Kind, Properties, ServiceError

_ENGINES_OWN: Final = frozenset(
    {"version", "pluginDownloadURL", "__internal"}
)  # keys beside a provider's config

_GLANCE: Final = 0.05  # seconds between two looks of a call that hangs

T = TypeVar("T")

# (property path, "add" | "update" | "delete")
Change = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """What an update would do: changes by path, and the inputs or paths that force a replacement.

    `noise`: properties that the plugin names although nobody changed them.
    """

    changes: tuple[Change, ...]
    replaces: frozenset[str]
    noise: frozenset[str] = frozenset()


class StandIn:
    """One service's plugin. Every call to the service is one transaction; calls are serialized."""

    def __init__(self, service: str, account: Account) -> None:
        module = importlib.import_module(f"rehearsal.standin.{service}")
        self.service, self.account = service, account
        self.schema = schema.load(schema.SDKS[service])
        self._configure: Callable[[Properties], list[Failure]] = module.configure
        # What the real plugin retries by itself, by status: {500: 3}. Source: docs/providers.md.
        self._retries: dict[int, int] = getattr(module, "RETRIES", {})
        #: Whether its plugin is bridged so that the state of each object holds how to get Terraform's back.
        self.raw_state: bool = getattr(module, "RAW_STATE", False)
        #: Whether its diffs give every path, or only the names of properties (`Difference.reasons`).
        self.detailed: bool = getattr(module, "DETAILED", True)
        self._kinds: dict[str, Kind] = {kind.type: kind for kind in module.KINDS}
        self.cancel: Callable[[], None] = getattr(module, "cancel", lambda: None)
        self._lock = threading.Lock()

    def kind(self, type: str) -> Kind:
        """The kind of a type token; says whether the SDK or only the rehearsal does not know it."""
        if type in self._kinds:
            return self._kinds[type]
        if type in self.schema.resources:
            raise ServiceError(
                501, "not_rehearsed", f"{type} exists, but the rehearsal has no stand-in for it"
            )
        raise ServiceError(404, "unknown_type", f"{type} is not in the {self.service} SDK")

    def secret(self, type: str) -> frozenset[str]:
        return self.schema.resources[type].secret

    def configure(self, config: Properties) -> list[Failure]:
        """Check and keep the provider's settings."""
        config = {name: value for name, value in config.items() if name not in _ENGINES_OWN}
        return self.schema.problems(f"pulumi:providers:{self.service}", config) or self._configure(config)

    def check(self, type: str, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Inputs with defaults, or what is wrong with them. Asks the service nothing."""
        kind = self.kind(type)
        failures = self.schema.problems(type, inputs)
        if failures:
            return inputs, failures
        filled = kind.defaults(inputs)
        return filled, kind.check(filled)

    def diff(
        self, type: str, old: Properties, new: Properties, outputs: Properties | None = None
    ) -> Difference:
        """Compare inputs with inputs: after a refresh the old ones hold what the service returned."""
        kind = self.kind(type)
        outputs = outputs or {}
        old = kind.compared(old, outputs)
        changes: list[Change] = []
        for name in sorted(old.keys() | new.keys()):
            changes += _changes(old.get(name), new.get(name), name, kind.keeps)
        noise = kind.noise(outputs, new) if changes else frozenset()
        return Difference(tuple(changes), kind.replaced(path for path, _ in changes), noise)

    def preview_create(self, type: str, inputs: Properties) -> Properties:
        """Outputs as far as they are known before the service was asked."""
        kind = self.kind(type)
        unknown = {name for name in kind.computed | kind.kept if "." not in name}
        return dict.fromkeys(unknown, UNKNOWN) | inputs

    def create(self, type: str, inputs: Properties) -> tuple[str, Properties]:
        kind = self.kind(type)
        return self._call("create", type, lambda: kind.create(self.account, inputs))

    def read(
        self, type: str, id: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """(id, inputs, outputs) as they are now, or None. Both arguments are empty during an import."""
        kind = self.kind(type)
        found = self._call("read", type, lambda: kind.read(self.account, id, state))
        if found is None or not state:
            return found
        id, live, outputs = found
        unseen = kind.unseen()
        known = {name: value for name, value in live.items() if name in inputs or name not in kind.kept}
        # What the service leaves out of its answer is either never returned or empty there.
        held = {
            name: value
            for name, value in inputs.items()
            if name in unseen or (name not in live and _is_empty(value))
        }
        return id, known | held, outputs | {name: state[name] for name in unseen & state.keys()}

    def preview_update(self, type: str, state: Properties, inputs: Properties) -> Properties:
        kind = self.kind(type)
        known = kind.computed | kind.kept
        return {name: value for name, value in state.items() if name in known} | inputs

    def update(self, type: str, id: str, state: Properties, inputs: Properties) -> Properties:
        kind = self.kind(type)
        return self._call("update", type, lambda: kind.update(self.account, id, state, inputs))

    def delete(self, type: str, id: str, state: Properties) -> None:
        kind = self.kind(type)
        self._call("delete", type, lambda: kind.delete(self.account, id, state))

    def _call(self, verb: str, type: str, action: Callable[[], T]) -> T:
        """Call the service, with the faults that a test planned and the retries of the real plugin."""
        attempt = 0
        while True:
            with self._lock:
                fault = self.account.take_fault(verb, type.rpartition(":")[2]) or {}
            while "hang" in fault and Path(fault["hang"]).exists():
                time.sleep(_GLANCE)  # not under the lock: a test may kill this process meanwhile
            status = fault.get("status", 0)
            if status:
                attempt += 1
                if attempt > self._retries.get(status, 0):
                    raise ServiceError(status, "planned_fault", f"{verb} {type} failed on purpose")
                continue
            # Docker may take minutes: its kinds are not held up by one another.
            with nullcontext() if self.kind(type).direct else self._transaction():
                answer = action()
            if "late" in fault:
                time.sleep(fault["late"])
            if fault.get("lost"):
                raise ServiceError(0, "connection_lost", f"{verb} {type}: done, but its answer was lost")
            return answer

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self.account.transaction():
            yield


def _is_empty(value: Any) -> bool:
    """Absent, null, false, 0, "" and empty collections mean the same to both services."""
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value is None or value in (False, 0, "", [])


def _changes(old: Any, new: Any, path: str, keeps: Callable[[str], bool]) -> Iterator[Change]:
    """The paths where two values differ. What is left out at a path that `keeps` is the service's."""
    if new is UNKNOWN:
        yield path, "add" if old is None else "update"
    elif _is_empty(old) and _is_empty(new):
        return
    elif new is None:
        if not keeps(path):
            yield path, "delete"
    elif old is None:
        yield path, "add"
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _changes(old.get(name), new.get(name), f"{path}.{name}", keeps)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (each[index] if index < len(each) else None for each in (old, new))
            yield from _changes(before, after, f"{path}[{index}]", keeps)
    elif old != new:
        yield path, "update"

"""Drives a stand-in as Pulumi's engine does, one resource at a time. Shared by the tests of the kinds."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.standin.account import Account
from rehearsal.standin.kinds import Kind, Properties
from rehearsal.standin.plugin import StandIn


@dataclass
class Object:
    """What the engine's state holds of one resource."""

    kind: str
    id: str
    inputs: Properties
    outputs: Properties


class Driver:
    """One account behind the plugin. Kinds are named by the last part of their type."""

    def __init__(self, path: Path, service: str, kinds: Iterable[Kind]) -> None:
        self.account = Account(path, service)
        self.plugin = StandIn(service, self.account)
        self._types = {kind.type.rsplit(":", 1)[1]: kind.type for kind in kinds}

    def refused_inputs(self, kind: str, **inputs: Any) -> list[str]:
        """Properties that the plugin refuses before anything is written."""
        return [failure.property for failure in self.plugin.check(self._types[kind], inputs)[1]]

    def checked(self, kind: str, **inputs: Any) -> Properties:
        filled, failures = self.plugin.check(self._types[kind], inputs)
        assert failures == []
        return filled

    def create(self, kind: str, **inputs: Any) -> Object:
        filled = self.checked(kind, **inputs)
        id, outputs = self.plugin.create(self._types[kind], filled)
        return Object(kind, id, filled, outputs)

    def adopt(self, kind: str, id: str) -> Object:
        """Import an object that exists."""
        found = self.plugin.read(self._types[kind], id, {}, {})
        assert found is not None
        return Object(kind, *found)

    def refresh(self, object: Object) -> Object | None:
        found = self.plugin.read(self._types[object.kind], object.id, object.outputs, object.inputs)
        return None if found is None else Object(object.kind, *found)

    def seen(self, object: Object) -> Object:
        """A refresh that must find it."""
        found = self.refresh(object)
        assert found is not None
        return found

    def changes(self, object: Object, **inputs: Any) -> list[str]:
        """Paths that a preview shows, `!` before those that force a replacement."""
        difference = self.plugin.diff(
            self._types[object.kind], object.inputs, self.checked(object.kind, **inputs), object.outputs
        )
        replaces = difference.replaces
        return [
            ("!" if path in replaces or path.split(".")[0].split("[")[0] in replaces else "") + path
            for path, _ in difference.changes
        ]

    def update(self, object: Object, **inputs: Any) -> Object:
        filled = self.checked(object.kind, **inputs)
        outputs = self.plugin.update(self._types[object.kind], object.id, object.outputs, filled)
        return Object(object.kind, object.id, filled, outputs)

    def delete(self, object: Object) -> None:
        self.plugin.delete(self._types[object.kind], object.id, object.outputs)

"""What a killed run left behind: the lock, creates that never answered, objects that the state does not know.

Each is found and told before it is mended. Objects of accounts are adopted by id
(`operations.services.existing`); where that would write to an account, the person runs `adopt` instead.
Those of Docker hosts are removed: nothing uses them yet, and the plugin cannot import a secret.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from operations.services import existing, hosts
from operations.services.accounts import GitHubAccount, VercelAccount
from operations.stack.engine import Engine, LockedError
from operations.stack.workspace import OperationError, Workspace, submap
from plan.hosts import DockerHost, docker_hosts
from plan.settings import PROJECT, Settings

Ask = Callable[[str], None]
"""Puts a question; returns after a yes and raises otherwise."""

# What cannot be made a second time under its name. (Making a volume that exists is no error.)
_UNIQUE: Final = {
    "docker:index/service:Service": "service",
    "docker:index/network:Network": "network",
    "docker:index/serviceConfig:ServiceConfig": "config",
    "docker:index/secret:Secret": "secret",
}


@dataclass(frozen=True, kw_only=True)
class Stranded:
    """What a killed run made on a Docker host and could not note in the state."""

    kind: str
    name: str
    id: str
    host: DockerHost

    def __str__(self) -> str:
        return f"{self.kind} {self.name} on {self.host.address}"


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One stack, its engine, and the accounts its objects live in."""

    workspace: Workspace
    engine: Engine
    settings: Settings
    vercel: VercelAccount
    github: Callable[[], GitHubAccount]  # asked for what was lost, and for nothing else

    def unlock(self, ask: Ask, tell: Callable[[str], None]) -> bool:
        """Free a lock whose process is gone; False where there is none.

        Raises LockedError while somebody may still be running.
        """
        held = self.engine.lock()
        if held is None:
            return False
        if held.alive is not False:
            self.engine.ensure_unlocked()
        tell(f"the lock of a killed run is left: {held}, which is gone")
        ask("Free the lock?")
        if self.engine.lock() != held:
            raise LockedError("somebody else began meanwhile; nothing was changed")
        self.engine.cancel()
        return True

    def pending(self) -> tuple[str, ...]:
        """Logical names of creates that never answered: they may exist or not."""
        return tuple(resource["urn"].split("::")[-1] for resource in self._pending())

    def _pending(self) -> list[dict[str, Any]]:
        operations = (self.workspace.export().get("deployment") or {}).get("pending_operations") or []
        return [operation["resource"] for operation in operations if operation["type"] == "creating"]

    def clear_hosts(self, ask: Ask, tell: Callable[[str], None]) -> None:
        """Remove what pending creates have made on the Docker hosts: `up` could not make it a second time.

        Nothing that has served is among it: the state knows what an `up` finished. Docker itself refuses to
        remove what something uses.
        """
        stranded = list(self._stranded())
        if not stranded:
            return
        for each in stranded:
            tell(f"made by the killed run: {each}")
        ask("Remove it? It is made anew.")
        for each in stranded:
            with hosts.connected(each.host) as host:
                host.discard(each.kind, each.id)

    def _stranded(self) -> Iterator[Stranded]:
        for resource in self._pending():
            if kind := _UNIQUE.get(resource["type"]):
                access = docker_hosts(self.settings)[resource["provider"].split("::")[-2]]
                name = resource["inputs"]["name"]
                with hosts.connected(access) as host:
                    if id := host.find(kind, name):
                        yield Stranded(kind=kind, name=name, id=id, host=access)

    def forget_pending(self) -> None:
        """Take them out of the state; `lost` finds those that exist."""
        roots = [r["urn"] for r in self.workspace.state().values() if r["type"] == "pulumi:pulumi:Stack"]
        self.engine.refresh(roots, clear_pending=True)

    def lost(self) -> existing.Adoption:
        """What is declared and exists in the accounts, but not in the state.

        Raises OperationError where only `adopt` can go on, because it writes to an account first.
        """
        found = existing.inspect(self.settings, self.workspace.resources(), self.vercel, self.github())
        if found.splits or found.deletions:
            raise OperationError(
                "objects made by hand stand in the way: "
                f"python -m operations adopt --stack {self.workspace.stack}"
            )
        found.ids = {name: id for name, id in found.ids.items() if self.settings.adopt.get(name) != id}
        return found

    def leftover(self) -> tuple[str, ...]:
        """Import ids of the stack file whose objects the state knows by now."""
        return tuple(sorted(set(self.settings.adopt) & set(self.workspace.resources())))


def adopt_ids(ids: dict[str, str]) -> Callable[[dict[str, object]], None]:
    """The edit of the stack file that writes import ids beside those that are there."""

    def change(config: dict[str, object]) -> None:
        submap(config, "adopt").update(ids)

    return change


def drop_ids(names: tuple[str, ...]) -> Callable[[dict[str, object]], None]:
    """The edit of the stack file that removes import ids: left in place, they make a replacement fail."""

    def change(config: dict[str, object]) -> None:
        known = config.get(f"{PROJECT}:adopt")
        if isinstance(known, dict):
            for name in names:
                known.pop(name, None)
            if not known:
                config.pop(f"{PROJECT}:adopt")

    return change

"""What a killed run left behind: the lock, creates that never answered, objects that the state does not know.

Each is found and told before it is mended. Objects are adopted by id (`operations.adopt`); where that would
write to an account, the person runs `adopt` instead.
"""

from collections.abc import Callable
from dataclasses import dataclass

from operations import adopt
from operations.accounts import GitHubAccount, VercelAccount
from operations.engine import Engine, LockedError
from operations.workspace import OperationError, Workspace
from plan.settings import PROJECT, Settings

Ask = Callable[[str], None]
"""Puts a question; returns after a yes and raises otherwise."""


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
        operations = (self.workspace.export().get("deployment") or {}).get("pending_operations") or []
        return tuple(o["resource"]["urn"].split("::")[-1] for o in operations if o["type"] == "creating")

    def forget_pending(self) -> None:
        """Take them out of the state; `lost` finds those that exist."""
        roots = [r["urn"] for r in self.workspace.state().values() if r["type"] == "pulumi:pulumi:Stack"]
        self.engine.refresh(roots, clear_pending=True)

    def lost(self) -> adopt.Adoption:
        """What is declared and exists in the accounts, but not in the state.

        Raises OperationError where only `adopt` can go on, because it writes to an account first.
        """
        found = adopt.inspect(self.settings, self.workspace.resources(), self.vercel, self.github())
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
        known = config.setdefault(f"{PROJECT}:adopt", {})
        assert isinstance(known, dict)  # noqa: S101  its schema is checked by plan.settings
        known.update(ids)

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

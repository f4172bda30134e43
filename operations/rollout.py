"""What a rollout of the socket server came to: refused before it begins, awaited, and told when it failed.

Asks the Docker host, because neither the plugin nor the state knows what serves after a failed update
(docs/decisions.md). When it is asked is the business of `operations.rollout_hooks`.
"""

from collections.abc import Sequence
from typing import Final

from operations import hosts
from operations.hosts import Host, Image, Running
from operations.workspace import OperationError
from plan.hosts import socket_host
from plan.settings import Settings
from plan.socket import SocketPlan

_MEND: Final = "Mend it in the stack file and run `pulumi up` again; nothing else is needed."


class Rollout:
    """The rollout of one release on its host. What is raised is an OperationError for people."""

    def __init__(self, settings: Settings, plan: SocketPlan) -> None:
        self._access = socket_host(settings)
        self._service, self._wanted = plan.service, Image.parse(plan.image)

    def refuse_unknown(self) -> None:
        """Raise if this release has never run here and the registry does not have it."""
        try:
            with hosts.connected(self._access) as host:
                reason = host.refusal(self._service, self._wanted)
                running = host.service(self._service) if reason else None
        except OperationError:
            return  # the update itself meets the same host, and says so
        if reason:
            raise OperationError(
                f"release {self._wanted.tag} does not exist: {reason}. The service was not touched; "
                f"{_serving(running, 'still ')}. {_MEND}"
            )

    def await_swarm(self) -> None:
        """Return when Swarm calls the update completed; raise when it went back to N-1.

        The plugin returns as soon as every slot has a running task, also before the last slot is updated
        and within the monitor window: what dies there was a success to it.
        """
        with hosts.connected(self._access) as host:
            running = host.await_end(self._service)
            if running.update not in ("completed", ""):
                raise OperationError(self._failure(host, running))

    def explain(self) -> str:
        """Which release failed, why, and which one serves."""
        try:
            with hosts.connected(self._access) as host:
                return self._failure(host, host.service(self._service))
        except OperationError as error:
            return f"release {self._wanted.tag} failed, and what serves cannot be asked: {error}"

    def _failure(self, host: Host, running: Running | None) -> str:
        return failure(self._wanted, running, host.reasons(self._service, self._wanted))


def failure(wanted: Image, running: Running | None, reasons: Sequence[str]) -> str:
    """The sentence for a failed rollout of `wanted`, given what runs now."""
    back = running is not None and running.image == wanted and running.update.startswith("rollback")
    what = f"the new settings of release {wanted.tag}" if back else f"release {wanted.tag}"
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{what} failed{why}; {_serving(running, 'still ')}. {_MEND}"


def _serving(running: Running | None, still: str) -> str:
    counts = running.serving if running else {}
    if running is None or not counts:
        return "nothing serves"
    if len(counts) > 1:
        both = ", ".join(f"{image.tag} with {count}" for image, count in counts.items())
        return f"serving now, in tasks: {both}"
    [(image, count)] = counts.items()
    return f"{image.tag} {still}serves ({count} of {running.desired} tasks)"

"""How a rollout is waited for.

Follows the official plugin. With `convergeConfig` an update is completed as soon as every slot has a running
task: also before the last one was replaced, and within the monitor window.
"""

import time
from collections.abc import Iterator
from typing import Final

from rehearsal.standin.docker import session
from rehearsal.standin.docker.fields import go_duration, nanoseconds
from rehearsal.standin.docker.objects import PATIENCE
from rehearsal.standin.kinds import Properties, ServiceError

# The plugin waits 7 s before its first look, and looks every 5. Here: until Swarm says that it has begun, and
# then until it has made the first task. It never says so of an update that replaces no task.
_BEGIN, _FIRST_TASK = 5.0, 2.0
_POLL: Final = 0.3

_ENDED: Final = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")


def _is_alive(task: Properties) -> bool:
    return task["Status"]["State"] not in _ENDED


def remove(id: str) -> None:
    """Remove a service and wait until its tasks have ended, so that its network and configs can go too."""
    with session.asking() as engine:
        spec = engine.inspect_service(id)["Spec"]
        engine.remove_service(id)
    grace = spec["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod", 10 * 10**9) / 10**9
    deadline = time.monotonic() + grace + PATIENCE
    while time.monotonic() < deadline:
        with session.asking() as engine:
            # By hand: the engine refuses to filter by a service that is gone.
            if not any(each["ServiceID"] == id and _is_alive(each) for each in engine.tasks()):
                return
        if session.cancelled.wait(_POLL):
            return


class Rollout:
    """Waits for the tasks of one service. What ends badly is a ServiceError in the plugin's own words."""

    def __init__(self, id: str, inputs: Properties) -> None:
        self._id, self._name, self._hidden = id, inputs["name"], secrets_of(inputs)
        self._delay = (nanoseconds(inputs["convergeConfig"]["delay"]) or 0) / 10**9
        self._timeout = nanoseconds(inputs["convergeConfig"]["timeout"]) or 0

    def start(self) -> None:
        """Until every replica of a new service runs (and is healthy, where there is a health check)."""
        self._pause(self._delay)
        for _ in self._until_timeout():
            service, tasks = self._ask()
            if self._all_run(service, tasks):
                return

    def update(self) -> None:
        """Until every replica runs, new or old, or Swarm says how the update ended."""
        deadline = time.monotonic() + _BEGIN
        while not self._ask()[0].get("UpdateStatus") and time.monotonic() < deadline:
            self._pause(_POLL)
        self._pause(_FIRST_TASK)
        for _ in self._until_timeout():
            service, tasks = self._ask()
            status = service.get("UpdateStatus") or {}
            match status.get("State"):
                case "completed":
                    return
                case "rollback_completed":
                    raise self._error("service rollback completed", status)
                case "paused":
                    raise self._error("service update paused", status)
                case "rollback_paused":
                    raise self._error("service rollback paused", status)
            if self._all_run(service, tasks):
                if status.get("State") == "rollback_started":
                    raise self._error("service rollback completed", status)
                return

    def _ask(self) -> tuple[Properties, list[Properties]]:
        with session.asking(*self._hidden) as engine:
            service = engine.inspect_service(self._id)
            return service, engine.tasks(filters={"service": self._id})

    def _all_run(self, service: Properties, tasks: list[Properties]) -> bool:
        with session.asking() as engine:
            down = {node["ID"] for node in engine.nodes() if node["Status"]["State"] == "down"}
        running = [each for each in tasks if _runs(each) and each.get("NodeID") not in down]
        replicated = service["Spec"]["Mode"].get("Replicated")
        if replicated is None:
            raise ServiceError(0, "not_converged", f"{self._name}: no replica count")
        waiting = any(each["DesiredState"] == "running" and not _runs(each) for each in tasks)
        return len({each.get("Slot") for each in running}) == replicated["Replicas"] and not waiting

    def _until_timeout(self) -> Iterator[None]:
        deadline = time.monotonic() + self._timeout / 10**9
        while time.monotonic() < deadline:
            yield
            self._pause(_POLL)
        raise self._error(f"Service with ID ({self._id}) did not converge after {go_duration(self._timeout)}")

    def _pause(self, seconds: float) -> None:
        if session.cancelled.wait(seconds):
            raise ServiceError(0, "cancelled", f"{self._name}: the run was interrupted while tasks started")

    def _error(self, happened: str, status: Properties | None = None) -> ServiceError:
        words = ": ".join(filter(None, (happened, (status or {}).get("Message"))))
        return ServiceError(0, "not_converged", session.hide(words, *self._hidden))


def _runs(task: Properties) -> bool:
    return bool(task["DesiredState"] == task["Status"]["State"] == "running")


def secrets_of(inputs: Properties) -> list[str]:
    """Values that no message may hold."""
    env = inputs["taskSpec"]["containerSpec"].get("env", {})
    return [*env.values(), inputs.get("auth", {}).get("password", "")]

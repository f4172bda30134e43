"""What a rollout of the socket server came to: refused before it begins, awaited, and told when it failed.

Asks the Docker host, because neither the plugin nor the state knows what serves after a failed update
(docs/decisions.md). When it is asked is the business of `operations.rollout_hooks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from operations import hosts
from operations.hosts import Host, Image, Running
from operations.workspace import OperationError
from plan.hosts import socket_host
from plan.settings import Settings
from plan.socket import proxy_name, service_name

_MEND: Final = "Mend it in the stack file and run `pulumi up` again; nothing else is needed."
_AGAIN: Final = "Mend it in the stack file, or try the same again: pulumi up --refresh"


@dataclass(frozen=True)
class Wanted:
    """What a service shall run. `called` is its name in messages."""

    service: str
    image: Image
    called: str


class Rollout:
    """The rollout of a stack on its host. What is raised is an OperationError for people."""

    def __init__(self, settings: Settings) -> None:
        self._access = socket_host(settings)
        self._server = Wanted(
            service_name(settings.stack),
            Image(settings.socket_image, settings.socket_release, settings.socket_digest),
            f"release {settings.socket_release}",
        )
        self._proxy = Wanted(
            proxy_name(settings.stack), Image.parse(settings.proxy_image), f"proxy {settings.proxy_image}"
        )

    def refuse_unknown(self) -> None:
        """Raise if the release has never run here and the registry does not have it."""
        wanted = self._server
        try:
            with hosts.connected(self._access) as host:
                reason = host.refusal(wanted.service, wanted.image)
                running = host.service(wanted.service) if reason else None
        except OperationError:
            return  # the update itself meets the same host, and says so
        if reason:
            denied = hosts.DENIED.search(reason)
            what = (
                "may not be pulled with registryUser and REGISTRY_PASSWORD"
                if denied
                else "does not exist as stated"
            )
            raise OperationError(
                f"{wanted.called} {what}: {reason}. "
                f"The service was not touched; {serving(running, wanted.image)}. {_MEND}"
            )

    def refuse_taken_back(self) -> str:
        """Raise where Swarm has taken the release back, which the state may not know.

        Returns what a person should know where only the last change of its settings was, otherwise "".
        """
        wanted = self._server
        try:
            with hosts.connected(self._access) as host:
                running = host.service(wanted.service)
                if running is None or not running.update.startswith("rollback"):
                    return ""
                reasons = host.reasons(wanted.service, wanted.image)
        except OperationError:
            return ""  # nothing of it is to be changed, and `drift` says that its host does not answer
        if running.image == wanted.image:
            return f"Swarm took the last change of {wanted.called}'s settings back. {_AGAIN}"
        raise OperationError(failure(wanted, running, reasons, _AGAIN))

    def pull_proxy(self) -> None:
        """Have the proxy's image on its host before the old one ends, and refuse one that cannot be had."""
        with hosts.connected(self._access) as host:
            try:
                host.pull(self._proxy.image)
            except OperationError as error:
                raise OperationError(
                    f"{self._proxy.called} cannot be pulled: {error}. The old proxy was not touched. {_MEND}"
                ) from None

    def await_server(self) -> str:
        """Wait until Swarm calls the update completed; raise when it went back to N-1.

        Returns what a person should know and do after it, usually nothing ("").

        The plugin returns as soon as every slot has a running task, also before the last slot is updated
        and within the monitor window: what dies there was a success to it.
        """
        running = self._await(self._server)
        return f"{self._server.called} serves{running.crowded}" if running.crowded else ""

    def await_proxy(self) -> None:
        """The same for the proxy."""
        self._await(self._proxy)

    def explain_server(self) -> str:
        """Which release failed, why, and which one serves."""
        return self._explain(self._server)

    def explain_proxy(self) -> str:
        """The same for the proxy."""
        return self._explain(self._proxy)

    def _await(self, wanted: Wanted) -> Running:
        with hosts.connected(self._access) as host:
            host.await_end(wanted.service)
            # Judged only now: Swarm may not have begun with the update when it was asked first.
            running = host.settle(wanted.service)
            if running is None or running.update not in ("completed", ""):
                raise OperationError(_failure(host, wanted, running))
            return running

    def _explain(self, wanted: Wanted) -> str:
        try:
            with hosts.connected(self._access) as host:
                return _failure(host, wanted, host.settle(wanted.service))
        except OperationError as error:
            return f"{wanted.called} failed, and what serves cannot be asked: {error}"


def _failure(host: Host, wanted: Wanted, running: Running | None) -> str:
    return failure(wanted, running, host.reasons(wanted.service, wanted.image))


def failure(wanted: Wanted, running: Running | None, reasons: Sequence[str], mend: str = _MEND) -> str:
    """The sentences for a failed rollout of `wanted`, given what runs now."""
    # Where its image serves, another part of it was taken back, or never taken.
    back = (
        running is not None
        and running.image == wanted.image
        and (running.settled or running.update.startswith("rollback"))
    )
    what = f"the new settings of {wanted.called}" if back else wanted.called
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{what} failed{why}; {serving(running, wanted.image)}. {mend}"


def serving(running: Running | None, wanted: Image) -> str:
    """What the running tasks of a service are, in words: by the tag, where that is not `wanted`'s as well."""
    counts = running.serving if running else {}
    if running is None or not counts:
        return "nothing serves"

    def called(image: Image) -> str:
        return str(image) if not image.tag or (image.tag == wanted.tag and image != wanted) else image.tag

    if len(counts) > 1:
        both = ", ".join(f"{called(image)} with {count}" for image, count in counts.items())
        return f"serving now, in tasks: {both}"
    [(image, count)] = counts.items()
    return f"{called(image)} still serves ({count} of {running.desired} tasks)"

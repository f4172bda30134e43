"""What a rollout of a service came to: refused before it begins, awaited, and told when it failed.

Asks the Docker host, because neither the plugin nor the state knows what serves after a failed update
(ADR 0016). When it is asked is the business of `operations.hooks.rollout`.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from operations.services import hosts
from operations.services.hosts import Host
from operations.services.running import Image, Running
from operations.stack.workspace import OperationError
from plan.hosts import DockerHost, monitor_host, socket_host
from plan.settings import Settings
from plan.socket import proxy_name, service_name
from plan.uptime import AGENT, UPTIME, uptime_plan
from plan.uptime.services import Service

_MEND: Final = "Mend it in the stack file and run `pulumi up` again; nothing else is needed."


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
        self._again = (
            "Mend it in the stack file, go back with `python -m operations rollback --part socket --stack "
            f"{settings.stack}`, or try the same again: pulumi up --refresh --run-program --stack "
            f"{settings.stack}"
        )
        self._window = float(settings.socket_watch_seconds)
        self._server = Wanted(
            service_name(settings.stack),
            Image(settings.socket_image, settings.socket_release, settings.socket_digest),
            f"release {settings.socket_release}",
        )
        self._proxy = Wanted(
            proxy_name(settings.stack), Image.parse(settings.proxy_image), f"proxy {settings.proxy_image}"
        )
        self._monitor = _monitor(settings)

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

    def refuse_taken_back(self, touched: Collection[str]) -> str:
        """Raise where Swarm has taken something back, which the state may not know: the release, or what the
        proxy or a service of the monitor was to read; and where a service that was made, and never updated,
        has no task that runs. `touched`: services that this run has changed itself.

        Returns what a person should know where only the last change of the release's settings was, or "".
        """
        advice, kept = "", [*self._kept(touched)]
        try:
            if self._server.service not in touched:
                advice = self._refuse_release()
        except OperationError as error:
            kept.insert(0, str(error))
        if kept:
            raise OperationError("\n".join(kept))
        return advice

    def _refuse_release(self) -> str:
        wanted = self._server
        try:
            with hosts.connected(self._access) as host:
                running = host.service(wanted.service)
                if running is None or not _failed(running):
                    return ""
                reasons = host.reasons(wanted.service, wanted.image)
        except OperationError:
            return ""  # nothing of it is to be changed, and `drift` says that its host does not answer
        if running.image == wanted.image and running.update:
            return f"Swarm took the last change of {wanted.called}'s settings back. {self._again}"
        raise OperationError(failure(wanted, running, reasons, self._again))

    def _kept(self, touched: Collection[str]) -> Iterator[str]:
        """The sentence for each other service that has its configuration of before, or no task at all."""
        on: dict[DockerHost, list[Wanted]] = {}
        for access, wanted in [(self._access, self._proxy), *self._monitor.values()]:
            if wanted.service not in touched:
                on.setdefault(access, []).append(wanted)
        for access, services in on.items():
            with suppress(OperationError), hosts.connected(access) as host:  # as above
                for wanted in services:
                    running = host.service(wanted.service)
                    if running and _failed(running):
                        yield failure(
                            wanted, running, host.reasons(wanted.service, wanted.image), self._again
                        )

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
        running = _await(self._access, self._server)
        return f"{self._server.called} serves{running.crowded}" if running.crowded else ""

    def await_proxy(self) -> None:
        """The same for the proxy."""
        _await(self._access, self._proxy)

    def await_monitor(self, name: str) -> str:
        """The same for a service of the monitor, by its logical name; returns that of its Swarm service.

        One that refuses its new configuration ends, and Swarm goes back to the one before: nobody is told.
        """
        access, wanted = self._monitor[name]
        _await(access, wanted)
        return wanted.service

    def await_new_server(self) -> str:
        """Wait until a service that was made, or made anew, has run for its monitor window; raise otherwise.

        Returns as `await_server`. No update is under way that Swarm could take back: N-1 is gone.
        """
        running = self._watch(self._server)
        return f"{self._server.called} serves{running.crowded}" if running.crowded else ""

    def await_new_proxy(self) -> None:
        """The same for the proxy."""
        self._watch(self._proxy)

    def await_new_monitor(self, name: str) -> str:
        """The same for a service of the monitor, by its logical name; returns that of its Swarm service."""
        access, wanted = self._monitor[name]
        self._watch(wanted, access)
        return wanted.service

    def explain_server(self) -> str:
        """Which release failed, why, and which one serves."""
        return _explain(self._access, self._server)

    def explain_proxy(self) -> str:
        """The same for the proxy."""
        return _explain(self._access, self._proxy)

    def explain_monitor(self, name: str) -> str:
        """The same for a service of the monitor, by its logical name."""
        return _explain(*self._monitor[name])

    def _watch(self, wanted: Wanted, access: DockerHost | None = None) -> Running:
        with hosts.connected(access or self._access) as host:
            running = host.watch(wanted.service, self._window)
            if running is None or not running.settled:
                raise OperationError(_failure(host, wanted, running))
            return running


def _failed(running: Running) -> bool:
    """Whether Swarm took its last change back, or it was made, never updated, and has no task that runs."""
    return running.update.startswith("rollback") or not (running.update or running.serving)


def _monitor(settings: Settings) -> dict[str, tuple[DockerHost, Wanted]]:
    """The services of the monitor and its agent, and where they run, by their logical names."""
    plan, host = uptime_plan(settings), monitor_host(settings)
    if plan is None or host is None:
        return {}
    found = {f"{UPTIME}-{service.role}": (host, _wanted(service)) for service in plan.services}
    if plan.agent:
        agent = plan.agent.service
        found[f"{AGENT}-{agent.role}"] = (socket_host(settings), _wanted(agent))
    return found


def _wanted(service: Service) -> Wanted:
    return Wanted(service.name, Image.parse(service.image), f"{service.name} ({service.image})")


def _await(access: DockerHost, wanted: Wanted) -> Running:
    with hosts.connected(access) as host:
        host.await_end(wanted.service)
        # Judged only now: Swarm may not have begun with the update when it was asked first.
        running = host.settle(wanted.service)
        if running is None or running.update not in ("completed", ""):
            raise OperationError(_failure(host, wanted, running))
        return running


def _explain(access: DockerHost, wanted: Wanted) -> str:
    try:
        with hosts.connected(access) as host:
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

"""Docker Swarm as the runtime of the socket server: the engine of its host is asked, never the state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from typing import Final

from operations.parts.part import Served
from operations.services import hosts
from operations.services.hosts import Host
from operations.services.running import Image, Running
from plan.hosts import socket_host
from plan.promotion import Point
from plan.settings import Settings
from plan.socket import SOCKET, service_name, socket_plan


class Swarm:
    """`operations.parts.runtime.Runtime` on a Docker Swarm."""

    targets: Final = (f"{SOCKET}-service",)

    def place(self, settings: Settings) -> str:
        return service_name(settings.stack)

    def served(self, settings: Settings, *, settled: bool = False) -> Served | None:
        running = _running(settings, settled=settled)
        if running is None:
            return None
        return Served(
            point=point(running), wanted=Point(running.release, running.digest), settled=running.settled,
            since=running.since, text=running.text,
        )  # fmt: skip

    def status(self, settings: Settings) -> tuple[str, str]:
        running = _running(settings)
        if running is None:
            return "its host has no such service", "there is no such service"
        healthy = f"{running.healthy} of {running.desired} healthy"
        update = f", {running.update}" if running.update else ""
        text = f"{running.release[:7]}, {healthy}{update}{running.crowded}"
        named = (settings.socket_release, settings.socket_digest)
        return text, "" if running.settled and (running.release, running.digest) == named else text

    def verify(self, settings: Settings) -> tuple[str, str]:
        """`docker service rollback` after a rotation keeps the image and brings the old values back: so the
        values are compared too."""
        with hosts.connected(socket_host(settings)) as host:
            running = host.await_release(
                service_name(settings.stack), settings.socket_release, settings.socket_digest
            )
            return running.text, _unlike(host, settings)

    def refusal(self, settings: Settings, image: str) -> str:
        with hosts.connected(socket_host(settings)) as host:
            return host.refusal(service_name(settings.stack), Image.parse(image))

    @contextmanager
    def registry(self, settings: Settings) -> Iterator[Callable[[str], str]]:
        with hosts.connected(socket_host(settings)) as host:
            yield lambda sha: host.registered(Image(settings.socket_image, sha))


def _running(settings: Settings, *, settled: bool = False) -> Running | None:
    name = service_name(settings.stack)
    with hosts.connected(socket_host(settings)) as host:
        running = host.service(name)
        return host.settle(name) if settled and running and running.under_way else running


def point(running: Running) -> Point:
    """The release that a service really runs; one without SHA where nothing serves.

    A service that somebody scaled to nothing counts as what it would run.
    """
    serving = running.serving
    image = running.image
    if running.desired and image not in serving:
        if not serving:
            return Point()
        image = max(serving, key=lambda each: serving[each])
    return Point(image.tag, image.digest)


def _unlike(host: Host, settings: Settings) -> str:
    """How the services of the socket server differ from what is declared, values never shown; "" if not."""
    plan = socket_plan(settings)
    if plan is None:
        return ""
    values = {**plan.environment, **plan.secrets}
    if other := host.unlike(plan.service, values, [file.name for file in plan.file_secrets]):
        return f"with other values of {', '.join(other)} than the stack file has"
    proxy, declared = host.service(plan.proxy), Image.parse(plan.proxy_image)
    if proxy is None or not proxy.healthy:
        return f"its proxy {plan.proxy} does not run"
    pairs = zip(astuple(declared), astuple(proxy.image), strict=True)
    other_image = any(each and each != there for each, there in pairs)  # what is not stated is filled in
    if other_image or host.unlike(plan.proxy, {}, [plan.caddyfile_name]):
        return f"its proxy {plan.proxy} is not as declared"
    return ""

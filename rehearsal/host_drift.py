"""Changes made by hand on the socket host: what `python -m rehearsal drift NAME` does to a real engine.

Each is what a person would type there, for the socket service of staging. Raises LookupError, with what to
do, while there is no such service.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from operations.services import docker_client
from operations.services.docker_client import Engine
from operations.services.running import Image
from plan.socket import service_name
from rehearsal.home import engines

STACK: Final = "staging"
SERVICE: Final = service_name(STACK)
Service = dict[str, Any]


@dataclass(frozen=True)
class HostDrift:
    """One change by hand. `command` is what a person would type on the host, `seen` as of `standin.drift`."""

    description: str
    command: str
    change: Callable[[Engine, Service], None]
    seen: bool = True

    def apply(self, account: Path) -> None:
        """Make the change on the host of the home that the account file lies in."""
        host = engines(account.parent)[0].host
        missing = LookupError(f"the socket host has no service {SERVICE} yet: make rehearse")
        try:
            engine = docker_client.connect(host)
        except Exception as error:
            if docker_client.explain(error, host) is None:
                raise
            raise missing from None
        with closing(engine):
            found = [s for s in engine.services(filters={"name": SERVICE}) if s["Spec"]["Name"] == SERVICE]
            if not found:
                raise missing
            self.change(engine, found[0])


def _write(engine: Engine, service: Service, **query: Any) -> None:
    version = service["Version"]["Index"]
    engine.write(f"/services/{service['ID']}/update", service["Spec"], version=version, **query)


def _roll_back(engine: Engine, service: Service) -> None:
    if not service.get("PreviousSpec"):
        raise LookupError(f"{SERVICE} has never been updated: apply another release first")
    _write(engine, service, rollback="previous")


def _image(engine: Engine, service: Service) -> None:
    """The release that ran before, by the service's tasks or its specification before the last update."""
    container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    ran = [task["Spec"]["ContainerSpec"]["Image"] for task in engine.tasks(filters={"service": SERVICE})]
    before = service.get("PreviousSpec")
    ran += [before["TaskTemplate"]["ContainerSpec"]["Image"]] if before else []
    others = [image for image in ran if image != container["Image"]]
    if not others:
        raise LookupError(f"{SERVICE} has only run one release: apply another one first")
    container["Image"] = others[0]
    _write(engine, service)


def _tag_alone(engine: Engine, service: Service) -> None:
    container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    image = Image.parse(container["Image"])
    container["Image"] = f"{image.name}:{image.tag}"
    _write(engine, service)


def _scale(engine: Engine, service: Service) -> None:
    service["Spec"]["Mode"]["Replicated"]["Replicas"] += 1
    _write(engine, service)


def _remove(engine: Engine, service: Service) -> None:
    engine.remove_service(service["ID"])


_UPDATE: Final = "docker service update"
HOST_DRIFTS: Final[dict[str, HostDrift]] = {
    "service-rolled-back": HostDrift(
        "staging's socket server rolled back on its host", f"docker service rollback {SERVICE}", _roll_back
    ),
    "service-image": HostDrift(
        "another release given to staging's socket server on its host",
        f"{_UPDATE} --image IMAGE {SERVICE}",
        _image,
    ),
    "service-tag-alone": HostDrift(
        "the digest of staging's release dropped on its host",
        f"{_UPDATE} --no-resolve-image --image NAME:TAG {SERVICE}",
        _tag_alone,
        seen=False,
    ),
    "service-scaled": HostDrift(
        "staging's socket server scaled on its host", f"docker service scale {SERVICE}=N", _scale
    ),
    "service-removed": HostDrift(
        "staging's socket server removed on its host", f"docker service rm {SERVICE}", _remove
    ),
}

"""What a Docker host really runs: a service's release, its healthy tasks, how its last update went.

The engine is asked, never the state: after a failed update the state holds the failed inputs although N-1
serves, and the provider may call an update completed while Swarm still watches it (hazards
`state-after-rollback`, `update-called-completed`).
What is changed is said by its verb: an image pulled or removed, an object discarded.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import docker.errors  # type: ignore[import-untyped]

from operations.services import docker_client
from operations.services.docker_client import Engine, Material
from operations.services.running import Image, Running, had_container, image_of, running_of
from operations.stack.workspace import OperationError
from plan.hosts import DockerHost, registry
from plan.images import familiar

TIMEOUT: Final = 20.0  # seconds for one answer of a host
ROLLOUT: Final = 600.0  # seconds until a rollout is given up on; the provider's own limit is half of it
SETTLE: Final = 30.0  # seconds for the tasks of a release that failed to end
_POLL: Final = 1.0

# A registry that wants credentials, or does not take them, in whatever status the engine passes it on.
DENIED: Final = re.compile(r"no basic auth credentials|unauthorized|denied", re.IGNORECASE)
_UNKNOWN: Final = re.compile(r"manifest unknown|name unknown|not found", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class LocalImage:
    """An image on one node. `names` are all references under which it could be removed."""

    id: str
    names: tuple[str, ...]
    digests: frozenset[str]
    size: int  # bytes; layers that others share included
    created: int  # seconds since 1970


class Host:
    """One Docker host, connected. Every method raises OperationError."""

    def __init__(self, access: DockerHost, engine: Engine) -> None:
        self.access = access
        self._engine = engine

    def service(self, name: str) -> Running | None:
        """What the service runs now; None where the host has none of that name."""
        with _explained(self.access):
            found = [s for s in self._engine.services(filters={"name": name}) if s["Spec"]["Name"] == name]
            if not found:
                return None
            tasks = self._engine.tasks(filters={"service": name, "desired-state": "running"})
            nodes = self._engine.nodes()
        down = {n["ID"] for n in nodes if n["Status"]["State"] == "down"}
        return running_of(found[0], [t for t in tasks if t.get("NodeID") not in down], nodes)

    def await_release(
        self,
        name: str,
        release: str,
        digest: str,
        *,
        patience: float = ROLLOUT,
        progress: Callable[[Running], None] = lambda _: None,
    ) -> Running:
        """The service once it runs this release, every task healthy and Swarm done watching it.

        Raises OperationError when another release serves, or after `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while True:
            running = self.service(name)
            if running is None:
                raise OperationError(f"{self.access.address} has no service {name}")
            progress(running)
            wanted = (running.release, running.digest) == (release, digest)
            if running.settled and wanted:
                return running
            if not running.under_way and not wanted:
                words = f" ({running.message})" if running.message else ""
                raise OperationError(f"{release} does not serve{words}. It runs {running.text}")
            if running.update.endswith("paused"):
                raise OperationError(f"the rollout of {release} stopped: {running.message}. {running.text}")
            if time.monotonic() >= deadline:
                raise OperationError(f"{release} did not settle within {patience:.0f} s. {running.text}")
            time.sleep(_POLL)

    def unlike(self, name: str, values: Mapping[str, str], mounted: Iterable[str]) -> tuple[str, ...]:
        """Variables of a service that have another value than these, and configs and secrets of these names
        that it does not mount. What else it has is not judged; no value is returned.
        """
        with _explained(self.access):
            found = [s for s in self._engine.services(filters={"name": name}) if s["Spec"]["Name"] == name]
        if not found:
            return ()
        container = found[0]["Spec"]["TaskTemplate"]["ContainerSpec"]
        there = dict(entry.partition("=")[::2] for entry in container.get("Env") or ())
        has = {each["ConfigName"] for each in container.get("Configs") or ()}
        has |= {each["SecretName"] for each in container.get("Secrets") or ()}
        differs = [key for key, value in values.items() if there.get(key) != value]
        return (*sorted(differs), *sorted(set(mounted) - has))

    def used(self) -> dict[str, str]:
        """Digests of images that something uses, with what: a service, now or before its last update."""
        found: dict[str, str] = {}
        with _explained(self.access):
            for service in self._engine.services():
                for spec, when in ((service["Spec"], "runs in"), (service.get("PreviousSpec"), "N-1 of")):
                    if spec and (digest := image_of(spec["TaskTemplate"]).digest):
                        found.setdefault(digest, f"{when} {service['Spec']['Name']}")
        return found

    def ran(self, service: str) -> list[str]:
        """Digests that tasks of the service ran, newest first. Swarm remembers a few tasks a replica."""
        newest = sorted(self._tasks(service), key=lambda task: str(task["CreatedAt"]), reverse=True)
        return [image.digest for image in (image_of(task["Spec"]) for task in newest) if image.digest]

    def images(self, name: str | None) -> list[LocalImage]:
        """The images on this node that are called `name` (without tag), or all of them; newest first."""
        with _explained(self.access):
            listed = self._engine.images()
        found = []
        for image in listed:
            named = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
            names = [each for each in named if "<none>" not in each]
            mine = [n for n in names if name is None or Image.parse(n).name == familiar(name)]
            if mine or name is None:
                digests = frozenset(d for n in names if (d := Image.parse(n).digest))
                found.append(
                    LocalImage(
                        id=image["Id"], names=tuple(mine), digests=digests,
                        size=image["Size"], created=image["Created"],
                    )
                )  # fmt: skip
        return sorted(found, key=lambda image: image.created, reverse=True)

    def remove(self, name: str) -> bool:
        """Remove one name of an image, and with its last one the image. False where it is in use."""
        with _explained(self.access):
            try:
                self._engine.remove_image(name)
            except docker.errors.APIError as error:
                if error.status_code == HTTPStatus.NOT_FOUND:
                    return True  # the last tag takes the digests with it
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
                return False
        return True

    def find(self, kind: str, name: str) -> str | None:
        """Id of the network, config, secret or service of this very name; None where there is none."""
        with _explained(self.access):
            listed = getattr(self._engine, f"{kind}s")(filters={"name": name})
        # The filter finds every name that holds this one, and networks have theirs elsewhere.
        ids = (each.get("ID") or each["Id"] for each in listed if (each.get("Spec") or each)["Name"] == name)
        return next(ids, None)

    def discard(self, kind: str, id: str) -> None:
        """Remove a network, config, secret or service. Docker refuses what something uses."""
        with _explained(self.access):
            getattr(self._engine, f"remove_{kind}")(id)

    def version(self) -> tuple[str, str]:
        """The engine's version, and the API version that is spoken with it."""
        with _explained(self.access):
            return str(self._engine.version(api_version=False)["Version"]), str(self._engine.api_version)

    def manages_a_swarm(self) -> bool:
        with _explained(self.access):
            return _manages(self._engine)

    def unreserved_memory(self, *, but: str) -> int:
        """Bytes of the ready nodes that tasks have not reserved; services named `but…` do not count."""
        with _explained(self.access):
            nodes = [n for n in self._engine.nodes() if n["Status"]["State"] == "ready"]
            names = {s["ID"]: s["Spec"]["Name"] for s in self._engine.services()}
            tasks = self._engine.tasks(filters={"desired-state": "running"})
        total = sum(int(node["Description"]["Resources"].get("MemoryBytes", 0)) for node in nodes)
        others = [t for t in tasks if not names.get(t["ServiceID"], "").startswith(but)]
        reserved = [(t["Spec"].get("Resources") or {}).get("Reservations") or {} for t in others]
        return total - sum(int(each.get("MemoryBytes", 0)) for each in reserved)

    def published_ports(self, *, but: str) -> dict[int, str]:
        """Host port -> service that publishes it; services named `but…` do not count."""
        with _explained(self.access):
            services = self._engine.services()
        return {
            int(port["PublishedPort"]): service["Spec"]["Name"]
            for service in services
            if not service["Spec"]["Name"].startswith(but)
            for port in (service["Spec"].get("EndpointSpec") or {}).get("Ports") or ()
            if port.get("PublishedPort")
        }

    def ask_registry(self, reference: str) -> None:
        """Look for an image in its registry, from this host and with the stack's credentials."""
        with _explained(self.access):
            self._engine.distribution(reference, self._auth(Image.parse(reference)))

    def nodes(self) -> list[str]:
        """Host names of the swarm's nodes; the node that was asked comes first."""
        with _explained(self.access):
            me = self._engine.info()["Name"]
            names = [node["Description"]["Hostname"] for node in self._engine.nodes()]
        return sorted(names, key=lambda each: (each != me, each))

    def await_end(self, name: str, patience: float = ROLLOUT) -> Running:
        """The service once Swarm has stopped watching its last update, however that ended.

        Raises OperationError after `patience` seconds, or where there is no such service.
        """
        deadline = time.monotonic() + patience
        while True:
            running = self.service(name)
            if running is None:
                raise OperationError(f"{self.access.address} has no service {name}")
            if not running.under_way:
                return running
            if time.monotonic() >= deadline:
                raise OperationError(f"it did not settle within {patience:.0f} s. {running.text}")
            time.sleep(_POLL)

    def settle(self, name: str, patience: float = SETTLE) -> Running | None:
        """The service once all its tasks are of one image, or as it is `patience` seconds after Swarm's last
        step; None where there is no such service.

        A rollback may still be under way when the provider gives up, and Swarm calls it completed a moment
        before the last task of what failed has ended.
        """
        given_up = time.monotonic() + ROLLOUT
        quiet_until = time.monotonic() + patience
        while (running := self.service(name)) and not running.settled:
            if running.under_way:
                quiet_until = time.monotonic() + patience
            if time.monotonic() >= min(quiet_until, given_up):
                break
            time.sleep(_POLL)
        return running

    def watch(self, name: str, window: float) -> Running | None:
        """A service that was made just now, once its tasks have run for `window` seconds or one has ended.

        Swarm watches the tasks of an update only, and says nothing of those of a new service.
        """
        running = self.settle(name)
        until = time.monotonic() + window
        while running and running.settled and time.monotonic() < until:
            time.sleep(_POLL)
            running = self.service(name)
        return running

    def reasons(self, name: str, image: Image) -> list[str]:
        """Why the newest tasks of this image ended, in Docker's words; at most two."""
        newest = sorted(self._tasks(name), key=lambda task: str(task["CreatedAt"]), reverse=True)
        found = [
            t["Status"]["Err"] for t in newest if t["Status"].get("Err") and image_of(t["Spec"]) == image
        ]
        return list(dict.fromkeys(found))[:2]

    def refusal(self, name: str, image: Image) -> str:
        """Why this image cannot be had, in the registry's words; "" where it can, or where nobody can tell.

        What has run in the service exists: a rollback must not depend on the registry. Otherwise the
        registry is asked by the engine, from where it would pull: tag and digest must both be there, and be
        one image.
        """
        if any(image_of(task["Spec"]) == image and had_container(task) for task in self._tasks(name)):
            return ""
        auth = self._auth(image)
        tagged = f"{image.name}:{image.tag}"
        for part in (f"{image.name}@{image.digest}", tagged):
            try:
                found = self._engine.distribution(part, auth)["Descriptor"]["digest"]
            except Exception as error:
                explained = docker_client.explain(error, self.access.address)
                if explained is None:
                    raise
                status, _, message = explained
                refused = status in (400, 401, 403, 404) or DENIED.search(message)
                return f"{part}: {message}" if refused else ""
        return "" if found == image.digest else f"{tagged} is {found}, not {image.digest}"

    def registered(self, image: Image) -> str:
        """Digest that the image's registry has for its tag, asked from this host; "" where it has none.

        Raises OperationError where the registry cannot be asked, or does not take the credentials.
        """
        reference = f"{image.name}:{image.tag}"
        try:
            return str(self._engine.distribution(reference, self._auth(image))["Descriptor"]["digest"])
        except Exception as error:
            explained = docker_client.explain(error, self.access.address)
            if explained is None:
                raise
            status, _, message = explained
            if status == HTTPStatus.NOT_FOUND or _UNKNOWN.search(message):
                return ""
            raise OperationError(f"the registry cannot be asked for {reference}: {message}") from None

    def pull(self, image: Image) -> None:
        """Have an image on this host, as a service here would pull it; nothing to do where it is."""
        with _explained(self.access):
            try:
                self._engine.inspect_image(str(image))
            except docker.errors.ImageNotFound:
                self._engine.pull(
                    image.name, image.digest or image.tag or "latest", auth_config=self._auth(image)
                )
                self._engine.inspect_image(str(image))  # what goes wrong on the way is not raised

    def _tasks(self, service: str) -> list[dict[str, Any]]:
        """All tasks that Swarm remembers of a service; none where there is no such service."""
        with _explained(self.access):
            if not any(s["Spec"]["Name"] == service for s in self._engine.services()):
                return []
            return list(self._engine.tasks(filters={"service": service}))

    def _auth(self, image: Image) -> dict[str, str]:
        """Credentials as the engine's API takes them (AuthConfig); empty where the registry needs none."""
        for login in self.access.logins:
            if login.registry == registry(image.name):
                return {"username": login.user, "password": login.password, "serveraddress": login.registry}
        return {}


@contextmanager
def connected(access: DockerHost, timeout: float = TIMEOUT, *, manager: bool = True) -> Iterator[Host]:
    """The host, connected. Raises OperationError where it does not answer, or manages no swarm and has to."""
    with _explained(access):
        engine = docker_client.connect(access.address, _material(access), timeout)
    try:
        with _explained(access):
            managed = not manager or _manages(engine)
        if not managed:
            raise OperationError(
                f"the engine at {access.address} is no manager of a swarm; on that host: docker swarm init"
            )
        yield Host(access, engine)
    finally:
        engine.close()


def _manages(engine: Engine) -> bool:
    swarm = engine.info()["Swarm"]
    return bool(swarm["LocalNodeState"] == "active" and swarm["ControlAvailable"])


def _material(access: DockerHost) -> Material | None:
    if not access.key:
        return None
    return Material(ca=access.ca, certificate=access.certificate, key=access.key)


@contextmanager
def _explained(access: DockerHost) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        explained = docker_client.explain(error, access.address)
        if explained is None:
            raise
        message = explained[2]
        where = "" if access.address in message else f"{access.address}: "
        raise OperationError(where + message) from None

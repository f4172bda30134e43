"""What tests of rollouts share: stacks of a rehearsal home on a real Docker engine, and who watches them.

Owns how a release is named and what a stack really runs. What the counts must be is for the tests to say.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rehearsal import docker_engine
from rehearsal.docker_engine import images, processes, registry
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.clients import Clients, Event
from rehearsal.docker_engine.registry import Registry
from tests.harness import RehearsalHome, Result

ORIGINS: Final = {"staging": "https://staging.share-paint.app", "production": "https://share-paint.app"}
PORTS: Final = {"staging": 8081, "production": 8080}
PLAYERS: Final = 50
ROOMS: Final = 5
RATE: Final = 100  # probes a second
PATIENCE: Final = 240.0  # seconds for what takes some; no test is about speed


@contextmanager
def swarm(folder: Path) -> Iterator[Registry]:
    """An engine of the test's own with a registry, ended afterwards."""
    try:
        yield registry.ensure(folder / "registry", docker_engine.ensure(folder))
    finally:
        docker_engine.stop(folder)


def release(hub: Registry, digit: str, fault: str = "") -> ImageRef:
    """The sample server as release `digit` x 40."""
    return images.socket_server(hub, digit * 40, fault=fault)


@dataclass
class Rollouts:
    """One stack of a home on one engine."""

    home: RehearsalHome
    hub: Registry
    stack: str = "staging"
    address: str = ""  # where its ports are published; that of the engine, if not stated

    @property
    def url(self) -> str:
        return f"http://{self.address or self.hub.engine.address}:{PORTS[self.stack]}"

    @property
    def service(self) -> str:
        return f"paintshare-{self.stack}-socket"

    def place(self) -> None:
        """Let the stack file name the engine, the registry and a proxy without TLS."""
        self.home.edit(
            self.stack,
            socketHost=self.hub.engine.host,
            socketImage=f"{self.hub.address}/socket",
            proxyImage=images.caddy(self.hub).reference,
            socketTls="off",
            previousSocketRelease=None,
            previousSocketDigest=None,
        )

    def name(self, image: ImageRef) -> None:
        """What a person does: write SHA and digest into the stack file."""
        self.home.edit(self.stack, socketRelease=image.tag, socketDigest=image.digest)

    def up(self, image: ImageRef | None = None, *options: str) -> Result:
        if image:
            self.name(image)
        return self.home.pulumi("up", "-s", self.stack, "--yes", "--skip-preview", *options)

    def serving(self) -> Counter[str]:
        """Release → tasks of it that run. Swarm calls a task running once it is healthy."""
        with contextlib.closing(self.hub.engine.client()) as client:
            tasks = client.api.tasks(filters={"service": self.service, "desired-state": "running"})
        return Counter(
            image_of(task).partition("@")[0].rpartition(":")[2]
            for task in tasks
            if task["Status"]["State"] == "running"
        )

    def version(self) -> int:
        """A number that grows with every write to the service."""
        with contextlib.closing(self.hub.engine.client()) as client:
            return int(client.api.inspect_service(self.service)["Version"]["Index"])

    def history(self) -> str:
        """All that Swarm remembers of the tasks, the oldest first: for the message of a failed test."""
        with contextlib.closing(self.hub.engine.client()) as client:
            tasks = client.api.tasks(filters={"service": self.service})
            service = client.api.inspect_service(self.service)
        return "\n".join(
            [
                f"slot {task.get('Slot')} {task['ID'][:6]} {image_of(task).partition('@')[0][-6:]} made "
                f"{task['CreatedAt']} wanted {task['DesiredState']}, {task['Status']['State']} since "
                f"{task['Status']['Timestamp']}: {task['Status'].get('Err') or task['Status']['Message']}"
                for task in sorted(tasks, key=lambda task: str(task["CreatedAt"]))
            ]
            + [json.dumps(service.get("UpdateStatus"))]
        )

    def remade(self, good: ImageRef, bad: ImageRef) -> list[int]:
        """Slots in which Swarm made a task of the good release after one of the bad, instead of keeping the
        good one's that was there."""
        with contextlib.closing(self.hub.engine.client()) as client:
            tasks = client.api.tasks(filters={"service": self.service})
        tasks.sort(key=lambda task: str(task["CreatedAt"]))
        releases: dict[int, list[str]] = {}
        for task in tasks:
            tag = image_of(task).partition("@")[0].rpartition(":")[2]
            releases.setdefault(int(task["Slot"]), []).append(tag)
        return [
            slot
            for slot, tags in releases.items()
            if bad.tag in tags and good.tag in tags[tags.index(bad.tag) :]
        ]

    def settles(self, image: ImageRef, tasks: int = 2) -> bool:
        """True once every task is of this release, and all that are wanted run."""
        return processes.wait_until(lambda: self.serving() == {image.tag: tasks}, PATIENCE)

    def strip(self, image: ImageRef) -> ImageRef:
        """The image as the registry knows it, but nobody can pull: its configuration is gone."""
        blobs = self.hub.folder / "data/docker/registry/v2/blobs/sha256"

        def blob(digest: str) -> Path:
            hexadecimal = digest.removeprefix("sha256:")
            return blobs / hexadecimal[:2] / hexadecimal / "data"

        blob(json.loads(blob(image.digest).read_text())["config"]["digest"]).unlink()
        with contextlib.closing(self.hub.engine.client()) as client:
            client.images.remove(client.images.get(f"{image.name}@{image.digest}").id, force=True)
        return image

    def retag(self, image: ImageRef, tag: str) -> ImageRef:
        """The same image under another tag: to Swarm a change."""
        with contextlib.closing(self.hub.engine.client()) as client:
            client.images.get(f"{image.name}@{image.digest}").tag(image.name, tag)
            client.images.push(image.name, tag)
        return replace(image, tag=tag)

    @contextmanager
    def registry_down(self) -> Iterator[None]:
        """Nothing answers at the registry's address while the block runs."""
        settings = str(self.hub.folder / f"{self.hub.engine.id}.yml")
        processes.end(processes.find("docker-registry", settings), 10)
        try:
            yield
        finally:
            registry.ensure(self.hub.folder, self.hub.engine)

    @contextmanager
    def watched(self, origin: str = "", **options: Any) -> Iterator["Watch"]:
        """Players and a prober while the block runs; `Watch.summary` holds their counts afterwards."""
        watch = Watch()
        options = {"players": PLAYERS, "rooms": ROOMS, "rate": RATE, "seconds": 1500} | options
        with Clients(self.url, origin or ORIGINS[self.stack], **options) as clients:
            watch.clients = clients
            assert clients.wait(lambda now: now.count("connect") == options["players"], PATIENCE)
            began = time.monotonic()
            yield watch
            watch.seconds = time.monotonic() - began
            watch.summary = clients.finish()


class Watch:
    """What players and prober saw."""

    clients: Clients
    seconds: float
    summary: Event

    @property
    def probes(self) -> dict[str, Any]:
        counts: dict[str, Any] = self.summary["probes"]
        return counts

    def everybody_is_back(self) -> bool:
        """True once every player was away, and has its room again."""
        return self.clients.wait(lambda now: set(_last(now).values()) == {"reconnect"}, PATIENCE)

    def nobody_is_away(self) -> bool:
        """True once every player that was away, if any, has its room again."""
        return self.clients.wait(lambda now: "disconnect" not in _last(now).values(), PATIENCE)

    @property
    def releases(self) -> set[str]:
        """The releases that players have joined a room on."""
        return {one["release"] for one in self.clients.events if "release" in one}

    def told(self, what: str) -> str:
        """One line for the log of the test."""
        probes, ms = self.probes, self.summary["reconnectMs"]
        return (
            f"{what}: {probes['ok']} of {probes['sent']} probes answered, {probes['failed']} failed, slowest "
            f"{probes['slowestMs']} ms; {self.summary['reconnects']} reconnects (median {ms['median']} ms, "
            f"p95 {ms['p95']} ms, most {ms['most']} ms), {self.summary['kept']} found their room as it was"
            + "".join(f"; {problem}: {count}" for problem, count in self.problems.items())
        )

    @property
    def losses(self) -> dict[str, Any]:
        """How connections were lost: a task that ends says so before, one that is starved does not."""
        ended = Counter(str(one.get("reason")) for one in self.clients.events if one["event"] == "disconnect")
        told = self.clients.count("leaving")
        return {"ended": dict(ended), "leaving": told, "slowestMs": self.probes["slowestMs"]}

    @property
    def problems(self) -> Counter[str]:
        """Why probes failed, by the first hundred that did."""
        return Counter(one["problem"] for one in self.clients.events if one["event"] == "probe-failed")


def _last(clients: Clients) -> dict[int, str]:
    """Player → the last that happened to its connection."""
    kinds = ("connect", "disconnect", "reconnect")
    return {one["player"]: one["event"] for one in list(clients.events) if one["event"] in kinds}


def image_of(task: dict[str, Any]) -> str:
    return str(task["Spec"]["ContainerSpec"]["Image"])

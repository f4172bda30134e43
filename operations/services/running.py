"""What a Docker host says of a service: image, tasks, how its last update went."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_IMAGE: Final = re.compile(r"(?P<name>[^@]+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_UNDER_WAY: Final = ("updating", "rollback_started")


@dataclass(frozen=True)
class Image:
    """An image as a service names it. `tag` is the git SHA of a release; what is not stated is ""."""

    name: str = ""
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, reference: str) -> "Image":
        """`registry:5000/socket:TAG@sha256:DIGEST` and every shorter form of it."""
        found = _IMAGE.fullmatch(reference)
        return cls(*(found[part] or "" for part in ("name", "tag", "digest"))) if found else cls(reference)

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, kw_only=True)
class Running:
    """A service as the engine has it at this moment.

    `image` is what Swarm works towards: after a rollback N-1, whatever was asked for. `previous` is the
    image before it, or None where there is none. `healthy` counts tasks of `image` that run; one with a
    health check runs only once it is healthy. `serving` counts the running tasks of every image: two during
    a rollout. `update` is Swarm's word ("" before the first update, updating, completed, paused,
    rollback_started, rollback_completed, rollback_paused), `message` its reason. `since`: when the service
    was changed last. `idle`: nodes without a task of it, although another has two more.
    """

    service: str
    image: Image
    previous: Image | None
    desired: int
    healthy: int
    serving: Mapping[Image, int]
    update: str
    message: str
    since: datetime
    idle: tuple[str, ...] = ()

    @property
    def release(self) -> str:
        """Git SHA, by the tag; "" where the image has none."""
        return self.image.tag

    @property
    def digest(self) -> str:
        return self.image.digest

    @property
    def under_way(self) -> bool:
        """True while Swarm is at it, forward or back."""
        return self.update in _UNDER_WAY

    @property
    def settled(self) -> bool:
        """True when Swarm is done with it and every wanted task runs healthy, of this image alone."""
        return not self.under_way and self.healthy == self.desired > 0 and set(self.serving) == {self.image}

    @property
    def text(self) -> str:
        """One line for people."""
        update = f", update {self.update.replace('_', ' ')}" if self.update else ""
        return f"{self.service}: {self.image}, {self.healthy} of {self.desired} healthy{update}{self.crowded}"

    @property
    def crowded(self) -> str:
        """What to do where its tasks stand on too few nodes, beginning with a comma; "" where they do not."""
        if not self.idle:
            return ""
        return f", none on {', '.join(self.idle)} (docker service update --force {self.service} spreads them)"


def running_of(
    service: Mapping[str, Any], tasks: list[dict[str, Any]], nodes: list[dict[str, Any]]
) -> Running:
    """What the engine's answers about a service, its tasks and the nodes come to."""
    spec, status = service["Spec"], service.get("UpdateStatus") or {}
    image = image_of(spec["TaskTemplate"])
    serving = Counter(image_of(task["Spec"]) for task in tasks if task["Status"]["State"] == "running")
    previous = service.get("PreviousSpec")
    replicated = spec["Mode"].get("Replicated") or {}
    return Running(
        service=spec["Name"],
        image=image,
        previous=image_of(previous["TaskTemplate"]) if previous else None,
        desired=replicated.get("Replicas", 0),
        healthy=serving[image],
        serving=dict(serving),
        update=status.get("State", ""),
        message=status.get("Message", ""),
        since=datetime.fromisoformat(service["UpdatedAt"][:19]).replace(tzinfo=UTC),
        idle=_idle(spec["TaskTemplate"], tasks, nodes),
    )


def _idle(
    task: Mapping[str, Any], tasks: list[dict[str, Any]], nodes: list[dict[str, Any]]
) -> tuple[str, ...]:
    """Nodes without a task, although another has two more than they; none where the place is prescribed."""
    if (task.get("Placement") or {}).get("Constraints"):
        return ()
    has = Counter(each.get("NodeID") for each in tasks if each["Status"]["State"] == "running")
    if max(has.values(), default=0) < 2:
        return ()
    return tuple(
        node["Description"]["Hostname"]
        for node in nodes
        if node["Status"]["State"] == "ready"
        and node["Spec"]["Availability"] == "active"
        and not has[node["ID"]]
    )


def image_of(task: Mapping[str, Any]) -> Image:
    """The image of a task's specification."""
    return Image.parse(task["ContainerSpec"]["Image"])


def had_container(task: Mapping[str, Any]) -> bool:
    """Whether a task came so far that it had a container."""
    return bool(task["Status"].get("ContainerStatus", {}).get("ContainerID"))

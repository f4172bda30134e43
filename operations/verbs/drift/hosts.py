"""What a refresh does not tell of the services on the Docker hosts: their engines are asked what they run.

A refresh shows another image as a changed property, does not say that Swarm went back, takes a tag without
its digest for the same image (`suppressIfSHAwasAdded` in the provider's resource_docker_service.go), and
fails as a whole where any plugin refuses. Compared with the state, as all of `operations.verbs.drift` is.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from operations.services import hosts
from operations.services.accounts import Json
from operations.services.running import Image, Running
from operations.stack.workspace import OperationError
from operations.verbs.drift.unseen import Finding, Unseen, name_of, where
from plan.hosts import DockerHost

PROVIDER: Final = "pulumi:providers:docker"
SERVICE: Final = "docker:index/service:Service"
# What a refresh shows of the same change, in words that say less.
_EVERYTHING: Final = ("",)
_IMAGE, _COUNT = "taskSpec.containerSpec.image", "mode"


def inspect(state: list[Json], access: Mapping[str, DockerHost], stack: str) -> Unseen:
    """Ask each host (by the logical name of its provider) about the services that the state has there."""
    found = Unseen()
    for provider in (r for r in state if r["type"] == PROVIDER):
        name, applied = name_of(provider), provider["inputs"].get("host")
        mine = [r for r in state if r["type"] == SERVICE and r["provider"].split("::")[-2] == name]
        if not mine:
            continue
        there = access.get(name)
        if there is None or applied != there.address:
            named = there.address if there else "no such host"
            found.unchecked.append(f"the services at {applied}: the stack file names {named} now")
            continue
        try:
            with hosts.connected(there) as host:
                for resource in mine:
                    found.findings += judge(resource, host.service(resource["inputs"]["name"]), stack)
        except OperationError as error:
            found.unchecked.append(f"what {name} runs: {error}")
    return found


def judge(resource: Json, running: Running | None, stack: str) -> Iterator[Finding]:
    """Compare one service of the state with what its engine has. One whose last update failed is left to
    the next `up`, which tries again.
    """
    if resource.get("initErrors"):
        return
    if running is None:
        yield _finding(resource, "was removed", covers=_EVERYTHING)
        return
    inputs, told, keep, covers = resource["inputs"], [], [], [_IMAGE, _COUNT]
    note: Mapping[str, str] | None = None
    applied, there = Image.parse(inputs["taskSpec"]["containerSpec"]["image"]), running.image
    if there != applied:
        back = running.update.startswith("rollback")
        shown = [_called(image, other) for image, other in ((there, applied), (applied, there))]
        told.append(f"{'was rolled back to' if back else 'runs'} {shown[0]}; applied: {shown[1]}")
        if back:
            covers = [*_EVERYTHING]  # all of the earlier specification came back with it
        if not there.digest:
            # To the plugin a tag without its digest is the same image.
            note = {_IMAGE: f"{there.name}:by-hand"}
        elif applied.tag and "app.paintshare.release" in _labels(inputs):
            keep.append(
                f"write socketRelease {there.tag} and socketDigest {there.digest} into the stack file"
            )
    wanted = int(inputs["mode"]["replicated"]["replicas"])
    if running.desired != wanted:
        told.append(f"has {running.desired} replicas; applied: {wanted}")
        if "app.paintshare.release" in _labels(inputs):
            keep.append(f"pulumi config set socketReplicas {running.desired} --stack {stack}")
    if told:
        kept = f"to keep it: {'; '.join(keep)}" if keep else ""
        yield _finding(resource, "; ".join(told), covers=tuple(covers), keep=kept, note=note)


def _finding(
    resource: Json,
    what: str,
    *,
    covers: tuple[str, ...],
    keep: str = "",
    note: Mapping[str, str] | None = None,
) -> Finding:
    return Finding(
        name=name_of(resource), urn=resource["urn"], where=where(resource), what=what, keep=keep, note=note,
        covers=covers,
    )  # fmt: skip


def _called(image: Image, other: Image) -> str:
    """By its tag, which is the release; whole where both have the same one."""
    return f"release {image.tag}" if image.tag and image.tag != other.tag else str(image)


def _labels(inputs: Json) -> set[str]:
    return {str(each["label"]) for each in inputs.get("labels") or ()}

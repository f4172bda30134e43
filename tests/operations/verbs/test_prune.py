"""Pruning a host that both stacks share: each keeps its way back, and nothing unknown is touched."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from docker.errors import ImageNotFound  # type: ignore[import-untyped]

from operations.services import hosts
from operations.services.hosts import LocalImage
from operations.stack.workspace import OperationError, Workspace
from operations.verbs.prune import KEEP, histories, judge
from plan.config import parse, read_siblings
from plan.hosts import DockerHost
from plan.socket import service_name
from rehearsal.docker_engine import images, processes
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.registry import Registry
from tests.harness import DockerHome, RehearsalHome

NAME = "registry.example/socket"


def _image(*digests: str) -> LocalImage:
    names = tuple(f"{NAME}@{digest}" for digest in digests)
    return LocalImage(id=digests[0], names=names, digests=frozenset(digests), size=1, created=0)


def _going(
    found: list[LocalImage], keep: int, histories: dict[str, list[str]], used: dict[str, str] | None = None
) -> set[str]:
    return {v.image.id for v in judge(found, "staging", keep, histories, used or {}) if not v.kept}


MANY = [f"s{number}" for number in range(9, 0, -1)]  # newest first
ALL = [_image(digest) for digest in MANY]


def test_the_last_n_of_the_stack_stay_and_older_ones_go() -> None:
    assert _going(ALL, 2, {"staging": MANY}) == set(MANY[2:])
    assert _going(ALL, 20, {"staging": MANY}) == set()


def test_the_last_of_another_stack_stay_however_little_this_one_keeps() -> None:
    histories = {"staging": MANY, "production": MANY[5:]}
    assert _going(ALL, 2, histories) == set(MANY[2:]) - set(MANY[5 : 5 + KEEP])


def test_what_only_another_stack_ran_stays_although_it_keeps_it_no_longer() -> None:
    histories = {"staging": MANY[:1], "production": MANY[1:]}
    assert _going(ALL, 2, histories) == set()


def test_another_stack_whose_file_cannot_be_read_refuses_because_what_it_names_is_not_known(
    tmp_path: Path,
) -> None:
    (tmp_path / "Pulumi.production.yaml").write_text("config:\n  a: 1\n  a: 2\n")
    settings = parse("staging", {}, (), read_siblings(tmp_path, "staging")).settings
    workspace = Workspace(folder=tmp_path, stack="staging", env={})
    with pytest.raises(OperationError, match=r"production\.yaml: line 3: a stands in line 2 already"):
        histories(settings, workspace, host=cast(hosts.Host, None))


def test_what_nobody_knows_stays() -> None:
    assert _going([_image("by-hand")], 2, {"staging": MANY}) == set()
    assert _going(ALL, 2, {"staging": []}) == set()


def test_what_is_in_use_stays_with_its_reason() -> None:
    used = {"s1": "runs in paintshare-production-socket"}
    assert _going(ALL, 2, {"staging": MANY}, used) == set(MANY[2:]) - {"s1"}
    [verdict] = judge([_image("s1")], "staging", 2, {"staging": MANY}, used)
    assert verdict.kept == used["s1"]


def test_an_image_with_two_digests_stays_for_either() -> None:
    assert _going([_image("s1", "s9")], 2, {"staging": MANY}) == set()


# --- for real --------------------------------------------------------------------------------------------

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine")
_SETTINGS: dict[str, Any] = {
    "env": ["CLIENT_URL=https://a.example", "DRAIN_SECONDS=0"],
    "update_config": {
        "Parallelism": 1,
        "Order": "start-first",
        "Monitor": 10**9,
        "FailureAction": "rollback",
    },
}


@pytest.fixture
def hub(_docker: DockerHome) -> Registry:
    _docker.clear()
    return _docker.hosts.socket


class Stacks:
    """Both stacks of a home on one host, each a service; what they name is committed, as `promote` does."""

    def __init__(self, home: RehearsalHome, hub: Registry) -> None:
        self.home, self.hub = home, hub
        self.access = DockerHost(address=hub.engine.host)

    def serve(self, stack: str, *releases: ImageRef) -> None:
        """Name and run these releases one after the other."""
        before: ImageRef | None = None
        for release in releases:
            self.home.edit(
                stack, socketHost=self.access.address, socketImage=release.name,
                socketRelease=release.tag, socketDigest=release.digest,
                previousSocketRelease=before.tag if before else None,
                previousSocketDigest=before.digest if before else None,
            )  # fmt: skip
            self.home.run("git", "commit", "-qam", f"{stack}: {release.tag}", cwd=self.home.folder).ok()
            before = release
        for release in releases[-2:]:
            self.run(stack, release)

    def run(self, stack: str, release: ImageRef) -> None:
        """The service of the stack, brought to a release and waited for."""
        name = service_name(stack)
        with closing(self.hub.engine.client()) as client:
            found = client.services.list(filters={"name": name})
            if found:
                found[0].update(image=release.reference, fetch_current_spec=True, **_SETTINGS)
            else:
                client.services.create(release.reference, name=name, **_SETTINGS)
        with hosts.connected(self.access) as host:
            host.await_release(name, release.tag, release.digest)

    def has(self, release: ImageRef) -> bool:
        with closing(self.hub.engine.client()) as client:
            try:
                return bool(client.images.get(f"{release.name}@{release.digest}"))
            except ImageNotFound:
                return False


@root
def test_after_a_pruning_each_stack_goes_back_to_its_n_1_with_the_registry_stopped(
    adopted_home: RehearsalHome, hub: Registry
) -> None:
    s1, s2, s3, s4, s5, p1, p2, by_hand = made = [
        images.socket_server(hub, f"{number:040x}") for number in range(1, 9)
    ]
    stacks = Stacks(adopted_home, hub)
    stacks.serve("production", p1, p2, s1, s2)
    stacks.serve("staging", s1, s2, s3, s4, s5)

    refused = adopted_home.operations("prune", "--stack", "staging", "--keep", "2").failed()
    assert f"remove  {hub.address}/socket:{s3.tag}" in refused.stdout
    assert "without a terminal say --yes" in refused.stderr
    assert all(stacks.has(release) for release in made)

    done = adopted_home.operations("prune", "--stack", "staging", "--keep", "2", "--yes").ok()
    # Of staging's five the last two stay; s1 and s2 are production's way; the rest is not staging's.
    assert [r for r in made if not stacks.has(r)] == [s3]
    assert f"remove  {hub.address}/socket:{s3.tag}" in done.stdout
    assert "removed 1 image" in done.stdout

    adopted_home.operations("prune", "--stack", "production", "--keep", "2", "--yes").ok()
    assert [r for r in made if not stacks.has(r)] == [s3, p1, p2]
    again = adopted_home.operations("prune", "--stack", "production", "--keep", "2", "--yes").ok()
    assert "nothing to remove" in again.stdout
    assert stacks.has(by_hand)

    processes.end(processes.find("docker-registry", str(hub.folder / f"{hub.engine.id}.yml")), 5)
    assert not hub.running()
    stacks.run("staging", s4)
    stacks.run("production", s1)


@root
def test_a_stack_in_the_middle_of_a_rollout_is_not_pruned(adopted_home: RehearsalHome, hub: Registry) -> None:
    one = images.socket_server(hub, f"{1:040x}")
    stacks = Stacks(adopted_home, hub)
    stacks.serve("staging", one)
    with closing(hub.engine.client()) as client:
        service = client.services.get(service_name("staging"))
        paused = {**_SETTINGS["update_config"], "FailureAction": "pause"}
        service.update(
            image=f"{one.name}:{'f' * 40}@sha256:{'0' * 64}", fetch_current_spec=True, update_config=paused
        )
    failed = adopted_home.operations("prune", "--stack", "staging", "--yes").failed()
    assert "way back must stay" in failed.text

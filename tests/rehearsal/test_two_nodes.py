"""A swarm of two nodes under load: replicas on both, a node that dies, a release meanwhile, its return.

The stack file names the first engine only; the second has joined its swarm. Both are in network namespaces of
their own. The tests are one walk, in their order.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal import docker_engine
from rehearsal.docker_engine import Engine, packages, processes, registry
from tests.harness import RehearsalHome
from tests.rehearsal.rollouts import PATIENCE, PLAYERS, RATE, Rollouts, release, swarm

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]


SPREAD = "docker service update --force paintshare-staging-socket"


@dataclass
class Pair:
    rollouts: Rollouts
    second: Engine

    def join(self) -> None:
        """The second engine, running and a node of the swarm, with a registry at the same address."""
        docker_engine.ensure(self.second.folder, first=self.rollouts.hub.engine)
        registry.ensure(self.rollouts.hub.folder, self.second)
        assert processes.wait_until(lambda: set(self.nodes().values()) == {"ready"}, PATIENCE)

    def nodes(self) -> dict[str, str]:
        """Node id → state, as the manager sees it."""
        with contextlib.closing(self.rollouts.hub.engine.client()) as client:
            return {node.id: node.attrs["Status"]["State"] for node in client.nodes.list()}

    def places(self, service: str) -> list[str]:
        """Roles of the nodes on which the service's tasks run."""
        with contextlib.closing(self.rollouts.hub.engine.client()) as client:
            roles = {node.id: node.attrs["Spec"]["Role"] for node in client.nodes.list()}
            tasks = client.api.tasks(filters={"service": service, "desired-state": "running"})
        return sorted(roles[t["NodeID"]] for t in tasks if t["Status"]["State"] == "running")

    def kill(self) -> None:
        """The second node, as if its power had gone: cut off, and every process of it killed."""
        first, second = self.rollouts.hub.engine, self.second
        subprocess.run(["ip", "-n", first.namespace.name, "link", "set", second.link, "down"], check=True)
        for program, argument in (
            ("dockerd", second.short / "daemon.json"),
            ("containerd", second.short / "containerd.toml"),
            ("containerd-shim-runc-v2", second.short / "containerd.sock"),
        ):
            processes.kill_tree(processes.find(program, str(argument)))


@pytest.fixture(scope="module")
def pair(module_home: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("swarm")
    with swarm(folder / "first") as hub:
        made = Pair(Rollouts(module_home, hub), Engine((folder / "second").absolute()))
        try:
            made.join()
            made.rollouts.place()
            made.rollouts.up(release(hub, "1")).ok()
            yield made
        finally:
            docker_engine.stop(made.second.folder)


def test_replicas_spread_over_the_nodes_and_the_proxy_stays_where_the_stack_file_points(pair: Pair) -> None:
    assert pair.places(pair.rollouts.service) == ["manager", "worker"]
    assert pair.places("paintshare-staging-proxy") == ["manager"]
    pair.rollouts.home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


def test_when_a_node_dies_its_players_reconnect_to_the_other_and_its_task_starts_there(pair: Pair) -> None:
    with pair.rollouts.watched() as watch:
        pair.kill()
        assert watch.clients.wait(lambda now: now.count("disconnect") > 0, PATIENCE)
        assert watch.nobody_is_away()
        assert processes.wait_until(
            lambda: pair.places(pair.rollouts.service) == ["manager", "manager"], PATIENCE
        )
    print(watch.told("a node that died"))
    assert sorted(pair.nodes().values()) == ["down", "ready"]
    assert 0 < watch.summary["lost"] < PLAYERS  # those of one node
    assert watch.summary["connected"] == PLAYERS
    assert watch.summary["kept"] == watch.summary["reconnects"]
    # What was under way in the node has no answer, and nobody is told: the proxy asks the other in a while.
    assert watch.probes["failed"] == 0
    assert watch.probes["sent"] >= RATE * watch.seconds


def test_with_a_node_dead_a_release_still_goes_out(pair: Pair) -> None:
    second = release(pair.rollouts.hub, "2")
    with pair.rollouts.watched() as watch:
        pair.rollouts.up(second).ok()
        assert pair.rollouts.settles(second)
        assert watch.everybody_is_back()
    print(watch.told("a good release with a node dead"))
    assert watch.probes["failed"] == 0
    pair.rollouts.home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()


def test_a_node_that_returns_takes_part_in_the_next_release_which_loses_nothing(pair: Pair) -> None:
    pair.join()
    third = release(pair.rollouts.hub, "3")
    with pair.rollouts.watched() as watch:
        done = pair.rollouts.up(third).ok()
        assert pair.rollouts.settles(third)
        assert watch.everybody_is_back()
    print(watch.told("a good release on two nodes"))
    places = pair.places(pair.rollouts.service)
    assert "worker" in places  # how many is for Swarm to say (ADR 0024)
    crowded = places == ["worker", "worker"]
    assert (SPREAD in done.text) == crowded
    assert watch.probes["failed"] == 0
    assert watch.summary["connected"] == PLAYERS
    assert watch.summary["kept"] == watch.summary["reconnects"]


def test_the_command_that_an_update_names_spreads_the_tasks_anew_and_loses_nothing(pair: Pair) -> None:
    docker = packages.program("docker", "docker.io", print)
    environment = {**packages.environment(), "DOCKER_HOST": pair.rollouts.hub.engine.host}
    with pair.rollouts.watched() as watch:
        # The first task goes where none is, the second to the node with less to do: that without the proxy.
        for _ in range(2):
            if pair.places(pair.rollouts.service) != ["manager", "worker"]:
                command = [str(docker), *SPREAD.split()[1:], "--quiet"]
                subprocess.run(command, env=environment, check=True, capture_output=True, timeout=PATIENCE)
        assert watch.nobody_is_away()
    print(watch.told("the tasks spread anew"))
    assert pair.places(pair.rollouts.service) == ["manager", "worker"]
    assert watch.probes["failed"] == 0
    pair.rollouts.home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()

"""`operations drift` asks the Docker hosts: each change by hand there is found and taken back, for real.

The tests share a home and its hosts, in their order: each leaves what the stack declares.
"""

import json
import os
import shlex
from typing import Any, Final

import pytest

from rehearsal import demo
from rehearsal.host_drift import HOST_DRIFTS
from tests.harness import DockerHome

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]
_, OLD, BEFORE, NOW = demo.RELEASES

# Change by hand: what a person reads about it, what they do to keep it.
FOUND: Final = {
    "service-rolled-back": (f"was rolled back to release {BEFORE}; applied: release {NOW}", "socketRelease"),
    "service-image": (f"runs release {BEFORE}; applied: release {NOW}", "socketDigest sha256:"),
    "service-tag-alone": (f"runs REGISTRY/socket:{NOW}; applied: REGISTRY/socket:{NOW}@sha256:", ""),
    "service-scaled": ("has 2 replicas; applied: 1", "pulumi config set socketReplicas 2 --stack staging"),
    "service-removed": ("was removed", ""),
}


@pytest.fixture(scope="module")
def home(docker_home: DockerHome) -> DockerHome:
    """Staging on its second release, with one task: rollouts are quicker."""
    docker_home.edit("staging", socketReplicas=1)
    docker_home.up("staging")
    docker_home.serve("staging", docker_home.images[NOW])
    docker_home.up("staging")
    return docker_home


def drift(home: DockerHome, code: int) -> dict[str, Any]:
    done = home.operations("drift", "--json", "--stack", "staging")
    assert done.code == code, done.text
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_change_by_hand_of_the_hosts_is_looked_for() -> None:
    assert set(FOUND) == set(HOST_DRIFTS)


def test_hosts_that_nobody_touched_show_none(home: DockerHome) -> None:
    assert drift(home, 0) == {"stack": "staging", "drift": [], "unchecked": [], "untold": [], "pending": 0}


@pytest.mark.parametrize("name", list(FOUND))
def test_a_change_by_hand_on_a_host_is_found_and_its_command_takes_it_back(
    home: DockerHome, name: str
) -> None:
    said, keep = FOUND[name]
    HOST_DRIFTS[name].apply(home.home.account)
    [found] = drift(home, 3)["drift"]
    said = said.replace("REGISTRY/socket", home.images[NOW].name)
    assert (found["name"], found["where"]) == ("socket-service", "Docker service paintshare-staging-socket")
    assert found["what"].startswith(said), found
    assert keep in found["keep"]

    python, *command = shlex.split(found["mend"])
    mended = home.run(python, *command, "--yes").ok()
    assert "staging: nothing was changed by hand." in mended.stdout
    assert home.comes_to_serve("staging", NOW)


def test_a_host_that_does_not_answer_is_said_and_the_rest_is_still_checked(home: DockerHome) -> None:
    home.edit("staging", socketHost="unix:///nowhere/docker.sock")
    done = home.operations("drift", "--stack", "staging")
    assert done.code == 1
    assert "the stack file names unix:///nowhere/docker.sock now" in done.stderr

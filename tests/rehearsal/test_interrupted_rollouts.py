"""An update of the socket server that is cut off half-way: the next `up` finishes it, nobody edits a state.

On a real engine, through the program. What is cut off is the engine below Swarm, or `pulumi up` itself.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from plan.socket import service_name
from rehearsal import demo, docker_engine, docker_hosts
from rehearsal.docker_engine import Engine, processes
from tests.harness import TIMEOUT, DockerHome

STACK = "staging"
SERVICE = service_name(STACK)


def _power_cut(engine: Engine) -> None:
    for program, file in (("dockerd", "daemon.json"), ("containerd", "containerd.toml")):
        for pid in processes.find(program, str(engine.short / file)):
            os.kill(pid, signal.SIGKILL)


def _orderly(engine: Engine) -> None:
    docker_engine.stop(engine.folder)


@pytest.fixture(scope="module")
def home(docker_home: DockerHome) -> DockerHome:
    """Staging serves the first release, one task: what is tested is the order of events, not their number."""
    docker_home.edit(STACK, socketReplicas=1)
    docker_home.serve(STACK, docker_home.images[demo.RELEASES[0]])
    docker_home.up(STACK)
    return docker_home


@contextmanager
def _updating(home: DockerHome, release: str) -> Iterator[subprocess.Popen[str]]:
    """A `pulumi up` to a release, at the moment when Swarm has started the update and not ended it."""
    home.serve(STACK, home.images[release])
    run = subprocess.Popen(
        ["pulumi", "up", "-s", STACK, "--yes", "--skip-preview", "--non-interactive", "--color", "never"],
        env=home.home.env(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        with contextlib.closing(home.hosts.socket.engine.client()) as client:

            def started() -> bool:
                found: dict[str, Any] = client.services.get(SERVICE).attrs
                image = found["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
                return release in image and found.get("UpdateStatus", {}).get("State") == "updating"

            processes.wait_until(lambda: started() or run.poll() is not None, TIMEOUT)
        assert run.poll() is None, run.communicate()[0]
        yield run
    finally:
        if run.poll() is None:
            run.kill()
        run.communicate()


def _is_settled(home: DockerHome, release: str) -> None:
    """The release serves, alone, and nothing is left to do."""
    assert home.comes_to_serve(STACK, release)
    home.pulumi("refresh", "-s", STACK, "--yes", "--skip-preview", "--expect-no-changes").ok()
    home.pulumi("preview", "-s", STACK, "--expect-no-changes").ok()
    state = home.export(STACK)["deployment"]
    assert not state.get("pending_operations")


@pytest.mark.parametrize(("end", "release"), [(_orderly, 1), (_power_cut, 2)])
def test_an_engine_that_stops_in_the_middle_of_an_update_is_brought_to_the_release_by_the_next_up(
    home: DockerHome, end: Callable[[Engine], None], release: int
) -> None:
    sha = demo.RELEASES[release]
    with _updating(home, sha) as run:
        end(home.hosts.socket.engine)
        said = run.communicate(timeout=TIMEOUT)[0]
    assert run.returncode != 0, said
    assert "Traceback" not in said
    docker_hosts.ensure(home.folder)
    home.up(STACK)
    _is_settled(home, sha)


def test_a_killed_up_is_finished_by_the_next_one(home: DockerHome) -> None:
    sha = demo.RELEASES[3]
    with _updating(home, sha) as run:
        run.kill()
        run.wait(TIMEOUT)
    locked = home.pulumi("up", "-s", STACK, "--yes", "--skip-preview").failed()
    assert "pulumi cancel" in locked.text
    home.pulumi("cancel", "--yes", "-s", STACK).ok()
    home.up(STACK)
    _is_settled(home, sha)


def test_the_verb_up_needs_no_other_command_after_a_killed_one(home: DockerHome) -> None:
    sha = demo.RELEASES[0]
    with _updating(home, sha) as run:
        run.kill()
        run.wait(TIMEOUT)
    home.operations("up", "--stack", STACK, "--yes").ok()
    _is_settled(home, sha)

"""An update of the socket server that is cut off half-way: the next `up` finishes it, nobody edits a state.

On a real engine, through the program. What is cut off is the engine below Swarm, or `pulumi up` itself.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from operations.services import hosts
from operations.stack.workspace import Workspace
from plan.hosts import DockerHost
from plan.socket import service_name, socket_plan
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

            assert processes.wait_until(lambda: started() or run.poll() is not None, TIMEOUT)
        assert run.poll() is None, run.communicate()[0]
        yield run
    finally:
        if run.poll() is None:
            processes.kill_tree([run.pid])
        run.communicate()


def _is_settled(home: DockerHome, release: str) -> None:
    """The release serves, alone, and nothing is left to do."""
    assert home.comes_to_serve(STACK, release)
    home.pulumi("refresh", "-s", STACK, "--yes", "--skip-preview", "--expect-no-changes").ok()
    home.pulumi("preview", "-s", STACK, "--expect-no-changes").ok()
    state = home.export(STACK)["deployment"]
    assert not state.get("pending_operations")


@pytest.mark.soak
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


@pytest.mark.soak
def test_a_killed_up_is_finished_by_the_next_one(home: DockerHome) -> None:
    sha = demo.RELEASES[3]
    with _updating(home, sha) as run:
        processes.kill_tree([run.pid])
        run.wait(TIMEOUT)
    locked = home.pulumi("up", "-s", STACK, "--yes", "--skip-preview").failed()
    assert "pulumi cancel" in locked.text
    home.pulumi("cancel", "--yes", "-s", STACK).ok()
    home.up(STACK)
    _is_settled(home, sha)


@pytest.mark.soak
def test_the_verb_up_needs_no_other_command_after_a_killed_one(home: DockerHome) -> None:
    sha = demo.RELEASES[1]
    with _updating(home, sha) as run:
        processes.kill_tree([run.pid])
        run.wait(TIMEOUT)
    home.operations("up", "--stack", STACK, "--yes").ok()
    _is_settled(home, sha)


def _kill_the_first_up(home: DockerHome, stack: str, made: dict[str, str]) -> None:
    """End a `pulumi up` for good while the engine has `made` (kind → name), before the state knows of it."""
    run = subprocess.Popen(
        ["pulumi", "up", "-s", stack, "--yes", "--skip-preview", "--non-interactive", "--color", "never"],
        env=home.home.env(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with hosts.connected(DockerHost(address=home.hosts.socket.engine.host)) as host:
        assert processes.wait_until(
            lambda: all(host.find(*each) for each in made.items()) or run.poll() is not None, TIMEOUT
        )
    assert run.poll() is None, run.communicate()[0]
    processes.kill_tree([run.pid])
    run.communicate()


def _an_unknown_release_is_refused(home: DockerHome, stack: str) -> None:
    """Before the first create as well, when there is no service to ask."""
    stated = {key: home.config(stack, key) for key in ("socketRelease", "socketDigest")}
    home.edit(stack, socketRelease="9" * 40)
    said = home.pulumi("up", "-s", stack, "--yes", "--skip-preview").failed().text
    assert f"release {'9' * 40} does not exist" in said, said
    assert "nothing serves" in said, said
    with hosts.connected(DockerHost(address=home.hosts.socket.engine.host)) as host:
        assert host.find("service", service_name(stack)) is None
    home.edit(stack, **stated)


@pytest.mark.soak
def test_what_a_killed_first_up_made_on_the_host_is_made_anew_by_the_verb_up(home: DockerHome) -> None:
    """Network, config and secrets exist and the state does not know them; then the same with the service."""
    stack, account = "production", home.account("docker")
    home.edit(stack, socketFileSecrets=True)
    plan = socket_plan(Workspace(folder=home.folder, stack=stack, env=home.home.env()).load().settings)
    assert plan is not None
    with account.transaction():
        for kind in ("Network", "ServiceConfig", "Secret"):
            account.put("fault", kind, {"verb": "create", "kind": kind, "late": TIMEOUT, "times": 9})
    lost = {"network": plan.prefix, "config": plan.caddyfile_name, "secret": plan.file_secrets[0].name}
    _kill_the_first_up(home, stack, lost)
    with account.transaction():
        for kind in ("Network", "ServiceConfig", "Secret"):
            account.delete("fault", kind)

    assert "--yes" in home.operations("up", "--stack", stack).failed().text
    said = home.operations("up", "--stack", stack, "--yes")
    for kind, name in lost.items():
        assert f"made by the killed run: {kind} {name} on " in said.text, said.text
    said.ok()
    assert home.comes_to_serve(stack, home.config(stack, "socketRelease"))

    socket_server = "**SocketServer$docker:**"
    home.pulumi("destroy", "-s", stack, "--yes", "--skip-preview", "--target", socket_server).ok()
    _an_unknown_release_is_refused(home, stack)
    _kill_the_first_up(home, stack, {"service": plan.service})
    said = home.operations("up", "--stack", stack, "--yes").ok()
    assert f"made by the killed run: service {plan.service} on " in said.text, said.text
    assert home.comes_to_serve(stack, home.config(stack, "socketRelease"))
    home.pulumi("preview", "-s", stack, "--expect-no-changes").ok()


def test_what_swarm_kept_is_n_minus_1_of_the_next_release_and_a_rollback_goes_there(
    home: DockerHome,
) -> None:
    """The sound one comes without a digest: that of its image is the registry's, whatever run was dropped."""
    serves, sound = home.serves(STACK), demo.RELEASES[2]
    assert sound != serves
    bad = home.image("b" * 40, "crash")
    stage = ("stage", "--stack", STACK, "--yes", "--release")
    told = home.operations(*stage, bad.tag, "--digest", bad.digest).failed().text
    assert f"rollback --part socket --stack {STACK}" in told
    said = home.operations(*stage, sound).ok().stdout
    assert f"{bad.tag[:7]} does not serve, {serves[:7]} does" in said
    assert home.config(STACK, "previousSocketRelease") == serves
    assert json.loads(home.config(STACK, "rolledBack")) == {"socket": bad.tag}
    home.operations("rollback", "--part", "socket", "--stack", STACK, "--yes").ok()
    _is_settled(home, serves)

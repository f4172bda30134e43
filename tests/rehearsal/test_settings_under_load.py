"""Changes that are no release, under load: a setting of the server, a secret in both modes, the proxy.

One stack on one engine. The server's changes lose nothing; what a change of the proxy costs is measured.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.docker_engine import images, processes
from rehearsal.home import CLONE
from tests.harness import DockerHome
from tests.rehearsal.rollouts import PLAYERS, RATE, Rollouts, Watch, release

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

SECRET = "BATTLE_PASSWORD_PEPPER"


@pytest.fixture(scope="module")
def rollouts(docker_home: DockerHome) -> Rollouts:
    made = Rollouts(docker_home, docker_home.hosts.socket)
    made.place()
    served = release(made.hub, "1")
    made.up(served).ok()
    assert made.settles(served)
    return made


@contextlib.contextmanager
def nothing_lost(rollouts: Rollouts, what: str) -> Iterator[Watch]:
    """The block replaces every task; no probe fails, and every player finds its room again."""
    with rollouts.watched() as watch:
        yield watch
        assert watch.everybody_is_back()
    print(watch.told(what))
    assert watch.probes["failed"] == 0
    assert watch.probes["sent"] >= RATE * watch.seconds
    assert watch.summary["connected"] == PLAYERS
    assert watch.summary["kept"] == watch.summary["reconnects"]


def rotate(rollouts: Rollouts) -> str:
    """A new value, as a person sets one. Returns it."""
    rollouts.home.operations("set", SECRET, "--generate", "--stack", rollouts.stack).ok()
    return rollouts.home.config(rollouts.stack, SECRET)


def inspected(rollouts: Rollouts) -> dict[str, Any]:
    """The service's container spec, as `docker service inspect` shows it."""
    with contextlib.closing(rollouts.hub.engine.client()) as client:
        found: dict[str, Any] = client.api.inspect_service(rollouts.service)
    return dict(found["Spec"]["TaskTemplate"]["ContainerSpec"])


def mounted(rollouts: Rollouts, key: str = SECRET) -> set[str]:
    """What the running tasks read in the file of a secret."""
    program = f"process.stdout.write(require('fs').readFileSync('/run/secrets/{key}', 'utf8'))"
    with contextlib.closing(rollouts.hub.engine.client()) as client:
        tasks = client.api.tasks(filters={"service": rollouts.service, "desired-state": "running"})
        running = [task["Status"]["ContainerStatus"]["ContainerID"] for task in tasks]
        assert running
        return {read(client.containers.get(each), ["node", "-e", program]) for each in running}


def read(container: Any, command: list[str]) -> str:
    """What a command in a container says. Of a short one a busy engine may lose it."""
    said = ""

    def says() -> bool:
        nonlocal said
        said = container.exec_run(command).output.decode()
        return bool(said)

    processes.wait_until(says, 30)
    return said


def secrets_of(rollouts: Rollouts) -> list[str]:
    with contextlib.closing(rollouts.hub.engine.client()) as client:
        return sorted(each.name for each in client.secrets.list())


def configs_of(rollouts: Rollouts) -> list[str]:
    with contextlib.closing(rollouts.hub.engine.client()) as client:
        return sorted(each.name for each in client.configs.list())


@pytest.mark.soak
def test_a_changed_setting_of_the_server_rolls_out_and_loses_nothing(rollouts: Rollouts) -> None:
    with nothing_lost(rollouts, "a changed variable and memory limit"):
        rollouts.home.edit(rollouts.stack, supabaseRef="stgrefrehearsal00002", socketMemoryMib=384)
        rollouts.up().ok()
    assert "SUPABASE_URL=https://stgrefrehearsal00002.supabase.co" in inspected(rollouts)["Env"]


@pytest.mark.soak
def test_a_rotated_secret_reaches_every_task_and_loses_nothing(rollouts: Rollouts) -> None:
    with nothing_lost(rollouts, "a rotated secret, as a variable"):
        value = rotate(rollouts)
        rollouts.up().ok()
    assert f"{SECRET}={value}" in inspected(rollouts)["Env"]


@pytest.mark.soak
def test_secrets_move_into_files_and_rotate_there_and_lose_nothing(rollouts: Rollouts) -> None:
    [edge] = re.findall(r"^EDGE_CONFIG=(.+)$", "\n".join(inspected(rollouts)["Env"]), re.MULTILINE)
    with nothing_lost(rollouts, "secrets moved into files"):
        rollouts.home.edit(rollouts.stack, socketFileSecrets=True)
        rollouts.up().ok()
    value = rollouts.home.config(rollouts.stack, SECRET)
    for secret in (value, edge):
        assert secret not in str(inspected(rollouts))
    assert mounted(rollouts) == {value}
    assert mounted(rollouts, "EDGE_CONFIG") == {edge}
    before = secrets_of(rollouts)

    with nothing_lost(rollouts, "a rotated secret, as a file"):
        value = rotate(rollouts)
        rollouts.up().ok()
    assert value not in str(inspected(rollouts))
    assert mounted(rollouts) == {value}
    after = secrets_of(rollouts)
    assert len(after) == len(before)  # the old one has been removed
    assert len(set(after) - set(before)) == 1
    rollouts.home.pulumi("preview", "-s", rollouts.stack, "--expect-no-changes").ok()


# Each poll is a request of its own: fewer players make as much of a load.
@pytest.mark.soak
@pytest.mark.parametrize(("transports", "players"), [("websocket", PLAYERS), ("polling", 10)])
def test_a_changed_proxy_costs_one_short_outage_and_every_player_comes_back(
    rollouts: Rollouts, transports: str, players: int
) -> None:
    other = rollouts.retag(images.caddy(rollouts.hub), f"other-{transports}")
    with rollouts.watched(transports=transports, players=players) as watch:
        rollouts.home.edit(rollouts.stack, proxyImage=other.reference)
        rollouts.up().ok()
        assert watch.everybody_is_back()
    probes = watch.probes
    print(watch.told(f"another proxy image, {transports}"))
    print(f"the outage: {probes['failed']} probes, {probes['failingMs']} ms from the first to the last")
    assert probes["failed"] > 0  # were it none, the runbook would have to say so
    assert watch.summary["connected"] == players
    assert watch.summary["kept"] == watch.summary["reconnects"]


@pytest.mark.soak
def test_a_changed_configuration_of_the_proxy_costs_the_same_and_touches_no_task_of_the_server(
    rollouts: Rollouts, tmp_path: Path
) -> None:
    """It comes with another version of this program."""
    before, version = configs_of(rollouts), rollouts.version()
    for room in ("plan", "components", "operations"):
        shutil.copytree(CLONE / room, tmp_path / room)
    shutil.copy(CLONE / "__main__.py", tmp_path)
    source = tmp_path / "plan" / "socket.py"
    text = source.read_text()
    assert text.count("fail_duration 2s") == 1
    source.write_text(text.replace("fail_duration 2s", "fail_duration 3s"))
    project = rollouts.home.folder / "Pulumi.yaml"
    committed = project.read_text()

    with rollouts.watched() as watch:
        project.write_text(re.sub(r"^main: .*$", f"main: {tmp_path}", committed, flags=re.MULTILINE))
        rollouts.up().ok()
        assert watch.everybody_is_back()
    print(watch.told("another configuration of the proxy"))
    print(f"the outage: {watch.probes['failed']} probes, {watch.probes['failingMs']} ms")
    assert watch.summary["connected"] == PLAYERS
    assert watch.summary["kept"] == watch.summary["reconnects"]
    [new], [old] = configs_of(rollouts), before
    assert new != old
    assert rollouts.version() == version
    rollouts.home.pulumi("preview", "-s", rollouts.stack, "--expect-no-changes").ok()
    project.write_text(committed)
    rollouts.up().ok()
    assert configs_of(rollouts) == before


@pytest.mark.soak
def test_a_proxy_that_does_not_start_is_rolled_back_and_the_message_says_so(rollouts: Rollouts) -> None:
    before = rollouts.home.config(rollouts.stack, "proxyImage")
    broken = release(rollouts.hub, "6", "crash")  # no proxy at all
    with rollouts.watched() as watch:
        rollouts.home.edit(rollouts.stack, proxyImage=broken.reference)
        failed = rollouts.up().failed()
        assert watch.everybody_is_back()
    probes = watch.probes
    print(f"a proxy that crashes: {probes['failed']} probes, {probes['failingMs']} ms from first to last")
    assert f"proxy {broken.reference} failed" in failed.text
    assert f"{before.partition('@')[0].rpartition(':')[2]} still serves (1 of 1 tasks)" in failed.text
    assert watch.summary["kept"] == watch.summary["reconnects"]
    rollouts.home.edit(rollouts.stack, proxyImage=before)
    rollouts.up().ok()
    rollouts.home.pulumi("preview", "-s", rollouts.stack, "--expect-no-changes").ok()

"""The rehearsal's own Docker engine and registry: started, shared, killed, stopped; really, so only root can.

The engines live in folders of the tests, in network namespaces of their own, beside whatever engine the
machine runs.
"""

import contextlib
import http.server
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped]
import psutil
import pytest

from rehearsal import docker_engine
from rehearsal.docker_engine import (
    DockerUnavailableError,
    Engine,
    images,
    packages,
    processes,
    registry,
)
from rehearsal.docker_engine import daemon as daemons
from rehearsal.docker_engine.building import ImageRef
from rehearsal.home import CLONE
from tests.harness import processes_of

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

ENSURE = (
    "import sys, pathlib; from rehearsal import docker_engine as d; "
    "print(d.ensure(pathlib.Path(sys.argv[1])).host)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for an engine, which is stopped after the test."""
    yield tmp_path / "docker"
    docker_engine.stop(tmp_path / "docker")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine for tests that leave it running."""
    folder = tmp_path_factory.mktemp("shared") / "docker"
    yield docker_engine.ensure(folder)
    docker_engine.stop(folder)


@pytest.fixture
def client(shared: Engine) -> Iterator[docker.DockerClient]:
    with contextlib.closing(shared.client()) as client:
        yield client


@pytest.fixture(scope="module")
def caddy(shared: Engine) -> ImageRef:
    """An image of a server that answers with a word, and of `wget`."""
    return images.caddy(registry.ensure(shared.folder / "registry", shared))


def daemon(engine: Engine, program: str = "dockerd") -> list[int]:
    file = "daemon.json" if program == "dockerd" else "containerd.toml"
    found = processes.find(program, str(engine.short / file))
    # A child that it has just forked is called as it is, until it runs something else or ends.
    return [pid for pid in found if _parent(pid) not in (None, *found)]


def _parent(pid: int) -> int | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).ppid()
    return None


def respond(client: docker.DockerClient, image: ImageRef, name: str, **more: Any) -> Any:
    """A service whose tasks answer each request with the name of the service."""
    return client.services.create(
        image.reference,
        name=name,
        command=["caddy", "respond", "--listen", ":8000", name],
        env=["HOME=/tmp"],
        endpoint_spec=docker.types.EndpointSpec(mode="dnsrr"),
        **more,
    )


def tasks(service: Any) -> list[dict[str, Any]]:
    return [task for task in service.tasks() if task["Status"]["State"] == "running"]


def running(pid: int) -> bool:
    """False also for a process that has ended and waits to be reaped (proc(5): its cmdline is empty)."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def eventually(condition: Callable[[], object]) -> None:
    assert processes.wait_until(lambda: bool(condition()), 60)


def test_an_engine_is_a_swarm_of_its_own_with_its_data_in_its_folder(
    shared: Engine, client: docker.DockerClient
) -> None:
    info = client.info()
    assert info["Swarm"]["LocalNodeState"] == "active"
    assert info["Swarm"]["NodeAddr"] == shared.address
    assert [node.attrs["Status"]["State"] for node in client.nodes.list()] == ["ready"]
    assert (shared.folder / "data" / "overlay2").is_dir()


def test_an_engine_shares_no_network_with_the_machine(shared: Engine) -> None:
    """Two engines in one namespace delete each other's bridges and rules, and meet at the swarm's ports."""
    machine = Path("/proc/self/ns/net").readlink()
    for program in ("dockerd", "containerd"):
        (pid,) = daemon(shared, program)
        assert Path(f"/proc/{pid}/ns/net").readlink() != machine


def test_an_engine_gets_nothing_of_the_callers_environment_but_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERCEL_API_TOKEN", "canary")
    pid = daemon(docker_engine.ensure(folder))[0]
    assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_second_command_uses_the_engine_that_runs(shared: Engine) -> None:
    before = daemon(shared)
    second = subprocess.run(
        [sys.executable, "-c", ENSURE, shared.folder], cwd=CLONE, capture_output=True, text=True, check=True
    )
    assert second.stdout.strip() == shared.host
    assert daemon(shared) == before


def test_commands_at_the_same_time_start_one_engine(folder: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", ENSURE, folder], cwd=CLONE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [one.communicate()[0].decode().strip() for one in both] == [Engine(folder).host] * 2
    assert len(daemon(Engine(folder))) == 1


def test_published_ports_answer_at_the_engines_address_and_nowhere_else(
    shared: Engine, client: docker.DockerClient, caddy: ImageRef
) -> None:
    container = client.containers.run(
        caddy.reference,
        ["caddy", "respond", "--listen", ":8000", "hi"],
        ports={"8000/tcp": 18_765},
        detach=True,
    )
    try:
        eventually(lambda: open_port(shared.address, 18_765))
        assert not open_port("127.0.0.1", 18_765)
    finally:
        container.remove(force=True)


def open_port(address: str, port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(2)
        return connection.connect_ex((address, port)) == 0


def fetched(client: docker.DockerClient, image: ImageRef, url: str, **more: Any) -> bytes:
    """What a container gets from a URL."""
    container = client.containers.run(image.reference, ["wget", "-qO-", url], detach=True, **more)
    container.wait(timeout=60)
    body: bytes = container.logs()
    container.remove()
    return body


def test_containers_reach_what_listens_on_the_machine(
    shared: Engine, client: docker.DockerClient, caddy: ImageRef
) -> None:
    with http.server.HTTPServer((shared.machine, 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert fetched(client, caddy, f"http://{shared.machine}:{server.server_port}/") == b"hello"
        server.shutdown()


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("killed", [("dockerd",), ("dockerd", "containerd"), ("containerd",)])
def test_a_killed_engine_comes_back_with_its_services_and_without_the_old_tasks(
    killed: tuple[str, ...], shared: Engine, caddy: ImageRef
) -> None:
    with contextlib.closing(shared.client()) as client:
        service = respond(client, caddy, "survivor")
        eventually(lambda: tasks(service))
        old = client.containers.get(tasks(service)[0]["Status"]["ContainerStatus"]["ContainerID"])
        old_pid = old.attrs["State"]["Pid"]
    for program in killed:
        os.kill(daemon(shared, program)[0], signal.SIGKILL)
    eventually(lambda: not shared.running())
    docker_engine.ensure(shared.folder)
    registry.ensure(shared.folder / "registry", shared)
    with contextlib.closing(shared.client()) as client:
        service = client.services.get("survivor")
        eventually(lambda: tasks(service))
        assert not running(old_pid)
        assert len(daemon(shared)) == len(daemon(shared, "containerd")) == 1
        service.remove()


def groups_of(engine: Engine) -> list[Path]:
    """Its control groups, one a hierarchy (a single one in version 2)."""
    found = Path("/sys/fs/cgroup")
    return [*found.glob(f"*/paintshare-{engine.id}"), *found.glob(f"paintshare-{engine.id}")]


def test_the_containers_of_an_engine_weigh_more_than_one_process(
    shared: Engine, client: docker.DockerClient, caddy: ImageRef
) -> None:
    """Or else all of Docker's containers together do, and starve on a busy machine."""
    service = respond(client, caddy, "weighed")
    try:
        eventually(lambda: tasks(service))
        weights = [group / name for group in groups_of(shared) for name in ("cpu.shares", "cpu.weight")]
        assert [int(file.read_text()) for file in weights if file.exists()] in ([10_240], [1_000])
    finally:
        service.remove()


def test_stop_leaves_nothing_behind_but_the_data_and_other_engines(shared: Engine, folder: Path) -> None:
    engine = docker_engine.ensure(folder)
    with contextlib.closing(engine.client()) as client:
        volume = client.volumes.create("kept").name
        image = images.caddy(registry.ensure(folder / "registry", engine))
        service = respond(client, image, "running")
        eventually(lambda: tasks(service))
    docker_engine.stop(folder)

    left = [name for _, name in processes_of(engine)]
    assert left == []
    assert engine.id not in Path("/proc/self/mountinfo").read_text()
    assert not Path("/sys/class/net", engine.link).exists()
    assert not engine.namespace.exists()
    assert not engine.short.exists()
    assert groups_of(engine) == []
    assert not engine.running()
    assert shared.running()

    docker_engine.ensure(folder)
    with contextlib.closing(engine.client()) as client:
        assert client.volumes.get(volume).name == "kept"
        assert registry.ensure(folder / "registry", engine).digest("caddy", image.tag) == image.digest


def test_stop_without_an_engine_does_nothing(tmp_path: Path) -> None:
    docker_engine.stop(tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_folder_taken_from_under_a_running_engine_gets_a_new_one(folder: Path, how: str) -> None:
    engine = docker_engine.ensure(folder)
    (old,) = daemon(engine)
    if how == "moved":
        folder.rename(folder.with_name("moved"))
    else:
        shutil.rmtree(folder, ignore_errors=True)
    assert docker_engine.ensure(folder).running()
    (new,) = daemon(engine)
    assert new != old
    assert (folder / "data").is_dir()


def test_stopping_a_killed_engine_ends_its_containers_too(folder: Path) -> None:
    engine = docker_engine.ensure(folder)
    image = images.caddy(registry.ensure(folder / "registry", engine))
    with contextlib.closing(engine.client()) as client:
        container = client.containers.run(image.reference, ["caddy", "respond"], detach=True)
        container.reload()
        pid = container.attrs["State"]["Pid"]
    os.kill(daemon(engine)[0], signal.SIGKILL)
    assert running(pid)
    docker_engine.stop(folder)
    assert not running(pid)
    assert processes_of(engine) == []


def test_the_folder_may_have_a_path_longer_than_a_socket_may(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 20) / ("name-" * 20) / "docker"
    try:
        assert docker_engine.ensure(folder).running()
    finally:
        docker_engine.stop(folder)


def test_a_second_engine_joins_the_swarm_and_tasks_on_both_reach_each_other(
    shared: Engine, client: docker.DockerClient, caddy: ImageRef, folder: Path
) -> None:
    second = docker_engine.ensure(folder, first=shared)
    registry.ensure(
        shared.folder / "registry", second
    )  # under the same name, for the second node to pull from
    network = client.networks.create("across", driver="overlay", attachable=True)
    service = respond(client, caddy, "both", mode="global", networks=[network.id])
    try:
        eventually(lambda: len({task["NodeID"] for task in tasks(service)}) == 2)
        addresses = [
            attachment["Addresses"][0].split("/")[0]
            for task in tasks(service)
            for attachment in task["NetworksAttachments"]
        ]
        # A task that runs may not listen yet.
        eventually(
            lambda: all(
                fetched(client, caddy, f"http://{address}:8000/", network="across") == b"both"
                for address in addresses
            )
        )
    finally:
        service.remove()
        docker_engine.stop(folder)
        for node in client.nodes.list(filters={"role": "worker"}):
            client.api.remove_node(node.id, force=True)
        network.remove()


@pytest.mark.usefixtures("caddy")
def test_an_image_is_loaded_by_a_second_engine_and_not_built_again(folder: Path) -> None:
    engine = docker_engine.ensure(folder)
    said: list[str] = []
    images.caddy(registry.ensure(folder / "registry", engine), said.append)
    assert [line.split()[0] for line in said] == ["loading", "pushing"]


def test_what_was_built_and_pushed_is_neither_built_nor_pushed_again(shared: Engine, caddy: ImageRef) -> None:
    said: list[str] = []
    again = images.caddy(registry.ensure(shared.folder / "registry", shared), said.append)
    assert again == caddy
    assert said == []


def test_an_image_that_the_engine_lacks_is_pulled_by_its_digest(
    client: docker.DockerClient, caddy: ImageRef
) -> None:
    before = client.images.get(caddy.reference).id
    client.images.remove(before, force=True)
    client.api.pull(caddy.name, tag=caddy.digest)
    assert client.images.get(f"{caddy.name}@{caddy.digest}").id == before


def test_the_registry_knows_the_tags_it_has_and_no_others(shared: Engine, caddy: ImageRef) -> None:
    server = registry.ensure(shared.folder / "registry", shared)
    assert server.tags("caddy") == [caddy.tag]
    assert server.tags("never") == []
    assert server.digest("caddy", "never") is None
    assert server.digest("caddy", caddy.tag) == caddy.digest


def test_without_root_or_linux_it_is_said_that_there_is_no_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(DockerUnavailableError, match="only root"):
            docker_engine.ensure(folder)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "system", lambda: "Darwin")
        with pytest.raises(DockerUnavailableError, match="needs Linux"):
            docker_engine.ensure(folder)
    assert not folder.exists()


def test_an_engine_that_cannot_start_leaves_nothing_and_its_last_words_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = daemons._settings
    monkeypatch.setattr(daemons, "_settings", lambda engine: settings(engine) | {"no-such-option": 1})
    with pytest.raises(
        DockerUnavailableError, match=r"dockerd did not start: .*no-such-option.*dockerd\.log"
    ):
        docker_engine.ensure(folder)
    assert processes_of(Engine(folder)) == []
    assert not Engine(folder).namespace.exists()


FAKE_APT = """#!/bin/sh
echo "$@" >> {log}
for argument; do case $argument in Dir::Cache::archives=*) cp {archive} "${{argument#*=}}"/;; esac; done
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the place of apt-get, with a user's cache of its own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(script: str) -> None:
        (tmp_path / "apt-get").write_text(script)
        (tmp_path / "apt-get").chmod(0o755)

    return make


def test_a_missing_program_is_unpacked_from_its_package_once_and_not_installed(
    apt: Callable[[str], None], tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: paintshare-probe\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y.zz>\nDescription: x\n"
    )
    (tree / "DEBIAN" / "postinst").write_text(f"#!/bin/sh\ntouch {tmp_path}/installed\n")
    (tree / "DEBIAN" / "postinst").chmod(0o755)
    (tree / "usr" / "bin").mkdir(parents=True)
    (tree / "usr" / "bin" / "paintshare-probe").write_text("#!/bin/sh\necho found\n")
    (tree / "usr" / "bin" / "paintshare-probe").chmod(0o755)
    archive, log = tmp_path / "probe.deb", tmp_path / "apt.log"
    subprocess.run(["dpkg-deb", "--build", tree, archive], check=True, capture_output=True)
    apt(FAKE_APT.format(log=log, archive=archive))

    for _ in range(2):
        program = packages.program("paintshare-probe", "paintshare-probe", lambda _: None)
        assert subprocess.check_output([program]) == b"found\n"
    assert len(log.read_text().splitlines()) == 1
    assert "--download-only" in log.read_text()
    assert not (tmp_path / "installed").exists()


def test_a_package_that_cannot_be_fetched_is_named_with_what_apt_said(apt: Callable[[str], None]) -> None:
    apt("#!/bin/sh\necho E: Unable to locate package nothing >&2\nexit 100\n")
    with pytest.raises(
        DockerUnavailableError, match=r"cannot fetch nothing: E: Unable to locate.*nothing\.log"
    ):
        packages.unpacked("nothing", lambda _: None)
    with pytest.raises(DockerUnavailableError):  # a failed attempt is not taken for the package
        packages.unpacked("nothing", lambda _: None)

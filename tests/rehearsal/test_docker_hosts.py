"""The Docker hosts of a home: linked, its own, named in its stack files, gone with it."""

import contextlib
import http.server
import shlex
import shutil
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rehearsal import authority, docker_engine, docker_hosts, home, reset
from rehearsal.docker_engine import Engine, processes, registry
from rehearsal.home import engines
from tests.harness import DockerHome, RehearsalHome, processes_of


def fetch(engine: Engine, image: str, url: str) -> int:
    """Exit code of `wget` in a container of the engine."""
    with contextlib.closing(engine.client()) as client:
        container = client.containers.run(image, ["wget", "-qO-", url], detach=True)
        try:
            return int(container.wait(timeout=60)["StatusCode"])
        finally:
            container.remove(force=True)


@pytest.mark.parametrize("stack", home.STACKS)
def test_both_stacks_serve_their_release_on_one_host(served: DockerHome, stack: str) -> None:
    assert served.comes_to_serve(stack, docker_hosts.SERVED[stack])


def test_containers_of_each_host_reach_what_the_other_publishes(served: DockerHome) -> None:
    proxy = served.images["proxy"].reference
    socket, monitor = served.hosts.socket.engine, served.hosts.monitor.engine
    assert fetch(monitor, proxy, f"{docker_hosts.endpoint(served.home, 'staging').url}/healthz") == 0
    with contextlib.closing(monitor.client()) as client:
        container = client.containers.run(
            proxy, ["caddy", "respond", "--listen", ":8000", "hi"], ports={"8000/tcp": 9090}, detach=True
        )
        try:
            assert processes.wait_until(
                lambda: fetch(socket, proxy, f"http://{monitor.address}:9090/") == 0, 60
            )
        finally:
            container.remove(force=True)


def test_each_host_is_a_swarm_of_its_own(served: DockerHome) -> None:
    for found in (served.hosts.socket, served.hosts.monitor):
        with contextlib.closing(found.engine.client()) as client:
            assert [node.attrs["Status"]["Addr"] for node in client.nodes.list()] == [found.engine.address]


def test_the_monitoring_host_finds_the_way_again_after_the_socket_host_was_started_anew(
    served: DockerHome,
) -> None:
    folder, proxy = served.folder, served.images["proxy"].reference
    docker_engine.stop(served.hosts.socket.engine.folder)
    assert registry.Registry.running(served.hosts.monitor)
    docker_hosts.ensure(folder)
    assert served.comes_to_serve("staging", docker_hosts.SERVED["staging"])
    url = f"{docker_hosts.endpoint(served.home, 'staging').url}/healthz"
    assert fetch(served.hosts.monitor.engine, proxy, url) == 0


def test_env_starts_hosts_again_that_a_reboot_has_ended_and_no_preview_needs_them(
    served: DockerHome,
) -> None:
    docker_hosts.stop(served.folder)
    served.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()
    command = [sys.executable, "-m", "rehearsal", "--home", str(served.folder), "env"]
    shown = subprocess.run(command, cwd=home.CLONE, capture_output=True, text=True, check=True)
    assert all(line.startswith(("export ", "unset ")) for line in shown.stdout.splitlines())
    for found in (served.hosts.socket, served.hosts.monitor):
        assert found.running()
    for stack in home.STACKS:
        assert served.comes_to_serve(stack, docker_hosts.SERVED[stack])


def test_a_copy_of_a_home_names_hosts_of_its_own_and_takes_none_along(
    served: DockerHome, tmp_path: Path
) -> None:
    copied = served.copy(tmp_path / "copy")
    assert not docker_hosts.existing(copied.folder)
    assert copied.config("staging", "socketHost") == engines(copied.folder)[0].host
    theirs = served.hosts.socket.engine.id.encode()
    for file in copied.folder.rglob("*"):
        if file.is_file() and ".venv" not in file.parts:
            assert theirs not in file.read_bytes(), file
    copied.pulumi("preview", "-s", "staging").ok()  # without any host


def test_a_removed_home_leaves_no_process_mount_namespace_or_interface(
    docker_home: DockerHome, tmp_path: Path
) -> None:
    made = docker_home.copy(tmp_path / "removed")
    hosts = docker_hosts.ensure(made.folder)
    assert reset.remove(made.folder)
    for engine in (hosts.socket.engine, hosts.monitor.engine):
        assert not any(engine.id in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
        assert not engine.namespace.exists()
        assert not Path("/sys/class/net", engine.link).exists()
        assert not engine.short.exists()
        assert processes_of(engine) == []
    assert not made.folder.exists()
    assert docker_home.hosts.socket.engine.running()


def test_a_new_home_names_a_host_of_its_own_and_no_release(rehearsal_home: RehearsalHome) -> None:
    """Never the engine of whoever rehearses, which may be at work for somebody."""
    assert "/run/paintshare/" in rehearsal_home.config("staging", "socketHost")
    assert "socketRelease" not in rehearsal_home.home.stack_file("staging").read_text()


class _Healthz(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} of {self.headers['Host']}".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_the_command_that_asks_healthz_runs_as_it_is_printed(tls: bool, tmp_path: Path) -> None:
    made, domain = authority.ensure(tmp_path), "socket.share-paint.test"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Healthz) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(made.certificate(domain))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = docker_hosts.Endpoint("127.0.0.1", server.server_port, domain, made.root if tls else None)
        done = subprocess.run(
            [*shlex.split(at.curl), "--silent", "--show-error", "--noproxy", "*"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        server.shutdown()
    host = domain if tls else "127.0.0.1"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"/healthz of {host}:{at.port}", "")

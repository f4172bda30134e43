"""The monitor's images run as its services do: read-only, without capabilities, as nobody."""

import contextlib
import http.client
import os
import re
from collections.abc import Callable, Iterator

import pytest
from docker.errors import DockerException  # type: ignore[import-untyped]

from plan.socket import PROXY_CAPABILITIES
from rehearsal.docker_engine import images, processes
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.registry import Registry

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

IN_SEOUL = """\
route: {receiver: none, routes: [{receiver: none, active_time_intervals: [hours]}]}
receivers: [{name: none}]
time_intervals: [{name: hours, time_intervals: [{weekdays: ["monday:friday"], location: Asia/Seoul}]}]
"""
STARTS = {
    "prometheus": ("prometheus", "--config.file=/tmp/config --storage.tsdb.path=/prometheus", 9090, "{}"),
    "alertmanager": (
        "alertmanager", "--config.file=/tmp/config --storage.path=/alertmanager --cluster.listen-address=",
        9093, IN_SEOUL,
    ),
    "blackbox": ("blackbox_exporter", "--config.file=/tmp/config", 9115, "modules: {web: {prober: http}}"),
}  # fmt: skip


def ask(hub: Registry, port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(hub.engine.address, port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def answers(hub: Registry, port: int, path: str) -> bool:
    try:
        return ask(hub, port, path)[0] == 200
    except OSError:
        return False


@contextlib.contextmanager
def started(hub: Registry, name: str) -> Iterator[int]:
    """A container that says it is ready, and the port at which the machine reaches it."""
    make: Callable[[Registry], ImageRef] = getattr(images, name)
    program, arguments, port, config = STARTS[name]
    with contextlib.closing(hub.engine.client()) as client:
        container = client.containers.run(
            make(hub).reference,
            entrypoint=["sh", "-c", f"printf '%s' \"$CONFIG\" > /tmp/config; exec {program} {arguments}"],
            environment={"CONFIG": config}, ports={f"{port}/tcp": port}, detach=True,
            read_only=True, cap_drop=["ALL"],
            tmpfs=dict.fromkeys(("/tmp", "/prometheus", "/alertmanager"), "mode=1777"),  # noqa: S108
        )  # fmt: skip
        try:
            ready = "/-/healthy" if name == "blackbox" else "/-/ready"
            assert processes.wait_until(lambda: answers(hub, port, ready), 60), container.logs().decode()
            check = container.exec_run(["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}{ready}"])
            assert check.exit_code == 0, check.output
            assert container.exec_run(["sh", "-c", "echo $(busybox id -u)"]).output.strip() == b"65534"
            yield port
        finally:
            container.remove(force=True)


def test_blackbox_is_ready(hub: Registry) -> None:
    with started(hub, "blackbox") as port:
        assert "probe" in ask(hub, port, "/")[1]


def test_prometheus_is_ready_and_its_pages_find_what_they_link_to(hub: Registry) -> None:
    with started(hub, "prometheus") as port:
        assert "jquery.min.js" in ask(hub, port, "/classic/graph")[1]
        for file in ("jquery/jquery.min.js", "bootstrap4/css/bootstrap.min.css", "js/graph/index.js"):
            assert ask(hub, port, f"/classic/static/{file}")[0] == 200, file


def test_alertmanager_is_ready_knows_the_working_hours_zone_and_has_pages(hub: Registry) -> None:
    with started(hub, "alertmanager") as port:
        assert "Elm.Main" in ask(hub, port, "/")[1]
        assert ask(hub, port, "/script.js")[0] == 200


def test_caddys_program_cannot_be_started_without_the_capability_of_its_file(hub: Registry) -> None:
    """As in the official image; Swarm would try for ever."""
    version = {"image": images.caddy(hub).reference, "command": ["caddy", "version"], "remove": True}
    with contextlib.closing(hub.engine.client()) as client:
        with pytest.raises(DockerException, match="operation not permitted"):
            client.containers.run(**version, cap_drop=["ALL"])
        said = client.containers.run(**version, cap_drop=["ALL"], cap_add=list(PROXY_CAPABILITIES))
    assert re.search(rb"2\.\d+\.\d+", said)

"""The version of the API that is spoken with an engine: the newest that both know, and no other path."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any, Final

import pytest

from operations.services import docker_client, hosts
from operations.stack.workspace import OperationError
from operations.verbs.doctor.hosts import known
from plan.hosts import DockerHost

# Answers that every version gives in this shape, as far as the program reads them.
ANSWERS: Final[dict[str, Any]] = {
    "/info": {"Name": "node-1", "Swarm": {"LocalNodeState": "active", "ControlAvailable": True}},
    "/nodes": [
        {
            "ID": "n1", "Status": {"State": "ready"}, "Spec": {"Availability": "active"},
            "Description": {"Hostname": "node-1", "Resources": {"MemoryBytes": 1 << 30}},
        }
    ],
    "/services": [
        {
            "ID": "s1", "UpdatedAt": "2026-11-30T00:00:00.0Z",
            "Spec": {
                "Name": "socket", "Mode": {"Replicated": {"Replicas": 1}},
                "TaskTemplate": {"ContainerSpec": {"Image": "r.example/socket:one"}},
            },
        }
    ],
    "/tasks": [
        {
            "ServiceID": "s1", "NodeID": "n1", "CreatedAt": "2026-11-30T00:00:00Z",
            "Status": {"State": "running"}, "Spec": {"ContainerSpec": {"Image": "r.example/socket:one"}},
        }
    ],
    "/images/json": [
        {"Id": "i", "RepoTags": ["r.example/socket:one"], "RepoDigests": [], "Size": 1, "Created": 1}
    ],
    "/networks": [{"Id": "w", "Name": "net"}],
    "/configs": [],
    "/secrets": [],
    "/distribution/r.example/socket:one/json": {"Descriptor": {"digest": "sha256:1"}},
}  # fmt: skip


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@contextmanager
def engine(folder: Path, version: str, oldest: str, newest: str) -> Iterator[tuple[DockerHost, set[str]]]:
    """An engine on a unix socket, as strict as dockerd (server/middleware/version.go), and what was asked."""
    asked: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def address_string(self) -> str:
            return "unix"

        def do_GET(self) -> None:
            found = re.fullmatch(r"/v(\d+\.\d+)(/[^?]*)(?:\?.*)?", self.path)
            if self.path == "/version":
                facts = {"Version": version, "ApiVersion": newest, "MinAPIVersion": oldest}
                return self._say(200, facts)
            if found is None:
                return self._say(404, {"message": "page not found"})
            asked.add(found[1])
            if _number(found[1]) > _number(newest):
                text = f"client version {found[1]} is too new. Maximum supported API version is {newest}"
                return self._say(400, {"message": text})
            if _number(found[1]) < _number(oldest):
                text = f"client version {found[1]} is too old. Minimum supported API version is {oldest}"
                return self._say(400, {"message": text})
            if found[2] not in ANSWERS:
                return self._say(404, {"message": f"no such thing: {found[2]}"})
            return self._say(200, ANSWERS[found[2]])

        def _say(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    path = folder / "d.sock"
    with ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield DockerHost(address=f"unix://{path}"), asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("version", "oldest", "newest", "spoken"),
    [
        ("19.03.15", "1.12", "1.40", "1.40"),
        ("20.10.24+dfsg1", "1.12", "1.41", "1.41"),
        ("29.1.0", "1.44", "1.52", "1.52"),
        ("30.0.0", "1.44", "1.55", "1.52"),  # newer than what this client knows
    ],
)
def test_every_question_is_asked_in_the_newest_version_that_both_know(
    tmp_path: Path, version: str, oldest: str, newest: str, spoken: str
) -> None:
    with engine(tmp_path, version, oldest, newest) as (access, asked), hosts.connected(access) as host:
        assert host.version() == (version, spoken)
        running = host.service("socket")
        assert running is not None
        assert running.settled
        assert host.nodes() == ["node-1"]
        assert host.find("network", "net") == "w"
        assert [host.find(kind, "x") for kind in ("config", "secret", "service")] == [None] * 3
        assert [image.names for image in host.images(None)] == [("r.example/socket:one",)]
        assert (host.used(), host.ran("socket"), host.published_ports(but="x")) == ({}, [], {})
        assert host.unreserved_memory(but="socket") == 1 << 30
        host.ask_registry("r.example/socket:one")
    assert asked == {spoken}


@pytest.mark.parametrize(
    ("version", "oldest", "newest", "told"),
    [
        ("18.09.1", "1.12", "1.39", "use a newer Docker there"),
        ("40.0.0", "1.60", "1.70", "use a newer version of this program"),
    ],
)
def test_an_engine_without_a_common_version_is_named_with_what_to_do(
    tmp_path: Path, version: str, oldest: str, newest: str, told: str
) -> None:
    with engine(tmp_path, version, oldest, newest) as (access, asked):
        with pytest.raises(OperationError) as error, hosts.connected(access):
            pass
        text = f"Docker {version} speaks API {oldest} to {newest}, this program "
        assert text + f"{docker_client.LOWEST} to {docker_client.HIGHEST}: {told}" in str(error.value)
        assert asked == set()


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("19.03.15", "older than what this program is tested on"),
        ("20.10.24+dfsg1", "tested on"),
        ("28.5.1", "not run here"),
        ("29.0.0-rc.1", "below API 1.44"),
    ],
)
def test_doctor_knows_something_of_every_version(version: str, told: str) -> None:
    assert told in known(version)

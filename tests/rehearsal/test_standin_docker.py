"""The Docker kinds, rule by rule, on a real engine: each `test_<rule>__…` breaks one rule.

The engine is the rehearsal's own, private to this module. Images hold one static binary that serves a file.
"""

import base64
import io
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker as engine_sdk  # type: ignore[import-untyped]
import pulumi
import pulumi_docker as sdk
import pytest

from components.swarm import RESTART
from rehearsal import docker_engine
from rehearsal.docker_engine import packages, processes
from rehearsal.docker_engine.registry import Registry
from rehearsal.standin import docker, schema
from rehearsal.standin.account import Account
from rehearsal.standin.docker import objects, session
from rehearsal.standin.docker.fields import Object as Table
from rehearsal.standin.docker.fields import Objects, nanoseconds, short_duration
from rehearsal.standin.docker.service import Service
from rehearsal.standin.kinds import UNKNOWN, Properties, ServiceError, UnfinishedError
from rehearsal.standin.server import Servicer
from tests.builders import monitored, production
from tests.components import declare
from tests.components.recording import Declared
from tests.rehearsal import rules
from tests.rehearsal.driver import Driver, Object
from tests.rehearsal.standin_engine import Rehearsal, Run

KINDS = {kind.type.rsplit(":", 1)[1]: kind for kind in docker.KINDS}
CANARY = "c4nary-value"
SECRET = base64.b64encode(CANARY.encode()).decode()
# Tag -> what its container does: `sick` never becomes healthy, `dies` does and ends, `crashes` never runs.
IMAGES = {
    "1": "exec httpd -f -p 8080 -h /www",
    "2": "exec httpd -f -p 8080 -h /www -c /dev/null",
    "sick": "rm /www/healthz; exec httpd -f -p 8080 -h /www",
    "crashes": "exit 3",
    "dies": "httpd -p 8080 -h /www; while [ ! -e /die ]; do sleep 1; done; exit 4",
}


# --- the engine -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swarm(hub: Registry) -> docker_engine.Engine:
    _build_images(hub.engine)
    return hub.engine


def _build_images(engine: docker_engine.Engine) -> None:
    binary = packages.program("busybox", "busybox-static", print)
    with closing(engine.client()) as client:
        for tag, command in IMAGES.items():
            lines = [
                "FROM scratch" if tag == "1" else "FROM release:1",
                "COPY busybox /bin/busybox" if tag == "1" else "",
                'RUN ["/bin/busybox", "--install", "-s", "/bin"]' if tag == "1" else "",
                "COPY healthz /www/healthz" if tag == "1" else "",
                f"ENTRYPOINT {json.dumps(['/bin/busybox', 'sh', '-c', command])}",
            ]
            context = io.BytesIO()
            with tarfile.open(fileobj=context, mode="w") as archive:
                archive.add(binary, "busybox")
                for name, text in (("Dockerfile", "\n".join(lines)), ("healthz", "ok\n")):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(text)
                    archive.addfile(entry, io.BytesIO(text.encode()))
            context.seek(0)
            client.images.build(fileobj=context, custom_context=True, tag=f"release:{tag}", rm=True)


@pytest.fixture
def client(swarm: docker_engine.Engine) -> Iterator[engine_sdk.DockerClient]:
    """The engine without the stand-in: what a person sees and does by hand. Emptied after each test."""
    client = swarm.client()
    yield client
    for each in client.services.list():
        each.remove()
    of_services = {"label": "com.docker.swarm.service.id"}
    _until(lambda: not client.api.containers(all=True, filters=of_services))
    for container in client.containers.list(all=True):
        container.remove(force=True)
    for kind in (client.configs, client.secrets):
        for each in kind.list():
            each.remove()
    for network in client.networks.list():
        if network.name not in ("bridge", "host", "none", "ingress", "docker_gwbridge"):
            network.remove()
    for volume in client.volumes.list():
        volume.remove(force=True)
    client.close()


def _until(done: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for it: a generous bound, so that a slow machine fails no test."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


class Host(Driver):
    """One Docker host behind the plugin."""

    def __init__(self, path: Path, host: str) -> None:
        super().__init__(path, "docker", docker.KINDS)
        self.configure(host=host)

    def configure(self, **settings: Any) -> None:
        assert self.plugin.configure(settings) == []


@pytest.fixture
def host(tmp_path: Path, swarm: docker_engine.Engine, client: engine_sdk.DockerClient) -> Iterator[Host]:
    del client  # empties the engine afterwards
    made = Host(tmp_path / "account.db", swarm.host)
    yield made
    made.account.close()


@contextmanager
def refused(status: int, message: str = "") -> Iterator[None]:
    with pytest.raises(ServiceError) as caught:
        yield
    assert caught.value.status == status, caught.value
    assert message in caught.value.message


HEALTH = {
    "tests": ["CMD", "/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/healthz"],
    "interval": "500ms",
    "timeout": "30s",
    "retries": 2,
}


def rollout(**changes: Any) -> Properties:
    """A service's arguments: two replicas, health-gated, rolled back by Swarm."""
    container = {"image": "release:1", "healthcheck": HEALTH, "stopGracePeriod": "1s"}
    stated: Properties = {
        "name": "web",
        "taskSpec": {"containerSpec": container | changes.pop("container", {}), **changes.pop("task", {})},
        "mode": {"replicated": {"replicas": 2}},
        "updateConfig": {
            "parallelism": 1,
            "failureAction": "rollback",
            "monitor": "1s",
            "order": "start-first",
        },
        "rollbackConfig": {"parallelism": 0, "monitor": "500ms", "order": "start-first"},
        "endpointSpec": {"mode": "dnsrr"},
        "convergeConfig": {"delay": "500ms", "timeout": "1m"},
        **changes,
    }
    return {name: value for name, value in stated.items() if value is not None}


def running(client: engine_sdk.DockerClient, name: str = "web") -> list[str]:
    """Images of the tasks that serve."""
    return sorted(
        task["Spec"]["ContainerSpec"]["Image"]
        for task in client.services.get(name).tasks()
        if task["Status"]["State"] == "running" and task["DesiredState"] == "running"
    )


def settled(client: engine_sdk.DockerClient, name: str = "web") -> list[str]:
    """Images of the tasks that serve once Swarm has ended its update: the plugin does not wait for that."""
    service = client.services.get(name)

    def done() -> bool:
        service.reload()
        under_way = service.attrs.get("UpdateStatus", {}).get("State") in ("updating", "rollback_started")
        return (
            not under_way
            and len(running(client, name)) == service.attrs["Spec"]["Mode"]["Replicated"]["Replicas"]
        )

    assert processes.wait_until(done, 60)
    return running(client, name)


def spec(client: engine_sdk.DockerClient, name: str = "web") -> Any:
    return client.services.get(name).attrs["Spec"]


def by_hand(client: engine_sdk.DockerClient, change: Callable[[Any], None], name: str = "web") -> None:
    """Change a service behind the program's back."""
    found = client.services.get(name)
    new = json.loads(json.dumps(found.attrs["Spec"]))
    change(new)
    api = client.api
    api._raise_for_status(
        api._post_json(
            api._url("/services/{0}/update", found.id),
            data=new,
            params={"version": found.attrs["Version"]["Index"]},
        )
    )


# --- the rules themselves -------------------------------------------------------------------------


def test_every_rule_has_a_test_that_breaks_it_and_every_test_a_rule() -> None:
    assert rules.without_a_test(docker.RULES, globals()) == set()
    assert rules.without_a_rule(docker.RULES, globals()) == set()


# --- provider -------------------------------------------------------------------------------------


def _refused_settings(**settings: Any) -> list[str]:
    return [failure.property for failure in session.configure(settings)]


def test_provider_names_its_host__none_is_guessed() -> None:
    assert _refused_settings() == ["host"]
    assert _refused_settings(host="/var/run/docker.sock") == ["host"]
    assert _refused_settings(host=UNKNOWN) == []
    assert _refused_settings(host="unix:///run/docker.sock", context="remote") == ["context"]
    assert _refused_settings(host="ssh://root@host", sshOpts=["-v"]) == ["sshOpts"]
    with refused(400, "host is not known"):
        session.configure({"host": UNKNOWN})
        session.engine()


class Forwarder:
    """Passes bytes from a port of loopback on to the engine's socket and keeps what was sent there."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self._target, self._tls = target.removeprefix("unix://"), tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.sent = b""
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._server.close()

    def cut(self) -> None:
        """Nothing gets through any more."""
        for each in (self._server, *self._open):
            with suppress(OSError):  # closed already
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        try:
            if self._tls:
                near = self._tls.wrap_socket(near, server_side=True)
        except OSError:
            return near.close()
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._target)
        self._open.append(far)
        threading.Thread(target=self._pump, args=(far, near), daemon=True).start()
        return self._pump(near, far, keep=True)

    def _pump(self, source: socket.socket, target: socket.socket, keep: bool = False) -> None:
        try:
            while data := source.recv(65536):
                self.sent += data if keep else b""
                target.sendall(data)
        except OSError:
            pass
        finally:
            target.close()


def _certificates(folder: Path, name: str) -> None:
    """An authority, and a certificate of it for loopback, as ca.pem, cert.pem and key.pem."""
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    for arguments in (
        [*command, f"/CN={name}", "-keyout", "ca-key.pem", "-out", "ca.pem"],
        [
            *command,
            "/CN=127.0.0.1",
            *names,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca-key.pem",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
    ):
        subprocess.run(arguments, cwd=folder, check=True, capture_output=True)


def test_provider_checks_its_certificates__the_hosts_and_its_own(
    tmp_path: Path, swarm: docker_engine.Engine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody else's authorities and proxies count.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "good" / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("good", "other"):
        _certificates(tmp_path / name, name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "good" / "ca.pem")
    context.load_cert_chain(tmp_path / "good" / "cert.pem", tmp_path / "good" / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    files = {"caMaterial": "ca.pem", "certMaterial": "cert.pem", "keyMaterial": "key.pem"}

    def material(authority: str, certificate: str) -> Properties:
        folders = {"caMaterial": authority}
        return {
            name: (tmp_path / folders.get(name, certificate) / file).read_text()
            for name, file in files.items()
        }

    with closing(Forwarder(swarm.host, context)) as forwarder:
        there = f"tcp://{forwarder.address}"
        host.configure(host=there, **material("good", "good"))
        assert session.engine().ping() is True
        host.configure(host=there, certPath=str(tmp_path / "good"))
        assert session.engine().ping() is True
        for settings in (
            {},
            material("other", "good"),
            material("good", "other"),
            {"certPath": str(tmp_path / "other")},
        ):
            host.configure(host=there, **settings)
            with refused(503, there), session.asking() as engine:
                engine.ping()
    stated = {"host": there, **material("good", "good")}
    assert _refused_settings(**stated | {"keyMaterial": ""}) == ["certMaterial"]
    assert _refused_settings(**stated | {"caMaterial": ""}) == ["certMaterial"]
    assert _refused_settings(**stated, certPath="/certs") == ["certPath"]


def test_provider_ssh_runs_the_ssh_client__which_reads_the_users_configuration(
    tmp_path: Path, swarm: docker_engine.Engine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, socket, sys, threading\n"
        f"open({str(tmp_path / 'arguments')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        f"far = socket.socket(socket.AF_UNIX); far.connect({swarm.host.removeprefix('unix://')!r})\n"
        "def back():\n"
        "    while data := far.recv(65536): os.write(1, data)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=back, daemon=True).start()\n"
        "while data := os.read(0, 65536): far.sendall(data)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    host.configure(host="ssh://deploy@docker.example:2222")
    made = host.create("Volume", name="over-ssh")
    assert host.seen(made).inputs["name"] == "over-ssh"
    arguments = (tmp_path / "arguments").read_text()
    assert arguments == "-l deploy -p 2222 -- docker.example docker system dial-stdio"
    monkeypatch.setattr(session, "_engine", None)


def _sent_auth(forwarder: Forwarder) -> list[Any]:
    lines = [line for line in forwarder.sent.split(b"\r\n") if line.startswith(b"X-Registry-Auth: ")]
    return [json.loads(base64.urlsafe_b64decode(line.partition(b": ")[2])) for line in lines]


def test_provider_credentials_go_by_registry__a_services_own_come_first(
    swarm: docker_engine.Engine, host: Host
) -> None:
    registries = [
        {"address": "https://registry.example:5000/v2/", "username": "robot", "password": CANARY},
        {"address": "open.example", "authDisabled": True},
    ]
    with closing(Forwarder(swarm.host)) as forwarder:
        host.configure(host=f"tcp://{forwarder.address}", registryAuth=registries)

        def sent(name: str, image: str, **own: Any) -> Any:
            forwarder.sent = b""
            image_of = {"container": {"image": image}}
            host.create("Service", **rollout(name=name, convergeConfig=None, **image_of, **own))
            return _sent_auth(forwarder)[-1]

        robot = {"username": "robot", "password": CANARY, "serveraddress": "https://registry.example:5000"}
        assert sent("a", "registry.example:5000/socket:1") == robot
        dummy = {"username": "username", "password": "password", "serveraddress": "https://open.example"}
        assert sent("b", "open.example/socket:1") == dummy
        assert sent("c", "elsewhere.example/socket:1") == {}
        assert sent("d", "socket:1") == {}
        own = {"serverAddress": "registry.example:5000", "username": "me", "password": "mine"}
        expected = {"username": "me", "password": "mine", "serveraddress": "registry.example:5000"}
        assert sent("e", "registry.example:5000/socket:1", auth=own) == expected
    entry = {"address": "registry.example", "username": "robot", "configFile": "~/.docker/config.json"}
    assert _refused_settings(host="tcp://h:1", registryAuth=[entry]) == ["registryAuth[0].configFile"]
    entry = {"address": "registry.example", "password": "x"}
    assert _refused_settings(host="tcp://h:1", registryAuth=[entry]) == ["registryAuth[0].username"]


def test_unreachable_engine_is_named__and_not_before_it_is_needed(tmp_path: Path) -> None:
    gone = f"unix://{tmp_path}/none.sock"
    host = Host(tmp_path / "account.db", gone)
    host.checked("Network", name="n")
    with refused(503, f"no Docker engine answers at {gone}"):
        host.create("Network", name="n")
    host.account.close()


def _tables(table: Table, path: str) -> Iterator[tuple[str, Table]]:
    yield path, table
    for each in table.fields:
        below = each.value.member if isinstance(each.value, Objects) else each.value
        if isinstance(below, Table):
            yield from _tables(below, f"{path}{each.name}.")


def _inputs(known: schema.Schema, members: Any, path: str) -> Iterator[str]:
    """Every input of the SDK below a path, without indexes."""
    for name, type in members.items():
        yield path + name
        inner = type.get("list", type) if isinstance(type, dict) else {}
        if isinstance(inner, dict) and "object" in inner:
            yield from _inputs(known, known.objects[inner["object"]]["inputs"], f"{path}{name}.")


REFUSED = {
    "RemoteImage": {"build"},
    "Volume": {"cluster"},
    "Service": {
        "taskSpec.containerSpec.privileges",
        "taskSpec.resources.reservation.genericResources",
    },
}


def test_argument_not_applied_is_refused__each_of_the_sdk_is_applied_or_listed_here(host: Host) -> None:
    known = host.plugin.schema
    for name, kind in KINDS.items():
        assert isinstance(kind, objects.DockerKind)
        tables = dict(_tables(kind.fields, ""))
        applied = {path + each.name for path, table in tables.items() for each in table.fields}
        inputs = set(_inputs(known, known.resources[kind.type].inputs, ""))
        left_out = {path for path in inputs - applied if path[: path.rfind(".") + 1] in tables}
        assert left_out == REFUSED.get(name, set())
        assert applied <= inputs
    assert host.refused_inputs("Volume", name="v", cluster={"scope": "single"}) == ["cluster"]
    stated = rollout(container={"privileges": {"credentialSpec": {"file": "f"}}})
    assert host.refused_inputs("Service", **stated) == ["taskSpec.containerSpec.privileges"]
    stated = rollout(task={"resources": {"reservation": {"genericResources": {}}}})
    assert host.refused_inputs("Service", **stated) == ["taskSpec.resources.reservation.genericResources"]
    for name in ("Network", "Volume", "Secret", "ServiceConfig"):
        data = {"data": SECRET} if name in ("Secret", "ServiceConfig") else {}
        assert host.refused_inputs(name, **data) == ["name"]


def test_message_holds_no_secret__be_it_from_the_engine_or_a_task(host: Host) -> None:
    # A container that is refused for its environment has it in the message of its task.
    stated = rollout(container={"env": {"": CANARY}}, convergeConfig={"delay": "2s", "timeout": "5s"})
    with pytest.raises(ServiceError) as caught:
        host.create("Service", **stated)
    assert re.fullmatch(r"Service with ID \(\w+\) did not converge after 5s", caught.value.message)
    with pytest.raises(ServiceError) as caught:
        host.create("Secret", name=CANARY + "!", data=SECRET)
    assert CANARY not in str(caught.value)
    assert host.plugin.check(KINDS["Secret"].type, {"name": "s", "data": CANARY + "!"})[1][0].reason == (
        "is not base64 decodeable"
    )


# --- networks and volumes -------------------------------------------------------------------------


def test_network_change_replaces__and_swarms_own_settings_are_no_change(host: Host) -> None:
    stated = {
        "name": "app",
        "driver": "overlay",
        "attachable": True,
        "labels": [{"label": "b", "value": "2"}, {"label": "a", "value": "1"}],
        "options": {"encrypted": ""},
    }
    made = host.create("Network", **stated)
    assert made.outputs["scope"] == "swarm"
    assert host.changes(made, **stated) == []
    assert host.seen(made) == made
    assert host.changes(host.seen(made), **stated) == []
    assert host.changes(host.adopt("Network", "app"), **stated) == []
    assert host.adopt("Network", "app").id == made.id
    labels = [{"label": "a", "value": "1"}, {"label": "b", "value": "3"}]
    assert host.changes(made, **stated | {"labels": labels}) == ["!labels[1].value"]
    for name, value in {"name": "other", "driver": "bridge", "attachable": False, "internal": True}.items():
        assert host.changes(made, **stated | {name: value}) == [f"!{name}"]
    assert host.changes(made, **{name: stated[name] for name in ("name", "attachable")}) == ["!labels"]
    host.delete(made)
    assert host.refresh(made) is None
    host.delete(made)  # the plugin does not mind


def test_network_change_replaces__and_subnets_are_the_programs_only_where_it_states_them(host: Host) -> None:
    subnet = {"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}
    made = host.create("Network", name="net", driver="overlay", ipamConfigs=[subnet])
    assert host.changes(host.seen(made), name="net", driver="overlay", ipamConfigs=[subnet]) == []
    other = {**subnet, "subnet": "10.78.0.0/24"}
    assert host.changes(made, name="net", driver="overlay", ipamConfigs=[other]) == ["!ipamConfigs[0].subnet"]


def test_network_name_is_unique__in_the_swarm_and_on_the_node(host: Host) -> None:
    for driver in ("overlay", "bridge"):
        host.create("Network", name=f"an-{driver}", driver=driver)
        with refused(409, "already exists"):
            host.create("Network", name=f"an-{driver}", driver=driver)


def test_network_in_use_is_not_removed__until_its_service_is(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    network = host.create("Network", name="app", driver="overlay")
    user = host.create("Service", **rollout(task={"networksAdvanceds": [{"id": network.id}]}))
    with refused(400, "is in use by service"):
        host.delete(network)
    host.delete(user)
    host.delete(network)
    assert client.networks.list(names=["app"]) == []


def test_volume_change_replaces__and_its_contents_outlive_a_refresh(host: Host) -> None:
    stated = {
        "name": "data",
        "labels": [{"label": "stack", "value": "s"}],
        "driverOpts": {"type": "tmpfs", "device": "tmpfs"},
    }
    made = host.create("Volume", **stated)
    assert made.id == "data"
    assert made.outputs["driver"] == "local"
    assert made.outputs["mountpoint"].endswith("/data/_data")
    assert host.seen(made) == made
    assert host.changes(host.seen(made), **stated) == []
    assert host.changes(host.adopt("Volume", "data"), **stated) == []
    assert host.changes(made, **stated | {"name": "other"}) == ["!name"]
    assert host.changes(made, **stated | {"labels": []}) == ["!labels[0]"]
    assert host.changes(made, **stated | {"driverOpts": {"type": "nfs"}}) == [
        "!driverOpts.device",
        "!driverOpts.type",
    ]
    host.delete(made)
    assert host.refresh(made) is None


def test_volume_in_use_is_waited_for__and_then_refused(
    host: Host, client: engine_sdk.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = host.create("Volume", name="data")
    user = client.containers.create("release:1", volumes={"data": {"bind": "/data", "mode": "rw"}})
    monkeypatch.setattr(objects, "PATIENCE", 1)
    with refused(409, "volume is in use"):
        host.delete(made)
    monkeypatch.undo()
    threading.Timer(1, user.remove).start()
    host.delete(made)
    assert client.volumes.list() == []


# --- configs and secrets --------------------------------------------------------------------------

BLOBS = [
    ("ServiceConfig", {"name": "blob", "dataRaw": "text\n"}),
    ("Secret", {"name": "blob", "data": SECRET}),
]
blobs = pytest.mark.parametrize(("kind", "stated"), BLOBS)


@blobs
def test_blob_is_immutable__every_change_replaces_it(host: Host, kind: str, stated: Properties) -> None:
    labels = [{"label": "b", "value": "2"}, {"label": "a", "value": "1"}]
    made = host.create(kind, **stated, labels=labels)
    assert host.changes(made, **stated, labels=labels[::-1]) == []
    assert host.seen(made) == made
    content = "data" if "data" in stated else "dataRaw"
    other = base64.b64encode(b"other").decode()
    changed = {**stated, "name": "other", content: other, "labels": labels[:1]}
    assert host.changes(made, **changed)[:2] == [f"!{content}", "!labels[0].label"]
    assert all(change.startswith("!") for change in host.changes(made, **changed))
    host.delete(made)
    assert host.refresh(made) is None


@blobs
def test_blob_name_is_unique__so_a_changed_one_needs_a_new_name(
    host: Host, kind: str, stated: Properties
) -> None:
    host.create(kind, **stated)
    with refused(409, "already exists"):
        host.create(kind, **stated)


@blobs
def test_blob_in_use_is_not_removed__until_no_service_has_it(
    host: Host, kind: str, stated: Properties
) -> None:
    made = host.create(kind, **stated)
    word = "config" if kind == "ServiceConfig" else "secret"
    reference = {f"{word}Id": made.id, f"{word}Name": "blob", "fileName": "/run/blob"}
    user = host.create("Service", **rollout(container={f"{word}s": [reference]}))
    with refused(400, "is in use by the following service: web"):
        host.delete(made)
    host.update(user, **rollout())
    host.delete(made)
    assert host.refresh(made) is None


@blobs
def test_blob_deleted_twice_fails__as_the_plugin_does(host: Host, kind: str, stated: Properties) -> None:
    made = host.create(kind, **stated)
    host.delete(made)
    with refused(404, "not found"):
        host.delete(made)


def test_blob_is_base64__unless_it_is_raw(host: Host, client: engine_sdk.DockerClient) -> None:
    for kind in ("Secret", "ServiceConfig"):
        assert host.refused_inputs(kind, name="n", data="a") == ["data"]
        assert host.refused_inputs(kind, name="n", data="no base64!") == ["data"]
        assert host.refused_inputs(kind, name="n", data=UNKNOWN) == []
    made = host.create("ServiceConfig", name="n", data=SECRET)
    raw = host.create("ServiceConfig", name="raw", dataRaw="a: ü\n")
    for each, content in ((made, CANARY), (raw, "a: ü\n")):
        held = client.configs.get(each.id).attrs["Spec"]["Data"]
        assert base64.b64decode(held).decode() == content


def test_config_has_one_content__of_two_spellings(host: Host) -> None:
    assert host.refused_inputs("ServiceConfig", name="n") == ["data"]
    assert host.refused_inputs("ServiceConfig", name="n", data=SECRET, dataRaw="x") == ["data"]


def test_config_drift_is_seen__and_it_can_be_imported(host: Host, client: engine_sdk.DockerClient) -> None:
    made = host.create("ServiceConfig", name="n", data=SECRET)
    assert host.changes(host.adopt("ServiceConfig", "n"), name="n", data=SECRET) == []
    assert host.changes(host.adopt("ServiceConfig", made.id), name="n", data="b3RoZXI=") == ["!data"]
    found = client.api.inspect_config(made.id)
    client.api._raise_for_status(
        client.api._post_json(
            client.api._url("/configs/{0}/update", made.id),
            data={**found["Spec"], "Labels": {"by": "hand"}},
            params={"version": found["Version"]["Index"]},
        )
    )
    assert host.changes(host.seen(made), name="n", data=SECRET) == ["!labels"]
    client.configs.get(made.id).remove()
    assert host.refresh(made) is None


def test_secret_is_never_read__nor_imported(host: Host, client: engine_sdk.DockerClient) -> None:
    made = host.create("Secret", name="n", data=SECRET)
    assert host.seen(made).inputs == {"name": "n", "data": SECRET}
    with refused(501, "cannot import a secret"):
        host.adopt("Secret", made.id)
    assert "Data" not in client.secrets.get(made.id).attrs["Spec"]
    reader = host.create(
        "Service",
        **rollout(
            container={
                "secrets": [{"secretId": made.id, "secretName": "n", "fileName": "/run/s", "fileMode": 0o400}]
            }
        ),
    )
    (container, *_) = client.containers.list(filters={"label": f"com.docker.swarm.service.id={reader.id}"})
    assert container.exec_run(["cat", "/run/s"]).output.decode() == CANARY
    assert container.exec_run(["stat", "-c", "%a", "/run/s"]).output.decode().strip() == "400"


# --- images ---------------------------------------------------------------------------------------


def test_image_is_pulled_once__and_a_missing_one_is_named(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    made = host.create("RemoteImage", name="release:1", keepLocally=True)
    image = client.images.get("release:1")
    assert made.id == image.id + "release:1"
    assert made.outputs["imageId"] == image.id
    assert made.outputs["repoDigest"] == ""  # made here: it has none before it was pushed
    assert host.seen(made) == made
    with pytest.raises(ServiceError):
        host.create("RemoteImage", name="127.0.0.1:9/none:1@sha256:" + "0" * 64)
    with refused(501, "cannot import"):
        host.adopt("RemoteImage", "release:1")
    assert host.changes(made, name="release:2", keepLocally=True) == ["!name"]
    assert host.changes(made, name="release:1") == ["keepLocally"]


def test_image_stays_when_kept__else_it_goes_with_its_resource(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    client.images.get("release:1").tag("kept", "1")
    client.images.get("release:1").tag("dropped", "1")
    kept = host.create("RemoteImage", name="kept:1", keepLocally=True)
    dropped = host.create("RemoteImage", name="dropped:1")
    for each in (kept, dropped):
        host.delete(each)
    assert host.refresh(kept) is not None
    assert host.refresh(dropped) is None
    host.delete(dropped)  # the plugin does not mind
    host.delete(host.update(kept, name="kept:1", forceRemove=True))
    assert host.refresh(kept) is None


def test_tag_deletes_nothing__nor_asks_the_engine(host: Host, client: engine_sdk.DockerClient) -> None:
    made = host.create("Tag", sourceImage="release:1", targetImage="tagged.example:5000/app:x")
    tagged = client.images.get("tagged.example:5000/app:x")
    assert made.outputs["sourceImageId"] == tagged.id
    assert host.changes(made, sourceImage="release:2", targetImage="t") == ["!sourceImage", "!targetImage"]
    host.delete(made)
    assert host.seen(made) == made
    client.images.remove("tagged.example:5000/app:x")
    assert host.seen(made) == made


# --- services: what they are ----------------------------------------------------------------------


def whole(network: str, config: str, secret: str) -> Properties:
    """Every argument that Swarm takes on one Linux node, with lists in an order that is not the engine's."""
    return rollout(
        labels=[{"label": "stack", "value": "s"}, {"label": "release", "value": "1"}],
        container={
            "labels": [{"label": "z", "value": "1"}, {"label": "a", "value": ""}],
            "args": ["--flag"],
            "hostname": "web",
            "env": {"B": "x=y", "A": CANARY, "EMPTY": ""},
            "dir": "/www",
            "user": "0",
            "groups": ["10"],
            "readOnly": True,
            "mounts": [
                {"target": "/tmp", "type": "tmpfs", "tmpfsOptions": {"sizeBytes": 1048576, "mode": 0o770}},  # noqa: S108  in a container
                {
                    "target": "/data",
                    "type": "volume",
                    "source": "data",
                    "volumeOptions": {
                        "noCopy": True,
                        "driverName": "local",
                        "driverOptions": {"o": "size=1m"},
                    },
                },
                {"target": "/host", "type": "bind", "source": "/", "readOnly": True, "bindOptions": {}},
            ],
            "stopSignal": "SIGTERM",
            "hosts": [{"ip": "10.0.0.2", "host": "b"}, {"ip": "10.0.0.1", "host": "a"}],
            "dnsConfig": {"nameservers": ["10.0.0.9"], "searches": ["internal"], "options": ["ndots:2"]},
            "secrets": [{"secretId": secret, "secretName": "s", "fileName": "s", "fileMode": 0o400}],
            "configs": [{"configId": config, "configName": "c", "fileName": "/etc/c", "fileUid": "1"}],
            "sysctl": {"net.core.somaxconn": "512"},
            "capAdds": ["CAP_NET_BIND_SERVICE"],
            "capDrops": ["ALL"],
            "init": True,
        },
        task={
            "resources": {
                "limits": {"memoryBytes": 67108864, "nanoCpus": 500000000},
                "reservation": {"memoryBytes": 8388608, "nanoCpus": 1000000},
            },
            "restartPolicy": {"condition": "any", "delay": "1s", "maxAttempts": 0, "window": "1m"},
            "placement": {
                "constraints": ["node.role==manager", "node.platform.os==linux"],
                "prefs": ["spread=node.id", "spread=node.hostname"],
                "maxReplicas": 4,
                "platforms": [{"architecture": "amd64", "os": "linux"}],
            },
            "forceUpdate": 1,
            "runtime": "container",
            "networksAdvanceds": [
                {"id": network, "aliases": ["web", "app"], "driverOpts": ["com.example.a=1"]}
            ],
            "logDriver": {"name": "json-file", "options": {"max-size": "1m", "max-file": "2"}},
        },
        endpointSpec={
            "mode": "dnsrr",
            "ports": [
                {"targetPort": 8080, "publishedPort": 18080, "publishMode": "host", "name": "web"},
                {"targetPort": 8081, "publishedPort": 18081, "publishMode": "host", "protocol": "udp"},
            ],
        },
        updateConfig={"parallelism": 2, "delay": "1m30s", "maxFailureRatio": "0.5", "order": "stop-first"},
        rollbackConfig={"failureAction": "continue", "monitor": "1.5s", "maxFailureRatio": "0"},
        mode={"replicated": {"replicas": 1}},
        convergeConfig=None,
    )


@pytest.fixture
def complete(host: Host) -> Properties:
    network = host.create("Network", name="app", driver="overlay")
    config = host.create("ServiceConfig", name="c", dataRaw="x")
    secret = host.create("Secret", name="s", data=SECRET)
    return whole(network.id, config.id, secret.id)


def test_service_comes_back_as_stated__after_create_refresh_and_import(
    host: Host, complete: Properties
) -> None:
    made = host.create("Service", **complete)
    assert host.changes(made, **complete) == []
    assert host.seen(made) == made
    assert host.changes(host.seen(made), **complete) == []
    assert host.changes(host.adopt("Service", made.id), **complete) == []


def test_service_comes_back_as_stated__when_it_states_little(host: Host) -> None:
    least = {"name": "least", "taskSpec": {"containerSpec": {"image": "release:1"}}}
    made = host.create("Service", **least)
    assert host.seen(made) == made
    assert host.changes(host.seen(made), **least) == []
    assert host.changes(host.adopt("Service", "least"), **least) == []
    assert made.outputs["mode"] == {"replicated": {"replicas": 1}, "global": False}
    everywhere = {**least, "name": "everywhere", "mode": {"global": True}}
    made = host.create("Service", **everywhere)
    assert host.changes(host.seen(made), **everywhere) == []
    partly = rollout(name="partly", convergeConfig=None, container={"healthcheck": {"tests": ["NONE"]}})
    partly["updateConfig"] = {}
    partly["taskSpec"]["restartPolicy"] = {"condition": "on-failure", "delay": "0s", "window": "0s"}
    partly["taskSpec"]["containerSpec"] |= {"readOnly": False, "args": [], "env": {}}
    partly["taskSpec"]["resources"] = {"limits": {"memoryBytes": 33554432}}
    made = host.create("Service", **partly)
    assert host.seen(made) == made
    assert host.changes(host.seen(made), **partly) == []


IN_PLACE: list[tuple[str, Properties]] = [
    ("mode.replicated.replicas", {"mode": {"replicated": {"replicas": 1}}}),
    ("labels", {"labels": [{"label": "release", "value": "2"}]}),
    ("updateConfig.order", {"updateConfig": {**rollout()["updateConfig"], "order": "stop-first"}}),
    ("endpointSpec.mode", {"endpointSpec": {"mode": "vip"}}),
    ("taskSpec.containerSpec.env", {"container": {"env": {"A": "1"}}}),
    ("taskSpec.containerSpec.healthcheck.retries", {"container": {"healthcheck": {**HEALTH, "retries": 5}}}),
    ("taskSpec.containerSpec.stopGracePeriod", {"container": {"stopGracePeriod": "2s"}}),
    ("taskSpec.resources", {"task": {"resources": {"limits": {"memoryBytes": 33554432}}}}),
]


@pytest.mark.parametrize(("path", "change"), IN_PLACE)
def test_service_updates_in_place__and_the_engine_has_it(
    host: Host, path: str, change: dict[str, Any]
) -> None:
    made = host.create("Service", **rollout(convergeConfig=None))
    stated = rollout(convergeConfig=None, **json.loads(json.dumps(change)))
    assert host.changes(made, **stated) == [path]
    updated = host.update(made, **stated)
    assert updated.id == made.id
    assert host.seen(updated) == updated
    assert host.changes(host.seen(updated), **stated) == []
    # Removed again, where the plugin does not keep it.
    assert (
        host.changes(
            host.seen(host.update(updated, **rollout(convergeConfig=None))), **rollout(convergeConfig=None)
        )
        == []
    )


def test_service_some_settings_replace__also_deep_inside(host: Host, complete: Properties) -> None:
    made = Object("Service", "id", host.checked("Service", **complete), {})

    def changed(path: str, value: Any) -> list[str]:
        stated = json.loads(json.dumps(complete))
        *above, last = path.split(".")
        place = stated
        for name in above:
            place = place[int(name) if name.isdigit() else name]
        place[int(last) if last.isdigit() else last] = value
        return host.changes(made, **stated)

    container = "taskSpec.containerSpec"
    assert changed("name", "other") == ["!name"]
    assert changed("auth", {"serverAddress": "r"}) == ["!auth"]
    assert changed(f"{container}.hosts", [{"ip": "10.0.0.1", "host": "a"}]) == [f"!{container}.hosts[1]"]
    assert changed(f"{container}.sysctl", {}) == [f"!{container}.sysctl.net.core.somaxconn"]
    assert changed(f"{container}.labels.0.value", "2") == [f"!{container}.labels[1].value"]
    assert changed("taskSpec.networksAdvanceds.0.aliases", ["web"]) == [
        "!taskSpec.networksAdvanceds[0].aliases[0]",
        "!taskSpec.networksAdvanceds[0].aliases[1]",
    ]
    assert changed("taskSpec.networksAdvanceds.0.id", "other") == ["!taskSpec.networksAdvanceds[0].id"]
    assert changed("labels.0.value", "2") == ["labels[1].value"]
    assert changed(f"{container}.image", "release:2") == [f"{container}.image"]


def test_service_left_out_stays__a_removed_line_changes_nothing(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    task = {
        "restartPolicy": {"condition": "on-failure", "delay": "0s", "maxAttempts": 3, "window": "0s"},
        "resources": {"limits": {"memoryBytes": 33554432}, "reservation": {"memoryBytes": 8388608}},
        "placement": {"constraints": ["node.role==manager"]},
    }
    made = host.create("Service", **rollout(convergeConfig=None, task=task))
    bare = {"name": "web", "taskSpec": {"containerSpec": {"image": "release:1"}}}
    assert host.changes(made, **bare) == ["convergeConfig", "rollbackConfig", "updateConfig"][1:]
    before = spec(client)
    updated = host.update(made, **bare)
    for key in ("RestartPolicy", "Resources", "Placement"):
        assert spec(client)["TaskTemplate"][key] == before["TaskTemplate"][key]
    assert spec(client)["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Retries"] == 2
    assert spec(client)["Mode"] == before["Mode"]
    assert "UpdateConfig" not in spec(client)
    assert host.changes(host.seen(updated), **bare) == []
    # Inside something that is still stated, a removed line counts.
    less = {**task, "resources": {"limits": {"memoryBytes": 33554432}}}
    assert host.changes(made, **rollout(convergeConfig=None, task=less)) == ["taskSpec.resources.reservation"]


def test_service_zero_that_nobody_stated_is_planned_away__at_once_and_for_ever(host: Host) -> None:
    unstated = rollout(convergeConfig=None, task={"restartPolicy": {"condition": "any", "delay": "2s"}})
    made = host.create("Service", **unstated)
    for state in (made, host.seen(made), host.update(made, **unstated)):
        assert host.changes(state, **unstated) == ["taskSpec.restartPolicy.window"]
    stated = rollout(convergeConfig=None, task={"restartPolicy": RESTART})
    assert host.changes(made, **stated) == []
    assert host.changes(host.seen(host.update(made, **stated)), **stated) == []


def declared_services() -> list[Declared]:
    """Every Swarm service of the program, as it is declared."""
    file = monitored(production())
    recorded = (declare.socket(file), declare.uptime(file), declare.agent(file))
    return [service for each in recorded for service in each.of("Service")]


def _on_the_wire(value: Any) -> Any:
    """As the engine sends it: without what is null, whole numbers as such."""
    if isinstance(value, dict):
        return {name: _on_the_wire(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_on_the_wire(each) for each in value]
    return int(value) if isinstance(value, float) else value


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every value of an object by its path; the order of a service's variables means nothing."""
    if isinstance(value, (dict, list)) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        below = [_leaves(each, f"{path}.{name}".removeprefix(".")) for name, each in pairs]
        return {leaf: each for leaves in below for leaf, each in leaves.items()}
    return {path: value}


# Filled in by the engine, and no difference to the plugin: a computed property, or an integer that is zero.
FILLED_IN = {
    "taskSpec.forceUpdate": 0,
    "taskSpec.runtime": "container",
    "taskSpec.restartPolicy.maxAttempts": 0,
}


def test_service_comes_back_as_stated__in_every_field_of_the_programs_own_services(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    """`docker service inspect` beside what is stated, field by field."""
    network = host.create("Network", name="app", driver="overlay", attachable=True).id
    services = declared_services()
    assert {service.name for service in services} >= {"socket-service", "socket-proxy", "agent-agent"}
    table = Service.fields
    for service in services:
        inputs = _on_the_wire(service.inputs)
        del inputs["convergeConfig"]
        inputs["mode"]["replicated"]["replicas"] = 0  # none of its tasks has to run
        inputs["taskSpec"]["networksAdvanceds"] = [{"id": network}]
        container = inputs["taskSpec"]["containerSpec"]
        for kind, noun in (("ServiceConfig", "config"), ("Secret", "secret")):
            for file in container.get(f"{noun}s", []):
                file[f"{noun}Id"] = host.create(kind, name=file[f"{noun}Name"], data=SECRET).id
        made = host.create("Service", **inputs)
        live = spec(client, inputs["name"])
        read = table.fill(table.from_engine(live))
        read["taskSpec"]["networksAdvanceds"][0].pop("name", None)  # the id again
        assert _leaves(read) == FILLED_IN | _leaves(host.checked("Service", **inputs)), service.name
        unknown = _leaves(live).keys() - _leaves(table.to_engine(read)).keys()
        assert unknown == set(), f"{service.name}: the engine says more than the table knows"
        assert host.changes(made, **inputs) == host.changes(host.seen(made), **inputs) == [], service.name


def test_service_network_by_name_is_replaced__after_a_refresh(host: Host) -> None:
    network = host.create("Network", name="app", driver="overlay")
    stated = rollout(convergeConfig=None, task={"networksAdvanceds": [{"name": "app"}]})
    made = host.create("Service", **stated)
    assert host.changes(made, **stated) == []
    seen = host.seen(made)
    assert seen.inputs["taskSpec"]["networksAdvanceds"] == [{"id": network.id}]
    assert host.changes(seen, **stated) == [
        "!taskSpec.networksAdvanceds[0].id",
        "!taskSpec.networksAdvanceds[0].name",
    ]
    both = rollout(task={"networksAdvanceds": [{"name": "app", "id": "x"}]})
    assert host.refused_inputs("Service", **both) == ["taskSpec.networksAdvanceds[0].id"]
    neither = rollout(task={"networksAdvanceds": [{"aliases": ["a"]}]})
    assert host.refused_inputs("Service", **neither) == ["taskSpec.networksAdvanceds[0].id"]


@pytest.mark.parametrize(
    ("written", "read"),
    [("60s", "1m"), ("90s", "1m30s"), ("0", "0s"), ("1000ms", "1s"), ("1h0m0s", "1h"), ("0.5s", "500ms")],
)
def test_service_durations_as_read_back__other_spellings_are_refused(
    host: Host, written: str, read: str
) -> None:
    count = nanoseconds(written)
    assert count is not None
    assert short_duration(count) == read
    for stated in (
        rollout(container={"stopGracePeriod": written}),
        rollout(container={"healthcheck": {**HEALTH, "interval": written}}),
        rollout(updateConfig={"monitor": written}),
        rollout(task={"restartPolicy": {"window": written}}),
    ):
        (failure,) = host.plugin.check(KINDS["Service"].type, stated)[1]
        assert failure.reason.startswith(f"write {read}: ")
    assert host.refused_inputs("Service", **rollout(convergeConfig={"timeout": written})) == []
    for wrong in ("", "5", "-5s", "1 m", "s"):
        stated = rollout(convergeConfig={"timeout": wrong})
        assert host.refused_inputs("Service", **stated) == ["convergeConfig.timeout"]


def test_service_ratio_as_read_back__one_decimal_between_0_and_1(host: Host) -> None:
    for wrong in ("0.25", "1.1", "-0.1", "half"):
        stated = rollout(updateConfig={"maxFailureRatio": wrong})
        assert host.refused_inputs("Service", **stated) == ["updateConfig.maxFailureRatio"]
    made = Object(
        "Service", "id", host.checked("Service", **rollout(updateConfig={"maxFailureRatio": "0"})), {}
    )
    assert host.changes(made, **rollout(updateConfig={"maxFailureRatio": "0.0"})) == []


def test_service_tmpfs_mode_is_permissions__others_are_never_read_back(host: Host) -> None:
    mount = {"target": "/tmp", "type": "tmpfs", "tmpfsOptions": {"mode": 0o1777}}  # noqa: S108  in a container
    stated = rollout(container={"mounts": [mount]})
    assert host.refused_inputs("Service", **stated) == ["taskSpec.containerSpec.mounts[0].tmpfsOptions.mode"]


def test_service_without_stop_grace_is_killed__at_once(host: Host, client: engine_sdk.DockerClient) -> None:
    stated = rollout(convergeConfig=None)
    del stated["taskSpec"]["containerSpec"]["stopGracePeriod"]
    host.create("Service", **stated)
    assert spec(client)["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"] == 0


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"updateConfig": {"failureAction": "stop"}}, "updateConfig.failureAction"),
        ({"rollbackConfig": {"failureAction": "rollback"}}, "rollbackConfig.failureAction"),
        ({"updateConfig": {"parallelism": -1}}, "updateConfig.parallelism"),
        ({"endpointSpec": {"mode": "dns"}}, "endpointSpec.mode"),
        (
            {"endpointSpec": {"ports": [{"targetPort": 1, "publishMode": "x"}]}},
            "endpointSpec.ports[0].publishMode",
        ),
        ({"task": {"restartPolicy": {"condition": "always"}}}, "taskSpec.restartPolicy.condition"),
        (
            {"container": {"mounts": [{"target": "/", "type": "npipe"}]}},
            "taskSpec.containerSpec.mounts[0].type",
        ),
        (
            {"task": {"networksAdvanceds": [{"id": "n", "driverOpts": ["x"]}]}},
            "taskSpec.networksAdvanceds[0].driverOpts[0]",
        ),
        ({"mode": {"global": True, "replicated": {}}, "convergeConfig": None}, "mode.replicated"),
        ({"mode": {"global": True}}, "convergeConfig"),
    ],
)
def test_service_has_allowed_values__others_are_refused_in_the_preview(
    host: Host, change: dict[str, Any], path: str
) -> None:
    assert host.refused_inputs("Service", **rollout(**json.loads(json.dumps(change)))) == [path]


def test_service_has_allowed_values__and_a_value_that_is_not_known_yet_fits(
    host: Host, complete: Properties
) -> None:
    def unknown(value: Any, depth: int) -> Any:
        if depth == 0:
            return UNKNOWN
        if isinstance(value, dict):
            return {name: unknown(each, depth - 1) for name, each in value.items()}
        return [unknown(each, depth - 1) for each in value] if isinstance(value, list) else UNKNOWN

    for depth in range(1, 8):
        stated = {name: unknown(value, depth - 1) for name, value in complete.items()}
        assert host.refused_inputs("Service", **stated) == []


DRIFTS: list[tuple[str, Callable[[Any], Any]]] = [
    ("mode.replicated.replicas", lambda spec: spec["Mode"]["Replicated"].update(Replicas=3)),
    (
        "taskSpec.containerSpec.env.BY",
        lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Env=["A=1", "BY=hand"]),
    ),
    ("taskSpec.containerSpec.env", lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Env=[])),
    (
        "taskSpec.containerSpec.image",
        lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Image="release:2"),
    ),
    ("taskSpec.containerSpec.user", lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(User="0")),
    ("updateConfig.failureAction", lambda spec: spec["UpdateConfig"].update(FailureAction="pause")),
    ("rollbackConfig", lambda spec: spec.update(RollbackConfig=None)),
    ("taskSpec.logDriver", lambda spec: spec["TaskTemplate"].update(LogDriver={"Name": "none"})),
    (
        "taskSpec.containerSpec.healthcheck.retries",
        lambda spec: spec["TaskTemplate"]["ContainerSpec"]["Healthcheck"].update(Retries=9),
    ),
]


@pytest.mark.parametrize(("path", "change"), DRIFTS)
def test_service_drift_is_seen__and_mended(
    host: Host, client: engine_sdk.DockerClient, path: str, change: Callable[[Any], None]
) -> None:
    stated = rollout(convergeConfig=None, container={"env": {"A": "1"}})
    made = host.create("Service", **stated)
    before = spec(client)
    by_hand(client, change)
    assert host.changes(host.seen(made), **stated) == [path]
    mended = host.update(host.seen(made), **stated)
    assert host.changes(host.seen(mended), **stated) == []
    assert spec(client) == before
    host.delete(mended)
    assert host.refresh(mended) is None


def test_service_made_anew_is_found_by_name__with_its_new_id(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    made = host.create("Service", **rollout(convergeConfig=None))
    client.services.get("web").remove()
    client.services.create("release:2", name="web")
    seen = host.seen(made)
    assert seen.id != made.id
    assert seen.inputs["taskSpec"]["containerSpec"]["image"].startswith("release:2")


def test_service_import__by_id_or_name(host: Host) -> None:
    made = host.create("Service", **rollout(convergeConfig=None))
    for id in ("web", made.id):
        adopted = host.adopt("Service", id)
        assert adopted.id == made.id
        assert host.changes(adopted, **rollout(convergeConfig=None)) == []
        assert host.changes(adopted, **rollout()) == ["convergeConfig"]  # never the engine's
    assert host.plugin.read(KINDS["Service"].type, "other", {}, {}) is None


# --- services: rollouts ---------------------------------------------------------------------------


def test_service_without_converge_returns_at_once__whatever_becomes_of_it(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    made = host.create("Service", **rollout(convergeConfig=None, container={"image": "none:1"}))
    updated = host.update(made, **rollout(convergeConfig=None, container={"image": "none:2"}))
    assert spec(client)["TaskTemplate"]["ContainerSpec"]["Image"] == "none:2"
    assert running(client) == []
    assert (
        host.changes(host.seen(updated), **rollout(convergeConfig=None, container={"image": "none:2"})) == []
    )


def test_service_create_waits_for_every_replica__until_they_are_healthy(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    host.create("Service", **rollout(mode={"replicated": {"replicas": 3}}))
    assert running(client) == ["release:1"] * 3
    for container in client.containers.list():
        assert client.api.inspect_container(container.id)["State"]["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("tag", ["none", "sick", "crashes"])
def test_service_failed_create_is_removed__so_the_next_up_creates_it(
    host: Host, client: engine_sdk.DockerClient, tag: str
) -> None:
    stated = rollout(container={"image": f"release:{tag}"}, convergeConfig={"delay": "0s", "timeout": "6s"})
    with pytest.raises(ServiceError) as caught:
        host.create("Service", **stated)
    assert not isinstance(caught.value, UnfinishedError)
    assert "did not converge after 6s" in caught.value.message
    assert client.services.list() == []
    host.create("Service", **rollout())
    assert running(client) == ["release:1"] * 2


def test_service_update_waits_until_every_slot_runs__though_swarm_still_watches_and_may_go_back(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    update = {**rollout()["updateConfig"], "monitor": "10m", "delay": "10m"}
    made = host.create("Service", **rollout(updateConfig=update))
    host.update(made, **rollout(updateConfig=update, container={"image": "release:dies"}))
    assert running(client) == ["release:1", "release:dies"]
    assert client.services.get("web").attrs["UpdateStatus"]["State"] == "updating"
    for container in client.containers.list():
        if "release:dies" in container.attrs["Config"]["Image"]:
            container.exec_run(["/bin/busybox", "touch", "/die"])
    assert processes.wait_until(
        lambda: client.services.get("web").attrs["UpdateStatus"]["State"] != "updating", 60
    )
    assert settled(client) == ["release:1"] * 2
    assert client.services.get("web").attrs["UpdateStatus"]["State"] == "rollback_completed"


def test_service_update_waits_until_every_slot_runs__also_where_no_task_is_replaced(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    made = host.create("Service", **rollout(container={"image": "release:2"}))
    host.update(made, **rollout(container={"image": "release:2"}, mode={"replicated": {"replicas": 4}}))
    assert running(client) == ["release:2"] * 4


def test_service_failed_create_is_removed__or_kept_in_the_state_when_the_engine_has_gone(
    host: Host, swarm: docker_engine.Engine, client: engine_sdk.DockerClient
) -> None:
    stated = rollout(container={"image": "release:sick"})
    with closing(Forwarder(swarm.host)) as forwarder:
        host.configure(host=f"tcp://{forwarder.address}")

        def cut() -> None:
            """Once it is made, and its tasks are waited for."""
            processes.wait_until(lambda: b"/tasks?" in forwarder.sent, 60)
            forwarder.cut()

        threading.Thread(target=cut).start()
        with pytest.raises(UnfinishedError, match="no Docker engine answers") as caught:
            host.create("Service", **stated)
    host.configure(host=swarm.host)
    host.update(Object("Service", caught.value.id, caught.value.inputs, caught.value.outputs), **rollout())
    assert running(client) == ["release:1"] * 2


@pytest.mark.parametrize("tag", ["none", "sick", "crashes"])
def test_service_bad_release_is_rolled_back__and_the_message_says_no_more_than_the_plugins(
    host: Host, client: engine_sdk.DockerClient, tag: str
) -> None:
    made = host.create("Service", **rollout())
    with pytest.raises(UnfinishedError) as caught:
        host.update(made, **rollout(container={"image": f"release:{tag}"}))
    assert str(caught.value).startswith("service rollback completed: ")
    assert settled(client) == ["release:1"] * 2
    good = host.update(made, **rollout(container={"image": "release:2"}))
    assert settled(client) == ["release:2"] * 2
    assert host.seen(good) == good


def test_service_failed_update_is_kept__in_the_state_so_the_next_up_tries_again(host: Host) -> None:
    made = host.create("Service", **rollout())
    bad = rollout(container={"image": "release:none"})
    with pytest.raises(UnfinishedError) as caught:
        host.update(made, **bad)
    assert caught.value.id == made.id
    assert caught.value.inputs == caught.value.outputs == host.checked("Service", **bad)
    stated = Object("Service", made.id, caught.value.inputs, caught.value.outputs)
    assert host.changes(host.seen(stated), **bad) == ["taskSpec.containerSpec.image"]
    assert host.changes(host.seen(stated), **rollout()) == []


def test_service_paused_update_fails__and_leaves_what_runs(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    paused = {**rollout()["updateConfig"], "failureAction": "pause"}
    made = host.create("Service", **rollout(updateConfig=paused))
    with pytest.raises(UnfinishedError) as caught:
        host.update(made, **rollout(updateConfig=paused, container={"image": "release:crashes"}))
    assert str(caught.value).startswith("service update paused: ")
    assert running(client) == ["release:1"] * 2


def test_service_timeout_fails__while_swarm_goes_on(host: Host, client: engine_sdk.DockerClient) -> None:
    made = host.create("Service", **rollout())
    slow = {"image": "release:2", "healthcheck": {**HEALTH, "interval": "10m"}}
    with pytest.raises(UnfinishedError) as caught:
        host.update(made, **rollout(container=slow, convergeConfig={"timeout": "3s"}))
    assert str(caught.value).startswith(f"Service with ID ({made.id}) did not converge after 3s")
    assert running(client) == ["release:1"] * 2


def test_service_interrupted_wait_ends__and_leaves_what_is_needed_to_go_on(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    made = host.create("Service", **rollout())
    threading.Timer(1, lambda: Servicer(host.plugin).Cancel(None, None)).start()
    with pytest.raises(UnfinishedError, match="interrupted"):
        host.update(made, **rollout(container={"image": "release:sick"}))
    host.configure(host=session._settings.host)
    host.update(made, **rollout(container={"image": "release:2"}))
    assert settled(client) == ["release:2"] * 2


def test_a_rollout_holds_up_nothing_else(host: Host) -> None:
    made = host.create("Service", **rollout())
    slow = rollout(
        container={"image": "release:sick"}, updateConfig={**rollout()["updateConfig"], "delay": "1s"}
    )
    ended: list[UnfinishedError] = []

    def wait() -> None:
        with pytest.raises(UnfinishedError) as caught:
            host.update(made, **slow)
        ended.append(caught.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    host.delete(host.create("Volume", name="meanwhile"))
    assert not ended
    waiting.join()
    assert ended


def test_service_delete_waits_for_tasks__so_that_all_they_used_can_go(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    network = host.create("Network", name="app", driver="overlay")
    volume = host.create("Volume", name="data")
    mount = {"target": "/data", "type": "volume", "source": "data"}
    # The shell of `dies` ends late: it is not told to stop by SIGCHLD.
    container = {"mounts": [mount], "stopSignal": "SIGCHLD", "stopGracePeriod": "3s"}
    made = host.create(
        "Service", **rollout(container=container, task={"networksAdvanceds": [{"id": network.id}]})
    )
    host.delete(made)
    assert client.containers.list(filters={"label": f"com.docker.swarm.service.id={made.id}"}) == []
    with refused(404):
        host.delete(made)
    host.delete(network)
    host.delete(volume)


def test_service_variables_have_no_order__so_that_any_write_is_another_release_to_swarm(
    host: Host, client: engine_sdk.DockerClient
) -> None:
    container = {"env": {f"NAME_{number}": "value" for number in range(20)}}
    made = host.create("Service", **rollout(convergeConfig=None, container=container))
    before = spec(client)["TaskTemplate"]["ContainerSpec"]["Env"]
    host.update(made, **rollout(convergeConfig=None, container=container))
    after = spec(client)["TaskTemplate"]["ContainerSpec"]["Env"]
    assert before != after
    assert sorted(before) == sorted(after)
    assert host.changes(host.seen(made), **rollout(convergeConfig=None, container=container)) == []


def test_service_updates_in_place__also_while_swarm_writes_to_it_too(
    host: Host, client: engine_sdk.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = host.create("Service", **rollout(convergeConfig=None))
    engine = session.engine()
    inspect, races = engine.inspect_service, [1, 2]

    def inspect_and_lose_the_race(id: str) -> Any:
        found = inspect(id)
        if races:
            by_hand(client, lambda spec: spec["Labels"].update(race=str(races.pop())))
        return found

    monkeypatch.setattr(engine, "inspect_service", inspect_and_lose_the_race)
    host.update(made, **rollout(convergeConfig=None, container={"image": "release:2"}))
    assert spec(client)["TaskTemplate"]["ContainerSpec"]["Image"] == "release:2"


# --- the whole, with Pulumi's engine --------------------------------------------------------------


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal(tmp_path)
    yield rehearsal
    rehearsal.close()


def program(host: str, image: str = "release:1", **changes: Any) -> Callable[[], None]:
    def declare() -> None:
        there = pulumi.ResourceOptions(provider=sdk.Provider("host", host=host))
        network = sdk.Network("network", name="stack-net", driver="overlay", opts=there)
        config = sdk.ServiceConfig("config", name="stack-config", data_raw="text\n", opts=there)
        secret = sdk.Secret("secret", name="stack-secret", data=pulumi.Output.secret(SECRET), opts=there)
        stated = rollout(container={"image": image}, **json.loads(json.dumps(changes)))
        container = stated["taskSpec"]["containerSpec"]
        container["env"] = {"KEY": pulumi.Output.secret(CANARY)}
        container["configs"] = [{"configId": config.id, "configName": config.name, "fileName": "/c"}]
        container["secrets"] = [{"secretId": secret.id, "secretName": secret.name, "fileName": "s"}]
        stated["taskSpec"]["networksAdvanceds"] = [{"id": network.id}]
        sdk.Service(
            "service",
            name=stated["name"],
            task_spec=stated["taskSpec"],
            mode=stated["mode"],
            update_config=stated["updateConfig"],
            rollback_config=stated["rollbackConfig"],
            endpoint_spec=stated["endpointSpec"],
            converge_config=stated["convergeConfig"],
            opts=there,
        )

    return declare


EVERYTHING = {"network", "config", "secret", "service"}


def test_preview_needs_no_engine__neither_to_create_nor_to_change(
    rehearsal: Rehearsal, swarm: docker_engine.Engine, client: engine_sdk.DockerClient, tmp_path: Path
) -> None:
    gone = f"unix://{tmp_path}/none.sock"
    run = rehearsal.preview(program(gone))
    assert run.error == ""
    assert set(run.steps) == EVERYTHING
    assert rehearsal.up(program(swarm.host)).error == ""
    run = rehearsal.preview(program(gone, "release:2"))
    assert run.error == ""
    assert run.steps == {"service": ["update"]}
    run = rehearsal.up(program(gone, "release:2"))
    assert f"no Docker engine answers at {gone}" in run.error
    assert running(client) == ["release:1"] * 2
    assert rehearsal.up(program(swarm.host)).error == ""
    assert rehearsal.destroy().error == ""


def test_a_stack_is_created_changed_rolled_back_recovered_and_destroyed(
    rehearsal: Rehearsal, swarm: docker_engine.Engine, client: engine_sdk.DockerClient
) -> None:
    def ok(run: Run) -> dict[str, list[str]]:
        assert run.error == ""
        return run.steps

    assert set(ok(rehearsal.up(program(swarm.host)))) == EVERYTHING
    assert ok(rehearsal.up(program(swarm.host))) == {}
    assert "    6 unchanged\n" in rehearsal.refresh().output
    assert ok(rehearsal.preview(program(swarm.host), refresh=True)) == {}
    assert ok(rehearsal.up(program(swarm.host, "release:2"))) == {"service": ["update"]}
    assert settled(client) == ["release:2"] * 2
    for bad in ("release:none", "release:sick"):
        run = rehearsal.up(program(swarm.host, bad))
        assert "service rollback completed" in run.error
        assert settled(client) == ["release:2"] * 2
        assert rehearsal.resource("service")["initErrors"]
        assert CANARY not in rehearsal.files() + run.output + run.error
        # Also for the release that runs: nobody but the engine knows that it does.
        assert ok(rehearsal.preview(program(swarm.host, "release:2"))) == {"service": ["update"]}
    assert ok(rehearsal.up(program(swarm.host, "release:1"))) == {"service": ["update"]}
    assert settled(client) == ["release:1"] * 2
    assert ok(rehearsal.preview(program(swarm.host, "release:1"), refresh=True)) == {}
    written = rehearsal.files()
    assert "release:1" in written
    assert CANARY not in written
    assert SECRET not in written
    assert ok(rehearsal.destroy()).keys() == EVERYTHING
    assert client.services.list() == client.configs.list() == client.secrets.list() == []
    assert client.networks.list(names=["stack-net"]) == []
    assert client.containers.list() == []


def test_an_update_whose_answer_was_lost_is_finished_by_the_next_up(
    rehearsal: Rehearsal, swarm: docker_engine.Engine, client: engine_sdk.DockerClient
) -> None:
    assert rehearsal.up(program(swarm.host)).error == ""
    with closing(Account(rehearsal.folder / "account.db", "docker")) as account:
        account.put("fault", "1", {"verb": "update", "kind": "Service", "lost": True})
    assert "its answer was lost" in rehearsal.up(program(swarm.host, "release:2")).error
    assert rehearsal.up(program(swarm.host, "release:2")).steps == {"service": ["update"]}
    assert settled(client) == ["release:2"] * 2
    assert rehearsal.destroy().error == ""

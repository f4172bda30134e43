"""A Docker host over TLS and a private registry, both real: what is refused, and what a rotation does.

The tests share one engine and one home, in their order: each goes on where the one before ended.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from operations.services import hosts
from operations.stack.workspace import OperationError
from plan.hosts import DockerHost
from plan.socket import service_name
from rehearsal import docker_engine
from rehearsal.demo import RELEASES
from rehearsal.docker_engine import Engine, images, processes, registry
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.registry import Registry
from tests.harness import RehearsalHome
from tests.rehearsal.guarded_registry import GuardedRegistry, guarded

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

SERVICE = service_name("staging")
PASSWORDS = ("the-first-password-of-the-robot", "the-second-password-of-the-robot")


def _certificates(folder: Path, address: str) -> None:
    """An authority with two certificates: of the host at `address` (cert, key) and of a client."""
    folder.mkdir(parents=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    signed = ["-CA", "ca.pem", "-CAkey", "ca-key.pem"]
    for arguments in (
        ["-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem"],
        ["-subj", "/CN=host", "-addext", f"subjectAltName=IP:{address}", *signed,
         "-keyout", "key.pem", "-out", "cert.pem"],
        ["-subj", "/CN=paintshare", "-addext", "extendedKeyUsage=clientAuth", *signed,
         "-keyout", "client-key.pem", "-out", "client.pem"],
    ):  # fmt: skip
        subprocess.run([*command, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("access")
    _certificates(made / "docker" / "tls", Engine(made / "docker").address)
    _certificates(made / "other", "127.0.0.1")
    return made


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[Registry]:
    yield registry.ensure(folder / "docker" / "registry", docker_engine.ensure(folder / "docker"))
    docker_engine.stop(folder / "docker")


@pytest.fixture(scope="module")
def door(hub: Registry, folder: Path) -> Iterator[GuardedRegistry]:
    with guarded(hub, folder, {"robot": PASSWORDS[0]}) as made:
        yield made


@pytest.fixture(scope="module")
def home(_adopted: RehearsalHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsalHome]:
    made = _adopted.copy(tmp_path_factory.mktemp("home") / "rehearsal")
    yield made
    made.close()


@pytest.fixture(scope="module")
def stocked(hub: Registry) -> tuple[ImageRef, ImageRef]:
    return images.socket_server(hub, RELEASES[0]), images.caddy(hub)


def _access(address: str, folder: Path) -> DockerHost:
    ca, certificate, key = ((folder / f"{name}.pem").read_text() for name in ("ca", "client", "client-key"))
    return DockerHost(address=address, ca=ca, certificate=certificate, key=key)


def _tasks(hub: Registry) -> dict[str, dict[str, Any]]:
    """The running tasks of the socket server, by id."""
    with closing(hub.engine.client()) as client:
        tasks = client.services.get(SERVICE).tasks(filters={"desired-state": "running"})
        return {task["ID"]: task for task in tasks if task["Status"]["State"] == "running"}


# --- TLS -------------------------------------------------------------------------------------------------


def test_a_host_over_tls_answers_who_has_a_certificate_of_its_authority_and_nobody_else(
    hub: Registry, folder: Path
) -> None:
    address = hub.engine.tls_host
    with hosts.connected(_access(address, folder / "docker" / "tls")) as host:
        assert host.service(SERVICE) is None
    with (
        pytest.raises(OperationError, match="CERTIFICATE_VERIFY_FAILED"),
        hosts.connected(_access(address, folder / "other")),
    ):
        pass
    stranger = replace(_access(address, folder / "other"), ca=_access(address, folder / "docker" / "tls").ca)
    for access in (stranger, DockerHost(address=address)):
        with pytest.raises(OperationError, match=address), hosts.connected(access):
            pass


def test_a_stack_is_applied_over_tls_and_the_key_is_nowhere_in_the_clear(
    home: RehearsalHome, hub: Registry, folder: Path, stocked: tuple[ImageRef, ImageRef]
) -> None:
    release, proxy = stocked
    access = _access(hub.engine.tls_host, folder / "docker" / "tls")
    home.edit(
        "staging", socketHost=access.address, socketImage=release.name, socketRelease=release.tag,
        socketDigest=release.digest, proxyImage=proxy.reference, socketTls="off",
    )  # fmt: skip
    assert "root for everybody" in home.pulumi("preview", "-s", "staging").failed().text
    home.set_config("staging", "socketHostCa", access.ca)
    home.set_config("staging", "socketHostCertificate", access.certificate)
    home.operations("set", "SOCKET_HOST_KEY", "--stack", "staging", stdin=access.key).ok()
    done = home.up("staging")
    home.pulumi("up", "-s", "staging", "--yes", "--skip-preview", "--expect-no-changes").ok()
    home.pulumi("refresh", "-s", "staging", "--yes", "--skip-preview", "--expect-no-changes").ok()
    assert len(_tasks(hub)) == 2
    secret = access.key.splitlines()[3]
    assert secret not in done.text
    assert secret not in str(home.export("staging"))
    assert secret not in home.home.stack_file("staging").read_text()


# --- the private registry --------------------------------------------------------------------------------


def test_without_the_right_password_the_release_is_refused_and_the_old_one_serves(
    home: RehearsalHome, hub: Registry, door: GuardedRegistry
) -> None:
    second = images.socket_server(hub, RELEASES[1])
    before = set(_tasks(hub))
    home.edit(
        "staging", socketImage=f"{door.address}/socket", socketRelease=second.tag, socketDigest=second.digest
    )
    nobody = home.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    home.edit("staging", registryUser="robot")
    home.operations("set", "REGISTRY_PASSWORD", "--stack", "staging", stdin="wrong-password").ok()
    wrong = home.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    for failed in (nobody, wrong):
        assert f"release {second.tag}" in failed.text, failed.text
        assert f"{RELEASES[0]} still serves" in failed.text, failed.text
    assert set(_tasks(hub)) == before
    assert "wrong-password" not in wrong.text


def test_with_the_password_it_is_pulled_and_the_password_is_nowhere_in_the_clear(
    home: RehearsalHome, hub: Registry
) -> None:
    home.operations("set", "REGISTRY_PASSWORD", "--stack", "staging", stdin=PASSWORDS[0]).ok()
    done = home.up("staging")
    home.pulumi("up", "-s", "staging", "--yes", "--skip-preview", "--expect-no-changes").ok()
    home.pulumi("refresh", "-s", "staging", "--yes", "--skip-preview", "--expect-no-changes").ok()
    assert len(_tasks(hub)) == 2
    with closing(hub.engine.client()) as client:
        shown = str(client.services.get(SERVICE).attrs)
    for text in (done.text, str(home.export("staging")), shown):
        assert PASSWORDS[0] not in text


def test_a_rotated_password_reaches_the_swarm_as_a_release_does(
    home: RehearsalHome, hub: Registry, door: GuardedRegistry
) -> None:
    """Every task is exchanged, for any write is a change to Swarm (docs/hazards.md, order-of-variables)."""
    old = set(_tasks(hub))
    door.admit({"robot": PASSWORDS[1]})  # the old one is revoked
    home.operations("set", "REGISTRY_PASSWORD", "--stack", "staging", stdin=PASSWORDS[1]).ok()
    assert home.operations_planned("staging") == {"socket-host": "update", "socket-service": "update"}
    home.up("staging")
    before = set(_tasks(hub))
    assert len(before) == 2
    assert before.isdisjoint(old)

    # A task that has to be pulled again, on a node that lost the image: Swarm asks with the new password.
    with closing(hub.engine.client()) as client:
        lost = next(iter(_tasks(hub).values()))
        container = client.containers.get(lost["Status"]["ContainerStatus"]["ContainerID"])
        # A name of its own keeps the layers; without the names the image has to be asked for.
        container.image.tag("kept/socket", "test")
        for name in [*container.image.attrs["RepoDigests"], *container.image.tags]:
            if not name.startswith("kept/"):
                client.images.remove(name)
        container.remove(force=True)
    assert processes.wait_until(lambda: len(set(_tasks(hub)) - before) == 1 and len(_tasks(hub)) == 2, 120)

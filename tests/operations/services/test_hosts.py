"""What a Docker host really runs, asked of a real engine: good rollouts, failed ones, watched ones."""

import os
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from docker.errors import APIError  # type: ignore[import-untyped]

from operations.services import hosts
from operations.services.hosts import Host
from operations.services.running import Image, Running
from operations.stack.workspace import OperationError
from plan.hosts import DockerHost
from rehearsal import docker_engine
from rehearsal.demo import RELEASES
from rehearsal.docker_engine import Engine, images, registry
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.registry import Registry

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine")

SHA, DIGEST = "a" * 40, f"sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("socket", Image("socket")),
        ("caddy:2.10", Image("caddy", "2.10")),
        ("registry.example:5000/socket", Image("registry.example:5000/socket")),
        (f"registry.example:5000/team/socket:{SHA}", Image("registry.example:5000/team/socket", SHA)),
        (f"socket@{DIGEST}", Image("socket", "", DIGEST)),
        (f"127.0.0.1:5000/socket:{SHA}@{DIGEST}", Image("127.0.0.1:5000/socket", SHA, DIGEST)),
        ("", Image()),
    ],
)
def test_an_image_is_read_from_every_form_of_its_name(reference: str, image: Image) -> None:
    assert Image.parse(reference) == image
    assert str(image) == reference


# --- names, as an engine has them -----------------------------------------------------------------------


class Listing:
    """An engine with some images, whose registry answers every question with one status."""

    def __init__(self, *tags: str, status: int = 0) -> None:
        self._tags, self._status = tags, status

    def images(self) -> list[dict[str, Any]]:
        return [{"Id": t, "RepoTags": [t], "RepoDigests": None, "Size": 1, "Created": 1} for t in self._tags]

    def services(self) -> list[dict[str, Any]]:
        return []

    def distribution(self, image: str, _: dict[str, str]) -> None:
        answer = requests.Response()
        answer.status_code = self._status
        raise APIError("refused", answer, explanation=f"what the engine says of {image}")


def _on(engine: Listing) -> Host:
    return Host(DockerHost(address="unix:///none.sock"), cast(Any, engine))


@pytest.mark.parametrize("name", ["paintshare/socket", "docker.io/paintshare/socket"])
def test_an_image_of_docker_hub_is_found_by_its_whole_name_which_no_engine_lists(name: str) -> None:
    listing = Listing("paintshare/socket:1", "another/socket:1", "ghcr.io/paintshare/socket:1")
    assert [image.id for image in _on(listing).images(name)] == ["paintshare/socket:1"]


@pytest.mark.parametrize(
    ("status", "refused"), [(400, True), (401, True), (403, True), (404, True), (500, False), (503, False)]
)
def test_an_image_is_refused_by_what_an_answer_says_of_it_and_not_by_a_registry_that_is_ill(
    status: int, refused: bool
) -> None:
    reason = _on(Listing(status=status)).refusal("s", Image("ghcr.io/A/socket", SHA, DIGEST))
    assert reason == (
        f"ghcr.io/A/socket@{DIGEST}: what the engine says of ghcr.io/A/socket@{DIGEST}" if refused else ""
    )


@pytest.mark.parametrize(
    ("status", "none"), [(404, True), (400, False), (401, False), (403, False), (500, False)]
)
def test_a_registry_without_an_image_is_told_from_one_that_cannot_be_asked(status: int, none: bool) -> None:
    """Else a release whose digest was lost would be called unchanged."""
    host, image = _on(Listing(status=status)), Image("ghcr.io/a/socket", SHA)
    if none:
        assert host.registered(image) == ""
    else:
        with pytest.raises(OperationError, match=f"cannot be asked for ghcr.io/a/socket:{SHA}"):
            host.registered(image)


class Mounted(Listing):
    """An engine with one service."""

    def services(self, **_: Any) -> list[dict[str, Any]]:
        container = {
            "Env": ["KEY=old=secret", "SAME=1"],
            "Configs": [{"ConfigName": "caddy-1"}],
            "Secrets": [{"SecretName": "pepper-1"}],
        }
        return [{"Spec": {"Name": "s", "TaskTemplate": {"ContainerSpec": container}}}]


def test_what_a_service_has_otherwise_than_declared_is_named_without_its_value() -> None:
    """`docker service rollback` after a rotation: the same image, the values and files of before."""
    host = _on(Mounted())
    assert host.unlike("s", {"KEY": "old=secret", "SAME": "1"}, ["caddy-1", "pepper-1"]) == ()
    assert host.unlike("s", {"KEY": "new", "SAME": "1", "MISSING": ""}, ["caddy-2", "pepper-1"]) == (
        "KEY", "MISSING", "caddy-2"
    )  # fmt: skip
    assert host.unlike("another", {"KEY": "new"}, []) == ()


# --- a host that cannot be asked ------------------------------------------------------------------------


def test_a_host_that_is_not_there_is_named(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/none.sock"
    with pytest.raises(OperationError, match=address), hosts.connected(DockerHost(address=address)):
        pass


def test_a_host_that_accepts_and_never_answers_is_given_up() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        access = DockerHost(address=address)
        with pytest.raises(OperationError, match=address), hosts.connected(access, timeout=0.3):
            pass


def test_an_ssh_that_hangs_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600 < /dev/null\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    access = DockerHost(address="ssh://deploy@docker.example")
    with pytest.raises(OperationError, match="ssh://deploy@docker"), hosts.connected(access, 5):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# --- a real engine --------------------------------------------------------------------------------------


def _access(engine: Engine) -> DockerHost:
    return DockerHost(address=engine.host)


class Service:
    """A service of two tasks that is rolled out as the program's are, with a short monitor window."""

    def __init__(self, engine: Engine, name: str, image: ImageRef) -> None:
        self.name = name
        self._client = engine.client()
        self._service = self._client.services.create(
            image.reference, name=name, mode={"Replicated": {"Replicas": 2}}, **self._settings()
        )

    def _settings(self) -> dict[str, Any]:
        rollout = {"Parallelism": 2, "Order": "start-first", "Monitor": 5 * 10**9, "MaxFailureRatio": 0}
        return {
            "env": ["CLIENT_URL=https://a.example", "DRAIN_SECONDS=1"],
            "update_config": {**rollout, "FailureAction": "rollback"},
        }

    def update(self, image: ImageRef) -> None:
        self._service.reload()
        self._service.update(image=image.reference, fetch_current_spec=True, **self._settings())

    def close(self) -> None:
        self._service.remove()
        self._client.close()


@root
def test_a_service_is_seen_as_it_runs_through_a_good_rollout_and_one_that_is_rolled_back(
    hub: Registry,
) -> None:
    one, two = (images.socket_server(hub, sha) for sha in RELEASES[:2])
    bad = images.socket_server(hub, RELEASES[2], fault="crash")
    with hosts.connected(_access(hub.engine)) as host, closing(Service(hub.engine, "seen", one)) as service:
        assert host.service("see") is None  # the engine filters by prefix
        running = host.await_release("seen", one.tag, one.digest)
        assert (running.image, running.previous) == (Image(one.name, one.tag, one.digest), None)
        assert (running.desired, running.healthy, running.update) == (2, 2, "")

        service.update(two)
        watched: list[Running] = []
        running = host.await_release("seen", two.tag, two.digest, progress=watched.append)
        assert (running.update, running.release, running.digest) == ("completed", two.tag, two.digest)
        assert running.previous == Image(one.name, one.tag, one.digest)
        # All tasks run long before Swarm is done watching them: a provider may be content by then.
        assert any(w.healthy == 2 and w.update == "updating" and not w.settled for w in watched)

        service.update(bad)
        with pytest.raises(OperationError, match=f"{bad.tag} does not serve") as failed:
            host.await_release("seen", bad.tag, bad.digest)
        assert f"It runs seen: {Image(two.name, two.tag, two.digest)}" in str(failed.value)
        running = host.await_release("seen", two.tag, two.digest)
        assert (running.update, running.healthy) == ("rollback_completed", 2)
        assert running.text.endswith("2 of 2 healthy, update rollback completed")


@root
def test_a_release_that_is_not_asked_for_is_no_release_that_serves(hub: Registry) -> None:
    one = images.socket_server(hub, RELEASES[0])
    with hosts.connected(_access(hub.engine)) as host, closing(Service(hub.engine, "other", one)):
        host.await_release("other", one.tag, one.digest)
        with pytest.raises(OperationError, match=f"{RELEASES[1]} does not serve"):
            host.await_release("other", RELEASES[1], one.digest)
        with pytest.raises(OperationError, match="has no service nobody"):
            host.await_release("nobody", one.tag, one.digest)


@root
def test_a_rollout_that_never_settles_is_given_up(hub: Registry) -> None:
    missing = ImageRef(f"{hub.address}/socket", "f" * 40, f"sha256:{'0' * 64}")
    given_up = pytest.raises(OperationError, match=r"did not settle within 2 s.*0 of 2 healthy")
    stuck = Service(hub.engine, "stuck", missing)
    with hosts.connected(_access(hub.engine)) as host, closing(stuck), given_up:
        host.await_release("stuck", missing.tag, missing.digest, patience=2)


@root
def test_an_engine_that_manages_no_swarm_is_refused_with_the_command(
    hub: Registry,
) -> None:
    with closing(hub.engine.client()) as client:
        client.swarm.leave(force=True)
    with pytest.raises(OperationError, match="docker swarm init"), hosts.connected(_access(hub.engine)):
        pass
    registry.ensure(hub.folder, docker_engine.ensure(hub.engine.folder))

"""The program on a real Docker engine: a good release, a bad one that is rolled back, and the way on.

One test walks the whole path, because every station starts where the one before ended.
"""

import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rehearsal import docker_engine
from rehearsal.demo import RELEASES
from rehearsal.docker_engine import images, registry
from rehearsal.docker_engine.images import ImageRef
from rehearsal.docker_engine.registry import Registry
from tests.harness import RehearsalHome

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine")

PORT = 8081


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder: Path = tmp_path_factory.mktemp("hub") / "docker"
    yield registry.ensure(folder / "registry", docker_engine.ensure(folder))
    docker_engine.stop(folder)


def _name(home: RehearsalHome, hub: Registry, release: ImageRef, proxy: ImageRef) -> None:
    home.edit(
        "staging", socketHost=hub.engine.host, socketImage=release.name, socketRelease=release.tag,
        socketDigest=release.digest, proxyImage=proxy.reference, socketTls="off",
    )  # fmt: skip


def _ask(hub: Registry, path: str = "/healthz") -> tuple[int, str]:
    connection = http.client.HTTPConnection(hub.engine.address, PORT, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@contextmanager
def _probed(hub: Registry) -> Iterator[Counter[tuple[int, str]]]:
    """Ask /healthz all the while; counts answers by status and release, and everything that is no answer."""
    seen: Counter[tuple[int, str]] = Counter()
    done = threading.Event()

    def probe() -> None:
        while not done.wait(0.02):
            try:
                status, body = _ask(hub)
                seen[status, json.loads(body)["release"] if status == 200 else ""] += 1
            except (OSError, http.client.HTTPException) as error:
                seen[0, type(error).__name__] += 1

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _serves(hub: Registry, release: str, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if release in _ask(hub)[1]:
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


def test_a_good_release_takes_over_without_a_lost_probe_and_a_bad_one_never_serves(
    adopted_home: RehearsalHome, hub: Registry
) -> None:
    one, two = (images.socket_server(hub, sha) for sha in RELEASES[:2])
    bad = images.socket_server(hub, RELEASES[2], fault="healthz-500")
    proxy = images.caddy(hub)
    _name(adopted_home, hub, one, proxy)
    adopted_home.up("staging")
    assert _serves(hub, one.tag)
    assert _ask(hub, "/metrics")[0] == 404
    adopted_home.pulumi("up", "-s", "staging", "--yes", "--skip-preview", "--expect-no-changes").ok()
    adopted_home.pulumi("refresh", "-s", "staging", "--yes", "--skip-preview", "--expect-no-changes").ok()
    adopted_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()

    _name(adopted_home, hub, two, proxy)
    with _probed(hub) as seen:
        adopted_home.up("staging")
    assert {status for status, _ in seen} == {200}
    assert _serves(hub, two.tag)

    _name(adopted_home, hub, bad, proxy)
    with _probed(hub) as seen:
        failed = adopted_home.pulumi("up", "-s", "staging", "--yes", "--skip-preview").failed()
    assert "rollback" in failed.text
    assert set(seen) == {(200, two.tag)}

    _name(adopted_home, hub, two, proxy)
    adopted_home.up("staging")
    assert _serves(hub, two.tag)
    adopted_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()

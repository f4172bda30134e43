"""An image registry on loopback, so that the images of the rehearsal have real digests.

Debian's docker-registry in the network namespace of an engine, on its loopback: there every engine lets a
registry do without TLS, and the same image has the same name in every home. It ends with the engine; its data
lie in the folder and stay. Two engines of one swarm have a registry each, on the same data.
"""

import contextlib
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal.cache import Progress, locked
from rehearsal.docker_engine import packages, processes
from rehearsal.docker_engine.engine import Engine
from rehearsal.docker_engine.errors import DockerUnavailableError

_PROGRAM: Final = "docker-registry"
_PORT: Final = 5000
_START: Final = 120  # seconds; a tenth of one is usual
_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Registry:
    """A registry by its folder and its engine."""

    folder: Path
    engine: Engine

    @property
    def address(self) -> str:
        """First part of the images' names, and where the engine finds it: `host:port`."""
        return f"127.0.0.1:{_PORT}"

    def digest(self, name: str, tag: str) -> str | None:
        """The digest under a tag, such as `sha256:…`; None when there is no such image."""
        answer = self._ask("HEAD", f"{name}/manifests/{tag}")
        return answer.headers["Docker-Content-Digest"] if answer.status == 200 else None

    def labels(self, name: str, tag: str) -> dict[str, str]:
        """The labels of an image; none when there is no such image."""
        manifest = self._ask("GET", f"{name}/manifests/{tag}")
        if manifest.status != 200:
            return {}
        config = self._ask("GET", f"{name}/blobs/{json.loads(manifest.body)['config']['digest']}")
        labels: dict[str, str] = json.loads(config.body)["config"]["Labels"] or {}
        return labels

    def tags(self, name: str) -> list[str]:
        """The tags of an image, in order of their names."""
        answer = self._ask("GET", f"{name}/tags/list")
        return sorted(json.loads(answer.body)["tags"] or []) if answer.status == 200 else []

    def running(self) -> bool:
        try:
            return self._ask("GET", "").status == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str) -> _Answer:
        """One request of the registry's API, from the machine. Raises OSError."""
        connection = http.client.HTTPConnection(self.engine.address, _PORT, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, f"/v2/{path}", headers={"Accept": _MANIFEST})
            answer = connection.getresponse()
            return _Answer(answer.status, dict(answer.headers), answer.read())


def ensure(folder: Path, engine: Engine, progress: Progress = lambda _: None) -> Registry:
    """The registry of `folder`, running. Raises DockerUnavailableError where it cannot be had."""
    registry = Registry(folder.absolute(), engine)
    registry.folder.mkdir(parents=True, exist_ok=True)
    with locked(
        registry.folder / "lock", progress, "another command is starting the registry; waiting for it"
    ):
        if not registry.running():
            command = packages.program(_PROGRAM, _PROGRAM, progress)
            settings = registry.folder / f"{engine.id}.yml"
            processes.end(processes.find(_PROGRAM, str(settings)), 5)  # one that hangs
            settings.write_text(json.dumps(_settings(registry.folder), indent=2) + "\n")  # JSON is YAML
            log = registry.folder / "registry.log"
            started = processes.start(
                ["nsenter", f"--net={engine.namespace}", command, "serve", settings],
                log,
                packages.environment(),
            )
            processes.wait_until(lambda: registry.running() or started.poll() is not None, _START)
            if not registry.running():
                raise DockerUnavailableError(f"the registry did not start at {registry.address} (log: {log})")
    return registry


def _settings(folder: Path) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},  # pruning removes images by digest
        },
        "http": {"addr": f"0.0.0.0:{_PORT}"},
    }

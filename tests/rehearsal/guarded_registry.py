"""A second door to the rehearsal's registry: the same images on another port, for who has a password."""

import contextlib
import http.client
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from rehearsal.docker_engine import packages, processes
from rehearsal.docker_engine.registry import Registry

PORT = 5001


class GuardedRegistry:
    """As Debian's docker-registry guards itself: an htpasswd file with bcrypt, read anew when it changes."""

    address = f"127.0.0.1:{PORT}"

    def __init__(self, open_one: Registry, folder: Path) -> None:
        self._users = folder / "htpasswd"
        self._settings = folder / "guarded.yml"
        self._open = open_one
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(open_one.folder / "data")}},
            "http": {"addr": f"0.0.0.0:{PORT}"},
            "auth": {"htpasswd": {"realm": "paintshare", "path": str(self._users)}},
        }
        self._settings.write_text(json.dumps(settings))

    def admit(self, users: Mapping[str, str]) -> None:
        """These users and no others, from now on."""
        caddy = packages.program("caddy", "caddy", lambda _: None)
        lines = []
        for name, password in users.items():
            done = subprocess.run(
                [caddy, "hash-password", "--plaintext", password],
                check=True, capture_output=True, text=True, env=packages.environment(),
            )  # fmt: skip
            lines.append(f"{name}:{done.stdout.strip()}\n")
        self._users.write_text("".join(lines))

    def status(self) -> int:
        """What it answers to somebody without credentials; 0 when it does not answer."""
        connection = http.client.HTTPConnection(self._open.engine.address, PORT, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/v2/")
                return connection.getresponse().status
            except OSError:
                return 0

    def start(self) -> None:
        program = packages.program("docker-registry", "docker-registry", lambda _: None)
        processes.start(
            ["nsenter", f"--net={self._open.engine.namespace}", program, "serve", self._settings],
            self._settings.with_suffix(".log"),
            packages.environment(),
        )
        assert processes.wait_until(lambda: self.status() == http.HTTPStatus.UNAUTHORIZED, 60)

    def stop(self) -> None:
        processes.end(processes.find("docker-registry", str(self._settings)), 5)


@contextlib.contextmanager
def guarded(open_one: Registry, folder: Path, users: Mapping[str, str]) -> Iterator[GuardedRegistry]:
    """The guarded door, open while the context lasts."""
    made = GuardedRegistry(open_one, folder)
    made.admit(users)
    made.start()
    try:
        yield made
    finally:
        made.stop()

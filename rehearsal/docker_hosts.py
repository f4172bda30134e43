"""The Docker hosts of a home: what its stacks run on, and what its stack files say of them.

Owns two engines, the socket host and the monitoring host (a host does not watch itself), each a swarm of its
own and linked to the other, the registry that both pull from, the images in it, the authority of the proxies,
and the way to ask what a stack serves. Everything lies in the home's folder; a second home has its own.
"""

import contextlib
import http.client
import json
import shlex
import shutil
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from operations.services.running import Image
from plan.settings import PROJECT
from rehearsal import authority, demo, docker_engine
from rehearsal.cache import Progress, cache, locked
from rehearsal.docker_engine import Engine, images, registry
from rehearsal.docker_engine.building import ImageRef
from rehearsal.docker_engine.registry import Registry
from rehearsal.home import HOST_FOLDERS, STACKS, Home, engines

_SOCKET, _MONITOR, _REGISTRY = HOST_FOLDERS
_PROXY_STORE: Final = "caddy/pki/authorities/local"  # in the volume: Caddy's own authority

# What the stacks serve when a rehearsal starts: one release apart, so that there is something to promote.
SERVED: Final = {"staging": demo.RELEASES[2], "production": demo.RELEASES[1]}


@dataclass(frozen=True)
class Hosts:
    """The running hosts of one home, each by the registry that its engine pulls from."""

    socket: Registry
    monitor: Registry


@dataclass(frozen=True)
class Endpoint:
    """Where this machine reaches the socket server of a stack: the proxy's published port."""

    address: str
    port: int
    domain: str
    authority: Path | None
    """Certificate of the proxy's authority; None where it serves plain HTTP."""

    @property
    def url(self) -> str:
        """The address to ask; over TLS it is known by the domain, which no DNS server needs to know."""
        if self.authority is None:
            return f"http://{self.address}:{self.port}"
        return f"https://{self.domain}:{self.port}"

    @property
    def curl(self) -> str:
        """A command that asks `/healthz`. curl 7.88 refuses `--option=value`: they stand apart."""
        known = ["--resolve", f"{self.domain}:{self.port}:{self.address}", "--cacert", str(self.authority)]
        return shlex.join(["curl", *(known if self.authority else []), f"{self.url}/healthz"])

    def release(self) -> str:
        """Git SHA of the release that answers `/healthz`; empty when none does."""
        try:
            status, body = self.get()
        except (OSError, http.client.HTTPException):
            return ""
        return str(json.loads(body)["release"]) if status == 200 else ""

    def get(self, path: str = "/healthz", timeout: float = 10) -> tuple[int, str]:
        """Status and body of an answer. Raises OSError (ssl.SSLError is one) or HTTPException."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=timeout)
        with contextlib.closing(connection):
            if self.authority:
                context = ssl.create_default_context(cafile=self.authority)
                plain = socket.create_connection((self.address, self.port), timeout)
                connection.sock = context.wrap_socket(plain, server_hostname=self.domain)
            connection.request("GET", path, headers={"Host": self.domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


def existing(folder: Path) -> bool:
    """True when the home in `folder` has hosts, running or not."""
    return docker_engine.existing(folder / _SOCKET)


def ensure(folder: Path, progress: Progress = lambda _: None) -> Hosts:
    """The hosts of the home in `folder`, running: seconds at the first call, milliseconds while they run.

    Raises DockerUnavailableError where none can be had.
    """
    socket_host = docker_engine.ensure(folder / _SOCKET, progress)
    monitor = docker_engine.ensure(folder / _MONITOR, progress, beside=socket_host)
    _trust(socket_host, authority.ensure(folder))
    # A registry is reached on its engine's loopback, so there is one each, on the same data.
    return Hosts(
        *(registry.ensure(folder / _REGISTRY, engine, progress) for engine in (socket_host, monitor))
    )


def _trust(engine: Engine, known: authority.Authority) -> None:
    """Let the stacks' proxies find the home's authority, before they would make one of their own."""
    for stack in STACKS:
        volume = f"{PROJECT}-{stack}-certificates"
        store = engine.folder / "data" / "volumes" / volume / "_data" / _PROXY_STORE
        if not store.exists():
            with contextlib.closing(engine.client()) as client:
                client.volumes.create(volume)
            store.mkdir(mode=0o700, parents=True)
            for file in (known.key, known.root):
                shutil.copy(file, store)


def stop(folder: Path) -> None:
    """End the hosts of the home in `folder`. Their data stays."""
    for part in (_MONITOR, _SOCKET):
        docker_engine.stop(folder / part)


def stock(hosts: Hosts, progress: Progress = lambda _: None) -> Mapping[str, ImageRef]:
    """The socket image of every release of the demo account by git SHA, the others by what they run.

    What the registry of one home holds is kept in the user's cache for the next one: a second instead of half
    a minute.
    """
    data, kept = hosts.socket.folder / "data", cache("images") / "registry"
    with locked(kept.with_suffix(".lock"), progress, "another command is preparing images; waiting for it"):
        new = not data.exists()
        if new and kept.exists():
            shutil.copytree(kept, data)
        found = {
            "proxy": images.caddy(hosts.socket, progress),
            "prometheus": images.prometheus(hosts.socket, progress),
            "alertmanager": images.alertmanager(hosts.socket, progress),
            "blackbox": images.blackbox(hosts.socket, progress),
        }
        found |= {sha: images.socket_server(hosts.socket, sha, progress) for sha in demo.RELEASES}
        if new and not kept.exists():
            shutil.copytree(data, kept.with_suffix(".draft"), dirs_exist_ok=True)
            kept.with_suffix(".draft").rename(kept)
        elif new and _files(kept) != _files(data):
            shutil.rmtree(kept)  # something was built anew: the next home keeps it without what it replaces
    return found


def name(home: Home, found: Mapping[str, ImageRef]) -> None:
    """Write into the stack files which images the stacks serve, unless they say so already."""
    for stack, sha in SERVED.items():
        if not named(home, stack):
            served, before = found[sha], found[_before(sha)]
            home.edit(
                stack, socketImage=served.name, proxyImage=found["proxy"].reference,
                socketRelease=served.tag, socketDigest=served.digest,
                previousSocketRelease=before.tag, previousSocketDigest=before.digest,
            )  # fmt: skip


def named(home: Home, stack: str) -> str:
    """Git SHA of the socket server's release that the stack file names; empty while it names none."""
    return str(config(home, stack).get("socketRelease", ""))


def _before(sha: str) -> str:
    return demo.RELEASES[demo.RELEASES.index(sha) - 1]


def endpoint(home: Home, stack: str) -> Endpoint:
    """Where a stack's socket server answers, by what its stack file says."""
    said, engine = config(home, stack), engines(home.folder)[0]
    tls = said["socketTls"] != "off"
    return Endpoint(
        address=engine.address,
        port=said["socketHttpsPort" if tls else "socketHttpPort"],
        domain=said["socketDomain"],
        authority=authority.Authority(home.folder / authority.FOLDER).root if tls else None,
    )


def services(engine: Engine) -> list[tuple[str, str, str]]:
    """Every service of a running host: its name, the tag of its image, `n of m` tasks that run."""
    with contextlib.closing(engine.client()) as client:
        return sorted(
            (
                service["Spec"]["Name"],
                Image.parse(service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]).tag,
                "{RunningTasks} of {DesiredTasks}".format_map(service["ServiceStatus"]),
            )
            for service in client.api.services(status=True)
        )


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def config(home: Home, stack: str) -> dict[str, Any]:
    """The plain keys of a stack file, without the project's prefix."""
    content = yaml.safe_load(home.stack_file(stack).read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content.items()}

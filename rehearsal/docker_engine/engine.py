"""A Docker engine of the rehearsal's own, by the folder that it lives in: its names and its addresses.

It runs in a network namespace of its own: bridges, packet filter, swarm and published ports cannot meet
those of another engine on the machine, and nothing is published to the network. Only a link of two
addresses leads there.
"""

import contextlib
import hashlib
import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]

_SHORT: Final = Path("/run/paintshare")
_NAMESPACES: Final = Path("/run/netns")  # where ip-netns(8) keeps them
# For tests of networks (RFC 2544), so that no network in use has it: a link of two addresses for each engine.
_LINKS: Final = ipaddress.ip_network("198.18.0.0/15")


@dataclass(frozen=True)
class Engine:
    """An engine by the folder that it lives in; running or not."""

    folder: Path

    @property
    def id(self) -> str:
        """Names what the engine has outside its folder: ten hexadecimal digits."""
        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:10]

    @property
    def short(self) -> Path:
        """Where the folder is mounted a second time, so that paths of unix sockets stay short.

        They have at most 107 characters (unix(7)). No symbolic link: runc refuses a root below one.
        """
        return _SHORT / self.id

    @property
    def host(self) -> str:
        """What `DOCKER_HOST` and a Docker provider take."""
        return f"unix://{self.short / 'docker.sock'}"

    @property
    def tls_host(self) -> str:
        """Its second address, where a folder `tls` with ca.pem, cert.pem and key.pem lies in its folder."""
        return f"tcp://{self.address}:2376"

    @property
    def address(self) -> str:
        """Where the machine reaches published ports, and other nodes the swarm."""
        return str(self._addresses[2])

    @property
    def machine(self) -> str:
        """Where containers reach what listens on the machine."""
        return str(self._addresses[1])

    @property
    def namespace(self) -> Path:
        """The network namespace of the engine, for `nsenter --net=`."""
        return _NAMESPACES / f"paintshare-{self.id}"

    @property
    def link(self) -> str:
        """The interface that leads to the engine (at most 15 characters, as all interfaces' names)."""
        return f"ps-{self.id}"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    @property
    def _addresses(self) -> ipaddress.IPv4Network:
        number = int(self.id, 16) % (_LINKS.num_addresses // 4)
        return ipaddress.IPv4Network((int(_LINKS[0]) + 4 * number, 30))

    def client(self, timeout: float = 60) -> docker.DockerClient:
        """A new client; close it."""
        return docker.DockerClient(base_url=self.host, timeout=timeout)

    def running(self) -> bool:
        """True when the engine answers, on the folder as it is now, and is a node of its swarm."""
        try:
            if not self.short.samefile(self.folder):
                return False  # the folder was removed under a running engine and made anew
            with socket.socket(socket.AF_UNIX) as containerd:  # without it dockerd answers and starts nothing
                containerd.connect(str(self.short / "containerd.sock"))
            with contextlib.closing(self.client(timeout=60)) as client:
                return node_state(client) == "active"
        except (DockerException, OSError):
            return False


def node_state(client: docker.DockerClient) -> str:
    """What the engine is to its swarm: inactive, pending, active or error."""
    return str(client.info()["Swarm"]["LocalNodeState"])

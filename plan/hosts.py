"""How the Docker hosts are reached: address, TLS material, credentials of the image registry.

Pure: settings in, a `DockerHost` out. The Docker provider (`components`) and whatever asks a host by itself
(`operations.hosts`) read the same one.
"""

from dataclasses import dataclass

from plan.settings import Settings


@dataclass(frozen=True, kw_only=True)
class DockerHost:
    """One host. `address` is what `DOCKER_HOST` takes: unix://, tcp:// or ssh://."""

    address: str


def socket_host(settings: Settings) -> DockerHost:
    """The host of the stack's socket server."""
    return DockerHost(address=settings.socket_host)

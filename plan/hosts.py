"""How the Docker hosts are reached, and how configs and secrets are named there.

Address, TLS material, credentials of the image registry.

Pure: settings in, a `DockerHost` out. The Docker providers (`components.docker_host`) and what asks a host by
itself (`operations.services.hosts`) read the same one.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from plan.fingerprints import fingerprint
from plan.settings import Settings

# Read by the Docker plugin from the environment of whoever runs it: they would win over the stack file
# (a context over the host), or be joined with it. Source: its provider.go and config.go, v4.5.0.
OVERRIDING: Final = (
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_CA_MATERIAL",
    "DOCKER_CERT_MATERIAL",
    "DOCKER_KEY_MATERIAL",
)

SWARM_NAME: Final = 64  # characters; Swarm refuses a secret or config with more, and no preview does

# Logical names of the providers; what is declared on a host names its provider in the state.
SOCKET_HOST: Final = "socket-host"
MONITOR_HOST: Final = "monitor-host"


@dataclass(frozen=True, kw_only=True)
class Login:
    """Credentials of an image registry; `registry` is its host, with a port where it has one."""

    registry: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DockerHost:
    """One host. `address` is what `DOCKER_HOST` takes; PEM texts are "" where they are not needed."""

    address: str
    ca: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    logins: tuple[Login, ...] = ()


def socket_host(settings: Settings) -> DockerHost:
    """The host of the stack's socket server."""
    return DockerHost(
        address=settings.socket_host,
        ca=settings.socket_host_ca,
        certificate=settings.socket_host_certificate,
        key=settings.text("SOCKET_HOST_KEY"),
        logins=_logins(settings),
    )


def monitor_host(settings: Settings) -> DockerHost | None:
    """The host of the stack's monitor; None if none is named. It knows the private registry's credentials if
    its images come from there.
    """
    if not settings.monitor_host:
        return None
    used = {
        registry(image)
        for image in (
            settings.prometheus_image,
            settings.alertmanager_image,
            settings.blackbox_image,
            settings.proxy_image,
        )
    }
    return DockerHost(
        address=settings.monitor_host,
        ca=settings.monitor_host_ca,
        certificate=settings.monitor_host_certificate,
        key=settings.text("MONITOR_HOST_KEY"),
        logins=tuple(login for login in _logins(settings) if login.registry in used),
    )


def docker_hosts(settings: Settings) -> dict[str, DockerHost]:
    """The hosts that the stack names, by the logical name of their provider."""
    monitor = monitor_host(settings)
    return {SOCKET_HOST: socket_host(settings), **({MONITOR_HOST: monitor} if monitor else {})}


def registry(image: str) -> str:
    """The registry that an image names; "" when it names none and Docker Hub is meant.

    The first part is a host if it holds a dot or a colon, or is `localhost` (distribution/reference).
    """
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def login_label(settings: Settings, image: str) -> dict[str, str]:
    """A label that shows which credentials a service of this image was given; none where it needs none.

    Swarm keeps the credentials of the last write to a service and pulls with them, also a year later. The
    label changes with them, so that a rotation writes to the service, which exchanges its tasks
    (docs/hazards.md, order-of-variables).
    """
    given = [login for login in _logins(settings) if login.registry == registry(image)]
    if not given:
        return {}
    key = settings.fingerprint_key.get_secret_value()
    return {"app.paintshare.login": fingerprint(key, f"{given[0].user}:{given[0].password}")[:12]}


def config_name(prefix: str, part: str, text: str) -> str:
    """Physical name of a Swarm config. Configs are immutable: another text needs another name."""
    return _name(prefix, part, hashlib.sha256(text.encode()).hexdigest())


def secret_name(settings: Settings, prefix: str, part: str, value: str) -> str:
    """The same of a Swarm secret, by the keyed HMAC of its value."""
    return _name(prefix, part, fingerprint(settings.fingerprint_key.get_secret_value(), value))


def _name(prefix: str, part: str, digest: str) -> str:
    end = f"-{digest[:12]}"
    return f"{prefix}-{part}"[: SWARM_NAME - len(end)] + end


def _logins(settings: Settings) -> tuple[Login, ...]:
    password = settings.text("REGISTRY_PASSWORD")
    if not (settings.registry_user and password):
        return ()
    name = registry(settings.socket_image)
    return (Login(registry=name, user=settings.registry_user, password=password),) if name else ()

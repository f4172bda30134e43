"""Which engine this plugin process talks to: the provider's settings, and the connection made when needed.

The engine starts one process per provider, so each provider has its own host. Nothing here connects before
an object is created, read, updated or deleted: a preview needs no Docker. Only the engine that the provider
names is used, and no credentials but the provider's: never the user's Docker configuration.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rehearsal.standin.kinds import UNKNOWN, Failure, Properties, ServiceError

if TYPE_CHECKING:
    from operations.services.docker_client import Engine, Material

SCHEMES: Final = ("unix", "tcp", "http", "https", "ssh")
_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_NOT_APPLIED: Final = {
    "context": "name the host itself",
    "sshOpts": "write them into the configuration of ssh",
}
_SHORTEST: Final = 6  # characters of a value worth hiding; shorter ones would riddle the message


@dataclass(frozen=True)
class Settings:
    """What the provider was configured with. `registries` holds credentials by host name."""

    host: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    certificates: str = ""  # a folder with ca.pem, cert.pem and key.pem
    registries: Mapping[str, Properties] = field(default_factory=dict)


_lock = threading.Lock()
_settings = Settings()
_engine: "Engine | None" = None
cancelled = threading.Event()  # the run was interrupted: waits end


def configure(config: Properties) -> list[Failure]:
    """Check and keep the provider's settings. Values that are not known yet are left out: a preview."""
    global _settings, _engine  # noqa: PLW0603  one provider a process
    known = {name: value for name, value in config.items() if value is not UNKNOWN}
    failures = [
        Failure(name, f"the Docker stand-in does not apply it: {instead}")
        for name, instead in _NOT_APPLIED.items()
        if known.get(name)
    ]
    failures += _transport_failures(config)
    registries = known.get("registryAuth", [])
    for index, entry in enumerate(registries):
        failures += [
            Failure(f"registryAuth[{index}].{name}", "the Docker stand-in takes username and password")
            for name in ("configFile", "configFileContent")
            if name in entry
        ]
        if not entry.get("username") and not entry.get("authDisabled"):
            # Left out, the plugin reads the Docker configuration of whoever runs it.
            failures.append(Failure(f"registryAuth[{index}].username", "is missing"))
    with _lock:
        _engine = None
        cancelled.clear()
        _settings = Settings(
            host=known.get("host", ""),
            ca=known.get("caMaterial", ""),
            certificate=known.get("certMaterial", ""),
            key=known.get("keyMaterial", ""),
            certificates=known.get("certPath", ""),
            registries={_host_name(entry["address"]): _credentials(entry) for entry in registries},
        )
    return failures


def _transport_failures(config: Properties) -> Iterator[Failure]:
    host = config.get("host", "")
    if host is not UNKNOWN and host.partition("://")[0] not in SCHEMES:
        yield Failure("host", f"name the engine by a host that starts with {':// or '.join(SCHEMES)}://")
    given = [bool(config.get(name)) for name in ("certMaterial", "keyMaterial", "caMaterial")]
    if any(given) and not all(given):
        # The plugin accepts a certificate without an authority and then trusts any host.
        yield Failure("certMaterial", "certMaterial, keyMaterial and caMaterial must be specified together")
    if any(given) and config.get("certPath"):
        yield Failure("certPath", "must not be specified beside certMaterial")


def _credentials(entry: Properties) -> Properties:
    if entry.get("authDisabled"):
        return {"username": "username", "password": "password"}  # provider.go, "dummy credentials"
    names = ("username", "password")
    return {name: entry[name] for name in names if entry.get(name) not in (None, UNKNOWN)}


def _host_name(address: str) -> str:
    return str(address).rpartition("://")[2].partition("/")[0]


def credentials(image: str) -> Properties:
    """What the provider knows for the registry of an image; empty when nothing."""
    host, slash, _ = image.partition("/")
    registries = _settings.registries
    if slash and host in _HUB:
        host = next((each for each in registries if each in _HUB), host)
    found = registries.get(host, {}) if slash else {}
    return {**found, "serveraddress": f"https://{host}"} if found else {}


def engine() -> "Engine":
    """The connection, made at its first use. Raises ServiceError when nothing answers there."""
    global _engine  # noqa: PLW0603  one provider a process
    with _lock:
        if _engine is None:
            if not _settings.host:
                raise ServiceError(400, "not_configured", "the provider's host is not known yet")
            from operations.services import docker_client  # noqa: PLC0415  slow: no preview needs it

            _engine = docker_client.connect(_settings.host, _material(_settings))
        return _engine


def _material(settings: Settings) -> "Material | None":
    from operations.services.docker_client import Material  # noqa: PLC0415  as in `engine`

    if settings.certificate:
        return Material(ca=settings.ca, certificate=settings.certificate, key=settings.key)
    if settings.certificates:
        names = ("ca.pem", "cert.pem", "key.pem")
        ca, certificate, key = ((Path(settings.certificates) / name).read_text() for name in names)
        return Material(ca=ca, certificate=certificate, key=key)
    return None


@contextmanager
def asking(*secrets: str) -> Iterator["Engine"]:
    """The engine for one call; what it refuses becomes a ServiceError that holds none of these values."""
    try:
        yield engine()
    except ServiceError as error:
        raise ServiceError(error.status, error.code, hide(error.message, *secrets)) from None
    except Exception as error:
        from operations.services import docker_client  # noqa: PLC0415  loaded by now

        if (explained := docker_client.explain(error, _settings.host)) is None:
            raise
        status, code, message = explained
        raise ServiceError(status, code, hide(message, *secrets)) from None


def hide(text: str, *secrets: Any) -> str:
    """A text without these values."""
    for secret in sorted(filter(None, map(str, secrets)), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, "[hidden]")
    return text

"""The Docker SDK's client, with the calls made here: written bodies, TLS in memory, errors explained.

Imports the SDK, so only `session` loads it, when a call is made.
"""

import base64
import json
import socket
import ssl
import subprocess
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any, Final

import docker  # type: ignore[import-untyped]
import docker.errors  # type: ignore[import-untyped]
import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool

from rehearsal.standin.docker_kinds.session import Settings
from rehearsal.standin.kinds import Properties

_FIRST: Final = "1.41"  # API version of Docker 20.10, asked for the engine's own
_ANSWER: Final = 60  # seconds for one answer; waits for tasks are made of many short calls
_CODES: Final = {400: "bad_request", 403: "forbidden", 404: "not_found", 409: "conflict"}


class Engine(docker.APIClient):  # type: ignore[misc]
    """One engine."""

    def write(self, path: str, body: Properties, auth: Properties | None = None, **query: Any) -> Any:
        """POST a body as it is. The SDK's own methods take fewer settings, and the user's credentials."""
        headers = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(auth or {}).encode()).decode()}
        answer = self._post_json(self._url(path), data=body, headers=headers, params=query)
        return self._result(answer, json=True)


class _Pinned(requests.adapters.HTTPAdapter):
    """HTTPS with one certificate and one authority, neither of them left on disk."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def cert_verify(self, *_: Any) -> None:
        """Nothing: the context has both already."""


class _Dialled(urllib3.connection.HTTPConnection):
    """HTTP through the standard input and output of a command."""

    def __init__(self, command: list[str], timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(self._command, stdin=far.fileno(), stdout=far.fileno())
        near.settimeout(_ANSWER)
        self.sock = near

    def close(self) -> None:
        super().close()
        if self._process is not None:
            self._process.wait()  # it ends with its input
            self._process = None


class _Dialling(requests.adapters.HTTPAdapter):
    """The SDK's own needs paramiko, even when it only runs ssh."""

    def __init__(self, command: list[str]) -> None:
        class Pool(urllib3.connectionpool.HTTPConnectionPool):
            def _new_conn(self) -> Any:
                return _Dialled(command, _ANSWER)

        self._pool = Pool("localhost", maxsize=4)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool


def connect(settings: Settings) -> Engine:
    """A client of the engine. The API version is the engine's own, as the plugin negotiates it."""
    scheme, _, place = settings.host.partition("://")
    material = _material(settings)
    url = {"ssh": "http://ssh:22", "tcp": f"{'https' if material else 'http'}://{place}"}.get(
        scheme, settings.host
    )
    # A stated version keeps the constructor from calling before all is in place.
    client = Engine(base_url=url, timeout=_ANSWER, version=_FIRST)
    client.trust_env = False  # proxies and authorities of the user's environment are not the provider's
    if material:
        client.mount("https://", _Pinned(_context(*material)))
    if scheme == "ssh":
        client.mount("http://", _Dialling(_ssh(settings.host)))
    client._version = client.version(api_version=False)["ApiVersion"]
    return client


def _material(settings: Settings) -> tuple[str, str, str] | None:
    """Authority, certificate and key, as PEM."""
    if settings.certificate:
        return settings.ca, settings.certificate, settings.key
    if settings.certificates:
        ca, certificate, key = (
            (Path(settings.certificates) / name).read_text() for name in ("ca.pem", "cert.pem", "key.pem")
        )
        return ca, certificate, key
    return None


def _context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # Python loads a key from a file only
        file.write(f"{certificate.strip()}\n{key.strip()}\n")
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _ssh(host: str) -> list[str]:
    """The command that leads to the engine of an SSH host: docker/cli, connhelper/ssh."""
    parts = urllib.parse.urlsplit(host)
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    socket_of = ["--host", f"unix://{parts.path}"] if parts.path.strip("/") else []
    return ["ssh", *user, *port, "--", parts.hostname or "", "docker", *socket_of, "system", "dial-stdio"]


def explain(error: Exception, host: str) -> tuple[int, str, str] | None:
    """Status, code and message of what went wrong with a call; None when the mistake is ours."""
    if isinstance(error, docker.errors.APIError):
        status = error.status_code or 500
        return status, _CODES.get(status, "docker_error"), str(error.explanation or error)
    if isinstance(error, docker.errors.DockerException | requests.exceptions.RequestException | OSError):
        return 503, "unreachable", f"no Docker engine answers at {host}: {error}"
    return None

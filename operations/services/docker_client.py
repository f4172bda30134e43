"""A connection to one Docker engine: the Docker SDK's client over unix://, tcp:// with TLS, or ssh://.

Owns transports and the words for what goes wrong with them; the SDK's own ssh transport needs paramiko and
waits without a bound, and its TLS wants files. What is asked there is the callers' business:
`operations.services.hosts` and the rehearsal's Docker stand-in.
"""

import base64
import json
import socket
import ssl
import subprocess
import tempfile
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Final

import docker  # type: ignore[import-untyped]
import docker.errors  # type: ignore[import-untyped]
import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool

# API versions that are spoken here: of Docker 19.03 and of Docker 29. An engine's own may be newer.
LOWEST: Final = "1.40"
HIGHEST: Final = "1.52"
ANSWER: Final = 60.0  # seconds for one answer; waits for tasks are made of many short calls
_END: Final = 2  # seconds for ssh to end
_CODES: Final = {400: "bad_request", 403: "forbidden", 404: "not_found", 409: "conflict"}


class UnspokenError(docker.errors.DockerException):  # type: ignore[misc]
    """Engine and client have no version of the API in common."""


class Engine(docker.APIClient):  # type: ignore[misc]
    """One engine."""

    def write(self, path: str, body: dict[str, Any], auth: dict[str, Any] | None = None, **query: Any) -> Any:
        """POST a body as it is. The SDK's own methods take fewer settings, and the user's credentials."""
        headers = {"X-Registry-Auth": _encoded(auth)}
        answer = self._post_json(self._url(path), data=body, headers=headers, params=query)
        return self._result(answer, json=True)

    def distribution(self, image: str, auth: dict[str, str]) -> Any:
        """What the registry says of an image, asked by the engine; without the user's own credentials."""
        headers = {"X-Registry-Auth": _encoded(auth)}
        return self._result(self._get(self._url("/distribution/{0}/json", image), headers=headers), json=True)


def _encoded(auth: dict[str, Any] | None) -> str:
    return base64.urlsafe_b64encode(json.dumps(auth or {}).encode()).decode()


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
        self._command, self._patience = command, timeout
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(self._command, stdin=far.fileno(), stdout=far.fileno())
        near.settimeout(self._patience)
        self.sock = near

    def close(self) -> None:
        super().close()
        if self._process is not None:
            try:
                self._process.wait(_END)  # it ends with its input,
            except subprocess.TimeoutExpired:
                self._process.kill()  # unless it still tries to connect
                self._process.wait()
            self._process = None


class _Dialling(requests.adapters.HTTPAdapter):
    """The SDK's own needs paramiko, even when it only runs ssh."""

    def __init__(self, command: list[str], timeout: float) -> None:
        class Pool(urllib3.connectionpool.HTTPConnectionPool):
            def _new_conn(self) -> Any:
                return _Dialled(command, timeout)

        self._pool = Pool("localhost", maxsize=4)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool


@dataclass(frozen=True, kw_only=True)
class Material:
    """What TLS with a client certificate needs, as PEM."""

    ca: str
    certificate: str
    key: str = field(repr=False)


def connect(host: str, material: Material | None = None, timeout: float = ANSWER) -> Engine:
    """A client of the engine; close it. The API version is the newest that both know, as the plugin's is.

    `timeout`: seconds for one answer. Raises what `explain` explains.
    """
    scheme, _, place = host.partition("://")
    url = {"ssh": "http://ssh:22", "tcp": f"{'https' if material else 'http'}://{place}"}.get(scheme, host)
    # A stated version keeps the constructor from calling before all is in place.
    client = Engine(base_url=url, timeout=timeout, version=LOWEST)
    client.trust_env = False  # proxies and authorities of the user's environment are not the provider's
    if material:
        client.mount("https://", _Pinned(_context(material)))
    if scheme == "ssh":
        client.mount("http://", _Dialling(_ssh(host), timeout))
    try:
        client._version = negotiated(client.version(api_version=False))
    except BaseException:
        client.close()
        raise
    return client


def negotiated(engine: dict[str, Any]) -> str:
    """The newest API version that the engine (its `/version`) and this client know. Raises UnspokenError."""
    oldest, newest = str(engine.get("MinAPIVersion") or LOWEST), str(engine["ApiVersion"])
    found = min(HIGHEST, newest, key=_number)
    if _number(found) < max(_number(LOWEST), _number(oldest)):
        raise UnspokenError(
            f"Docker {engine['Version']} speaks API {oldest} to {newest}, this program {LOWEST} to "
            f"{HIGHEST}: "
            + ("use a newer Docker there" if found == newest else "use a newer version of this program")
        )
    return found


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _context(material: Material) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=material.ca)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # Python loads a key from a file only
        file.write(f"{material.certificate.strip()}\n{material.key.strip()}\n")
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
    if isinstance(error, UnspokenError):
        return 505, "version_not_supported", f"{host}: {error}"
    if isinstance(error, docker.errors.DockerException | requests.exceptions.RequestException | OSError):
        return 503, "unreachable", f"no Docker engine answers at {host}: {error}"
    return None

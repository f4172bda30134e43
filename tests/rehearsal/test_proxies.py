"""What both proxies are told, read by a real Caddy: every text is valid, and metrics stay private."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plan.socket import PROXY_HTTP_PORT, render_caddyfile
from plan.uptime import caddyfile
from rehearsal.docker_engine import packages, processes
from tests.builders import StackFile, production, staging

TLS = ("acme", "internal", "off")


@pytest.fixture(scope="module")
def caddy() -> Path:
    return packages.program("caddy", "caddy", print)


def texts(make: Any, tls: str) -> Iterator[str]:
    file: StackFile = make(
        socketTls=tls, monitorTls=tls, socketDomain="socket.example", monitorDomain="monitor.example"
    )
    yield render_caddyfile(file.settings())
    yield caddyfile(file.settings(), "paintshare-monitor")


@pytest.mark.parametrize("make", [staging, production])
@pytest.mark.parametrize("tls", TLS)
def test_caddy_takes_what_it_is_told(caddy: Path, make: Any, tls: str, tmp_path: Path) -> None:
    for text in texts(make, tls):
        (tmp_path / "Caddyfile").write_text(text)
        done = subprocess.run(
            [caddy, "validate", "--adapter", "caddyfile", "--config", "Caddyfile"],
            cwd=tmp_path, env=packages.environment() | {"HOME": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Valid configuration" in done.stdout + done.stderr


def status(port: int, path: str) -> int:
    """The status of a GET whose path is sent as it is."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    return int(answer.split(maxsplit=2)[1])


@pytest.fixture(scope="module")
def port(caddy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where staging's proxy listens, with no server behind it: what is passed on ends with 502 or 503."""
    folder = tmp_path_factory.mktemp("proxy")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    text = next(texts(staging, "off")).replace(str(PROXY_HTTP_PORT), str(number))
    (folder / "Caddyfile").write_text(text.replace("lb_try_duration 5s", "lb_try_duration 0s"))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [caddy, "run", "--adapter", "caddyfile", "--config", "Caddyfile"],
            cwd=folder, env=packages.environment() | {"HOME": str(folder)}, stdout=log, stderr=log,
        )  # fmt: skip

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", number)) == 0

        assert processes.wait_until(listens, 60), (folder / "log").read_text()
        yield number
        process.kill()
        process.wait()


PRIVATE = (
    "/metrics", "/metrics/", "/metrics/x", "/metrics?a=b", "//metrics", "/./metrics", "/x/../metrics",
    "/%6detrics", "/METRICS", "/metrics%2f", "/%2e/metrics",
)  # fmt: skip


@pytest.mark.parametrize("path", PRIVATE)
def test_metrics_are_found_under_no_spelling(port: int, path: str) -> None:
    assert status(port, path) == 404


@pytest.mark.parametrize("path", ["/healthz", "/socket.io/?EIO=4", "/metricsandmore"])
def test_everything_else_is_passed_on(port: int, path: str) -> None:
    assert status(port, path) in (502, 503)

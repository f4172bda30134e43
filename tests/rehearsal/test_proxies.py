"""What both proxies are told, read and run by a real Caddy: valid, private, before tasks that hang, over TLS.

The Caddy that stacks run by default is built from its Go module; `make rehearse` runs Debian's older one.
"""

import contextlib
import http.client
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from plan.caddy import PROXY_HTTP_PORT, PROXY_HTTPS_PORT
from plan.settings import Settings
from plan.socket import render_caddyfile
from plan.uptime.proxy import caddyfile
from rehearsal import proxy
from rehearsal.docker_engine import packages, processes
from tests.builders import StackFile, monitored, production, staging

pytestmark = pytest.mark.real

TLS = ("acme", "internal", "off")


@pytest.fixture(scope="module")
def debians() -> Path:
    return packages.program("caddy", "caddy", print)


@pytest.fixture(scope="module")
def caddy() -> Path:
    return proxy.ensure(print)


def test_the_caddy_that_is_tested_is_the_one_that_stacks_run_by_default() -> None:
    assert Settings.model_fields["proxy_image"].default == f"caddy:{proxy.VERSION}-alpine"


def texts(make: Any, tls: str) -> Iterator[str]:
    file: StackFile = make(
        socketTls=tls, monitorTls=tls, socketDomain="socket.example", monitorDomain="monitor.example"
    )
    yield render_caddyfile(file.settings())
    yield caddyfile(file.settings(), "paintshare-monitor")


@pytest.mark.parametrize("make", [staging, production])
@pytest.mark.parametrize("tls", TLS)
def test_caddy_takes_what_it_is_told(caddy: Path, debians: Path, make: Any, tls: str, tmp_path: Path) -> None:
    for program, text in ((program, text) for program in (caddy, debians) for text in texts(make, tls)):
        (tmp_path / "Caddyfile").write_text(text)
        done = subprocess.run(
            [program, "validate", "--adapter", "caddyfile", "--config", "Caddyfile"],
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


def free(address: str = "127.0.0.1") -> int:
    with socket.socket() as found:
        found.bind((address, 0))
        return int(found.getsockname()[1])


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


@contextlib.contextmanager
def running(program: Path, folder: Path, text: str, port: int) -> Iterator[None]:
    """Caddy with this text, which listens on `port`. It puts no authority of its own into this machine."""
    (folder / "Caddyfile").write_text(text.replace("\tadmin off\n", "\tadmin off\n\tskip_install_trust\n"))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "run", "--adapter", "caddyfile", "--config", "Caddyfile"],
            cwd=folder, env=packages.environment() | {"HOME": str(folder)}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            assert processes.wait_until(lambda: listens("127.0.0.1", port), 60), (folder / "log").read_text()
            yield
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def port(debians: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where staging's proxy listens, with no server behind it: what is passed on ends with 502 or 503."""
    number = free()
    text = next(texts(staging, "off")).replace(str(PROXY_HTTP_PORT), str(number))
    text = text.replace("lb_try_duration 5s", "lb_try_duration 0s")
    with running(debians, tmp_path_factory.mktemp("proxy"), text, number):
        yield number


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


# --- two tasks behind it -----------------------------------------------------------------------------------

HUNG, OTHER = "127.0.0.2", "127.0.0.3"  # both are this machine's
WAIT, LEFT_OUT = 3, 2  # seconds: response_header_timeout, fail_duration

# Answers with its address, and to /count with how many connections came before. Each request has its own.
TASK: Final = """
import http.server, sys

class Task(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = str(server.connections - 1) if self.path == "/count" else server.server_address[0]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
    do_POST = do_GET
    def log_message(self, *_): pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    connections = 0
    def get_request(self):
        self.connections += 1
        return super().get_request()

server = Server((sys.argv[1], int(sys.argv[2])), Task)
server.serve_forever()
"""


class Tasks:
    """Two tasks on one port of two addresses."""

    def __init__(self) -> None:
        self.port = free(HUNG)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for address in (HUNG, OTHER):
            self.start(address)

    def start(self, address: str) -> None:
        self._processes[address] = subprocess.Popen(
            [sys.executable, "-S", "-c", TASK, address, str(self.port)], stderr=subprocess.DEVNULL
        )
        assert processes.wait_until(lambda: listens(address, self.port), 60)

    def end(self, address: str) -> None:
        self._processes[address].kill()
        self._processes[address].wait()

    def looked_up(self, text: str) -> str:
        """The proxy's text with these tasks for the service's: addresses are looked up as names are."""
        each = "".join(f"\t\ta {a} {self.port} {{\n\t\t\trefresh 1s\n\t\t}}\n" for a in (HUNG, OTHER))
        pattern = r"dynamic a \{\n\t\tname \S+\n\t\tport \d+\n\t\trefresh 1s\n\t\}"
        text, found = re.subn(pattern, f"dynamic multi {{\n{each}\t}}", text)
        assert found == 1
        return text

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The process of HUNG does nothing any more, while the kernel still accepts connections for it."""
        process = self._processes[HUNG]
        process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{process.pid}/stat")
        assert processes.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 60)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def connections(self) -> int:
        """How many HUNG has had but for this one. They are accepted in the order in which they came."""
        connection = http.client.HTTPConnection(HUNG, self.port, timeout=60)
        connection.request("GET", "/count")
        return int(connection.getresponse().read())


def ask(port: int, cookie: str = "", method: str = "GET", body: bytes | None = None) -> tuple[int, str, str]:
    """Status and body of the proxy's answer, and the cookie that it sets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, "/", body, {"Cookie": cookie} if cookie else {})
    answer = connection.getresponse()
    given = (answer.headers["Set-Cookie"] or "").partition(";")[0]
    return answer.status, answer.read().decode(), given


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    made = Tasks()
    yield made
    for address in (HUNG, OTHER):
        made.end(address)


@pytest.fixture(scope="module")
def quiet(caddy: Path, tasks: Tasks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a proxy listens that nobody asks but a test: no player's connection holds a failure in memory."""
    number = free()
    text = tasks.looked_up(next(texts(staging, "off"))).replace(str(PROXY_HTTP_PORT), str(number))
    with running(caddy, tmp_path_factory.mktemp("quiet"), text, number):
        yield number


@pytest.fixture
def cookie(quiet: int) -> str:
    """The one that names HUNG, once it is taken back in after another test."""
    found: list[str] = []

    def named() -> bool:
        _, task, given = ask(quiet)
        found.extend([given] if task == HUNG else [])
        return bool(found)

    assert processes.wait_until(named, 60)
    return found[0]


@pytest.mark.parametrize("sticky", [True, False], ids=["cookie", "no cookie"])
def test_a_task_that_hangs_makes_one_request_wait_and_is_left_out(
    quiet: int, tasks: Tasks, cookie: str, sticky: bool
) -> None:
    """Once: 3 s and an interval. Twice would be 6.1 s and 504, as with a Caddy that forgets the failure."""
    before = tasks.connections()
    with tasks.stopped():
        started = time.monotonic()
        answers = [ask(quiet, cookie if sticky else "")[:2] for _ in range(30)]
        windows = 1 + int(max(0.0, time.monotonic() - started - WAIT) // LEFT_OUT)
    assert answers == [(200, OTHER)] * 30
    assert 1 <= tasks.connections() - before - 1 <= windows  # but for the first that counted


def test_a_post_goes_to_another_task_if_one_refuses_it_and_not_if_it_was_taken(
    quiet: int, tasks: Tasks, cookie: str
) -> None:
    with tasks.stopped():
        assert ask(quiet, cookie, "POST", b"once")[0] == 504
    tasks.end(HUNG)
    try:
        for body in (None, b"a body"):
            assert ask(quiet, cookie, "POST", body)[:2] == (200, OTHER)
    finally:
        tasks.start(HUNG)


# --- TLS ---------------------------------------------------------------------------------------------------


def over_tls(port: int, domain: str, root: Path) -> ssl.SSLSocket:
    """A connection by TLS. The certificate is made after Caddy listens."""
    made: list[ssl.SSLSocket] = []

    def connects() -> bool:
        with contextlib.suppress(OSError):
            link = socket.create_connection(("127.0.0.1", port), 60)
            context = ssl.create_default_context(cafile=root)
            made.append(context.wrap_socket(link, server_hostname=domain))
        return bool(made)

    assert processes.wait_until(connects, 60)
    return made[0]


@pytest.mark.parametrize("which", ["socket", "monitor"])
def test_over_tls_it_keeps_its_port_announces_no_http3_and_its_cookie_goes_to_pages_of_other_sites(
    caddy: Path, tasks: Tasks, tmp_path: Path, which: str
) -> None:
    domain, plain, secure = f"{which}.example", free(), free()
    file = monitored(production())
    for part in ("socket", "monitor"):
        file.config |= {f"{part}Tls": "internal", f"{part}Domain": domain, f"{part}HttpsPort": 9443}
    settings = file.settings()
    text = caddyfile(settings, "p") if which == "monitor" else tasks.looked_up(render_caddyfile(settings))
    text = text.replace(f"http_port {PROXY_HTTP_PORT}", f"http_port {plain}")
    text = text.replace(f"https_port {PROXY_HTTPS_PORT}", f"https_port {secure}")
    with running(caddy, tmp_path, text, secure):
        root = tmp_path / ".local/share/caddy/pki/authorities/local/root.crt"
        connection = http.client.HTTPConnection(domain)
        with over_tls(secure, domain, root) as connection.sock:
            connection.request("GET", "/x")
            answer = connection.getresponse()
        connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=60)
        connection.request("GET", "/x?y=z", headers={"Host": f"{domain}:9080"})
        redirect = connection.getresponse()
    assert answer.status == (401 if which == "monitor" else 200)
    assert answer.headers["Alt-Svc"] is None
    assert (redirect.status, redirect.headers["Location"]) == (308, f"https://{domain}:9443/x?y=z")
    assert redirect.headers["Alt-Svc"] is None
    if which == "socket":
        assert set(answer.headers["Set-Cookie"].split("; ")[1:]) >= {"Secure", "SameSite=None"}

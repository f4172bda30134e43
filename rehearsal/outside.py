"""What lies outside the two Docker hosts of a home: names, the web app as probes see it, the alert channels.

Owns a DNS server that knows the demo's domains and no other, a web server with a certificate for them (of the
home's authority), and the receiver. They listen on the links of the home's engines, where
containers reach them and nothing else does. Which answers the web app gives can be told at any time.
"""

import argparse
import contextlib
import http.server
import ipaddress
import signal
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rehearsal import authority, demo, docker_hosts
from rehearsal.cache import Progress
from rehearsal.docker_engine import packages, processes
from rehearsal.home import CLONE, STACKS, Home, HomeError, engines
from rehearsal.receiver import Receiver

_FOLDER: Final = "outside"
_DNS, _HTTPS = 53, 443
_START: Final = 120  # seconds


class Outside:
    """All three, in this process, as a context. The home's Docker hosts run already."""

    def __init__(self, home: Home) -> None:
        socket_host, monitor = engines(home.folder)
        names = {demo.CHANNELS[0]: monitor.machine, **_names(home)}
        self.receiver = Receiver(monitor.machine, demo.CHANNELS[1])
        certificate = authority.ensure(home.folder).certificate(*_web_domains(home))
        self.web = Web(monitor.machine, certificate)
        self._dns = [_Dns(engine.machine, names) for engine in (socket_host, monitor)]
        self._servers: list[socketserver.BaseServer] = [self.web.server, *self._dns]

    def __enter__(self) -> Self:
        self.receiver.__enter__()
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self.receiver.__exit__(kind, error, trace)


class Web:
    """The web app as a probe sees it: 200 to everything, unless `status` says otherwise of `DOMAIN/PATH`."""

    def __init__(self, address: str, certificate: Path) -> None:
        self.status: dict[str, int] = {}
        self.agents: set[str] = set()  # User-Agents seen
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                web.agents.add(self.headers.get("User-Agent", ""))
                data = b'{"status": "ok"}\n'
                self.send_response(web.status.get(f"{self.headers.get('Host', '')}{self.path}", 200))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((address, _HTTPS), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # The handshake is the handler's business: one slow client must not hold up the others.
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )


def ensure(home: Home, progress: Progress = lambda _: None) -> None:
    """A process of its own with all three, for a home that people work in. Its channels: `receiver_url`.

    Raises HomeError where they do not start.
    """
    folder = home.folder / _FOLDER
    if not _running(home.folder):
        progress("starting the web app's stand-in, the channels and the names of the demo")
        folder.mkdir(exist_ok=True)
        python = [sys.executable, "-m", "rehearsal.outside", str(folder)]
        environment = {**packages.environment(), "PYTHONPATH": str(CLONE)}
        ready = folder / "ready"
        ready.unlink(missing_ok=True)
        started = processes.start(python, folder / "outside.log", environment)
        processes.wait_until(lambda: ready.exists() or started.poll() is not None, _START)
        if not ready.exists():
            raise HomeError(f"the channels of this rehearsal do not start (log: {folder / 'outside.log'})")


def existing(folder: Path) -> bool:
    """True when the home in `folder` has had such a process, running or not."""
    return (folder / _FOLDER).exists()


def stop(folder: Path) -> None:
    """End the process of the home in `folder`, if there is one."""
    processes.end(_running(folder), 5)


def receiver_url(folder: Path) -> str:
    """Where a person sees what the channels of the home in `folder` have received."""
    return f"http://{engines(folder)[1].machine}:{demo.CHANNELS[1]}"


def _running(folder: Path) -> list[int]:
    # By a folder that no other command of the rehearsal has among its arguments.
    return processes.find(Path(sys.executable).name, str(folder.absolute() / _FOLDER))


def _names(home: Home) -> dict[str, str]:
    """Domain → address, of everything that the stack files name."""
    socket_host, monitor = engines(home.folder)
    found = dict.fromkeys(_web_domains(home), monitor.machine)
    for stack in STACKS:
        said = docker_hosts.config(home, stack)
        found[said["socketDomain"]] = socket_host.address
        found[demo.monitor_domain(stack)] = monitor.address
    return found


def _web_domains(home: Home) -> list[str]:
    return [docker_hosts.config(home, stack)["webDomain"] for stack in STACKS]


# --- names -----------------------------------------------------------------------------------------------


class _Dns(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, address: str, names: Mapping[str, str]) -> None:
        self.names = names
        super().__init__((address, _DNS), _Question)


class _Question(socketserver.BaseRequestHandler):
    server: _Dns

    def handle(self) -> None:
        query, reply = self.request
        with contextlib.suppress(IndexError, UnicodeDecodeError, struct.error):
            reply.sendto(answer(query, self.server.names.get), self.client_address)


def answer(query: bytes, known: Callable[[str], str | None]) -> bytes:
    """The answer to a DNS query (RFC 1035, 4.1) by a table of IPv4 addresses; other names do not exist."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii"))
        at += 1 + query[at]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    question = query[12 : at + 5]
    address = known(".".join(labels).lower())
    found = address is not None and kind == 1  # A
    # Response, authoritative, recursion as asked and available; NXDOMAIN for a name that nobody knows.
    flags = 0x8580 | (struct.unpack("!H", query[2:4])[0] & 0x0100) | (0 if address else 3)
    header = query[:2] + struct.pack("!5H", flags, 1, int(found), 0, 0)
    record = (
        struct.pack("!3HIH", 0xC00C, 1, 1, 5, 4) + ipaddress.IPv4Address(address).packed if found else b""
    )
    return header + question + record


def main() -> None:
    """`python -m rehearsal.outside HOME/outside`: serve until the process is ended."""
    options = argparse.ArgumentParser(prog="rehearsal.outside")
    options.add_argument("folder", type=Path)
    folder: Path = options.parse_args().folder.parent
    from rehearsal import engine  # noqa: PLC0415  slow, and of no use to an import of this module

    with Outside(Home(folder, engine.ensure())):
        (folder / _FOLDER / "ready").touch()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()

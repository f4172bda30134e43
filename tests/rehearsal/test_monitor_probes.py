"""The real blackbox exporter with a stack's configuration asks a real HTTPS server: what counts as up."""

import contextlib
import http.server
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from plan.alerts import RULES
from plan.alerts.series import SERIES, UNHEARD_JOB, Exporter
from plan.uptime.blackbox import blackbox_yml
from rehearsal.docker_engine import packages, processes
from tests.builders import monitored, staging

pytestmark = pytest.mark.real

BYPASS = "bypass-of-the-protection"
LOGIN = {"Location": "https://vercel.com/sso-api?url=https%3A%2F%2Fshare-paint.app%2F"}
CHALLENGE, DENY = ({"X-Vercel-Mitigated": what} for what in ("challenge", "deny"))
ANSWERS: dict[str, tuple[int, dict[str, str]]] = {
    "/up": (200, {}), "/down": (500, {}), "/login": (302, {"Location": "/up"}),
    "/elsewhere": (307, {"Location": "https://vercel.com.example/login"}),
    "/named": (307, {"Location": "https://sso.example/?to=//vercel.com/"}),
    "/refused": (403, {}), "/busy": (429, {}), "/denied": (403, DENY), "/denied-200": (200, DENY),
    "/broken": (500, CHALLENGE), "/challenge": (403, CHALLENGE), "/challenge-429": (429, CHALLENGE),
    "/challenge-200": (200, CHALLENGE), "/protected": (307, LOGIN), "/protected-302": (302, LOGIN),
    "/protected-401": (401, {}),
}  # fmt: skip
UNHEARD = {path for path in ANSWERS if path.startswith(("/challenge", "/protected"))}


class _Site(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        agent, bypass = self.headers["User-Agent"], self.headers.get("x-vercel-protection-bypass", "")
        self.seen.append((self.path, agent, bypass))
        status, headers = ANSWERS[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


LIFETIME, SURPLUS_LIFETIME = 9, 2  # days


def certificate(folder: Path, name: str, days: int) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days),
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own authority, and what the site sends: it, and one that nobody needs."""
    folder = tmp_path_factory.mktemp("authority")
    certificate(folder, "ca", LIFETIME)
    certificate(folder, "surplus", SURPLUS_LIFETIME)
    sent = "".join((folder / f"{name}.crt").read_text() for name in ("ca", "surplus"))
    (folder / "sent.crt").write_text(sent)
    return folder


@pytest.fixture(scope="module")
def site(authority: Path) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Where it is, and who asked for what."""
    seen: list[tuple[str, str, str]] = []
    handler = type("Site", (_Site,), {"seen": seen})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "sent.crt", authority / "ca.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def exporter(folder: Path, env: dict[str, str]) -> Iterator[str]:
    program = packages.program("prometheus-blackbox-exporter", "prometheus-blackbox-exporter", print)
    file = monitored(staging())
    file.set_secret("VERCEL_PROTECTION_BYPASS", BYPASS)
    (folder / "blackbox.yml").write_text(yaml.safe_dump(blackbox_yml(file.settings())))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = processes.start(
        [program, f"--config.file={folder / 'blackbox.yml'}", f"--web.listen-address=127.0.0.1:{port}"],
        folder / "log", env,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        processes.wait_until(lambda: _answers(url) or process.poll() is not None, 120)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        processes.end([process.pid], 30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/healthy", timeout=5) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def trusting(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An exporter that trusts the team's own authority, as `monitorCa` makes it."""
    trusted = tmp_path_factory.mktemp("trusted")
    (trusted / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    with exporter(tmp_path_factory.mktemp("exporter"), {"SSL_CERT_DIR": str(trusted)}) as url:
        yield url


def probe(exporter: str, target: str, module: str = "web") -> dict[str, float]:
    query = urllib.parse.urlencode({"target": target, "module": module})
    with urllib.request.urlopen(f"{exporter}/probe?{query}", timeout=30) as answer:  # noqa: S310  the same
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


Site = tuple[str, list[tuple[str, str, str]]]


def test_only_an_answer_of_its_own_counts_as_up(trusting: str, site: Site) -> None:
    """A redirect does not: a protected deployment redirects to a login page, which answers 200."""
    assert {path for path in ANSWERS if probe(trusting, site[0] + path)["probe_success"]} == {"/up"}


def test_what_vercel_answers_in_the_apps_place_is_told_from_a_broken_page(trusting: str, site: Site) -> None:
    def unheard(path: str) -> bool:
        found = probe(trusting, site[0] + path, UNHEARD_JOB)
        return found["probe_failed_due_to_regex"] == 1 or found["probe_http_status_code"] == 401

    assert {path for path in ANSWERS if unheard(path)} == UNHEARD
    gone = probe(trusting, "https://127.0.0.1:1/", UNHEARD_JOB)
    assert gone["probe_failed_due_to_regex"] == 0
    assert gone["probe_http_status_code"] == 0


def test_the_exporter_emits_the_series_of_its_rules(trusting: str, site: Site) -> None:
    found = probe(trusting, site[0] + "/up")
    assert {s.name for s in SERIES if s.exporter is Exporter.BLACKBOX} <= found.keys()


def test_rules_of_certificates_judge_the_chain_in_use_and_no_surplus_one(trusting: str, site: Site) -> None:
    found = probe(trusting, site[0] + "/up")
    judged = [s.name for r in RULES if r.service == "certificate" for s in SERIES if s.name in r.expr]
    assert len(judged) == 2
    days = {round((found[name] - time.time()) / 86400) for name in judged}
    assert days == {LIFETIME}


def test_a_certificate_of_nobody_known_counts_as_down(tmp_path: Path, trusting: str, site: Site) -> None:
    assert probe(trusting, site[0] + "/up")["probe_success"] == 1
    with exporter(tmp_path, {}) as strict:
        assert probe(strict, site[0] + "/up")["probe_success"] == 0


def test_plain_http_counts_as_down(trusting: str) -> None:
    assert probe(trusting, f"{trusting}/-/healthy")["probe_success"] == 0  # answers 200, without TLS


def test_a_probe_names_itself_and_tells_the_bypass_to_one_host_only(trusting: str, site: Site) -> None:
    url, seen = site
    seen.clear()
    for module in ("web", UNHEARD_JOB, "socket"):
        probe(trusting, f"{url}/up", module)
    agent = "paintshare-uptime-check/1 (stack staging)"
    assert seen == [*[("/up", agent, BYPASS)] * 2, ("/up", agent, "")]
